//! What goes with age and size, and what stays.

use super::{LIMIT, recovered, start, world};
use rusqlite::Connection;
use sidestep::{
    failover::What,
    journal::{self, Journal, Settings},
    model::Timestamp,
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

fn figure(folder: &Path, sql: &str) -> i64 {
    let connection = Connection::open(folder.join("journal.sqlite")).unwrap();
    connection.busy_timeout(LIMIT).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn until(journal: &Journal, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < LIMIT * 3, "{:?}", journal.health());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Observations in the figures by the hour.
fn rolled(folder: &Path) -> i64 {
    figure(
        folder,
        "SELECT coalesce(sum(good + bad + none), 0) FROM rollup",
    )
}

/// Writes so many probes with a snapshot every thousand.
fn fill(folder: &Path, journal: &Journal, lane: &mut world::Lane, count: usize) {
    for _ in 0..count / 1_000 {
        for step in lane.probes(1_000) {
            journal.write(step, None);
        }
        assert!(journal.wait_for(lane.state.world().seq, LIMIT));
        journal.snapshot(lane.state.clone());
    }
    let wal = std::fs::metadata(folder.join("journal.sqlite-wal")).unwrap();
    assert!(
        wal.len() < 12_000_000,
        "the WAL was not moved: {}",
        wal.len()
    );
}

#[test]
fn observations_go_with_age_and_decisions_stay() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (mut lane, first) = world::Lane::new();
    let (_, journal) = start(
        folder,
        Settings {
            keep_ms: 3_600_000,
            tend_every: Duration::from_millis(10),
            ..Settings::default()
        },
    );
    journal.write(first, None);
    fill(folder, &journal, &mut lane, 30_000); // 30,000 s, with an hour to be kept.
    let oldest = Timestamp(lane.at - 3_600_000);
    until(&journal, || {
        let at = journal.health().oldest_at_ms;
        at.is_some_and(|at| at >= oldest) && rolled(folder) == 30_000
    });
    journal.stop();
    assert_eq!(figure(folder, "SELECT count(*) FROM observation"), 3_601);
    assert!(figure(folder, "SELECT count(*) FROM rollup") >= 9 * 3);
    // The last three, and one for each hour of which there are observations.
    assert!((3..=6).contains(&figure(folder, "SELECT count(*) FROM snapshot")));
    let found = recovered(folder);
    assert_eq!(found.state, lane.state);
    assert_eq!(found.alarms, Vec::<String>::new());
    let decisions = journal::read(folder, None, None)
        .unwrap()
        .map(Result::unwrap);
    let decisions: Vec<_> = decisions
        .filter(|event| matches!(event.what, What::Decision(_)))
        .collect();
    assert!(decisions.len() > 1_000 && decisions[0].seq == 3);
}

#[test]
fn observations_go_where_the_room_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (mut lane, first) = world::Lane::new();
    let bytes_max = 2_900_000;
    let (_, journal) = start(
        folder,
        Settings {
            bytes_max,
            tend_every: Duration::from_millis(10),
            ..Settings::default()
        },
    );
    journal.write(first, None);
    fill(folder, &journal, &mut lane, 60_000);
    until(&journal, || {
        let health = journal.health();
        let oldest = Some(Timestamp(world::BEGIN + 1_000_000));
        health.bytes <= bytes_max && health.oldest_at_ms > oldest && rolled(folder) == 60_000
    });
    journal.stop();
    assert_eq!(recovered(folder).state, lane.state);
    let observations = figure(folder, "SELECT count(*) FROM observation");
    assert!((3_000..60_000).contains(&observations), "{observations}");
}

#[test]
fn people_can_look_with_sqlite3() {
    let folder = tempfile::tempdir().unwrap();
    let (mut lane, first) = world::Lane::new();
    let mut steps = vec![first];
    steps.extend(lane.probes(20));
    super::record(folder.path(), &steps);
    let connection = Connection::open(folder.path().join("journal.sqlite")).unwrap();
    let line: String = connection
        .query_row(
            "SELECT time || ' ' || target || ' ' || address || ' ' || result FROM probes ORDER BY seq LIMIT 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(line, "2026-01-05T00:00:01.000Z primary 192.0.2.10 bad");
    let line: String = connection
        .query_row(
            "SELECT time || ' ' || kind || ' ' || service FROM log WHERE kind = 'decision' LIMIT 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert!(line.ends_with(" decision www"), "{line}");
}

#[test]
fn a_restart_with_the_same_files_stores_no_text_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (mut lane, first) = world::Lane::new();
    let mut steps = vec![first];
    steps.extend((0..10).map(|_| lane.feed(1_000, world::reload(0))));
    super::record(folder.path(), &steps);
    assert_eq!(
        figure(
            folder.path(),
            "SELECT count(*) FROM event WHERE kind = 'config'"
        ),
        11
    );
    assert_eq!(figure(folder.path(), "SELECT count(*) FROM body"), 2);
    assert_eq!(
        figure(folder.path(), "SELECT count(*) FROM policy_version"),
        1
    );
}

//! A disk that refuses: nothing waits, the backlog is bounded, what went is said.

use super::{LIMIT, recovered, start, world};
use rusqlite::Connection;
use sidestep::{
    failover::{Event, What},
    journal::{self, Journal, Settings},
};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Somebody who has the journal open in `sqlite3` and began to write.
fn hold(folder: &Path) -> Connection {
    let connection = Connection::open(folder.join("journal.sqlite")).unwrap();
    connection.busy_timeout(LIMIT).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

fn settings() -> Settings {
    Settings {
        group_for: Duration::from_millis(1),
        retry_every: Duration::from_millis(10),
        backlog_max: 100,
        ..Settings::default()
    }
}

/// Waits until the journal is in trouble, for a reason with these words.
fn await_degraded(journal: &Journal, words: &str) {
    let began = Instant::now();
    loop {
        let health = journal.health();
        if health.degraded.is_some_and(|now| now.why.contains(words)) {
            return;
        }
        assert!(began.elapsed() < LIMIT, "{:?}", journal.health());
        std::thread::yield_now();
    }
}

fn events(folder: &Path) -> Vec<Event> {
    let events = journal::read(folder, None, None).unwrap();
    events.map(Result::unwrap).collect()
}

#[test]
fn what_could_not_be_written_is_written_once_the_disk_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut lane, first) = world::Lane::new();
    let committed = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&committed);
    let opened = super::open(folder.path(), settings());
    let hear = Box::new(move |seq| heard.lock().unwrap().push(seq));
    let (_, journal) = opened.start(hear).unwrap();
    let mut all = first.clone();
    journal.write(first, None);
    assert!(journal.wait_for(lane.state.world().seq, LIMIT));
    let held = hold(folder.path());
    for step in lane.probes(20) {
        all.extend(step.clone());
        journal.write(step, None);
    }
    await_degraded(&journal, "another program holds the journal");
    assert!(!journal.wait_for(lane.state.world().seq, Duration::from_millis(50)));
    assert!(journal.health().backlog >= 20);
    drop(held);
    assert!(journal.wait_for(lane.state.world().seq, LIMIT));
    let health = journal.health();
    assert_eq!((health.backlog, health.gaps), (0, 0));
    journal.stop();
    assert_eq!(events(folder.path()), all);
    let heard = committed.lock().unwrap();
    assert!(
        heard.is_sorted() && heard.last() == Some(&lane.state.world().seq),
        "{heard:?}"
    );
}

#[test]
fn past_the_backlog_observations_go_and_a_snapshot_covers_the_gap() {
    let folder = tempfile::tempdir().unwrap();
    let (mut lane, first) = world::Lane::new();
    let (_, journal) = start(folder.path(), settings());
    let mut all = first.clone();
    journal.write(first, Some(super::kept("one")));
    assert!(journal.wait_for(lane.state.world().seq, LIMIT));
    let held = hold(folder.path());
    for round in 0..20 {
        let mut steps = lane.probes(30);
        let input = world::order(serde_json::json!({ "command": "hold", "service": "www" }));
        steps.push(lane.feed(5, input));
        for step in steps {
            all.extend(step.clone());
            journal.write(step, (round == 3).then(|| super::kept("two")));
        }
        assert!(journal.health().backlog <= 200);
    }
    let health = journal.health();
    assert_eq!(health.gaps, 1);
    assert!(health.lost > 300 && journal.wants_snapshot(), "{health:?}");
    drop(held);
    // What follows the gap is not written before the snapshot comes.
    let last = lane.state.world().seq;
    assert!(!journal.wait_for(last, Duration::from_millis(200)));
    let before = journal.committed();
    journal.snapshot(lane.state.clone());
    assert!(journal.wait_for(lane.state.world().seq, LIMIT));
    assert!(!journal.wants_snapshot());
    for step in lane.probes(5) {
        all.extend(step.clone());
        journal.write(step, None);
    }
    journal.stop();
    let found = recovered(folder.path());
    assert_eq!(found.state, lane.state);
    assert_eq!(found.kept, Some(super::kept("two")));
    assert_eq!((found.alarms, found.folded), (Vec::new(), 5));

    let found = events(folder.path());
    let gaps = found.iter().filter_map(|event| match &event.what {
        What::Gap(gap) => Some((event.seq, gap)),
        _ => None,
    });
    let [(seq, gap)] = gaps.collect::<Vec<_>>()[..] else {
        panic!("no one gap")
    };
    assert_eq!((seq, gap.lost), (gap.to_seq, health.lost));
    assert!(before < gap.from_seq, "{before} {gap:?}");
    assert_eq!(found.len() as u64 + gap.lost - 1, all.len() as u64);
    let heavy = |event: &&Event| !matches!(event.what, What::Probe(_) | What::Gap(_));
    let (written, there): (Vec<_>, Vec<_>) = (
        all.iter().filter(heavy).collect(),
        found.iter().filter(heavy).collect(),
    );
    assert_eq!(there, written);
}

#[test]
fn past_it_once_more_the_oldest_of_the_rest_go() {
    let folder = tempfile::tempdir().unwrap();
    let (mut lane, first) = world::Lane::new();
    let (_, journal) = start(folder.path(), settings());
    journal.write(first, None);
    assert!(journal.wait_for(lane.state.world().seq, LIMIT));
    let held = hold(folder.path());
    let mut last = 0;
    for _ in 0..500 {
        let step = lane.feed(
            5,
            world::order(serde_json::json!({ "command": "hold", "service": "www" })),
        );
        last = step[0].seq;
        journal.write(step, Some(super::kept("three")));
    }
    let health = journal.health();
    assert!(
        health.backlog <= 201 && health.lost >= 300 && health.gaps == 1,
        "{health:?}"
    );
    drop(held);
    journal.snapshot(lane.state.clone());
    assert!(journal.wait_for(lane.state.world().seq, LIMIT));
    journal.stop();
    let found = recovered(folder.path());
    assert_eq!(
        (found.state, found.kept),
        (lane.state, Some(super::kept("three")))
    );
    assert!(events(folder.path()).iter().any(|event| event.seq == last));
}

#[test]
fn a_stop_while_the_disk_refuses_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (lane, first) = world::Lane::new();
    let (_, journal) = start(folder.path(), settings());
    let began = Instant::now();
    while !folder.path().join("journal.sqlite-wal").exists() {
        assert!(began.elapsed() < LIMIT);
        std::thread::yield_now();
    }
    let held = hold(folder.path());
    journal.write(first, None);
    await_degraded(&journal, "another program holds the journal");
    journal.stop();
    assert_ne!(journal.committed(), lane.state.world().seq);
    drop(held);
}

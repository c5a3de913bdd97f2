//! Damage of every kind: nothing panics, a daemon starts, what can be saved is saved.

use super::{LIMIT, folded, open, recovered, start, world};
use rusqlite::Connection;
use sidestep::{
    failover::{Event, State, What},
    journal::{self, OpenError, Recovered, Settings},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// A journal of some hundred steps; its files, as they are when a machine dies.
struct Sample {
    steps: Vec<Vec<Event>>,
    state: State,
    db: Vec<u8>,
    wal: Vec<u8>,
}

impl Sample {
    /// Snapshots after these many steps; all is in the main file up to `moved` steps, then in the WAL.
    fn new(count: usize, snapshots: &[usize], moved: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            group_for: Duration::ZERO,
            ..Settings::default()
        };
        let (mut lane, first) = world::Lane::new();
        let mut steps = vec![first];
        let (_, mut journal) = start(folder.path(), settings.clone());
        journal.write(steps[0].clone(), Some(super::kept("one")));
        for index in 1..count {
            let input = match index % 90 {
                40 => world::order(serde_json::json!({ "command": "drain", "target": "third" })),
                80 => world::order(serde_json::json!({ "command": "undrain", "target": "third" })),
                turn => world::probe(["primary", "backup", "third"][turn % 3], turn % 17 > 4),
            };
            let step = lane.feed(700, input);
            steps.push(step.clone());
            journal.write(step, None);
            let durable = |journal: &journal::Journal| {
                assert!(
                    journal.wait_for(lane.state.world().seq, LIMIT),
                    "{:?}",
                    journal.health()
                );
            };
            if index >= moved {
                durable(&journal); // Each step in a commit of its own.
            }
            if snapshots.contains(&index) {
                durable(&journal);
                journal.snapshot(lane.state.clone());
            }
            if index == moved {
                journal.stop();
                journal = start(folder.path(), settings.clone()).1;
            }
        }
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap_or_default();
        let sample = Self {
            state: lane.state,
            db: read("journal.sqlite"),
            wal: read("journal.sqlite-wal"),
            steps,
        };
        journal.stop();
        sample
    }

    fn lay(&self, db: &[u8], wal: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("journal.sqlite"), db).unwrap();
        if !wal.is_empty() {
            fs::write(folder.path().join("journal.sqlite-wal"), wal).unwrap();
        }
        folder
    }

    /// The number of steps that a state has, where it has whole steps.
    fn whole_steps(&self, state: &State) -> usize {
        let seq = state.world().seq;
        let ends = self
            .steps
            .iter()
            .position(|step| step.last().unwrap().seq == seq);
        let count = ends.map_or(0, |index| index + 1);
        assert_eq!(*state, folded(self.steps[..count].iter().flatten()));
        count
    }
}

fn aside(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_aside = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.contains(".damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm")
    };
    let mut found: Vec<PathBuf> = entries.filter(is_aside).collect();
    found.sort();
    found
}

/// Opens, goes on, and finds at the next start what was there then, without an alarm.
fn survives(folder: &Path) -> Recovered {
    let (recovered, journal) = start(folder, Settings::default());
    let mut state = recovered.state.clone();
    let at = state.world().at.plus_ms(1);
    let step = sidestep::failover::step(
        &mut state,
        at,
        world::probe("primary", true),
        &world::Simple,
    );
    let last = step.last().unwrap().seq;
    journal.write(step, Some(super::kept("since")));
    // Damage that only a writer meets is met here, and answered as a daemon does.
    let began = Instant::now();
    while !journal.wait_for(last, Duration::from_millis(5)) {
        assert!(began.elapsed() < LIMIT, "{:?}", journal.health());
        if journal.wants_snapshot() {
            journal.snapshot(state.clone());
        }
    }
    journal.stop();
    let again = super::recovered(folder);
    assert_eq!(again.state, state);
    assert_eq!(
        again.alarms,
        Vec::<String>::new(),
        "after {:?}",
        recovered.alarms
    );
    assert_eq!(again.kept, Some(super::kept("since")));
    recovered
}

#[test]
fn a_wal_that_ends_anywhere_is_a_prefix() {
    let sample = Sample::new(120, &[60], 40);
    assert!(sample.wal.len() > 100_000);
    let mut counts = Vec::new();
    for point in 0..=240 {
        let cut = sample.wal.len() * point / 240;
        let folder = sample.lay(&sample.db, &sample.wal[..cut]);
        let recovered = recovered(folder.path());
        assert_eq!(recovered.alarms, Vec::<String>::new());
        counts.push(sample.whole_steps(&recovered.state));
    }
    assert!(
        counts.is_sorted() && counts[0] == 41 && counts[240] == 120,
        "{counts:?}"
    );
    assert!(counts.windows(2).filter(|pair| pair[0] != pair[1]).count() > 50);
}

#[test]
fn a_file_cut_within_its_last_page_starts() {
    let sample = Sample::new(400, &[150, 300], 399);
    for point in 0..200 {
        let cut = sample.db.len() - 1 - point * 4_096 / 200;
        let folder = sample.lay(&sample.db[..cut], &[]);
        let recovered = survives(folder.path());
        assert_eq!(recovered.alarms.len(), 1);
        assert!(
            recovered.state.world().seq > 0,
            "nothing was saved: {:?}",
            recovered.alarms
        );
    }
}

#[test]
fn garbage_over_any_pages_starts() {
    let sample = Sample::new(700, &[200, 400, 600], 699);
    let pages = sample.db.len() / 4_096;
    let (mut sound, mut saved, mut nothing) = (0, 0, 0);
    for seed in 1..=240_u64 {
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = move || {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice
        };
        let mut db = sample.db.clone();
        for _ in 0..1 + next() % 4 {
            let page = next() as usize % pages * 4_096;
            // A whole page, or some bytes in it.
            let (from, length) = match next() % 3 {
                0 => (0, 4_096),
                1 => (next() as usize % 4_000, 64),
                _ => (next() as usize % 4_095, 1),
            };
            for byte in &mut db[page + from..(page + from + length).min(page + 4_096)] {
                *byte = next() as u8;
            }
        }
        let folder = sample.lay(&db, &[]);
        let recovered = survives(folder.path());
        match (aside(folder.path()).len(), recovered.state.world().seq) {
            (0, _) => sound += 1,
            (_, 0) => nothing += 1,
            _ => saved += 1,
        }
    }
    println!("sound {sound}, saved {saved}, nothing {nothing}");
    assert!(
        saved > 50 && sound > 20 && nothing < 60,
        "{sound} {saved} {nothing}"
    );
}

fn alter(folder: &Path, sql: &str) {
    let connection = Connection::open(folder.join("journal.sqlite")).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[test]
fn another_format_is_set_aside_and_saved() {
    let sample = Sample::new(100, &[50], 99);
    for (change, word) in [
        ("PRAGMA user_version = 2", "newer sidestep"),
        ("PRAGMA user_version = 0", "its format is 0"),
        ("PRAGMA application_id = 7", "no journal of sidestep"),
    ] {
        let folder = sample.lay(&sample.db, &sample.wal);
        alter(folder.path(), change);
        let found = open(folder.path(), Settings::default()).recovered;
        assert_eq!(found.state, sample.state);
        assert_eq!(found.kept, Some(super::kept("one")));
        assert_eq!(found.versions.len(), 1);
        let [file] = &aside(folder.path())[..] else {
            panic!("not one file")
        };
        let alarm = &found.alarms[..];
        assert!(alarm.len() == 1 && alarm[0].contains(word), "{alarm:?}");
        assert!(alarm[0].contains(file.to_str().unwrap()), "{alarm:?}");
    }
}

#[test]
fn a_new_journal_begins_with_what_was_saved() {
    let sample = Sample::new(100, &[50], 99);
    let folder = sample.lay(&sample.db, &sample.wal);
    alter(folder.path(), "PRAGMA user_version = 2");
    let (found, journal) = start(folder.path(), Settings::default());
    journal.stop();
    assert_eq!(journal.health().alarms, found.alarms);
    let again = recovered(folder.path());
    assert_eq!((&again.state, again.folded), (&sample.state, 0));
    assert_eq!((again.kept, again.versions), (found.kept, found.versions));
    let events: Vec<_> = journal::read(folder.path(), None, None).unwrap().collect();
    assert!(
        matches!(&events[..], [Ok(Event { what: What::Gap(gap), .. })] if gap.why.contains("damaged-"))
    );
}

#[test]
fn what_is_no_journal_at_all_is_set_aside() {
    let make = |name: &str, path: &Path| match name {
        "empty" => fs::write(path, ""),
        "text" => fs::write(path, "not a journal\n".repeat(9_000)),
        "folder" => fs::create_dir_all(path.join("x")),
        _ => std::os::unix::fs::symlink("/nowhere/at/all", path),
    };
    for name in ["empty", "text", "folder", "link"] {
        let folder = tempfile::tempdir().unwrap();
        make(name, &folder.path().join("journal.sqlite")).unwrap();
        let recovered = survives(folder.path());
        assert_eq!(recovered.state, State::default(), "{name}");
        let alarm = &recovered.alarms[..];
        assert!(
            alarm.len() == 1 && alarm[0].contains("nothing could be saved"),
            "{name}: {alarm:?}"
        );
        assert_eq!(aside(folder.path()).len(), 1, "{name}");
    }
}

#[test]
fn a_snapshot_that_cannot_be_read_gives_way_to_an_older_one() {
    let sample = Sample::new(300, &[100, 200, 280], 299);
    let folder = sample.lay(&sample.db, &sample.wal);
    alter(
        folder.path(),
        "UPDATE snapshot SET state = zeroblob(900) WHERE seq = (SELECT max(seq) FROM snapshot)",
    );
    let recovered = survives(folder.path());
    assert_eq!(recovered.state, sample.state);
    assert!(
        recovered.alarms[0].contains("an older one"),
        "{:?}",
        recovered.alarms
    );
}

#[test]
fn a_hole_is_said() {
    let sample = Sample::new(300, &[100], 299);
    let folder = sample.lay(&sample.db, &sample.wal);
    alter(
        folder.path(),
        "DELETE FROM observation WHERE seq > (SELECT max(seq) FROM observation) - 20 AND ok",
    );
    let recovered = survives(folder.path());
    assert!(
        recovered.alarms[0].contains("no events for some numbers"),
        "{:?}",
        recovered.alarms
    );
}

#[test]
fn a_folder_that_cannot_be_used_is_an_error_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file, PathBuf::from("/proc/self/sidestep")] {
        let error = journal::open(&path, Settings::default()).unwrap_err();
        assert!(matches!(error, OpenError::Folder(_)));
        let text = error.to_string();
        assert!(
            text.contains(path.to_str().unwrap()) && text.contains("'data'"),
            "{text}"
        );
    }
}

#[test]
fn a_folder_that_takes_no_file_is_used_and_locked_all_the_same() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    let odd = folder.path().join("odd");
    fs::create_dir_all(odd.join("lock")).unwrap();
    for path in [closed, odd] {
        let first = journal::open(&path, Settings::default()).unwrap();
        let second = journal::open(&path, Settings::default()).unwrap_err();
        assert!(matches!(second, OpenError::Locked { .. }));
        drop(first);
        journal::open(&path, Settings::default()).unwrap();
    }
}

#[test]
fn a_journal_that_is_removed_or_replaced_while_it_runs_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let (mut lane, first) = world::Lane::new();
    let (_, journal) = start(
        folder.path(),
        Settings {
            tend_every: Duration::from_millis(10),
            retry_every: Duration::from_millis(10),
            ..Settings::default()
        },
    );
    journal.write(first, Some(super::kept("one")));
    for (round, replace) in [false, true].into_iter().enumerate() {
        for step in lane.probes(50) {
            journal.write(step, None);
        }
        assert!(journal.wait_for(lane.state.world().seq, LIMIT));
        fs::remove_file(&path).unwrap();
        if replace {
            fs::write(&path, "something else").unwrap();
        }
        let began = Instant::now();
        while journal.health().alarms.len() == round {
            assert!(began.elapsed() < LIMIT, "{:?}", journal.health());
            std::thread::yield_now();
        }
        let step = lane.feed(700, world::reload(1));
        let seq = step.last().unwrap().seq;
        journal.write(step, None);
        while !journal.wait_for(seq, Duration::from_millis(5)) {
            assert!(began.elapsed() < LIMIT, "{:?}", journal.health());
            if journal.wants_snapshot() {
                journal.snapshot(lane.state.clone());
            }
        }
    }
    journal.stop();
    let found = recovered(folder.path());
    assert_eq!(found.state, lane.state);
    assert_eq!(
        (found.kept, found.alarms),
        (Some(super::kept("one")), Vec::new())
    );
    assert_eq!(found.versions.len(), 2);
}

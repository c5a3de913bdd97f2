//! What was written is there again: the fold, the files, the versions, in every order of stopping.

use super::{LIMIT, folded, kept, open, record, recovered, start, world};
use proptest::prelude::*;
use sidestep::{
    failover::State,
    journal::{self, OpenError, Settings},
    model::Timestamp,
};
use std::time::Duration;

#[test]
fn a_new_folder_is_made_and_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("deep/data");
    let (recovered, journal) = start(&folder, Settings::default());
    assert_eq!(recovered.state, State::default());
    assert_eq!((recovered.kept, recovered.alarms.len()), (None, 0));
    journal.stop();
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("journal.sqlite")), 0o600);
    let again = super::recovered(&folder);
    assert_eq!((again.alarms.len(), again.folded), (0, 0));
}

#[test]
fn files_and_versions_come_back_with_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let (mut lane, first) = world::Lane::new();
    let (_, journal) = start(folder.path(), Settings::default());
    journal.write(first, Some(kept("one")));
    for step in lane.probes(4) {
        journal.write(step, None);
    }
    journal.write(lane.feed(5, world::reload(1)), Some(kept("two")));
    assert!(journal.wait_for(lane.state.world().seq, LIMIT));
    journal.stop();
    let recovered = recovered(folder.path());
    assert_eq!(recovered.state, lane.state);
    assert_eq!(recovered.kept, Some(kept("two")));
    let service = recovered.state.world().service("www").unwrap();
    let source = |version| &*recovered.versions[version].0.source;
    assert_eq!(source(&service.policy), "// two\n");
    assert_eq!(source(service.previous.as_ref().unwrap()), "// one\n");
}

#[test]
fn a_second_daemon_is_refused_with_the_first_ones_process() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), Settings::default());
    let error = journal::open(folder.path(), Settings::default()).unwrap_err();
    let pid = Some(std::process::id());
    assert!(matches!(&error, OpenError::Locked { pid: found, .. } if *found == pid));
    assert!(error.to_string().contains(&std::process::id().to_string()));
    drop(first);
    open(folder.path(), Settings::default());
}

#[test]
fn events_read_back_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let (mut lane, first) = world::Lane::new();
    let mut steps = vec![first];
    steps.extend(lane.probes(2_500));
    record(folder.path(), &steps);
    let all: Vec<_> = steps.concat();
    let read = |from, until| {
        let events = journal::read(folder.path(), from, until).unwrap();
        events.map(Result::unwrap).collect::<Vec<_>>()
    };
    assert_eq!(read(None, None), all);
    for cut in [0, 1, 700, 1_999, 2_499] {
        let at = Timestamp(world::BEGIN + cut * 1_000);
        let (before, after): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|e| e.at < at);
        assert_eq!(read(Some(at), None), after);
        assert_eq!(read(None, Some(at)), before);
    }
    assert_eq!(read(Some(Timestamp(i64::MAX)), None), []);
}

#[test]
fn a_running_journal_is_read_from_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let error = |found: Result<_, journal::ReadError>| found.err().unwrap().to_string();
    let nothing = error(journal::state_before(folder.path(), Timestamp(i64::MAX)));
    assert!(nothing.contains("there is no journal"), "{nothing}");
    let (mut lane, first) = world::Lane::new();
    let (_, journal) = start(folder.path(), Settings::default());
    let mut all = first.clone();
    journal.write(first, None);
    let mut states = Vec::new();
    for _ in 0..3 {
        for step in lane.probes(100) {
            all.extend(step.clone());
            journal.write(step, None);
        }
        assert!(journal.wait_for(lane.state.world().seq, LIMIT));
        journal.snapshot(lane.state.clone());
        states.push(lane.state.clone());
    }
    // What comes after a snapshot is committed after it.
    let order = serde_json::json!({ "command": "hold", "service": "www" });
    let step = lane.feed(700, world::order(order));
    all.extend(step.clone());
    journal.write(step, None);
    assert!(journal.wait_for(lane.state.world().seq, LIMIT));
    let read = journal::read(folder.path(), None, None).unwrap();
    assert_eq!(read.map(Result::unwrap).collect::<Vec<_>>(), all);
    let before = |at: i64| journal::state_before(folder.path(), Timestamp(at)).unwrap();
    assert_eq!(before(world::BEGIN), None);
    for state in &states {
        let at = state.world().at;
        assert_eq!(before(at.0), Some(state.clone()));
    }
    assert_eq!(before(i64::MAX), Some(states[2].clone()));
    journal.stop();
}

#[test]
fn observations_wait_for_others_and_a_decision_never_does() {
    let folder = tempfile::tempdir().unwrap();
    let (mut lane, first) = world::Lane::new();
    let settings = Settings {
        group_for: Duration::from_secs(3_600),
        ..Settings::default()
    };
    let (_, journal) = start(folder.path(), settings);
    journal.write(first, None);
    assert!(journal.wait_for(lane.state.world().seq, LIMIT));
    let committed = lane.state.world().seq;
    let quiet = lane.feed(1, world::probe("third", true));
    journal.write(quiet, None);
    assert!(!journal.wait_for(committed + 1, Duration::from_millis(100)));
    // More than fits in one transaction, and the decision last.
    for _ in 0..20_000 {
        let step = lane.feed(1, world::probe("third", true));
        assert_eq!(step.len(), 1);
        journal.write(step, None);
    }
    let order = serde_json::json!({ "command": "hold", "service": "www" });
    journal.write(lane.feed(1, world::order(order)), None);
    assert!(journal.wait_for(lane.state.world().seq, LIMIT));
    journal.stop();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn recovery_is_the_fold(steps in world::steps(120), every in 1..40_usize) {
        let folder = tempfile::tempdir().unwrap();
        let (mut state, mut cut) = (State::default(), 0);
        for part in steps.chunks(every) {
            let (recovered, journal) = start(folder.path(), Settings {
                group_for: Duration::from_millis(1), ..Settings::default()
            });
            prop_assert_eq!(&recovered.state, &state);
            for step in part {
                step.iter().for_each(|event| state.apply(event));
                journal.write(step.clone(), None);
                cut += 1;
                if cut % 7 == 0 {
                    journal.snapshot(state.clone());
                }
            }
            journal.stop();
        }
        let recovered = recovered(folder.path());
        prop_assert_eq!(&recovered.state, &folded(steps.iter().flatten()));
        prop_assert!(recovered.alarms.is_empty());
        let read = journal::read(folder.path(), None, None).unwrap();
        let read: Vec<_> = read.map(Result::unwrap).collect();
        prop_assert_eq!(read, steps.concat());
    }
}

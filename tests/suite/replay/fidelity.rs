//! What was recorded comes again: the same inputs, the same policies, the same decisions.

use super::world::{life, life_of, record};
use proptest::prelude::*;
use sidestep::failover::What;
use sidestep::replay::{Report, Request, Source, Verdict, replay_whole};
use std::path::Path;

fn report(path: &Path) -> Report {
    let open = || Source::open(path, &Default::default(), None);
    replay_whole(&open, "life", &Request::default(), &|_, _| {}).unwrap()
}

fn is_faithful(report: &Report) {
    let fidelity = report.fidelity.clone().unwrap();
    assert_eq!(fidelity.first_difference, None, "{fidelity:?}");
    assert_eq!(
        (fidelity.reproduced, fidelity.extra),
        (fidelity.decisions, 0),
        "{fidelity:?}"
    );
    assert!(fidelity.guaranteed);
    assert_eq!(report.recorded.as_ref(), Some(&report.candidate));
    assert_eq!(report.verdict, Verdict::Same);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_life_comes_again(seed in any::<u64>()) {
        let folder = tempfile::tempdir().unwrap();
        let life = life(seed, 1_500);
        let whole = report(&record(folder.path(), &life, None));
        is_faithful(&whole);
        prop_assert!(whole.fidelity.unwrap().decisions > 0);
    }

    #[test]
    fn any_life_with_a_hostname_comes_again(seed in any::<u64>()) {
        let folder = tempfile::tempdir().unwrap();
        let life = life_of(seed, 1_500, true);
        let resolved = life.events.iter().filter(|one| matches!(one.what, What::Resolved(_)));
        prop_assert!(resolved.count() > 20);
        is_faithful(&report(&record(folder.path(), &life, None)));
        for index in 0..life.states.len().min(3) {
            if life.states[index].1.world().services.is_empty() {
                continue;
            }
            is_faithful(&report(&record(folder.path(), &life, Some(index))));
        }
    }

    #[test]
    fn a_stretch_that_begins_with_its_state_comes_again(seed in any::<u64>()) {
        let folder = tempfile::tempdir().unwrap();
        let life = life(seed, 1_500);
        for index in 0..life.states.len().min(3) {
            // Before the first configuration there is nothing to decide.
            if life.states[index].1.world().services.is_empty() {
                continue;
            }
            is_faithful(&report(&record(folder.path(), &life, Some(index))));
        }
    }
}

/// Recordings of earlier versions, each kept as it was exported.
#[test]
fn what_earlier_versions_recorded_comes_again() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/replay/recordings");
    let mut count = 0;
    for recording in std::fs::read_dir(folder).unwrap() {
        let found = report(&recording.unwrap().path());
        is_faithful(&found);
        assert!(found.fidelity.unwrap().decisions > 5);
        count += 1;
    }
    assert!(count > 0, "none are kept");
}

#[test]
fn the_end_of_another_service_s_override_hastens_nobody() {
    // A policy that faults often is asked once a second; what ends elsewhere does not change that.
    let folder = tempfile::tempdir().unwrap();
    let life = life(5_084_006_117_872_188_115, 1_500);
    is_faithful(&report(&record(folder.path(), &life, Some(0))));
}

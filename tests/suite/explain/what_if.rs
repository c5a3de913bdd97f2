//! The present state run forward: what is answered when, what the guard refuses, when it is home.

use super::{
    Recorded,
    flips::{PRIMARY_BAD, WELL},
};
use crate::policy::world::config;
use sidestep::{
    cli::show::{self, Look, Run},
    failover::{
        Command, Input, Rail,
        input::WitnessResult,
        rehearsal::{Course, Injected, settled, singles_and_doubles, what_if},
    },
    model::{config::WitnessConfig, service::SwitchBudget, time::MINUTE_MS},
    policy::BUILTIN_SOURCE,
};

fn fail(targets: &[&str], for_ms: i64) -> Injected {
    Injected {
        fail: targets.iter().map(|name| (*name).into()).collect(),
        slow: Vec::new(),
        for_ms,
    }
}

fn course(recorded: &Recorded, injected: &Injected) -> Course {
    let world = &recorded.world;
    let before = world.state.clone();
    let course = what_if(&world.state, &"www".into(), &world.library, injected).unwrap();
    assert_eq!(world.state, before);
    course
}

fn run(recorded: &Recorded, injected: Injected) -> Run {
    let course = course(recorded, &injected);
    Run {
        service: "www".into(),
        at: recorded.world.state.world().wall(),
        injected,
        course,
        notes: Vec::new(),
    }
}

fn well() -> Recorded {
    let mut recorded = Recorded::shipped();
    recorded.rounds(20, &WELL);
    recorded
}

#[test]
fn it_leaves_what_fails_and_comes_home() {
    let recorded = well();
    let injected = fail(&["primary"], 2 * MINUTE_MS);
    let course = course(&recorded, &injected);
    // Three probes a second apart, each half a second: the first of them starts within a second.
    let left_ms = course.left_ms.unwrap();
    assert!((2_500..=4_000).contains(&left_ms), "{left_ms}");
    // 20 of 1,000 in five minutes may be bad.
    let home_ms = course.home_ms.unwrap();
    assert!(
        home_ms > 2 * MINUTE_MS && home_ms <= 7 * MINUTE_MS + 2_000,
        "{home_ms}"
    );
    assert_eq!(course.settled[0].as_str(), "backup");
    assert!(!course.all_down && course.silent.is_empty());
    insta::assert_snapshot!(show::what_if(&run(&recorded, injected), Look::PLAIN));
}

#[test]
fn the_switch_budget_keeps_it_away_for_longer() {
    let mut config = config(&["primary", "backup", "third"]);
    config.services.get_mut("www").unwrap().max_switches = Some(SwitchBudget {
        count: 1,
        window_ms: 20 * MINUTE_MS,
    });
    let mut recorded = Recorded::with(config, BUILTIN_SOURCE);
    recorded.rounds(20, &WELL);
    let injected = fail(&["primary"], MINUTE_MS);
    let course = course(&recorded, &injected);
    let held = course.happened.iter().find_map(|one| one.held_by());
    assert_eq!(held, Some(Rail::SwitchBudget));
    assert!(course.home_ms.unwrap() > 20 * MINUTE_MS, "{course:?}");
    let text = show::what_if(&run(&recorded, injected), Look::PLAIN);
    assert!(
        text.contains("stays on backup, held by 'switch budget'"),
        "{text}"
    );
}

#[test]
fn an_isolated_vantage_does_not_leave() {
    let mut config = config(&["primary", "backup"]);
    config.server.name = "local".into();
    let witness = "192.0.2.53:53".to_owned().try_into().unwrap();
    config.witness = Some(WitnessConfig {
        addresses: vec![witness],
        need: 1,
    });
    let mut recorded = Recorded::with(config, BUILTIN_SOURCE);
    let two = [("primary", Some(20)), ("backup", Some(20))];
    let asked = |recorded: &mut Recorded, ok: bool| {
        recorded.input(Input::Witness(WitnessResult {
            vantage: "local".into(),
            witness,
            ok,
            error: None,
        }));
    };
    recorded.rounds(5, &two);
    asked(&mut recorded, true);
    recorded.rounds(1, &two);
    let injected = fail(&["primary"], MINUTE_MS);
    assert!(
        course(&recorded, &injected).left_ms.is_some(),
        "the witness answers"
    );
    asked(&mut recorded, false);
    let course = course(&recorded, &injected);
    // Nothing that is seen while isolated counts, so nothing is wanted.
    assert_eq!((course.left_ms, course.home_ms), (None, None));
}

#[test]
fn an_override_stands() {
    let mut recorded = well();
    recorded.world.operator(Command::Hold {
        service: "www".into(),
        until: None,
    });
    let course = course(&recorded, &fail(&["primary"], MINUTE_MS));
    assert_eq!(course.left_ms, None);
    assert!(course.all_down);
}

#[test]
fn slow_backups_are_left_and_silent_ones_are_named() {
    let mut recorded = Recorded::shipped();
    recorded.rounds(20, &WELL).rounds(70, &PRIMARY_BAD[..2]);
    let injected = Injected {
        slow: vec![("backup".into(), Some(450))],
        ..fail(&[], 10 * MINUTE_MS)
    };
    let course = course(&recorded, &injected);
    assert_eq!(course.silent, ["third".into()]);
    let text = show::what_if(&run(&recorded, injected), Look::PLAIN);
    assert!(
        text.contains("no series of third is fresh: it counts for nothing"),
        "{text}"
    );
    assert!(
        text.contains("what if backup takes 450ms, for 10m"),
        "{text}"
    );
}

#[test]
fn every_single_and_double_failure_in_one_table() {
    let mut recorded = Recorded::with(config(&["primary", "backup"]), BUILTIN_SOURCE);
    recorded.rounds(20, &WELL[..2]);
    let targets = ["primary".into(), "backup".into()];
    let runs = singles_and_doubles(&targets).into_iter().map(|fail| {
        let injected = Injected {
            fail,
            slow: Vec::new(),
            for_ms: MINUTE_MS,
        };
        let world = &recorded.world;
        let course = settled(&world.state, &"www".into(), &world.library, &injected).unwrap();
        Run {
            service: "www".into(),
            at: world.state.world().wall(),
            injected,
            course,
            notes: Vec::new(),
        }
    });
    let runs: Vec<Run> = runs.collect();
    assert_eq!(runs.len(), 3);
    insta::assert_snapshot!(show::what_if_table(&runs, 0, Look::PLAIN));
    assert_eq!(
        singles_and_doubles(&["a".into(), "b".into(), "c".into()]).len(),
        6
    );
}

//! What policy tests cannot say: copies of different age, memory, alerts, hours of flapping.

use super::{config_of, policy};
use sidestep::{
    failover::{
        Freshness,
        input::FreshnessReport,
        rehearsal::{Finding, Lane, Rehearsal},
    },
    model::{FailureReason, time::HOUR_MS},
    policy::Library,
};

const BAD: Finding = Finding::Bad {
    reason: FailureReason::Refused,
    took_ms: 1,
};

/// Runs a policy for three targets, `t0` to `t2`.
fn rehearse(name: &str, play: impl FnOnce(&mut Rehearsal<'_>)) {
    let (library, text) = (Library::new(), policy(name));
    let (config, _) = config_of(&["t0", "t1", "t2"], &library, &text);
    let mut rehearsal = Rehearsal::new(&config, &"www".into(), &text, &library).unwrap();
    play(&mut rehearsal);
    assert_eq!(rehearsal.faults(), [], "{name}");
}

fn only(well: &'static [&'static str]) -> impl FnMut(&Lane, i64) -> Finding {
    move |lane, _| {
        if well.contains(&lane.target.as_str()) {
            Finding::WELL
        } else {
            BAD
        }
    }
}

#[test]
fn the_copy_that_is_least_behind_is_taken() {
    for (t1_ms, t2_ms, served) in [
        (50_000, 20_000, "t2"),
        (20_000, 50_000, "t1"),
        (20_000, 20_000, "t1"),
        (-1, 50_000, "t2"),
        (50_000, -1, "t1"),
        (-1, -1, "t1"),
    ] {
        rehearse("freshest.rhai", |rehearsal| {
            for (target, data_age_ms) in [("t1", t1_ms), ("t2", t2_ms)] {
                let freshness = Freshness::Stale;
                let target = target.into();
                rehearsal.report(
                    0,
                    FreshnessReport {
                        target,
                        freshness,
                        data_age_ms,
                    },
                );
            }
            rehearsal.run(5_000, |_, _| Finding::WELL);
            rehearsal.run(20_000, only(&["t1", "t2"]));
            assert_eq!(rehearsal.serving(), [served.into()], "{t1_ms} and {t2_ms}");
            let last = rehearsal.changes().last().unwrap();
            assert!(
                last.reason.contains(&format!("{served} the least")),
                "{}",
                last.reason
            );
        });
    }
}

#[test]
fn hours_of_flapping_are_damped_and_little_is_remembered() {
    // A minute dead, two minutes well, for five hours; then well for good.
    let world = |lane: &Lane, at_ms: i64| {
        let dead = lane.target.as_str() == "t0" && at_ms < 5 * HOUR_MS && at_ms % 180_000 < 60_000;
        if dead { BAD } else { Finding::WELL }
    };
    let mut switches = Vec::new();
    for name in ["failover.rhai", "damped.rhai"] {
        rehearse(name, |rehearsal| {
            rehearsal.run(5 * HOUR_MS, world);
            let service = rehearsal.state().world().service("www").unwrap();
            assert!(service.memory.len() <= 3, "{:?}", service.memory);
            switches.push(rehearsal.changes().len());
            rehearsal.run(7 * HOUR_MS, world);
            assert_eq!(
                rehearsal.serving(),
                ["t0".into()],
                "{name} does not come home"
            );
        });
    }
    // failover.rhai waits for five minutes that never come; damped.rhai comes home now and then.
    assert!(switches[0] <= 2, "{switches:?}");
    assert!((4..=24).contains(&switches[1]), "{switches:?}");
}

#[test]
fn nothing_up_is_said_aloud() {
    for name in super::policies() {
        if name == "all-healthy.rhai" {
            continue;
        }
        rehearse(&name, |rehearsal| {
            rehearsal.run(5_000, |_, _| Finding::WELL);
            rehearsal.run(20_000, |_, _| BAD);
            let decision = rehearsal.decision().unwrap();
            assert_eq!(decision.alert.as_deref(), Some("nothing is up"), "{name}");
            for part in ["t0 is down", ": refused", "nothing is up"] {
                assert!(
                    decision.reason.contains(part),
                    "{name}: {}",
                    decision.reason
                );
            }
        });
    }
}

#[test]
fn reasons_name_the_target_and_the_cause() {
    for name in super::policies() {
        rehearse(&name, |rehearsal| {
            rehearsal.run(5_000, |_, _| Finding::WELL);
            rehearsal.run(20_000, only(&["t1", "t2"]));
            let last = rehearsal.changes().last().unwrap();
            for part in ["t0 is down", "refused"] {
                assert!(last.reason.contains(part), "{name}: {}", last.reason);
            }
        });
    }
}

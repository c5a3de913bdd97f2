//! What would have changed what the shipped policy proposed.

use super::{Recorded, all};
use crate::policy::world::config;
use sidestep::{
    failover::{Freshness, Input, What, input::FreshnessReport},
    model::service::SwitchBudget,
    policy::BUILTIN_SOURCE,
};

type Round = [(&'static str, Option<u32>); 3];

pub(super) const WELL: Round = [
    ("primary", Some(20)),
    ("backup", Some(20)),
    ("third", Some(20)),
];
pub(super) const PRIMARY_BAD: Round =
    [("primary", None), ("backup", Some(20)), ("third", Some(20))];
pub(super) const PRIMARY_ALONE: [(&str, Option<u32>); 1] = [("primary", None)];

#[test]
fn two_of_three_failures_are_one_short() {
    let mut recorded = Recorded::shipped();
    recorded.rounds(10, &WELL).rounds(1, &PRIMARY_BAD);
    recorded.rounds(1, &PRIMARY_ALONE);
    let explained = recorded.explained();
    assert_eq!(all(&explained), ["primary.failures 2 -> 3 => backup:18"]);
    assert_eq!(explained.facts.len(), 2);
    assert_eq!(
        (explained.facts[1].asked, explained.facts[1].line),
        (Some(("is_down", 3)), 17)
    );
}

#[test]
fn the_switch_is_explained_as_the_policy_found_it() {
    let mut recorded = Recorded::shipped();
    recorded.rounds(10, &WELL).rounds(2, &PRIMARY_BAD);
    recorded.rounds(1, &PRIMARY_ALONE);
    let explained = recorded.explained();
    assert_eq!(explained.serving[0].as_str(), "backup");
    assert_eq!(
        explained.evaluation.as_ref().unwrap().line,
        18,
        "{explained:?}"
    );
    let flips = all(&explained);
    assert_eq!(flips[0], "primary.failures 3 -> 2 => primary:20");
    assert!(
        flips.contains(&"backup.successes 12 -> 1 => third:18".to_owned()),
        "{flips:?}"
    );
    assert!(
        explained
            .summary
            .starts_with("backup took over from primary just then at line 18")
    );
}

#[test]
fn what_keeps_it_from_coming_home_is_found() {
    let mut recorded = Recorded::shipped();
    recorded.rounds(10, &WELL).rounds(20, &PRIMARY_BAD);
    // Neither streak nor window: two facts.
    let flips = all(&recorded.explained());
    let home = "primary.successes 0 -> 2, primary.loss(300000) () -> 20 => primary:23";
    assert!(flips.contains(&home.to_owned()), "{flips:?}");
    // The window is full, and too much of it is bad.
    recorded.rounds(290, &WELL);
    let flips = all(&recorded.explained());
    let home = "primary.loss(300000) 34 -> 20 => primary:23";
    assert!(flips.contains(&home.to_owned()), "{flips:?}");
}

#[test]
fn a_stale_copy_is_found() {
    let mut recorded = Recorded::shipped();
    recorded.rounds(10, &WELL).rounds(4, &PRIMARY_BAD);
    recorded.input(Input::Freshness(FreshnessReport {
        target: "primary".into(),
        freshness: Freshness::Stale,
        data_age_ms: 90_000,
    }));
    recorded.rounds(400, &WELL);
    let flips = all(&recorded.explained());
    assert_eq!(
        flips
            .iter()
            .filter(|flip| flip.ends_with("primary:23"))
            .collect::<Vec<_>>(),
        [
            "primary.freshness \"stale\" -> \"fresh\" => primary:23",
            "primary.freshness \"stale\" -> \"unknown\" => primary:23"
        ]
    );
}

#[test]
fn the_budget_is_what_held() {
    let mut config = config(&["primary", "backup", "third"]);
    let service = config.services.get_mut("www").unwrap();
    service.max_switches = Some(SwitchBudget {
        count: 1,
        window_ms: 600_000,
    });
    let mut recorded = Recorded::with(config, BUILTIN_SOURCE);
    recorded
        .rounds(10, &WELL)
        .rounds(4, &PRIMARY_BAD)
        .rounds(310, &WELL);
    let explained = recorded.explained();
    let summary = &explained.summary;
    assert!(
        summary.contains(
            "the policy wants primary at line 23, and the switch budget of 1/10m is used up"
        ),
        "{summary}"
    );
    assert_eq!(explained.guard.budget, Some((1, 1, 600_000)));
}

#[test]
fn a_yes_that_would_be_a_no_is_found() {
    let source = "fn decide(service) {\n if service.primary.drained { return serve(service.backups[0], \"drained\"); }\n hold(\"fine\")\n}";
    let mut recorded = Recorded::with(config(&["primary", "backup", "third"]), source);
    recorded.rounds(3, &WELL);
    let flips = all(&recorded.explained());
    assert_eq!(flips, ["primary.drained false -> true => backup:2"]);
}

#[test]
fn the_search_is_bounded_and_the_nearest_comes_first() {
    let mut recorded = Recorded::shipped();
    recorded.rounds(10, &WELL).rounds(90, &PRIMARY_BAD);
    let explained = recorded.explained();
    let distances: Vec<i64> = explained.flips.iter().map(|flip| flip.distance).collect();
    assert!(
        distances.is_sorted() && distances.len() <= 5,
        "{distances:?}"
    );
    assert!(explained.evaluations <= 2_000);
}

#[test]
fn silence_a_fault_and_a_missing_text_are_said() {
    let mut recorded = Recorded::shipped();
    recorded.rounds(10, &WELL);
    recorded.world.at += 60_000;
    recorded.input(Input::Tick);
    let summary = recorded.explained().summary;
    assert_eq!(
        summary,
        "primary has been answered for 1m10s, and nothing changes: no result of any target is fresh"
    );

    let faulty = "fn decide(service) {\n if service.primary.is_down(1) { return serve(service.recall(\"x\", 7), \"x\"); }\n hold(\"steady\")\n}";
    let mut recorded = Recorded::with(config(&["primary", "backup"]), faulty);
    recorded.rounds(10, &WELL[..2]).rounds(1, &PRIMARY_ALONE);
    let explained = recorded.explained();
    let summary = &explained.summary;
    assert!(
        summary.contains("; the policy faults: serve takes a target"),
        "{summary}"
    );
    // Without the failure it would not have faulted.
    assert_eq!(all(&explained), ["primary.failures 1 -> 0 => primary:3"]);

    let mut recorded = Recorded::shipped();
    recorded.rounds(10, &WELL);
    recorded
        .events
        .retain(|event| !matches!(event.what, What::Policy(_)));
    let explained = recorded.explained();
    assert_eq!(
        (explained.evaluation.is_none(), explained.facts.len()),
        (true, 0)
    );
    assert_eq!(explained.observations.len(), 3);
    assert!(
        explained.notes[0].starts_with("the text of failover.rhai, version"),
        "{:?}",
        explained.notes
    );
}

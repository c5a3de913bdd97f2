//! The guard: every rail, with a story that shows it hold and one that shows it let pass.

use super::{Bench, Policies, config, fault, hold, reference, serve, three};
use serde_json::json;
use sidestep::failover::{Action, By, Decision, PolicyFault, Proposal, ServiceView, What, answers};
use sidestep::model::{Config, Param, SwitchBudget};

pub(super) const WELL: &[(&str, &str)] = &[("primary", "..."), ("backup", "..."), ("third", "...")];
const DEAD: &[(&str, &str)] = &[("primary", "xxx"), ("backup", "..."), ("third", "...")];

pub(super) fn bench_of(
    script: impl Fn(&ServiceView) -> Result<Proposal, PolicyFault> + 'static,
) -> Bench {
    let mut policies = Policies::new();
    policies.add("own", script);
    Bench::under(three(), policies, "own")
}

fn with(change: impl FnOnce(&mut Config)) -> Bench {
    let mut config = three();
    change(&mut config);
    Bench::new(config)
}

/// Serves what the label `want` of the primary says: a policy that the test moves by reloads.
pub(super) fn bench_that_wants() -> Bench {
    bench_of(|service| {
        let want = service.primary().label("want").unwrap_or("").to_owned();
        match want.as_str() {
            "" => Ok(hold("nothing wanted", 1)),
            "all" => Ok(Proposal::new(Action::ServeAll, "fail open")),
            names => Ok(serve(&names.split(' ').collect::<Vec<_>>(), "wanted", 2)),
        }
    })
}

impl Bench {
    pub(super) fn want(&mut self, names: &str) {
        let primary = self.config.targets.get_mut("primary").unwrap();
        primary.labels.insert("want".into(), names.into());
        self.reload();
    }
}

/// The first decision that served this alone.
fn switch_to(bench: &Bench, target: &str) -> Decision {
    let mut decisions = super::decisions(&bench.events).into_iter();
    decisions
        .find(|decision| decision.serve == [target.into()])
        .unwrap()
}

// Faults.

#[test]
fn a_fault_holds_while_what_is_served_answers() {
    let mut bench = bench_of(|_| Err(fault("division by zero")));
    bench.play(WELL);
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("primary", "fault")
    );
    assert_eq!(bench.reason(), "the policy faulted: division by zero");
    bench.play(&[("primary", "xx"), ("backup", "..")]);
    assert_eq!(bench.serving(), "primary");
    // One decision says it, not one for every fault.
    assert_eq!(super::decisions(&bench.events).len(), 1);
}

#[test]
fn a_fault_while_what_is_served_is_down_asks_the_builtin() {
    let mut bench = bench_of(|_| Err(fault("division by zero")));
    bench.play(&[("backup", ".."), ("primary", "xx")]);
    assert_eq!(bench.serving(), "primary");
    bench.play(&[("primary", "x")]);
    assert_eq!(bench.serving(), "backup");
    let decision = bench.decisions().pop().unwrap();
    assert_eq!((decision.by, decision.faulted), (By::Builtin, true));
    assert_eq!(
        decision.alert.as_deref(),
        Some("the policy faulted at line 7: division by zero; the built-in policy decides")
    );
}

#[test]
fn a_fault_asks_the_last_version_that_decided_before_the_builtin() {
    let mut policies = Policies::new();
    policies.add("proven", |service| {
        if service.active().is_down(3) {
            Ok(serve(&["third"], "my way", 5))
        } else {
            Ok(hold("steady", 4))
        }
    });
    policies.add("broken", |_| Err(fault("broken")));
    policies.add("worse", |_| Err(fault("worse")));
    let mut bench = Bench::under(three(), policies, "proven");
    bench.play(WELL);
    // A version that never decided is no predecessor.
    for source in ["broken", "worse"] {
        bench.source = source.into();
        bench.reload();
    }
    bench.play(DEAD);
    assert_eq!(bench.serving(), "third");
    let decision = switch_to(&bench, "third");
    assert_eq!((decision.by, decision.line), (By::Previous, 5));
    assert_eq!(decision.policy, super::version("proven"));
}

#[test]
fn a_predecessor_that_faults_too_leaves_it_to_the_builtin() {
    let mut policies = Policies::new();
    policies.add("proven", |service| {
        if service.active().is_down(1) {
            Err(fault("me too"))
        } else {
            Ok(hold("steady", 4))
        }
    });
    policies.add("broken", |_| Err(fault("broken")));
    let mut bench = Bench::under(three(), policies, "proven");
    bench.play(WELL);
    bench.source = "broken".into();
    bench.reload();
    bench.play(DEAD);
    assert_eq!(bench.serving(), "backup");
    assert_eq!(switch_to(&bench, "backup").by, By::Builtin);
}

#[test]
fn on_fault_hold_asks_nobody() {
    let mut policies = Policies::new();
    policies.add("own", |_| Err(fault("broken")));
    let mut config = three();
    config.services.get_mut("www").unwrap().on_fault = sidestep::model::OnFault::Hold;
    let mut bench = Bench::under(config, policies, "own");
    bench.play(WELL);
    bench.play(DEAD);
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("primary", "fault")
    );
}

#[test]
fn a_proposal_that_no_guard_could_admit_is_a_fault() {
    for (names, message) in [
        (&[][..], "serve was given an empty list"),
        (&["backup", "banana"][..], "'banana' is no target of www"),
    ] {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut bench = bench_of(move |_| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Ok(serve(&names, "odd", 3))
        });
        bench.play(WELL);
        assert_eq!(bench.serving(), "primary");
        assert_eq!(
            bench.state.latest("www").unwrap().fault.as_deref(),
            Some(message)
        );
    }
    let mut bench = bench_of(|_| Ok(serve(&["backup", "backup"], "twice", 3)));
    bench.play(WELL);
    assert_eq!(bench.serving(), "backup");
}

#[test]
fn memory_is_bounded_and_kept_only_where_the_proposal_was_done() {
    let mut bench = bench_of(|service| {
        let mut proposal = hold("counting", 1);
        let count = match service.recall("count") {
            Some(Param::Int(count)) => *count,
            _ => 0,
        };
        proposal
            .remember
            .insert("count".into(), Some(Param::Int(count + 1)));
        proposal
            .remember
            .insert(format!("key{count}"), Some(Param::Bool(true)));
        Ok(proposal)
    });
    bench.play(&[("primary", &".".repeat(60))]);
    let memory = &bench.state.world().services[0].memory;
    assert_eq!(memory.len(), 32);
    let fault = bench.state.latest("www").unwrap().fault.clone();
    assert_eq!(fault.as_deref(), Some("more than 32 remembered keys"));
    // Overruled, nothing is remembered.
    let mut bench = bench_of(|service| {
        if service.primary().successes() == 0 {
            return Ok(hold("waiting", 2));
        }
        let mut proposal = serve(&["backup"], "go", 1);
        proposal
            .remember
            .insert("went".into(), Some(Param::Bool(true)));
        Ok(proposal)
    });
    bench.play(&[("primary", "."), ("backup", "x")]);
    assert_eq!(bench.rail(), "never-worse");
    assert!(bench.state.world().services[0].memory.is_empty());
    bench.play(WELL);
    assert_eq!(bench.serving(), "backup");
    assert_eq!(bench.state.world().services[0].memory.len(), 1);
}

#[test]
fn after_ten_faults_a_service_is_evaluated_once_a_second_but_operators_at_once() {
    let mut bench = bench_of(|_| Err(fault("broken")));
    let count = |bench: &Bench| {
        let faults = bench
            .events
            .iter()
            .filter(|event| matches!(event.what, What::Fault(_)));
        faults.count()
    };
    bench.play(&[("primary", &".".repeat(9))]);
    assert_eq!(count(&bench), 10);
    for _ in 0..25 {
        bench.now_ms += 100;
        let seen = super::observation(&bench.config, "primary", '.').unwrap();
        bench.feed(sidestep::failover::Input::Probe(seen));
    }
    assert_eq!(count(&bench), 12);
    bench.order(json!({ "command": "switch", "service": "www", "target": "third" }));
    assert_eq!(bench.serving(), "third");
    // A policy that decides again is asked at every input again.
    bench.source = "reference".into();
    bench.reload();
    bench.order(json!({ "command": "release", "service": "www" }));
    let before = count(&bench);
    bench.play(WELL);
    assert_eq!(count(&bench), before);
}

// Overrides and the freeze.

#[test]
fn an_override_wins_over_the_policy_and_every_rail() {
    let mut bench = Bench::new(three());
    bench.play(&[("primary", "..."), ("backup", "xxx"), ("third", "...")]);
    bench.order(json!({ "command": "switch", "service": "www", "target": "backup" }));
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("backup", "override")
    );
    let decision = bench.decisions().pop().unwrap();
    assert_eq!(decision.by, By::Operator);
    assert_eq!(decision.reason, "override by ann: a test");
    assert_eq!(
        decision.alert.as_deref(),
        Some("the override serves backup, which is down")
    );
    bench.play(&[("primary", "..."), ("backup", "xxx"), ("third", "...")]);
    assert_eq!(bench.serving(), "backup");
    // What the policy would do is shown all the same.
    let latest = bench.state.latest("www").unwrap();
    assert_eq!(latest.wanted, Some(vec!["primary".into()]));
    assert_eq!(latest.overruled.as_deref(), Some("backup is down"));
    bench.order(json!({ "command": "release", "service": "www" }));
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("primary", "")
    );
}

#[test]
fn a_held_service_stays_and_an_unheld_one_goes() {
    for (held, serving) in [(true, "primary"), (false, "backup")] {
        let mut bench = Bench::new(three());
        bench.play(WELL);
        if held {
            bench.order(json!({ "command": "hold", "service": "www" }));
        }
        bench.play(DEAD);
        assert_eq!(bench.serving(), serving);
    }
}

#[test]
fn a_frozen_fold_stays_and_a_thawed_one_goes() {
    let mut bench = Bench::new(three());
    bench.play(WELL);
    bench.order(json!({ "command": "freeze" }));
    bench.play(DEAD);
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("primary", "freeze")
    );
    bench.order(json!({ "command": "switch", "service": "www", "target": "third" }));
    assert_eq!(bench.serving(), "primary");
    bench.order(json!({ "command": "release", "service": "www" }));
    bench.order(json!({ "command": "thaw" }));
    assert_eq!(bench.serving(), "backup");
}

#[test]
fn an_override_to_a_target_that_is_not_there_ends_at_once() {
    let mut bench = Bench::new(three());
    bench.play(WELL);
    bench.order(json!({ "command": "switch", "service": "www", "target": "banana" }));
    assert!(
        bench
            .last
            .iter()
            .any(|event| matches!(event.what, What::Ended(_)))
    );
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("primary", "")
    );
    let alert = bench.decisions().pop().unwrap().alert;
    assert_eq!(
        alert.as_deref(),
        Some("the override ended: banana is no target of www")
    );
    bench.order(json!({ "command": "switch", "service": "nobody", "target": "primary" }));
    assert_eq!(bench.last.len(), 1);
}

#[test]
fn failback_is_asked_for_until_it_is_done_and_not_when_at_home() {
    let asked = |bench: &Bench| bench.view().asked("failback");
    let mut bench = Bench::new(three());
    bench.play(WELL);
    bench.order(json!({ "command": "failback", "service": "www" }));
    assert!(!asked(&bench), "at home there is nothing to do");
    bench.play(DEAD);
    bench.play(WELL);
    assert_eq!(bench.serving(), "backup");
    bench.play(&[("primary", "xx")]);
    bench.order(json!({ "command": "failback", "service": "www" }));
    assert!(asked(&bench));
    assert_eq!(bench.rail(), "never-worse");
    bench.play(&[("primary", ".")]);
    assert_eq!(bench.serving(), "primary");
    assert!(!asked(&bench));
    assert!(!bench.view().asked("breakfast"));
}

// Isolation and late results.

pub(super) fn watched(need: u32) -> Bench {
    with(|config| {
        config.witness = serde_json::from_value(json!({
            "addresses": ["192.0.2.53:53", "192.0.2.54:53"], "need": need,
        }))
        .unwrap();
    })
}

#[test]
fn a_switch_for_failures_waits_for_a_witness_that_answers_after_the_first_failure() {
    let mut bench = watched(1);
    bench.witness(true);
    bench.play(WELL);
    bench.play(DEAD);
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("primary", "asking-witnesses")
    );
    assert!(
        bench
            .reason()
            .starts_with("asking the witnesses; the policy wants backup: ")
    );
    bench.witness(true);
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("backup", "")
    );
}

#[test]
fn a_witness_that_answered_after_the_first_failure_lets_the_switch_pass() {
    let mut bench = watched(1);
    bench.witness(true);
    bench.play(WELL);
    bench.play(&[("primary", "x"), ("backup", ".")]);
    bench.now_ms += 10;
    bench.witness(true);
    bench.play(&[("primary", "xx"), ("backup", "..")]);
    assert_eq!(bench.serving(), "backup");
}

#[test]
fn an_isolated_vantage_switches_nothing_and_believes_nothing_it_saw() {
    let mut bench = watched(1);
    bench.witness(true);
    bench.play(WELL);
    bench.play(&[("primary", "xx"), ("backup", "..")]);
    bench.witness(false);
    assert!(bench.view().isolated());
    bench.play(&[("primary", "xxxx"), ("backup", "....")]);
    assert_eq!(bench.serving(), "primary");
    assert_eq!(
        bench.view().primary().failures(),
        0,
        "nothing fresh any more"
    );
    assert_eq!(bench.state.world().groups[1].series[0].results.len(), 5);
    // The network is back: the streak begins anew, and leaves then.
    bench.witness(true);
    assert_eq!(bench.serving(), "primary");
    bench.play(&[("backup", "..")]);
    bench.play(&[("primary", "x"), ("backup", ".")]);
    bench.witness(true);
    bench.play(&[("primary", "x"), ("backup", ".")]);
    assert_eq!(bench.serving(), "primary");
    bench.play(&[("primary", "x"), ("backup", ".")]);
    assert_eq!(bench.serving(), "backup");
}

#[test]
fn isolation_holds_every_proposal_and_other_vantages_are_believed() {
    let mut bench = watched(1);
    bench.witness(true);
    bench.play(WELL);
    bench.play(&[("primary", "xxx"), ("backup", "...")]);
    bench.witness(false);
    bench.play(&[("primary/1/tcp/far", "xxx"), ("backup/1/tcp/far", "...")]);
    assert_eq!(bench.view().primary().failures(), 3);
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("primary", "isolated")
    );
}

#[test]
fn witnesses_that_never_answered_do_not_isolate() {
    let mut bench = watched(2);
    bench.witness_at("192.0.2.53:53", false);
    bench.witness_at("192.0.2.54:53", false);
    assert!(!bench.view().isolated());
    bench.play(WELL);
    bench.play(DEAD);
    assert_eq!(bench.serving(), "backup");
    // One that did is enough where the other never was there, and its silence isolates.
    let mut bench = watched(2);
    bench.witness_at("192.0.2.53:53", true);
    bench.witness_at("192.0.2.54:53", false);
    assert!(!bench.view().isolated());
    bench.witness_at("192.0.2.53:53", false);
    assert!(bench.view().isolated());
    // Two are needed where both did.
    let mut bench = watched(2);
    bench.witness_at("192.0.2.53:53", true);
    bench.witness_at("192.0.2.54:53", true);
    bench.witness_at("192.0.2.54:53", false);
    assert!(bench.view().isolated());
}

#[test]
fn without_witnesses_the_rail_is_off() {
    let mut bench = Bench::new(three());
    bench.witness(true);
    bench.witness(false);
    assert!(!bench.view().isolated());
    bench.play(WELL);
    bench.play(DEAD);
    assert_eq!(bench.serving(), "backup");
}

#[test]
fn late_failures_and_shortages_of_our_own_move_nothing() {
    for (cells, serving) in [("XXXX", "primary"), ("nnnn", "primary"), ("xxxx", "backup")] {
        let mut bench = Bench::new(three());
        bench.play(WELL);
        bench.play(&[("primary", cells), ("backup", "....")]);
        assert_eq!(bench.serving(), serving, "{cells}");
    }
    let mut bench = Bench::new(three());
    bench.play(&[("primary", ".GXn")]);
    let series = &bench.state.world().groups[1].series[0];
    assert_eq!((series.late, series.local, series.results.len()), (2, 1, 1));
}

// Never worse.

#[test]
fn never_from_a_target_that_answers_to_one_that_does_not() {
    // What is served; what is wanted has done; whether it may be served.
    let cases = [
        (".", "..", true),
        (".", "xx", false),
        (".", ".xx", false),
        (".", "xx.", true),
        (".", ".x", true),
        (".", "x", false), // one failure only, but it never passed a probe
        (".", "-", false),
        ("x", "xx", true),
        ("x", "-", true),
        (".x", "xx", true),
    ];
    for (served, wanted, passes) in cases {
        let mut bench = bench_that_wants();
        let longest = served.len().max(wanted.len());
        let pad = |cells: &str| format!("{}{cells}", "-".repeat(longest - cells.len()));
        bench.play(&[("primary", &pad(served)), ("backup", &pad(wanted))]);
        bench.want("backup");
        let expected = if passes {
            ("backup", "")
        } else {
            ("primary", "never-worse")
        };
        let found = (bench.serving(), bench.rail());
        assert_eq!(
            (found.0.as_str(), found.1.as_str()),
            expected,
            "{served} {wanted}"
        );
    }
}

#[test]
fn fail_open_and_overrides_are_exempt_from_never_worse() {
    let lanes = &[("primary", "..."), ("backup", "xxx"), ("third", "---")];
    let mut bench = bench_that_wants();
    bench.play(lanes);
    bench.want("primary backup");
    assert_eq!(bench.rail(), "never-worse");
    bench.want("all");
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("primary backup third", "")
    );
    // Fewer of what is served are no worse.
    bench.want("backup primary");
    assert_eq!(bench.serving(), "backup primary");
    bench.want("backup");
    assert_eq!(bench.serving(), "backup");
}

// Never empty, gone.

#[test]
fn a_drained_target_leaves_and_comes_back() {
    let mut bench = Bench::new(three());
    bench.play(WELL);
    bench.play(&[("backup", "xxx")]);
    bench.order(json!({ "command": "drain", "target": "primary" }));
    // The policy held: the guard serves the first that is well.
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("third", "gone")
    );
    let decision = bench.decisions().pop().unwrap();
    assert_eq!(
        (decision.by, decision.reason.as_str()),
        (By::Guard, "primary is withdrawn")
    );
    bench.order(json!({ "command": "undrain", "target": "primary" }));
    bench.play(&[("primary", &".".repeat(10)), ("third", &".".repeat(10))]);
    assert_eq!(bench.serving(), "primary");
}

#[test]
fn a_drained_member_of_the_set_leaves_it() {
    let mut bench = bench_that_wants();
    bench.play(WELL);
    bench.want("primary backup");
    bench.want("");
    bench.order(json!({ "command": "drain", "target": "primary" }));
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("backup", "gone")
    );
    bench.want("primary third");
    assert_eq!(bench.serving(), "third", "what is drained is not served");
}

#[test]
fn a_drained_target_that_a_policy_wants_is_not_switched_to() {
    let mut bench = bench_that_wants();
    bench.play(WELL);
    bench.order(json!({ "command": "drain", "target": "backup" }));
    bench.want("backup");
    assert_eq!(bench.serving(), "primary");
    assert_eq!(bench.addresses(), ["192.0.2.10"]);
    bench.order(json!({ "command": "undrain", "target": "backup" }));
    assert_eq!(bench.serving(), "backup");
}

#[test]
fn never_empty_where_everything_is_drained() {
    let mut bench = Bench::new(three());
    bench.play(WELL);
    bench.play(DEAD);
    for target in ["third", "primary", "backup"] {
        bench.order(json!({ "command": "drain", "target": target }));
        assert_eq!(bench.serving(), "backup");
        assert_eq!(bench.addresses(), ["198.51.100.20"]);
    }
    assert_eq!(
        bench.reason(),
        "every target is withdrawn: what is served stays"
    );
}

// The switch budget.

pub(super) fn budgeted(count: u32) -> Bench {
    let mut bench = bench_that_wants();
    let service = bench.config.services.get_mut("www").unwrap();
    service.max_switches = Some(SwitchBudget {
        count,
        window_ms: 600_000,
    });
    bench.reload();
    bench.play(WELL);
    bench
}

#[test]
fn the_budget_holds_and_lets_pass_again_when_the_window_has_moved_on() {
    let mut bench = budgeted(2);
    bench.want("backup");
    bench.now_ms += 100_000;
    bench.play(WELL);
    bench.want("third");
    assert_eq!(bench.serving(), "third");
    bench.play(WELL);
    bench.want("primary");
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("third", "switch-budget")
    );
    assert!(
        bench
            .reason()
            .starts_with("the switch budget of 2/10m is used up; ")
    );
    // 600 s after the first switch it is out of (now − window, now].
    bench.now_ms = 599_999;
    bench.play(&[("third", "..."), ("primary", "..."), ("backup", "...")]);
    assert_eq!(
        (bench.serving().as_str(), bench.now_ms),
        ("third", 15_000 + 599_999)
    );
    bench.now_ms += 1;
    let seen = super::observation(&bench.config, "third", '.').unwrap();
    bench.feed(sidestep::failover::Input::Probe(seen));
    assert_eq!(bench.serving(), "primary");
}

#[test]
fn past_the_budget_a_dead_target_is_left_at_most_once_a_minute() {
    let mut bench = budgeted(1);
    bench.want("backup");
    assert_eq!(bench.serving(), "backup");
    bench.play(&[("primary", "."), ("backup", "x"), ("third", ".")]);
    bench.want("third");
    assert_eq!(bench.rail(), "switch-budget");
    // A minute after the last switch, from what is dead only.
    bench.now_ms = 15_000 + 59_999;
    bench.want("third");
    assert_eq!(bench.rail(), "switch-budget");
    bench.now_ms = 15_000 + 60_000;
    bench.want("third");
    assert_eq!(bench.serving(), "third");
    bench.now_ms += 120_000;
    bench.play(WELL);
    bench.want("primary");
    assert_eq!(bench.rail(), "switch-budget", "third answers");
}

#[test]
fn operators_switches_are_not_counted() {
    let mut bench = budgeted(1);
    for target in ["third", "backup", "primary"] {
        bench.order(json!({ "command": "switch", "service": "www", "target": target }));
        assert_eq!(bench.serving(), target);
    }
    bench.order(json!({ "command": "release", "service": "www" }));
    bench.order(json!({ "command": "drain", "target": "primary" }));
    assert_eq!(bench.serving(), "backup");
    bench.want("third");
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("third", "")
    );
}

// TTL.

#[test]
fn the_ttl_is_whole_seconds_within_its_bounds_and_clamping_is_said() {
    let cases = [
        (None, 30, None),
        (Some(5_000), 5, None),
        (Some(5_999), 5, None),
        (Some(999), 1, Some("a TTL of 999 ms was clamped to 1s")),
        (Some(-1), 1, Some("a TTL of -1 ms was clamped to 1s")),
        (
            Some(i64::MIN),
            1,
            Some("a TTL of -9223372036854775808 ms was clamped to 1s"),
        ),
        (Some(86_400_000), 86_400, None),
        (
            Some(i64::MAX),
            86_400,
            Some("a TTL of 9223372036854775807 ms was clamped to 1d"),
        ),
    ];
    for (ttl_ms, secs, alert) in cases {
        let mut bench = bench_of(move |_| {
            Ok(Proposal {
                ttl_ms,
                ..hold("steady", 1)
            })
        });
        bench.play(WELL);
        assert_eq!(answers(&bench.state).services["www"].ttl_secs, secs);
        let decision = bench.state.world().services[0].decision.clone().unwrap();
        assert_eq!(decision.alert.as_deref(), alert);
    }
}

// What is written.

#[test]
fn a_decision_is_written_when_something_but_the_reason_changes() {
    let mut bench = bench_of(|service| {
        let failures = service.active().failures();
        Ok(hold(
            &format!("{failures} failures"),
            if failures > 2 { 2 } else { 1 },
        ))
    });
    bench.play(WELL);
    assert_eq!(super::decisions(&bench.events).len(), 1);
    bench.play(&[("primary", "xx")]);
    assert_eq!(super::decisions(&bench.events).len(), 1);
    assert_eq!(bench.reason(), "2 failures");
    bench.play(&[("primary", "x")]);
    let written = super::decisions(&bench.events);
    assert_eq!((written.len(), written[1].line), (2, 2));
}

#[test]
fn every_decision_of_a_step_names_the_input_that_woke_it() {
    let mut config = three();
    let mut second = config.services["www"].clone();
    second.name = "zzz".into();
    second.names = vec!["zzz.example.com".into()];
    config.services.insert("zzz".into(), second);
    let mut bench = Bench::new(config);
    bench.play(WELL);
    bench.play(DEAD);
    let switches: Vec<_> = super::decisions(&bench.events)
        .into_iter()
        .filter(|decision| decision.serve == ["backup".into()] && decision.line == 18)
        .collect();
    assert_eq!(switches.len(), 2);
    assert_eq!(switches[0].cause, switches[1].cause);
    let cause = bench
        .events
        .iter()
        .find(|event| event.seq == switches[1].cause);
    assert!(matches!(cause.unwrap().what, What::Probe(_)));
}

// Addresses.

#[test]
fn dead_addresses_of_a_target_that_requires_any_are_left_out() {
    let mut config = config(&[
        ("primary", &["192.0.2.1", "2001:db8::1"]),
        ("backup", &["192.0.2.9"]),
    ]);
    config.targets.get_mut("primary").unwrap().require = sidestep::model::Require::Any;
    let mut bench = Bench::under(config, Policies::new(), "reference");
    bench.play(&[("primary/1", "..."), ("primary/2", ".xx")]);
    let (both, serial) = (["192.0.2.1", "2001:db8::1"], bench.serial());
    assert_eq!(bench.addresses(), both);
    bench.play(&[("primary/1", "."), ("primary/2", "x")]);
    assert_eq!(
        (bench.addresses(), bench.serial()),
        (vec!["192.0.2.1".to_owned()], serial + 1)
    );
    // Time that passes changes no answer; what happens does.
    bench.pass(600_000);
    assert_eq!(
        (bench.addresses(), bench.serial()),
        (vec!["192.0.2.1".to_owned()], serial + 1)
    );
    bench.play(&[("primary/2", ".")]);
    assert_eq!(
        (bench.addresses().as_slice(), bench.serial()),
        (&both.map(String::from)[..], serial + 2)
    );
    bench.play(&[("primary/1", "xxx"), ("primary/2", "xxx")]);
    assert_eq!(bench.addresses(), both, "all dead: all are answered");
    assert!(reference(&bench.view()).is_ok());
}

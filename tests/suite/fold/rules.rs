//! Rules read word by word: the cases at the edges of the guard, of the answer and of the views.

use super::guard::{WELL, bench_of, bench_that_wants, budgeted, watched};
use super::{BEGIN, Bench, Policies, config, fault, hold, observation, serve, three};
use serde_json::json;
use sidestep::failover::{By, Input};
use sidestep::model::Require;

fn see(bench: &mut Bench, place: &str, cell: char) {
    let seen = observation(&bench.config, place, cell).unwrap();
    bench.feed(Input::Probe(seen));
}

#[test]
fn a_service_without_history_serves_its_first_target_whatever_others_know() {
    let mut policies = Policies::new();
    policies.add("stay", |_| Ok(hold("stay", 1)));
    for (primary, drained, first) in [
        ("---", false, "primary"),
        ("xxx", false, "primary"),
        ("...", true, "backup"),
    ] {
        let mut bench = Bench::under(three(), policies.clone(), "stay");
        bench.play(&[("primary", primary), ("backup", "..."), ("third", "...")]);
        let mut other = bench.config.services["www"].clone();
        other.name = "api".into();
        other.names = vec!["api.example.com".into()];
        bench.config.services.insert("api".into(), other);
        bench.config.targets.get_mut("primary").unwrap().drained = drained;
        bench.reload();
        let api = bench.state.world().service("api").unwrap();
        assert_eq!(api.serving, [first.into()], "{primary}");
        assert_eq!(api.switches.len(), 0, "{primary}");
    }
}

#[test]
fn past_the_budget_a_dead_member_of_the_set_may_leave_it() {
    let mut bench = budgeted(1);
    bench.want("primary backup third");
    assert_eq!(bench.serving(), "primary backup third");
    bench.now_ms += 60_000;
    bench.play(WELL);
    bench.want("primary third");
    assert_eq!(bench.rail(), "switch-budget", "what would leave answers");
    bench.play(&[("primary", "."), ("backup", "x"), ("third", ".")]);
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("primary third", "")
    );
}

#[test]
fn an_address_long_dead_is_not_the_first_failure_of_a_target_that_requires_any() {
    let mut bench = watched(1);
    let primary = bench.config.targets.get_mut("primary").unwrap();
    primary.addresses.push("192.0.2.11".parse().unwrap());
    primary.require = Require::Any;
    bench.reload();
    bench.witness(true);
    let lanes = |one| {
        [
            ("primary/1", one),
            ("primary/2", "xxx"),
            ("backup", "..."),
            ("third", "..."),
        ]
    };
    bench.play(&lanes("..."));
    bench.witness(true);
    bench.play(&lanes("..."));
    bench.play(&lanes("xxx"));
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("primary", "asking-witnesses")
    );
    bench.witness(true);
    assert_eq!(bench.serving(), "backup");
}

#[test]
fn a_witness_answer_of_the_same_instant_is_newer_where_it_came_later() {
    let mut bench = bench_of(|service| match service.active().is_down(1) {
        true => Ok(serve(&["backup"], "down", 1)),
        false => Ok(hold("steady", 2)),
    });
    bench.config.witness = watched(1).config.witness;
    bench.reload();
    bench.witness(true);
    bench.play(WELL);
    bench.now_ms += 5_000;
    bench.witness(true);
    see(&mut bench, "primary", 'x');
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("primary", "asking-witnesses")
    );
    bench.witness(true);
    assert_eq!(bench.serving(), "backup");
}

#[test]
fn witnesses_that_are_not_configured_are_not_kept() {
    let mut bench = watched(1);
    for last in 1..100 {
        bench.witness_at(&format!("203.0.113.{last}:53"), true);
    }
    bench.witness(true);
    assert_eq!(bench.state.world().witnesses.len(), 1);
}

#[test]
fn the_end_of_an_override_is_evaluated_at_once_though_the_policy_faults() {
    let mut bench = bench_of(|_| Err(fault("broken")));
    bench.play(&[("primary", &".".repeat(12))]);
    let until = BEGIN + bench.now_ms + 1_500;
    bench
        .order(json!({ "command": "switch", "service": "www", "target": "third", "until": until }));
    bench.now_ms += 1_100;
    see(&mut bench, "primary", '.');
    assert_eq!(bench.rail(), "override");
    bench.pass(400);
    assert_eq!(bench.rail(), "fault");
}

#[test]
fn a_decision_that_no_policy_made_has_no_line_and_is_not_written_for_one() {
    let mut bench = bench_of(|service| {
        let line = u32::try_from(service.primary().successes()).unwrap();
        Ok(hold("counting", line))
    });
    bench.play(WELL);
    bench.order(json!({ "command": "switch", "service": "www", "target": "third" }));
    let decision = bench.decisions().pop().unwrap();
    assert_eq!((decision.by, decision.line), (By::Operator, 0));
    bench.play(&[("primary", ".")]);
    assert_eq!(bench.decisions(), []);
    assert_eq!(bench.state.latest("www").unwrap().line, 4);
}

#[test]
fn a_target_that_fell_silent_while_bad_is_still_worse() {
    let mut bench = bench_that_wants();
    bench.play(WELL);
    bench.play(&[("primary", "......"), ("backup", "xx----")]);
    let backup = bench.view().target("backup").unwrap();
    assert_eq!((backup.failures(), backup.vantages()), (0, 0), "silent");
    drop(backup);
    bench.want("backup");
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("primary", "never-worse")
    );
    bench.play(&[("primary", "."), ("backup", ".")]);
    assert_eq!(bench.serving(), "backup");
}

#[test]
fn a_withdrawn_target_that_answers_is_not_left_for_one_that_does_not() {
    let mut bench = bench_that_wants();
    bench.play(WELL);
    bench.play(&[("backup", "xx")]);
    bench.want("backup");
    bench.order(json!({ "command": "drain", "target": "primary" }));
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("third", "gone")
    );
}

#[test]
fn a_probe_that_did_not_concern_a_service_did_not_wake_its_policy() {
    let mut policies = Policies::new();
    policies.add("own", |service| {
        let woken = service.probe().map_or("()", |seen| seen.target.as_str());
        Ok(hold(woken, 1))
    });
    let mut config = three();
    let mut other = config.services["www"].clone();
    other.name = "zzz".into();
    other.names = vec!["zzz.example.com".into()];
    other.targets = vec!["third".into()];
    config.services.insert("zzz".into(), other);
    let mut bench = Bench::under(config, policies, "own");
    let until = BEGIN + 1_000;
    bench.order(json!({ "command": "hold", "service": "zzz", "until": until }));
    bench.now_ms = 2_000;
    see(&mut bench, "primary", '.');
    assert_eq!(bench.state.latest("www").unwrap().reason, "primary");
    let zzz = bench.state.latest("zzz").unwrap();
    assert_eq!((zzz.at.0, zzz.reason.as_str()), (BEGIN + 2_000, "()"));
}

#[test]
fn vantages_that_fell_silent_make_room_for_new_ones() {
    let mut bench = Bench::new(config(&[("t", &["192.0.2.1", "192.0.2.2"])]));
    for number in 0..64 {
        for address in 1..=2 {
            see(&mut bench, &format!("t/{address}/tcp/v{number}"), '.');
        }
    }
    see(&mut bench, "t/1/tcp/late", '.');
    assert_eq!(bench.view().primary().vantages(), 64);
    assert_eq!(bench.view().primary().at("late").vantages(), 0);
    bench.now_ms += 17_001;
    for address in 1..=2 {
        see(&mut bench, &format!("t/{address}/tcp/local"), '.');
    }
    assert_eq!(bench.view().primary().at("local").successes(), 1);
    assert!(bench.state.world().groups[0].series.len() <= 128);
}

#[test]
fn after_ten_faults_the_pause_is_a_second_to_the_ms_and_a_new_version_has_none() {
    let mut policies = Policies::new();
    for source in ["own", "another"] {
        policies.add(source, |_| Err(fault("broken")));
    }
    let mut bench = Bench::under(three(), policies, "own");
    bench.play(&[("primary", &".".repeat(9))]);
    let asked_at = |bench: &Bench| bench.state.latest("www").unwrap().at.0 - BEGIN;
    let tenth = bench.now_ms;
    for (later, asked) in [(999, tenth), (1_000, tenth + 1_000)] {
        bench.now_ms = tenth + later;
        see(&mut bench, "primary", '.');
        assert_eq!(asked_at(&bench), asked);
    }
    bench.source = "another".into();
    bench.reload();
    bench.now_ms += 1;
    see(&mut bench, "primary", '.');
    assert_eq!(asked_at(&bench), bench.now_ms);
}

#[test]
fn results_are_kept_for_a_day_at_most() {
    let mut config = three();
    config.services.get_mut("www").unwrap().keep_ms = 2 * 86_400_000;
    let bench = Bench::new(config);
    assert_eq!(bench.view().kept_ms(), 86_400_000);
    assert_eq!(bench.state.world().groups[0].keep_ms, 86_400_000);
}

#[test]
fn a_budget_beyond_what_is_remembered_still_ends() {
    let mut bench = bench_of(|service| {
        let home = service.active().name() == service.primary().name();
        Ok(serve(&[if home { "backup" } else { "primary" }], "flap", 1))
    });
    let service = bench.config.services.get_mut("www").unwrap();
    service.max_switches = Some("5000/1d".to_owned().try_into().unwrap());
    bench.reload();
    bench.play(WELL);
    for _ in 0..1_010 {
        bench.now_ms += 1;
        see(&mut bench, "primary", '.');
    }
    assert_eq!(bench.rail(), "switch-budget");
}

//! The reload gate: candidate and version in force over what really happened.

use super::{Bench, Policies, fault, hold, reference, serve, three};
use sidestep::failover::{
    Event,
    rehearsal::gate::{self, Compared, Contender, FaultAt},
};
use sidestep::model::{FailureReason, PolicyText, Timestamp};

fn policies() -> Policies {
    let mut policies = Policies::new();
    policies.add("hasty", |service| {
        if service.active().is_down(1) {
            return Ok(serve(&["backup"], "one is enough", 3));
        }
        if service.primary().is_up(2) {
            return Ok(serve(&["primary"], "well", 5));
        }
        Ok(hold("all is well", 8))
    });
    policies.add("odd", |service| {
        let primary = service.primary();
        if primary.is_down(2) && primary.error() == Some(FailureReason::Timeout) {
            return Err(fault("division by zero"));
        }
        reference(service)
    });
    policies.add("now", |service| {
        if service.active().name().as_str() == "backup" {
            return Err(fault("on the backup"));
        }
        Ok(hold("fine", 1))
    });
    policies
}

/// `source` in the place of what is in force, over what happened on the bench.
fn lately(bench: &Bench, source: &str) -> (Compared, Vec<FaultAt>) {
    let facts: Vec<&Event> = bench
        .events
        .iter()
        .filter(|e| gate::is_fact(&e.what))
        .collect();
    let service = &bench.config.services["www"];
    let (candidate, in_force) = (text(source), text(&bench.source));
    let contender = |text| Contender { service, text };
    let (candidate, in_force) = (contender(&candidate), contender(&in_force));
    let run = |contender| gate::run(&facts, 0, &bench.config, contender, &bench.policies).unwrap();
    let (ours, theirs) = (run(candidate), run(in_force));
    let compared = Compared::of((candidate, &ours), (in_force, &theirs), facts.len());
    (compared, ours.faults)
}

fn text(source: &str) -> PolicyText {
    PolicyText {
        name: "www.rhai".into(),
        source: source.into(),
    }
}

fn bench() -> Bench {
    Bench::under(three(), policies(), "reference")
}

#[test]
fn what_would_have_been_decided_differently_is_told_by_stretches() {
    let mut bench = bench();
    bench.play(&[("primary", "..x..xx.."), ("backup", ".........")]);
    let (compared, faults) = lately(&bench, "hasty");
    assert_eq!(faults, []);
    assert_eq!((compared.facts, compared.count()), (18, 2));
    let at = |round: i64| Timestamp(super::BEGIN + round * 5_000);
    let [first, second] = &compared.differences[..] else {
        panic!("{compared:?}");
    };
    assert_eq!((first.from, first.to), (at(3), Some(at(5))));
    assert_eq!((second.from, second.to), (at(6), Some(at(9))));
    assert_eq!(&*first.candidate.serve[0], "backup");
    assert_eq!(
        (first.candidate.line, &*first.candidate.reason),
        (3, "one is enough")
    );
    assert_eq!(
        (&*first.in_force.serve[0], first.in_force.line),
        ("primary", 20)
    );
    assert_eq!((compared.from, compared.to), (Some(at(1)), Some(at(9))));

    let (same, _) = lately(&bench, "reference");
    assert_eq!(same.count(), 0);
    assert_eq!(same.version, same.in_force);
}

#[test]
fn only_the_policy_differs() {
    // What is served now comes from elsewhere: an override, a policy before this one.
    let mut bench = bench();
    bench.order(serde_json::json!({ "command": "switch", "service": "www", "target": "third" }));
    bench.play(&[("primary", "..."), ("third", "...")]);
    assert_eq!(bench.serving(), "third");
    let (compared, _) = lately(&bench, "hasty");
    assert_eq!(compared.count(), 0, "{compared:?}");
}

#[test]
fn many_stretches_are_counted_and_some_kept() {
    let mut bench = bench();
    let flapping = "x..".repeat(30);
    bench.play(&[("primary", &flapping), ("backup", &".".repeat(90))]);
    let (compared, _) = lately(&bench, "hasty");
    assert_eq!(
        (compared.count(), compared.differences.len()),
        (30, 20),
        "{compared:?}"
    );
    assert!(
        compared
            .differences
            .windows(2)
            .all(|pair| pair[0].to < Some(pair[1].from))
    );
}

#[test]
fn a_fault_on_what_happened_or_on_what_is_known_is_found() {
    let mut bench = bench();
    bench.play(&[("primary", "..xx."), ("backup", ".....")]);
    let (_, faults) = lately(&bench, "odd");
    let [(at, found)] = &faults[..] else {
        panic!("{faults:?}");
    };
    assert_eq!(
        (found.message.as_str(), found.line),
        ("division by zero", 7)
    );
    assert_eq!(*at, Timestamp(super::BEGIN + 20_000));

    let service = bench.config.services["www"].clone();
    let now = |bench: &Bench, source: &str| {
        let at = Timestamp(super::BEGIN + bench.now_ms + 1);
        let text = text(source);
        let candidate = Contender {
            service: &service,
            text: &text,
        };
        gate::now(&bench.state, at, &bench.config, candidate, &bench.policies).unwrap()
    };
    let well = now(&bench, "now");
    assert_eq!((well.faults.len(), &*well.serving[0]), (0, "primary"));
    assert_eq!(well.evaluation.unwrap().reason, "fine");
    bench.play(&[("primary", "xxx"), ("backup", "...")]);
    assert_eq!(bench.serving(), "backup");
    let before = bench.state.clone();
    let faulty = now(&bench, "now");
    assert_eq!(faulty.faults[0].message, "on the backup");
    assert_eq!(bench.state, before, "nothing is in force by it");
}

//! Each fact as it is supposed to be, and nothing else for it.

use super::Recorded;
use crate::policy::world::{World, config, text};
use proptest::prelude::*;
use sidestep::{
    failover::{
        Policy as _,
        lens::{Fact, Subject, Suppositions, Value},
    },
    model::{Param, PolicyText},
    policy::{Library, Tracer},
};

fn of(target: &str, vantage: Option<&str>, monitor: Option<&str>) -> Subject {
    Subject::Target {
        name: target.into(),
        vantage: vantage.map(Into::into),
        monitor: monitor.map(Into::into),
    }
}

/// What `expression` is where one fact is supposed.
fn seen(
    world: &World,
    of: Subject,
    word: &'static str,
    argument: Option<Param>,
    value: Value,
    expression: &str,
) -> String {
    let source = format!("fn decide(service) {{\n hold(`${{{expression}}}`)\n}}");
    let tracer = Tracer::new(&world.config.services["www"], &text(&source));
    let tracer = tracer.unwrap_or_else(|found| panic!("{expression}: {}", found[0]));
    let fact = Fact { of, word, argument };
    let supposed: Suppositions = [(fact, value)].into();
    let traced = tracer.ask(world.state.view("www").unwrap(), supposed);
    match traced.proposal {
        Ok(proposal) => proposal.reason,
        Err(fault) => format!("fault: {}", fault.message),
    }
}

#[test]
fn every_fact_can_be_supposed() {
    let mut recorded = Recorded::shipped();
    recorded.rounds(
        10,
        &[("primary", Some(20)), ("backup", Some(20)), ("third", None)],
    );
    let world = &recorded.world;
    let window = Some(Param::Int(5_000));
    let primary = || of("primary", None, None);
    let int = |n: i64| Value::from(n);
    for (of, word, argument, value, expression, expected) in [
        (
            primary(),
            "failures",
            None,
            int(3),
            "service.primary.failures",
            "3",
        ),
        (
            primary(),
            "failures",
            None,
            int(3),
            "service.primary.is_down(3)",
            "true",
        ),
        (
            primary(),
            "failures",
            None,
            int(3),
            "service.primary.successes",
            "0",
        ),
        (
            primary(),
            "failures",
            None,
            int(3),
            "service.up(2).len",
            "1",
        ),
        (
            primary(),
            "failures",
            None,
            int(3),
            "service.backups[0].failures",
            "0",
        ),
        (
            primary(),
            "successes",
            None,
            int(1),
            "service.primary.is_up(2)",
            "false",
        ),
        (
            primary(),
            "successes",
            None,
            int(1),
            "service.up(2)[0].name",
            "backup",
        ),
        (
            of("third", None, None),
            "successes",
            None,
            int(2),
            "service.up(2).len",
            "3",
        ),
        (
            of("third", None, None),
            "successes",
            None,
            int(2),
            "service.target(\"third\").failures",
            "0",
        ),
        (
            primary(),
            "vantages",
            None,
            int(3),
            "service.primary.vantages",
            "3",
        ),
        (
            primary(),
            "vantages_failing",
            Some(Param::Int(2)),
            int(2),
            "service.primary.vantages_failing(2)",
            "2",
        ),
        (
            primary(),
            "vantages_failing",
            Some(Param::Int(2)),
            int(2),
            "service.primary.vantages_failing(3)",
            "0",
        ),
        (
            primary(),
            "vantages_passing",
            Some(Param::Int(2)),
            int(0),
            "service.primary.vantages_passing(2)",
            "0",
        ),
        (
            primary(),
            "clean_for",
            None,
            int(7),
            "service.primary.clean_for",
            "7",
        ),
        (
            primary(),
            "dirty_for",
            None,
            int(7),
            "service.primary.dirty_for",
            "7",
        ),
        (
            primary(),
            "left_for",
            None,
            int(7),
            "service.primary.left_for",
            "7",
        ),
        (primary(), "age", None, int(7), "service.primary.age", "7"),
        (
            primary(),
            "loss",
            window.clone(),
            int(7),
            "service.primary.loss(5 * SECOND)",
            "7",
        ),
        (
            primary(),
            "loss",
            window.clone(),
            int(7),
            "service.primary.loss(4 * SECOND)",
            "0",
        ),
        (
            primary(),
            "loss",
            window.clone(),
            Value::Nothing,
            "service.primary.loss(5 * SECOND) == ()",
            "true",
        ),
        (
            primary(),
            "p50",
            window.clone(),
            int(801),
            "service.primary.p50(5 * SECOND) > 800",
            "true",
        ),
        (
            primary(),
            "p95",
            window,
            int(801),
            "service.primary.p95(5 * SECOND)",
            "801",
        ),
        (
            primary(),
            "freshness",
            None,
            Value::from("stale"),
            "service.primary.freshness",
            "stale",
        ),
        (
            primary(),
            "data_age",
            None,
            int(7),
            "service.primary.data_age",
            "7",
        ),
        (
            primary(),
            "drift",
            None,
            int(7),
            "service.primary.drift",
            "7",
        ),
        (
            primary(),
            "cert_days",
            None,
            int(7),
            "service.primary.cert_days",
            "7",
        ),
        (
            primary(),
            "value",
            None,
            int(7),
            "service.primary.value",
            "7",
        ),
        (
            primary(),
            "drained",
            None,
            Value::from(true),
            "service.primary.drained",
            "true",
        ),
        (
            primary(),
            "drained",
            None,
            Value::from(true),
            "service.targets[0].name",
            "backup",
        ),
        (
            primary(),
            "drained",
            None,
            Value::from(true),
            "service.up(2).len",
            "1",
        ),
        (
            of("primary", Some("local"), None),
            "failures",
            None,
            int(3),
            "service.primary.at(\"local\").failures",
            "3",
        ),
        (
            of("primary", Some("local"), None),
            "failures",
            None,
            int(3),
            "service.primary.failures",
            "0",
        ),
        (
            of("primary", None, Some("http")),
            "failures",
            None,
            int(3),
            "service.primary.monitor(\"http\").is_down(3)",
            "true",
        ),
        (
            Subject::Service,
            "since_switch",
            None,
            int(7),
            "service.since_switch",
            "7",
        ),
        (
            Subject::Service,
            "switches",
            Some(Param::Int(60_000)),
            int(7),
            "service.switches(MINUTE)",
            "7",
        ),
        (
            Subject::Service,
            "switches",
            Some(Param::Int(60_000)),
            int(7),
            "service.switches(HOUR)",
            "0",
        ),
        (
            Subject::Service,
            "isolated",
            None,
            Value::from(true),
            "service.isolated",
            "true",
        ),
        (Subject::Service, "hour", None, int(3), "service.hour", "3"),
        (
            Subject::Service,
            "weekday",
            None,
            int(7),
            "service.weekday",
            "7",
        ),
        (
            Subject::Service,
            "asked",
            Some(Param::Text("failback".into())),
            Value::from(true),
            "service.asked(\"failback\")",
            "true",
        ),
    ] {
        let found = seen(world, of, word, argument, value, expression);
        assert_eq!(found, expected, "{word}: {expression}");
    }
}

fn shipped() -> Vec<PolicyText> {
    let names = [
        "failover",
        "all-healthy",
        "damped",
        "freshest",
        "manual-failback",
        "quorum",
    ];
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let text = |name: &str| PolicyText {
        name: "failover.rhai".into(),
        source: std::fs::read_to_string(folder.join(format!("{name}.rhai")))
            .unwrap()
            .into(),
    };
    names.map(text).into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A tracer without suppositions proposes what the library does, whatever happened.
    #[test]
    fn nothing_supposed_changes_nothing(
        rounds in prop::collection::vec((prop::option::of(0_u32..1_500), prop::option::of(0_u32..1_500)), 1..60),
        policy in 0_usize..6,
    ) {
        let source = shipped()[policy].source.to_string();
        let mut recorded = Recorded::with(config(&["primary", "backup", "third"]), &source);
        let service = recorded.world.config.services["www"].clone();
        let tracer = Tracer::new(&service, &text(&source)).unwrap();
        let library = Library::new();
        library.adopt(&library.candidate(&service, &text(&source)).unwrap());
        for (primary, backup) in rounds {
            recorded.rounds(1, &[("primary", primary), ("backup", backup), ("third", Some(30))]);
            let state = &recorded.world.state;
            let plain = library.propose(tracer.version(), state.view("www").unwrap());
            let traced = tracer.ask(state.view("www").unwrap(), Suppositions::new());
            prop_assert_eq!(plain, traced.proposal);
        }
    }

    /// Explaining changes nothing that is known, and asks what decided.
    #[test]
    fn explaining_changes_nothing(
        rounds in prop::collection::vec((prop::option::of(0_u32..1_500), prop::option::of(0_u32..1_500)), 1..40),
    ) {
        let mut recorded = Recorded::shipped();
        for (primary, backup) in rounds {
            recorded.rounds(1, &[("primary", primary), ("backup", backup), ("third", Some(30))]);
        }
        let past = recorded.past();
        let before = past.state().clone();
        let explained = sidestep::replay::explain::explain(&past, sidestep::replay::explain::Decided::Recorded).unwrap();
        prop_assert_eq!(past.state(), &before);
        prop_assert_eq!(past.state(), &recorded.world.state);
        // No rail is configured: what is said again is what was decided.
        let (again, decision) = (explained.evaluation.unwrap(), explained.decision.unwrap());
        prop_assert_eq!(again.line, decision.decision.line);
        prop_assert_eq!(again.wanted.unwrap_or(decision.decision.serve.clone()), decision.decision.serve);
    }
}

//! Every word of the API: what it gives in a world that is known.

use super::world::{NOON, World, address, config, text};
use sidestep::{
    failover::{
        Action, Command, Freshness, Input, Policy,
        input::{DriftReport, FreshnessReport},
    },
    model::{Observation, Param},
    policy::definitions,
};

const HOLD: &str = "fn decide(service) { hold(\"x\") }";

/// Primary down for three probes, backup and third well, third slow; backup copy stale.
fn world() -> World {
    let mut config = config(&["primary", "backup", "third"]);
    let backup = config.targets.get_mut("backup").unwrap();
    backup.labels = [("rack".to_owned(), "r7".to_owned())].into();
    let mut world = World::with(config, HOLD);
    world.rounds(
        7,
        &[
            ("primary", Some(20)),
            ("backup", Some(30)),
            ("third", Some(900)),
        ],
    );
    world.rounds(
        3,
        &[
            ("backup", Some(31)),
            ("third", Some(901)),
            ("primary", None),
        ],
    );
    world
}

/// The value of an expression, as text.
fn value(world: &World, expression: &str) -> String {
    let source = format!("fn decide(service) {{ hold(`${{{expression}}}`) }}");
    let candidate = world
        .library
        .candidate(&world.config.services["www"], &text(&source));
    let candidate = candidate.unwrap_or_else(|found| panic!("{expression}: {}", found[0]));
    world.library.adopt(&candidate);
    let view = world.state.view("www").unwrap();
    match world.library.propose(&candidate.version, view) {
        Ok(proposal) => proposal.reason,
        Err(fault) => format!("fault: {}", fault.message),
    }
}

#[test]
fn every_fact_reads_as_documented() {
    let world = world();
    let seconds = |n: i64| (n * 1_000).to_string();
    let cases = [
        ("service.name", "www".to_owned()),
        ("service.active.name", "primary".into()),
        ("service.active", "primary".into()),
        ("service.serving.len", "1".into()),
        ("service.serving[0].name", "primary".into()),
        ("service.primary.name", "primary".into()),
        ("service.targets.len()", "3".into()),
        ("service.backups[1].name", "third".into()),
        ("service.all_targets[-1].name", "third".into()),
        ("service.up(10).len", "2".into()),
        ("service.up(2)[0].name", "backup".into()),
        ("service.up(11).is_empty", "true".into()),
        ("service.target(\"third\").position", "2".into()),
        ("service.target(`th${\"ird\"}`).position", "2".into()),
        (
            "service.target(`x${1}`).position",
            "fault: no target 'x1' in service www".into(),
        ),
        ("service.since_switch", seconds(10)),
        ("service.switches(HOUR)", "0".into()),
        ("service.isolated", "false".into()),
        ("service.now", (NOON + 10_000).to_string()),
        ("service.hour", "12".into()),
        ("service.weekday", "4".into()),
        ("service.asked(\"failback\")", "false".into()),
        ("service.recall(\"tries\", 7)", "7".into()),
        ("service.probe.target.name", "primary".into()),
        ("service.probe.target == service.active", "true".into()),
        ("service.probe.monitor", "http".into()),
        ("service.probe.address", "".into()),
        ("service.probe.vantage", "local".into()),
        ("service.probe.ok", "false".into()),
        ("service.probe.rtt", "".into()),
        ("service.probe.error", "timeout".into()),
        ("service.probe != ()", "true".into()),
        ("service.active.addresses[0]", address(0).to_string()),
        ("service.target(\"backup\").labels.rack", "r7".into()),
        (
            "service.target(\"backup\").labels.row",
            "fault: the map has no 'row'".into(),
        ),
        (
            "\"rack\" in service.target(\"backup\").labels",
            "true".into(),
        ),
        (
            "service.target(\"backup\").labels.contains(\"row\")",
            "false".into(),
        ),
        ("service.active.drained", "false".into()),
        ("service.active.failures", "3".into()),
        ("service.active.successes", "0".into()),
        ("service.active.is_down(3)", "true".into()),
        ("service.active.is_down(4)", "false".into()),
        ("service.backups[0].is_up(10)", "true".into()),
        ("service.backups[0].is_up(11)", "false".into()),
        ("service.active.vantages", "1".into()),
        ("service.active.vantages_failing(3)", "1".into()),
        ("service.active.vantages_passing(1)", "0".into()),
        ("service.active.clean_for", "0".into()),
        ("service.active.dirty_for", seconds(3)),
        ("service.backups[0].clean_for", seconds(9)),
        ("service.active.left_for", (NOON + 10_000).to_string()),
        ("service.active.age", "0".into()),
        ("service.active.error", "timeout".into()),
        ("service.backups[0].error", "".into()),
        ("service.active.loss(10 * SECOND)", "300".into()),
        ("service.active.loss(3 * SECOND)", "1000".into()),
        ("service.active.loss(MINUTE)", "".into()),
        (
            "service.active.loss(service.recall(\"w\", 0))",
            "fault: loss(0): a window is longer than 0 ms".into(),
        ),
        (
            "service.active.loss(service.recall(\"w\", 2 * DAY))",
            "fault: loss asks for 2d, and results are kept for 10m: set history of the service"
                .into(),
        ),
        ("service.target(\"third\").p50(10 * SECOND)", "900".into()),
        ("service.target(\"third\").p95(10 * SECOND)", "901".into()),
        ("service.active.freshness", "unknown".into()),
        ("service.active.data_age", "-1".into()),
        ("service.active.drift", "0".into()),
        ("service.active.cert_days", "-1".into()),
        ("service.active.value", "-1".into()),
        ("service.active.at(\"local\").failures", "3".into()),
        ("service.active.at(\"elsewhere\").failures", "0".into()),
        ("service.active.monitor(\"http\").failures", "3".into()),
        (
            "service.active.monitor(`h${1}`).failures",
            "fault: no monitor 'h1' in the service of primary".into(),
        ),
        ("SECOND + MINUTE + HOUR + DAY", "90061000".into()),
        ("\"primary\".len", "7".into()),
        ("\"primary\".contains(\"rim\")", "true".into()),
        ("\"rim\" in \"primary\"", "true".into()),
        ("\"primary\".starts_with(\"pri\")", "true".into()),
        ("\"primary\".ends_with(\"pri\")", "false".into()),
        ("min(3, 2) + max(3, 2) + abs(-1)", "6".into()),
        ("service.targets.contains(\"third\")", "true".into()),
        ("service.targets.contains(service.active)", "true".into()),
        ("service.active in service.up(1)", "false".into()),
        ("[1, 2].contains(2)", "true".into()),
        ("\"served \" + service.active", "served primary".into()),
    ];
    for (expression, expected) in cases {
        assert_eq!(value(&world, expression), expected, "{expression}");
    }
}

#[test]
fn targets_compare_with_targets_and_names_in_both_orders() {
    let world = world();
    for (expression, expected) in [
        ("service.active == service.primary", true),
        ("service.active != service.primary", false),
        ("service.active == service.backups[0]", false),
        ("service.active != service.backups[0]", true),
        ("service.active == \"primary\"", true),
        ("service.active != \"primary\"", false),
        ("service.active == \"backup\"", false),
        ("\"primary\" == service.active", true),
        ("\"backup\" != service.active", true),
        ("\"backup\" == service.active", false),
        ("service.active == ()", false),
        ("service.active != ()", true),
    ] {
        assert_eq!(
            value(&world, expression),
            expected.to_string(),
            "{expression}"
        );
    }
}

#[test]
fn no_figure_compares_false_with_everything_in_both_orders() {
    let world = world();
    for operator in ["==", "<", "<=", ">", ">=", "!="] {
        for number in ["0", "20", "-1", "service.recall(\"k\", \"\")", "true"] {
            for expression in [
                format!("service.active.loss(MINUTE) {operator} {number}"),
                format!("{number} {operator} service.active.loss(MINUTE)"),
            ] {
                let expected = (operator == "!=").to_string();
                assert_eq!(value(&world, &expression), expected, "{expression}");
            }
        }
    }
    // How a script asks for it.
    assert_eq!(value(&world, "service.active.loss(MINUTE) == ()"), "true");
    assert_eq!(
        value(&world, "service.active.loss(10 * SECOND) == ()"),
        "false"
    );
}

#[test]
fn proposals_carry_what_was_chained_on_them() {
    let world = world();
    let propose = |body: &str| {
        let source = format!("fn decide(service) {{\n{body}\n}}");
        let candidate = world.candidate(&source, Default::default());
        world.library.adopt(&candidate);
        let view = world.state.view("www").unwrap();
        world.library.propose(&candidate.version, view)
    };
    let served = |body: &str| match propose(body).unwrap().action {
        Action::Serve(names) => names.iter().map(ToString::to_string).collect(),
        other => vec![format!("{other:?}")],
    };
    assert_eq!(served("serve(service.backups[0], \"x\")"), ["backup"]);
    assert_eq!(served("serve(\"third\", \"x\")"), ["third"]);
    assert_eq!(served("serve(service.up(2), \"x\")"), ["backup", "third"]);
    assert_eq!(
        served("serve([service.primary, \"third\"], \"x\")"),
        ["primary", "third"]
    );
    assert_eq!(
        served("let l = []; l.push(service.primary); l.push(\"backup\"); serve(l, \"x\")"),
        ["primary", "backup"]
    );
    assert_eq!(served("first_of(service.up(2), \"x\")"), ["backup"]);
    assert_eq!(served("serve_all(\"x\")"), ["ServeAll"]);
    assert_eq!(served("hold(\"x\")"), ["Hold"]);
    let nothing = propose("first_of(service.up(99), \"primary is down\")").unwrap();
    assert_eq!(nothing.action, Action::Hold);
    assert_eq!(nothing.alert.as_deref(), Some("nothing is up"));
    assert_eq!(nothing.reason, "primary is down; nothing is up");
    let rich = propose(
        "let p = hold(\"why\").ttl(5 * SECOND).alert(\"one\");\n\
         p.alert(\"two\");\n\
         p.remember(\"n\", 3).remember(\"s\", \"t\").remember(\"b\", true).remember(\"gone\", ()).remember(\"t\", service.active)",
    )
    .unwrap();
    assert_eq!(
        (rich.ttl_ms, rich.line, rich.reason.as_str()),
        (Some(5_000), 2, "why")
    );
    assert_eq!(rich.alert.as_deref(), Some("one; two"));
    let remembered = [
        ("b", Some(Param::Bool(true))),
        ("gone", None),
        ("n", Some(Param::Int(3))),
        ("s", Some(Param::Text("t".into()))),
        ("t", Some(Param::Text("primary".into()))),
    ];
    let remembered = remembered.map(|(key, value)| (key.to_owned(), value));
    assert_eq!(rich.remember, remembered.into());
}

#[test]
fn facts_follow_their_inputs() {
    let mut world = world();
    world.step(Input::Freshness(FreshnessReport {
        target: "backup".into(),
        freshness: Freshness::Stale,
        data_age_ms: 90_000,
    }));
    world.step(Input::Drift(DriftReport {
        target: "backup".into(),
        differences: 4,
    }));
    assert_eq!(value(&world, "service.probe == ()"), "true");
    for (fact, expected) in [
        ("freshness", "stale"),
        ("data_age", "90000"),
        ("drift", "4"),
    ] {
        assert_eq!(
            value(&world, &format!("service.target(\"backup\").{fact}")),
            expected
        );
    }
    world.operator(Command::Failback {
        service: "www".into(),
    });
    world.operator(Command::Drain {
        target: "third".into(),
        until: None,
    });
    assert_eq!(value(&world, "service.target(\"third\").drained"), "true");
    assert_eq!(value(&world, "service.targets.len"), "2");
    assert_eq!(value(&world, "service.all_targets.len"), "3");
    let seen = Observation {
        cert_days: Some(12),
        value: Some(77),
        address: Some(address(1)),
        ..world.seen("backup", Some(12))
    };
    world.step(Input::Probe(seen));
    for (expression, expected) in [
        ("service.probe.rtt", "12"),
        ("service.probe.address", "192.0.2.2"),
        ("service.probe.error", ""),
        ("service.target(\"backup\").cert_days", "12"),
        ("service.target(\"backup\").value", "77"),
    ] {
        assert_eq!(value(&world, expression), expected, "{expression}");
    }
}

#[test]
fn an_operator_asks_for_failback_and_a_policy_remembers() {
    let source = "fn decide(service) {\n\
        if service.asked(\"failback\") { return serve(service.primary, \"asked\"); }\n\
        let n = service.recall(\"n\", 0);\n\
        serve(\"backup\", `${n}`).remember(\"n\", n + 1)\n}";
    let mut world = World::new(&["primary", "backup"], source);
    world.rounds(3, &[("primary", Some(1)), ("backup", Some(1))]);
    assert_eq!(world.serving(), ["backup"]);
    assert_eq!(world.propose().unwrap().reason, "7");
    world.operator(Command::Failback {
        service: "www".into(),
    });
    assert_eq!(world.serving(), ["primary"]);
}

#[test]
fn no_word_of_the_api_is_reserved_by_the_language() {
    let definitions = definitions();
    let world = World::new(&["primary"], HOLD);
    let mut words = 0;
    for line in definitions
        .lines()
        .filter_map(|line| line.strip_prefix("fn "))
    {
        let name = line.trim_start_matches("get ").split('(').next().unwrap();
        // A word that is reserved cannot be a variable; one that is not, can.
        let source = format!("fn decide(service) {{ let {name} = 1; hold(`${{{name}}}`) }}");
        world.candidate(&source, Default::default());
        words += 1;
    }
    assert!(words >= 60, "{words}");
}

#[test]
fn the_definitions_file_is_what_the_engine_registers() {
    let written = include_str!("../../../policies/api.d.rhai");
    assert!(
        written == definitions(),
        "policies/api.d.rhai is old; it should be:\n{}",
        definitions()
    );
}

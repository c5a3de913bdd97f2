//! Parameters: what counts as one, what overrides it, and the windows that follow.

use super::world::{World, service, text};
use sidestep::{
    failover::Policy,
    model::{Param, Params},
    policy::{BUILTIN_SOURCE, Library},
};

fn params(pairs: &[(&str, Param)]) -> Params {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

const KNOBS: &str = "const COUNT = 3;\n\
    const WAIT = 5 * MINUTE + 30 * SECOND - 1;\n\
    const WORD = \"calm\";\n\
    const OPEN = true;\n\
    const LOW = -7;\n\
    fn said() { `${COUNT} ${WAIT} ${WORD} ${OPEN} ${LOW}` }\n\
    fn decide(service) { hold(said()) }";

#[test]
fn constants_are_parameters_and_a_service_overrides_them() {
    let world = World::new(&["primary"], KNOBS);
    let said = |overrides: &[(&str, Param)]| {
        let candidate = world.candidate(KNOBS, params(overrides));
        world.library.adopt(&candidate);
        let view = world.state.view("www").unwrap();
        world
            .library
            .propose(&candidate.version, view)
            .unwrap()
            .reason
    };
    assert_eq!(said(&[]), "3 329999 calm true -7");
    assert_eq!(said(&[("COUNT", Param::Int(9))]), "9 329999 calm true -7");
    assert_eq!(
        said(&[("WAIT", Param::Text("10m".into()))]),
        "3 600000 calm true -7"
    );
    assert_eq!(
        said(&[("COUNT", Param::Text("2s".into()))]),
        "2000 329999 calm true -7"
    );
    let all = [
        ("WORD", Param::Text("10m".into())),
        ("OPEN", Param::Bool(false)),
        ("LOW", Param::Int(0)),
    ];
    assert_eq!(said(&all), "3 329999 10m false 0");
    let candidate = world.candidate(KNOBS, params(&[("COUNT", Param::Int(9))]));
    let named: Vec<String> = candidate
        .params
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        named,
        [
            "COUNT=9",
            "LOW=-7",
            "OPEN=true",
            "WAIT=329999",
            "WORD=\"calm\""
        ]
    );
}

#[test]
fn overrides_of_another_name_or_type_are_refused() {
    let library = Library::new();
    for (name, value, expected) in [
        (
            "COUNTS",
            Param::Int(1),
            "params.COUNTS: failover.rhai has no parameter COUNTS, did you mean 'COUNT'?",
        ),
        (
            "SECOND",
            Param::Int(1),
            "params.SECOND: failover.rhai has no parameter SECOND",
        ),
        (
            "COUNT",
            Param::Text("three".into()),
            "params.COUNT: COUNT is an int or a duration such as \"10m\", not \"three\"",
        ),
        (
            "COUNT",
            Param::Bool(true),
            "params.COUNT: COUNT is an int or a duration such as \"10m\", not true",
        ),
        (
            "OPEN",
            Param::Int(1),
            "params.OPEN: OPEN is true or false, not 1",
        ),
        (
            "WORD",
            Param::Int(1),
            "params.WORD: WORD is a string, not 1",
        ),
    ] {
        let mut service = service(&["primary"]);
        service.params = params(&[(name, value)]);
        let found = library.candidate(&service, &text(KNOBS)).err().unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].headline(), expected);
    }
}

#[test]
fn the_longest_constant_window_follows_the_parameters() {
    let library = Library::new();
    let windows_ms = |source: &str, overrides: &[(&str, Param)]| {
        let mut service = service(&["primary"]);
        service.params = params(overrides);
        let loaded = library.candidate(&service, &text(source));
        loaded
            .unwrap_or_else(|found| panic!("{}", found[0]))
            .windows_ms
    };
    assert_eq!(windows_ms(BUILTIN_SOURCE, &[]), 300_000);
    assert_eq!(
        windows_ms(BUILTIN_SOURCE, &[("FAILBACK", Param::Text("1h".into()))]),
        3_600_000
    );
    assert_eq!(
        windows_ms(BUILTIN_SOURCE, &[("SLOW_FOR", Param::Text("20m".into()))]),
        1_200_000
    );
    // A helper's window is as long as its callers say.
    let helper = "const LONG = 30 * MINUTE;\n\
        fn slow(t, bound, window) { t.p50(window) > bound && t.loss(window) < 5 }\n\
        fn decide(service) {\n\
        if slow(service.active, 7 * HOUR, MINUTE) { return hold(\"a\"); }\n\
        if slow(service.primary, 800, LONG) { return hold(\"b\"); }\n\
        hold(\"c\") }";
    assert_eq!(windows_ms(helper, &[]), 1_800_000);
    assert_eq!(windows_ms(helper, &[("LONG", Param::Int(7))]), 60_000);
    for (body, expected) in [
        ("service.active.loss(2 * HOUR)", 7_200_000),
        ("service.active.p95(90000)", 90_000),
        ("service.switches(DAY)", 0),
        ("service.active.failures", 0),
        // Known only when it runs: a fault there, if it is longer than what is kept.
        ("service.active.loss(service.since_switch)", 0),
    ] {
        let source = format!("fn decide(service) {{ hold(`${{{body}}}`) }}");
        assert_eq!(windows_ms(&source, &[]), expected, "{body}");
    }
}

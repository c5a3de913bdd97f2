//! Faults: what is said of a script that goes wrong while it runs, and what the guard makes of it.

use super::world::World;
use sidestep::{
    failover::{By, Policy, What},
    model::PolicyVersion,
    policy::BUILTIN_SOURCE,
};

const WELL: Option<u32> = Some(20);

/// The fault of a body, as `LINE: MESSAGE`; the body begins at line 2.
fn fault(world: &World, source: &str) -> String {
    let candidate = world.candidate(source, Default::default());
    world.library.adopt(&candidate);
    let view = world.state.view("www").unwrap();
    match world.library.propose(&candidate.version, view) {
        Ok(proposal) => format!("{proposal:?}"),
        Err(fault) => format!("{}: {}", fault.line, fault.message),
    }
}

#[test]
fn faults_say_what_happened_and_where() {
    let mut world = World::new(&["primary", "backup"], "fn decide(service) { hold(\"x\") }");
    world.rounds(3, &[("primary", WELL), ("backup", WELL)]);
    for (body, expected) in [
        ("let n = 0;\nhold(`${1 / n}`)", "3: division by zero"),
        (
            "let n = 9223372036854775807;\nn += 1;\nhold(`${n}`)",
            "3: a number beyond 64 bits",
        ),
        ("throw \"no idea\"", "2: throw: no idea"),
        ("throw 42", "2: throw: 42"),
        (
            "\n\nservice",
            "1: decide returned a service, not serve(), first_of(), serve_all() or hold()",
        ),
        (
            "service.active",
            "1: decide returned a target, not serve(), first_of(), serve_all() or hold()",
        ),
        (
            "\"backup\"",
            "1: decide returned a string, not serve(), first_of(), serve_all() or hold()",
        ),
        (
            "[]",
            "1: decide returned a list, not serve(), first_of(), serve_all() or hold()",
        ),
        (
            "true",
            "1: decide returned a bool, not serve(), first_of(), serve_all() or hold()",
        ),
        (
            "if service.isolated { return hold(\"x\"); }",
            "1: decide returned nothing, not serve(), first_of(), serve_all() or hold()",
        ),
        (
            "loop { }",
            "1: more than 20,000 operations (an endless loop?)",
        ),
        (
            "let p = hold(\"a\");\nserve(\"backup\", \"b\")",
            "2: the proposal made at line 2 was not returned",
        ),
        (
            "let p = hold(\"a\");\n()",
            "2: the proposal made at line 2 was not returned",
        ),
        (
            "let p = hold(\"a\");\nif service.isolated { p = serve(\"backup\", \"b\"); }\nif p == 1 { return p; }\np",
            "Proposal",
        ),
        (
            "let l = [];\nserve(l, \"x\")",
            "3: serve was given an empty list; first_of holds then",
        ),
        (
            "let l = [1];\nserve(l, \"x\")",
            "3: serve takes a target, a name, or a list of them, not an int",
        ),
        (
            "serve(service, \"x\")",
            "2: serve takes a target, a name, or a list of them, not a service",
        ),
        (
            "serve(service.primary, service.recall(\"n\", 5))",
            "2: serve does not take (target, int)",
        ),
        (
            "let l = [];\nl.push([])",
            "3: push takes a target, a string, an int or a bool",
        ),
        (
            "let l = [1];\nhold(`${l[4]}`)",
            "3: no element 4 in a list of 1",
        ),
        (
            "let l = [];\nhold(`${l[0]}`)",
            "3: no element 0 in an empty list",
        ),
        (
            "hold(\"x\").remember(\"k\", [])",
            "2: remember takes an int, a string, a bool, or () to forget",
        ),
        (
            "hold(\"x\").remember(\"\", 1)",
            "2: a remembered key has 1 to 64 bytes",
        ),
        ("let t = service.targets;\nhold(`${t > 5}`)", "Proposal"),
        (
            "let t = service.primary;\nhold(`${t + 5}`)",
            "3: + does not work between target and int",
        ),
        (
            "if service.primary.name { return hold(\"x\"); }\nhold(\"y\")",
            "2: needs bool, not string",
        ),
        (
            "let n = 5;\nfor x in n { }\nhold(\"y\")",
            "3: for goes through a list or a range",
        ),
        (
            "hold(`${service.active.loss(service.now)}`)",
            "2: loss asks for 20454d12h, and results are kept for 10m: set history of the service",
        ),
        (
            "let up = service.up(service.recall(\"n\", \"2\"));\nhold(\"x\")",
            "2: up does not take (service, string)",
        ),
    ] {
        let said = fault(&world, &format!("fn decide(service) {{\n{body}\n}}"));
        assert!(
            said.starts_with(expected),
            "{body}\nsaid     {said}\nexpected {expected}"
        );
    }
}

#[test]
fn a_helper_may_make_the_proposal_that_is_returned() {
    let world = World::new(&["primary", "backup"], "fn decide(service) { hold(\"x\") }");
    let source = |call: &str| {
        format!(
            "fn home(s) {{\n    serve(s.primary, \"home\")\n}}\nfn decide(service) {{\n    {call}\n    hold(\"stay\")\n}}"
        )
    };
    assert_eq!(
        fault(&world, &source("home(service);")),
        "2: the proposal made at line 2 was not returned"
    );
    for call in [
        "return home(service);",
        "let p = home(service); return p;",
        "if true { return home(service).ttl(5 * SECOND); }",
    ] {
        let said = fault(&world, &source(call));
        assert!(said.contains("\"home\", line: 2"), "{said}");
    }
}

#[test]
fn a_version_that_is_not_loaded_is_a_fault() {
    let world = World::new(&["primary"], BUILTIN_SOURCE);
    let version = PolicyVersion::of("other", &Default::default());
    let fault = world
        .library
        .propose(&version, world.state.view("www").unwrap())
        .unwrap_err();
    assert_eq!(
        fault.message,
        format!("policy version {} is not loaded", version.short())
    );
}

#[test]
fn while_the_served_target_answers_a_fault_holds_and_when_it_is_down_the_builtin_decides() {
    let source = "fn decide(service) {\n    if service.active.failures > 0 { throw \"oops\" }\n    hold(\"well\")\n}";
    let mut world = World::new(&["primary", "backup"], source);
    world.rounds(5, &[("backup", WELL), ("primary", WELL)]);
    world.rounds(2, &[("backup", WELL), ("primary", None)]);
    assert_eq!(world.serving(), ["primary"]);
    let faulted = world.decisions.last().unwrap();
    assert!(faulted.faulted);
    assert_eq!((faulted.by, faulted.line), (By::Policy, 2));
    world.at += 1_000;
    let events = world.probe("primary", None);
    assert!(events.iter().any(|event| matches!(&event.what, What::Fault(fault) if fault.message == "throw: oops" && fault.line == 2)));
    assert_eq!(world.serving(), ["backup"]);
    let decision = world.decisions.last().unwrap();
    // The version had decided before, so it is its own predecessor only by the built-in.
    assert_eq!(decision.by, By::Builtin);
    assert_eq!(&decision.policy, world.library.builtin());
    assert!(
        decision
            .alert
            .as_deref()
            .unwrap()
            .contains("the policy faulted at line 2: throw: oops")
    );
}

#[test]
fn no_hostile_script_moves_what_is_served() {
    for body in [
        "loop { }",
        "throw \"x\"",
        "42",
        "decide(service)",
        "let a = \"x\"; loop { a += a; }",
        "let n = 0; 1 / n",
    ] {
        let mut world = World::new(
            &["primary", "backup"],
            &format!("fn decide(service) {{ {body} }}"),
        );
        world.rounds(20, &[("primary", WELL), ("backup", None)]);
        assert_eq!(world.serving(), ["primary"], "{body}");
        world.rounds(4, &[("primary", None), ("backup", WELL)]);
        assert_eq!(world.serving(), ["backup"], "{body}");
    }
}

//! The library: versions come and go, calls leave nothing behind, and two runs are the same.

use super::world::World;
use proptest::prelude::*;
use sidestep::{
    failover::{
        Action, Input, Policy, PolicyFault, Proposal, ServiceView, State, TargetView, step,
    },
    model::{PolicyVersion, Timestamp},
    policy::BUILTIN_SOURCE,
};

const WELL: Option<u32> = Some(20);

#[test]
fn versions_that_nobody_uses_are_forgotten() {
    let world = World::new(&["primary"], BUILTIN_SOURCE);
    let library = &world.library;
    assert_eq!(library.len(), 1);
    let mut versions = Vec::new();
    for number in 0..5 {
        let candidate = world.candidate(
            &format!("fn decide(service) {{ hold(\"{number}\") }}"),
            Default::default(),
        );
        assert!(!library.knows(&candidate.version));
        library.adopt(&candidate);
        library.adopt(&candidate);
        versions.push(candidate.version);
    }
    assert_eq!(library.len(), 6);
    library.retain(&versions[1..3]);
    assert_eq!(library.len(), 3);
    assert!(library.knows(&versions[1]) && !library.knows(&versions[0]));
    assert!(library.knows(library.builtin()));
    assert!(!library.is_empty());
}

#[test]
fn a_call_leaves_no_handle_on_the_state() {
    let bodies = [
        "hold(\"x\")",
        "serve(service.targets, service.active.name).remember(\"t\", service.active)",
        "let a = service.all_targets; let b = service.probe; hold(`${b}`)",
        "throw service.active",
        "throw service",
        "service",
        "service.targets",
        "let a = service.targets; loop { }",
        "let a = [service.active, service.primary]; let n = 0; hold(`${1 / n}`)",
        "let p = hold(\"x\"); service.active",
        "decide(service)",
        "service.target(`x${1}`)",
    ];
    for body in bodies {
        let mut world = World::new(
            &["primary", "backup"],
            &format!("fn decide(service) {{ {body} }}"),
        );
        world.round(&[("primary", WELL), ("backup", WELL)]);
        let _ = world.propose();
        let before: *const sidestep::failover::World = world.state.world();
        world.at += 1;
        // An event is applied in place where nobody else holds the world.
        let events = step(
            &mut world.state,
            Timestamp(world.at),
            Input::Tick,
            &world.library,
        );
        assert!(!events.is_empty());
        let after: *const sidestep::failover::World = world.state.world();
        assert_eq!(before, after, "the world was copied: {body}");
    }
}

#[test]
fn operations_and_lines_are_counted() {
    let world = {
        let mut world = World::new(&["primary", "backup"], BUILTIN_SOURCE);
        world.library.record_lines(true);
        world.rounds(5, &[("primary", WELL), ("backup", WELL)]);
        world
    };
    let version = world.version();
    let holds = line_of("return hold(\"on the primary\")");
    assert_eq!(
        Vec::from_iter(world.library.reached_lines(&version)),
        [holds]
    );
    let unreached: Vec<u32> = [
        "return first_of",
        "return serve(primary",
        "return serve(t",
        "hold(\"waiting",
    ]
    .map(line_of)
    .into();
    assert_eq!(
        Vec::from_iter(world.library.unreached_lines(&version)),
        unreached
    );
    let operations = world.library.operations_max(&version);
    assert!((5..100).contains(&operations), "{operations}");
    assert_eq!(
        world
            .library
            .operations_max(&PolicyVersion::of("other", &Default::default())),
        0
    );
}

fn line_of(part: &str) -> u32 {
    let line = BUILTIN_SOURCE
        .lines()
        .position(|line| line.contains(part))
        .unwrap();
    u32::try_from(line + 1).unwrap()
}

#[test]
fn windows_are_charged_one_operation_for_16_results() {
    let operations = |window: &str| {
        let source = format!("fn decide(service) {{ hold(`${{service.active.loss({window})}}`) }}");
        let mut world = World::new(&["primary"], &source);
        world.rounds(320, &[("primary", WELL)]);
        world.library.operations_max(&world.version())
    };
    assert_eq!(operations("320 * SECOND") - operations("16 * SECOND"), 19);
}

/// The default policy, written again in Rust.
struct Plain {
    builtin: PolicyVersion,
}

const FALL: i64 = 3;
const RISE: i64 = 2;
const FAILBACK_MS: i64 = 300_000;
const SLOW_FOR_MS: i64 = 60_000;

impl Policy for Plain {
    fn propose(&self, _: &PolicyVersion, service: ServiceView) -> Result<Proposal, PolicyFault> {
        let slow = |t: &TargetView| t.percentile_ms(SLOW_FOR_MS, 50).is_ok_and(|ms| ms > 800);
        let serve = |t: &TargetView, reason: &str| {
            Proposal::new(Action::Serve(vec![t.name().clone()]), reason)
        };
        let (active, primary) = (service.active(), service.primary());
        let on_primary = active.name() == primary.name();
        let hold = |reason: &str| Proposal::new(Action::Hold, reason);
        let mut proposal = if active.is_down(FALL) {
            let error = active.error().map_or("", |reason| reason.word());
            let reason = format!("{} is down: {error}", active.name());
            match service.up(RISE).first() {
                Some(first) => serve(first, &reason),
                None => {
                    let mut held = hold(&format!("{reason}; nothing is up"));
                    held.alert = Some("nothing is up".into());
                    held
                }
            }
        } else if on_primary {
            hold("on the primary")
        } else if primary.is_up(RISE)
            && primary.loss(FAILBACK_MS).is_ok_and(|loss| loss <= 20)
            && primary.freshness().word() != "stale"
        {
            serve(&primary, "the primary is well again")
        } else {
            let better = service.up(RISE).into_iter().find(|t| {
                service.since_switch_ms() >= SLOW_FOR_MS
                    && slow(&active)
                    && t.name() != active.name()
                    && t.clean_for_ms() >= SLOW_FOR_MS
                    && !slow(t)
            });
            match better {
                Some(better) => serve(&better, &format!("{} is slow", active.name())),
                None => hold("waiting for the primary"),
            }
        };
        let words = [
            ("is down:", "return first_of"),
            ("on the primary", "return hold(\"on the primary\")"),
            ("well again", "return serve(primary"),
            ("is slow", "return serve(t"),
            ("waiting", "hold(\"waiting"),
        ];
        let word = words
            .iter()
            .find(|(reason, _)| proposal.reason.contains(reason))
            .unwrap();
        proposal.line = line_of(word.1);
        Ok(proposal)
    }

    fn builtin(&self) -> &PolicyVersion {
        &self.builtin
    }
}

/// Stretches of rounds: how many, and what each target gives. Some are long enough to come home.
fn stretches() -> impl Strategy<Value = Vec<(usize, [u8; 3])>> {
    let rounds = prop_oneof![3 => 1_usize..70, 2 => 200_usize..340];
    let kind = || prop_oneof![4 => Just(0_u8), 2 => Just(1), 2 => Just(2), 1 => Just(3)];
    let stretch = (rounds, [kind(), kind(), kind()]);
    prop::collection::vec(stretch, 2..10)
}

/// A result of round `n` of a stretch.
fn result(kind: u8, n: usize) -> Option<Option<u32>> {
    match kind {
        0 => Some(WELL),
        1 => Some(None),
        2 => Some(Some(900)),
        _ if n % 7 == 3 => Some(None),
        _ => Some(WELL),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_default_policy_is_what_its_rules_say(stretches in stretches()) {
        let mut scripted = World::new(&["primary", "backup", "third"], BUILTIN_SOURCE);
        let mut again = World::new(&["primary", "backup", "third"], BUILTIN_SOURCE);
        let plain = Plain { builtin: scripted.library.builtin().clone() };
        let mut plain_state = State::default();
        let reload = scripted.reload_input(BUILTIN_SOURCE);
        step(&mut plain_state, Timestamp(scripted.at), reload, &plain);
        for (rounds, kinds) in stretches {
            for n in 0..rounds {
                scripted.at += 1_000;
                again.at += 1_000;
                for (target, kind) in ["primary", "backup", "third"].into_iter().zip(kinds) {
                    let Some(rtt_ms) = result(kind, n) else { continue };
                    let seen = scripted.seen(target, rtt_ms);
                    let events = scripted.step(Input::Probe(seen.clone()));
                    let expected = step(&mut plain_state, Timestamp(scripted.at), Input::Probe(seen.clone()), &plain);
                    prop_assert_eq!(&events, &expected);
                    prop_assert_eq!(&events, &again.step(Input::Probe(seen)));
                }
            }
        }
        prop_assert_eq!(scripted.state.world(), plain_state.world());
    }
}

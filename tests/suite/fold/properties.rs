//! Properties of the fold under any sequence of inputs, sensible or not.

use super::{BEGIN, Policies, fault, hold, serve, three};
use proptest::prelude::*;
use serde_json::json;
use sidestep::failover::{
    Command, Event, Input, Policy, PolicyFault, Proposal, Reload, ServiceView, State, What,
    answers,
    input::{
        ClockChange, DriftReport, Freshness, FreshnessReport, OperatorCommand, Resolved,
        WitnessResult, ZoneVersion,
    },
    next_deadline,
    series::Series,
    step,
};
use sidestep::model::{
    Config, FailureReason, Observation, Param, PolicyText, Require, Shadow, TargetName, Timestamp,
};
use std::{collections::BTreeMap, sync::Arc};

const TARGETS: [&str; 5] = ["primary", "backup", "third", "fourth", "junk \u{202e}\n"];
const ADDRESSES: [&str; 4] = ["192.0.2.10", "198.51.100.20", "203.0.113.30", "2001:db8::4"];
const HOSTNAMES: [&str; 2] = ["lb.example.net", "before.example.net"];
const SOURCES: [&str; 4] = ["reference", "wild", "faulty", "never loaded"];

/// A policy that does anything at all, by the length of what it sees.
fn wild(service: &ServiceView) -> Result<Proposal, PolicyFault> {
    let all: Vec<String> = service
        .all_targets()
        .iter()
        .map(|t| t.name().to_string())
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let dice = service.now().0.rem_euclid(11) + service.active().failures();
    let mut proposal = match dice % 9 {
        0 => serve(&all, "everybody", 1),
        1 => serve(&all[..1], "the first", 2),
        2 => serve(&all[all.len() - 1..], "the last", 3),
        3 => serve(&[], "nobody", 4),
        4 => serve(&["who?"], "a stranger", 5),
        5 => Proposal::new(sidestep::failover::Action::ServeAll, "fail open"),
        6 => return Err(fault("dice")),
        _ => hold("steady", 6),
    };
    proposal.ttl_ms = (dice % 2 == 0).then_some(i64::MAX - dice);
    let key = format!("key{}", dice * 7 % 50);
    proposal.remember.insert(
        key,
        (dice % 3 > 0).then_some(Param::Int(service.now().0.saturating_add(dice))),
    );
    let _ = (
        service.active().loss(i64::MIN),
        service.active().percentile_ms(60_000, 95),
    );
    let _ = (
        service.switches(i64::MAX),
        service.since_switch_ms(),
        service.active().clean_for_ms(),
    );
    Ok(proposal)
}

fn policies() -> Policies {
    let mut policies = Policies::new();
    policies.add("wild", wild);
    policies.add("faulty", |service| {
        if service.now().0 % 2 == 0 {
            Err(fault("odd"))
        } else {
            super::reference(service)
        }
    });
    policies
}

fn target() -> impl Strategy<Value = TargetName> {
    (0..TARGETS.len()).prop_map(|index| TARGETS[index].into())
}

/// A configuration: which targets in which order with which addresses.
fn configured() -> impl Strategy<Value = Config> {
    let order = Just(vec![0_usize, 1, 2, 3]).prop_shuffle();
    (
        order,
        1..=4_usize,
        0..4_usize,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        1..3_i64,
        0..4_u8,
    )
        .prop_map(
            |(order, count, turn, any_address, watched, budget, seconds, shadows)| {
                let mut config = three();
                let template = config.targets["primary"].clone();
                config.targets.clear();
                for &index in &order[..count] {
                    let mut target = template.clone();
                    target.name = TARGETS[index].into();
                    target.addresses = vec![ADDRESSES[(index + turn) % 4].parse().unwrap()];
                    if any_address {
                        target.require = Require::Any;
                        target
                            .addresses
                            .push(format!("192.0.2.{}", 100 + index).parse().unwrap());
                    }
                    if turn == 2 && index == 3 {
                        target.addresses.clear();
                        target.cname = Some(HOSTNAMES[0].into());
                    } else if turn == 1 {
                        target.records = vec![format!("MX {index} mx")];
                    }
                    config.targets.insert(target.name.clone(), target);
                }
                let service = config.services.get_mut("www").unwrap();
                service.targets = order[..count]
                    .iter()
                    .map(|&index| TARGETS[index].into())
                    .collect();
                service.max_switches = budget.then(|| "2/1m".to_owned().try_into().unwrap());
                config.monitors.get_mut("tcp").unwrap().timeout_ms = seconds * 1_000;
                if watched {
                    let witness =
                        json!({ "addresses": ["192.0.2.53:53", "icmp:192.0.2.54"], "need": 1 });
                    config.witness = serde_json::from_value(witness).unwrap();
                }
                if turn == 3 {
                    let mut other = config.services["www"].clone();
                    other.name = "other".into();
                    other.names = vec!["other.example.com".into()];
                    other.targets.reverse();
                    config.services.insert("other".into(), other);
                }
                for (bit, service) in config.services.values_mut().enumerate() {
                    let has = shadows >> bit & 1 == 1;
                    service.shadow = has.then(|| Shadow::new("next.rhai".into()));
                }
                config
            },
        )
}

fn reload() -> impl Strategy<Value = Input> {
    (
        configured(),
        (0..SOURCES.len(), 0..SOURCES.len()),
        any::<Option<u32>>(),
        0..3_u8,
    )
        .prop_map(|(config, (source, shadow), serial, hash)| {
            let text = |name: &str, source: usize| PolicyText {
                name: name.into(),
                source: SOURCES[source].into(),
            };
            Input::Reload(Reload {
                by: "test".into(),
                config: Arc::new(config),
                policies: vec![text("www.rhai", source), text("next.rhai", shadow)],
                zones: vec![ZoneVersion {
                    apex: "example.com".into(),
                    serial,
                    hash: hash.to_string(),
                }],
            })
        })
}

fn probe() -> impl Strategy<Value = Input> {
    let where_ = (target(), 0..6_usize, 0..4_u8, prop::bool::weighted(0.95));
    (
        where_,
        any::<bool>(),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.05),
        any::<u32>(),
    )
        .prop_map(
            |((target, address, vantage, known), ok, late, local, rtt_us)| {
                let address = match address {
                    0..4 => Some(ADDRESSES[address].parse().unwrap()),
                    4 => Some("192.0.2.100".parse().unwrap()),
                    _ => None,
                };
                Input::Probe(Observation {
                    target,
                    monitor: if known { "tcp" } else { "junk" }.into(),
                    address,
                    vantage: ["local", "local", "far", "\u{0}"][usize::from(vantage)].into(),
                    ok,
                    rtt_us: ok.then_some(rtt_us),
                    error: (!ok).then_some(FailureReason::Refused),
                    late,
                    local: local.then(|| "none".to_owned()),
                    cert_days: None,
                    value: Some(i64::from(rtt_us)),
                })
            },
        )
}

fn operator() -> impl Strategy<Value = Input> {
    let service = prop_oneof![Just("www"), Just("other"), Just("nobody")];
    let until = prop_oneof![
        Just(None),
        (0..200_000_i64).prop_map(|ms| Some(BEGIN + ms)),
        any::<i64>().prop_map(Some)
    ];
    (0..8_u8, service, target(), until).prop_map(|(kind, service, target, until)| {
        let (service, until) = (service.into(), until.map(Timestamp));
        let command = match kind {
            0 => Command::Switch {
                service,
                target,
                until,
            },
            1 => Command::Hold { service, until },
            2 => Command::Release { service },
            3 => Command::Failback { service },
            4 => Command::Drain { target, until },
            5 => Command::Undrain { target },
            6 => Command::Freeze { until },
            _ => Command::Thaw,
        };
        Input::Operator(OperatorCommand {
            by: "ann".into(),
            reason: String::new(),
            command,
        })
    })
}

fn rest() -> impl Strategy<Value = Input> {
    let clock = prop_oneof![-100_000..100_000_i64, any::<i64>()];
    prop_oneof![
        Just(Input::Tick),
        (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(icmp, ok, far)| {
            let witness = if icmp {
                "icmp:192.0.2.54"
            } else {
                "192.0.2.53:53"
            };
            let vantage = if far { "far" } else { "local" }.into();
            let witness = witness.to_owned().try_into().unwrap();
            Input::Witness(WitnessResult {
                vantage,
                witness,
                ok,
                error: None,
            })
        }),
        clock.prop_map(|offset_ms| Input::Clock(ClockChange { offset_ms })),
        (target(), any::<i64>()).prop_map(|(target, data_age_ms)| {
            Input::Freshness(FreshnessReport {
                target,
                freshness: Freshness::Stale,
                data_age_ms,
            })
        }),
        (target(), any::<i64>()).prop_map(|(target, differences)| Input::Drift(DriftReport {
            target,
            differences
        })),
        resolved(),
    ]
}

fn resolved() -> impl Strategy<Value = Input> {
    let which = prop_oneof![9 => Just("fourth"), 1 => Just("primary")];
    let addresses = prop::collection::vec(0..ADDRESSES.len(), 0..3);
    (which, prop::bool::weighted(0.9), addresses, any::<bool>()).prop_map(
        |(target, own, addresses, fails)| {
            let addresses = addresses
                .into_iter()
                .map(|at| ADDRESSES[at].parse().unwrap());
            Input::Resolved(Resolved {
                target: target.into(),
                hostname: HOSTNAMES[usize::from(!own)].into(),
                addresses: addresses.collect(),
                error: fails.then(|| "timed out".to_owned()),
            })
        },
    )
}

/// Inputs, each with how much later it comes; a few run backwards or to the ends of time.
fn inputs(wild_time: bool) -> impl Strategy<Value = Vec<(i64, Input)>> {
    let later = if wild_time {
        prop_oneof![8 => 0..8_000_i64, 1 => -5_000..0_i64, 1 => any::<i64>()].boxed()
    } else {
        prop_oneof![8 => 0..8_000_i64, 1 => 0..100_000_i64].boxed()
    };
    let input = prop_oneof![
        20 => probe().boxed(),
        2 => operator().boxed(),
        1 => reload().boxed(),
        3 => rest().boxed(),
    ];
    let first = reload().prop_map(|input| (0, input));
    (first, prop::collection::vec((later, input), 0..120)).prop_map(|(first, mut inputs)| {
        inputs.insert(0, first);
        inputs
    })
}

/// Steps all inputs; `after` sees the state before and after each, and what came of it.
fn run(
    inputs: &[(i64, Input)],
    policy: &dyn Policy,
    mut after: impl FnMut(&State, &Input, &[Event], &State),
) -> (State, Vec<Event>) {
    let (mut state, mut events) = (State::default(), Vec::new());
    let mut at = BEGIN;
    for (later, input) in inputs {
        at = at.saturating_add(*later);
        let before = state.clone();
        let came = step(&mut state, Timestamp(at), input.clone(), policy);
        after(&before, input, &came, &state);
        let _ = next_deadline(&state);
        events.extend(came);
    }
    (state, events)
}

fn lines(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| serde_json::to_string(event).unwrap())
        .collect()
}

/// Successes and failures in a row of a target at this node and elsewhere, told from the raw
/// results alone: nothing of the fold's own bookkeeping but what each address saw in turn.
#[derive(Default)]
struct Raw {
    seen: BTreeMap<String, Vec<bool>>,
}

impl Raw {
    fn note(&mut self, input: &Input) {
        match input {
            Input::Probe(seen) if seen.local.is_none() && !seen.late => {
                self.seen
                    .entry(seen.target.to_string())
                    .or_default()
                    .push(seen.ok);
            }
            Input::Reload(_) => self.seen.clear(),
            _ => {}
        }
    }

    fn last(&self, target: &str, count: usize) -> &[bool] {
        let all = self.seen.get(target).map_or(&[][..], Vec::as_slice);
        &all[all.len().saturating_sub(count)..]
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn folding_the_events_equals_stepping_the_inputs(inputs in inputs(true)) {
        let (state, events) = run(&inputs, &policies(), |_, _, _, _| {});
        let mut folded = State::default();
        for line in lines(&events) {
            let event: Event = serde_json::from_str(&line).unwrap();
            folded.apply(&event);
        }
        prop_assert_eq!(&folded, &state);
        prop_assert_eq!(serde_json::to_string(&folded).unwrap(), serde_json::to_string(&state).unwrap());
        prop_assert_eq!(answers(&folded), answers(&state));
    }

    #[test]
    fn a_restart_anywhere_changes_nothing(inputs in inputs(false), cut in 0..120_usize) {
        let (whole, events) = run(&inputs, &policies(), |_, _, _, _| {});
        let cut = cut.min(inputs.len());
        let (half, mut again) = run(&inputs[..cut], &policies(), |_, _, _, _| {});
        let text = serde_json::to_string(&half).unwrap();
        let mut state: State = serde_json::from_str(&text).unwrap();
        let mut at = BEGIN + inputs[..cut].iter().map(|(later, _)| later).sum::<i64>();
        for (later, input) in &inputs[cut..] {
            at += later;
            again.extend(step(&mut state, Timestamp(at), input.clone(), &policies()));
        }
        prop_assert_eq!(lines(&again), lines(&events));
        prop_assert_eq!(state, whole);
    }

    /// What is answered, decided and remembered is the same with shadows and without.
    #[test]
    fn a_shadow_never_acts(inputs in inputs(true)) {
        let without: Vec<(i64, Input)> = inputs.iter().cloned().map(|(later, input)| match input {
            Input::Reload(mut reload) => {
                let config = Arc::make_mut(&mut reload.config);
                config.services.values_mut().for_each(|service| service.shadow = None);
                (later, Input::Reload(reload))
            }
            other => (later, other),
        }).collect();
        let policies = policies();
        let seen = |inputs: &[(i64, Input)]| {
            let mut seen = Vec::new();
            let (state, events) = run(inputs, &policies, |_, _, came, state| {
                let mut table = answers(state);
                table.seq = 0;
                seen.push((table, super::decisions(came)));
            });
            for (_, decisions) in &mut seen {
                decisions.iter_mut().for_each(|decision| decision.cause = 0);
            }
            (seen, state, events)
        };
        let (with, with_state, _) = seen(&inputs);
        let (without, without_state, events) = seen(&without);
        prop_assert_eq!(with, without);
        prop_assert!(!events.iter().any(|event| matches!(event.what, What::Shadow(_))));
        let known = |state: &State| {
            let mut services = state.world().services.clone();
            services.iter_mut().for_each(|service| {
                service.decision_seq = 0;
                service.decision.iter_mut().for_each(|decision| decision.cause = 0);
            });
            services
        };
        prop_assert_eq!(known(&with_state), known(&without_state));
        prop_assert_eq!(&with_state.world().targets, &without_state.world().targets);
        prop_assert_eq!(&with_state.world().groups, &without_state.world().groups);
    }

    /// A shadow under the very policy that is in force is never apart from it.
    #[test]
    fn a_shadow_of_the_same_text_never_parts(inputs in inputs(true)) {
        let same: Vec<(i64, Input)> = inputs.into_iter().map(|(later, input)| match input {
            Input::Reload(mut reload) => {
                let source = Arc::clone(&reload.policies[0].source);
                reload.policies[1].source = source;
                (later, Input::Reload(reload))
            }
            other => (later, other),
        }).collect();
        run(&same, &policies(), |_, _, _, state| {
            for service in &state.world().services {
                let Some(shadow) = state.world().shadow_of(&service.name) else { continue };
                assert_eq!(shadow.serving, service.serving);
                assert_eq!(shadow.memory, service.memory);
                assert_eq!(shadow.switches, service.switches);
                let parting = state.world().parting(&service.name).unwrap();
                assert_eq!((parting.count, parting.since), (0, None));
            }
        });
    }

    /// What is counted and said of partings is what the served sets say after every step.
    #[test]
    fn partings_are_what_they_look_like(inputs in inputs(true)) {
        run(&inputs, &policies(), |_, _, _, state| {
            for service in &state.world().services {
                let Some(shadow) = state.world().shadow_of(&service.name) else {
                    assert!(state.world().parting(&service.name).is_none());
                    continue;
                };
                let parting = state.world().parting(&service.name).unwrap();
                assert_eq!(parting.since.is_some(), shadow.serving != service.serving);
            }
        });
    }

    #[test]
    fn two_runs_over_the_same_inputs_are_identical(inputs in inputs(true)) {
        let (first, second) = (run(&inputs, &policies(), |_, _, _, _| {}), run(&inputs, &policies(), |_, _, _, _| {}));
        prop_assert_eq!(lines(&first.1), lines(&second.1));
        prop_assert_eq!(first.0, second.0);
    }

    #[test]
    fn an_answer_is_never_empty_and_only_of_targets_of_the_service(inputs in inputs(true)) {
        let (_, events) = run(&inputs, &policies(), |_, _, came, state| {
            for (name, answer) in &answers(state).services {
                let service = &state.world().config.services[name];
                // A hostname that was never resolved has none yet.
                assert!(!answer.addresses.is_empty() || answer.cname.is_some());
                assert!((1..=86_400).contains(&answer.ttl_secs));
                let own = service.targets.iter().flat_map(|t| &state.world().config.targets[t].addresses);
                let own: Vec<_> = own.collect();
                assert!(answer.addresses.iter().all(|address| own.contains(&address)));
            }
            assert!(!came.is_empty());
        });
        let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
        prop_assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
        prop_assert!(events.is_sorted_by_key(|event| event.at));
    }

    /// From the raw results alone, at one address and one vantage: a policy's switch by a probe,
    /// away from a target whose last result was good, goes to none whose last two were bad.
    #[test]
    fn never_worse(
        cells in prop::collection::vec((0..3_usize, any::<bool>(), 0..3_000_i64), 1..200),
        source in 0..3_usize,
    ) {
        let policies = policies();
        let mut bench = super::Bench::under(three(), policies, SOURCES[source]);
        let mut raw = Raw::default();
        for (target, ok, later) in cells {
            bench.now_ms += later;
            let before = bench.serving();
            let seen = super::observation(&bench.config, TARGETS[target], if ok { '.' } else { 'x' });
            let input = Input::Probe(seen.unwrap());
            raw.note(&input);
            bench.feed(input);
            let after = bench.serving();
            if before == after || bench.reason() == "fail open" {
                continue;
            }
            // At most 9 s pass between two of a target's results: long silences end streaks.
            let answers = before.split(' ').any(|target| {
                raw.last(target, 1) == [true] && bench.view().target(target).unwrap().vantages() == 1
            });
            for added in after.split(' ').filter(|target| !before.split(' ').any(|old| old == *target)) {
                let fresh = bench.view().target(added).unwrap().age_ms() <= 6_000;
                let silent_before = bench.view().target(added).unwrap().failures() < 2;
                let bad = raw.last(added, 2) == [false, false] && fresh && !silent_before;
                prop_assert!(!(answers && bad), "{} -> {}: {}", before, after, bench.reason());
                let never = raw.seen.get(added).is_none_or(|all| !all.contains(&true));
                prop_assert!(!(answers && never), "{} -> {}: {}", before, after, bench.reason());
            }
        }
    }

    #[test]
    fn a_serial_never_goes_back(inputs in inputs(true)) {
        run(&inputs, &policies(), |before, _, _, after| {
            let (old, new) = (answers(before), answers(after));
            for (apex, serial) in &old.serials {
                let now = new.serials[apex];
                // RFC 1982: later, or the same.
                assert!(now == *serial || now.wrapping_sub(*serial) < 1 << 31, "{serial} {now}");
                if old.services != new.services {
                    assert!(now != *serial, "what is answered changed, the serial did not");
                }
            }
        });
    }

    #[test]
    fn operators_words_stand(inputs in inputs(true)) {
        run(&inputs, &policies(), |before, input, _, after| {
            if matches!(input, Input::Reload(_)) {
                return;
            }
            for service in &after.world().services {
                let was = before.world().service(&service.name).unwrap();
                let frozen = after.world().freeze.is_some();
                match &service.override_ {
                    _ if frozen => assert_eq!(service.serving, was.serving),
                    Some(held) => match &held.target {
                        // Where a fault pause is on, the word stands from the operator's input on.
                        Some(target) => assert_eq!(service.serving, std::slice::from_ref(target)),
                        None => assert_eq!(service.serving, was.serving),
                    },
                    None => {}
                }
            }
        });
    }
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let mut policies = Policies::new();
    policies.add("flap", |service| {
        let to = if service.active().name() == service.primary().name() {
            "backup"
        } else {
            "primary"
        };
        Ok(serve(&[to], "flap", 1))
    });
    let mut config = three();
    config.services.get_mut("www").unwrap().history_ms = 86_400_000;
    let mut bench = super::Bench::under(config, policies, "flap");
    for round in 0..8_000_i64 {
        let target = if round % 2 == 0 { "primary" } else { "backup" };
        let mut seen = super::observation(&bench.config, target, '.').unwrap();
        if round % 20 == 0 {
            seen.vantage = format!("vantage{round}").as_str().into();
        }
        step(
            &mut bench.state,
            Timestamp(BEGIN + round),
            Input::Probe(seen),
            &bench.policies,
        );
    }
    let world = bench.state.world();
    let most = world.groups.iter().map(|group| group.series.len()).max();
    assert_eq!(most, Some(64));
    assert_eq!(world.services[0].switches.len(), 1_000);

    let seen = super::observation(&three(), "primary", '.').unwrap();
    let address = seen.address.unwrap();
    let mut series = Series::new(seen.vantage.clone(), address);
    for round in 0..90_000 {
        series.observe(Timestamp(round), &seen, i64::MAX, i64::MAX, true);
    }
    assert_eq!(series.results.len(), 86_400);
}

#[test]
fn a_hostile_journal_breaks_nothing() {
    // Events that no step would write: names of nobody, ends of what never began, extremes.
    let (_, mut events) = run(
        &[(0, Input::Tick), (5, Input::Tick)],
        &policies(),
        |_, _, _, _| {},
    );
    let odd = [
        json!({ "decision": { "service": "nobody", "serve": [], "reason": "", "policy": "x", "line": 0, "cause": 9, "ttl_ms": -1 } }),
        json!({ "fault": { "service": "nobody", "policy": "x", "message": "", "line": 0, "cause": 9 } }),
        json!({ "ended": { "override": { "service": "nobody", "why": "" } } }),
        json!({ "ended": { "drain": { "target": "nobody" } } }),
        json!({ "ended": { "freeze": {} } }),
        json!({ "shadow": { "parted": { "service": "nobody", "apart": true, "serving": [], "shadow": [] } } }),
        json!({ "clock": { "offset_ms": i64::MIN } }),
    ];
    let mut state = State::default();
    for (at, what) in [i64::MIN, 0, i64::MAX, -1, 3, 4, i64::MIN]
        .into_iter()
        .zip(odd)
    {
        let what: What = serde_json::from_value(what).unwrap();
        events.push(Event {
            at: Timestamp(at),
            seq: u64::MAX,
            what,
        });
    }
    for event in &events {
        state.apply(event);
    }
    step(&mut state, Timestamp(i64::MAX), Input::Tick, &policies());
    assert_eq!(answers(&state).services.len(), 0);
    // A service without targets has no answer, and is no reason to fall over.
    let mut config = three();
    config.services.get_mut("www").unwrap().targets.clear();
    let mut bench = super::Bench::new(config);
    bench.feed(Input::Tick);
    bench.order(json!({ "command": "hold", "service": "www" }));
    assert_eq!(bench.addresses(), [""; 0]);
}

/// Policies that count how often they are asked.
pub(super) struct Counted<'p>(pub(super) &'p Policies, pub(super) &'p std::cell::Cell<u32>);

impl Policy for Counted<'_> {
    fn propose(
        &self,
        version: &sidestep::model::PolicyVersion,
        service: ServiceView,
    ) -> Result<Proposal, PolicyFault> {
        self.1.set(self.1.get() + 1);
        self.0.propose(version, service)
    }

    fn builtin(&self) -> &sidestep::model::PolicyVersion {
        self.0.builtin()
    }
}

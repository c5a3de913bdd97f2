//! Steps of a small world: three targets under one service, probed, ordered about and reloaded.

use proptest::prelude::*;
use serde_json::json;
use sidestep::{
    failover::{
        Action, Command, Event, Input, Policy, PolicyFault, Proposal, Reload, ServiceView, State,
        input::{ClockChange, OperatorCommand, Refused, Start, WitnessResult},
        step,
    },
    model::{Config, FailureReason, Observation, Param, PolicyText, PolicyVersion, Timestamp},
};
use std::sync::Arc;

/// 2026-01-05T00:00:00Z.
pub(crate) const BEGIN: i64 = 1_767_571_200_000;
const TARGETS: [&str; 4] = ["primary", "backup", "third", "nobody"];
const SOURCES: [&str; 3] = ["// one\n", "// two\n", "// faults\n"];

/// Leaves after two failures, comes home at once; its sources differ in name only, but one faults.
pub(crate) struct Simple;

impl Policy for Simple {
    fn propose(&self, version: &PolicyVersion, view: ServiceView) -> Result<Proposal, PolicyFault> {
        let faulty = PolicyVersion::of(SOURCES[2], &Default::default());
        if *version == faulty {
            return Err(PolicyFault {
                message: "always".into(),
                line: 1,
            });
        }
        let up = view.up(1);
        let mut proposal = match up.first() {
            Some(first) if view.active().is_down(2) || view.primary().is_up(2) => {
                let names = vec![first.name().clone()];
                Proposal::new(Action::Serve(names), "the first that is up")
            }
            _ => Proposal::new(Action::Hold, "on"),
        };
        let failures = view.active().failures();
        proposal
            .remember
            .insert("n".into(), Some(Param::Int(failures)));
        Ok(proposal)
    }

    fn builtin(&self) -> &PolicyVersion {
        static BUILTIN: std::sync::OnceLock<PolicyVersion> = std::sync::OnceLock::new();
        BUILTIN.get_or_init(|| PolicyVersion::of("builtin", &Default::default()))
    }
}

pub(crate) fn config() -> Config {
    let target = |address: &str| json!({ "name": "", "addresses": [address] });
    let mut targets = json!({
        "primary": target("192.0.2.10"), "backup": target("198.51.100.20"), "third": target("2001:db8::3"),
    });
    for (name, target) in targets.as_object_mut().unwrap() {
        target["name"] = json!(name);
    }
    serde_json::from_value(json!({
        "zones": [{ "name": "example.com", "ns": ["ns1.example.com"] }],
        "witness": { "addresses": ["192.0.2.53:53"], "need": 1 },
        "targets": targets,
        "monitors": { "tcp": { "name": "tcp", "kind": "tcp", "port": 80, "interval_ms": 5000, "timeout_ms": 2000 } },
        "services": { "www": {
            "name": "www", "names": ["www.example.com"], "targets": ["primary", "backup", "third"],
            "monitors": ["tcp"], "policy": "www.rhai", "params": {},
        } },
    }))
    .unwrap()
}

pub(crate) fn probe(target: &str, ok: bool) -> Input {
    let address = match target {
        "backup" => "198.51.100.20",
        "third" => "2001:db8::3",
        _ => "192.0.2.10",
    };
    Input::Probe(Observation {
        target: target.into(),
        monitor: "tcp".into(),
        address: address.parse().ok(),
        vantage: "local".into(),
        ok,
        rtt_us: ok.then_some(20_000),
        error: (!ok).then_some(FailureReason::Timeout),
        late: false,
        local: None,
        cert_days: None,
        value: None,
    })
}

pub(crate) fn reload(source: usize) -> Input {
    Input::Reload(Reload {
        by: "test".into(),
        config: Arc::new(config()),
        policies: vec![PolicyText {
            name: "www.rhai".into(),
            source: SOURCES[source].into(),
        }],
        zones: Vec::new(),
    })
}

pub(crate) fn order(command: serde_json::Value) -> Input {
    let command: Command = serde_json::from_value(command).unwrap();
    Input::Operator(OperatorCommand {
        by: "ann".into(),
        reason: "a test".into(),
        command,
    })
}

/// A fold that goes on: state and the time of the last input.
pub(crate) struct Lane {
    pub(crate) state: State,
    pub(crate) at: i64,
}

impl Lane {
    /// With the configuration in force; what that came to is the first step.
    pub(crate) fn new() -> (Self, Vec<Event>) {
        let mut lane = Self {
            state: State::default(),
            at: BEGIN,
        };
        let first = lane.feed(0, reload(0));
        (lane, first)
    }

    pub(crate) fn feed(&mut self, later_ms: i64, input: Input) -> Vec<Event> {
        self.at += later_ms;
        step(&mut self.state, Timestamp(self.at), input, &Simple)
    }

    /// So many good and bad probes in turn, one a second.
    pub(crate) fn probes(&mut self, count: usize) -> Vec<Vec<Event>> {
        let one =
            |index: usize| self.feed(1_000, probe(TARGETS[index % 3], !index.is_multiple_of(7)));
        (0..count).map(one).collect()
    }
}

fn any_probe() -> impl Strategy<Value = Input> {
    let target = (0..TARGETS.len()).prop_map(|index| TARGETS[index]);
    (target, any::<bool>(), any::<u32>(), 0..12_u8, any::<i64>()).prop_map(
        |(target, ok, rtt, odd, number)| {
            let Input::Probe(mut seen) = probe(target, ok) else {
                unreachable!()
            };
            seen.rtt_us = ok.then_some(rtt);
            seen.late = odd == 0;
            seen.local = (odd == 1).then(|| "no \"descriptors\"\n".to_owned());
            seen.cert_days = (odd == 2).then_some(-3);
            seen.value = (odd == 3).then_some(number);
            seen.vantage = if odd == 4 { "far" } else { "local" }.into();
            if odd == 5 {
                seen.address = None;
            }
            Input::Probe(seen)
        },
    )
}

fn any_other() -> impl Strategy<Value = Input> {
    let until = prop_oneof![Just(None), (0..200_000_i64).prop_map(|ms| Some(BEGIN + ms))];
    let order = (0..7_u8, until).prop_map(|(kind, until)| {
        order(match kind {
            0 => {
                json!({ "command": "switch", "service": "www", "target": "backup", "until": until })
            }
            1 => json!({ "command": "hold", "service": "www", "until": until }),
            2 => json!({ "command": "release", "service": "www" }),
            3 => json!({ "command": "failback", "service": "www" }),
            4 => json!({ "command": "drain", "target": "third", "until": until }),
            5 => json!({ "command": "freeze", "until": until }),
            _ => json!({ "command": "thaw" }),
        })
    });
    prop_oneof![
        4 => order,
        2 => (0..SOURCES.len()).prop_map(reload),
        4 => Just(Input::Tick),
        2 => any::<bool>().prop_map(|ok| Input::Witness(WitnessResult {
            vantage: "local".into(),
            witness: "192.0.2.53:53".to_owned().try_into().unwrap(),
            ok,
            error: (!ok).then(|| "refused".to_owned()),
        })),
        1 => (-9_000..9_000_i64).prop_map(|offset_ms| Input::Clock(ClockChange { offset_ms })),
        1 => Just(Input::Start(Start { program: "sidestep".into(), rhai: "1".into(), api: 1 })),
        1 => Just(Input::Refused(Refused { by: "watch".into(), findings: vec!["a.toml:3: no".into()] })),
    ]
}

/// The steps of a world to which anything may happen.
pub(crate) fn steps(most: usize) -> impl Strategy<Value = Vec<Vec<Event>>> {
    let input = prop_oneof![5 => any_probe().boxed(), 1 => any_other().boxed()];
    prop::collection::vec((0..8_000_i64, input), 0..most).prop_map(|inputs| {
        let (mut lane, first) = Lane::new();
        let mut steps = vec![first];
        steps.extend(
            inputs
                .into_iter()
                .map(|(later, input)| lane.feed(later, input)),
        );
        steps
    })
}

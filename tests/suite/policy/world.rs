//! A small world to run policies in: a fold, a library, and probes at one-second intervals.

use sidestep::{
    failover::{
        Command, Decision, Event, Input, Policy, PolicyFault, Proposal, Reload, State, What,
        input::OperatorCommand, step,
    },
    model::{
        Config, FailureReason, Monitor, MonitorName, Observation, Params, PolicyText,
        PolicyVersion, Service, ServiceName, Target, Timestamp,
    },
    policy::{Candidate, Library},
};
use std::{net::IpAddr, net::Ipv4Addr, sync::Arc};

/// A Thursday noon: 2026-01-01T12:00:00Z.
pub(crate) const NOON: i64 = 1_767_268_800_000;

/// One service `www` with targets and one monitor `http` each second.
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) library: Library,
    pub(crate) config: Config,
    pub(crate) at: i64,
    pub(crate) decisions: Vec<Decision>,
}

pub(crate) fn address(index: usize) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, u8::try_from(index + 1).unwrap()).into()
}

/// A service with these targets, the first is the primary.
pub(crate) fn service(targets: &[&str]) -> Service {
    serde_json::from_value(serde_json::json!({
        "name": "www", "names": ["www.example.com"], "targets": targets, "monitors": ["http"],
    }))
    .unwrap()
}

pub(crate) fn text(source: &str) -> PolicyText {
    PolicyText {
        name: "failover.rhai".into(),
        source: source.into(),
    }
}

pub(crate) fn config(targets: &[&str]) -> Config {
    let monitor: Monitor = serde_json::from_value(serde_json::json!({
        "name": "http", "interval_ms": 1_000, "timeout_ms": 500, "kind": "tcp", "port": 80,
    }))
    .unwrap();
    let target = |(index, name): (usize, &&str)| {
        let target: Target = serde_json::from_value(
            serde_json::json!({"name": name, "addresses": [address(index)]}),
        )
        .unwrap();
        (target.name.clone(), target)
    };
    Config {
        targets: targets.iter().enumerate().map(target).collect(),
        monitors: [(MonitorName::from("http"), monitor)].into(),
        services: [(ServiceName::from("www"), service(targets))].into(),
        ..Config::default()
    }
}

impl World {
    /// A world in which `source` is in force for `www`.
    pub(crate) fn new(targets: &[&str], source: &str) -> Self {
        Self::with(config(targets), source)
    }

    pub(crate) fn with(mut config: Config, source: &str) -> Self {
        let library = Library::new();
        let candidate = library
            .candidate(&config.services["www"], &text(source))
            .unwrap_or_else(|found| panic!("{}", found[0]));
        library.adopt(&candidate);
        config.services.get_mut("www").unwrap().keep_ms = candidate.windows_ms;
        let mut world = Self {
            state: State::default(),
            library,
            config,
            at: NOON,
            decisions: Vec::new(),
        };
        world.reload(source);
        world
    }

    pub(crate) fn reload(&mut self, source: &str) -> Vec<Event> {
        let reload = self.reload_input(source);
        self.step(reload)
    }

    pub(crate) fn reload_input(&self, source: &str) -> Input {
        Input::Reload(Reload {
            by: "test".into(),
            config: Arc::new(self.config.clone()),
            policies: vec![text(source)],
            zones: Vec::new(),
        })
    }

    pub(crate) fn candidate(&self, source: &str, params: Params) -> Candidate {
        let mut service = self.config.services["www"].clone();
        service.params = params;
        let loaded = self.library.candidate(&service, &text(source));
        loaded.unwrap_or_else(|found| panic!("{}", found[0]))
    }

    pub(crate) fn step(&mut self, input: Input) -> Vec<Event> {
        let events = step(&mut self.state, Timestamp(self.at), input, &self.library);
        for event in &events {
            if let What::Decision(decision) = &event.what {
                self.decisions.push(decision.clone());
            }
        }
        events
    }

    /// A result of a target.
    pub(crate) fn seen(&self, target: &str, rtt_ms: Option<u32>) -> Observation {
        Observation {
            target: target.into(),
            monitor: "http".into(),
            address: None,
            vantage: "local".into(),
            ok: rtt_ms.is_some(),
            rtt_us: rtt_ms.map(|ms| ms * 1_000),
            error: rtt_ms.is_none().then_some(FailureReason::Timeout),
            late: false,
            local: None,
            cert_days: None,
            value: None,
        }
    }

    /// One result of a target, now.
    pub(crate) fn probe(&mut self, target: &str, rtt_ms: Option<u32>) -> Vec<Event> {
        self.step(Input::Probe(self.seen(target, rtt_ms)))
    }

    pub(crate) fn operator(&mut self, command: Command) -> Vec<Event> {
        self.step(Input::Operator(OperatorCommand {
            by: "ann".into(),
            reason: "test".into(),
            command,
        }))
    }

    /// A second passes, then each target gives a result: `Some(ms)` good, `None` bad.
    pub(crate) fn round(&mut self, results: &[(&str, Option<u32>)]) {
        self.at += 1_000;
        for (target, rtt_ms) in results {
            self.probe(target, *rtt_ms);
        }
    }

    pub(crate) fn rounds(&mut self, count: usize, results: &[(&str, Option<u32>)]) {
        for _ in 0..count {
            self.round(results);
        }
    }

    pub(crate) fn serving(&self) -> Vec<String> {
        let service = self.state.world().service("www").unwrap();
        service.serving.iter().map(ToString::to_string).collect()
    }

    pub(crate) fn version(&self) -> PolicyVersion {
        self.state.world().service("www").unwrap().policy.clone()
    }

    /// Asks the version in force once more.
    pub(crate) fn propose(&self) -> Result<Proposal, PolicyFault> {
        let view = self.state.view("www").unwrap();
        self.library.propose(&self.version(), view)
    }
}

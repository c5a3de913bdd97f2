//! States to be shown: made by the fold itself, with a policy that is a closure.

use sidestep::{
    failover::{
        Action, Command, Event, Input, Policy, PolicyFault, Proposal, Reload, ServiceView, State,
        input::{OperatorCommand, WitnessResult},
        step,
    },
    model::{
        Config, FailureReason, Observation, PolicyText, PolicyVersion, TargetName, Timestamp,
        config::WitnessAddress,
    },
};
use std::sync::Arc;

/// A Sunday in November.
pub(super) const BEGAN: Timestamp = Timestamp(1_763_800_000_000);

/// A policy in Rust: every version says the same.
pub(super) struct Says(
    pub(super) fn(&ServiceView) -> Result<Proposal, PolicyFault>,
    PolicyVersion,
);

impl Says {
    pub(super) fn new(decide: fn(&ServiceView) -> Result<Proposal, PolicyFault>) -> Self {
        Self(decide, PolicyVersion::of("built-in", &Default::default()))
    }
}

impl Policy for Says {
    fn propose(&self, _: &PolicyVersion, view: ServiceView) -> Result<Proposal, PolicyFault> {
        (self.0)(&view)
    }
    fn builtin(&self) -> &PolicyVersion {
        &self.1
    }
}

/// Down after three, the first that is up; hold otherwise.
pub(super) fn simple(view: &ServiceView) -> Result<Proposal, PolicyFault> {
    let active = view.active();
    let up = view.up(2).first().map(|target| target.name().clone());
    let mut proposal = match up {
        Some(target) if active.is_down(3) => {
            let why = active.error().map_or("", |error| error.word());
            let reason = format!("{} is down: {why}", active.name());
            Proposal::new(Action::Serve(vec![target]), reason)
        }
        _ => Proposal::new(Action::Hold, "on the primary"),
    };
    proposal.line = 18;
    Ok(proposal)
}

/// Two targets, two services' worth of names, one witness.
pub(super) fn config() -> Config {
    serde_json::from_value(serde_json::json!({
        "server": {"name": "ns1", "dns": ["127.0.0.1:5300"], "http": null, "data": "data", "policies": "policies"},
        "witness": {"addresses": ["192.0.2.53:53"], "need": 1},
        "zones": [{"name": "example.com", "ns": ["ns1.example.com"]}],
        "targets": {
            "primary": {"name": "primary", "addresses": ["192.0.2.10", "2001:db8::10"], "require": "any"},
            "backup": {"name": "backup", "addresses": ["198.51.100.20"]},
        },
        "monitors": {
            "https": {"name": "https", "kind": "http", "url": "https://www.example.com/", "interval_ms": 5000, "timeout_ms": 2000},
        },
        "services": {
            "www": {"name": "www", "names": ["www.example.com", "example.com"], "targets": ["primary", "backup"], "monitors": ["https"]},
        },
    }))
    .expect("the configuration of these tests is read")
}

/// A state that inputs are told to, one interval after the other.
pub(super) struct Story {
    pub(super) state: State,
    pub(super) policy: Says,
    pub(super) at: Timestamp,
    /// Everything that became true.
    pub(super) events: Vec<Event>,
}

impl Story {
    pub(super) fn new() -> Self {
        Self::with(config(), simple)
    }

    pub(super) fn with(
        config: Config,
        decide: fn(&ServiceView) -> Result<Proposal, PolicyFault>,
    ) -> Self {
        let policy = Says::new(decide);
        let mut story = Self {
            state: State::default(),
            policy,
            at: BEGAN,
            events: Vec::new(),
        };
        let source = PolicyText {
            name: "failover.rhai".into(),
            source: "decide".into(),
        };
        story.input(Input::Reload(Reload {
            by: "start".to_owned(),
            config: Arc::new(config),
            policies: vec![source],
            zones: Vec::new(),
        }));
        story
    }

    pub(super) fn input(&mut self, input: Input) {
        let events = step(&mut self.state, self.at, input, &self.policy);
        self.events.extend(events);
    }

    /// One probe of every address of a target.
    pub(super) fn probe(&mut self, target: &str, error: Option<FailureReason>) {
        let world = self.state.world();
        let addresses = world.config.targets[target].addresses.clone();
        for address in addresses {
            self.input(Input::Probe(Observation {
                target: target.into(),
                monitor: "https".into(),
                address: Some(address),
                vantage: "ns1".into(),
                ok: error.is_none(),
                rtt_us: error.is_none().then_some(41_200),
                error,
                late: false,
                local: None,
                cert_days: error.is_none().then_some(57),
                value: None,
            }));
        }
    }

    /// Some rounds of probes, 5 s apart: what primary and backup answer.
    pub(super) fn rounds(
        &mut self,
        count: usize,
        primary: Option<FailureReason>,
        backup: Option<FailureReason>,
    ) -> &mut Self {
        for _ in 0..count {
            self.at = self.at.plus_ms(5_000);
            self.probe("primary", primary);
            self.probe("backup", backup);
        }
        self
    }

    pub(super) fn witness(&mut self, ok: bool) -> &mut Self {
        let witness = WitnessAddress::try_from("192.0.2.53:53".to_owned()).expect("an address");
        let error = (!ok).then(|| "no answer within 1s".to_owned());
        self.input(Input::Witness(WitnessResult {
            vantage: "ns1".into(),
            witness,
            ok,
            error,
        }));
        self
    }

    pub(super) fn order(&mut self, command: Command) -> &mut Self {
        let (by, reason) = ("ann".to_owned(), "rack move".to_owned());
        self.input(Input::Operator(OperatorCommand {
            by,
            reason,
            command,
        }));
        self
    }

    /// The primary died while a witness answered; the backup is served.
    pub(super) fn on_backup() -> Self {
        let mut story = Self::new();
        story.witness(true).rounds(10, None, None);
        story.rounds(1, Some(FailureReason::Timeout), None);
        story.witness(true);
        story.rounds(3, Some(FailureReason::Timeout), None);
        story
    }
}

/// A target's name.
pub(super) fn target(name: &str) -> TargetName {
    name.into()
}

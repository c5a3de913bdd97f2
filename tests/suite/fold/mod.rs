//! The fold from outside: inputs in, events and answers out, with plain functions as policies.
#![allow(clippy::unwrap_used)] // clippy knows only functions marked as tests for tests.

mod aggregation;
mod gate;
mod guard;
mod hostnames;
mod json;
mod properties;
mod rehearsal;
mod reload;
mod rules;
mod shadow;
mod ticks;

use serde_json::{Value, json};
use sidestep::failover::{
    Action, Command, Event, Input, Policy, PolicyFault, Proposal, Reload, ServiceView, State, What,
    answers,
    input::{OperatorCommand, WitnessResult},
    next_deadline, step,
};
use sidestep::model::{
    Config, FailureReason, Observation, PolicyText, PolicyVersion, TargetName, Timestamp,
};
use std::{collections::BTreeMap, rc::Rc, sync::Arc};

/// 2026-01-05T00:00:00Z.
const BEGIN: i64 = 1_767_571_200_000;

type Script = Rc<dyn Fn(&ServiceView) -> Result<Proposal, PolicyFault>>;

/// Policies by their source, which is their name: `"reference"`, `"v2"`.
#[derive(Clone)]
struct Policies {
    by_version: BTreeMap<PolicyVersion, Script>,
    builtin: PolicyVersion,
}

impl Policies {
    /// The built-in is the reference policy.
    fn new() -> Self {
        let mut policies = Self {
            by_version: BTreeMap::new(),
            builtin: version("builtin"),
        };
        policies.add("builtin", reference);
        policies.add("reference", reference);
        policies
    }

    fn add(
        &mut self,
        source: &str,
        script: impl Fn(&ServiceView) -> Result<Proposal, PolicyFault> + 'static,
    ) {
        self.by_version.insert(version(source), Rc::new(script));
    }
}

impl Policy for Policies {
    fn propose(
        &self,
        version: &PolicyVersion,
        service: ServiceView,
    ) -> Result<Proposal, PolicyFault> {
        match self.by_version.get(version) {
            Some(script) => script(&service),
            None => Err(fault("not loaded")),
        }
    }

    fn builtin(&self) -> &PolicyVersion {
        &self.builtin
    }
}

fn version(source: &str) -> PolicyVersion {
    PolicyVersion::of(source, &BTreeMap::new())
}

fn fault(message: &str) -> PolicyFault {
    PolicyFault {
        message: message.to_owned(),
        line: 7,
    }
}

fn hold(reason: &str, line: u32) -> Proposal {
    Proposal {
        line,
        ..Proposal::new(Action::Hold, reason)
    }
}

fn serve(names: &[&str], reason: &str, line: u32) -> Proposal {
    let names = names.iter().map(|name| TargetName::from(*name)).collect();
    Proposal {
        line,
        ..Proposal::new(Action::Serve(names), reason)
    }
}

/// The shape of `failover.rhai`: three bad probes leave, ten well ones come home.
fn reference(service: &ServiceView) -> Result<Proposal, PolicyFault> {
    let (active, primary) = (service.active(), service.primary());
    if active.is_down(3) {
        return Ok(match service.up(2).first() {
            Some(up) => serve(&[up.name()], &format!("{} is down", active.name()), 18),
            None => hold("nothing is up", 18),
        });
    }
    if active.name() == primary.name() {
        return Ok(hold("on the primary", 20));
    }
    if primary.is_up(10) || service.asked("failback") {
        return Ok(serve(&[primary.name()], "the primary is well again", 23));
    }
    Ok(hold("waiting for the primary", 30))
}

/// A service `www` with these targets (name and addresses), one monitor `tcp` (5 s, 2 s), no
/// witness, no budget, the policy `reference`.
fn config(targets: &[(&str, &[&str])]) -> Config {
    let names: Vec<&str> = targets.iter().map(|target| target.0).collect();
    let targets = targets.iter().map(|(name, addresses)| {
        let target = json!({ "name": name, "addresses": addresses });
        ((*name).to_owned(), target)
    });
    let targets: serde_json::Map<String, Value> = targets.collect();
    let config = json!({
        "zones": [{ "name": "example.com", "ns": ["ns1.example.com"] }],
        "targets": targets,
        "monitors": { "tcp": { "name": "tcp", "kind": "tcp", "port": 80, "interval_ms": 5000, "timeout_ms": 2000 } },
        "services": { "www": {
            "name": "www", "names": ["www.example.com"], "targets": names, "monitors": ["tcp"],
            "policy": "www.rhai",
        } },
    });
    serde_json::from_value(config).unwrap()
}

/// Three targets, one address each.
fn three() -> Config {
    config(&[
        ("primary", &["192.0.2.10"]),
        ("backup", &["198.51.100.20"]),
        ("third", &["203.0.113.30"]),
    ])
}

/// A fold under test, with everything that went in and came out.
struct Bench {
    state: State,
    config: Config,
    source: String,
    policies: Policies,
    now_ms: i64,
    inputs: Vec<(Timestamp, Input)>,
    events: Vec<Event>,
    /// Events of the last step.
    last: Vec<Event>,
}

impl Bench {
    /// The configuration in force at the begin, under the reference policy.
    fn new(config: Config) -> Self {
        Self::under(config, Policies::new(), "reference")
    }

    fn under(config: Config, policies: Policies, source: &str) -> Self {
        let mut bench = Self {
            state: State::default(),
            config,
            source: source.to_owned(),
            policies,
            now_ms: 0,
            inputs: Vec::new(),
            events: Vec::new(),
            last: Vec::new(),
        };
        bench.reload();
        bench
    }

    fn feed(&mut self, input: Input) -> &[Event] {
        let at = Timestamp(BEGIN + self.now_ms);
        self.inputs.push((at, input.clone()));
        self.last = step(&mut self.state, at, input, &self.policies);
        self.events.extend(self.last.clone());
        &self.last
    }

    /// Puts `self.config` and `self.source` in force.
    fn reload(&mut self) {
        let policy = self
            .config
            .services
            .values()
            .next()
            .map(|s| s.policy.clone());
        self.feed(Input::Reload(Reload {
            by: "test".into(),
            config: Arc::new(self.config.clone()),
            policies: vec![PolicyText {
                name: policy.unwrap_or_else(|| "www.rhai".into()),
                source: self.source.as_str().into(),
            }],
            zones: Vec::new(),
        }));
    }

    /// One result for each lane (`target` or `target/address/monitor/vantage`) every 5 s:
    /// `.` good, `x` bad, `-` none, `G` late good, `X` late bad, `n` our own shortage.
    fn play(&mut self, lanes: &[(&str, &str)]) {
        let longest = lanes.iter().map(|lane| lane.1.len()).max().unwrap();
        for index in 0..longest {
            self.now_ms += 5_000;
            for (place, cells) in lanes {
                let cell = cells.chars().nth(index).unwrap_or('-');
                if let Some(seen) = observation(&self.config, place, cell) {
                    self.feed(Input::Probe(seen));
                }
            }
        }
    }

    /// Lets time pass, with the ticks that come due.
    fn pass(&mut self, ms: i64) {
        let until = self.now_ms + ms;
        while let Some(due) = next_deadline(&self.state).filter(|due| due.0 - BEGIN <= until) {
            self.now_ms = self.now_ms.max(due.0 - BEGIN);
            self.feed(Input::Tick);
            assert!(self.inputs.len() < 10_000, "ticks storm");
        }
        self.now_ms = until;
    }

    fn order(&mut self, command: Value) -> &[Event] {
        let command: Command = serde_json::from_value(command).unwrap();
        self.feed(Input::Operator(OperatorCommand {
            by: "ann".into(),
            reason: "a test".into(),
            command,
        }))
    }

    fn witness(&mut self, ok: bool) {
        self.witness_at("192.0.2.53:53", ok);
    }

    fn witness_at(&mut self, witness: &str, ok: bool) {
        let vantage = self.config.server.name.clone();
        let witness = witness.to_owned().try_into().unwrap();
        let error = None;
        self.feed(Input::Witness(WitnessResult {
            vantage,
            witness,
            ok,
            error,
        }));
    }

    fn serving(&self) -> String {
        let service = self.state.world().service("www").unwrap();
        let names: Vec<&str> = service.serving.iter().map(|name| name.as_str()).collect();
        names.join(" ")
    }

    /// What rail held at the last evaluation, in words: `"never-worse"`, or `""`.
    fn rail(&self) -> String {
        let rail = self.state.latest("www").unwrap().guard;
        rail.map_or(String::new(), |rail| {
            let text = serde_json::to_value(rail).unwrap();
            text.as_str().unwrap().to_owned()
        })
    }

    fn reason(&self) -> &str {
        &self.state.latest("www").unwrap().reason
    }

    fn view(&self) -> ServiceView {
        self.state.view("www").unwrap()
    }

    fn addresses(&self) -> Vec<String> {
        let table = answers(&self.state);
        let addresses = table.services["www"].addresses.iter();
        addresses.map(ToString::to_string).collect()
    }

    fn serial(&self) -> u32 {
        answers(&self.state).serials["example.com"]
    }

    /// Decisions among the events of the last step.
    fn decisions(&self) -> Vec<sidestep::failover::Decision> {
        decisions(&self.last)
    }
}

fn decisions(events: &[Event]) -> Vec<sidestep::failover::Decision> {
    let decision = |event: &Event| match &event.what {
        What::Decision(decision) => Some(decision.clone()),
        _ => None,
    };
    events.iter().filter_map(decision).collect()
}

/// `place` is `target`, or `target/address/monitor/vantage` where address is a number from 1.
fn observation(config: &Config, place: &str, cell: char) -> Option<Observation> {
    let mut parts = place.split('/');
    let target = parts.next().unwrap();
    let number: Option<usize> = parts.next().map(|number| number.parse().unwrap());
    let addresses = &config.targets[target].addresses;
    let address = number.map_or(addresses[0], |number| addresses[number - 1]);
    let monitor = parts.next().unwrap_or("tcp");
    let vantage = parts.next().unwrap_or(config.server.name.as_str());
    let ok = match cell {
        '-' => return None,
        '.' | 'G' => true,
        'x' | 'X' | 'n' => false,
        other => panic!("no cell: {other}"),
    };
    Some(Observation {
        target: target.into(),
        monitor: monitor.into(),
        address: Some(address),
        vantage: vantage.into(),
        ok,
        rtt_us: ok.then_some(20_000),
        error: (!ok && cell != 'n').then_some(FailureReason::Timeout),
        late: matches!(cell, 'G' | 'X'),
        local: (cell == 'n').then(|| "no descriptors".to_owned()),
        cert_days: None,
        value: None,
    })
}

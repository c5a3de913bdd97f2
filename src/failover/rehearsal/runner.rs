//! The runner: one service in a world of its own, probed by nobody, told what probes found.
//!
//! Ticks come when the fold asks for them. What was served when is kept as [`Change`]s.
//!
//! Where things fall on one instant the order is: lanes as they stand, then whatever the caller
//! feeds; a tick comes only where nothing else happened by its deadline.

use super::lane::{Finding, Lane, lanes};
use crate::failover::{
    Decision, Event, Input, Policy, PolicyFault, State, What,
    event::{By, Rail},
    hostname::stand_in,
    input::{Command, FreshnessReport, OperatorCommand, Reload, WitnessResult},
    narrowed, next_deadline, step, step_numbered,
};
use crate::model::{Config, PolicyText, ServiceName, TargetName, Timestamp};
use serde::Serialize;
use std::sync::Arc;

/// Where the time of a rehearsal begins: 2026-01-05T00:00:00Z, a Monday.
pub const BEGIN: Timestamp = Timestamp(1_767_571_200_000);

/// The most changes that a rehearsal keeps: a policy that flaps for a year fills no memory.
const CHANGES_MAX: usize = 10_000;
/// The most faults that a rehearsal keeps.
const FAULTS_MAX: usize = 100;

/// A change of the served set, or the first answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// When, ms after the rehearsal's begin.
    pub at_ms: i64,
    /// What is served from now on.
    pub serve: Vec<TargetName>,
    /// Why.
    pub reason: String,
    /// The line of the policy; 0 where no policy decided.
    pub line: u32,
    /// TTL of the answer, ms.
    pub ttl_ms: i64,
    /// Whose word it was.
    pub by: By,
    /// Which rail of the guard changed the proposal.
    pub guard: Option<Rail>,
    /// Said aloud with it.
    pub alert: Option<String>,
}

impl Change {
    fn of(at_ms: i64, decision: &Decision) -> Self {
        Self {
            at_ms,
            serve: decision.serve.clone(),
            reason: decision.reason.clone(),
            line: decision.line,
            ttl_ms: decision.ttl_ms,
            by: decision.by,
            guard: decision.guard,
            alert: decision.alert.clone(),
        }
    }
}

/// One service in a world of its own.
#[derive(Clone)]
pub struct Rehearsal<'a> {
    state: State,
    policy: &'a dyn Policy,
    service: ServiceName,
    begin: Timestamp,
    /// Every series that is probed; the caller may change phases, add and remove.
    pub lanes: Vec<Lane>,
    changes: Vec<Change>,
    said: Vec<Change>,
    decisions: Vec<(u32, By)>,
    faults: Vec<PolicyFault>,
}

impl<'a> Rehearsal<'a> {
    /// A service of `config` alone, with its targets and monitors, under the policy `text`. The
    /// lanes probe every address from this node, their phases spread over the interval.
    /// `None` where there is no such service or it has no target.
    pub fn new(
        config: &Config,
        service: &ServiceName,
        text: &PolicyText,
        policy: &'a dyn Policy,
    ) -> Option<Self> {
        let mut config = narrowed(config, service)?;
        stand_in(&mut config);
        let lanes = lanes(&config, service, BEGIN);
        let mut rehearsal = Self::beginning(config, service, text, policy, BEGIN);
        rehearsal.lanes = lanes;
        Some(rehearsal)
    }

    /// A service in a configuration that has nothing else, from `begin` on; no lanes.
    pub(super) fn beginning(
        config: Config,
        service: &ServiceName,
        text: &PolicyText,
        policy: &'a dyn Policy,
        begin: Timestamp,
    ) -> Self {
        let mut rehearsal = Self {
            state: State::default(),
            policy,
            service: service.clone(),
            begin,
            lanes: Vec::new(),
            changes: Vec::new(),
            said: Vec::new(),
            decisions: Vec::new(),
            faults: Vec::new(),
        };
        let reload = Input::Reload(Reload {
            by: "rehearsal".into(),
            config: Arc::new(config),
            policies: vec![text.clone()],
            zones: Vec::new(),
        });
        rehearsal.feed(0, reload);
        rehearsal
    }

    /// An input of a recording, under its number there; no ticks are made up before it.
    pub(super) fn told(&mut self, at: Timestamp, seq: u64, input: Input) {
        let events = step_numbered(&mut self.state, at, seq, input, self.policy);
        for event in &events {
            self.keep(event);
        }
    }

    /// Goes on from what is known of a service: no lanes, and only changes from now on are kept.
    /// Others are left out, since each result would ask the policies of all that share a target.
    pub fn going_on(state: &State, service: &ServiceName, policy: &'a dyn Policy) -> Self {
        let begin = state.world().at;
        Self {
            state: state.narrowed(service).unwrap_or_else(|| state.clone()),
            policy,
            service: service.clone(),
            begin,
            lanes: Vec::new(),
            changes: Vec::new(),
            said: Vec::new(),
            decisions: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// What is known now.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// When the last event was, ms after the begin.
    pub fn now_ms(&self) -> i64 {
        self.state.world().at.since_ms(self.begin)
    }

    /// What is served now.
    pub fn serving(&self) -> &[TargetName] {
        let service = self.state.world().service(&self.service);
        service.map_or(&[], |service| &service.serving)
    }

    /// The decision in force.
    pub fn decision(&self) -> Option<&Decision> {
        self.state.world().service(&self.service)?.decision.as_ref()
    }

    /// The first answer and every change of the served set since, oldest first.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Every decision since, also where what is served stayed, oldest first.
    pub fn said(&self) -> &[Change] {
        &self.said
    }

    /// Every fault of the policy, oldest first, at most a hundred.
    pub fn faults(&self) -> &[PolicyFault] {
        &self.faults
    }

    /// Lines that decided, and whose word that was; each once, in the order of their coming.
    pub fn deciding_lines(&self) -> &[(u32, By)] {
        &self.decisions
    }

    /// Lets time pass up to and including `until_ms` after the begin: ticks that are due come.
    pub fn pass(&mut self, until_ms: i64) {
        self.tick_before(self.begin.plus_ms(until_ms).plus_ms(1));
    }

    /// Feeds an input at `at_ms` after the begin, with the ticks that were due before it.
    pub fn feed(&mut self, at_ms: i64, input: Input) {
        let at = self.begin.plus_ms(at_ms);
        self.tick_before(at);
        self.step(at, input);
    }

    /// An operator's order, at `at_ms` after the begin.
    pub fn order(&mut self, at_ms: i64, command: Command) {
        let command = OperatorCommand {
            by: "rehearsal".into(),
            reason: "a rehearsal".into(),
            command,
        };
        self.feed(at_ms, Input::Operator(command));
    }

    /// A report on a target's copy of the data, at `at_ms` after the begin.
    pub fn report(&mut self, at_ms: i64, report: FreshnessReport) {
        self.feed(at_ms, Input::Freshness(report));
    }

    /// Every configured witness answers, or none does, at `at_ms` after the begin.
    pub fn witnesses(&mut self, at_ms: i64, ok: bool) {
        let config = Arc::clone(&self.state.world().config);
        for witness in config.witness.iter().flat_map(|w| &w.addresses) {
            let result = WitnessResult {
                vantage: config.server.name.clone(),
                witness: *witness,
                ok,
                error: (!ok).then(|| "timeout".to_owned()),
            };
            self.feed(at_ms, Input::Witness(result));
        }
    }

    /// Runs the lanes up to and including `until_ms` after the begin; `world` says what a probe
    /// that starts on a lane, so many ms after the begin, finds.
    pub fn run(&mut self, until_ms: i64, world: impl FnMut(&Lane, i64) -> Finding) {
        self.run_while(until_ms, world, |_| true);
    }

    /// The same, as long as `on` holds after a result.
    pub fn run_while(
        &mut self,
        until_ms: i64,
        mut world: impl FnMut(&Lane, i64) -> Finding,
        on: impl Fn(&Self) -> bool,
    ) {
        let until = self.begin.plus_ms(until_ms);
        while let Some(index) = self.next_lane(until) {
            let lane = &mut self.lanes[index];
            let at = lane.due();
            let begin = self.begin;
            let Some(finding) = lane.go_on(at, |lane| world(lane, at.since_ms(begin))) else {
                continue;
            };
            let seen = lane.observation(finding);
            self.tick_before(at);
            if let Some(seen) = seen {
                self.step(at, Input::Probe(seen));
            }
            if !on(self) {
                return;
            }
        }
        self.tick_before(until.plus_ms(1));
    }

    /// The lane on which something happens first, by `until` at the latest.
    fn next_lane(&self, until: Timestamp) -> Option<usize> {
        let first = self.lanes.iter().enumerate().min_by_key(|(_, l)| l.due())?;
        (first.1.due() <= until).then_some(first.0)
    }

    /// Ticks whose deadlines are before `at`.
    fn tick_before(&mut self, at: Timestamp) {
        let due = |state: &State| next_deadline(state).filter(|&deadline| deadline < at);
        while let Some(deadline) = due(&self.state) {
            let before = self.state.world().at;
            self.step(deadline.max(before), Input::Tick);
            if due(&self.state) == Some(deadline) {
                return; // A deadline that a tick does not move would be due for ever.
            }
        }
    }

    fn step(&mut self, at: Timestamp, input: Input) {
        let events = step(&mut self.state, at, input, self.policy);
        for event in &events {
            self.keep(event);
        }
    }

    fn keep(&mut self, event: &Event) {
        match &event.what {
            What::Decision(decision) if decision.service == self.service => {
                let said = (decision.line, decision.by);
                if !self.decisions.contains(&said) && self.decisions.len() < CHANGES_MAX {
                    self.decisions.push(said);
                }
                let at_ms = event.at.since_ms(self.begin);
                if self.said.len() < CHANGES_MAX {
                    self.said.push(Change::of(at_ms, decision));
                }
                let last = self.changes.last();
                if last.is_none_or(|last| last.serve != decision.serve)
                    && self.changes.len() < CHANGES_MAX
                {
                    self.changes.push(Change::of(at_ms, decision));
                }
            }
            What::Fault(fault)
                if fault.service == self.service && self.faults.len() < FAULTS_MAX =>
            {
                self.faults.push(PolicyFault {
                    message: fault.message.clone(),
                    line: fault.line,
                });
            }
            _ => {}
        }
    }
}

impl std::fmt::Debug for Rehearsal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rehearsal")
            .field("service", &self.service)
            .field("now_ms", &self.now_ms())
            .field("serving", &self.serving())
            .finish_non_exhaustive()
    }
}

//! The past: what was recorded of a service, folded up to an instant; no policy is asked.
//!
//! Beside the state it keeps what a state does not have: the last results with their numbers, and
//! the state as the policy found it when it was last asked.

use crate::{
    failover::{
        Event, Input, Policy, State, What,
        event::{Decision, Gap},
        step_numbered,
    },
    model::{FailureReason, Observation, ServiceName, TargetName, Timestamp},
    recording::SeriesKey,
};
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};

/// The results that are kept of each series.
const RESULTS_MAX: usize = 8;
/// Gaps that are named.
const GAPS_MAX: usize = 5;

/// One result as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Its number in the journal or recording; `null` where it is not known.
    pub seq: Option<u64>,
    /// When, by the wall clock.
    #[serde(rename = "at_ms")]
    pub at: Timestamp,
    /// Whether it was good.
    pub ok: bool,
    /// Round-trip time of a good one, µs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_us: Option<u32>,
    /// Why it was bad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<FailureReason>,
    /// It came so late, or the machine lacked so much, that it does not count.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub counts_not: bool,
}

/// The change of the served set that led to what is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Switched {
    /// Number of the decision.
    pub seq: u64,
    /// When, by the wall clock.
    #[serde(rename = "at_ms")]
    pub at: Timestamp,
    /// What was answered before; empty where that is not known.
    pub from: Vec<TargetName>,
    /// The decision.
    #[serde(flatten)]
    pub decision: Decision,
}

/// What is known of a service at an instant, and how it came to be.
#[derive(Debug)]
pub struct Past {
    pub(super) service: ServiceName,
    pub(super) state: State,
    /// The state on which the decisions were made that ended the last input.
    before: Option<State>,
    asked_at: Option<Timestamp>,
    pub(super) switch: Option<Switched>,
    pub(super) gaps: Vec<Gap>,
    pub(super) decisions: u64,
    began_with_state: bool,
    /// The policy that was put in the place of the one in force, by its file name.
    pub(super) instead: Option<String>,
    results: BTreeMap<SeriesKey, VecDeque<Found>>,
}

impl Past {
    /// Nothing happened since `state`.
    pub fn new(service: ServiceName, state: State) -> Self {
        Self {
            service,
            state,
            before: None,
            asked_at: None,
            switch: None,
            gaps: Vec::new(),
            decisions: 0,
            began_with_state: false,
            instead: None,
            results: BTreeMap::new(),
        }
    }

    /// The service that is looked at.
    pub fn service(&self) -> &ServiceName {
        &self.service
    }

    /// What is known now.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// An instant of the fold by the wall clock, as far as it is known.
    pub(super) fn wall(&self, at: Timestamp) -> Timestamp {
        at.plus_ms(self.state.world().wall_offset_ms)
    }

    /// The state as the policy found it when it was last asked.
    pub(super) fn asked_on(&self) -> &State {
        self.before.as_ref().unwrap_or(&self.state)
    }

    /// Whether the last input led to a decision.
    pub(super) fn before_last_decision(&self) -> bool {
        self.before.is_some()
    }

    /// When it was last asked, by the wall clock; `None` where that is not known.
    pub(super) fn asked_at(&self) -> Option<Timestamp> {
        self.asked_at.map(|at| self.wall(at))
    }

    /// Takes a state in the place of what is known.
    pub fn resume(&mut self, state: State) {
        self.state = state;
        self.before = None;
    }

    /// Begins with a state that was recorded: what it knows was decided before.
    pub(super) fn begin_with(&mut self, state: State) {
        let known = state.world().service(&self.service);
        self.began_with_state = known.is_some_and(|known| known.decision.is_some());
        self.resume(state);
    }

    /// Whether a recorded state had a decision in force.
    pub(super) fn began_with_state(&self) -> bool {
        self.began_with_state
    }

    /// Takes an input and asks `policy`, where decisions were not recorded.
    pub(super) fn step(&mut self, at: Timestamp, seq: u64, input: Input, policy: &dyn Policy) {
        let known = self.state.world().service(&self.service);
        let mut serving = known.map(|known| known.serving.clone()).unwrap_or_default();
        let events = step_numbered(&mut self.state, at, seq, input, policy);
        self.before = None;
        self.asked_at = Some(self.state.world().at);
        for event in &events {
            self.note(event);
            if let What::Decision(decision) = &event.what {
                self.switched(event, serving, decision);
                serving = decision.serve.clone();
            }
        }
    }

    /// The same, so that the state stays known on which `policy` was asked.
    pub(super) fn step_apart(
        &mut self,
        at: Timestamp,
        seq: u64,
        input: Input,
        policy: &dyn Policy,
    ) {
        let mut tried = self.state.clone();
        for event in step_numbered(&mut tried, at, seq, input, policy) {
            self.event(&event);
        }
    }

    /// Notes what an event brings without folding it: of the time before the state.
    pub fn note(&mut self, event: &Event) {
        if let What::Probe(seen) = &event.what {
            self.keep(event.at, event.seq, seen);
        }
    }

    /// Folds an event in.
    pub fn event(&mut self, event: &Event) {
        self.note(event);
        match &event.what {
            What::Decision(decision) if decision.service == self.service => {
                self.decided(event, decision);
            }
            // Of the same input, or nothing that a policy is asked about.
            What::Decision(_) | What::Fault(_) | What::Start(_) | What::Refused(_) => {
                self.state.apply(event);
            }
            what => {
                if let What::Gap(gap) = what
                    && self.gaps.len() < GAPS_MAX
                {
                    self.gaps.push(gap.clone());
                }
                self.state.apply(event);
                if self.concerns(event) {
                    self.before = None;
                    self.asked_at = Some(event.at);
                }
            }
        }
    }

    fn decided(&mut self, event: &Event, decision: &Decision) {
        self.decisions += 1;
        if self.before.is_none() {
            self.before = Some(self.state.clone());
        }
        let known = self.state.world().service(&self.service);
        let from = known.map(|known| known.serving.clone()).unwrap_or_default();
        self.state.apply(event);
        self.switched(event, from, decision);
    }

    fn switched(&mut self, event: &Event, from: Vec<TargetName>, decision: &Decision) {
        if from != decision.serve && !from.is_empty() {
            self.switch = Some(Switched {
                seq: event.seq,
                at: self.wall(event.at),
                from,
                decision: decision.clone(),
            });
        }
    }

    /// Whether the policy was asked because of an event that was folded in.
    fn concerns(&self, event: &Event) -> bool {
        let world = self.state.world();
        let Some(known) = world.service(&self.service) else {
            return false;
        };
        match &event.what {
            What::Probe(seen) => self.is_ours(seen),
            What::Tick {} => known.last_input_at == event.at,
            _ => true,
        }
    }

    fn is_ours(&self, seen: &Observation) -> bool {
        let configured = self.state.world().config.services.get(&self.service);
        configured.is_none_or(|service| {
            service.targets.contains(&seen.target) && service.monitors.contains(&seen.monitor)
        })
    }

    fn keep(&mut self, at: Timestamp, seq: u64, seen: &Observation) {
        if !self.is_ours(seen) {
            return;
        }
        let found = Found {
            seq: Some(seq),
            at: self.wall(at),
            ok: seen.ok,
            rtt_us: seen.rtt_us,
            error: seen.error,
            counts_not: seen.late || seen.local.is_some(),
        };
        let key = SeriesKey {
            target: seen.target.clone(),
            monitor: seen.monitor.clone(),
            address: seen.address,
            vantage: seen.vantage.clone(),
        };
        let results = self.results.entry(key).or_default();
        results.push_back(found);
        if results.len() > RESULTS_MAX {
            results.pop_front();
        }
    }

    /// The last results of each series, the oldest first.
    pub(super) fn results(&self) -> impl Iterator<Item = (&SeriesKey, &VecDeque<Found>)> {
        self.results.iter()
    }

    /// The probe of a number, where it is among the last: `primary https timeout`.
    pub(super) fn probe(&self, seq: u64) -> Option<String> {
        let mut all = self.results.iter();
        all.find_map(|(key, results)| {
            let found = results.iter().find(|found| found.seq == Some(seq))?;
            let said = match (found.ok, found.error) {
                (true, _) => "good".to_owned(),
                (false, Some(error)) => error.to_string(),
                (false, None) => "bad".to_owned(),
            };
            Some(format!("{} {} {said}", key.target, key.monitor))
        })
    }
}

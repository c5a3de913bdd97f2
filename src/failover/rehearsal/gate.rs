//! The reload gate: what a candidate would do now, and would have done with what happened lately.
//!
//! Trials are made-up worlds; this is the real one. [`now`] puts the candidate in force on a copy
//! of the present state. [`lately`] runs it and the version in force over the same facts from the
//! same fresh start, so that only the policy differs. A fault in either refuses the candidate,
//! which is for the caller to say.

use crate::failover::{
    evaluate::Evaluation,
    event::{Event, What},
    input::{ClockChange, Input, Reload},
    narrowed,
    policy::{Policy, PolicyFault},
    state::State,
    step::{step, step_numbered},
};
use crate::model::{
    Config, PolicyName, PolicyText, PolicyVersion, Service, ServiceName, TargetName, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Differences beyond these are counted, not kept.
const DIFFERENCES_MAX: usize = 20;
/// Faults beyond these say nothing new.
const FAULTS_MAX: usize = 5;

/// A policy as a service would have it.
#[derive(Clone, Copy, Debug)]
pub struct Contender<'a> {
    /// The service, with its parameters and how long it keeps results.
    pub service: &'a Service,
    /// The policy's text.
    pub text: &'a PolicyText,
}

impl Contender<'_> {
    fn version(&self) -> PolicyVersion {
        PolicyVersion::of(&self.text.source, &self.service.params)
    }

    /// Its reload: of a configuration narrowed to the service.
    fn reload(&self, config: &Config) -> Option<Input> {
        let mut config = narrowed(config, &self.service.name)?;
        let service = config.services.get_mut(&self.service.name)?;
        service.policy = self.text.name.clone();
        service.params.clone_from(&self.service.params);
        service.keep_ms = self.service.keep_ms;
        Some(Input::Reload(Reload {
            by: "the gate".to_owned(),
            config: Arc::new(config),
            policies: vec![self.text.clone()],
            zones: Vec::new(),
        }))
    }
}

/// What a candidate does, put in force now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    /// What it serves.
    pub serving: Vec<TargetName>,
    /// What its evaluation says; `None` where there was none.
    pub evaluation: Option<Evaluation>,
    /// Its faults.
    pub faults: Vec<PolicyFault>,
}

/// Puts a candidate in force in `config`, on a copy of what is known of its service at `at`.
/// `None` for a service that is not known yet, or has no target.
pub fn now(
    state: &State,
    at: Timestamp,
    config: &Config,
    candidate: Contender<'_>,
    policy: &dyn Policy,
) -> Option<Now> {
    let name = &candidate.service.name;
    let mut alone = state.narrowed(name)?;
    let events = step(&mut alone, at, candidate.reload(config)?, policy);
    Some(Now {
        serving: alone.world().service(name)?.serving.clone(),
        evaluation: alone.latest(name).cloned(),
        faults: faults(&events).collect(),
    })
}

/// What a candidate and the version in force do with the same facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// Whose.
    pub service: ServiceName,
    /// The candidate's file name.
    pub policy: PolicyName,
    /// Its version.
    pub version: PolicyVersion,
    /// The version in force.
    pub in_force: PolicyVersion,
    /// How many facts there were: observations, and whatever else happened.
    pub facts: u64,
    /// When the first of them came; absent without any.
    #[serde(rename = "from_ms", default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// When the last came.
    #[serde(rename = "to_ms", default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Stretches in which something else would have been served, oldest first, at most 20.
    pub differences: Vec<Difference>,
    /// How many more there were.
    #[serde(default)]
    pub more: u64,
}

/// A stretch in which candidate and version in force would have served different targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// When it began.
    #[serde(rename = "from_ms")]
    pub from: Timestamp,
    /// When it ended; absent where it had not.
    #[serde(rename = "to_ms", default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// What the candidate served when it began.
    pub candidate: Side,
    /// What the version in force served.
    pub in_force: Side,
}

/// What one version served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// The targets, the active one first.
    pub serve: Vec<TargetName>,
    /// Why, in one sentence.
    pub reason: String,
    /// The line that said so, from 1; 0 where none did.
    pub line: u32,
}

/// A fault of a candidate, and the wall time of the fact that brought it about.
pub type FaultAt = (Timestamp, PolicyFault);

/// What one version did with the facts: to be compared with what another did with the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What it served first, and every change since.
    served: Vec<Served>,
    /// Its faults, each once, at most five.
    pub faults: Vec<FaultAt>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

/// A served set, from a fact on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Served {
    /// The facts before it.
    facts: usize,
    at: Timestamp,
    side: Side,
}

/// Runs one version over `facts`, which concern the service and come in their order, from a fresh
/// start in `config`. `offset_ms` is how far the wall clock was ahead of the fold's when the first
/// came. `None` where the service has no target.
pub fn run(
    facts: &[&Event],
    offset_ms: i64,
    config: &Config,
    contender: Contender<'_>,
    policy: &dyn Policy,
) -> Option<Run> {
    let begin = facts
        .first()
        .map_or_else(Timestamp::default, |fact| fact.at);
    let name = &contender.service.name;
    let mut state = State::default();
    let clock = Input::Clock(ClockChange { offset_ms });
    step(&mut state, begin, clock, policy);
    step(&mut state, begin, contender.reload(config)?, policy);
    let began = state.world().wall();
    let mut run = Run {
        served: vec![Served {
            facts: 0,
            at: began,
            side: side(&state, name)?,
        }],
        faults: Vec::new(),
        from: (!facts.is_empty()).then_some(began),
        to: None,
    };
    for (fact, count) in facts.iter().zip(1..) {
        let Some(input) = fact.what.as_input() else {
            continue;
        };
        let events = step_numbered(&mut state, fact.at, fact.seq, input, policy);
        let at = state.world().wall();
        run.to = Some(at);
        for fault in faults(&events) {
            let known = run.faults.iter().any(|(_, known)| *known == fault);
            if !known && run.faults.len() < FAULTS_MAX {
                run.faults.push((at, fault));
            }
        }
        let last = run.served.last().map(|served| &served.side.serve);
        if last != Some(&state.world().service(name)?.serving) {
            run.served.push(Served {
                facts: count,
                at,
                side: side(&state, name)?,
            });
        }
    }
    Some(run)
}

/// What a service serves, and why it was moved there.
fn side(state: &State, name: &ServiceName) -> Option<Side> {
    let latest = state.latest(name);
    Some(Side {
        serve: state.world().service(name)?.serving.clone(),
        reason: latest
            .map(|latest| latest.reason.clone())
            .unwrap_or_default(),
        line: latest.map_or(0, |latest| latest.line),
    })
}

impl Compared {
    /// Compares what a candidate did with what the version in force did, both with so many facts.
    pub fn of(
        (candidate, ours): (Contender<'_>, &Run),
        (in_force, theirs): (Contender<'_>, &Run),
        facts: usize,
    ) -> Self {
        let mut compared = Self {
            service: candidate.service.name.clone(),
            policy: candidate.text.name.clone(),
            version: candidate.version(),
            in_force: in_force.version(),
            facts: facts as u64,
            from: ours.from,
            to: ours.to,
            differences: Vec::new(),
            more: 0,
        };
        let (mut our, mut their, mut apart) = (0, 0, false);
        loop {
            let (left, right) = (&ours.served[our], &theirs.served[their]);
            let at = left.at.max(right.at);
            apart = compared.note(apart, at, &left.side, &right.side);
            let next = |run: &Run, index: usize| run.served.get(index + 1).map(|next| next.facts);
            match (next(ours, our), next(theirs, their)) {
                (None, None) => return compared,
                (Some(left), Some(right)) if left == right => (our, their) = (our + 1, their + 1),
                (Some(left), right) if right.is_none_or(|right| left < right) => our += 1,
                _ => their += 1,
            }
        }
    }

    /// Notes whether the two are apart from `at` on, `before` which they were or not.
    fn note(&mut self, before: bool, at: Timestamp, ours: &Side, theirs: &Side) -> bool {
        let apart = ours.serve != theirs.serve;
        match (before, apart) {
            (false, true) if self.differences.len() < DIFFERENCES_MAX => {
                self.differences.push(Difference {
                    from: at,
                    to: None,
                    candidate: ours.clone(),
                    in_force: theirs.clone(),
                });
            }
            (false, true) => self.more += 1,
            (true, false) if self.more == 0 => {
                if let Some(last) = self.differences.last_mut() {
                    last.to = Some(at);
                }
            }
            _ => {}
        }
        apart
    }

    /// How many stretches differ.
    pub fn count(&self) -> u64 {
        self.more.saturating_add(self.differences.len() as u64)
    }
}

/// Faults among events, with lines.
fn faults(events: &[Event]) -> impl Iterator<Item = PolicyFault> {
    events.iter().filter_map(|event| match &event.what {
        What::Fault(fault) => Some(PolicyFault {
            message: fault.message.clone(),
            line: fault.line,
        }),
        _ => None,
    })
}

/// Whether an event is a fact that the gate runs policies over: what follows from facts, and what
/// was in force, is left out.
pub fn is_fact(what: &What) -> bool {
    matches!(
        what,
        What::Probe(_)
            | What::Tick {}
            | What::Witness(_)
            | What::Clock(_)
            | What::Operator(_)
            | What::Freshness(_)
            | What::Drift(_)
            | What::Resolved(_)
    )
}

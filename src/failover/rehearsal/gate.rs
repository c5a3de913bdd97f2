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

/// Runs both versions over `facts`, which concern the service and come in their order, from a
/// fresh start in `config`. `offset_ms` is how far the wall clock was ahead of the fold's when the
/// first came. `None` where the service has no target. The candidate's faults come beside it.
pub fn lately(
    facts: &[&Event],
    offset_ms: i64,
    config: &Config,
    (candidate, in_force): (Contender<'_>, Contender<'_>),
    policy: &dyn Policy,
) -> Option<(Compared, Vec<FaultAt>)> {
    let begin = facts
        .first()
        .map_or_else(Timestamp::default, |fact| fact.at);
    let name = &candidate.service.name;
    let mut sides = [State::default(), State::default()];
    for (state, contender) in sides.iter_mut().zip([candidate, in_force]) {
        step(
            state,
            begin,
            Input::Clock(ClockChange { offset_ms }),
            policy,
        );
        step(state, begin, contender.reload(config)?, policy);
    }
    let mut compared = Compared {
        service: name.clone(),
        policy: candidate.text.name.clone(),
        version: candidate.version(),
        in_force: in_force.version(),
        facts: facts.len() as u64,
        from: facts.first().map(|_| sides[0].world().wall()),
        to: None,
        differences: Vec::new(),
        more: 0,
    };
    let mut faulted: Vec<FaultAt> = Vec::new();
    let mut apart = false;
    for fact in facts {
        let Some(input) = fact.what.as_input() else {
            continue;
        };
        let [ours, theirs] = &mut sides;
        let events = step_numbered(ours, fact.at, fact.seq, input.clone(), policy);
        step_numbered(theirs, fact.at, fact.seq, input, policy);
        let at = ours.world().wall();
        for fault in faults(&events) {
            let known = faulted.iter().any(|(_, known)| *known == fault);
            if !known && faulted.len() < FAULTS_MAX {
                faulted.push((at, fault));
            }
        }
        compared.to = Some(at);
        apart = compared.note(apart, at, side(ours, name)?, side(theirs, name)?);
    }
    Some((compared, faulted))
}

/// A served set with what it takes to tell why.
type Served<'s> = (&'s State, &'s [TargetName]);

fn side<'s>(state: &'s State, name: &ServiceName) -> Option<Served<'s>> {
    Some((state, &state.world().service(name)?.serving))
}

impl Compared {
    /// Notes whether the two are apart after a fact, `before` which they were or not.
    fn note(&mut self, before: bool, at: Timestamp, ours: Served<'_>, theirs: Served<'_>) -> bool {
        let apart = ours.1 != theirs.1;
        match (before, apart) {
            (false, true) if self.differences.len() < DIFFERENCES_MAX => {
                self.differences.push(Difference {
                    from: at,
                    to: None,
                    candidate: said(ours, &self.service),
                    in_force: said(theirs, &self.service),
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

fn said((state, serving): Served<'_>, name: &ServiceName) -> Side {
    let latest = state.latest(name);
    Side {
        serve: serving.to_vec(),
        reason: latest
            .map(|latest| latest.reason.clone())
            .unwrap_or_default(),
        line: latest.map_or(0, |latest| latest.line),
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
    )
}

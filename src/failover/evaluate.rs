//! One evaluation of one service: ask the policy, let the guard dispose, and say what changed.

use super::{
    event::{By, Decision, Fault, Rail},
    guard,
    policy::{Action, Policy, PolicyFault, Proposal},
    state::State,
};
use crate::model::{
    OnFault, Param, PolicyVersion, ServiceName, TargetName, Timestamp, duration::format_ms,
    time::SECOND_MS,
};
use std::{collections::BTreeMap, mem};

/// Bad probes in a row of the served target after which somebody else is asked for a policy that
/// faults.
const DOWN_AFTER: i64 = 3;
/// Faults in a row after which a service is evaluated at most once in [`FAULT_PAUSE_MS`].
const FAULTS_MANY: u32 = 10;
const FAULT_PAUSE_MS: i64 = SECOND_MS;
/// The most keys that a service remembers.
pub const MEMORY_MAX: usize = 32;

/// What the last evaluation of a service said: shown to operators, also where nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// When.
    pub at: Timestamp,
    /// What the policy wanted served, whatever the guard made of it; `None` for hold or a fault.
    pub wanted: Option<Vec<TargetName>>,
    /// Why what is served is served, in one sentence.
    pub reason: String,
    /// The policy's own reason, where the guard or an operator overruled it.
    pub overruled: Option<String>,
    /// The line of the policy.
    pub line: u32,
    /// Whose word.
    pub by: By,
    /// Which rail held.
    pub guard: Option<Rail>,
    /// The fault, where the policy faulted.
    pub fault: Option<String>,
}

/// What a policy or its stand-in said, and who that was.
pub(super) struct Heard {
    proposal: Proposal,
    version: PolicyVersion,
    by: By,
    fault: Option<PolicyFault>,
}

/// What is to be served, and why.
pub(super) struct Ruling {
    serve: Vec<TargetName>,
    reason: String,
    by: By,
    rail: Option<Rail>,
    /// Whether the proposal was done: only then its memory is kept.
    done: bool,
}

/// What an evaluation came to: what becomes true by it, and what operators are shown.
pub(super) struct Conclusion {
    pub(super) fault: Option<Fault>,
    /// `None` where nothing changes that is worth writing.
    pub(super) decision: Option<Decision>,
    pub(super) evaluation: Evaluation,
}

/// What woke the policies.
pub(super) struct Woken {
    /// The event's number.
    pub(super) cause: u64,
    /// Who or what brought a reload.
    pub(super) moved_by: Option<String>,
    /// An operator's word, its end or a reload: a policy that faults does not keep it waiting.
    pub(super) at_once: bool,
    /// Services whose override lost its target, and what is to be said about it.
    pub(super) lost: Vec<(ServiceName, String)>,
}

/// Evaluates one service; `None` where it rests after faults, or has nothing to answer.
pub(super) fn evaluate(
    state: &State,
    policy: &dyn Policy,
    index: usize,
    woken: &Woken,
) -> Option<Conclusion> {
    let at = state.world.at;
    let service = &state.world.services[index];
    if service.targets.is_empty() {
        return None; // No checked configuration has one; there is nothing to answer.
    }
    let paused = service
        .faulted_at
        .is_some_and(|last| at.since_ms(last) < FAULT_PAUSE_MS);
    if service.faults >= FAULTS_MANY && paused && !woken.at_once {
        return None;
    }
    let mut heard = ask(state, policy, index);
    let fault = heard.fault.as_ref().map(|fault| Fault {
        service: service.name.clone(),
        policy: service.policy.clone(),
        message: fault.message.clone(),
        line: fault.line,
        cause: woken.cause,
    });
    let ruling = rule(state, index, &heard);
    let decision = decision(state, index, &mut heard, &ruling, woken);
    let differs = differs(state, index, &decision);
    Some(Conclusion {
        fault,
        decision: differs.then_some(decision),
        evaluation: evaluation(state, index, heard, ruling),
    })
}

/// Asks the policy; where it faults and what is served is down, its predecessor and the built-in.
pub(super) fn ask(state: &State, policy: &dyn Policy, index: usize) -> Heard {
    let version = state.world.services[index].policy.clone();
    let fault = match propose(state, policy, index, &version) {
        Ok(proposal) => {
            return Heard {
                proposal,
                version,
                by: By::Policy,
                fault: None,
            };
        }
        Err(fault) => fault,
    };
    let service = &state.world.services[index];
    let configured = state.world.config.services.get(&service.name);
    let falls_back = configured.is_some_and(|service| service.on_fault == OnFault::Fallback);
    let down = service
        .serving
        .iter()
        .any(|target| guard::failures(&state.world, service, target) >= DOWN_AFTER);
    if falls_back && down {
        let previous = service
            .previous
            .clone()
            .map(|version| (version, By::Previous));
        let builtin = (policy.builtin().clone(), By::Builtin);
        for (other, by) in previous.into_iter().chain([builtin]) {
            if let Ok(proposal) = propose(state, policy, index, &other) {
                return Heard {
                    proposal,
                    version: other,
                    by,
                    fault: Some(fault),
                };
            }
        }
    }
    let mut proposal = Proposal::new(
        Action::Hold,
        format!("the policy faulted: {}", fault.message),
    );
    proposal.line = fault.line;
    Heard {
        proposal,
        version,
        by: By::Policy,
        fault: Some(fault),
    }
}

/// Asks one version, and refuses what no guard could admit.
fn propose(
    state: &State,
    policy: &dyn Policy,
    index: usize,
    version: &PolicyVersion,
) -> Result<Proposal, PolicyFault> {
    let mut proposal = policy.propose(version, state.view_at(index))?;
    let line = proposal.line;
    let fault = |message: String| Err(PolicyFault { message, line });
    let service = &state.world.services[index];
    let name = &service.name;
    if let Action::Serve(targets) = &mut proposal.action {
        if targets.is_empty() {
            return fault("serve was given an empty list".into());
        }
        if let Some(other) = targets
            .iter()
            .find(|target| service.position(target).is_none())
        {
            return fault(format!("'{other}' is no target of {name}"));
        }
        let mut seen = Vec::new();
        targets.retain(|target| {
            !seen.contains(target) && {
                seen.push(target.clone());
                true
            }
        });
    }
    let kept = |key: &&String| !matches!(proposal.remember.get(*key), Some(None));
    let old = service.memory.keys().filter(kept);
    let new = proposal
        .remember
        .iter()
        .filter(|(key, value)| value.is_some() && !service.memory.contains_key(*key));
    if old.count() + new.count() > MEMORY_MAX {
        return fault(format!("more than {MEMORY_MAX} remembered keys"));
    }
    Ok(proposal)
}

/// What is to be served: freeze, override, what is gone, then the policy within the rails.
pub(super) fn rule(state: &State, index: usize, heard: &Heard) -> Ruling {
    let world = &state.world;
    let service = &world.services[index];
    if let Some(ruling) = ordered(state, index) {
        return ruling;
    }
    let servable = |target: &TargetName| !guard::is_drained(world, service, target);
    let (mut wanted, open) = match &heard.proposal.action {
        Action::Serve(targets) => (targets.clone(), false),
        Action::ServeAll => (
            service
                .targets
                .iter()
                .map(|slot| slot.target.clone())
                .collect(),
            true,
        ),
        Action::Hold => (service.serving.clone(), false),
    };
    wanted.retain(servable);
    let mut ruling = Ruling {
        serve: wanted,
        reason: heard.proposal.reason.clone(),
        by: heard.by,
        rail: heard
            .fault
            .as_ref()
            .filter(|_| heard.by == By::Policy)
            .map(|_| Rail::Fault),
        done: true,
    };
    let left: Vec<TargetName> = service
        .serving
        .iter()
        .filter(|target| servable(target))
        .cloned()
        .collect();
    if left.is_empty() && ruling.serve.is_empty() {
        return withdrawn(state, index);
    }
    if ruling.serve.is_empty() || ruling.serve == service.serving {
        if ruling.serve.is_empty() {
            ruling.serve = left;
        }
        return ruling;
    }
    // Leaving what was withdrawn is an operator's wish: no rail stands in its way.
    if left.is_empty() || (left.len() < service.serving.len() && ruling.serve == left) {
        let worse = !open && guard::not_worse(world, service, &ruling.serve).is_err();
        if left.is_empty() && worse && guard::first_well(world, index).is_some() {
            return withdrawn(state, index);
        }
        if heard.proposal.action == Action::Hold {
            ruling.rail = Some(Rail::Gone);
        }
        return ruling;
    }
    if let Err((rail, why)) = guard::admit(world, index, &ruling.serve, open) {
        let wanted = ruling.serve.join_names();
        ruling.reason = format!(
            "{why}; the policy wants {wanted}: {}",
            heard.proposal.reason
        );
        ruling.serve = left;
        (ruling.rail, ruling.done) = (Some(rail), false);
    }
    ruling
}

/// What an operator ordered: the freeze, else an override.
fn ordered(state: &State, index: usize) -> Option<Ruling> {
    let service = &state.world.services[index];
    let (serve, reason, rail) = match (&state.world.freeze, &service.override_) {
        (Some(freeze), _) => {
            let reason = format!("frozen by {}: {}", freeze.by, freeze.reason);
            (None, reason, Rail::Freeze)
        }
        (None, Some(override_)) => {
            let stand = &override_.stand;
            let reason = format!("override by {}: {}", stand.by, stand.reason);
            (override_.target.clone(), reason, Rail::Override)
        }
        (None, None) => return None,
    };
    Some(Ruling {
        serve: serve.map_or_else(|| service.serving.clone(), |target| vec![target]),
        reason,
        by: By::Operator,
        rail: Some(rail),
        done: false,
    })
}

/// What is served where all that was served is withdrawn and the policy names nobody: the first
/// that is well, or what was served where everybody is withdrawn.
fn withdrawn(state: &State, index: usize) -> Ruling {
    let service = &state.world.services[index];
    let serving = &service.serving;
    let first = guard::first_servable(&state.world, index)
        .filter(|target| !guard::is_drained(&state.world, service, target));
    let (serve, reason) = match first {
        Some(first) => (
            vec![first],
            format!("{} is withdrawn", serving.join_names()),
        ),
        None => {
            let reason = "every target is withdrawn: what is served stays".to_owned();
            (serving.clone(), reason)
        }
    };
    Ruling {
        serve,
        reason,
        by: By::Guard,
        rail: Some(Rail::Gone),
        done: false,
    }
}

/// The decision that this evaluation comes to.
fn decision(
    state: &State,
    index: usize,
    heard: &mut Heard,
    ruling: &Ruling,
    woken: &Woken,
) -> Decision {
    let service = &state.world.services[index];
    let asked_ttl_ms = heard
        .proposal
        .ttl_ms
        .filter(|_| ruling.done)
        .unwrap_or(service.ttl_ms);
    let ttl_ms = i64::from(guard::whole_ttl_secs(asked_ttl_ms)) * SECOND_MS;
    let mut remember = BTreeMap::new();
    if ruling.done {
        remember = mem::take(&mut heard.proposal.remember);
        remember.retain(|key, value: &mut Option<Param>| service.memory.get(key) != value.as_ref());
    }
    Decision {
        service: service.name.clone(),
        serve: ruling.serve.clone(),
        reason: ruling.reason.clone(),
        policy: heard.version.clone(),
        line: match ruling.by {
            By::Policy | By::Previous | By::Builtin => heard.proposal.line,
            By::Operator | By::Guard => 0,
        },
        cause: woken.cause,
        ttl_ms,
        by: ruling.by,
        guard: ruling.rail,
        faulted: heard.fault.is_some(),
        alert: alert(state, index, heard, ruling, asked_ttl_ms, woken),
        remember,
    }
}

/// Everything that must be said aloud, in one text.
fn alert(
    state: &State,
    index: usize,
    heard: &Heard,
    ruling: &Ruling,
    asked_ttl_ms: i64,
    woken: &Woken,
) -> Option<String> {
    let service = &state.world.services[index];
    let mut said: Vec<String> = heard.proposal.alert.clone().into_iter().collect();
    let lost = woken.lost.iter();
    let lost = lost.filter(|(lost, _)| *lost == service.name);
    said.extend(lost.map(|(_, what)| what.clone()));
    if let Some(fault) = &heard.fault {
        let who = match heard.by {
            By::Previous => format!("; its predecessor {} decides", heard.version.short()),
            By::Builtin => "; the built-in policy decides".to_owned(),
            By::Policy | By::Operator | By::Guard => "; what is served stays".to_owned(),
        };
        said.push(format!(
            "the policy faulted at line {}: {}{who}",
            fault.line, fault.message
        ));
    }
    let (low, high) = (SECOND_MS, crate::model::time::DAY_MS);
    if !(low..=high).contains(&asked_ttl_ms) {
        let clamped = asked_ttl_ms.clamp(low, high);
        said.push(format!(
            "a TTL of {asked_ttl_ms} ms was clamped to {}",
            format_ms(clamped)
        ));
    }
    if ruling.rail == Some(Rail::Override) {
        for target in &ruling.serve {
            if guard::failures(&state.world, service, target) >= DOWN_AFTER {
                said.push(override_serves_down(target));
            }
        }
    }
    // The decision before, not what is served: a reload that removed it has replaced that already.
    if let Some(by) = &woken.moved_by
        && let Some(before) = &service.decision
        && ruling.serve != before.serve
    {
        let (from, to) = (before.serve.join_names(), ruling.serve.join_names());
        said.push(format!(
            "the reload by {by} moves {} from {from} to {to}",
            service.name
        ));
    }
    (!said.is_empty()).then(|| said.join("; "))
}

/// What is said where an override serves what is down.
pub(super) fn override_serves_down(target: &TargetName) -> String {
    format!("the override serves {target}, which is down")
}

/// Whether a decision is worth writing: the served set, TTL, line, alert, guard or memory differ.
fn differs(state: &State, index: usize, new: &Decision) -> bool {
    let service = &state.world.services[index];
    let Some(old) = &service.decision else {
        return true;
    };
    service.serving != new.serve
        || (
            &old.serve,
            old.ttl_ms,
            old.line,
            &old.alert,
            old.guard,
            old.by,
            old.faulted,
        ) != (
            &new.serve,
            new.ttl_ms,
            new.line,
            &new.alert,
            new.guard,
            new.by,
            new.faulted,
        )
        || old.policy != new.policy
        || !new.remember.is_empty()
}

/// What operators are shown of a ruling.
pub(super) fn evaluation(state: &State, index: usize, heard: Heard, ruling: Ruling) -> Evaluation {
    let overruled = (ruling.reason != heard.proposal.reason).then_some(heard.proposal.reason);
    let wanted = match heard.proposal.action {
        Action::Serve(targets) => Some(targets),
        Action::ServeAll => {
            let slots = &state.world.services[index].targets;
            Some(slots.iter().map(|slot| slot.target.clone()).collect())
        }
        Action::Hold => None,
    };
    Evaluation {
        at: state.world.at,
        wanted,
        reason: ruling.reason,
        overruled,
        line: heard.proposal.line,
        by: ruling.by,
        guard: ruling.rail,
        fault: heard.fault.map(|fault| fault.message),
    }
}

/// Names in a sentence: `a`, `a and b`.
trait JoinNames {
    fn join_names(&self) -> String;
}

impl JoinNames for Vec<TargetName> {
    fn join_names(&self) -> String {
        self.iter()
            .map(TargetName::as_str)
            .collect::<Vec<_>>()
            .join(" and ")
    }
}

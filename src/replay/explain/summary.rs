//! The first line of an explanation: what is served since when, and why nothing else.

use super::{Explanation, Past};
use crate::{
    failover::{By, State, aggregate::Group},
    model::{TargetName, duration::format_ms},
};

/// What is served since when, and why nothing else, or what changed: one sentence.
pub(super) fn summary(past: &Past, explanation: &Explanation, state: &State) -> String {
    let world = state.world();
    let served = names(&explanation.serving);
    let for_ms = explanation.at.since_ms(explanation.since).max(0);
    let now = past.state().world().at;
    let fresh = |group: &Group| group.fresh(now, None).next().is_some();
    let answered = format!(
        "{served} has been answered for {}",
        format_ms(for_ms / 1_000 * 1_000)
    );
    let just = explanation
        .switch
        .as_ref()
        .filter(|switch| past.before_last_decision() && switch.at == explanation.at);
    if let Some(switch) = just {
        let from = match switch.from.as_slice() {
            [] => String::new(),
            from => format!(" from {}", names(from)),
        };
        let place = line(switch.decision.line);
        return format!(
            "{served} took over{from} just then{place}: {}",
            switch.decision.reason
        );
    }
    let Some(again) = &explanation.evaluation else {
        return answered;
    };
    if let Some(fault) = &again.fault {
        let instead = again.ruled.as_deref().unwrap_or(&again.reason);
        let by = match again.by {
            By::Previous | By::Builtin => format!("; {instead}"),
            By::Policy | By::Operator | By::Guard => String::new(),
        };
        return format!("{answered}; the policy faults: {fault}{by}");
    }
    if !world.groups.iter().any(fresh) {
        return format!("{answered}, and nothing changes: no result of any target is fresh");
    }
    let wants = again
        .wanted
        .as_ref()
        .filter(|wanted| **wanted != explanation.serving);
    match (wants, &again.ruled) {
        (Some(wanted), Some(ruled)) => format!(
            "{answered}, and nothing changes: the policy wants {}{}, and {ruled}",
            names(wanted),
            line(again.line)
        ),
        (Some(wanted), None) => format!("{answered}, and the policy wants {}", names(wanted)),
        (None, Some(ruled)) => format!("{answered}, and nothing changes: {ruled}"),
        (None, None) => {
            let verb = if again.wanted.is_none() {
                "holds"
            } else {
                "wants the same"
            };
            format!(
                "{answered}, and nothing changes: the policy {verb}{}: {}",
                line(again.line),
                again.reason
            )
        }
    }
}

fn line(line: u32) -> String {
    match line {
        0 => String::new(),
        line => format!(" at line {line}"),
    }
}

/// `a`, `a and b`.
fn names(targets: &[TargetName]) -> String {
    let names: Vec<&str> = targets.iter().map(|name| name.as_str()).collect();
    names.join(" and ")
}

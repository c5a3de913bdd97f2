//! How long a failover takes at worst: measured, by running the policy over each target's death.

use super::Checklist;
use crate::{
    daemon::{Accepted, Case, Judge},
    failover::rehearsal::{FailoverTime, WorstCase, worst_case},
    model::{PolicyText, Service, TargetName, duration::format_ms},
};

/// Adds the worst case of every service, and errors where it is never or longer than its `rto`.
pub(super) fn measure(case: &Case, accepted: &Accepted, judge: &Judge, checklist: &mut Checklist) {
    for (service, text) in accepted.deciding() {
        if service.targets.len() > 1 {
            measure_one(case, accepted, judge, (service, text), checklist);
        } else if let Some(rto_ms) = service.rto_ms {
            let message = format!(
                "rto = {} cannot be met: there is no target to fail over to",
                format_ms(rto_ms)
            );
            let found = case.loaded.places.service(&service.name, "rto", message);
            checklist.findings.push(found);
        }
    }
}

fn measure_one(
    case: &Case,
    accepted: &Accepted,
    judge: &Judge,
    (service, text): (&Service, &PolicyText),
    checklist: &mut Checklist,
) {
    let mut lines = Vec::new();
    for time in worst_case(&accepted.config, &service.name, text, judge.library()) {
        match time {
            FailoverTime::Measured(worst) => {
                lines.push(timeline(&worst));
                over_rto(case, service, &worst, checklist);
            }
            FailoverTime::Never { target } => {
                let message = format!(
                    "policy {} never leaves {target} when it dies: traffic would stay on a dead target",
                    service.policy
                );
                let found = case.loaded.places.service(&service.name, "policy", message);
                // A policy that sits on a dead backup may mean to; one on a dead primary does not.
                let is_primary = service.targets.first() == Some(&target);
                checklist
                    .findings
                    .push(if is_primary { found } else { found.warning() });
            }
        }
    }
    if !lines.is_empty() {
        let heading = format!("service {}: worst-case failover, measured", service.name);
        checklist
            .good
            .push(format!("{heading}\n{}", lines.join("\n")));
    }
}

/// `primary dies -> backup: first bad probe 6.9s, decision 16.9s, + TTL 30s = 46.9s`.
fn timeline(worst: &WorstCase) -> String {
    let to = worst
        .to
        .iter()
        .map(TargetName::as_str)
        .collect::<Vec<_>>()
        .join(" and ");
    format!(
        "{} dies -> {to}: first bad probe after {}, decision after {}, + TTL {} = {}",
        worst.target,
        format_ms(worst.first_bad_ms),
        format_ms(worst.decision_ms),
        format_ms(worst.ttl_ms),
        format_ms(worst.total_ms)
    )
}

fn over_rto(case: &Case, service: &Service, worst: &WorstCase, checklist: &mut Checklist) {
    let Some(rto_ms) = service.rto_ms.filter(|&rto_ms| worst.total_ms > rto_ms) else {
        return;
    };
    let message = format!(
        "a failover from {} can take {}, longer than rto = {}: shorten interval, timeout, ttl or FALL",
        worst.target,
        format_ms(worst.total_ms),
        format_ms(rto_ms)
    );
    checklist
        .findings
        .push(case.loaded.places.service(&service.name, "rto", message));
}

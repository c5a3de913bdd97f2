//! What operators ordered and still stands, and what is not on disk yet: sentences.

use super::{
    Look,
    layout::{Paint, instant, wrapped},
};
use crate::failover::overview::{Order, Overview, ServiceOverview};

/// Every override, drain and decision that is not on disk, one sentence each; a freeze is an
/// advisory of its own.
pub(super) fn standing(overview: &Overview, look: Look) -> String {
    let mut text = String::new();
    let mut say = |mark, sentence: &str| text += &wrapped(mark, Paint::Yellow, sentence, look);
    let mut drained = Vec::new();
    for service in &overview.services {
        if let Some(override_) = &service.override_ {
            let what = match &override_.target {
                Some(target) => format!("serves {target}"),
                None => "holds what it serves".to_owned(),
            };
            say(
                "= ",
                &format!("{} {what}, {}", service.name, order(override_)),
            );
        }
        for target in &service.targets {
            // A target may be of several services.
            if let Some(drain) = target
                .drain
                .as_ref()
                .filter(|_| !drained.contains(&&target.name))
            {
                drained.push(&target.name);
                say(
                    "= ",
                    &format!("{} is drained, {}", target.name, order(drain)),
                );
            }
        }
        if is_undurable(overview, service) {
            let name = &service.name;
            say("~ ", &format!("the decision of {name} is not on disk yet"));
        }
    }
    text
}

/// Who ordered it, since when, until when, and why.
pub(super) fn order(order: &Order) -> String {
    let since = order
        .since
        .map_or_else(String::new, |since| format!(" since {}", instant(since)));
    let until = match order.until {
        Some(until) => format!("until {}", instant(until)),
        None => "until taken back".to_owned(),
    };
    format!("by {}{since} {until}: {}", order.by, order.reason)
}

/// Whether there is a journal, and it does not hold the service's decision yet.
pub(super) fn is_undurable(overview: &Overview, service: &ServiceOverview) -> bool {
    let has_journal = overview
        .daemon
        .as_ref()
        .is_some_and(|d| d.journal.is_some());
    let decision = service.decision.as_ref();
    has_journal && decision.is_some_and(|decision| !decision.durable)
}

//! Saying aloud what became true: one log line for each event that an operator wants to see.

use crate::{
    failover::{
        Event, What,
        event::{Ended, Shadowed},
        input::WitnessResult,
    },
    model::{MonitorName, Observation, TargetName, config::WitnessAddress},
};
use std::{collections::BTreeSet, net::IpAddr};

/// What was said and still holds: it is said once, however often it is found.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    /// Witnesses that do not answer; as many as were ever configured.
    silent: BTreeSet<WitnessAddress>,
    /// Series without results for our own shortage; as many as there ever were.
    short: BTreeSet<(TargetName, MonitorName, Option<IpAddr>)>,
}

impl Announcer {
    /// Logs an event. Good and bad probes are not news; what follows from them is.
    pub(super) fn event(&mut self, event: &Event) {
        match &event.what {
            What::Witness(result) => self.witness(result),
            What::Probe(observation) => self.probe(observation),
            _ => news(event),
        }
    }

    fn witness(&mut self, result: &WitnessResult) {
        let witness = &result.witness;
        if result.ok {
            if self.silent.remove(witness) {
                tracing::info!(%witness, "the witness answers again");
            }
        } else if self.silent.insert(*witness) {
            let error = result.error.as_deref().unwrap_or("no answer");
            tracing::warn!(%witness, %error, "a witness does not answer");
        }
    }

    fn probe(&mut self, seen: &Observation) {
        if seen.local.is_none() && self.short.is_empty() {
            return; // As nearly always.
        }
        let series = (seen.target.clone(), seen.monitor.clone(), seen.address);
        let (target, monitor) = (&seen.target, &seen.monitor);
        let Some(local) = &seen.local else {
            if self.short.remove(&series) {
                tracing::info!(%target, %monitor, "there are results again");
            }
            return;
        };
        if self.short.insert(series) {
            tracing::warn!(%target, %monitor, %local, "no result: our own shortage");
        }
    }
}

fn news(event: &Event) {
    match &event.what {
        What::Start(start) => {
            tracing::info!(program = %start.program, rhai = %start.rhai, "started");
        }
        What::Decision(decision) => {
            let serve = joined(&decision.serve);
            let (service, reason, line) = (&decision.service, &decision.reason, decision.line);
            let policy = decision.policy.short();
            let guard = decision.guard.map(|rail| rail.word());
            let seq = event.seq;
            match &decision.alert {
                Some(alert) => tracing::warn!(
                    %service, %serve, %reason, line, policy, guard, seq, %alert, "decision"
                ),
                None => tracing::info!(
                    %service, %serve, %reason, line, policy, guard, seq, "decision"
                ),
            }
        }
        What::Fault(fault) => tracing::error!(
            service = %fault.service,
            policy = fault.policy.short(),
            line = fault.line,
            message = %fault.message,
            "the policy faulted"
        ),
        What::Operator(order) => {
            let until = order.command.until().map(tracing::field::display);
            let (by, reason, command) = (&order.by, &order.reason, &order.command);
            tracing::warn!(%by, %reason, order = %command, until, "operator");
        }
        What::Ended(Ended::Override { service, why }) => {
            tracing::warn!(%service, %why, "the override ended");
        }
        What::Ended(Ended::Drain { target }) => tracing::warn!(%target, "the drain ended"),
        What::Ended(Ended::Freeze {}) => tracing::warn!("the freeze ended"),
        What::Config(config) => tracing::info!(by = %config.by, "in force"),
        What::Shadow(Shadowed::Decision(decision)) => {
            let (service, reason, line) = (&decision.service, &decision.reason, decision.line);
            let (serve, policy) = (joined(&decision.serve), decision.policy.short());
            tracing::info!(%service, %serve, %reason, line, policy, "the shadow would serve");
        }
        What::Shadow(Shadowed::Fault(fault)) => tracing::warn!(
            service = %fault.service,
            policy = fault.policy.short(),
            line = fault.line,
            message = %fault.message,
            "the shadow faulted"
        ),
        What::Shadow(Shadowed::Parted(parted)) => {
            let service = &parted.service;
            let (serving, shadow) = (joined(&parted.serving), joined(&parted.shadow));
            if parted.apart {
                tracing::info!(%service, %serving, %shadow, "the service and its shadow part");
            } else {
                tracing::info!(%service, %serving, "the service and its shadow agree again");
            }
        }
        What::Resolved(report) => {
            let (target, hostname) = (&report.target, &report.hostname);
            match &report.error {
                Some(error) => tracing::warn!(%target, %hostname, error, "cannot be resolved"),
                None => tracing::info!(%target, %hostname, to = ?report.addresses, "resolved"),
            }
        }
        What::Gap(gap) => tracing::warn!(lost = gap.lost, why = %gap.why, "events are missing"),
        What::Tick {}
        | What::Probe(_)
        | What::Witness(_)
        | What::Clock(_)
        | What::Policy(_)
        | What::Freshness(_)
        | What::Drift(_)
        | What::Refused(_) => {}
    }
}

fn joined(serve: &[TargetName]) -> String {
    let names: Vec<&str> = serve.iter().map(TargetName::as_str).collect();
    names.join(" ")
}

//! One service's part of a stretch: the events that concern it, with its part of each
//! configuration. Numbers stay as they are.

use crate::{
    failover::{
        Command, Event, What,
        event::{ConfigInForce, Ended},
        narrowed,
    },
    model::{Config, Service, ServiceName},
};
use std::sync::Arc;

/// Lets through what concerns one service.
#[derive(Debug)]
pub(crate) struct Cut {
    service: ServiceName,
    /// As it is configured at present.
    configured: Option<Service>,
    /// Texts of policies, until the configuration comes that says whether they are its.
    held: Vec<Event>,
}

impl Cut {
    /// The cut of a service, whose configuration is `config` where it begins.
    pub(crate) fn new(service: ServiceName, config: &Config) -> Self {
        let configured = config.services.get(&service).cloned();
        Self {
            service,
            configured,
            held: Vec::new(),
        }
    }

    /// What becomes of an event: itself, nothing, or itself after those that were held back.
    pub(crate) fn through(&mut self, event: Event) -> Vec<Event> {
        let Event { at, seq, what } = event;
        let what = match what {
            What::Policy(_) => {
                self.held.push(Event { at, seq, what });
                return Vec::new();
            }
            What::Config(whole) => What::Config(self.configure(&whole)),
            other if self.concerns(&other) => other,
            _ => return Vec::new(),
        };
        let mut through: Vec<Event> = std::mem::take(&mut self.held);
        if let (What::Config(_), configured) = (&what, &self.configured) {
            let used = |event: &Event| match (&event.what, configured) {
                (What::Policy(text), Some(service)) => text.name == service.policy,
                _ => false,
            };
            through.retain(used);
        }
        through.push(Event { at, seq, what });
        through
    }

    /// What is held back at the end: texts that no configuration put in force yet.
    pub(crate) fn rest(self) -> Vec<Event> {
        self.held
    }

    fn configure(&mut self, whole: &ConfigInForce) -> ConfigInForce {
        let part = narrowed(&whole.config, &self.service).unwrap_or_else(|| Config {
            server: whole.config.server.clone(),
            witness: whole.config.witness.clone(),
            ..Config::default()
        });
        self.configured = part.services.get(&self.service).cloned();
        ConfigInForce {
            by: whole.by.clone(),
            config: Arc::new(part),
            zone_versions: Vec::new(),
        }
    }

    fn concerns(&self, what: &What) -> bool {
        let ours = |service: &ServiceName| *service == self.service;
        let targets = self.configured.as_ref().map(|service| &service.targets);
        let among = |target| targets.is_some_and(|targets| targets.contains(target));
        match what {
            What::Probe(seen) => {
                let monitors = self.configured.as_ref().map(|service| &service.monitors);
                among(&seen.target)
                    && monitors.is_some_and(|monitors| monitors.contains(&seen.monitor))
            }
            What::Operator(order) => match &order.command {
                Command::Switch { service, .. }
                | Command::Hold { service, .. }
                | Command::Release { service }
                | Command::Failback { service } => ours(service),
                Command::Drain { target, .. } | Command::Undrain { target } => among(target),
                Command::Freeze { .. } | Command::Thaw => true,
            },
            What::Freshness(report) => among(&report.target),
            What::Drift(report) => among(&report.target),
            What::Resolved(report) => among(&report.target),
            What::Decision(decision) => ours(&decision.service),
            What::Fault(fault) => ours(&fault.service),
            What::Ended(Ended::Override { service, .. }) => ours(service),
            What::Ended(Ended::Drain { target }) => among(target),
            // One service alone is folded without its shadow.
            What::Shadow(_) => false,
            What::Ended(Ended::Freeze {})
            | What::Start(_)
            | What::Tick {}
            | What::Witness(_)
            | What::Clock(_)
            | What::Refused(_)
            | What::Gap(_)
            | What::Policy(_)
            | What::Config(_) => true,
        }
    }
}

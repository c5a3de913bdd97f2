//! Counters of the daemon since its start, for `/metrics`.
//!
//! Counted on the fold's thread, read by whoever asks; the lock is held for a copy.

use crate::{
    failover::{
        By, Event, Policy, PolicyFault, Proposal, ServiceView, What,
        overview::{Distribution, Metrics, ProbeCount},
    },
    model::{Config, MonitorName, Observation, PolicyVersion, ServiceName, TargetName, Timestamp},
};
use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Policies whose evaluations are counted and timed. Nothing of it reaches a decision.
pub(super) struct Timed<'p> {
    policies: &'p dyn Policy,
    evaluations: Cell<u64>,
    us: Cell<u64>,
}

impl<'p> Timed<'p> {
    pub(super) fn new(policies: &'p dyn Policy) -> Self {
        Self {
            policies,
            evaluations: Cell::new(0),
            us: Cell::new(0),
        }
    }

    /// Evaluations, and their µs.
    pub(super) fn counted(&self) -> (u64, u64) {
        (self.evaluations.get(), self.us.get())
    }
}

impl Policy for Timed<'_> {
    fn propose(
        &self,
        version: &PolicyVersion,
        service: ServiceView,
    ) -> Result<Proposal, PolicyFault> {
        let began = Instant::now();
        let proposal = self.policies.propose(version, service);
        let us = us(began.elapsed());
        self.us.set(self.us.get().saturating_add(us));
        self.evaluations.set(self.evaluations.get() + 1);
        proposal
    }

    fn builtin(&self) -> &PolicyVersion {
        self.policies.builtin()
    }
}

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    decisions: BTreeMap<(ServiceName, By), u64>,
    switches: BTreeMap<ServiceName, u64>,
    faults: BTreeMap<ServiceName, u64>,
    probes: BTreeMap<(MonitorName, &'static str), u64>,
    probe_durations: BTreeMap<MonitorName, Distribution>,
    probes_late: BTreeMap<MonitorName, u64>,
    schedule_lag: Distribution,
    publishing: Distribution,
    serving: BTreeMap<ServiceName, Vec<TargetName>>,
    evaluations: u64,
    evaluations_us: u64,
    reload_failed: bool,
    reloaded_at: Option<Timestamp>,
}

impl Counts {
    /// Lets go of services and monitors that no configuration names any more: what is kept is
    /// bounded by what is configured, however many reloads there were.
    fn forget_what_is_gone(&mut self, config: &Config) {
        let has = |service: &ServiceName| config.services.contains_key(service);
        self.decisions.retain(|(service, _), _| has(service));
        self.switches.retain(|service, _| has(service));
        self.faults.retain(|service, _| has(service));
        self.serving.retain(|service, _| has(service));
        let has = |monitor: &MonitorName| config.monitors.contains_key(monitor);
        self.probes.retain(|(monitor, _), _| has(monitor));
        self.probe_durations.retain(|monitor, _| has(monitor));
        self.probes_late.retain(|monitor, _| has(monitor));
    }
}

impl Tally {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Counters are whole after every line: a panic elsewhere spoils none.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a probe's result.
    pub(super) fn probed(&self, seen: &Observation) {
        let result = match (&seen.local, seen.ok, seen.error) {
            (Some(_), ..) => "local",
            (None, true, _) => "ok",
            (None, false, reason) => reason.map_or("unknown", crate::model::FailureReason::word),
        };
        let mut counts = self.counts();
        let monitor = &seen.monitor;
        *counts.probes.entry((monitor.clone(), result)).or_default() += 1;
        if seen.late {
            *counts.probes_late.entry(monitor.clone()).or_default() += 1;
        }
        if let Some(us) = seen.rtt_us {
            let durations = &mut counts.probe_durations;
            let distribution = durations.entry(monitor.clone()).or_default();
            distribution.add(u64::from(us));
        }
    }

    /// Counts how late a probe fired.
    pub(super) fn fired(&self, lag: Duration) {
        self.counts().schedule_lag.add(us(lag));
    }

    /// Counts how long it took to publish what a decision changed.
    pub(super) fn published(&self, took: Duration) {
        self.counts().publishing.add(us(took));
    }

    /// Counts what became true.
    pub(super) fn event(&self, event: &Event) {
        match &event.what {
            What::Decision(decision) => {
                let mut counts = self.counts();
                let service = &decision.service;
                *counts
                    .decisions
                    .entry((service.clone(), decision.by))
                    .or_default() += 1;
                let before = counts
                    .serving
                    .insert(service.clone(), decision.serve.clone());
                if before.is_some_and(|before| before != decision.serve) {
                    *counts.switches.entry(service.clone()).or_default() += 1;
                }
            }
            What::Fault(fault) => {
                *self
                    .counts()
                    .faults
                    .entry(fault.service.clone())
                    .or_default() += 1;
            }
            What::Config(in_force) => {
                let mut counts = self.counts();
                counts.reloaded_at = Some(event.at);
                counts.forget_what_is_gone(&in_force.config);
            }
            _ => {}
        }
    }

    /// Counts what policies were asked in a step: evaluations, and their µs.
    pub(super) fn evaluated(&self, (evaluations, us): (u64, u64)) {
        if evaluations > 0 {
            let mut counts = self.counts();
            counts.evaluations += evaluations;
            counts.evaluations_us = counts.evaluations_us.saturating_add(us);
        }
    }

    /// Notes whether the last reload was taken whole.
    pub(super) fn reloaded(&self, whole: bool) {
        self.counts().reload_failed = !whole;
    }

    /// The counters now; queries are counted elsewhere.
    pub(super) fn metrics(&self) -> Metrics {
        let counts = self.counts();
        let probes = counts
            .probes
            .iter()
            .map(|((monitor, result), &count)| ProbeCount {
                monitor: monitor.clone(),
                result: (*result).to_owned(),
                count,
            });
        Metrics {
            decisions: counts.decisions.clone(),
            switches: counts.switches.clone(),
            policy_errors: counts.faults.clone(),
            evaluations: counts.evaluations,
            evaluations_us: counts.evaluations_us,
            probes: probes.collect(),
            probe_durations: counts.probe_durations.clone(),
            probes_late: counts.probes_late.clone(),
            schedule_lag: counts.schedule_lag.clone(),
            publishing: counts.publishing.clone(),
            last_reload_ok: !counts.reload_failed,
            last_reload_at: counts.reloaded_at,
            ..Metrics::default()
        }
    }
}

fn us(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::{Input, Reload, State, step};
    use serde_json::json;
    use std::sync::Arc;

    #[test]
    fn what_a_reload_removed_is_counted_no_longer() {
        let tally = Tally::default();
        let config = |name: &str| -> Arc<Config> {
            serde_json::from_value(json!({
                "server": {"name": "ns1", "dns": ["127.0.0.1:5300"], "http": null,
                    "data": "data", "policies": "policies"},
                "targets": {"one": {"name": "one", "addresses": ["192.0.2.1"]}},
                "monitors": {name: {"name": name, "kind": "tcp", "port": 80,
                    "interval_ms": 5_000, "timeout_ms": 2_000}},
                "services": {name: {"name": name, "names": [format!("{name}.example.com")],
                    "targets": ["one"], "monitors": [name]}},
            }))
            .unwrap()
        };
        let mut state = State::default();
        for round in 0..100 {
            let name = format!("s{round}");
            let reload = Input::Reload(Reload {
                by: "watch".to_owned(),
                config: config(&name),
                policies: Vec::new(),
                zones: Vec::new(),
            });
            let library = crate::policy::Library::new();
            for event in step(&mut state, Timestamp(1_763_800_000_000), reload, &library) {
                tally.event(&event);
            }
            tally.probed(&Observation {
                target: "one".into(),
                monitor: name.as_str().into(),
                address: None,
                vantage: "ns1".into(),
                ok: true,
                rtt_us: Some(1_000),
                error: None,
                late: true,
                local: None,
                cert_days: None,
                value: None,
            });
        }
        let kept = tally.metrics();
        let services: Vec<&str> = kept.decisions.keys().map(|(name, _)| &**name).collect();
        assert!(!services.is_empty() && services.iter().all(|name| *name == "s99"));
        assert_eq!(kept.policy_errors.len(), 1, "no policy: it faults");
        assert_eq!((kept.probes.len(), kept.probe_durations.len()), (1, 1));
        assert_eq!(kept.probes_late.len(), 1);
    }
}

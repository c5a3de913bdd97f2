//! Counters of the daemon since its start, for `/metrics`.
//!
//! Counted on the fold's thread, read by whoever asks; the lock is held for a copy.

use crate::{
    failover::{
        By, Event, Policy, PolicyFault, Proposal, ServiceView, What,
        overview::{Distribution, Metrics, ProbeCount},
    },
    model::{MonitorName, Observation, PolicyVersion, ServiceName, TargetName, Timestamp},
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
            What::Config(_) => self.counts().reloaded_at = Some(event.at),
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

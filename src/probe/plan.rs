//! Which series a configuration asks for: pure, a function of the configuration alone.
//!
//! Every (monitor of a service × target of that service × probed address of the family) is
//! there once, whoever uses it, in the order of names.

use crate::model::{
    Config, Family, Monitor, MonitorName, ProbeAddress, TargetName, VantageName, WitnessConfig,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What is to be probed from here, and who is asked when in doubt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The series, each once.
    pub series: Vec<Series>,
    /// Who must answer for this vantage to trust its own failures.
    pub witness: Option<WitnessConfig>,
}

/// One target's address under one monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Whose.
    pub target: TargetName,
    /// From where.
    pub vantage: VantageName,
    /// The order as this target wants it; one value for all targets that want nothing else.
    pub monitor: Arc<Monitor>,
    /// Where the probe goes.
    pub at: ProbeAddress,
}

impl Series {
    /// What tells it from the other series of a plan.
    pub(super) fn key(&self) -> (TargetName, MonitorName, ProbeAddress) {
        (self.target.clone(), self.monitor.name.clone(), self.at)
    }

    /// Whether `config` asks for this very series, so that what it found counts there.
    pub fn is_asked_for_by(&self, config: &Config) -> bool {
        let Some(target) = config.targets.get(&self.target) else {
            return false;
        };
        let Some(monitor) = config.monitors.get(&self.monitor.name) else {
            return false;
        };
        let is_same = match target.monitor.get(&monitor.name) {
            Some(patch) => monitor.patched(Some(patch)) == *self.monitor,
            None => *monitor == *self.monitor,
        };
        is_same && self.vantage == config.server.name && target.probed_at().contains(&self.at)
    }
}

impl Plan {
    /// The series of all services of `config`.
    pub fn of(config: &Config) -> Self {
        Self::of_services(config, |_| true)
    }

    /// The series of those services whose name is `wanted`.
    pub fn of_services(config: &Config, wanted: impl Fn(&str) -> bool) -> Self {
        let services = config.services.values();
        let pairs: BTreeSet<_> = services
            .filter(|service| wanted(&service.name))
            .flat_map(|service| {
                let monitors = service.monitors.iter();
                monitors.flat_map(|monitor| service.targets.iter().map(move |t| (t, monitor)))
            })
            .collect();
        let shared: BTreeMap<_, _> = config
            .monitors
            .values()
            .map(|monitor| (&monitor.name, Arc::new(monitor.clone())))
            .collect();
        let mut series = Vec::new();
        for (target, monitor) in pairs {
            let Some(target) = config.targets.get(target) else {
                continue;
            };
            let Some(monitor) = shared.get(monitor) else {
                continue;
            };
            let monitor = match target.monitor.get(&monitor.name) {
                Some(patch) => Arc::new(monitor.patched(Some(patch))),
                None => monitor.clone(),
            };
            let addresses: BTreeSet<_> = target.probed_at().into_iter().collect();
            for at in addresses {
                if monitor.family.is_none_or(|family| is_of(at, family)) {
                    series.push(Series {
                        target: target.name.clone(),
                        vantage: config.server.name.clone(),
                        monitor: monitor.clone(),
                        at,
                    });
                }
            }
        }
        let witness = config.witness.clone();
        Self { series, witness }
    }

    /// How many probes are in flight at once when every target is silent: Σ timeout / interval,
    /// rounded up.
    pub fn worst_in_flight(&self) -> u64 {
        let parts = self.series.iter().map(|series| {
            let (timeout, interval) = (series.monitor.timeout_ms, series.monitor.interval_ms);
            // In thousandths of a probe.
            let thousand = timeout.max(0).unsigned_abs().saturating_mul(1000);
            (thousand / interval.max(1).unsigned_abs()).min(1000)
        });
        parts.sum::<u64>().div_ceil(1000)
    }

    /// The shortest interval of all series, ms.
    pub fn shortest_interval_ms(&self) -> Option<i64> {
        let intervals = self.series.iter().flat_map(|series| {
            [
                Some(series.monitor.interval_ms),
                series.monitor.interval_suspect_ms,
            ]
        });
        intervals.flatten().min()
    }
}

fn is_of(at: ProbeAddress, family: Family) -> bool {
    match family {
        Family::V4 => at.ip.is_ipv4(),
        Family::V6 => at.ip.is_ipv6(),
    }
}

//! Lanes: what a series is to a rehearsal. A lane starts a probe at every interval; the world says
//! what the probe finds; the result is there when the probe would have ended.

use crate::failover::{aggregate::Group, series::Series};
use crate::model::{
    Config, FailureReason, MonitorName, Observation, ServiceName, TargetName, Timestamp,
    VantageName,
};
use std::net::IpAddr;

/// What a probe finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is good after this round-trip time.
    Good {
        /// Round-trip time, µs.
        rtt_us: u32,
    },
    /// It is bad.
    Bad {
        /// Why.
        reason: FailureReason,
        /// How long the probe takes to say so, ms.
        took_ms: i64,
    },
    /// There is no result.
    Nothing,
}

impl Finding {
    /// A good probe that took 20 ms.
    pub const WELL: Self = Self::Good { rtt_us: 20_000 };

    /// When the result is there, ms after the probe's start.
    pub(super) fn took_ms(self) -> i64 {
        match self {
            Self::Good { rtt_us } => i64::from(rtt_us / 1_000),
            Self::Bad { took_ms, .. } => took_ms,
            Self::Nothing => 0,
        }
    }
}

/// A series that is probed: where, from where and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Whose results.
    pub target: TargetName,
    /// Under which monitor.
    pub monitor: MonitorName,
    /// Which address.
    pub address: IpAddr,
    /// From where.
    pub vantage: VantageName,
    /// Time between the starts of two probes, ms, at least 1.
    pub interval_ms: i64,
    /// How long a probe that finds nobody takes, ms.
    pub timeout_ms: i64,
    /// When the next probe starts.
    pub next: Timestamp,
    /// A probe that is under way: when it ends, and what it will have found.
    under_way: Option<(Timestamp, Finding)>,
}

impl Lane {
    /// A lane whose first probe starts at `next`.
    pub fn new(
        place: (TargetName, MonitorName, IpAddr, VantageName),
        (interval_ms, timeout_ms): (i64, i64),
        next: Timestamp,
    ) -> Self {
        let (target, monitor, address, vantage) = place;
        Self {
            target,
            monitor,
            address,
            vantage,
            interval_ms: interval_ms.max(1),
            timeout_ms,
            next,
            under_way: None,
        }
    }

    /// When something happens here next.
    pub(super) fn due(&self) -> Timestamp {
        self.under_way.map_or(self.next, |(ends, _)| ends)
    }

    /// Does what is due at `at`: starts a probe, which finds what `find` says, or ends the one that
    /// is under way. Returns what was found once it is there.
    pub(super) fn go_on(
        &mut self,
        at: Timestamp,
        find: impl FnOnce(&Self) -> Finding,
    ) -> Option<Finding> {
        if let Some((_, found)) = self.under_way.take() {
            return Some(found);
        }
        let found = find(self);
        self.next = at.plus_ms(self.interval_ms.max(1));
        let ends = at.plus_ms(found.took_ms());
        if found == Finding::Nothing || ends <= at {
            return Some(found);
        }
        // One probe at a time: the next waits for the end of this one.
        self.next = self.next.max(ends);
        self.under_way = Some((ends, found));
        None
    }

    /// A probe of this lane that nobody answers.
    pub fn timeout(&self) -> Finding {
        Finding::Bad {
            reason: FailureReason::Timeout,
            took_ms: self.timeout_ms,
        }
    }

    /// What the fold is told of a finding; `None` where there is no result.
    pub fn observation(&self, finding: Finding) -> Option<Observation> {
        let (ok, rtt_us, error) = match finding {
            Finding::Good { rtt_us } => (true, Some(rtt_us), None),
            Finding::Bad { reason, .. } => (false, None, Some(reason)),
            Finding::Nothing => return None,
        };
        Some(Observation {
            target: self.target.clone(),
            monitor: self.monitor.clone(),
            address: Some(self.address),
            vantage: self.vantage.clone(),
            ok,
            rtt_us,
            error,
            late: false,
            local: None,
            cert_days: None,
            value: None,
        })
    }
}

/// One lane for each target, monitor and address, the first probes spread over the interval.
pub(super) fn lanes(config: &Config, service: &ServiceName, begin: Timestamp) -> Vec<Lane> {
    let mut lanes = Vec::new();
    let service = config.services.get(service);
    for name in service.iter().flat_map(|service| &service.targets) {
        let Some(target) = config.targets.get(name) else {
            continue;
        };
        for monitor in service.iter().flat_map(|service| &service.monitors) {
            let Some(monitor) = config.monitor_of(target, monitor) else {
                continue;
            };
            for address in target.probed_by(&monitor) {
                let vantage = config.server.name.clone();
                let place = (name.clone(), monitor.name.clone(), address.ip, vantage);
                let times = (monitor.interval_ms, monitor.timeout_ms);
                lanes.push(Lane::new(place, times, begin));
            }
        }
    }
    let count = i64::try_from(lanes.len()).unwrap_or(i64::MAX).max(1);
    for (index, lane) in (1..).zip(&mut lanes) {
        lane.next = begin.plus_ms(lane.interval_ms.saturating_mul(index) / count);
    }
    lanes
}

/// A lane for a series that a state knows, its next probe an interval after its last.
pub(super) fn lane_of(group: &Group, series: &Series) -> Option<Lane> {
    let place = (
        group.target.clone(),
        group.monitor.clone(),
        series.address,
        series.vantage.clone(),
    );
    let times = (group.interval_ms, group.timeout_ms);
    let next = series.last_at?.plus_ms(group.interval_ms.max(1));
    Some(Lane::new(place, times, next))
}

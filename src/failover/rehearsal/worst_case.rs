//! The worst-case failover, measured: each served target dies at each phase of its interval.
//!
//! A probe that started before the death ends well; the first that starts after it takes the
//! monitor's timeout to fail. Everyone else is well. The time counts from the death to the
//! decision that leaves the dead target, and then the TTL of the answer that clients may hold.
//! To see a backup die, the targets before it in the order are dead already.

use super::{
    lane::{Finding, Lane},
    runner::Rehearsal,
};
use crate::failover::Policy;
use crate::model::{Config, PolicyText, ServiceName, TargetName, time::MINUTE_MS};

/// Phases of the interval at which a target dies.
const PHASES: i64 = 20;
/// Targets whose death is measured: the first of the order.
const MEASURED_MAX: usize = 5;
/// Probes before a death, at the least: streaks are there, and short windows are full.
const SETTLED_ROUNDS: i64 = 15;
/// A target that is served this long after its death is never left.
const NEVER_MS: i64 = 15 * MINUTE_MS;
/// The same in probes, for long intervals.
const NEVER_ROUNDS: i64 = 60;

/// How long it takes to leave a target that died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailoverTime {
    /// The longest over all phases.
    Measured(WorstCase),
    /// It is never left.
    Never {
        /// The target that died.
        target: TargetName,
    },
}

/// A failover at its worst phase, all times from the death.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorstCase {
    /// The target that died.
    pub target: TargetName,
    /// When the first bad result was there, ms.
    pub first_bad_ms: i64,
    /// When the decision fell, ms.
    pub decision_ms: i64,
    /// The TTL of the answer before it, ms.
    pub ttl_ms: i64,
    /// Until the last client has the new answer, ms: `decision_ms + ttl_ms`.
    pub total_ms: i64,
    /// What is served instead.
    pub to: Vec<TargetName>,
    /// Time between the start of the last good probe and the death, ms.
    pub phase_ms: i64,
}

/// Measures the failover of `service` under the policy `text`, for every target that is served
/// once those before it are dead, but the last, which has nobody to hand over to. Empty for a
/// service that does not exist or has one target.
pub fn worst_case(
    config: &Config,
    service: &ServiceName,
    text: &PolicyText,
    policy: &dyn Policy,
) -> Vec<FailoverTime> {
    let Some(configured) = config.services.get(service) else {
        return Vec::new();
    };
    let Some(base) = Rehearsal::new(config, service, text, policy) else {
        return Vec::new();
    };
    let targets = &configured.targets;
    let measured = (0..targets.len().saturating_sub(1)).take(MEASURED_MAX);
    measured
        .filter_map(|index| Death::prepare(&base, &targets[..index], &targets[index])?.measure())
        .collect()
}

/// A target that is served, about to die.
struct Death<'a> {
    settled: Rehearsal<'a>,
    target: &'a TargetName,
    dead: &'a [TargetName],
    /// When the next probe of the target starts, ms after the begin.
    start_ms: i64,
    interval_ms: i64,
}

impl<'a> Death<'a> {
    /// All are well, then those before the target die; `None` where it is not served then.
    fn prepare(
        base: &Rehearsal<'a>,
        dead: &'a [TargetName],
        target: &'a TargetName,
    ) -> Option<Self> {
        let mut settled = base.clone();
        let intervals = settled.lanes.iter().map(|lane| lane.interval_ms);
        let slowest_ms = intervals.max()?;
        let mut until_ms = SETTLED_ROUNDS * slowest_ms;
        settled.run(until_ms, |_, _| Finding::WELL);
        if !dead.is_empty() {
            let horizon_ms = until_ms + never_ms(slowest_ms);
            let world = |lane: &Lane, _: i64| lane_finding(lane, dead.contains(&lane.target));
            settled.run_while(horizon_ms, world, |r| !r.serving().contains(target));
            if !settled.serving().contains(target) {
                return None;
            }
            until_ms = settled.now_ms() + SETTLED_ROUNDS * slowest_ms;
            settled.run(until_ms, world);
        }
        let own = settled.lanes.iter().filter(|lane| lane.target == *target);
        let own = own.max_by_key(|lane| lane.interval_ms)?;
        let start_ms = own.next.since_ms(super::BEGIN);
        let interval_ms = own.interval_ms;
        settled.serving().contains(target).then_some(Self {
            settled,
            target,
            dead,
            start_ms,
            interval_ms,
        })
    }

    /// The longest over all phases; `None` where nothing else could be served.
    fn measure(&self) -> Option<FailoverTime> {
        let mut worst: Option<WorstCase> = None;
        for phase in 0..PHASES {
            // A ms after the probe started: that one still ends well.
            let phase_ms = (phase * self.interval_ms / PHASES).max(1);
            let Some(case) = self.at_phase(phase_ms) else {
                let target = self.target.clone();
                return Some(FailoverTime::Never { target });
            };
            if worst
                .as_ref()
                .is_none_or(|worst| case.total_ms > worst.total_ms)
            {
                worst = Some(case);
            }
        }
        worst.map(FailoverTime::Measured)
    }

    fn at_phase(&self, phase_ms: i64) -> Option<WorstCase> {
        let mut rehearsal = self.settled.clone();
        let death_ms = self.start_ms + phase_ms;
        let mut first_bad_ms = None;
        let ttl_ms = rehearsal.decision()?.ttl_ms;
        let horizon_ms = death_ms + never_ms(self.interval_ms);
        let world = |lane: &Lane, at_ms: i64| {
            let dies = lane.target == *self.target && at_ms >= death_ms;
            if dies {
                let ends_ms = at_ms + lane.timeout_ms;
                first_bad_ms = Some(first_bad_ms.map_or(ends_ms, |known: i64| known.min(ends_ms)));
            }
            lane_finding(lane, dies || self.dead.contains(&lane.target))
        };
        rehearsal.run_while(horizon_ms, world, |r| r.serving().contains(self.target));
        let left = rehearsal
            .changes()
            .iter()
            .find(|change| change.at_ms >= death_ms && !change.serve.contains(self.target))?;
        let decision_ms = left.at_ms - death_ms;
        Some(WorstCase {
            target: self.target.clone(),
            first_bad_ms: first_bad_ms? - death_ms,
            decision_ms,
            ttl_ms,
            total_ms: decision_ms + ttl_ms,
            to: left.serve.clone(),
            phase_ms,
        })
    }
}

fn lane_finding(lane: &Lane, dead: bool) -> Finding {
    if dead { lane.timeout() } else { Finding::WELL }
}

fn never_ms(interval_ms: i64) -> i64 {
    NEVER_MS.max(NEVER_ROUNDS.saturating_mul(interval_ms))
}

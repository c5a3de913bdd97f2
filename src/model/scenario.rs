//! Scenarios: outages that somebody describes and nobody waits for. A generator makes a recording
//! of one.

use super::{
    FailureReason, MonitorName, TargetName, Timestamp, VantageName, config::WitnessAddress,
};

/// What is probed, from where, and what happens meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What chance is made of: the same seed gives the same recording.
    pub seed: u64,
    /// When it begins.
    pub start: Timestamp,
    /// How long it goes on, ms.
    pub length_ms: i64,
    /// Of every monitor, ms.
    pub interval_ms: i64,
    /// Of every monitor, below the interval, ms.
    pub timeout_ms: i64,
    /// From where probes come; the first is this node. At least one.
    pub vantages: Vec<VantageName>,
    /// What probes. At least one.
    pub monitors: Vec<MonitorName>,
    /// Whom this node asks whether it is alone; empty: nobody.
    pub witnesses: Vec<WitnessAddress>,
    /// In order of preference. At least one.
    pub targets: Vec<ScenarioTarget>,
    /// What happens, in the order written.
    pub events: Vec<ScenarioEvent>,
}

/// A target of a scenario, when nothing happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioTarget {
    /// Its name.
    pub name: TargetName,
    /// How long it takes to answer, ms.
    pub rtt_ms: i64,
    /// By how much that varies to either side, ms.
    pub jitter_ms: i64,
}

/// Something that happens for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioEvent {
    /// From when on, ms after the start.
    pub from_ms: i64,
    /// Up to when, ms after the start; after `from_ms`.
    pub to_ms: i64,
    /// To which targets; empty: all.
    pub targets: Vec<TargetName>,
    /// As seen from where; empty: from everywhere.
    pub vantages: Vec<VantageName>,
    /// What.
    pub kind: Happening,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Probes fail.
    Down(FailureReason),
    /// Probes fail for a part of each period, its first.
    Flap {
        /// How long the part and the rest are together, ms.
        period_ms: i64,
        /// How long the part is, ms.
        down_ms: i64,
        /// Why they fail.
        reason: FailureReason,
    },
    /// The round-trip time grows evenly from the target's own to this, ms; past the timeout probes
    /// fail.
    Ramp {
        /// What it reaches in the end.
        rtt_ms: i64,
    },
    /// So many probes in a thousand fail, at random.
    Loss {
        /// How many, 1–1000.
        per_mille: u64,
    },
    /// The network of a vantage is gone: its probes time out, and no witness answers this node.
    Cut,
    /// The target's copy of the data is behind by this, ms; fresh afterwards.
    Stale {
        /// By how much.
        data_age_ms: i64,
    },
    /// The wall clock is ahead by this, ms, or behind where it is negative.
    Clock {
        /// By how much.
        ahead_ms: i64,
    },
    /// No probe gives a result: the monitor sleeps.
    Suspended,
}

impl ScenarioEvent {
    /// Whether it goes on at an instant, ms after the start, for a target seen from a vantage.
    pub fn concerns(&self, at_ms: i64, target: &TargetName, vantage: &VantageName) -> bool {
        (self.from_ms..self.to_ms).contains(&at_ms)
            && (self.targets.is_empty() || self.targets.contains(target))
            && (self.vantages.is_empty() || self.vantages.contains(vantage))
    }
}

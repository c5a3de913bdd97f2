//! Stories: policy tests as plain values, ready to be run through the fold.
//!
//! Cell number i of a timeline, counted from 1, is the result at i × interval; what is expected at
//! an instant is what is served after all results up to and including it. After a timeline's end
//! there are no results. A series without a row is never probed.
//!
//! A story on a recording has no rows: what it is told is in the file.

use super::{MonitorName, Params, ServiceName, SwitchBudget, TargetName, VantageName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One `[[test]]` of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// Unique in its file.
    pub name: String,
    /// Where it begins in its file, from 1.
    pub line: usize,
    /// The monitor's interval, and the length of one cell.
    pub interval_ms: i64,
    /// The monitor's timeout, below the interval.
    pub timeout_ms: i64,
    /// The service's TTL.
    pub ttl_ms: i64,
    /// The service's switch budget.
    pub max_switches: Option<SwitchBudget>,
    /// The service's parameters.
    pub params: Params,
    /// The service's targets, in the order written: the first is the primary.
    pub targets: Vec<TargetName>,
    /// The service's monitors, in the order written; `story` where no row names one.
    pub monitors: Vec<MonitorName>,
    /// Targets of which any address will do; of the others all must.
    pub any: BTreeSet<TargetName>,
    /// What is observed, at least one row for each target.
    pub rows: Vec<StoryRow>,
    /// How fresh the targets' copies are throughout; unknown where not said.
    pub freshness: BTreeMap<TargetName, StoryFreshness>,
    /// What happens beside the results, in the order of time.
    pub happens: Vec<StoryHappening>,
    /// What must be served, in the order of time; at least one.
    pub expect: Vec<StoryExpectation>,
    /// Where the results come from instead of rows.
    pub recording: Option<StoryRecording>,
}

/// The one monitor of a story whose rows name none.
pub const MONITOR: &str = "story";

impl Story {
    /// How many cells the longest row has; at least as far as the last expectation.
    pub fn cells(&self) -> u32 {
        let lengths = self.rows.iter().map(|row| row.timeline.len());
        lengths.max().unwrap_or(0)
    }
}

/// What one vantage observes of one address of a target under one monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryRow {
    /// As it is written: `primary`, `primary@ns2`, `primary[2]/https@ns2`.
    pub label: String,
    /// Whose results.
    pub target: TargetName,
    /// Which of its addresses, from 1.
    pub address: u8,
    /// Under which monitor.
    pub monitor: MonitorName,
    /// From where; `None` is this node.
    pub vantage: Option<VantageName>,
    /// The results.
    pub timeline: Timeline,
}

/// Results at regular instants; repeated ones are counted, so that a year costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    runs: Vec<(Cell, u32)>,
    len: u32,
}

impl Timeline {
    /// Adds `count` equal cells.
    pub fn push(&mut self, cell: Cell, count: u32) {
        let count = count.min(u32::MAX - self.len);
        self.len += count;
        match self.runs.last_mut() {
            Some((last, times)) if *last == cell => *times += count,
            _ => self.runs.push((cell, count)),
        }
    }

    /// How many cells there are.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Equal cells in a row and how many they are.
    pub fn runs(&self) -> &[(Cell, u32)] {
        &self.runs
    }

    /// Every cell in turn; the first is number 1.
    pub fn cells(&self) -> impl Iterator<Item = Cell> {
        let runs = self.runs.iter();
        runs.flat_map(|&(cell, count)| std::iter::repeat_n(cell, count as usize))
    }
}

/// One result of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// `.`, or `~900`: a good probe.
    Good {
        /// Its round-trip time where the story says one.
        rtt_ms: Option<u32>,
    },
    /// `x`: a bad probe.
    Bad,
    /// `-`: no result.
    NoResult,
}

/// How fresh a target's copy is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoryFreshness {
    /// Up to date.
    Fresh,
    /// Behind.
    Stale,
    /// Nothing is known.
    #[default]
    Unknown,
}

/// Something that happens in a story and is no result of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryHappening {
    /// When, from the story's begin; after the results of that instant.
    pub at_ms: i64,
    /// What.
    pub what: Happening,
}

/// What can happen in a story. `for_ms` is how long an order stands; without it, until it is
/// taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// An operator switches to a target.
    Switch {
        /// Which.
        target: TargetName,
        /// How long.
        for_ms: Option<i64>,
    },
    /// An operator holds what is served.
    Hold {
        /// How long.
        for_ms: Option<i64>,
    },
    /// An operator ends the override.
    Release,
    /// An operator asks the policy to return.
    Failback,
    /// An operator drains a target.
    Drain {
        /// Which.
        target: TargetName,
        /// How long.
        for_ms: Option<i64>,
    },
    /// An operator takes a drain back.
    Undrain {
        /// Which.
        target: TargetName,
    },
    /// An operator freezes everything.
    Freeze {
        /// How long.
        for_ms: Option<i64>,
    },
    /// An operator ends the freeze.
    Thaw,
    /// The witness answers from now on, or does not.
    Witnesses {
        /// Whether it answers.
        answer: bool,
    },
    /// Somebody measured a copy.
    Freshness {
        /// Whose.
        target: TargetName,
        /// What it is.
        is: StoryFreshness,
        /// How far behind, ms; −1 unknown.
        age_ms: i64,
    },
    /// Somebody compared a copy with the primary.
    Drift {
        /// Whose.
        target: TargetName,
        /// How many differences.
        differences: i64,
    },
    /// The wall clock jumps.
    Clock {
        /// By how much, ms; back where negative.
        by_ms: i64,
    },
}

/// What must be served at an instant of a story.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoryExpectation {
    /// When, ms: from the story's or the recording's begin, or since 1970 where
    /// [`dated`](Self::dated); after the results of that instant.
    pub at_ms: i64,
    /// Whether it is an instant of a recording.
    pub dated: bool,
    /// The served set, in order.
    pub serve: Vec<TargetName>,
    /// A part of the deciding reason.
    pub reason: Option<String>,
    /// The TTL of the answer.
    pub ttl_ms: Option<i64>,
    /// The rail that holds, by its word; `none` for none.
    pub guard: Option<String>,
    /// A part of the alert that stands, or that was said with the last switch.
    pub alert: Option<String>,
    /// Where it stands in its file, from 1.
    pub line: usize,
}

/// The recording that a story is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryRecording {
    /// Its file, relative to the file of tests.
    pub path: String,
    /// Which of its services; `None` where it has one.
    pub service: Option<ServiceName>,
}

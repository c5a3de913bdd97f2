//! Stories: policy tests as plain values, ready to be run through the fold.
//!
//! Cell number i of a timeline, counted from 1, is the result at i × interval; what is expected at
//! an instant is what is served after all results up to and including it. After a timeline's end
//! there are no results.

use super::{Params, SwitchBudget, TargetName, VantageName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One `[[test]]` of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// What is observed, at least one row for each target.
    pub rows: Vec<StoryRow>,
    /// How fresh the targets' copies are throughout; unknown where not said.
    pub freshness: BTreeMap<TargetName, StoryFreshness>,
    /// What an operator asks for, in the order of time.
    pub asked: Vec<StoryRequest>,
    /// What must be served, in the order of time; at least one.
    pub expect: Vec<StoryExpectation>,
}

impl Story {
    /// How many cells the longest row has; at least as far as the last expectation.
    pub fn cells(&self) -> u32 {
        let lengths = self.rows.iter().map(|row| row.timeline.len());
        lengths.max().unwrap_or(0)
    }
}

/// What one vantage observes of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryRow {
    /// Whose results.
    pub target: TargetName,
    /// From where: `primary@ns2`; `None` is this node.
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

/// How fresh a target's copy is throughout a story.
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

/// An operator's request in a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryRequest {
    /// When, from the story's begin; after the results of that instant.
    pub at_ms: i64,
    /// What: `failback`.
    pub what: String,
}

/// What must be served at an instant of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryExpectation {
    /// When, from the story's begin; after the results of that instant.
    pub at_ms: i64,
    /// The served set, in order.
    pub serve: Vec<TargetName>,
    /// A part of the deciding reason.
    pub reason: Option<String>,
    /// The TTL of the answer.
    pub ttl_ms: Option<i64>,
    /// Where it stands in its file, from 1.
    pub line: usize,
}

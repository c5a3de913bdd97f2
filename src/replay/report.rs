//! The report of a replay: what JSON has under stable keys, and every other format is made of.
//!
//! Times are integers in ms, instants ms since the epoch. `report/schema.json` describes it.

mod band;
mod escape;
mod html;
mod lane;
mod markdown;
mod picture;
mod scale;
pub mod summary;
pub mod words;

pub use super::{
    divergence::{Divergence, Side},
    figures::{Detect, Figures},
    input::{ClockStep, GapReport, InputReport, Results, Silence},
    recorded::{Difference, Fidelity},
};
pub use html::html;
pub use markdown::markdown;

use super::{lanes::Lanes, timeline::Timeline, truth::Truth};
use crate::model::{Params, ServiceName, TargetName, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a replay found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of this format: 1.
    pub replay: u32,
    /// What it was given.
    pub input: InputReport,
    /// What counted as down and as slow.
    pub truth: TruthReport,
    /// Whether the recorded decisions come again; `null` where none are recorded.
    pub fidelity: Option<Fidelity>,
    /// What the candidate is.
    pub policy: String,
    /// What stands under `recorded`: `recorded`, `none` or a policy; `null` where nothing does.
    pub against: Option<String>,
    /// What was recorded, or what it is compared with.
    pub recorded: Option<Figures>,
    /// What the candidate would have done.
    pub candidate: Figures,
    /// Candidate minus recorded.
    pub difference: Option<Differences>,
    /// The same by service.
    pub services: BTreeMap<ServiceName, ServiceReport>,
    /// Where they answer otherwise, in the order of service and time.
    pub divergences: Vec<Divergence>,
    /// Divergences that are not listed.
    pub divergences_left_out: u64,
    /// Runs of a sweep, in the order of its values.
    pub sweep: Vec<Swept>,
    /// What this replay cannot know, in sentences.
    pub limits: Vec<String>,
    /// `same`, `different`, or `nothing to compare with`.
    pub verdict: Verdict,
}

/// What a replay comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// The same answers throughout.
    #[serde(rename = "same")]
    Same,
    /// Other answers somewhere.
    #[serde(rename = "different")]
    Different,
    /// Only the candidate was evaluated.
    #[serde(rename = "nothing to compare with")]
    Alone,
}

/// What counted as down and as slow, the same for every policy.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TruthReport {
    /// Bad probes in a row that make an outage.
    pub truth: u32,
    /// A p50 over a minute above it is slow, ms.
    pub slow_ms: i64,
    /// The file of incidents that replaced both.
    pub incidents: Option<String>,
    /// How many outages there were, by target.
    pub outages: BTreeMap<TargetName, u64>,
    /// How long they were together, ms, by target.
    pub down_ms: BTreeMap<TargetName, i64>,
    /// How long each was slow, ms, by target.
    pub slow_for_ms: BTreeMap<TargetName, i64>,
}

/// One service's part.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceReport {
    /// What was recorded, or what it is compared with.
    pub recorded: Option<Figures>,
    /// What the candidate would have done.
    pub candidate: Figures,
    /// Its targets, the first is the primary.
    pub targets: Vec<TargetName>,
    /// What is drawn of it.
    #[serde(skip)]
    pub picture: Picture,
}

/// What a timeline is drawn of.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// What was observed.
    pub lanes: Lanes,
    /// When targets were down and slow.
    pub truth: Truth,
    /// What was recorded, or what it is compared with.
    pub recorded: Option<Timeline>,
    /// What the candidate would have answered.
    pub candidate: Timeline,
}

/// Candidate minus recorded; percentiles where both have them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Difference of the figure of the same name; so are the others.
    pub evaluations: i64,
    /// See [`Figures`].
    pub switches: i64,
    /// See [`Figures`].
    pub flaps: i64,
    /// See [`Figures`].
    pub down_served_ms: i64,
    /// See [`Figures`].
    pub exposed_ms: i64,
    /// See [`Figures`].
    pub detect_ms: Detect,
    /// See [`Figures`].
    pub false_switches: i64,
    /// See [`Figures`].
    pub on_primary_ms: i64,
    /// See [`Figures`].
    pub held_ms: BTreeMap<String, i64>,
    /// See [`Figures`].
    pub faults: i64,
    /// See [`Figures`].
    pub operations_max: i64,
}

impl Differences {
    /// `new` minus `old`.
    pub(super) fn of(old: &Figures, new: &Figures) -> Self {
        let count = |old: u64, new: u64| new.cast_signed().saturating_sub(old.cast_signed());
        let both = |old: Option<i64>, new: Option<i64>| Some(new? - old?);
        let mut held_ms = new.held_ms.clone();
        for (reason, ms) in &old.held_ms {
            *held_ms.entry(reason.clone()).or_default() -= ms;
        }
        Self {
            evaluations: count(old.evaluations, new.evaluations),
            switches: count(old.switches, new.switches),
            flaps: count(old.flaps, new.flaps),
            down_served_ms: new.down_served_ms - old.down_served_ms,
            exposed_ms: new.exposed_ms - old.exposed_ms,
            detect_ms: Detect {
                p50: both(old.detect_ms.p50, new.detect_ms.p50),
                max: both(old.detect_ms.max, new.detect_ms.max),
                ..Detect::default()
            },
            false_switches: count(old.false_switches, new.false_switches),
            on_primary_ms: new.on_primary_ms - old.on_primary_ms,
            held_ms,
            faults: count(old.faults, new.faults),
            operations_max: count(old.operations_max, new.operations_max),
        }
    }
}

/// One run of a sweep.
#[derive(Clone, Debug, Serialize)]
pub struct Swept {
    /// The parameters of this run.
    pub set: Params,
    /// Whether no other run is as good in both `down_served_ms` and `switches` and better in one.
    pub best: bool,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

impl Report {
    /// How long the replayed stretch is, ms.
    pub fn length_ms(&self) -> i64 {
        self.input.to.since_ms(self.input.from)
    }

    /// The stretch.
    pub fn window(&self) -> (Timestamp, Timestamp) {
        (self.input.from, self.input.to)
    }
}

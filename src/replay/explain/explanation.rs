//! The explanation as it is given: values, and their JSON. Keys are promised; more may come.

use super::{
    flips::Flip,
    past::{Found, Switched},
};
use crate::{
    failover::{
        By, Rail,
        event::Decision,
        lens::{Read, Value},
    },
    model::{
        MonitorName, Param, PolicyName, PolicyVersion, ServiceName, TargetName, Timestamp,
        VantageName,
    },
};
use serde::Serialize;
use std::net::IpAddr;

/// Why a service answers what it answers. All times are by the wall clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Whose answer.
    pub service: ServiceName,
    /// The instant that is explained: that of the last event up to the one asked for.
    #[serde(rename = "at_ms")]
    pub at: Timestamp,
    /// Number of that event.
    pub seq: u64,
    /// When the policy was last asked; `null` where that was before what could be read.
    #[serde(rename = "asked_at_ms")]
    pub asked_at: Option<Timestamp>,
    /// Whether decisions were recorded; else the policy was run over the observations.
    pub recorded: bool,
    /// What is served since when, and why nothing else, or what changed: one sentence.
    pub summary: String,
    /// What keeps this from being the whole truth; a sentence each.
    pub notes: Vec<String>,
    /// What is answered.
    pub serving: Vec<TargetName>,
    /// Since when.
    #[serde(rename = "since_ms")]
    pub since: Timestamp,
    /// The change of the served set that led to it; `null` where there was none, or it is not kept.
    pub switch: Option<Switched>,
    /// The decision in force.
    pub decision: Option<InForce>,
    /// What the policy says when it is asked again, and what the guard makes of it; `null` where it
    /// cannot be asked.
    pub evaluation: Option<Again>,
    /// The policy in force.
    pub policy: PolicyInForce,
    /// What the policy read, each fact with each comparison once, in order.
    pub facts: Vec<FactRead>,
    /// What would have changed what it proposed, the nearest first; see [`flips`].
    pub flips: Vec<Flip>,
    /// How often the policy was asked to find them.
    pub evaluations: usize,
    /// What stands beside the policy.
    pub guard: Guard,
    /// The last results of the targets of which facts were read; of all where none were.
    pub observations: Vec<SeriesSeen>,
}

/// The decision in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InForce {
    /// Number of its event; 0 where it is not known.
    pub seq: u64,
    /// When it was made.
    #[serde(rename = "at_ms")]
    pub at: Option<Timestamp>,
    /// The probe that woke the policy, in words, where it is among the last.
    pub woken_by: Option<String>,
    /// What it says.
    #[serde(flatten)]
    pub decision: Decision,
}

/// What the policy says when it is asked again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Again {
    /// What it wants served; `null` where it holds or faults.
    pub wanted: Option<Vec<TargetName>>,
    /// Its reason.
    pub reason: String,
    /// Its line, from 1; 0 unknown.
    pub line: u32,
    /// What the guard or an operator says instead, where they overrule it.
    pub ruled: Option<String>,
    /// Whose word it is in the end.
    pub by: By,
    /// Which rail held.
    pub guard: Option<Rail>,
    /// The fault, where it faulted.
    pub fault: Option<String>,
}

/// A policy and the lines around the one that decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyInForce {
    /// Its file.
    pub name: PolicyName,
    /// Its version.
    pub version: PolicyVersion,
    /// The line that decided, and those around it; empty where the text is not known.
    pub lines: Vec<(u32, String)>,
}

/// A fact that the policy read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FactRead {
    /// Of what: `service`, `backup`, `backup@ns2`, `backup/https`.
    pub of: String,
    /// The word of the API: `failures`.
    pub word: &'static str,
    /// What it was asked with: a window in ms, a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument: Option<Param>,
    /// What it was; `null` for `()`.
    pub value: Option<Param>,
    /// The comparison that the script asked for: `["is_down", 3]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<(&'static str, i64)>,
    /// The line that read it, from 1; 0 unknown.
    pub line: u32,
}

/// What stands beside the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Guard {
    /// The rail that held.
    pub rail: Option<Rail>,
    /// An override or a freeze in force: a sentence with who, why and until when.
    pub ordered: Option<String>,
    /// Whether this vantage trusts no failure of its own; `null` without witnesses.
    pub isolated: Option<bool>,
    /// The witnesses that were asked; a sentence each.
    pub witnesses: Vec<String>,
    /// Switches that the budget counted, allows, and in how many ms; `null` without a budget.
    pub budget: Option<(usize, u32, i64)>,
}

/// The last results of a series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeriesSeen {
    /// Whose.
    pub target: TargetName,
    /// Under which monitor.
    pub monitor: MonitorName,
    /// Which address; `null` where the target has one.
    pub address: Option<IpAddr>,
    /// From where.
    pub vantage: VantageName,
    /// Whether its last result is recent enough to count.
    pub fresh: bool,
    /// At most eight, the oldest first.
    pub results: Vec<Found>,
}

impl FactRead {
    pub(super) fn of(read: &Read) -> Self {
        let value = match &read.value {
            Value::Nothing => None,
            Value::Is(value) => Some(value.clone()),
        };
        Self {
            of: read.fact.of.to_string(),
            word: read.fact.word,
            argument: read.fact.argument.clone(),
            value,
            asked: read.asked,
            line: read.line,
        }
    }
}

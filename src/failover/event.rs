//! Events: the closed list of what became true. The journal is a list of these.
//!
//! Most are an input taken as it came; the rest is what [`super::step`] concluded. Folding
//! [`super::State::apply`] over them gives the state again, without asking a policy.

use super::input::{
    ClockChange, DriftReport, FreshnessReport, Input, OperatorCommand, Refused, Resolved, Start,
    WitnessResult, ZoneVersion,
};
use crate::model::{
    Config, Observation, Param, PolicyText, PolicyVersion, ServiceName, TargetName, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// Something that became true, with its place in the order. In JSON: `{"at":…,"seq":…,"probe":{…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, by the fold's time.
    pub at: Timestamp,
    /// Its number, 1 more than the one before.
    pub seq: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What became true; the variant is the key of the JSON line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A daemon started.
    Start(Start),
    /// A probe ended.
    Probe(Observation),
    /// A deadline was reached.
    Tick {},
    /// A witness was asked.
    Witness(WitnessResult),
    /// The wall clock jumped.
    Clock(ClockChange),
    /// A policy's text, in force with the next `config`.
    Policy(PolicyText),
    /// A configuration is in force, with the policies before it.
    Config(ConfigInForce),
    /// An operator said so.
    Operator(OperatorCommand),
    /// Data freshness was measured.
    Freshness(FreshnessReport),
    /// Drift was measured.
    Drift(DriftReport),
    /// A service's answer, or what stands beside it, changed.
    Decision(Decision),
    /// A policy faulted.
    Fault(Fault),
    /// An override, a drain or a freeze ended by itself.
    Ended(Ended),
    /// A reload was refused; nothing changed.
    Refused(Refused),
    /// The hostname of a target was resolved, or could not be.
    Resolved(Resolved),
    /// What a service's shadow would do changed; nothing is answered by it.
    Shadow(Shadowed),
    /// Events are missing here. Written by the journal alone.
    Gap(Gap),
}

/// What became true in the fold of the shadows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shadowed {
    /// What the guard would have accepted.
    Decision(Decision),
    /// The shadow faulted.
    Fault(Fault),
    /// A service and its shadow part, or are together again.
    Parted(Parted),
}

/// A service's served set begins or ends to differ from that of its shadow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parted {
    /// Whose.
    pub service: ServiceName,
    /// Whether they differ from now on.
    pub apart: bool,
    /// What is served.
    pub serving: Vec<TargetName>,
    /// What the shadow would serve.
    pub shadow: Vec<TargetName>,
}

impl What {
    /// The input that it was. `None` for what follows from inputs, for a gap, and for the parts of a
    /// reload, which is several events.
    pub fn as_input(&self) -> Option<Input> {
        Some(match self {
            Self::Start(start) => Input::Start(start.clone()),
            Self::Probe(seen) => Input::Probe(seen.clone()),
            Self::Tick {} => Input::Tick,
            Self::Witness(result) => Input::Witness(result.clone()),
            Self::Clock(change) => Input::Clock(*change),
            Self::Operator(order) => Input::Operator(order.clone()),
            Self::Freshness(report) => Input::Freshness(report.clone()),
            Self::Drift(report) => Input::Drift(report.clone()),
            Self::Refused(refused) => Input::Refused(refused.clone()),
            Self::Resolved(report) => Input::Resolved(report.clone()),
            Self::Policy(_)
            | Self::Config(_)
            | Self::Decision(_)
            | Self::Fault(_)
            | Self::Ended(_)
            | Self::Shadow(_)
            | Self::Gap(_) => return None,
        })
    }
}

impl Input {
    /// The input as what became true by it: each is one fact, but a reload is a `policy` for each
    /// text and a `config`.
    pub fn facts(self) -> Vec<What> {
        let what = match self {
            Self::Start(start) => What::Start(start),
            Self::Probe(observation) => What::Probe(observation),
            Self::Tick => What::Tick {},
            Self::Witness(result) => What::Witness(result),
            Self::Clock(change) => What::Clock(change),
            Self::Reload(reload) => {
                let mut facts: Vec<What> = reload.policies.into_iter().map(What::Policy).collect();
                facts.push(What::Config(ConfigInForce {
                    by: reload.by,
                    config: reload.config,
                    zone_versions: reload.zones,
                }));
                return facts;
            }
            Self::Operator(command) => What::Operator(command),
            Self::Freshness(report) => What::Freshness(report),
            Self::Drift(report) => What::Drift(report),
            Self::Refused(refused) => What::Refused(refused),
            Self::Resolved(report) => What::Resolved(report),
        };
        vec![what]
    }
}

/// A configuration in full, and who brought it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigInForce {
    /// Who or what.
    pub by: String,
    /// All of it.
    #[serde(flatten)]
    pub config: Arc<Config>,
    /// Serials and hashes of the zones.
    #[serde(default)]
    pub zone_versions: Vec<ZoneVersion>,
}

/// What the guard accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whose answer.
    pub service: ServiceName,
    /// The served set, never empty, the first is the active target.
    pub serve: Vec<TargetName>,
    /// Why, in one sentence.
    pub reason: String,
    /// Which version decided.
    pub policy: PolicyVersion,
    /// The line of the policy that decided; 0 where no policy did.
    pub line: u32,
    /// The event that woke the policy.
    pub cause: u64,
    /// TTL of the answer: whole seconds, 1 s – 1 day.
    pub ttl_ms: i64,
    /// Whose word it was.
    #[serde(default, skip_serializing_if = "By::is_policy")]
    pub by: By,
    /// Which rail of the guard changed or refused the proposal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Rail>,
    /// Whether the service's own policy faulted when it was asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub faulted: bool,
    /// Said aloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// What is remembered from now on; `null` forgets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub remember: BTreeMap<String, Option<Param>>,
}

/// Whose word a decision was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The service's policy.
    #[default]
    Policy,
    /// The last version that decided without a fault.
    Previous,
    /// The built-in `failover.rhai`.
    Builtin,
    /// An operator's override.
    Operator,
    /// The guard alone.
    Guard,
}

impl By {
    /// Whether this is the usual case; leaves the key out of recordings.
    pub fn is_policy(&self) -> bool {
        *self == Self::Policy
    }
}

/// The rails that no policy crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rail {
    /// The policy faulted.
    Fault,
    /// An operator's override is in force.
    Override,
    /// An operator froze everything.
    Freeze,
    /// No witness answers.
    Isolated,
    /// No witness answered since the first failure yet.
    AskingWitnesses,
    /// The proposal was worse than what is served.
    NeverWorse,
    /// What is served was drained or removed.
    Gone,
    /// The switch budget is used up.
    SwitchBudget,
}

impl Rail {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Fault,
        Self::Override,
        Self::Freeze,
        Self::Isolated,
        Self::AskingWitnesses,
        Self::NeverWorse,
        Self::Gone,
        Self::SwitchBudget,
    ];
}

/// A policy faulted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Whose policy.
    pub service: ServiceName,
    /// Which version.
    pub policy: PolicyVersion,
    /// What went wrong, in one sentence.
    pub message: String,
    /// Where in the policy; 0 unknown.
    pub line: u32,
    /// The event that woke the policy.
    pub cause: u64,
}

/// Events that the journal could not keep. It takes the number of the last of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The first number that may be missing.
    pub from_seq: u64,
    /// The last that is missing.
    pub to_seq: u64,
    /// How many of these are missing; the others follow in their places.
    pub lost: u64,
    /// Why, in one sentence.
    pub why: String,
}

/// An override, a drain or a freeze reached its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// A service's override.
    Override {
        /// Whose.
        service: ServiceName,
        /// Why it ended.
        why: String,
    },
    /// A target's drain.
    Drain {
        /// Whose.
        target: TargetName,
    },
    /// The freeze.
    Freeze {},
}

impl Rail {
    /// The word of recordings and of what operators read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Override => "override",
            Self::Freeze => "freeze",
            Self::Isolated => "isolated",
            Self::AskingWitnesses => "asking-witnesses",
            Self::NeverWorse => "never-worse",
            Self::Gone => "gone",
            Self::SwitchBudget => "switch-budget",
        }
    }
}

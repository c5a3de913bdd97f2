//! Inputs: the closed list of what can happen to the fold.
//!
//! Everything that can change a decision is one of these, in one order, journaled. A fact that a
//! policy can read and that comes from none of them would differ between live and replay.

use crate::model::{
    Config, DnsName, Observation, PolicyText, ServiceName, TargetName, Timestamp, VantageName,
    config::WitnessAddress,
};
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr, sync::Arc};

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A daemon started and goes on from here.
    Start(Start),
    /// A probe ended.
    Probe(Observation),
    /// [`super::next_deadline`] is reached.
    Tick,
    /// A witness was asked.
    Witness(WitnessResult),
    /// The wall clock jumped.
    Clock(ClockChange),
    /// Configuration, policies and zones were loaded together.
    Reload(Reload),
    /// An operator said so.
    Operator(OperatorCommand),
    /// How far behind a copy of the data is.
    Freshness(FreshnessReport),
    /// How many differences from the primary were found.
    Drift(DriftReport),
    /// A reload was refused: part of the log, and nothing else.
    Refused(Refused),
    /// The hostname of a target was resolved, or could not be.
    Resolved(Resolved),
}

/// Who runs: written at every start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// `sidestep 0.1.0`.
    pub program: String,
    /// Version of the script engine.
    pub rhai: String,
    /// Version of the policy API.
    pub api: u32,
}

/// One witness asked once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessResult {
    /// Who asked.
    pub vantage: VantageName,
    /// Who was asked.
    pub witness: WitnessAddress,
    /// Whether it answered.
    pub ok: bool,
    /// Why not, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The wall clock is ahead of the fold's time by this much from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockChange {
    /// Wall clock minus the fold's time, ms.
    pub offset_ms: i64,
}

/// A candidate that was loaded, linted and tried, and is to be in force now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// Who or what asked for it: `start`, `watch`, `SIGHUP`, a user.
    pub by: String,
    /// The whole configuration, also where only a policy changed.
    pub config: Arc<Config>,
    /// Every policy that the configuration uses.
    pub policies: Vec<PolicyText>,
    /// Every zone with the serial and the hash of its file.
    pub zones: Vec<ZoneVersion>,
}

/// A candidate that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Who or what asked for it: `watch`, `SIGHUP`, a user.
    pub by: String,
    /// What is wrong with it, a sentence each, with its place.
    pub findings: Vec<String>,
}

/// What of a zone's file matters to the fold: whether it changed, and its serial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneVersion {
    /// The apex.
    pub apex: DnsName,
    /// The serial in the file, where there is a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<u32>,
    /// A hash of the static records.
    pub hash: String,
}

/// An operator's word, with who and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorCommand {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// What.
    #[serde(flatten)]
    pub command: Command,
}

/// What an operator can order. `until` is wall time; without it the order stands until taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
pub enum Command {
    /// Serve this target, whatever the policy says.
    Switch {
        /// Whose answer.
        service: ServiceName,
        /// What to serve.
        target: TargetName,
        /// When it ends by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// Change nothing, whatever the policy says.
    Hold {
        /// Whose answer.
        service: ServiceName,
        /// When it ends by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// End the override of a service, and forget a failback that was asked for.
    Release {
        /// Whose.
        service: ServiceName,
    },
    /// Ask the policy to go home: `service.asked("failback")` until it is done.
    Failback {
        /// Whose answer.
        service: ServiceName,
    },
    /// Withdraw a target from all answers though it may be healthy.
    Drain {
        /// Which.
        target: TargetName,
        /// When it ends by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// Take a drain back.
    Undrain {
        /// Which.
        target: TargetName,
    },
    /// Change nothing anywhere.
    Freeze {
        /// When it ends by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// End the freeze.
    Thaw,
}

impl Command {
    /// Wall time at which what it orders ends by itself; `None`: never, or it only takes back.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Switch { until, .. }
            | Self::Hold { until, .. }
            | Self::Drain { until, .. }
            | Self::Freeze { until } => *until,
            Self::Release { .. } | Self::Failback { .. } | Self::Undrain { .. } | Self::Thaw => {
                None
            }
        }
    }
}

/// As an operator would say it, without its end: `switch www to backup`.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch {
                service, target, ..
            } => write!(f, "switch {service} to {target}"),
            Self::Hold { service, .. } => write!(f, "hold {service}"),
            Self::Release { service } => write!(f, "release {service}"),
            Self::Failback { service } => write!(f, "failback {service}"),
            Self::Drain { target, .. } => write!(f, "drain {target}"),
            Self::Undrain { target } => write!(f, "undrain {target}"),
            Self::Freeze { .. } => f.write_str("freeze"),
            Self::Thaw => f.write_str("thaw"),
        }
    }
}

/// Whether a target's copy of the data is recent enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Freshness {
    /// Recent enough.
    Fresh,
    /// Too old.
    Stale,
    /// Nobody measured, or it could not be measured.
    #[default]
    Unknown,
}

impl Freshness {
    /// The word that policies compare with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
        }
    }
}

/// How far behind a target's copy of the data is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreshnessReport {
    /// Whose copy.
    pub target: TargetName,
    /// The verdict.
    pub freshness: Freshness,
    /// How far behind, ms; −1 unknown.
    pub data_age_ms: i64,
}

/// How many differences between a target and the primary were found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftReport {
    /// Which target.
    pub target: TargetName,
    /// How many.
    pub differences: i64,
}

/// What the hostname of a target was resolved to: told at a start, and where it changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// Whose hostname.
    pub target: TargetName,
    /// The hostname: an answer that comes after a reload changed it counts no longer.
    pub hostname: DnsName,
    /// What it is, in their order, at most 64; where only one family could be resolved with what
    /// the other was before. Empty where nothing is known: then what it was before stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Why it could not be resolved, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

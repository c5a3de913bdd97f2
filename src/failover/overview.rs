//! The overview: what operators are shown of the state, by `sidestep status`, HTTP and dashboards.
//!
//! [`overview`] computes it from the state alone. What only the daemon knows (refused files,
//! listeners, counters of queries) it adds as [`DaemonPart`]. Its JSON is `GET /api/v1/status`:
//! keys are promised, more may come, readers ignore those they do not know. Units stand at the
//! end of keys: `_ms`, `_us`, `_secs`, `_per_mille`. Instants are wall time in ms since 1970, UTC.
//! Ages are as of `at_ms`, the last input. Knows no HTTP, no text layout, no clock.

mod build;
mod daemon_part;

pub use build::overview;
pub(super) use build::{health, order_of, order_of_freeze};
pub use daemon_part::{
    DaemonPart, Degraded, Distribution, GateReport, JournalPart, Listener, Metrics, PendingReload,
    ProbeCount, Refused, ReloadReport,
};

use super::{
    event::{By, Rail},
    input::Freshness,
};
use crate::model::{
    DnsName, FailureReason, MonitorName, PolicyName, PolicyVersion, ServiceName, TargetName,
    Timestamp, VantageName, config::WitnessAddress,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr};

/// Everything that operators are shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// When the last input came.
    #[serde(rename = "at_ms")]
    pub at: Timestamp,
    /// Number of the last event.
    pub seq: u64,
    /// This node's name.
    pub node: VantageName,
    /// Services, ordered by name.
    pub services: Vec<ServiceOverview>,
    /// Configured witnesses, in the order written; empty where the rail is off.
    #[serde(default)]
    pub witnesses: Vec<WitnessOverview>,
    /// Whether this vantage cannot tell a dead target from its own dead network.
    #[serde(default)]
    pub isolated: bool,
    /// An operator froze everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze: Option<Order>,
    /// SOA serial by zone apex.
    #[serde(default)]
    pub serials: BTreeMap<DnsName, u32>,
    /// What deserves attention, one sentence each, the gravest first.
    #[serde(default)]
    pub advisories: Vec<String>,
    /// What only the daemon knows; absent where the overview was made without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daemon: Option<DaemonPart>,
}

impl Overview {
    /// A service by name.
    pub fn service(&self, name: &str) -> Option<&ServiceOverview> {
        self.services
            .iter()
            .find(|service| service.name.as_str() == name)
    }

    /// Adds what only the daemon knows: which decisions are on disk, and what of the daemon
    /// deserves attention.
    pub fn add_daemon(&mut self, part: DaemonPart) {
        if let Some(journal) = &part.journal {
            for service in &mut self.services {
                if let Some(decision) = &mut service.decision {
                    decision.durable = decision.seq > 0 && decision.seq <= journal.committed;
                }
            }
        }
        // What stops failovers stays first.
        let first = usize::from(self.isolated) + usize::from(self.freeze.is_some());
        let first = first.min(self.advisories.len());
        let said = part.advisories();
        self.advisories.splice(first..first, said);
        self.daemon = Some(part);
    }

    /// This overview with one service alone; `None` where there is no such service.
    pub fn narrowed_to(&self, service: &str) -> Option<Self> {
        let found = self.service(service)?;
        let others = self
            .services
            .iter()
            .filter(|other| other.name != found.name);
        let elsewhere: Vec<&String> = others.flat_map(|other| &other.advisories).collect();
        let said = self
            .advisories
            .iter()
            .filter(|said| !elsewhere.contains(said));
        let mut narrowed = Self {
            at: self.at,
            seq: self.seq,
            node: self.node.clone(),
            services: vec![found.clone()],
            witnesses: self.witnesses.clone(),
            isolated: self.isolated,
            freeze: self.freeze.clone(),
            serials: self.serials.clone(),
            advisories: said.cloned().collect(),
            daemon: self.daemon.clone(),
        };
        if let Some(daemon) = &mut narrowed.daemon {
            daemon.next.retain(|name, _| *name == found.name);
            if let Some(gate) = &mut daemon.gate {
                gate.services.retain(|one| one.service == found.name);
            }
        }
        Some(narrowed)
    }
}

/// What is answered for a service, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceOverview {
    /// Its name.
    pub name: ServiceName,
    /// Owner names that it answers.
    pub names: Vec<DnsName>,
    /// The target answered now: the first of `serving`.
    pub active: TargetName,
    /// All targets answered now, never empty.
    pub serving: Vec<TargetName>,
    /// The addresses answered now, A and AAAA.
    pub answers: Vec<IpAddr>,
    /// The records answered beside them, as the configuration has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<String>,
    /// The hostname that is answered as a CNAME; at a zone's apex the addresses are answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cname: Option<DnsName>,
    /// TTL of the answer, 1 – 86,400 s.
    pub ttl_secs: u32,
    /// When the served set last changed; when the service was first configured, where it never did.
    #[serde(rename = "since_ms")]
    pub since: Timestamp,
    /// Who decides.
    pub mode: Mode,
    /// The override in force.
    #[serde(rename = "override", default, skip_serializing_if = "Option::is_none")]
    pub override_: Option<Order>,
    /// The first target in order.
    pub primary: TargetName,
    /// The others, in order.
    pub backups: Vec<TargetName>,
    /// The policy's file name.
    pub policy: PolicyName,
    /// The version in force: of its text and the service's parameters.
    pub policy_version: PolicyVersion,
    /// The decision in force; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionOverview>,
    /// What the last evaluation said; absent before the first since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<EvaluationOverview>,
    /// Changes of the served set in the last hour.
    pub switches_last_hour: u64,
    /// Changes of the served set in the last day.
    pub switches_last_day: u64,
    /// Faults of the policy in a row.
    #[serde(default)]
    pub faults: u32,
    /// An operator asked for a failback that was not done yet.
    #[serde(default)]
    pub failback_asked: bool,
    /// What its shadow would do; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowOverview>,
    /// Its targets, in order.
    pub targets: Vec<TargetOverview>,
    /// Those of the overview's advisories that concern this service alone.
    #[serde(default)]
    pub advisories: Vec<String>,
}

/// What a service's shadow would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowOverview {
    /// Its file name.
    pub policy: PolicyName,
    /// Its version: of its text and those parameters of the service that it has.
    pub version: PolicyVersion,
    /// What it would serve, never empty.
    pub serving: Vec<TargetName>,
    /// Why, in one sentence; empty before its first evaluation.
    pub reason: String,
    /// The line of it that decided, from 1; 0 where none did.
    pub line: u32,
    /// How often it parted from what is served.
    pub parted: PartedOverview,
    /// Its faults in a row.
    #[serde(default)]
    pub faults: u32,
    /// Its last fault, where its last evaluation was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// How often a service and its shadow parted, under the versions of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartedOverview {
    /// How often their served sets began to differ.
    pub count: u64,
    /// Since when they do; absent while they are the same.
    #[serde(rename = "since_ms", default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// Who decides what a service answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The policy, within the guard.
    Auto,
    /// An operator, for this service.
    Override,
    /// An operator froze everything.
    Frozen,
}

impl Mode {
    /// The word of the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Override => "override",
            Self::Frozen => "frozen",
        }
    }
}

/// An operator's order that stands: an override, a drain or a freeze.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// What an override serves; absent where it holds what is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetName>,
    /// Since when, where that is known.
    #[serde(rename = "since_ms", default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When it ends by itself; absent: when it is taken back.
    #[serde(rename = "until_ms", default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The decision in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionOverview {
    /// Why, in one sentence, when it was made.
    pub reason: String,
    /// The line of the policy that decided, from 1; 0 where none did.
    pub line: u32,
    /// Which version decided.
    pub policy_version: PolicyVersion,
    /// Whose word it was.
    pub by: By,
    /// Which rail of the guard changed or refused the proposal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Rail>,
    /// Said aloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// Number of the event that woke the policy.
    pub cause: u64,
    /// Number of the decision's own event; 0 where it is not known.
    #[serde(default)]
    pub seq: u64,
    /// When it was made.
    #[serde(rename = "at_ms", default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Whether it is on disk; false without a journal.
    #[serde(default)]
    pub durable: bool,
}

/// What the last evaluation said, also where it changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationOverview {
    /// When.
    #[serde(rename = "at_ms")]
    pub at: Timestamp,
    /// Why what is served is served, in one sentence.
    pub reason: String,
    /// What the policy wanted served; absent for hold or a fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Vec<TargetName>>,
    /// The policy's own reason, where the guard or an operator overruled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overruled: Option<String>,
    /// The line of the policy, from 1; 0 unknown.
    pub line: u32,
    /// Whose word.
    pub by: By,
    /// Which rail held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Rail>,
    /// The fault, where the policy faulted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// What is known of a target of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetOverview {
    /// Its name.
    pub name: TargetName,
    /// What DNS answers for it.
    pub addresses: Vec<IpAddr>,
    /// The hostname that it is; its addresses are what that was last resolved to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cname: Option<DnsName>,
    /// Why the hostname cannot be resolved now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unresolved: Option<String>,
    /// One word for the streaks below. Policies have thresholds of their own.
    pub health: Health,
    /// Bad probes in a row, as a majority of the fresh vantages has seen.
    pub failures: i64,
    /// Good probes in a row.
    pub successes: i64,
    /// Vantages with a fresh result.
    pub vantages: i64,
    /// Reason of the last bad probe; absent where none was bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<FailureReason>,
    /// When the last bad probe came, any series, since the streaks began.
    #[serde(
        rename = "failed_at_ms",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub failed_at: Option<Timestamp>,
    /// Age of the last result; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<i64>,
    /// Round-trip time of the last good probe, any series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_us: Option<u32>,
    /// Median round-trip time of the last minute, first monitor; absent while too few results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_1m_ms: Option<i64>,
    /// Failed probes of the last minute, first monitor; absent while too few results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_1m_per_mille: Option<i64>,
    /// Whether it is withdrawn from answers.
    pub drained: bool,
    /// By whom, where an operator did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Order>,
    /// Whether its copy of the data is recent enough.
    pub freshness: Freshness,
    /// How far its copy is behind; absent where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_age_ms: Option<i64>,
    /// Days until its certificate expires; absent where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_days: Option<i64>,
    /// Late results seen: this machine was too busy to probe in time.
    pub late: u64,
    /// Probes without a result for this machine's own shortage.
    pub local: u64,
    /// Of each monitor what it alone says, in the service's order.
    #[serde(default)]
    pub monitors: Vec<MonitorOverview>,
}

/// What one monitor says of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitorOverview {
    /// Its name.
    pub monitor: MonitorName,
    /// Bad probes in a row.
    pub failures: i64,
    /// Good probes in a row.
    pub successes: i64,
    /// Reason of the last bad probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<FailureReason>,
    /// Age of the last result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<i64>,
}

/// One word for a target's streaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Its last probe was good under every monitor.
    Up,
    /// It failed, fewer than three times in a row.
    Failing,
    /// It failed at least three times in a row: what the guard calls down.
    Down,
    /// Nothing fresh is known under some monitor, or the vantages disagree.
    Unknown,
}

impl Health {
    /// The word of the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Failing => "failing",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// What is known of a witness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessOverview {
    /// Where it is asked.
    pub address: WitnessAddress,
    /// Whether its last result was an answer.
    pub ok: bool,
    /// Whether it ever answered: only then can its silence isolate.
    pub ever_ok: bool,
    /// When it was last asked; absent before.
    #[serde(
        rename = "asked_at_ms",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub asked_at: Option<Timestamp>,
    /// Why it did not answer, last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

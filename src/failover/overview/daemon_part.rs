//! What only the daemon knows, filled in by it: files that were refused, listeners, counters.
//!
//! Plain values without behaviour; nothing here is read by a decision.

use crate::failover::rehearsal::gate::Compared;
use crate::model::{Diagnostic, MonitorName, ServiceName, Timestamp};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::SocketAddr};

/// The daemon's part of an overview.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonPart {
    /// The program's version, `0.1.0`.
    pub version: String,
    /// When it started.
    #[serde(rename = "started_at_ms")]
    pub started_at: Timestamp,
    /// Files whose last saved text is not in force, and what runs instead.
    #[serde(default)]
    pub refused: Vec<Refused>,
    /// A reload that waits for an operator, as it would move traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingReload>,
    /// What policies of the last reload that changed any would have decided differently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateReport>,
    /// Keys of `[server]` that changed on disk and wait for a restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs_restart: Vec<String>,
    /// Why commands find no control socket; `None` where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_control: Option<String>,
    /// Where it listens.
    #[serde(default)]
    pub listeners: Vec<Listener>,
    /// What would change each service's answer next, in sentences; may be empty.
    #[serde(default)]
    pub next: BTreeMap<ServiceName, Vec<String>>,
    /// DNS queries answered since the start.
    #[serde(default)]
    pub queries: u64,
    /// How the journal is; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalPart>,
}

/// How the journal is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalPart {
    /// The last event on disk.
    pub committed: u64,
    /// Events that wait for the disk.
    pub backlog: u64,
    /// Why nothing can be written at present; `None` where all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degraded: Option<Degraded>,
    /// Gaps since the start.
    #[serde(default)]
    pub gaps: u64,
    /// Events lost in them.
    #[serde(default)]
    pub lost: u64,
    /// What the journal takes on disk, in bytes; freed pages do not count.
    #[serde(default)]
    pub bytes: u64,
    /// The oldest observation in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_at_ms: Option<Timestamp>,
    /// What was damaged and what was saved from it, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<String>,
}

/// Nothing can be written at present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Degraded {
    /// Since when, by the wall clock.
    pub since_ms: Timestamp,
    /// Why, in words: `the disk is full`.
    pub why: String,
}

/// A file that is not in force as it stands on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The file as the operator names it.
    pub file: String,
    /// What is wrong with it.
    pub diagnostic: Diagnostic,
    /// What runs instead: `still running version 3f2a`.
    pub kept: String,
}

/// A reload that was loaded and tried and waits for an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingReload {
    /// Who or what asked for it.
    pub by: String,
    /// Since when it waits.
    #[serde(rename = "since_ms")]
    pub since: Timestamp,
    /// What it would move, one sentence each: `www from primary to backup`.
    pub moves: Vec<String>,
}

/// What policies that a reload changed would have decided differently with what happened lately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateReport {
    /// Who or what asked for the reload.
    pub by: String,
    /// When, by the wall clock.
    #[serde(rename = "at_ms")]
    pub at: Timestamp,
    /// Services whose version changed, ordered by name.
    pub services: Vec<Compared>,
}

/// A bound address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// `dns` or `http`.
    pub serves: String,
    /// Where.
    pub address: SocketAddr,
}

/// What a reload came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// Files that are in force now and were not before, as the operator names them.
    #[serde(default)]
    pub taken: Vec<String>,
    /// Files that were refused.
    #[serde(default)]
    pub refused: Vec<Refused>,
    /// What waits for an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingReload>,
    /// Traffic that it moved at once, one sentence each: `www from primary to backup`.
    #[serde(default)]
    pub moved: Vec<String>,
    /// What policies that it changes would have decided differently lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateReport>,
}

/// Counters since the start, for `/metrics`. What an overview holds is not repeated here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Decisions written, by service and by whose word (`policy`, `guard`, …).
    pub decisions: BTreeMap<(ServiceName, super::By), u64>,
    /// Changes of the served set, by service.
    pub switches: BTreeMap<ServiceName, u64>,
    /// Faults of policies, by service.
    pub policy_errors: BTreeMap<ServiceName, u64>,
    /// Evaluations of policies.
    pub evaluations: u64,
    /// Time spent in them, µs.
    pub evaluations_us: u64,
    /// Probes by monitor and result.
    pub probes: Vec<ProbeCount>,
    /// How long good probes took, by monitor.
    pub probe_durations: BTreeMap<MonitorName, Distribution>,
    /// Probes that fired or ended too late, by monitor.
    pub probes_late: BTreeMap<MonitorName, u64>,
    /// How late probes fired.
    pub schedule_lag: Distribution,
    /// From an input to the published answers that its decision changed.
    pub publishing: Distribution,
    /// DNS messages received, by transport: `udp` or `tcp`.
    pub queries: BTreeMap<&'static str, u64>,
    /// DNS replies, by response code in lower case.
    pub replies: BTreeMap<String, u64>,
    /// Replies that said to ask again over TCP.
    pub truncated: u64,
    /// Those of them that rate limiting made so.
    pub slipped: u64,
    /// Replies over UDP that were made of prepared octets.
    pub fast: u64,
    /// Messages that got no reply, by the reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// TCP connections of DNS that are open.
    pub tcp_open: u64,
    /// TCP connections of DNS that were accepted.
    pub tcp_opened: u64,
    /// TCP connections of DNS that ended, by why: `client`, `idle`, `timeout`, `limit`, `error` or
    /// `stop`.
    pub tcp_closed: BTreeMap<&'static str, u64>,
    /// Whether the last reload was taken whole.
    pub last_reload_ok: bool,
    /// When a reload was last taken whole.
    pub last_reload_at: Option<Timestamp>,
}

/// How many probes of a monitor ended alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeCount {
    /// Under which monitor.
    pub monitor: MonitorName,
    /// `ok`, a word of [`crate::model::FailureReason`], or `local`.
    pub result: String,
    /// How many.
    pub count: u64,
}

/// Lengths of time, counted in classes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// How many were at most as long as the bound of the same place, and longer than the one
    /// before it; the last holds what is longer than all.
    pub counts: [u64; Self::BOUNDS_US.len() + 1],
    /// All of them together, µs.
    pub sum_us: u64,
}

impl Distribution {
    /// Upper bounds of the classes, µs.
    pub const BOUNDS_US: [u64; 14] = [
        100, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
        1_000_000, 2_500_000, 10_000_000,
    ];

    /// Counts one more.
    pub fn add(&mut self, us: u64) {
        let class = Self::BOUNDS_US.partition_point(|&bound| bound < us);
        self.counts[class] += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }
}

impl DaemonPart {
    /// Whether nothing went wrong or was mended since `before`; what only counts may have gone on.
    pub fn is_as_well_as(&self, before: &Self) -> bool {
        let journal = |part: &Self| {
            let journal = part.journal.as_ref();
            journal.map(|journal| (journal.degraded.clone(), journal.alarms.clone()))
        };
        self.refused == before.refused
            && self.pending == before.pending
            && self.needs_restart == before.needs_restart
            && self.no_control == before.no_control
            && journal(self) == journal(before)
    }

    /// What of the daemon deserves attention, one sentence each.
    pub(super) fn advisories(&self) -> Vec<String> {
        let mut said = Vec::new();
        if let Some(journal) = &self.journal {
            journal.advise(&mut said);
        }
        if let Some(why) = &self.no_control {
            said.push(format!(
                "no orders can be given, there is no control socket: {why}; it is tried again"
            ));
        }
        if !self.needs_restart.is_empty() {
            said.push(format!(
                "{} of [server] changed on disk: the rest is in force, this needs a restart",
                self.needs_restart.join(" and ")
            ));
        }
        said
    }
}

impl JournalPart {
    fn advise(&self, said: &mut Vec<String>) {
        if let Some(degraded) = &self.degraded {
            said.push(format!(
                "the journal is in trouble since {}: {}; {} events wait, answers go on",
                degraded.since_ms, degraded.why, self.backlog
            ));
        }
        if self.gaps > 0 {
            let times = match self.gaps {
                1 => "once".to_owned(),
                more => format!("{more} times"),
            };
            said.push(format!(
                "the journal has lost {} events since the start, {times}: \
                 a replay of that time is not faithful",
                self.lost
            ));
        }
        said.extend(self.alarms.iter().map(|alarm| format!("journal: {alarm}")));
    }
}

//! Recordings: a stretch of what happened as a portable file, format 1 and other people's.
//!
//! [`open`] tells by its content what a file is and gives a [`Recording`]: a [`Header`] and, one
//! after the other, [`Item`]s in the order of their time. Probe results, of which there are
//! millions, come as [`Seen`] with the number of their series; the series stand in
//! [`Recording::series`]. Knows formats and the events of the fold; folds nothing.

use crate::{
    failover::{Event, State},
    model::{
        Config, FailureReason, MonitorName, Observation, PolicyText, TargetName, Timestamp,
        VantageName,
    },
};
use std::{net::IpAddr, sync::Arc};

/// What a recording begins with: enough to fold it without any other file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Who wrote it: `sidestep 0.1.0`, `csv`, `prometheus`, `uptime-kuma`.
    pub by: String,
    /// Targets, monitors, services, witnesses: as they were when it began.
    pub config: Config,
    /// Texts of policies that it brings along, beside those of its `policy` lines.
    pub policies: Vec<PolicyText>,
}

/// The place of a probe: a series of which the address may be left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesKey {
    /// Whose.
    pub target: TargetName,
    /// Under which monitor.
    pub monitor: MonitorName,
    /// Which address; `None` where the target has one.
    pub address: Option<IpAddr>,
    /// From where.
    pub vantage: VantageName,
}

/// One probe result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// Its number in the recording; lines are counted where it has none.
    pub seq: u64,
    /// Index into [`Recording::series`].
    pub series: usize,
    /// Whether it was good.
    pub ok: bool,
    /// Round-trip time of a good one, µs.
    pub rtt_us: Option<u32>,
    /// Why it was bad.
    pub error: Option<FailureReason>,
    /// The timer fired too late to blame the target.
    pub late: bool,
    /// Our own shortage: no result.
    pub local: Option<Arc<str>>,
    /// Days until the certificate expires.
    pub cert_days: Option<i32>,
    /// A number that an `exec` monitor gave.
    pub value: Option<i64>,
}

impl Seen {
    /// The observation that the fold takes.
    pub fn observation(&self, key: &SeriesKey) -> Observation {
        Observation {
            target: key.target.clone(),
            monitor: key.monitor.clone(),
            address: key.address,
            vantage: key.vantage.clone(),
            ok: self.ok,
            rtt_us: self.rtt_us,
            error: self.error,
            late: self.late,
            local: self.local.as_deref().map(str::to_owned),
            cert_days: self.cert_days,
            value: self.value,
        }
    }
}

/// One line of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A probe result.
    Probe(Seen),
    /// Any other event.
    Event(Box<Event>),
    /// Everything that was known after the event of its number.
    State(Box<State>),
    /// A kind that this version does not know: fidelity is not guaranteed.
    Unknown {
        /// The kind.
        kind: String,
        /// Its line, from 1.
        line: u64,
    },
}

//! Recordings: a stretch of what happened as a portable file, format 1 and other people's.
//!
//! [`open`] tells by its content what a file is and gives a [`Recording`]: a [`Header`] and, one
//! after the other, [`Item`]s in the order of their time. Probe results, of which there are
//! millions, come as [`Seen`] with the number of their series; the series stand in
//! [`Recording::series`]. Knows formats and the events of the fold; folds nothing.

mod csv_file;
mod foreign;
mod header;
mod input;
mod kuma;
mod lines;
mod open;
mod prometheus;
mod series;
mod writer;

pub use open::{Labels, Reading, open};
pub use series::Series;
pub use writer::{RecordingFile, Writer};

use crate::{
    failover::{Event, State},
    model::{
        Config, FailureReason, MonitorName, Observation, PolicyText, TargetName, Timestamp,
        VantageName,
    },
};
use foreign::Points;
use lines::Lines;
use std::{collections::BTreeMap, fmt, net::IpAddr, sync::Arc};

/// The version of the format that is written, and the newest that is read.
pub const VERSION: u32 = 1;

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
    /// An observation of a series by its number.
    pub fn of(at: Timestamp, seq: u64, series: usize, seen: Observation) -> Self {
        Self {
            at,
            seq,
            series,
            ok: seen.ok,
            rtt_us: seen.rtt_us,
            error: seen.error,
            late: seen.late,
            local: seen.local.map(Arc::from),
            cert_days: seen.cert_days,
            value: seen.value,
        }
    }

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

/// What is wrong with a recording. Displays as `FILE:LINE: what is wrong, what to do`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingError {
    /// The file as the operator named it.
    pub file: String,
    /// From 1; 0 where it concerns the whole file.
    pub line: u64,
    /// One sentence, lower case, no full stop.
    pub message: String,
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for RecordingError {}

/// What was noticed while a recording was read, and is no reason to stop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Lines, rows or points read, the header included.
    pub lines: u64,
    /// The last line, where it was dropped because it is cut: its number and why.
    pub torn: Option<String>,
    /// Times that ran backwards and count as that of the line before.
    pub clamped: u64,
    /// By how much at the most, ms.
    pub clamped_most_ms: i64,
    /// Kinds of lines that this version does not know, and how many there were of each.
    pub unknown_kinds: BTreeMap<String, u64>,
    /// Why something of a foreign format was left out, and how often.
    pub left_out: BTreeMap<String, u64>,
}

/// A recording that is being read: its items in order. Ends after the first error.
pub struct Recording {
    file: String,
    header: Header,
    series: Series,
    notes: Notes,
    body: Body,
    last_at: Option<Timestamp>,
    last_seq: u64,
    ended: bool,
}

/// Where items come from.
enum Body {
    /// Lines of format 1.
    Lines(Lines),
    /// Points of another format.
    Points(Points),
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Recording");
        shown.field("file", &self.file).finish_non_exhaustive()
    }
}

impl Recording {
    fn new(file: &str, header: Header, series: Series, notes: Notes, body: Body) -> Self {
        Self {
            file: file.to_owned(),
            header,
            series,
            notes,
            body,
            last_at: None,
            last_seq: 0,
            ended: false,
        }
    }

    /// What it begins with.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The series met so far. More come while it is read; the index of one stays.
    pub fn series(&self) -> &[SeriesKey] {
        self.series.keys()
    }

    /// What was noticed so far; complete at the end.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Time never runs backwards: one that does counts as the last, and is counted.
    fn clamp(&mut self, at: Timestamp) -> Timestamp {
        match self.last_at {
            Some(last) if at < last => {
                self.notes.clamped += 1;
                let by_ms = last.since_ms(at);
                self.notes.clamped_most_ms = self.notes.clamped_most_ms.max(by_ms);
                last
            }
            _ => {
                self.last_at = Some(at);
                at
            }
        }
    }

    /// The place of a line, where it can be one.
    fn place(at: Timestamp, seq: Option<u64>) -> Result<(), String> {
        if !is_time(at) {
            return Err(format!("{} {NO_TIME}", at.0));
        }
        match seq.filter(|seq| i64::try_from(*seq).is_err()) {
            Some(seq) => Err(format!(
                "{seq} is no number of a line: none is above {}",
                i64::MAX
            )),
            None => Ok(()),
        }
    }

    /// The number of a line that may have none: one more than the line before.
    fn number(&mut self, seq: Option<u64>) -> u64 {
        self.last_seq = seq.unwrap_or_else(|| self.last_seq.saturating_add(1));
        self.last_seq
    }

    fn error(&self, line: u64, message: impl Into<String>) -> RecordingError {
        RecordingError {
            file: self.file.clone(),
            line,
            message: message.into(),
        }
    }

    fn next_point(&mut self) -> Option<Result<Item, RecordingError>> {
        let Body::Points(points) = &mut self.body else {
            return None;
        };
        let point = match points.next()? {
            Ok(point) => point,
            Err(error) => return Some(Err(error)),
        };
        self.notes.lines += 1;
        let (at, seq) = (self.clamp(point.at), self.number(None));
        Some(Ok(Item::Probe(point.seen(at, seq))))
    }
}

/// What is wrong with an instant that is outside.
const NO_TIME: &str = "is no time: milliseconds since 1970, until the year 9999";

/// Whether an instant is in the years 1970 to 9999.
fn is_time(at: Timestamp) -> bool {
    (0..=253_402_300_799_999).contains(&at.0)
}

impl Iterator for Recording {
    type Item = Result<Item, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = match self.body {
            Body::Lines(_) => self.next_line().transpose(),
            Body::Points(_) => self.next_point(),
        };
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

//! Format 1 by the line: probe results on a fast path that copies nothing, the rest as events.

use super::{
    Body, Item, Recording, RecordingError, Seen, header,
    input::{Got, Input, LINE_MAX},
};
use crate::{
    failover::{Event, State, What},
    model::{FailureReason, Timestamp},
};
use serde::{
    Deserialize,
    de::{IgnoredAny, MapAccess, Visitor},
};
use std::{borrow::Cow, fmt, io, sync::Arc};

/// What follows the header.
pub(super) struct Lines {
    input: Input,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn new(input: Input) -> Self {
        Self {
            input,
            line: Vec::new(),
        }
    }
}

/// A line as far as the fast path reads it.
#[derive(Deserialize)]
struct Quick<'l> {
    at: i64,
    #[serde(default)]
    seq: Option<u64>,
    #[serde(default, borrow)]
    probe: Option<Probe<'l>>,
}

#[derive(Deserialize)]
struct Probe<'l> {
    #[serde(borrow)]
    target: Cow<'l, str>,
    #[serde(borrow)]
    monitor: Cow<'l, str>,
    #[serde(default, borrow)]
    address: Option<Text<'l>>,
    #[serde(borrow)]
    vantage: Cow<'l, str>,
    ok: bool,
    #[serde(default)]
    rtt_us: Option<u32>,
    #[serde(default)]
    error: Option<FailureReason>,
    #[serde(default)]
    late: bool,
    #[serde(default, borrow)]
    local: Option<Text<'l>>,
    #[serde(default)]
    cert_days: Option<i32>,
    #[serde(default)]
    value: Option<i64>,
}

/// Serde borrows in an `Option` only what stands in a type of its own.
#[derive(Deserialize)]
struct Text<'l>(#[serde(borrow)] Cow<'l, str>);

/// A line of another kind, whose number may be left out.
#[derive(Deserialize)]
struct Slow {
    #[serde(flatten)]
    what: What,
}

#[derive(Deserialize)]
struct Snapshot {
    state: State,
}

/// The kinds of lines beside `probe`, as [`What`] and [`Snapshot`] have them.
const KINDS: [&str; 17] = [
    "start",
    "tick",
    "witness",
    "clock",
    "policy",
    "config",
    "operator",
    "freshness",
    "drift",
    "resolved",
    "decision",
    "fault",
    "ended",
    "refused",
    "shadow",
    "gap",
    "state",
];

/// What kind a line is of: the first key that is a kind; else the first that is no number's.
struct KindOf(Option<String>);

impl<'de> Deserialize<'de> for KindOf {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = KindOf;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<KindOf, A::Error> {
                let mut first: Option<String> = None;
                while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
                    let is_known = |key: &str| KINDS.contains(&key);
                    let is_number = key == "at" || key == "seq";
                    if !is_number && (first.is_none() || is_known(&key)) {
                        let keep = first.take().filter(|first| is_known(first));
                        first = keep.or(Some(key));
                    }
                }
                Ok(KindOf(first))
            }
        }
        from.deserialize_map(Keys)
    }
}

impl Recording {
    /// The next item of format 1.
    pub(super) fn next_line(&mut self) -> Result<Option<Item>, RecordingError> {
        loop {
            let Body::Lines(lines) = &mut self.body else {
                return Ok(None);
            };
            let got = lines.input.line(&mut lines.line);
            let number = lines.input.number;
            let whole = match got {
                Ok(Got::Line { whole }) => whole,
                Ok(Got::End) => return Ok(None),
                Ok(Got::Cut) => return Ok(self.torn(number, CUT)),
                Ok(Got::TooLong) => return Err(self.error(number, too_long())),
                Err(error) => return Err(self.error(number + 1, unreadable(&error))),
            };
            self.notes.lines += 1;
            let line = std::mem::take(&mut lines.line);
            let read = self.item(&line, number);
            if let Body::Lines(lines) = &mut self.body {
                lines.line = line; // Its room is used again.
            }
            match read {
                Ok(None) => {}
                Err(why) if !whole => {
                    self.notes.lines -= 1;
                    return Ok(self.torn(number, &why));
                }
                Err(why) => return Err(self.error(number, why)),
                Ok(some) => return Ok(some),
            }
        }
    }

    fn torn(&mut self, line: u64, why: &str) -> Option<Item> {
        self.notes.torn = Some(format!("line {line}: {why}"));
        None
    }

    /// What a line says; `None` where it is blank.
    fn item(&mut self, line: &[u8], number: u64) -> Result<Option<Item>, String> {
        let quick: Quick<'_> = match serde_json::from_slice(line) {
            Ok(quick) => quick,
            Err(_) if line.trim_ascii().is_empty() => return Ok(None),
            Err(error) => return Err(header::said(&error)),
        };
        let at = Timestamp(quick.at);
        Self::place(at, quick.seq)?;
        let Some(probe) = quick.probe else {
            return self.slow(line, at, quick.seq, number).map(Some);
        };
        let address = probe.address.as_ref().map(|text| &*text.0);
        let place = [&*probe.target, &*probe.monitor, &*probe.vantage];
        let seen = Seen {
            series: self.series.index(place, address)?,
            at: self.clamp(at),
            seq: self.number(quick.seq),
            ok: probe.ok,
            rtt_us: probe.rtt_us,
            error: probe.error,
            late: probe.late,
            local: probe.local.map(|text| Arc::from(&*text.0)),
            cert_days: probe.cert_days,
            value: probe.value,
        };
        Ok(Some(Item::Probe(seen)))
    }

    fn slow(
        &mut self,
        line: &[u8],
        at: Timestamp,
        seq: Option<u64>,
        number: u64,
    ) -> Result<Item, String> {
        let said = |error: serde_json::Error| header::said(&error);
        let kind = serde_json::from_slice::<KindOf>(line).map_err(said)?.0;
        let kind =
            kind.ok_or("a line without a kind: after at and seq comes one such as \"probe\"")?;
        if !KINDS.contains(&kind.as_str()) {
            *self.notes.unknown_kinds.entry(kind.clone()).or_default() += 1;
            self.clamp(at);
            self.number(seq);
            return Ok(Item::Unknown { kind, line: number });
        }
        if kind == "state" {
            let snapshot: Snapshot = serde_json::from_slice(line).map_err(said)?;
            let state = snapshot.state;
            Self::place(state.world().at, Some(state.world().seq))?;
            state.soundness()?;
            header::consistency(&state.world().config)?;
            let at = self.clamp(state.world().at);
            self.last_at = Some(at);
            self.last_seq = state.world().seq;
            return Ok(Item::State(Box::new(state)));
        }
        let slow: Slow = serde_json::from_slice(line).map_err(said)?;
        if let What::Config(in_force) = &slow.what {
            header::consistency(&in_force.config)?;
        }
        let event = Event {
            at: self.clamp(at),
            seq: self.number(seq),
            what: slow.what,
        };
        Ok(Item::Event(Box::new(event)))
    }
}

const CUT: &str = "the compressed file is cut here";

pub(super) fn too_long() -> String {
    let most = LINE_MAX >> 20;
    format!("longer than {most} MiB: no line of a recording is")
}

/// Why bytes could not be read: the disk, or what is compressed is damaged.
pub(super) fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::Other => format!(
            "what is compressed is damaged here ({error}): take it from its source again; what came before can be read up to this line"
        ),
        _ => format!("cannot be read: {error}"),
    }
}

//! An event as a row, and a row as an event.
//!
//! An observation has a row of its own, with its series by number. Every other kind is a row of
//! `event`, its body the JSON that recordings have under the name of the kind.

use super::fault::{Attempt, Trouble};
use crate::{
    failover::{
        Command, Event, What,
        event::{Ended, Shadowed},
    },
    model::{FailureReason, Observation, Timestamp},
};
use rusqlite::{Connection, Row, params};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, net::IpAddr};

/// What one series is: target, monitor, address, vantage.
pub(super) type SeriesKey = (String, String, Option<String>, String);

/// Whether an event may wait for others, is let go where the disk is full, and is let go with age.
pub(super) fn is_light(what: &What) -> bool {
    matches!(what, What::Probe(_) | What::Tick {} | What::Witness(_))
}

/// The series of an observation.
pub(super) fn series_key(seen: &Observation) -> SeriesKey {
    (
        seen.target.to_string(),
        seen.monitor.to_string(),
        seen.address.map(|address| address.to_string()),
        seen.vantage.to_string(),
    )
}

/// A number of ours as SQLite has it. Larger ones than it knows do not occur in 10⁹ years.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of SQLite's as we have it; a negative one is damage.
pub(super) fn unsigned(number: i64) -> Attempt<u64> {
    u64::try_from(number).map_err(|_| Trouble::damaged(format!("the number {number}")))
}

/// The SHA-256 of a text.
pub(super) fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Writes an observation.
pub(super) fn insert_observation(
    connection: &Connection,
    event: &Event,
    seen: &Observation,
    series: i64,
) -> Attempt<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO observation(seq, at, series, ok, rtt_us, error, late, local, cert_days, value)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    statement.execute(params![
        signed(event.seq),
        event.at.0,
        series,
        seen.ok,
        seen.rtt_us,
        seen.error.map(FailureReason::word),
        seen.late.then_some(true),
        seen.local,
        seen.cert_days,
        seen.value,
    ])?;
    Ok(())
}

/// Writes an event of another kind. Texts of policies and configurations are stored once.
pub(super) fn insert_event(connection: &Connection, event: &Event) -> Attempt<()> {
    let (kind, body) = body(&event.what)?;
    let body = (body != "{}").then_some(body);
    let stored_once = matches!(event.what, What::Policy(_) | What::Config(_));
    let body_hash = match &body {
        Some(text) if stored_once => Some(insert_body(connection, text)?),
        _ => None,
    };
    let (service, target) = concerns(&event.what);
    let mut statement = connection.prepare_cached(
        "INSERT INTO event(seq, at, kind, service, target, body, body_hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    statement.execute(params![
        signed(event.seq),
        event.at.0,
        kind,
        service,
        target,
        body.filter(|_| !stored_once),
        body_hash,
    ])?;
    Ok(())
}

/// Stores a text under its hash, once.
pub(super) fn insert_body(connection: &Connection, text: &str) -> Attempt<[u8; 32]> {
    let hash = hash(text);
    let mut statement =
        connection.prepare_cached("INSERT OR IGNORE INTO body(hash, text) VALUES (?1, ?2)")?;
    statement.execute(params![hash, text])?;
    Ok(hash)
}

/// Kind and body: the key of the JSON line and what stands under it.
fn body(what: &What) -> Attempt<(String, String)> {
    let text = serde_json::to_string(what).map_err(Trouble::damaged)?;
    let cut = text
        .strip_prefix("{\"")
        .and_then(|text| text.strip_suffix('}'))
        .and_then(|text| text.split_once("\":"));
    let (kind, body) = cut.ok_or_else(|| Trouble::damaged("an event without a kind"))?;
    Ok((kind.to_owned(), body.to_owned()))
}

/// The service and the target that an event is about: columns to look for.
fn concerns(what: &What) -> (Option<&str>, Option<&str>) {
    match what {
        What::Decision(decision) => (
            Some(&decision.service),
            decision.serve.first().map(|target| &**target),
        ),
        What::Shadow(Shadowed::Decision(decision)) => (
            Some(&decision.service),
            decision.serve.first().map(|target| &**target),
        ),
        What::Fault(fault) | What::Shadow(Shadowed::Fault(fault)) => (Some(&fault.service), None),
        What::Shadow(Shadowed::Parted(parted)) => (Some(&parted.service), None),
        What::Freshness(report) => (None, Some(&report.target)),
        What::Drift(report) => (None, Some(&report.target)),
        What::Resolved(report) => (None, Some(&report.target)),
        What::Ended(Ended::Override { service, .. }) => (Some(service), None),
        What::Ended(Ended::Drain { target }) => (None, Some(target)),
        What::Operator(order) => match &order.command {
            Command::Switch {
                service, target, ..
            } => (Some(service), Some(target)),
            Command::Hold { service, .. }
            | Command::Release { service }
            | Command::Failback { service } => (Some(service), None),
            Command::Drain { target, .. } | Command::Undrain { target } => (None, Some(target)),
            Command::Freeze { .. } | Command::Thaw => (None, None),
        },
        _ => (None, None),
    }
}

/// The columns that [`event_of`] reads.
pub(super) const EVENT_COLUMNS: &str =
    "e.seq, e.at, e.kind, e.body, b.text FROM event e LEFT JOIN body b ON b.hash = e.body_hash";

/// A row of `event` as an event.
pub(super) fn event_of(row: &Row<'_>) -> Attempt<Event> {
    let seq = unsigned(row.get(0)?)?;
    let at = Timestamp(row.get(1)?);
    let kind = row.get_ref(2)?.as_str().map_err(Trouble::damaged)?;
    let body = row.get_ref(3)?.as_str_or_null().map_err(Trouble::damaged)?;
    let once = row.get_ref(4)?.as_str_or_null().map_err(Trouble::damaged)?;
    let what = match kind {
        "tick" => What::Tick {},
        kind if kind.bytes().all(|byte| byte.is_ascii_lowercase()) => {
            let body = body.or(once).unwrap_or("{}");
            let text = format!("{{\"{kind}\":{body}}}");
            serde_json::from_str(&text)
                .map_err(|error| Trouble::damaged(format!("event {seq}: {error}")))?
        }
        _ => return Err(Trouble::damaged(format!("event {seq} is of no kind"))),
    };
    Ok(Event { at, seq, what })
}

/// The columns that [`Places::observation_of`] reads.
pub(super) const OBSERVATION_COLUMNS: &str =
    "seq, at, series, ok, rtt_us, error, late, local, cert_days, value FROM observation";

/// Series by number, as they are read.
#[derive(Default)]
pub(super) struct Places {
    by_id: BTreeMap<i64, Observation>,
}

impl Places {
    /// Reads all that there are.
    pub(super) fn read(connection: &Connection) -> Attempt<Self> {
        let mut places = Self::default();
        places.read_more(connection)?;
        Ok(places)
    }

    fn read_more(&mut self, connection: &Connection) -> Attempt<()> {
        let mut statement = connection
            .prepare_cached("SELECT id, target, monitor, address, vantage FROM series")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let address: Option<String> = row.get(3)?;
            let address = address
                .map(|text| text.parse::<IpAddr>())
                .transpose()
                .map_err(Trouble::damaged)?;
            let blank = Observation {
                target: row.get::<_, String>(1)?.into(),
                monitor: row.get::<_, String>(2)?.into(),
                address,
                vantage: row.get::<_, String>(4)?.into(),
                ok: false,
                rtt_us: None,
                error: None,
                late: false,
                local: None,
                cert_days: None,
                value: None,
            };
            self.by_id.insert(row.get(0)?, blank);
        }
        Ok(())
    }

    /// The number of each series.
    pub(super) fn ids(&self) -> BTreeMap<SeriesKey, i64> {
        let key = |(id, blank): (&i64, &Observation)| (series_key(blank), *id);
        self.by_id.iter().map(key).collect()
    }

    /// A row of `observation` as an event.
    pub(super) fn observation_of(
        &mut self,
        connection: &Connection,
        row: &Row<'_>,
    ) -> Attempt<Event> {
        let seq = unsigned(row.get(0)?)?;
        let series: i64 = row.get(2)?;
        if !self.by_id.contains_key(&series) {
            self.read_more(connection)?; // It came after this reader.
        }
        let blank = self.by_id.get(&series);
        let blank =
            blank.ok_or_else(|| Trouble::damaged(format!("event {seq} is of no series")))?;
        let error = row.get_ref(5)?.as_str_or_null().map_err(Trouble::damaged)?;
        let seen = Observation {
            ok: row.get(3)?,
            rtt_us: row.get(4)?,
            error: error.map(reason).transpose()?,
            late: row.get::<_, Option<bool>>(6)?.unwrap_or(false),
            local: row.get(7)?,
            cert_days: row.get(8)?,
            value: row.get(9)?,
            ..blank.clone()
        };
        Ok(Event {
            at: Timestamp(row.get(1)?),
            seq,
            what: What::Probe(seen),
        })
    }
}

fn reason(word: &str) -> Attempt<FailureReason> {
    let word = serde_json::Value::String(word.to_owned());
    serde_json::from_value(word).map_err(Trouble::damaged)
}

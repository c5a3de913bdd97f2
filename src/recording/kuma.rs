//! The database of Uptime Kuma, versions 1 and 2: every monitor of it is a target.
//!
//! `heartbeat.status` is 0 down, 1 up, 2 pending (failed, with retries left), 3 maintenance;
//! `time` is UTC, `ping` ms. A group of monitors is none that probes. The file is opened to read
//! and held in memory.

use super::{
    Body, Notes, Reading, Recording, RecordingError,
    foreign::{self, Gathered, Point},
};
use crate::model::Timestamp;
use rusqlite::{Connection, OpenFlags, types::ValueRef};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

const MONITOR: &str = "kuma";
const VANTAGE: &str = "uptime-kuma";

/// Opens a database.
///
/// # Errors
/// As [`super::open()`].
pub(super) fn open(
    path: &Path,
    file: &str,
    reading: &Reading,
) -> Result<Recording, RecordingError> {
    read(path, reading)
        .map(|(made, points, notes)| {
            let body = Body::Points(foreign::in_memory(points, made.places));
            Recording::new(file, made.header, made.series, notes, body)
        })
        .map_err(|message| RecordingError {
            file: file.to_owned(),
            line: 0,
            message,
        })
}

fn read(path: &Path, reading: &Reading) -> Result<(foreign::Made, Vec<Point>, Notes), String> {
    let said = |error: rusqlite::Error| format!("the database cannot be read: {error}");
    let connection = connect(path).map_err(said)?;
    let tables = tables(&connection).map_err(said)?;
    if tables.contains("observation") && tables.contains("snapshot") {
        return Err(
            "a journal of sidestep: give the folder that it is in instead of the file".to_owned(),
        );
    }
    if !tables.contains("monitor") || !tables.contains("heartbeat") {
        return Err(
            "an SQLite database, and none of Uptime Kuma: it has no tables 'monitor' and 'heartbeat'"
                .to_owned(),
        );
    }
    let names = names(&connection).map_err(said)?;
    let mut beats = Beats::default();
    beats.read(&connection, &names).map_err(said)?;
    if beats.points.is_empty() {
        return Err("the database of Uptime Kuma has no heartbeat of a monitor in it".to_owned());
    }
    beats.points.sort_by_key(|point| point.at);
    for point in &beats.points {
        beats.gathered.saw(point.series, point.at);
    }
    let made = beats.gathered.make("uptime-kuma", reading)?;
    let notes = Notes {
        left_out: beats.left_out,
        ..Notes::default()
    };
    Ok((made, beats.points, notes))
}

/// To read, whoever else has it open; a copy without its WAL in a folder of others, too.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    match tables(&connection) {
        Ok(_) => Ok(connection),
        Err(refused) => {
            let name = path.to_string_lossy();
            let name = name
                .replace('%', "%25")
                .replace('?', "%3f")
                .replace('#', "%23");
            let as_it_is = format!("file:{name}?immutable=1");
            let flags = flags | OpenFlags::SQLITE_OPEN_URI;
            let connection = Connection::open_with_flags(as_it_is, flags)?;
            tables(&connection).map(|_| connection).map_err(|_| refused)
        }
    }
}

fn tables(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table'")?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

/// The name of each monitor by its number; `None` for a group.
fn names(connection: &Connection) -> rusqlite::Result<BTreeMap<i64, Option<String>>> {
    let mut statement = connection.prepare("SELECT id, name, type FROM monitor ORDER BY id")?;
    let mut rows = statement.query([])?;
    let (mut names, mut taken) = (BTreeMap::new(), BTreeSet::new());
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let name: Option<String> = row.get(1)?;
        let kind: Option<String> = row.get(2)?;
        if kind.as_deref() == Some("group") {
            names.insert(id, None);
            continue;
        }
        let name = name.map(|name| name.trim().to_owned());
        let mut name = name
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| format!("monitor {id}"));
        if !taken.insert(name.clone()) {
            name = format!("{name} ({id})");
            taken.insert(name.clone());
        }
        names.insert(id, Some(name));
    }
    Ok(names)
}

#[derive(Default)]
struct Beats {
    gathered: Gathered,
    points: Vec<Point>,
    left_out: BTreeMap<String, u64>,
}

impl Beats {
    fn read(
        &mut self,
        connection: &Connection,
        names: &BTreeMap<i64, Option<String>>,
    ) -> rusqlite::Result<()> {
        // Those of a monitor that was deleted are of no name.
        let mut statement = connection
            .prepare("SELECT monitor_id, status, time, ping FROM heartbeat ORDER BY time, id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let name = names.get(&row.get::<_, i64>(0)?);
            let status: i64 = row.get(1)?;
            let at = time(row.get_ref(2)?);
            let left = match (name, status, at) {
                (None, ..) => "heartbeats of a monitor that was deleted",
                (Some(None), ..) => "heartbeats of a group, which sums up others",
                (_, 3, _) => "maintenance",
                (_, i64::MIN..=-1 | 4.., _) => "a status that Uptime Kuma does not have",
                (_, _, None) => "a time that cannot be read",
                (Some(Some(name)), _, Some(at)) => {
                    let ms = match row.get_ref(3)? {
                        ValueRef::Integer(ms) => Some(ms as f64),
                        ValueRef::Real(ms) => Some(ms),
                        _ => None,
                    };
                    self.points.push(Point {
                        at,
                        series: self.gathered.series(name, MONITOR, VANTAGE),
                        ok: status == 1,
                        rtt_us: ms.and_then(foreign::rtt_us),
                    });
                    continue;
                }
            };
            *self.left_out.entry(left.to_owned()).or_default() += 1;
        }
        Ok(())
    }
}

/// `2025-11-22 08:26:40.123` in UTC, or ms since the epoch.
fn time(value: ValueRef<'_>) -> Option<Timestamp> {
    match value {
        ValueRef::Integer(ms) => Some(Timestamp(ms)).filter(|at| super::is_time(*at)),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).ok()?.trim();
            let text = text.trim_end_matches(['Z', 'z']).replacen(' ', "T", 1);
            Timestamp::parse_utc(&format!("{text}Z")).ok()
        }
        _ => None,
    }
}

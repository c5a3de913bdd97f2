//! The file as the writer has it: batches in, each in one transaction, and its upkeep.

use super::{
    Kept, Versions,
    backlog::{Batch, Step},
    fault::{Attempt, Trouble},
    record::{self, Places, SeriesKey, series_key, signed, unsigned},
    recover, schema, snapshot,
};
use crate::{
    failover::{Event, State, What},
    model::{Config, Observation, PolicyName, PolicyText, PolicyVersion, Service, Timestamp},
};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The WAL is moved into the main file when it holds this many pages (of 4 KiB).
const WAL_PAGES_MAX: i64 = 1_000;

/// What a new file needs besides what waits, should this one be lost.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// Policies in force, and those that came since.
    pub(super) policies: BTreeMap<PolicyName, PolicyText>,
    /// Versions that services name.
    pub(super) versions: Versions,
    /// The files in force.
    pub(super) kept: Option<Kept>,
}

/// An open file.
pub(super) struct Store {
    pub(super) connection: Connection,
    path: PathBuf,
    /// Device and number of the file: whether it is still the one under its name.
    identity: (u64, u64),
    series: BTreeMap<SeriesKey, i64>,
}

impl Store {
    /// Opens the file or makes it; says what is wrong where it is no journal of ours.
    pub(super) fn open_or_make(path: &Path) -> Attempt<Self> {
        if path.exists() && !path.is_file() {
            return Err(Trouble::damaged("it is no file"));
        }
        Self::of(schema::open_or_make(path)?, path)
    }

    /// Opens what is there.
    pub(super) fn open(path: &Path) -> Attempt<Self> {
        let connection = schema::open(path)?;
        Self::of(connection, path)
    }

    fn of(connection: Connection, path: &Path) -> Attempt<Self> {
        if let Some(why) = schema::stranger(&connection)? {
            return Err(Trouble::Damaged(why));
        }
        let identity = identity(path);
        let identity = identity.ok_or_else(|| Trouble::damaged("its file is gone"))?;
        let series = Places::read(&connection)?.ids();
        Ok(Self {
            connection,
            path: path.to_owned(),
            identity,
            series,
        })
    }

    /// The last event in it.
    pub(super) fn last_seq(&self) -> Attempt<u64> {
        let last: i64 = self.connection.query_row(
            "SELECT max(coalesce((SELECT max(seq) FROM observation), 0),
                        coalesce((SELECT max(seq) FROM event), 0),
                        coalesce((SELECT max(seq) FROM snapshot), 0))",
            [],
            |row| row.get(0),
        )?;
        unsigned(last)
    }

    /// Moves all of the WAL into the main file and waits for the disk. After a failed sync the
    /// kernel may have dropped pages that it had promised to write: this writes them anew.
    pub(super) fn prove(&self) -> Attempt<()> {
        let (busy, _, _) = self.checkpoint("TRUNCATE")?;
        if busy == 0 {
            Ok(())
        } else {
            Err(Trouble::Busy)
        }
    }

    /// Moves the WAL into the main file where it grew long. Readers may keep a part of it back.
    pub(super) fn shorten_wal(&self) -> Attempt<()> {
        let (_, pages, moved) = self.checkpoint("NOOP")?;
        if pages - moved >= WAL_PAGES_MAX {
            self.checkpoint("PASSIVE")?;
        }
        Ok(())
    }

    fn checkpoint(&self, mode: &str) -> Attempt<(i64, i64, i64)> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?)
    }

    /// Whether the file under its name is still this one.
    pub(super) fn stands(&self) -> Attempt<()> {
        if identity(&self.path) == Some(self.identity) {
            return Ok(());
        }
        Err(Trouble::damaged("somebody removed or replaced its file"))
    }

    /// What it takes on disk: used pages and the WAL, in bytes.
    pub(super) fn bytes(&self) -> Attempt<u64> {
        let one = |pragma| {
            self.connection
                .query_row(pragma, [], |row| row.get::<_, i64>(0))
        };
        let pages = one("PRAGMA page_count")? - one("PRAGMA freelist_count")?;
        let bytes = unsigned(pages * one("PRAGMA page_size")?)?;
        let mut wal = self.path.clone().into_os_string();
        wal.push("-wal");
        Ok(bytes + fs::metadata(wal).map_or(0, |wal| wal.len()))
    }

    /// The oldest observation.
    pub(super) fn oldest_at(&self) -> Attempt<Option<Timestamp>> {
        let at: Option<i64> = self.connection.query_row(
            "SELECT (SELECT at FROM observation ORDER BY seq LIMIT 1)",
            [],
            |row| row.get(0),
        )?;
        Ok(at.map(Timestamp))
    }

    /// Begins a transaction; what is not committed is taken back.
    pub(super) fn begin(&self) -> Attempt<Transaction<'_>> {
        let behavior = TransactionBehavior::Immediate;
        Ok(Transaction::new_unchecked(&self.connection, behavior)?)
    }

    /// Writes a batch, all of it or nothing.
    pub(super) fn commit(&mut self, batch: &Batch, texts: &mut Texts) -> Attempt<()> {
        let frame = batch.snapshot.as_ref().map(snapshot::encode).transpose()?;
        let connection = &self.connection;
        let behavior = TransactionBehavior::Immediate;
        let transaction = Transaction::new_unchecked(connection, behavior)?;
        if let Some(gap) = &batch.gap {
            record::insert_event(connection, &gap.event())?;
            // The file may be a new one that has none of these.
            for (version, (text, params)) in &texts.versions {
                insert_version(connection, version, text, params)?;
            }
            if let Some(kept) = &texts.kept {
                insert_kept(connection, kept)?;
            }
        }
        for step in &batch.steps {
            insert_step(connection, &mut self.series, step, texts)?;
        }
        if let (Some(state), Some(frame)) = (&batch.snapshot, frame) {
            let world = state.world();
            // One that began with a snapshot has none of these.
            for version in recover::named(state) {
                if let Some((text, params)) = texts.versions.get(version) {
                    insert_version(connection, version, text, params)?;
                }
            }
            snapshot::insert(connection, world.seq, world.at, &frame)?;
        }
        transaction.commit()?;
        if let Some(state) = &batch.snapshot {
            texts.forget_unnamed(state);
        }
        Ok(())
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

impl Texts {
    /// Lets versions go that no service names any more.
    fn forget_unnamed(&mut self, state: &State) {
        let named: Vec<_> = recover::named(state).collect();
        self.versions.retain(|version, _| named.contains(&version));
    }
}

fn insert_step(
    connection: &Connection,
    series: &mut BTreeMap<SeriesKey, i64>,
    step: &Step,
    texts: &mut Texts,
) -> Attempt<()> {
    for event in &step.events {
        insert_one(connection, series, event, texts)?;
    }
    if let Some(kept) = &step.kept {
        insert_kept(connection, kept)?;
        texts.kept = Some(kept.clone());
    }
    Ok(())
}

fn insert_one(
    connection: &Connection,
    series: &mut BTreeMap<SeriesKey, i64>,
    event: &Event,
    texts: &mut Texts,
) -> Attempt<()> {
    if let What::Probe(seen) = &event.what {
        let series = series_id(connection, series, seen)?;
        return record::insert_observation(connection, event, seen, series);
    }
    record::insert_event(connection, event)?;
    match &event.what {
        What::Policy(text) => {
            texts.policies.insert(text.name.clone(), text.clone());
            Ok(())
        }
        What::Config(config) => insert_versions(connection, &config.config, texts),
        _ => Ok(()),
    }
}

fn series_id(
    connection: &Connection,
    series: &mut BTreeMap<SeriesKey, i64>,
    seen: &Observation,
) -> Attempt<i64> {
    let key = series_key(seen);
    if let Some(id) = series.get(&key) {
        return Ok(*id);
    }
    let mut statement = connection.prepare_cached(
        "INSERT INTO series(target, monitor, address, vantage) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let id = statement.insert(params![key.0, key.1, key.2, key.3])?;
    series.insert(key, id);
    Ok(id)
}

/// Every service's text and parameters, so that a version can be asked again after it went.
fn insert_versions(connection: &Connection, config: &Config, texts: &mut Texts) -> Attempt<()> {
    let shadows = config.services.values().filter_map(Service::as_shadow);
    let shadows: Vec<Service> = shadows.collect();
    for service in config.services.values().chain(&shadows) {
        let Some(text) = texts.policies.get(&service.policy) else {
            continue;
        };
        let version = PolicyVersion::of(&text.source, &service.params);
        insert_version(connection, &version, text, &service.params)?;
        let pair = (text.clone(), service.params.clone());
        texts.versions.insert(version, pair);
    }
    let services = config.services.values();
    let used: Vec<_> = services.flat_map(Service::policies).collect();
    texts.policies.retain(|name, _| used.contains(&name));
    Ok(())
}

fn insert_version(
    connection: &Connection,
    version: &PolicyVersion,
    text: &PolicyText,
    params: &crate::model::Params,
) -> Attempt<()> {
    let body = serde_json::to_string(text).map_err(Trouble::damaged)?;
    let hash = record::insert_body(connection, &body)?;
    let params = serde_json::to_string(params).map_err(Trouble::damaged)?;
    let mut statement = connection.prepare_cached(
        "INSERT OR IGNORE INTO policy_version(version, name, source_hash, params)
         VALUES (?1, ?2, ?3, ?4)",
    )?;
    statement.execute(params![version.as_str(), text.name.as_str(), hash, params])?;
    Ok(())
}

/// Writes the files that changed, and no other: a zone's may have tens of megabytes.
fn insert_kept(connection: &Connection, kept: &Kept) -> Attempt<()> {
    let mut statement = connection.prepare_cached("SELECT role, name FROM kept")?;
    let stored = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let stored: Vec<(String, String)> = stored.collect::<Result<_, _>>()?;
    let mut delete = connection.prepare_cached("DELETE FROM kept WHERE role = ?1 AND name = ?2")?;
    for gone in stored.iter().filter(|key| !kept.files.contains_key(key)) {
        delete.execute(params![gone.0, gone.1])?;
    }
    let mut write = connection.prepare_cached(
        "INSERT INTO kept(role, name, text) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET text = excluded.text WHERE text <> excluded.text",
    )?;
    for ((role, name), text) in &kept.files {
        write.execute(params![role, name, &**text])?;
    }
    Ok(())
}

/// Remembers how far something got.
pub(super) fn set_mark(connection: &Connection, key: &str, seq: u64) -> Attempt<()> {
    let mut statement =
        connection.prepare_cached("INSERT OR REPLACE INTO meta(key, value) VALUES (?1, ?2)")?;
    statement.execute(params![key, signed(seq)])?;
    Ok(())
}

/// How far something got; 0 at the beginning.
pub(super) fn mark(connection: &Connection, key: &str) -> Attempt<u64> {
    let mut statement =
        connection.prepare_cached("SELECT coalesce((SELECT value FROM meta WHERE key = ?1), 0)")?;
    unsigned(statement.query_row([key], |row| row.get(0))?)
}

//! The tables of the journal, and opening a connection to them.
//!
//! People may open the file with `sqlite3`: the views `probes` and `log` are for them. Knows no
//! event and no state.

use rusqlite::{Connection, OpenFlags};
use std::{
    fs::OpenOptions,
    io,
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    path::Path,
    time::Duration,
};

/// The file below the folder.
pub(super) const FILE: &str = "journal.sqlite";
/// `sstp`: says in the file's header whose it is.
const APPLICATION_ID: i64 = 0x7373_7470;
/// The version of the tables.
const USER_VERSION: i64 = 1;
/// How long a writer waits for somebody who holds the file with `sqlite3`.
const BUSY: Duration = Duration::from_millis(100);
/// The WAL is cut back to this once everything in it is in the main file.
const WAL_BYTES_KEPT: i64 = 16 << 20;

const TABLES: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE series(id INTEGER PRIMARY KEY, target TEXT NOT NULL, monitor TEXT NOT NULL,
    address TEXT, vantage TEXT NOT NULL);
CREATE TABLE observation(seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, series INTEGER NOT NULL,
    ok INTEGER NOT NULL, rtt_us INTEGER, error TEXT, late INTEGER, local TEXT, cert_days INTEGER,
    value INTEGER);
CREATE TABLE event(seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, service TEXT,
    target TEXT, body TEXT, body_hash BLOB);
CREATE TABLE body(hash BLOB PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE policy_version(version TEXT PRIMARY KEY, name TEXT NOT NULL,
    source_hash BLOB NOT NULL, params TEXT NOT NULL);
CREATE TABLE kept(role TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY(role, name)) WITHOUT ROWID;
CREATE TABLE snapshot(seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, format INTEGER NOT NULL,
    state BLOB NOT NULL);
CREATE TABLE rollup(hour INTEGER NOT NULL, series INTEGER NOT NULL, good INTEGER NOT NULL,
    bad INTEGER NOT NULL, none INTEGER NOT NULL, rtt_us_sum INTEGER NOT NULL, rtt_us_max INTEGER,
    PRIMARY KEY(hour, series)) WITHOUT ROWID;
CREATE VIEW probes AS
    SELECT o.seq, strftime('%Y-%m-%dT%H:%M:%fZ', o.at / 1000.0, 'unixepoch') AS time,
        s.target, s.monitor, s.address, s.vantage,
        CASE WHEN o.local IS NOT NULL THEN 'none' WHEN o.ok THEN 'good' ELSE 'bad' END AS result,
        o.rtt_us, o.error, o.late, o.local, o.cert_days, o.value
    FROM observation o JOIN series s ON s.id = o.series;
CREATE VIEW log AS
    SELECT e.seq, strftime('%Y-%m-%dT%H:%M:%fZ', e.at / 1000.0, 'unixepoch') AS time,
        e.kind, e.service, e.target,
        CASE WHEN e.kind IN ('policy', 'config') THEN hex(e.body_hash) ELSE e.body END AS body
    FROM event e WHERE e.kind NOT IN ('tick', 'witness');
";

/// Opens the file for writing; makes it and its tables where there are none.
pub(super) fn open_or_make(path: &Path) -> rusqlite::Result<Connection> {
    // SQLite gives the WAL the mode of the main file, so this is the one place that sets it.
    let made = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path);
    drop(made.map_err(|error| cannot_open(&error))?);
    let mut connection = open(path)?;
    if is_blank(&connection)? {
        let transaction = connection.transaction()?;
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", USER_VERSION)?;
        transaction.commit()?;
    }
    Ok(connection)
}

fn cannot_open(error: &io::Error) -> rusqlite::Error {
    let full = matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    );
    let code = if full {
        rusqlite::ffi::SQLITE_FULL
    } else {
        rusqlite::ffi::SQLITE_CANTOPEN
    };
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(error.to_string()))
}

/// Opens an existing file for writing.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    let mode: String = connection.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
        let message = format!("write-ahead logging cannot be switched on ({mode})");
        return Err(rusqlite::Error::SqliteFailure(code, Some(message)));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The writer moves the WAL itself, since SQLite would keep the errors of doing so to itself.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    Ok(connection)
}

/// Opens an existing file where the disk has no room left for the index of the WAL, or where
/// other memory is to be left alone: the index is kept on the heap, and nobody else gets in.
pub(super) fn open_alone(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(connection)
}

/// Opens an existing file for reading, beside whoever writes it.
pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY * 20)?;
    Ok(connection)
}

/// Whether nothing was ever written: a daemon died while it made the file.
fn is_blank(connection: &Connection) -> rusqlite::Result<bool> {
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    Ok(tables == 0 && header(connection)? == (0, 0))
}

fn header(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    let one = |pragma| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
    Ok((one("PRAGMA application_id")?, one("PRAGMA user_version")?))
}

/// Opens an existing file as it lies there, for reading: no lock is taken and no WAL is looked at.
pub(super) fn open_as_it_is(path: &Path) -> rusqlite::Result<Connection> {
    let mut uri = "file:".to_owned();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri + "?immutable=1", flags)
}

/// What keeps this file from being read as a journal of this version, in words.
pub(super) fn stranger(connection: &Connection) -> rusqlite::Result<Option<String>> {
    Ok(match header(connection)? {
        (APPLICATION_ID, USER_VERSION) => None,
        (APPLICATION_ID, version) if version > USER_VERSION => Some(format!(
            "it was written by a newer sidestep (format {version}, this one knows {USER_VERSION})"
        )),
        (APPLICATION_ID, version) => Some(format!(
            "its format is {version}, and this sidestep knows {USER_VERSION}"
        )),
        _ => Some("it is no journal of sidestep".to_owned()),
    })
}

//! Snapshots: the whole state as one row, so that a start folds only what came after it.
//!
//! Format 1 is the JSON of [`State`] in a zstd frame with a checksum: what is read is what was
//! written, or an error.

use super::{
    fault::{Attempt, Trouble},
    record::{signed, unsigned},
};
use crate::{
    failover::State,
    model::{Timestamp, time::HOUR_MS},
};
use rusqlite::{Connection, params};
use std::io::Read;

const FORMAT: i64 = 1;
/// Fast: the JSON is ten times smaller already, and the writer has decisions to write.
const LEVEL: i32 = 1;
/// The newest, and two to fall back on.
const KEPT: i64 = 3;
/// More than 100,000 targets' worth: a frame that holds more is none of ours.
const BYTES_MAX: u64 = 1 << 30;

/// The state as it is stored.
pub(super) fn encode(state: &State) -> Attempt<Vec<u8>> {
    let text = serde_json::to_vec(state).map_err(Trouble::damaged)?;
    let encoded = || {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), LEVEL)?;
        encoder.include_checksum(true)?;
        encoder.set_pledged_src_size(Some(text.len() as u64))?;
        std::io::Write::write_all(&mut encoder, &text)?;
        encoder.finish()
    };
    encoded().map_err(|error: std::io::Error| Trouble::Refused(error.to_string()))
}

fn decode(format: i64, frame: &[u8]) -> Attempt<State> {
    if format != FORMAT {
        return Err(Trouble::damaged(format!("a snapshot of format {format}")));
    }
    let mut text = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(frame).map_err(Trouble::damaged)?;
    let mut bounded = decoder.take(BYTES_MAX);
    bounded.read_to_end(&mut text).map_err(Trouble::damaged)?;
    serde_json::from_slice(&text).map_err(Trouble::damaged)
}

/// Writes a snapshot that [`encode`] made and lets older ones go.
pub(super) fn insert(
    connection: &Connection,
    seq: u64,
    at: Timestamp,
    frame: &[u8],
) -> Attempt<()> {
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO snapshot(seq, at, format, state) VALUES (?1, ?2, ?3, ?4)",
    )?;
    statement.execute(params![signed(seq), at.0, FORMAT, frame])?;
    let mut statement = connection.prepare_cached(
        "DELETE FROM snapshot WHERE seq NOT IN (SELECT seq FROM snapshot ORDER BY seq DESC LIMIT ?1)
         AND (at < coalesce((SELECT at FROM observation ORDER BY seq LIMIT 1), ?3)
              OR seq NOT IN (SELECT min(seq) FROM snapshot GROUP BY at / ?2))",
    )?;
    statement.execute(params![KEPT, HOUR_MS, i64::MAX])?;
    Ok(())
}

/// The number up to which events may go: the oldest of the snapshots that a start may fall back on.
pub(super) fn covered(connection: &Connection) -> Attempt<u64> {
    let mut statement = connection.prepare_cached(
        "SELECT coalesce(min(seq), 0) FROM (SELECT seq FROM snapshot ORDER BY seq DESC LIMIT ?1)",
    )?;
    unsigned(statement.query_row([KEPT], |row| row.get(0))?)
}

/// The snapshots there are, the newest first, of those at or before `until`.
pub(super) fn seqs(connection: &Connection, until: Option<Timestamp>) -> Attempt<Vec<i64>> {
    let mut statement =
        connection.prepare_cached("SELECT seq FROM snapshot WHERE at <= ?1 ORDER BY seq DESC")?;
    let until = until.map_or(i64::MAX, |until| until.0);
    let seqs = statement.query_map([until], |row| row.get(0))?;
    Ok(seqs.collect::<rusqlite::Result<_>>()?)
}

/// The snapshots there are, the oldest first, of those that cover event `seq`.
pub(super) fn covering(connection: &Connection, seq: u64) -> Attempt<Vec<i64>> {
    let mut statement =
        connection.prepare_cached("SELECT seq FROM snapshot WHERE seq >= ?1 ORDER BY seq")?;
    let seqs = statement.query_map([signed(seq)], |row| row.get(0))?;
    Ok(seqs.collect::<rusqlite::Result<_>>()?)
}

/// Reads one snapshot.
pub(super) fn read(connection: &Connection, seq: i64) -> Attempt<State> {
    let mut statement =
        connection.prepare_cached("SELECT format, state FROM snapshot WHERE seq = ?1")?;
    let (format, frame): (i64, Vec<u8>) =
        statement.query_row([seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let state = decode(format, &frame)?;
    if signed(state.world().seq) != seq {
        return Err(Trouble::damaged("a snapshot under another number"));
    }
    Ok(state)
}

//! Upkeep: roll-ups by the hour, and letting the oldest observations go by age and size.
//!
//! In small transactions, so that a decision waits for one of them at most. Decisions, operators,
//! configurations and whatever a start may need stay.

use super::{
    Settings,
    fault::Attempt,
    record::signed,
    snapshot,
    store::{Store, mark, set_mark},
};
use crate::model::{Timestamp, time::HOUR_MS};
use rusqlite::params;

/// Rows in one transaction.
const ROWS_MAX: i64 = 10_000;

/// Does one small piece of what is due. Whether more is.
pub(super) fn tend(store: &Store, settings: &Settings, now: Timestamp) -> Attempt<bool> {
    store.stands()?;
    if roll_up(store)? {
        return Ok(true);
    }
    let oldest = now.minus_ms(settings.keep_ms);
    if let_go(store, Some(oldest))? {
        return Ok(true);
    }
    if store.bytes()? <= settings.bytes_max {
        return Ok(false);
    }
    // Freed pages in the WAL count until they are moved.
    store.prove().or_else(|trouble| match trouble {
        super::fault::Trouble::Busy => Ok(()),
        other => Err(other),
    })?;
    Ok(store.bytes()? > settings.bytes_max && let_go(store, None)?)
}

/// Adds observations to the figures of their hour. Whether more are waiting.
fn roll_up(store: &Store) -> Attempt<bool> {
    let connection = &store.connection;
    let from = signed(mark(connection, "rolled_seq")?);
    let transaction = store.begin()?;
    let (to, rows): (Option<i64>, i64) = connection
        .prepare_cached(
            "SELECT max(seq), count(*) FROM
             (SELECT seq FROM observation WHERE seq > ?1 ORDER BY seq LIMIT ?2)",
        )?
        .query_row([from, ROWS_MAX], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some(to) = to else { return Ok(false) };
    connection
        .prepare_cached(
            "INSERT INTO rollup(hour, series, good, bad, none, rtt_us_sum, rtt_us_max)
             SELECT at / ?3, series, sum(local IS NULL AND ok), sum(local IS NULL AND NOT ok),
                 sum(local IS NOT NULL), coalesce(sum(rtt_us), 0), max(rtt_us)
             FROM observation WHERE seq > ?1 AND seq <= ?2 GROUP BY 1, 2
             ON CONFLICT(hour, series) DO UPDATE SET good = good + excluded.good,
                 bad = bad + excluded.bad, none = none + excluded.none,
                 rtt_us_sum = rtt_us_sum + excluded.rtt_us_sum,
                 rtt_us_max = max(coalesce(rtt_us_max, excluded.rtt_us_max),
                                  coalesce(excluded.rtt_us_max, rtt_us_max))",
        )?
        .execute([from, to, HOUR_MS])?;
    set_mark(connection, "rolled_seq", super::record::unsigned(to)?)?;
    transaction.commit()?;
    Ok(rows == ROWS_MAX)
}

/// Lets the oldest observations go: those before an instant, or any. Whether it did.
fn let_go(store: &Store, before: Option<Timestamp>) -> Attempt<bool> {
    let connection = &store.connection;
    let rolled = mark(connection, "rolled_seq")?;
    let covered = snapshot::covered(connection)?;
    let before = before.map_or(i64::MAX, |before| before.0);
    let transaction = store.begin()?;
    let to: Option<i64> = connection
        .prepare_cached(
            "SELECT max(seq) FROM (SELECT seq, at FROM observation WHERE seq <= ?1
             ORDER BY seq LIMIT ?2) WHERE at < ?3",
        )?
        .query_row(
            params![signed(rolled.min(covered)), ROWS_MAX, before],
            |row| row.get(0),
        )?;
    let Some(to) = to else {
        return Ok(false);
    };
    connection
        .prepare_cached("DELETE FROM observation WHERE seq <= ?1")?
        .execute([to])?;
    let trimmed = mark(connection, "trimmed_seq")?;
    connection
        .prepare_cached(
            "DELETE FROM event WHERE seq > ?1 AND seq <= ?2 AND kind IN ('tick', 'witness')",
        )?
        .execute([signed(trimmed), to])?;
    set_mark(connection, "trimmed_seq", super::record::unsigned(to)?)?;
    transaction.commit()?;
    Ok(true)
}

//! Recovering: the newest snapshot that can be read, and the fold of what came after it.

use super::{
    Kept, Versions,
    cursor::Cursor,
    fault::{Attempt, Trouble},
    snapshot,
};
use crate::{
    failover::{Event, State, What},
    model::{Params, PolicyText, PolicyVersion},
};
use rusqlite::{Connection, OptionalExtension};
use std::{collections::BTreeMap, sync::Arc};

/// What a journal says.
#[derive(Default)]
pub(super) struct Found {
    pub(super) state: State,
    pub(super) kept: Option<Kept>,
    pub(super) versions: Versions,
    pub(super) alarms: Vec<String>,
    pub(super) folded: u64,
}

/// Reads all of it.
pub(super) fn recover(connection: &Connection) -> Attempt<Found> {
    let mut found = Found::default();
    newest_snapshot(connection, &mut found)?;
    let mut cursor = Cursor::after(connection, found.state.world().seq)?;
    let mut missing = Missing::default();
    while let Some(event) = cursor.next(connection)? {
        missing.note(found.state.world().seq, &event);
        found.state.apply(&event);
        found.folded += 1;
    }
    found.alarms.extend(missing.sentence());
    found.kept = kept(connection)?;
    found.versions = versions(connection, &found.state)?;
    Ok(found)
}

fn newest_snapshot(connection: &Connection, found: &mut Found) -> Attempt<()> {
    for seq in snapshot::seqs(connection, None)? {
        match snapshot::read(connection, seq) {
            Ok(state) => {
                found.state = state;
                break;
            }
            Err(Trouble::Damaged(why)) => found.alarms.push(format!(
                "the journal's snapshot of event {seq} cannot be read ({why}); an older one and the events after it were used"
            )),
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// Numbers that were jumped over: pages that the disk lost, or a gap whose snapshot is unreadable.
#[derive(Default)]
struct Missing {
    from_seq: Option<u64>,
    to_seq: u64,
}

impl Missing {
    fn note(&mut self, last: u64, event: &Event) {
        let (from, to) = match &event.what {
            What::Gap(gap) => (gap.from_seq, gap.to_seq),
            _ if event.seq == last.saturating_add(1) => return,
            _ => (last.saturating_add(1), event.seq.saturating_sub(1)),
        };
        self.from_seq.get_or_insert(from);
        self.to_seq = to;
    }

    fn sentence(&self) -> Option<String> {
        let from = self.from_seq?;
        let to = self.to_seq;
        Some(format!(
            "the journal has no events for some numbers between {from} and {to}: what DNS answers is the last decision that is there, but streaks and windows may be incomplete"
        ))
    }
}

/// The files that were last in force; `None` where none were ever kept.
pub(super) fn kept(connection: &Connection) -> Attempt<Option<Kept>> {
    let mut statement = connection.prepare_cached("SELECT role, name, text FROM kept")?;
    let mut rows = statement.query([])?;
    let mut kept = Kept::default();
    while let Some(row) = rows.next()? {
        let text: Arc<str> = row.get(2)?;
        kept.files.insert((row.get(0)?, row.get(1)?), text);
    }
    Ok((!kept.files.is_empty()).then_some(kept))
}

/// Every version that a service names, as far as it is stored.
pub(super) fn versions(connection: &Connection, state: &State) -> Attempt<Versions> {
    let mut versions = BTreeMap::new();
    for version in named(state) {
        if let Some(found) = version_of(connection, version)? {
            versions.insert(version.clone(), found);
        }
    }
    Ok(versions)
}

/// The versions that the services of a state and their shadows name.
pub(super) fn named(state: &State) -> impl Iterator<Item = &PolicyVersion> {
    let asking = state.world().asking();
    asking.flat_map(|service| std::iter::once(&service.policy).chain(&service.previous))
}

fn version_of(
    connection: &Connection,
    version: &PolicyVersion,
) -> Attempt<Option<(PolicyText, Params)>> {
    let mut statement = connection.prepare_cached(
        "SELECT b.text, v.params FROM policy_version v JOIN body b ON b.hash = v.source_hash
         WHERE v.version = ?1",
    )?;
    let row = statement.query_row([version.as_str()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    });
    let Some((text, params)) = row.optional()? else {
        return Ok(None);
    };
    let text: PolicyText = serde_json::from_str(&text).map_err(Trouble::damaged)?;
    let params: Params = serde_json::from_str(&params).map_err(Trouble::damaged)?;
    if PolicyVersion::of(&text.source, &params) != *version {
        return Err(Trouble::damaged(format!("the text of {version}")));
    }
    Ok(Some((text, params)))
}

//! A damaged journal: set aside under another name, and what can be read of it saved.
//!
//! In order of importance: the newest snapshot that can be read; then every event after it that
//! can be read, from both ends towards the damage. Whatever the bytes are, this ends.

use super::{
    cursor::{End, Table},
    fault::{Attempt, Trouble},
    record::{Places, signed},
    recover::{self, Found},
    schema::{self, FILE},
    snapshot,
};
use crate::failover::Event;
use rusqlite::Connection;
use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// Gives the file and its companions another name; returns the new name of the file.
pub(super) fn set_aside(folder: &Path) -> io::Result<PathBuf> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut ms = now.map_or(0, |since| since.as_millis());
    let aside = loop {
        let aside = folder.join(format!("{FILE}.damaged-{ms}"));
        if !aside.exists() {
            break aside;
        }
        ms += 1;
    };
    for end in ["-wal", "-shm", ""] {
        let from = folder.join(format!("{FILE}{end}"));
        let mut to = aside.clone().into_os_string();
        to.push(end);
        match fs::rename(&from, to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(aside)
}

/// Reads what can be read of a file that was set aside for a `trouble`.
pub(super) fn salvage(aside: &Path, trouble: &Trouble) -> Found {
    let (mut found, saved) = saved(aside);
    found.alarms = vec![format!(
        "the journal could not be used: {}; it was set aside as {} and a new one was begun; {saved}",
        why(trouble),
        aside.display()
    )];
    found
}

/// Reads what can be read of a file that cannot be set aside: the writer tries again and again.
pub(super) fn in_place(path: &Path, trouble: &Trouble) -> Found {
    let (mut found, saved) = saved(path);
    found.alarms = vec![format!(
        "the journal {} could not be used: {}; {saved}",
        path.display(),
        why(trouble)
    )];
    found
}

fn why(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Damaged(why) => why.clone(),
        other => other.to_string(),
    }
}

fn saved(path: &Path) -> (Found, String) {
    for open in [open, open_as_it_is] {
        let mut found = Found::default();
        let saved = open(path).map(|connection| save(&connection, &mut found));
        if let Ok(saved) = saved
            && !saved.is_empty()
        {
            return (found, saved);
        }
    }
    let nothing = "nothing could be saved from it, so services start from the configuration";
    (Found::default(), nothing.to_owned())
}

fn open_as_it_is(path: &Path) -> Attempt<Connection> {
    Ok(schema::open_as_it_is(path)?)
}

fn open(aside: &Path) -> Attempt<Connection> {
    if !aside.is_file() {
        return Err(Trouble::damaged("it is no file"));
    }
    Ok(schema::open_to_read(aside)?)
}

/// What was saved, as a part of a sentence; empty where nothing was.
fn save(connection: &Connection, found: &mut Found) -> String {
    let mut snapshots = snapshot::seqs(connection, None).unwrap_or_default();
    snapshots.retain(|seq| *seq >= 0);
    let read = snapshots
        .iter()
        .find_map(|seq| snapshot::read(connection, *seq).ok());
    let from_snapshot = read.is_some();
    found.state = read.unwrap_or_default();
    let since = found.state.world().seq;
    for event in readable(connection, signed(since)) {
        found.state.apply(&event);
        found.folded += 1;
    }
    found.kept = recover::kept(connection).unwrap_or_default();
    found.versions = recover::versions(connection, &found.state).unwrap_or_default();
    match (from_snapshot, found.folded) {
        (false, 0) => String::new(),
        (false, folded) => format!("{folded} events were saved from it"),
        (true, folded) => {
            format!("its snapshot of event {since} and {folded} events after it were saved")
        }
    }
}

/// The events after `since` that can be read, in order.
fn readable(connection: &Connection, since: i64) -> Vec<Event> {
    let mut found: Vec<Event> = Vec::new();
    let mut places = Places::read(connection).unwrap_or_default();
    for table in [Table::Events, Table::Observations] {
        found.extend(from_both_ends(connection, &mut places, table, since));
    }
    found.sort_by_key(|event| event.seq);
    found.dedup_by_key(|event| event.seq);
    found
}

fn from_both_ends(
    connection: &Connection,
    places: &mut Places,
    table: Table,
    since: i64,
) -> Vec<Event> {
    let (mut low, mut high) = (since, i64::MAX);
    let mut found = Vec::new();
    for end in [End::Oldest, End::Newest] {
        loop {
            let mut page = VecDeque::new();
            let more = table.page(connection, places, (low, high), end, &mut page);
            let last = page.back().map(|event| signed(event.seq));
            // A page whose numbers do not move on is damage, too.
            let moved = last.is_some_and(|last| last > low && last < high);
            if let Some(last) = last.filter(|_| moved) {
                match end {
                    End::Oldest => low = last,
                    End::Newest => high = last,
                }
                found.extend(page);
            }
            match more {
                Ok(true) if moved => {}
                Ok(_) if end == End::Oldest => return found, // Nothing was in the way.
                _ => break,
            }
        }
    }
    found
}

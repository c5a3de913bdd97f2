//! A stretch of the journal as a fold needs it: events in order, and states where events are
//! missing.
//!
//! ```text
//! from the beginning     start policy config probe probe … gap  STATE  probe …
//! the oldest are gone    STATE probe probe …
//! from an instant on     STATE (at or before it) probe probe …
//! ```

use super::{
    Versions,
    read::{Events, ReadError, open, read, state_before, state_covering, unread},
    recover, snapshot,
    store::mark,
};
use crate::{
    failover::{Event, State, What},
    model::Timestamp,
};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// One piece of a stretch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passage {
    /// What happened next.
    Event(Box<Event>),
    /// Everything that is known now: events before it are missing.
    State(Box<State>),
}

/// Where a stretch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At the last snapshot at or before an instant; without one at the first event that is left,
    /// whatever is missing before it.
    Left(Timestamp),
    /// Where everything can be folded: at the last snapshot at or before an instant; without one, or
    /// without an instant, at the first event, or at the state after those that were let go.
    Whole(Option<Timestamp>),
}

/// Pieces in order; ends after the first error. Events that come while it runs are found, too.
#[derive(Debug)]
pub struct Stretch {
    folder: PathBuf,
    events: Events,
    /// What is given before the next event.
    ahead: Option<Passage>,
    /// The number of the last event that is known of.
    known: u64,
    /// A gap is written together with a snapshot that covers it; what is between comes first.
    after_gap: Option<State>,
}

/// The journal in `folder` from `begin` on.
///
/// # Errors
/// Where there is no journal, or it cannot be read.
pub fn stretch(folder: &Path, begin: Begin) -> Result<Stretch, ReadError> {
    let before = match begin {
        Begin::Left(at) | Begin::Whole(Some(at)) => state_before(folder, at)?,
        Begin::Whole(None) => None,
    };
    let begin = match (before, begin) {
        (None, Begin::Whole(_)) => oldest(folder)?,
        (before, _) => before,
    };
    let events = read(folder, begin.as_ref().map(|state| state.world().at), None)?;
    Ok(Stretch {
        folder: folder.to_owned(),
        events,
        known: begin.as_ref().map_or(0, |state| state.world().seq),
        ahead: begin.map(|state| Passage::State(Box::new(state))),
        after_gap: None,
    })
}

/// The state that the events of a journal begin after; `None` where they begin with the first.
fn oldest(folder: &Path) -> Result<Option<State>, ReadError> {
    let connection = open(folder)?;
    let found = begins_after(&connection).map_err(|trouble| unread(&trouble))?;
    match found {
        Some(seq) => state_covering(folder, seq),
        None => Ok(None),
    }
}

/// The first number that a state must cover where observations were let go, or where the journal
/// was begun with a snapshot.
fn begins_after(connection: &Connection) -> super::fault::Attempt<Option<u64>> {
    let trimmed = mark(connection, "trimmed_seq")?;
    if trimmed > 0 {
        return Ok(Some(trimmed));
    }
    let first: Option<i64> = connection.query_row(
        "SELECT min(seq) FROM (SELECT min(seq) AS seq FROM observation
         UNION SELECT min(seq) FROM event)",
        [],
        |row| row.get(0),
    )?;
    let snapshots = snapshot::covering(connection, 0)?;
    Ok(match (snapshots.first(), first) {
        (Some(_), None) => Some(0),
        (Some(oldest), Some(first)) if *oldest < first => Some(0),
        (_, Some(first)) if first > 1 => u64::try_from(first - 1).ok(),
        _ => None,
    })
}

/// Texts and parameters of the policy versions that a state names, as far as they are stored.
///
/// # Errors
/// Where there is no journal, or it cannot be read.
pub fn versions(folder: &Path, state: &State) -> Result<Versions, ReadError> {
    let connection = open(folder)?;
    recover::versions(&connection, state).map_err(|trouble| unread(&trouble))
}

impl Stretch {
    fn after(&mut self, event: &Event) -> Result<(), ReadError> {
        self.known = event.seq;
        let What::Gap(gap) = &event.what else {
            return Ok(());
        };
        let covers = |state: &State| state.world().seq >= gap.to_seq;
        if !self.after_gap.as_ref().is_some_and(covers) {
            self.after_gap = state_covering(&self.folder, gap.to_seq)?;
        }
        Ok(())
    }

    fn state(&mut self, state: State) -> Passage {
        self.known = self.known.max(state.world().seq);
        Passage::State(Box::new(state))
    }
}

impl Iterator for Stretch {
    type Item = Result<Passage, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(ahead) = self.ahead.take() {
                if let Passage::Event(event) = &ahead
                    && let Err(error) = self.after(event)
                {
                    return Some(Err(error));
                }
                return Some(Ok(ahead));
            }
            let event = match self.events.next() {
                Some(Ok(event)) => event,
                Some(Err(error)) => return Some(Err(error)),
                None => return Some(Ok(self.after_gap.take().map(|state| self.state(state))?)),
            };
            // What was folded into the snapshot at its very instant.
            if event.seq <= self.known {
                continue;
            }
            let covered = |state: &mut State| state.world().seq < event.seq;
            let state = self.after_gap.take_if(covered);
            self.ahead = Some(Passage::Event(Box::new(event)));
            if let Some(state) = state {
                return Some(Ok(self.state(state)));
            }
        }
    }
}

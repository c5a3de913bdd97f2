//! Reading a journal beside the daemon that writes it: for `sidestep log` and recordings.

use super::{
    cursor::Cursor,
    fault::{Attempt, Trouble},
    schema, snapshot,
};
use crate::{
    failover::{Event, State},
    model::Timestamp,
};
use rusqlite::Connection;
use std::{fmt, path::Path};

/// Why a journal could not be read: a sentence for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError(String);

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ReadError {}

pub(super) fn open(folder: &Path) -> Result<Connection, ReadError> {
    let path = folder.join(schema::FILE);
    let shown = path.display();
    if !path.is_file() {
        return Err(ReadError(format!(
            "there is no journal at {shown}: give the folder that 'data' names, after the daemon ran"
        )));
    }
    let opened = schema::open_to_read(&path).map_err(Trouble::from);
    let stranger = opened.and_then(|connection| {
        let stranger = schema::stranger(&connection)?;
        Ok((connection, stranger))
    });
    match stranger {
        Ok((connection, None)) => Ok(connection),
        Ok((_, Some(why))) => Err(ReadError(format!("{shown} cannot be read: {why}"))),
        Err(trouble) => Err(unread(&trouble)),
    }
}

pub(super) fn unread(trouble: &Trouble) -> ReadError {
    ReadError(match trouble {
        Trouble::Refused(what) => format!("the journal cannot be read: {what}"),
        other => other.to_string(),
    })
}

/// The events of `folder/journal.sqlite` in order: those at or after `from` and before `until`.
/// Ends after the first error. Events that come while it runs are found, too.
pub fn read(
    folder: &Path,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<Events, ReadError> {
    let connection = open(folder)?;
    let cursor = match from {
        Some(from) => Cursor::from(&connection, from),
        None => Cursor::after(&connection, 0),
    };
    Ok(Events {
        cursor: cursor.map_err(|trouble| unread(&trouble))?,
        connection,
        until,
        ended: false,
    })
}

/// Events of a journal, one after the other.
pub struct Events {
    connection: Connection,
    cursor: Cursor,
    until: Option<Timestamp>,
    ended: bool,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Iterator for Events {
    type Item = Result<Event, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.cursor.next(&self.connection);
        let next = next.map_err(|trouble| unread(&trouble)).transpose();
        let over = |event: &Event| self.until.is_some_and(|until| event.at >= until);
        self.ended = match &next {
            Some(Ok(event)) => over(event),
            Some(Err(_)) | None => true,
        };
        next.filter(|next| next.is_err() || !self.ended)
    }
}

/// The state as of the last snapshot at or before `at`; `None` where there is none that can be read.
pub fn state_before(folder: &Path, at: Timestamp) -> Result<Option<State>, ReadError> {
    first_sound(folder, |connection| snapshot::seqs(connection, Some(at)))
}

/// The state as of the first snapshot that covers event `seq`: what a gap left behind. `None` where
/// there is none that can be read.
pub fn state_covering(folder: &Path, seq: u64) -> Result<Option<State>, ReadError> {
    first_sound(folder, |connection| snapshot::covering(connection, seq))
}

fn first_sound(
    folder: &Path,
    seqs: impl FnOnce(&Connection) -> Attempt<Vec<i64>>,
) -> Result<Option<State>, ReadError> {
    let connection = open(folder)?;
    for seq in seqs(&connection).map_err(|trouble| unread(&trouble))? {
        match snapshot::read(&connection, seq) {
            Ok(state) => return Ok(Some(state)),
            Err(Trouble::Damaged(_)) => {}
            Err(trouble) => return Err(unread(&trouble)),
        }
    }
    Ok(None)
}

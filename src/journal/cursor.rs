//! Going through the journal in order: observations and other events are two tables with one
//! numbering, read in pages and merged.

use super::{
    fault::{Attempt, Trouble},
    record::{EVENT_COLUMNS, OBSERVATION_COLUMNS, Places, event_of, signed},
};
use crate::{failover::Event, model::Timestamp};
use rusqlite::Connection;
use std::collections::VecDeque;

const PAGE: i64 = 1_000;

/// One of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Observations,
    Events,
}

/// From which end a page is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Oldest,
    Newest,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::Observations => "observation",
            Self::Events => "event",
        }
    }

    /// Reads up to a page of what lies between the numbers, both excluded, into `found`, as far as
    /// it can be read. Whether there may be more.
    pub(super) fn page(
        self,
        connection: &Connection,
        places: &mut Places,
        between: (i64, i64),
        end: End,
        found: &mut VecDeque<Event>,
    ) -> Attempt<bool> {
        let (columns, seq) = match self {
            Self::Observations => (OBSERVATION_COLUMNS, "seq"),
            Self::Events => (EVENT_COLUMNS, "e.seq"),
        };
        let order = match end {
            End::Oldest => "ASC",
            End::Newest => "DESC",
        };
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {columns} WHERE {seq} > ?1 AND {seq} < ?2 ORDER BY {seq} {order} LIMIT {PAGE}"
        ))?;
        let mut rows = statement.query([between.0, between.1])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            found.push_back(match self {
                Self::Observations => places.observation_of(connection, row)?,
                Self::Events => event_of(row)?,
            });
            count += 1;
        }
        Ok(count == PAGE)
    }

    /// The number before the first event at or after `at`. Time never runs backwards in a journal.
    fn before(self, connection: &Connection, at: Timestamp) -> Attempt<i64> {
        let name = self.name();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT seq, at FROM {name} WHERE seq > ?1 ORDER BY seq LIMIT 1"
        ))?;
        let last = format!("SELECT coalesce(max(seq), 0) FROM {name}");
        let last: i64 = connection.query_row(&last, [], |row| row.get(0))?;
        // All up to `low` are earlier; what follows `high` is not.
        let (mut low, mut high) = (0_i64, last);
        while low < high {
            let middle = low + (high - low) / 2;
            let mut rows = statement.query([middle])?;
            let next = match rows.next()? {
                Some(row) => Some((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
                None => None,
            };
            match next {
                Some((seq, time)) if time < at.0 => low = seq.max(middle + 1),
                _ => high = middle,
            }
        }
        Ok(low)
    }
}

struct Side {
    table: Table,
    page: VecDeque<Event>,
    after: i64,
    more: bool,
}

impl Side {
    fn after(table: Table, after: i64) -> Self {
        Self {
            table,
            page: VecDeque::new(),
            after,
            more: true,
        }
    }

    fn fill(&mut self, connection: &Connection, places: &mut Places) -> Attempt<Option<u64>> {
        if self.page.is_empty() && self.more {
            let between = (self.after, i64::MAX);
            self.more =
                self.table
                    .page(connection, places, between, End::Oldest, &mut self.page)?;
            if let Some(last) = self.page.back() {
                self.after = signed(last.seq);
            }
        }
        Ok(self.page.front().map(|event| event.seq))
    }
}

/// A place in the journal.
pub(super) struct Cursor {
    places: Places,
    sides: [Side; 2],
}

impl Cursor {
    /// What comes after a number.
    pub(super) fn after(connection: &Connection, seq: u64) -> Attempt<Self> {
        Ok(Self {
            places: Places::read(connection)?,
            sides: [
                Side::after(Table::Observations, signed(seq)),
                Side::after(Table::Events, signed(seq)),
            ],
        })
    }

    /// What happened at or after an instant.
    pub(super) fn from(connection: &Connection, at: Timestamp) -> Attempt<Self> {
        let side = |table: Table| Attempt::Ok(Side::after(table, table.before(connection, at)?));
        Ok(Self {
            places: Places::read(connection)?,
            sides: [side(Table::Observations)?, side(Table::Events)?],
        })
    }

    /// The next event.
    pub(super) fn next(&mut self, connection: &Connection) -> Attempt<Option<Event>> {
        let [observations, events] = &mut self.sides;
        let seen = observations.fill(connection, &mut self.places)?;
        let other = events.fill(connection, &mut self.places)?;
        let side = match (seen, other) {
            (None, None) => return Ok(None),
            (Some(_), None) => observations,
            (None, Some(_)) => events,
            (Some(seen), Some(other)) if seen == other => {
                return Err(Trouble::damaged(format!("two events have number {seen}")));
            }
            (Some(seen), Some(other)) if seen < other => observations,
            (Some(_), Some(_)) => events,
        };
        Ok(side.page.pop_front())
    }
}

//! What is read, on its way to those who fold it.

use crate::{
    failover::{Event, State},
    model::Timestamp,
    recording::{Seen, SeriesKey},
};
use std::sync::Arc;

/// One line of a recording, to be folded several times.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    Probe(Seen),
    Event(Arc<Event>),
    State(Arc<State>),
    /// A line of an unknown kind.
    Unknown,
}

impl Entry {
    /// When it happened and its number.
    pub(super) fn place(&self) -> Option<(Timestamp, u64)> {
        match self {
            Self::Probe(seen) => Some((seen.at, seen.seq)),
            Self::Event(event) => Some((event.at, event.seq)),
            Self::State(state) => Some((state.world().at, state.world().seq)),
            Self::Unknown => None,
        }
    }
}

/// Lines that were read together, and the series that came with them.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub(super) series: Vec<SeriesKey>,
    pub(super) entries: Vec<Entry>,
}

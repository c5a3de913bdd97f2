//! How many TCP connections came and why they ended, for `/metrics`.
//!
//! Does not know queries: these are counted with those over UDP. Contract: a snapshot is not one
//! instant; opened = open + closed but for what changes meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Reason {
    /// The client closed it.
    Client = 1,
    /// It asked nothing for the idle timeout.
    Idle,
    /// A query was not complete, or answers were not taken, within that time.
    Timeout,
    /// It was the oldest when room was needed, or held too much.
    Limit,
    /// The connection broke, or answering did.
    Error,
    /// This server stops.
    Stop,
}

impl Reason {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Client, "client"),
        (Self::Idle, "idle"),
        (Self::Timeout, "timeout"),
        (Self::Limit, "limit"),
        (Self::Error, "error"),
        (Self::Stop, "stop"),
    ];

    /// The reason of this number; `None` for 0 and what is none.
    pub(super) fn numbered(number: u8) -> Option<Self> {
        let mut all = Self::ALL.iter().map(|&(reason, _)| reason);
        all.find(|&reason| reason as u8 == number)
    }
}

/// Counts connections; shared by all listeners.
#[derive(Debug, Default)]
pub struct TcpCounters {
    open: AtomicU64,
    opened: AtomicU64,
    closed: [AtomicU64; Reason::ALL.len()],
    patience_ms: AtomicU64,
}

/// What was counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpCounted {
    /// Connections now.
    pub open: u64,
    /// Connections that were accepted.
    pub opened: u64,
    /// Connections that ended, by why; all reasons, in a fixed order: `client`, `idle`, `timeout`,
    /// `limit`, `error`, `stop`.
    pub closed: Vec<(&'static str, u64)>,
}

impl TcpCounters {
    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self, reason: Reason) {
        self.closed[reason as usize - 1].fetch_add(1, Ordering::Relaxed);
    }

    /// A socket was closed, after its connection was counted as closed.
    pub(super) fn gone(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn set_patience_ms(&self, patience_ms: u64) {
        self.patience_ms.store(patience_ms, Ordering::Relaxed);
    }

    /// How long a connection may be silent now, ms: the idle timeout, or less as the connections
    /// near their cap; 0 until TCP is served.
    pub fn patience_ms(&self) -> u64 {
        self.patience_ms.load(Ordering::Relaxed)
    }

    /// The figures now.
    pub fn counted(&self) -> TcpCounted {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let closed = Reason::ALL.iter().zip(&self.closed);
        TcpCounted {
            open: read(&self.open),
            opened: read(&self.opened),
            closed: closed
                .map(|(&(_, name), counter)| (name, read(counter)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_numbered_in_their_order() {
        for (index, &(reason, name)) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason as usize, index + 1);
            assert_eq!(Reason::numbered(reason as u8), Some(reason));
            let counters = TcpCounters::default();
            counters.opened();
            counters.opened();
            counters.closed(reason);
            counters.gone();
            let counted = counters.counted();
            assert_eq!((counted.open, counted.opened), (1, 2));
            assert_eq!(counted.closed[index], (name, 1));
        }
        assert_eq!(Reason::numbered(0), None);
        assert_eq!(Reason::numbered(7), None);
    }
}

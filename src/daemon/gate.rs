//! The gate: an answer is published once its decision is on disk, or after 250 ms without.
//!
//! The fold offers tables, the journal's writer opens the gate at each commit, and the fold opens
//! it for what waited too long. Where the disk is slow or fails nothing waits: moving traffic
//! matters more than remembering that it moved. Tables leave in the order they were offered.

use crate::dns::{Publisher, Table, Zones};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long an answer waits for the disk.
pub(super) const WAITS: Duration = Duration::from_millis(250);
/// More than these do not wait apart: the newest takes the place of the one before it.
const WAITING_MAX: usize = 64;

/// Between the fold, the journal and DNS.
#[derive(Debug)]
pub(super) struct Gate {
    publisher: Publisher,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Waiting>,
    /// The last durable event.
    committed: u64,
    /// An answer had to be published before its decision was on disk, and the disk did not come
    /// that far since: nothing waits until it does.
    behind: Option<u64>,
    /// Whether anything was ever published.
    opened: bool,
}

#[derive(Debug)]
struct Waiting {
    seq: u64,
    due: Instant,
    zones: Arc<Zones>,
    table: Arc<Table>,
}

impl Gate {
    /// A gate to `publisher`; everything up to `committed` is on disk.
    pub(super) fn new(publisher: Publisher, committed: u64) -> Self {
        let inner = Inner {
            committed,
            ..Inner::default()
        };
        Self {
            publisher,
            inner: Mutex::new(inner),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Whole after every line: a panic elsewhere spoils nothing.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a table that holds as of event `seq`. `at_once` where the disk is known to fail. The
    /// first table of all waits for nothing: it is what the journal gave.
    pub(super) fn offer(&self, seq: u64, zones: Arc<Zones>, table: Arc<Table>, at_once: bool) {
        let mut inner = self.inner();
        let due = Instant::now() + WAITS;
        let waiting = Waiting {
            seq,
            due,
            zones,
            table,
        };
        if at_once || !inner.opened || inner.behind.is_some() {
            inner.waiting.clear();
            self.publish(&mut inner, waiting);
            return;
        }
        let full = inner.waiting.len() >= WAITING_MAX;
        match inner.waiting.back_mut() {
            Some(last) if full => {
                let due = last.due;
                *last = Waiting { due, ..waiting };
            }
            _ => inner.waiting.push_back(waiting),
        }
        self.open_for_durable(&mut inner);
    }

    /// Everything up to `seq` is on disk.
    pub(super) fn committed(&self, seq: u64) {
        let mut inner = self.inner();
        inner.committed = inner.committed.max(seq);
        if inner.behind.is_some_and(|behind| behind <= seq) {
            inner.behind = None;
        }
        self.open_for_durable(&mut inner);
    }

    /// Publishes what waited too long; whether anything did.
    pub(super) fn overdue(&self) -> bool {
        let mut inner = self.inner();
        let now = Instant::now();
        let due = inner.waiting.iter().take_while(|w| w.due <= now).count();
        let last = inner.waiting.drain(..due).next_back();
        let any = last.is_some();
        if let Some(last) = last {
            self.publish(&mut inner, last);
        }
        any
    }

    /// When [`Gate::overdue`] has something to do next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.inner().waiting.front().map(|waiting| waiting.due)
    }

    fn open_for_durable(&self, inner: &mut Inner) {
        let committed = inner.committed;
        let durable = inner.waiting.iter().take_while(|w| w.seq <= committed);
        let durable = durable.count();
        let last = inner.waiting.drain(..durable).next_back();
        if let Some(last) = last {
            self.publish(inner, last);
        }
    }

    /// The lock is held: no older table can come after a newer one.
    fn publish(&self, inner: &mut Inner, what: Waiting) {
        self.publisher.publish(what.zones, what.table);
        // That the first is not on disk yet says nothing of the disk.
        let is_first = !std::mem::replace(&mut inner.opened, true);
        if what.seq > inner.committed && !is_first {
            inner.behind = Some(what.seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::AnswerTable;

    fn table(seq: u64) -> Arc<Table> {
        let answers = AnswerTable {
            seq,
            ..AnswerTable::default()
        };
        Arc::new(Table::from(&answers))
    }

    fn gate() -> (Gate, impl Fn() -> u64) {
        let publisher = Publisher::new();
        let gate = Gate::new(publisher.clone(), 10);
        (gate, move || publisher.state().table.seq())
    }

    #[test]
    fn a_table_waits_for_its_commit_and_no_longer() {
        let (gate, shown) = gate();
        gate.offer(10, Arc::default(), table(10), false);
        assert_eq!(shown(), 10, "the first waits for nothing");
        gate.offer(12, Arc::default(), table(12), false);
        gate.offer(13, Arc::default(), table(13), false);
        assert_eq!(shown(), 10);
        assert!(gate.next_due().is_some());
        gate.committed(11);
        assert_eq!(shown(), 10, "a commit before it opens nothing");
        gate.committed(12);
        assert_eq!(shown(), 12);
        gate.committed(20);
        assert_eq!(shown(), 13);
        assert_eq!(gate.next_due(), None);
        gate.offer(19, Arc::default(), table(19), false);
        assert_eq!(shown(), 19, "on disk before it was offered");
    }

    #[test]
    fn the_first_keeps_no_other_from_waiting() {
        let (gate, shown) = gate();
        gate.offer(11, Arc::default(), table(11), false);
        assert_eq!(shown(), 11, "the first waits for nothing");
        gate.offer(12, Arc::default(), table(12), false);
        assert_eq!(shown(), 11, "not on disk yet");
        gate.committed(12);
        assert_eq!(shown(), 12);
    }

    #[test]
    fn what_waited_too_long_is_published_and_then_nothing_waits_until_the_disk_is_back() {
        let (gate, shown) = gate();
        gate.offer(10, Arc::default(), table(10), false);
        gate.offer(11, Arc::default(), table(11), false);
        assert!(!gate.overdue(), "it waits");
        let due = gate.next_due().unwrap();
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        assert!(gate.overdue());
        assert_eq!(shown(), 11);
        gate.offer(12, Arc::default(), table(12), false);
        assert_eq!(shown(), 12, "behind: at once");
        gate.committed(11);
        gate.offer(13, Arc::default(), table(13), false);
        assert_eq!(shown(), 13, "12 is not on disk yet");
        gate.committed(13);
        gate.offer(14, Arc::default(), table(14), false);
        assert_eq!(shown(), 13, "the disk is back: it waits again");
        gate.offer(15, Arc::default(), table(15), true);
        assert_eq!(shown(), 15, "at once where the disk fails");
        gate.committed(14);
        assert_eq!(shown(), 15, "an older table never comes back");
    }

    #[test]
    fn those_that_wait_are_bounded_and_the_newest_is_among_them() {
        let (gate, shown) = gate();
        gate.offer(10, Arc::default(), table(10), false);
        for seq in 11..1_000 {
            gate.offer(seq, Arc::default(), table(seq), false);
        }
        assert_eq!(gate.inner().waiting.len(), WAITING_MAX);
        gate.committed(2_000);
        assert_eq!(shown(), 999);
    }
}

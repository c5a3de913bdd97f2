//! Unusual queries that wait for their turn.
//!
//! Does not know how they are answered. Contract: first in, first out; bounded; keeps and reuses
//! its memory.

use super::batch::{Family, Peer};
use std::collections::VecDeque;

/// So many wait at most. At 20 µs each the last waits for 20 ms, and still has its answer in time.
const MAX_WAITING: usize = 1_024;

/// A query that waits.
pub(super) struct Waiting<A: Family> {
    pub(super) octets: Vec<u8>,
    pub(super) peer: Peer<A>,
}

/// The queue of one thread.
pub(super) struct Queue<A: Family> {
    waiting: VecDeque<Waiting<A>>,
    /// Emptied buffers.
    spare: Vec<Vec<u8>>,
}

impl<A: Family> Queue<A> {
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::with_capacity(MAX_WAITING),
            spare: Vec::with_capacity(MAX_WAITING),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// `false` where it is full: the query must be dropped.
    pub(super) fn push(&mut self, octets: &[u8], peer: Peer<A>) -> bool {
        if self.waiting.len() == MAX_WAITING {
            return false;
        }
        let mut own = self.spare.pop().unwrap_or_default();
        own.extend_from_slice(octets);
        self.waiting.push_back(Waiting { octets: own, peer });
        true
    }

    pub(super) fn pop(&mut self) -> Option<Waiting<A>> {
        self.waiting.pop_front()
    }

    /// Gives a buffer back.
    pub(super) fn done(&mut self, mut octets: Vec<u8>) {
        octets.clear();
        self.spare.push(octets);
    }
}

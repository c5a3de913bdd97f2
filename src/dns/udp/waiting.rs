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

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::SockaddrIn;
    use std::net::{Ipv4Addr, SocketAddrV4};

    #[test]
    fn the_queue_has_an_end_and_keeps_the_order() {
        let address = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 53));
        let mut queue = Queue::new();
        for round in 0..2 {
            for number in 0..MAX_WAITING {
                let octets = vec![u8::try_from(number % 251).unwrap(); round + 1];
                assert!(queue.push(&octets, Peer::of(address)), "{number}");
            }
            assert!(!queue.push(b"one too many", Peer::of(address)));
            for number in 0..MAX_WAITING {
                let waiting = queue.pop().unwrap();
                assert_eq!(waiting.octets.len(), round + 1);
                assert_eq!(usize::from(waiting.octets[0]), number % 251);
                queue.done(waiting.octets);
            }
            assert!(queue.is_empty());
        }
    }
}

//! Unusual queries that wait for their turn.
//!
//! Does not know how they are answered. Contract: first in, first out; bounded; a network holds no
//! more places than are left free, so that one that asks without end leaves half of them to the
//! others, and two a third; keeps and reuses its memory.

use super::{
    batch::{Family, Peer},
    network::network_of,
};
use siphasher::sip::SipHasher13;
use std::collections::VecDeque;

/// So many wait at most. At 20 µs each the last waits for 20 ms, and still has its answer in time.
const MAX_WAITING: usize = 1_024;
/// Networks are told apart by a hash: seldom do two count as one, and never by anyone's choice.
const SLOTS: usize = 1 << 15;

/// A query that waits.
pub(super) struct Waiting<A: Family> {
    pub(super) octets: Vec<u8>,
    pub(super) peer: Peer<A>,
    /// Of its network.
    slot: usize,
}

/// The queue of one thread.
pub(super) struct Queue<A: Family> {
    waiting: VecDeque<Waiting<A>>,
    hasher: SipHasher13,
    /// Places that each network holds, by slot.
    held: Box<[u16]>,
    /// Emptied buffers.
    spare: Vec<Vec<u8>>,
}

impl<A: Family> Queue<A> {
    /// `key` is secret: nobody can choose with whom to count as one.
    pub(super) fn new(key: [u8; 16]) -> Self {
        Self {
            waiting: VecDeque::with_capacity(MAX_WAITING),
            hasher: SipHasher13::new_with_key(&key),
            held: vec![0; SLOTS].into(),
            spare: Vec::with_capacity(MAX_WAITING),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// `false` where there is no place for this network: the query must be dropped.
    pub(super) fn push(&mut self, octets: &[u8], peer: Peer<A>) -> bool {
        let free = MAX_WAITING - self.waiting.len();
        if free == 0 {
            return false;
        }
        let slot = self.slot_of(&peer);
        if usize::from(self.held[slot]) >= free {
            return false;
        }
        self.held[slot] += 1;
        let mut own = self.spare.pop().unwrap_or_default();
        own.extend_from_slice(octets);
        self.waiting.push_back(Waiting {
            octets: own,
            peer,
            slot,
        });
        true
    }

    pub(super) fn pop(&mut self) -> Option<Waiting<A>> {
        let first = self.waiting.pop_front()?;
        self.held[first.slot] -= 1;
        Some(first)
    }

    /// Gives a buffer back.
    pub(super) fn done(&mut self, mut octets: Vec<u8>) {
        octets.clear();
        self.spare.push(octets);
    }

    fn slot_of(&self, peer: &Peer<A>) -> usize {
        let network = network_of(peer.address.address().ip());
        #[allow(clippy::cast_possible_truncation)]
        let hash = self.hasher.hash(&network) as usize;
        hash % SLOTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::SockaddrIn;
    use std::net::{Ipv4Addr, SocketAddrV4};

    /// A client in the network of this number.
    fn client(network: u8, host: usize) -> Peer<SockaddrIn> {
        let host = u8::try_from(host % 256).unwrap();
        let address = Ipv4Addr::new(192, 0, network, host);
        Peer::of(SockaddrIn::from(SocketAddrV4::new(address, 53)))
    }

    /// How many of `count` queries of a network find a place.
    fn taken(queue: &mut Queue<SockaddrIn>, network: u8, count: usize) -> usize {
        let push = |&host: &usize| queue.push(&[network], client(network, host));
        (0..count).filter(push).count()
    }

    #[test]
    fn the_queue_has_an_end_and_keeps_the_order() {
        let mut queue = Queue::new([7; 16]);
        for round in 0..2 {
            let mut expected = Vec::new();
            // Networks without end, none of which is there twice.
            for number in 0..=u8::MAX {
                for _ in 0..4 {
                    let octets = vec![number; round + 1];
                    if queue.push(&octets, client(number, 0)) {
                        expected.push(octets);
                    }
                }
            }
            assert!(expected.len() > MAX_WAITING * 9 / 10, "{}", expected.len());
            assert!(expected.len() <= MAX_WAITING);
            for octets in expected {
                let waiting = queue.pop().unwrap();
                assert_eq!(waiting.octets, octets);
                queue.done(waiting.octets);
            }
            assert!(queue.is_empty());
            assert!(queue.held.iter().all(|&held| held == 0));
        }
    }

    #[test]
    fn a_network_that_asks_without_end_leaves_room_to_others() {
        let mut queue = Queue::new([8; 16]);
        assert_eq!(taken(&mut queue, 1, 10_000), MAX_WAITING / 2);
        assert_eq!(taken(&mut queue, 2, 100), 100, "others find a place");
        assert_eq!(taken(&mut queue, 1, 10_000), 0, "and it does not");
        // Turn by turn: what is given up by the one is not taken by it alone.
        for turn in 0..4 * MAX_WAITING {
            let waiting = queue.pop().unwrap();
            queue.done(waiting.octets);
            taken(&mut queue, 1, 10);
            if turn % 4 == 0 {
                assert_eq!(taken(&mut queue, 3, 1), 1);
            }
            assert!(queue.waiting.len() <= MAX_WAITING);
        }
    }

    #[test]
    fn of_many_that_ask_without_end_each_has_a_share() {
        let mut queue = Queue::new([9; 16]);
        let networks = 15;
        let mut all = [0; 15];
        for _ in 0..10_000 {
            for (network, all) in (0..networks).zip(&mut all) {
                *all += taken(&mut queue, network, 1);
            }
        }
        for all in all {
            assert!((60..=68).contains(&all), "{all}");
        }
        assert_eq!(taken(&mut queue, 99, 1), 1, "and who comes later a place");
    }
}

//! Which connections there are, in the order of their last use, and who has to make room.
//!
//! Does not know sockets; time is an argument. Contract: in all and per client there are never
//! more than the limits allow but for those that were asked to end; the oldest goes first. Use
//! costs no lock: a connection's place in the order is corrected when it matters.

use super::{counters::Reason, limits::Limits, seat::Seat};
use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

/// So many are looked at for one whose time is over.
const LOOKED_AT: usize = 256;

/// All connections that were not asked to end.
#[derive(Debug, Default)]
pub(super) struct Connections {
    listed: HashMap<u64, Listed>,
    /// When used, ms, and the number.
    by_use: BTreeSet<(u64, u64)>,
    by_client: BTreeSet<(IpAddr, u64, u64)>,
    per_client: HashMap<IpAddr, usize>,
    last_number: u64,
}

#[derive(Debug)]
struct Listed {
    seat: Arc<Seat>,
    /// Whose cap counts.
    client: Option<IpAddr>,
    /// Where it stands in the orders.
    used_ms: u64,
}

impl Connections {
    /// Makes room where there is none and lists a new connection of `client`, if a client's cap
    /// holds for it: its number and its seat.
    pub(super) fn admit(
        &mut self,
        client: Option<IpAddr>,
        now_ms: u64,
        limits: &Limits,
    ) -> (u64, Arc<Seat>) {
        if let Some(client) = client {
            while self.of(client) >= limits.per_client.max(1) && self.end_oldest_of(client) {}
        }
        self.shrink_to(limits.connections.max(1) - 1);
        self.last_number += 1;
        let number = self.last_number;
        let seat = Arc::new(Seat::new(now_ms));
        let listed = Listed {
            seat: Arc::clone(&seat),
            client,
            used_ms: now_ms,
        };
        if let Some(client) = client {
            *self.per_client.entry(client).or_default() += 1;
            self.by_client.insert((client, now_ms, number));
        }
        self.by_use.insert((now_ms, number));
        self.listed.insert(number, listed);
        (number, seat)
    }

    /// How many are listed.
    pub(super) fn len(&self) -> usize {
        self.listed.len()
    }

    fn of(&self, client: IpAddr) -> usize {
        self.per_client.get(&client).copied().unwrap_or_default()
    }

    /// Asks the oldest to end until no more than `connections` are left.
    pub(super) fn shrink_to(&mut self, connections: usize) {
        while self.len() > connections && self.end_oldest() {}
    }

    /// Asks the one to end that was used longest ago; `false` where there is none.
    pub(super) fn end_oldest(&mut self) -> bool {
        while let Some(&(used_ms, number)) = self.by_use.first() {
            if self.is_placed(number, used_ms) {
                self.end(number, Reason::Limit);
                return true;
            }
        }
        false
    }

    fn end_oldest_of(&mut self, client: IpAddr) -> bool {
        let first = (client, 0, 0);
        while let Some(&(of, used_ms, number)) = self.by_client.range(first..).next() {
            if of != client {
                return false;
            }
            if self.is_placed(number, used_ms) {
                self.end(number, Reason::Limit);
                return true;
            }
        }
        false
    }

    /// Asks one to end whose time is over, whose phase began `patience_ms` ago: the one that
    /// waited longest; `true` where more may have to. Closing takes as long as a few answers: a
    /// crowd that came together goes one by one, so that nobody waits for it.
    pub(super) fn end_overdue(&mut self, now_ms: u64, patience_ms: u64) -> bool {
        for _ in 0..LOOKED_AT {
            // No phase began before the connection's place in the order.
            let Some(&(used_ms, number)) = self.by_use.first() else {
                return false;
            };
            if used_ms + patience_ms > now_ms {
                return false;
            }
            if !self.is_placed(number, used_ms) {
                continue;
            }
            if let Some(listed) = self.listed.get(&number) {
                let reason = listed.seat.overdue();
                self.end(number, reason);
                break;
            }
        }
        true
    }

    /// Asks all to end; they stay listed, to be asked again more firmly.
    pub(super) fn ask_all(&self, reason: Reason) {
        for listed in self.listed.values() {
            listed.seat.ask(reason);
        }
    }

    /// Forgets a connection, as one that ended does.
    pub(super) fn forget(&mut self, number: u64) -> Option<Arc<Seat>> {
        let listed = self.listed.remove(&number)?;
        self.by_use.remove(&(listed.used_ms, number));
        if let Some(client) = listed.client {
            self.by_client.remove(&(client, listed.used_ms, number));
            if let Some(count) = self.per_client.get_mut(&client) {
                *count -= 1;
                if *count == 0 {
                    self.per_client.remove(&client);
                }
            }
        }
        Some(listed.seat)
    }

    fn end(&mut self, number: u64, reason: Reason) {
        if let Some(seat) = self.forget(number) {
            seat.ask(reason);
        }
    }

    /// Whether a connection stands where its last use puts it; if not, it does now.
    fn is_placed(&mut self, number: u64, used_ms: u64) -> bool {
        let Some(listed) = self.listed.get_mut(&number) else {
            self.by_use.remove(&(used_ms, number));
            return false;
        };
        let since_ms = listed.seat.since_ms();
        if since_ms == used_ms {
            return true;
        }
        listed.used_ms = since_ms;
        self.by_use.remove(&(used_ms, number));
        self.by_use.insert((since_ms, number));
        if let Some(client) = listed.client {
            self.by_client.remove(&(client, used_ms, number));
            self.by_client.insert((client, since_ms, number));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::{super::seat::Phase, *};
    use std::task::Waker;

    const LIMITS: Limits = Limits {
        connections: 5,
        per_client: 2,
        idle_ms: 10_000,
    };

    const MANY: Limits = Limits {
        connections: 100_000,
        ..LIMITS
    };

    fn client(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    /// Of the seats, why each was asked to end.
    fn asked(seats: &[Arc<Seat>]) -> Vec<Option<Reason>> {
        let asked = |seat: &Arc<Seat>| seat.asked(Waker::noop());
        seats.iter().map(asked).collect()
    }

    #[test]
    fn the_oldest_makes_room_in_all_and_within_its_client() {
        let mut connections = Connections::default();
        let mut seats = Vec::new();
        for (now_ms, of) in [(1, None), (2, client(1)), (3, client(1)), (4, None)] {
            seats.push(connections.admit(of, now_ms, &LIMITS).1);
        }
        seats[1].enter(Phase::Idle, 5);
        // Of client 1 the first was used last.
        seats.push(connections.admit(client(1), 6, &LIMITS).1);
        let limit = Some(Reason::Limit);
        assert_eq!(asked(&seats), [None, None, limit, None, None]);
        seats[0].enter(Phase::Reading, 7);
        seats.push(connections.admit(client(2), 8, &LIMITS).1);
        assert_eq!((connections.len(), asked(&seats)[3]), (5, None));
        seats.push(connections.admit(client(3), 9, &LIMITS).1);
        assert_eq!(
            asked(&seats),
            [None, None, limit, limit, None, None, None],
            "in all"
        );
        connections.shrink_to(2);
        assert_eq!(asked(&seats)[..2], [limit, limit]);
        assert_eq!(asked(&seats)[4..], [limit, None, None]);
        assert_eq!(connections.of(IpAddr::from([192, 0, 2, 1])), 0);
        connections.ask_all(Reason::Stop);
        assert_eq!(asked(&seats)[5..], [Some(Reason::Stop); 2]);
        for number in 1..=7 {
            connections.forget(number);
        }
        assert_eq!(connections.len(), 0);
        assert!(connections.by_use.is_empty() && connections.by_client.is_empty());
        assert!(connections.per_client.is_empty());
        assert!(!connections.end_oldest());
    }

    #[test]
    fn whoever_waited_too_long_is_asked_to_end() {
        let mut connections = Connections::default();
        let mut seats = Vec::new();
        for now_ms in 0..4 {
            seats.push(connections.admit(client(9), now_ms, &LIMITS).1);
        }
        let mut seats = seats.split_off(2);
        seats.push(connections.admit(None, 4, &LIMITS).1);
        seats[0].enter(Phase::Writing, 20);
        seats[1].enter(Phase::Reading, 19);
        while connections.end_overdue(28, 10) {}
        assert_eq!(asked(&seats), [None, None, Some(Reason::Idle)]);
        while connections.end_overdue(29, 10) {}
        let timeout = Some(Reason::Timeout);
        assert_eq!(asked(&seats)[..2], [None, timeout]);
        while connections.end_overdue(30, 10) {}
        assert_eq!(asked(&seats)[..2], [timeout, timeout]);
        assert_eq!(connections.len(), 0);
    }

    #[test]
    fn a_crowd_is_ended_one_after_the_other_those_first_that_waited_longest() {
        let mut connections = Connections::default();
        let crowd = 2 * LOOKED_AT as u64;
        let seats: Vec<_> = (0..crowd)
            .map(|now_ms| connections.admit(None, now_ms, &MANY).1)
            .collect();
        // Half were used since, which the order does not know yet.
        for seat in seats.iter().skip(1).step_by(2) {
            seat.enter(Phase::Idle, 10_000);
        }
        let mut turns = 0;
        while connections.end_overdue(5_000, 1_000) {
            turns += 1;
            let ended = asked(&seats).iter().flatten().count();
            assert!(ended <= turns);
            assert!(asked(&seats)[2 * ended..].iter().all(Option::is_none));
        }
        assert_eq!(connections.len(), LOOKED_AT);
        assert!(turns >= LOOKED_AT);
    }
}

//! How many messages came and what became of them, for `/metrics`.
//!
//! Does not know how figures are shown. Contract: every message is either answered or dropped
//! for a reason, so `received = answered + dropped`, exactly, once it is dealt with; a snapshot
//! is not one instant, its figures may be a few messages apart. Each thread that answers UDP
//! counts in a shard of its own, where counting costs no more than a plain addition.

use super::handler::query::HEADER_OCTETS;
use hickory_proto::op::ResponseCode;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// The codes that this server gives, with their names (RFC 6895 section 2.3).
const RCODES: [(ResponseCode, &str); 10] = [
    (ResponseCode::NoError, "NOERROR"),
    (ResponseCode::NXDomain, "NXDOMAIN"),
    (ResponseCode::Refused, "REFUSED"),
    (ResponseCode::FormErr, "FORMERR"),
    (ResponseCode::ServFail, "SERVFAIL"),
    (ResponseCode::NotImp, "NOTIMP"),
    (ResponseCode::NotAuth, "NOTAUTH"),
    (ResponseCode::BADVERS, "BADVERS"),
    (ResponseCode::YXDomain, "YXDOMAIN"),
    (ResponseCode::BADCOOKIE, "BADCOOKIE"),
];

/// Why a message got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// It is itself an answer: two servers would answer each other for ever.
    Reply,
    /// It is shorter than a header.
    Scrap,
    /// It came from port 0, where nothing can be sent.
    Port,
    /// Response rate limiting.
    Limited,
    /// Too many unusual queries at once.
    Overload,
    /// The answer could not be sent.
    Unsent,
    /// A fault of ours: the thread that had it ended, or it has no answer.
    Fault,
}

impl Dropped {
    /// Why a message from this port deserves no answer, whatever else it is.
    pub(super) fn undeserved(message: &[u8], port: u16) -> Option<Self> {
        if message.len() < HEADER_OCTETS {
            Some(Self::Scrap)
        } else if message[2] & 0x80 != 0 {
            Some(Self::Reply)
        } else if port == 0 {
            Some(Self::Port)
        } else {
            None
        }
    }

    const ALL: [(Self, &str); 7] = [
        (Self::Reply, "reply"),
        (Self::Scrap, "scrap"),
        (Self::Port, "port"),
        (Self::Limited, "limited"),
        (Self::Overload, "overload"),
        (Self::Unsent, "unsent"),
        (Self::Fault, "fault"),
    ];
}

/// What is to be counted of an answer that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered {
    pub(super) rcode: ResponseCode,
    pub(super) truncated: bool,
    /// Rate limiting made it say TC.
    pub(super) slipped: bool,
    /// From prepared octets.
    pub(super) fast: bool,
}

/// Counts of one thread, or of all TCP connections together. Alone on its cache lines, so that
/// threads do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Shard {
    /// Several threads count here.
    is_shared: bool,
    received: AtomicU64,
    rcodes: [AtomicU64; RCODES.len()],
    other_rcodes: AtomicU64,
    truncated: AtomicU64,
    slipped: AtomicU64,
    fast: AtomicU64,
    dropped: [AtomicU64; Dropped::ALL.len()],
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Shard {
    fn add(&self, counter: &AtomicU64, count: u64) {
        if self.is_shared {
            counter.fetch_add(count, Ordering::Relaxed);
        } else {
            // One writer: nothing is lost between the two, and no bus is locked.
            counter.store(read(counter).wrapping_add(count), Ordering::Relaxed);
        }
    }

    /// Messages came.
    pub(super) fn received(&self, count: u64) {
        self.add(&self.received, count);
    }

    /// An answer was sent, or over TCP given to its connection.
    pub(super) fn answered(&self, answer: Answered) {
        let index = RCODES.iter().position(|&(known, _)| known == answer.rcode);
        self.add(
            index.map_or(&self.other_rcodes, |index| &self.rcodes[index]),
            1,
        );
        for (is, counter) in [
            (answer.truncated, &self.truncated),
            (answer.slipped, &self.slipped),
            (answer.fast, &self.fast),
        ] {
            if is {
                self.add(counter, 1);
            }
        }
    }

    /// A message got no answer.
    pub(super) fn dropped(&self, why: Dropped) {
        self.add(&self.dropped[why as usize], 1);
    }

    /// What was received and has no end yet got lost in a fault.
    pub(super) fn settle(&self) {
        let lost = read(&self.received).saturating_sub(self.answers() + self.drops());
        self.add(&self.dropped[Dropped::Fault as usize], lost);
    }

    fn answers(&self) -> u64 {
        self.rcodes.iter().map(read).sum::<u64>() + read(&self.other_rcodes)
    }

    fn drops(&self) -> u64 {
        self.dropped.iter().map(read).sum()
    }
}

/// All counts of a server.
#[derive(Debug)]
pub struct Counters {
    tcp: Shard,
    udp: Mutex<Vec<Arc<Shard>>>,
}

impl Default for Counters {
    fn default() -> Self {
        let tcp = Shard {
            is_shared: true,
            ..Shard::default()
        };
        Self {
            tcp,
            udp: Mutex::default(),
        }
    }
}

/// What was counted since the start. `udp + tcp` is the sum of `rcodes` and `drops`, but for
/// what is being dealt with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Messages received over UDP, whatever they were.
    pub udp: u64,
    /// Messages received over TCP, whatever they were.
    pub tcp: u64,
    /// Answers by the name of their code, such as `NOERROR`; all names, in a fixed order.
    pub rcodes: Vec<(&'static str, u64)>,
    /// Answers that said to ask again over TCP.
    pub truncated: u64,
    /// Those of them that rate limiting made so.
    pub slipped: u64,
    /// Answers over UDP that were made of prepared octets.
    pub fast: u64,
    /// Messages that got no answer, by the reason: `reply` and `scrap` deserve none, `port` is
    /// 0, `limited` by rate limiting, `overload` of unusual queries, `unsent` answers that the
    /// network did not take, `fault` of ours; all reasons, in a fixed order.
    pub drops: Vec<(&'static str, u64)>,
    /// Their sum.
    pub dropped: u64,
}

impl Counters {
    /// A shard for one thread alone.
    pub(super) fn shard(&self) -> Arc<Shard> {
        let shard = Arc::new(Shard::default());
        let mut udp = self.udp.lock().unwrap_or_else(PoisonError::into_inner);
        udp.push(Arc::clone(&shard));
        shard
    }

    /// Where TCP counts.
    pub(super) fn tcp(&self) -> &Shard {
        &self.tcp
    }

    /// The figures now.
    pub fn counted(&self) -> Counted {
        let udp = self.udp.lock().unwrap_or_else(PoisonError::into_inner);
        let shards = || udp.iter().map(|shard| &**shard).chain([&self.tcp]);
        let sum = |counter: &dyn Fn(&Shard) -> u64| shards().map(counter).sum::<u64>();
        let named = RCODES.iter().enumerate();
        let mut rcodes: Vec<_> = named
            .map(|(index, &(_, name))| (name, sum(&|shard| read(&shard.rcodes[index]))))
            .collect();
        rcodes.push(("OTHER", sum(&|shard| read(&shard.other_rcodes))));
        let drops: Vec<_> = Dropped::ALL
            .iter()
            .map(|&(why, name)| (name, sum(&|shard| read(&shard.dropped[why as usize]))))
            .collect();
        Counted {
            udp: udp.iter().map(|shard| read(&shard.received)).sum(),
            tcp: read(&self.tcp.received),
            rcodes,
            truncated: sum(&|shard| read(&shard.truncated)),
            slipped: sum(&|shard| read(&shard.slipped)),
            fast: sum(&|shard| read(&shard.fast)),
            dropped: drops.iter().map(|(_, count)| count).sum(),
            drops,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_has_one_end_and_shards_add_up() {
        let counters = Counters::default();
        let (one, other) = (counters.shard(), counters.shard());
        let answered = |rcode| Answered {
            rcode,
            truncated: rcode == ResponseCode::NoError,
            slipped: false,
            fast: true,
        };
        one.received(3);
        one.answered(answered(ResponseCode::NoError));
        one.dropped(Dropped::Limited);
        other.received(2);
        other.answered(answered(ResponseCode::NXRRSet));
        other.dropped(Dropped::Unsent);
        counters.tcp().received(1);
        counters.tcp().answered(answered(ResponseCode::NoError));
        let counted = counters.counted();
        assert_eq!((counted.udp, counted.tcp, counted.dropped), (5, 1, 2));
        assert_eq!((counted.truncated, counted.fast), (2, 3));
        assert_eq!(counted.rcodes[0], ("NOERROR", 2));
        assert_eq!(counted.rcodes.last(), Some(&("OTHER", 1)));
        assert_eq!(counted.drops[3], ("limited", 1));
        // The third message of the first thread was lost on the way.
        one.settle();
        one.settle();
        let counted = counters.counted();
        assert_eq!(counted.drops.last(), Some(&("fault", 1)));
        let answered: u64 = counted.rcodes.iter().map(|(_, count)| count).sum();
        assert_eq!(counted.udp + counted.tcp, answered + counted.dropped);
    }

    #[test]
    fn what_deserves_no_answer_is_known_by_its_header() {
        let query = [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let mut reply = query;
        reply[2] |= 0x80;
        for (octets, port, expect) in [
            (&query[..], 53, None),
            (&query[..], 0, Some(Dropped::Port)),
            (&query[..11], 53, Some(Dropped::Scrap)),
            (&[], 53, Some(Dropped::Scrap)),
            (&reply[..], 53, Some(Dropped::Reply)),
            (&reply[..11], 0, Some(Dropped::Scrap)),
        ] {
            let why = Dropped::undeserved(octets, port);
            assert_eq!(why, expect, "{octets:?} {port}");
        }
    }

    #[test]
    fn reasons_are_in_the_order_of_their_numbers() {
        for (index, (why, _)) in Dropped::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, index);
        }
    }
}

//! How many queries came and how they were answered, for `/metrics`.
//!
//! Does not know how figures are shown. Contract: counting costs an atomic addition; a snapshot
//! is not one instant, its figures may be a few queries apart.

use hickory_proto::op::ResponseCode;
use std::sync::atomic::{AtomicU64, Ordering};

/// The codes that this server gives, with their names (RFC 6895 section 2.3).
const RCODES: [(ResponseCode, &str); 8] = [
    (ResponseCode::NoError, "NOERROR"),
    (ResponseCode::FormErr, "FORMERR"),
    (ResponseCode::ServFail, "SERVFAIL"),
    (ResponseCode::NXDomain, "NXDOMAIN"),
    (ResponseCode::NotImp, "NOTIMP"),
    (ResponseCode::Refused, "REFUSED"),
    (ResponseCode::NotAuth, "NOTAUTH"),
    (ResponseCode::BADVERS, "BADVERS"),
];

/// Counts queries; shared by all listeners.
#[derive(Debug, Default)]
pub struct Counters {
    udp: AtomicU64,
    tcp: AtomicU64,
    rcodes: [AtomicU64; RCODES.len()],
    other_rcodes: AtomicU64,
    truncated: AtomicU64,
    dropped: AtomicU64,
}

/// What was counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Queries over UDP.
    pub udp: u64,
    /// Queries over TCP.
    pub tcp: u64,
    /// Answers by the name of their code, such as `NOERROR`; all names, in a fixed order.
    pub rcodes: Vec<(&'static str, u64)>,
    /// Answers that said to ask again over TCP.
    pub truncated: u64,
    /// Messages that got no answer: replies, scraps of less than 12 octets, and queries whose
    /// answer could not be sent (these are among the answers of UDP too).
    pub dropped: u64,
}

impl Counters {
    pub(super) fn query(&self, is_udp: bool) {
        let counter = if is_udp { &self.udp } else { &self.tcp };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, rcode: ResponseCode, truncated: bool) {
        let index = RCODES.iter().position(|&(known, _)| known == rcode);
        let counter = index.map_or(&self.other_rcodes, |index| &self.rcodes[index]);
        counter.fetch_add(1, Ordering::Relaxed);
        if truncated {
            self.truncated.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// The figures now.
    pub fn counted(&self) -> Counted {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let named = RCODES.iter().zip(&self.rcodes);
        let mut rcodes: Vec<_> = named
            .map(|(&(_, name), counter)| (name, read(counter)))
            .collect();
        rcodes.push(("OTHER", read(&self.other_rcodes)));
        Counted {
            udp: read(&self.udp),
            tcp: read(&self.tcp),
            rcodes,
            truncated: read(&self.truncated),
            dropped: read(&self.dropped),
        }
    }
}

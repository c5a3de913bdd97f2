//! What goes into `Handler::handle` and what comes out of it.

use super::{message::Written, query::HEADER_OCTETS};
use hickory_proto::op::ResponseCode;
use std::net::SocketAddr;

/// Who asks, and by which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Where the message came from.
    pub source: SocketAddr,
    /// How it came.
    pub transport: Transport,
}

/// How a message comes and goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One datagram each (RFC 1035 section 4.2.1).
    Udp,
    /// A stream (RFC 7766).
    Tcp,
}

/// What a message is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The message to send; without the two octets of its length, over TCP.
    pub octets: Vec<u8>,
    /// Its response code, that of the OPT record included (RFC 6891 section 6.1.3).
    pub rcode: ResponseCode,
    /// Whether TC is set: the client is to come back over TCP.
    pub truncated: bool,
    /// Whether the client showed a server cookie that is valid: its address is not forged.
    pub has_valid_cookie: bool,
    /// Whether the client asked how long its connection is kept (RFC 7828), and was told.
    pub keepalive_asked: bool,
    /// Where the question ends.
    question_end: usize,
    /// Where OPT and TSIG begin, and how many of them there are.
    tail: (usize, u16),
}

impl Reply {
    pub(super) fn new(written: Written, rcode: ResponseCode, truncated: bool) -> Self {
        Self {
            octets: written.octets,
            rcode,
            truncated,
            has_valid_cookie: false,
            keepalive_asked: false,
            question_end: written.question_end,
            tail: written.tail,
        }
    }

    /// The question as it is echoed; empty where none is.
    pub(in crate::dns) fn question(&self) -> &[u8] {
        self.octets
            .get(HEADER_OCTETS..self.question_end)
            .unwrap_or_default()
    }

    /// The same with TC set and without any record but OPT and TSIG: what a client above its
    /// rate gets, so that it comes back over TCP and shows that its address is its own.
    #[must_use]
    pub fn cut(mut self) -> Self {
        let (tail_at, tail_records) = self.tail;
        self.octets.drain(self.question_end..tail_at);
        self.octets[2] |= 0x02;
        self.octets[6..10].fill(0);
        self.octets[10..12].copy_from_slice(&tail_records.to_be_bytes());
        self.tail.0 = self.question_end;
        self.truncated = true;
        self
    }
}

//! The `tcp` probe: connect, say a line, look for a text in the reply.
//!
//! Contract: at most 64 KiB are read, nothing outlives the deadline. Without `expect` the
//! verdict falls when the connection stands and `send` is written. (RFC 9293)

use super::{
    Clock, READ_LIMIT,
    outcome::{Outcome, Probed, Trace},
    reason,
};
use crate::model::{FailureReason, TcpProbe};
use std::{io, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};

/// So many bytes of a reply are shown in a trace.
const SHOWN: usize = 80;

/// Connects to `address`, sends and expects as `order` says, until `deadline`.
pub(super) async fn probe(order: &TcpProbe, address: SocketAddr, deadline: Instant) -> Probed {
    let clock = Clock::start();
    let mut trace = Trace::default();
    let mut search = order.expect.as_deref().map(Search::new);
    let talking = talk(order, address, clock, &mut trace, search.as_mut());
    let verdict = match timeout_at(deadline, talking).await {
        Ok(verdict) => verdict,
        Err(_) => {
            trace.explain_timeout();
            Ok(Some(FailureReason::Timeout))
        }
    };
    trace.verdict_us = clock.us();
    if let Some(reply) = search.map(|search| search.seen).filter(|r| !r.is_empty()) {
        let start = String::from_utf8_lossy(&reply[..reply.len().min(SHOWN)]);
        trace.say(
            "reply",
            &format!("{} bytes: {}", reply.len(), start.trim_end()),
        );
    }
    let outcome = match verdict {
        Ok(None) => Outcome::good(trace.verdict_us),
        Ok(Some(reason)) => Outcome::bad(reason),
        Err(error) => {
            trace.explain(&reason::sentence(&error));
            reason::outcome_of(&error, address, FailureReason::Unreachable)
        }
    };
    Probed { outcome, trace }
}

/// `None` where all went well.
async fn talk(
    order: &TcpProbe,
    address: SocketAddr,
    clock: Clock,
    trace: &mut Trace,
    search: Option<&mut Search<'_>>,
) -> io::Result<Option<FailureReason>> {
    let mut stream = TcpStream::connect(address).await?;
    trace.connected_us = Some(clock.us());
    if let Some(text) = &order.send {
        stream.write_all(text.as_bytes()).await?;
    }
    let Some(search) = search else {
        return Ok(None);
    };
    // Not within the future, which is moved about for every probe, with a reply or without.
    let mut buffer = vec![0; 4096];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length > 0 && trace.first_byte_us.is_none() {
            trace.first_byte_us = Some(clock.us());
        }
        if search.feed(&buffer[..length]) {
            return Ok(None);
        }
        if search.is_full() {
            return Ok(Some(FailureReason::Body));
        }
        if length == 0 {
            let said_nothing = search.seen().is_empty();
            return Ok(Some(if said_nothing {
                FailureReason::Closed
            } else {
                FailureReason::Body
            }));
        }
    }
}

/// Looks for a text in what arrives piece by piece, within the first 64 KiB. Bytes that were
/// searched are not searched again, so that a peer who sends byte by byte costs no more.
pub(super) struct Search<'a> {
    wanted: &'a [u8],
    seen: Vec<u8>,
}

impl<'a> Search<'a> {
    /// A search for `wanted`.
    pub(super) fn new(wanted: &'a str) -> Self {
        Self {
            wanted: wanted.as_bytes(),
            seen: Vec::new(),
        }
    }

    /// Takes the next piece; whether the text has been found.
    pub(super) fn feed(&mut self, piece: &[u8]) -> bool {
        let overlap = self.wanted.len().saturating_sub(1);
        let from = self.seen.len().saturating_sub(overlap);
        let room = READ_LIMIT - self.seen.len();
        self.seen.extend_from_slice(&piece[..piece.len().min(room)]);
        let fresh = &self.seen[from..];
        self.wanted.is_empty() || fresh.windows(self.wanted.len()).any(|w| w == self.wanted)
    }

    /// Whether nothing more is taken.
    pub(super) fn is_full(&self) -> bool {
        self.seen.len() >= READ_LIMIT
    }

    /// What arrived, at most 64 KiB.
    pub(super) fn seen(&self) -> &[u8] {
        &self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_across_pieces_and_not_beyond_the_limit() {
        let mut search = Search::new("ready");
        for piece in ["220 re", "a", "d"] {
            assert!(!search.feed(piece.as_bytes()));
        }
        assert!(search.feed(b"y to serve"));

        let mut search = Search::new("ready");
        assert!(!search.feed(&vec![b'.'; READ_LIMIT - 2]));
        assert!(!search.feed(b"ready"), "only 're' is within the limit");
        assert!(search.is_full());
        assert!(!search.feed(b"ready"));
        assert!(Search::new("").feed(b""), "nothing wanted, nothing lacking");
    }
}

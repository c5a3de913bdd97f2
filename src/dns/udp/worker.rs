//! What one thread does with its socket: receive a batch, answer, send, again.
//!
//! Usual queries are answered from prepared octets, at once; the others wait in a bounded queue
//! and get a small share of a busy thread, so that junk cannot starve good queries, and all of an
//! idle one. Contract: what is in force is looked up after a batch came, so after one new answer
//! no later one is old; nothing is allocated for a usual query; every message is counted.

use super::{
    batch::{BATCH, BUFFER_OCTETS, Batches, Buffers, Came, Family, Outgoing, Peer},
    waiting::Queue,
};
use crate::dns::{
    counters::{Answered, Dropped, Shard},
    handler::{Asker, Handler, Transport},
    server::now_secs,
};
use nix::errno::Errno;
use std::{
    net::UdpSocket,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// Unusual queries answered after a batch that was full: more wait to be received.
const BUSY_SHARE: usize = 4;
/// And after one that was not. Then the socket is looked at again.
const QUIET_SHARE: usize = 16;
/// What was received before a stop is answered, for at most so long.
const LAST_BATCHES: Duration = Duration::from_millis(500);
/// A header (RFC 1035 section 4.1.1).
const HEADER_OCTETS: usize = 12;

/// What the threads of all sockets have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) handler: Handler,
    pub(super) stop: AtomicBool,
}

/// A reply from the slow path, until it is sent.
struct Made<A: Family> {
    octets: Vec<u8>,
    answered: Answered,
    peer: Peer<A>,
}

/// One thread's work on one socket.
pub(super) struct Worker<'s, A: Family> {
    shared: &'s Shared,
    shard: &'s Shard,
    batches: Batches<'s, A>,
    buffers: Box<Buffers>,
    came: Vec<Came<A>>,
    queue: Queue<A>,
    made: Vec<Made<A>>,
}

impl<'s, A: Family> Worker<'s, A> {
    pub(super) fn new(
        shared: &'s Shared,
        shard: &'s Shard,
        socket: &'s UdpSocket,
        is_wildcard: bool,
    ) -> Self {
        Self {
            shared,
            shard,
            batches: Batches::new(socket, is_wildcard),
            buffers: vec![[0; BUFFER_OCTETS]; BATCH]
                .into_boxed_slice()
                .try_into()
                .expect("a batch of buffers was made"),
            came: Vec::with_capacity(BATCH),
            queue: Queue::new(),
            made: Vec::with_capacity(QUIET_SHARE),
        }
    }

    /// Answers until the stop, and what had come by then.
    ///
    /// # Errors
    /// The socket fails.
    pub(super) fn run(mut self) -> Result<(), Errno> {
        while !self.shared.stop.load(Ordering::Acquire) {
            self.receive(self.queue.is_empty())?;
            self.answer();
        }
        // What was received before the stop has its answer, too.
        let until = Instant::now() + LAST_BATCHES;
        while Instant::now() < until {
            if self.queue.is_empty() {
                self.receive(false)?;
                if self.came.is_empty() {
                    break;
                }
            } else {
                self.came.clear();
            }
            self.answer();
        }
        Ok(())
    }

    fn receive(&mut self, wait: bool) -> Result<(), Errno> {
        let (buffers, came) = (&mut self.buffers, &mut self.came);
        match self.batches.receive(buffers, came, wait) {
            // An ICMP error about an earlier reply says nothing about this socket.
            Ok(()) | Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => {}
            Err(error) => return Err(error),
        }
        if self.shared.stop.load(Ordering::Acquire) {
            // The stop shut the socket for reading, which reads as an empty datagram.
            self.came.retain(|came| came.length > 0);
        }
        Ok(())
    }

    fn answer(&mut self) {
        let is_busy = self.came.len() == BATCH;
        self.usual();
        self.unusual(if is_busy { BUSY_SHARE } else { QUIET_SHARE });
    }

    fn usual(&mut self) {
        self.shard
            .received(u64::try_from(self.came.len()).unwrap_or(u64::MAX));
        for came in &self.came {
            let octets = &self.buffers[came.place][..came.length];
            if let Some(why) = undeserving(octets, came.peer.address.address().port()) {
                self.shard.dropped(why);
            } else if !self.queue.push(octets, came.peer) {
                self.shard.dropped(Dropped::Overload);
            }
        }
    }

    /// Answers some of the queries that wait.
    fn unusual(&mut self, share: usize) {
        if self.queue.is_empty() {
            return;
        }
        let now_secs = now_secs();
        for _ in 0..share {
            let Some(query) = self.queue.pop() else {
                break;
            };
            let asker = Asker {
                source: query.peer.address.address(),
                transport: Transport::Udp,
            };
            let handler = &self.shared.handler;
            match handler.handle(&query.octets, &asker, now_secs) {
                None => self.shard.dropped(Dropped::Reply),
                Some(reply) => self.made.push(Made {
                    octets: reply.octets,
                    answered: Answered {
                        rcode: reply.rcode,
                        truncated: reply.truncated,
                        slipped: false,
                        fast: false,
                    },
                    peer: query.peer,
                }),
            }
            self.queue.done(query.octets);
        }
        let (made, shard) = (&self.made, self.shard);
        let outgoing = |index: usize| Outgoing {
            octets: &made[index].octets,
            peer: made[index].peer,
        };
        self.batches.send(made.len(), outgoing, |index, sent| {
            ended(shard, made[index].answered, sent);
        });
        self.made.clear();
    }
}

fn ended(shard: &Shard, answered: Answered, sent: Result<(), Errno>) {
    match sent {
        Ok(()) => shard.answered(answered),
        Err(error) => {
            tracing::debug!(%error, "an answer could not be sent");
            shard.dropped(Dropped::Unsent);
        }
    }
}

/// Why a datagram gets no answer, whatever else it is.
fn undeserving(octets: &[u8], port: u16) -> Option<Dropped> {
    if octets.len() < HEADER_OCTETS {
        Some(Dropped::Scrap)
    } else if octets[2] & 0x80 != 0 {
        Some(Dropped::Reply)
    } else if port == 0 {
        Some(Dropped::Port)
    } else {
        None
    }
}

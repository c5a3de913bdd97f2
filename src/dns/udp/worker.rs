//! What one thread does with its socket: receive a batch, answer, send, again.
//!
//! Usual queries are answered from prepared octets, at once; the others wait in a bounded queue
//! and get a small share of a busy thread, so that junk cannot starve good queries, and all of an
//! idle one. Contract: what is in force is looked up after a batch came, so after one new answer
//! no later one is old; nothing is allocated for a usual query; every message is counted.

use super::{
    batch::{BATCH, BUFFER_OCTETS, Batches, Buffers, Came, Family, Outgoing, Peer},
    clock::Clock,
    fast::{self, Subject},
    limit::{Limiter, Verdict},
    message::MAX_OCTETS,
    waiting::{Queue, Waiting},
};
use crate::dns::{
    counters::{Answered, Dropped, Shard},
    handler::{
        Handler,
        reply::{Asker, Transport},
    },
    name::LookupName,
    state::Publisher,
};
use nix::errno::Errno;
use std::{
    hash::{BuildHasher, RandomState},
    net::{SocketAddr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// Unusual queries answered after a batch that was full: more wait to be received.
const BUSY_SHARE: usize = 4;
/// And after one that was not. Then the socket is looked at again.
const QUIET_SHARE: usize = 16;
/// What was received before a stop is answered, for at most so long.
const LAST_BATCHES: Duration = Duration::from_millis(500);

/// What the threads of all sockets have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) publisher: Publisher,
    pub(super) handler: Handler,
    pub(super) stop: AtomicBool,
}

/// The threads of one address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) address: SocketAddr,
    /// How many.
    pub(super) threads: u32,
}

/// An answer from the fast path, until it is sent.
struct Ready<A: Family> {
    came: Came<A>,
    length: usize,
    answered: Answered,
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
    answers: Box<[[u8; MAX_OCTETS]; BATCH]>,
    ready: Vec<Ready<A>>,
    queue: Queue<A>,
    made: Vec<Made<A>>,
    limiter: Limiter,
    name: LookupName,
}

/// On the heap, and never on the stack.
fn batch_of<const N: usize>(one: [u8; N]) -> Box<[[u8; N]; BATCH]> {
    let batch: Result<_, _> = vec![one; BATCH].into_boxed_slice().try_into();
    batch.expect("a batch was made")
}

fn random_key() -> [u8; 16] {
    let random = || RandomState::new().hash_one(()).to_ne_bytes();
    [random(), random()]
        .concat()
        .try_into()
        .expect("eight and eight are sixteen")
}

impl<'s, A: Family> Worker<'s, A> {
    pub(super) fn new(
        shared: &'s Shared,
        shard: &'s Shard,
        socket: &'s UdpSocket,
        group: Group,
    ) -> Self {
        Self {
            shared,
            shard,
            batches: Batches::new(socket, group.address.ip().is_unspecified()),
            buffers: batch_of([0; BUFFER_OCTETS]),
            came: Vec::with_capacity(BATCH),
            answers: batch_of([0; MAX_OCTETS]),
            ready: Vec::with_capacity(BATCH),
            queue: Queue::new(random_key()),
            made: Vec::with_capacity(QUIET_SHARE),
            limiter: Limiter::new(random_key(), group.threads),
            name: LookupName::default(),
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
        while self.queue.pop().is_some() {
            self.shard.dropped(Dropped::Overload);
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

    /// Answers the usual queries of a batch; the others wait.
    fn usual(&mut self) {
        if self.came.is_empty() {
            return;
        }
        let count = u64::try_from(self.came.len()).unwrap_or(u64::MAX);
        self.shard.received(count);
        let state = self.shared.publisher.borrowed();
        let clock = Clock::default();
        for came in &self.came {
            let asked = &self.buffers[came.place][..came.length];
            let source = came.peer.address.address();
            if let Some(why) = Dropped::undeserved(asked, source.port()) {
                self.shard.dropped(why);
                continue;
            }
            let (out, source) = (&mut self.answers[came.place], source.ip());
            let now_secs = || clock.now_secs();
            let composed = fast::compose(&state, asked, out, source, now_secs, &mut self.name);
            let Some(composed) = composed else {
                if !self.queue.push(asked, came.peer) {
                    self.shard.dropped(Dropped::Overload);
                }
                continue;
            };
            let (rcode, subject) = (composed.rcode, composed.subject);
            let verdict = match composed.has_valid_cookie {
                true => Verdict::Send,
                false => self
                    .limiter
                    .judge(&state.settings.rate_limit, source, subject, &clock),
            };
            let slipped = verdict == Verdict::Slip;
            let length = match verdict {
                Verdict::Send => composed.whole(),
                Verdict::Slip => composed.slipped(),
                Verdict::Drop => {
                    self.shard.dropped(Dropped::Limited);
                    continue;
                }
            };
            self.ready.push(Ready {
                came: *came,
                length,
                answered: Answered {
                    rcode,
                    truncated: slipped,
                    slipped,
                    fast: true,
                },
            });
        }
        drop(state);
        let (ready, answers, shard) = (&self.ready, &self.answers, self.shard);
        let outgoing = |index: usize| {
            let ready: &Ready<A> = &ready[index];
            Outgoing {
                octets: &answers[ready.came.place][..ready.length],
                peer: ready.came.peer,
            }
        };
        self.batches.send(ready.len(), outgoing, |index, sent| {
            ended(shard, ready[index].answered, sent);
        });
        self.ready.clear();
    }

    /// Answers some of the queries that wait.
    fn unusual(&mut self, share: usize) {
        if self.queue.is_empty() {
            return;
        }
        let clock = Clock::default();
        for _ in 0..share {
            let Some(query) = self.queue.pop() else {
                break;
            };
            if let Some(made) = self.made_of(&query, &clock) {
                self.made.push(made);
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

    /// The reply to an unusual query, unless it is dropped.
    fn made_of(&mut self, query: &Waiting<A>, clock: &Clock) -> Option<Made<A>> {
        let source = query.peer.address.address();
        let asker = Asker {
            source,
            transport: Transport::Udp,
        };
        let Some(reply) = self
            .shared
            .handler
            .handle(&query.octets, &asker, clock.now_secs())
        else {
            // What deserves no answer was dropped before it could wait.
            self.shard.dropped(Dropped::Fault);
            return None;
        };
        let verdict = if reply.has_valid_cookie {
            Verdict::Send
        } else {
            let state = self.shared.publisher.borrowed();
            let subject = Subject::of(&reply, &state.zones, &mut self.name);
            let limit = &state.settings.rate_limit;
            self.limiter.judge(limit, source.ip(), subject, clock)
        };
        let reply = match verdict {
            Verdict::Send => reply,
            Verdict::Slip => reply.cut(),
            Verdict::Drop => {
                self.shard.dropped(Dropped::Limited);
                return None;
            }
        };
        Some(Made {
            answered: Answered {
                rcode: reply.rcode,
                truncated: reply.truncated,
                slipped: verdict == Verdict::Slip,
                fast: false,
            },
            octets: reply.octets,
            peer: query.peer,
        })
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

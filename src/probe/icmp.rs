//! The `icmp` probe: echo requests, one answer to which is enough (RFC 792, RFC 4443 section 4).
//!
//! One socket for each IP version serves all series and witnesses: a raw one where this process
//! may open it, else a datagram one, which hears answers but no "unreachable". Sequence numbers
//! are counted, so a late answer meets nobody who waits; identifiers of raw sockets are drawn
//! for each probe. surge-ping hands up ICMP errors as if they were answers: they are told apart
//! here. Its receiver has no way to say that it ended: after a silence the socket must hear
//! itself, or another takes its place and the probe has no result.

use super::{
    Clock,
    outcome::{Outcome, Probed, Trace},
    reason,
};
use crate::model::FailureReason;
use futures_util::{StreamExt, stream::FuturesUnordered};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Type};
use std::{
    hash::{BuildHasher, RandomState},
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
    time::Duration,
};
use surge_ping::{Client, Config, ICMP, IcmpPacket, PingIdentifier, PingSequence, SurgeError};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

/// Names of the steps: at most ten requests are sent.
const ECHOES: [&str; 10] = [
    "echo 1", "echo 2", "echo 3", "echo 4", "echo 5", "echo 6", "echo 7", "echo 8", "echo 9",
    "echo 10",
];
/// What a request carries, as `ping` does: 56 bytes.
const PAYLOAD: [u8; 56] = [b'.'; 56];
/// So often one request is sent when something other than an answer comes: a redirect takes the
/// place of the answer behind it. A router of Linux stops after nine.
const ATTEMPTS: usize = 12;
/// Longer than any probe: the probe's deadline is what ends it.
const LONGEST: Duration = Duration::from_secs(2 * 86_400);
/// How long a socket has to hear itself; well below what makes a result late.
const SELF_PATIENCE: Duration = Duration::from_millis(40);
/// A machine that answers no echo requests to itself is not asked again for so long.
const MUTE_FOR: Duration = Duration::from_secs(60);
const NOT_PERMITTED: &str = "not permitted to send ICMP: give sidestep CAP_NET_RAW, or set sysctl net.ipv4.ping_group_range to a range that has its group";

/// An `icmp` monitor made ready to run.
#[derive(Clone, Debug)]
pub(super) struct Order {
    count: u32,
    sockets: Arc<Sockets>,
}

impl Order {
    /// `count` requests in each probe, 1 to 10 whatever is given.
    pub(super) fn new(count: u32, sockets: &Arc<Sockets>) -> Self {
        Self {
            count: count.clamp(1, 10),
            sockets: sockets.clone(),
        }
    }
}

/// Sends the requests of `order` to `ip`, evenly until `deadline`; over at the first answer.
pub(super) async fn probe(order: &Order, ip: IpAddr, deadline: Instant) -> Probed {
    let clock = Clock::start();
    let mut trace = Trace::default();
    let outcome = match order.sockets.get(ip) {
        Ok(socket) => {
            let heard = socket.heard();
            let mut found = Outcome::bad(FailureReason::Timeout);
            let asking = ask(order.count, &socket, ip, deadline, &mut trace, &mut found);
            // What was found until then holds.
            timeout_at(deadline, asking).await.ok();
            let is_silent = found == Outcome::bad(FailureReason::Timeout);
            if is_silent && socket.heard() == heard && order.sockets.is_deaf(ip, &socket).await {
                found = Outcome::no_result("the ICMP socket had stopped to hear: it was made anew");
            }
            found
        }
        Err(error) => Outcome::no_result(words(&error)),
    };
    trace.verdict_us = clock.us();
    Probed { outcome, trace }
}

async fn ask(
    count: u32,
    socket: &Socket,
    ip: IpAddr,
    deadline: Instant,
    trace: &mut Trace,
    found: &mut Outcome,
) {
    let clock = Clock::start();
    let mut due = Instant::now();
    let gap = deadline.saturating_duration_since(due) / count;
    let identifier = socket.identifier();
    let mut names = ECHOES.iter().take(count as usize);
    let mut echoes = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(said) = echoes.next() => match said {
                Said::Answer { rtt_us } => {
                    trace.first_byte_us = Some(clock.us());
                    trace.note = None;
                    *found = Outcome::good(rtt_us);
                    return;
                }
                Said::Nothing { outcome, note } => {
                    trace.note = Some(note);
                    // A word about the target counts for more than one about this machine.
                    if found.verdict() != Some(false) || *found == Outcome::bad(FailureReason::Timeout) {
                        *found = outcome;
                    }
                }
            },
            () = sleep_until(due), if names.len() > 0 => {
                trace.own.extend(names.next().map(|&name| (name, clock.us())));
                echoes.push(socket.echo(ip, identifier));
                due += gap;
            }
            else => return,
        }
    }
}

/// What one request brought.
enum Said {
    /// The target answered.
    Answer { rtt_us: u32 },
    /// It will not: why, and in more words.
    Nothing { outcome: Outcome, note: String },
}

/// What a packet says to whoever sent the request.
enum Meaning {
    Answer,
    Unreachable(String),
    /// Nothing about the target: a redirect.
    Other,
}

fn meaning(packet: &IcmpPacket) -> Meaning {
    match packet {
        IcmpPacket::V4(packet) => {
            let (kind, code) = (packet.get_icmp_type().0, packet.get_icmp_code().0);
            let from = packet.get_source();
            match kind {
                0 => Meaning::Answer,
                // Unreachable, time exceeded, parameter problem.
                3 | 11 | 12 => {
                    Meaning::Unreachable(format!("ICMP type {kind} code {code} from {from}"))
                }
                _ => Meaning::Other,
            }
        }
        IcmpPacket::V6(packet) => {
            let (kind, code) = (packet.get_icmpv6_type().0, packet.get_icmpv6_code().0);
            let from = packet.get_source();
            match kind {
                129 => Meaning::Answer,
                // Unreachable, too big, time exceeded, parameter problem.
                1..=4 => {
                    Meaning::Unreachable(format!("ICMPv6 type {kind} code {code} from {from}"))
                }
                _ => Meaning::Other,
            }
        }
    }
}

/// The sockets of this process, opened when first needed.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    v4: Slot,
    v6: Slot,
}

#[derive(Debug, Default)]
struct Slot(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    socket: Option<Arc<Socket>>,
    /// When this machine last did not answer its own request.
    mute: Option<Instant>,
}

impl Sockets {
    fn slot(&self, ip: IpAddr) -> &Slot {
        match ip {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
        }
    }

    fn get(&self, ip: IpAddr) -> io::Result<Arc<Socket>> {
        let mut held = self.slot(ip).lock();
        if let Some(socket) = &held.socket {
            return Ok(socket.clone());
        }
        let socket = Arc::new(Socket::open(ip)?);
        held.socket = Some(socket.clone());
        Ok(socket)
    }

    /// Whether `socket` does not even hear itself while a new one does, which then is in place.
    async fn is_deaf(&self, ip: IpAddr, socket: &Arc<Socket>) -> bool {
        let slot = self.slot(ip);
        let is_mute = |held: &Held| held.mute.is_some_and(|at| at.elapsed() < MUTE_FOR);
        if is_mute(&slot.lock()) {
            return false;
        }
        if socket.hears_itself(ip).await {
            return false;
        }
        let Ok(fresh) = Socket::open(ip) else {
            return false;
        };
        let is_deaf = fresh.hears_itself(ip).await;
        let mut held = slot.lock();
        if !is_deaf {
            held.mute = Some(Instant::now());
        } else if held.socket.as_ref().is_some_and(|s| Arc::ptr_eq(s, socket)) {
            tracing::error!("the ICMP socket had stopped to hear: it was made anew");
            held.socket = Some(Arc::new(fresh));
        }
        is_deaf
    }
}

impl Slot {
    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        // Nothing in it is ever half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One socket with its receiver, and how many answers it heard.
struct Socket {
    client: Client,
    keys: RandomState,
    drawn: AtomicU64,
    sequence: AtomicU16,
    heard: AtomicU64,
}

impl Socket {
    fn open(ip: IpAddr) -> io::Result<Self> {
        let kind = match ip {
            IpAddr::V4(_) => ICMP::V4,
            IpAddr::V6(_) => ICMP::V6,
        };
        let config = Config::builder().kind(kind).sock_type_hint(Type::RAW);
        let keys = RandomState::new();
        let first = keys.hash_one("sequence").to_ne_bytes();
        Ok(Self {
            client: Client::new(&config.build())?,
            keys,
            drawn: AtomicU64::new(0),
            sequence: AtomicU16::new(u16::from_ne_bytes([first[0], first[1]])),
            heard: AtomicU64::new(0),
        })
    }

    fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// One that nobody outside can foresee.
    fn identifier(&self) -> PingIdentifier {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        let drawn = self.keys.hash_one(number).to_ne_bytes();
        PingIdentifier(u16::from_ne_bytes([drawn[0], drawn[1]]))
    }

    async fn echo(&self, ip: IpAddr, identifier: PingIdentifier) -> Said {
        let mut pinger = self.client.pinger(ip, identifier).await;
        pinger.timeout(LONGEST);
        let next = || PingSequence(self.sequence.fetch_add(1, Ordering::Relaxed));
        let mut sequence = next();
        for _ in 0..ATTEMPTS {
            match pinger.ping(sequence, &PAYLOAD).await {
                Ok((packet, rtt)) => match meaning(&packet) {
                    Meaning::Answer => {
                        self.heard.fetch_add(1, Ordering::Relaxed);
                        let rtt_us = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX);
                        return Said::Answer {
                            rtt_us: rtt_us.max(1),
                        };
                    }
                    Meaning::Unreachable(note) => {
                        let outcome = Outcome::bad(FailureReason::Unreachable);
                        return Said::Nothing { outcome, note };
                    }
                    // The same number: the answer to the former request serves as well.
                    Meaning::Other => {}
                },
                Err(SurgeError::IdenticalRequests { .. }) => sequence = next(),
                Err(SurgeError::IOError(error)) => {
                    let to = SocketAddr::new(ip, 0);
                    let outcome = reason::outcome_of(&error, to, FailureReason::Unreachable);
                    let note = reason::sentence(&error);
                    return Said::Nothing { outcome, note };
                }
                Err(error) => return Said::local(&error.to_string()),
            }
        }
        Said::local("the way there answers with ICMP redirects only: mend the route from here")
    }

    async fn hears_itself(&self, ip: IpAddr) -> bool {
        let own = match ip {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
        };
        let heard = timeout(SELF_PATIENCE, self.echo(own, self.identifier())).await;
        matches!(heard, Ok(Said::Answer { .. }))
    }
}

impl Said {
    fn local(words: &str) -> Self {
        Self::Nothing {
            outcome: Outcome::no_result(words),
            note: words.to_owned(),
        }
    }
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}

/// Why ICMP cannot be sent to addresses like `ip` from here, in words.
///
/// # Errors
/// Permission, the IP version, a shortage.
pub(super) fn permitted(ip: IpAddr) -> Result<(), String> {
    let (domain, protocol) = match ip {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let open = |kind| socket2::Socket::new(domain, kind, Some(protocol));
    match open(Type::RAW).or_else(|first| open(Type::DGRAM).map_err(|_| first)) {
        Ok(_) => Ok(()),
        Err(error) => Err(words(&error)),
    }
}

/// Why a socket could not be opened.
fn words(error: &io::Error) -> String {
    if error.kind() == ErrorKind::PermissionDenied {
        return NOT_PERMITTED.to_owned();
    }
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(errno) => reason::shortage_of(errno).map_or_else(|| error.to_string(), str::to_owned),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket whose receiver does not run: its runtime is never driven.
    fn deaf(elsewhere: &tokio::runtime::Runtime, ip: IpAddr) -> Socket {
        let _entered = elsewhere.enter();
        Socket::open(ip).unwrap()
    }

    #[test]
    fn a_socket_that_hears_nothing_is_replaced_and_blames_nobody() {
        let build = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
        };
        let (elsewhere, here) = (build(), build());
        let ip = IpAddr::from(Ipv4Addr::LOCALHOST);
        if permitted(ip).is_err() {
            println!("skipped: {NOT_PERMITTED}");
            return;
        }
        let sockets = Arc::new(Sockets::default());
        let deaf = Arc::new(deaf(&elsewhere, ip));
        sockets.v4.lock().socket = Some(deaf.clone());
        let order = Order::new(1, &sockets);
        // On a busy machine a new socket may not hear itself in time: nothing is known then.
        let found = here.block_on(async {
            loop {
                sockets.v4.lock().mute = None;
                let deadline = Instant::now() + Duration::from_millis(50);
                let found = probe(&order, ip, deadline).await.outcome;
                if found != Outcome::bad(FailureReason::Timeout) {
                    return found;
                }
            }
        });
        assert_eq!(found.verdict(), None, "{found:?}");
        let replaced = sockets.v4.lock().socket.clone().unwrap();
        assert!(!Arc::ptr_eq(&replaced, &deaf));
        let again = here.block_on(probe(&order, ip, Instant::now() + Duration::from_secs(20)));
        assert_eq!(again.outcome.verdict(), Some(true), "{again:?}");
    }

    #[test]
    fn an_identifier_is_drawn_for_each_probe() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _entered = runtime.enter();
        let Ok(socket) = Socket::open(IpAddr::from(Ipv4Addr::LOCALHOST)) else {
            println!("skipped: {NOT_PERMITTED}");
            return;
        };
        let mut drawn: Vec<u16> = (0..100).map(|_| socket.identifier().0).collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert!(drawn.len() > 90, "{drawn:?}");
    }
}

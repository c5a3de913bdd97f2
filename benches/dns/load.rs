//! The load generator: one thread, many client ports, every answer looked at.
//!
//! It must cost less than the servers it measures. A batch of questions is one datagram that the
//! kernel cuts (`UDP_SEGMENT`), answers are fetched by `recvmmsg`, and nothing ever sleeps: a
//! server that had to wake its client would pay for that.

use super::{
    latency::Latency,
    question::{Questions, Seen},
};
use nix::{
    cmsg_space,
    sys::{
        socket::{
            ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrIn, recvmmsg, setsockopt,
            sockopt,
        },
        time::TimeSpec,
    },
};
use std::{
    io::IoSliceMut,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    time::{Duration, Instant, SystemTime},
};

/// The most that is sent or fetched by one call.
const BATCH: usize = 32;
/// No answer here is longer.
const REPLY_OCTETS: usize = 512;
/// A question that has no answer by then is lost.
const LOST_AFTER: Duration = Duration::from_secs(1);
/// Questions of one port that may be under way; ids are made of a place and a round.
const PLACES_MAX: usize = 256;

/// How a load is put on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) server: SocketAddr,
    /// Client ports.
    pub(crate) ports: usize,
    /// Questions under way per port, at most 256.
    pub(crate) places: usize,
    /// Questions per second; none: as many as are answered.
    pub(crate) rate: Option<f64>,
    /// What answers should say.
    pub(crate) rcode: u8,
    /// When an answer is no longer waited for.
    pub(crate) lost_after: Duration,
    /// Whether an answer has come when the kernel got it, not when this thread looked: for loads
    /// that share their core with others.
    pub(crate) stamped: bool,
}

impl Load {
    /// As many as the server bears, and no more than a default receive buffer holds: nothing may
    /// be lost.
    pub(crate) fn full(server: SocketAddr, rcode: u8) -> Self {
        Self {
            server,
            ports: 8,
            places: 16,
            rate: None,
            rcode,
            lost_after: LOST_AFTER,
            stamped: false,
        }
    }

    /// So many per second, whatever becomes of them.
    pub(crate) fn paced(server: SocketAddr, rate: f64) -> Self {
        Self {
            server,
            ports: 16,
            places: PLACES_MAX,
            rate: Some(rate),
            rcode: 0,
            lost_after: LOST_AFTER,
            stamped: false,
        }
    }

    /// So many per second, though most will never be answered.
    pub(crate) fn flood(server: SocketAddr, rate: f64) -> Self {
        Self {
            ports: 64,
            lost_after: Duration::from_millis(50),
            ..Self::paced(server, rate)
        }
    }
}

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    /// No answer in time.
    pub(crate) lost: u64,
    /// Right answers, also those that came too late.
    pub(crate) replies: u64,
    /// Answers with another code, or without a record.
    pub(crate) wrong: u64,
    pub(crate) took: Duration,
    pub(crate) latency: Latency,
    /// How long the generator had nothing to do: with none of that it is the bottleneck.
    pub(crate) idle: Duration,
}

impl Outcome {
    pub(crate) fn per_second(&self) -> f64 {
        self.answered as f64 / self.took.as_secs_f64()
    }
}

/// What is done beside the asking; times are ns since the generator was made.
pub(crate) trait Beside {
    /// Called again and again between batches; must be short.
    fn turn(&mut self, _now_ns: u64) {}
    /// So many questions were sent.
    fn asked(&mut self, _count: u64, _now_ns: u64) {}
    /// Looks at an answer, asked and come at these times.
    fn answer(&mut self, _octets: &[u8], _asked_ns: u64, _come_ns: u64) {}
}

/// Nothing.
impl Beside for () {}

/// A question under way.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    asked_ns: u64,
    round: u8,
    busy: bool,
}

struct Port {
    socket: UdpSocket,
    places: Vec<Place>,
    free: Vec<u8>,
    headers: MultiHeaders<SockaddrIn>,
    lengths: [usize; BATCH],
    /// How long each reply lay in the kernel, ns; 0 where that is not asked for.
    waited_ns: [u64; BATCH],
    replies: Box<[[u8; REPLY_OCTETS]; BATCH]>,
}

impl Port {
    fn new(load: &Load, question_octets: usize) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a client port");
        socket.connect(load.server).expect("a server");
        socket.set_nonblocking(true).expect("a flag");
        let segment = i32::try_from(question_octets).expect("a short question");
        setsockopt(&socket, sockopt::UdpGsoSegment, &segment).expect("Linux 4.18");
        setsockopt(&socket, sockopt::RcvBuf, &(1 << 20)).expect("a buffer");
        setsockopt(&socket, sockopt::ReceiveTimestampns, &load.stamped).expect("Linux 2.6.22");
        let stamp = load.stamped.then(|| cmsg_space!(TimeSpec));
        Self {
            socket,
            places: vec![Place::default(); load.places],
            free: (0..load.places).map(|place| place as u8).rev().collect(),
            headers: MultiHeaders::preallocate(BATCH, stamp),
            lengths: [0; BATCH],
            waited_ns: [0; BATCH],
            replies: Box::new([[0; REPLY_OCTETS]; BATCH]),
        }
    }

    /// Sends so many questions; how many went.
    fn ask(&mut self, count: usize, questions: &mut Questions, now_ns: u64) -> usize {
        let mut octets = Vec::with_capacity(count * questions.octets());
        let taken = self.free.split_off(self.free.len() - count);
        for &index in &taken {
            let place = &mut self.places[usize::from(index)];
            place.round = place.round.wrapping_add(1);
            place.asked_ns = now_ns;
            place.busy = true;
            questions.append(u16::from_be_bytes([place.round, index]), &mut octets);
        }
        if self.socket.send(&octets).is_ok() {
            return count;
        }
        for &index in &taken {
            self.places[usize::from(index)].busy = false;
        }
        self.free.extend(taken);
        0
    }

    /// Fetches what came: how many.
    fn fetch(&mut self) -> usize {
        let mut buffers = self
            .replies
            .each_mut()
            .map(|reply| [IoSliceMut::new(reply)]);
        let received = recvmmsg(
            self.socket.as_raw_fd(),
            &mut self.headers,
            buffers.iter_mut(),
            MsgFlags::MSG_DONTWAIT,
            None,
        );
        let mut count = 0;
        for message in received.into_iter().flatten() {
            self.lengths[count] = message.bytes;
            self.waited_ns[count] = waited_ns(&message);
            count += 1;
        }
        count
    }

    /// When the question of this answer was asked, ns; `None` where nobody waits for it.
    fn settle(&mut self, id: u16) -> Option<u64> {
        let [round, index] = id.to_be_bytes();
        let place = self.places.get_mut(usize::from(index))?;
        if !place.busy || place.round != round {
            return None;
        }
        place.busy = false;
        self.free.push(index);
        Some(place.asked_ns)
    }

    /// Gives up on what waits too long; how many.
    fn give_up(&mut self, before_ns: u64) -> u64 {
        let mut count = 0;
        for (index, place) in self.places.iter_mut().enumerate() {
            if place.busy && place.asked_ns < before_ns {
                place.busy = false;
                self.free.push(index as u8);
                count += 1;
            }
        }
        count
    }
}

/// How long ago the kernel stamped a message, ns; 0 where it has no stamp.
fn waited_ns(message: &RecvMsg<'_, '_, SockaddrIn>) -> u64 {
    let stamped = message.cmsgs().into_iter().flatten().find_map(|control| {
        let ControlMessageOwned::ScmTimestampns(at) = control else {
            return None;
        };
        SystemTime::UNIX_EPOCH.checked_add(Duration::from(at))
    });
    stamped
        .and_then(|at| at.elapsed().ok())
        .map_or(0, |waited| waited.as_nanos() as u64)
}

/// A generator with its sockets; make one per load, run it as often as wanted.
pub(crate) struct Generator {
    load: Load,
    ports: Vec<Port>,
    made: Instant,
    questions: Questions,
    next: usize,
}

impl Generator {
    pub(crate) fn new(load: Load, questions: Questions) -> Self {
        let ports = (0..load.ports).map(|_| Port::new(&load, questions.octets()));
        Self {
            ports: ports.collect(),
            made: Instant::now(),
            load,
            questions,
            next: 0,
        }
    }

    fn now_ns(&self) -> u64 {
        self.made.elapsed().as_nanos() as u64
    }

    /// Asks for so long, and waits for the last answers.
    pub(crate) fn run(&mut self, duration: Duration, beside: &mut impl Beside) -> Outcome {
        let mut outcome = Outcome::default();
        let began_ns = self.now_ns();
        let end_ns = began_ns + duration.as_nanos() as u64;
        let mut swept_ns = began_ns;
        let lost_after_ns = self.load.lost_after.as_nanos() as u64;
        loop {
            let now_ns = self.now_ns();
            beside.turn(now_ns);
            let before = (outcome.asked, outcome.answered);
            self.fetch(&mut outcome, beside);
            if now_ns >= swept_ns + lost_after_ns / 10 {
                swept_ns = now_ns;
                let before_ns = now_ns.saturating_sub(lost_after_ns);
                outcome.lost += self
                    .ports
                    .iter_mut()
                    .map(|port| port.give_up(before_ns))
                    .sum::<u64>();
            }
            if now_ns < end_ns {
                self.ask(&mut outcome, now_ns - began_ns, beside);
                if before == (outcome.asked, outcome.answered) {
                    outcome.idle += Duration::from_nanos(self.now_ns() - now_ns);
                }
            } else if outcome.answered + outcome.lost >= outcome.asked {
                outcome.took = Duration::from_nanos(now_ns.min(self.now_ns()) - began_ns);
                return outcome;
            }
        }
    }

    /// Fetches what came on every port.
    fn fetch(&mut self, outcome: &mut Outcome, beside: &mut impl Beside) {
        for port in &mut self.ports {
            let count = port.fetch();
            if count == 0 {
                continue;
            }
            let fetched_ns = self.made.elapsed().as_nanos() as u64;
            for index in 0..count {
                let come_ns = fetched_ns.saturating_sub(port.waited_ns[index]);
                let reply = &port.replies[index][..port.lengths[index].min(REPLY_OCTETS)];
                let Some(seen) = Seen::of(reply) else {
                    continue;
                };
                let expected = self.load.rcode;
                let is_wrong = seen.rcode != expected || (expected == 0 && seen.answers == 0);
                let [_, place] = seen.id.to_be_bytes();
                let asked_ns = port
                    .places
                    .get(usize::from(place))
                    .map_or(0, |place| place.asked_ns);
                if !is_wrong {
                    outcome.replies += 1;
                    beside.answer(reply, asked_ns, come_ns);
                }
                if port.settle(seen.id).is_some() {
                    outcome.answered += 1;
                    outcome.wrong += u64::from(is_wrong);
                    outcome.latency.add(come_ns.saturating_sub(asked_ns));
                }
            }
        }
    }

    /// Sends what is due.
    fn ask(&mut self, outcome: &mut Outcome, elapsed_ns: u64, beside: &mut impl Beside) {
        let mut due = self.load.rate.map_or(u64::MAX, |rate| {
            ((elapsed_ns as f64 * rate / 1e9) as u64).saturating_sub(outcome.asked)
        });
        let count = self.ports.len();
        for _ in 0..count {
            if due == 0 {
                break;
            }
            self.next = (self.next + 1) % count;
            let now_ns = self.made.elapsed().as_nanos() as u64;
            let port = &mut self.ports[self.next];
            let wanted = port.free.len().min(BATCH).min(due as usize);
            // At full load half a window at a time: a datagram each would cost the generator more.
            if wanted == 0 || (self.load.rate.is_none() && wanted < self.load.places / 2) {
                continue;
            }
            let sent = port.ask(wanted, &mut self.questions, now_ns) as u64;
            outcome.asked += sent;
            beside.asked(sent, now_ns);
            due -= sent;
        }
    }
}

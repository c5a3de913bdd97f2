//! Switches through the daemon while queries run, and whether an old answer follows a new one.
//!
//! Orders go over the control socket, one after the other, from the load generator's own thread
//! and without waiting: a thread beside it would take turns with it on its core.

use super::{control::request, latency::Latency, load::Beside};
use std::{
    io::{ErrorKind, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

/// How often an answer to an order is looked for, ns.
const LOOK_EVERY_NS: u64 = 100_000;

/// Switches a service from target to target, each time to the next.
pub(crate) struct Switching {
    socket: PathBuf,
    /// Time between orders, ns; none: no orders, answers are looked at all the same.
    every_ns: Option<u64>,
    /// Targets, whose addresses end with their number.
    targets: u32,
    next_ns: u64,
    look_ns: u64,
    target: u32,
    order: Option<Order>,
    seen: Versions,
    /// Orders obeyed, and how long each took.
    pub(crate) obeyed: u64,
    pub(crate) took: Latency,
}

/// An order that is not answered yet.
struct Order {
    stream: UnixStream,
    sent_ns: u64,
    reply: Vec<u8>,
}

impl Switching {
    pub(crate) fn new(socket: &Path, per_second: f64, targets: u32) -> Self {
        let mut switching = Self {
            socket: socket.to_owned(),
            every_ns: None,
            targets,
            next_ns: 0,
            look_ns: 0,
            target: 0,
            order: None,
            seen: Versions::default(),
            obeyed: 0,
            took: Latency::default(),
        };
        switching.set_rate(per_second);
        switching
    }

    /// Goes on at another rate; 0: not at all.
    pub(crate) fn set_rate(&mut self, per_second: f64) {
        self.every_ns = (per_second > 0.0).then_some((1e9 / per_second) as u64);
    }

    /// Answers that were older than one that had come before they were asked for.
    pub(crate) fn old(&self) -> u64 {
        self.seen.old
    }

    /// Changes that clients saw.
    pub(crate) fn changes(&self) -> usize {
        self.seen.first_come.len().saturating_sub(1)
    }

    fn send(&mut self, now_ns: u64) {
        self.target = (self.target + 1) % self.targets;
        let body = format!(
            "{{\"command\":\"switch\",\"service\":\"www\",\"target\":\"t{}\",\"reason\":\"load test\"}}",
            self.target
        );
        let mut stream = UnixStream::connect(&self.socket).expect("the daemon's control socket");
        let request = request("POST", "/api/v1/orders", &body);
        stream.write_all(request.as_bytes()).expect("an order");
        stream.set_nonblocking(true).expect("a flag");
        self.order = Some(Order {
            stream,
            sent_ns: now_ns,
            reply: Vec::new(),
        });
    }

    /// Whether the order under way is answered.
    fn is_answered(&mut self) -> bool {
        let Some(order) = &mut self.order else {
            return true;
        };
        let mut octets = [0; 4_096];
        match order.stream.read(&mut octets) {
            Ok(0) => true,
            Ok(count) => {
                order.reply.extend_from_slice(&octets[..count]);
                false
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("an order: {error}"),
        }
    }
}

impl Beside for Switching {
    fn turn(&mut self, now_ns: u64) {
        let is_due = self.every_ns.is_some() && now_ns >= self.next_ns;
        if now_ns < self.look_ns || (self.order.is_none() && !is_due) {
            return;
        }
        self.look_ns = now_ns + LOOK_EVERY_NS;
        if !self.is_answered() {
            return;
        }
        if let Some(order) = self.order.take() {
            let reply = String::from_utf8_lossy(&order.reply);
            assert!(reply.contains(" 200 "), "the order was refused: {reply}");
            self.obeyed += 1;
            self.took.add(now_ns - order.sent_ns);
        }
        if let Some(every_ns) = self.every_ns
            && is_due
        {
            // Orders that took too long are not caught up with.
            self.next_ns = (self.next_ns + every_ns).max(now_ns.saturating_sub(every_ns));
            self.send(now_ns);
        }
    }

    fn answer(&mut self, octets: &[u8], asked_ns: u64, come_ns: u64) {
        // The last record of a plain answer is the address.
        if self.targets > 2
            && let [.., high, low] = octets
        {
            let number = u32::from(u16::from_be_bytes([*high, *low]));
            self.seen.add(number, self.targets, asked_ns, come_ns);
        }
    }
}

/// Which target was first seen when.
#[derive(Debug, Default)]
struct Versions {
    /// Counted on where the numbers begin anew, with when it first came; both grow.
    first_come: Vec<(u64, u64)>,
    old: u64,
}

impl Versions {
    fn add(&mut self, number: u32, targets: u32, asked_ns: u64, come_ns: u64) {
        let number = u64::from(number);
        let targets = u64::from(targets);
        let Some(&(newest, _)) = self.first_come.last() else {
            self.first_come.push((number + targets, come_ns));
            return;
        };
        let ahead = (number + targets - newest % targets) % targets;
        let version = if ahead < targets / 2 {
            newest + ahead
        } else {
            newest + ahead - targets
        };
        if version > newest {
            self.first_come.push((version, come_ns));
        }
        // What had come when this was asked for; nearly always the newest.
        let known = self.first_come.iter().rev().find(|(_, at)| *at < asked_ns);
        self.old += u64::from(known.is_some_and(|(known, _)| version < *known));
    }
}

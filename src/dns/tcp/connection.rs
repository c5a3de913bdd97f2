//! One connection: queries in, answers out, until it ends.
//!
//! Knows its socket and nothing of others. Contract: answers leave in the order of the queries,
//! as many as there are at once in one write; nothing more is read while many answers wait to be
//! written; a connection that waits for a query holds no buffer. Its task gives way after a number
//! of queries, so that one busy client does not keep others waiting.

use super::{
    Server,
    counters::Reason,
    framer::Framer,
    seat::{Phase, Seat},
};
use std::{
    future::poll_fn,
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};
use tokio::{net::TcpStream, task::yield_now};

/// Read at once.
const READ_OCTETS: usize = 4_096;
/// No query is answered while so much waits to be written.
const UNWRITTEN_OCTETS: usize = 65_536;
/// Answered before others get their turn.
const TURN: usize = 128;
/// What the buffers of all connections may hold together ...
const HELD_OCTETS: usize = 64 << 20;
/// ... unless one holds no more than this.
const FAIR_OCTETS: usize = 4_096;

/// An accepted connection; forgotten by the server when it is dropped.
pub(super) struct Connection {
    server: Arc<Server>,
    stream: TcpStream,
    source: SocketAddr,
    number: u64,
    seat: Arc<Seat>,
    framer: Framer,
    unwritten: Vec<u8>,
    /// So many octets of `unwritten` were written.
    written: usize,
    /// Queries that may be answered before others get their turn.
    turn: usize,
    clock: Clock,
    /// What the server was told that this holds.
    held_octets: usize,
    reason: Reason,
}

/// Since when a connection waits. Only queries that are answered turn it back: whoever sends an
/// octet now and then gets one extension, for the first octet of the next query.
struct Clock {
    since_ms: u64,
    was_used: bool,
    was_extended: bool,
}

impl Connection {
    pub(super) fn new(
        server: Arc<Server>,
        stream: TcpStream,
        source: SocketAddr,
        number: u64,
        seat: Arc<Seat>,
    ) -> Self {
        // Answers are written whole: waiting for more only delays them.
        let _ = stream.set_nodelay(true);
        Self {
            server,
            stream,
            source,
            number,
            framer: Framer::new(),
            unwritten: Vec::new(),
            written: 0,
            turn: TURN,
            clock: Clock {
                since_ms: seat.since_ms(),
                was_used: false,
                was_extended: false,
            },
            seat,
            held_octets: 0,
            // What a panic would leave.
            reason: Reason::Error,
        }
    }

    /// Answers until the client closes, something breaks, or it is asked to end.
    pub(super) async fn converse(mut self) {
        self.reason = self.exchange().await;
        if self.reason == Reason::Timeout && !self.unwritten.is_empty() {
            // Nobody takes these octets: the kernel need not keep them either.
            let _ = self.stream.set_zero_linger();
        }
    }

    async fn exchange(&mut self) -> Reason {
        let mut last = None;
        loop {
            let is_all = self.answer();
            if let Err(reason) = self.write().await {
                return reason;
            }
            if !is_all {
                yield_now().await;
                continue;
            }
            // What had come is answered.
            if let Some(reason) = last {
                return reason;
            }
            last = self.read().await;
        }
    }

    /// Answers what is complete; `false` where more may be.
    fn answer(&mut self) -> bool {
        while self.unwritten.len() < UNWRITTEN_OCTETS {
            if self.turn == 0 {
                self.turn = TURN;
                return false;
            }
            self.turn -= 1;
            let Some(message) = self.framer.message() else {
                return true;
            };
            self.clock.was_used |= self
                .server
                .answer(message, self.source, &mut self.unwritten);
        }
        false
    }

    /// Writes all answers; why the connection ends where it cannot.
    async fn write(&mut self) -> Result<(), Reason> {
        let mut is_blocked = false;
        while self.written < self.unwritten.len() {
            match self.stream.try_write(&self.unwritten[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !is_blocked {
                        is_blocked = true;
                        self.seat.enter(Phase::Writing, self.server.now_ms());
                        self.account()?;
                    }
                    // Whoever is asked to end because all are may take its answers first.
                    if let Some(reason) = self.writable().await {
                        return Err(reason);
                    }
                }
                Err(error) => {
                    tracing::debug!(source = %self.source, %error, "answers could not be sent");
                    return Err(Reason::Error);
                }
            }
        }
        self.unwritten = Vec::new();
        self.written = 0;
        Ok(())
    }

    /// Reads what there is, once there is something: `None`, or why nothing more is to be read.
    async fn read(&mut self) -> Option<Reason> {
        self.wait_for_query();
        if let Err(reason) = self.account() {
            return Some(reason);
        }
        loop {
            let asked = self.readable().await;
            match self.take() {
                Ok(0) => return Some(Reason::Client),
                // Even whoever is asked to end gets answers to what had come.
                Ok(_) => return asked,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if asked.is_some() {
                        return asked;
                    }
                }
                Err(error) => {
                    tracing::debug!(source = %self.source, %error, "a connection broke");
                    return Some(Reason::Error);
                }
            }
        }
    }

    /// Takes what the kernel has; how many octets. Not async: its buffer is on the thread's
    /// stack, not in every connection.
    fn take(&mut self) -> io::Result<usize> {
        let mut octets = [0; READ_OCTETS];
        let length = self.stream.try_read(&mut octets)?;
        self.framer.push(&octets[..length]);
        Ok(length)
    }

    /// Waits for octets: `None`, or why the connection is asked to end.
    async fn readable(&self) -> Option<Reason> {
        poll_fn(|cx| match self.seat.asked(cx.waker()) {
            Some(reason) => Some(reason).into(),
            // What is wrong, the read says.
            None => self.stream.poll_read_ready(cx).map(|_| None),
        })
        .await
    }

    /// Waits until octets can be written: `None`, or why the connection is to end at once.
    async fn writable(&self) -> Option<Reason> {
        poll_fn(|cx| match self.seat.asked(cx.waker()) {
            Some(reason) if reason != Reason::Stop => Some(reason).into(),
            _ => self.stream.poll_write_ready(cx).map(|_| None),
        })
        .await
    }

    /// Tells for what is waited, and since when.
    fn wait_for_query(&mut self) {
        let clock = &mut self.clock;
        let is_within = self.framer.is_within_message();
        if clock.was_used || is_within && !clock.was_extended {
            clock.since_ms = self.server.now_ms();
            clock.was_used = false;
            clock.was_extended = is_within;
        }
        let phase = if is_within {
            Phase::Reading
        } else {
            Phase::Idle
        };
        self.seat.enter(phase, clock.since_ms);
    }

    /// Tells what is held; an error where all connections hold too much and this one more than
    /// its share.
    fn account(&mut self) -> Result<(), Reason> {
        let held = self.framer.held_octets() + self.unwritten.capacity();
        if held == self.held_octets {
            return Ok(());
        }
        let all = &self.server.held_octets;
        let before = all.fetch_add(held, Ordering::Relaxed);
        all.fetch_sub(self.held_octets, Ordering::Relaxed);
        let is_more = held > self.held_octets.max(FAIR_OCTETS);
        self.held_octets = held;
        if is_more && before > HELD_OCTETS {
            return Err(Reason::Limit);
        }
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let all = &self.server.held_octets;
        all.fetch_sub(self.held_octets, Ordering::Relaxed);
        self.server.forget(self.number, self.reason);
    }
}

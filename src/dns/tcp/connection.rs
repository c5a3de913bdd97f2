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
use socket2::SockRef;
use std::{
    future::poll_fn,
    io::{self, ErrorKind},
    net::{Shutdown, SocketAddr},
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};
use tokio::{net::TcpStream, task::yield_now};

/// Read at once.
const READ_OCTETS: usize = 4_096;
/// No query is answered while so much waits to be written.
const UNWRITTEN_OCTETS: usize = 16_384;
/// Answered before others get their turn.
const TURN: usize = 32;
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
    /// Dropped last.
    _open: Open,
}

/// Counts a connection until its socket is closed.
struct Open(Arc<Server>);

impl Open {
    fn new(server: Arc<Server>) -> Self {
        server.publisher.tcp_counters().opened();
        Self(server)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.publisher.tcp_counters().gone();
        self.0.gone.notify_waiters();
    }
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
            _open: Open::new(Arc::clone(&server)),
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
        match self.reason {
            // Nobody takes these octets: the kernel need not keep them either.
            Reason::Timeout if !self.unwritten.is_empty() => {
                let _ = self.stream.set_zero_linger();
            }
            Reason::Stop => self.part().await,
            _ => {}
        }
    }

    async fn exchange(&mut self) -> Reason {
        let mut last = None;
        loop {
            let is_all = self.answer();
            // Before the client can know: what it does next finds this connection in its place.
            self.wait();
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
                    if let Some(reason) = self.ready(TcpStream::poll_write_ready, true).await {
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
        if is_blocked {
            self.clock.was_used = true;
            self.wait();
        }
        Ok(())
    }

    /// Reads what there is, once there is something: `None`, or why nothing more is to be read.
    async fn read(&mut self) -> Option<Reason> {
        if let Err(reason) = self.account() {
            return Some(reason);
        }
        loop {
            let asked = self.ready(TcpStream::poll_read_ready, false).await;
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

    fn discard(&self) -> io::Result<usize> {
        self.stream.try_read(&mut [0; READ_OCTETS])
    }

    /// Waits until `poll` is ready: `None`, or why the connection is asked to end. Whoever
    /// finishes goes on although the server stops.
    async fn ready(
        &self,
        poll: fn(&TcpStream, &mut Context<'_>) -> Poll<io::Result<()>>,
        finishes: bool,
    ) -> Option<Reason> {
        poll_fn(|cx| match self.seat.asked(cx.waker()) {
            Some(reason) if !finishes || reason != Reason::Stop => Some(reason).into(),
            // What is wrong, the read or write says.
            _ => poll(&self.stream, cx).map(|_| None),
        })
        .await
    }

    /// Closes the sending side, and takes what the client still sends until it closes, too: a
    /// connection that is closed with octets unread takes back answers that are under way.
    async fn part(&mut self) {
        let _ = SockRef::from(&self.stream).shutdown(Shutdown::Write);
        let mut was_more = false;
        loop {
            match self.discard() {
                Ok(0) => return,
                Ok(_) => was_more = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && was_more => {}
                Err(_) => return,
            }
            if self.ready(TcpStream::poll_read_ready, true).await.is_some() {
                return;
            }
        }
    }

    /// Tells which query is waited for, and since when.
    fn wait(&mut self) {
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

#[cfg(test)]
mod tests {
    use super::{super::*, *};
    use crate::{dns::Settings, model::TcpLimits};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    async fn accepted(listener: &TcpListener) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        (client.unwrap(), accepted.unwrap().0)
    }

    fn server(connections: u32, per_client: u32) -> Arc<Server> {
        let publisher = Publisher::new();
        publisher.publish_settings(Settings {
            tcp: TcpLimits {
                connections,
                per_client,
                ..TcpLimits::default()
            },
            ..Settings::default()
        });
        Server::new(publisher, 1)
    }

    async fn is_answered(client: &mut TcpStream) -> bool {
        let query = [0, 12, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut reply = [0; 14];
        client.write_all(&query).await.is_ok() && client.read_exact(&mut reply).await.is_ok()
    }

    #[tokio::test]
    async fn a_client_has_its_own_cap_and_loopback_none() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = server(100, 2);
        let mut clients = Vec::new();
        for source in [
            "192.0.2.1:1",
            "192.0.2.1:2",
            "127.0.0.1:3",
            "127.0.0.1:4",
            "127.0.0.1:5",
            "192.0.2.2:6",
            "192.0.2.1:7",
        ] {
            let (mut client, stream) = accepted(&listener).await;
            server.admit(stream, source.parse().unwrap());
            assert!(is_answered(&mut client).await);
            clients.push(client);
        }
        let mut rest = Vec::new();
        assert_eq!(clients[0].read_to_end(&mut rest).await.unwrap(), 0);
        for client in &mut clients[1..] {
            assert!(is_answered(client).await);
        }
        let counted = server.publisher.tcp_counters().counted();
        assert_eq!((counted.open, counted.opened), (6, 7));
        assert_eq!(counted.closed[3], ("limit", 1));
        drop(clients.split_off(1));
        server.all_gone().await;
        let admission = server.admission();
        assert_eq!(admission.connections.len(), 0);
    }

    #[tokio::test]
    async fn where_all_hold_too_much_those_end_that_hold_more_than_their_share() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = server(100, 2);
        server.held_octets.store(HELD_OCTETS + 1, Ordering::Relaxed);
        let (mut small, stream) = accepted(&listener).await;
        server.admit(stream, "127.0.0.1:1".parse().unwrap());
        let (mut large, stream) = accepted(&listener).await;
        server.admit(stream, "127.0.0.1:2".parse().unwrap());
        large.write_all(&[0xff; 3 * FAIR_OCTETS]).await.unwrap();
        let mut rest = Vec::new();
        // Closed with octets unread, or without: either way it ends.
        let _ = large.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
        assert!(is_answered(&mut small).await);
        drop((small, large));
        server.all_gone().await;
        let closed = server.publisher.tcp_counters().counted().closed;
        assert_eq!((closed[0], closed[3]), (("client", 1), ("limit", 1)));
        let held = server.held_octets.load(Ordering::Relaxed);
        assert_eq!(held, HELD_OCTETS + 1, "all was given back");
    }

    #[tokio::test]
    async fn answers_that_are_due_together_leave_in_one_write() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (mut client, stream) = accepted(&listener).await;
        let seat = Arc::new(Seat::new(0));
        let source = "192.0.2.1:1".parse().unwrap();
        let mut connection = Connection::new(server(100, 2), stream, source, 1, seat);
        let query = [0, 12, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        connection.framer.push(&query.repeat(30));
        assert!(connection.answer(), "all at once");
        assert_eq!(connection.unwritten.len(), 420);
        connection.write().await.unwrap();
        assert_eq!(connection.unwritten.capacity(), 0, "nothing is kept");
        client.read_exact(&mut [0; 420]).await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_that_waits_is_small() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = server(100, 2);
        let (_client, stream) = accepted(&listener).await;
        let seat = Arc::new(Seat::new(0));
        let source = "192.0.2.1:1".parse().unwrap();
        let connection = Connection::new(server, stream, source, 1, seat);
        assert!(size_of_val(&connection.converse()) <= 640);
    }
}

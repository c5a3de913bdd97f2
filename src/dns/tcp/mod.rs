//! DNS over TCP (RFC 7766, RFC 9210): connections that are bounded in number, time and memory.
//!
//! `Framer` makes messages of octets, `Connection` answers them, `Connections` knows who has to
//! make room, `accept` takes new ones. A task per connection, which holds no buffer while it
//! waits for a query; one sweep for each listener in place of a timer each. What
//! is answered is known to `Handler` alone.

mod accept;
mod connection;
mod connections;
mod counters;
mod framer;
mod limits;
mod seat;

pub use counters::{TcpCounted, TcpCounters};
pub use framer::Framer;

pub(super) use accept::accept;

use super::{
    counters::{Answered, Dropped},
    handler::{
        Handler,
        reply::{Asker, Transport},
    },
    server::{descriptors, now_secs},
    state::Publisher,
};
use crate::model::TcpLimits;
use connection::Connection;
use connections::Connections;
use counters::Reason;
use limits::{Limits, client_of};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicUsize},
    time::Duration,
};
use tokio::{net::TcpStream, sync::Notify, time::Instant};

/// What all TCP listeners share.
#[derive(Debug)]
pub(super) struct Server {
    handler: Handler,
    publisher: Publisher,
    admission: Mutex<Admission>,
    /// Sockets that are bound, beside which connections are kept.
    sockets: usize,
    /// What the connections hold in buffers.
    held_octets: AtomicUsize,
    started: Instant,
    /// The socket of a connection was closed.
    gone: Notify,
}

#[derive(Debug)]
struct Admission {
    connections: Connections,
    /// As configured.
    asked: TcpLimits,
    /// As there are descriptors for.
    limits: Limits,
}

impl Server {
    /// Answers from what `publisher` publishes, beside so many bound `sockets`. Raises the limit
    /// of file descriptors.
    pub(super) fn new(publisher: Publisher, sockets: usize) -> Arc<Self> {
        let asked = publisher.state().settings.tcp.clone();
        let limits = within_descriptors(&asked, sockets);
        let counters = publisher.tcp_counters();
        counters.set_patience_ms(limits.patience_ms(0));
        Arc::new(Self {
            handler: Handler::new(publisher.clone()),
            publisher,
            admission: Mutex::new(Admission {
                connections: Connections::default(),
                asked,
                limits,
            }),
            sockets,
            held_octets: AtomicUsize::new(0),
            started: Instant::now(),
            gone: Notify::new(),
        })
    }

    /// Serves a new connection on a task of its own.
    fn admit(self: &Arc<Self>, stream: TcpStream, source: SocketAddr) {
        let (number, seat) = {
            let mut admission = self.admission();
            let limits = admission.limits;
            let client = client_of(source);
            let admitted = admission.connections.admit(client, self.now_ms(), &limits);
            self.set_patience(&admission);
            admitted
        };
        let connection = Connection::new(Arc::clone(self), stream, source, number, seat);
        tokio::spawn(connection.converse());
    }

    /// Answers a message of `source` and appends the answer, after its length; `false` where none
    /// is due.
    fn answer(&self, message: &[u8], source: SocketAddr, out: &mut Vec<u8>) -> bool {
        let asker = Asker {
            source,
            transport: Transport::Tcp,
        };
        let counters = self.publisher.counters().tcp();
        counters.received(1);
        let Some(reply) = self.handler.handle(message, &asker, now_secs()) else {
            let why = Dropped::undeserved(message, source.port());
            counters.dropped(why.unwrap_or(Dropped::Fault));
            return false;
        };
        let Ok(length) = u16::try_from(reply.octets.len()) else {
            counters.dropped(Dropped::Unsent);
            return false;
        };
        counters.answered(Answered {
            rcode: reply.rcode,
            truncated: reply.truncated,
            slipped: false,
            fast: false,
        });
        out.extend(length.to_be_bytes());
        out.extend(reply.octets);
        true
    }

    /// Forgets a connection that ended.
    fn forget(&self, number: u64, reason: Reason) {
        self.admission().connections.forget(number);
        self.publisher.tcp_counters().closed(reason);
    }

    /// Ends some of those who waited too long and follows the configuration; `true` where more
    /// have to end.
    fn sweep(&self) -> bool {
        let asked = self.publisher.state().settings.tcp.clone();
        let mut admission = self.admission();
        if admission.asked != asked {
            admission.limits = within_descriptors(&asked, self.sockets);
            admission.asked = asked;
        }
        let most = admission.limits.connections;
        admission.connections.shrink_to(most);
        self.set_patience(&admission);
        let patience_ms = self.publisher.tcp_counters().patience_ms();
        admission
            .connections
            .end_overdue(self.now_ms(), patience_ms)
    }

    /// Asks the oldest connection to make room; `false` where there is none.
    fn end_oldest(&self) -> bool {
        self.admission().connections.end_oldest()
    }

    /// Lets every connection answer what it has read and ends it; after `within` whatever it does.
    pub(super) async fn stop(&self, within: Duration) {
        self.admission().connections.ask_all(Reason::Stop);
        if tokio::time::timeout(within, self.all_gone()).await.is_err() {
            self.admission().connections.ask_all(Reason::Timeout);
            if tokio::time::timeout(within, self.all_gone()).await.is_err() {
                tracing::warn!("DNS connections were open when TCP stopped");
            }
        }
    }

    async fn all_gone(&self) {
        loop {
            let gone = self.gone.notified();
            if self.publisher.tcp_counters().counted().open == 0 {
                return;
            }
            gone.await;
        }
    }

    fn admission(&self) -> MutexGuard<'_, Admission> {
        // Whole after every call: a panic elsewhere spoils nothing.
        self.admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn set_patience(&self, admission: &Admission) {
        let patience_ms = admission.limits.patience_ms(admission.connections.len());
        self.publisher.tcp_counters().set_patience_ms(patience_ms);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn within_descriptors(asked: &TcpLimits, sockets: usize) -> Limits {
    let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
    Limits {
        connections: descriptors::room_for(number(asked.connections), sockets),
        per_client: number(asked.per_client),
        idle_ms: u64::try_from(asked.idle_ms).unwrap_or(0),
    }
}

//! Serving: UDP by a loop of our own, TCP by hickory's `Server`, each watched.
//!
//! Does not know what is answered. hickory's UDP side replies to unreadable replies, which
//! invites loops between servers, spawns a task per datagram and counts nothing; so datagrams
//! are answered here, in their order. Its TCP side ends on an aborted connection
//! (hickory-dns#3725). Contract: what ends unasked is started again on the same socket, which
//! stays bound throughout, so nobody can take the port and waiting connections are kept.

use super::{
    handler::{Asker, Handler, Transport},
    listen::{Listeners, Pair},
    state::Publisher,
};
use hickory_server::Server;
use std::{
    future::Future,
    io,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{net::UdpSocket, sync::watch, task::JoinSet, time::Instant};

/// Pauses before what ended is started again: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// A TCP connection that asks nothing for so long is closed (RFC 7766 section 6.2.3).
const TCP_IDLE: Duration = Duration::from_secs(10);
/// Answers that may wait to be written to one TCP connection.
const TCP_ANSWERS: usize = 32;
/// How long a shutdown waits for hickory's tasks.
const SHUTDOWN: Duration = Duration::from_secs(2);
/// No query is longer; what is longer is cut and so unreadable.
const MAX_QUERY_OCTETS: usize = 4_096;

/// Serves until `shutdown` is ready, then closes all sockets.
///
/// Runs within a tokio runtime with I/O and time enabled.
pub async fn serve(
    listeners: Listeners,
    publisher: &Publisher,
    shutdown: impl Future<Output = ()>,
) {
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    for Pair { address, udp, tcp } in listeners.pairs {
        let handler = Handler::new(publisher.clone());
        let start = move || Running::udp(&udp, handler.clone());
        tasks.spawn(supervise(address, "UDP", start, stopped.clone()));
        let handler = Handler::new(publisher.clone());
        let start = move || Running::tcp(&tcp, handler.clone());
        tasks.spawn(supervise(address, "TCP", start, stopped.clone()));
    }
    shutdown.await;
    stop.send_replace(true);
    while tasks.join_next().await.is_some() {}
}

/// What runs on one socket.
enum Running {
    Udp(JoinSet<io::Error>),
    Tcp(Server<Handler>),
}

impl Running {
    fn udp(socket: &std::net::UdpSocket, handler: Handler) -> io::Result<Self> {
        let socket = UdpSocket::from_std(socket.try_clone()?)?;
        // A task of its own, so that a panic ends it alone.
        let mut task = JoinSet::new();
        task.spawn(answer_datagrams(socket, handler));
        Ok(Self::Udp(task))
    }

    fn tcp(socket: &std::net::TcpListener, handler: Handler) -> io::Result<Self> {
        let listener = tokio::net::TcpListener::from_std(socket.try_clone()?)?;
        let mut server = Server::new(handler);
        server.register_listener(listener, TCP_IDLE, TCP_ANSWERS);
        Ok(Self::Tcp(server))
    }

    /// Ends where it should not: why.
    async fn ended(&mut self) -> String {
        let error = match self {
            Self::Udp(task) => match task.join_next().await {
                Some(Ok(error)) => Some(error.to_string()),
                Some(Err(error)) => Some(error.to_string()),
                None => None,
            },
            Self::Tcp(server) => server
                .block_until_done()
                .await
                .err()
                .map(|error| error.to_string()),
        };
        error.unwrap_or_else(|| "it gave no reason".into())
    }

    async fn stop(mut self) {
        let stopping = async {
            match &mut self {
                Self::Udp(task) => task.shutdown().await,
                Self::Tcp(server) => {
                    // It can only say that it ended, which was asked for.
                    let _ = server.shutdown_gracefully().await;
                }
            }
        };
        if tokio::time::timeout(SHUTDOWN, stopping).await.is_err() {
            tracing::warn!("queries in flight at shutdown were dropped");
        }
    }
}

/// Answers datagrams until the socket fails.
async fn answer_datagrams(socket: UdpSocket, handler: Handler) -> io::Error {
    let mut octets = vec![0; MAX_QUERY_OCTETS];
    loop {
        let (length, source) = match socket.recv_from(&mut octets).await {
            Ok(received) => received,
            // An ICMP error about an earlier reply says nothing about this socket.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(error) => return error,
        };
        let asker = Asker {
            source,
            transport: Transport::Udp,
        };
        let counters = handler.counters();
        let Some(reply) = handler.handle(&octets[..length], &asker, now_secs()) else {
            counters.dropped();
            continue;
        };
        counters.query(true);
        counters.answered(reply.rcode, reply.truncated);
        if let Err(error) = socket.send_to(&reply.octets, source).await {
            tracing::debug!(%source, %error, "an answer could not be sent");
            counters.dropped();
        }
    }
}

/// Unix time as cookies have it, s: it wraps in 2106 (RFC 9018 section 4.3).
fn now_secs() -> u32 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let secs = since_epoch.unwrap_or_default().as_secs();
    u32::try_from(secs & u64::from(u32::MAX)).unwrap_or(0)
}

async fn asked_to_stop(stopped: &mut watch::Receiver<bool>) {
    // An error says that `serve` itself was dropped, which asks the same.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Keeps what `start` starts running until `stopped` is true.
async fn supervise(
    address: SocketAddr,
    transport: &str,
    mut start: impl FnMut() -> io::Result<Running>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let started = Instant::now();
        let error = match start() {
            Ok(mut running) => tokio::select! {
                error = running.ended() => error,
                () = asked_to_stop(&mut stopped) => return running.stop().await,
            },
            Err(error) => error.to_string(),
        };
        if started.elapsed() > LAST_PAUSE {
            pause = FIRST_PAUSE;
        }
        let pause_ms = pause.as_millis();
        tracing::error!(%address, transport, error, pause_ms, "answering DNS ended; starting again");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = asked_to_stop(&mut stopped) => return,
        }
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::bind;

    #[tokio::test]
    async fn a_server_that_ends_is_started_again_on_its_socket() {
        let listeners = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let pair = listeners.pairs.into_iter().next().unwrap();
        let handler = Handler::new(Publisher::new());
        let (stop, stopped) = watch::channel(false);
        let (made, mut starts) = tokio::sync::mpsc::unbounded_channel();
        let mut count = 0;
        let start = move || {
            count += 1;
            made.send((count, Instant::now())).unwrap();
            match count {
                // A server without a socket ends at once, as one does whose sockets ended.
                1 => Ok(Running::Tcp(Server::new(handler.clone()))),
                2 => Err(io::Error::other("no descriptors left")),
                _ => Running::udp(&pair.udp, handler.clone()),
            }
        };
        let supervisor = tokio::spawn(supervise(pair.address, "UDP", start, stopped));
        let begin = Instant::now();
        for (expect, after_ms) in [(1, 0), (2, 100), (3, 300)] {
            let (count, at) = starts.recv().await.unwrap();
            assert_eq!(count, expect);
            assert!(
                (at - begin).as_millis() >= after_ms,
                "a pause before start {count}"
            );
        }
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client
            .send_to(&[0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], pair.address)
            .await
            .unwrap();
        let mut reply = [0; 512];
        let length = client.recv(&mut reply).await.unwrap();
        assert_eq!(reply[..4], [0, 7, 0x80, 1], "FORMERR: {length} octets");
        stop.send_replace(true);
        supervisor.await.unwrap();
        assert!(starts.try_recv().is_err(), "a stop starts nothing");
    }
}

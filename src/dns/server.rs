//! Serving: UDP by threads of our own, TCP by hickory's `Server`, each watched.
//!
//! Does not know what is answered. hickory's UDP side replies to unreadable replies, which
//! invites loops between servers, spawns a task per datagram and counts nothing; so datagrams
//! are `udp`'s. Its TCP side ends on an aborted connection (hickory-dns#3725). Contract: what
//! ends unasked is started again on the same socket, which stays bound throughout, so nobody can
//! take the port and waiting connections are kept.

use super::{
    handler::Handler,
    listen::{Listeners, Pair},
    state::Publisher,
    udp::Threads,
};
use hickory_server::Server;
use std::{future::Future, io, net::SocketAddr, time::Duration};
use tokio::{sync::watch, task::JoinSet, time::Instant};

/// Pauses before what ended is started again: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// A TCP connection that asks nothing for so long is closed (RFC 7766 section 6.2.3).
const TCP_IDLE: Duration = Duration::from_secs(10);
/// Answers that may wait to be written to one TCP connection.
const TCP_ANSWERS: usize = 32;
/// How long a shutdown waits for hickory's tasks.
const SHUTDOWN: Duration = Duration::from_secs(2);

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
    let mut groups = Vec::new();
    for Pair { address, udp, tcp } in listeners.pairs {
        groups.push((address, udp));
        let handler = Handler::new(publisher.clone());
        let start = move || serve_tcp(&tcp, handler.clone());
        tasks.spawn(supervise(address, "TCP", start, stopped.clone()));
    }
    let threads = Threads::start(groups, publisher);
    shutdown.await;
    stop.send_replace(true);
    tasks.spawn_blocking(move || threads.stop());
    while tasks.join_next().await.is_some() {}
}

fn serve_tcp(socket: &std::net::TcpListener, handler: Handler) -> io::Result<Server<Handler>> {
    let listener = tokio::net::TcpListener::from_std(socket.try_clone()?)?;
    let mut server = Server::new(handler);
    server.register_listener(listener, TCP_IDLE, TCP_ANSWERS);
    Ok(server)
}

/// Ends where it should not: why.
async fn ended(server: &mut Server<Handler>) -> String {
    let error = server.block_until_done().await.err();
    error.map_or_else(|| "it gave no reason".into(), |error| error.to_string())
}

async fn stop(mut server: Server<Handler>) {
    // It can only say that it ended, which was asked for.
    let stopping = server.shutdown_gracefully();
    if tokio::time::timeout(SHUTDOWN, stopping).await.is_err() {
        tracing::warn!("queries in flight at shutdown were dropped");
    }
}

async fn asked_to_stop(stopped: &mut watch::Receiver<bool>) {
    // An error says that `serve` itself was dropped, which asks the same.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Keeps what `start` starts running until `stopped` is true.
async fn supervise(
    address: SocketAddr,
    transport: &str,
    mut start: impl FnMut() -> io::Result<Server<Handler>>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let started = Instant::now();
        let error = match start() {
            Ok(mut server) => tokio::select! {
                error = ended(&mut server) => error,
                () = asked_to_stop(&mut stopped) => return stop(server).await,
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_server_that_ends_is_started_again_on_its_socket() {
        let listeners = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let pair = listeners.pairs.into_iter().next().unwrap();
        let pair_address = pair.address;
        let handler = Handler::new(Publisher::new());
        let (stop, stopped) = watch::channel(false);
        let (made, mut starts) = tokio::sync::mpsc::unbounded_channel();
        let mut count = 0;
        let start = move || {
            count += 1;
            made.send((count, Instant::now())).unwrap();
            match count {
                // A server without a socket ends at once, as one does whose sockets ended.
                1 => Ok(Server::new(handler.clone())),
                2 => Err(io::Error::other("no descriptors left")),
                _ => serve_tcp(&pair.tcp, handler.clone()),
            }
        };
        let supervisor = tokio::spawn(supervise(pair_address, "TCP", start, stopped));
        let begin = Instant::now();
        for (expect, after_ms) in [(1, 0), (2, 100), (3, 300)] {
            let (count, at) = starts.recv().await.unwrap();
            assert_eq!(count, expect);
            assert!(
                (at - begin).as_millis() >= after_ms,
                "a pause before start {count}"
            );
        }
        let mut client = tokio::net::TcpStream::connect(pair_address).await.unwrap();
        let query = [0, 12, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        client.write_all(&query).await.unwrap();
        let mut reply = [0; 14];
        client.read_exact(&mut reply).await.unwrap();
        assert_eq!(reply[2..6], [0, 7, 0x80, 1], "FORMERR");
        stop.send_replace(true);
        supervisor.await.unwrap();
        assert!(starts.try_recv().is_err(), "a stop starts nothing");
    }
}

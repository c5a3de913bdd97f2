//! Serving: UDP by `udp`, TCP by `tcp`, each watched.
//!
//! Does not know what is answered. Contract: what ends unasked is started again on the same
//! socket, which stays bound throughout, so nobody can take the port and waiting connections are
//! kept.

pub(super) mod descriptors;
mod hickory;
pub(super) mod listen;

use super::{state::Publisher, tcp, udp::Threads};
use listen::{Listeners, Pair};
use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{sync::watch, task::JoinSet, time::Instant};

/// Pauses before what ended is started again: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// How long a shutdown waits for what was read to be answered.
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
    let tcp_server = tcp::Server::new(publisher.clone(), listeners.sockets());
    let mut groups = Vec::new();
    for Pair { address, udp, tcp } in listeners.pairs {
        groups.push((address, udp));
        let server = Arc::clone(&tcp_server);
        let start = move || Running::tcp(&tcp, Arc::clone(&server));
        tasks.spawn(supervise(address, "TCP", start, stopped.clone()));
    }
    let threads = Threads::start(groups, publisher);
    shutdown.await;
    stop.send_replace(true);
    tasks.spawn_blocking(move || threads.stop());
    while tasks.join_next().await.is_some() {}
    tcp_server.stop(SHUTDOWN).await;
}

/// What runs on one socket: a task of its own, so that a panic ends it alone.
struct Running(JoinSet<io::Error>);

impl Running {
    fn tcp(socket: &std::net::TcpListener, server: Arc<tcp::Server>) -> io::Result<Self> {
        let listener = tokio::net::TcpListener::from_std(socket.try_clone()?)?;
        Ok(Self::task(tcp::accept(listener, server)))
    }

    fn task(answers: impl Future<Output = io::Error> + Send + 'static) -> Self {
        let mut task = JoinSet::new();
        task.spawn(answers);
        Self(task)
    }

    /// Ends where it should not: why.
    async fn ended(&mut self) -> String {
        match self.0.join_next().await {
            Some(Ok(error)) => error.to_string(),
            Some(Err(error)) => error.to_string(),
            None => "it gave no reason".into(),
        }
    }

    async fn stop(mut self) {
        self.0.shutdown().await;
    }
}

/// Unix time as cookies have it, s: it wraps in 2106 (RFC 9018 section 4.3).
pub(super) fn now_secs() -> u32 {
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_server_that_ends_is_started_again_on_its_socket() {
        let listeners = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let pair = listeners.pairs.into_iter().next().unwrap();
        let server = tcp::Server::new(Publisher::new(), 2);
        let (stop, stopped) = watch::channel(false);
        let (made, mut starts) = tokio::sync::mpsc::unbounded_channel();
        let mut count = 0;
        let address = pair.address;
        let start = move || {
            count += 1;
            made.send((count, Instant::now())).unwrap();
            match count {
                1 => Ok(Running::task(async { panic!("as a task may") })),
                2 => Err(io::Error::other("no descriptors left")),
                _ => Running::tcp(&pair.tcp, Arc::clone(&server)),
            }
        };
        let supervisor = tokio::spawn(supervise(address, "TCP", start, stopped));
        let begin = Instant::now();
        for (expect, after_ms) in [(1, 0), (2, 100), (3, 300)] {
            let (count, at) = starts.recv().await.unwrap();
            assert_eq!(count, expect);
            assert!(
                (at - begin).as_millis() >= after_ms,
                "a pause before start {count}"
            );
        }
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
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

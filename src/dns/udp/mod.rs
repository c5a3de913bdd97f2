//! DNS over UDP: a thread for each core and address, each with a socket of its own.
//!
//! `batch` is the system calls, `worker` what a thread does with them, `waiting` its unusual
//! queries. Does not know what is answered to those: that is `Handler`'s. Contract: a thread that
//! fails or panics is started again on its socket, which stays bound throughout; a stop answers
//! what was received before it.

mod batch;
mod waiting;
mod worker;

use super::{counters::Shard, handler::Handler, state::Publisher};
use nix::sys::socket::{SockaddrIn, SockaddrIn6};
use socket2::SockRef;
use std::{
    io,
    net::{Shutdown, SocketAddr, UdpSocket},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use worker::{Shared, Worker};

/// Pauses before what ended is started again: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// Running threads.
#[derive(Debug)]
pub(super) struct Threads {
    shared: Arc<Shared>,
    running: Vec<(JoinHandle<()>, Arc<UdpSocket>)>,
}

impl Threads {
    /// Starts a thread on each socket. The sockets must block.
    ///
    /// # Errors
    /// The system has no more threads; those that were started are stopped again.
    pub(super) fn start(
        groups: Vec<(SocketAddr, Vec<UdpSocket>)>,
        publisher: &Publisher,
    ) -> io::Result<Self> {
        let mut threads = Self {
            shared: Arc::new(Shared {
                handler: Handler::new(publisher.clone()),
                stop: AtomicBool::new(false),
            }),
            running: Vec::new(),
        };
        for (address, sockets) in groups {
            for socket in sockets {
                let shard = publisher.counters().shard();
                if let Err(error) = threads.spawn(address, socket, shard) {
                    threads.stop();
                    return Err(error);
                }
            }
        }
        Ok(threads)
    }

    fn spawn(
        &mut self,
        address: SocketAddr,
        socket: UdpSocket,
        shard: Arc<Shard>,
    ) -> io::Result<()> {
        let socket = Arc::new(socket);
        let (own, shared) = (Arc::clone(&socket), Arc::clone(&self.shared));
        let answer = move || {
            let is_wildcard = address.ip().is_unspecified();
            let run = || match address {
                SocketAddr::V4(_) => {
                    Worker::<SockaddrIn>::new(&shared, &shard, &own, is_wildcard).run()
                }
                SocketAddr::V6(_) => {
                    Worker::<SockaddrIn6>::new(&shared, &shard, &own, is_wildcard).run()
                }
            };
            supervise(address, &shared.stop, || {
                // What a panic leaves behind is dropped with the worker; the rest is atomic.
                let ended = catch_unwind(AssertUnwindSafe(run));
                shard.settle();
                match ended {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err("it panicked".to_owned()),
                }
            });
        };
        let name = format!("sidestep-udp-{}", self.running.len());
        let thread = thread::Builder::new().name(name).spawn(answer)?;
        self.running.push((thread, socket));
        Ok(())
    }

    /// Stops all threads and waits for their end, which takes half a second at most. Blocks.
    pub(super) fn stop(self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for (thread, socket) in &self.running {
            // Wakes whoever waits to receive, and says that an unconnected socket is not
            // connected.
            let _ = SockRef::from(&**socket).shutdown(Shutdown::Read);
            thread.thread().unpark();
        }
        for (thread, _) in self.running {
            // Its panics were caught and said.
            let _ = thread.join();
        }
    }
}

/// Runs `run` until it ends without an error, again and again.
fn supervise(address: SocketAddr, stop: &AtomicBool, mut run: impl FnMut() -> Result<(), String>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let started = Instant::now();
        let Err(error) = run() else { return };
        if started.elapsed() > LAST_PAUSE {
            pause = FIRST_PAUSE;
        }
        let pause_ms = pause.as_millis();
        tracing::error!(%address, transport = "UDP", error, pause_ms, "answering DNS ended; starting again");
        let until = Instant::now() + pause;
        while let Some(rest) = until.checked_duration_since(Instant::now()) {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            thread::park_timeout(rest);
        }
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

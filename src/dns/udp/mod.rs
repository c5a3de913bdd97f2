//! DNS over UDP: a thread for each core and address, each with a socket of its own.
//!
//! `batch` is the system calls, `worker` what a thread does with them, `waiting` its unusual
//! queries. Does not know what is answered to those: that is `Handler`'s. Contract: a thread that
//! fails or panics is started again on its socket, which stays bound throughout; a stop answers
//! what was received before it.

mod batch;
mod clock;
mod fast;
mod limit;
mod message;
mod network;
mod query;
mod waiting;
mod worker;

use super::{counters::Shard, handler::Handler, name::LookupName, state::Publisher};
use fast::compose;
use message::MAX_OCTETS;
use nix::{
    errno::Errno,
    sys::socket::{SockaddrIn, SockaddrIn6},
};
use socket2::SockRef;
use std::{
    io,
    net::{IpAddr, Shutdown, SocketAddr, UdpSocket},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use worker::{Group, Shared, Worker};

/// Pauses before what ended is started again: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// What a UDP thread answers at once to the query `octets` of `source` at `now_secs` (Unix time,
/// s); `None` where it leaves the query to `Handler::handle`. Counts and limits nothing.
pub fn usual_reply(
    publisher: &Publisher,
    octets: &[u8],
    source: IpAddr,
    now_secs: u32,
) -> Option<Vec<u8>> {
    let mut answer = [0; MAX_OCTETS];
    let mut name = LookupName::default();
    let state = publisher.borrowed();
    let composed = compose(&state, octets, &mut answer, source, || now_secs, &mut name)?;
    let length = composed.whole();
    Some(answer[..length].to_vec())
}

/// Running threads.
#[derive(Debug)]
pub(super) struct Threads {
    shared: Arc<Shared>,
    running: Vec<(JoinHandle<()>, Arc<UdpSocket>)>,
}

impl Threads {
    /// Starts a thread on each socket; the sockets must block. One that gets no thread is closed,
    /// so that the others of its address take its datagrams.
    pub(super) fn start(groups: Vec<(SocketAddr, Vec<UdpSocket>)>, publisher: &Publisher) -> Self {
        let mut threads = Self {
            shared: Arc::new(Shared {
                publisher: publisher.clone(),
                handler: Handler::new(publisher.clone()),
                stop: AtomicBool::new(false),
            }),
            running: Vec::new(),
        };
        for (address, sockets) in groups {
            let group = Group {
                address,
                threads: u32::try_from(sockets.len()).unwrap_or(u32::MAX),
            };
            let before = threads.running.len();
            for socket in sockets {
                let shard = publisher.counters().shard();
                if let Err(error) = threads.spawn(group, socket, shard) {
                    tracing::error!(%address, %error, "a UDP thread could not be started");
                }
            }
            if threads.running.len() == before {
                tracing::error!(%address, "UDP is not answered here: raise the limit of threads (with systemd: TasksMax) or lower udp_threads, and start again");
            }
        }
        threads
    }

    fn spawn(&mut self, group: Group, socket: UdpSocket, shard: Arc<Shard>) -> io::Result<()> {
        let socket = Arc::new(socket);
        let (own, shared) = (Arc::clone(&socket), Arc::clone(&self.shared));
        let answer = move || {
            let run = || run(&shared, &shard, group, &own);
            supervise(group.address, &shared.stop, || {
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
    pub(super) fn stop(mut self) {
        self.tell_to_stop();
        for (thread, _) in self.running.drain(..) {
            // Its panics were caught and said.
            let _ = thread.join();
        }
    }

    fn tell_to_stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        for (thread, socket) in &self.running {
            // Wakes whoever waits to receive. The error says that it is not connected.
            let _ = SockRef::from(&**socket).shutdown(Shutdown::Read);
            thread.thread().unpark();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.tell_to_stop();
    }
}

/// Answers on one socket until the stop.
fn run(shared: &Shared, shard: &Shard, group: Group, socket: &UdpSocket) -> Result<(), Errno> {
    match group.address {
        SocketAddr::V4(_) => Worker::<SockaddrIn>::new(shared, shard, socket, group).run(),
        SocketAddr::V6(_) => Worker::<SockaddrIn6>::new(shared, shard, socket, group).run(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::bind_for;

    #[test]
    fn a_thread_that_ends_is_started_again_on_its_socket() {
        let listeners = bind_for(&["127.0.0.1:0".parse().unwrap()], Some(1)).unwrap();
        let mut pairs = listeners.pairs.into_iter();
        let pair = pairs.next().unwrap();
        let publisher = Publisher::new();
        let shard = publisher.counters().shard();
        let shared = Shared {
            publisher: publisher.clone(),
            handler: Handler::new(publisher.clone()),
            stop: AtomicBool::new(false),
        };
        let group = Group {
            address: pair.address,
            threads: 1,
        };
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(pair.address).unwrap();
        let wait = Duration::from_secs(20);
        client.set_read_timeout(Some(wait)).unwrap();
        let ask = || client.send(&[0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        let (mut count, begin) = (0, Instant::now());
        ask();
        thread::scope(|scope| {
            let supervised = scope.spawn(|| {
                supervise(pair.address, &shared.stop, || {
                    count += 1;
                    match count {
                        1 | 2 => Err(format!("fault {count}")),
                        _ => run(&shared, &shard, group, &pair.udp[0])
                            .map_err(|error| error.to_string()),
                    }
                });
                count
            });
            let mut reply = [0; 512];
            // The first was asked while nobody answered, the second while it waits.
            for _ in 0..2 {
                let length = client.recv(&mut reply).unwrap();
                assert_eq!(reply[..4], [0, 7, 0x80, 1], "FORMERR: {length} octets");
                assert!(begin.elapsed() >= FIRST_PAUSE * 3, "two pauses");
                ask();
            }
            client.recv(&mut reply).unwrap();
            shared.stop.store(true, Ordering::Release);
            let _ = SockRef::from(&pair.udp[0]).shutdown(Shutdown::Read);
            assert_eq!(supervised.join().unwrap(), 3, "a stop starts nothing");
        });
        assert_eq!(publisher.counters().counted().udp, 3);
    }

    #[test]
    fn a_stop_starts_nothing_again() {
        let (stop, mut count) = (AtomicBool::new(false), 0);
        supervise("127.0.0.1:1".parse().unwrap(), &stop, || {
            count += 1;
            stop.store(true, Ordering::Release);
            match count {
                1 => Err("fault".to_owned()),
                _ => Ok(()),
            }
        });
        assert_eq!(count, 1);
    }
}

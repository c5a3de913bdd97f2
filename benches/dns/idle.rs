//! Thousands of TCP connections that ask nothing or a byte a second, and what honest clients feel.
//!
//! What the server closes is opened again at once, by a thread of its own beside the honest
//! clients. Those share its core, so their answers over UDP count as come when the kernel got
//! them: how long a client waits for its turn is not the server's doing.

use super::{
    data::{Data, ZONE},
    latency::Latency,
    load::{Generator, Load},
    question::{A, Names, Questions, Wire, question},
    report::{Spread, fact, limit},
    server::Server,
    settings::Settings,
    usage::Memory,
};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Honest queries over UDP, per second.
const RATE: f64 = 5_000.0;
/// For longer than a connection may be idle, so that they are closed and opened again meanwhile.
const UDP_LASTS: u32 = 18;
/// Honest queries over TCP, one after the other.
const TCP_QUERIES: usize = 2_000;
/// Clients' addresses: a cap per client should not be what is measured.
const SOURCES: u8 = 40;
/// What a tenth of all connections do: one octet a second.
const TRICKLE_EVERY: Duration = Duration::from_secs(1);
/// Every connection is looked at so often, whether the server closed it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the crowd's thread sleeps, and how far it stands behind others (nice).
const TURN_EVERY: Duration = Duration::from_millis(1);
const BEHIND: i32 = 5;
/// The limits.
const TIMES_AT_MOST: f64 = 2.0;
const MB_PER_THOUSAND_AT_MOST: f64 = 20.0;

/// Quiet and loaded in turns.
pub(crate) fn measure(settings: &Settings, folder: &Path, watched_port: u16) {
    let (idle, trickling) = (settings.idle, settings.idle / 10);
    println!("\n{idle} idle TCP connections, {trickling} that send an octet a second");
    let data = Data {
        names: 0,
        watched_port,
        targets: 2,
    };
    let folder = folder.join("idle");
    let Some(server) = Server::ours(&data, &folder, settings.port) else {
        return;
    };
    let memory = || Memory::of(server.pid()).resident_mb;
    let mut rounds = Vec::new();
    let mut most_mb: f64 = 0.0;
    let quiet_mb = memory();
    for _ in 0..settings.rounds.min(3) {
        let quiet = Honest::ask(settings, &server);
        println!("  quiet   {quiet}");
        let crowd = Crowd::gather(server.address, idle, trickling);
        let loaded = Honest::ask(settings, &server);
        most_mb = most_mb.max(memory());
        let held =
            std::fs::read_dir(format!("/proc/{}/fd", server.pid())).map_or(0, Iterator::count);
        let closed = crowd.leave();
        println!("  loaded  {loaded}; the server holds {held} descriptors, closed {closed}");
        rounds.push((quiet, loaded));
    }
    for (index, what) in ["UDP", "TCP, kept open", "TCP, a connection each"]
        .iter()
        .enumerate()
    {
        let ratios = rounds.iter().map(|(quiet, loaded)| {
            loaded.times[index].percentile_us(0.99) / quiet.times[index].percentile_us(0.99)
        });
        let ratio = Spread::of(ratios);
        let what = format!("honest p99 over {what}, at most twice the quiet one");
        limit(
            &what,
            ratio.median <= TIMES_AT_MOST,
            format!("{ratio} times"),
        );
    }
    let lost: u64 = rounds
        .iter()
        .map(|(quiet, loaded)| quiet.lost + loaded.lost)
        .sum();
    fact("honest queries lost, none", lost == 0, lost);
    let per_thousand = (most_mb - quiet_mb) * 1_000.0 / (idle + trickling).max(1) as f64;
    limit(
        &format!("memory for a thousand connections, at most {MB_PER_THOUSAND_AT_MOST} MB"),
        per_thousand <= MB_PER_THOUSAND_AT_MOST,
        format!("{per_thousand:.1} MB; {quiet_mb:.1} MB before, {most_mb:.1} MB at most"),
    );
}

/// What honest clients see.
struct Honest {
    /// UDP, TCP on one connection, TCP with a connection for each query.
    times: [Latency; 3],
    lost: u64,
}

impl std::fmt::Display for Honest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [udp, kept, fresh] = self.times.each_ref().map(|times| times.percentile_us(0.99));
        write!(
            f,
            "p99 UDP {udp:.0}, TCP kept {kept:.0}, TCP new {fresh:.0} µs"
        )
    }
}

impl Honest {
    fn ask(settings: &Settings, server: &Server) -> Self {
        let questions = Questions::new("www", A, Wire::Plain, Names::One);
        let load = Load {
            stamped: true,
            ..Load::paced(server.address, RATE)
        };
        let udp = Generator::new(load, questions).run(settings.lasts * UDP_LASTS, &mut ());
        let [mut kept_times, mut fresh] = [Latency::default(), Latency::default()];
        let mut lost = udp.lost + udp.wrong;
        let mut kept = connect(server.address, Ipv4Addr::LOCALHOST).map(TcpStream::from);
        for _ in 0..TCP_QUERIES {
            let began = Instant::now();
            match kept.as_mut().is_ok_and(is_answered) {
                true => kept_times.add(began.elapsed().as_nanos() as u64),
                false => {
                    lost += 1;
                    kept = connect(server.address, Ipv4Addr::LOCALHOST).map(TcpStream::from);
                }
            }
            let began = Instant::now();
            let fresh_one = connect(server.address, Ipv4Addr::LOCALHOST).map(TcpStream::from);
            match fresh_one.is_ok_and(|mut stream| is_answered(&mut stream)) {
                true => fresh.add(began.elapsed().as_nanos() as u64),
                false => lost += 1,
            }
        }
        Self {
            times: [udp.latency, kept_times, fresh],
            lost,
        }
    }
}

/// A query with its length before it (RFC 1035 section 4.2.2).
fn framed() -> Vec<u8> {
    let question = question(&format!("www.{ZONE}"), A, Wire::Plain);
    let length = question.len() as u16;
    [&length.to_be_bytes()[..], &question].concat()
}

fn is_answered(stream: &mut TcpStream) -> bool {
    let mut length = [0; 2];
    let mut ask = || {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(&framed())?;
        stream.read_exact(&mut length)?;
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut reply)?;
        Ok::<_, std::io::Error>(reply)
    };
    ask().is_ok_and(|reply| reply.len() > 12 && reply[3] & 15 == 0 && reply[7] > 0)
}

/// A connection from an address; non-blocking, whole when the kernel says so.
fn connect(server: SocketAddr, source: Ipv4Addr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    // Closed by a reset: thousands of ports must not wait for two minutes.
    socket.set_linger(Some(Duration::ZERO))?;
    socket.connect_timeout(&server.into(), Duration::from_secs(5))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Those who hold connections, on a thread of their own.
struct Crowd {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Crowd {
    /// Opens all connections before it returns, and keeps them from then on.
    fn gather(server: SocketAddr, idle: usize, trickling: usize) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut members = Members::gather(server, idle, trickling);
        let thread = std::thread::spawn({
            let is_over = Arc::clone(&is_over);
            move || {
                // Honest clients share the core with it.
                let _ = rustix::process::setpriority_process(None, BEHIND);
                while !is_over.load(Ordering::Relaxed) {
                    members.turn();
                    std::thread::sleep(TURN_EVERY);
                }
                members.reopened
            }
        });
        Self { is_over, thread }
    }

    /// Closes all; how many were opened anew because the server had closed them.
    fn leave(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic")
    }
}

/// Everybody with a connection.
struct Members {
    server: SocketAddr,
    connections: Vec<Connection>,
    /// How many of them trickle: the first ones.
    trickling: usize,
    began: Instant,
    looked: usize,
    trickled: usize,
    reopened: u64,
}

struct Connection {
    stream: TcpStream,
    source: Ipv4Addr,
    sent: usize,
}

impl Members {
    fn gather(server: SocketAddr, idle: usize, trickling: usize) -> Self {
        let connections = (0..idle + trickling).map(|number| {
            let source = Ipv4Addr::new(127, 1, number as u8 % SOURCES, 1);
            Connection::open(server, source)
        });
        Self {
            server,
            connections: connections.collect(),
            trickling,
            began: Instant::now(),
            looked: 0,
            trickled: 0,
            reopened: 0,
        }
    }

    /// How many steps of so many a period should be made by now.
    fn due(&self, each: usize, every: Duration) -> usize {
        let periods = self.began.elapsed().as_secs_f64() / every.as_secs_f64();
        (periods * each as f64) as usize
    }

    fn turn(&mut self) {
        while self.trickled < self.due(self.trickling, TRICKLE_EVERY) {
            self.connections[self.trickled % self.trickling].trickle();
            self.trickled += 1;
        }
        let all = self.connections.len();
        while self.looked < self.due(all, LOOK_EVERY) {
            let connection = &mut self.connections[self.looked % all];
            if !connection.is_open() {
                *connection = Connection::open(self.server, connection.source);
                self.reopened += 1;
            }
            self.looked += 1;
        }
    }
}

impl Connection {
    fn open(server: SocketAddr, source: Ipv4Addr) -> Self {
        let stream = connect(server, source).expect("a connection");
        Self {
            stream: stream.into(),
            source,
            sent: 0,
        }
    }

    /// Whether the server is still there.
    fn is_open(&mut self) -> bool {
        let mut octets = [0; 512];
        match self.stream.read(&mut octets) {
            Ok(count) => count > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }

    /// Sends one octet of a query that never hurries.
    fn trickle(&mut self) {
        let framed = framed();
        let octet = framed[self.sent % framed.len()];
        self.sent += 1;
        // Where it was closed, that is seen when it is looked at.
        let _ = self.stream.write(&[octet]);
    }
}

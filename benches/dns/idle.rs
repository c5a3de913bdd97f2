//! Thousands of TCP connections that ask nothing or a byte a second, and what honest clients feel.
//!
//! What the server closes is opened again at once. All of it is done in small steps between the
//! honest clients' queries, by the same thread.

use super::{
    data::{Data, ZONE},
    latency::Latency,
    load::{Beside, Generator, Load},
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
    time::{Duration, Instant},
};

/// Honest queries over UDP, per second.
const RATE: f64 = 5_000.0;
/// For longer than a connection may be idle, so that many are closed and opened again.
const UDP_LASTS: u32 = 12;
/// Honest queries over TCP, one after the other.
const TCP_QUERIES: usize = 2_000;
/// Clients' addresses: a cap per client should not be what is measured.
const SOURCES: u8 = 40;
/// What a tenth of all connections do: one octet a second.
const TRICKLE_EVERY: Duration = Duration::from_secs(1);
/// Every connection is looked at so often, whether the server closed it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
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
        let quiet = Honest::ask(settings, &server, &mut Crowd::default());
        println!("  quiet   {quiet}");
        let mut crowd = Crowd::gather(server.address, idle, trickling);
        let loaded = Honest::ask(settings, &server, &mut crowd);
        most_mb = most_mb.max(memory());
        let held =
            std::fs::read_dir(format!("/proc/{}/fd", server.pid())).map_or(0, Iterator::count);
        println!(
            "  loaded  {loaded}; the server holds {held} descriptors, closed {}",
            crowd.reopened
        );
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
    fn ask(settings: &Settings, server: &Server, crowd: &mut Crowd) -> Self {
        let questions = Questions::new("www", A, Wire::Plain, Names::One);
        let mut generator = Generator::new(Load::paced(server.address, RATE), questions);
        let udp = generator.run(settings.lasts * UDP_LASTS, crowd);
        let [mut kept_times, mut fresh] = [Latency::default(), Latency::default()];
        let mut lost = udp.lost + udp.wrong;
        let mut kept = connect(server.address, Ipv4Addr::LOCALHOST).map(TcpStream::from);
        for _ in 0..TCP_QUERIES {
            crowd.turn(0);
            let began = Instant::now();
            match kept.as_mut().is_ok_and(is_answered) {
                true => kept_times.add(began.elapsed().as_nanos() as u64),
                false => {
                    lost += 1;
                    kept = connect(server.address, Ipv4Addr::LOCALHOST).map(TcpStream::from);
                }
            }
            crowd.turn(0);
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

/// Those who hold connections.
#[derive(Default)]
struct Crowd {
    server: Option<SocketAddr>,
    connections: Vec<Connection>,
    /// How many of them trickle: the first ones.
    trickling: usize,
    next_idle: usize,
    next_trickling: usize,
    began: Option<Instant>,
    looked: u64,
    trickled: u64,
    reopened: u64,
}

struct Connection {
    stream: TcpStream,
    source: Ipv4Addr,
    sent: usize,
}

impl Crowd {
    fn gather(server: SocketAddr, idle: usize, trickling: usize) -> Self {
        let connections = (0..idle + trickling).map(|number| {
            let source = Ipv4Addr::new(127, 1, number as u8 % SOURCES, 1);
            Connection::open(server, source)
        });
        Self {
            server: Some(server),
            connections: connections.collect(),
            trickling,
            began: Some(Instant::now()),
            ..Self::default()
        }
    }

    /// How many steps of so many a period are due by now, beyond those that were made.
    fn due(&self, each: usize, every: Duration, made: u64) -> u64 {
        let elapsed = self.began.map_or(Duration::ZERO, |began| began.elapsed());
        let wanted = elapsed.as_secs_f64() / every.as_secs_f64() * each as f64;
        // What a long pause left behind is not made up for at one stroke.
        (wanted as u64).saturating_sub(made).min(20)
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

impl Beside for Crowd {
    fn turn(&mut self, _now_ns: u64) {
        let Some(server) = self.server else { return };
        let all = self.connections.len();
        for _ in 0..self.due(self.trickling, TRICKLE_EVERY, self.trickled) {
            self.trickled += 1;
            self.next_trickling = (self.next_trickling + 1) % self.trickling;
            self.connections[self.next_trickling].trickle();
        }
        for _ in 0..self.due(all, LOOK_EVERY, self.looked) {
            self.looked += 1;
            self.next_idle = (self.next_idle + 1) % all;
            let connection = &mut self.connections[self.next_idle];
            if !connection.is_open() {
                *connection = Connection::open(server, connection.source);
                self.reopened += 1;
            }
        }
    }
}

//! A crowd of TCP connections, most of them silent and some that send an octet a second: what it
//! costs in memory, and what it costs those who ask honestly. Measures; started by hand, with
//! `SIDESTEP` as the program where it is set:
//! `SIDESTEP=target/release/sidestep cargo test --test suite -- --ignored --nocapture crowd`.

use super::{client::query, tcp::framed};
use hickory_proto::rr::RecordType;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

const SILENT: usize = 10_000;
const SLOW: usize = 1_000;
const ROUNDS: usize = 5;
const WINDOW: Duration = Duration::from_secs(3);

/// The program, which is ended with this.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Program {
    fn start(folder: &std::path::Path, server: SocketAddr) -> Self {
        let config = folder.join("sidestep.toml");
        let text = format!(
            r#"
            [server]
            name = "ns1"
            dns = ["{server}"]
            http = "127.0.0.1:{1}"
            tcp = {{ connections = 15000, idle = "1h" }}
            [[zone]]
            name = "example.com"
            ns = ["ns1.example.com"]
            [[target]]
            name = "primary"
            addresses = ["127.0.0.1"]
            [[monitor]]
            name = "port"
            kind = "tcp"
            port = {0}
            interval = "60s"
            [[service]]
            name = "www"
            names = ["www.example.com"]
            targets = ["primary"]
            monitors = ["port"]
            "#,
            server.port(),
            server.port() + 1
        );
        std::fs::write(&config, text).unwrap();
        let program = std::env::var("SIDESTEP");
        let program = program.unwrap_or_else(|_| env!("CARGO_BIN_EXE_sidestep").to_owned());
        let mut command = Command::new(program);
        command.arg("serve").arg(&config).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// Resident memory that is no file's, KiB.
    fn memory_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.0.id());
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find(|line| line.starts_with("RssAnon:"));
        let figure = line.unwrap().split_whitespace().nth(1);
        figure.unwrap().parse().unwrap()
    }
}

/// Connects from `127.0.SUBNET.X`, so that ports suffice.
fn connect(server: SocketAddr, number: usize) -> TcpStream {
    let kind = socket2::Type::STREAM;
    let socket = socket2::Socket::new(socket2::Domain::IPV4, kind, None).unwrap();
    let last = u8::try_from(number % 200).unwrap() + 1;
    let source = SocketAddr::from(([127, 0, 7, last], 0));
    socket.bind(&source.into()).unwrap();
    socket.connect(&server.into()).unwrap();
    socket.into()
}

fn ask(stream: &mut TcpStream) {
    let octets = query("www.example.com", RecordType::A).to_vec().unwrap();
    stream.write_all(&framed(&octets)).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply[3] & 15, 0, "NOERROR");
}

/// How long answers took, us: the median and the 99th percentile.
fn quantiles(mut took_us: Vec<u128>) -> (u128, u128) {
    took_us.sort_unstable();
    (
        took_us[took_us.len() / 2],
        took_us[took_us.len() * 99 / 100],
    )
}

/// Asks for a while on a connection that stays, and on a new one each time.
fn honest(server: SocketAddr) -> [(u128, u128); 2] {
    let mut stays = connect(server, 0);
    let (mut old, mut new) = (Vec::new(), Vec::new());
    let began = Instant::now();
    while began.elapsed() < WINDOW {
        for _ in 0..5 {
            let asked = Instant::now();
            ask(&mut stays);
            old.push(asked.elapsed().as_micros());
        }
        let asked = Instant::now();
        ask(&mut connect(server, 1));
        new.push(asked.elapsed().as_micros());
        thread::sleep(Duration::from_micros(200));
    }
    [quantiles(old), quantiles(new)]
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[test]
#[ignore = "measures: needs 11,000 descriptors and a quiet machine"]
fn a_crowd_costs_honest_clients_little() {
    let folder = tempfile::tempdir().unwrap();
    let server: SocketAddr = "127.0.0.1:21390".parse().unwrap();
    let program = Program::start(folder.path(), server);
    let began = Instant::now();
    while TcpStream::connect(server).is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "it starts");
        thread::sleep(Duration::from_millis(50));
    }
    honest(server);
    let mut ratios = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        let quiet = honest(server);
        let before_kib = program.memory_kib();
        let silent: Vec<_> = (0..SILENT).map(|number| connect(server, number)).collect();
        // The last was accepted, so all were.
        ask(&mut connect(server, 2));
        let silent_kib = program.memory_kib();
        let slow: Vec<_> = (0..SLOW).map(|number| connect(server, number)).collect();
        let done = AtomicBool::new(false);
        let crowded = thread::scope(|scope| {
            scope.spawn(|| {
                // A query is longer than this test lasts, in seconds.
                while !done.load(Ordering::Relaxed) {
                    for mut stream in &slow {
                        stream.write_all(&[1]).unwrap();
                    }
                    thread::sleep(Duration::from_secs(1));
                }
            });
            let crowded = honest(server);
            done.store(true, Ordering::Relaxed);
            crowded
        });
        let all_kib = program.memory_kib();
        let octets = (silent_kib.saturating_sub(before_kib) << 10) / u64::try_from(SILENT).unwrap();
        println!(
            "round {round}: {before_kib} KiB, {silent_kib} KiB with {SILENT} silent ({octets} octets each), {all_kib} KiB with {SLOW} slow"
        );
        for (kind, ratios) in ratios.iter_mut().enumerate() {
            let what = ["connections that stay", "new connections"][kind];
            let ((p50, p99), (crowded_p50, crowded_p99)) = (quiet[kind], crowded[kind]);
            println!(
                "  {what}: quiet {p50} us, 99th {p99} us; crowded {crowded_p50} us, 99th {crowded_p99} us"
            );
            ratios.push(crowded_p99 as f64 / p99 as f64);
        }
        drop((silent, slow));
    }
    for (what, ratios) in ["stay", "new"].iter().zip(ratios) {
        let ratio = median(ratios);
        println!("{what}: the 99th percentile in a crowd is {ratio:.2} times the quiet one");
        assert!(ratio <= 2.0);
    }
}

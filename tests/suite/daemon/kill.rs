//! Kills a real daemon at random moments, under load, and looks at what it remembers.
//!
//! A few dozen cycles here; `tests/faults/kill.sh` runs a thousand (SIDESTEP_KILL_CYCLES).

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::{RData, RecordType},
};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const CYCLES: u64 = 24;
/// How long a daemon may take to answer after its start.
const STARTS_WITHIN: Duration = Duration::from_secs(30);
const TARGETS: usize = 12;
/// Where nobody else takes the port between two lives of the daemon.
const DNS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 53, 1)), 5_300);

/// What the cycles came to.
#[derive(Debug, Default)]
struct Count {
    orders: u64,
    queries: u64,
    /// Queries without an answer, each with what came instead.
    unanswered: Vec<String>,
    lost_orders: u64,
    lost_answers: u64,
    slow_disk: u64,
}

#[test]
fn nothing_acknowledged_is_lost_to_kill_9() {
    let cycles = std::env::var("SIDESTEP_KILL_CYCLES").ok();
    let cycles = cycles.map_or(CYCLES, |cycles| cycles.parse().expect("a number"));
    let folder = tempfile::tempdir().unwrap();
    let well = Arc::new(AtomicBool::new(true));
    fs::write(folder.path().join("sidestep.toml"), config(DNS, web(&well))).unwrap();
    let mut chance = TestRunner::new_with_rng(
        ProptestConfig::default(),
        TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]),
    );
    let mut random = |range: std::ops::Range<u64>| range.new_tree(&mut chance).unwrap().current();
    let (mut count, mut known) = (Count::default(), Known::default());
    for cycle in 0..cycles {
        let log_before = log(folder.path()).len();
        let daemon = start(folder.path());
        known = one_life(
            folder.path(),
            DNS,
            daemon,
            &well,
            &known,
            &mut count,
            || (random(50..500), random(30..200)),
        );
        let text = log(folder.path());
        let new = &text[log_before..];
        assert!(!new.contains("panicked"), "cycle {cycle}: {new}");
        if new.contains("the disk is slow") {
            // What was published before it was on disk may be taken back: it was said aloud.
            count.slow_disk += 1;
            known.serial = None;
        }
    }
    println!("{cycles} cycles: {count:?}");
    assert_eq!(count.lost_orders, 0, "{count:?}");
    assert_eq!(count.lost_answers, 0, "{count:?}");
    assert_eq!(count.unanswered, Vec::<String>::new(), "{count:?}");
    assert!(
        count.orders >= cycles && count.queries >= cycles,
        "{count:?}"
    );
}

/// What is acknowledged so far.
#[derive(Clone, Debug, Default)]
struct Known {
    /// The last order that was confirmed as being on disk.
    ordered: Option<usize>,
    /// An order that was on its way when the daemon was killed.
    on_its_way: Option<usize>,
    /// The last serial that DNS gave.
    serial: Option<u32>,
}

/// One daemon from its first answer to its end.
fn one_life(
    folder: &Path,
    dns: SocketAddr,
    mut daemon: Child,
    well: &AtomicBool,
    known: &Known,
    count: &mut Count,
    mut random: impl FnMut() -> (u64, u64),
) -> Known {
    let until = Instant::now() + STARTS_WITHIN;
    let first = loop {
        if let Ok(answer) = ask(dns, "api.example.com.", RecordType::A) {
            break answer;
        }
        assert!(Instant::now() < until, "it never answered: {}", log(folder));
    };
    let address = |target: usize| format!("192.0.2.{}", target + 1);
    let expected: Vec<String> = known
        .on_its_way
        .into_iter()
        .chain(known.ordered)
        .map(address)
        .collect();
    let kept = known.ordered.is_none() || expected.contains(&first);
    count.lost_orders += u64::from(!kept);
    let now = serial(dns).ok();
    let older = known
        .serial
        .zip(now)
        .is_some_and(|(before, now)| now < before);
    count.lost_answers += u64::from(older);

    // Load: orders as fast as they are confirmed, queries as fast as they are answered, and a
    // target that comes and goes.
    let (lives_ms, turns_ms) = random();
    let stop = AtomicBool::new(false);
    let orders = Mutex::new(Known {
        ordered: known.ordered.map(|_| target_of(&first)),
        on_its_way: None,
        serial: now,
    });
    thread::scope(|scope| {
        let ordering = scope.spawn(|| {
            let mut given = 0;
            while !stop.load(Ordering::Relaxed) {
                let target = (target_of(&first) + 1 + given) % TARGETS;
                orders.lock().unwrap().on_its_way = Some(target);
                if !switch(folder, target) {
                    break;
                }
                let mut orders = orders.lock().unwrap();
                orders.ordered = Some(target);
                orders.on_its_way = None;
                given += 1;
            }
            given as u64
        });
        let asking = scope.spawn(|| {
            let (mut asked, mut unanswered, mut last) = (0, Vec::new(), None);
            while !stop.load(Ordering::Relaxed) {
                match serial(dns) {
                    Ok(serial) => last = Some(serial),
                    // A query that the kill overtook is nobody's fault.
                    Err(_) if stop.load(Ordering::Relaxed) => break,
                    Err(why) => unanswered.push(why),
                }
                asked += 1;
            }
            (asked, unanswered, last)
        });
        let lives = Instant::now() + Duration::from_millis(lives_ms);
        while Instant::now() < lives {
            well.fetch_xor(true, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(turns_ms).min(lives - Instant::now().min(lives)));
        }
        stop.store(true, Ordering::Relaxed);
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        count.orders += ordering.join().unwrap();
        let (asked, unanswered, serial) = asking.join().unwrap();
        count.queries += asked;
        count.unanswered.extend(unanswered);
        let mut orders = orders.lock().unwrap();
        orders.serial = serial.or(orders.serial);
    });
    orders.into_inner().unwrap()
}

fn target_of(address: &str) -> usize {
    let last = address.rsplit('.').next().unwrap();
    last.parse::<usize>().unwrap() - 1
}

fn start(folder: &Path) -> Child {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("serve.log"))
        .unwrap();
    Command::new(env!("CARGO_BIN_EXE_sidestep"))
        .current_dir(folder)
        .arg("serve")
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Orders a switch; whether it was confirmed as being on disk.
fn switch(folder: &Path, target: usize) -> bool {
    let name = format!("t{target}");
    let said = Command::new(env!("CARGO_BIN_EXE_sidestep"))
        .current_dir(folder)
        .args([
            "switch", "api", &name, "--reason", "kill", "--yes", "--json",
        ])
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let ordered: Option<serde_json::Value> = serde_json::from_slice(&said.stdout).ok();
    said.status.success()
        && ordered.is_some_and(|ordered| ordered["durable"] == serde_json::Value::Bool(true))
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("serve.log")).unwrap_or_default()
}

fn serial(dns: SocketAddr) -> Result<u32, String> {
    let serial = ask(dns, "example.com.", RecordType::SOA)?;
    Ok(serial.parse().unwrap())
}

/// The first record of an answer, or what came instead within a second.
fn ask(dns: SocketAddr, name: &str, kind: RecordType) -> Result<String, String> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    socket.connect(dns).unwrap();
    let mut query = Message::new(7, MessageType::Query, OpCode::Query);
    query.add_query(Query::query(name.parse().unwrap(), kind));
    let mut buffer = [0; 4_096];
    let exchanged = socket
        .send(&query.to_vec().unwrap())
        .and_then(|_| socket.recv(&mut buffer));
    let length = exchanged.map_err(|error| error.to_string())?;
    let reply = Message::from_vec(&buffer[..length]).unwrap();
    match reply.answers.first().map(|record| &record.data) {
        Some(RData::A(address)) => Ok(address.to_string()),
        Some(RData::SOA(soa)) => Ok(soa.serial.to_string()),
        Some(other) => panic!("{other:?}"),
        None => Err(reply.metadata.response_code.to_string()),
    }
}

/// A web server that answers while it is well, and closes otherwise.
fn web(well: &Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (address, well) = (listener.local_addr().unwrap(), Arc::clone(well));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            if well.load(Ordering::Relaxed) && stream.read(&mut [0; 1_024]).is_ok() {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        }
    });
    address
}

/// A service whose primary comes and goes, and one that is ordered about.
fn config(dns: SocketAddr, flapping: SocketAddr) -> String {
    let steady = web(&Arc::new(AtomicBool::new(true)));
    let mut text = format!(
        "[server]\nname = \"ns1\"\ndns = [\"{dns}\"]\nhttp = \"none\"\n\
         [[zone]]\nname = \"example.com\"\nns = [\"ns1.example.com\"]\n\
         [[monitor]]\nname = \"http\"\nurl = \"http://www.example.com/\"\n\
         interval = \"100ms\"\ntimeout = \"90ms\"\n"
    );
    for target in 0..TARGETS {
        let at = if target == 0 { flapping } else { steady };
        text += &format!(
            "[[target]]\nname = \"t{target}\"\naddresses = [\"192.0.2.{}\"]\nprobe_at = [\"{at}\"]\n",
            target + 1
        );
    }
    for service in ["api", "www"] {
        let targets: Vec<String> = (0..TARGETS)
            .map(|target| format!("\"t{target}\""))
            .collect();
        text += &format!(
            "[[service]]\nname = \"{service}\"\nnames = [\"{service}.example.com\"]\n\
             targets = [{}]\nmonitors = [\"http\"]\nmax_switches = \"1000/1m\"\n\
             params = {{ FALL = 1, RISE = 1, FAILBACK = \"200ms\", NOISE = 1000 }}\n",
            targets.join(", ")
        );
    }
    text
}

//! How long a start takes with a million observations in the journal: from the process's start to
//! the first correct answer, which is not the one that a start without memory would give.

use sidestep::{
    daemon::{Judge, Sources, case},
    dns,
    failover::{self, Input, Reload, State},
    journal::{self, Settings},
    model::{FailureReason, Observation, PolicyText, Timestamp},
    policy::{BUILTIN_SOURCE, Library},
};
use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

const OBSERVATIONS: u64 = 1_000_000;
const SERVICES: usize = 20;
const RUNS: usize = 7;
const BACKUP: [u8; 4] = [198, 51, 100, 20];

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let dns = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|socket| socket.local_addr())
        .expect("a port");
    let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|socket| socket.local_addr())
        .expect("a port nobody listens on")
        .port();
    fs::write(folder.path().join("sidestep.toml"), config(dns, port)).expect("a configuration");

    grow(folder.path());
    // A first life on it, so that the journal knows the files in force.
    let (first, first_ms) = start(folder.path(), dns, Some(IpAddr::from(BACKUP)));
    drop(first);
    let size = fs::metadata(folder.path().join("data/journal.sqlite")).map_or(0, |m| m.len());
    println!(
        "{OBSERVATIONS} observations of {SERVICES} services, {} MB; first start with it {first_ms} ms",
        size / 1_000_000
    );
    let mut took: Vec<u128> = (0..RUNS)
        .map(|_| {
            let run = tempfile::tempdir().expect("a folder");
            copy(folder.path(), run.path());
            let (daemon, ms) = start(run.path(), dns, Some(IpAddr::from(BACKUP)));
            drop(daemon);
            ms
        })
        .collect();
    took.sort_unstable();
    println!(
        "start to first correct answer: median {} ms, min {} ms, max {} ms (aim 200 ms)",
        took[RUNS / 2],
        took[0],
        took[RUNS - 1]
    );
}

fn config(dns: SocketAddr, port: u16) -> String {
    let mut text = format!(
        "[server]\ndns = [\"{dns}\"]\nhttp = \"none\"\n[[zone]]\nname = \"example.com\"\n\
         ns = [\"ns1.example.com\"]\n[[monitor]]\nname = \"tcp\"\nkind = \"tcp\"\nport = {port}\n\
         interval = \"2s\"\ntimeout = \"1s\"\n\
         [[target]]\nname = \"backup\"\naddresses = [\"198.51.100.20\"]\nprobe_at = [\"127.0.0.1\"]\n"
    );
    for number in 0..SERVICES {
        text += &format!(
            "[[target]]\nname = \"p{number}\"\naddresses = [\"192.0.2.10\"]\nprobe_at = [\"127.0.0.1\"]\n\
             [[service]]\nname = \"s{number}\"\nnames = [\"s{number}.example.com\"]\n\
             targets = [\"p{number}\", \"backup\"]\nmonitors = [\"tcp\"]\n"
        );
    }
    text
}

/// Starts the daemon and waits for its first answer, which must be `expected` where that is given.
fn start(folder: &Path, dns: SocketAddr, expected: Option<IpAddr>) -> (Daemon, u128) {
    let began = Instant::now();
    let daemon = Command::new(env!("CARGO_BIN_EXE_sidestep"))
        .current_dir(folder)
        .arg("serve")
        .stderr(Stdio::null())
        .spawn()
        .map(Daemon)
        .expect("the daemon starts");
    loop {
        assert!(began.elapsed() < Duration::from_secs(60), "no answer");
        let name = "s0.example.com";
        if let Ok(reply) = dns::ask(dns, name, false, Duration::from_millis(100)) {
            let ms = began.elapsed().as_millis();
            if let Some(expected) = expected {
                assert_eq!(reply.addresses, [expected], "the first answer");
            }
            return (daemon, ms);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A daemon that is killed when it is dropped.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().expect("it can be killed");
        self.0.wait().expect("it ends");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to.join("data")).expect("a folder");
    fs::copy(from.join("sidestep.toml"), to.join("sidestep.toml")).expect("a copy");
    for entry in fs::read_dir(from.join("data")).expect("a folder").flatten() {
        let name = entry.file_name();
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            fs::copy(entry.path(), to.join("data").join(name)).expect("a copy");
        }
    }
}

/// Writes a journal of a million observations, the last of which move every service to its
/// backup; ends as a killed daemon does.
fn grow(folder: &Path) {
    let path = folder.join("sidestep.toml");
    let (sources, parsed) = Sources::read(&path, None);
    let loaded = parsed.expect("it is there").expect("it parses");
    let case = case(&path, loaded, &sources).expect("every file is there");
    let accepted = Judge::default().judge(&case).expect("it loads");
    let config = accepted.config;
    let opened =
        journal::open(&folder.join("data"), Settings::default()).expect("the journal opens");
    let (_, journal) = opened.start(Box::new(|_| ())).expect("a thread");
    let mut state = State::default();
    let library = Library::new();
    for service in config.services.values() {
        let text = PolicyText {
            name: service.policy.clone(),
            source: BUILTIN_SOURCE.into(),
        };
        library.adopt(&library.candidate(service, &text).expect("it loads"));
    }
    let names: Vec<_> = config.targets.keys().cloned().collect();
    let rounds = OBSERVATIONS / names.len() as u64 + 1;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now_ms = i64::try_from(now.expect("after 1970").as_millis()).expect("before the year 9999");
    let interval_ms = 2_000;
    let mut at = Timestamp(now_ms).minus_ms(interval_ms * (rounds as i64 + 1));
    let reload = Input::Reload(Reload {
        by: "start".to_owned(),
        config: config.clone(),
        policies: accepted.policies,
        zones: accepted.zone_versions,
    });
    journal.write(failover::step(&mut state, at, reload, &library), None);
    for round in 0..rounds {
        at = at.plus_ms(interval_ms);
        for name in &names {
            let dies = round + 5 > rounds && name.starts_with('p');
            let seen = Observation {
                target: name.clone(),
                monitor: "tcp".into(),
                address: Some(Ipv4Addr::LOCALHOST.into()),
                vantage: config.server.name.clone(),
                ok: !dies,
                rtt_us: (!dies).then_some(20_000 + (round % 900) as u32),
                error: dies.then_some(FailureReason::Refused),
                late: false,
                local: None,
                cert_days: None,
                value: None,
            };
            let events = failover::step(&mut state, at, Input::Probe(seen), &library);
            journal.write(events, None);
            if journal.wants_snapshot() {
                journal.snapshot(state.clone());
            }
        }
        if round % 200 == 0 {
            assert!(journal.wait_for(state.world().seq, Duration::from_secs(60)));
        }
    }
    assert!(journal.wait_for(state.world().seq, Duration::from_secs(60)));
    for service in &state.world().services {
        assert_eq!(service.serving[0].as_str(), "backup", "{}", service.name);
    }
    journal.stop();
}

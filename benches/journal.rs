//! What the journal costs: writing, room, starting again, snapshots.
//!
//! | figure | beside |
//! |---|---|
//! | CPU per event written | making the JSON of the same events |
//! | bytes per observation | its line in a recording |
//! | opening with 1,000,000 observations | opening with none |
//! | a snapshot of 2,000 targets with 300 results each | copying that state |
//!
//! `cargo bench --bench journal` prints; it asserts nothing.

use sidestep::{
    failover::{Event, State, What, event::ConfigInForce},
    journal::{self, Journal, Settings},
    model::{Config, Observation, PolicyText, Timestamp},
};
use std::{
    fs,
    hint::black_box,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

const BEGIN: i64 = 1_767_571_200_000;
const LIMIT: Duration = Duration::from_secs(600);

/// CPU that this process has used, all threads.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}

fn print(name: &str, value: impl std::fmt::Display) {
    println!("{name:<62} {value:>14}");
}

/// So many targets, twenty to a service, one TCP monitor each second.
fn config(targets: usize) -> Config {
    let mut text = "[[monitor]]\nname = \"tcp\"\nkind = \"tcp\"\nport = 80\ninterval = \"1s\"\ntimeout = \"500ms\"\n".to_owned();
    for index in 0..targets {
        let (a, b) = (index / 250, index % 250 + 1);
        text += &format!("[[target]]\nname = \"t{index}\"\naddresses = [\"10.0.{a}.{b}\"]\n");
    }
    for first in (0..targets).step_by(20) {
        let names: Vec<String> = (first..targets.min(first + 20))
            .map(|index| format!("\"t{index}\""))
            .collect();
        text += &format!(
            "[[service]]\nname = \"s{first}\"\nnames = [\"s{first}.example.com\"]\ntargets = [{}]\nmonitors = [\"tcp\"]\n",
            names.join(", ")
        );
    }
    let checked = sidestep::config::parse("bench.toml", &text);
    checked.expect("the bench's configuration is good").config
}

struct World {
    config: Config,
    state: State,
    seq: u64,
}

impl World {
    fn event(&mut self, at_ms: i64, what: What) -> Event {
        self.seq += 1;
        let event = Event {
            at: Timestamp(BEGIN + at_ms),
            seq: self.seq,
            what,
        };
        self.state.apply(&event);
        event
    }

    /// A world of so many targets, and its first step.
    fn new(targets: usize) -> (Self, Vec<Event>) {
        let config = config(targets);
        let mut world = Self {
            config: config.clone(),
            state: State::default(),
            seq: 0,
        };
        let policy = PolicyText {
            name: "failover.rhai".into(),
            source: sidestep::policy::BUILTIN_SOURCE.into(),
        };
        let in_force = ConfigInForce {
            by: "bench".into(),
            config: Arc::new(config),
            zone_versions: Vec::new(),
        };
        let first = vec![
            world.event(0, What::Policy(policy)),
            world.event(0, What::Config(in_force)),
        ];
        (world, first)
    }

    /// The next result: each target in turn, once a second; 1 in 50 is bad.
    fn probe(&mut self) -> Event {
        let targets = self.config.targets.len() as u64;
        let (turn, index) = (self.seq / targets, self.seq % targets);
        let ok = !self.seq.is_multiple_of(50);
        let target = self.config.targets.values().nth(0).filter(|_| targets == 1);
        let name = target.map_or_else(
            || format!("t{index}").as_str().into(),
            |target| target.name.clone(),
        );
        let address = self.config.targets[&name].addresses.first().copied();
        let seen = Observation {
            target: name,
            monitor: "tcp".into(),
            address,
            vantage: "ns1".into(),
            ok,
            rtt_us: ok.then_some(20_000 + (self.seq * 7_919 % 9_000) as u32),
            error: (!ok).then_some(sidestep::model::FailureReason::Timeout),
            late: false,
            local: None,
            cert_days: None,
            value: None,
        };
        let at_ms = (turn * 1_000 + index * 1_000 / targets) as i64;
        self.event(at_ms, What::Probe(seen))
    }
}

fn start(folder: &Path) -> Journal {
    let settings = Settings {
        backlog_max: 10_000_000,
        tend_every: LIMIT,
        ..Settings::default()
    };
    let opened = journal::open(folder, settings).expect("the bench's folder is its own");
    opened
        .start(Box::new(|_| {}))
        .expect("a thread can be had")
        .1
}

fn open_time(folder: &Path) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        let opened = journal::open(folder, Settings::default());
        best = best.min(began.elapsed());
        black_box(
            opened
                .expect("the bench's folder is its own")
                .recovered
                .folded,
        );
    }
    best
}

fn append(count: usize) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (mut world, first) = World::new(100);
    let journal = start(folder.path());
    journal.write(first, None);
    let events: Vec<Event> = (0..count - 20_000).map(|_| world.probe()).collect();
    let sample = &events[..100_000.min(events.len())];
    let began = cpu();
    let line_bytes: usize = sample
        .iter()
        .map(|event| serde_json::to_string(event).map_or(0, |line| line.len() + 1))
        .sum();
    let json = (cpu() - began) / sample.len() as u32;
    let line_bytes = line_bytes / sample.len();
    let total = events.len();
    let (began, wall) = (cpu(), Instant::now());
    for event in events {
        journal.write(vec![event], None);
    }
    journal.wait_for(world.seq, LIMIT);
    let (spent, wall) = (cpu() - began, wall.elapsed());
    print(
        "events written, per second of CPU",
        (total as f64 / spent.as_secs_f64()) as u64,
    );
    print(
        "events written, per second",
        (total as f64 / wall.as_secs_f64()) as u64,
    );
    print(
        "CPU per event written",
        format!("{:.2?}", spent / total as u32),
    );
    print("  making its JSON", format!("{json:.2?}"));
    journal.snapshot(world.state.clone());
    for _ in 0..20_000 {
        let event = world.probe();
        journal.write(vec![event], None);
    }
    journal.wait_for(world.seq, LIMIT);
    journal.stop();
    let bytes = fs::metadata(folder.path().join("journal.sqlite")).map_or(0, |file| file.len());
    print(
        "bytes per observation, snapshot included",
        format!("{:.1}", bytes as f64 / count as f64),
    );
    print("  its line in a recording", line_bytes);
    print(
        &format!("opening with {count} observations, 20,000 to fold"),
        format!("{:.1?}", open_time(folder.path())),
    );
    let empty = tempfile::tempdir().expect("a folder can be made");
    start(empty.path()).stop();
    print(
        "  opening with none",
        format!("{:.1?}", open_time(empty.path())),
    );
}

fn snapshots() {
    let (mut world, first) = World::new(2_000);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let journal = start(folder.path());
    journal.write(first, None);
    for _ in 0..2_000 * 300 {
        world.probe();
    }
    let began = Instant::now();
    let text = serde_json::to_vec(&world.state).expect("a state has a JSON");
    let to_json = began.elapsed();
    let began = Instant::now();
    let again: State = serde_json::from_slice(&text).expect("and comes back");
    let from_json = began.elapsed();
    assert!(again == world.state);
    let began = Instant::now();
    black_box(world.state.world().clone());
    let copied = began.elapsed();
    // One event that is committed at once says when the snapshot before it is written.
    let began = cpu();
    journal.snapshot(world.state.clone());
    let tick = world.event(i64::from(u32::MAX), What::Tick {});
    let seq = tick.seq;
    journal.write(vec![tick], Some(journal::Kept::default()));
    journal.wait_for(seq, LIMIT);
    journal.stop();
    print(
        "2,000 targets, 300 results each: JSON, MB",
        format!("{:.1}", text.len() as f64 / 1e6),
    );
    print(
        "  to JSON, from JSON",
        format!("{to_json:.1?} {from_json:.1?}"),
    );
    print("  written, CPU", format!("{:.1?}", cpu() - began));
    let bytes = fs::metadata(folder.path().join("journal.sqlite")).map_or(0, |file| file.len());
    print("  on disk, MB", format!("{:.2}", bytes as f64 / 1e6));
    print("  copying the state", format!("{copied:.1?}"));
    print(
        "  opening with it",
        format!("{:.1?}", open_time(folder.path())),
    );
}

fn main() {
    append(1_000_000);
    snapshots();
}

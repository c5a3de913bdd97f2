//! A daemon's worth of writing in a process of its own, to be killed, starved and lied to.
//!
//! `run` and `verify` are started by other tests and by `tests/faults/*.sh`, which say by environment
//! where. What is written depends on nothing but its place, so that anybody can tell it again.

use super::{LIMIT, world};
use serde_json::json;
use sidestep::{
    failover::{Event, State},
    journal::{self, Settings},
};
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const FOLDER: &str = "SIDESTEP_JOURNAL_FOLDER";
/// How many steps; for ever where it is not said.
const STEPS: &str = "SIDESTEP_JOURNAL_STEPS";
const BACKLOG: &str = "SIDESTEP_JOURNAL_BACKLOG";
/// The event that was said to be on disk.
const ACKED: &str = "SIDESTEP_JOURNAL_ACKED";

/// The steps of this workload from the first, and the states after them.
struct Told {
    lane: world::Lane,
    turn: usize,
    first: Option<Vec<Event>>,
}

impl Told {
    fn new() -> Self {
        let (lane, first) = world::Lane::new();
        Self {
            lane,
            turn: 0,
            first: Some(first),
        }
    }

    fn next(&mut self) -> Vec<Event> {
        if let Some(first) = self.first.take() {
            return first;
        }
        self.turn += 1;
        let input = match self.turn % 50 {
            10 => world::order(json!({ "command": "drain", "target": "third" })),
            20 => world::order(json!({ "command": "undrain", "target": "third" })),
            30 => world::reload(self.turn / 50 % 2),
            turn => world::probe(["primary", "backup", "third"][turn % 3], turn % 17 > 4),
        };
        self.lane.feed(700, input)
    }

    /// Tells steps until event `seq`, which must be the last of one; returns the state then.
    fn until(&mut self, seq: u64) -> State {
        if seq == 0 {
            return State::default();
        }
        self.first = None;
        while self.lane.state.world().seq < seq {
            self.next();
        }
        assert_eq!(self.lane.state.world().seq, seq, "a step was split");
        self.lane.state.clone()
    }
}

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
#[ignore = "started by other tests"]
fn run() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let settings = Settings {
        group_for: Duration::from_millis(5),
        snapshot_after: 60,
        retry_every: Duration::from_millis(50),
        tend_every: Duration::from_millis(20),
        backlog_max: number(BACKLOG).unwrap_or(65_536),
        keep_ms: 60_000,
        ..Settings::default()
    };
    let opened = journal::open(Path::new(&folder), settings).unwrap();
    let (recovered, journal) = opened.start(Box::new(|_| {})).unwrap();
    assert_eq!(recovered.alarms, Vec::<String>::new());
    let mut told = Told::new();
    assert_eq!(recovered.state, told.until(recovered.state.world().seq));
    let mut said = None;
    let mut say = |journal: &journal::Journal| {
        let why = journal.health().degraded.map(|degraded| degraded.why);
        if why != said {
            println!("\ndegraded {}", why.as_deref().unwrap_or("no more"));
            said = why;
        }
    };
    let mut count = 0;
    while number(STEPS).is_none_or(|most| count < most) {
        count += 1;
        journal.write(told.next(), None);
        if journal.wants_snapshot() {
            journal.snapshot(told.lane.state.clone());
        }
        if count % 10 == 0
            && journal.wait_for(told.lane.state.world().seq, Duration::from_millis(20))
        {
            println!("\nacked {}", journal.committed());
        }
        say(&journal);
        std::io::stdout().flush().unwrap();
    }
    let (seq, began) = (told.lane.state.world().seq, Instant::now());
    while !journal.wait_for(seq, Duration::from_millis(20)) {
        if journal.wants_snapshot() {
            journal.snapshot(told.lane.state.clone());
        }
        say(&journal);
        assert!(began.elapsed() < LIMIT, "{:?}", journal.health());
    }
    let health = journal.health();
    let why = health.degraded.map(|degraded| degraded.why);
    assert!(
        why.as_ref().is_none_or(|why| why.contains("slow")),
        "{why:?}"
    );
    if said.is_some() {
        println!("\ndegraded no more");
    }
    println!(
        "\nacked {}\ngaps {}\nlost {}\nalarms {}",
        journal.committed(),
        health.gaps,
        health.lost,
        health.alarms.len()
    );
    journal.stop();
}

#[test]
#[ignore = "started by scripts"]
fn verify() {
    let (Ok(folder), Some(acked)) = (std::env::var(FOLDER), number(ACKED)) else {
        return;
    };
    is_a_prefix(Path::new(&folder), acked as u64);
}

/// What is in the folder is what was told, to the end of some step, and all that was acknowledged.
fn is_a_prefix(folder: &Path, acked: u64) {
    let recovered = super::recovered(folder);
    let seq = recovered.state.world().seq;
    assert!(
        seq >= acked,
        "{seq} was recovered, {acked} was acknowledged"
    );
    assert_eq!(recovered.state, Told::new().until(seq));
    assert_eq!(recovered.alarms, Vec::<String>::new());
}

fn child(folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "journal::workload::run",
            "--ignored",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

#[test]
fn a_kill_at_any_moment_leaves_a_prefix_with_all_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..12_u32 {
        let mut child = child(folder.path()).spawn().unwrap();
        let mut acked = 0;
        let mut more = 1 + round * 7 % 5;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            if let Some(seq) = line.unwrap().strip_prefix("acked ") {
                acked = seq.parse().unwrap();
                more -= 1;
                if more == 0 {
                    break;
                }
            }
        }
        // Somewhere within what follows an acknowledgement.
        std::thread::sleep(Duration::from_micros(u64::from(round) * 1_700));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(acked > 0, "the workload failed in round {round}");
        is_a_prefix(folder.path(), acked);
    }
}

#[test]
fn another_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = child(folder.path()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("acked ")));
    let error = journal::open(folder.path(), Settings::default()).unwrap_err();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        error
            .to_string()
            .contains(&format!("process {}", child.id())),
        "{error}"
    );
}

//! What a replay costs: observations per second of CPU and policy, reading the file included,
//! beside the bare call of the same script; and its memory at one length and at four times that.
//!
//! Three targets probed every 5 s, as in a year of one service. `OBSERVATIONS` sets the shorter
//! length, 2,000,000 by default; a year is 19,000,000.

use rustix::time::{ClockId, clock_gettime};
use sidestep::{
    failover::{Input, Policy as _, Reload, State, step},
    model::{Observation, Params, PolicyText, PolicyVersion, Timestamp},
    policy::{BUILTIN_SOURCE, Library},
    recording::{self, Header, Reading},
    replay::{Against, Request, Source, replay},
};
use std::{
    env,
    fmt::Write as _,
    fs::{self, File},
    hint::black_box,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

const TARGETS: [(&str, &str); 3] = [
    ("primary", "192.0.2.10"),
    ("backup", "198.51.100.20"),
    ("third", "203.0.113.30"),
];
const BEGIN: i64 = 1_763_800_000_000;

fn main() {
    let shorter = env::var("OBSERVATIONS")
        .ok()
        .and_then(|text| text.parse().ok());
    let shorter: u64 = shorter.unwrap_or(2_000_000);
    let folder = tempfile::tempdir().expect("a folder");
    for (number, observations) in [shorter, shorter * 4].into_iter().enumerate() {
        for zstd in [false, true] {
            let path = write(folder.path(), observations, zstd);
            let bytes = fs::metadata(&path).map_or(0, |found| found.len());
            println!(
                "{observations} observations, {} MB{}",
                bytes / 1_000_000,
                if zstd { " (zstd)" } else { "" }
            );
            if number == 0 {
                read_only(&path, observations);
            }
            whole(&path, observations);
            fs::remove_file(&path).expect("the file is ours");
        }
        println!("{:<46} {:>10} kB", "most memory so far", peak_kb());
    }
    bare(&header(), 500_000);
}

fn header() -> String {
    let targets =
        TARGETS.map(|(name, address)| format!(r#"{{"name":"{name}","addresses":["{address}"]}}"#));
    format!(
        r#"{{"recording":1,"by":"bench","targets":[{}],"monitors":[{{"name":"https","kind":"http","interval_ms":5000,"timeout_ms":2000}}],"services":[{{"name":"www","names":["www.example.com"],"ttl_ms":30000,"targets":["primary","backup","third"],"monitors":["https"],"policy":"failover.rhai","params":{{}}}}]}}"#,
        targets.join(",")
    )
}

/// Writes a recording: mostly good, one in two thousand lost, an outage of ten minutes a week.
fn write(folder: &Path, observations: u64, zstd: bool) -> PathBuf {
    let path = folder.join(if zstd { "year.jsonl.zst" } else { "year.jsonl" });
    let file = BufWriter::new(File::create(&path).expect("a file"));
    if zstd {
        let mut out = zstd::stream::write::Encoder::new(file, 3).expect("an encoder");
        lines(&mut out, observations);
        out.finish()
            .and_then(|mut file| file.flush())
            .expect("the disk has room");
    } else {
        let mut out = file;
        lines(&mut out, observations);
        out.flush().expect("the disk has room");
    }
    path
}

fn lines(out: &mut impl Write, observations: u64) {
    let mut line = header() + "\n";
    let mut chance = 7_u64;
    for number in 0..observations {
        let (round, target) = ((number / 3) as i64, (number % 3) as usize);
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let bad = (target == 0 && round % 120_960 < 120) || (chance >> 33).is_multiple_of(2_000);
        let at = BEGIN + round * 5_000 + target as i64 * 1_600;
        let (name, address) = TARGETS[target];
        let outcome = match bad {
            true => r#""ok":false,"error":"timeout""#.to_owned(),
            false => format!(r#""ok":true,"rtt_us":{}"#, 20_000 + (chance >> 40) % 30_000),
        };
        writeln!(line, r#"{{"at":{at},"seq":{},"probe":{{"target":"{name}","monitor":"https","address":"{address}","vantage":"ns1",{outcome}}}}}"#, number + 1)
            .expect("a String takes all");
        if line.len() > 1 << 16 {
            out.write_all(line.as_bytes()).expect("the disk has room");
            line.clear();
        }
    }
    out.write_all(line.as_bytes()).expect("the disk has room");
}

fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}

/// Prints what `work` took of CPU for each of so many observations and policies.
fn timed(name: &str, observations: u64, policies: u64, work: impl FnOnce()) {
    let (began, clock) = (cpu(), Instant::now());
    work();
    let (used, took) = (cpu() - began, clock.elapsed());
    let each = used.as_secs_f64() * 1e6 / (observations * policies) as f64;
    println!(
        "{name:<46} {:>10.0} /s and core and policy   {each:.2} us   {took:.1?} in all",
        1e6 / each
    );
}

fn read_only(path: &Path, observations: u64) {
    timed("  reading alone", observations, 1, || {
        let read = recording::open(path, &Reading::default()).expect("it is a recording");
        let count = read.filter(|item| item.is_ok()).count();
        assert!(count as u64 == observations, "all was read");
    });
}

/// The recording under two policies: what is recorded and the candidate, here the same.
fn whole(path: &Path, observations: u64) {
    let request = Request {
        against: Some(Against::Primary),
        ..Request::default()
    };
    timed("  replay, two runs", observations, 2, || {
        let source = Source::open(path, &Reading::default(), None).expect("it is a recording");
        let report = replay(source, "bench", &request, &|_, _| {}).expect("it is replayed");
        assert!(report.candidate.switches > 0, "something happened");
    });
}

/// The same script and state, called and nothing else, and stepped with an observation each.
fn bare(header: &str, calls: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("h.jsonl");
    fs::write(&path, format!("{header}\n")).expect("the disk has room");
    let read = recording::open(&path, &Reading::default()).expect("it is a recording");
    let Header { config, .. } = read.header().clone();
    let library = Library::new();
    let text = PolicyText {
        name: "failover.rhai".into(),
        source: BUILTIN_SOURCE.into(),
    };
    let reload = Input::Reload(Reload {
        by: "bench".into(),
        config: Arc::new(config),
        policies: vec![text],
        zones: Vec::new(),
    });
    let (mut state, mut at) = (State::default(), Timestamp(BEGIN));
    step(&mut state, at, reload, &library);
    let seen = |target: &str| Observation {
        target: target.into(),
        monitor: "https".into(),
        address: None,
        vantage: "ns1".into(),
        ok: true,
        rtt_us: Some(20_000),
        error: None,
        late: false,
        local: None,
        cert_days: None,
        value: None,
    };
    let seen = TARGETS.map(|(name, _)| seen(name));
    timed("stepping alone", calls, 1, || {
        for number in 0..calls {
            at = at.plus_ms(1_600);
            let input = Input::Probe(seen[(number % 3) as usize].clone());
            black_box(step(&mut state, at, input, &library));
        }
    });
    let version = PolicyVersion::of(BUILTIN_SOURCE, &Params::new());
    let view = state.view("www").expect("the service is there");
    timed("the bare call of the script", calls, 1, || {
        for _ in 0..calls {
            let _ = black_box(library.propose(&version, view.clone()));
        }
    });
}

fn peak_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

//! What a million records cost: to read and build, to keep, and to replace.
//!
//! Memory is the process's resident memory less what it was before, with the program's allocator.
//! That one gives back what is free when it comes to it: for what is kept, and not for the time,
//! run with `MIMALLOC_PURGE_DELAY=0`.

use hickory_proto::rr::{Name, RecordType};
use sidestep::{
    dns::{Table, ZoneInput, Zones, answer},
    model::{ZoneConfig, ZoneSource},
};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RECORDS: usize = 1_000_000;
const RUNS: usize = 5;

fn main() {
    let text = zone(RECORDS);
    println!(
        "{RECORDS} A records with a name each, {} MB of text",
        text.len() / 1_000_000
    );
    let before_kb = resident_kb("VmRSS");
    let mut took: Vec<Duration> = Vec::new();
    let mut zones = None;
    for run in 0..RUNS {
        let began = Instant::now();
        let built = build(&text);
        took.push(began.elapsed());
        if run == 0 {
            let peak_kb = resident_kb("VmHWM");
            println!(
                "peak while building: {} MB more",
                (peak_kb - before_kb) / 1_024
            );
            println!(
                "resident then: {} MB more",
                (resident_kb("VmRSS") - before_kb) / 1_024
            );
        }
        zones = Some(built);
    }
    took.sort_unstable();
    println!("parse and build: median {:?}, of {took:?}", took[RUNS / 2]);
    let zones = zones.expect("it was built");
    let table = Table::default();
    let names: Vec<Name> = (0..10_000)
        .map(|number| {
            let number = number * 97 % RECORDS;
            Name::from_ascii(format!("host-{number}.example.com.")).expect("a name")
        })
        .collect();
    let began = Instant::now();
    for name in &names {
        let answered = answer(&zones, &table, name, RecordType::A);
        assert_eq!(answered.answers.len(), 1, "{name}");
    }
    println!("the reference: {:?} a question", began.elapsed() / 10_000);
}

fn zone(records: usize) -> String {
    let mut text =
        "$TTL 1h\n@ SOA ns1 hostmaster 1 1h 10m 2w 30\n@ NS ns1\nns1 A 192.0.2.53\n".to_owned();
    for number in 0..records {
        let [_, a, b, c] = u32::try_from(number).expect("few").to_be_bytes();
        // Writing to a String never fails.
        let _ = writeln!(text, "host-{number} A 10.{a}.{b}.{c}");
    }
    text
}

fn build(text: &str) -> Zones {
    let config = ZoneConfig {
        name: "example.com".into(),
        source: ZoneSource::File("example.com.zone".into()),
    };
    let input = ZoneInput {
        config: &config,
        file: Path::new("example.com.zone"),
        text: Some(text),
    };
    let loaded = Zones::build(&[input], &BTreeMap::new(), "ns1", &mut |_| {
        Err(io::Error::from(io::ErrorKind::NotFound))
    });
    loaded.zones.expect("it is good")
}

fn resident_kb(field: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with(field));
    let digits = line.map(|line| {
        line.chars()
            .filter(char::is_ascii_digit)
            .collect::<String>()
    });
    digits
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_default()
}

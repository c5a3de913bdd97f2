//! What reading a recording costs: a line of it, plain and compressed.
//!
//! | figure | beside |
//! |---|---|
//! | CPU per line, plain | reading the same bytes and finding the line ends |
//! | CPU per line, compressed with zstd | decompressing the same bytes |
//! | CPU per observation, out of a journal | |
//! | CPU per line written | |
//!
//! `cargo bench --bench recording [-- MILLIONS]` prints; it asserts nothing. A year of one service
//! with three targets probed every five seconds is 19 million lines.

use sidestep::{
    config,
    failover::What,
    model::scenario::Scenario,
    recording::{self, Item, Reading, Writer},
    replay::{import, source::Source, synth},
};
use std::{
    fs::File,
    hint::black_box,
    io::{BufRead, BufReader, Read},
    path::Path,
    time::Duration,
};

/// CPU that this process has used, all threads.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}

fn print(name: &str, spent: Duration, lines: u64) {
    let each_us = spent.as_secs_f64() * 1e6 / lines.max(1) as f64;
    println!("{name:<62} {each_us:>9.3} µs a line");
}

/// Three targets, every five seconds, as many probes as wanted; 1 in 100 is lost.
fn scenario(probes: u64) -> Scenario {
    let text = "length = \"1m\"\n[[target]]\nname = \"primary\"\nrtt = \"40ms\"\n[[target]]\nname = \"backup\"\n[[target]]\nname = \"third\"\n[[event]]\nkind = \"loss\"\nper_mille = 10\nfrom = \"0s\"\n";
    let mut scenario = config::scenario("bench.toml", text).expect("the bench's scenario is good");
    scenario.length_ms = probes as i64 / 3 * scenario.interval_ms;
    for event in &mut scenario.events {
        event.to_ms = scenario.length_ms;
    }
    scenario
}

fn write(path: &Path, scenario: &Scenario) -> u64 {
    let mut writer = Writer::create(path, &synth::header(scenario)).expect("a file can be made");
    let mut lines = 1;
    for mut event in synth::events(scenario) {
        // As a daemon writes them: with the address.
        if let What::Probe(seen) = &mut event.what {
            seen.address = Some([198, 18, 0, 1].into());
        }
        writer.event(&event).expect("the disk takes it");
        lines += 1;
    }
    let whole = writer.finish().expect("the disk takes it");
    whole.keep().expect("the disk takes it");
    lines
}

fn read(path: &Path) -> (Duration, u64) {
    let began = cpu();
    let recording = recording::open(path, &Reading::default()).expect("it was written just now");
    let mut seen = 0;
    for item in recording {
        if let Item::Probe(probe) = item.expect("it was written just now") {
            seen += u64::from(black_box(probe).ok);
        }
    }
    black_box(seen);
    (cpu() - began, seen)
}

fn lines_of(input: impl BufRead) -> u64 {
    let (mut input, mut line, mut lines) = (input, Vec::new(), 0);
    while input.read_until(b'\n', &mut line).expect("it can be read") > 0 {
        lines += 1;
        black_box(&line);
        line.clear();
    }
    lines
}

fn floor(path: &Path) -> Duration {
    let began = cpu();
    let file = File::open(path).expect("it was written just now");
    black_box(lines_of(BufReader::with_capacity(256 << 10, file)));
    cpu() - began
}

fn floor_compressed(path: &Path) -> Duration {
    let began = cpu();
    let file = File::open(path).expect("it was written just now");
    let decoder = zstd::stream::read::Decoder::new(file).expect("it was written just now");
    let mut bytes = BufReader::with_capacity(256 << 10, decoder);
    let mut piece = vec![0; 256 << 10];
    while bytes.read(&mut piece).expect("it can be read") > 0 {
        black_box(&piece);
    }
    cpu() - began
}

fn main() {
    let arguments = std::env::args().skip(1);
    let millions = arguments
        .filter_map(|argument| argument.parse::<f64>().ok())
        .next();
    let probes = (millions.unwrap_or(1.0) * 1e6) as u64;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (plain, squeezed) = (
        folder.path().join("a.jsonl"),
        folder.path().join("a.jsonl.zst"),
    );
    let scenario = scenario(probes);
    let began = cpu();
    let lines = write(&plain, &scenario);
    print("made up and written, plain", cpu() - began, lines);
    let began = cpu();
    write(&squeezed, &scenario);
    print("made up and written, compressed", cpu() - began, lines);
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    println!(
        "{lines} lines, {} bytes a line, {:.1} compressed",
        length(&plain) / lines,
        length(&squeezed) as f64 / lines as f64
    );
    for _ in 0..2 {
        print("read, plain", read(&plain).0, lines);
        print("  its bytes by the line", floor(&plain), lines);
        print("read, compressed", read(&squeezed).0, lines);
        print(
            "  decompressing its bytes",
            floor_compressed(&squeezed),
            lines,
        );
    }
    let data = folder.path().join("data");
    let began = cpu();
    import::import(&plain, &Reading::default(), &data).expect("the folder is new");
    print("imported into a journal", cpu() - began, lines);
    let began = cpu();
    let source = Source::open(&data, &Reading::default(), None).expect("it was written just now");
    let items = source.map(|item| item.expect("it was written just now"));
    black_box(items.filter(|item| matches!(item, Item::Probe(_))).count());
    print("read out of a journal", cpu() - began, lines);
}

//! Scenarios: the same bytes every time, which read back, and what is said of a bad one.

use super::{Kept, read};
use sidestep::{
    config,
    failover::{Event, What},
    model::scenario::Scenario,
    recording::{Item, Writer},
    replay::synth,
};
use std::{fs, path::Path};

fn scenarios() -> Vec<(String, Scenario)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scenarios");
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    found.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(path).unwrap();
        (name, config::scenario("x.toml", &text).unwrap())
    };
    found.iter().map(read).collect()
}

fn bytes(scenario: &Scenario) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &synth::header(scenario)).unwrap();
    for event in synth::events(scenario) {
        writer.event(&event).unwrap();
    }
    writer.finish().unwrap()
}

fn bad(event: &Event, target: &str) -> Option<bool> {
    match &event.what {
        What::Probe(seen) if &*seen.target == target => Some(!seen.ok),
        _ => None,
    }
}

#[test]
fn each_makes_the_same_bytes_twice_and_reads_back() {
    let scenarios = scenarios();
    assert_eq!(scenarios.len(), 10);
    for (name, scenario) in scenarios {
        let first = bytes(&scenario);
        assert!(first == bytes(&scenario), "{name} differs");
        let kept = Kept::new("made.jsonl", &first);
        let (items, notes) = read(kept.open()).unwrap();
        let events: Vec<Event> = synth::events(&scenario).collect();
        assert_eq!(items.len(), events.len(), "{name}");
        assert_eq!((notes.clamped, notes.torn), (0, None), "{name}");
        let numbers = (1..).zip(&items).all(|(seq, item)| match item {
            Item::Probe(seen) => seen.seq == seq,
            Item::Event(event) => event.seq == seq,
            _ => false,
        });
        assert!(numbers, "{name}");
        // Three targets at one every five seconds: as many results, but where nobody probes.
        let seen = items.iter().filter(|item| matches!(item, Item::Probe(_)));
        let vantages = scenario.vantages.len() as i64;
        let due = scenario.length_ms / scenario.interval_ms * 3 * vantages;
        let asleep = if name == "monitor-suspended" { 720 } else { 0 };
        assert_eq!(seen.count() as i64, due - asleep, "{name}");
    }
}

#[test]
fn what_is_described_is_what_happens() {
    for (name, scenario) in scenarios() {
        let events: Vec<Event> = synth::events(&scenario).collect();
        let failed = |target: &str| {
            let results = events.iter().filter_map(|event| bad(event, target));
            results.filter(|bad| *bad).count()
        };
        let failed = [failed("primary"), failed("backup"), failed("third")];
        let expected = match name.as_str() {
            "clean-outage" | "clock-step" => [144, 0, 0],
            "flapping" => [225, 0, 0],
            "all-down" => [96, 96, 96],
            "vantage-cut-off" => [120, 120, 120],
            "primary-and-backup-down" => [360, 216, 0],
            "stale-recovery" => [120, 0, 0],
            // Awake for the second half of the outage.
            "monitor-suspended" => [120, 0, 0],
            // Where its answers take longer than two seconds.
            "brown-out" => {
                assert!((60..=90).contains(&failed[0]), "{failed:?}");
                [failed[0], 0, 0]
            }
            "random-loss" => {
                assert!((140..=220).contains(&failed[0]), "{failed:?}");
                [failed[0], 0, 0]
            }
            other => panic!("what of {other}?"),
        };
        assert_eq!(failed, expected, "{name}");
        let silent = events.iter().filter(|event| match &event.what {
            What::Witness(result) => !result.ok,
            _ => false,
        });
        let expected = if name == "vantage-cut-off" { 240 } else { 0 };
        assert_eq!(silent.count(), expected, "{name}");
    }
}

#[test]
fn one_event_more_changes_nothing_but_what_it_is_about() {
    let scenarios = scenarios();
    let (_, quiet) = scenarios
        .iter()
        .find(|(name, _)| name == "all-down")
        .unwrap();
    let mut quiet = quiet.clone();
    quiet.events.clear();
    let mut lossy = quiet.clone();
    let text = "length = \"2h\"\n[[target]]\nname = \"backup\"\n[[event]]\nkind = \"loss\"\nper_mille = 500\nfrom = \"0s\"\ntarget = \"backup\"\n";
    lossy.events = config::scenario("x.toml", text).unwrap().events;
    let of = |scenario: &Scenario, target: &str| -> Vec<What> {
        let events = synth::events(scenario).filter(|event| bad(event, target).is_some());
        events.map(|event| event.what).collect()
    };
    assert!(of(&quiet, "primary") == of(&lossy, "primary"));
    assert!(of(&quiet, "backup") != of(&lossy, "backup"));
    let mut other = quiet.clone();
    other.seed += 1;
    assert!(of(&quiet, "primary") != of(&other, "primary"));
}

#[test]
fn a_bad_scenario_says_what_is_wrong() {
    let text = r#"
length = "2h"
interval = "2s"
timeout = "2s"
sed = 1
[[target]]
name = "primary"
[[event]]
kind = "don"
from = "1m"
[[event]]
kind = "flap"
target = "primry"
from = "5m"
to = "1m"
[[event]]
kind = "clock"
from = "1m"
"#;
    let found = config::scenario("x.toml", text).unwrap_err();
    let said: Vec<String> = found
        .iter()
        .map(sidestep::model::Diagnostic::headline)
        .collect();
    assert_eq!(
        said,
        [
            "x.toml:4:1: `timeout` must be below `interval`",
            "x.toml:5:1: unknown key 'sed', did you mean 'seed'?",
            "x.toml:9:8: unknown `kind` 'don', did you mean 'down'?",
            "x.toml:11:1: an event of this kind needs `period`",
            "x.toml:13:10: unknown target 'primry': did you mean 'primary'?",
            "x.toml:15:1: `to` must be after `from`",
            "x.toml:16:1: an event of this kind needs `ahead` or `back`",
        ]
    );
}

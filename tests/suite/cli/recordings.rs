//! `synth`, `import`, `export` as a user runs them, and `log` of what was imported.

use super::{repository, sidestep};
use std::fs;

#[test]
fn a_made_up_outage_goes_into_a_journal_and_out_again() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let scenario = repository().join("examples/scenarios/stale-recovery.toml");
    let scenario = scenario.to_str().unwrap();
    let made = sidestep(here, &["synth", scenario, "-o", "a.jsonl.zst"]);
    assert_eq!(
        (made.code, made.err.as_str()),
        (
            0,
            "a.jsonl.zst: 6485 events, 2026-01-05T00:00:00.000Z to 2026-01-05T03:00:00.000Z\n"
        )
    );
    let imported = sidestep(here, &["import", "a.jsonl.zst", "--data", "data"]);
    assert_eq!(
        (imported.code, imported.out.as_str(), imported.err.as_str()),
        (
            0,
            "a.jsonl.zst: 6485 events, 6480 of them observations, 2026-01-05T00:00:00.000Z to 2026-01-05T02:59:58.427Z, are in data\n",
            ""
        )
    );
    let again = sidestep(here, &["import", "a.jsonl.zst", "--data", "data"]);
    assert_eq!(again.code, 1);
    assert!(
        again.err.starts_with("there is a journal in data already"),
        "{}",
        again.err
    );

    fs::write(here.join("sidestep.toml"), "[server]\ndata = \"data\"\n").unwrap();
    let log = sidestep(here, &["log", "--since", "2026-01-05T00:00:00Z"]);
    assert_eq!(log.code, 0, "{}", log.err);
    assert!(log.out.contains("primary"), "{}", log.out);

    let exported = sidestep(here, &["export", "-o", "b.jsonl"]);
    assert_eq!(
        (exported.code, exported.err.as_str()),
        (0, "b.jsonl: 6485 events after a state\n")
    );
    // To stdout the same; every line but the first two is that of the scenario's recording.
    let out = sidestep(here, &["export"]).out;
    assert_eq!(out, fs::read_to_string(here.join("b.jsonl")).unwrap());
    let made = zstd::decode_all(&*fs::read(here.join("a.jsonl.zst")).unwrap()).unwrap();
    let made = String::from_utf8(made).unwrap();
    assert!(out.lines().skip(2).eq(made.lines().skip(1)));

    let part = sidestep(
        here,
        &[
            "export",
            "--since",
            "2026-01-05T01:00:00Z",
            "--until",
            "2026-01-05T01:30:00Z",
            "--service",
            "www",
        ],
    );
    let times: Vec<i64> = part
        .out
        .lines()
        .skip(2)
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["at"]
                .as_i64()
                .unwrap()
        })
        .collect();
    assert_eq!(times.len(), 1_081);
    let begin = 1_767_571_200_000 + 3_600_000;
    assert!(
        times
            .iter()
            .all(|at| (begin..begin + 1_800_000).contains(at))
    );
}

#[test]
fn what_cannot_be_done_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::write(here.join("sidestep.toml"), "[server]\ndata = \"data\"\n").unwrap();
    let none = sidestep(here, &["export"]);
    assert_eq!(
        (none.code, none.err.as_str()),
        (
            1,
            "there is no journal at data/journal.sqlite: give the folder that 'data' names, after the daemon ran\n"
        )
    );
    let none = sidestep(here, &["import", "a.jsonl"]);
    assert_eq!(
        (none.code, none.err.as_str()),
        (
            1,
            "a.jsonl: cannot be read: No such file or directory (os error 2)\n"
        )
    );
    assert!(!here.join("data").exists());
    let bad = sidestep(here, &["export", "--since", "1h", "--until", "2h"]);
    assert_eq!(
        (bad.code, bad.err.as_str()),
        (
            1,
            "--since is not before --until: nothing can be between them\n"
        )
    );
    fs::write(here.join("s.toml"), "length = \"1h\"\n").unwrap();
    let bad = sidestep(here, &["synth", "s.toml", "-o", "a.jsonl"]);
    assert_eq!(bad.code, 1);
    assert!(
        bad.err.starts_with("s.toml:1:1: a scenario needs `target`"),
        "{}",
        bad.err
    );
    let usage = sidestep(here, &["import", "a", "--data", "b", "--config", "c"]);
    assert_eq!(usage.code, 2);
}

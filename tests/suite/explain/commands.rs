//! The two commands over a journal, a recording and somebody else's CSV.

use super::{
    Recorded,
    flips::{PRIMARY_ALONE, PRIMARY_BAD, WELL},
};
use sidestep::{
    cli::show::{self, Look},
    failover::{Command, Event, Input, input::OperatorCommand},
    journal::{self, Journal, Settings},
    model::Timestamp,
};
use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::{Command as Process, Output},
    time::Duration,
};

/// A folder with a configuration that names `var`, and a journal of these events in it.
fn journaled(events: &[Event]) -> (tempfile::TempDir, Journal) {
    let folder = tempfile::tempdir().unwrap();
    // Broken where it does not matter: it must not keep anyone from asking.
    let config = "[server]\ndata = \"var\"\n[[target]\n";
    fs::write(folder.path().join("sidestep.toml"), config).unwrap();
    let opened = journal::open(&folder.path().join("var"), Settings::default()).unwrap();
    let (_, journal) = opened.start(Box::new(|_| {})).unwrap();
    write(&journal, events);
    (folder, journal)
}

fn write(journal: &Journal, events: &[Event]) {
    for event in events {
        journal.write(vec![event.clone()], None);
    }
    let last = events.last().unwrap().seq;
    assert!(journal.wait_for(last, Duration::from_secs(20)));
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Process::new(env!("CARGO_BIN_EXE_sidestep"));
    command.current_dir(folder).args(arguments);
    command.env("NO_COLOR", "1").output().unwrap()
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_journal_explains_now_and_then() {
    let mut recorded = Recorded::shipped();
    recorded
        .rounds(10, &WELL)
        .rounds(1, &PRIMARY_BAD)
        .rounds(1, &PRIMARY_ALONE);
    let short_of_one = recorded.world.at;
    let (folder, journal) = journaled(&recorded.events);
    journal.snapshot(recorded.world.state.clone());
    let written = recorded.events.len();
    recorded
        .rounds(1, &PRIMARY_BAD[..1])
        .rounds(30, &PRIMARY_BAD);
    write(&journal, &recorded.events[written..]);
    let now = out(&run(folder.path(), &["explain", "www"]));
    assert_eq!(
        now,
        show::explanation(&recorded.explained(), Look::PLAIN),
        "it is being written"
    );
    journal.stop();
    assert_eq!(
        out(&run(folder.path(), &["explain", "www"])),
        now,
        "nobody writes it"
    );
    insta::assert_snapshot!("now", now);

    // Then: from the snapshot on, with the numbers of the results before it.
    let at = Timestamp(short_of_one).to_string();
    let then = out(&run(folder.path(), &["explain", "www", "--at", &at]));
    assert!(
        then.contains("would serve backup (line 18) if primary.failures were 3; it was 2"),
        "{then}"
    );
    insta::assert_snapshot!("then", then);
    // The very switch.
    let at = Timestamp(short_of_one + 1_000).to_string();
    let switch = out(&run(folder.path(), &["explain", "www", "--at", &at]));
    insta::assert_snapshot!("switch", switch);

    let json = out(&run(folder.path(), &["explain", "www", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["serving"], serde_json::json!(["backup"]));
    assert_eq!(json["facts"][1]["word"], "failures");
    assert_eq!(json["switch"]["from"], serde_json::json!(["primary"]));

    // Another policy, other parameters.
    let other = out(&run(
        folder.path(),
        &[
            "explain",
            "www",
            "--at",
            &then_of(short_of_one),
            "--set",
            "FALL=2",
        ],
    ));
    assert!(other.contains("the policy wants backup"), "{other}");
    let wrong = complaint(&run(folder.path(), &["explain", "www", "--set", "FAL=2"]));
    assert!(wrong.contains("FAL") && wrong.contains("FALL"), "{wrong}");

    let unknown = complaint(&run(folder.path(), &["explain", "ww"]));
    assert_eq!(unknown, "there is no service 'ww': did you mean 'www'?\n");
    let early = complaint(&run(
        folder.path(),
        &["explain", "www", "--at", "2020-01-01T00:00:00Z"],
    ));
    assert!(
        early.contains("the journal begins at 2026-01-01T12:00:00.000Z"),
        "{early}"
    );

    let course = out(&run(
        folder.path(),
        &["whatif", "www", "--fail", "backup", "--for", "1m"],
    ));
    assert!(
        course.contains("-> third: backup is down: timeout (line 18)"),
        "{course}"
    );
    assert!(course.contains("the journal ends"), "{course}");
    let table = out(&run(folder.path(), &["whatif", "www", "--for", "30s"]));
    assert_eq!(
        table
            .lines()
            .filter(|line| line.starts_with("primary"))
            .count(),
        3,
        "{table}"
    );
    let wrong = run(folder.path(), &["whatif", "www", "--fail", "bakcup"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(complaint(&wrong).contains("did you mean 'backup'?"));
    for (more, part) in [
        (
            "--fail backup --slow backup",
            "backup is in --fail and in --slow",
        ),
        ("--fail backup --for 0s", "--for: at least 1s"),
    ] {
        let words = ["whatif", "www"].into_iter().chain(more.split(' '));
        let wrong = run(folder.path(), &words.collect::<Vec<_>>());
        assert_eq!(wrong.status.code(), Some(2));
        assert!(complaint(&wrong).contains(part), "{}", complaint(&wrong));
    }
    let once = [
        "whatif",
        "www",
        "--fail",
        "backup,backup",
        "--for",
        "1m",
        "--json",
    ];
    let once = out(&run(folder.path(), &once));
    assert!(once.contains(r#""fail":["backup"]"#), "{once}");
}

fn then_of(at: i64) -> String {
    Timestamp(at).to_string()
}

#[test]
fn an_override_is_named_with_who_and_why() {
    let mut recorded = Recorded::shipped();
    recorded.rounds(10, &WELL);
    recorded.input(Input::Operator(OperatorCommand {
        by: "ann".into(),
        reason: "rack move".into(),
        command: Command::Switch {
            service: "www".into(),
            target: "third".into(),
            until: None,
        },
    }));
    recorded.rounds(5, &PRIMARY_BAD);
    insta::assert_snapshot!(show::explanation(&recorded.explained(), Look::PLAIN));
}

#[test]
fn a_recording_without_decisions_is_run_under_a_policy() {
    let folder = tempfile::tempdir().unwrap();
    let mut csv = "time,target,ok,rtt_ms\n".to_owned();
    for second in 0..40_i64 {
        let at = Timestamp(1_767_268_800_000 + second * 5_000);
        let ok = i64::from(!(20..25).contains(&second));
        writeln!(csv, "{at},primary,{ok},{}", if ok == 1 { "20" } else { "" }).unwrap();
        writeln!(csv, "{at},backup,1,30").unwrap();
    }
    fs::write(folder.path().join("uptime.csv"), csv).unwrap();
    let unknown = complaint(&run(folder.path(), &["explain", "nobody", "uptime.csv"]));
    let service = unknown
        .trim_end()
        .rsplit([' ', '\''])
        .find(|word| !word.is_empty() && *word != "?");
    let service = service
        .unwrap()
        .trim_end_matches('?')
        .trim_matches('\'')
        .to_owned();
    let told = out(&run(folder.path(), &["explain", &service, "uptime.csv"]));
    assert!(
        told.contains("no recorded decisions: the policy was run over the"),
        "{told}"
    );
    assert!(told.contains("backup has been answered for"), "{told}");
    let at = Timestamp(1_767_268_800_000 + 22 * 5_000).to_string();
    let told = out(&run(
        folder.path(),
        &[
            "explain",
            &service,
            "uptime.csv",
            "--at",
            &at,
            "--set",
            "FALL=4",
        ],
    ));
    assert!(
        told.contains("if primary.failures were 4; it was 3"),
        "{told}"
    );
    let course = out(&run(
        folder.path(),
        &["whatif", &service, "uptime.csv", "--fail", "backup"],
    ));
    assert!(
        course.contains("-> primary: backup is down: timeout (line 18)"),
        "{course}"
    );
}

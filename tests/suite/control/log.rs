//! What `sidestep log` says of events that the fold came to.

use super::story::{Story, config, simple, target};
use insta::assert_snapshot;
use sidestep::{
    cli::{
        log::{Log, Shown, tell},
        show::Look,
    },
    failover::{
        Action, Command, Event, Input, PolicyFault, Proposal, Reload, State, What,
        event::Gap,
        input::{self, ClockChange, Start, ZoneVersion},
    },
    journal::{self, Journal, Settings},
    model::{
        Config,
        FailureReason::{Refused, Timeout},
        Param, PolicyText, Timestamp,
    },
};
use std::{
    path::Path,
    process::{Command as Process, Output},
    sync::Arc,
};

const ALL: Shown = Shown {
    from: Timestamp(i64::MIN),
    until: Timestamp(i64::MAX),
    json: false,
    look: Look::PLAIN,
};

/// The whole text of some events, from nothing known.
fn said(events: &[Event], only: Option<&str>, shown: Shown) -> String {
    let mut log = Log::new(State::default(), only.map(Into::into));
    let mut text = Vec::new();
    for event in events {
        tell(&mut log, event, &shown, &mut text).expect("a vector takes everything");
    }
    String::from_utf8(text).expect("a log is text")
}

/// Another configuration and policy text in force.
fn reload(story: &mut Story, config: Config, source: &str, zone: &str) {
    story.at = story.at.plus_ms(1_000);
    story.input(Input::Reload(Reload {
        by: "watch".to_owned(),
        config: Arc::new(config),
        policies: vec![PolicyText {
            name: "failover.rhai".into(),
            source: source.into(),
        }],
        zones: vec![ZoneVersion {
            apex: "example.com".into(),
            serial: None,
            hash: zone.to_owned(),
        }],
    }));
}

#[test]
fn a_failover_reads_as_it_happened() {
    let mut story = Story::new();
    story.witness(true).rounds(4, None, None);
    story.rounds(1, Some(Timeout), None).witness(true);
    story.rounds(3, Some(Timeout), None);
    story.rounds(2, None, None);
    assert_snapshot!(said(&story.events, None, ALL), @r#"
    2025-11-22T08:26:40.000Z  reload     by start: in force with www
    2025-11-22T08:26:40.000Z  decision   www stays on primary: on the primary (failover.rhai:18, version 9b09)
    2025-11-22T08:26:45.000Z  probe      primary https 192.0.2.10: good for the first time
    2025-11-22T08:26:45.000Z  probe      primary https 2001:db8::10: good for the first time
    2025-11-22T08:26:45.000Z  probe      backup https 198.51.100.20: good for the first time
    2025-11-22T08:27:05.000Z  probe      primary https 192.0.2.10: bad: timeout, after 4 good in 20s
    2025-11-22T08:27:05.000Z  probe      primary https 2001:db8::10: bad: timeout, after 4 good in 20s
    2025-11-22T08:27:15.000Z  decision   www: primary -> backup: primary is down: timeout (failover.rhai:18, version 9b09)
    2025-11-22T08:27:25.000Z  probe      primary https 192.0.2.10: good again (41.2ms), after 4 bad in 20s
    2025-11-22T08:27:25.000Z  probe      primary https 2001:db8::10: good again (41.2ms), after 4 bad in 20s
    "#);
}

#[test]
fn operators_ends_and_the_clock_are_told_with_who_and_why() {
    let mut story = Story::new();
    story.input(Input::Start(Start {
        program: "sidestep 0.1.0".to_owned(),
        rhai: "1.27.0".to_owned(),
        api: 1,
    }));
    story.rounds(3, None, None);
    let until = Some(story.at.plus_ms(60_000));
    story.order(Command::Switch {
        service: "www".into(),
        target: target("backup"),
        until,
    });
    story.order(Command::Drain {
        target: target("primary"),
        until,
    });
    story.order(Command::Freeze { until });
    story.rounds(13, None, None);
    story.input(Input::Clock(ClockChange {
        offset_ms: -3_600_000,
    }));
    assert_snapshot!(said(&story.events, None, ALL), @r#"
    2025-11-22T08:26:40.000Z  reload     by start: in force with www
    2025-11-22T08:26:40.000Z  decision   www stays on primary: on the primary (failover.rhai:18, version 9b09)
    2025-11-22T08:26:40.000Z  start      sidestep 0.1.0 started (Rhai 1.27.0, policy API 1), 0s after the last event before it
    2025-11-22T08:26:45.000Z  probe      primary https 192.0.2.10: good for the first time
    2025-11-22T08:26:45.000Z  probe      primary https 2001:db8::10: good for the first time
    2025-11-22T08:26:45.000Z  probe      backup https 198.51.100.20: good for the first time
    2025-11-22T08:26:55.000Z  operator   ann: switch www to backup until 2025-11-22T08:27:55.000Z: rack move
    2025-11-22T08:26:55.000Z  decision   www: primary -> backup: override by ann: rack move (by an operator)
    2025-11-22T08:26:55.000Z  operator   ann: drain primary until 2025-11-22T08:27:55.000Z: rack move
    2025-11-22T08:26:55.000Z  operator   ann: freeze until 2025-11-22T08:27:55.000Z: rack move
    2025-11-22T08:26:55.000Z  decision   www stays on backup: frozen by ann: rack move (by an operator)
    2025-11-22T08:27:55.000Z  ended      the override of www by ann: its time is up
    2025-11-22T08:27:55.000Z  ended      the drain of primary by ann: its time is up
    2025-11-22T08:27:55.000Z  ended      the freeze by ann: its time is up
    2025-11-22T08:27:55.000Z  decision   www stays on backup: on the primary (failover.rhai:18, version 9b09)
    2025-11-22T07:28:00.000Z  clock      the wall clock jumped 1h back
    "#);
}

#[test]
fn what_the_guard_refuses_is_told_with_its_rail() {
    let mut story = Story::new();
    story.witness(true).rounds(10, None, None);
    story.rounds(1, Some(Timeout), None);
    story.rounds(2, Some(Timeout), None);
    story.witness(false);
    story.rounds(1, Some(Timeout), None);
    story.witness(true).rounds(1, Some(Timeout), None);
    assert_snapshot!(said(&story.events, Some("www"), ALL), @r#"
    2025-11-22T08:26:40.000Z  reload     by start: in force with www
    2025-11-22T08:26:40.000Z  decision   www stays on primary: on the primary (failover.rhai:18, version 9b09)
    2025-11-22T08:26:45.000Z  probe      primary https 192.0.2.10: good for the first time
    2025-11-22T08:26:45.000Z  probe      primary https 2001:db8::10: good for the first time
    2025-11-22T08:26:45.000Z  probe      backup https 198.51.100.20: good for the first time
    2025-11-22T08:27:35.000Z  probe      primary https 192.0.2.10: bad: timeout, after 10 good in 50s
    2025-11-22T08:27:35.000Z  probe      primary https 2001:db8::10: bad: timeout, after 10 good in 50s
    2025-11-22T08:27:45.000Z  refused    www stays on primary: asking the witnesses; the policy wants backup: primary is down: timeout (failover.rhai:18, version 9b09; rail: asking the witnesses)
    2025-11-22T08:27:45.000Z  witness    192.0.2.53:53 does not answer: no answer within 1s
    2025-11-22T08:27:45.000Z  isolated   no witness answers: failures may be our own network's, and no target is left for them
    2025-11-22T08:27:45.000Z  refused    www stays on primary: no witness answers: this may be our own network; the policy wants backup: primary is down: timeout (failover.rhai:18, version 9b09; rail: isolated)
    2025-11-22T08:27:50.000Z  witness    192.0.2.53:53 answers again, after 5s
    2025-11-22T08:27:50.000Z  isolated   over, after 5s
    2025-11-22T08:27:50.000Z  decision   www: primary -> backup: primary is down: timeout (failover.rhai:18, version 9b09)
    "#);
}

#[test]
fn a_fault_names_policy_and_line() {
    let faults = |_: &_| {
        Err(PolicyFault {
            message: "division by zero".to_owned(),
            line: 7,
        })
    };
    let story = Story::with(config(), faults);
    assert_snapshot!(said(&story.events, None, ALL), @r#"
    2025-11-22T08:26:40.000Z  reload     by start: in force with www
    2025-11-22T08:26:40.000Z  fault      www: failover.rhai:7, version 9b09: division by zero
    2025-11-22T08:26:40.000Z  refused    www stays on primary: the policy faulted: division by zero (failover.rhai:7, version 9b09; rail: the policy faulted), alert: the policy faulted at line 7: division by zero; what is served stays
    "#);
}

#[test]
fn a_reload_tells_what_it_changed() {
    let mut story = Story::new();
    let mut changed = config();
    let www = changed.services.get_mut("www").expect("www");
    www.params.insert("FALL".to_owned(), Param::Int(3));
    reload(&mut story, changed.clone(), "const FALL = 3;\ndecide", "a");
    let www = changed.services.get_mut("www").expect("www");
    www.params.insert("FALL".to_owned(), Param::Int(5));
    www.ttl_ms = 60_000;
    www.targets.push(target("web3"));
    let mut web3 = changed.targets["backup"].clone();
    (web3.name, web3.addresses) = (target("web3"), vec!["203.0.113.30".parse().expect("IP")]);
    changed.targets.insert(target("web3"), web3);
    changed.targets.get_mut("backup").expect("backup").addresses =
        vec!["198.51.100.21".parse().expect("IP")];
    changed
        .monitors
        .get_mut("https")
        .expect("https")
        .interval_ms = 2_000;
    changed.witness = None;
    let mut shop = changed.services["www"].clone();
    (shop.name, shop.names) = ("shop".into(), vec!["shop.example.com".into()]);
    changed.services.insert("shop".into(), shop);
    reload(
        &mut story,
        changed.clone(),
        "const FALL = 4;\nconst RISE = 2;\ndecide",
        "b",
    );
    changed.services.remove("www");
    changed.targets.remove("web3");
    changed
        .services
        .get_mut("shop")
        .expect("shop")
        .targets
        .pop();
    reload(
        &mut story,
        changed.clone(),
        "const FALL = 4;\nconst RISE = 2; // more\ndecide",
        "b",
    );
    reload(
        &mut story,
        changed.clone(),
        "const FALL = 4;\nconst RISE = 2; // more\ndecide",
        "b",
    );
    let text = said(&story.events, None, ALL);
    let reloads: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("  reload "))
        .collect();
    assert_snapshot!(reloads.join("\n"), @r#"
    2025-11-22T08:26:40.000Z  reload     by start: in force with www
    2025-11-22T08:26:41.000Z  reload     by watch: FALL set to 3 in www; policy failover.rhai changed (FALL set to 3); records of zone example.com changed
    2025-11-22T08:26:42.000Z  reload     by watch: service shop added; FALL 3 -> 5 in www; www targets primary backup -> primary backup web3; www ttl 30s -> 1m; policy failover.rhai changed (FALL 3 -> 4, RISE set to 2); target backup addresses 198.51.100.20 -> 198.51.100.21; target web3 added; monitor https interval 5s -> 2s; witness addresses 192.0.2.53:53 taken out; witness need 1 taken out; records of zone example.com changed
    2025-11-22T08:26:43.000Z  reload     by watch: service www removed; shop targets primary backup web3 -> primary backup; policy failover.rhai changed; target web3 removed
    2025-11-22T08:26:44.000Z  reload     by watch: nothing changed
    "#);
    // What changed for another service alone is not told of this one.
    let of_shop = said(&story.events, Some("shop"), ALL);
    assert!(!of_shop.contains("service www"), "{of_shop}");
    assert!(of_shop.contains("service shop added"), "{of_shop}");
}

#[test]
fn a_service_hears_of_itself_alone() {
    let mut two = config();
    let mut shop = two.services["www"].clone();
    (shop.name, shop.names) = ("shop".into(), vec!["shop.example.com".into()]);
    shop.targets = vec![target("other")];
    two.services.insert("shop".into(), shop);
    let mut other = two.targets["backup"].clone();
    (other.name, other.addresses) = (target("other"), vec!["203.0.113.1".parse().expect("IP")]);
    two.targets.insert(target("other"), other);
    let mut story = Story::with(two, simple);
    story.rounds(4, Some(Refused), None);
    story.at = story.at.plus_ms(1_000);
    story.probe("other", Some(Timeout));
    story.order(Command::Hold {
        service: "shop".into(),
        until: None,
    });
    story.order(Command::Drain {
        target: target("other"),
        until: None,
    });
    story.order(Command::Freeze { until: None });
    let www = said(&story.events, Some("www"), ALL);
    assert!(!www.contains("shop:") && !www.contains("other"), "{www}");
    assert!(!www.contains("hold shop"), "{www}");
    assert!(
        www.contains("primary https") && www.contains("freeze"),
        "{www}"
    );
    let shop = said(&story.events, Some("shop"), ALL);
    for expected in ["hold shop", "drain other", "freeze", "other https"] {
        assert!(shop.contains(expected), "{expected}: {shop}");
    }
    assert!(
        !shop.contains("www ") && !shop.contains("primary https"),
        "{shop}"
    );
}

#[test]
fn json_is_the_recording_lines_of_what_is_shown() {
    let mut story = Story::on_backup();
    story.rounds(1, None, None);
    let text = said(&story.events, None, ALL);
    let json = said(&story.events, None, Shown { json: true, ..ALL });
    let events: Vec<Event> = json
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event"))
        .collect();
    assert_eq!(events.len(), text.lines().count(), "{text}");
    assert!(events.iter().all(|event| story.events.contains(event)));
    assert!(events.len() < story.events.len() / 2, "not every probe");
}

#[test]
fn the_shown_part_knows_what_came_before_it() {
    let story = Story::on_backup();
    let whole = said(&story.events, None, ALL);
    let from = story.at.minus_ms(10_000);
    let part = said(&story.events, None, Shown { from, ..ALL });
    assert!(part.contains("www: primary -> backup"), "{part}");
    assert!(!part.is_empty() && whole.ends_with(&part), "{part}");
    let early = said(&story.events, None, Shown { until: from, ..ALL });
    assert!(
        whole.starts_with(&early) && !early.contains("->"),
        "{early}"
    );
}

#[test]
fn what_a_policy_says_cannot_drive_the_terminal() {
    let story = Story::with(config(), |view| {
        let mut proposal: Proposal = simple(view)?;
        proposal.action = Action::Hold;
        proposal.reason = "\x1b]0;title\x07\r\nFAKE LINE\u{202e}\u{2028}".to_owned();
        Ok(proposal)
    });
    let text = said(&story.events, None, ALL);
    assert!(text.contains("FAKE LINE"), "{text}");
    assert!(
        !text.contains(['\x1b', '\x07', '\r', '\u{202e}', '\u{2028}']) && !text.contains("\nFAKE"),
        "{text:?}"
    );
}

#[test]
fn probes_that_turn_nothing_cost_little() {
    let mut story = Story::new();
    story.rounds(500, None, None);
    let mut log = Log::new(State::default(), None);
    let lines: usize = story
        .events
        .iter()
        .map(|event| log.event(event).len())
        .sum();
    // Reload, first decision, the first result of each series; the others say nothing.
    assert_eq!(lines, 5);
}

#[test]
fn gaps_and_refused_reloads_are_told() {
    let mut story = Story::new();
    story.input(Input::Refused(input::Refused {
        by: "watch".to_owned(),
        findings: vec!["policies/www.rhai:2:5: unknown function 'hodl'".to_owned()],
    }));
    let seq = story.state.world().seq + 100;
    story.events.push(Event {
        at: story.at.plus_ms(5_000),
        seq,
        what: What::Gap(Gap {
            from_seq: seq - 99,
            to_seq: seq,
            lost: 90,
            why: "the disk is full".to_owned(),
        }),
    });
    assert_snapshot!(said(&story.events[3..], None, ALL), @r#"
    2025-11-22T08:26:40.000Z  refused    the reload by watch: policies/www.rhai:2:5: unknown function 'hodl'
    2025-11-22T08:26:45.000Z  gap        90 events of 5 to 104 are missing: the disk is full
    "#);
}

/// A folder with a configuration that names `data`, and a journal of these events in it.
fn journaled(events: &[Event]) -> (tempfile::TempDir, Journal) {
    let folder = tempfile::tempdir().expect("a folder");
    // Broken where it does not matter: it must not keep anyone from reading the journal.
    let config = "[server]\ndata = \"var\"\n[[target]\n";
    std::fs::write(folder.path().join("sidestep.toml"), config).expect("written");
    let opened = journal::open(&folder.path().join("var"), Settings::default()).expect("opened");
    let (_, journal) = opened.start(Box::new(|_| {})).expect("started");
    write(&journal, events);
    (folder, journal)
}

fn write(journal: &Journal, events: &[Event]) {
    for event in events {
        journal.write(vec![event.clone()], None);
    }
    let last = events.last().expect("there are some").seq;
    let limit = std::time::Duration::from_secs(20);
    assert!(journal.wait_for(last, limit), "{:?}", journal.health());
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Process::new(env!("CARGO_BIN_EXE_sidestep"));
    command.current_dir(folder).arg("log").args(arguments);
    command.env("NO_COLOR", "1").output().expect("it runs")
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("a log is text")
}

#[test]
fn a_journal_is_read_beside_the_daemon_and_after_it() {
    let mut story = Story::new();
    story.witness(true).rounds(10, None, None);
    let (folder, journal) = journaled(&story.events);
    journal.snapshot(story.state.clone());
    let written = story.events.len();
    story.rounds(1, Some(Timeout), None).witness(true);
    story.rounds(3, Some(Timeout), None);
    write(&journal, &story.events[written..]);
    let whole = said(&story.events, None, ALL);
    let all = ["--since", "2025-11-01T00:00:00Z"];
    assert_eq!(out(&run(folder.path(), &all)), whole, "it is being written");
    journal.stop();
    assert_eq!(out(&run(folder.path(), &all)), whole, "nobody writes it");

    // From the snapshot on, a turn is known for one: what came before it is in the snapshot.
    let since = story.at.minus_ms(16_000).to_string();
    let part = out(&run(folder.path(), &["--since", &since]));
    let turned = "primary https 192.0.2.10: bad: timeout, after 10 good in 50s";
    assert!(part.contains(turned) && whole.ends_with(&part), "{part}");
    let part = out(&run(folder.path(), &[all[0], all[1], "--until", &since]));
    assert!(!part.contains(turned) && whole.starts_with(&part), "{part}");

    let json = out(&run(folder.path(), &["www", "--json", all[0], all[1]]));
    let shown = Shown { json: true, ..ALL };
    assert_eq!(json, said(&story.events, Some("www"), shown));
}

#[test]
fn the_story_goes_on_from_what_a_gap_left_behind() {
    let mut story = Story::new();
    story.witness(true).rounds(10, None, None);
    let (folder, journal) = journaled(&story.events);
    let from_seq = story.state.world().seq + 1;
    story.rounds(1, Some(Timeout), None).witness(true);
    story.rounds(3, Some(Timeout), None);
    let to_seq = story.state.world().seq;
    let gap = Event {
        at: story.at,
        seq: to_seq,
        what: What::Gap(Gap {
            from_seq,
            to_seq,
            lost: to_seq + 1 - from_seq,
            why: "the disk is full".to_owned(),
        }),
    };
    write(&journal, &[gap]);
    journal.snapshot(story.state.clone());
    let written = story.events.len();
    story.order(Command::Switch {
        service: "www".into(),
        target: "primary".into(),
        until: None,
    });
    write(&journal, &story.events[written..]);
    journal.stop();
    let all = out(&run(folder.path(), &["--since", "2025-11-01T00:00:00Z"]));
    assert!(
        all.contains("www: backup -> primary: override by ann"),
        "{all}"
    );
}

#[test]
fn what_cannot_be_told_is_said() {
    let story = Story::on_backup();
    let (folder, journal) = journaled(&story.events);
    journal.stop();
    // Of last year there is nothing in the last day.
    let quiet = run(folder.path(), &[]);
    assert_eq!(out(&quiet), "");
    let err = String::from_utf8_lossy(&quiet.stderr).into_owned();
    assert!(err.starts_with("one day, from 20"), "{err}");
    assert!(
        err.contains(": --since 7d shows more\nnothing happened from "),
        "{err}"
    );
    for (arguments, code, expected) in [
        (
            &["wwww"][..],
            1,
            "the journal knows no service 'wwww': did you mean 'www'?",
        ),
        (
            &["mailhub"],
            1,
            "the journal knows no service 'mailhub': there are www",
        ),
        (
            &["--since", "1h", "--until", "2h"],
            1,
            "--since is not before --until",
        ),
        (&["--since", "soon"], 2, "'soon' is no instant"),
        (
            &["--config", "none.toml"],
            1,
            "none.toml: there is no such file",
        ),
    ] {
        let output = run(folder.path(), arguments);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {err}");
        assert!(err.contains(expected), "{arguments:?}: {err}");
    }
    std::fs::remove_dir_all(folder.path().join("var")).expect("removed");
    let output = run(folder.path(), &[]);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("there is no journal at"), "{err}");
}

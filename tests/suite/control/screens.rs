//! What is printed on a terminal.

use super::{
    http::daemon_part,
    story::{BEGAN, Story, config, simple, target},
};
use insta::assert_snapshot;
use sidestep::{
    cli::show::{self, Look},
    failover::{
        Command, Overview, overview,
        overview::{DaemonPart, Degraded, JournalPart, ReloadReport},
    },
    model::FailureReason::{Refused, Timeout},
};

fn on_backup() -> Overview {
    let mut seen = overview(&Story::on_backup().state);
    seen.add_daemon(daemon_part());
    seen
}

const COLOURED: Look = Look {
    width: 100,
    colour: true,
};

#[test]
fn the_table_shows_each_service_and_what_deserves_attention() {
    assert_snapshot!(show::status(&on_backup(), Look::PLAIN), @r#"
    ns1, as of 2025-11-22T08:27:50Z, sidestep 0.1.0 up 1m10s

    SERVICE  ACTIVE           SINCE  DECISION        HEALTH   TTL  MODE
    www      backup (backup)  5s     on the primary  down/up  30s  auto

    ! www is on backup backup, and nothing is left to take over
    x policies/failover.rhai:2:5: unknown function 'hodl', did you mean 'hold'?
       2 |     hodl("x")
         |     ^
      still running version 3f2a
    ? a reload by watch waits, as it moves www from backup to primary: 'sidestep reload --apply' applies
      it
    "#);
}

#[test]
fn one_service_fills_one_screen() {
    assert_snapshot!(show::service(&on_backup(), Look::PLAIN), @r#"
    www  www.example.com example.com
    on ns1, as of 2025-11-22T08:27:50Z

    answered   backup (a backup): 198.51.100.20, TTL 30s
    since      2025-11-22T08:27:45Z (5s), 1 switch in the last hour, 1 switch in the last day
    why        primary is down: timeout
               failover.rhai:18, version 9b09
    now        on the primary
    next       home to primary in 4m10s, if it passes until then

    TARGET     HEALTH  BAD  GOOD  LAST    REASON   RTT     P50/1m  LOSS/1m  NOTES
      primary  down    4    0     0s ago  timeout  41.2ms  42ms    33.4%
    > backup   up      0    14    0s ago  -        41.2ms  42ms    0.0%

    witnesses  192.0.2.53:53 answered 15s ago

    ! www is on backup backup, and nothing is left to take over
    x policies/failover.rhai:2:5: unknown function 'hodl', did you mean 'hold'?
       2 |     hodl("x")
         |     ^
      still running version 3f2a
    ? a reload by watch waits, as it moves www from backup to primary: 'sidestep reload --apply' applies
      it
    "#);
}

#[test]
fn an_override_and_a_drain_are_shown_with_who_and_why() {
    let mut story = Story::new();
    story.witness(false).rounds(13, Some(Refused), None);
    let until = Some(story.at.plus_ms(3_600_000));
    story.order(Command::Switch {
        service: "www".into(),
        target: target("backup"),
        until,
    });
    story.order(Command::Drain {
        target: target("primary"),
        until: None,
    });
    assert_snapshot!(show::service(&overview(&story.state), Look::PLAIN), @r#"
    www  www.example.com example.com
    on ns1, as of 2025-11-22T08:27:45Z

    answered   backup (a backup): 198.51.100.20, TTL 30s
    since      2025-11-22T08:26:55Z (50s), 1 switch in the last hour, 1 switch in the last day
    why        override by ann: rack move
               decided by an operator
               the policy would hold: on the primary
    override   serve backup, by ann since 2025-11-22T08:27:45Z until 2025-11-22T09:27:45Z: rack move
    drained    primary, by ann since 2025-11-22T08:27:45Z until taken back: rack move

    TARGET     HEALTH  BAD  GOOD  LAST    REASON   RTT     P50/1m  LOSS/1m  NOTES
      primary  down    13   0     0s ago  refused  -       -       100.0%   drained
    > backup   up      0    13    0s ago  -        41.2ms  42ms    0.0%

    witnesses  192.0.2.53:53 never answered: no answer within 1s

    ! www is on backup backup, and nothing is left to take over
    ! witness 192.0.2.53:53 never answered, so its silence proves nothing: is the address right?
    "#);
}

/// An overview of a daemon whose journal stands still.
fn degraded(mut seen: Overview, committed: u64) -> Overview {
    seen.add_daemon(DaemonPart {
        journal: Some(JournalPart {
            committed,
            backlog: 12,
            degraded: Some(Degraded {
                since_ms: BEGAN,
                why: "the disk is full".to_owned(),
            }),
            gaps: 2,
            lost: 1_234,
            alarms: vec!["journal.sqlite was damaged and is set aside".to_owned()],
            ..JournalPart::default()
        }),
        needs_restart: vec!["http".to_owned(), "data".to_owned()],
        ..daemon_part()
    });
    seen
}

#[test]
fn orders_that_stand_and_decisions_that_are_on_no_disk_are_shown() {
    let mut story = Story::on_backup();
    let until = Some(story.at.plus_ms(3_600_000));
    story.order(Command::Hold {
        service: "www".into(),
        until,
    });
    story.order(Command::Drain {
        target: target("primary"),
        until: None,
    });
    let decided = overview(&story.state).services[0].decision.clone();
    let decided = decided.expect("it decided");
    assert_eq!(decided.at, Some(story.at), "the hold is a decision");
    let seen = degraded(overview(&story.state), decided.seq - 1);
    assert_snapshot!(show::status(&seen, Look::PLAIN), @r#"
    ns1, as of 2025-11-22T08:27:50Z, sidestep 0.1.0 up 1m10s

    SERVICE  ACTIVE           SINCE  DECISION                    HEALTH      TTL  MODE
    www      backup (backup)  5s     override by ann: rack move  drained/up  30s  override

    = www holds what it serves, by ann since 2025-11-22T08:27:50Z until 2025-11-22T09:27:50Z: rack move
    = primary is drained, by ann since 2025-11-22T08:27:50Z until taken back: rack move
    ~ the decision of www is not on disk yet
    ! the journal is in trouble since 2025-11-22T08:26:40.000Z: the disk is full; 12 events wait,
      answers go on
    ! the journal has lost 1234 events since the start, 2 times: a replay of that time is not faithful
    ! journal: journal.sqlite was damaged and is set aside
    ! http and data of [server] changed on disk: the rest is in force, this needs a restart
    ! www is on backup backup, and nothing is left to take over
    x policies/failover.rhai:2:5: unknown function 'hodl', did you mean 'hold'?
       2 |     hodl("x")
         |     ^
      still running version 3f2a
    ? a reload by watch waits, as it moves www from backup to primary: 'sidestep reload --apply' applies
      it
    "#);
    assert_snapshot!(show::service(&seen, Look::PLAIN), @r#"
    www  www.example.com example.com
    on ns1, as of 2025-11-22T08:27:50Z

    answered   backup (a backup): 198.51.100.20, TTL 30s
    since      2025-11-22T08:27:45Z (5s), 1 switch in the last hour, 1 switch in the last day
    why        override by ann: rack move
               decided by an operator
               not on disk yet: a crash now could take it back
               the policy would hold: on the primary
    override   hold, by ann since 2025-11-22T08:27:50Z until 2025-11-22T09:27:50Z: rack move
    drained    primary, by ann since 2025-11-22T08:27:50Z until taken back: rack move
    next       home to primary in 4m10s, if it passes until then

    TARGET     HEALTH  BAD  GOOD  LAST    REASON   RTT     P50/1m  LOSS/1m  NOTES
      primary  down    4    0     0s ago  timeout  41.2ms  42ms    33.4%    drained
    > backup   up      0    14    0s ago  -        41.2ms  42ms    0.0%

    witnesses  192.0.2.53:53 answered 15s ago

    ! the journal is in trouble since 2025-11-22T08:26:40.000Z: the disk is full; 12 events wait,
      answers go on
    ! the journal has lost 1234 events since the start, 2 times: a replay of that time is not faithful
    ! journal: journal.sqlite was damaged and is set aside
    ! http and data of [server] changed on disk: the rest is in force, this needs a restart
    ! www is on backup backup, and nothing is left to take over
    x policies/failover.rhai:2:5: unknown function 'hodl', did you mean 'hold'?
       2 |     hodl("x")
         |     ^
      still running version 3f2a
    ? a reload by watch waits, as it moves www from backup to primary: 'sidestep reload --apply' applies
      it
    "#);
    let seen = degraded(overview(&story.state), decided.seq);
    for text in [
        show::status(&seen, Look::PLAIN),
        show::service(&seen, Look::PLAIN),
    ] {
        assert!(!text.contains("on disk yet"), "{text}");
    }
}

#[test]
fn an_isolated_node_says_why_it_does_not_switch() {
    let mut story = Story::new();
    story.witness(true).rounds(10, None, None);
    story.rounds(1, Some(Timeout), None);
    // The policy wants away after three failures, and no witness answered since the first.
    story.rounds(2, Some(Timeout), None);
    let asking = show::status(&overview(&story.state), Look::PLAIN);
    assert!(
        asking.contains("asking the witnesses; the policy"),
        "{asking}"
    );
    story.witness(false);
    assert_snapshot!(show::service(&overview(&story.state), Look::PLAIN), @r#"
    www  www.example.com example.com
    on ns1, as of 2025-11-22T08:27:45Z

    answered   primary (the primary): 192.0.2.10 2001:db8::10, TTL 30s
    since      2025-11-22T08:26:40Z (1m05s), no switch in the last hour, no switch in the last day
    why        no witness answers: this may be our own network; the policy wants backup: primary is
               down: timeout
               failover.rhai:18, version 9b09; guard: isolated

    TARGET     HEALTH  BAD  GOOD  LAST    REASON   RTT     P50/1m  LOSS/1m  NOTES
    > primary  down    3    0     0s ago  timeout  41.2ms  42ms    25.0%
      backup   up      0    13    0s ago  -        41.2ms  42ms    0.0%

    witnesses  192.0.2.53:53 failed 0s ago: no answer within 1s

    ! isolated: no witness answers, so no target is left for its failures: this may be our own network
    ! www serves primary, which is down: timeout
    "#);
}

#[test]
fn nothing_known_is_no_row_missing() {
    assert_snapshot!(show::service(&overview(&Story::new().state), Look::PLAIN), @r#"
    www  www.example.com example.com
    on ns1, as of 2025-11-22T08:26:40Z

    answered   primary (the primary): 192.0.2.10 2001:db8::10, TTL 30s
    since      2025-11-22T08:26:40Z (0s), no switch in the last hour, no switch in the last day
    why        on the primary
               failover.rhai:18, version 9b09

    TARGET     HEALTH   BAD  GOOD  LAST  REASON  RTT  P50/1m  LOSS/1m  NOTES
    > primary  unknown  0    0     -     -       -    -       -
      backup   unknown  0    0     -     -       -    -       -

    witnesses  192.0.2.53:53 was not asked yet
    "#);
    let empty = overview(&sidestep::failover::State::default());
    assert!(show::status(&empty, Look::PLAIN).contains("no services are configured"));
    assert_eq!(
        show::service(&empty, Look::PLAIN),
        "there is no such service\n"
    );
}

#[test]
fn a_reload_report_names_what_was_taken_refused_and_moved() {
    let part = daemon_part();
    let report = ReloadReport {
        taken: vec!["sidestep.toml".to_owned()],
        refused: part.refused,
        pending: part.pending,
        gate: None,
        moved: vec!["shop from primary to web3".to_owned()],
    };
    assert_snapshot!(show::reload(&report, Look::PLAIN), @r#"
    + sidestep.toml is in force
    ! it moved shop from primary to web3
    x policies/failover.rhai:2:5: unknown function 'hodl', did you mean 'hold'?
       2 |     hodl("x")
         |     ^
      still running version 3f2a
    ? it waits, as it moves www from backup to primary: 'sidestep reload --apply' applies it
    "#);
    assert_eq!(
        show::reload(&ReloadReport::default(), Look::PLAIN),
        "nothing to take: what is on disk is in force\n"
    );
}

/// A text without its ECMA-48 sequences.
fn uncoloured(text: &str) -> String {
    let mut plain = String::new();
    let mut parts = text.split('\x1b');
    plain += parts.next().unwrap_or_default();
    for part in parts {
        plain += part.split_once('m').expect("a sequence ends").1;
    }
    plain
}

#[test]
fn colours_change_no_letter() {
    let seen = on_backup();
    for (plain, coloured) in [
        (
            show::status(&seen, Look::PLAIN),
            show::status(&seen, COLOURED),
        ),
        (
            show::service(&seen, Look::PLAIN),
            show::service(&seen, COLOURED),
        ),
    ] {
        assert!(!plain.contains('\x1b') && coloured.contains("\x1b[31m"));
        assert_eq!(uncoloured(&coloured), plain);
    }
}

#[test]
fn rows_fit_the_terminal() {
    let mut seen = on_backup();
    seen.services[0].targets[0].late = 1_000_000;
    seen.services[0].targets[0].local = 1_000_000;
    seen.services[0].latest.as_mut().expect("evaluated").reason = "so much to say ".repeat(20);
    for width in [80, 100, 120] {
        let look = Look {
            width,
            colour: false,
        };
        seen.daemon.as_mut().expect("a daemon").refused.clear();
        for text in [show::status(&seen, look), show::service(&seen, look)] {
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }
}

#[test]
fn what_a_policy_says_cannot_drive_the_terminal() {
    let mut hostile = config();
    hostile.services.get_mut("www").expect("www").policy = "\x1b[2Jpolicy".into();
    let mut story = Story::with(hostile, |view| {
        let mut proposal = simple(view)?;
        proposal.reason = "\x1b]0;title\x07\r\nFAKE LINE\u{202e}\u{2028}".to_owned();
        proposal.alert = Some("\x1b[2J".to_owned());
        Ok(proposal)
    });
    story.rounds(2, Some(Timeout), None);
    let seen = overview(&story.state);
    for text in [
        show::status(&seen, Look::PLAIN),
        show::service(&seen, Look::PLAIN),
    ] {
        assert!(
            !text.contains(['\x1b', '\x07', '\r', '\u{202e}', '\u{2028}']),
            "{text:?}"
        );
        assert!(!text.contains("\nFAKE"), "{text}");
    }
}

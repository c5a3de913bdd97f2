//! The overview of states that the fold came to.

use super::story::{BEGAN, Story, config, simple, target};
use sidestep::{
    failover::{
        Action, By, Command, Overview, PolicyFault, Proposal, Rail, overview,
        overview::{Health, Mode, ServiceOverview, TargetOverview},
    },
    model::FailureReason::{Refused, Timeout},
};

fn www(overview: &Overview) -> &ServiceOverview {
    overview.service("www").expect("www is configured")
}

fn of<'a>(overview: &'a Overview, name: &str) -> &'a TargetOverview {
    let targets = &www(overview).targets;
    let found = targets.iter().find(|found| found.name == target(name));
    found.expect("the target is configured")
}

/// That some advisory contains the words.
fn advised(overview: &Overview, words: &str) {
    let said = &overview.advisories;
    assert!(
        said.iter().any(|said| said.contains(words)),
        "{words:?} is not in {said:#?}"
    );
}

#[test]
fn a_quiet_service_shows_its_primary_and_advises_nothing() {
    let mut story = Story::new();
    story.witness(true).rounds(13, None, None);
    let seen = overview(&story.state);
    let service = www(&seen);
    assert_eq!(service.active, target("primary"));
    assert_eq!((service.mode, service.ttl_secs), (Mode::Auto, 30));
    assert_eq!(service.since, BEGAN);
    assert_eq!(
        service.answers.len(),
        2,
        "both families are answered together"
    );
    assert_eq!(service.backups, [target("backup")]);
    let primary = of(&seen, "primary");
    assert_eq!(primary.health, Health::Up);
    assert_eq!((primary.failures, primary.successes), (0, 13));
    assert_eq!(
        (primary.age_ms, primary.rtt_us, primary.cert_days),
        (Some(0), Some(41_200), Some(57))
    );
    assert_eq!(
        (primary.p50_1m_ms, primary.loss_1m_per_mille),
        (Some(42), Some(0))
    );
    assert_eq!(primary.monitors.len(), 1);
    assert_eq!(seen.advisories, Vec::<String>::new());
    assert!(seen.witnesses[0].ok && !seen.isolated);
    assert_eq!(seen.serials.len(), 1);
}

#[test]
fn nothing_is_known_before_the_first_probe() {
    let seen = overview(&Story::new().state);
    let primary = of(&seen, "primary");
    assert_eq!(primary.health, Health::Unknown);
    assert_eq!((primary.age_ms, primary.rtt_us), (None, None));
    assert_eq!((primary.p50_1m_ms, primary.cert_days), (None, None));
    assert_eq!(seen.witnesses[0].asked_at, None);
}

#[test]
fn a_failover_shows_since_when_and_why() {
    let story = Story::on_backup();
    let seen = overview(&story.state);
    let service = www(&seen);
    assert_eq!(service.active, target("backup"));
    assert_eq!(service.since, BEGAN.plus_ms(13 * 5_000));
    assert_eq!(
        (service.switches_last_hour, service.switches_last_day),
        (1, 1)
    );
    let decision = service.decision.as_ref().expect("it decided");
    assert_eq!(decision.reason, "primary is down: timeout");
    let latest = service.latest.as_ref().expect("it was evaluated");
    assert_eq!(latest.reason, "on the primary", "the closure's last word");
    assert_eq!((decision.line, decision.by), (18, By::Policy));
    assert_eq!(of(&seen, "primary").health, Health::Down);
    assert_eq!(of(&seen, "primary").error, Some(Timeout));
    assert_eq!(
        seen.advisories,
        ["www is on backup backup, and nothing is left to take over"]
    );
}

#[test]
fn instants_are_shown_by_the_wall_clock() {
    let mut story = Story::new();
    let offset_ms = 3_600_000;
    let clock = sidestep::failover::input::ClockChange { offset_ms };
    story.input(sidestep::failover::Input::Clock(clock));
    let seen = overview(&story.state);
    assert_eq!(seen.at, BEGAN.plus_ms(offset_ms));
    assert_eq!(www(&seen).since, BEGAN.plus_ms(offset_ms));
}

#[test]
fn isolation_is_said_before_everything() {
    let mut story = Story::new();
    story.witness(true).rounds(5, None, None);
    story.witness(false);
    let seen = overview(&story.state);
    assert!(seen.isolated);
    assert!(
        seen.advisories[0].starts_with("isolated: no witness answers"),
        "{:?}",
        seen.advisories
    );
    assert_eq!(
        seen.witnesses[0].error.as_deref(),
        Some("no answer within 1s")
    );
}

#[test]
fn a_witness_that_never_answered_is_an_advisory_and_does_not_isolate() {
    let mut story = Story::new();
    story.witness(false);
    let seen = overview(&story.state);
    assert!(!seen.isolated);
    advised(&seen, "witness 192.0.2.53:53 never answered");
}

#[test]
fn a_dead_backup_is_a_silent_loss_of_redundancy() {
    let mut story = Story::new();
    story.witness(true).rounds(3, None, Some(Refused));
    let seen = overview(&story.state);
    assert_eq!(www(&seen).active, target("primary"));
    advised(
        &seen,
        "www: backup backup is down (refused): nothing is left to take over",
    );
    let mut fewer = Story::new();
    fewer.witness(true).rounds(2, None, Some(Refused));
    let seen = overview(&fewer.state);
    assert_eq!(of(&seen, "backup").health, Health::Failing);
    assert_eq!(
        seen.advisories,
        Vec::<String>::new(),
        "two failures are no advisory yet"
    );
}

#[test]
fn a_served_target_that_is_down_is_said() {
    let mut story = Story::new();
    story.witness(true).rounds(4, Some(Refused), Some(Refused));
    advised(
        &overview(&story.state),
        "www serves primary, which is down: refused",
    );
}

#[test]
fn a_faulting_policy_is_said_with_its_line() {
    let faults = |_: &_| {
        Err(PolicyFault {
            message: "division by zero".to_owned(),
            line: 7,
        })
    };
    let mut story = Story::with(config(), faults);
    story.rounds(2, None, None);
    let seen = overview(&story.state);
    let service = www(&seen);
    assert!(service.faults > 1);
    let latest = service.latest.as_ref().expect("it was evaluated");
    assert_eq!(latest.fault.as_deref(), Some("division by zero"));
    assert_eq!((latest.guard, latest.line), (Some(Rail::Fault), 7));
    advised(&seen, "the policy faulted at line 7: division by zero");
    advised(&seen, "times in a row");
}

#[test]
fn an_override_shows_who_why_and_what_the_policy_wants() {
    let mut story = Story::new();
    story.rounds(3, None, None);
    let until = Some(story.at.plus_ms(3_600_000));
    story.order(Command::Switch {
        service: "www".into(),
        target: target("backup"),
        until,
    });
    story.rounds(1, None, None);
    let seen = overview(&story.state);
    let service = www(&seen);
    assert_eq!(
        (service.mode, service.active.as_str()),
        (Mode::Override, "backup")
    );
    let order = service.override_.as_ref().expect("an override");
    assert_eq!(
        (order.by.as_str(), order.reason.as_str(), order.until),
        ("ann", "rack move", until)
    );
    let latest = service.latest.as_ref().expect("it was evaluated");
    assert_eq!(latest.guard, Some(Rail::Override));
    assert_eq!(latest.overruled.as_deref(), Some("on the primary"));
}

#[test]
fn a_freeze_is_the_mode_of_every_service() {
    let mut story = Story::new();
    story.order(Command::Freeze { until: None });
    let seen = overview(&story.state);
    assert_eq!(www(&seen).mode, Mode::Frozen);
    advised(&seen, "everything is frozen by ann: rack move");
    let freeze = seen.freeze.expect("everything is frozen");
    assert_eq!((freeze.since, freeze.until), (Some(story.at), None));
}

#[test]
fn an_override_onto_a_target_that_is_down_is_said_once_and_with_the_way_out() {
    let mut story = Story::on_backup();
    story.order(Command::Switch {
        service: "www".into(),
        target: target("primary"),
        until: None,
    });
    let seen = overview(&story.state);
    let decision = www(&seen).decision.as_ref().expect("it was decided");
    assert_eq!(
        decision.alert.as_deref(),
        Some("the override serves primary, which is down")
    );
    let said: Vec<&String> = seen
        .advisories
        .iter()
        .filter(|said| said.contains("which is down"))
        .collect();
    assert_eq!(
        said,
        [
            "www serves primary, which is down (timeout), by an override: 'sidestep release www' ends it"
        ]
    );
    // What was measured stays visible beside it.
    assert_eq!(of(&seen, "primary").health, Health::Down);
    assert_eq!(of(&seen, "primary").failures, 4);
    story.rounds(2, None, None);
    let seen = overview(&story.state);
    assert_eq!(seen.advisories, Vec::<String>::new(), "it is up again");
}

#[test]
fn an_override_without_end_is_said_after_a_day() {
    const DAY_MS: i64 = 86_400_000;
    let hold = |until| Command::Hold {
        service: "www".into(),
        until,
    };
    let mut story = Story::new();
    story.witness(true).rounds(2, None, None).order(hold(None));
    let said = |story: &mut Story, after_ms: i64| {
        story.at = story.at.plus_ms(after_ms);
        story.input(sidestep::failover::Input::Tick);
        overview(&story.state).advisories.join("\n")
    };
    assert_eq!(said(&mut story, DAY_MS), "");
    assert_eq!(
        said(&mut story, 1),
        "www: the override by ann stands for 1d and has no end: 'sidestep release www' ends it"
    );
    let until = Some(story.at.plus_ms(3 * DAY_MS));
    story.order(hold(until));
    assert_eq!(said(&mut story, 2 * DAY_MS), "");
}

#[test]
fn a_drained_target_shows_by_whom() {
    let mut story = Story::new();
    story.rounds(3, None, None);
    story.order(Command::Drain {
        target: target("primary"),
        until: None,
    });
    let seen = overview(&story.state);
    assert_eq!(www(&seen).active, target("backup"));
    let primary = of(&seen, "primary");
    assert!(primary.drained);
    let drain = primary.drain.as_ref().expect("an operator drained it");
    assert_eq!(
        (drain.by.as_str(), drain.since),
        ("ann", Some(story.at)),
        "who and since when"
    );
}

#[test]
fn what_the_guard_refuses_is_an_advisory() {
    let worse = |view: &sidestep::failover::ServiceView| {
        if !view.active().is_up(1) {
            return Ok(Proposal::new(Action::Hold, "not yet"));
        }
        let backup = view.backups()[0].name().clone();
        Ok(Proposal::new(Action::Serve(vec![backup]), "I like it"))
    };
    let mut story = Story::with(config(), worse);
    story.witness(true).rounds(2, None, Some(Refused));
    let seen = overview(&story.state);
    assert_eq!(www(&seen).active, target("primary"));
    advised(&seen, "www stays where it is");
    let latest = www(&seen).latest.clone().expect("it was evaluated");
    assert_eq!(latest.wanted, Some(vec![target("backup")]));
}

#[test]
fn our_own_shortage_is_an_advisory_until_probes_work_again() {
    let mut story = Story::new();
    story.at = story.at.plus_ms(5_000);
    let mut observation = sidestep::model::Observation {
        target: target("backup"),
        monitor: "https".into(),
        address: None,
        vantage: "ns1".into(),
        ok: false,
        rtt_us: None,
        error: None,
        late: true,
        local: Some("too many open files".to_owned()),
        cert_days: None,
        value: None,
    };
    story.input(sidestep::failover::Input::Probe(observation.clone()));
    let seen = overview(&story.state);
    assert_eq!(
        (of(&seen, "backup").local, of(&seen, "backup").late),
        (1, 1)
    );
    assert_eq!(of(&seen, "backup").health, Health::Unknown);
    advised(&seen, "backup at 198.51.100.20 is not known under https");
    (observation.ok, observation.local, observation.late) = (true, None, false);
    story.input(sidestep::failover::Input::Probe(observation));
    assert_eq!(overview(&story.state).advisories, Vec::<String>::new());
}

#[test]
fn an_overview_survives_its_own_json() {
    let mut frozen = Story::on_backup();
    frozen.order(Command::Freeze { until: None });
    for story in [Story::new(), Story::on_backup(), frozen] {
        let seen = overview(&story.state);
        let text = serde_json::to_string(&seen).unwrap();
        assert_eq!(serde_json::from_str::<Overview>(&text).unwrap(), seen);
    }
}

#[test]
fn narrowing_leaves_one_service() {
    let mut two = config();
    let mut shop = two.services["www"].clone();
    (shop.name, shop.names) = ("shop".into(), vec!["shop.example.com".into()]);
    two.services.insert("shop".into(), shop);
    let mut story = Story::with(two, simple);
    story.order(Command::Hold {
        service: "www".into(),
        until: None,
    });
    story.witness(true).rounds(4, Some(Refused), Some(Refused));
    let seen = overview(&story.state);
    assert_eq!(seen.services.len(), 2);
    advised(&seen, "www serves primary, which is down");
    advised(&seen, "shop serves primary, which is down");
    let narrowed = seen.narrowed_to("shop").expect("shop is configured");
    assert_eq!(narrowed.services.len(), 1);
    assert_eq!(narrowed.services[0].name.as_str(), "shop");
    advised(&narrowed, "shop serves primary, which is down");
    assert!(!narrowed.advisories.concat().contains("www"));
    assert_eq!(seen.narrowed_to("nope"), None);
}

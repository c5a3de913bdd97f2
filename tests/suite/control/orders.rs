//! Orders before they are given: what makes no sense, and what the plan says of what does.

use super::story::{Says, Story, config, simple, target};
use insta::assert_snapshot;
use sidestep::{
    cli::show::{self, Look},
    failover::{
        Action, Command, Freshness, Input, OperationError, Proposal, ServiceView, What,
        input::{FreshnessReport, OperatorCommand},
        orders::{self, Force, OrderPlan, Ordered, ServiceMove},
        overview::overview,
        step,
    },
    model::{Config, FailureReason::Timeout, Timestamp},
};

const HOUR_MS: i64 = 3_600_000;

fn switch(to: &str, until: Option<Timestamp>) -> Command {
    Command::Switch {
        service: "www".into(),
        target: target(to),
        until,
    }
}

fn release() -> Command {
    Command::Release {
        service: "www".into(),
    }
}

fn failback() -> Command {
    Command::Failback {
        service: "www".into(),
    }
}

fn drain(name: &str) -> Command {
    Command::Drain {
        target: target(name),
        until: None,
    }
}

impl Story {
    fn admitted(
        &self,
        command: Command,
        force: Option<Force>,
    ) -> Result<OperatorCommand, OperationError> {
        let order = OperatorCommand {
            by: "bob".to_owned(),
            reason: "cable cut".to_owned(),
            command,
        };
        orders::admit(&self.state, self.at, &order, force)
    }

    fn refusal(&self, command: Command) -> String {
        self.admitted(command, None).unwrap_err().to_string()
    }

    fn plan(&self, command: Command) -> OrderPlan {
        self.forced(command, None)
    }

    fn forced(&self, command: Command, force: Option<Force>) -> OrderPlan {
        let order = self.admitted(command, force).unwrap();
        let before = self.state.clone();
        let plan = orders::plan(&self.state, self.at, &order, &self.policy);
        assert_eq!(self.state, before, "a plan changes nothing");
        plan
    }

    fn shown(&self, command: Command) -> String {
        show::plan(&self.plan(command), Look::PLAIN)
    }
}

/// A third target that only another service has.
fn with_a_stranger() -> Config {
    let mut config = config();
    let mut stranger = config.targets["backup"].clone();
    stranger.name = "stranger".into();
    config.targets.insert("stranger".into(), stranger);
    config
}

#[test]
fn what_makes_no_sense_is_refused_in_a_sentence() {
    let mut story = Story::with(with_a_stranger(), simple);
    story.witness(true).rounds(10, None, None);
    let unknown = |service: &str| Command::Hold {
        service: service.into(),
        until: None,
    };
    for (command, said) in [
        (unknown("wwv"), "no service 'wwv': did you mean 'www'?"),
        (unknown("mail"), "no service 'mail': there are www"),
        (
            switch("bakcup", None),
            "no target of www 'bakcup': did you mean 'backup'?",
        ),
        (
            switch("stranger", None),
            "stranger is no target of www, which has primary, backup",
        ),
        (
            drain("primry"),
            "no target 'primry': did you mean 'primary'?",
        ),
        (release(), "no override stands for www: nothing to release"),
        (
            Command::Undrain {
                target: target("backup"),
            },
            "backup is not drained: nothing to undrain",
        ),
        (Command::Thaw, "nothing is frozen: nothing to thaw"),
        (
            failback(),
            "www serves its primary primary already: nothing to do",
        ),
    ] {
        assert_eq!(story.refusal(command), said);
    }
    for until in [story.at, story.at.minus_ms(1)] {
        let said = story.refusal(switch("backup", Some(until)));
        assert!(said.contains("which is past: it is 2025-11-22T"), "{said}");
    }
    let force = Some(Force { until: None });
    let error = story.admitted(drain("backup"), force).unwrap_err();
    assert_eq!(error.to_string(), "only a failback can be forced");
}

#[test]
fn a_failback_to_a_primary_that_fails_needs_force() {
    let mut story = Story::on_backup();
    assert_eq!(
        story.refusal(failback()),
        "the primary primary is down (timeout): --force serves it all the same, as an override"
    );
    let until = Some(story.at.plus_ms(HOUR_MS));
    let forced = story.admitted(failback(), Some(Force { until })).unwrap();
    assert_eq!(forced.command, switch("primary", until));

    story.rounds(1, None, None);
    assert_eq!(
        story.admitted(failback(), None).unwrap().command,
        failback()
    );
    story.order(drain("primary"));
    assert!(story.refusal(failback()).contains("is withdrawn"));
    story.order(switch("backup", None));
    let said = story.refusal(failback());
    assert!(
        said.starts_with("an override by ann serves backup: end it with 'sidestep release www'"),
        "{said}"
    );
}

#[test]
fn an_unknown_primary_needs_force_too() {
    let mut story = Story::on_backup();
    // A day of silence.
    story.at = story.at.plus_ms(24 * HOUR_MS);
    story.input(Input::Tick);
    let said = story.refusal(failback());
    assert!(said.contains("is not known to be well"), "{said}");
}

#[test]
fn the_plan_of_a_switch_to_what_is_down() {
    let mut story = Story::on_backup();
    let report = FreshnessReport {
        target: target("primary"),
        freshness: Freshness::Stale,
        data_age_ms: 2 * HOUR_MS,
    };
    story.input(Input::Freshness(report));
    assert_snapshot!(story.shown(switch("primary", Some(story.at.plus_ms(2 * HOUR_MS)))), @r#"
    switch www to primary: cable cut

    www
    now        backup: 198.51.100.20, TTL 30s
    then       primary: 192.0.2.10 2001:db8::10, TTL 30s
               override by bob: cable cut
               resolvers may go on with the old answer for up to 30s
    target     primary is down (timeout) since 2025-11-22T08:27:35Z (15s), its data stale (2h behind)
    overrides  never worse: primary fails, and what is served answers
    policy     would hold: on the primary
    if ended   backup: primary is down: timeout
    ! primary is down for 15s: timeout
    ! the data of primary is stale: 2h behind

    until      2025-11-22T10:27:50Z (for 2h), or 'sidestep release www'
    "#);
}

#[test]
fn the_plan_of_a_switch_that_replaces_an_override() {
    let mut story = Story::new();
    story.witness(true).rounds(10, None, None);
    let until = Some(story.at.plus_ms(HOUR_MS));
    story.order(Command::Hold {
        service: "www".into(),
        until,
    });
    story.rounds(1, None, None);
    assert_snapshot!(story.shown(switch("backup", None)), @r#"
    switch www to backup: cable cut

    www
    now        primary: 192.0.2.10 2001:db8::10, TTL 30s
    then       backup: 198.51.100.20, TTL 30s
               override by bob: cable cut
               resolvers may go on with the old answer for up to 30s
    target     backup is up
    policy     would hold: on the primary
    if ended   backup: on the primary
    ! www answers no IPv6 address then

    replaces   hold www, by ann since 2025-11-22T08:27:30Z until 2025-11-22T09:27:30Z: rack move
    until      taken back: it stands until 'sidestep release www'
    "#);
}

#[test]
fn the_plan_says_which_rails_it_goes_over() {
    let mut config = config();
    let www = config.services.get_mut("www").unwrap();
    www.max_switches = Some("1/10m".to_owned().try_into().unwrap());
    let mut story = Story::with(config, simple);
    story.witness(true).rounds(10, None, None);
    story.rounds(1, Some(Timeout), None);
    story.witness(true).rounds(3, Some(Timeout), None);
    // One switch is used up; the primary fails; no witness answers any more.
    story.order(drain("primary")).witness(false);
    let plan = story.plan(switch("primary", None));
    let over: Vec<(&str, &str)> = plan.services[0]
        .overrides
        .iter()
        .map(|over| (over.rail.word(), over.why.as_str()))
        .collect();
    assert_eq!(
        over,
        [
            (
                "isolated",
                "no witness answers: this may be our own network"
            ),
            ("never-worse", "primary fails, and what is served answers"),
            ("switch-budget", "the switch budget of 1/10m is used up"),
            ("gone", "primary is withdrawn"),
        ]
    );
}

#[test]
fn the_plan_of_a_drain_moves_what_it_serves() {
    let mut story = Story::new();
    story.witness(true).rounds(10, None, None);
    assert_snapshot!(story.shown(drain("primary")), @r#"
    drain primary: cable cut

    www
    now        primary: 192.0.2.10 2001:db8::10, TTL 30s
    then       backup: 198.51.100.20, TTL 30s
               primary is withdrawn
               resolvers may go on with the old answer for up to 30s
    target     primary is up
    target     backup is up
    if ended   backup: on the primary
    ! nothing is left that could take www over
    ! www answers no IPv6 address then

    until      taken back: it stands until 'sidestep undrain primary'
    "#);
}

#[test]
fn the_plan_of_the_last_drain_warns_strongly() {
    let mut story = Story::new();
    story.witness(true).rounds(10, None, None);
    story.order(drain("backup"));
    let plan = story.plan(drain("primary"));
    assert_eq!(
        plan.services[0].warnings,
        [
            "www has no target left that is not withdrawn: it stays on primary, and no failover \
             is possible"
        ]
    );
    assert_eq!(plan.services[0].now.targets, plan.services[0].then.targets);
    // Drained again: who did is told.
    let again = story.plan(drain("backup"));
    let replaced = again.replaces.unwrap();
    assert_eq!(
        (replaced.order.as_str(), replaced.stand.by.as_str()),
        ("drain backup", "ann")
    );
}

#[test]
fn a_drain_under_an_override_moves_nothing_and_says_so() {
    let mut story = Story::new();
    story.witness(true).rounds(10, None, None);
    story.order(switch("primary", None));
    let plan = story.plan(drain("primary"));
    assert_eq!(plan.services[0].now.targets, plan.services[0].then.targets);
    let said = plan.services[0].warnings.join("\n");
    assert!(
        said.contains("the override by ann serves primary: the drain moves nothing"),
        "{said}"
    );
}

#[test]
fn the_plan_of_a_freeze_and_of_an_order_under_it() {
    let mut story = Story::new();
    story.witness(true).rounds(10, None, None);
    story.rounds(1, Some(Timeout), None);
    story.witness(true).rounds(1, Some(Timeout), None);
    let until = Some(story.at.plus_ms(HOUR_MS));
    assert_snapshot!(story.shown(Command::Freeze { until }), @r#"
    freeze: cable cut

    www
    now        primary: 192.0.2.10 2001:db8::10, TTL 30s
    then       the same
               frozen by bob: cable cut
    target     primary is failing (timeout) since 2025-11-22T08:27:35Z (5s)
    policy     would hold: on the primary
    if ended   primary: on the primary
    ! primary fails for 5s: timeout

    until      2025-11-22T09:27:40Z (for 1h), or 'sidestep thaw'
    ! no failover happens anywhere while it stands
    "#);
    story.order(Command::Freeze { until });
    story.rounds(3, Some(Timeout), None);
    // The policy wants away, and an override would not be obeyed either.
    assert_snapshot!(story.shown(switch("backup", None)), @r#"
    switch www to backup: cable cut

    www
    now        primary: 192.0.2.10 2001:db8::10, TTL 30s
    then       the same
               frozen by ann: rack move
    target     backup is up
    target     primary is down (timeout) since 2025-11-22T08:27:35Z (20s)
    policy     would serve backup: primary is down: timeout
    if ended   primary: frozen by ann: rack move
    ! everything is frozen by ann: www changes nothing before 'sidestep thaw'
    ! primary is down for 20s: timeout

    until      taken back: it stands until 'sidestep release www'
    "#);
    assert_snapshot!(story.shown(Command::Thaw), @r#"
    thaw: cable cut

    www
    now        primary: 192.0.2.10 2001:db8::10, TTL 30s
    then       backup: 198.51.100.20, TTL 30s
               primary is down: timeout
               resolvers may go on with the old answer for up to 30s
    target     backup is up
    ! www answers no IPv6 address then

    ends       freeze, by ann since 2025-11-22T08:27:40Z until 2025-11-22T09:27:40Z: rack move
    "#);
}

/// Stays where it is until it is asked.
fn on_request(view: &ServiceView) -> Result<Proposal, sidestep::failover::PolicyFault> {
    let primary = view.primary();
    if view.asked("failback") && primary.is_up(5) {
        let home = Action::Serve(vec![primary.name().clone()]);
        return Ok(Proposal::new(home, "asked to return"));
    }
    match simple(view)? {
        hold @ Proposal {
            action: Action::Hold,
            ..
        } if view.asked("failback") => Ok(Proposal {
            reason: "asked, but not well for long".to_owned(),
            ..hold
        }),
        other => Ok(other),
    }
}

#[test]
fn the_plan_of_a_failback_says_whether_the_policy_follows() {
    let mut story = Story::on_backup();
    story.policy = Says::new(on_request);
    story.rounds(1, None, None);
    let plan = story.plan(failback());
    assert_eq!(
        plan.services[0].warnings,
        [
            "the policy is asked and stays for now: asked, but not well for long; the request \
             stands until the primary is served, or 'sidestep release www'"
        ]
    );
    story.rounds(5, None, None);
    assert_snapshot!(story.shown(failback()), @r#"
    failback www: cable cut

    www
    now        backup: 198.51.100.20, TTL 30s
    then       primary: 192.0.2.10 2001:db8::10, TTL 30s
               asked to return
               resolvers may go on with the old answer for up to 30s
    target     primary is up
    "#);

    // The request stands, and is forgotten with a release.
    let mut waiting = Story::on_backup();
    waiting.policy = Says::new(on_request);
    waiting.rounds(1, None, None).order(failback());
    let asked = |story: &Story| story.state.world().services[0].failback_asked;
    assert!(asked(&waiting));
    waiting.order(release());
    assert!(!asked(&waiting));
}

#[test]
fn the_plan_of_a_forced_failback_is_that_of_a_switch() {
    let story = Story::on_backup();
    let plan = story.forced(failback(), Some(Force { until: None }));
    assert_eq!(plan.order, "switch www to primary");
    assert_eq!(plan.taken_back_by.as_deref(), Some("sidestep release www"));
    assert_eq!(plan.services[0].then.targets, [target("primary")]);
}

#[test]
fn a_plan_is_json_and_back() {
    let story = Story::on_backup();
    let plan = story.plan(switch("primary", Some(story.at.plus_ms(HOUR_MS))));
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["order"], "switch www to primary");
    assert_eq!(json["until_ms"], story.at.plus_ms(HOUR_MS).0);
    assert_eq!(json["services"][0]["now"]["targets"][0], "backup");
    assert_eq!(json["services"][0]["overrides"][0]["rail"], "never-worse");
    assert_eq!(serde_json::from_value::<OrderPlan>(json).unwrap(), plan);
}

#[test]
fn what_was_done_is_shown() {
    let story = Story::on_backup();
    let plan = story.plan(switch("primary", None));
    let service = plan.services[0].clone();
    let ordered = Ordered {
        seq: 93,
        order: plan.order,
        by: "alice (uid 1000)".to_owned(),
        until: None,
        taken_back_by: plan.taken_back_by,
        services: vec![ServiceMove {
            service: service.service,
            before: service.now,
            now: service.then,
            alert: Some("the override serves primary, which is down".to_owned()),
        }],
        durable: false,
        not_durable: Some("this version keeps its state in memory".to_owned()),
    };
    assert_snapshot!(show::ordered(&ordered, Look::PLAIN), @r#"
    switch www to primary, by alice (uid 1000)
    + www answers primary: 192.0.2.10 2001:db8::10, TTL 30s (before: backup): override by bob: cable cut
    ! www: the override serves primary, which is down
    until      taken back: it stands until 'sidestep release www'
    journal    event 93 is not on disk: this version keeps its state in memory
    "#);
}

/// Worlds in which an order may be given.
fn worlds() -> Vec<(&'static str, Story)> {
    let calm = || {
        let mut story = Story::with(config(), on_request);
        story.witness(true).rounds(10, None, None);
        story
    };
    let told = |tell: &dyn Fn(&mut Story)| {
        let mut story = calm();
        tell(&mut story);
        story
    };
    let spent = || {
        let mut config = config();
        let www = config.services.get_mut("www").unwrap();
        www.max_switches = "1/10m".to_owned().try_into().ok();
        let mut story = Story::with(config, simple);
        story.witness(true).rounds(10, None, None);
        story.rounds(1, Some(Timeout), None).witness(true);
        story.rounds(3, Some(Timeout), None);
        story.rounds(3, None, Some(Timeout));
        story
    };
    vec![
        ("calm", calm()),
        ("nothing is known", Story::with(config(), on_request)),
        ("on the backup", Story::on_backup()),
        ("the budget is used up", spent()),
        (
            "the primary fails",
            told(&|s| {
                s.rounds(2, Some(Timeout), None);
            }),
        ),
        (
            "all fail",
            told(&|s| {
                s.rounds(5, Some(Timeout), Some(Timeout));
            }),
        ),
        (
            "isolated",
            told(&|s| {
                s.rounds(2, Some(Timeout), None).witness(false);
            }),
        ),
        (
            "switched",
            told(&|s| {
                s.order(switch("backup", None));
            }),
        ),
        (
            "held",
            told(&|s| {
                s.order(Command::Hold {
                    service: "www".into(),
                    until: None,
                });
                s.rounds(4, Some(Timeout), None);
            }),
        ),
        (
            "frozen",
            told(&|s| {
                s.order(switch("backup", None));
                s.order(Command::Freeze { until: None });
            }),
        ),
        (
            "drained",
            told(&|s| {
                s.order(drain("primary"));
            }),
        ),
        (
            "all drained",
            told(&|s| {
                s.order(drain("primary")).order(drain("backup"));
            }),
        ),
    ]
}

#[test]
fn what_is_planned_is_what_happens() {
    let until = Some(super::story::BEGAN.plus_ms(HOUR_MS));
    let www = || "www".into();
    let undrain = |name| Command::Undrain {
        target: target(name),
    };
    let orders = [
        (switch("primary", until), None),
        (switch("backup", None), None),
        (
            Command::Hold {
                service: www(),
                until,
            },
            None,
        ),
        (release(), None),
        (failback(), None),
        (failback(), Some(Force { until })),
        (drain("primary"), None),
        (drain("backup"), None),
        (undrain("primary"), None),
        (Command::Freeze { until }, None),
        (Command::Thaw, None),
    ];
    let (mut given, mut moved) = (0, 0);
    for (world, story) in worlds() {
        for (command, force) in &orders {
            let Ok(order) = story.admitted(command.clone(), *force) else {
                continue;
            };
            let plan = orders::plan(&story.state, story.at, &order, &story.policy);
            let mut state = story.state.clone();
            let step = |state: &mut _, order: OperatorCommand| {
                step(state, story.at, Input::Operator(order), &story.policy)
            };
            step(&mut state, order.clone());
            for planned in &plan.services {
                let then = orders::answered(&state, &planned.service).unwrap();
                assert_eq!(planned.then, then, "{world}: {}", order.command);
                given += 1;
                moved += usize::from(planned.now.targets != planned.then.targets);
            }
        }
    }
    assert!(given > 60 && moved > 8, "{given} orders, {moved} moves");
}

#[test]
fn an_override_onto_what_dies_later_alerts_once_and_goes_on_being_shown() {
    let mut story = Story::new();
    story.witness(true).rounds(10, None, None);
    story.order(switch("backup", None));
    let alerts = |story: &Story| {
        let decisions = story.events.iter().filter_map(|event| match &event.what {
            What::Decision(decision) => decision.alert.clone(),
            _ => None,
        });
        decisions.collect::<Vec<_>>()
    };
    assert_eq!(alerts(&story), Vec::<String>::new());
    story.rounds(20, None, Some(Timeout));
    assert_eq!(
        alerts(&story),
        ["the override serves backup, which is down"]
    );
    let seen = show::status(&overview(&story.state), Look::PLAIN);
    assert!(
        seen.contains("www serves backup, which is down (timeout), by an override"),
        "{seen}"
    );
}

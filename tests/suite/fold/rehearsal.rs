//! Rehearsals: stories pass and fail for the right reason, trials find faults, times are measured.

use super::{Bench, Policies, fault, hold, serve, three, version};
use sidestep::failover::{
    PolicyFault, Proposal, ServiceView,
    rehearsal::{FailoverTime, Finding, Rehearsal, outlook, run_story, trials, worst_case},
};
use sidestep::model::{
    PolicyText, TargetName,
    story::{
        Cell, Happening, MONITOR, Story, StoryExpectation, StoryFreshness, StoryHappening,
        StoryRow, Timeline,
    },
};

fn text(source: &str) -> PolicyText {
    PolicyText {
        name: "www.rhai".into(),
        source: source.into(),
    }
}

/// `"....xx x*60"` as cells; `~` is good in 900 ms.
fn timeline(cells: &str) -> Timeline {
    let mut timeline = Timeline::default();
    for word in cells.split_whitespace() {
        let (word, times) = word.split_once('*').unwrap_or((word, "1"));
        for cell in word.chars() {
            let cell = match cell {
                '.' => Cell::Good { rtt_ms: None },
                '~' => Cell::Good { rtt_ms: Some(900) },
                'x' => Cell::Bad,
                _ => Cell::NoResult,
            };
            timeline.push(cell, times.parse().unwrap());
        }
    }
    timeline
}

/// Rows are `target cells` or `target@vantage cells`.
fn story(rows: &[(&str, &str)], expect: &[(i64, &str)]) -> Story {
    let mut targets: Vec<TargetName> = Vec::new();
    let rows = rows.iter().map(|(place, cells)| {
        let (target, vantage) = place
            .split_once('@')
            .map_or((*place, None), |(t, v)| (t, Some(v)));
        if !targets.contains(&target.into()) {
            targets.push(target.into());
        }
        StoryRow {
            label: (*place).to_owned(),
            target: target.into(),
            address: 1,
            monitor: MONITOR.into(),
            vantage: vantage.map(Into::into),
            timeline: timeline(cells),
        }
    });
    let rows = rows.collect();
    let expect = (11..)
        .zip(expect)
        .map(|(line, (at_s, serve))| StoryExpectation {
            at_ms: at_s * 1_000,
            serve: serve.split(' ').map(Into::into).collect(),
            line,
            ..StoryExpectation::default()
        });
    Story {
        name: "a story".into(),
        line: 10,
        interval_ms: 1_000,
        timeout_ms: 500,
        ttl_ms: 30_000,
        targets,
        monitors: vec![MONITOR.into()],
        rows,
        expect: expect.collect(),
        ..Story::default()
    }
}

fn messages(story: &Story) -> Vec<String> {
    let outcome = run_story(story, &text("reference"), 0, &Policies::new());
    outcome
        .failures
        .into_iter()
        .map(|failure| failure.message)
        .collect()
}

const OUTAGE: &[(&str, &str)] = &[("primary", "..... x*60 .*400"), ("backup", ".*465")];

#[test]
fn a_story_that_goes_as_expected_passes() {
    // The third failure is at 8 s; the tenth well probe afterwards at 75 s.
    let expect = [
        (1, "primary"),
        (7, "primary"),
        (8, "backup"),
        (74, "backup"),
        (75, "primary"),
    ];
    assert_eq!(messages(&story(OUTAGE, &expect)), [""; 0]);
}

#[test]
fn a_story_that_goes_otherwise_says_what_was_served_and_why() {
    let found = messages(&story(OUTAGE, &[(7, "backup"), (70, "primary")]));
    assert_eq!(
        found,
        [
            "expected backup at 7s, but primary is served since 0s because \"on the primary\" (line 20)",
            "expected primary at 1m10s, but backup is served since 8s because \"primary is down\" (line 18)",
        ]
    );
}

#[test]
fn reasons_and_ttls_are_expected_too() {
    let mut policies = Policies::new();
    policies.add("ttl", |service| {
        let mut proposal = super::reference(service)?;
        proposal.ttl_ms = (service.active().failures() > 0).then_some(5_000);
        Ok(proposal)
    });
    let mut told = story(
        OUTAGE,
        &[
            (8, "backup"),
            (20, "backup"),
            (5, "primary"),
            (6, "primary"),
        ],
    );
    told.expect.sort_by_key(|expectation| expectation.at_ms);
    let case = |at: usize, reason: &str, ttl_ms| {
        let mut told = told.clone();
        told.expect[at].reason = Some(reason.to_owned());
        told.expect[at].ttl_ms = Some(ttl_ms);
        let outcome = run_story(&told, &text("ttl"), 0, &policies);
        outcome
            .failures
            .first()
            .map(|failure| failure.message.clone())
    };
    assert_eq!(case(0, "on the primary", 30_000), None);
    assert_eq!(case(1, "on the primary", 5_000), None);
    assert_eq!(
        case(1, "", 30_000).as_deref(),
        Some("expected a TTL of 30s at 6s, but it is 5s")
    );
    // What moved it there, and what keeps it there.
    assert_eq!(case(3, "primary is down", 30_000), None);
    assert_eq!(case(3, "waiting", 30_000), None);
    assert!(
        case(3, "slow", 30_000)
            .unwrap()
            .starts_with("expected a reason with \"slow\" at 20s")
    );
}

#[test]
fn a_story_that_ends_before_its_last_expectation_fails() {
    let found = messages(&story(
        &[("primary", "..."), ("backup", "...")],
        &[(3, "primary"), (4, "primary")],
    ));
    assert_eq!(
        found,
        ["the timelines end at 3s, before what is expected at 4s: add cells"]
    );
}

#[test]
fn a_fault_fails_its_story() {
    let mut policies = Policies::new();
    policies.add("typo", |service| {
        if service.active().is_down(3) {
            Err(fault("no function 'hodl'"))
        } else {
            Ok(hold("steady", 1))
        }
    });
    let told = story(OUTAGE, &[(100, "primary")]);
    let outcome = run_story(&told, &text("typo"), 0, &policies);
    assert_eq!(outcome.failures.len(), 1);
    assert_eq!(
        outcome.failures[0].message,
        "the policy faulted at line 7: no function 'hodl'"
    );
    assert_eq!(outcome.failures[0].line, 10);
}

#[test]
fn stories_have_vantages_silence_freshness_and_requests() {
    let mut policies = Policies::new();
    policies.add("facts", |service| {
        let backup = service.target("backup").unwrap();
        let primary = service.primary();
        if service.asked("failback") {
            return Ok(serve(&["primary"], "asked", 1));
        }
        if backup.freshness().word() == "fresh" && primary.vantages_failing(2) >= 2 {
            return Ok(serve(&["backup"], "two vantages", 2));
        }
        if primary.vantages() == 0 && service.recall("x").is_none() && service.now().0 % 60_000 != 0
        {
            return Ok(serve(&["backup"], "silence", 3));
        }
        Ok(hold("steady", 4))
    });
    let rows = [
        ("primary", "..xxxxxx"),
        ("primary@w", "...xxxxx"),
        ("backup", "........"),
    ];
    let mut told = story(&rows, &[(4, "primary"), (5, "backup")]);
    told.freshness
        .insert("backup".into(), StoryFreshness::Fresh);
    let run = |told: &Story| run_story(told, &text("facts"), 0, &policies);
    assert_eq!(run(&told).failures, []);
    told.freshness
        .insert("backup".into(), StoryFreshness::Stale);
    assert_eq!(run(&told).failures.len(), 1);
    // Silent for longer than 3.5 s, found by the backup's results.
    let mut told = story(
        &[("primary", "..--------"), ("backup", "..........")],
        &[(5, "primary"), (6, "backup"), (8, "backup"), (9, "primary")],
    );
    told.happens.push(StoryHappening {
        at_ms: 8_500,
        what: Happening::Failback,
    });
    let outcome = run(&told);
    assert_eq!(outcome.changes[2].at_ms, 8_500);
    assert_eq!(outcome.changes[2].reason, "asked");
    // Found by a tick where nobody says anything: 1.5 s after the last input, and again, and again.
    let told = story(
        &[("primary", "..------"), ("backup", "..------")],
        &[(5, "primary"), (7, "backup")],
    );
    assert_eq!(run(&told).failures, []);
    assert_eq!(run(&told).changes[1].at_ms, 6_500);
}

#[test]
fn a_failed_story_shows_its_timeline() {
    let told = story(OUTAGE, &[(8, "backup"), (70, "primary")]);
    let outcome = run_story(&told, &text("reference"), 0, &Policies::new());
    let report = outcome.report(&told);
    let lines: Vec<&str> = report.lines().collect();
    let dots = ".".repeat(89);
    let (bad, well) = ("x".repeat(54), ".".repeat(35));
    let (backup, primary) = ("b".repeat(63), "p".repeat(26));
    assert_eq!(lines[0], "a story");
    assert!(lines[1].starts_with("  expected primary at 1m10s, but backup is served since 8s"));
    // Every tenth cell has its instant, above its own column.
    let instants = [(20, "20s"), (50, "50s"), (60, "1m"), (90, "1m30s")];
    for (second, instant) in instants {
        assert_eq!(lines[3].find(instant), Some(9 + second - 12), "{report}");
    }
    assert_eq!(lines[4], format!("primary …{bad}{well}…"));
    assert_eq!(lines[5], format!("backup  …{dots}…"));
    assert_eq!(lines[6], format!("served  …{backup}{primary}…"));
    assert_eq!(lines[7], format!("{}!    ^", " ".repeat(9 + 70 - 12)));
    assert_eq!(lines[8], "       8s -> backup (line 18): primary is down");
    assert_eq!(
        lines[9],
        "    1m15s -> primary (line 23): the primary is well again"
    );
    let widest = outcome
        .report(&told)
        .lines()
        .map(|line| line.chars().count())
        .max();
    assert!(
        widest.unwrap() <= 110,
        "the sentences may be longer, the chart not"
    );
}

#[test]
fn a_chart_is_never_wider_than_a_hundred_columns() {
    let long = "a-target-with-a-name-that-no-column-holds";
    let told = story(
        &[(long, "..... x*60 .*400"), ("a-second", ".*465")],
        &[(8, long), (9, "a-second")],
    );
    let outcome = run_story(&told, &text("reference"), 0, &Policies::new());
    for around_ms in [0, 1, 1_000, 70_000, 464_000, 465_000, i64::MAX] {
        let chart = sidestep::failover::rehearsal::chart::chart(&told, &outcome.changes, around_ms);
        let widest = chart
            .lines()
            .map(|line| line.chars().count())
            .max()
            .unwrap();
        assert!(
            (60..=100).contains(&widest),
            "{around_ms}: {widest}\n{chart}"
        );
    }
}

#[test]
fn trials_find_a_typo_in_any_branch_and_name_its_world() {
    type Branch = fn(&ServiceView) -> bool;
    let branches: [(&str, Branch); 9] = [
        ("primary is dead from the start", |s| {
            s.active().is_down(3) && s.up(2).is_empty()
        }),
        ("primary dies and comes back", |s| {
            s.active().name() != s.primary().name() && s.primary().is_up(10)
        }),
        ("backup is slow", |s| {
            s.backups()[0]
                .percentile_ms(60_000, 50)
                .is_ok_and(|ms| ms > 800)
        }),
        ("primary is stale", |s| {
            s.primary().freshness().word() == "stale"
        }),
        ("this node is isolated", ServiceView::isolated),
        ("seen from three vantages", |s| {
            s.primary().vantages_failing(3) >= 2
        }),
        ("an operator asks for failback", |s| s.asked("failback")),
        ("the primary dies on a sunday night", |s| {
            s.now().weekday() == 7 && s.now().hour() == 23
        }),
        ("primary is drained", |s| s.primary().drained()),
    ];
    for (name, branch) in branches {
        let mut policies = Policies::new();
        policies.add("typo", move |service| {
            if branch(service) {
                Err(fault("a typo"))
            } else {
                super::reference(service)
            }
        });
        let report = trials(&three(), &"www".into(), &text("typo"), &policies);
        assert_eq!(report.faults.len(), 1, "{name}");
        assert_eq!(report.faults[0].1, fault("a typo"));
    }
}

#[test]
fn a_policy_without_a_fault_passes_its_trials_and_its_lines_are_known() {
    let report = trials(
        &three(),
        &"www".into(),
        &text("reference"),
        &Policies::new(),
    );
    assert_eq!(report.faults, []);
    assert_eq!(report.worlds, 38);
    assert_eq!(
        report.lines.into_iter().collect::<Vec<_>>(),
        [18, 20, 23, 30]
    );
    let none = trials(
        &three(),
        &"nobody".into(),
        &text("reference"),
        &Policies::new(),
    );
    assert_eq!(none.worlds, 0);
}

#[test]
fn trials_cost_the_same_for_hundreds_of_targets_and_for_one() {
    let names: Vec<String> = (0..200).map(|n| format!("t{n:03}")).collect();
    let addresses: Vec<String> = (0..200).map(|n| format!("192.0.2.{n}")).collect();
    let addresses: Vec<[&str; 1]> = addresses.iter().map(|a| [a.as_str()]).collect();
    let targets: Vec<(&str, &[&str])> = names
        .iter()
        .zip(&addresses)
        .map(|(n, a)| (n.as_str(), a.as_slice()))
        .collect();
    let policies = Policies::new();
    let many = trials(
        &super::config(&targets),
        &"www".into(),
        &text("reference"),
        &policies,
    );
    assert_eq!((many.faults.len(), many.worlds), (0, 58));
    let one = trials(
        &super::config(&targets[..1]),
        &"www".into(),
        &text("reference"),
        &policies,
    );
    assert_eq!((one.faults.len(), one.worlds), (0, 18));
}

fn measured(times: &[FailoverTime], index: usize) -> (i64, i64, i64, i64, String) {
    match &times[index] {
        FailoverTime::Measured(worst) => {
            let to: Vec<&str> = worst.to.iter().map(|name| name.as_str()).collect();
            (
                worst.first_bad_ms,
                worst.decision_ms,
                worst.ttl_ms,
                worst.total_ms,
                to.join(" "),
            )
        }
        FailoverTime::Never { target } => (0, 0, 0, -1, target.to_string()),
    }
}

#[test]
fn the_worst_failover_is_just_after_a_good_probe() {
    let times = worst_case(
        &three(),
        &"www".into(),
        &text("reference"),
        &Policies::new(),
    );
    assert_eq!(times.len(), 2);
    // Dead 1 ms after a probe began: the next begins after 4.999 s and takes 2 s to fail; the
    // third ends 10 s later; then 30 s of TTL.
    let worst = (6_999, 16_999, 30_000, 46_999);
    assert_eq!(
        measured(&times, 0),
        (worst.0, worst.1, worst.2, worst.3, "backup".into())
    );
    assert_eq!(
        measured(&times, 1),
        (worst.0, worst.1, worst.2, worst.3, "third".into())
    );
    assert!(
        worst_case(
            &three(),
            &"nobody".into(),
            &text("reference"),
            &Policies::new()
        )
        .is_empty()
    );
}

#[test]
fn a_primary_that_is_never_left_is_never() {
    let mut policies = Policies::new();
    policies.add("stubborn", |_| {
        Ok::<Proposal, PolicyFault>(hold("here I stand", 1))
    });
    let times = worst_case(&three(), &"www".into(), &text("stubborn"), &policies);
    assert_eq!(
        times,
        [FailoverTime::Never {
            target: "primary".into()
        }]
    );
}

#[test]
fn the_outlook_says_what_would_change_the_answer_next() {
    let look = |bench: &Bench| {
        outlook(
            &bench.state,
            &"www".into(),
            &bench.policies,
            600_000,
            &|_| true,
        )
    };
    let mut bench = Bench::new(three());
    bench.play(&[("primary", "...."), ("backup", "...."), ("third", "....")]);
    let before = bench.state.clone();
    let calm = look(&bench);
    assert_eq!(bench.state, before);
    assert_eq!(calm.if_unchanged, None);
    // A probe began 20 ms before its result; the third from now takes its timeout of 2 s.
    let fails = calm.if_active_fails.unwrap();
    assert_eq!(
        (fails.at_ms, fails.serve, fails.line),
        (16_980, vec!["backup".into()], 18)
    );
    // On the backup the primary's return is ahead: it has 4 of the 10 well probes.
    bench.play(&[
        ("primary", "xxx...."),
        ("backup", "......."),
        ("third", "......."),
    ]);
    assert_eq!(bench.serving(), "backup");
    let home = look(&bench).if_unchanged.unwrap();
    assert_eq!(
        (home.at_ms, home.reason.as_str()),
        (30_000, "the primary is well again")
    );
    // An override's end changes the answer as well.
    let until = bench.now_ms + super::BEGIN + 12_000;
    bench.order(serde_json::json!({ "command": "switch", "service": "www", "target": "third", "until": until }));
    let mut policies = bench.policies.clone();
    policies.add("reference", |_| Ok(serve(&["backup"], "always", 1)));
    bench.policies = policies;
    let end = look(&bench).if_unchanged.unwrap();
    assert_eq!((end.at_ms, end.serve), (12_000, vec!["backup".into()]));
}

#[test]
fn an_outlook_that_is_cut_short_says_how_far_it_looked() {
    let mut bench = Bench::new(three());
    bench.play(&[("primary", "...."), ("backup", "...."), ("third", "....")]);
    let look = |results: u32| {
        let asked = std::cell::RefCell::new([0, 0]);
        let goes_on = |run: u32| {
            let asked = &mut asked.borrow_mut()[run as usize - 1];
            *asked += 1;
            *asked < results
        };
        outlook(
            &bench.state,
            &"www".into(),
            &bench.policies,
            600_000,
            &goes_on,
        )
    };
    let none = look(1);
    assert_eq!((none.if_active_fails, none.looked_ms), (None, 0));
    let some = look(100);
    assert!(some.if_active_fails.is_some(), "it comes soon");
    assert_eq!(some.if_unchanged, None);
    assert!((1..600_000).contains(&some.looked_ms), "{}", some.looked_ms);
    assert_eq!(look(u32::MAX).looked_ms, 600_000);
}

#[test]
fn an_outlook_asks_no_policy_of_those_that_share_a_target() {
    let mut config = three();
    let mut other = config.services["www"].clone();
    (other.name, other.names) = ("mail".into(), vec!["mail.example.com".into()]);
    config.services.insert("mail".into(), other);
    let mut bench = Bench::new(config);
    bench.play(&[("primary", "...."), ("backup", "...."), ("third", "....")]);
    bench.policies.add("reference", |view| {
        assert_eq!(&**view.name(), "www");
        super::reference(view)
    });
    let look = outlook(
        &bench.state,
        &"www".into(),
        &bench.policies,
        600_000,
        &|_| true,
    );
    assert_eq!(look.if_active_fails.unwrap().at_ms, 16_980);
}

#[test]
fn the_outlook_asks_the_witnesses() {
    let mut config = three();
    config.witness =
        serde_json::from_value(serde_json::json!({ "addresses": ["192.0.2.53:53"], "need": 1 }))
            .unwrap();
    let mut bench = Bench::new(config);
    bench.witness(true);
    bench.play(&[("primary", "...."), ("backup", "...."), ("third", "....")]);
    let look = outlook(
        &bench.state,
        &"www".into(),
        &bench.policies,
        600_000,
        &|_| true,
    );
    assert_eq!(look.if_active_fails.unwrap().at_ms, 16_980);
    bench.witness(false);
    let look = outlook(
        &bench.state,
        &"www".into(),
        &bench.policies,
        600_000,
        &|_| true,
    );
    assert_eq!(look.if_active_fails, None, "isolated");
}

#[test]
fn a_rehearsal_is_the_same_twice() {
    let policies = Policies::new();
    let run = || {
        let mut rehearsal =
            Rehearsal::new(&three(), &"www".into(), &text("reference"), &policies).unwrap();
        rehearsal.run(300_000, |lane, at_ms| {
            if lane.target.as_str() == "primary" && at_ms > 60_000 {
                lane.timeout()
            } else {
                Finding::WELL
            }
        });
        (rehearsal.changes().to_vec(), rehearsal.state().clone())
    };
    assert_eq!(run(), run());
    let (changes, state) = run();
    assert_eq!(changes.len(), 2);
    assert!((295_000..=300_000).contains(&(state.world().at.0 - super::BEGIN)));
    assert_eq!(changes[1].serve, ["backup".into()]);
    assert_eq!(state.world().services[0].policy, version("reference"));
}

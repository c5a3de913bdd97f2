//! Tests that cannot fail are worth nothing: each of these changes breaks a test of its policy.

use super::{policies, policy, stories_of, tell};
use sidestep::{
    model::{PolicyText, story::Story},
    policy::Library,
};

/// Changes of one line each: policy, what is written, what is written instead.
const MUTATIONS: &[(&str, &str, &str)] = &[
    ("failover.rhai", "active.is_down(FALL)", "active.is_down(1)"),
    (
        "failover.rhai",
        "active.is_down(FALL)",
        "active.is_down(FALL - 1)",
    ),
    (
        "failover.rhai",
        "active.is_down(FALL)",
        "active.is_down(FALL + 1)",
    ),
    (
        "failover.rhai",
        "active.is_down(FALL)",
        "primary.is_down(FALL)",
    ),
    (
        "failover.rhai",
        "active.is_down(FALL)",
        "active.dirty_for > 3 * SECOND",
    ),
    (
        "failover.rhai",
        "first_of(service.up(RISE), `${",
        "first_of(service.up(1), `${",
    ),
    (
        "failover.rhai",
        "first_of(service.up(RISE), `${",
        "first_of(service.backups, `${",
    ),
    ("failover.rhai", "if active == primary {", "if false {"),
    (
        "failover.rhai",
        "primary.is_up(RISE) &&",
        "primary.is_up(1) &&",
    ),
    ("failover.rhai", "primary.is_up(RISE) &&", ""),
    ("failover.rhai", "primary.loss(FAILBACK) <= NOISE", "true"),
    (
        "failover.rhai",
        "loss(FAILBACK) <= NOISE",
        "loss(FAILBACK) == 0",
    ),
    (
        "failover.rhai",
        "loss(FAILBACK) <= NOISE",
        "loss(FAILBACK) < NOISE",
    ),
    (
        "failover.rhai",
        "loss(FAILBACK) <= NOISE",
        "loss(FAILBACK) <= NOISE + 10",
    ),
    (
        "failover.rhai",
        "loss(FAILBACK) <= NOISE",
        "loss(10 * SECOND) <= NOISE",
    ),
    (
        "failover.rhai",
        "loss(FAILBACK) <= NOISE",
        "clean_for >= FAILBACK",
    ),
    ("failover.rhai", r#"primary.freshness != "stale""#, "true"),
    (
        "failover.rhai",
        r#"primary.freshness != "stale""#,
        r#"primary.freshness == "fresh""#,
    ),
    ("failover.rhai", "service.since_switch >= SLOW_FOR && ", ""),
    (
        "failover.rhai",
        "since_switch >= SLOW_FOR",
        "since_switch > SLOW_FOR",
    ),
    ("failover.rhai", "SLOW_FOR && slow(active)", "SLOW_FOR"),
    (
        "failover.rhai",
        "p50(SLOW_FOR) > SLOW",
        "p50(SLOW_FOR) >= SLOW",
    ),
    (
        "failover.rhai",
        "p50(SLOW_FOR) > SLOW",
        "p95(SLOW_FOR) > SLOW",
    ),
    (
        "failover.rhai",
        "p50(SLOW_FOR) > SLOW",
        "p50(SECOND) > SLOW",
    ),
    ("failover.rhai", "t.clean_for >= SLOW_FOR && ", ""),
    ("failover.rhai", " && !slow(t)", ""),
    (
        "manual-failback.rhai",
        "active.is_down(FALL)",
        "active.is_down(FALL - 1)",
    ),
    (
        "manual-failback.rhai",
        "active.is_down(FALL)",
        "primary.is_down(FALL)",
    ),
    ("manual-failback.rhai", "&& LAST_RESORT", ""),
    ("manual-failback.rhai", "&& LAST_RESORT", "&& false"),
    (
        "manual-failback.rhai",
        "in service.backups",
        "in service.targets",
    ),
    (
        "manual-failback.rhai",
        r#"!service.asked("failback")"#,
        "false",
    ),
    (
        "manual-failback.rhai",
        "clean_for < WELL",
        "clean_for <= WELL",
    ),
    (
        "manual-failback.rhai",
        r#"primary.freshness == "stale""#,
        "false",
    ),
    ("quorum.rhai", "t.vantages / 2 + 1", "1"),
    ("quorum.rhai", "t.vantages / 2 + 1", "(t.vantages + 1) / 2"),
    (
        "quorum.rhai",
        "if asked > t.vantages { t.vantages } else { asked }",
        "asked",
    ),
    (
        "quorum.rhai",
        "vantages_failing(FALL) >= needed(t, DOWN_AT)",
        "is_down(FALL)",
    ),
    ("quorum.rhai", "passing >= needed(t, UP_AT)", "t.is_up(1)"),
    (
        "quorum.rhai",
        " && t.vantages - passing < needed(t, DOWN_AT)",
        "",
    ),
    (
        "quorum.rhai",
        "clean_for >= FAILBACK",
        "clean_for >= SECOND",
    ),
    ("quorum.rhai", r#"primary.freshness != "stale""#, "true"),
    ("quorum.rhai", "if failing > 0 {", "if false {"),
    (
        "damped.rhai",
        "if active != primary || up.is_empty {",
        "if up.is_empty {",
    ),
    ("damped.rhai", "if points > MOST { points = MOST; }", ""),
    ("damped.rhai", "points > CUT ||", ""),
    ("damped.rhai", "points += PENALTY;", "points = PENALTY;"),
    ("damped.rhai", "if ends > now {", "if false {"),
    ("damped.rhai", r#".remember("damped_until", ends)"#, ""),
    ("damped.rhai", r#".remember("points_at", now)"#, ""),
    (
        "damped.rhai",
        "points - points * age / (2 * HALF_LIFE)",
        "points",
    ),
    (
        "damped.rhai",
        "clean_for >= FAILBACK",
        "clean_for > FAILBACK",
    ),
    ("damped.rhai", r#"primary.freshness != "stale""#, "true"),
    ("all-healthy.rhai", "&& !open ", ""),
    ("all-healthy.rhai", "t.is_up(RISE) ||", "t.is_up(1) ||"),
    (
        "all-healthy.rhai",
        "!t.is_down(FALL)",
        "!t.is_down(FALL - 1)",
    ),
    ("all-healthy.rhai", "!t.is_down(FALL)", "t.is_up(1)"),
    ("all-healthy.rhai", "serve_all(", "hold("),
    (
        "all-healthy.rhai",
        r#"remember("open", true)"#,
        r#"remember("open", ())"#,
    ),
    ("freshest.rhai", "if !stale(t) { return", "if true { return"),
    ("freshest.rhai", "if !TAKE_STALE {", "if false {"),
    ("freshest.rhai", "if !TAKE_STALE {", "if true {"),
    (
        "freshest.rhai",
        "if stale(primary) { return",
        "if false { return",
    ),
    (
        "freshest.rhai",
        "clean_for >= FAILBACK",
        "clean_for > FAILBACK",
    ),
    (
        "freshest.rhai",
        "active.is_down(FALL)",
        "active.is_down(FALL + 1)",
    ),
];

#[test]
fn a_changed_line_breaks_a_test() {
    let library = Library::new();
    for name in policies() {
        let fails = |story: &&Story| !tell(&library, &policy(&name), story).passed();
        // Where a test fails anyway, nothing is learnt from what follows.
        assert_eq!(stories_of(&name).iter().find(fails), None, "{name}");
    }
    let mut unnoticed = Vec::new();
    for &(name, written, instead) in MUTATIONS {
        let text = policy(name);
        let count = text.source.matches(written).count();
        assert_eq!(count, 1, "{name} has `{written}` {count} times");
        let changed = PolicyText {
            source: text.source.replace(written, instead).into(),
            name: text.name,
        };
        let passes = stories_of(name)
            .iter()
            .all(|story| tell(&library, &changed, story).passed());
        if passes {
            unnoticed.push(format!("{name}: `{written}` as `{instead}`"));
        }
    }
    assert!(
        unnoticed.is_empty(),
        "no test notices:\n{}",
        unnoticed.join("\n")
    );
}

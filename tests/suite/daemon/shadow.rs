//! Shadows in a real daemon: shown, journaled, remembered; and promoted.

use super::site::{DEADLINE, FIRST, ONE_TWO, Site, two_targets};
use sidestep::{
    control::PromoteRequest,
    failover::{
        What,
        event::{Parted, Shadowed},
        orders::Promotion,
        overview::ShadowOverview,
    },
};
use std::{fs, os::unix::fs::PermissionsExt as _, time::Instant};

/// Serves the second target.
const LAST: &str =
    "fn decide(service) {\n    serve(service.targets[service.targets.len - 1], \"the last\")\n}\n";
const SHADOWED: &str = "targets = [\"one\", \"two\"]\nshadow = \"next.rhai\"\n";

impl Site {
    /// Under [`FIRST`], in its shadow [`LAST`].
    fn shadowed() -> Self {
        Self::start(|web| {
            vec![
                ("sidestep.toml", two_targets(web, SHADOWED)),
                ("policies/www.rhai", FIRST.to_owned()),
                ("policies/next.rhai", LAST.to_owned()),
            ]
        })
    }

    fn shadow(&self) -> ShadowOverview {
        self.overview().services[0].shadow.clone().unwrap()
    }

    /// Waits until the shadow would serve the second target: the guard lets it go there once it
    /// passed a probe.
    fn wait_apart(&self) -> ShadowOverview {
        let until = Instant::now() + DEADLINE;
        loop {
            let shadow = self.shadow();
            if shadow.parted.since.is_some() {
                return shadow;
            }
            assert!(Instant::now() < until, "{shadow:?}");
            self.next();
        }
    }

    fn promote(&self, dry_run: bool) -> Result<Promotion, String> {
        let request = PromoteRequest {
            service: "www".into(),
            reason: "a week in the shadow".to_owned(),
            dry_run,
        };
        let (_, promotion) = self.client().promote(&request)?;
        Ok(promotion)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

#[test]
fn a_shadow_is_shown_and_journaled_and_answers_nothing() {
    let mut site = Site::shadowed();
    let shadow = site.wait_apart();
    assert_eq!((&*shadow.policy, &*shadow.serving[0]), ("next.rhai", "two"));
    assert_eq!(
        (shadow.reason.as_str(), shadow.line, shadow.faults),
        ("the last", 2, 0)
    );
    assert_eq!(shadow.parted.count, 1);
    assert_eq!(site.addresses(), ["192.0.2.1"]);
    let (code, text, _) = site.command(&["status"]);
    assert_eq!(code, Some(0));
    assert!(
        text.contains("~ www: shadow next.rhai would serve two (line 2): the last"),
        "{text}"
    );
    let (_, text, _) = site.command(&["status", "www"]);
    assert!(text.contains("shadow     next.rhai, version"), "{text}");
    assert!(
        text.contains("parted from what is served once, is apart since"),
        "{text}"
    );
    let metrics = sidestep::control::Client::new(site.daemon().http().unwrap());
    let metrics = metrics.get("/metrics").unwrap().body;
    assert!(
        metrics.contains("sidestep_shadow_partings_total{service=\"www\"} 1"),
        "{metrics}"
    );
    assert!(metrics.contains("sidestep_shadow_differs{service=\"www\"} 1"));

    // What a restart remembers.
    let before = shadow;
    site.restart();
    let after = site.shadow();
    assert_eq!(
        (after.serving, after.parted),
        (before.serving, before.parted)
    );
    site.stop();
    let (code, log, _) = site.command(&["log", "--since", "1h"]);
    assert_eq!(code, Some(0));
    assert!(
        log.contains("www: shadow next.rhai would serve two: the last (next.rhai:2,"),
        "{log}"
    );
    assert!(
        log.contains("www serves one, shadow next.rhai would serve two: they part, 1x so far"),
        "{log}"
    );
}

#[test]
fn a_broken_shadow_is_refused_like_any_policy() {
    let site = Site::shadowed();
    site.save("policies/next.rhai", "fn decide(service) { hodl(\"x\") }\n");
    let refused = site.wait_refused(|refused| !refused.is_empty());
    assert!(
        refused[0].starts_with("policies/next.rhai:1:22: unknown function"),
        "{refused:?}"
    );
    let version = site.shadow().version;
    assert!(refused[0].contains(version.short()), "{refused:?}");
    let why = site.promote(false).unwrap_err();
    assert!(
        why.starts_with("next.rhai as it is saved now is not the shadow"),
        "{why}"
    );
    assert_eq!(site.read("policies/www.rhai"), FIRST);
    site.save("policies/next.rhai", FIRST);
    site.wait_refused(<[String]>::is_empty);
}

#[test]
fn promote_swaps_the_texts_and_is_in_force_at_once() {
    let site = Site::shadowed();
    site.wait_apart();
    let policy = site.path("policies/www.rhai");
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o640)).unwrap();

    let (code, text, _) = site.command(&["promote", "www", "--reason", "tried", "--dry-run"]);
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "parted     once",
        "now        one",
        "then       two",
        "line 2: the last",
        ".prev",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(site.read("policies/www.rhai"), FIRST);
    assert!(!site.path("policies/www.rhai.prev").exists());

    let done = site.promote(false).unwrap();
    let report = done.report.unwrap();
    assert_eq!(report.refused.len(), 0, "{report:?}");
    assert_eq!(report.moved, ["www from one to two"]);
    site.wait_answer("192.0.2.2");
    assert_eq!(site.read("policies/www.rhai"), LAST);
    assert_eq!(site.read("policies/www.rhai.prev"), FIRST);
    assert_eq!(site.read("policies/next.rhai"), LAST);
    let mode = fs::metadata(&policy).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let files = fs::read_dir(site.path("policies")).unwrap();
    assert_eq!(files.count(), 3, "nothing is left lying about");
    // The same text as the policy: it is with it from now on, and a restart is none the wiser.
    let shadow = site.shadow();
    assert_eq!((shadow.parted.count, shadow.parted.since), (0, None));
    let (_, log, _) = site.command(&["log", "--since", "1h"]);
    assert!(
        log.contains("(promotes next.rhai of www: a week in the shadow)"),
        "{log}"
    );
    // Once more would keep the new text as the former one.
    let why = site.promote(false).unwrap_err();
    assert!(
        why.starts_with("the shadow is the policy already: nothing to promote"),
        "{why}"
    );
    assert_eq!(site.read("policies/www.rhai.prev"), FIRST);
}

#[test]
fn what_cannot_be_promoted_is_refused_and_says_what_to_do() {
    let site = Site::shadowed();
    let (code, _, why) = site.command(&["promote", "wwe", "--reason", "x", "--yes"]);
    assert_eq!(code, Some(1));
    assert!(why.contains("did you mean 'www'?"), "{why}");
    let (_, _, why) = site.command(&["promote", "--reason", "x", "--dry-run"]);
    assert!(why.contains("no reload waits"), "{why}");
    let (code, _, why) = site.command(&["promote", "www", "--reason", "x"]);
    assert_eq!(code, Some(2), "{why}");

    // Somebody saved the policy, and it is not in force.
    site.save("policies/www.rhai", "fn decide(service) { hodl(\"x\") }\n");
    let why = site.promote(false).unwrap_err();
    assert!(
        why.starts_with("www.rhai as it is saved now is not in force"),
        "{why}"
    );
    site.save("policies/www.rhai", FIRST);
    site.wait_refused(<[String]>::is_empty);

    // It would not pass the tests of the policy.
    let test = "[[test]]\nname = \"stays on one\"\ninterval = \"1s\"\none = \".*9\"\ntwo = \".*9\"\n\
                expect = [ { at = \"9s\", serve = \"one\" } ]\n";
    site.save("policies/www.test.toml", test);
    let why = site.promote(false).unwrap_err();
    assert!(why.contains("stays on one"), "{why}");
    fs::remove_file(site.path("policies/www.test.toml")).unwrap();

    // Others use the policy, too.
    let other = "[[service]]\nname = \"shop\"\nnames = [\"shop.example.com\"]\npolicy = \"www.rhai\"\n\
                 monitors = [\"http\"]\ntargets = [\"one\"]\n";
    let both = two_targets(site.web, &format!("{SHADOWED}{other}"));
    site.save("sidestep.toml", &both);
    site.in_force();
    let why = site.promote(false).unwrap_err();
    assert!(
        why.starts_with("www.rhai decides for shop as well"),
        "{why}"
    );

    // It has none.
    site.save("sidestep.toml", &two_targets(site.web, ONE_TWO));
    site.in_force();
    let why = site.promote(false).unwrap_err();
    assert!(
        why.contains("has no shadow: write shadow = \"next.rhai\""),
        "{why}"
    );
    assert_eq!(site.read("policies/www.rhai"), FIRST);
    assert!(!site.path("policies/www.rhai.prev").exists());
}

#[test]
fn a_reload_that_waits_is_promoted_without_a_service() {
    let site = Site::usual();
    let asks = format!("{ONE_TWO}reload = \"ask\"\n");
    site.save("sidestep.toml", &two_targets(site.web, &asks));
    site.in_force();
    site.save("policies/www.rhai", LAST);
    let until = Instant::now() + DEADLINE;
    let shown = || {
        site.daemon()
            .operations()
            .overview()
            .daemon
            .clone()
            .unwrap()
    };
    while shown().pending.is_none() {
        assert!(Instant::now() < until, "nothing waits");
        site.next();
    }
    let (code, text, _) = site.command(&["promote", "--reason", "now", "--dry-run"]);
    assert_eq!(code, Some(0));
    assert!(
        text.contains("it waits, as it moves www from one to two"),
        "{text}"
    );
    assert_eq!(site.addresses(), ["192.0.2.1"]);
    let (code, text, why) = site.command(&["promote", "--reason", "now", "--yes"]);
    assert_eq!(code, Some(0), "{text}{why}");
    site.wait_answer("192.0.2.2");
    let (_, log, _) = site.command(&["log", "--since", "1h"]);
    assert!(log.contains("(now)"), "{log}");
}

#[test]
fn a_shadow_with_its_own_constants_takes_those_parameters_that_it_has() {
    let site = Site::start(|web| {
        let service = format!("{SHADOWED}params = {{ FALL = 5, OLD = 1 }}\n");
        let policy = "const FALL = 3;\nconst OLD = 0;\nfn decide(service) {\n    \
                      if service.active.is_down(FALL + OLD) { return serve_all(\"x\"); }\n    hold(\"y\")\n}\n";
        let next = "const FALL = 1;\nfn decide(service) { hold(`FALL is ${FALL}`) }\n";
        vec![
            ("sidestep.toml", two_targets(web, &service)),
            ("policies/www.rhai", policy.to_owned()),
            ("policies/next.rhai", next.to_owned()),
        ]
    });
    assert_eq!(site.shadow().reason, "FALL is 5");
    let why = site.promote(false).unwrap_err();
    assert!(why.contains("OLD"), "{why}");
}

#[test]
fn partings_are_events_that_name_both_sides() {
    let site = Site::shadowed();
    let until = Instant::now() + DEADLINE;
    // What was read away while the site began.
    site.save("policies/next.rhai", FIRST);
    site.in_force();
    site.save("policies/next.rhai", LAST);
    loop {
        assert!(Instant::now() < until);
        if let What::Shadow(Shadowed::Parted(parted)) = site.next().what
            && parted.apart
        {
            let expected = Parted {
                service: "www".into(),
                apart: true,
                serving: vec!["one".into()],
                shadow: vec!["two".into()],
            };
            assert_eq!(parted, expected);
            return;
        }
    }
}

//! Reloads: what goes on, what begins anew, and what is answered meanwhile.

use super::{Bench, Policies, config, hold, serve, three};
use serde_json::json;
use sidestep::failover::{Input, Reload, What, answers, input::ZoneVersion};
use std::sync::Arc;

const WELL: &[(&str, &str)] = &[("primary", "..."), ("backup", "..."), ("third", "...")];

/// Three targets, all with three good results; `serving` by an operator who let go again.
fn bench(serving: &str) -> Bench {
    let mut policies = Policies::new();
    policies.add("stay", |_| Ok(hold("stay", 1)));
    let mut bench = Bench::under(three(), policies, "stay");
    bench.play(WELL);
    if serving != "primary" {
        bench.order(json!({ "command": "switch", "service": "www", "target": serving }));
        bench.order(json!({ "command": "release", "service": "www" }));
    }
    assert_eq!(bench.serving(), serving);
    bench
}

impl Bench {
    fn targets_of_www(&mut self, targets: &[&str]) {
        let service = self.config.services.get_mut("www").unwrap();
        service.targets = targets.iter().map(|target| (*target).into()).collect();
    }

    fn rename(&mut self, from: &str, to: &str) {
        let mut target = self.config.targets.remove(from).unwrap();
        target.name = to.into();
        self.config.targets.insert(to.into(), target);
        let service = self.config.services.get_mut("www").unwrap();
        for name in &mut service.targets {
            if name.as_str() == from {
                *name = to.into();
            }
        }
    }

    fn successes(&self, target: &str) -> i64 {
        self.view().target(target).unwrap().successes()
    }
}

#[test]
fn nothing_changes_where_nothing_changed() {
    let mut bench = bench("backup");
    let (serial, since) = (bench.serial(), bench.view().since_switch_ms());
    bench.reload();
    assert_eq!(
        (bench.serving().as_str(), bench.serial()),
        ("backup", serial)
    );
    assert_eq!(bench.view().since_switch_ms(), since);
    assert_eq!(bench.successes("third"), 3);
    assert_eq!(bench.decisions(), []);
}

#[test]
fn a_removed_target_leaves_the_answer_in_the_same_step() {
    let mut bench = bench("backup");
    let serial = bench.serial();
    bench.config.targets.remove("backup");
    bench.targets_of_www(&["primary", "third"]);
    bench.reload();
    assert_eq!(bench.serving(), "primary");
    assert_eq!(bench.addresses(), ["192.0.2.10"]);
    assert!(bench.serial() > serial);
    let decision = bench.decisions().pop().unwrap();
    assert_eq!(decision.serve, ["primary".into()]);
    assert_eq!(
        decision.alert.as_deref(),
        Some("the reload by test moves www from backup to primary")
    );
    assert_eq!(bench.view().since_switch_ms(), 0);
    assert_eq!(bench.successes("third"), 3);
}

#[test]
fn the_guard_replaces_a_removed_target_by_the_first_that_is_well() {
    let mut bench = bench("backup");
    bench.play(&[("primary", "xxx"), ("third", "...")]);
    bench.targets_of_www(&["primary", "third"]);
    bench.reload();
    assert_eq!(bench.serving(), "third");
}

#[test]
fn a_removed_member_of_the_set_leaves_it_and_that_is_a_switch() {
    let mut bench = bench("primary");
    bench
        .policies
        .add("two", |service| match service.target("backup") {
            Some(_) => Ok(serve(&["primary", "backup"], "both", 1)),
            None => Ok(hold("what is left", 2)),
        });
    bench.source = "two".into();
    bench.reload();
    assert_eq!(bench.serving(), "primary backup");
    bench.now_ms += 60_000;
    bench.targets_of_www(&["primary", "third"]);
    bench.reload();
    assert_eq!(bench.serving(), "primary");
    assert_eq!(bench.addresses(), ["192.0.2.10"]);
    assert_eq!(
        (bench.view().since_switch_ms(), bench.view().switches(1_000)),
        (0, 1)
    );
}

#[test]
fn an_added_target_begins_without_results_and_others_go_on() {
    let mut bench = bench("backup");
    let more = config(&[("new", &["192.0.2.99"])])
        .targets
        .remove("new")
        .unwrap();
    bench.config.targets.insert("new".into(), more);
    bench.targets_of_www(&["new", "primary", "backup", "third"]);
    bench.reload();
    assert_eq!(bench.serving(), "backup");
    assert_eq!(bench.view().primary().name().as_str(), "new");
    assert_eq!((bench.successes("new"), bench.successes("backup")), (0, 3));
}

#[test]
fn reordered_targets_keep_everything_but_their_places() {
    let mut bench = bench("backup");
    bench.targets_of_www(&["third", "backup", "primary"]);
    bench.reload();
    assert_eq!(bench.serving(), "backup");
    assert_eq!(bench.view().primary().name().as_str(), "third");
    assert_eq!(bench.successes("primary"), 3);
    assert!(bench.view().target("primary").unwrap().left_for_ms() < 60_000);
}

#[test]
fn a_renamed_target_goes_on_also_where_it_is_served() {
    let mut bench = bench("backup");
    let serial = bench.serial();
    bench.order(json!({ "command": "drain", "target": "third" }));
    bench.rename("backup", "zebra");
    bench.rename("third", "aardvark");
    bench.reload();
    assert_eq!(bench.serving(), "zebra");
    assert_eq!(bench.serial(), serial, "the same addresses are answered");
    assert_eq!(
        (bench.successes("zebra"), bench.successes("aardvark")),
        (3, 3)
    );
    assert!(bench.view().target("aardvark").unwrap().drained());
    assert!(bench.view().switches(1_000_000) == 1);
    assert_eq!(bench.decisions(), [], "nothing moved");
    // When it was last left goes with it as well.
    bench.rename("primary", "first");
    bench.now_ms += 60_000;
    bench.reload();
    assert_eq!(bench.view().primary().name().as_str(), "first");
    assert_eq!(bench.view().primary().left_for_ms(), 60_000);
}

#[test]
fn a_witness_that_is_not_asked_any_more_is_forgotten() {
    let mut bench = bench("primary");
    bench.config.witness =
        serde_json::from_value(json!({ "addresses": ["192.0.2.53:53"], "need": 1 })).unwrap();
    bench.reload();
    bench.witness(true);
    bench.witness(false);
    assert!(bench.view().isolated());
    bench.config.witness = None;
    bench.reload();
    assert!(!bench.view().isolated());
    assert!(bench.state.world().witnesses.is_empty());
}

#[test]
fn two_targets_that_go_on_as_one_are_served_once() {
    let mut bench = bench("primary");
    bench.policies.add("two", |service| {
        let all: Vec<_> = service
            .targets()
            .iter()
            .map(|t| t.name().to_string())
            .collect();
        Ok(serve(
            &all.iter().map(String::as_str).collect::<Vec<_>>(),
            "all",
            1,
        ))
    });
    for target in ["backup", "third"] {
        bench.config.targets.get_mut(target).unwrap().addresses =
            vec!["192.0.2.77".parse().unwrap()];
    }
    bench.reload();
    bench.play(WELL);
    bench.play(&[("backup", "...")]);
    bench.source = "two".into();
    bench.reload();
    assert_eq!(bench.serving(), "primary backup third");
    bench.rename("backup", "both");
    bench.config.targets.remove("third");
    bench.targets_of_www(&["primary", "both"]);
    bench.source = "stay".into();
    bench.reload();
    assert_eq!(bench.serving(), "primary both");
    assert_eq!(bench.successes("both"), 6, "the first of the two goes on");
}

#[test]
fn a_readdressed_target_begins_anew_and_its_other_addresses_go_on() {
    let mut bench = Bench::new(config(&[
        ("primary", &["192.0.2.1", "192.0.2.2"]),
        ("backup", &["192.0.2.3"]),
    ]));
    bench.play(&[
        ("primary/1", "..."),
        ("primary/2", "..."),
        ("backup", "..."),
    ]);
    let serial = bench.serial();
    let primary = bench.config.targets.get_mut("primary").unwrap();
    primary.addresses = vec!["192.0.2.9".parse().unwrap(), "192.0.2.1".parse().unwrap()];
    bench.reload();
    assert_eq!(bench.serving(), "primary");
    assert_eq!(bench.addresses(), ["192.0.2.9", "192.0.2.1"]);
    assert_eq!(bench.serial(), serial + 1);
    let group = |bench: &Bench| bench.state.world().groups[1].clone();
    let known: Vec<_> = group(&bench)
        .series
        .iter()
        .map(|s| s.address.to_string())
        .collect();
    assert_eq!(known, ["192.0.2.1"]);
    bench.play(&[("primary/1", "x"), ("primary/2", ".")]);
    let known: Vec<_> = group(&bench)
        .series
        .iter()
        .map(|s| (s.address.to_string(), s.successes))
        .collect();
    assert_eq!(
        known,
        [("192.0.2.9".to_owned(), 0), ("192.0.2.1".to_owned(), 4)]
    );
}

#[test]
fn a_changed_monitor_begins_anew_and_an_unchanged_one_goes_on() {
    let mut bench = bench("backup");
    bench.config.targets.get_mut("third").unwrap().monitor =
        serde_json::from_value(json!({ "tcp": { "port": 81 } })).unwrap();
    bench.reload();
    assert_eq!(
        (bench.successes("third"), bench.successes("primary")),
        (0, 3)
    );
    bench.config.monitors.get_mut("tcp").unwrap().timeout_ms = 1_000;
    bench.reload();
    assert_eq!(
        (bench.successes("primary"), bench.serving().as_str()),
        (0, "backup")
    );
}

#[test]
fn services_come_and_go() {
    let mut bench = bench("backup");
    let mut other = bench.config.services["www"].clone();
    other.name = "api".into();
    other.names = vec!["api.example.com".into()];
    other.targets = vec!["third".into(), "primary".into()];
    bench.config.services.insert("api".into(), other);
    bench.reload();
    let table = answers(&bench.state);
    assert_eq!(
        table.services["api"].addresses,
        ["203.0.113.30".parse::<std::net::IpAddr>().unwrap()]
    );
    assert_eq!(
        bench.state.view("api").unwrap().primary().successes(),
        3,
        "results are shared"
    );
    assert_eq!(bench.serving(), "backup");
    // An observation reaches both.
    bench.play(&[("primary", "x")]);
    assert_eq!(
        bench
            .state
            .view("api")
            .unwrap()
            .target("primary")
            .unwrap()
            .failures(),
        1
    );
    bench.config.services.remove("www");
    bench.reload();
    assert_eq!(answers(&bench.state).services.len(), 1);
    assert!(bench.state.latest("www").is_none());
    assert_eq!(
        bench.state.world().groups.len(),
        2,
        "nobody asks about the backup any more"
    );
}

#[test]
fn a_changed_policy_is_in_force_at_once_and_says_when_it_moves_traffic() {
    let mut bench = bench("backup");
    bench
        .policies
        .add("home", |_| Ok(serve(&["primary"], "home", 4)));
    bench.source = "home".into();
    bench.reload();
    assert_eq!(bench.serving(), "primary");
    let decision = bench.decisions().pop().unwrap();
    assert_eq!(
        decision.alert.as_deref(),
        Some("the reload by test moves www from backup to primary")
    );
    assert!(
        bench
            .last
            .iter()
            .any(|event| matches!(event.what, What::Policy(_)))
    );
    assert_eq!(
        bench.state.world().services[0].previous,
        Some(super::version("stay"))
    );
}

#[test]
fn an_override_whose_target_is_gone_ends_and_a_renamed_one_goes_on() {
    let mut bench = bench("primary");
    bench.order(json!({ "command": "switch", "service": "www", "target": "third" }));
    bench.rename("third", "fourth");
    bench.reload();
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("fourth", "override")
    );
    bench.targets_of_www(&["primary", "backup"]);
    bench.reload();
    assert_eq!(
        (bench.serving().as_str(), bench.rail().as_str()),
        ("primary", "")
    );
    assert!(
        bench
            .last
            .iter()
            .any(|event| matches!(event.what, What::Ended(_)))
    );
}

#[test]
fn serials_move_with_what_is_published_and_never_go_back() {
    let mut bench = bench("primary");
    let mut seen = vec![bench.serial()];
    let mut reload = |bench: &mut Bench, serial: Option<u32>, hash: &str| {
        bench.feed(Input::Reload(Reload {
            by: "test".into(),
            config: Arc::new(bench.config.clone()),
            policies: vec![sidestep::model::PolicyText {
                name: "www.rhai".into(),
                source: "stay".into(),
            }],
            zones: vec![ZoneVersion {
                apex: "example.com".into(),
                serial,
                hash: hash.into(),
            }],
        }));
        let (before, now) = (*seen.last().unwrap(), bench.serial());
        seen.push(now);
        i64::from(now) - i64::from(before)
    };
    assert_eq!(reload(&mut bench, None, "a"), 1);
    assert_eq!(reload(&mut bench, None, "a"), 0);
    let far = bench.serial() + 1_000;
    assert_eq!(reload(&mut bench, Some(far), "b"), 1_000);
    assert_eq!(
        reload(&mut bench, Some(5), "c"),
        1,
        "an older serial in the file"
    );
    assert_eq!(reload(&mut bench, Some(5), "c"), 0);
    bench.config.targets.get_mut("primary").unwrap().addresses = vec!["192.0.2.8".parse().unwrap()];
    assert_eq!(reload(&mut bench, Some(5), "c"), 1);
    bench.config.services.get_mut("www").unwrap().ttl_ms = 60_000;
    assert!(reload(&mut bench, Some(5), "c") >= 1);
    bench.order(json!({ "command": "switch", "service": "www", "target": "third" }));
    assert_eq!(reload(&mut bench, Some(5), "c"), 1, "the switch moved it");
    assert_eq!(bench.state.world().services.len(), 1);
}

#[test]
fn junk_is_no_input_of_anybody() {
    let mut bench = bench("primary");
    let mut seen = super::observation(&bench.config, "primary", 'x').unwrap();
    for (target, monitor) in [("nobody", "tcp"), ("primary", "nothing"), ("", "")] {
        (seen.target, seen.monitor) = (target.into(), monitor.into());
        assert_eq!(bench.feed(Input::Probe(seen.clone())).len(), 1);
    }
    let mut seen = super::observation(&bench.config, "primary", 'x').unwrap();
    seen.address = Some("192.0.2.200".parse().unwrap());
    bench.feed(Input::Probe(seen));
    assert_eq!(bench.successes("primary"), 3);
}

#[test]
fn a_zone_that_was_removed_and_comes_again_never_goes_back() {
    let mut bench = bench("primary");
    let zones = bench.config.zones.clone();
    let reload = |bench: &mut Bench, zones: &[sidestep::model::ZoneConfig]| {
        bench.config.zones = zones.to_vec();
        let version = |zone: &sidestep::model::ZoneConfig| ZoneVersion {
            apex: zone.name.clone(),
            serial: Some(7),
            hash: "a".into(),
        };
        bench.feed(Input::Reload(Reload {
            by: "test".into(),
            config: Arc::new(bench.config.clone()),
            policies: Vec::new(),
            zones: zones.iter().map(version).collect(),
        }));
    };
    let before = bench.serial();
    assert!(before > 7);
    reload(&mut bench, &[]);
    assert!(answers(&bench.state).serials.is_empty());
    reload(&mut bench, &zones);
    assert!(bench.serial() > before, "{} {before}", bench.serial());
}

//! Targets with records or a hostname: what is answered, and what resolving changes.

use super::{Bench, config, hold, serve, three};
use serde_json::json;
use sidestep::{
    failover::{Input, State, answers, input::Resolved, overview::overview, step},
    model::{DnsName, Target, Timestamp},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// `primary` has an address, `backup` is a hostname.
fn bench() -> Bench {
    let mut config = config(&[("primary", &["192.0.2.10"]), ("backup", &["192.0.2.99"])]);
    let backup = config.targets.get_mut("backup").unwrap();
    backup.addresses.clear();
    backup.cname = Some("lb.example.net".into());
    Bench::new(config)
}

impl Bench {
    fn resolved(&mut self, addresses: &[&str], error: Option<&str>) {
        self.resolved_of("lb.example.net", addresses, error);
    }

    fn resolved_of(&mut self, hostname: &str, addresses: &[&str], error: Option<&str>) {
        let addresses = addresses.iter().map(|one| one.parse().unwrap());
        self.feed(Input::Resolved(Resolved {
            target: "backup".into(),
            hostname: hostname.into(),
            addresses: addresses.collect(),
            error: error.map(str::to_owned),
        }));
    }

    fn switch_to(&mut self, target: &str) {
        self.order(json!({ "command": "switch", "service": "www", "target": target }));
    }

    fn cname(&self) -> Option<DnsName> {
        answers(&self.state).services["www"].cname.clone()
    }

    fn records(&self) -> Vec<String> {
        answers(&self.state).services["www"].records.clone()
    }

    fn successes_of(&self, target: &str) -> i64 {
        self.view().target(target).unwrap().successes()
    }

    fn advisories(&self) -> Vec<String> {
        let said = overview(&self.state).advisories;
        said.into_iter()
            .filter(|one| one.contains("resolved"))
            .collect()
    }
}

#[test]
fn what_a_hostname_is_resolved_to_is_answered_at_once_and_stays_while_it_fails() {
    let mut bench = bench();
    bench.switch_to("backup");
    assert_eq!(bench.cname(), Some("lb.example.net".into()));
    assert_eq!(bench.addresses(), [""; 0], "it was never resolved");
    bench.resolved(&[], Some("timed out"));
    bench.now_ms += 90_000;
    bench.feed(Input::Tick);
    let never = "backup: lb.example.net cannot be resolved for 1m30s (timed out): it never was: it is not probed, and answered nowhere but as a CNAME";
    assert_eq!(bench.advisories(), [never]);

    let serial = bench.serial();
    bench.resolved(&["192.0.2.30", "2001:db8::30"], None);
    assert_eq!(bench.addresses(), ["192.0.2.30", "2001:db8::30"]);
    assert_eq!(bench.serial(), serial + 1);
    assert_eq!(bench.advisories(), [""; 0]);

    bench.resolved(&[], Some("there is no such name"));
    assert_eq!(bench.addresses(), ["192.0.2.30", "2001:db8::30"]);
    assert_eq!(bench.serial(), serial + 1, "nothing else is answered");
    let stands = "backup: lb.example.net cannot be resolved for 0s (there is no such name): what it was before stands, 192.0.2.30 2001:db8::30";
    assert_eq!(bench.advisories(), [stands]);

    // One family fails: the other is taken all the same.
    bench.resolved(&["192.0.2.31", "2001:db8::30"], Some("timed out"));
    assert_eq!(bench.addresses(), ["192.0.2.31", "2001:db8::30"]);
    assert_eq!(bench.advisories().len(), 1);
    bench.resolved(&["192.0.2.31", "192.0.2.31"], None);
    assert_eq!(bench.addresses(), ["192.0.2.31"]);
    assert_eq!(bench.advisories(), [""; 0]);
}

#[test]
fn a_hostname_is_probed_where_it_is_and_results_of_addresses_that_stay_go_on() {
    let mut bench = bench();
    bench.resolved(&["192.0.2.30", "192.0.2.31"], None);
    bench.config.targets.get_mut("backup").unwrap().addresses =
        vec!["192.0.2.30".parse().unwrap(), "192.0.2.31".parse().unwrap()];
    bench.play(&[("primary", "..."), ("backup/1", "..."), ("backup/2", "...")]);
    assert_eq!(bench.successes_of("backup"), 3);
    bench.resolved(&["192.0.2.31", "192.0.2.32"], None);
    assert_eq!(bench.successes_of("backup"), 3, "of the one that stays");
    bench.resolved(&["192.0.2.32"], None);
    assert_eq!(bench.successes_of("backup"), 0, "nothing is known of it");
    // What comes late of an address that is gone counts nowhere.
    bench.play(&[("backup/1", ".")]);
    assert_eq!(bench.successes_of("backup"), 0);
}

#[test]
fn the_last_good_answer_outlives_reloads_restarts_and_another_hostname() {
    let mut bench = bench();
    bench.switch_to("backup");
    bench.resolved(&["192.0.2.30"], None);
    let serial = bench.serial();
    bench.reload();
    assert_eq!(bench.addresses(), ["192.0.2.30"]);
    assert_eq!(bench.serial(), serial);

    let text = serde_json::to_string(&bench.state).unwrap();
    let restored: State = serde_json::from_str(&text).unwrap();
    assert_eq!(answers(&restored), answers(&bench.state));
    bench.state = restored;
    bench.reload();
    assert_eq!(bench.addresses(), ["192.0.2.30"]);

    // Under another name it is the same target.
    let mut renamed = bench.config.targets.remove("backup").unwrap();
    renamed.name = "cloud".into();
    bench.config.targets.insert("cloud".into(), renamed);
    let targets = vec!["primary".into(), "cloud".into()];
    bench.config.services.get_mut("www").unwrap().targets = targets;
    bench.reload();
    assert_eq!(
        (bench.serving(), bench.addresses()),
        ("cloud".into(), vec!["192.0.2.30".into()])
    );

    let cloud = bench.config.targets.get_mut("cloud").unwrap();
    cloud.cname = Some("other.example.net".into());
    bench.reload();
    // What it was stands until the other is resolved; what is found for the one of before comes
    // too late.
    assert_eq!(bench.addresses(), ["192.0.2.30"]);
    bench.resolved(&["192.0.2.33"], None);
    assert_eq!(bench.addresses(), ["192.0.2.30"]);
}

#[test]
fn a_cname_stands_alone_and_beside_others_there_are_addresses() {
    let mut bench = bench();
    bench.policies.add("all", |service| {
        let all = service.all_targets();
        let all: Vec<String> = all.iter().map(|t| t.name().to_string()).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        Ok(serve(&all, "everybody", 1))
    });
    bench.resolved(&["192.0.2.30"], None);
    assert_eq!(bench.cname(), None);
    bench.switch_to("backup");
    assert_eq!(bench.cname(), Some("lb.example.net".into()));
    bench.order(json!({ "command": "release", "service": "www" }));
    bench.play(&[("primary", "...")]);
    bench.source = "all".into();
    bench.reload();
    bench.feed(Input::Tick);
    assert_eq!(bench.serving(), "primary backup");
    assert_eq!(bench.cname(), None);
    assert_eq!(bench.addresses(), ["192.0.2.10", "192.0.2.30"]);
}

#[test]
fn records_move_with_the_addresses_and_are_joined() {
    let mut config = three();
    let records = |records: &[&str]| records.iter().map(|&one| one.to_owned()).collect();
    config.targets.get_mut("primary").unwrap().records = records(&["MX 10 mx1", "TXT \"a\""]);
    config.targets.get_mut("backup").unwrap().records = records(&["MX 10 mx2", "TXT \"a\""]);
    let mut policies = super::Policies::new();
    policies.add("two", |_| Ok(serve(&["primary", "backup"], "two", 1)));
    policies.add("stay", |_| Ok(hold("stay", 1)));
    let mut bench = Bench::under(config, policies, "stay");
    let serial = bench.serial();
    assert_eq!(bench.records(), ["MX 10 mx1", "TXT \"a\""]);
    assert_eq!(
        answers(&bench.state).services["www"].origin,
        Some("example.com".into())
    );
    bench.switch_to("backup");
    let answer = answers(&bench.state).services["www"].clone();
    assert_eq!(answer.records, ["MX 10 mx2", "TXT \"a\""]);
    assert_eq!(
        answer.addresses,
        ["198.51.100.20".parse::<std::net::IpAddr>().unwrap()]
    );
    assert_eq!(bench.serial(), serial + 1, "one change");
    bench.order(json!({ "command": "release", "service": "www" }));
    bench.source = "two".into();
    bench.reload();
    assert_eq!(bench.records(), ["MX 10 mx1", "TXT \"a\"", "MX 10 mx2"]);
    // Records alone are a change of what is answered.
    let serial = bench.serial();
    bench
        .config
        .targets
        .get_mut("backup")
        .unwrap()
        .records
        .clear();
    bench.reload();
    assert_eq!(bench.serial(), serial + 1);
    assert_eq!(bench.records(), ["MX 10 mx1", "TXT \"a\""]);
    bench.switch_to("third");
    assert_eq!(bench.records(), [""; 0]);
}

/// So many services, each with one target, and so many to a zone.
const THOUSANDS: usize = 5_000;
const IN_A_ZONE: usize = 5;
/// What one hostname takes on a busy machine, the same where the configuration must be copied,
/// and all answers.
const ALONE: Duration = Duration::from_millis(2);
const HELD: Duration = Duration::from_millis(10);
const ALL: Duration = Duration::from_millis(100);

/// Thousands of services with a target that is made from a plain one and its number.
fn thousands(make: impl Fn(&mut Target, usize)) -> Bench {
    let mut config = config(&[("t", &["192.0.2.1"])]);
    let target = config.targets.remove("t").unwrap();
    let service = config.services.remove("www").unwrap();
    let zone = config.zones.remove(0);
    for number in 0..THOUSANDS {
        let apex = format!("zone{}.example", number / IN_A_ZONE);
        if number % IN_A_ZONE == 0 {
            let mut zone = zone.clone();
            zone.name = apex.as_str().into();
            config.zones.push(zone);
        }
        let mut target = target.clone();
        target.name = format!("target{number}").into();
        make(&mut target, number);
        let mut service = service.clone();
        service.name = format!("service{number}").into();
        service.names = vec![format!("www{number}.{apex}").into()];
        service.targets = vec![target.name.clone()];
        config.targets.insert(target.name.clone(), target);
        config.services.insert(service.name.clone(), service);
    }
    let mut policies = super::Policies::new();
    policies.add("stay", |_| Ok(hold("stay", 1)));
    Bench::under(config, policies, "stay")
}

/// How long one hostname takes among thousands is printed, and bounded by five times what it
/// takes without optimisation.
#[test]
fn a_hostname_among_thousands_costs_little() {
    const ROUNDS: u32 = 100;
    let mut bench = thousands(|target, number| {
        target.addresses.clear();
        target.cname = Some(format!("lb{number}.example.net").into());
    });
    let address = |number| std::net::IpAddr::from(std::net::Ipv4Addr::from(0xc633_6400 + number));
    let resolve = |bench: &mut Bench, number: u32| {
        let resolved = Input::Resolved(Resolved {
            target: format!("target{number}").into(),
            hostname: format!("lb{number}.example.net").into(),
            addresses: vec![address(number)],
            error: None,
        });
        let at = Timestamp(super::BEGIN + bench.now_ms);
        let began = Instant::now();
        let events = step(&mut bench.state, at, resolved, &bench.policies);
        let took = began.elapsed();
        assert_eq!(events.len(), 1, "{events:?}");
        took
    };
    // The first copies the configuration that the reload holds.
    resolve(&mut bench, 0);
    let alone: Duration = (1..ROUNDS).map(|number| resolve(&mut bench, number)).sum();
    let alone = alone / (ROUNDS - 1);
    let mut held = Duration::ZERO;
    for number in ROUNDS..2 * ROUNDS {
        let holds = Arc::clone(&bench.state.world().config);
        held += resolve(&mut bench, number);
        drop(holds);
    }
    let held = held / ROUNDS;
    println!("one of {THOUSANDS}: {alone:?}; {held:?} where others hold the configuration");
    let table = answers(&bench.state);
    for number in [0, 7, 2 * ROUNDS - 1] {
        let answer = &table.services[format!("service{number}").as_str()];
        assert_eq!(answer.addresses, [address(number)]);
    }
    assert!(table.services["service200"].addresses.is_empty());
    assert!(alone < ALONE * 5, "{alone:?}");
    assert!(held < HELD * 5, "{held:?}");
}

/// The same of all answers, whose records need their zones.
#[test]
fn thousands_of_zones_are_found_in_their_time() {
    let mut bench = thousands(|target, _| target.records = vec!["MX 10 mx".to_owned()]);
    let began = Instant::now();
    let table = answers(&bench.state);
    let all = began.elapsed();
    let began = Instant::now();
    bench.reload();
    let reload = began.elapsed();
    println!("all answers of {THOUSANDS}: {all:?}; a reload: {reload:?}");
    for number in [0, 7, THOUSANDS - 1] {
        let answer = &table.services[format!("service{number}").as_str()];
        let apex = format!("zone{}.example", number / IN_A_ZONE);
        assert_eq!(answer.origin, Some(apex.as_str().into()));
    }
    assert!(all < ALL * 5, "{all:?}");
}

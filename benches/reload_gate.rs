//! What the reload gate and shadows cost: the gate over as many facts as are kept, with the default
//! policy on both sides; a step's facts into the ring; a step of a service with and without a
//! shadow.

use sidestep::{
    daemon::recent::{FACTS_MAX, Recent},
    failover::{
        Event, Input, Reload, State, What,
        rehearsal::gate::{self, Compared, Contender},
        step,
    },
    model::{Config, FailureReason, Observation, PolicyText, Service, Shadow, Timestamp},
    policy::{BUILTIN_SOURCE, Library},
};
use std::{hint::black_box, sync::Arc, time::Instant};

const RUNS: usize = 9;
const BEGIN: Timestamp = Timestamp(1_763_800_000_000);

fn main() {
    let facts = facts();
    let of_event = size_of::<Event>();
    println!(
        "an event takes {of_event} bytes, {FACTS_MAX} of them {} kB",
        FACTS_MAX * of_event / 1_000
    );
    through_the_gate(&facts);
    into_the_ring(&facts);
    steps(&facts);
}

/// The median of some runs, in ns.
fn median(mut run: impl FnMut() -> u128) -> u128 {
    let mut took: Vec<u128> = (0..RUNS).map(|_| run()).collect();
    took.sort_unstable();
    took[RUNS / 2]
}

fn through_the_gate(facts: &[Event]) {
    let config = config(false);
    let old = text(BUILTIN_SOURCE);
    let new = text(&BUILTIN_SOURCE.replace("FALL     = 3", "FALL     = 2"));
    let service = &config.services["www"];
    let all: Vec<&Event> = facts.iter().collect();
    // Its library is made within, as that of the version in force is.
    let run = |text| {
        let library = Library::new();
        adopt(&library, service, text);
        gate::run(&all, 0, &config, Contender { service, text }, &library).expect("a target")
    };
    let mut count = 0;
    let ns = median(|| {
        let began = Instant::now();
        let (ours, theirs) = std::thread::scope(|scope| {
            let theirs = scope.spawn(|| run(&old));
            (run(&new), theirs.join().expect("no panic"))
        });
        let contender = |text| Contender { service, text };
        let (ours, theirs) = ((contender(&new), &ours), (contender(&old), &theirs));
        count = Compared::of(ours, theirs, all.len()).count();
        began.elapsed().as_nanos()
    });
    println!(
        "the gate: {} facts under both versions in {} ms, {count} differences (a saved policy is to be in force within 200 ms)",
        facts.len(),
        ns / 1_000_000
    );
}

fn into_the_ring(facts: &[Event]) {
    let mut recent = Recent::new(0);
    let ns = median(|| {
        let events = facts.to_vec();
        let began = Instant::now();
        events.into_iter().for_each(|event| recent.take(event));
        began.elapsed().as_nanos()
    });
    let dropped = median(|| {
        let events = facts.to_vec();
        let began = Instant::now();
        drop(black_box(events));
        began.elapsed().as_nanos()
    });
    let each = |ns: u128| ns / facts.len() as u128;
    println!(
        "a fact into the ring: {} ns; only dropped it costs {} ns",
        each(ns),
        each(dropped)
    );
    let ns = median(|| {
        let began = Instant::now();
        black_box(recent.facts());
        began.elapsed().as_nanos()
    });
    println!("a copy of the ring: {} µs", ns / 1_000);
}

fn steps(facts: &[Event]) {
    for shadowed in [false, true] {
        let (config, library) = (config(shadowed), Library::new());
        let mut policies = vec![text(BUILTIN_SOURCE)];
        adopt(&library, &config.services["www"], &policies[0]);
        if let Some(shadow) = config.services["www"].as_shadow() {
            let next = PolicyText {
                name: shadow.policy.clone(),
                source: BUILTIN_SOURCE
                    .replace("FALL     = 3", "FALL     = 2")
                    .into(),
            };
            adopt(&library, &shadow, &next);
            policies.push(next);
        }
        let ns = median(|| {
            let mut state = State::default();
            let reload = Reload {
                by: "bench".to_owned(),
                config: Arc::new(config.clone()),
                policies: policies.clone(),
                zones: Vec::new(),
            };
            step(&mut state, BEGIN, Input::Reload(reload), &library);
            let inputs: Vec<(Timestamp, Input)> = facts.iter().filter_map(input).collect();
            let began = Instant::now();
            for (at, input) in inputs {
                black_box(step(&mut state, at, input, &library));
            }
            began.elapsed().as_nanos()
        });
        let with = if shadowed { "with" } else { "without" };
        println!("a step {with} a shadow: {} ns", ns / facts.len() as u128);
    }
}

fn input(event: &Event) -> Option<(Timestamp, Input)> {
    match &event.what {
        What::Probe(seen) => Some((event.at, Input::Probe(seen.clone()))),
        _ => None,
    }
}

fn adopt(library: &Library, service: &Service, text: &PolicyText) {
    let candidate = library.candidate(service, text).expect("it loads");
    library.adopt(&candidate);
}

fn text(source: &str) -> PolicyText {
    PolicyText {
        name: "failover.rhai".into(),
        source: source.into(),
    }
}

fn config(shadowed: bool) -> Config {
    let json = serde_json::json!({
        "targets": {
            "one": { "name": "one", "addresses": ["192.0.2.1"] },
            "two": { "name": "two", "addresses": ["192.0.2.2"] },
            "three": { "name": "three", "addresses": ["192.0.2.3"] },
        },
        "monitors": { "tcp": { "name": "tcp", "kind": "tcp", "port": 80, "interval_ms": 5_000, "timeout_ms": 2_000 } },
        "services": { "www": { "name": "www", "names": ["www.example.com"], "targets": ["one", "two", "three"], "monitors": ["tcp"] } },
    });
    let mut config: Config = serde_json::from_value(json).expect("a configuration");
    for service in config.services.values_mut() {
        service.shadow = shadowed.then(|| Shadow::new("next.rhai".into()));
    }
    config
}

/// Three targets, each probed every 5 s; the first fails now and then.
fn facts() -> Vec<Event> {
    let fact = |index: usize| {
        let round = index / 3;
        let ok = !(index.is_multiple_of(3) && round % 200 < 2 + round % 3);
        let seen = Observation {
            target: ["one", "two", "three"][index % 3].into(),
            monitor: "tcp".into(),
            address: None,
            vantage: "local".into(),
            ok,
            rtt_us: ok.then_some(20_000),
            error: (!ok).then_some(FailureReason::Timeout),
            late: false,
            local: None,
            cert_days: None,
            value: None,
        };
        let later_ms = i64::try_from(index * 1_667).expect("not that many");
        Event {
            at: BEGIN.plus_ms(later_ms),
            seq: 10 + index as u64,
            what: What::Probe(seen),
        }
    };
    (0..FACTS_MAX).map(fact).collect()
}

//! What the main job costs, each figure beside a floor or a peer of the same run.
//!
//! | figure | beside |
//! |---|---|
//! | deciding observation to changed answer | the same step without a switch |
//! | saved policy to in force | reading and compiling the same text |
//! | `decide` evaluations through the fold | the bare call of the same script |
//!
//! `cargo bench` prints minimum, median and maximum; it asserts nothing.

use sidestep::{
    daemon::{Daemon, StartOptions},
    dns,
    failover::{Input, Policy as _, Reload, State, What, answers, input::ZoneVersion, step},
    model::{Config, Observation, Params, PolicyText, PolicyVersion, Timestamp, config as model},
    policy::{BUILTIN_SOURCE, Library},
};
use std::{
    fs,
    hint::black_box,
    sync::{Arc, mpsc::channel},
    time::{Duration, Instant},
};

/// Minimum, median and maximum of some samples, in µs with two decimals.
struct Spread {
    name: &'static str,
    samples: Vec<Duration>,
}

impl Spread {
    fn print(mut self, unit_per: u32) -> Duration {
        self.samples.sort();
        let one = |index: usize| self.samples[index] / unit_per;
        let (low, middle, high) = (
            one(0),
            one(self.samples.len() / 2),
            one(self.samples.len() - 1),
        );
        println!(
            "{:<58} min {low:>10.2?}  median {middle:>10.2?}  max {high:>10.2?}",
            self.name
        );
        middle
    }
}

fn ratio(name: &str, a: Duration, b: Duration) {
    println!(
        "{name:<58} {:.2}",
        a.as_secs_f64() / b.as_secs_f64().max(1e-12)
    );
}

/// A configuration of three targets under the built-in policy.
fn three_targets() -> Config {
    let text = "[[target]]\nname = \"primary\"\naddresses = [\"192.0.2.10\"]\n\
        [[target]]\nname = \"backup\"\naddresses = [\"198.51.100.20\"]\n\
        [[target]]\nname = \"third\"\naddresses = [\"203.0.113.30\"]\n\
        [[service]]\nname = \"www\"\nnames = [\"www.example.com\"]\n\
        targets = [\"primary\", \"backup\", \"third\"]\nmonitors = [{ url = \"http://www.example.com/\" }]\n\
        max_switches = \"none\"\n";
    sidestep::config::parse("bench.toml", text)
        .expect("the bench's configuration is good")
        .config
}

fn builtin() -> PolicyText {
    PolicyText {
        name: "failover.rhai".into(),
        source: BUILTIN_SOURCE.into(),
    }
}

/// A large site: so many services of two targets each, under the built-in policy.
fn large_site(services: usize) -> Config {
    let mut text = String::from(
        "[[zone]]\nname = \"example.com\"\nns = [\"ns1.example.net\"]\n\
        [[monitor]]\nname = \"http\"\nurl = \"http://www.example.com/\"\ninterval = \"2s\"\ntimeout = \"1s\"\n",
    );
    for i in 0..services {
        let (high, low) = (i / 250, i % 250 + 1);
        text += &format!(
            "[[target]]\nname = \"a{i}\"\naddresses = [\"192.0.{high}.{low}\"]\n\
            [[target]]\nname = \"b{i}\"\naddresses = [\"198.51.{high}.{low}\"]\n\
            [[service]]\nname = \"s{i}\"\nnames = [\"s{i}.example.com\"]\ntargets = [\"a{i}\", \"b{i}\"]\n\
            monitors = [\"http\"]\n"
        );
    }
    sidestep::config::parse("bench.toml", &text)
        .expect("the bench's configuration is good")
        .config
}

/// A state with the configuration in force, and the library that decides for it.
fn in_force(config: Config) -> (State, Library) {
    let library = Library::new();
    let mut state = State::default();
    let zones = config
        .zones
        .iter()
        .map(|zone: &model::ZoneConfig| ZoneVersion {
            apex: zone.name.clone(),
            serial: None,
            hash: String::new(),
        });
    let reload = Reload {
        by: "bench".into(),
        zones: zones.collect(),
        config: Arc::new(config),
        policies: vec![builtin()],
    };
    step(
        &mut state,
        Timestamp(1_700_000_000_000),
        Input::Reload(reload),
        &library,
    );
    (state, library)
}

fn seen(target: &str, ok: bool) -> Input {
    Input::Probe(Observation {
        target: target.into(),
        monitor: "http".into(),
        address: None,
        vantage: "local".into(),
        ok,
        rtt_us: ok.then_some(20_000),
        error: (!ok).then_some(sidestep::model::FailureReason::Timeout),
        late: false,
        local: None,
        cert_days: None,
        value: None,
    })
}

/// One round of probes, five seconds after the last.
fn round(state: &mut State, library: &Library, primary_ok: bool) {
    for (offset_ms, target) in [(0, "backup"), (1, "third"), (2, "primary")] {
        let at = state
            .world()
            .at
            .plus_ms(if offset_ms == 0 { 4_998 } else { 1 });
        step(
            state,
            at,
            seen(target, target != "primary" || primary_ok),
            library,
        );
    }
}

/// From the observation that decides to the table that DNS reads.
fn observation_to_answer() {
    let (mut state, library) = in_force(three_targets());
    let publisher = dns::Publisher::new();
    let (mut switching, mut steady) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        for _ in 0..70 {
            round(&mut state, &library, true);
        }
        for _ in 0..2 {
            round(&mut state, &library, false);
        }
        for (samples, expected) in [(&mut switching, true), (&mut steady, false)] {
            let at = state.world().at.plus_ms(5_000);
            let began = Instant::now();
            let events = step(&mut state, at, seen("primary", false), &library);
            publisher.publish_table(dns::Table::from(&answers(&state)));
            samples.push(began.elapsed());
            let moved = events.iter().any(|event| match &event.what {
                What::Decision(decision) => &*decision.serve[0] == "backup",
                _ => false,
            });
            // The step after the switch writes one more decision, for its line.
            assert!(moved || !expected, "the third failure decides");
        }
    }
    let switching = Spread {
        name: "deciding observation to changed answer",
        samples: switching,
    };
    let steady = Spread {
        name: "  beside: the next observation, no switch",
        samples: steady,
    };
    let (switching, steady) = (switching.print(1), steady.print(1));
    ratio("  ratio", switching, steady);
}

/// Evaluations of the default policy: through `step`, through `propose`.
fn evaluations() {
    const CALLS: u32 = 20_000;
    let (mut state, library) = in_force(three_targets());
    let service = three_targets().services["www"].clone();
    for _ in 0..200 {
        round(&mut state, &library, true);
    }
    let version = PolicyVersion::of(BUILTIN_SOURCE, &Params::new());
    let (mut stepped, mut proposed) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let began = Instant::now();
        for _ in 0..CALLS / 3 {
            round(&mut state, &library, true);
        }
        stepped.push(began.elapsed());
        let began = Instant::now();
        for _ in 0..CALLS {
            let view = state.view(&service.name).expect("the service is there");
            black_box(library.propose(&version, view)).expect("the built-in policy does not fault");
        }
        proposed.push(began.elapsed());
    }
    let stepped = Spread {
        name: "one observation through the fold, decide included",
        samples: stepped,
    };
    let proposed = Spread {
        name: "  beside: the bare call of the same script",
        samples: proposed,
    };
    let (stepped, proposed) = (stepped.print(CALLS / 3 * 3), proposed.print(CALLS));
    ratio("  ratio", stepped, proposed);
    println!(
        "{:<58} {:.0}",
        "decide evaluations per second, bare",
        1.0 / proposed.as_secs_f64()
    );
    println!(
        "{:<58} {:.0}",
        "observations per second through the fold",
        1.0 / stepped.as_secs_f64()
    );
}

/// One observation through the fold where there are many services: what grows with them.
fn large_fold() {
    const SERVICES: usize = 1_000;
    let (mut state, library) = in_force(large_site(SERVICES));
    // As the schedule spreads them: neighbours in time are no neighbours in memory.
    let order: Vec<usize> = (0..SERVICES).map(|i| i * 617 % SERVICES).collect();
    let mut round = |ok: bool| {
        let began = Instant::now();
        for side in ["a", "b"] {
            for i in &order {
                let at = state.world().at.plus_ms(1);
                step(&mut state, at, seen(&format!("{side}{i}"), ok), &library);
            }
        }
        began.elapsed()
    };
    for (name, ok) in [
        ("the same, 1,000 services of two targets", true),
        ("the same, all of them down", false),
    ] {
        for _ in 0..10 {
            round(ok);
        }
        let samples = (0..21).map(|_| round(ok)).collect();
        Spread { name, samples }.print(2 * 1_000);
    }
}

/// From saving a policy to its decision, in a real daemon.
fn save_to_in_force() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("policies")).expect("a folder in it");
    let policy = folder.path().join("policies/www.rhai");
    let text = |secs: u32| {
        BUILTIN_SOURCE.replace(
            "hold(\"on the primary\")",
            &format!("hold(\"on the primary\").ttl({secs} * SECOND)"),
        )
    };
    fs::write(&policy, text(30)).expect("a policy");
    let config = "[server]\ndns = [\"127.0.0.1:0\"]\nhttp = \"none\"\n\
        [[target]]\nname = \"primary\"\naddresses = [\"127.0.0.1\"]\n\
        [[target]]\nname = \"backup\"\naddresses = [\"127.0.0.2\"]\n\
        [[service]]\nname = \"www\"\nnames = [\"www.example.com\"]\ntargets = [\"primary\", \"backup\"]\n\
        policy = \"www.rhai\"\nmonitors = [{ kind = \"tcp\", port = 1, interval = \"1h\", timeout = \"2s\" }]\n";
    fs::write(folder.path().join("sidestep.toml"), config).expect("a configuration");
    let (tap, events) = channel();
    let daemon = Daemon::start(
        &folder.path().join("sidestep.toml"),
        StartOptions {
            strict: false,
            tap: Some(tap),
        },
    )
    .expect("it starts");
    let (mut saved, mut compiled) = (Vec::new(), Vec::new());
    for secs in 31..61 {
        let began = Instant::now();
        fs::write(&policy, text(secs)).expect("a save");
        loop {
            let event = events
                .recv_timeout(Duration::from_secs(10))
                .expect("it goes in force");
            if matches!(&event.what, What::Decision(decision) if decision.ttl_ms == i64::from(secs) * 1_000)
            {
                break;
            }
        }
        saved.push(began.elapsed());
        let began = Instant::now();
        let source = fs::read_to_string(&policy).expect("the policy").into();
        let text = PolicyText {
            name: "www.rhai".into(),
            source,
        };
        let service = three_targets().services["www"].clone();
        black_box(Library::new().candidate(&service, &text))
            .map_err(drop)
            .expect("it loads");
        compiled.push(began.elapsed());
    }
    daemon.stop();
    let saved = Spread {
        name: "saved policy to in force (30 ms of it: waiting for quiet)",
        samples: saved,
    };
    let compiled = Spread {
        name: "  beside: reading and compiling the same text",
        samples: compiled,
    };
    saved.print(1);
    compiled.print(1);
}

fn main() {
    // `cargo test` builds and runs benches too, with a flag of its own: nothing is measured then.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    observation_to_answer();
    evaluations();
    large_fold();
    save_to_in_force();
}

//! A daemon's life in memory: inputs by chance of a seed, the events that followed, a recording.

use serde_json::json;
use sidestep::{
    failover::{
        Command, Event, Input, Reload, State,
        input::{
            ClockChange, Freshness, FreshnessReport, OperatorCommand, Resolved, Start,
            WitnessResult,
        },
        next_deadline, step,
    },
    model::{Config, FailureReason, Observation, PolicyText, Timestamp},
    policy::Library,
    recording::{Header, Writer},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// 2026-01-05T00:00:00Z.
pub(super) const BEGIN: i64 = 1_767_571_200_000;

const POLICIES: [(&str, &str); 5] = [
    (
        "failover.rhai",
        include_str!("../../../policies/failover.rhai"),
    ),
    (
        "failover.rhai",
        "const FALL = 2;\nfn decide(service) {\n let a = service.active;\n if a.is_down(FALL) { return first_of(service.up(1), `${a.name} is down`).ttl(5 * SECOND); }\n if service.primary.is_up(4) { return serve(service.primary, \"home\"); }\n hold(\"on \" + a.name)\n}",
    ),
    (
        "failover.rhai",
        include_str!("../../../policies/all-healthy.rhai"),
    ),
    (
        "failover.rhai",
        "fn decide(service) {\n let n = service.recall(\"n\", 0);\n if service.active.failures > 3 { return serve(service.backups[7], \"there is none\"); }\n if service.active.failures > 1 { return first_of(service.up(2), \"down\").remember(\"n\", n + 1).remember(\"at\", service.now + 20 * SECOND); }\n if n > 5 { return hold(\"often\").alert(`${n} times`); }\n hold(\"well\")\n}",
    ),
    (
        "failover.rhai",
        include_str!("../../../policies/damped.rhai"),
    ),
];

/// Numbers that look like chance (SplitMix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) % sides
    }
}

/// What happened, and the states on the way.
pub(super) struct Life {
    pub(super) events: Vec<Event>,
    /// The state before the event of this index.
    pub(super) states: Vec<(usize, State)>,
    pub(super) config: Arc<Config>,
}

pub(super) fn config(dice: &mut Dice) -> Config {
    // A reload may give a target another name, or end a service.
    let third = ["third", "third", "renamed"][dice.below(3) as usize];
    let targets = ["primary", "backup", third].into_iter().zip([
        "192.0.2.10",
        "198.51.100.20",
        "203.0.113.30",
    ]);
    let targets = targets.map(|(name, address)| {
        (
            name.to_owned(),
            json!({ "name": name, "addresses": [address] }),
        )
    });
    let targets: serde_json::Map<_, _> = targets.collect();
    let service = |name: &str, targets: &[&str], budget: Option<&str>| {
        json!({ "name": name, "names": [format!("{name}.example.com")], "targets": targets, "monitors": ["tcp"],
            "policy": "failover.rhai", "keep_ms": 600_000, "max_switches": budget })
    };
    let budget = ["2/1m", "6/10m"].get(dice.below(3) as usize).copied();
    let config = json!({
        "witness": (dice.below(2) == 0).then(|| json!({ "addresses": ["192.0.2.53:53"], "need": 1 })),
        "targets": targets,
        "monitors": { "tcp": { "name": "tcp", "kind": "tcp", "port": 80, "interval_ms": 2_000 + 1_000 * dice.below(2), "timeout_ms": 1_000 } },
        "services": {
            "www": service("www", &["primary", "backup", third], budget),
            "api": service("api", &[third, "primary"], None),
        },
    });
    let mut config: Config = serde_json::from_value(config).unwrap();
    if dice.below(6) == 0 {
        config.services.remove("api");
    }
    config
}

/// A life of so many inputs.
pub(super) fn life(seed: u64, inputs: usize) -> Life {
    life_of(seed, inputs, false)
}

/// The same; in one with a hostname the third target is one, resolved now and then.
pub(super) fn life_of(seed: u64, inputs: usize, with_hostname: bool) -> Life {
    let mut dice = Dice(seed);
    let library = Library::new();
    let mut state = State::default();
    let mut life = Life {
        events: Vec::new(),
        states: Vec::new(),
        config: Arc::default(),
    };
    let mut at = Timestamp(BEGIN);
    let mut moods = [0_u64; 3];
    for number in 0..inputs {
        at = at.plus_ms(1 + dice.below(1_200) as i64);
        if dice.below(40) == 0 {
            moods[dice.below(3) as usize] = dice.below(3);
        }
        // A daemon ticks when it is due.
        if let Some(due) = next_deadline(&state).filter(|due| *due < at && number > 1) {
            let due = due.max(state.world().at);
            life.events
                .extend(step(&mut state, due, Input::Tick, &library));
        }
        let input = match number {
            0 => start(),
            1 => reload(&mut dice, &library),
            _ => input(&mut dice, &moods, &library, &state),
        };
        let input = if with_hostname {
            of_hostname(input, number)
        } else {
            input
        };
        life.events.extend(step(&mut state, at, input, &library));
        if number == 1 {
            life.config = Arc::clone(&state.world().config);
        }
        if dice.below(100) == 0 {
            life.states.push((life.events.len(), state.clone()));
        }
    }
    life
}

/// The input of a life whose third target is a hostname. No dice: the rest goes on as it would.
fn of_hostname(input: Input, number: usize) -> Input {
    const HOSTNAME: &str = "lb.example.net";
    match input {
        Input::Reload(mut reload) => {
            for target in Arc::make_mut(&mut reload.config).targets.values_mut() {
                if matches!(&*target.name, "third" | "renamed") {
                    target.addresses.clear();
                    target.cname = Some(HOSTNAME.into());
                }
            }
            Input::Reload(reload)
        }
        _ if number % 41 == 7 => {
            let last = number / 41 % 3;
            let address = |last| [203, 0, 113, 30 + u8::try_from(last).unwrap()].into();
            Input::Resolved(Resolved {
                target: ["third", "third", "renamed"][number % 3].into(),
                hostname: HOSTNAME.into(),
                addresses: if last == 2 {
                    Vec::new()
                } else {
                    vec![address(last)]
                },
                error: (last == 2).then(|| "timed out".to_owned()),
            })
        }
        other => other,
    }
}

fn start() -> Input {
    Input::Start(Start {
        program: "sidestep 0.1.0".into(),
        rhai: "1".into(),
        api: 1,
    })
}

fn reload(dice: &mut Dice, library: &Library) -> Input {
    let mut config = config(dice);
    let (name, source) = POLICIES[dice.below(POLICIES.len() as u64) as usize];
    let text = PolicyText {
        name: name.into(),
        source: source.into(),
    };
    for service in config.services.values_mut() {
        let candidate = library.candidate(service, &text).unwrap();
        service.keep_ms = service.history_ms.max(candidate.windows_ms);
        library.adopt(&candidate);
    }
    Input::Reload(Reload {
        by: "watch".into(),
        config: Arc::new(config),
        policies: vec![text],
        zones: Vec::new(),
    })
}

fn input(dice: &mut Dice, moods: &[u64; 3], library: &Library, state: &State) -> Input {
    match dice.below(200) {
        0 => reload(dice, library),
        1 => start(),
        2..=4 => order(dice, state),
        5 => Input::Clock(ClockChange {
            offset_ms: dice.below(100_000) as i64 - 50_000,
        }),
        6 => Input::Freshness(FreshnessReport {
            target: "primary".into(),
            freshness: Freshness::Stale,
            data_age_ms: 5,
        }),
        7..=20 => Input::Witness(WitnessResult {
            vantage: "local".into(),
            witness: "192.0.2.53:53".to_owned().try_into().unwrap(),
            ok: dice.below(4) > 0,
            error: None,
        }),
        _ => probe(dice, moods),
    }
}

fn order(dice: &mut Dice, state: &State) -> Input {
    let until = Some(state.world().wall().plus_ms(1 + dice.below(60_000) as i64));
    let service = if dice.below(2) == 0 { "www" } else { "api" };
    let command = match dice.below(7) {
        0 => Command::Switch {
            service: service.into(),
            target: "third".into(),
            until,
        },
        1 => Command::Hold {
            service: service.into(),
            until,
        },
        2 => Command::Release {
            service: service.into(),
        },
        3 => Command::Failback {
            service: service.into(),
        },
        4 => Command::Drain {
            target: "backup".into(),
            until,
        },
        5 => Command::Freeze { until },
        _ => Command::Thaw,
    };
    Input::Operator(OperatorCommand {
        by: "ann".into(),
        reason: "drill".into(),
        command,
    })
}

fn probe(dice: &mut Dice, moods: &[u64; 3]) -> Input {
    let index = dice.below(3) as usize;
    let ok = match moods[index] {
        0 => dice.below(50) > 0,
        1 => false,
        _ => dice.below(2) == 0,
    };
    Input::Probe(Observation {
        target: match index {
            0 => "primary".into(),
            1 => "backup".into(),
            _ if dice.below(4) == 0 => "renamed".into(),
            _ => "third".into(),
        },
        monitor: "tcp".into(),
        address: None,
        vantage: ["local", "local", "far"][dice.below(3) as usize].into(),
        ok,
        rtt_us: ok.then(|| 1_000 + dice.below(1_500_000) as u32),
        error: (!ok).then_some(FailureReason::Timeout),
        late: dice.below(50) == 0,
        local: (dice.below(100) == 0).then(|| "no descriptors".to_owned()),
        cert_days: None,
        value: None,
    })
}

/// A recording of what happened, from an event on.
pub(super) fn record(folder: &Path, life: &Life, from: Option<usize>) -> PathBuf {
    let path = folder.join("life.jsonl");
    let begin = from.map(|index| &life.states[index]);
    let config = begin.map_or_else(
        || Arc::clone(&life.config),
        |(_, state)| Arc::clone(&state.world().config),
    );
    let header = Header {
        by: "test".into(),
        config: (*config).clone(),
        policies: POLICIES
            .map(|(name, source)| PolicyText {
                name: name.into(),
                source: source.into(),
            })
            .to_vec(),
    };
    let mut file = Writer::create(&path, &header).unwrap();
    let mut first = 0;
    if let Some((index, state)) = begin {
        file.state(state).unwrap();
        first = *index;
    }
    for event in &life.events[first..] {
        file.event(event).unwrap();
    }
    file.finish().unwrap().keep().unwrap();
    path
}

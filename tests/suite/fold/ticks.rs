//! Ticks: what is due when nothing happens, and what ends by itself.

use super::{BEGIN, Bench, Policies, fault, hold, serve, three};
use serde_json::json;
use sidestep::failover::{Input, State, What, input::ClockChange, next_deadline};
use sidestep::model::Param;

const ALL: &[(&str, &str)] = &[("primary", "."), ("backup", "."), ("third", ".")];

fn due(bench: &Bench) -> Option<i64> {
    next_deadline(&bench.state).map(|due| due.0 - BEGIN)
}

fn ended(bench: &Bench) -> usize {
    let ended = |what: &What| matches!(what, What::Ended(_));
    bench.last.iter().filter(|event| ended(&event.what)).count()
}

#[test]
fn a_tick_is_due_after_the_longest_interval_plus_timeout_of_silence() {
    assert_eq!(next_deadline(&State::default()), None);
    let mut bench = Bench::new(three());
    assert_eq!(due(&bench), Some(7_000));
    bench.play(ALL);
    assert_eq!(due(&bench), Some(12_000));
    // An input that concerns nobody is no input of the service.
    bench.now_ms = 6_000;
    bench.feed(Input::Freshness(
        serde_json::from_value(
            json!({ "target": "nobody", "freshness": "fresh", "data_age_ms": 0 }),
        )
        .unwrap(),
    ));
    assert_eq!(due(&bench), Some(12_000));
    // A tick before its time evaluates nobody and moves nothing.
    bench.now_ms = 11_999;
    let before = bench.state.latest("www").unwrap().at;
    bench.feed(Input::Tick);
    assert_eq!(
        (due(&bench), bench.state.latest("www").unwrap().at),
        (Some(12_000), before)
    );
    bench.now_ms = 12_000;
    bench.feed(Input::Tick);
    assert_eq!(
        (due(&bench), bench.state.latest("www").unwrap().at.0),
        (Some(19_000), BEGIN + 12_000)
    );
    // The longest of several monitors.
    let mut monitor = bench.config.monitors["tcp"].clone();
    monitor.name = "slow".into();
    (monitor.interval_ms, monitor.timeout_ms) = (60_000, 10_000);
    bench.config.monitors.insert("slow".into(), monitor);
    bench
        .config
        .services
        .get_mut("www")
        .unwrap()
        .monitors
        .push("slow".into());
    bench.reload();
    assert_eq!(due(&bench), Some(12_000 + 70_000));
}

#[test]
fn silence_is_found_by_a_tick() {
    let mut policies = Policies::new();
    policies.add("own", |service| match service.primary().vantages() {
        0 => Ok(serve(&["backup"], "silence", 1)),
        _ => Ok(hold("heard", 2)),
    });
    let mut bench = Bench::under(three(), policies, "reference");
    bench.play(ALL);
    bench.source = "own".into();
    bench.reload();
    // The last result is at 5 s and fresh until 22 s; ticks come at 12, 19 and 26 s.
    bench.pass(20_000);
    assert_eq!(bench.serving(), "primary");
    bench.pass(2_000);
    assert_eq!(
        (bench.serving().as_str(), bench.last.last().unwrap().at.0),
        ("backup", BEGIN + 26_000)
    );
}

#[test]
fn overrides_drains_and_the_freeze_end_by_themselves() {
    let mut bench = Bench::new(three());
    bench.play(ALL);
    bench.play(ALL);
    let until = BEGIN + 11_500;
    bench
        .order(json!({ "command": "switch", "service": "www", "target": "third", "until": until }));
    assert_eq!(due(&bench), Some(11_500));
    bench.pass(1_499);
    assert_eq!(bench.serving(), "third");
    bench.pass(1);
    assert_eq!((ended(&bench), bench.rail().as_str()), (1, ""));
    // The tick woke the policy; that the override ended followed from it.
    assert_eq!(bench.decisions()[0].cause, bench.last[0].seq);
    bench.order(json!({ "command": "drain", "target": "third", "until": BEGIN + 12_000 }));
    assert_eq!(due(&bench), Some(12_000));
    assert!(bench.view().target("third").unwrap().drained());
    bench.pass(500);
    assert_eq!(ended(&bench), 1);
    assert!(!bench.view().target("third").unwrap().drained());
    bench.order(json!({ "command": "freeze", "until": BEGIN + 12_600 }));
    assert_eq!(
        (bench.rail().as_str(), due(&bench)),
        ("freeze", Some(12_600))
    );
    bench.pass(600);
    assert_eq!((ended(&bench), bench.rail().as_str()), (1, ""));
    // An end that is past already is an end at once.
    bench.order(json!({ "command": "hold", "service": "www", "until": 0 }));
    assert_eq!((ended(&bench), bench.rail().as_str()), (1, ""));
}

#[test]
fn ends_are_wall_time_and_move_with_the_clock() {
    let mut bench = Bench::new(three());
    bench.order(json!({ "command": "hold", "service": "www", "until": BEGIN + 3_600_000 }));
    bench.feed(Input::Clock(ClockChange {
        offset_ms: 3_595_000,
    }));
    assert_eq!(due(&bench), Some(5_000));
    assert_eq!(bench.view().now().0, BEGIN + 3_595_000);
    bench.feed(Input::Clock(ClockChange {
        offset_ms: 3_600_000,
    }));
    assert_eq!(ended(&bench), 1);
    for offset_ms in [i64::MIN, i64::MAX] {
        bench.feed(Input::Clock(ClockChange { offset_ms }));
        bench.order(json!({ "command": "hold", "service": "www", "until": BEGIN }));
        let _ = due(&bench);
    }
}

#[test]
fn a_remembered_instant_is_due_once() {
    let mut policies = Policies::new();
    policies.add("own", |service| {
        let mut proposal = hold("waiting", 1);
        match service.recall("when") {
            None => {
                let when = service.now().0 + 3_000;
                proposal
                    .remember
                    .insert("when".into(), Some(Param::Int(when)));
                proposal
                    .remember
                    .insert("count".into(), Some(Param::Int(3)));
            }
            Some(Param::Int(when)) if service.now().0 >= *when => {
                return Ok(serve(&["backup"], "it is time", 2));
            }
            Some(_) => {}
        }
        Ok(proposal)
    });
    let mut bench = Bench::under(three(), policies, "own");
    assert_eq!(due(&bench), Some(3_000));
    bench.pass(3_000);
    assert_eq!(bench.serving(), "backup");
    assert_eq!(due(&bench), Some(3_000 + 7_000), "the instant is past");
}

#[test]
fn time_never_runs_backwards() {
    let mut bench = Bench::new(three());
    bench.now_ms = 10_000;
    bench.play(ALL);
    bench.now_ms = -50_000;
    bench.play(ALL);
    assert_eq!(bench.last[0].at.0, BEGIN + 15_000);
    let times: Vec<i64> = bench.events.iter().map(|event| event.at.0).collect();
    assert!(times.is_sorted());
    let numbers: Vec<u64> = bench.events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

#[test]
fn ticks_do_not_storm() {
    let mut policies = Policies::new();
    policies.add("own", |_| Err(fault("broken")));
    for source in ["reference", "own"] {
        let mut bench = Bench::under(three(), policies.clone(), source);
        bench.pass(7_000 * 100);
        assert_eq!(bench.inputs.len(), 101);
    }
}

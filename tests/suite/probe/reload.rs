//! The prober: what it hands on, what a new plan changes, what witnesses say.

use super::{
    config,
    servers::{self, Crowd},
    tcp,
};
use sidestep::{
    model::{
        Config, ExecProbe, FailureReason, Family, MonitorPatch, ProbeKind, Target, TargetName,
        WitnessConfig, config::WitnessAddress,
    },
    probe::{Finding, Observed, Plan, Prober, Settings, Witnessed},
};
use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, advance, pause},
};

fn quick(at: SocketAddr, interval_ms: i64, timeout_ms: i64) -> Config {
    let mut config = config(at, tcp(r#"{"expect":"never said"}"#));
    let monitor = config.monitors.get_mut("web").unwrap();
    monitor.interval_ms = interval_ms;
    monitor.timeout_ms = timeout_ms;
    config
}

fn plan(config: &Config) -> Arc<Plan> {
    Arc::new(Plan::of(config))
}

/// The next finding; a minute without one is a failure, not a test that hangs.
async fn next(found: &mut mpsc::Receiver<Finding>) -> Finding {
    let next = tokio::time::timeout(Duration::from_secs(60), found.recv()).await;
    next.expect("something is found").expect("the prober runs")
}

async fn observed(found: &mut mpsc::Receiver<Finding>) -> Observed {
    loop {
        if let Finding::Probe(observed) = next(found).await {
            return observed;
        }
    }
}

async fn witnessed(found: &mut mpsc::Receiver<Finding>) -> Witnessed {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        if let Finding::Witness(witnessed) = next(found).await {
            return witnessed;
        }
    }
    panic!("no witness was asked");
}

#[tokio::test]
async fn ten_thousand_reloads_leave_nothing_behind() {
    let crowd = Crowd::default();
    // Two servers: a series at another address is another series.
    let plans = [crowd.listen().await, crowd.listen().await].map(|at| plan(&quick(at, 1, 1_000)));
    let (out, mut found) = mpsc::channel(16);
    let prober = Prober::start(plans[0].clone(), Settings::default(), out);
    for turn in 0..10_000 {
        prober.replace(plans[turn % 2].clone()).await;
        if turn % 100 == 0 {
            let before = crowd.seen();
            while crowd.seen() == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        assert!(
            crowd.open() <= 16,
            "one in flight, and those that are ending"
        );
    }
    prober.replace(Arc::new(Plan::default())).await;
    while crowd.open() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(
        found.try_recv().is_err(),
        "each probe was aborted with its series"
    );
    assert!(crowd.seen() > 100, "probes did run");
    prober.shutdown().await;
}

#[tokio::test]
async fn a_series_that_stays_keeps_its_running_probe() {
    let crowd = Crowd::default();
    let at = crowd.listen().await;
    let mut config = quick(at, 1_000, 300);
    let (out, mut found) = mpsc::channel(16);
    let prober = Prober::start(plan(&config), Settings::default(), out);
    while crowd.seen() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Another service that uses the same monitor changes nothing for the series.
    let mut other = config.services["www"].clone();
    other.name = "shop".into();
    config.services.insert(other.name.clone(), other);
    prober.replace(plan(&config)).await;
    let first = observed(&mut found).await;
    assert_eq!(first.observation.error, Some(FailureReason::Timeout));
    assert_eq!(crowd.seen(), 1);
    let second = observed(&mut found).await;
    let apart = second.at - first.at;
    assert!(apart > Duration::from_millis(700), "{apart:?}");
    prober.shutdown().await;
}

#[tokio::test]
async fn an_observation_says_where_and_from_where() {
    let mut config = quick(servers::refuses().await, 10, 10);
    config.server.name = "ns7".into();
    let (out, mut found) = mpsc::channel(16);
    let prober = Prober::start(plan(&config), Settings::default(), out);
    let seen = observed(&mut found).await.observation;
    let json = serde_json::to_value(&seen).unwrap();
    let expected = serde_json::json!({
        "target": "primary", "monitor": "web", "address": "127.0.0.1", "vantage": "ns7",
        "ok": false, "error": "refused"
    });
    assert_eq!(json, expected);
    prober.shutdown().await;
}

#[tokio::test]
async fn a_timer_that_fires_late_is_said() {
    pause();
    let config = quick(servers::refuses().await, 1_000, 500);
    let (out, mut found) = mpsc::channel(16);
    let prober = Prober::start(plan(&config), Settings::default(), out);
    assert!(!observed(&mut found).await.observation.late);
    // max(100 ms, 500 ms / 4) = 125 ms after it was due.
    let jumps = [(1_100, false), (1_150, true), (9_990, true)];
    for (ms, late) in jumps {
        let before = observed(&mut found).await;
        assert!(!before.observation.late, "{ms}");
        advance(Duration::from_millis(ms)).await;
        let seen = observed(&mut found).await;
        assert_eq!(seen.observation.late, late, "{ms}");
    }
    prober.shutdown().await;
}

#[tokio::test]
async fn a_timeout_that_is_noticed_late_is_said() {
    pause();
    let crowd = Crowd::default();
    let config = quick(crowd.listen().await, 10_000, 500);
    let (out, mut found) = mpsc::channel(16);
    let prober = Prober::start(plan(&config), Settings::default(), out);
    // Its timer needs a moment; the server needs none of this clock's time.
    tokio::time::sleep(Duration::from_millis(5)).await;
    while crowd.seen() == 0 {
        tokio::task::yield_now().await;
    }
    // Stopped, and continued when the answer may have come and gone.
    advance(Duration::from_millis(2_000)).await;
    let seen = observed(&mut found).await.observation;
    assert!(
        seen.late && seen.error == Some(FailureReason::Timeout),
        "{seen:?}"
    );
    prober.shutdown().await;
}

#[tokio::test]
async fn a_monitor_that_cannot_run_has_no_result_each_time() {
    pause();
    let mut config = quick(servers::refuses().await, 1_000, 500);
    let monitor = config.monitors.get_mut("web").unwrap();
    monitor.probe = ProbeKind::Exec(ExecProbe { command: vec![] });
    let (out, mut found) = mpsc::channel(16);
    let prober = Prober::start(plan(&config), Settings::default(), out);
    for _ in 0..3 {
        let seen = observed(&mut found).await.observation;
        assert!(!seen.ok && seen.error.is_none());
        assert!(seen.local.unwrap().contains("command is empty"));
    }
    prober.shutdown().await;
}

#[tokio::test]
async fn absurd_times_are_bounded() {
    for (interval_ms, timeout_ms) in [(i64::MAX, i64::MAX), (0, 0), (i64::MIN, i64::MIN)] {
        let mut config = quick(servers::refuses().await, interval_ms, timeout_ms);
        let monitor = config.monitors.get_mut("web").unwrap();
        monitor.interval_suspect_ms = Some(interval_ms);
        let (out, mut found) = mpsc::channel(16);
        let prober = Prober::start(plan(&config), Settings::default(), out);
        observed(&mut found).await;
        prober.shutdown().await;
        assert!(Plan::of(&config).worst_in_flight() <= 1);
    }
}

#[tokio::test]
async fn no_more_than_allowed_are_in_flight_and_all_have_their_turn() {
    let crowd = Crowd::default();
    let at = crowd.listen().await;
    let mut config = quick(at, 60, 50);
    let target = config.targets["primary"].clone();
    for index in 0..20 {
        let name = TargetName::from(format!("backup{index}"));
        let target = Target {
            name: name.clone(),
            ..target.clone()
        };
        config.targets.insert(name.clone(), target);
        config.services.get_mut("www").unwrap().targets.push(name);
    }
    let settings = Settings {
        max_in_flight: 3,
        ..Settings::default()
    };
    let (out, mut found) = mpsc::channel(16);
    let prober = Prober::start(plan(&config), settings, out);
    let (mut heard, mut late) = (BTreeSet::new(), 0);
    while heard.len() < 21 {
        let seen = observed(&mut found).await.observation;
        late += u32::from(seen.late);
        heard.insert(seen.target);
        // A connection that was dropped is counted until its end is read.
        assert!(crowd.open() <= 2 * 3, "{}", crowd.open());
    }
    // To wait for others is no lateness: it would hide an outage of many. A machine that stands
    // still for a moment is.
    assert!(late < 10, "{late}");
    prober.shutdown().await;
}

#[tokio::test]
async fn a_receiver_that_does_not_listen_costs_rhythm_and_nothing_else() {
    let config = quick(servers::refuses().await, 5, 5);
    let (out, mut found) = mpsc::channel(1);
    let prober = Prober::start(plan(&config), Settings::default(), out);
    // One result in the channel, one waiting: nothing piles up behind them.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let resumed = Instant::now();
    observed(&mut found).await;
    observed(&mut found).await;
    assert!(observed(&mut found).await.at >= resumed);
    drop(found);
    prober.shutdown().await;
}

fn with_witness(mut config: Config, witness: SocketAddr) -> Config {
    config.witness = Some(WitnessConfig {
        addresses: vec![WitnessAddress::Tcp(witness)],
        need: 1,
    });
    config
}

#[tokio::test]
async fn witnesses_are_asked_at_the_start_and_at_the_first_bad_probe() {
    let crowd = Crowd::default();
    let refusing = servers::refuses().await;
    for (witness, kind) in [(crowd.listen().await, "takes"), (refusing, "refuses")] {
        let (out, mut found) = mpsc::channel(64);
        let good = with_witness(config(crowd.listen().await, tcp("{}")), witness);
        let prober = Prober::start(plan(&good), Settings::default(), out);
        let first = witnessed(&mut found).await;
        assert!(first.ok && first.error.is_none(), "{kind}: {first:?}");
        // Nothing fails: it is not asked again until something does.
        assert!(observed(&mut found).await.observation.ok);
        assert!(found.try_recv().is_err());
        let failing = with_witness(quick(servers::refuses().await, 500, 100), witness);
        prober.replace(plan(&failing)).await;
        let bad = observed(&mut found).await;
        assert!(!bad.observation.ok);
        let asked = witnessed(&mut found).await;
        assert!(asked.at >= bad.at && asked.at - bad.at < Duration::from_secs(10));
        let again = witnessed(&mut found).await;
        assert!(again.at - asked.at < Duration::from_secs(10), "{kind}");
        prober.shutdown().await;
    }
}

#[tokio::test]
async fn a_silent_witness_is_asked_again_and_does_not_answer() {
    pause();
    // TCP to the broadcast address fails in this machine, without a packet.
    let silent = SocketAddr::from(([255, 255, 255, 255], 53));
    let good = with_witness(config(Crowd::default().listen().await, tcp("{}")), silent);
    let (out, mut found) = mpsc::channel(64);
    let prober = Prober::start(plan(&good), Settings::default(), out);
    let first = witnessed(&mut found).await;
    let second = witnessed(&mut found).await;
    for asked in [&first, &second] {
        assert!(!asked.ok && asked.error.is_some(), "{asked:?}");
    }
    let apart = second.at - first.at;
    assert!((1_900..=2_100).contains(&apart.as_millis()), "{apart:?}");
    prober.shutdown().await;
}

#[test]
fn a_plan_has_each_series_once_whoever_uses_it() {
    let mut config = config(SocketAddr::from(([127, 0, 0, 1], 1)), tcp(r#"{"port":25}"#));
    let mut backup = config.targets["primary"].clone();
    backup.name = "backup".into();
    backup.probe_at.clear();
    backup.addresses = ["192.0.2.2", "2001:db8::2"]
        .map(|ip| ip.parse().unwrap())
        .to_vec();
    let mut unused = backup.clone();
    unused.name = "unused".into();
    for target in [backup, unused] {
        config.targets.insert(target.name.clone(), target);
    }
    let service = config.services.get_mut("www").unwrap();
    service.targets.push("backup".into());
    let mut other = service.clone();
    other.name = "shop".into();
    config.services.insert(other.name.clone(), other);
    let places = |config: &Config| -> Vec<String> {
        let series = Plan::of(config).series.into_iter();
        series
            .map(|s| format!("{} {} {}", s.target, s.monitor.name, s.at))
            .collect()
    };
    let all = [
        "backup web 192.0.2.2",
        "backup web 2001:db8::2",
        "primary web 127.0.0.1:1",
    ];
    assert_eq!(places(&config), all);
    config.monitors.get_mut("web").unwrap().family = Some(Family::V6);
    assert_eq!(places(&config), all[1..2]);
    let patch = MonitorPatch {
        port: Some(26),
        ..MonitorPatch::default()
    };
    let backup = config.targets.get_mut("backup").unwrap();
    backup.monitor.insert("web".into(), patch);
    let series = Plan::of(&config).series.remove(0);
    assert!(matches!(&series.monitor.probe, ProbeKind::Tcp(tcp) if tcp.port == 26));
}

#[test]
fn the_worst_case_in_flight_is_known_beforehand() {
    let mut config = quick(SocketAddr::from(([127, 0, 0, 1], 1)), 5_000, 2_000);
    assert_eq!(Plan::of(&config).worst_in_flight(), 1);
    let target = config.targets["primary"].clone();
    for index in 1..1_000 {
        let name = TargetName::from(format!("t{index}"));
        let target = Target {
            name: name.clone(),
            ..target.clone()
        };
        config.targets.insert(name.clone(), target);
        config.services.get_mut("www").unwrap().targets.push(name);
    }
    assert_eq!(Plan::of(&config).worst_in_flight(), 400);
}

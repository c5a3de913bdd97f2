//! Echo requests on loopback. Where this user may not send any, the probe must say so.

use super::{config, once};
use sidestep::{
    model::{
        Config, FailureReason, IcmpProbe, ProbeAddress, ProbeKind, WitnessConfig,
        config::WitnessAddress,
    },
    probe::{self, Finding, Outcome, Plan, Prober, Settings, TracedOutcome},
};
use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::mpsc, time::timeout};

const LIMIT: Duration = Duration::from_secs(20);

fn ping(ip: &str, count: u32) -> Config {
    let ip: IpAddr = ip.parse().unwrap();
    let mut config = config(SocketAddr::new(ip, 0), ProbeKind::Icmp(IcmpProbe { count }));
    config.targets.get_mut("primary").unwrap().probe_at[0].port = None;
    let monitor = config.monitors.get_mut("web").unwrap();
    (monitor.interval_ms, monitor.timeout_ms) = (60_000, 20_000);
    config
}

/// Whether this user may send echo requests like `config`'s; else the probe's word is checked.
async fn permitted(config: &Config) -> bool {
    let advice = probe::advice(config);
    if advice.is_empty() {
        return true;
    }
    println!("not permitted here: {advice:?}");
    let Outcome::NoResult { local } = once(config).await.outcome else {
        panic!("{advice:?}, and yet a result");
    };
    let says_what_to_do = local.contains("CAP_NET_RAW") && local.contains("ping_group_range");
    assert!(
        says_what_to_do || local.contains("address family"),
        "{local}"
    );
    assert!(advice.iter().all(|one| one.ends_with(&local)), "{advice:?}");
    false
}

fn has_v6() -> bool {
    UdpSocket::bind("[::1]:0").is_ok()
}

fn steps(found: &TracedOutcome) -> Vec<&'static str> {
    found.trace.steps().iter().map(|one| one.0).collect()
}

#[tokio::test]
async fn loopback_answers_in_both_families() {
    for ip in ["127.0.0.1", "::1"] {
        let config = ping(ip, 1);
        if ip == "::1" && !has_v6() || !permitted(&config).await {
            continue;
        }
        let found = once(&config).await;
        match found.outcome {
            Outcome::Good {
                rtt_us,
                cert_days,
                value,
            } => {
                assert!(
                    rtt_us > 0 && rtt_us <= found.trace.verdict_us.max(1),
                    "{found:?}"
                );
                assert_eq!((cert_days, value), (None, None));
            }
            _ => panic!("{found:?}"),
        }
        assert_eq!(steps(&found), ["echo 1", "first byte", "verdict"]);
        assert_eq!(found.trace.note, None);
    }
    assert_eq!(probe::problems(&ping("127.0.0.1", 1)), [""; 0]);
}

#[tokio::test]
async fn the_first_answer_ends_a_probe_of_many_requests() {
    let config = ping("127.0.0.1", 10);
    if permitted(&config).await {
        // Spread over 20 s, the second would be due after 2 s.
        assert_eq!(steps(&once(&config).await)[..2], ["echo 1", "first byte"]);
    }
}

/// A reserved address (RFC 1112) is silent, unreachable or without a route, by the
/// machine; it is never good, and requests go out until the deadline where it is silent.
#[tokio::test]
async fn who_does_not_answer_is_not_good() {
    let mut config = ping("240.0.0.1", 4);
    config.monitors.get_mut("web").unwrap().timeout_ms = 300;
    if !permitted(&config).await {
        return;
    }
    let found = once(&config).await;
    match &found.outcome {
        Outcome::Bad {
            reason: FailureReason::Timeout,
            ..
        } => {
            let sent = ["echo 1", "echo 2", "echo 3", "echo 4"];
            assert_eq!(steps(&found)[..4], sent, "{found:?}");
        }
        Outcome::Bad {
            reason: FailureReason::Unreachable,
            ..
        } => {
            assert!(found.trace.note.is_some(), "{found:?}");
        }
        Outcome::NoResult { local } => assert!(!local.is_empty()),
        other => panic!("{other:?}"),
    }
}

/// Many series of one address share a socket: each has its own answer.
#[tokio::test]
async fn series_with_one_address_do_not_take_each_others_answers() {
    let mut config = ping("127.0.0.1", 3);
    if !permitted(&config).await {
        return;
    }
    let target = config.targets.get_mut("primary").unwrap();
    let addresses = (1..=100).map(|n| ProbeAddress {
        ip: [127, 0, 0, n].into(),
        port: None,
    });
    target.probe_at = addresses.collect();
    let twin = target.clone();
    let service = config.services.get_mut("www").unwrap();
    for n in 0..3 {
        let mut twin = twin.clone();
        twin.name = format!("twin{n}").as_str().into();
        service.targets.push(twin.name.clone());
        config.targets.insert(twin.name.clone(), twin);
    }
    let found = probe::round(&config, None).await;
    assert_eq!(found.len(), 400);
    for one in found {
        assert_eq!(one.outcome.verdict(), Some(true), "{one:?}");
    }
}

/// Sockets live as long as their prober, whatever plan it runs.
#[tokio::test]
async fn a_reload_keeps_the_socket() {
    let mut config = ping("127.0.0.1", 1);
    if !permitted(&config).await {
        return;
    }
    config.monitors.get_mut("web").unwrap().interval_ms = 100;
    config.monitors.get_mut("web").unwrap().timeout_ms = 90;
    let (out, mut findings) = mpsc::channel(100);
    let plan = Arc::new(Plan::of(&config));
    let prober = Prober::start(plan, Settings::default(), out);
    for port in [None, Some(1)] {
        config.targets.get_mut("primary").unwrap().probe_at[0].port = port;
        prober.replace(Arc::new(Plan::of(&config))).await;
        loop {
            let found = timeout(LIMIT, findings.recv()).await.unwrap().unwrap();
            if matches!(&found, Finding::Probe(one) if one.observation.ok) {
                break;
            }
        }
    }
    prober.shutdown().await;
}

#[tokio::test]
async fn witnesses_are_asked_by_echo_request() {
    let mut witnesses = vec!["127.0.0.1"];
    witnesses.extend(has_v6().then_some("::1"));
    let mut config = ping("127.0.0.1", 1);
    let is_permitted = permitted(&config).await;
    let addresses: Vec<_> = witnesses
        .iter()
        .map(|ip| WitnessAddress::Icmp(ip.parse().unwrap()))
        .chain([WitnessAddress::Icmp("240.0.0.1".parse().unwrap())])
        .collect();
    config.witness = Some(WitnessConfig {
        addresses: addresses.clone(),
        need: 1,
    });
    assert_eq!(probe::problems(&config), [""; 0]);
    let (out, mut findings) = mpsc::channel(100);
    let prober = Prober::start(Arc::new(Plan::of(&config)), Settings::default(), out);
    let mut told = Vec::new();
    while told.len() < addresses.len() {
        let found = timeout(LIMIT, findings.recv()).await.unwrap().unwrap();
        if let Finding::Witness(one) = found {
            assert_eq!(one.ok, one.error.is_none(), "{one:?}");
            told.push(one);
        }
    }
    for one in told {
        let is_here = one.witness != *addresses.last().unwrap();
        assert_eq!(one.ok, is_here && is_permitted, "{one:?}");
        if !is_permitted {
            assert!(one.error.unwrap().contains("CAP_NET_RAW"));
        }
    }
    prober.shutdown().await;
}

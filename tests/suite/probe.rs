//! Probes against servers that misbehave, each with the reason that an operator reads.
#![allow(clippy::unwrap_used)]

mod dns;
mod exec;
mod icmp;
pub(crate) mod name_servers;
mod reload;
mod rhythm;
pub(crate) mod servers;
mod tls;

use servers::{Certificate, Crowd, Site, pem};
use sidestep::{
    model::{
        Config, FailureReason, HttpProbe, Monitor, MonitorPatch, ProbeAddress, ProbeKind, Service,
        Target, TcpProbe,
    },
    probe::{self, Outcome, TracedOutcome},
};
use std::{net::SocketAddr, process::Command, time::Duration};

/// One service that probes one target at `at` by `kind`.
pub(super) fn config(at: SocketAddr, kind: ProbeKind) -> Config {
    let target = Target {
        probe_at: vec![ProbeAddress {
            ip: at.ip(),
            port: Some(at.port()),
        }],
        ..Target::bare("primary".into(), vec!["192.0.2.1".parse().unwrap()])
    };
    let monitor = Monitor {
        name: "web".into(),
        probe: kind,
        interval_ms: 5_000,
        timeout_ms: 2_000,
        interval_suspect_ms: None,
        family: None,
    };
    let service: Service = serde_json::from_str(
        r#"{"name":"www","names":["www.example.com"],"targets":["primary"],"monitors":["web"]}"#,
    )
    .unwrap();
    Config {
        targets: [(target.name.clone(), target)].into(),
        monitors: [(monitor.name.clone(), monitor)].into(),
        services: [(service.name.clone(), service)].into(),
        ..Config::default()
    }
}

/// An HTTP monitor for `url`, the rest as given in JSON.
fn http(url: &str, settings: &str) -> ProbeKind {
    let mut probe: serde_json::Value = serde_json::from_str(settings).unwrap();
    probe["url"] = url.into();
    let probe: HttpProbe = serde_json::from_value(probe).unwrap();
    ProbeKind::Http(probe)
}

fn tcp(settings: &str) -> ProbeKind {
    let probe: TcpProbe = serde_json::from_str(settings).unwrap();
    ProbeKind::Tcp(probe)
}

async fn once(config: &Config) -> TracedOutcome {
    let mut found = probe::round(config, None).await;
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

async fn probed(at: SocketAddr, kind: ProbeKind) -> TracedOutcome {
    once(&config(at, kind)).await
}

/// As `probed`, for those who do not answer: they are given up after 150 ms.
async fn probed_briefly(at: SocketAddr, kind: ProbeKind) -> TracedOutcome {
    let mut config = config(at, kind);
    config.monitors.get_mut("web").unwrap().timeout_ms = 150;
    once(&config).await
}

#[track_caller]
fn bad(found: &TracedOutcome, expected: FailureReason) {
    match &found.outcome {
        Outcome::Bad { reason, .. } => assert_eq!(*reason, expected, "{found:?}"),
        other => panic!("{other:?} instead of {expected}: {found:?}"),
    }
}

/// The days that the certificate has left, if any was shown.
#[track_caller]
fn good(found: &TracedOutcome) -> Option<i32> {
    match found.outcome {
        Outcome::Good {
            rtt_us, cert_days, ..
        } => {
            assert!(rtt_us > 0);
            cert_days
        }
        _ => panic!("{found:?}"),
    }
}

const URL: &str = "http://www.example.com/healthz";

#[tokio::test]
async fn tcp_servers_that_misbehave_have_their_reason() {
    let talk = || tcp(r#"{"send":"hello\n","expect":"ready"}"#);
    let plain = || tcp("{}");
    good(&probed(servers::accepts_then_stays_silent().await, plain()).await);
    good(&probed(servers::says("220 ready\n").await, talk()).await);
    use FailureReason::{Body, Closed, Refused, Reset, Timeout};
    bad(&probed(servers::refuses().await, plain()).await, Refused);
    bad(&probed(servers::says("busy\n").await, talk()).await, Body);
    bad(
        &probed(servers::closes_at_once().await, talk()).await,
        Closed,
    );
    let resets = servers::listen(|stream| async move {
        stream.readable().await.unwrap();
        stream.set_zero_linger().unwrap();
    });
    bad(&probed(resets.await, talk()).await, Reset);
    let silent = servers::accepts_then_stays_silent().await;
    bad(&probed_briefly(silent, talk()).await, Timeout);
    bad(
        &probed(
            servers::endless_body().await,
            tcp(r#"{"send":"\r\n\r\n","expect":"ready"}"#),
        )
        .await,
        Body,
    );
}

#[tokio::test]
async fn http_servers_that_misbehave_have_their_reason() {
    let plain = || http(URL, "{}");
    let with_body = || http(URL, r#"{"expect":{"body":{"contains":"all is well"}}}"#);
    use FailureReason::{Body, Closed, Refused, Reset, Status, Timeout};
    bad(&probed(servers::refuses().await, plain()).await, Refused);
    bad(&probed(servers::resets().await, plain()).await, Reset);
    bad(
        &probed(servers::closes_at_once().await, plain()).await,
        Closed,
    );
    let silent = servers::accepts_then_stays_silent().await;
    bad(&probed_briefly(silent, plain()).await, Timeout);
    // Nobody reads a body that nobody asked for.
    good(&probed(servers::slow_body().await, plain()).await);
    good(&probed(servers::endless_body().await, plain()).await);
    bad(
        &probed_briefly(servers::slow_body().await, with_body()).await,
        Timeout,
    );
    bad(
        &probed(servers::endless_body().await, with_body()).await,
        Body,
    );
    bad(
        &probed(servers::says("SSH-2.0-OpenSSH\r\n").await, plain()).await,
        Status,
    );
    let torn = servers::says("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nall");
    bad(&probed(torn.await, with_body()).await, Closed);
}

#[tokio::test]
async fn a_probe_that_is_over_leaves_no_connection() {
    for greeting in [
        "",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n.",
    ] {
        let crowd = Crowd::greeting(greeting);
        let at = crowd.listen().await;
        let with_body = r#"{"expect":{"body":{"contains":"never said"}}}"#;
        for settings in ["{}", with_body] {
            probed_briefly(at, http(URL, settings)).await;
            while crowd.open() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        assert_eq!(crowd.seen(), 2, "one connection for each probe");
    }
}

#[tokio::test]
async fn status_and_body_are_as_expected_or_not() {
    let at = Site::default().plain().await;
    let cases = [
        ("/healthz", "{}", None),
        ("/missing", "{}", Some(FailureReason::Status)),
        ("/missing", r#"{"expect":{"status":"200,404"}}"#, None),
        (
            "/healthz",
            r#"{"expect":{"status":"404"}}"#,
            Some(FailureReason::Status),
        ),
        (
            "/healthz",
            r#"{"expect":{"body":{"contains":"is well"}}}"#,
            None,
        ),
        (
            "/healthz",
            r#"{"expect":{"body":{"contains":"is ill"}}}"#,
            Some(FailureReason::Body),
        ),
        (
            "/healthz",
            r#"{"expect":{"body":{"regex":"^all .* well\\s$"}}}"#,
            None,
        ),
        (
            "/healthz",
            r#"{"expect":{"body":{"regex":"^well"}}}"#,
            Some(FailureReason::Body),
        ),
        ("/moved", "{}", Some(FailureReason::Status)),
        (
            "/moved",
            r#"{"follow":true,"expect":{"body":{"contains":"is well"}}}"#,
            None,
        ),
        ("/loop", r#"{"follow":true}"#, Some(FailureReason::Status)),
        ("/healthz", r#"{"method":"HEAD"}"#, None),
    ];
    for (path, settings, expected) in cases {
        let found = probed(at, http(&format!("http://www.example.com{path}"), settings)).await;
        let reason = match found.outcome {
            Outcome::Good { .. } => None,
            Outcome::Bad { reason, .. } => Some(reason),
            Outcome::NoResult { .. } => panic!("{path} {settings}: {found:?}"),
        };
        assert_eq!(reason, expected, "{path} {settings}: {found:?}");
    }
}

#[tokio::test]
async fn the_server_sees_the_url_and_the_connection_goes_to_the_target() {
    let cases = [
        (URL, "{}", "www.example.com"),
        ("http://WWW.example.com:8080/", "{}", "www.example.com:8080"),
        ("http://192.0.2.9/", "{}", "192.0.2.9"),
        ("http://192.0.2.9:81/", "{}", "192.0.2.9:81"),
        ("http://[2001:db8::9]/", "{}", "[2001:db8::9]"),
        (URL, r#"{"headers":{"Host":"internal"}}"#, "internal"),
    ];
    for (url, settings, host) in cases {
        let site = Site::default();
        good(&probed(site.plain().await, http(url, settings)).await);
        let visits = site.visits();
        assert_eq!(visits.len(), 1, "{url}");
        assert_eq!(visits[0].header("host").as_deref(), Some(host), "{url}");
        assert_eq!(visits[0].header("connection").as_deref(), Some("close"));
    }
}

#[tokio::test]
async fn the_request_is_the_monitors() {
    let site = Site::default();
    let settings = r#"{"method":"OPTIONS","headers":{"X-Probe":"yes","User-Agent":"me"}}"#;
    let url = "http://user:secret@www.example.com/a%20b?c=d";
    good(&probed(site.plain().await, http(url, settings)).await);
    let visit = site.visits().remove(0);
    assert!(visit.head.starts_with("OPTIONS /a%20b?c=d HTTP/1.1\r\n"));
    assert_eq!(visit.header("x-probe").as_deref(), Some("yes"));
    assert_eq!(visit.header("user-agent").as_deref(), Some("me"));
    let credentials = visit.header("authorization");
    assert_eq!(credentials.as_deref(), Some("Basic dXNlcjpzZWNyZXQ="));
}

#[tokio::test]
async fn redirects_stay_at_the_address_and_secrets_with_their_site() {
    // The port of another site is its own: here nobody listens on it, and the address that
    // the redirect names is not asked.
    let site = Site::default();
    let at = site.plain().await;
    let settings = r#"{"follow":true,"headers":{"Authorization":"token","Cookie":"a=b"}}"#;
    let home = format!("http://www.example.com:{}", at.port());
    for (path, host) in [
        ("/elsewhere", "www.example.net"),
        ("/literal", "192.0.2.77"),
    ] {
        let away = format!("//{host}:{}/healthz", at.port());
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: {away}\r\n\r\n");
        let first = servers::says(answer.leak()).await;
        let before = site.visits().len();
        good(&probed(first, http(&format!("{home}{path}"), settings)).await);
        let visit = site.visits().remove(before);
        let expected = format!("{host}:{}", at.port());
        assert_eq!(visit.header("host"), Some(expected));
        assert_eq!(visit.header("authorization"), None);
        assert_eq!(visit.header("cookie"), None);
    }
    good(&probed(at, http(&format!("{home}/moved"), settings)).await);
    let visit = site.visits().pop().unwrap();
    assert_eq!(visit.header("authorization").as_deref(), Some("token"));
}

#[tokio::test]
async fn certificates_are_trusted_or_say_why_not() {
    let expired = Certificate::new("www.example.com", 2021);
    let wrong_name = Certificate::new("www.example.net", 2099);
    let right = Certificate::new("www.example.com", 2099);
    let literal = Certificate::new("192.0.2.9", 2099);
    let (name, ip) = ("https://www.example.com/", "https://192.0.2.9/");
    use FailureReason::{Expired, Hostname, Tls};
    let cases = [
        ("expired", &expired, name, Some(Expired)),
        ("wrong name", &wrong_name, name, Some(Hostname)),
        ("right", &right, name, None),
        ("right IP", &literal, ip, None),
        ("name for IP", &right, ip, Some(Hostname)),
        ("IP for name", &literal, name, Some(Hostname)),
    ];
    for (case, certificate, url, expected) in cases {
        let site = Site::default();
        let at = site.tls(certificate).await;
        // Trusting its authority, the certificate itself, anyone, another authority.
        for trusted in [&certificate.authority, &certificate.own] {
            let file = pem(trusted);
            let settings = serde_json::json!({ "ca": file.to_str().unwrap() });
            let found = probed(at, http(url, &settings.to_string())).await;
            match expected {
                Some(reason) => bad(&found, reason),
                None => assert!(good(&found).unwrap() > 20_000, "{case}: {found:?}"),
            }
        }
        let found = probed(at, http(url, r#"{"verify":false}"#)).await;
        let days = good(&found).expect("a certificate was shown");
        assert_eq!(days < 0, expected == Some(Expired), "{case}");
        let visit = site.visits().pop().unwrap();
        let sni = (url == name).then(|| "www.example.com".to_owned());
        assert_eq!(visit.sni, sni, "{case}");
        let another = pem(&Certificate::new("www.example.com", 2099).authority);
        let settings = serde_json::json!({ "ca": another.to_str().unwrap() });
        let found = probed(at, http(url, &settings.to_string())).await;
        bad(
            &found,
            if expected == Some(Expired) {
                Expired
            } else {
                Tls
            },
        );
    }
}

#[tokio::test]
async fn the_system_trusts_no_stranger() {
    let certificate = Certificate::new("www.example.com", 2099);
    let at = Site::default().tls(&certificate).await;
    let found = probed(at, http("https://www.example.com/", "{}")).await;
    match &found.outcome {
        Outcome::NoResult { local } => assert!(local.contains("install ca-certificates")),
        _ => bad(&found, FailureReason::Tls),
    }
}

#[tokio::test]
async fn what_is_not_tls_is_tls() {
    let at = servers::says("220 this is not tls, and it says so at some length\r\n").await;
    let https = || http("https://www.example.com/", r#"{"verify":false}"#);
    bad(&probed(at, https()).await, FailureReason::Tls);
    let at = servers::closes_at_once().await;
    bad(&probed(at, https()).await, FailureReason::Closed);
    let silent = servers::accepts_then_stays_silent().await;
    bad(
        &probed_briefly(silent, https()).await,
        FailureReason::Timeout,
    );
}

#[tokio::test]
async fn a_trace_has_its_steps_in_order() {
    let certificate = Certificate::new("www.example.com", 2099);
    let at = Site::default().tls(&certificate).await;
    let found = probed(at, http("https://www.example.com/", r#"{"verify":false}"#)).await;
    let steps: Vec<_> = found.trace.steps().iter().map(|step| step.0).collect();
    assert_eq!(steps, ["connect", "handshake", "first byte", "verdict"]);
    let ends = [
        found.trace.connected_us.unwrap(),
        found.trace.handshake_us.unwrap(),
        found.trace.first_byte_us.unwrap(),
        found.trace.verdict_us,
    ];
    assert!(ends.is_sorted() && ends[0] < ends[1], "{ends:?}");
    let found = probed(Site::default().plain().await, http(URL, "{}")).await;
    let steps: Vec<_> = found.trace.steps().iter().map(|step| step.0).collect();
    assert_eq!(steps, ["connect", "first byte", "verdict"]);
}

#[tokio::test]
async fn what_cannot_be_used_is_said_and_counts_against_nobody() {
    let kind = |json: &str| serde_json::from_str(json).unwrap();
    let cases = [
        (http("www.example.com/healthz", "{}"), "url"),
        (http("ftp://www.example.com/", "{}"), "http://"),
        (http(URL, r#"{"method":"G T"}"#), "method"),
        (http(URL, r#"{"headers":{"X":"a\nb"}}"#), "header 'X"),
        (
            http(URL, r#"{"expect":{"body":{"regex":"("}}}"#),
            "body_regex",
        ),
        (
            http("https://a/", r#"{"ca":"/nowhere.pem"}"#),
            "/nowhere.pem",
        ),
        (
            kind(r#"{"kind":"dns","question":"example.com AAA"}"#),
            "question 'example.com AAA': its type is not known",
        ),
        (
            kind(r#"{"kind":"dns","question":"a MX","expect":{"answer":"mx"}}"#),
            "expect.answer 'mx' is no MX record",
        ),
        (
            kind(r#"{"kind":"dns","question":"a","expect":{"rcode":"noerror"}}"#),
            "expect.rcode 'noerror' is not known",
        ),
        (
            kind(r#"{"kind":"tls","port":443,"sni":"a b"}"#),
            "sni 'a b' is no name of a host",
        ),
        (
            kind(r#"{"kind":"tls","port":443,"sni":"a","ca":"/nowhere.pem"}"#),
            "ca /nowhere.pem",
        ),
    ];
    for (kind, expected) in cases {
        let config = config(servers::refuses().await, kind);
        let problems = probe::problems(&config);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains(expected), "{problems:?}");
        match once(&config).await.outcome {
            Outcome::NoResult { local } => assert!(local.contains(expected), "{local}"),
            other => panic!("{expected}: {other:?}"),
        }
    }
    assert!(probe::problems(&config(servers::refuses().await, http(URL, "{}"))).is_empty());
}

#[tokio::test]
async fn ports_come_from_the_address_then_the_target_then_the_monitor() {
    let at = Site::default().plain().await;
    let other = servers::refuses().await.port();
    let url = format!("http://www.example.com:{other}/");
    let own = serde_json::json!({ "port": at.port() }).to_string();
    for (in_probe_at, in_patch, settings) in [
        (Some(at.port()), Some(other), "{}"),
        (None, Some(at.port()), "{}"),
        (None, None, own.as_str()),
    ] {
        let mut config = config(at, http(&url, settings));
        let target = config.targets.get_mut("primary").unwrap();
        target.probe_at[0].port = in_probe_at;
        let patch = MonitorPatch {
            port: in_patch,
            ..MonitorPatch::default()
        };
        target.monitor.insert("web".into(), patch);
        let found = once(&config).await;
        good(&found);
        assert_eq!(found.place.address, at.ip());
    }
    let mut config = config(at, http(&url, "{}"));
    config.targets.get_mut("primary").unwrap().probe_at[0].port = None;
    bad(&once(&config).await, FailureReason::Refused);
    assert!(
        probe::round(&config, Some(&"nobody".into()))
            .await
            .is_empty()
    );
}

/// Runs itself again with few descriptors: the limit holds for a whole process.
#[tokio::test]
async fn out_of_descriptors_is_no_result() {
    const CHILD: &str = "SIDESTEP_TEST_FEW_DESCRIPTORS";
    if std::env::var_os(CHILD).is_none() {
        let test = std::env::current_exe().unwrap();
        let output = Command::new("sh")
            .args(["-c", "ulimit -n 48 && exec \"$0\" \"$@\""])
            .arg(test)
            .args(["--exact", "probe::out_of_descriptors_is_no_result"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{output:?}"
        );
        return;
    }
    let at = servers::accepts_then_stays_silent().await;
    let mut held = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        held.push(file);
    }
    for kind in [tcp("{}"), http(URL, "{}")] {
        let found = probed(at, kind).await;
        match &found.outcome {
            Outcome::NoResult { local } => assert!(local.contains("descriptors"), "{found:?}"),
            other => panic!("{other:?}"),
        }
    }
    drop(held);
    good(&probed(at, tcp("{}")).await);
}

//! What `sidestep probe` prints of each kind of probe: the whole text, times and ports aside.

use super::sidestep;
use crate::probe::{
    name_servers::{name_server, octets, reply},
    servers::{self, Certificate, Site, pem, shakes_hands},
};
use hickory_proto::rr::{RData, rdata::A};
use regex::Regex;
use std::{fs, net::SocketAddr, path::Path};
use tokio_rustls::rustls::version::TLS13;

/// Servers for each kind and monitors for them, by name; the lines of a monitor.
async fn monitors(ca: &Path, certificate: &Certificate) -> Vec<(&'static str, SocketAddr, String)> {
    let ca = ca.display();
    let expired = Certificate::new("mail.example.com", 2021);
    let acceptor = |certificate: &Certificate| certificate.acceptor_of(&[&TLS13], &[]);
    let (mail, _) = shakes_hands("127.0.0.1:0", acceptor(certificate)).await;
    let (old, _) = shakes_hands("127.0.0.1:0", acceptor(&expired)).await;
    let (names, _) = name_server("127.0.0.1", |_, _, question| {
        vec![octets(&reply(
            question,
            vec![RData::A(A::new(192, 0, 2, 10))],
        ))]
    })
    .await;
    let web = Site::default().tls(certificate).await;
    let url = "https://mail.example.com/healthz";
    vec![
        ("closed", servers::refuses().await, "kind = \"tcp\"".into()),
        ("greeting", servers::says("220 mail\r\n").await, "kind = \"tcp\"\nsend = \"x\"\nexpect = \"220\"".into()),
        ("http", web, format!("url = \"{url}\"\nca = \"{ca}\"")),
        ("http-body", web, format!("url = \"{url}\"\nca = \"{ca}\"\nexpect = {{ body = \"all is well\" }}")),
        ("http-ill", web, format!("url = \"{url}\"\nca = \"{ca}\"\nexpect = {{ body = \"ill\" }}")),
        ("names", names, "kind = \"dns\"\nquestion = \"www.example.com\"\nexpect = { answer = \"192.0.2.10\" }".into()),
        ("names-ill", names, "kind = \"dns\"\nquestion = \"www.example.com A\"\nexpect = { answer = \"192.0.2.11\" }".into()),
        ("tls", mail, format!("kind = \"tls\"\nsni = \"mail.example.com\"\nca = \"{ca}\"")),
        ("tls-old", old, "kind = \"tls\"\nsni = \"mail.example.com\"\nverify = false".into()),
        ("tls-other", mail, format!("kind = \"tls\"\nsni = \"www.example.com\"\nca = \"{ca}\"")),
    ]
}

fn configuration(monitors: &[(&'static str, SocketAddr, String)]) -> String {
    let mut text = "[[target]]\nname = \"one\"\naddresses = [\"127.0.0.1\"]\n".to_owned();
    for (name, at, _) in monitors
        .iter()
        .filter(|(name, ..)| name.starts_with("http"))
    {
        text += &format!("monitor.{name} = {{ port = {} }}\n", at.port());
    }
    for (name, at, lines) in monitors {
        let port = match name.starts_with("http") {
            true => String::new(),
            false => format!("port = {}\n", at.port()),
        };
        // Long enough for two busy cores.
        let patience = "interval = \"1m\"\ntimeout = \"20s\"\n";
        text += &format!("[[monitor]]\nname = \"{name}\"\n{lines}\n{port}{patience}");
    }
    let names: Vec<_> = monitors
        .iter()
        .map(|(name, ..)| format!("\"{name}\""))
        .collect();
    let names = names.join(", ");
    text += &format!(
        "[[service]]\nname = \"www\"\nnames = [\"www.example.com\"]\ntargets = [\"one\"]\n\
         monitors = [{names}]\n"
    );
    text
}

/// The text without what differs from run to run.
fn settled(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, stands_for) in [
        (r"\d+\.\d ms", "T ms"),
        (r"127\.0\.0\.1:\d+ *", "127.0.0.1:PORT  "),
        (r"\d+ days", "N days"),
    ] {
        text = Regex::new(pattern)
            .unwrap()
            .replace_all(&text, stands_for)
            .into_owned();
    }
    text
}

const TEXT: &str = include_str!("probe.txt");

#[test]
fn a_round_is_told_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::new("mail.example.com", 2099);
    let ca = pem(&certificate.authority);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let monitors = runtime.block_on(monitors(&ca, &certificate));
    fs::write(
        folder.path().join("sidestep.toml"),
        configuration(&monitors),
    )
    .unwrap();
    let said = sidestep(folder.path(), &["probe"]);
    assert_eq!(said.code, 1, "some are bad: {}", said.err);
    assert_eq!(settled(&said.out), TEXT, "{}", said.out);

    let said = sidestep(folder.path(), &["probe", "--json"]);
    assert_eq!(said.code, 1, "{}", said.err);
    let all: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(all.as_array().unwrap().len(), monitors.len());
    let one = |name: &str| {
        let mut all = all.as_array().unwrap().iter();
        all.find(|one| one["probe"]["monitor"] == name)
            .unwrap()
            .clone()
    };
    let http = one("http");
    let port = monitors
        .iter()
        .find(|(name, ..)| *name == "http")
        .unwrap()
        .1
        .port();
    assert_eq!(http["at"], format!("127.0.0.1:{port}"));
    for step in [
        "resolve_us",
        "connect_us",
        "handshake_us",
        "first_byte_us",
        "verdict_us",
    ] {
        assert!(http["trace"][step].is_u64(), "{step}: {http}");
    }
    assert_eq!(http["trace"]["resolve_us"], 0);
    assert!(http["probe"]["cert_days"].as_i64().unwrap() > 20_000);
    assert_eq!(http["note"], serde_json::Value::Null);
    let words: Vec<_> = http["seen"]
        .as_array()
        .unwrap()
        .iter()
        .map(|seen| seen["word"].clone())
        .collect();
    assert_eq!(words, ["asked", "certificate", "answered", "body"]);
    let names = one("names-ill");
    assert_eq!(names["probe"]["error"], "dns");
    assert_eq!(names["seen"][1]["text"], "NOERROR: A 192.0.2.10");
    assert_eq!(one("tls-other")["probe"]["error"], "hostname");
    assert!(one("tls-old")["probe"]["cert_days"].as_i64().unwrap() < 0);
}

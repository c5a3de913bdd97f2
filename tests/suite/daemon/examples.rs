//! The examples run: each is started as it is written, but for where it listens and probes.

use super::site::{DEADLINE, web, web_at};
use crate::probe::{
    name_servers::{name_server, octets, reply},
    servers::{self, Certificate, pem, shakes_hands},
};
use hickory_proto::rr::{Name, RData, rdata::MX};
use sidestep::{
    daemon::{Daemon, StartOptions},
    dns,
    failover::What,
    model::Config,
    probe::Plan,
};
use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::mpsc::channel,
};
use tokio_rustls::rustls::ALL_VERSIONS;

/// Servers of every kind that the examples probe, all of them well.
struct Home {
    web: SocketAddr,
    web6: Option<SocketAddr>,
    smtp: SocketAddr,
    tls: SocketAddr,
    names: SocketAddr,
    authority: tempfile::TempPath,
    /// They live as long as it does.
    _runtime: tokio::runtime::Runtime,
}

impl Home {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let certificate = Certificate::new("mail.example.com", 2099);
        let acceptor = certificate.acceptor_of(ALL_VERSIONS, &[]);
        let answer = RData::MX(MX::new(10, Name::from_ascii("mx.example.com.").unwrap()));
        let (smtp, tls, names) = runtime.block_on(async {
            let names = name_server("127.0.0.1", move |_, _, question| {
                vec![octets(&reply(question, vec![answer.clone()]))]
            });
            (
                servers::greets("220 mail.example.com ESMTP\r\n").await,
                shakes_hands("127.0.0.1:0", acceptor).await.0,
                names.await.0,
            )
        });
        Self {
            web: web(),
            web6: web_at("[::1]:0"),
            smtp,
            tls,
            names,
            authority: pem(&certificate.authority),
            _runtime: runtime,
        }
    }

    /// Where a target of an example is probed: without a port where its monitors have ports.
    fn probe_at(&self, text: &str, addresses: &str) -> String {
        if text.contains("port = ") {
            return "[\"127.0.0.1\"]".to_owned();
        }
        match self.web6.filter(|_| addresses.contains("::")) {
            Some(web6) => format!("[\"{}\", \"{web6}\"]", self.web),
            None => format!("[\"{}\"]", self.web),
        }
    }

    /// The text with loopback in place of everything that is not this machine.
    fn furnish(&self, text: &str) -> String {
        let mut out = String::new();
        let listen = "dns = [\"127.0.0.1:0\"]\nhttp = \"127.0.0.1:0\"\n";
        if !text.contains("[server]") {
            out += &format!("[server]\n{listen}");
        }
        let mut table = "";
        for line in text.lines() {
            let key = line.split('=').next().unwrap_or_default().trim();
            if line.starts_with('[') {
                table = line;
            }
            match (table, key) {
                ("[witness]", "addresses") => out += &format!("addresses = [\"{}\"]\n", self.web),
                ("[[target]]", "probe_at")
                | ("[witness]", "need")
                | ("[server]", "dns" | "http") => {}
                ("[[target]]", "addresses") => {
                    out += &format!("{line}\nprobe_at = {}\n", self.probe_at(text, line));
                }
                ("[server]", "[server]") => out += &format!("[server]\n{listen}"),
                ("[[monitor]]", "interval") => out += "interval = \"1s\"\n",
                ("[[monitor]]", "timeout") => out += "timeout = \"900ms\"\n",
                ("[[monitor]]", "port") if line.contains("25") => {
                    out += &format!("port = {}\n", self.smtp.port());
                }
                ("[[monitor]]", "port") => out += &format!("port = {}\n", self.tls.port()),
                ("[[monitor]]", "sni") => {
                    out += &format!("{line}\nca = \"{}\"\n", self.authority.display());
                }
                ("[[monitor]]", "question") => {
                    out += &format!("{line}\nport = {}\n", self.names.port());
                }
                _ => out += &format!("{}\n", line.replace("https://", "http://")),
            }
        }
        // The web server of the tests says "ok" and nothing else.
        out.replace("interval = \"5s\"", "interval = \"1s\"")
            .replace("timeout = \"2s\"", "timeout = \"900ms\"")
    }
}

/// Copies a folder of an example, where it has one.
fn copy(from: &Path, to: &Path) {
    let Ok(files) = fs::read_dir(from) else {
        return;
    };
    fs::create_dir(to).unwrap();
    for file in files {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn every_example_starts_probes_and_answers_its_primary() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = 0;
    let home = Home::open();
    for example in fs::read_dir(examples).unwrap() {
        let example = example.unwrap().path();
        if example.ends_with("systemd") {
            continue; // A unit: tests/e2e/systemd-unit.sh reads it.
        }
        if example.ends_with("scenarios") || example.ends_with("replay") {
            continue; // Recordings and what becomes one: recording::scenarios, cli::replay.
        }
        let folder = tempfile::tempdir().unwrap();
        let text = fs::read_to_string(example.join("sidestep.toml")).unwrap();
        let config = folder.path().join("sidestep.toml");
        fs::write(&config, home.furnish(&text)).unwrap();
        for part in ["policies", "zones"] {
            copy(&example.join(part), &folder.path().join(part));
        }
        let parsed: Config = sidestep::config::load(&config).unwrap().config;
        let (tap, events) = channel();
        let options = StartOptions {
            strict: true,
            tap: Some(tap),
        };
        let daemon = Daemon::start(&config, options)
            .unwrap_or_else(|error| panic!("{}: {error}", example.display()));
        // Every series has had its turn, and all are well.
        let mut waiting: BTreeSet<_> = Plan::of(&parsed)
            .series
            .into_iter()
            .map(|series| (series.target, series.monitor.name.clone(), series.at.ip))
            .collect();
        while !waiting.is_empty() {
            if let What::Probe(probe) = events.recv_timeout(DEADLINE).unwrap().what {
                assert!(probe.ok, "{}: {probe:?}", example.display());
                waiting.remove(&(probe.target, probe.monitor, probe.address.unwrap()));
            }
        }
        for service in parsed.services.values() {
            let primary: BTreeSet<IpAddr> = parsed.targets[&service.targets[0]]
                .addresses
                .iter()
                .copied()
                .collect();
            for name in &service.names {
                let mut answered = BTreeSet::new();
                for aaaa in [false, true] {
                    answered.extend(
                        dns::ask(daemon.dns()[0], name, aaaa, DEADLINE)
                            .unwrap()
                            .addresses,
                    );
                }
                assert_eq!(answered, primary, "{}: {name}", example.display());
            }
        }
        daemon.stop();
        seen += 1;
    }
    assert!(seen >= 5);
}

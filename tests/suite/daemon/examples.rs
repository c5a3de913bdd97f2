//! The examples run: each is started as it is written, but for where it listens and probes.

use super::site::{DEADLINE, web};
use sidestep::{daemon::Daemon, dns, failover::What, model::Config};
use std::{collections::BTreeSet, fs, net::IpAddr, path::Path, sync::mpsc::channel};

/// The text with loopback in place of everything that is not this machine.
fn at_home(text: &str, web: std::net::SocketAddr) -> String {
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
            ("[witness]", "addresses") => out += &format!("addresses = [\"{web}\"]\n"),
            ("[[target]]", "probe_at") | ("[witness]", "need") => {}
            ("[[target]]", "addresses") => out += &format!("{line}\nprobe_at = [\"{web}\"]\n"),
            ("[server]", "[server]") => out += &format!("[server]\n{listen}"),
            _ => out += &format!("{}\n", line.replace("https://", "http://")),
        }
    }
    // The web server of the tests says "ok" and nothing else.
    out.replace("interval = \"5s\"", "interval = \"1s\"")
        .replace("timeout = \"2s\"", "timeout = \"900ms\"")
}

#[test]
fn every_example_starts_probes_and_answers_its_primary() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = 0;
    for example in fs::read_dir(examples).unwrap() {
        let example = example.unwrap().path();
        let (folder, web) = (tempfile::tempdir().unwrap(), web());
        let text = fs::read_to_string(example.join("sidestep.toml")).unwrap();
        let config = folder.path().join("sidestep.toml");
        fs::write(&config, at_home(&text, web)).unwrap();
        if let Ok(policies) = fs::read_dir(example.join("policies")) {
            fs::create_dir(folder.path().join("policies")).unwrap();
            for policy in policies {
                let policy = policy.unwrap();
                fs::copy(
                    policy.path(),
                    folder.path().join("policies").join(policy.file_name()),
                )
                .unwrap();
            }
        }
        let parsed: Config = sidestep::config::load(&config).unwrap().config;
        let (tap, events) = channel();
        let daemon = Daemon::start(&config, Some(tap))
            .unwrap_or_else(|error| panic!("{}: {error}", example.display()));
        let mut waiting: BTreeSet<_> = parsed.targets.keys().cloned().collect();
        while !waiting.is_empty() {
            if let What::Probe(probe) = events.recv_timeout(DEADLINE).unwrap().what {
                assert!(probe.ok, "{}: {probe:?}", example.display());
                waiting.remove(&probe.target);
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
    assert!(seen >= 3);
}

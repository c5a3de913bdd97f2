//! Ticks of a daemon: the fold wakes by itself when it was told to.

use super::site::DEADLINE;
use sidestep::{
    daemon::{Daemon, StartOptions},
    failover::What,
};
use std::{fs, sync::mpsc::channel};

/// Wants to be asked again 300 ms after the first result.
const LATER: &str = "fn decide(service) {\n\
    if service.probe != () && service.recall(\"at\", 0) == 0 {\n\
        return hold(\"later\").remember(\"at\", service.now + 300);\n\
    }\n\
    hold(\"as it is\")\n}\n";

#[test]
fn an_instant_that_a_decision_remembers_is_kept_though_silence_would_last_an_hour() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    fs::write(folder.path().join("policies/www.rhai"), LATER).unwrap();
    let config = "[server]\ndns = [\"127.0.0.1:0\"]\nhttp = \"none\"\n\
        [[target]]\nname = \"one\"\naddresses = [\"127.0.0.1\"]\n\
        [[service]]\nname = \"www\"\nnames = [\"www.example.com\"]\ntargets = [\"one\"]\n\
        policy = \"www.rhai\"\n\
        monitors = [{ kind = \"tcp\", port = 1, interval = \"1h\", timeout = \"2s\" }]\n";
    let path = folder.path().join("sidestep.toml");
    fs::write(&path, config).unwrap();
    let (tap, events) = channel();
    let daemon = Daemon::start(
        &path,
        StartOptions {
            strict: true,
            tap: Some(tap),
        },
    )
    .unwrap();
    let mut remembered_at = None;
    loop {
        let event = events.recv_timeout(DEADLINE).expect("a tick comes");
        match event.what {
            What::Decision(decision) if !decision.remember.is_empty() => {
                remembered_at = Some(event.at);
            }
            What::Tick {} => {
                let remembered_at = remembered_at.expect("nothing else makes a tick due");
                assert!(event.at.since_ms(remembered_at) >= 300);
                break;
            }
            _ => {}
        }
    }
    daemon.stop();
}

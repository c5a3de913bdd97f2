//! Explaining and what-if beside a running daemon, and after it.

use super::site::Site;
use std::{
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

fn ask(site: &Site, arguments: &[&str]) -> Output {
    let config = site.path("sidestep.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidestep"));
    command.args(arguments).arg("--config").arg(config);
    command.env("NO_COLOR", "1").output().unwrap()
}

fn said(site: &Site, arguments: &[&str]) -> String {
    let output = ask(site, arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_running_daemon_is_explained_from_its_journal() {
    let mut site = Site::usual();
    // Probes are committed in groups, at most a second late.
    let until = Instant::now() + super::site::DEADLINE;
    let explained = loop {
        let output = ask(&site, &["explain", "www", "--json"]);
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        if let Ok(json) = serde_json::from_str::<serde_json::Value>(&text)
            && json["observations"][0]["results"]
                .as_array()
                .is_some_and(|all| all.len() > 1)
        {
            break json;
        }
        assert!(Instant::now() < until, "{output:?}");
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(explained["serving"], serde_json::json!(["one"]));
    assert_eq!(explained["evaluation"]["reason"], "the first");
    assert_eq!(explained["policy"]["lines"][0][0], 1);
    let course = said(&site, &["whatif", "www", "--fail", "one", "--for", "20s"]);
    assert!(course.contains("never leaves what failed"), "{course}");
    site.stop();
    let told = said(&site, &["explain", "www"]);
    assert!(told.contains("one has been answered for"), "{told}");
    assert!(
        told.contains("the policy wants the same at line 1: the first"),
        "{told}"
    );
}

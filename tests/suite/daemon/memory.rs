//! What a restart remembers: the answer, and the files that were in force.

use super::site::{FIRST, ONE_TWO, Site, two_targets};
use sidestep::daemon::{Daemon, StartError, StartOptions};
use std::fs;

/// Serves the second target once it is up, and then never moves again.
const AWAY: &str = "fn decide(service) {\n    let two = service.target(\"two\");\n    \
    if service.active != two && two.is_up(2) { return serve(two, \"away\"); }\n    hold(\"stay\")\n}\n";

/// A site that serves its second target, with a policy that would not go there again.
fn away() -> Site {
    let site = Site::start(|web| {
        vec![
            ("sidestep.toml", two_targets(web, ONE_TWO)),
            ("policies/www.rhai", AWAY.to_owned()),
        ]
    });
    while site.overview().services[0].active.as_str() != "two" {
        site.next();
    }
    site.save(
        "policies/www.rhai",
        "fn decide(service) { hold(\"stay\") }\n",
    );
    site.wait_answer("192.0.2.2");
    site.in_force();
    site
}

#[test]
fn the_first_answer_after_a_restart_is_the_last_decision() {
    let mut site = away();
    let before = site.overview();
    site.restart();
    assert_eq!(site.addresses(), ["192.0.2.2"]);
    let after = site.overview();
    assert_eq!(after.services[0].since, before.services[0].since);
    assert!(after.seq > before.seq, "the log goes on");
    assert!(after.serials >= before.serials);
    assert_eq!(site.refused(), Vec::<String>::new());
}

#[test]
fn a_restart_with_a_broken_policy_starts_with_the_one_that_was_in_force() {
    let mut site = away();
    site.stop();
    site.save(
        "policies/www.rhai",
        "fn decide(service) { hodl(\"stay\") }\n",
    );
    site.start_again().unwrap();
    assert_eq!(site.addresses(), ["192.0.2.2"]);
    let refused = site.wait_refused(|refused| !refused.is_empty());
    assert!(
        refused[0].starts_with("policies/www.rhai:1:"),
        "{refused:?}"
    );
    assert!(refused[0].contains("did you mean 'hold'"), "{refused:?}");
    assert!(refused[0].contains("still running version"), "{refused:?}");
    // Mended, it is in force as after any refused reload.
    site.save("policies/www.rhai", FIRST);
    site.wait_answer("192.0.2.1");
    site.wait_refused(<[String]>::is_empty);
}

#[test]
fn so_does_one_with_a_broken_configuration_or_none_at_all() {
    let mut site = away();
    let text = fs::read_to_string(site.path("sidestep.toml")).unwrap();
    for broken in ["[[target]\nname = \n", "", "[server]\nport = 3\n"] {
        site.stop();
        site.save("sidestep.toml", broken);
        site.start_again().unwrap();
        assert_eq!(site.addresses(), ["192.0.2.2"], "{broken}");
        let refused = site.wait_refused(|refused| !refused.is_empty());
        assert!(refused[0].starts_with("sidestep.toml"), "{refused:?}");
    }
    site.stop();
    fs::remove_file(site.path("sidestep.toml")).unwrap();
    site.start_again().unwrap();
    assert_eq!(site.addresses(), ["192.0.2.2"]);
    site.save("sidestep.toml", &text);
    site.wait_refused(<[String]>::is_empty);
}

#[test]
fn a_strict_start_takes_nothing_but_what_is_on_disk() {
    let mut site = away();
    site.stop();
    site.save(
        "policies/www.rhai",
        "fn decide(service) { hodl(\"stay\") }\n",
    );
    let options = StartOptions {
        strict: true,
        tap: None,
    };
    let error = Daemon::start(&site.path("sidestep.toml"), options).unwrap_err();
    assert!(matches!(error, StartError::Files(_)), "{error}");
}

#[test]
fn a_first_start_with_broken_files_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sidestep.toml");
    fs::write(&path, "[server]\nport = 3\n").unwrap();
    let error = Daemon::start(&path, StartOptions::default()).unwrap_err();
    assert!(matches!(error, StartError::Files(_)), "{error}");
    assert!(!folder.path().join("data").exists());
}

#[test]
fn one_daemon_has_a_folder() {
    let site = Site::usual();
    let error = Daemon::start(&site.path("sidestep.toml"), StartOptions::default()).unwrap_err();
    let said = error.to_string();
    assert!(said.contains(&std::process::id().to_string()), "{said}");
    assert!(said.contains("data"), "{said}");
}

#[test]
fn a_former_version_stands_behind_a_faulting_one_after_a_restart_too() {
    let faults = "fn decide(service) {\n    if service.recall(\"go\", 0) == 1 { return serve(service.primary, \"x\"); }\n    \
        let a = service.active;\n    if a.failures > 0 && a.age < 0 { throw \"never\"; }\n    hold(\"fine\")\n}\n";
    let mut site = away();
    site.save("policies/www.rhai", faults);
    site.in_force();
    let version = site.overview().services[0].policy_version.clone();
    site.restart();
    assert_eq!(site.overview().services[0].policy_version, version);
    // A fault would be an event: probes go on to be evaluated without one.
    site.decided_without_fault(10);
}

#[test]
fn a_reload_that_waits_to_be_asked_waits_over_a_restart_too() {
    let mut site = Site::start(|web| {
        let ask = format!("{ONE_TWO}reload = \"ask\"\n");
        vec![
            ("sidestep.toml", two_targets(web, &ask)),
            ("policies/www.rhai", FIRST.to_owned()),
        ]
    });
    let second = "fn decide(service) { serve(service.target(\"two\"), \"the second\") }\n";
    site.save("policies/www.rhai", second);
    let pending = |site: &Site| {
        let until = std::time::Instant::now() + super::site::DEADLINE;
        loop {
            let overview = site.daemon().operations().overview();
            let pending = overview
                .daemon
                .as_ref()
                .and_then(|part| part.pending.clone());
            if let Some(pending) = pending {
                return pending.moves;
            }
            assert!(std::time::Instant::now() < until, "nothing waits");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    };
    assert_eq!(pending(&site), ["www from one to two"]);
    for _ in 0..2 {
        site.restart();
        assert_eq!(site.addresses(), ["192.0.2.1"]);
        assert_eq!(pending(&site), ["www from one to two"]);
        assert_eq!(site.addresses(), ["192.0.2.1"]);
    }
    site.daemon().operations().reload("test", true);
    site.wait_answer("192.0.2.2");
    site.restart();
    assert_eq!(site.addresses(), ["192.0.2.2"]);
}

#[test]
fn dns_is_answered_for_as_long_as_a_slow_disk_keeps_a_stop() {
    let mut site = Site::usual();
    let holder = rusqlite::Connection::open(site.path("data/journal.sqlite")).unwrap();
    let dns = site.daemon().dns()[0];
    let ask = || sidestep::dns::ask(dns, "www.example.com", false, super::site::DEADLINE);
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let daemon = site.daemon.take().unwrap();
    let stopping = std::thread::spawn(move || daemon.stop());
    while site.events.recv().is_ok() {}
    let since = std::time::Instant::now();
    while since.elapsed().as_millis() < 1_000 {
        assert_eq!(ask().unwrap().addresses.len(), 1);
    }
    assert!(!stopping.is_finished());
    holder.execute_batch("ROLLBACK").unwrap();
    stopping.join().unwrap();
    site.start_again().unwrap();
    assert_eq!(site.addresses(), ["192.0.2.1"]);
}

#[test]
fn kept_files_are_found_by_whichever_path_the_configuration_is_given() {
    let mut site = Site::start(|web| {
        let file = two_targets(web, ONE_TWO)
            .replace("ns = [\"ns1.example.com\"]", "file = \"example.zone\"");
        let zone = "@ 60 IN SOA ns1 hostmaster 1 2 3 4 5\n@ 60 IN NS ns1\n\
             ns1 60 IN A 192.0.2.53\n$INCLUDE more.zone\n";
        vec![
            ("sidestep.toml", file),
            ("example.zone", zone.to_owned()),
            ("more.zone", "more 60 IN A 192.0.2.54\n".to_owned()),
            ("policies/www.rhai", FIRST.to_owned()),
        ]
    });
    site.stop();
    fs::remove_file(site.path("more.zone")).unwrap();
    let links = tempfile::tempdir().unwrap();
    let link = links.path().join("elsewhere");
    std::os::unix::fs::symlink(site.folder.path(), &link).unwrap();
    let started = Daemon::start(&link.join("sidestep.toml"), StartOptions::default());
    site.daemon = Some(started.unwrap());
    assert_eq!(site.addresses(), ["192.0.2.1"]);
    assert_eq!(site.ask("more.example.com").addresses.len(), 1);
}

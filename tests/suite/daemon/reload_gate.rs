//! The reload gate of a real daemon: a policy faces what is known before it is in force.

use super::site::{DEADLINE, FIRST, ONE_TWO, Site, two_targets};
use sidestep::failover::What;
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

/// A web server that says 500 while it is told to.
fn moody() -> (SocketAddr, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, sick) = (
        listener.local_addr().unwrap(),
        Arc::new(AtomicBool::new(false)),
    );
    let mood = Arc::clone(&sick);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let status = if mood.load(Ordering::SeqCst) {
                "500 No"
            } else {
                "200 OK"
            };
            let reply =
                format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
            let _ = stream.read(&mut [0; 1_024]);
            let _ = stream.write_all(reply.as_bytes());
        }
    });
    (address, sick)
}

/// Trials answer in 20 ms and more; this machine answers itself sooner.
const DIVIDES: &str = "fn decide(service) {
    let p50 = service.primary.p50(2 * SECOND);
    if p50 != () && p50 < 15 { return hold(`${1 / (p50 - p50)}`); }
    hold(\"slow as in the trials\")
}
";

#[test]
fn a_policy_that_faults_on_what_is_known_is_refused_though_it_passed_its_trials() {
    let site = Site::usual();
    site.decided_without_fault(40);
    site.save("policies/www.rhai", DIVIDES);
    let refused = site.wait_refused(|refused| !refused.is_empty());
    assert!(refused[0].starts_with("policies/www.rhai:3"), "{refused:?}");
    assert!(
        refused[0].contains("(in the gate: with the state at 20"),
        "{refused:?}"
    );
    assert!(refused[0].contains("still running version"), "{refused:?}");
    assert_eq!(
        site.overview().services[0]
            .decision
            .as_ref()
            .unwrap()
            .reason,
        "the first"
    );
    // A policy beside it is taken all the same.
    site.save("policies/www.rhai", FIRST);
    site.wait_refused(<[String]>::is_empty);
}

#[test]
fn what_a_policy_would_have_decided_differently_is_shown() {
    let (web, sick) = moody();
    let site = Site::start(|well| {
        let text = two_targets(well, ONE_TWO);
        let text = text.replacen(&well.to_string(), &web.to_string(), 1);
        vec![
            ("sidestep.toml", text),
            ("policies/www.rhai", FIRST.to_owned()),
        ]
    });
    sick.store(true, Ordering::SeqCst);
    let (mut bad, mut good, until) = (0, 0, Instant::now() + DEADLINE);
    while good < 4 {
        assert!(Instant::now() < until);
        if let What::Probe(seen) = site.next().what
            && &*seen.target == "one"
        {
            bad += u32::from(!seen.ok);
            good += u32::from(seen.ok && bad > 0);
            if bad == 3 {
                sick.store(false, Ordering::SeqCst);
            }
        }
    }
    let hasty = "fn decide(service) {\n    if service.primary.is_down(2) { return serve(service.backups[0], \"two are enough\"); }\n    \
                 serve(service.primary, \"well\")\n}\n";
    site.save("policies/www.rhai", hasty);
    site.in_force();
    let until = Instant::now() + DEADLINE;
    let report = loop {
        assert!(Instant::now() < until);
        if let Some(report) = site.overview().daemon.unwrap().gate {
            break report;
        }
        site.next();
    };
    let [compared] = &report.services[..] else {
        panic!("{report:?}");
    };
    assert_eq!((compared.count(), report.by.as_str()), (1, "watch"));
    let one = &compared.differences[0];
    assert_eq!((&*one.candidate.serve[0], one.candidate.line), ("two", 2));
    assert_eq!(
        (&*one.in_force.serve[0], &*one.in_force.reason),
        ("one", "the first")
    );
    assert!(one.to.is_some(), "it came home: {one:?}");
    assert!(compared.facts > 10);
    let (_, text, _) = site.command(&["status"]);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("reload by watch at "), "{text}");
    assert!(
        text.contains("1 decision would have been different in the last"),
        "{text}"
    );
    assert!(
        text.contains("candidate two (line 2: two are enough), in force one (line 1: the first)"),
        "{text}"
    );
    // The next that changes nothing of that kind has nothing to tell.
    site.save("policies/www.rhai", &hasty.replace("well", "fine"));
    site.in_force();
    let until = Instant::now() + DEADLINE;
    loop {
        let report = site.overview().daemon.unwrap().gate.unwrap();
        if report.services[0].count() == 0 {
            break;
        }
        assert!(Instant::now() < until, "{report:?}");
        site.next();
    }
}

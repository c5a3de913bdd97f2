//! Operators' orders to a real daemon: over its socket, by the commands, down to what DNS answers.

use super::site::{DEADLINE, FIRST, ONE_TWO, Site, two_targets};
use sidestep::{
    control::{Client, OrderRequest, Verb},
    daemon::{Daemon, StartOptions},
    failover::{By, Rail, What, event::Ended},
    model::Timestamp,
};
use std::{
    net::Ipv4Addr,
    process::{Command, Output},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

const ONE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const TWO: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

fn order(command: Verb) -> OrderRequest {
    OrderRequest {
        command,
        reason: "drill".to_owned(),
        service: None,
        target: None,
        until: None,
        force: false,
    }
}

fn in_ms(ms: i64) -> Option<Timestamp> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Some(Timestamp(i64::try_from(now.as_millis()).unwrap() + ms))
}

fn switch_to_two() -> OrderRequest {
    OrderRequest {
        service: Some("www".into()),
        target: Some("two".into()),
        ..order(Verb::Switch)
    }
}

impl Site {
    pub(super) fn client(&self) -> Client {
        Client::of_socket(self.daemon().control())
    }

    fn address(&self) -> Ipv4Addr {
        match self.ask("www.example.com").addresses[..] {
            [std::net::IpAddr::V4(address)] => address,
            ref other => panic!("{other:?}"),
        }
    }

    /// Waits for an address: an answer follows its decision once that is on disk.
    fn wait_address(&self, address: Ipv4Addr) {
        self.wait_answer(&address.to_string());
    }

    /// Runs a command as an operator does, in the daemon's folder.
    pub(super) fn command(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let out: Output = Command::new(env!("CARGO_BIN_EXE_sidestep"))
            .current_dir(self.folder.path())
            .args(arguments)
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (out.status.code(), text(out.stdout), text(out.stderr))
    }

    fn ended(&self) -> Ended {
        let until = Instant::now() + DEADLINE;
        loop {
            if let What::Ended(ended) = self.next().what {
                return ended;
            }
            assert!(Instant::now() < until, "nothing ended");
        }
    }
}

#[test]
fn a_switch_is_answered_at_once_and_its_end_is_the_policys() {
    let site = Site::usual();
    site.wait_address(ONE);
    let request = OrderRequest {
        until: in_ms(4_000),
        ..switch_to_two()
    };
    let (_, ordered) = site.client().order(&request).unwrap();
    // Whatever the order replied is what DNS answers, unless its end came before the question.
    assert_eq!(ordered.services[0].now.targets, ["two".into()]);
    assert_eq!(ordered.services[0].before.targets, ["one".into()]);
    assert!(ordered.durable, "{ordered:?}");
    let moved = site.decision(|decision| decision.guard == Some(Rail::Override));
    assert_eq!((moved.serve, moved.by), (vec!["two".into()], By::Operator));
    let Ended::Override { why, .. } = site.ended() else {
        panic!("the override ends");
    };
    assert_eq!(why, "its time is up");
    let back = site.decision(|_| true);
    assert_eq!((back.serve, back.by), (vec!["one".into()], By::Policy));
    site.wait_address(ONE);
    assert_eq!(site.overview().services[0].override_, None);
}

#[test]
fn a_plan_changes_nothing() {
    let site = Site::usual();
    let (_, plan) = site.client().plan(&switch_to_two()).unwrap();
    assert_eq!(plan.services[0].now.targets, ["one".into()]);
    assert_eq!(plan.services[0].then.targets, ["two".into()]);
    let ended = plan.services[0].if_ended.as_ref().unwrap();
    assert_eq!(ended.targets, ["one".into()]);
    assert_eq!(ended.reason, "the first");
    site.wait_address(ONE);
    assert_eq!(site.overview().services[0].override_, None);
}

#[test]
fn a_drain_moves_what_is_served_at_once() {
    let site = Site::usual();
    let drain = |command| OrderRequest {
        target: Some("one".into()),
        ..order(command)
    };
    site.client().order(&drain(Verb::Drain)).unwrap();
    site.wait_address(TWO);
    let seen = site.overview();
    let drained = seen.services[0].targets[0].drain.clone().unwrap();
    assert!(drained.since.is_some() && drained.until.is_none());
    site.client().order(&drain(Verb::Undrain)).unwrap();
    site.wait_address(ONE);
}

#[test]
fn a_freeze_holds_everything_but_what_is_gone() {
    let site = Site::usual();
    site.client().order(&order(Verb::Freeze)).unwrap();
    site.client().order(&switch_to_two()).unwrap();
    assert_eq!(site.address(), ONE, "an override waits for the thaw");
    let frozen = site.overview().freeze.unwrap();
    assert!(frozen.since.is_some(), "{frozen:?}");

    // What is served is removed by a reload: it leaves the answer at once.
    let text = two_targets(site.web, "targets = [\"two\"]\n");
    site.save("sidestep.toml", &text);
    site.in_force();
    let until = Instant::now() + DEADLINE;
    while site.address() != TWO {
        assert!(Instant::now() < until, "the target is gone");
    }
}

#[test]
fn thaw_lets_the_override_that_waited_through() {
    let site = Site::usual();
    site.client().order(&order(Verb::Freeze)).unwrap();
    site.client().order(&switch_to_two()).unwrap();
    let (_, thawed) = site.client().order(&order(Verb::Thaw)).unwrap();
    assert_eq!(thawed.services[0].now.targets, ["two".into()]);
    site.wait_address(TWO);
}

#[test]
fn the_socket_goes_with_the_daemon_and_a_second_daemon_is_refused() {
    let mut site = Site::usual();
    let path = site.daemon().control().to_owned();
    let second = Daemon::start(&site.path("sidestep.toml"), StartOptions::default());
    let error = second.unwrap_err().to_string();
    assert!(error.contains("another sidestep"), "{error}");
    assert!(path.exists());
    site.daemon.take().unwrap().stop();
    assert!(!path.exists());
}

#[test]
fn every_command_is_obeyed() {
    let site = Site::usual();
    let why = ["--reason", "rack move", "--yes"];
    let run = |words: &[&str]| {
        let all = [words, &why[..]].concat();
        let (code, out, err) = site.command(&all);
        assert_eq!(code, Some(0), "{words:?}: {out}{err}");
        out
    };
    let out = run(&["switch", "www", "two", "--for", "2h"]);
    assert!(
        out.contains("www answers two: 192.0.2.2, TTL 30s (before: one)"),
        "{out}"
    );
    assert!(out.contains("or 'sidestep release www'"), "{out}");
    assert!(out.contains("is on disk"), "{out}");
    site.wait_address(TWO);

    let (code, out, _) = site.command(&["status", "www"]);
    assert_eq!(code, Some(0));
    for seen in ["override   serve two, by ", "rack move", "> two   up"] {
        assert!(out.contains(seen), "{seen}: {out}");
    }

    run(&["hold", "www", "--until", "2099-01-01T00:00:00Z"]);
    site.wait_address(TWO);
    run(&["release", "www"]);
    site.wait_address(ONE);
    run(&["drain", "one", "--for", "2h"]);
    site.wait_address(TWO);
    run(&["undrain", "one"]);
    site.wait_address(ONE);
    run(&["freeze"]);
    let (_, out, _) = site.command(&["status"]);
    assert!(out.contains("everything is frozen by "), "{out}");
    run(&["thaw"]);
    let out = run(&["failback", "www", "--force", "--for", "1h"]);
    assert!(out.contains("switch www to one, by "), "{out}");

    let (code, out, _) = site.command(&["reload"]);
    assert_eq!(code, Some(0));
    assert_eq!(out, "nothing to take: what is on disk is in force\n");
    let (code, out, _) = site.command(&["release", "www", "--reason", "x", "--yes", "--json"]);
    assert_eq!(code, Some(0));
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["order"], "release www");
    assert!(json["seq"].as_u64().is_some_and(|seq| seq > 0), "{json}");
}

#[test]
fn a_dry_run_prints_the_plan_and_changes_nothing() {
    let site = Site::usual();
    let words = [
        "switch",
        "www",
        "two",
        "--reason",
        "x",
        "--for",
        "2h",
        "--dry-run",
    ];
    let (code, out, err) = site.command(&words);
    assert_eq!(code, Some(0), "{err}");
    for seen in [
        "switch www to two: x\n",
        "now        one: 192.0.2.1, TTL 30s\n",
        "then       two: 192.0.2.2, TTL 30s\n",
        "resolvers may go on with the old answer for up to 30s",
        "target     two is up\n",
        "policy     would serve one: the first\n",
        "if ended   one: the first\n",
        "(for 2h), or 'sidestep release www'",
    ] {
        assert!(out.contains(seen), "{seen:?}: {out}");
    }
    let json = [&words[..], &["--json"]].concat();
    let (code, out, _) = site.command(&json);
    assert_eq!(code, Some(0));
    let plan: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(plan["services"][0]["then"]["targets"][0], "two");
    site.wait_address(ONE);
}

#[test]
fn what_is_not_done_says_why_and_how_it_ended() {
    let site = Site::usual();
    for (words, code, said) in [
        (&["switch", "www", "two"][..], 2, "--reason"),
        (&["switch", "www", "two", "--reason", " "], 2, "it is empty"),
        (
            &["switch", "www", "two", "--reason", "x"],
            2,
            "there is no terminal to ask on",
        ),
        (
            &[
                "switch", "www", "two", "--reason", "x", "--yes", "--for", "2 weeks",
            ],
            2,
            "is no duration",
        ),
        (
            &[
                "hold",
                "www",
                "--reason",
                "x",
                "--yes",
                "--until",
                "2099-01-01T00:00:00",
            ],
            2,
            "is not in UTC",
        ),
        (
            &[
                "hold",
                "www",
                "--reason",
                "x",
                "--yes",
                "--until",
                "2099-01-01T00:00:00+01:00",
            ],
            2,
            "is not in UTC",
        ),
        (
            &[
                "hold",
                "www",
                "--reason",
                "x",
                "--for",
                "1h",
                "--until",
                "2099-01-01T00:00:00Z",
            ],
            2,
            "cannot be used with",
        ),
        (
            &["hold", "www", "--reason", "x", "--yes", "--dry-run"],
            2,
            "cannot be used with",
        ),
        (
            &["failback", "www", "--reason", "x", "--yes", "--for", "1h"],
            2,
            "--for and --until go with --force",
        ),
        (
            &["thaw", "--reason", "x", "--yes", "--for", "1h"],
            2,
            "--for",
        ),
        (
            &[
                "hold",
                "www",
                "--reason",
                "x",
                "--yes",
                "--until",
                "2020-01-01T00:00:00Z",
            ],
            1,
            "which is past",
        ),
        (
            &["hold", "www", "--reason", "x", "--yes", "--for", "0s"],
            1,
            "which is past",
        ),
        (
            &["switch", "wwv", "two", "--reason", "x", "--dry-run"],
            1,
            "no service 'wwv': did you mean 'www'?",
        ),
        (
            &["switch", "www", "tow", "--reason", "x", "--yes"],
            1,
            "did you mean 'two'?",
        ),
        (
            &["drain", "tree", "--reason", "x", "--yes"],
            1,
            "there are one, two",
        ),
        (
            &["release", "www", "--reason", "x", "--yes"],
            1,
            "nothing to release",
        ),
        (
            &["undrain", "one", "--reason", "x", "--yes"],
            1,
            "nothing to undrain",
        ),
        (&["thaw", "--reason", "x", "--yes"], 1, "nothing to thaw"),
        (
            &["failback", "www", "--reason", "x", "--yes"],
            1,
            "nothing to do",
        ),
    ] {
        let (ended, out, err) = site.command(words);
        assert_eq!(ended, Some(code), "{words:?}: {out}{err}");
        assert!(err.contains(said), "{words:?}: {err}");
    }
    let orders = site
        .events
        .try_iter()
        .filter(|event| matches!(event.what, What::Operator(_)));
    assert_eq!(orders.count(), 0);
}

/// `script` (bsdutils, essential on Debian) gives the command a terminal of its own.
#[test]
fn on_a_terminal_the_plan_is_shown_and_asked_about() {
    let site = Site::usual();
    let ask = |answer: &str| {
        let command = format!(
            "printf '{answer}\\n' | script --quiet --return --echo never --command \
             '{} switch www two --reason drill' /dev/null",
            env!("CARGO_BIN_EXE_sidestep")
        );
        let out = Command::new("sh")
            .current_dir(site.folder.path())
            .args(["-c", &command])
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let said = String::from_utf8(out.stdout).unwrap();
        assert!(said.contains("then       two: 192.0.2.2"), "{said}");
        assert!(said.contains("Proceed? [y/N]"), "{said}");
        (out.status.code(), said)
    };
    for no in ["n", "", "yesterday"] {
        let (code, said) = ask(no);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("nothing was done"), "{said}");
        site.wait_address(ONE);
    }
    let (code, said) = ask("y");
    assert_eq!(code, Some(0), "{said}");
    site.wait_address(TWO);
}

#[test]
fn status_is_asked_over_the_socket_where_http_is_off() {
    let site = Site::start(|web| {
        let text = two_targets(web, ONE_TWO).replace("http = \"127.0.0.1:0\"", "http = \"none\"");
        vec![
            ("sidestep.toml", text),
            ("policies/www.rhai", FIRST.to_owned()),
        ]
    });
    assert_eq!(site.daemon().http(), None);
    for words in [&["status"][..], &["status", "www"], &["status", "--json"]] {
        let (code, out, err) = site.command(words);
        assert_eq!(code, Some(0), "{err}");
        assert!(out.contains("www"), "{out}");
    }
    // A configuration that is broken just now keeps nobody from asking.
    site.save("sidestep.toml", "[server]\nhttp = \"none\"\n[[target]\n");
    let (code, out, err) = site.command(&["status"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("www"), "{out}");
}

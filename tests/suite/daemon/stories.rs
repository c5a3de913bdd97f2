//! Policy tests as they are run: what happens beside results, and tests on recordings.

use sidestep::{
    daemon::stories,
    model::{Diagnostic, PolicyText, story::Story},
    policy::Library,
};
use std::{fs, path::Path};

/// Says everything that a test can tell it; goes over at three failures.
const TELLING: &str = r#"
fn decide(service) {
    let active = service.active;
    if active.is_down(3) { return first_of(service.up(2), "down").alert("gone over"); }
    let seen = "";
    for t in service.all_targets {
        seen += `${t.name} ${t.freshness} ${t.data_age} ${t.drift} ${t.drained} ${t.addresses.len}; `;
    }
    hold(`${service.hour}h ${service.isolated} ${service.asked("failback")} ${seen}`)
}
"#;

fn text(source: &str) -> PolicyText {
    PolicyText {
        name: "p.rhai".into(),
        source: source.into(),
    }
}

/// Runs tests beside which a folder's files are; messages of those that failed.
fn run_in(folder: &Path, source: &str, tests: &str) -> Vec<(String, Vec<String>)> {
    let file = folder.join("p.test.toml").display().to_string();
    let outcomes = stories::run(&Library::new(), &file, tests, &text(source));
    let outcomes = outcomes.unwrap_or_else(|found| {
        let found: Vec<String> = found.iter().map(Diagnostic::to_string).collect();
        panic!("{}", found.join("\n"))
    });
    let outcomes = outcomes.into_iter();
    outcomes
        .map(|(story, outcome): (Story, _)| {
            let failures = outcome.failures.into_iter();
            (story.name, failures.map(|one| one.message).collect())
        })
        .collect()
}

/// Messages of the one test with these lines.
fn failures(lines: &str) -> Vec<String> {
    let test = format!("[[test]]\nname = \"n\"\ninterval = \"1s\"\n{lines}\n");
    let folder = Path::new("nowhere");
    run_in(folder, TELLING, &test).remove(0).1
}

#[test]
fn whatever_happens_reaches_the_policy() {
    let rows = "a = \".*30\"\nb = \".*30\"\n";
    for (happens, at, reason) in [
        (
            "",
            "30s",
            "0h false false a unknown -1 0 false 1; b unknown -1 0 false 1; ",
        ),
        (
            "freshness = { b = \"stale\" }, age = \"2h\"",
            "2s",
            "b stale 7200000 0",
        ),
        ("freshness = { b = \"stale\" }", "2s", "b stale 86400000 0"),
        (
            "freshness = { b = \"stale\" }, age = \"unknown\"",
            "2s",
            "b stale -1 0",
        ),
        (
            "freshness = { a = \"fresh\", b = \"stale\" }",
            "2s",
            "a fresh 0 0 false 1; b stale",
        ),
        ("drift = { b = 12 }", "2s", "b unknown -1 12"),
        ("clock = \"+7h\"", "2s", "7h false"),
        ("clock = \"-1h\"", "2s", "23h false"),
        ("drain = \"b\"", "2s", "b unknown -1 0 true"),
        ("drain = \"b\", for = \"5s\"", "6s", "b unknown -1 0 true"),
        ("drain = \"b\", for = \"5s\"", "7s", "b unknown -1 0 false"),
        ("witnesses = \"silent\"", "3s", "0h true"),
        ("witnesses = \"answer\"", "3s", "0h false"),
    ] {
        let item = match happens {
            "" => String::new(),
            happens => format!("happens = [{{ at = \"2s\", {happens} }}]\n"),
        };
        let expect =
            format!("expect = [{{ at = \"{at}\", serve = \"a\", reason = \"{reason}\" }}]");
        assert_eq!(
            failures(&format!("{rows}{item}{expect}")),
            [""; 0],
            "{happens}"
        );
        // Before it happens it has not.
        if !happens.is_empty() && !happens.contains("answer") && !happens.contains("for") {
            let expect = expect.replace(&format!("at = \"{at}\""), "at = \"1s\"");
            assert_eq!(
                failures(&format!("{rows}{item}{expect}")).len(),
                1,
                "{happens}"
            );
        }
    }
}

#[test]
fn orders_take_effect_after_the_results_of_their_instant_and_end_when_they_said() {
    let rows = "a = \".*10 x*20\"\nb = \".*30\"\n";
    // The third failure, at 13 s, is overruled by what stands since the second.
    for order in ["hold = true", "freeze = true", "switch = \"a\""] {
        let guard = if order.contains("freeze") {
            "freeze"
        } else {
            "override"
        };
        let lines = format!(
            "{rows}happens = [{{ at = \"12s\", {order}, for = \"8s\" }}]\nexpect = [\
             {{ at = \"11s\", serve = \"a\", guard = \"none\" }}, \
             {{ at = \"19s\", serve = \"a\", guard = \"{guard}\" }}, \
             {{ at = \"20s\", serve = \"b\", guard = \"none\", alert = \"over\" }}]"
        );
        assert_eq!(failures(&lines), [""; 0], "{order}");
    }
    for (order, end) in [("hold", "release"), ("freeze", "thaw")] {
        let lines = format!(
            "{rows}happens = [{{ at = \"12s\", {order} = true }}, {{ at = \"25s\", {end} = true }}]\n\
             expect = [{{ at = \"24s\", serve = \"a\" }}, {{ at = \"25s\", serve = \"b\" }}]"
        );
        assert_eq!(failures(&lines), [""; 0], "{order}");
    }
    let lines = format!(
        "{rows}happens = [{{ at = \"13s\", switch = \"a\" }}]\nexpect = [{{ at = \"13s\", serve = \"a\" }}]"
    );
    assert_eq!(failures(&lines), [""; 0], "after the result that moved it");
}

#[test]
fn isolation_holds_until_the_witness_answers() {
    let lines = "a = \".*5 x*25\"\nb = \".*30\"\n\
        happens = [{ at = \"5s\", witnesses = \"silent\" }, { at = \"20500ms\", witnesses = \"answer\" }]\n\
        expect = [{ at = \"20s\", serve = \"a\", reason = \"0h true\", guard = \"none\" }, { at = \"24s\", serve = \"b\", guard = \"none\" }]";
    let failed = failures(lines);
    assert_eq!(failed, [""; 0]);
    let lines = lines.replacen("guard = \"none\"", "guard = \"override\"", 1);
    let failed = failures(&lines);
    assert!(
        failed[0].starts_with(
            "expected the guard to say \"override\" at 20s, but it says \"none\"; a is served"
        ),
        "{failed:?}"
    );
}

#[test]
fn a_wrong_alert_is_said() {
    let rows = "a = \".*5 x*5\"\nb = \".*10\"\n";
    let expect = |at: &str, serve: &str| {
        format!("{rows}expect = [{{ at = \"{at}\", serve = \"{serve}\", alert = \"fire\" }}]")
    };
    assert_eq!(
        failures(&expect("3s", "a")),
        ["expected an alert with \"fire\" at 3s, but there is none"]
    );
    assert_eq!(
        failures(&expect("8s", "b")),
        ["expected an alert with \"fire\" at 8s, but it is \"gone over\""]
    );
}

#[test]
fn monitors_and_addresses_are_series_of_their_own() {
    let source = "fn decide(service) {\n let a = service.active;\n \
        hold(`https ${a.monitor(\"https\").failures} login ${a.monitor(\"login\").failures} \
        all ${a.failures} ${a.addresses.len} ${a.vantages} ns2 ${a.at(\"ns2\").failures}`) }";
    let test = "[[test]]\nname = \"n\"\ninterval = \"1s\"\n\
        \"a[1]/https\" = \".*9\"\n\"a[2]/https\" = \".*6 x*3\"\n\"a[1]/login\" = \".*9\"\n\
        \"a[1]/login@ns2\" = \".*4 x*5\"\nREQUIRE\
        expect = [{ at = \"9s\", serve = \"a\", reason = \"REASON\" }]\n";
    let all = test
        .replace("REQUIRE", "")
        .replace("REASON", "https 3 login 0 all 3 2 2 ns2 5");
    let folder = Path::new("nowhere");
    assert_eq!(run_in(folder, source, &all)[0].1, [""; 0]);
    let any = test
        .replace("REQUIRE", "require = { a = \"any\" }\n")
        .replace("REASON", "https 0 login 0 all 0 2 2 ns2 5");
    assert_eq!(run_in(folder, source, &any)[0].1, [""; 0]);
}

/// 2025-11-22T08:26:40.000Z.
const BEGAN: i64 = 1_763_800_000_000;

/// A recording of an outage: the primary fails from 50 s to 100 s, 200 s in all. Lines that `keep`
/// refuses are left out.
fn recording(services: &[&str], keep: impl Fn(i64) -> bool) -> String {
    let services = services.iter().map(|name| {
        serde_json::json!({
            "name": name, "names": [format!("{name}.example.com")], "ttl_ms": 30_000,
            "targets": ["primary", "backup"], "monitors": ["https"], "policy": "failover.rhai",
            "params": {"FALL": 9},
        })
    });
    let header = serde_json::json!({
        "recording": 1, "by": "sidestep 0.1.0",
        "targets": [{"name": "primary", "addresses": ["192.0.2.10"]}, {"name": "backup", "addresses": ["198.51.100.20"]}],
        "monitors": [{"name": "https", "kind": "http", "interval_ms": 5_000, "timeout_ms": 2_000}],
        "services": services.collect::<Vec<_>>(),
    });
    let mut text = format!("{header}\n");
    for second in (0..=200).step_by(5).filter(|&second| keep(second)) {
        for (target, ok) in [("primary", !(50..100).contains(&second)), ("backup", true)] {
            let mut probe = serde_json::json!({"target": target, "monitor": "https", "vantage": "ns1", "ok": ok});
            match ok {
                true => probe["rtt_us"] = 20_000.into(),
                false => probe["error"] = "timeout".into(),
            }
            let line = serde_json::json!({"at": BEGAN + second * 1_000, "probe": probe});
            text += &format!("{line}\n");
        }
    }
    text
}

/// Messages of a test with these lines in a folder that has the recording `r.jsonl`.
fn on_recording(recording: &str, lines: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("r.jsonl"), recording).unwrap();
    let source = fs::read_to_string("policies/failover.rhai").unwrap();
    let test = format!("[[test]]\nname = \"n\"\n{lines}\n");
    let failed = run_in(folder.path(), &source, &test).remove(0).1;
    let prefix = format!("{}/", folder.path().display());
    failed.iter().map(|one| one.replace(&prefix, "")).collect()
}

const OF_IT: &str = "recording = \"r.jsonl\"\nparams = { FALL = 3, FAILBACK = \"1m\" }\n";

#[test]
fn a_test_on_a_recording_runs_its_policy_over_what_was_recorded() {
    let all = recording(&["www"], |_| true);
    let lines = format!(
        "{OF_IT}expect = [\n{{ at = \"59s\", serve = \"primary\" }},\n\
         {{ at = \"60s\", serve = \"backup\", reason = \"primary is down: timeout\", ttl = \"30s\" }},\n\
         {{ at = \"2025-11-22T08:29:10Z\", serve = \"backup\" }},\n\
         {{ at = \"2025-11-22T08:29:15Z\", serve = \"primary\" }},\n]"
    );
    assert_eq!(on_recording(&all, &lines), [""; 0]);
    // Parameters are the test's, not the recording's.
    let slower = lines.replace("FALL = 3", "FALL = 5");
    assert_eq!(
        on_recording(&all, &slower)[0],
        "expected backup at 2025-11-22T08:27:40.000Z, but primary is served since 2025-11-22T08:26:40.000Z \
         because \"on the primary\" (line 20)"
    );
}

#[test]
fn a_recording_that_does_not_cover_an_instant_fails_its_test() {
    let all = recording(&["www"], |_| true);
    let expect = |at: &str| {
        let lines = format!("{OF_IT}expect = [{{ at = \"{at}\", serve = \"primary\" }}]");
        on_recording(&all, &lines)
    };
    assert_eq!(expect("200s"), [""; 0]);
    assert_eq!(
        expect("201s"),
        [
            "the recording ends at 2025-11-22T08:30:00.000Z, before what is expected at 2025-11-22T08:30:01.000Z"
        ]
    );
    assert_eq!(
        expect("2025-11-22T08:26:39Z"),
        [
            "the recording begins at 2025-11-22T08:26:40.000Z, after what is expected at 2025-11-22T08:26:39.000Z"
        ]
    );
    let mut gap = recording(&["www"], |second| second <= 20);
    let line = serde_json::json!({"at": BEGAN + 20_000, "seq": 500, "gap": {"from_seq": 20, "to_seq": 500, "lost": 480, "why": "the disk was full"}});
    gap += &format!("{line}\n");
    let rest = recording(&["www"], |second| second >= 150);
    gap += rest.split_once('\n').unwrap().1;
    let at = |at: &str| {
        let lines = format!("{OF_IT}expect = [{{ at = \"{at}\", serve = \"primary\" }}]");
        on_recording(&gap, &lines)
    };
    assert_eq!((at("20s"), at("150s")), (vec![], vec![]));
    assert_eq!(
        at("60s"),
        [
            "the recording has a gap from 2025-11-22T08:27:00.000Z to 2025-11-22T08:29:10.000Z, where something is expected at 2025-11-22T08:27:40.000Z"
        ]
    );
}

#[test]
fn a_recording_that_cannot_be_run_says_why() {
    let both = recording(&["shop", "www"], |_| true);
    let expect = "expect = [{ at = \"60s\", serve = \"backup\" }]";
    let of = |lines: &str| on_recording(&both, &format!("{OF_IT}{lines}\n{expect}"));
    assert_eq!(
        of(""),
        ["r.jsonl: it has 2 services: name one with `service`: shop, www"]
    );
    assert_eq!(
        of("service = \"wwww\""),
        ["r.jsonl: there is no service 'wwww' in it, did you mean 'www'?"]
    );
    assert_eq!(of("service = \"www\""), [""; 0]);
    let one = recording(&["www"], |_| true);
    let bakup = format!("{OF_IT}{}", expect.replace("backup", "bakup"));
    assert_eq!(
        on_recording(&one, &bakup),
        ["r.jsonl: service www has no target 'bakup', did you mean 'backup'?"]
    );
    let lines = format!("{OF_IT}{expect}");
    let empty = one.lines().next().unwrap().to_owned() + "\n";
    assert_eq!(
        on_recording(&empty, &lines),
        ["r.jsonl: there is nothing in this recording"]
    );
    let missing = lines.replace("r.jsonl", "other.jsonl");
    assert!(on_recording(&one, &missing)[0].starts_with("other.jsonl: cannot be read"));
    let mut broken: Vec<&str> = one.lines().collect();
    broken[20] = "{ no";
    let failed = on_recording(&broken.join("\n"), &lines);
    assert!(failed[0].starts_with("the recording ends at"), "{failed:?}");
    assert!(failed[1].starts_with("r.jsonl:21: "), "{failed:?}");
}

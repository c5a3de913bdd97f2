//! Odd recordings: each gets a clear word, and no figure that is wrong.

use serde_json::{Value, json};
use sidestep::replay::{Request, Source, Verdict, replay};
use std::fs;

const HEADER: &str = r#"{"recording":1,"by":"sidestep 0.1.0","targets":[{"name":"primary","addresses":["192.0.2.10"]},{"name":"backup","addresses":["198.51.100.20"]}],"monitors":[{"name":"https","kind":"http","interval_ms":5000,"timeout_ms":2000}],"services":[{"name":"www","names":["www.example.com"],"ttl_ms":30000,"targets":["primary","backup"],"monitors":["https"],"policy":"failover.rhai","params":{}}]}"#;

fn report(text: &str) -> Result<Value, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.jsonl");
    fs::write(&path, text).unwrap();
    let said = |why: String| why.replace(&path.display().to_string(), "r.jsonl");
    let source = Source::open(&path, &Default::default(), None).map_err(said)?;
    let report = replay(source, "r.jsonl", &Request::default(), &|_, _| {});
    let report = report.map_err(|error| said(error.to_string()))?;
    if report.recorded.is_none() {
        assert_eq!(report.verdict, Verdict::Alone);
    }
    Ok(serde_json::to_value(report).unwrap())
}

fn probe(at_s: i64, seq: u64, target: &str, ok: bool) -> String {
    let outcome = if ok {
        r#""ok":true,"rtt_us":41200"#
    } else {
        r#""ok":false,"error":"timeout""#
    };
    let at = 1_763_800_000_000 + at_s * 1_000;
    format!(
        r#"{{"at":{at},"seq":{seq},"probe":{{"target":"{target}","monitor":"https","vantage":"ns1",{outcome}}}}}"#
    )
}

fn recording(lines: &[String]) -> String {
    let mut text = format!("{HEADER}\n");
    for line in lines {
        text += &format!("{line}\n");
    }
    text
}

/// Both well, then the primary fails three times; the decision is recorded as it was made.
fn failover() -> Vec<String> {
    let mut lines: Vec<String> = (0..4)
        .flat_map(|n| {
            [
                probe(n * 5, n as u64 * 2 + 1, "primary", n < 1),
                probe(n * 5 + 1, n as u64 * 2 + 2, "backup", true),
            ]
        })
        .collect();
    lines.insert(7, r#"{"at":1763800015000,"seq":8,"decision":{"service":"www","serve":["backup"],"reason":"primary is down: timeout","policy":"sha256:3f2a","line":18,"cause":7,"ttl_ms":30000}}"#.to_owned());
    lines
}

#[test]
fn a_recorded_decision_without_its_text_comes_again_all_the_same() {
    let found = report(&recording(&failover())).unwrap();
    assert_eq!(
        (
            &found["fidelity"]["decisions"],
            &found["fidelity"]["reproduced"]
        ),
        (&json!(1), &json!(1)),
        "{:#}",
        found["fidelity"]
    );
    assert_eq!(found["recorded"]["switches"], 1);
    assert_eq!(
        found["recorded"]["down_served_ms"],
        found["candidate"]["down_served_ms"]
    );
    assert_eq!(found["verdict"], "same");
}

#[test]
fn what_a_shadow_did_is_no_stranger() {
    let mut lines = failover();
    lines.push(r#"{"at":1763800016000,"seq":30,"shadow":{"parted":{"service":"www","apart":true,"serving":["primary"],"shadow":["backup"]}}}"#.to_owned());
    let found = report(&recording(&lines)).unwrap();
    assert_eq!(found["input"]["unknown_kinds"], json!({}));
    assert_eq!(
        (
            &found["fidelity"]["guaranteed"],
            &found["fidelity"]["reproduced"]
        ),
        (&json!(true), &json!(1))
    );
}

#[test]
fn a_decision_that_does_not_come_again_is_the_first_difference() {
    let mut lines = failover();
    lines[7] = lines[7].replace(r#"["backup"]"#, r#"["primary"]"#);
    let found = report(&recording(&lines)).unwrap();
    let fidelity = &found["fidelity"];
    assert_eq!(
        (&fidelity["decisions"], &fidelity["reproduced"]),
        (&json!(1), &json!(0))
    );
    let first = &fidelity["first_difference"];
    assert_eq!(
        (&first["cause"], &first["service"]),
        (&json!(7), &json!("www"))
    );
    assert_eq!(
        first["replayed"],
        "backup \"primary is down: timeout\" (line 18, TTL 30s)"
    );
    // What was recorded is what was served.
    assert_eq!(
        (
            &found["recorded"]["switches"],
            &found["candidate"]["switches"]
        ),
        (&json!(0), &json!(1))
    );
    assert_eq!(found["verdict"], "different");
}

#[test]
fn nothing_and_one_observation_are_no_outage() {
    let none = report(&recording(&[])).unwrap();
    assert_eq!(
        (
            &none["input"]["observations"],
            &none["candidate"]["evaluations"]
        ),
        (&json!(0), &json!(0))
    );
    assert_eq!(none["candidate"]["down_served_ms"], 0);
    let one = report(&recording(&[probe(0, 1, "primary", false)])).unwrap();
    assert_eq!(
        (
            &one["input"]["observations"],
            &one["candidate"]["evaluations"]
        ),
        (&json!(1), &json!(2))
    );
    assert_eq!(
        (
            &one["candidate"]["down_served_ms"],
            &one["candidate"]["switches"]
        ),
        (&json!(0), &json!(0))
    );
}

#[test]
fn what_cannot_be_read_is_said_with_its_place() {
    let newer = HEADER.replace(r#""recording":1"#, r#""recording":2"#);
    let mut bad = failover();
    bad[3] = "{\"at\":17638".to_owned();
    for (text, part) in [
        (String::new(), "r.jsonl: "),
        (format!("{newer}\n"), "newer"),
        (recording(&bad), "r.jsonl:5: "),
        (
            HEADER.replace("\"services\":[{", "\"sxrvices\":[{")
                + "\n"
                + probe(0, 1, "primary", true).as_str()
                + "\n",
            "no service",
        ),
    ] {
        let why = report(&text).unwrap_err();
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn what_is_left_out_is_counted_and_named() {
    let mut lines = failover();
    lines.push(probe(20, 20, "stranger", false));
    lines.push(r#"{"at":1763800021000,"seq":21,"weather":{"sky":"blue"}}"#.to_owned());
    // Time runs backwards by a second: taken as of the line before.
    lines.push(probe(19, 22, "backup", true));
    let torn = recording(&lines) + "{\"at\":176380";
    let found = report(&torn).unwrap();
    let input = &found["input"];
    assert_eq!(
        input["left_out"],
        json!({"no such target or monitor: stranger under https": 1})
    );
    assert_eq!(input["unknown_kinds"], json!({"weather": 1}));
    assert_eq!(
        (&input["clamped"], &input["observations"]),
        (&json!(1), &json!(9))
    );
    assert!(
        input["torn"].as_str().unwrap().contains("line 14"),
        "{}",
        input["torn"]
    );
    assert_eq!(found["fidelity"]["guaranteed"], false);
}

#[test]
fn the_ends_of_time_and_of_numbers_are_refused() {
    for (at, seq, part) in [
        (i64::MAX, 1, "is no time: milliseconds since 1970"),
        (-1, 1, "is no time"),
        (1_763_800_000_000, u64::MAX, "is no number of a line"),
    ] {
        let line = format!(
            r#"{{"at":{at},"seq":{seq},"probe":{{"target":"primary","monitor":"https","vantage":"ns1","ok":true}}}}"#
        );
        let why = report(&recording(&[line.clone(), line])).unwrap_err();
        assert!(
            why.starts_with("r.jsonl:2: ") && why.contains(part),
            "{why}"
        );
    }
}

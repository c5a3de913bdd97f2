//! Figures, divergences and sweeps of small recordings, worked out by hand.

use serde_json::{Value, json};
use sidestep::{
    model::{Param, PolicyText},
    replay::{
        Against, ReplayError, Report, Request, Source, Variant, Verdict, incidents::Incidents,
        replay, sweep::Sweep, truth::Measure,
    },
};
use std::{fs, path::Path};

/// 2026-01-05T00:00:00Z.
const BEGIN: i64 = 1_767_571_200_000;

/// A recording of targets probed every 5 s at the same instants, from one vantage or several:
/// `.` good, `x` bad, `~` good after 2 s, `-` nothing; `.*9` repeats.
fn record(folder: &Path, rows: &[(&str, &str)]) -> std::path::PathBuf {
    let targets: Vec<&str> = rows
        .iter()
        .map(|(name, _)| name.split('@').next().unwrap())
        .collect();
    let mut targets = targets;
    targets.dedup();
    let header = json!({
        "recording": 1, "by": "test",
        "targets": targets.iter().enumerate().map(|(n, name)| json!({"name": name, "addresses": [format!("192.0.2.{n}")]})).collect::<Vec<_>>(),
        "monitors": [{"name": "https", "kind": "http", "interval_ms": 5_000, "timeout_ms": 2_000}],
        "services": [{"name": "www", "names": ["www.example.com"], "ttl_ms": 30_000, "targets": targets, "monitors": ["https"], "policy": "failover.rhai", "params": {}}],
    });
    let rows: Vec<(&str, Vec<char>)> = rows.iter().map(|(name, row)| (*name, cells(row))).collect();
    let longest = rows.iter().map(|(_, row)| row.len()).max().unwrap();
    let (mut text, mut seq) = (format!("{header}\n"), 0);
    for index in 0..longest {
        for (name, row) in &rows {
            let (target, vantage) = name.split_once('@').unwrap_or((name, "ns1"));
            let mut probe = json!({"target": target, "monitor": "https", "vantage": vantage});
            match row.get(index) {
                Some('.') => (probe["ok"], probe["rtt_us"]) = (json!(true), json!(20_000)),
                Some('~') => (probe["ok"], probe["rtt_us"]) = (json!(true), json!(2_000_000)),
                Some('x') => (probe["ok"], probe["error"]) = (json!(false), json!("timeout")),
                _ => continue,
            }
            seq += 1;
            let at = BEGIN + index as i64 * 5_000;
            text += &format!("{}\n", json!({"at": at, "seq": seq, "probe": probe}));
        }
    }
    let path = folder.join("r.jsonl");
    fs::write(&path, text).unwrap();
    path
}

fn cells(row: &str) -> Vec<char> {
    let mut cells = Vec::new();
    for part in row.split_whitespace() {
        let (cell, times) = part.split_once('*').unwrap_or((part, "1"));
        let times: usize = times.parse().unwrap();
        cells.extend(cell.chars().cycle().take(cell.len() * times));
    }
    cells
}

fn run(rows: &[(&str, &str)], request: &Request) -> Result<Report, ReplayError> {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), rows);
    let source = Source::open(&path, &Default::default(), None).unwrap();
    replay(source, "r.jsonl", request, &|_, _| {})
}

fn json(report: &Report) -> Value {
    serde_json::to_value(report).unwrap()
}

fn set(name: &str, value: i64) -> Variant {
    Variant {
        set: [(name.to_owned(), Param::Int(value))].into(),
        ..Variant::default()
    }
}

/// The primary is bad from 50 s to 145 s and well again from 150 s on.
const OUTAGE: [(&str, &str); 2] = [("primary", ".*10 x*20 .*100"), ("backup", ".*130")];

#[test]
fn a_clean_outage_has_the_figures_that_one_works_out() {
    let request = Request {
        against: Some(Against::Primary),
        ..Request::default()
    };
    let report = run(&OUTAGE, &request).unwrap();
    let found = json(&report);
    // The third bad probe is at 60 s. Home at 440 s: of the 60 results of five minutes one is bad.
    assert_eq!(
        found["candidate"],
        json!({
            "evaluations": 261, "switches": 2, "flaps": 0, "down_served_ms": 10_000, "exposed_ms": 40_000,
            "detect_ms": {"p50": 10_000, "max": 10_000}, "false_switches": 0, "on_primary_ms": 60_000 + 205_000,
            "held_ms": {"on the primary": 60_000 + 205_000, "waiting for the primary": 380_000},
            "faults": 0, "operations_max": found["candidate"]["operations_max"],
        })
    );
    assert_eq!(found["recorded"]["down_served_ms"], 100_000);
    assert_eq!(found["recorded"]["switches"], 0);
    assert_eq!(found["difference"]["down_served_ms"], -90_000);
    assert_eq!(found["services"]["www"]["candidate"], found["candidate"]);
    assert_eq!(
        (&found["fidelity"], &found["against"]),
        (&Value::Null, &json!("none"))
    );
    assert_eq!(
        found["divergences"],
        json!([{
            "service": "www", "from": BEGIN + 60_000, "to": BEGIN + 440_000, "inferred": false,
            "recorded": {"serve": ["primary"], "ttl_ms": 30_000, "reason": "always the primary", "line": 0},
            "candidate": {"serve": ["backup"], "ttl_ms": 30_000, "reason": "primary is down: timeout", "line": 18},
            "evidence": [18, 19, 20, 21, 22, 23, 24, 25],
        }])
    );
    assert_eq!(report.verdict, Verdict::Different);
    assert_eq!(
        found["truth"]["outages"],
        json!({"primary": 1, "backup": 0})
    );
    assert_eq!(
        found["truth"]["down_ms"],
        json!({"primary": 100_000, "backup": 0})
    );
}

#[test]
fn without_anything_to_compare_with_only_the_candidate_is_evaluated() {
    let report = run(&OUTAGE, &Request::default()).unwrap();
    let found = json(&report);
    assert_eq!(report.verdict, Verdict::Alone);
    assert_eq!(
        (&found["recorded"], &found["fidelity"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(found["divergences"], json!([]));
}

#[test]
fn a_hiccup_that_moves_traffic_is_a_false_switch_and_a_flap() {
    // One bad probe: no outage by three in a row.
    let rows = [("primary", ".*10 x .*100"), ("backup", ".*111")];
    let mut request = Request {
        candidate: set("FALL", 1),
        ..Request::default()
    };
    request
        .candidate
        .set
        .insert("FAILBACK".into(), Param::Text("10s".into()));
    request
        .candidate
        .set
        .insert("NOISE".into(), Param::Int(1_000));
    let found = json(&run(&rows, &request).unwrap());
    let figures = &found["candidate"];
    assert_eq!(
        (&figures["switches"], &figures["flaps"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        (&figures["false_switches"], &figures["down_served_ms"]),
        (&json!(1), &json!(0))
    );
    // By one bad probe in a row it was an outage, and nothing is false.
    request.measure = Measure {
        truth: 1,
        ..Measure::default()
    };
    let found = json(&run(&rows, &request).unwrap());
    assert_eq!(found["candidate"]["false_switches"], 0);
    assert_eq!(found["candidate"]["detect_ms"], json!({"p50": 0, "max": 0}));
    // A switch away from what is slow is none either.
    let incidents = format!("{BEGIN},{},primary,false\n", BEGIN + 100_000);
    let incidents = Incidents::parse("i.csv", &incidents).unwrap();
    request.incidents = Some((incidents, "i.csv".into()));
    let found = json(&run(&rows, &request).unwrap());
    assert_eq!(found["candidate"]["false_switches"], 1);
}

#[test]
fn a_backup_that_is_slow_is_no_outage_and_leaving_it_is_not_false() {
    let rows = [
        ("primary", ".*3 x*90"),
        ("backup", ".*10 ~*83"),
        ("third", ".*93"),
    ];
    let found = json(&run(&rows, &Request::default()).unwrap());
    let figures = &found["candidate"];
    assert_eq!(
        (&figures["switches"], &figures["false_switches"]),
        (&json!(2), &json!(0))
    );
    // Half of a minute's 12 results are slow from 75 s on.
    assert_eq!(found["truth"]["slow_for_ms"]["backup"], 460_000 - 80_000);
}

#[test]
fn a_target_is_down_by_a_majority_of_its_vantages() {
    let rows = [
        ("primary@a", ".*10 x*20 .*10"),
        ("primary@b", ".*15 x*20 .*5"),
        ("primary@c", ".*40"),
        ("backup", ".*40"),
    ];
    let found = json(&run(&rows, &Request::default()).unwrap());
    // Two of three say so from 75 s to 150 s.
    assert_eq!(found["truth"]["down_ms"]["primary"], 75_000);
    assert_eq!(
        found["input"]["targets"]["primary"]["b"],
        json!({"good": 20, "bad": 20, "none": 0, "late": 0})
    );
}

#[test]
fn incidents_replace_what_probes_say() {
    let text = format!(
        "from,to,target,kind\n{},{},primary,real\n",
        BEGIN + 40_000,
        BEGIN + 100_000
    );
    let request = Request {
        against: Some(Against::Primary),
        incidents: Some((Incidents::parse("i.csv", &text).unwrap(), "i.csv".into())),
        ..Request::default()
    };
    let found = json(&run(&OUTAGE, &request).unwrap());
    assert_eq!(found["recorded"]["down_served_ms"], 60_000);
    assert_eq!(found["candidate"]["down_served_ms"], 20_000);
    assert_eq!(found["candidate"]["detect_ms"]["max"], 20_000);
    for (text, part) in [
        ("1,2,primary", "i.csv:1: '1,2,primary' is no incident"),
        ("5,2,primary,real", "i.csv:1: it ends before it begins"),
        ("1,2,primary,maybe", "'maybe' is neither real nor false"),
        ("x,2,primary,real", "i.csv:1: 'x' is no instant"),
        ("from,to,target,kind\n", "i.csv: there is no incident in it"),
    ] {
        let why = Incidents::parse("i.csv", text).unwrap_err();
        assert!(why.contains(part), "{why}");
    }
    let unknown = Incidents::parse("i.csv", "1,2,primari,real").unwrap();
    let request = Request {
        incidents: Some((unknown, "i.csv".into())),
        ..Request::default()
    };
    let why = run(&OUTAGE, &request).unwrap_err().to_string();
    assert_eq!(why, "i.csv:1: no target 'primari', did you mean 'primary'?");
}

#[test]
fn a_sweep_marks_what_no_other_run_beats() {
    let request = Request {
        sweeps: vec![Sweep::parse("FALL=1..3").unwrap()],
        ..Request::default()
    };
    let found = json(
        &run(
            &[("primary", ".*10 x .*20 x*20 .*100"), ("backup", ".*151")],
            &request,
        )
        .unwrap(),
    );
    let runs: Vec<(i64, i64, i64, bool)> = found["sweep"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| {
            (
                run["set"]["FALL"].as_i64().unwrap(),
                run["down_served_ms"].as_i64().unwrap(),
                run["switches"].as_i64().unwrap(),
                run["best"].as_bool().unwrap(),
            )
        })
        .collect();
    // With 1 it leaves at the hiccup and is away when the outage comes.
    assert_eq!(
        runs,
        [(1, 0, 2, true), (2, 5_000, 2, false), (3, 10_000, 2, false)]
    );
}

#[test]
fn what_a_policy_does_not_have_cannot_be_set() {
    let request = Request {
        candidate: set("FAL", 2),
        ..Request::default()
    };
    let error = run(&OUTAGE, &request).unwrap_err();
    assert_eq!(
        error,
        ReplayError::UnknownParam(
            "failover.rhai has no parameter 'FAL', did you mean 'FALL'?".into()
        )
    );
}

#[test]
fn variants_change_order_budget_vantage_and_pace() {
    let order = Variant {
        order: vec!["backup".into(), "primary".into()],
        ..Variant::default()
    };
    let found = json(
        &run(
            &OUTAGE,
            &Request {
                candidate: order,
                ..Request::default()
            },
        )
        .unwrap(),
    );
    assert_eq!(found["candidate"]["switches"], 0);
    let wrong = Variant {
        order: vec!["backupp".into()],
        ..Variant::default()
    };
    let why = run(
        &OUTAGE,
        &Request {
            candidate: wrong,
            ..Request::default()
        },
    )
    .unwrap_err()
    .to_string();
    assert_eq!(
        why,
        "--order: www has no target 'backupp', did you mean 'backup'?"
    );
    let thin = Variant {
        thin: 4,
        ..Variant::default()
    };
    let found = json(
        &run(
            &OUTAGE,
            &Request {
                candidate: thin,
                ..Request::default()
            },
        )
        .unwrap(),
    );
    // Every fourth result: bad ones at 55, 75 and 95 s.
    assert_eq!(found["candidate"]["down_served_ms"], 45_000);
    assert_eq!(found["candidate"]["evaluations"], 2 * 32 + 1);
    let rows = [
        ("primary@a", ".*40"),
        ("primary@b", ".*5 x*30 .*5"),
        ("backup@a", ".*40"),
        ("backup@b", ".*40"),
    ];
    let without = Variant {
        without_vantage: Some("a".into()),
        ..Variant::default()
    };
    let found = json(
        &run(
            &rows,
            &Request {
                candidate: without,
                ..Request::default()
            },
        )
        .unwrap(),
    );
    assert_eq!(found["candidate"]["switches"], 1);
    let budget = Variant {
        max_switches: Some("1/10m".to_owned().try_into().unwrap()),
        ..Variant::default()
    };
    let found = json(
        &run(
            &OUTAGE,
            &Request {
                candidate: budget,
                ..Request::default()
            },
        )
        .unwrap(),
    );
    assert_eq!(found["candidate"]["switches"], 1);
    assert!(
        found["candidate"]["held_ms"]["switch-budget"]
            .as_i64()
            .unwrap()
            > 0
    );
}

#[test]
fn a_stretch_is_replayed_from_what_was_known_before_it() {
    let request = Request {
        since: Some(sidestep::model::Timestamp(BEGIN + 55_000)),
        until: Some(sidestep::model::Timestamp(BEGIN + 300_000)),
        against: Some(Against::Primary),
        ..Request::default()
    };
    let found = json(&run(&OUTAGE, &request).unwrap());
    // Two bad probes are known; the third is at 60 s.
    assert_eq!(
        (&found["input"]["from"], &found["input"]["to"]),
        (&json!(BEGIN + 55_000), &json!(BEGIN + 295_000))
    );
    assert_eq!(found["candidate"]["down_served_ms"], 5_000);
    assert_eq!(found["recorded"]["down_served_ms"], 95_000);
    assert_eq!(found["candidate"]["on_primary_ms"], 5_000);
}

#[test]
fn two_policies_are_compared_with_each_other() {
    let text = PolicyText {
        name: "quick.rhai".into(),
        source: "fn decide(service) {\n if service.active.is_down(1) { return first_of(service.up(1), \"quick\"); }\n hold(\"ok\")\n}".into(),
    };
    let request = Request {
        against: Some(Against::Policy(text)),
        ..Request::default()
    };
    let report = run(&OUTAGE, &request).unwrap();
    let found = json(&report);
    assert_eq!(found["against"], "quick.rhai");
    assert_eq!(found["recorded"]["down_served_ms"], 0);
    assert_eq!(
        found["divergences"][0]["recorded"],
        json!({"serve": ["backup"], "ttl_ms": 30_000, "reason": "quick", "line": 2})
    );
    assert_eq!(
        found["divergences"].as_array().unwrap().len(),
        2,
        "{:#}",
        found["divergences"]
    );
}

/// A replay whose configuration is changed after so many lines; the primary's probes name the
/// address that it has.
fn reloaded(rows: &[(&str, &str)], after: usize, edit: impl Fn(&mut Value)) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), rows);
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let by_name = |list: &Value| -> Value {
        let list = list.as_array().unwrap().iter();
        list.map(|one| (one["name"].as_str().unwrap().to_owned(), one.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let mut config = json!({
        "by": "reload",
        "server": {"name": "ns1", "dns": ["127.0.0.1:53"], "http": "127.0.0.1:80", "data": "data", "policies": "policies"},
        "zones": [],
        "targets": by_name(&lines[0]["targets"]),
        "monitors": by_name(&lines[0]["monitors"]),
        "services": by_name(&lines[0]["services"]),
    });
    let service = &mut config["services"]["www"];
    (service["history_ms"], service["keep_ms"]) = (json!(600_000), json!(600_000));
    (service["max_switches"], service["on_fault"]) = (json!("6/10m"), json!("fallback"));
    service["reload"] = json!("apply");
    let before = config["targets"]["primary"]["addresses"][0].clone();
    edit(&mut config);
    let now = &config["targets"]["primary"]["addresses"][0];
    for (number, line) in lines.iter_mut().enumerate().skip(1) {
        if line["probe"]["target"] == "primary" {
            let address = if number > after { now } else { &before };
            line["probe"]["address"] = address.clone();
        }
    }
    let at = lines[after]["at"].clone();
    lines.insert(after + 1, json!({"at": at, "config": config}));
    let lines: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(&path, lines.concat()).unwrap();
    let source = Source::open(&path, &Default::default(), None).unwrap();
    json(&replay(source, "r.jsonl", &Request::default(), &|_, _| {}).unwrap())
}

#[test]
fn an_address_that_a_reload_takes_away_is_down_no_longer() {
    let rows = [("primary", ".*10 x*10 .*40"), ("backup", ".*60")];
    // Down from 50 s; the reload is at 95 s.
    let found = reloaded(&rows, 40, |config| {
        config["targets"]["primary"]["addresses"] = json!(["192.0.2.99"]);
    });
    assert_eq!(found["truth"]["down_ms"]["primary"], 45_000);
}

#[test]
fn a_target_that_a_reload_takes_away_was_counted_and_is_not_left_falsely() {
    let rows = [("primary", ".*20"), ("backup", ".*60")];
    let found = reloaded(&rows, 40, |config| {
        config["targets"].as_object_mut().unwrap().remove("primary");
        config["services"]["www"]["targets"] = json!(["backup"]);
    });
    assert_eq!(found["candidate"]["switches"], 1);
    assert_eq!(found["candidate"]["false_switches"], 0);
    assert_eq!(found["input"]["observations"], 80);
    assert_eq!(found["input"]["targets"]["primary"]["ns1"]["good"], 20);
    assert_eq!(found["input"]["left_out"], json!({}));
}

#[test]
fn an_endless_switcher_is_said_to_be_one() {
    let text = PolicyText {
        name: "mad.rhai".into(),
        source: "fn decide(service) {\n for t in service.targets { if t != service.active { return serve(t, \"on\"); } }\n hold(\"alone\")\n}".into(),
    };
    let rows = [("primary", ".*100100"), ("backup", ".*100100")];
    let request = Request {
        candidate: Variant {
            policy: Some(text),
            ..Variant::default()
        },
        ..Request::default()
    };
    let why = run(&rows, &request).unwrap_err().to_string();
    assert!(why.starts_with("more than 200000 switches of www"), "{why}");
}

/// A recording of two services; `www` has a recorded decision, `api` none.
#[test]
fn no_failover_is_the_primary_of_the_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), &OUTAGE);
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // A reload at 48 s swaps the order: the primary's outage is the backup's from then on.
    let header: Value = serde_json::from_str(&lines[0]).unwrap();
    let named = |list: &str| -> serde_json::Map<String, Value> {
        let all = header[list].as_array().unwrap().iter();
        all.map(|one| (one["name"].as_str().unwrap().to_owned(), one.clone()))
            .collect()
    };
    let mut services = named("services");
    services["www"]["targets"] = json!(["backup", "primary"]);
    let config = json!({"by": "watch", "targets": named("targets"), "monitors": named("monitors"), "services": services});
    let at = BEGIN + 48_000;
    lines.insert(
        21,
        json!({"at": at, "seq": 1_000, "config": config}).to_string(),
    );
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let source = Source::open(&path, &Default::default(), None).unwrap();
    let request = Request {
        against: Some(Against::Primary),
        ..Request::default()
    };
    let found = json(&replay(source, "r.jsonl", &request, &|_, _| {}).unwrap());
    assert_eq!(
        found["recorded"]["down_served_ms"], 0,
        "{:#}",
        found["recorded"]
    );
    assert_eq!(found["recorded"]["on_primary_ms"], 645_000);
}

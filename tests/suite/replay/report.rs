//! The forms of the report: nothing of a recording becomes markup, every form stays small, and the
//! schema describes what JSON has.

use quick_xml::{Reader, events::Event};
use serde_json::{Map, Value, json};
use sidestep::{
    failover::By,
    model::{PolicyText, TargetName, Timestamp},
    recording::Reading,
    replay::{
        Against, Report, Request, Source, Variant, replay,
        report::{html, markdown},
        sweep::Sweep,
        timeline::Served,
    },
};
use std::{collections::BTreeSet, fmt::Write as _, fs};

/// 2026-11-22T00:00:00Z.
const BEGIN: i64 = 1_795_305_600_000;
const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\"'|`@octocat`&amp;";

/// Two targets probed every 5 s for 20 minutes; the first is down from minute 5 to 8.
fn recorded(primary: &str) -> String {
    let mut csv = "time,target,ok,rtt_ms\n".to_owned();
    for step in 0..240 {
        let at = BEGIN + step * 5_000;
        let quoted = primary.replace('"', "\"\"");
        if (60..96).contains(&step) {
            let _ = writeln!(csv, "{at},\"{quoted}\",false,");
        } else {
            let _ = writeln!(csv, "{at},\"{quoted}\",true,{}", 20 + step % 7);
        }
        let _ = writeln!(csv, "{},backup,true,{}", at + 40, 31 + step % 5);
    }
    csv
}

fn reported(csv: &str, request: &Request) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("monitor.csv");
    fs::write(&path, csv).unwrap();
    let source = Source::open(&path, &Reading::default(), None).unwrap();
    replay(source, "monitor.csv", request, &|_, _| {}).unwrap()
}

fn against_none() -> Request {
    Request {
        against: Some(Against::Primary),
        sweeps: vec![Sweep::parse("FALL=2..4").unwrap()],
        ..Request::default()
    }
}

/// A report in which everything that others write is hostile.
fn hostile() -> Report {
    let source = format!(
        "fn decide(service) {{\n    if service.active.is_down(2) {{ return serve(service.backups, {HOSTILE:?} + \"\\n\\x07\\u202e\"); }}\n    hold({HOSTILE:?})\n}}\n"
    );
    let text = PolicyText {
        name: format!("{HOSTILE}.rhai").as_str().into(),
        source: source.into(),
    };
    let request = Request {
        candidate: Variant {
            policy: Some(text),
            ..Variant::default()
        },
        against: Some(Against::Primary),
        ..Request::default()
    };
    let mut report = reported(&recorded("primary"), &request);
    assert_eq!(report.divergences.len(), 1, "it never switches back");
    assert!(report.divergences[0].candidate.reason.contains(HOSTILE));
    let name = TargetName::from(HOSTILE);
    report.input.source = HOSTILE.to_owned();
    let results = report.input.targets.values().next().cloned().unwrap();
    report.input.targets.insert(name.clone(), results);
    report.truth.outages.insert(name.clone(), 1);
    report.divergences[0].candidate.serve.push(name.clone());
    for service in report.services.values_mut() {
        service.targets.push(name.clone());
        service.picture.candidate.changes[1]
            .serve
            .push(name.clone());
        let bins = service.picture.lanes.bins.values().next().cloned().unwrap();
        service.picture.lanes.bins.insert(name.clone(), bins);
        let down = service.picture.truth.down.values().next().cloned().unwrap();
        service.picture.truth.down.insert(name.clone(), down);
    }
    report
}

/// Reads the page as a strict XML reader does: names of elements, all text, all attributes.
fn strict(page: &str) -> (BTreeSet<String>, String, Vec<(String, String)>) {
    let (mut names, mut texts, mut attributes) = (BTreeSet::new(), String::new(), Vec::new());
    let mut open: Vec<String> = Vec::new();
    let mut reader = Reader::from_str(page);
    reader.config_mut().allow_unmatched_ends = false;
    loop {
        let (start, stays) = match reader.read_event().unwrap() {
            Event::Start(start) => (start, true),
            Event::Empty(start) => (start, false),
            Event::End(end) => {
                let name = end.name().as_ref().to_owned();
                assert_eq!(open.pop(), Some(name));
                continue;
            }
            Event::Text(text) => {
                texts += &text;
                continue;
            }
            Event::GeneralRef(entity) => {
                let entity = entity.to_string();
                let known = ["amp", "lt", "gt", "quot", "#39"];
                assert!(known.contains(&entity.as_str()), "&{entity};");
                let _ = write!(texts, "&{entity};");
                continue;
            }
            Event::Eof => break,
            _ => continue,
        };
        let name = start.name().as_ref().to_owned();
        for attribute in start.attributes() {
            let attribute = attribute.unwrap();
            let key = attribute.key.as_ref().to_owned();
            let value = attribute.value.to_string();
            attributes.push((key, value));
        }
        names.insert(name.clone());
        if stays {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<String>::new());
    (names, texts, attributes)
}

#[test]
fn what_others_write_is_never_markup() {
    let page = html(&hostile());
    let (names, texts, attributes) = strict(&page);
    assert!(!names.contains("img"), "{names:?}");
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("</script").count(), 1);
    let escaped =
        "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&quot;&#39;|`@octocat`&amp;amp;";
    assert!(texts.contains(escaped), "it is said nowhere");
    for (key, value) in attributes {
        assert!(!key.starts_with("on") && key != "style", "{key}={value}");
        assert!(!value.contains('<'), "{key}={value}");
        let leaves = ["href", "src"].contains(&key.as_str()) && !value.starts_with('#');
        assert!(!leaves, "{key}={value}");
    }
    let drives = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert_eq!(page.chars().find(|c| drives(*c)), None);
}

#[test]
fn every_link_has_its_end() {
    let page = html(&reported(&recorded("primary"), &against_none()));
    let (_, _, attributes) = strict(&page);
    let of = |wanted: &str| {
        let found = attributes.iter().filter(|(key, _)| key == wanted);
        found.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let ids: BTreeSet<String> = of("id").into_iter().collect();
    assert_eq!(ids.len(), of("id").len(), "an id is there twice");
    for link in of("href") {
        assert!(ids.contains(link.trim_start_matches('#')), "{link}");
    }
    assert!(ids.contains("d1") && ids.contains("p1"));
}

#[test]
fn the_page_allows_its_own_style_and_script_only() {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use sha2::{Digest as _, Sha256};
    let page = html(&reported(&recorded("primary"), &against_none()));
    for (kind, element) in [("style-src", "style"), ("script-src", "script")] {
        let (_, rest) = page.split_once(&format!("<{element}>")).unwrap();
        let (inside, _) = rest.split_once(&format!("</{element}>")).unwrap();
        let hash = BASE64_STANDARD.encode(Sha256::digest(inside));
        let rule = format!("{kind} &#39;sha256-{hash}&#39;");
        assert!(page.contains(&rule), "{rule}");
    }
}

/// A candidate that moves between its targets 200,000 times in a year, for reasons without end.
fn restless() -> Report {
    let mut report = reported(&recorded("primary"), &against_none());
    let year_ms = 365 * 86_400_000;
    report.input.to = report.input.from.plus_ms(year_ms);
    for service in report.services.values_mut() {
        let targets = service.targets.clone();
        let changes = (0..200_000_i64).map(|index| Served {
            // Wide and narrow ones by turns: what merges least.
            at: Timestamp(BEGIN + index / 2 * (2 * year_ms / 200_000) + index % 2 * 1_000),
            serve: vec![targets[usize::from(index % 2 == 0)].clone()],
            place: usize::from(index % 2 == 0),
            ttl_ms: 30_000,
            reason: format!("{index} {}", "reason <&> ".repeat(200)),
            line: 7,
            by: By::Policy,
            guard: None,
            evidence: vec![1, 2, 3],
        });
        service.picture.candidate.changes = changes.collect();
    }
    let one = report.divergences[0].clone();
    report.divergences = (0..1_000_i64)
        .map(|index| {
            let mut one = one.clone();
            one.from = Timestamp(BEGIN + index * (year_ms / 1_000));
            one.to = one.from.plus_ms(3_600_000);
            one.candidate.reason = "reason <&> ".repeat(200);
            one
        })
        .collect();
    report.divergences_left_out = 99_000;
    report
}

#[test]
fn a_restless_year_stays_small() {
    let report = restless();
    let page = html(&report);
    strict(&page);
    assert!(page.len() < 2_000_000, "{} bytes of HTML", page.len());
    let comment = markdown(&report);
    assert!(comment.chars().count() <= 65_000, "too long a comment");
    assert!(comment.contains("99,990 more"));
}

#[test]
fn a_comment_reads_well() {
    let report = reported(&recorded("primary"), &against_none());
    insta::assert_snapshot!(markdown(&report));
}

#[test]
fn nothing_in_a_comment_is_markup_or_a_mention() {
    let comment = markdown(&hostile());
    for line in comment.lines().filter(|line| line.starts_with('|')) {
        // A bar that no backslash is before divides cells.
        let bars = line.replace("\\|", "").matches('|').count();
        assert!([5, 7].contains(&bars), "{bars} in {line}");
    }
    // Outside of code spans there is no tag but our own, and nobody is mentioned.
    let plain = comment.replace("<details>", "").replace("</details>", "");
    let plain = plain.replace("<summary>", "").replace("</summary>", "");
    for line in plain.lines() {
        for (index, part) in line.split("``").enumerate() {
            if index % 2 == 0 {
                let part = part.replace("<!-- -->", "\u{1}");
                assert!(!part.contains('<'), "{line}");
                assert!(!part.contains("@octocat"), "{line}");
            }
        }
    }
}

/// Goes through a value with the schema of it, and notes which keys of the schema were met.
struct Schema {
    root: Value,
    met: BTreeSet<String>,
    found: Vec<String>,
}

impl Schema {
    fn resolved(&self, schema: &Value) -> Map<String, Value> {
        let mut schema = schema.as_object().unwrap().clone();
        while let Some(to) = schema.remove("$ref") {
            let pointer = to.as_str().unwrap().trim_start_matches('#').to_owned();
            let further = self.root.pointer(&pointer).unwrap().as_object().unwrap();
            for (key, value) in further {
                schema.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        schema
    }

    fn is_type(value: &Value, wanted: &Value) -> bool {
        match wanted {
            Value::Array(any) => any.iter().any(|one| Self::is_type(value, one)),
            _ => match wanted.as_str().unwrap() {
                "null" => value.is_null(),
                "integer" => value.is_i64() || value.is_u64(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "array" => value.is_array(),
                "object" => value.is_object(),
                other => panic!("the schema has a type {other}"),
            },
        }
    }

    fn read(&mut self, value: &Value, schema: &Value, place: &str) {
        let schema = self.resolved(schema);
        if let Some(any) = schema.get("anyOf") {
            let null = json!({"type": "null"});
            let mut all = any.as_array().unwrap().iter();
            let one = all.find(|one| (**one == null) == value.is_null());
            return self.read(value, &one.unwrap().clone(), place);
        }
        let mut fault = |what: &str| self.found.push(format!("{place} {what}: {value}"));
        if !Self::is_type(value, &schema["type"]) {
            fault("has another type");
        }
        if schema.get("const").is_some_and(|only| only != value) {
            fault("is not what it must be");
        }
        if let Some(any) = schema.get("enum")
            && !any.as_array().unwrap().contains(value)
        {
            fault("is none of those");
        }
        let least = schema.get("minimum").and_then(Value::as_i64);
        if least.is_some_and(|least| value.as_i64().is_some_and(|value| value < least)) {
            fault("is too small");
        }
        for one in value.as_array().into_iter().flatten() {
            self.read(one, &schema["items"], &format!("{place}[]"));
        }
        let none = Map::new();
        let of = |key: &str| schema.get(key).and_then(Value::as_object).unwrap_or(&none);
        let properties = of("properties");
        for (key, one) in value.as_object().into_iter().flatten() {
            if let Some(known) = properties.get(key) {
                assert!(known.get("description").is_some(), "{place}.{key}");
                self.met.insert(format!("{place}.{key}"));
                self.read(one, known, &format!("{place}.{key}"));
            } else if let Some(others) =
                schema.get("additionalProperties").filter(|o| o.is_object())
            {
                self.read(one, others, &format!("{place}.*"));
            } else {
                self.found
                    .push(format!("{place}.{key} is not in the schema"));
            }
        }
        if value.is_object() && !properties.is_empty() {
            let required = schema["required"].as_array().unwrap().iter();
            let required: BTreeSet<&str> = required.map(|key| key.as_str().unwrap()).collect();
            let known: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
            assert_eq!(required, known, "{place}");
            for key in required.iter().filter(|key| value.get(key).is_none()) {
                self.found.push(format!("{place}.{key} is missing"));
            }
        }
    }
}

fn schema() -> Schema {
    let text = include_str!("../../../src/replay/report/schema.json");
    Schema {
        root: serde_json::from_str(text).unwrap(),
        met: BTreeSet::new(),
        found: Vec::new(),
    }
}

#[test]
fn the_schema_describes_every_key() {
    let mut schema = schema();
    let root = schema.root.clone();
    let alone = reported(&recorded("primary"), &Request::default());
    let compared = reported(&recorded("primary"), &against_none());
    for report in [&alone, &compared, &hostile()] {
        schema.read(&serde_json::to_value(report).unwrap(), &root, "report");
    }
    assert_eq!(schema.found, Vec::<String>::new());
    for key in [
        "report.divergences[].candidate.line",
        "report.sweep[].detect_ms.p50",
        "report.input.targets.*.*.good",
        "report.difference.held_ms",
    ] {
        assert!(schema.met.contains(key), "{key} was never met");
    }
}

#[test]
fn the_schema_sees_what_it_does_not_describe() {
    let report = reported(&recorded("primary"), &against_none());
    let value = serde_json::to_value(&report).unwrap();
    for (pointer, key, put) in [
        ("", "more", Some(json!(1))),
        ("/candidate", "switches", None),
        ("/candidate", "switches", Some(json!("1"))),
        ("/candidate", "switches", Some(json!(-1))),
        ("", "verdict", Some(json!("perhaps"))),
        ("/divergences/0/candidate", "line", Some(Value::Null)),
    ] {
        let (mut value, mut schema) = (value.clone(), schema());
        let object = value.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        match put {
            Some(put) => object.insert(key.to_owned(), put),
            None => object.remove(key),
        };
        let root = schema.root.clone();
        schema.read(&value, &root, "report");
        assert_eq!(schema.found.len(), 1, "{pointer}/{key}: {:?}", schema.found);
    }
}

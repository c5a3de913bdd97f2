//! `sidestep test`: coverage and JUnit reports.

use super::{repository, sidestep};
use quick_xml::{Reader, events::Event};
use std::{collections::BTreeMap, fs, path::Path};

const POLICY: &str = "const FALL = 3;

fn decide(service) {
    if service.active.is_down(FALL) {
        return first_of(service.up(2), \"down\");
    }
    if service.isolated { return hold(\"isolated\"); }
    if service.hour == 25 {
        return hold(\"<never> & so on\");
    }
    hold(\"well\")
}
";

/// A folder with a policy, and tests that run some of it; the last fails where `fails`.
fn folder(fails: bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().join("policies");
    fs::create_dir(&policies).unwrap();
    let serve = if fails { "a" } else { "b" };
    let tests = format!(
        "[[test]]\nname = \"stays & <stays> \\u0007\"\ninterval = \"1s\"\na = \".*9\"\nexpect = [{{ at = \"9s\", serve = \"a\" }}]\n\
         [[test]]\nname = \"goes\"\ninterval = \"1s\"\na = \".*5 x*4\"\nb = \".*9\"\nexpect = [{{ at = \"9s\", serve = \"{serve}\", reason = \"down\" }}]\n"
    );
    fs::write(policies.join("www.rhai"), POLICY).unwrap();
    fs::write(policies.join("www.test.toml"), tests).unwrap();
    folder
}

#[test]
fn coverage_names_the_lines_that_no_test_ran() {
    let folder = folder(false);
    fs::write(
        folder.path().join("policies/bare.rhai"),
        "fn decide(service) {\n    hold(\"x\")\n}\n",
    )
    .unwrap();
    let said = sidestep(folder.path(), &["test", "--coverage", "policies"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let (_, covered) = said.out.split_once("2 passed, 0 failed\n").unwrap();
    assert_eq!(
        covered,
        "policies/bare.rhai: 0 of 1 lines\n\
         \x20    2: hold(\"x\")\n\
         policies/www.rhai: 4 of 6 lines\n\
         \x20    7 from column 27: if service.isolated { return hold(\"isolated\"); }\n\
         \x20    9: return hold(\"<never> & so on\");\n"
    );
    let said = sidestep(
        folder.path(),
        &["test", "--coverage", "--json", "policies/www.rhai"],
    );
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["tests"].as_array().unwrap().len(), 2);
    assert_eq!(
        json["coverage"],
        serde_json::json!([{
            "policy": "policies/www.rhai", "lines": 6, "ran": 4, "percent": 66, "missed": [
                {"line": 7, "column": 27, "in_part": true, "text": "if service.isolated { return hold(\"isolated\"); }"},
                {"line": 9, "column": 9, "in_part": false, "text": "return hold(\"<never> & so on\");"},
            ],
        }])
    );
    // Without coverage JSON stays the list that it was.
    let said = sidestep(folder.path(), &["test", "--json", "policies"]);
    assert!(said.out.starts_with("[{"), "{}", said.out);
}

#[test]
fn too_little_coverage_fails_where_that_was_asked() {
    let folder = folder(false);
    let under = |percent: &str| {
        let arguments = ["test", "--coverage", "--fail-under", percent, "policies"];
        sidestep(folder.path(), &arguments)
    };
    assert_eq!(under("66").code, 0);
    let said = under("67");
    assert_eq!(said.code, 1);
    assert!(
        said.err
            .contains("policies/www.rhai: its tests ran 66 % of its lines, less than 67 %"),
        "{}",
        said.err
    );
    assert_eq!(under("101").code, 2);
    let alone = sidestep(folder.path(), &["test", "--fail-under", "50", "policies"]);
    assert_eq!(alone.code, 2, "{}", alone.err);
    let shipped = ["test", "--coverage", "--fail-under", "100", "policies"];
    assert_eq!(sidestep(repository(), &shipped).code, 0);
}

/// Every element of a report by its name: attributes, and the text in it.
fn elements(path: &Path) -> Vec<(String, BTreeMap<String, String>, String)> {
    let text = fs::read_to_string(path).unwrap();
    let mut reader = Reader::from_str(&text);
    let mut found: Vec<(String, BTreeMap<String, String>, String)> = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) | Event::Empty(element) => {
                let name = element.name().as_ref().to_owned();
                let pairs = element.attributes().map(|pair| {
                    let pair = pair.unwrap();
                    let key = pair.key.as_ref().to_owned();
                    (
                        key,
                        quick_xml::escape::unescape(&pair.value)
                            .unwrap()
                            .into_owned(),
                    )
                });
                found.push((name, pairs.collect(), String::new()));
            }
            Event::Text(text) => {
                if let Some(last) = found.last_mut() {
                    last.2 += &text;
                }
            }
            Event::GeneralRef(named) => {
                let name = named.to_string();
                let text = quick_xml::escape::unescape(&format!("&{name};"))
                    .unwrap()
                    .into_owned();
                found.last_mut().unwrap().2 += &text;
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

#[test]
fn a_junit_report_says_what_the_terminal_says() {
    let folder = folder(true);
    fs::write(folder.path().join("policies/bad.rhai"), POLICY).unwrap();
    fs::write(
        folder.path().join("policies/bad.test.toml"),
        "[[test]]\nname = \"<n>\"\n",
    )
    .unwrap();
    let arguments = ["test", "--junit", "report.xml", "policies"];
    let said = sidestep(folder.path(), &arguments);
    assert_eq!(said.code, 1);
    let report = folder.path().join("report.xml");
    let found = elements(&report);
    let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "testsuites",
            "testsuite",
            "testcase",
            "error",
            "testsuite",
            "testcase",
            "testcase",
            "failure"
        ]
    );
    let counts = |index: usize| {
        let of = &found[index].1;
        ["tests", "failures", "errors", "time"].map(|key| of[key].clone())
    };
    assert_eq!(counts(0), ["3", "1", "1", "0"]);
    assert_eq!(counts(1), ["1", "0", "1", "0"]);
    assert_eq!(counts(4), ["2", "1", "0", "0"]);
    assert_eq!(
        found[3].1["message"],
        "policies/bad.test.toml:1:1: a test needs `interval`"
    );
    assert_eq!(found[5].1["name"], "stays & <stays> \u{fffd}");
    assert_eq!(found[6].1["line"], "6");
    let (message, chart) = (&found[7].1["message"], &found[7].2);
    assert!(
        message.starts_with("expected a at 9s, but b is served since 8s because \"down\""),
        "{message}"
    );
    assert!(said.out.contains(message.as_str()));
    // The chart as the terminal shows it.
    assert!(
        chart.contains("a       .....xxxx\n") && said.out.contains(chart.trim_end()),
        "{chart}"
    );
    // The same tests give the same file.
    let before = fs::read(&report).unwrap();
    sidestep(folder.path(), &arguments);
    assert_eq!(fs::read(&report).unwrap(), before);
    let nowhere = sidestep(
        folder.path(),
        &["test", "--junit", "no/report.xml", "policies/www.rhai"],
    );
    assert!(nowhere.err.contains("no/report.xml: "), "{}", nowhere.err);
}

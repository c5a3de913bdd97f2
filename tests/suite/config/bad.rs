//! Every kind of wrong configuration: one clear sentence, at the right place.

use super::good::SMALLEST;
use sidestep::{
    config::parse,
    model::{Diagnostic, Severity},
};

// What the first word of a case brings along, but for the keys that the case has.
const WITNESS: [&str; 1] = [r#"addresses = ["192.0.2.1:53", "icmp:192.0.2.2"]"#];
const ZONE: [&str; 2] = [r#"name = "example.com""#, r#"ns = ["ns1.example.com"]"#];
const TARGET: [&str; 2] = [r#"name = "third""#, r#"addresses = ["192.0.2.30"]"#];
const MONITOR: [&str; 2] = [r#"name = "m""#, r#"url = "https://www.example.com/""#];
const SERVICE: [&str; 4] = [
    r#"name = "other""#,
    r#"names = ["a.example.net"]"#,
    r#"targets = ["primary"]"#,
    r#"monitors = [{ url = "http://www.example.com/" }]"#,
];

/// A table with `lines` first, then those of `others` whose keys are not in them.
fn table(header: &str, lines: &str, others: &[&str]) -> String {
    let key = |line: &str| line.split(' ').next().map(str::to_owned);
    let mut text = format!("{header}\n{lines}\n");
    for other in others {
        if lines.lines().all(|line| key(line) != key(other)) {
            text += &format!("{other}\n");
        }
    }
    text + SMALLEST
}

/// What the caret of a diagnostic stands under, to the end of its line.
pub(crate) fn under_caret(diagnostic: &Diagnostic) -> String {
    let shown = diagnostic.to_string();
    let lines: Vec<&str> = shown.lines().collect();
    match lines[..] {
        [_, excerpt, carets] => {
            let column = carets.chars().position(|c| c == '^').expect("a caret");
            excerpt.chars().skip(column).collect()
        }
        _ => String::new(),
    }
}

/// The configuration that a case of `bad.txt` stands for.
fn configuration(case: &str) -> String {
    let (kind, lines) = case.split_once(':').expect("a first word");
    let lines = lines.trim_start().replace(" / ", "\n");
    match kind {
        "raw" => lines,
        "more" => format!("{lines}\n{SMALLEST}"),
        "server" => table("[server]", &lines, &[]),
        "witness" => table("[witness]", &lines, &WITNESS),
        "zone" if lines.starts_with("fi") => table("[[zone]]", &lines, &ZONE[..1]),
        "zone" => table("[[zone]]", &lines, &ZONE),
        "target" => table("[[target]]", &lines, &TARGET),
        "monitor" => table("[[monitor]]", &lines, &MONITOR),
        "other" => table("[[monitor]]", &lines, &MONITOR[..1]),
        "service" => table("[[service]]", &lines, &SERVICE),
        other => panic!("no such case: {other}"),
    }
}

#[test]
fn wrong_configurations_are_pointed_at() {
    let cases = include_str!("bad.txt").lines();
    let cases = cases.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let cases: Vec<&str> = cases.map(str::trim).collect();
    for case in cases.chunks(3) {
        let [case, headline, token] = case else {
            panic!("a case has three lines: {case:?}")
        };
        let text = configuration(case);
        let errors = parse("sidestep.toml", &text).expect_err(case);
        let headlines: Vec<String> = errors.iter().map(Diagnostic::headline).collect();
        assert_eq!(headlines, [*headline], "{case}");
        let under = under_caret(&errors[0]);
        assert!(
            under.starts_with(token.trim_start_matches("(nothing)")),
            "{}",
            errors[0]
        );
        assert_eq!(errors[0].excerpt.is_none(), errors[0].line == 0, "{case}");
        assert_eq!(errors[0].severity, Severity::Error);
    }
    assert!(cases.len() > 3 * 150, "cases were lost");
}

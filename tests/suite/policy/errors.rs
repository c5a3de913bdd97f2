//! What operators are told of a wrong policy: `errors.txt` has scripts and what is said of each.

use super::world::{service, text};
use sidestep::policy::Library;

/// The document with what is said now.
fn said(library: &Library, document: &str) -> String {
    let mut now = String::new();
    for case in document.split_inclusive("\n== ") {
        let case = case.trim_end_matches("== ").trim_start_matches("== ");
        let (name, rest) = case.split_once('\n').unwrap();
        let (script, _) = rest.split_once("\n--\n").unwrap();
        let loaded = library.candidate(&service(&["primary", "backup", "third"]), &text(script));
        let found = loaded.map_or_else(|errors| errors, |candidate| candidate.warnings);
        now.push_str(&format!("== {name}\n{script}\n--\n"));
        for one in &found {
            now.push_str(&format!("{:?}: {one}\n", one.severity).to_lowercase_first());
        }
    }
    now
}

trait LowercaseFirst {
    fn to_lowercase_first(&self) -> String;
}

impl LowercaseFirst for str {
    fn to_lowercase_first(&self) -> String {
        self[..1].to_lowercase() + &self[1..]
    }
}

#[test]
fn every_error_names_its_place_and_what_to_do() {
    let expected = include_str!("errors.txt");
    let now = said(&Library::new(), expected);
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("policy-errors.txt");
    std::fs::write(&path, &now).unwrap();
    assert!(expected.matches("\n== ").count() >= 30);
    for (line, (expected, now)) in expected.lines().zip(now.lines()).enumerate() {
        assert_eq!(
            now,
            expected,
            "line {} of errors.txt; all of it is in {}",
            line + 1,
            path.display()
        );
    }
    assert_eq!(
        now.len(),
        expected.len(),
        "all of it is in {}",
        path.display()
    );
}

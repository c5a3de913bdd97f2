//! Files that nobody means: whatever they hold, an answer and no panic.

use super::{
    good::{EVERY_KEY, LONG},
    stories::DESIGN,
};
use proptest::prelude::*;
use sidestep::{
    config::{parse, parse_stories},
    model::Diagnostic,
};

/// Parses as both formats; every finding must be printable and lie within the text.
fn survive(text: &str) {
    let findings = [
        parse("f", text).map_or_else(|errors| errors, |loaded| loaded.warnings),
        parse_stories("f", text).err().unwrap_or_default(),
    ];
    for found in findings.iter().flatten() {
        assert!(found.line <= text.matches('\n').count() + 1, "{found:?}");
        assert!(
            !found.message.is_empty() && !found.message.contains('\n'),
            "{found}"
        );
    }
}

#[test]
fn every_truncation_has_an_answer() {
    for text in [LONG, EVERY_KEY, DESIGN] {
        for end in (0..text.len()).filter(|&end| text.is_char_boundary(end)) {
            survive(&text[..end]);
        }
    }
}

#[test]
fn every_missing_byte_has_an_answer() {
    for text in [LONG, DESIGN] {
        for at in 0..text.len() {
            survive(&[&text[..at], &text[at + 1..]].concat());
        }
    }
}

#[test]
fn large_mistakes_make_bounded_findings() {
    let word = "x".repeat(100_000);
    for text in [
        "a = 1\n".repeat(50_000),
        (0..50_000).map(|n| format!("a{n} = 1\n")).collect(),
        "[[target]]\n".repeat(20_000),
        "[[service]]\nname = \"a\"\n".repeat(9_000),
        "[[test]]\n".repeat(20_000),
        format!("{word} = 1"),
        format!("[[service]]\nname = \"{word}\"\nnames = [\"{word}\"]\ntargets = [\"{word}\"]"),
        format!("a = {}", "[".repeat(100_000)),
        format!(
            "[[test]]\nname = \"n\"\ninterval = \"1s\"\np = \"{}\"",
            ".*1000000 ".repeat(1_000)
        ),
        "=\n".repeat(50_000),
    ] {
        let errors = parse("f", &text).unwrap_err();
        assert!((1..=100).contains(&errors.len()), "{}", errors.len());
        let length = errors.iter().map(|error| error.to_string().len()).max();
        assert!(length < Some(3_000), "{length:?}");
        survive(&text);
    }
}

/// A list of `count` texts in TOML.
fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    let items: Vec<String> = (0..count).map(|n| format!("\"{}\"", item(n))).collect();
    format!("[{}]", items.join(", "))
}

#[test]
fn lists_and_tables_have_bounds() {
    let addresses = |count| list(count, |n| format!("10.0.0.{}", n + 1));
    let targets = |count: usize| -> String {
        let one = |n| format!("[[target]]\nname = \"t{n}\"\naddresses = [\"10.0.0.1\"]\n");
        (0..count).map(one).collect()
    };
    let service = |names: &str, targets: &str| {
        let monitors = "monitors = [{ kind = \"icmp\" }]";
        format!("[[service]]\nname = \"s\"\nnames = {names}\ntargets = {targets}\n{monitors}\n")
    };
    let one_name = || list(1, |_| "a.example".to_owned());
    for (what, most, text) in [
        (
            "`addresses` has",
            64,
            &(|count| {
                let target = format!(
                    "[[target]]\nname = \"t0\"\naddresses = {}\n",
                    addresses(count)
                );
                target + service(&one_name(), "[\"t0\"]").as_str()
            }) as &dyn Fn(usize) -> String,
        ),
        ("`names` has", 100, &|count| {
            targets(1) + service(&list(count, |n| format!("n{n}.example")), "[\"t0\"]").as_str()
        }),
        ("`targets` has", 64, &|count| {
            targets(count) + service(&one_name(), &list(count, |n| format!("t{n}"))).as_str()
        }),
        ("there are", 10_000, &|count| {
            targets(count) + service(&one_name(), "[\"t0\"]").as_str()
        }),
    ] {
        assert!(parse("f", &text(most)).is_ok(), "{what} {most}");
        let errors = parse("f", &text(most + 1)).unwrap_err();
        let wanted = format!("{what} {}", most + 1);
        assert!(
            errors[0].message.starts_with(&wanted),
            "{}",
            errors[0].headline()
        );
    }
}

#[test]
fn findings_come_together_in_the_order_of_the_file() {
    let text = LONG
        .replace("dns  = ", "dsn  = ")
        .replace("timeout  = \"2s\"", "timeout  = \"5s\"")
        .replace("\"backup\", \"web3\"", "\"bakcup\", \"web3\"")
        .replace("need = 1", "need = 3");
    let errors = parse("sidestep.toml", &text).unwrap_err();
    let found: Vec<String> = errors.iter().map(Diagnostic::headline).collect();
    insta::assert_snapshot!(found.join("\n"), @r##"
sidestep.toml:3:1: unknown key 'dsn', did you mean 'dns'?
sidestep.toml:10:8: `need` is 3; it must be from 1 to 2
sidestep.toml:33:12: timeout 5s is not below interval 5s: set a shorter `timeout`
sidestep.toml:38:23: unknown target 'bakcup', did you mean 'backup'?
"##);
}

/// Lines that are nearly right, in any order.
fn soup() -> impl Strategy<Value = String> {
    let lines: Vec<&str> = LONG
        .lines()
        .chain(EVERY_KEY.lines())
        .chain(DESIGN.lines())
        .collect();
    prop::collection::vec(prop::sample::select(lines), 0..40).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn random_text_has_an_answer(text in "\\PC*") {
        survive(&text);
    }

    #[test]
    fn shuffled_lines_have_an_answer(text in soup()) {
        survive(&text);
    }

    #[test]
    fn any_value_of_any_key_has_an_answer(
        key in prop::sample::select(vec!["name", "url", "names", "targets", "monitors", "ttl", "params", "probe_at", "addresses", "need", "max_switches", "expect", "asked", "interval"]),
        value in prop::sample::select(vec!["1", "-1", "1.5", "true", "\"\"", "\"a\"", "[]", "[[]]", "[1]", "[\"\"]", "{}", "{ a = 1 }", "[{}]", "1979-05-27", "9223372036854775808", "\"9223372036854775807d\"", "0xff"]),
        table in prop::sample::select(vec!["[server]", "[witness]", "[[zone]]", "[[target]]", "[[monitor]]", "[[service]]", "[[test]]"]),
    ) {
        survive(&format!("{table}\n{key} = {value}\n"));
    }
}

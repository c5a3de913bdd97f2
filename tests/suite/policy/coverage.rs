//! Coverage: a script says in comments which of its lines run, and is taken at its word.

use sidestep::{
    config::parse_stories,
    daemon::stories,
    failover::rehearsal::run_story,
    model::PolicyText,
    policy::{Coverage, Library},
};

/// A story in which the primary dies at 6 s and the backup slows down.
const STORY: &str = r#"
[[test]]
name     = "n"
interval = "1s"
params   = { TAKEN = true }
primary  = ".*5 x*10"
backup   = ".*8 ~900*7"
expect   = [{ at = "15s", serve = "backup" }]
"#;

/// The same without parameters.
fn plain() -> String {
    STORY.replace("params   = { TAKEN = true }\n", "")
}

fn text(source: &str) -> PolicyText {
    PolicyText {
        name: "p.rhai".into(),
        source: source.into(),
    }
}

fn cover(source: &str, tests: &str) -> Coverage {
    let covered = stories::cover("p.test.toml", tests, &text(source));
    covered.unwrap_or_else(|found| panic!("{}", found[0]))
}

/// Lines that did not run, and columns of those that did not in part.
fn missed(coverage: &Coverage) -> Vec<(usize, Option<usize>)> {
    let missed = coverage.missed().into_iter();
    let missed = missed.map(|one| (one.place.line, one.in_part.then_some(one.place.column)));
    missed.collect()
}

/// Everything that a policy can be made of. `ran` and `not` are held against what is measured;
/// `part N` says which column did not run; a line without a word has no statement.
const EVERYTHING: &str = r#"
const TAKEN = true;
const DEAD = false;

fn helper(n) {
    let x = n + 1;                                  // ran
    if x > 100 {                                    // ran
        x = 7;                                      // not
    } else if x > 1 {
        (x + 2) * 3;                                // ran
        x += 1;                                     // ran
    } else {
        -x + 5;                                     // not
        x = 0;                                      // not
    }
    x                                               // ran
}
fn nobody(n) { n }                                  // not
fn one_line(n) { if n > 5 { return 1; } 2 }         // part 29
fn early(n) {
    if n == 1 {                                     // ran
        return "one";                               // ran
    }
    if n == 2 { return "two"; }                     // ran
    "many"                                          // ran
}
fn after(n) {
    return n;                                       // ran
    n + 1;                                          // not
}
fn loops(n) {
    let count = 0;                                  // ran
    for i in 0..n {                                 // ran
        if i == 2 { continue; }                     // ran
        if i == 3 { break; }                        // ran
        count += i;                                 // ran
    }
    for i in 0..0 {                                 // ran
        count += 1000;                              // not
    }
    while count > 100 {                             // ran
        count -= 1;                                 // not
    }
    do { count += 1; } while count < 3;             // ran
    loop {                                          // ran
        count += 1;                                 // ran
        if count > 10 { break; }                    // ran
    }
    try {                                           // ran
        count = count / (n - n);                    // ran
        count = 1;                                  // not
    } catch (error) {
        count = 12;                                 // ran
    }
    count                                           // ran
}
fn cases(n) {
    let kind = switch n {                           // ran
        0 => "none",                                // not
        1 if n > 5 => "never",                      // not
        1 => "one",                                 // ran
        2 | 3 => { let t = "few"; t }               // not
        _ => `many`,                                // not
    };
    switch n {                                      // ran
        7 => return "seven",                        // not
        1 => if kind == "one" {                     // ran
            kind += "!";                            // ran
        } else {
            kind += "?";                            // not
        }
        9..12 => while kind == "" { kind += "x"; }, // not
        _ => kind = "other",                        // not
    }
    kind                                            // ran
}
fn values(n) {
    let a = if n > 0 { "up" } else { "down" };      // part 38
    let b = #{ a: 1, b: [1, 2] };                   // ran
    let c = `${n} ${if n > 0 { a } else { "z" }}`;  // part 43
    !(n > 0) || b.contains("a");                    // ran
    if (n > 0)                                      // ran
       && (n < 9) {
        [a, c]                                      // ran
    } else {
        []                                          // not
    }
}
/// Evaluated.
fn decide(service) {
    let active = service.active;                    // ran
    let list = [helper(1), one_line(1), early(1), early(2), early(3), after(1), loops(9)];   // ran
    list.push(cases(1));                            // ran
    let more = values(1);                           // ran
    if TAKEN { list.push(1); } else { list.push(2); }   // part 39
    if DEAD {                                       // ran
        list.push(3);                               // not
    }
    {
        let inner = 5;                              // ran
        list.push(inner);                           // ran
    }
    if active.is_down(3) {                          // ran
        return first_of(service.up(2),              // ran
            `${active.name} is down`)
            .ttl(5 * SECOND);
    }
    ;
    if active.failures > 100 { return hold("never"); } hold("on")   // part 32
}
"#;

#[test]
fn every_construct_is_covered_line_by_line() {
    let coverage = cover(EVERYTHING, STORY);
    let mut expected = Vec::new();
    let mut lines = 0;
    for (number, line) in (1..).zip(EVERYTHING.lines()) {
        let Some((_, word)) = line.split_once(" // ") else {
            continue;
        };
        lines += 1;
        match word.split_once(' ') {
            None if word == "ran" => {}
            None => expected.push((number, None)),
            Some((_, column)) => expected.push((number, Some(column.parse().unwrap()))),
        }
    }
    assert_eq!(missed(&coverage), expected);
    assert_eq!(coverage.lines(), lines);
    assert_eq!(coverage.ran(), lines - expected.len());
}

#[test]
fn what_another_test_ran_is_added_whatever_its_parameters() {
    let source = "const A = 1;\nfn decide(service) {\n  if A == 1 {\n    return hold(\"one\");\n  }\n  hold(\"other\")\n}\n";
    let test = |name: &str, a: i64| {
        format!(
            "[[test]]\nname = \"{name}\"\ninterval = \"1s\"\nparams = {{ A = {a} }}\na = \".\"\nexpect = [{{ at = \"1s\", serve = \"a\" }}]\n"
        )
    };
    let (one, two) = (test("one", 1), test("two", 2));
    assert_eq!(missed(&cover(source, &one)), [(6, None)]);
    assert_eq!(missed(&cover(source, &two)), [(4, None)]);
    let both = cover(source, &format!("{one}{two}"));
    assert_eq!(
        (missed(&both), both.ran(), both.percent()),
        (vec![], 3, 100)
    );
    let none = Coverage::none(source).unwrap();
    assert_eq!((none.lines(), none.ran(), none.percent()), (3, 0, 0));
}

#[test]
fn a_covered_run_meets_no_limit_that_the_plain_one_does_not() {
    // Some 19,800 operations of 20,000.
    let source = "fn decide(service) { let n = 0; while n < 3300 { n += 1; } hold(`${n}`) }";
    let story = &parse_stories("t", &plain()).unwrap()[0];
    for library in [Library::new(), Library::covering()] {
        let service = serde_json::json!({
            "name": "www", "names": [], "targets": ["primary", "backup"], "monitors": ["story"],
        });
        let service = serde_json::from_value(service).unwrap();
        let candidate = library.candidate(&service, &text(source)).unwrap();
        library.adopt(&candidate);
        let outcome = run_story(story, &text(source), 0, &library);
        assert!(
            outcome.failures[0].message.contains("\"3300\""),
            "{outcome:?}"
        );
        let most = library.operations_max(&candidate.version);
        let covers = library.coverage(&candidate.version).is_some();
        assert_eq!(most > 20_000, covers, "{most}");
        assert!(most > 19_000, "{most}");
    }
}

#[test]
fn a_policy_that_has_the_noting_word_says_so() {
    let source = "fn ran__(n) { n }\nfn decide(service) { hold(`${ran__(1)}`) }";
    let found = stories::cover("p.test.toml", &plain(), &text(source)).unwrap_err();
    assert!(
        found[0].message.ends_with(
            "its coverage cannot be measured: it has the word ran__, which notes what ran"
        ),
        "{}",
        found[0]
    );
}

//! Policy tests as operators write them.

use sidestep::{
    config::parse_stories,
    model::{
        Diagnostic, SwitchBudget,
        story::{Cell, Happening, Story, StoryFreshness},
    },
};

/// The design's example.
pub(crate) const DESIGN: &str = r#"[[test]]
name     = "three failures move to the backup, five well minutes bring it home"
interval = "1s"                      # one character per interval; x*20 repeats
params   = { FALL = 3, RISE = 2, FAILBACK = "5m" }
primary  = "..... x*60 .*400"        # . good   x bad   - no result   ~900 good, taking 900 ms
backup   = ".*465"
expect   = [ { at = "8s", serve = "backup", reason = "primary is down" }, { at = "370s", serve = "primary" } ]
"#;

fn load(text: &str) -> Vec<Story> {
    parse_stories("failover.test.toml", text).unwrap_or_else(|errors| {
        let errors: Vec<String> = errors.iter().map(Diagnostic::to_string).collect();
        panic!("refused:\n{}", errors.join("\n"))
    })
}

#[test]
fn the_designs_example_is_a_story() {
    insta::assert_debug_snapshot!(load(DESIGN), @r##"
[
    Story {
        name: "three failures move to the backup, five well minutes bring it home",
        line: 1,
        interval_ms: 1000,
        timeout_ms: 999,
        ttl_ms: 30000,
        max_switches: Some(
            SwitchBudget {
                count: 6,
                window_ms: 600000,
            },
        ),
        params: {
            "FAILBACK": Text(
                "5m",
            ),
            "FALL": Int(
                3,
            ),
            "RISE": Int(
                2,
            ),
        },
        targets: [
            TargetName(
                "primary",
            ),
            TargetName(
                "backup",
            ),
        ],
        monitors: [
            MonitorName(
                "story",
            ),
        ],
        any: {},
        rows: [
            StoryRow {
                label: "primary",
                target: TargetName(
                    "primary",
                ),
                address: 1,
                monitor: MonitorName(
                    "story",
                ),
                vantage: None,
                timeline: Timeline {
                    runs: [
                        (
                            Good {
                                rtt_ms: None,
                            },
                            5,
                        ),
                        (
                            Bad,
                            60,
                        ),
                        (
                            Good {
                                rtt_ms: None,
                            },
                            400,
                        ),
                    ],
                    len: 465,
                },
            },
            StoryRow {
                label: "backup",
                target: TargetName(
                    "backup",
                ),
                address: 1,
                monitor: MonitorName(
                    "story",
                ),
                vantage: None,
                timeline: Timeline {
                    runs: [
                        (
                            Good {
                                rtt_ms: None,
                            },
                            465,
                        ),
                    ],
                    len: 465,
                },
            },
        ],
        freshness: {},
        happens: [],
        expect: [
            StoryExpectation {
                at_ms: 8000,
                dated: false,
                serve: [
                    TargetName(
                        "backup",
                    ),
                ],
                reason: Some(
                    "primary is down",
                ),
                ttl_ms: None,
                guard: None,
                alert: None,
                line: 7,
            },
            StoryExpectation {
                at_ms: 370000,
                dated: false,
                serve: [
                    TargetName(
                        "primary",
                    ),
                ],
                reason: None,
                ttl_ms: None,
                guard: None,
                alert: None,
                line: 7,
            },
        ],
        recording: None,
    },
]
"##);
    assert_eq!(load(DESIGN)[0].cells(), 465);
}

#[test]
fn every_key_of_a_test_is_read() {
    let text = r#"
[[test]]
interval = "5s"
zulu = """
    ...  ~2500*2
    x - """
alpha = ".*6"
"alpha@ns2" = "x*6"
name = "all"
timeout = "3s"
ttl = "1m"
max_switches = "none"
params = { A = 1, B = "10m", C = true }
freshness = { alpha = "stale", zulu = "fresh" }
asked = [{ at = "20s", what = "failback" }, { at = "5s", what = "failback" }]
expect = [{ at = "0s", serve = "zulu" }, { at = "30s", serve = ["alpha", "zulu"], ttl = "5s" }]
[[test]]
name = "defaults"
interval = "1s"
a = "."
expect = [{ at = "1s", serve = "a" }]
"#;
    let [all, defaults] = &load(text)[..] else {
        panic!("two")
    };
    let names: Vec<&str> = all.targets.iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["zulu", "alpha"], "in the order written");
    let vantages: Vec<Option<&str>> = all.rows.iter().map(|row| row.vantage.as_deref()).collect();
    assert_eq!(vantages, [None, None, Some("ns2")]);
    let cells: Vec<Cell> = all.rows[0].timeline.cells().collect();
    let good = Cell::Good { rtt_ms: None };
    let slow = Cell::Good {
        rtt_ms: Some(2_500),
    };
    assert_eq!(
        cells,
        [good, good, good, slow, slow, Cell::Bad, Cell::NoResult]
    );
    assert_eq!(
        (all.line, all.interval_ms, all.timeout_ms, all.ttl_ms),
        (2, 5_000, 3_000, 60_000)
    );
    assert_eq!((all.max_switches, all.params.len()), (None, 3));
    assert_eq!(all.freshness["alpha"], StoryFreshness::Stale);
    let asked: Vec<i64> = all.happens.iter().map(|one| one.at_ms).collect();
    assert_eq!(asked, [5_000, 20_000], "in the order of time");
    assert_eq!(
        (
            all.expect[1].serve.len(),
            all.expect[1].ttl_ms,
            all.expect[1].line
        ),
        (2, Some(5_000), 16)
    );
    assert_eq!((defaults.timeout_ms, defaults.ttl_ms), (999, 30_000));
    assert_eq!(defaults.max_switches, Some(SwitchBudget::default()));
}

/// A test with `lines` first, then those of a good one whose keys are not in them.
fn test(lines: &str) -> String {
    let others = [
        r#"name = "n""#,
        r#"interval = "1s""#,
        r#"primary = ".... x*6""#,
        r#"backup = ".*10""#,
        r#"expect = [{ at = "8s", serve = "backup" }]"#,
    ];
    let mut text = format!("[[test]]\n{lines}\n");
    for other in others {
        let key = other.split(' ').next();
        if lines.lines().all(|line| line.split(' ').next() != key) {
            text += &format!("{other}\n");
        }
    }
    text
}

#[test]
fn wrong_tests_are_pointed_at() {
    for (text, headline) in cases() {
        let errors = parse_stories("f.test.toml", &text).expect_err(&text);
        let headlines: Vec<String> = errors.iter().map(Diagnostic::headline).collect();
        assert_eq!(headlines, [headline], "{text}");
        assert_eq!(
            errors[0].excerpt.is_none(),
            errors[0].line == 0,
            "{headline}"
        );
    }
}

/// What was a target before it was a key is one still.
#[test]
fn a_target_may_be_named_as_a_later_key() {
    let text = r#"
[[test]]
name = "n"
interval = "1s"
recording = "..x"
service = ".*3"
happens = "x*3"
require = ".*3"
expect = [{ at = "3s", serve = "service" }]
"#;
    let story = &load(text)[0];
    let names: Vec<&str> = story.targets.iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["recording", "service", "happens", "require"]);
    assert!(story.recording.is_none() && story.happens.is_empty());
}

#[test]
fn rows_of_series_and_what_happens_are_read() {
    let text = r#"
[[test]]
name = "n"
interval = "1s"
require = { "w.1" = "any", b = "all" }
"w.1[2]/https@ns2" = ".*9"
"w.1[1]/login" = "x*9"
"b/https" = ".*9"
asked = [{ at = "5s", what = "failback" }]
happens = [
  { at = "5s", freshness = { b = "stale" }, age = "2h" },
  { at = "2s", switch = "b", for = "1h30m" },
  { at = "3s", clock = "-5m" },
  { at = "4s", drift = { b = 3, "w.1" = 0 } },
]
expect = [{ at = "9s", serve = "b", guard = "never-worse", alert = "x" }]
"#;
    let story = &load(text)[0];
    let rows = story.rows.iter();
    let places: Vec<_> = rows
        .map(|row| {
            (
                row.target.as_str(),
                row.address,
                row.monitor.as_str(),
                row.vantage.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            ("w.1", 2, "https", Some("ns2")),
            ("w.1", 1, "login", None),
            ("b", 1, "https", None)
        ]
    );
    let monitors: Vec<&str> = story.monitors.iter().map(|name| name.as_str()).collect();
    assert_eq!(monitors, ["https", "login"], "in the order written");
    assert_eq!(
        Vec::from_iter(story.any.iter().map(|name| name.as_str())),
        ["w.1"]
    );
    let happens = story
        .happens
        .iter()
        .map(|one| (one.at_ms, one.what.clone()));
    let drift = |target: &str, differences| Happening::Drift {
        target: target.into(),
        differences,
    };
    assert_eq!(
        happens.collect::<Vec<_>>(),
        [
            (
                2_000,
                Happening::Switch {
                    target: "b".into(),
                    for_ms: Some(5_400_000)
                }
            ),
            (3_000, Happening::Clock { by_ms: -300_000 }),
            (4_000, drift("b", 3)),
            (4_000, drift("w.1", 0)),
            (5_000, Happening::Failback),
            (
                5_000,
                Happening::Freshness {
                    target: "b".into(),
                    is: StoryFreshness::Stale,
                    age_ms: 7_200_000
                }
            ),
        ],
        "in the order of time, what is asked first"
    );
    let expected = &story.expect[0];
    assert_eq!(expected.guard.as_deref(), Some("never-worse"));
    assert_eq!(expected.alert.as_deref(), Some("x"));
}

#[test]
fn a_test_on_a_recording_is_read() {
    let text = r#"
[[test]]
name = "n"
recording = "outage.jsonl.zst"
service = "www"
params = { FALL = 3 }
expect = [{ at = "10m", serve = "b" }, { at = "2025-11-22T08:26:40Z", serve = ["a", "c"] }]
"#;
    let story = &load(text)[0];
    let source = story.recording.as_ref().unwrap();
    assert_eq!(
        (source.path.as_str(), source.service.as_deref()),
        ("outage.jsonl.zst", Some("www"))
    );
    let at: Vec<(i64, bool)> = story
        .expect
        .iter()
        .map(|one| (one.at_ms, one.dated))
        .collect();
    assert_eq!(at, [(600_000, false), (1_763_800_000_000, true)]);
    assert!(story.rows.is_empty() && story.params.len() == 1);
}

/// A test on a recording with these lines.
fn on_recording(lines: &str) -> String {
    let head = "[[test]]\nname = \"n\"\nrecording = \"r.jsonl\"\n";
    let expect = match lines.contains("expect") {
        true => "",
        false => "expect = [{ at = \"8s\", serve = \"b\" }]\n",
    };
    format!("{head}{lines}\n{expect}")
}

fn cases() -> Vec<(String, &'static str)> {
    let mut cases = first_cases();
    cases.extend(later_cases());
    cases
}

fn later_cases() -> Vec<(String, &'static str)> {
    let happens = |item: &str| test(&format!("happens = [{{ {item} }}]"));
    vec![
        (
            test("\"primary/https\" = \".*10\"\nprimary = \".\"")
                .replace("\nbackup = ", "\n\"backup/https\" = "),
            r##"f.test.toml:3:1: row 'primary' names no monitor, and 'primary/https' names one: write "primary/https""##,
        ),
        (
            test("\"primary[2]\" = \".*10\"\n\"primary@ns2\" = \".\"\nprimary = \".\"")
                .replace("\nprimary = \".\"", "\n#primary"),
            r##"f.test.toml:3:1: row 'primary@ns2' names no address, and 'primary[2]' names one: write "primary[1]@ns2""##,
        ),
        (
            test("\"primary[0]\" = \".\""),
            r##"f.test.toml:2:1: 'primary[0]' is no address of a target: write its number, 1 to 16, such as "primary[2]""##,
        ),
        (
            test("\"primary[2\" = \".\""),
            r##"f.test.toml:2:1: 'primary[2' is no address of a target: write its number, 1 to 16, such as "primary[2]""##,
        ),
        (
            test("\"primary/\" = \".\""),
            r##"f.test.toml:2:1: a name cannot be empty"##,
        ),
        (
            test("require = { primary = \"some\" }"),
            r##"f.test.toml:2:23: 'some' is nothing to require: write all or any"##,
        ),
        (
            test("require = { primry = \"any\" }"),
            r##"f.test.toml:2:13: unknown target 'primry', did you mean 'primary'?"##,
        ),
        (
            test("service = \"www\""),
            r##"f.test.toml:2:1: `service` is of a test on a recording: write `recording`, or remove it"##,
        ),
        (
            happens(r#"at = "1s""#),
            r##"f.test.toml:2:12: an item of `happens` needs what happens, such as `drain = "backup"`"##,
        ),
        (
            happens(r#"hold = true"#),
            r##"f.test.toml:2:12: an item of `happens` needs `at`"##,
        ),
        (
            happens(r#"at = "11s", hold = true"#),
            r##"f.test.toml:2:19: this is after the longest row, which ends at 10s: lengthen a row"##,
        ),
        (
            happens(r#"at = "1s", hold = true, thaw = true"#),
            r##"f.test.toml:2:38: `hold` and `thaw` are two items: write them one by one"##,
        ),
        (
            happens(r#"at = "1s", hold = false"#),
            r##"f.test.toml:2:25: `hold = false` is nothing that happens: leave the item out"##,
        ),
        (
            happens(r#"at = "1s", thaw = true, for = "1h""#),
            r##"f.test.toml:2:38: `for` goes with switch, hold, drain and freeze, not with `thaw`"##,
        ),
        (
            happens(r#"at = "1s", hold = true, for = "10ms""#),
            r##"f.test.toml:2:44: `for` is 10ms; it must be from 1s to 41666d16h"##,
        ),
        (
            happens(r#"at = "1s", hold = true, age = "1h""#),
            r##"f.test.toml:2:38: `age` goes with freshness, not with `hold`"##,
        ),
        (
            happens(r#"at = "1s", switch = "bakup""#),
            r##"f.test.toml:2:34: unknown target 'bakup', did you mean 'backup'?"##,
        ),
        (
            happens(r#"at = "1s", swich = "backup""#),
            r##"f.test.toml:2:25: unknown key 'swich', did you mean 'switch'?"##,
        ),
        (
            happens(r#"at = "1s", witnesses = "dead""#),
            r##"f.test.toml:2:37: unknown `witnesses` 'dead': write one of silent, answer"##,
        ),
        (
            happens(r#"at = "1s", freshness = { backup = "old" }"#),
            r##"f.test.toml:2:48: 'old' is no freshness: write fresh, stale or unknown"##,
        ),
        (
            happens(r#"at = "1s", drift = { backup = -1 }"#),
            r##"f.test.toml:2:44: `drift` is how many differences, 0 or more"##,
        ),
        (
            happens(r#"at = "1s", clock = "1h""#),
            r##"f.test.toml:2:33: '1h' is no jump of a clock: write "+1h" or "-5m""##,
        ),
        (
            test(r#"expect = [{ at = "8s", serve = "backup", guard = "isolatd" }]"#),
            r##"f.test.toml:2:50: unknown `guard` 'isolatd', did you mean 'isolated'?"##,
        ),
        (
            on_recording("interval = \"1s\""),
            r##"f.test.toml:4:1: `interval` of a test on a recording is in the recording: remove it"##,
        ),
        (
            on_recording("primary = \"...\""),
            r##"f.test.toml:4:1: row 'primary' of a test on a recording: the results are in the recording, remove it"##,
        ),
        (
            on_recording("expect = [{ at = \"yesterday\", serve = \"b\" }]"),
            r##"f.test.toml:4:18: 'yesterday' is no instant of a recording: write "2026-11-22T18:49:46Z", or "10m" after its begin"##,
        ),
        (
            on_recording(
                "expect = [{ at = \"2m\", serve = \"b\" }, { at = \"1m\", serve = \"b\" }]",
            ),
            r##"f.test.toml:4:46: earlier than the expectation before it: write them in the order of time"##,
        ),
    ]
}

fn first_cases() -> Vec<(String, &'static str)> {
    vec![
        (
            String::new(),
            r##"f.test.toml: there is no [[test]]: write one, or remove the file"##,
        ),
        (
            "[[test]]\nname = \"n".to_owned(),
            r##"f.test.toml:2:10: invalid basic string, expected `"`"##,
        ),
        (
            "[test]\nname = \"n\"".to_owned(),
            r##"f.test.toml:1:2: `test` is a list of tables: write [[test]] with two brackets"##,
        ),
        (
            "tests = 1\n".to_owned() + test("").as_str(),
            r##"f.test.toml:1:1: unknown key 'tests', did you mean 'test'?"##,
        ),
        (
            test(r#"name = """#),
            r##"f.test.toml:2:8: the name is empty: say what the policy does"##,
        ),
        (
            test(r#"name = 1"#),
            r##"f.test.toml:2:8: `name` must be text in quotes, not a number"##,
        ),
        (
            test(r#"interval = "1""#),
            r##"f.test.toml:2:12: '1' is no duration: write "5s", "250ms", "10m" or "1h30m""##,
        ),
        (
            test(r#"interval = "10ms""#),
            r##"f.test.toml:2:12: `interval` is 10ms; it must be from 100ms to 1h"##,
        ),
        (
            test(r#"intervall = "1s""#),
            r##"f.test.toml:2:14: '1' is no result: write '.', 'x', '-' or '~900', and 'x*20' to repeat, did you mean the key 'interval'?"##,
        ),
        (
            test(r#"timeout = "1s""#),
            r##"f.test.toml:2:11: timeout 1s is not below interval 1s: set a shorter `timeout`"##,
        ),
        (
            test(r#"primary = ".... y""#),
            r##"f.test.toml:2:17: 'y' is no result: write '.', 'x', '-' or '~900', and 'x*20' to repeat"##,
        ),
        (
            test(r#"primary = ".... x*0""#),
            r##"f.test.toml:2:17: '*' needs how often, 1 to 1000000: write "x*20""##,
        ),
        (
            test(r#"primary = ".... ~""#),
            r##"f.test.toml:2:17: '~' needs the time in ms, 1 to 3600000: write "~900""##,
        ),
        (
            test(
                r#"primary = """
.... 
 x y""""#,
            ),
            r##"f.test.toml:4:4: 'y' is no result: write '.', 'x', '-' or '~900', and 'x*20' to repeat"##,
        ),
        (
            test(r#"primary = "~1500""#),
            r##"f.test.toml:2:11: ~1500 is longer than the timeout of 999ms: set `timeout`, or write 'x'"##,
        ),
        (
            test(r#"primary = ".*1000001""#),
            r##"f.test.toml:2:12: '*' needs how often, 1 to 1000000: write "x*20""##,
        ),
        (
            test(r#"primary = ".*1000000 .""#),
            r##"f.test.toml:2:22: the timeline is longer than 1000000 results here: shorten it"##,
        ),
        (
            test(r#"primary = 5"#),
            r##"f.test.toml:2:1: row 'primary' must be text in quotes, such as "..... x*60""##,
        ),
        (
            test(r#""pri mary" = ".""#),
            r##"f.test.toml:2:1: ' ' cannot be part of the name 'pri mary': use letters, digits, '-', '_' and '.'"##,
        ),
        (
            test(r#""primary@" = ".""#),
            r##"f.test.toml:2:1: a name cannot be empty"##,
        ),
        (
            test(r#"expect = []"#),
            r##"f.test.toml:2:10: `expect` is empty: a test that expects nothing cannot fail"##,
        ),
        (
            test(r#"expect = "backup""#),
            r##"f.test.toml:2:10: `expect` must be a list of tables, such as [{ at = "8s" }], not text"##,
        ),
        (
            test(r#"expect = ["backup"]"#),
            r##"f.test.toml:2:11: every item of `expect` must be a table, such as { at = "8s" }"##,
        ),
        (
            test(r#"expect = [{ at = "8s" }]"#),
            r##"f.test.toml:2:11: an item of `expect` needs `serve`"##,
        ),
        (
            test(r#"expect = [{ serve = "backup" }]"#),
            r##"f.test.toml:2:11: an item of `expect` needs `at`"##,
        ),
        (
            test(r#"expect = [{ at = "8", serve = "backup" }]"#),
            r##"f.test.toml:2:18: '8' is no duration: write "5s", "250ms", "10m" or "1h30m""##,
        ),
        (
            test(r#"expect = [{ at = "8s", serve = "bakup" }]"#),
            r##"f.test.toml:2:32: unknown target 'bakup', did you mean 'backup'?"##,
        ),
        (
            test(r#"expect = [{ at = "8s", serve = [] }]"#),
            r##"f.test.toml:2:24: `serve` is empty: something is always served"##,
        ),
        (
            test(r#"expect = [{ at = "8s", serve = 1 }]"#),
            r##"f.test.toml:2:32: `serve` must be text or a list of texts, not a number"##,
        ),
        (
            test(r#"expect = [{ at = "11s", serve = "backup" }]"#),
            r##"f.test.toml:2:18: this is after the longest row, which ends at 10s: lengthen a row"##,
        ),
        (
            test(r#"expect = [{ at = "8s", serve = "backup" }, { at = "7s", serve = "primary" }]"#),
            r##"f.test.toml:2:51: earlier than the expectation before it: write them in the order of time"##,
        ),
        (
            test(r#"expect = [{ at = "8s", serve = "backup", resaon = "x" }]"#),
            r##"f.test.toml:2:42: unknown key 'resaon', did you mean 'reason'?"##,
        ),
        (
            test(r#"expect = [{ at = "8s", serve = "backup", ttl = "1500ms" }]"#),
            r##"f.test.toml:2:48: a TTL is whole seconds: write "30s" or "1m""##,
        ),
        (
            test(r#"max_switches = "many""#),
            r##"f.test.toml:2:16: 'many' is no switch budget: write "6/10m", or "none" for no limit"##,
        ),
        (
            test(r#"ttl = "0s""#),
            r##"f.test.toml:2:7: `ttl` is 0s; it must be from 1s to 1d"##,
        ),
        (
            test(r#"params = { A = 1.5 }"#),
            r##"f.test.toml:2:16: parameter `A` must be a whole number, text, true or false, not a number with a point"##,
        ),
        (
            test(r#"freshness = { bakcup = "stale" }"#),
            r##"f.test.toml:2:15: unknown target 'bakcup', did you mean 'backup'?"##,
        ),
        (
            test(r#"freshness = { backup = "old" }"#),
            r##"f.test.toml:2:24: 'old' is no freshness: write fresh, stale or unknown"##,
        ),
        (
            test(r#"asked = [{ at = "2s", what = "fallback" }]"#),
            r##"f.test.toml:2:30: unknown `what` 'fallback', did you mean 'failback'?"##,
        ),
        (
            test(r#"asked = [{ at = "2s" }]"#),
            r##"f.test.toml:2:10: an item of `asked` needs `what`"##,
        ),
        (
            test(r#"asked = [{ at = "20s", what = "failback" }]"#),
            r##"f.test.toml:2:17: this is after the longest row, which ends at 10s: lengthen a row"##,
        ),
        (
            test("") + test("").as_str(),
            r##"f.test.toml:10:8: test 'n' is there already, on line 3: choose another name"##,
        ),
        (
            "[[test]]\nname = \"n\"\ninterval = \"1s\"\nexpect = [{ at = \"0s\", serve = \"a\" }]"
                .to_owned(),
            r##"f.test.toml:1:1: a test needs a row for each target, such as primary = "..... x*60""##,
        ),
        (
            test("").replace("name = \"n\"\n", ""),
            r##"f.test.toml:1:1: a test needs `name`"##,
        ),
        (
            test("").replace("interval = \"1s\"\n", ""),
            r##"f.test.toml:1:1: a test needs `interval`"##,
        ),
        (
            test("").replace("expect", "#"),
            r##"f.test.toml:1:1: a test needs `expect`"##,
        ),
    ]
}

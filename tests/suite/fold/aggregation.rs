//! Many series, one value: worked cases, computed by hand.

use super::{BEGIN, Bench, config};
use sidestep::failover::{Input, NoFigure};
use sidestep::model::{Config, Observation, Require};

/// `require | target/address/monitor/vantage cells; … | failures successes | vantages
/// failing(2) passing(2) | clean dirty`: probes every 5 s, timeout 2 s, so fresh for 17 s; read
/// at the instant of the last cell; clean and dirty in seconds. The first result is at 5 s.
const TABLE: &str = "
# one series
all | 1/a/v ...                               | 0 3 | 1 0 1 | 10  0
all | 1/a/v ..x                               | 1 0 | 1 0 0 |  0  5
all | 1/a/v .xx                               | 2 0 | 1 1 0 |  0 10
all | 1/a/v xx.                               | 0 1 | 1 0 0 |  5  0
# the worst address speaks, or the best
all | 1/a/v ...; 2/a/v .xx                    | 2 0 | 1 1 0 |  0 10
any | 1/a/v ...; 2/a/v .xx                    | 0 3 | 1 0 1 | 10  0
any | 1/a/v xxx; 2/a/v .xx                    | 2 0 | 1 1 0 |  0 10
# what a majority of the vantages reach
all | 1/a/v .xx; 1/a/w ...                    | 0 0 | 2 1 1 |  0  0
all | 1/a/v .xx; 1/a/w xxx; 1/a/x ...         | 2 0 | 3 2 1 |  0 10
all | 1/a/v xxxx; 1/a/w .xxx; 1/a/x ..xx; 1/a/y .... | 2 0 | 4 3 1 | 0 10
all | 1/a/v xx; 1/a/w x.; 1/a/x ..; 1/a/y ..; 1/a/z .x | 0 1 | 5 1 2 | 5 0
# each vantage's worst address first, then the majority
all | 1/a/v ..; 2/a/v xx; 1/a/w ..; 2/a/w ..  | 0 0 | 2 1 1 |  0  0
all | 1/a/v ..; 2/a/v xx; 1/a/w xx; 2/a/w ..  | 2 0 | 2 2 0 |  0  5
# the worst monitor
all | 1/a/v ...; 1/b/v .xx                    | 2 0 | 1 1 0 |  0 10
all | 1/a/v xx; 1/a/w xx; 1/a/x ..; 1/b/v ..; 1/b/w ..; 1/b/x xx | 2 0 | 3 3 0 | 0 5
# a monitor of which nothing is fresh counts 0
all | 1/a/v ...; 1/b/v ---                    | 0 0 | 1 0 0 |  0  0
all | 1/a/v xxx; 1/b/v ---                    | 3 0 | 1 1 0 |  0 10
all | 1/a/v --.; 1/b/v .--                    | 0 1 | 1 0 0 |  0 10
# nothing at all; silence to the edge of freshness and past it
all | 1/a/v -                                 | 0 0 | 0 0 0 |  0  0
all | 1/a/v ..---                             | 0 2 | 1 0 1 | 20 15
all | 1/a/v ..----                            | 0 0 | 0 0 0 |  0  0
all | 1/a/v xx--x                             | 3 0 | 1 1 0 |  0 20
all | 1/a/v xx----x                           | 1 0 | 1 0 0 |  0  0
all | 1/a/v ..----.                           | 0 1 | 1 0 0 |  0  0
# who is silent has no voice
all | 1/a/v xxx----; 1/a/w .......            | 0 7 | 1 0 1 | 30  0
all | 1/a/v xx-----; 2/a/v .......            | 0 7 | 1 0 1 | 30  0
# late failures and our own shortages are no results; a late success counts for the streak
all | 1/a/v ..X                               | 0 2 | 1 0 1 | 10  5
all | 1/a/v ..G                               | 0 3 | 1 0 1 | 10  0
all | 1/a/v ..n                               | 0 2 | 1 0 1 | 10  5
all | 1/a/v xxXnx                             | 3 0 | 1 1 0 |  0 20
";

/// Target `t` with two addresses, monitors `a` and, where `both`, `b`.
fn two_by_two(any: bool, both: bool) -> Config {
    let mut config = config(&[("t", &["192.0.2.1", "192.0.2.2"])]);
    let mut monitor = config.monitors.remove("tcp").unwrap();
    for name in ["a", "b"] {
        monitor.name = name.into();
        config.monitors.insert(name.into(), monitor.clone());
    }
    let service = config.services.get_mut("www").unwrap();
    service.monitors = if both {
        vec!["a".into(), "b".into()]
    } else {
        vec!["a".into()]
    };
    if any {
        config.targets.get_mut("t").unwrap().require = Require::Any;
    }
    config
}

#[test]
fn many_series_have_one_value_as_the_table_says() {
    let mut cases = 0;
    for line in TABLE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let lanes: Vec<(String, &str)> = columns[1]
            .split(';')
            .map(|lane| lane.trim().split_once(' ').unwrap())
            .map(|(place, cells)| (format!("t/{place}"), cells))
            .collect();
        let config = two_by_two(columns[0] == "any", columns[1].contains("/b/"));
        let mut bench = Bench::new(config);
        let lanes: Vec<(&str, &str)> = lanes.iter().map(|(p, c)| (p.as_str(), *c)).collect();
        bench.play(&lanes);
        // Time is the fold's: an input that says nothing brings it to the end of the lanes.
        bench.feed(Input::Tick);
        let t = bench.view().primary();
        let found = [
            t.failures(),
            t.successes(),
            t.vantages(),
            t.vantages_failing(2),
            t.vantages_passing(2),
            t.clean_for_ms() / 1_000,
            t.dirty_for_ms() / 1_000,
        ];
        let wanted = columns[2..].join(" ");
        let wanted: Vec<i64> = wanted
            .split_whitespace()
            .map(|n| n.parse().unwrap())
            .collect();
        assert_eq!(found.as_slice(), wanted, "{line}");
        cases += 1;
    }
    assert_eq!(cases, 30);
}

#[test]
fn a_series_is_fresh_for_three_intervals_and_a_timeout_to_the_ms() {
    for (silence_ms, successes) in [(17_000, 2), (17_001, 0)] {
        let mut bench = Bench::new(two_by_two(false, false));
        bench.play(&[("t/1/a/v", "..")]);
        bench.now_ms += silence_ms;
        bench.feed(Input::Tick);
        assert_eq!(bench.view().primary().successes(), successes);
        // A streak goes on over a silence of that length, and no longer one.
        let seen = super::observation(&bench.config, "t/1/a/v", '.');
        bench.feed(Input::Probe(seen.unwrap()));
        assert_eq!(bench.view().primary().successes(), successes + 1);
    }
}

#[test]
fn one_vantage_and_one_monitor_are_read_alone() {
    let mut bench = Bench::new(two_by_two(false, true));
    bench.play(&[("t/1/a/v", ".."), ("t/1/b/v", "xx"), ("t/1/a/w", "x.")]);
    let t = bench.view().primary();
    assert_eq!(t.at("v").failures(), 2);
    assert_eq!(t.at("w").failures(), 0);
    assert_eq!(t.at("nobody").failures(), 0);
    assert_eq!(t.monitor("b").unwrap().failures(), 2);
    assert_eq!(t.monitor("a").unwrap().at("v").successes(), 2);
    assert_eq!(t.monitor("a").unwrap().at("w").successes(), 1);
    assert!(t.monitor("c").is_none());
}

#[test]
fn a_monitor_of_a_family_that_the_target_lacks_says_nothing() {
    let mut config = two_by_two(false, true);
    config.monitors.get_mut("a").unwrap().family = Some(sidestep::model::Family::V6);
    let mut bench = Bench::new(config);
    bench.play(&[("t/1/b/v", ".."), ("t/2/b/v", "..")]);
    assert_eq!(bench.view().primary().successes(), 2);
    assert_eq!(bench.view().primary().loss(10_000), Ok(0));
}

/// `cells | window s | loss | p50 | p95`: a cell is a round-trip time in µs, `x` or `-`; 5 s each.
const WINDOWS: &str = "
20000*10                | 50 |    0 | 20 | 20
20000 20000 x           | 15 |  334 | 20 | 20
x x x                   | 15 | 1000 | () | ()
-*2 20000*8             | 50 |    0 | 20 | 20
-*3 20000*7             | 50 |   () | () | ()
10000 20000 30000 40000 | 20 |    0 | 20 | 40
10000 20000 30000       | 15 |    0 | 20 | 30
20001                   |  5 |    0 | 21 | 21
1                       |  5 |    0 |  1 |  1
x 20000 20000           | 10 |    0 | 20 | 20
x 20000 20000           | 14 |  334 | 20 | 20
x 20000 20000           | 15 |  334 | 20 | 20
-*20 1000*80            | 500 |   0 |  1 |  1
-*21 1000*79            | 500 |  () | () | ()
20000                   |  0 |   () | () | ()
20000                   | -1 |   () | () | ()
x 1000*999              | 600 |   0 |  1 |  1
1000*119 x              | 600 |   9 |  1 |  1
20000*10 -*2            | 60 |    0 | 20 | 20
20000*10 -*10           | 50 |   () | () | ()
1000*95 9000*5          | 500 |   0 |  1 |  1
1000*94 9000*6          | 500 |   0 |  1 |  9
";

#[test]
fn windows_have_figures_as_the_table_says() {
    for line in WINDOWS.lines().filter(|line| !line.is_empty()) {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let mut bench = Bench::new(config(&[("t", &["192.0.2.1"])]));
        for word in columns[0].split_whitespace() {
            let (cell, times) = word.split_once('*').unwrap_or((word, "1"));
            for _ in 0..times.parse::<usize>().unwrap() {
                bench.now_ms += 5_000;
                let ok = cell != "x";
                if cell == "-" {
                    continue;
                }
                let seen = super::observation(&bench.config, "t", if ok { '.' } else { 'x' });
                let seen = Observation {
                    rtt_us: cell.parse().ok(),
                    ..seen.unwrap()
                };
                bench.feed(Input::Probe(seen));
            }
        }
        bench.feed(Input::Tick);
        let window_ms = columns[1].parse::<i64>().unwrap() * 1_000;
        let t = bench.view().primary();
        let show = |figure: Result<i64, NoFigure>| match figure {
            Ok(figure) => figure.to_string(),
            Err(NoFigure::TooFewResults) => "()".to_owned(),
            Err(other) => format!("{other:?}"),
        };
        let found = [
            show(t.loss(window_ms)),
            show(t.percentile_ms(window_ms, 50)),
            show(t.percentile_ms(window_ms, 95)),
        ];
        assert_eq!(found.as_slice(), &columns[2..], "{line}");
    }
}

#[test]
fn windows_read_all_series_of_the_first_monitor_and_no_late_result() {
    let mut bench = Bench::new(two_by_two(false, true));
    bench.play(&[("t/1/a/v", ".."), ("t/2/a/v", "xx"), ("t/1/b/v", "xx")]);
    let t = bench.view().primary();
    assert_eq!(t.loss(10_000), Ok(500));
    assert_eq!(t.monitor("b").unwrap().loss(10_000), Ok(1_000));
    assert_eq!(t.at("nobody").loss(10_000), Err(NoFigure::TooFewResults));
    bench.play(&[("t/1/a/v", "GGG"), ("t/2/a/v", "XXX")]);
    let t = bench.view().primary();
    assert_eq!(t.loss(25_000), Err(NoFigure::TooFewResults));
    assert_eq!(t.results_in(25_000), 4);
}

#[test]
fn windows_longer_than_results_are_kept_are_a_fault_and_no_window_overflows() {
    let mut bench = Bench::new(config(&[("t", &["192.0.2.1"])]));
    bench.play(&[("t", &".".repeat(200))]);
    let t = bench.view().primary();
    assert_eq!(t.loss(600_000), Ok(0));
    let kept_ms = 600_000;
    assert_eq!(t.loss(600_001), Err(NoFigure::LongerThanKept { kept_ms }));
    assert_eq!(t.loss(i64::MAX), Err(NoFigure::LongerThanKept { kept_ms }));
    assert_eq!(t.loss(i64::MIN), Err(NoFigure::TooFewResults));
    assert_eq!(t.percentile_ms(i64::MIN, 50), Err(NoFigure::TooFewResults));
    assert_eq!(bench.view().switches(i64::MIN), 0);
    assert_eq!(bench.view().switches(i64::MAX), 0);
    // Kept is what the window needs and no more.
    let kept = &bench.state.world().groups[0].series[0].results;
    assert_eq!(kept.len(), 120);
}

#[test]
fn a_longer_window_of_the_policy_keeps_more() {
    let mut config = config(&[("t", &["192.0.2.1"])]);
    config.services.get_mut("www").unwrap().keep_ms = 900_000;
    let mut bench = Bench::new(config);
    bench.play(&[("t", &".".repeat(200))]);
    assert_eq!(bench.view().primary().loss(900_000), Ok(0));
    assert_eq!(bench.view().kept_ms(), 900_000);
}

#[test]
fn facts_of_a_target_are_as_last_seen() {
    let mut bench = Bench::new(config(&[("t", &["192.0.2.1"])]));
    let t = bench.view().primary();
    assert_eq!(
        (t.error(), t.cert_days(), t.number(), t.drift()),
        (None, -1, -1, 0)
    );
    assert_eq!((t.age_ms(), t.left_for_ms()), (BEGIN, BEGIN));
    drop(t);
    bench.play(&[("t", "x.")]);
    bench.now_ms += 1_000;
    bench.feed(Input::Tick);
    let t = bench.view().primary();
    assert_eq!(t.error().map(|error| error.word()), Some("timeout"));
    assert_eq!(t.age_ms(), 1_000);
    assert!(t.ever_good());
}

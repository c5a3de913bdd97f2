//! Other people's histories: CSV, Prometheus, Uptime Kuma.

use super::Kept;
use sidestep::{
    model::{Config, Timestamp},
    recording::{self, Item, Labels, Notes, Reading},
};
use std::fmt::Write as _;

/// 2025-11-22T08:26:40Z.
const BEGIN: i64 = 1_763_800_000;

/// A history in short: its configuration and its results, one a line.
struct Told {
    config: Config,
    results: String,
    notes: Notes,
}

fn told(kept: &Kept, reading: &Reading) -> Result<Told, String> {
    let said = |error| kept.without_folder(&error);
    let mut recording = recording::open(&kept.path(), reading).map_err(said)?;
    let mut results = String::new();
    while let Some(item) = recording.next() {
        let Item::Probe(seen) = item.map_err(said)? else {
            panic!("only results are expected")
        };
        let key = &recording.series()[seen.series];
        let (after_ms, ok) = (
            seen.at.0 - BEGIN * 1_000,
            if seen.ok { "good" } else { "bad" },
        );
        let rtt = seen.rtt_us.map_or(String::new(), |us| format!(" {us}"));
        let place = format!("{} {} {}", key.target, key.monitor, key.vantage);
        writeln!(results, "{} {after_ms} {place} {ok}{rtt}", seen.seq).unwrap();
    }
    Ok(Told {
        config: recording.header().config.clone(),
        results,
        notes: recording.notes().clone(),
    })
}

fn csv(text: impl AsRef<[u8]>) -> Result<Told, String> {
    told(&Kept::new("a.csv", text), &Reading::default())
}

const PLAIN: &str = "time,target,ok,rtt_ms
2025-11-22T08:26:40Z,web1,1,41.2
2025-11-22T08:26:41Z,web2,1,39
2025-11-22T08:26:45Z,web1,0,
2025-11-22T08:26:46Z,web2,1,40
2025-11-22T08:26:50Z,web1,0,
2025-11-22T08:26:51Z,web2,1,38.0005
";

const PLAIN_TOLD: &str = "1 0 web1 probe local good 41200
2 1000 web2 probe local good 39000
3 5000 web1 probe local bad
4 6000 web2 probe local good 40000
5 10000 web1 probe local bad
6 11000 web2 probe local good 38001
";

#[test]
fn a_csv_has_a_header_made_from_what_is_in_it() {
    let told = csv(PLAIN).unwrap();
    assert_eq!(told.results, PLAIN_TOLD);
    assert_eq!(told.notes.lines, 7);
    let service = &told.config.services["imported"];
    assert_eq!(service.targets, ["web1".into(), "web2".into()]);
    assert_eq!(service.names, ["imported.example".into()]);
    assert_eq!((service.ttl_ms, service.max_switches), (30_000, None));
    assert_eq!(&*service.policy, "failover.rhai");
    let monitor = &told.config.monitors["probe"];
    assert_eq!((monitor.interval_ms, monitor.timeout_ms), (5_000, 2_000));
    let addresses: Vec<_> = told
        .config
        .targets
        .values()
        .map(|one| one.addresses[0])
        .collect();
    assert_eq!(
        addresses,
        [
            std::net::IpAddr::from([198, 18, 0, 1]),
            std::net::IpAddr::from([198, 18, 0, 2])
        ]
    );
}

#[test]
fn a_csv_comes_in_many_spellings() {
    let lines: Vec<&str> = PLAIN.lines().collect();
    let mut backwards = lines.clone();
    backwards[1..].reverse();
    let spelt = [
        PLAIN.replace(',', ";"),
        PLAIN.replace(',', "\t"),
        format!("\u{feff}\n{}", PLAIN.replace('\n', "\r\n\r\n")),
        PLAIN.replace("time,target,ok,rtt_ms", " Time , TARGET,Ok,\"RTT_ms\""),
        PLAIN.replace(",1,", ",UP,").replace(",0,", ",down,"),
        PLAIN.replace(",1,", ",true,").replace(",0,", ",fail,"),
        PLAIN
            .replace("2025-11-22T08:26:", "2025-11-22 09:26:")
            .replace("Z,", "+01:00,"),
        backwards.join("\n"),
    ];
    for text in spelt {
        let told = csv(&text).unwrap_or_else(|why| panic!("{why}\n{text}"));
        assert_eq!(told.results, PLAIN_TOLD, "{text}");
    }
    let numbers =
        "ok,time,note,target\n1,1763800000,x,web1\n0,1763800005.25,y,web1\n1,1763800010000,,web1\n";
    assert_eq!(
        csv(numbers).unwrap().results,
        "1 0 web1 probe local good\n2 5250 web1 probe local bad\n3 10000 web1 probe local good\n"
    );
    let seen = "time,target,ok,rtt_ms,monitor,vantage\n1763800000,a,1,1,https,fra\n1763800001,a,1,2,https,sin\n";
    assert_eq!(
        csv(seen).unwrap().results,
        "1 0 a https fra good 1000\n2 1000 a https sin good 2000\n"
    );
}

#[test]
fn a_bad_row_of_a_csv_is_an_error_with_its_line() {
    let row = |row: &str| format!("time,target,ok,rtt_ms\n1763800000,a,1,1\n\n{row}\n");
    let cases = [
        (
            row("yesterday,a,1,1"),
            "a.csv:4: 'yesterday' is no time: write 2026-11-22T18:49:46Z, or seconds or milliseconds since 1970",
        ),
        (
            row("1763800000000000,a,1,1"),
            "a.csv:4: '1763800000000000' is no time: write 2026-11-22T18:49:46Z, or seconds or milliseconds since 1970",
        ),
        (
            row("2025-11-22 08:26:40,a,1,1"),
            "a.csv:4: '2025-11-22 08:26:40' is no time: write 2026-11-22T18:49:46Z, or seconds or milliseconds since 1970",
        ),
        (
            row("nan,a,1,1"),
            "a.csv:4: 'nan' is no time: write 2026-11-22T18:49:46Z, or seconds or milliseconds since 1970",
        ),
        (row("1763800005,,1,1"), "a.csv:4: the target is missing"),
        (
            row("1763800005,a,maybe,1"),
            "a.csv:4: 'maybe' is no verdict: ok is one of 1 0 true false up down ok fail",
        ),
        (
            row("1763800005,a,1,-1"),
            "a.csv:4: '-1' is no rtt_ms: write milliseconds, such as 41.2, or nothing",
        ),
        (
            row("1763800005,a,1"),
            "a.csv:4: fields: 3, where the first line names 4 columns",
        ),
        (
            "time,target,okay,rtt_ms\n".to_owned(),
            "a.csv:1: there is no column 'ok': a CSV begins with time,target,ok,rtt_ms and may have monitor,vantage",
        ),
        (
            "time,traget,ok,rtt_ms\n".to_owned(),
            "a.csv:1: there is no column 'target' (is it 'traget'?): a CSV begins with time,target,ok,rtt_ms and may have monitor,vantage",
        ),
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|case| csv(&case.0).err().unwrap_or_default())
        .collect();
    let expected: Vec<&str> = cases.iter().map(|case| case.1).collect();
    assert_eq!(said, expected);
    // None at all is no mistake.
    assert_eq!(csv("time,target,ok,rtt_ms\n").unwrap().results, "");
}

#[test]
fn targets_stand_in_the_order_that_is_asked_for() {
    let kept = Kept::new("a.csv", PLAIN);
    let order = |names: &[&str]| Reading {
        order: names.iter().map(|&name| name.into()).collect(),
        ..Reading::default()
    };
    let told_ = told(&kept, &order(&["web2"])).unwrap();
    assert_eq!(
        told_.config.services["imported"].targets,
        ["web2".into(), "web1".into()]
    );
    let why = told(&kept, &order(&["wbe2"])).err().unwrap();
    assert_eq!(
        why,
        "a.csv: no target 'wbe2' to put in order: did you mean 'web2'?"
    );
    let why = told(&kept, &order(&["nobody"])).err().unwrap();
    assert_eq!(
        why,
        "a.csv: no target 'nobody' to put in order: there are web1, web2"
    );
}

/// Rows of monitors: target, monitor, seconds between.
fn monitored(rows: &[(&str, &str, i64)]) -> Told {
    let mut text = "time,target,ok,rtt_ms,monitor\n".to_owned();
    for at in 0..600 {
        for (target, monitor, every) in rows {
            if at % every == 0 {
                writeln!(text, "{},{target},1,5,{monitor}", BEGIN + at).unwrap();
            }
        }
    }
    csv(text).unwrap()
}

#[test]
fn every_monitor_knows_every_target() {
    // One each: they are one monitor, and a target that is probed at another pace says so.
    let told = monitored(&[("a", "icmp", 10), ("b", "https", 30), ("c", "dns", 10)]);
    assert_eq!(told.config.services["imported"].monitors, ["probe".into()]);
    assert_eq!(told.config.monitors["probe"].interval_ms, 10_000);
    assert_eq!(
        told.config.targets["b"].monitor["probe"].interval_ms,
        Some(30_000)
    );
    assert!(told.config.targets["a"].monitor.is_empty());
    // All of them: they stay apart.
    let told = monitored(&[
        ("a", "icmp", 10),
        ("a", "https", 60),
        ("b", "icmp", 10),
        ("b", "https", 60),
    ]);
    assert_eq!(told.config.monitors["https"].interval_ms, 60_000);
    assert_eq!(told.config.services["imported"].monitors.len(), 2);
    // One of them knows only one target: it would count as bad for the other.
    let told = monitored(&[("a", "icmp", 10), ("a", "https", 60), ("b", "icmp", 10)]);
    assert_eq!(told.config.services["imported"].monitors, ["icmp".into()]);
    let left = [("monitor 'https' does not probe every target".to_owned(), 10)];
    assert_eq!(told.notes.left_out, left.into());
}

const ANSWER: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[
{"metric":{"__name__":"probe_success","instance":"https://web1","job":"blackbox","probe":"fra"},"values":[[1763800000,"1"],[1763800015,"0"],[1763800030.5,"NaN"],[1763800045,"0.5"]]},
{"metric":{"__name__":"probe_duration_seconds","instance":"https://web1","job":"blackbox","probe":"fra"},"values":[[1763800000,"0.0412"],[1763800015,"9.5"]]},
{"metric":{"__name__":"probe_success","instance":"https://web2","job":"blackbox","probe":"fra"},"values":[[1763800000,"1"],[1763800015,"1"]]},
{"metric":{"__name__":"up","instance":"https://web2","job":"blackbox"},"values":[[1763800000,"1"]]},
{"metric":{"__name__":"probe_duration_seconds","instance":"https://web3","job":"blackbox"},"values":[[1763800000,"1"]]},
{"metric":{"__name__":"probe_success","job":"blackbox"},"values":[[1763800000,"1"]]}
]}}"#;

#[test]
fn a_prometheus_range_query_is_read() {
    let expected = "1 0 https://web1 blackbox prometheus good 41200
2 0 https://web2 blackbox prometheus good
3 15000 https://web1 blackbox prometheus bad
4 15000 https://web2 blackbox prometheus good
";
    let one_line = ANSWER.replace('\n', "");
    // One answer, a list of them, one a line.
    let split: Vec<String> = ["probe_success", "probe_duration_seconds"]
        .iter()
        .map(|name| {
            let mut lines: Vec<&str> = ANSWER.lines().collect();
            lines.retain(|line| !line.starts_with("{\"metric\"") || line.contains(name));
            lines.concat().replace(",]}}", "]}}")
        })
        .collect();
    for text in [
        ANSWER.to_owned(),
        one_line,
        format!("[{}]", split.join(",")),
        split.join("\n"),
    ] {
        let told = told(&Kept::new("a.json", &text), &Reading::default());
        let told = told.unwrap_or_else(|why| panic!("{why}\n{text}"));
        assert_eq!(told.results, expected);
        assert_eq!(told.config.monitors["blackbox"].interval_ms, 15_000);
    }
    let told_ = told(&Kept::new("a.json", ANSWER), &Reading::default()).unwrap();
    let left: Vec<String> = told_
        .notes
        .left_out
        .iter()
        .map(|(why, n)| format!("{n} {why}"))
        .collect();
    assert_eq!(
        left,
        [
            "1 neither probe_success nor probe_duration_seconds",
            "1 no label 'instance'",
            "1 no number (NaN)",
            "1 probe_duration_seconds without probe_success",
            "1 probe_success that is neither 0 nor 1",
        ]
    );
    let labels = Labels {
        target: "job".into(),
        monitor: "nothing".into(),
        vantage: Some("probe".into()),
    };
    let reading = Reading {
        labels,
        ..Reading::default()
    };
    let told_ = told(&Kept::new("a.json", ANSWER), &reading).unwrap();
    // Two series of one place cannot both be it.
    assert!(
        told_
            .results
            .starts_with("1 0 blackbox probe fra good 41200\n2 0 blackbox probe prometheus good\n"),
        "{}",
        told_.results
    );
    let left = &told_.notes.left_out;
    assert_eq!(
        left["a second series of target 'blackbox', monitor 'probe' and vantage 'fra': name the label that tells them apart as the vantage's"],
        2
    );
}

#[test]
fn a_prometheus_answer_that_is_none_says_so() {
    let cases = [
        (
            r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#,
            "Prometheus answered with an error: \"parse error\"",
        ),
        (
            r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#,
            "a Prometheus answer of type \"vector\": ask /api/v1/query_range, whose answer is a \"matrix\"",
        ),
        (
            r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#,
            "no probe_success in the answer of Prometheus (it is empty): ask for {__name__=~\"probe_success|probe_duration_seconds\"} over a range",
        ),
        (
            &ANSWER.replace("probe_success", "up"),
            "no probe_success in the answer of Prometheus (8: neither probe_success nor probe_duration_seconds; 3: probe_duration_seconds without probe_success): ask for {__name__=~\"probe_success|probe_duration_seconds\"} over a range",
        ),
    ];
    for (text, expected) in cases {
        let why = told(&Kept::new("a.json", text), &Reading::default())
            .err()
            .unwrap();
        assert_eq!(why, format!("a.json: {expected}"));
    }
    let cut = &ANSWER[..ANSWER.len() - 20];
    let why = told(&Kept::new("a.json", cut), &Reading::default())
        .err()
        .unwrap();
    assert!(why.starts_with("a.json:7: no JSON: EOF"), "{why}");
}

/// The tables of Uptime Kuma as far as anybody here reads them; `ping` and `time` have the types
/// that each version gives them.
fn kuma(version: u8) -> Kept {
    let kept = Kept::new("kuma.db", "");
    let database = rusqlite::Connection::open(kept.path()).unwrap();
    let (time, ping, more) = match version {
        1 => ("DATETIME", "INTEGER", ""),
        _ => (
            "datetime",
            "integer",
            ", retries integer not null default 0, end_time datetime null",
        ),
    };
    database
        .execute_batch(&format!(
            "CREATE TABLE monitor(id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(150), active BOOLEAN NOT NULL DEFAULT 1,
                 interval INTEGER NOT NULL DEFAULT 20, url TEXT, type VARCHAR(20), maxretries INTEGER NOT NULL DEFAULT 0);
             CREATE TABLE heartbeat(id INTEGER PRIMARY KEY AUTOINCREMENT, important BOOLEAN NOT NULL DEFAULT 0,
                 monitor_id INTEGER NOT NULL, status SMALLINT NOT NULL, msg TEXT, time {time} NOT NULL,
                 ping {ping}, duration INTEGER NOT NULL DEFAULT 0, down_count INTEGER NOT NULL DEFAULT 0{more});
             INSERT INTO monitor(id, name, interval, type) VALUES
                 (1, 'Web 1', 60, 'http'), (2, 'Web 1', 60, 'port'), (3, 'all', 60, 'group'), (4, NULL, 60, 'ping');
             INSERT INTO heartbeat(monitor_id, status, time, ping) VALUES
                 (1, 1, '2025-11-22 08:26:40.123', 41),
                 (2, 1, '2025-11-22 08:26:41.000', 12),
                 (3, 1, '2025-11-22 08:26:41.000', NULL),
                 (1, 2, '2025-11-22 08:27:40.123', NULL),
                 (2, 1, '2025-11-22 08:27:41.000', NULL),
                 (1, 0, '2025-11-22 08:28:40.123', NULL),
                 (2, 3, '2025-11-22 08:28:41.000', NULL),
                 (4, 1, '2025-11-22 08:28:41.500', 1.25),
                 (9, 1, '2025-11-22 08:28:42.000', 1),
                 (1, 1, 'soon', 1);"
        ))
        .unwrap();
    kept
}

#[test]
fn the_database_of_uptime_kuma_is_read() {
    let expected = "1 123 Web 1 kuma uptime-kuma good 41000
2 1000 Web 1 (2) kuma uptime-kuma good 12000
3 60123 Web 1 kuma uptime-kuma bad
4 61000 Web 1 (2) kuma uptime-kuma good
5 120123 Web 1 kuma uptime-kuma bad
6 121500 monitor 4 kuma uptime-kuma good 1250
";
    for version in [1, 2] {
        let kept = kuma(version);
        let told = told(&kept, &Reading::default()).unwrap();
        assert_eq!(told.results, expected);
        let monitor = &told.config.monitors["kuma"];
        assert_eq!((monitor.interval_ms, monitor.timeout_ms), (60_000, 2_000));
        let left: Vec<String> = told
            .notes
            .left_out
            .iter()
            .map(|(why, n)| format!("{n} {why}"))
            .collect();
        assert_eq!(
            left,
            [
                "1 a time that cannot be read",
                "1 heartbeats of a group, which sums up others",
                "1 heartbeats of a monitor that was deleted",
                "1 maintenance",
            ]
        );
    }
    let kept = Kept::new("other.db", "");
    let other = rusqlite::Connection::open(kept.path()).unwrap();
    other.execute_batch("CREATE TABLE a(b)").unwrap();
    let why = told(&kept, &Reading::default()).err().unwrap();
    assert_eq!(
        why,
        "other.db: an SQLite database, and none of Uptime Kuma: it has no tables 'monitor' and 'heartbeat'"
    );
}

#[test]
fn a_foreign_history_becomes_a_journal() {
    let kept = Kept::new("a.csv", PLAIN);
    let folder = tempfile::tempdir().unwrap();
    let reading = Reading::default();
    let imported = sidestep::replay::import::import(&kept.path(), &reading, folder.path()).unwrap();
    assert_eq!((imported.events, imported.observations), (8, 6));
    let events = sidestep::journal::read(folder.path(), None, None).unwrap();
    let events: Vec<_> = events.map(Result::unwrap).collect();
    let kinds: Vec<String> = events
        .iter()
        .map(|event| {
            serde_json::to_value(&event.what)
                .unwrap()
                .as_object()
                .unwrap()
                .keys()
                .next()
                .unwrap()
                .clone()
        })
        .collect();
    assert_eq!(kinds[..3], ["policy", "config", "probe"]);
    let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(events[0].at, Timestamp(BEGIN * 1_000));
}

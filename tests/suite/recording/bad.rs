//! Files that are cut, damaged, of another version or nothing of the kind: a message or a note for
//! each, never a panic.

use super::{Kept, SAMPLE, compressed};
use crate::journal::world::Lane;
use proptest::prelude::*;
use sidestep::recording::{Header, Item, Writer};

fn header() -> &'static str {
    SAMPLE.split_inclusive('\n').next().unwrap()
}

fn refused(name: &'static str, bytes: impl AsRef<[u8]>) -> String {
    Kept::new(name, bytes).read().unwrap_err()
}

const TRIED: &str = "no recording, nor anything else that can be read: tried format 1 (its first line begins with {\"recording\":1), a Prometheus range query (data.resultType is \"matrix\"), an Uptime Kuma database (SQLite) and CSV (its first line names the columns time,target,ok,rtt_ms)";

#[test]
fn every_file_that_cannot_be_read_says_why() {
    let newer = SAMPLE.replacen("\"recording\":1", "\"recording\":2", 1);
    let bad_line = SAMPLE.replacen(r#""ok":false,"#, r#""ok":no,"#, 1);
    let bad_word = SAMPLE.replacen(r#""error":"timeout""#, r#""error":"tired""#, 1);
    let no_time = format!("{}{}\n", header(), r#"{"seq":1,"tick":{}}"#);
    let no_kind = format!("{}{}\n", header(), r#"{"at":1,"seq":1}"#);
    let no_address = SAMPLE.replacen(r#""address":"192.0.2.10""#, r#""address":"here""#, 1);
    let lacking = SAMPLE.replacen(
        r#""targets":["primary","backup"]"#,
        r#""targets":["third"]"#,
        1,
    );
    let endless = SAMPLE.replacen("5000", "9223372036854775807", 1);
    let long = format!("{}{}\n", header(), "x".repeat((16 << 20) + 2));
    let cases: &[(&[u8], &str)] = &[
        (b"", "a.jsonl: empty: there is nothing in it to read"),
        (b"\n \n", "a.jsonl: empty: there is nothing in it to read"),
        (
            newer.as_bytes(),
            "a.jsonl:1: written by a newer sidestep (recording 2, this one reads 1): read it with the sidestep that wrote it (sidestep 0.1.0) or a later one",
        ),
        (
            br#"{"recording":"one"}"#,
            "a.jsonl:1: \"recording\" is the version of the format, a number: this sidestep reads 1",
        ),
        (
            &header().as_bytes()[..100],
            "a.jsonl:1: the header cannot be read: no JSON: EOF while parsing a string, at column 100",
        ),
        (
            lacking.as_bytes(),
            "a.jsonl:1: service 'www' names the target 'third', which is not there",
        ),
        (
            SAMPLE.split_once('\n').unwrap().1.as_bytes(),
            "a.jsonl:1: the first line is no header: a recording begins with {\"recording\":1,\"targets\":[…],\"monitors\":[…],\"services\":[…]}; 'sidestep export' writes one",
        ),
        (
            bad_line.as_bytes(),
            "a.jsonl:3: no JSON: expected ident, at column 97",
        ),
        (
            bad_word.as_bytes(),
            "a.jsonl:3: unknown variant `tired`, expected one of `timeout`, `refused`, `unreachable`, `reset`, `tls`, `expired`, `hostname`, `status`, `body`, `dns`, `plugin`, `closed`, at column 116",
        ),
        (
            no_time.as_bytes(),
            "a.jsonl:2: missing field `at`, at column 19",
        ),
        (
            no_kind.as_bytes(),
            "a.jsonl:2: a line without a kind: after at and seq comes one such as \"probe\"",
        ),
        (no_address.as_bytes(), "a.jsonl:2: 'here' is no address"),
        (
            endless.as_bytes(),
            "a.jsonl:1: monitor 'https' needs an interval_ms and a timeout_ms from 1 to 31622400000",
        ),
        (
            long.as_bytes(),
            "a.jsonl:2: longer than 16 MiB: no line of a recording is",
        ),
        (b"hello\n", &format!("a.jsonl:1: {TRIED}")),
        (b"{\"a\":1}\n", &format!("a.jsonl: {TRIED}")),
        (b"\x00\xff\x01", &format!("a.jsonl:1: {TRIED}")),
        (
            b"\x1f\x8b\x08\x00",
            "a.jsonl: compressed with gzip: unpack it first (gunzip), or compress it with zstd",
        ),
        (
            b"SQLite format 3\0",
            "a.jsonl: the database cannot be read: file is not a database",
        ),
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|case| refused("a.jsonl", case.0))
        .collect();
    let expected: Vec<&str> = cases.iter().map(|case| case.1).collect();
    assert_eq!(said, expected);
}

#[test]
fn a_torn_last_line_is_dropped_and_noted() {
    let torn = &SAMPLE[..SAMPLE.len() - 20];
    let (items, notes) = Kept::new("a.jsonl", torn).read().unwrap();
    assert_eq!(items.len(), 2);
    let why = notes.torn.unwrap();
    assert!(
        why.starts_with("line 4: no JSON: EOF while parsing"),
        "{why}"
    );
    assert_eq!(notes.lines, 3);
    // Only its end is missing: nothing is lost.
    let (items, notes) = Kept::new("a.jsonl", SAMPLE.trim_end()).read().unwrap();
    assert_eq!((items.len(), notes.torn), (3, None));
}

#[test]
fn of_a_compressed_file_that_is_cut_what_came_stays() {
    let many: String = (0..20_000)
        .map(|n| {
            let at = 1_763_800_000_000_i64 + n * 5_000;
            let rtt_us = n * 7_919 % 90_001;
            format!("{{\"at\":{at},\"seq\":{n},\"probe\":{{\"target\":\"primary\",\"monitor\":\"https\",\"vantage\":\"ns1\",\"ok\":true,\"rtt_us\":{rtt_us}}}}}\n")
        })
        .collect();
    let whole = compressed(format!("{}{many}", header()).as_bytes());
    let (items, notes) = Kept::new("a.jsonl.zst", &whole).read().unwrap();
    assert_eq!((items.len(), notes.torn), (20_000, None));

    // Enough of it that more than a block is whole.
    let cut = &whole[..whole.len() * 9 / 10];
    let (items, notes) = Kept::new("a.jsonl.zst", cut).read().unwrap();
    assert!(items.len() > 100 && items.len() < 20_000, "{}", items.len());
    let why = notes.torn.unwrap();
    assert!(why.ends_with(": the compressed file is cut here"), "{why}");

    assert_eq!(
        refused("a.zst", &whole[..10]),
        "a.zst: the compressed file is cut before its first line ends: there is nothing in it to read"
    );

    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x55;
    let why = refused("a.zst", &damaged);
    assert!(
        why.contains("is damaged here (") || why.contains("no JSON"),
        "{why}"
    );
}

#[test]
fn unknown_kinds_are_passed_on_and_counted() {
    let text = format!(
        "{}{}\n{}\n{}\n",
        header(),
        r#"{"at":1763800000000,"seq":1,"weather":{"target":"primary"}}"#,
        r#"{"at":1763800000001,"seq":2,"note":"x","tick":{}}"#,
        r#"{"at":1763800000002,"seq":3,"weather":1}"#,
    );
    let (items, notes) = Kept::new("a.jsonl", text).read().unwrap();
    let kinds: Vec<&str> = items
        .iter()
        .map(|item| match item {
            Item::Unknown { kind, .. } => kind.as_str(),
            Item::Event(_) => "event",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["weather", "event", "weather"]);
    assert_eq!(notes.unknown_kinds, [("weather".to_owned(), 2)].into());
}

#[test]
fn time_that_runs_backwards_is_clamped_and_counted() {
    let text = SAMPLE
        .replacen("1763800005125", "1763800000100", 1)
        .replacen("1763800015131", "1763799000123", 1);
    let (items, notes) = Kept::new("a.jsonl", text).read().unwrap();
    for item in &items {
        let at = match item {
            Item::Probe(seen) => seen.at,
            Item::Event(event) => event.at,
            _ => panic!("{item:?}"),
        };
        assert_eq!(at.0, 1_763_800_000_123);
    }
    assert_eq!((notes.clamped, notes.clamped_most_ms), (2, 1_000_000));
}

#[test]
fn no_observation_one_and_one_of_an_unknown_target_are_recordings() {
    let (items, notes) = Kept::new("a.jsonl", header()).read().unwrap();
    assert_eq!((items.len(), notes.lines), (0, 1));
    let one = SAMPLE.lines().take(2).collect::<Vec<_>>().join("\n");
    let stranger = one.replacen(
        r#""probe":{"target":"primary""#,
        r#""probe":{"target":"nobody""#,
        1,
    );
    for text in [one, stranger] {
        let (items, notes) = Kept::new("a.jsonl", text).read().unwrap();
        assert!(matches!(items.as_slice(), [Item::Probe(_)]), "{items:?}");
        assert_eq!((notes.lines, notes.torn), (2, None));
    }
}

#[test]
fn a_state_that_does_not_hang_together_is_refused() {
    let (mut lane, _) = Lane::new();
    lane.probes(3);
    let mut writer = Writer::new(Vec::new(), &Header::default()).unwrap();
    writer.state(&lane.state).unwrap();
    let sound = String::from_utf8(writer.finish().unwrap()).unwrap();
    assert_eq!(Kept::new("a.jsonl", &sound).read().unwrap().0.len(), 1);
    let cases = [
        (
            r#""index":1"#,
            r#""index":7"#,
            "service 'www' is about no target",
        ),
        (
            r#""groups":[1]"#,
            r#""groups":[7]"#,
            "service 'www' is about no target",
        ),
        (
            r#""groups":[1]"#,
            r#""groups":[]"#,
            "service 'www' lacks results",
        ),
        (
            r#""serving":["primary"]"#,
            r#""serving":[]"#,
            "service 'www' serves nothing",
        ),
        (
            r#""services":[0]"#,
            r#""services":[3]"#,
            "results of 'backup' are of no service",
        ),
        (
            r#"[{"name":"backup","drained"#,
            r#"[{"name":"zebra","drained"#,
            "its names are not in order",
        ),
    ];
    for (from, to, why) in cases {
        let broken = sound.replacen(from, to, 1);
        assert_ne!(broken, sound, "{from}");
        assert_eq!(
            refused("a.jsonl", broken),
            format!("a.jsonl:2: a state that does not hang together: {why}")
        );
    }
    let why = refused(
        "a.jsonl",
        format!("{}{{\"at\":1,\"state\":{{}}}}\n", header()),
    );
    assert!(why.starts_with("a.jsonl:2: missing field"), "{why}");
}

#[test]
fn an_instant_or_a_number_that_is_none_is_refused_with_its_line() {
    let at = |at: &str| SAMPLE.replacen("1763800005125", at, 1);
    for outside in ["9223372036854775807", "-1", "253402300800000"] {
        let why = refused("a.jsonl", at(outside));
        let part = format!("a.jsonl:3: {outside} is no time: ");
        assert!(why.starts_with(&part), "{why}");
    }
    let tick = r#"{"at":-5,"seq":1,"tick":{}}"#;
    let why = refused("a.jsonl", format!("{}{tick}\n", header()));
    assert!(why.starts_with("a.jsonl:2: -5 is no time: "), "{why}");
    let tick = r#"{"at":5,"seq":9223372036854775808,"tick":{}}"#;
    let why = refused("a.jsonl", format!("{}{tick}\n", header()));
    assert!(
        why.starts_with("a.jsonl:2: 9223372036854775808 is no number of a line"),
        "{why}"
    );
    let answer = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"probe_success","instance":"a"},"values":[[1e300,"1"],[-2,"1"]]}]}}"#;
    let why = refused("a.json", answer);
    assert!(why.contains("2: no time from 1970 to 9999"), "{why}");
    let why = refused("a.csv", "time,target,ok,rtt_ms\n-5,a,1,2\n");
    assert!(why.contains("a.csv:2: '-5' is no time"), "{why}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        cuts in prop::collection::vec((0..SAMPLE.len(), any::<u8>()), 1..4),
        until in 0..SAMPLE.len(),
        squeeze in any::<bool>(),
    ) {
        let mut bytes = SAMPLE.as_bytes().to_vec();
        for (at, byte) in cuts {
            bytes[at] = byte;
        }
        bytes.truncate(until);
        if squeeze {
            bytes = compressed(&bytes);
            bytes.truncate(until);
        }
        let _ = Kept::new("a", bytes).read();
    }
}

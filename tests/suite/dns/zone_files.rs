//! Zone files as text: what a file may hold and how it is read, and what is said of one that
//! cannot be read.

use super::{Given, build};
use hickory_proto::{
    rr::{Name, RData, Record, RecordType},
    serialize::binary::{BinEncodable, BinEncoder, NameEncoding},
};
use sidestep::{
    dns::{Table, Zones, answer},
    model::Diagnostic,
};
use std::{collections::BTreeSet, fmt::Write};

const HEAD: &str = "$TTL 1h\n@ SOA ns1 hostmaster 5 1h 10m 2w 600\n@ NS ns1\nns1 A 192.0.2.53\n";

fn zones_of(text: &str) -> Zones {
    let loaded = build(&[("example.com", Given::File(text))], &[], &[]);
    loaded.zones.unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// An absolute name as BIND writes it.
fn name_of(text: &str) -> Name {
    let mut labels = vec![Vec::new()];
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        let octet = match (octet, octet == b'\\') {
            (b'.', _) => {
                labels.push(Vec::new());
                continue;
            }
            (_, true) => match rest.next().unwrap() {
                first if first.is_ascii_digit() => {
                    let digits = [first, rest.next().unwrap(), rest.next().unwrap()];
                    std::str::from_utf8(&digits).unwrap().parse().unwrap()
                }
                literal => literal,
            },
            _ => octet,
        };
        labels.last_mut().unwrap().push(octet);
    }
    Name::from_labels(
        labels
            .iter()
            .map(Vec::as_slice)
            .filter(|label| !label.is_empty()),
    )
    .unwrap()
}

fn answers(zones: &Zones, owner: &str, kind: RecordType) -> Vec<Record> {
    answer(zones, &Table::default(), &name_of(owner), kind).answers
}

fn errors_of(text: &str) -> Vec<String> {
    let loaded = build(&[("example.com", Given::File(text))], &[], &[]);
    let errors = loaded.zones.err().unwrap_or_default();
    errors.iter().map(Diagnostic::headline).collect()
}

/// The type, length and octets of record data as RFC 3597 writes them.
fn octets_of(data: &RData) -> String {
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    data.emit(&mut encoder).unwrap();
    let mut text = format!(
        "TYPE{} \\# {} ",
        u16::from(data.record_type()),
        octets.len()
    );
    for octet in octets {
        write!(text, "{octet:02X}").unwrap();
    }
    text.trim_end().to_owned()
}

#[test]
fn records_are_answered_in_the_octets_that_were_written() {
    let table = include_str!("cases/records.txt");
    let lines: Vec<_> = table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    let cases: Vec<_> = lines
        .chunks(2)
        .map(|case| (case[0], &case[1][2..]))
        .collect();
    // An SOA record has its own place, and NS records at a name make it somebody else's.
    let is_special = |octets: &str| octets.starts_with("TYPE6 ") || octets.starts_with("TYPE2 ");
    let mut text = HEAD.to_owned();
    for (index, (record, octets)) in cases.iter().enumerate() {
        if !is_special(octets) {
            writeln!(text, "r{index} {record}").unwrap();
        }
    }
    let zones = zones_of(&text);
    for (index, (record, octets)) in cases.iter().enumerate() {
        if !is_special(octets) {
            let code = octets[4..].split(' ').next().unwrap();
            let kind = RecordType::from(code.parse::<u16>().unwrap());
            let owner = format!("r{index}.example.com.");
            let found = answers(&zones, &owner, kind);
            let found: Vec<_> = found.iter().map(|record| octets_of(&record.data)).collect();
            assert_eq!(found, [*octets], "{record}");
        }
    }
}

/// What `cases/tricks.zone` says in many ways, BIND says in one way in `tricks.canonical`.
#[test]
fn every_way_to_write_a_zone_is_read_as_bind_reads_it() {
    let canonical = include_str!("cases/tricks.canonical");
    let (tricky, plain) = (
        zones_of(include_str!("cases/tricks.zone")),
        zones_of(canonical),
    );
    let mut sets = BTreeSet::new();
    for line in canonical.lines() {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        sets.insert((fields[0], fields[3]));
    }
    let count: usize = sets
        .iter()
        .map(|(owner, kind)| {
            let kind = match kind.strip_prefix("TYPE") {
                Some(code) => RecordType::from(code.parse::<u16>().unwrap()),
                None if *kind == "SPF" => RecordType::from(99),
                None => kind.parse().unwrap(),
            };
            let lines = |zones| {
                let records = answers(zones, owner, kind);
                let lines = records.iter().map(|record| {
                    let (name, ttl) = (record.name.to_string(), record.ttl);
                    (name, ttl, octets_of(&record.data))
                });
                lines.collect::<BTreeSet<_>>()
            };
            let (found, expect) = (lines(&tricky), lines(&plain));
            assert_eq!(found, expect, "{owner} {kind}");
            found.len()
        })
        .sum();
    assert_eq!(count, canonical.lines().count(), "each line is a record");
}

/// `cases/zone_errors.txt`: lines of a zone file behind `? `, then what is said of them, if
/// anything.
#[test]
fn errors_say_where_and_what_would_be_right() {
    let cases = format!("\n{}", include_str!("cases/zone_errors.txt"));
    let mut count = 0;
    for block in cases.split("\n\n").filter(|block| block.contains('?')) {
        let (asked, expect): (Vec<_>, Vec<_>) = block
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .partition(|line| line.starts_with('?'));
        let text: String = asked
            .iter()
            .map(|line| format!("{}\n", &line[2..]))
            .collect();
        let found = errors_of(&format!("{text}{HEAD}"));
        let found: Vec<_> = found
            .iter()
            .map(|line| line.strip_prefix("example.com.zone:").unwrap_or(line))
            .collect();
        assert_eq!(found, expect, "{text}");
        count += 1;
    }
    assert!(count > 100, "{count} cases");
}

/// Without a TTL anywhere the SOA's MINIMUM is one, and bounded as others are.
#[test]
fn a_minimum_that_is_too_long_for_a_ttl_counts_as_none_and_is_said() {
    let text = "@ SOA n hostmaster 1 1 1 1 3000000000\n@ NS n\nn A 192.0.2.1\n";
    let loaded = build(&[("example.com", Given::File(text))], &[], &[]);
    let said: Vec<_> = loaded.warnings.iter().map(Diagnostic::headline).collect();
    assert_eq!(
        said,
        [
            "example.com.zone:1:1: the TTL '3000000000' counts as 0, being more than 2147483647 (RFC 2181 section 8): write the time that is meant"
        ]
    );
    let zones = loaded.zones.unwrap();
    let found = answers(&zones, "n.example.com.", RecordType::A);
    assert_eq!(found[0].ttl, 0);
}

/// RFC 2181 section 8, and as BIND and Knot have it.
#[test]
fn a_ttl_that_is_too_long_counts_as_none_and_is_said() {
    let text = format!(
        "{HEAD}a 2147483647 A 192.0.2.1
b 2147483648 A 192.0.2.2
c IN 7000w A 192.0.2.3
$GENERATE 1-3 d$ 4294967295 A 192.0.2.$
$TTL 3000000000
e A 192.0.2.5
f 60 A 192.0.2.6
"
    );
    let loaded = build(&[("example.com", Given::File(&text))], &[], &[]);
    let said: Vec<_> = loaded.warnings.iter().map(Diagnostic::headline).collect();
    let warning = |place: &str, ttl: &str| {
        format!(
            "example.com.zone:{place}the TTL '{ttl}' counts as 0, being more than 2147483647 (RFC 2181 section 8): write the time that is meant"
        )
    };
    assert_eq!(
        said,
        [
            warning("6:3: ", "2147483648"),
            warning("7:6: ", "7000w"),
            warning("8:18: for 1: ", "4294967295"),
            warning("9:6: ", "3000000000"),
        ]
    );
    let zones = loaded.zones.unwrap();
    for (owner, expect) in [
        ("a", 2_147_483_647),
        ("b", 0),
        ("c", 0),
        ("d1", 0),
        ("d3", 0),
        ("e", 0),
        ("f", 60),
    ] {
        let found = answers(&zones, &format!("{owner}.example.com."), RecordType::A);
        assert_eq!(found[0].ttl, expect, "{owner}");
    }
}

/// As BIND and NSD read it; Knot refuses it.
#[test]
fn a_quoted_part_of_a_word_is_a_string_of_its_own_and_is_said() {
    let text = format!("{HEAD}t TXT ok k=\"v w\" \"fine\"\n");
    let loaded = build(&[("example.com", Given::File(&text))], &[], &[]);
    let said: Vec<_> = loaded.warnings.iter().map(Diagnostic::headline).collect();
    assert_eq!(
        said,
        [
            "example.com.zone:5:10: 'k=\"v w\"' is read as several strings, a quoted part being one of its own: quote the whole to make it one"
        ]
    );
    let found = answers(&loaded.zones.unwrap(), "t.example.com.", RecordType::TXT);
    assert_eq!(
        octets_of(&found[0].data),
        r"TYPE16 \# 15 026F6B026B3D037620770466696E65"
    );
}

#[test]
fn hostile_files_cost_neither_time_nor_memory() {
    let long = "x".repeat(1 << 20);
    for (text, expect) in [
        ("(".repeat(1 << 20), "1:1: '(' is never closed"),
        (")\n".repeat(1 << 16), "1:1: ')' without '('"),
        ("( \"\n".repeat(1 << 16), "1:1: '(' is never closed"),
        (format!("{long} A 192.0.2.1"), "1:1: 'xxxxxxxxxx"),
        (
            format!("$TTL 1\na {long} 192.0.2.1"),
            "2:3: unknown record type 'xxxxxxxxxx",
        ),
        (
            format!("$TTL 1\na TXT {long}"),
            "2:7: this string has 1048576 octets",
        ),
        (
            format!("$TTL 1\na TXT {}", "y ".repeat(1 << 16)),
            "2:7: this record has 131072 octets of data of at most 65535",
        ),
        (
            "a xyz b\n".repeat(1 << 18),
            "1:3: unknown record type 'xyz'",
        ),
        (format!("${long}"), "1:1: unknown directive '$xxxxxxxxx"),
        (
            "$TTL 1\n$GENERATE 0-4294967295 $ A 192.0.2.1".to_owned(),
            "2:11: this makes 4294967296 records and more than the 64 MiB of text",
        ),
        (
            format!(
                "$TTL 1\n{}",
                "$GENERATE 1-4000000 $ A 192.0.2.300\n".repeat(9)
            ),
            "2:11: this makes 4000000 records and more",
        ),
        (
            format!("$TTL 1\n$GENERATE 1-999 ${{0,255}} TXT {long}"),
            "2:11: this makes 999 records and more",
        ),
    ] {
        let found = errors_of(&text);
        let first = found.first().map_or("nothing", String::as_str);
        let found = first.strip_prefix("example.com.zone:").unwrap_or(first);
        assert!(found.starts_with(expect), "{found}");
        assert!(
            found.len() < 300,
            "a message is no copy of the file: {}",
            found.len()
        );
    }
}

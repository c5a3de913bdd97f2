//! What UDP threads answer at once is what `Handler::handle` answers, field by field: random zones
//! and services, random queries.

mod worlds;

use super::{Given, build, table};
use hickory_proto::{
    op::Message,
    rr::{RData, Record},
};
use proptest::{
    prelude::*,
    sample::{Index, select},
    test_runner::TestRunner,
};
use sidestep::dns::{Asker, Handler, Publisher, Transport, usual_reply};
use std::{cell::Cell, net::IpAddr, sync::Arc};
use worlds::{a_name, published, standing, wire};

const NOW_SECS: u32 = 1_764_000_000;
const SOURCE: &str = "192.0.2.99";
/// A query in octets, mostly an ordinary one.
#[derive(Clone, Debug)]
struct Asked {
    octets: Vec<u8>,
    is_ordinary: bool,
}

impl Asked {
    /// For a name in the zone `t`, with the size in EDNS.
    fn plainly(name: &str, kind: u8, size: Option<u16>) -> Self {
        let mut octets = vec![1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(size.is_some())];
        for label in name.split('.').chain(["t"]) {
            octets.push(u8::try_from(label.len()).unwrap());
            octets.extend(label.bytes());
        }
        octets.extend([0, 0, kind, 0, 1]);
        if let Some(size) = size {
            octets.extend([0, 0, 41]);
            octets.extend(size.to_be_bytes());
            octets.extend([0; 6]);
        }
        Self {
            octets,
            is_ordinary: true,
        }
    }
}

const KINDS: [u16; 16] = [
    1, 28, 2, 5, 6, 12, 15, 16, 33, 39, 43, 64, 65, 65_280, 99, 257,
];

/// Size, DO, and options by code.
type Edns = (u16, bool, Vec<(u16, Vec<u8>)>);

fn edns() -> impl Strategy<Value = Option<Edns>> {
    let cookie = prop_oneof![
        Just(vec![1; 8]),
        Just([vec![1; 8], vec![2; 16]].concat()),
        prop::collection::vec(any::<u8>(), 16..40),
    ];
    let options = prop::collection::vec(
        prop_oneof![
            6 => cookie.prop_map(|cookie| (10, cookie)),
            1 => Just((12, vec![0; 9])),
            1 => Just((8, vec![0, 1, 24, 0, 192, 0, 2])),
        ],
        0..3,
    );
    let sizes = select(vec![0_u16, 512, 700, 1_232, 1_400, 4_096, 65_535]);
    prop::option::weighted(0.7, (sizes, any::<bool>(), options))
}

fn ordinary() -> impl Strategy<Value = Vec<u8>> {
    (
        a_name(),
        select(KINDS.to_vec()),
        any::<u64>(),
        any::<u16>(),
        any::<[bool; 3]>(),
        edns(),
    )
        .prop_map(|(name, kind, case, id, [rd, ad, cd], edns)| {
            let mut octets = id.to_be_bytes().to_vec();
            octets.extend([u8::from(rd), (u8::from(ad) << 5) | (u8::from(cd) << 4)]);
            octets.extend([0, 1, 0, 0, 0, 0, 0, u8::from(edns.is_some())]);
            octets.extend(wire(&name));
            for (index, octet) in octets[12..].iter_mut().enumerate() {
                if (case >> (index % 64)) & 1 == 1 {
                    octet.make_ascii_uppercase();
                }
            }
            octets.extend(kind.to_be_bytes());
            octets.extend([0, 1]);
            if let Some((size, dnssec_ok, options)) = edns {
                octets.extend([0, 0, 41]);
                octets.extend(size.to_be_bytes());
                octets.extend([0, 0, u8::from(dnssec_ok) << 7, 0]);
                let options: Vec<u8> = options
                    .iter()
                    .flat_map(|(code, value)| {
                        let length = u16::try_from(value.len()).unwrap();
                        [&code.to_be_bytes()[..], &length.to_be_bytes(), value].concat()
                    })
                    .collect();
                octets.extend(u16::try_from(options.len()).unwrap().to_be_bytes());
                octets.extend(options);
            }
            octets
        })
}

fn asked() -> impl Strategy<Value = Asked> {
    let edits = prop::collection::vec((any::<Index>(), prop_oneof![0..4_u8, any::<u8>()]), 1..4);
    prop_oneof![
        4 => ordinary().prop_map(|octets| Asked { octets, is_ordinary: true }),
        1 => (ordinary(), edits).prop_map(|(mut octets, edits)| {
            for (place, octet) in edits {
                *place.get_mut(&mut octets) = octet;
            }
            Asked { octets, is_ordinary: false }
        }),
        1 => (ordinary(), prop::collection::vec(any::<u8>(), 0..3), any::<Index>()).prop_map(|(mut octets, more, cut)| {
            if more.is_empty() {
                octets.truncate(cut.index(octets.len()));
            }
            octets.extend(more);
            Asked { octets, is_ordinary: false }
        }),
    ]
}

/// A section as a multiset, names in rdata in lower case where the wire may change their case.
fn section(records: &[Record]) -> Vec<String> {
    let mut all: Vec<_> = records
        .iter()
        .map(|record| {
            let data = match &record.data {
                RData::Unknown { rdata, .. } => format!("{:?}", rdata.anything),
                typed => typed.to_string().to_lowercase(),
            };
            let owner = record.name.to_lowercase();
            let kind = u16::from(record.record_type());
            format!(
                "{owner} {} {:?} {kind} {data}",
                record.ttl, record.dns_class
            )
        })
        .collect();
    all.sort();
    all
}

/// Everything that must be the same of two replies to `asked`.
fn fields(asked: &[u8], reply: &[u8]) -> Vec<String> {
    let message = Message::from_vec(reply).unwrap();
    let end = asked.len().min(12 + 260);
    let question = reply.get(12..).unwrap_or_default();
    let same = question
        .iter()
        .zip(&asked[12..end])
        .take_while(|(a, b)| a == b)
        .count();
    let mut all = vec![
        format!("{:?}", &reply[..8]),
        format!(
            "question {} {:?}",
            message.queries.len(),
            same >= question_octets(asked)
        ),
        format!("{:?}", message.edns),
        format!("{:?}", message.metadata),
    ];
    for records in [&message.answers, &message.authorities, &message.additionals] {
        all.push("--".into());
        all.extend(section(records));
    }
    all
}

/// How many octets name, type and class of a well-formed question have.
fn question_octets(asked: &[u8]) -> usize {
    let mut at = 12;
    while let Some(&length) = asked.get(at).filter(|length| **length > 0) {
        at += usize::from(length) + 1;
    }
    at + 5 - 12
}

#[derive(Default)]
struct Tally {
    zones: Cell<u32>,
    refused: Cell<u32>,
    ordinary: Cell<u32>,
    fast: Cell<u32>,
    odd_fast: Cell<u32>,
    additional: Cell<u32>,
    aliased: Cell<u32>,
    referred: Cell<u32>,
    denied: Cell<u32>,
}

fn count(cell: &Cell<u32>) {
    cell.set(cell.get() + 1);
}

impl Tally {
    /// Holds one query's answers against each other.
    fn compare(&self, publisher: &Publisher, asked: &Asked) -> Result<(), TestCaseError> {
        let source: IpAddr = SOURCE.parse().unwrap();
        let octets = &asked.octets;
        let fast = usual_reply(publisher, octets, source, NOW_SECS);
        let handler = Handler::new(publisher.clone());
        let asker = Asker {
            source: (source, 53).into(),
            transport: Transport::Udp,
        };
        let slow = handler.handle(octets, &asker, NOW_SECS);
        let Some(fast) = fast else {
            if asked.is_ordinary && slow.is_some_and(|slow| is_ordinary(&slow.octets)) {
                count(&self.ordinary);
            }
            return Ok(());
        };
        let slow = slow
            .expect("what is answered at once is due an answer")
            .octets;
        prop_assert!(fast.len() <= 1_232);
        prop_assert_eq!(fields(octets, &fast), fields(octets, &slow));
        if asked.is_ordinary {
            count(&self.ordinary);
            count(&self.fast);
        } else {
            count(&self.odd_fast);
        }
        let message = Message::from_vec(&fast).unwrap();
        let kinds = |records: &[Record], kind: u16| {
            records
                .iter()
                .any(|record| u16::from(record.record_type()) == kind)
        };
        for (is, cell) in [
            (!message.additionals.is_empty(), &self.additional),
            (
                message.answers.len() > 1 && kinds(&message.answers, 5),
                &self.aliased,
            ),
            (kinds(&message.authorities, 2), &self.referred),
            (kinds(&message.authorities, 6), &self.denied),
        ] {
            if is {
                count(cell);
            }
        }
        Ok(())
    }
}

/// Whether the slow path's answer is one that should not have needed it.
fn is_ordinary(reply: &[u8]) -> bool {
    let message = Message::from_vec(reply).unwrap();
    let is_dname = |record: &Record| u16::from(record.record_type()) == 39;
    !message.metadata.truncation
        && matches!(u16::from(message.metadata.response_code), 0 | 3 | 5)
        && !message.answers.iter().any(is_dname)
}

#[test]
fn what_is_answered_at_once_is_what_the_handler_answers() {
    let tally = Tally::default();
    let config = ProptestConfig::with_cases(1_500);
    let mut runner = TestRunner::new(config);
    let names = prop::collection::btree_map(a_name(), standing(), 1..14);
    let queries = prop::collection::vec(asked(), 40);
    let serial = prop::option::of(any::<u32>());
    let ran = runner.run(&(names, serial, queries), |(names, serial, queries)| {
        let Some((publisher, _zones)) = published(&names, serial) else {
            count(&tally.refused);
            return Ok(());
        };
        count(&tally.zones);
        for asked in &queries {
            tally.compare(&publisher, asked)?;
        }
        Ok(())
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
    let of = |cell: &Cell<u32>| cell.get();
    let (zones, refused) = (of(&tally.zones), of(&tally.refused));
    assert!(zones > refused, "most zones load: {zones} beside {refused}");
    let (fast, ordinary) = (of(&tally.fast), of(&tally.ordinary));
    assert!(fast > 10_000, "{fast}");
    assert!(
        fast * 100 >= ordinary * 99,
        "at once: {fast} of {ordinary} ordinary queries"
    );
    for (what, cell) in [
        ("odd", &tally.odd_fast),
        ("additional", &tally.additional),
        ("aliased", &tally.aliased),
        ("referred", &tally.referred),
        ("denied", &tally.denied),
    ] {
        assert!(of(cell) > 30, "{what}: {}", of(cell));
    }
}

#[test]
fn chains_sizes_and_many_hosts_end_where_the_handler_ends_them() {
    let mut text = "$TTL 60\n@ SOA ns1 h 7 1 1 1 45\n@ NS ns1\nns1 A 192.0.2.1\n".to_owned();
    for number in 1..=12 {
        text += &format!("c{number} CNAME c{}\n", number + 1);
    }
    text += "c13 A 192.0.2.13\nself CNAME SELF\nloop1 CNAME loop2\nloop2 CNAME Loop1\n";
    for hosts in [15, 16, 17, 30] {
        for number in 0..hosts {
            text += &format!("m{hosts} MX {number} h{number}\nd{hosts} NS h{number}.d{hosts}\n");
            text += &format!("h{number}.d{hosts} A 192.0.2.{number}\n");
        }
    }
    for number in 0..30 {
        text += &format!("h{number} A 198.51.100.{number}\n");
    }
    for size in 0..250 {
        text += &format!(
            "s{size} TXT {}\n",
            format!("\"{}\" ", "x".repeat(150)).repeat(6) + "y".repeat(size).as_str()
        );
    }
    let zones = build(&[("t", Given::File(&text))], &[], &[]).zones.unwrap();
    let publisher = Publisher::new();
    publisher.publish(Arc::new(zones), table(1, &[]));
    let tally = Tally::default();
    let mut names: Vec<_> = (1..=13).map(|number| format!("c{number}")).collect();
    names.extend(["self", "loop1", "loop2"].map(str::to_owned));
    for hosts in [15, 16, 17, 30] {
        names.extend([
            format!("m{hosts}"),
            format!("d{hosts}"),
            format!("x.d{hosts}"),
        ]);
    }
    names.extend((0..250).map(|size| format!("s{size}")));
    for name in names {
        for kind in [1_u8, 2, 15, 16, 5] {
            for size in [None, Some(512_u16), Some(1_100), Some(1_232)] {
                let asked = Asked::plainly(&name, kind, size);
                tally.compare(&publisher, &asked).unwrap();
            }
        }
    }
    let (fast, ordinary) = (tally.fast.get(), tally.ordinary.get());
    assert!(
        fast > 3_000 && ordinary > fast,
        "both ways are met: {fast} of {ordinary}"
    );
}

#[test]
fn additional_records_end_where_the_handler_ends_them() {
    let mut text = "$TTL 60\n@ SOA ns1 h 7 1 1 1 45\n@ NS ns1\nns1 A 192.0.2.1\n".to_owned();
    for hosts in 2..15 {
        for number in 0..hosts {
            let host = format!("a-host-with-a-long-name-{number}.of-{hosts}");
            let other = host.replace('h', "H");
            text += &format!(
                "https{hosts} HTTPS 1 {host}\nsrv{hosts} SRV 0 0 80 {host}\n\
                 mx{hosts} MX {number} {host}\nother{hosts} MX {number} {other}\n\
                 ns{hosts} NS {other}\nalias{hosts} CNAME Other{hosts}\n\
                 {host} A 192.0.2.{number}\n{host} AAAA 2001:db8::{number}\n"
            );
        }
    }
    let zones = build(&[("t", Given::File(&text))], &[], &[]).zones.unwrap();
    let publisher = Publisher::new();
    publisher.publish(Arc::new(zones), table(1, &[]));
    let tally = Tally::default();
    for hosts in 2..15 {
        let kinds = [
            ("https", 65),
            ("srv", 33),
            ("mx", 15),
            ("other", 15),
            ("ns", 1),
            ("alias", 15),
        ];
        for (name, kind) in kinds {
            for size in (512..=1_232_u16).step_by(4) {
                let asked = Asked::plainly(&format!("{name}{hosts}"), kind, Some(size));
                tally.compare(&publisher, &asked).unwrap();
            }
        }
    }
    let (fast, ordinary) = (tally.fast.get(), tally.ordinary.get());
    assert!(
        fast > 5_000 && ordinary - fast > 1_000,
        "both ways are met: {fast} of {ordinary}"
    );
}

//! Worked cases of `answer`: a zone, a question, and the whole answer as text.

use super::{Given, build, table};
use hickory_proto::{
    op::ResponseCode,
    rr::{Name, RData, Record, RecordType},
    serialize::binary::{BinDecodable, BinEncodable},
};
use proptest::prelude::*;
use sidestep::{
    dns::{Answer, Table, Zones, answer},
    failover::AnswerTable,
};
use std::str::FromStr;

pub(super) fn ask(zones: &Zones, table: &Table, question: &str) -> Answer {
    let (name, kind) = question.split_once(' ').unwrap();
    let name = Name::from_ascii(format!("{name}.")).unwrap();
    let kind = match kind.strip_prefix("TYPE") {
        Some(code) => RecordType::from(code.parse::<u16>().unwrap()),
        None => RecordType::from_str(kind).unwrap(),
    };
    answer(zones, table, &name, kind)
}

pub(super) fn text_of(answer: &Answer) -> Vec<String> {
    let rcode = format!("{:?}", answer.rcode).to_uppercase();
    let mut lines = vec![format!("{rcode}{}", if answer.aa { " aa" } else { "" })];
    let sections = [
        ("", &answer.answers),
        ("auth ", &answer.authority),
        ("add ", &answer.additional),
    ];
    for (section, records) in sections {
        lines.extend(records.iter().map(|record: &Record| {
            // Much is opaque octets; as decoded by whoever gets it, it can be read.
            let record = &Record::from_bytes(&record.to_bytes().unwrap()).unwrap();
            let (name, ttl, kind) = (&record.name, record.ttl, record.record_type());
            let data = match &record.data {
                RData::Unknown { code, rdata } if *code == RecordType::DNAME => {
                    Name::from_bytes(&rdata.anything).unwrap().to_string()
                }
                RData::Unknown { rdata, .. } => {
                    let octets = rdata.anything.iter();
                    let hex: String = octets.map(|octet| format!("{octet:02x}")).collect();
                    format!("\\# {} {hex}", rdata.anything.len())
                }
                data => data.to_string(),
            };
            format!("{section}{name} {ttl} {kind} {data}")
        }));
    }
    lines
}

/// `cases` is blocks of `? NAME TYPE` and the lines of the answer.
pub(super) fn check(zones: &Zones, table: &Table, cases: &str) {
    let mut count = 0;
    for block in cases.split("? ").skip(1) {
        let mut lines = block.lines().map(str::trim).filter(|line| !line.is_empty());
        let question = lines.next().unwrap();
        let expect: Vec<_> = lines.collect();
        assert_eq!(text_of(&ask(zones, table, question)), expect, "{question}");
        count += 1;
    }
    assert!(count > 0, "no case in the text");
}

/// The zone of RFC 4592 section 2.2.1.
const RFC_4592: &str = "
$ORIGIN example.
$TTL 3600
example.                 SOA   ns.example.com. hostmaster.example. 1 3600 600 86400 300
example.                 NS    ns.example.com.
example.                 NS    ns.example.net.
*.example.               TXT   \"this is a wildcard\"
*.example.               MX    10 host1.example.
sub.*.example.           TXT   \"this is not a wildcard\"
host1.example.           A     192.0.2.1
_ssh._tcp.host1.example. SRV   0 0 22 host1.example.
_ssh._tcp.host2.example. SRV   0 0 22 host2.example.
subdel.example.          NS    ns.example.com.
subdel.example.          NS    ns.example.net.
";

#[test]
fn rfc_4592_section_2_2_1() {
    let zones = build(&[("example", Given::File(RFC_4592))], &[], &[])
        .zones
        .unwrap();
    check(&zones, &Table::default(), include_str!("cases/rfc4592.txt"));
}

const STATIC: &str = "
$TTL 1h
@       300 SOA ns1 hostmaster 2026010101 1h 10m 2w 600
        NS  ns1
        NS  ns.other.test.
        MX  10 mail
ns1     A   192.0.2.53
        AAAA 2001:db8::53
mail    A   192.0.2.25
text    TXT \"one\" \"two\"
alias   CNAME alias2
alias2  CNAME mail
out     CNAME www.other.test.
gone    CNAME nothing
loop1   CNAME loop2
loop2   CNAME loop1
self    CNAME self
*.wild  CNAME mail
a.b.c   A   192.0.2.7
down    CNAME host.child
child   NS  ns.child
        NS  ns1
ns.child A  192.0.2.99
host.child A 192.0.2.98
c1 CNAME c2
c2 CNAME c3
c3 CNAME c4
c4 CNAME c5
c5 CNAME c6
c6 CNAME c7
c7 CNAME c8
c8 CNAME c9
c9 CNAME c10
c10 A 192.0.2.10
_sip._udp SRV 0 5 5060 mail
cross   CNAME www.second.test.
odd TYPE65280 \\# 2 abcd
";

const SECOND: &str = "
$TTL 60
@ SOA ns1.example.com. h 7 1 1 1 30
@ NS ns1.example.com.
www A 203.0.113.1
";

const SOA: &str = "auth example.com. 300 SOA ns1.example.com. hostmaster.example.com. 2026010101 3600 600 1209600 600";

#[test]
fn static_zones_are_answered() {
    let zones = build(
        &[
            ("example.com", Given::File(STATIC)),
            ("second.test", Given::File(SECOND)),
        ],
        &[],
        &[],
    );
    // `SOA` alone stands for the one of negative answers.
    let cases = include_str!("cases/static.txt").replace("\nSOA\n", &format!("\n{SOA}\n"));
    let zones = zones.zones.unwrap();
    check(&zones, &Table::default(), &cases);
    let chain = ask(&zones, &Table::default(), "c1.example.com A");
    assert_eq!(
        text_of(&chain).last().map(String::as_str),
        Some("c8.example.com. 3600 CNAME c9.example.com."),
        "a resolver goes on from the eighth"
    );
    let odd = ask(&zones, &Table::default(), "odd.example.com TYPE65280");
    assert_eq!((odd.answers.len(), odd.authority.len()), (1, 0));
}

const OVERLAID: &str = "
$TTL 1h
@     SOA ns1 hostmaster 5 1h 10m 2w 600
      NS  ns1
ns1   A   192.0.2.53
www   TXT \"text at a service's name\"
      A   198.51.100.99
alias CNAME www
mx    MX  5 v4only
*     TXT \"wild\"
      A   192.0.2.200
";

#[test]
fn services_lie_over_static_records() {
    let services: &[(&str, &[&str])] = &[
        ("www", &["www.example.com", "example.com"]),
        ("v4only", &["v4only.example.com"]),
        ("deep", &["a.deep.example.com"]),
        ("new", &["new.example.com"]),
        ("empty", &["empty.example.com"]),
    ];
    let zones = build(&[("example.com", Given::File(OVERLAID))], services, &[])
        .zones
        .unwrap();
    let mut answers: AnswerTable = AnswerTable::default();
    answers.serials.insert("example.com".into(), 77);
    for (name, addresses, ttl_secs) in [
        ("www", vec!["192.0.2.1", "2001:db8::1", "192.0.2.2"], 30),
        ("v4only", vec!["192.0.2.4"], 10),
        ("deep", vec!["2001:db8::6"], 900),
        ("empty", vec![], 30),
    ] {
        let addresses = addresses
            .iter()
            .map(|address| address.parse().unwrap())
            .collect();
        let answer = sidestep::failover::ServiceAnswer {
            names: Vec::new(),
            addresses,
            ttl_secs,
            ..Default::default()
        };
        answers.services.insert(name.into(), answer);
    }
    check(
        &zones,
        &Table::from(&answers),
        include_str!("cases/services.txt"),
    );
}

#[test]
fn zones_without_a_file_have_a_made_soa() {
    let names: &[&str] = &["ns1.example.com", "ns2.example.net"];
    let zones = build(
        &[
            ("example.com", Given::Ns(names)),
            ("made.test", Given::Made),
        ],
        &[("www", &["www.made.test"])],
        &[],
    );
    check(
        &zones.zones.unwrap(),
        &table(1, &[("www", &["192.0.2.1"], 30)]),
        "
        ? example.com SOA
        NOERROR aa
        example.com. 3600 SOA ns1.example.com. hostmaster.example.com. 1 3600 600 1209600 30

        ? example.com NS
        NOERROR aa
        example.com. 3600 NS ns1.example.com.
        example.com. 3600 NS ns2.example.net.

        ? x.example.com A
        NXDOMAIN aa
        auth example.com. 30 SOA ns1.example.com. hostmaster.example.com. 1 3600 600 1209600 30

        ? made.test NS
        NOERROR aa
        made.test. 3600 NS ns1.

        ? www.made.test A
        NOERROR aa
        www.made.test. 30 A 192.0.2.1

        ? made.test A
        NOERROR aa
        auth made.test. 30 SOA ns1. hostmaster.made.test. 1 3600 600 1209600 30
    ",
    );
}

#[test]
fn the_longest_apex_answers_and_ds_is_the_parents() {
    let parent = "$TTL 60\n@ SOA n. h. 1 1 1 1 30\n@ NS n.\nsub NS n.\n";
    let child = "$TTL 60\n@ SOA n. h. 2 1 1 1 30\n@ NS n.\nwww A 192.0.2.1\n";
    let zones = build(
        &[
            ("example", Given::File(parent)),
            ("sub.example", Given::File(child)),
        ],
        &[],
        &[],
    );
    check(
        &zones.zones.unwrap(),
        &Table::default(),
        "
        ? www.sub.example A
        NOERROR aa
        www.sub.example. 60 A 192.0.2.1

        ? sub.example NS
        NOERROR aa
        sub.example. 60 NS n.

        ? sub.example DS
        NOERROR aa
        auth example. 30 SOA n. h. 1 1 1 1 30
    ",
    );
}

/// RFC 4592 section 2.1.1 knows no special name: a service may have a wildcard.
#[test]
fn a_service_may_have_a_wildcard() {
    let zone = "$TTL 60\n@ SOA n. h. 1 1 1 1 900\n@ NS n.\nwww TXT x\nmail MX 1 any\n*.deep TXT y\nsub NS n.\n";
    let services: &[(&str, &[&str])] = &[
        ("any", &["*.t"]),
        ("late", &["*.late.t"]),
        ("deep", &["*.deep.t"]),
    ];
    let zones = build(&[("t", Given::File(zone))], services, &[]);
    check(
        &zones.zones.unwrap(),
        &table(
            1,
            &[("any", &["192.0.2.1"], 20), ("deep", &["2001:db8::1"], 5)],
        ),
        "
        ? One.t A
        NOERROR aa
        One.t. 20 A 192.0.2.1

        ? a.b.t A
        NOERROR aa
        a.b.t. 20 A 192.0.2.1

        ? *.t A
        NOERROR aa
        *.t. 20 A 192.0.2.1

        ? one.t AAAA
        NOERROR aa
        auth t. 20 SOA n. h. 1 1 1 1 900

        ? one.t ANY
        NOERROR aa
        one.t. 20 A 192.0.2.1

        ? www.t A
        NOERROR aa
        auth t. 60 SOA n. h. 1 1 1 1 900

        ? x.www.t A
        NXDOMAIN aa
        auth t. 60 SOA n. h. 1 1 1 1 900

        ? x.sub.t A
        NOERROR
        auth sub.t. 60 NS n.

        ? mail.t MX
        NOERROR aa
        mail.t. 60 MX 1 any.t.
        add any.t. 20 A 192.0.2.1

        ? x.late.t A
        SERVFAIL

        ? x.late.t TXT
        NOERROR aa
        auth t. 60 SOA n. h. 1 1 1 1 900

        ? late.t A
        NOERROR aa
        auth t. 60 SOA n. h. 1 1 1 1 900

        ? x.deep.t AAAA
        NOERROR aa
        x.deep.t. 5 AAAA 2001:db8::1

        ? x.deep.t TXT
        NOERROR aa
        x.deep.t. 60 TXT y

        ? x.deep.t MX
        NOERROR aa
        auth t. 5 SOA n. h. 1 1 1 1 900
    ",
    );
}

/// RFC 6895 section 3.1, RFC 9824 section 3.2.
#[test]
fn types_that_are_no_question_are_no_nodata() {
    let zone = "$TTL 60\n@ SOA n. h. 1 1 1 1 30\n@ NS n.\n";
    let zones = build(&[("t", Given::File(zone))], &[], &[]).zones.unwrap();
    for (kind, rcode) in [
        (0, ResponseCode::NoError),
        (41, ResponseCode::FormErr),
        (128, ResponseCode::FormErr),
        (250, ResponseCode::FormErr),
        (251, ResponseCode::Refused),
        (252, ResponseCode::Refused),
        (129, ResponseCode::NotImp),
        (249, ResponseCode::NotImp),
        (253, ResponseCode::NotImp),
        (254, ResponseCode::NotImp),
        (255, ResponseCode::NoError),
        (256, ResponseCode::NoError),
        (65_535, ResponseCode::NoError),
    ] {
        let answer = ask(&zones, &Table::default(), &format!("t TYPE{kind}"));
        assert_eq!(answer.rcode, rcode, "{kind}");
        assert_eq!(answer.aa, rcode == ResponseCode::NoError, "{kind}");
    }
}

/// RFC 2308 section 5: the lower of the SOA's TTL and its MINIMUM.
#[test]
fn a_denial_is_believed_for_the_lower_of_ttl_and_minimum() {
    for (ttl, minimum, expect) in [(300, 30, 30), (30, 300, 30), (0, 300, 0)] {
        let zone = format!("@ {ttl} SOA n. h. 1 1 1 1 {minimum}\n@ 60 NS n.\na.b 60 TXT x\n");
        let zones = build(&[("t", Given::File(&zone))], &[], &[]).zones.unwrap();
        for question in ["x.t A", "t A", "b.t TXT"] {
            let answer = ask(&zones, &Table::default(), question);
            assert_eq!(answer.authority[0].ttl, expect, "{question}");
        }
    }
}

const LABELS: [&str; 4] = ["a", "b", "*", "x"];

prop_compose! {
    fn a_name()(labels in prop::collection::vec(prop::sample::select(LABELS.to_vec()), 0..4)) -> String {
        let mut labels = labels;
        labels.push("t");
        labels.join(".")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_services_name_always_exists(
        records in prop::collection::vec((a_name(), 0..5_u8, a_name()), 0..12),
        owner in a_name(),
        question in a_name(),
        kind in prop::sample::select(vec!["A", "AAAA", "NS", "MX", "CNAME", "ANY", "SOA", "DS"]),
        with_table: bool,
    ) {
        let mut text = "$TTL 60\nt. SOA n. h. 1 1 1 1 30\nt. NS n.\n".to_owned();
        for (name, what, other) in &records {
            text += &match what {
                0 => format!("{name}. A 192.0.2.1\n"),
                1 => format!("{name}. NS {other}.\n"),
                2 => format!("{name}. CNAME {other}.\n"),
                3 => format!("{name}. MX 1 {other}.\n"),
                _ => format!("{name}. AAAA 2001:db8::1\n"),
            };
        }
        let services: &[(&str, &[&str])] = &[("s", &[&owner])];
        // Most random zones are refused; those that load must hold.
        if let Ok(zones) = build(&[("t", Given::File(&text))], services, &[]).zones {
            let table = if with_table { table(1, &[("s", &["192.0.2.9"], 5)]) } else { Table::default() };
            let asked = ask(&zones, &table, &format!("{question} {kind}"));
            prop_assert!(asked.answers.len() <= 32 && asked.additional.len() <= 64);
            let own = ask(&zones, &table, &format!("{owner} {kind}"));
            prop_assert_ne!(own.rcode, ResponseCode::NXDomain);
            prop_assert!(own.aa || !with_table, "{:?}", own);
            let a = ask(&zones, &table, &format!("{owner} A"));
            prop_assert_eq!(a.answers.len(), usize::from(with_table));
        }
    }
}

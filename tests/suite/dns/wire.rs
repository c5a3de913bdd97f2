//! Messages octet by octet: what each odd query is answered with, and that none is answered
//! otherwise than it may be.
//!
//! `cases/wire.txt` has a case of three or four lines each: what it is, the query (`>`), and the
//! reply (`<`), or one over UDP (`udp`) and another over TCP (`tcp`); `-` is silence. Words are
//! octets in hexadecimal, or a name in quotes that stands for its wire form.

use super::client::{published, query, with_edns};
use hickory_proto::{op::Message, rr::RecordType};
use proptest::prelude::*;
use sidestep::{
    dns::{Asker, Handler, Publisher, Settings, Transport},
    model::{CookieSecret, ServerConfig},
};
use std::sync::LazyLock;

/// The instant and the client of the first example of RFC 9018, appendix A.
const NOW_SECS: u32 = 1_559_731_985;
const SOURCE: &str = "198.51.100.100:5353";
const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";

static PUBLISHED: LazyLock<Publisher> = LazyLock::new(|| {
    let publisher = published();
    let server = ServerConfig {
        name: "ns1".into(),
        version: Some("one".into()),
        cookie_secrets: vec![SECRET.parse().unwrap()],
        ..ServerConfig::default()
    };
    publisher.publish_settings(Settings::of(&server, CookieSecret([0; 16])));
    publisher
});

fn asker(transport: Transport) -> Asker {
    let source = SOURCE.parse().unwrap();
    Asker { source, transport }
}

/// The reply of the whole server.
fn reply(octets: &[u8], transport: Transport) -> Option<Vec<u8>> {
    let handler = Handler::new(PUBLISHED.clone());
    let reply = handler.handle(octets, &asker(transport), NOW_SECS);
    reply.map(|reply| reply.octets)
}

/// A name in wire form.
fn wire_name(name: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        octets.push(u8::try_from(label.len()).unwrap());
        octets.extend(label.as_bytes());
    }
    octets.push(0);
    octets
}

/// The octets that words stand for.
fn octets(words: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for word in words.split_whitespace() {
        match word.strip_prefix('"') {
            Some(name) => octets.extend(wire_name(name.trim_end_matches('"'))),
            None => {
                assert!(word.len().is_multiple_of(2), "{word}");
                let hex = (0..word.len()).step_by(2);
                octets.extend(hex.map(|at| u8::from_str_radix(&word[at..at + 2], 16).unwrap()));
            }
        }
    }
    octets
}

/// Octets in words, with the names that `words` has.
fn shown(octets: Option<&[u8]>, words: &str) -> String {
    let Some(mut octets) = octets else {
        return "-".to_owned();
    };
    let names = words
        .split_whitespace()
        .filter(|word| word.starts_with('"'));
    let names: Vec<(&str, Vec<u8>)> = names
        .map(|word| (word, wire_name(word.trim_matches('"'))))
        .collect();
    let mut shown = Vec::new();
    while !octets.is_empty() {
        let named = names.iter().find(|(_, name)| octets.starts_with(name));
        let (word, length) = match named {
            Some((word, name)) => ((*word).to_owned(), name.len()),
            None => {
                let length = octets.len().min(2);
                let hex = octets[..length].iter().map(|octet| format!("{octet:02x}"));
                (hex.collect(), length)
            }
        };
        shown.push(word);
        octets = &octets[length..];
    }
    shown.join(" ")
}

#[test]
fn every_odd_query_is_answered_as_written() {
    let cases = include_str!("cases/wire.txt").lines();
    let cases = cases.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let cases: Vec<&str> = cases.map(str::trim).collect();
    let (mut count, mut wrong) = (0, Vec::new());
    for case in cases.chunk_by(|_, next| !next.ends_with(':')) {
        let [what, asked, replies @ ..] = case else {
            panic!("a case has a query: {case:?}")
        };
        let asked = asked.strip_prefix("> ").expect(what);
        count += 1;
        for (transport, name) in [(Transport::Udp, "udp "), (Transport::Tcp, "tcp ")] {
            let of = |prefix: &str| replies.iter().find_map(|line| line.strip_prefix(prefix));
            let expect = of("< ").or(of(name)).expect(what);
            let expect = (expect != "-").then(|| octets(expect));
            let found = reply(&octets(asked), transport);
            if found != expect {
                wrong.push(format!("{what}\n{name}{}", shown(found.as_deref(), asked)));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "answered otherwise:\n{}",
        wrong.join("\n")
    );
    assert!(count > 150, "cases were lost: {count}");
}

#[test]
fn port_0_cannot_be_answered() {
    let asked = octets("1234 0000 0001 0000 0000 0000 \"www.example.com\" 0001 0001");
    let handler = Handler::new(PUBLISHED.clone());
    let source = "198.51.100.100:0".parse().unwrap();
    for transport in [Transport::Udp, Transport::Tcp] {
        let asker = Asker { source, transport };
        assert_eq!(handler.handle(&asked, &asker, NOW_SECS), None);
    }
}

/// A query for a name at which nothing is known, with options.
fn with_options(name: &str, payload_octets: u16, options: &[u8]) -> Vec<u8> {
    let mut octets = octets("1234 0000 0001 0000 0000 0001");
    octets.extend(wire_name(name));
    octets.extend([0, 1, 0, 1, 0, 0, 41]);
    octets.extend(payload_octets.to_be_bytes());
    octets.extend([0; 4]);
    octets.extend(u16::try_from(options.len()).unwrap().to_be_bytes());
    octets.extend(options);
    octets
}

#[test]
fn what_does_not_fit_leaves_the_question_and_a_bare_opt() {
    let server = ServerConfig {
        identity: Some("i".repeat(255)),
        ..ServerConfig::default()
    };
    let publisher = published();
    publisher.publish_settings(Settings::of(&server, CookieSecret([7; 16])));
    let handler = Handler::new(publisher);
    let label = "a".repeat(63);
    let name = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    let nsid_and_cookie = octets("0003 0000 000a 0008 2464c4abcf10c957");
    let asked = with_options(&name, 512, &nsid_and_cookie);
    let ask = |transport| handler.handle(&asked, &asker(transport), NOW_SECS).unwrap();
    let udp = ask(Transport::Udp);
    assert_eq!(udp.octets.len(), 12 + 259 + 11);
    assert!(udp.truncated);
    assert_eq!(udp.octets[2..12], octets("8205 0001 0000 0000 0001"));
    let tcp = ask(Transport::Tcp);
    assert_eq!(tcp.octets.len(), 12 + 259 + 11 + 259 + 28);
    assert!(!tcp.truncated);

    // A signature of two long names: 512 octets do not hold what it is answered with.
    let mut signed = octets("1234 0000 0001 0000 0000 0001");
    signed.extend(wire_name(&name));
    signed.extend([0, 1, 0, 1]);
    signed.extend(wire_name(&name));
    signed.extend(octets("00fa 00ff 00000000"));
    signed.extend((255_u16 + 16).to_be_bytes());
    signed.extend(wire_name(&name));
    signed.extend(octets("000060000000 012c 0000 1234 0000 0000"));
    let udp = reply(&signed, Transport::Udp).unwrap();
    assert_eq!(udp[2..12], octets("8209 0001 0000 0000 0000"));
    assert_eq!(udp.len(), 12 + 259);
    let tcp = reply(&signed, Transport::Tcp).unwrap();
    assert_eq!(tcp[2..12], octets("8009 0001 0000 0000 0001"));
    assert_eq!(tcp.len(), signed.len());
}

#[test]
fn a_reply_that_is_cut_sends_its_client_to_tcp() {
    let cookie = octets("000a 0008 2464c4abcf10c957");
    let handler = Handler::new(PUBLISHED.clone());
    for (asked, expect) in [
        (
            with_options("www.example.com", 1_232, &cookie),
            "1234 8600 0001 0000 0000 0001 \"www.example.com\" 0001 0001 00 0029 04d0 00 00 0000 \
             001c 000a 0018 2464c4abcf10c957 010000005cf79f111f8130c3eee29480",
        ),
        (
            octets("1234 0100 0001 0000 0000 0000 \"nothing.example.com\" 0001 0001"),
            "1234 8703 0001 0000 0000 0000 \"nothing.example.com\" 0001 0001",
        ),
        (
            octets("1234 1000 0000 0000 0000 0000"),
            "1234 9204 0000 0000 0000 0000",
        ),
    ] {
        let whole = handler.handle(&asked, &asker(Transport::Udp), NOW_SECS);
        let cut = whole.unwrap().cut();
        assert!(cut.truncated);
        assert_eq!(
            cut.octets,
            octets(expect),
            "{}",
            shown(Some(&cut.octets), expect)
        );
        assert_eq!(cut.clone().cut(), cut, "cut once is cut");
    }
}

#[test]
fn a_cookie_that_came_back_is_known_again() {
    let handler = Handler::new(PUBLISHED.clone());
    let ask = |cookie: &str, transport, now_secs| {
        let asked = with_options("www.example.com", 1_232, &octets(cookie));
        let reply = handler.handle(&asked, &asker(transport), now_secs).unwrap();
        (reply.has_valid_cookie, reply.keepalive_asked)
    };
    let ours = "000a 0018 2464c4abcf10c957 010000005cf79f111f8130c3eee29480";
    let keepalive = format!("{ours} 000b 0000");
    for (cookie, transport, later_secs, expect) in [
        (ours, Transport::Udp, 0, (true, false)),
        (ours, Transport::Udp, 3_600, (true, false)),
        (ours, Transport::Udp, 3_601, (false, false)),
        (
            "000a 0008 2464c4abcf10c957",
            Transport::Udp,
            0,
            (false, false),
        ),
        (&keepalive, Transport::Udp, 0, (true, false)),
        (&keepalive, Transport::Tcp, 0, (true, true)),
        ("000b 0000", Transport::Tcp, 0, (false, true)),
    ] {
        let found = ask(cookie, transport, NOW_SECS + later_secs);
        assert_eq!(found, expect, "{cookie} {later_secs}");
    }
}

#[test]
fn what_the_configuration_does_not_tell_is_not_told() {
    let chaos = |name: &str| {
        octets(&format!(
            "1234 0000 0001 0000 0000 0001 \"{name}\" 0010 0003 00 0029 04d0 00000000 0004 0003 0000"
        ))
    };
    for (identity, version, told) in [
        (None, None, &["id.server", "hostname.bind"][..]),
        (Some(""), Some(""), &[]),
        (
            Some("x"),
            Some("1"),
            &[
                "id.server",
                "hostname.bind",
                "version.bind",
                "version.server",
            ],
        ),
    ] {
        let server = ServerConfig {
            identity: identity.map(str::to_owned),
            version: version.map(str::to_owned),
            ..ServerConfig::default()
        };
        let publisher = published();
        publisher.publish_settings(Settings::of(&server, CookieSecret([7; 16])));
        let handler = Handler::new(publisher);
        for name in [
            "id.server",
            "hostname.bind",
            "version.bind",
            "version.server",
        ] {
            let reply = handler
                .handle(&chaos(name), &asker(Transport::Udp), NOW_SECS)
                .unwrap();
            let is_told = reply.octets[3] == 0 && reply.octets[7] == 1;
            assert_eq!(is_told, told.contains(&name), "{name} {identity:?}");
            assert!(is_told || reply.octets[3] == 5);
            let nsid = reply
                .octets
                .windows(4)
                .any(|four| four == [0, 3, 0, 1] || four == [0, 3, 0, 5]);
            assert_eq!(nsid, identity != Some(""), "{identity:?}");
        }
    }
}

#[test]
fn letter_case_makes_no_reply_longer() {
    for (name, kind) in [
        ("www.example.com", RecordType::A),
        ("www.example.com", RecordType::MX),
        ("nothing.at.all.example.com", RecordType::A),
        ("x.sub.example.com", RecordType::A),
        ("mx.example.com", RecordType::MX),
        ("example.com", RecordType::NS),
        ("example.com", RecordType::SOA),
        ("many.example.com", RecordType::A),
    ] {
        let ask = |name: &str| {
            let asked = with_edns(query(name, kind), 1_232).to_vec().unwrap();
            let reply = reply(&asked, Transport::Udp).unwrap();
            assert!(
                reply[12..].starts_with(&wire_name(name)),
                "{name} is echoed"
            );
            let records = Message::from_vec(&reply).unwrap();
            (
                reply.len(),
                records.answers,
                records.authorities,
                records.additionals,
            )
        };
        let lower = ask(name);
        let upper: String = name.to_uppercase();
        let mixed: String = (0..)
            .zip(name.chars())
            .map(|(index, c)| {
                if index % 3 == 0 {
                    c.to_ascii_uppercase()
                } else {
                    c
                }
            })
            .collect();
        assert_eq!(ask(&upper), lower, "{name} {kind}");
        assert_eq!(ask(&mixed), lower, "{name} {kind}");
    }
}

/// The queries of the cases, and some of ordinary kinds.
static QUERIES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let lines = include_str!("cases/wire.txt").lines();
    let cases = lines.filter_map(|line| line.trim().strip_prefix("> "));
    let mut queries: Vec<Vec<u8>> = cases.map(octets).collect();
    for name in [
        "big.example.com",
        "many.example.com",
        "x.y",
        "m1.example.com",
        "x.sub.example.com",
    ] {
        for kind in [1_u16, 2, 6, 15, 16, 28, 255] {
            let asked = query(name, RecordType::from(kind));
            queries.push(asked.to_vec().unwrap());
            queries.push(with_edns(asked, 1_232).to_vec().unwrap());
        }
    }
    queries
});

/// The octets of the question of a query of a known opcode, where it has one that can be read.
fn question_of(octets: &[u8]) -> Option<&[u8]> {
    let is_known = matches!(octets[2] >> 3 & 15, 0 | 4 | 5);
    (is_known && octets[4..6] == [0, 1]).then_some(())?;
    let mut at = 12;
    while *octets.get(at)? != 0 {
        (octets[at] < 64).then_some(())?;
        at += usize::from(octets[at]) + 1;
    }
    (at < 12 + 255).then_some(())?;
    octets.get(12..at + 5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6_000))]
    #[test]
    fn whatever_comes_is_answered_as_it_may_be_or_due_no_answer(
        asked in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        more in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut octets = QUERIES[asked.index(QUERIES.len())].clone();
        for (place, octet) in edits {
            *place.get_mut(&mut octets) = octet;
        }
        if let Some(cut) = cut {
            octets.truncate(cut.index(octets.len() + 1));
        }
        octets.extend(more);
        for (transport, limit) in [(Transport::Udp, 1_232), (Transport::Tcp, 65_535)] {
            let reply = reply(&octets, transport);
            let is_due = octets.len() >= 12 && octets[2] & 0x80 == 0;
            prop_assert_eq!(reply.is_some(), is_due);
            let Some(reply) = reply else { continue };
            prop_assert!((12..=limit).contains(&reply.len()));
            prop_assert_eq!(&reply[..2], &octets[..2]);
            // QR, the opcode and RD as asked; RA, Z, AD and CD clear.
            prop_assert_eq!(reply[2] & 0xf9, 0x80 | octets[2] & 0x79);
            prop_assert_eq!(reply[3] & 0xf0, 0);
            prop_assert!(transport == Transport::Udp || reply[2] & 0x02 == 0, "TC over TCP");
            let question = question_of(&octets);
            prop_assert_eq!(reply[4..6] == [0, 1], question.is_some());
            if let Some(question) = question {
                prop_assert!(reply[12..].starts_with(question));
            }
            let has_edns = Message::from_vec(&reply).unwrap().edns.is_some();
            prop_assert!(has_edns || transport == Transport::Tcp || reply.len() <= 512);
            if !matches!(reply[3] & 0x0f, 0 | 3) {
                prop_assert_eq!(&reply[6..10], &[0; 4]);
                prop_assert_eq!(reply[2] & 0x04, 0, "AA of an error");
                prop_assert!(reply[11] <= 2, "OPT and TSIG");
                // A cookie and an identity may come on top, and a key's name written out.
                prop_assert!(reply.len() <= octets.len() + 16 + 7 + 6 + 255);
            }
        }
    }
}

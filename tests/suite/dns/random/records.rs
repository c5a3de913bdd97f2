//! Random data of every type, as zone files have it.

use super::{Chance, Labels};
use std::collections::BTreeMap;

/// The records of one name and type.
#[derive(Clone, Debug)]
pub(super) struct RrSet {
    pub(super) ttl_secs: u32,
    pub(super) data: Vec<String>,
}

/// A name's records by type.
pub(super) type RrSets = BTreeMap<&'static str, RrSet>;

pub(super) const ADDRESS_KINDS: [&str; 2] = ["A", "AAAA"];
/// Types that may stand at any name beside others.
pub(super) const PLAIN_KINDS: [&str; 16] = [
    "A",
    "AAAA",
    "A",
    "AAAA",
    "MX",
    "SRV",
    "TXT",
    "CAA",
    "NAPTR",
    "TLSA",
    "SSHFP",
    "SVCB",
    "HTTPS",
    "PTR",
    "HINFO",
    "TYPE65280",
];

/// Puts records of one type beside others; what is there already is not put twice.
pub(super) fn put(sets: &mut RrSets, kind: &'static str, ttl_secs: u32, data: Vec<String>) {
    let set = sets.entry(kind).or_insert(RrSet {
        ttl_secs,
        data: Vec::new(),
    });
    for one in data {
        let is_there = |other: &String| other.eq_ignore_ascii_case(&one);
        if !set.data.iter().any(is_there) {
            set.data.push(one);
        }
    }
}

/// The data of an SOA.
pub(super) fn soa(apex: &Labels, chance: &mut Chance) -> String {
    let minimum = chance.pick(&[5, 60, 600, 86_400]);
    let serial = 1 + chance.below(1_000_000);
    format!(
        "{} {} {serial} 3600 600 1209600 {minimum}",
        apex.child(b"ns"),
        apex.child(b"hostmaster"),
    )
}

/// Data of a type that stands at any name; `target` is a name for it to point at.
pub(super) fn data(kind: &str, target: &Labels, chance: &mut Chance) -> String {
    let number = chance.below(250);
    let digest = |chance: &mut Chance| hex(&[octet(chance); 32]);
    match kind {
        "A" => format!("192.0.2.{number}"),
        "AAAA" => format!("2001:db8::{number:x}"),
        "MX" => format!("{} {target}", number % 3),
        "SRV" => format!("{} {} {} {target}", number % 2, number % 3, 5_060 + number),
        "PTR" => target.to_string(),
        "TXT" if number.is_multiple_of(4) => format!("\"{}\" \"\" \"b c\"", "a".repeat(number)),
        "TXT" => format!("\"text {number}\""),
        "CAA" => format!("{} issue \"ca{number}.example.net\"", number % 2 * 128),
        "NAPTR" if number.is_multiple_of(2) => {
            format!("1 {number} \"s\" \"SIP+D2U\" \"\" {target}")
        }
        "NAPTR" => format!("1 {number} \"u\" \"E2U+sip\" \"!^.*$!sip:x@example.net!\" ."),
        "TLSA" => format!("3 1 1 {}", digest(chance)),
        "SSHFP" => format!("4 2 {}", digest(chance)),
        "SVCB" | "HTTPS" if number.is_multiple_of(4) => format!("0 {target}"),
        "SVCB" | "HTTPS" if number % 4 == 1 => format!("{} . alpn=h2,h3", 1 + number),
        "SVCB" | "HTTPS" => format!("{} {target} alpn=h2 port={}", 1 + number, 8_000 + number),
        "HINFO" => format!("\"cpu {number}\" \"os\""),
        "DS" => {
            let digest: Vec<u8> = (0..32).map(|_| octet(chance)).collect();
            generic(&[&[0, octet(chance), 13, 2], &digest[..]].concat())
        }
        _ => generic(&[octet(chance), octet(chance), 0, 1]),
    }
}

fn octet(chance: &mut Chance) -> u8 {
    chance.next().to_be_bytes()[0]
}

/// Data as octets, which any type may be written in (RFC 3597 section 5).
pub(super) fn generic(octets: &[u8]) -> String {
    format!("\\# {} {}", octets.len(), hex(octets))
}

/// A name as data, as text or as octets.
pub(super) fn name(name: &Labels, chance: &mut Chance) -> String {
    if chance.one_in(2) {
        return name.to_string();
    }
    generic(&name.wire())
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

/// A few data of a type, or as many as fit no message, or just none without EDNS.
pub(super) fn many(kind: &str, target: &Labels, chance: &mut Chance) -> Vec<String> {
    match (kind, chance.below(40)) {
        ("A", 0) => {
            let count = 20 + chance.below(70);
            (0..count).map(|host| format!("203.0.113.{host}")).collect()
        }
        ("AAAA", 0) => {
            let count = 12 + chance.below(40);
            (0..count)
                .map(|host| format!("2001:db8:7::{host:x}"))
                .collect()
        }
        ("TXT", 0..=5) => {
            // Around 512 or 1232 octets of a message.
            let octets = *chance.pick(&[380, 1_100]) + chance.below(140);
            vec![strings(octets)]
        }
        ("TXT", 6) => (0..30)
            .map(|number| format!("\"{number:02} {}\"", "x".repeat(200)))
            .collect(),
        ("MX", 0..=2) => (0..20)
            .map(|number| {
                format!(
                    "{number} {}",
                    target.child(format!("m{number}").as_bytes()).fitting()
                )
            })
            .collect(),
        _ => {
            let count = 1 + chance.below(3).min(chance.below(3));
            (0..count).map(|_| data(kind, target, chance)).collect()
        }
    }
}

/// Text of so many octets, in strings of at most 255.
fn strings(octets: usize) -> String {
    let mut left = octets;
    let mut text = String::new();
    while left > 0 {
        let length = left.min(255);
        text += &format!("\"{}\" ", "t".repeat(length));
        left -= length;
    }
    text
}

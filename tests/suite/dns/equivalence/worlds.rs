//! Random zones and services over them, and what they are once published.

use super::super::{Given, build};
use proptest::{prelude::*, sample::select};
use sidestep::{
    dns::{Cookies, Publisher, Settings, Zones},
    failover::{AnswerTable, ServiceAnswer},
    model::CookieSecret,
};
use std::{collections::BTreeMap, sync::Arc};

const LABELS: [&str; 10] = [
    "a",
    "b",
    "*",
    "x",
    "a",
    "b",
    "*",
    "long-label-of-a-name",
    // A dot, the octet 0 and one that is no ASCII, within a label.
    r"\046\000\255",
    // Three of these and `t` leave 60 octets.
    "lllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll",
];
/// A label that makes a name of 255 octets of `t` and three of the long ones.
const BRIM: &str = "ggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg";

/// A name of one to four labels and an apex, or one as long as a name may be.
pub(super) fn a_name() -> impl Strategy<Value = String> {
    let apex = select(vec!["t.", "t.", "t.", "a.t.", "other."]);
    let labels = prop::collection::vec(select(LABELS.to_vec()), 0..4);
    let any = (labels, apex).prop_map(|(labels, apex)| {
        let labels = labels.iter().map(|label| format!("{label}."));
        labels.collect::<String>() + apex
    });
    let long = LABELS[9];
    let longest = format!("{BRIM}.{long}.{long}.{long}.t.");
    let nearly = format!("{long}.{long}.{long}.t.");
    prop_oneof![20 => any, 1 => Just(longest), 1 => Just(nearly)]
}

/// A name in wire form.
pub(super) fn wire(name: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let mut words = label.split('\\');
        let mut octets_of: Vec<u8> = words.next().unwrap().bytes().collect();
        for word in words {
            let (digits, rest) = word.split_at(3);
            octets_of.push(digits.parse().unwrap());
            octets_of.extend(rest.bytes());
        }
        octets.push(u8::try_from(octets_of.len()).unwrap());
        octets.extend(octets_of);
    }
    octets.push(0);
    octets
}

#[test]
fn the_longest_name_of_these_has_255_octets() {
    let long = LABELS[9];
    assert_eq!(wire(&format!("{BRIM}.{long}.{long}.{long}.t.")).len(), 255);
    assert_eq!(wire(r"\046\000\255.t."), b"\x03.\0\xff\x01t\0");
}

/// What stands at a name.
#[derive(Clone, Debug)]
pub(super) enum Standing {
    Alias(String),
    Dname(String),
    Delegation(Vec<String>),
    Sets(Vec<(u8, u8, String)>),
    /// Its state, and what its records name or it is an alias of.
    Service(u8, String),
}

pub(super) fn standing() -> impl Strategy<Value = Standing> {
    let sets = prop::collection::vec((0..9_u8, 1..5_u8, a_name()), 1..4);
    prop_oneof![
        3 => a_name().prop_map(Standing::Alias),
        1 => a_name().prop_map(Standing::Dname),
        2 => prop::collection::vec(a_name(), 1..4).prop_map(Standing::Delegation),
        9 => sets.prop_map(Standing::Sets),
        3 => (0..9_u8, a_name()).prop_map(|(state, target)| Standing::Service(state, target)),
    ]
}

/// Records of an RRset as a zone file has them.
fn lines(owner: &str, kind: u8, count: u8, target: &str) -> String {
    let line = |number: u8| match kind {
        0 => format!("A 192.0.2.{number}"),
        1 => format!("AAAA 2001:db8::{number}"),
        2 => format!("MX {number} {target}"),
        3 => format!("SRV 0 {number} 443 {target}"),
        4 => format!(
            "TXT \"{number}\" \"{}\"",
            "t".repeat(usize::from(number) * 40)
        ),
        5 => format!("HTTPS {number} {target} alpn=h2"),
        6 => format!("HTTPS {number} . alpn=h3"),
        7 => format!("TYPE65280 \\# 2 00{number:02}"),
        // Whatever the target, the name is none too long.
        _ => format!("PTR p{number}.t."),
    };
    let record = |number| format!("{owner} {} {}\n", 60 + u32::from(kind), line(number));
    (1..=count).map(record).collect()
}

/// A service's name, its state, and what its records name.
type Served<'n> = (&'n str, u8, &'n str);

/// The zones' texts, the services by number and what each answers.
fn zones_of(
    names: &BTreeMap<String, Standing>,
) -> (BTreeMap<&'static str, String>, Vec<Served<'_>>) {
    let apexes = ["t.", "a.t.", "other."];
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    for apex in apexes {
        let soa = format!("$TTL 60\n{apex} 300 SOA ns1.t. h.{apex} 7 1 1 1 45\n{apex} NS ns1.t.\n");
        texts.insert(apex, soa);
    }
    let mut services = Vec::new();
    for (name, standing) in names {
        let below = |apex: &&str| name == *apex || name.ends_with(&format!(".{apex}"));
        let apex = apexes
            .into_iter()
            .filter(below)
            .max_by_key(|apex| apex.len())
            .unwrap();
        let is_apex = name == apex;
        *texts.get_mut(apex).unwrap() += &match standing {
            Standing::Alias(target) if !is_apex => format!("{name} CNAME {target}\n"),
            Standing::Dname(target) => format!("{name} DNAME {target}\n"),
            Standing::Delegation(servers) if !is_apex && !name.starts_with('*') => {
                let mut text = String::new();
                for server in servers {
                    text += &format!("{name} NS {server}\n");
                }
                text + format!("{name} DS 1 8 2 {}\n", "ab".repeat(32)).as_str()
            }
            Standing::Sets(sets) => {
                let mut by_kind = BTreeMap::new();
                for (kind, count, target) in sets {
                    by_kind.insert(*kind, lines(name, *kind, *count, target));
                }
                by_kind.into_values().collect()
            }
            Standing::Service(state, target) => {
                services.push((name.as_str(), *state, target.as_str()));
                format!("{name} TXT \"beside a service\"\n{name} MX 9 {target}\n")
            }
            _ => String::new(),
        };
    }
    (texts, services)
}

/// What a service answers in one of its states; nothing where it was not decided.
fn service_answer(state: u8, target: &str) -> Option<ServiceAnswer> {
    let addresses: &[&str] = match state {
        0 => return None,
        1 => &["198.51.100.1"],
        2 => &["2001:db8:9::1", "2001:db8:9::2"],
        3 => &["198.51.100.1", "198.51.100.2", "2001:db8:9::1"],
        // A hostname, resolved or not.
        7 => &[],
        _ => &["198.51.100.3", "2001:db8:9::3"],
    };
    let addresses = addresses.iter().map(|address| address.parse().unwrap());
    let records = match state {
        5 | 6 => vec![
            format!("MX 10 {target}"),
            format!("MX 20 {target}"),
            format!("HTTPS 1 {target} alpn=h2"),
            "HTTPS 2 . alpn=h3".to_owned(),
            "TYPE65280 \\# 1 07".to_owned(),
        ],
        _ => Vec::new(),
    };
    Some(ServiceAnswer {
        addresses: addresses.collect(),
        records,
        cname: (state >= 7).then(|| target.trim_end_matches('.').into()),
        ttl_secs: u32::from(state) * 15,
        ..ServiceAnswer::default()
    })
}

/// Everything published; `None` where the zones are refused.
pub(super) fn published(
    names: &BTreeMap<String, Standing>,
    serial: Option<u32>,
) -> Option<(Publisher, Arc<Zones>)> {
    let (texts, services) = zones_of(names);
    let given: Vec<_> = texts
        .iter()
        .map(|(apex, text)| (apex.trim_end_matches('.'), Given::File(text)))
        .collect();
    let owners: Vec<[&str; 1]> = services
        .iter()
        .map(|(name, ..)| [name.trim_end_matches('.')])
        .collect();
    let named: Vec<String> = (0..services.len())
        .map(|number| format!("s{number}"))
        .collect();
    let services_given: Vec<_> = named
        .iter()
        .zip(&owners)
        .map(|(name, owner)| (name.as_str(), &owner[..]))
        .collect();
    let zones = Arc::new(build(&given, &services_given, &[]).zones.ok()?);
    let mut answers = AnswerTable::default();
    for (name, (_, state, target)) in named.iter().zip(&services) {
        if let Some(answer) = service_answer(*state, target) {
            answers.services.insert(name.as_str().into(), answer);
        }
    }
    if let Some(serial) = serial {
        answers.serials.insert("t".into(), serial);
    }
    let publisher = Publisher::new();
    publisher.publish(Arc::clone(&zones), sidestep::dns::Table::from(&answers));
    let secret: CookieSecret = "e5e973e5a6b2a43f48e7dc849e37bfcf".parse().unwrap();
    publisher.publish_settings(Settings {
        identity: Some(Box::from(&b"ns1"[..])),
        cookies: Some(Cookies::new(secret, &[])),
        ..Settings::default()
    });
    Some((publisher, zones))
}

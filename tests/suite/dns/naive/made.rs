//! Random records and services, and the world that takes of them what would not be refused.

use super::{
    APEXES, ODD, World, Written, apex_of, octets,
    service::{Beside, Service},
    within,
};
use proptest::prelude::*;

/// Long enough for a substitution to be too long.
const LONG: &str = "lllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll";
/// With three of those and `t` it makes a name of 255 octets; with one octet more, one too long.
const BRIM: [&str; 2] = [
    "ggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg",
    "gggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg",
];

pub(super) fn a_name() -> impl Strategy<Value = String> {
    let label = prop_oneof![
        4 => Just("a"), 4 => Just("b"), 3 => Just("*"), 2 => Just("z"), 1 => Just(LONG),
        1 => Just(ODD), 1 => prop::sample::select(BRIM.to_vec()),
    ];
    let labels = prop::collection::vec(label, 0..4);
    let apex = prop_oneof![4 => Just("t"), 2 => Just("u"), 1 => Just("elsewhere")];
    let any = (labels, apex).prop_map(|(mut labels, apex)| {
        labels.push(apex);
        labels.join(".")
    });
    // Below these a substitution just fits, or just not.
    let owner = format!("{LONG}.{LONG}.{LONG}.t");
    let longest = format!("{}.{owner}", BRIM[0]);
    let brims = BRIM.map(|label| format!("{label}.a.t"));
    let brims = prop::sample::select(vec![owner, longest, brims[0].clone(), brims[1].clone()]);
    prop_oneof![16 => any, 1 => brims]
}

pub(super) fn a_record() -> impl Strategy<Value = Written> {
    let kind = prop::sample::select(vec![
        "A", "A", "AAAA", "NS", "NS", "CNAME", "CNAME", "DNAME", "MX", "TXT", "SRV", "HTTPS", "DS",
    ]);
    let ttl_secs = prop::sample::select(vec![60, 300]);
    (a_name(), ttl_secs, kind, a_name()).prop_map(|(owner, ttl_secs, kind, target)| Written {
        owner,
        ttl_secs,
        kind,
        target,
    })
}

pub(super) fn a_service() -> impl Strategy<Value = Service> {
    let addresses = prop::sample::select(vec![
        None,
        Some(vec!["198.51.100.1", "2001:db8::2"]),
        Some(vec!["198.51.100.1", "198.51.100.2"]),
    ]);
    let beside = prop_oneof![
        Just(Beside::Nothing),
        a_name().prop_map(Beside::Records),
        a_name().prop_map(Beside::Alias),
    ];
    (a_name(), addresses, beside).prop_map(|(owner, addresses, beside)| Service {
        name: String::new(),
        owner,
        addresses,
        beside,
    })
}

/// Takes records and services one by one, and leaves out what would be refused.
pub(super) fn world_of(records: Vec<Written>, services: Vec<Service>) -> World {
    let mut world = World::default();
    for (number, mut service) in services.into_iter().enumerate() {
        let owner = &service.owner;
        if apex_of(owner).is_some() && octets(owner) <= 255 && world.service(owner).is_none() {
            service.name = format!("s{number}");
            // What an alias is at an apex is for `moved.rs`.
            let is_apex = APEXES.contains(&owner.as_str());
            let fits = match &service.beside {
                Beside::Nothing => true,
                Beside::Records(target) => octets(target) <= 255,
                Beside::Alias(target) => octets(target) <= 255 && !is_apex,
            };
            if !fits {
                service.beside = Beside::Nothing;
            }
            world.services.push(service);
        }
    }
    for apex in APEXES {
        for kind in ["SOA", "NS"] {
            world.records.push(Written {
                owner: apex.into(),
                ttl_secs: 60,
                kind,
                target: "n".into(),
            });
        }
    }
    for record in records {
        let Some(apex) = apex_of(&record.owner) else {
            continue;
        };
        let owner = &record.owner;
        if [owner, &record.target]
            .into_iter()
            .any(|name| octets(name) > 255)
        {
            continue;
        }
        let at = |kinds: &[&str]| {
            let mut beside = world.records.iter().filter(|other| other.owner == *owner);
            beside.any(|other| kinds.contains(&other.kind))
        };
        let served = |below_only: bool| {
            let owners = world.services.iter().map(|service| &service.owner);
            let mut owners = owners.filter(|name| apex_of(name) == Some(apex));
            owners.any(|name| within(name, owner) && !(below_only && name == owner))
        };
        let anything = world.records.iter().any(|other| other.owner == *owner);
        let refused = match record.kind {
            "CNAME" => anything || world.service(owner).is_some(),
            "DNAME" => at(&["CNAME", "DNAME"]) || owner != apex && at(&["NS"]) || served(true),
            "NS" => {
                at(&["CNAME"])
                    || owner != apex && (owner.starts_with("*.") || at(&["DNAME"]) || served(false))
            }
            _ => at(&["CNAME"]),
        };
        let is_alias = |service: &Service| matches!(service.beside, Beside::Alias(_));
        let beside_alias = world.service(owner).is_some_and(is_alias);
        if !refused && !beside_alias {
            world.records.push(record);
        }
    }
    world
}

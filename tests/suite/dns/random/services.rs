//! Services over random zones: at apexes, at names, as wildcards, with records beside the
//! addresses, and as an alias alone.

use super::{
    Chance, Labels, World, WorldZone,
    records::{self, RrSets},
};
use std::{collections::BTreeSet, net::IpAddr};

/// Types that move with a service's target.
const MOVED_KINDS: [&str; 7] = ["MX", "HTTPS", "SVCB", "SRV", "TXT", "CAA", "TYPE65280"];

/// A service of one target.
#[derive(Clone, Debug)]
pub(in super::super) struct WorldService {
    pub(in super::super) name: String,
    /// Names under its control, in lower case.
    pub(in super::super) owners: Vec<Labels>,
    /// None where it is an alias.
    pub(in super::super) addresses: Vec<IpAddr>,
    /// Types and data.
    pub(in super::super) records: Vec<(&'static str, String)>,
    /// What it is an alias of; none of its names is an apex then.
    pub(in super::super) cname: Option<Labels>,
    pub(in super::super) ttl_secs: u32,
}

impl WorldService {
    /// Puts what it answers in the place of what the zone holds at one of its names.
    pub(super) fn lie_over(&self, sets: &mut RrSets) {
        if let Some(cname) = &self.cname {
            sets.clear();
            records::put(sets, "CNAME", self.ttl_secs, vec![cname.to_string()]);
            return;
        }
        for kind in records::ADDRESS_KINDS {
            sets.remove(kind);
        }
        for (kind, _) in &self.records {
            sets.remove(kind);
        }
        for address in &self.addresses {
            let kind = if address.is_ipv4() { "A" } else { "AAAA" };
            records::put(sets, kind, self.ttl_secs, vec![address.to_string()]);
        }
        for (kind, data) in &self.records {
            records::put(sets, kind, self.ttl_secs, vec![data.clone()]);
        }
    }

    /// Its target and itself as a configuration has them.
    pub(in super::super) fn toml(&self, name: &str) -> String {
        let quoted = |words: Vec<String>| format!("{words:?}");
        let owners = quoted(self.owners.iter().map(plain).collect());
        let target = match &self.cname {
            Some(cname) => format!("cname = {:?}", plain(cname)),
            None => {
                let addresses = self.addresses.iter().map(IpAddr::to_string).collect();
                format!("addresses = {}", quoted(addresses))
            }
        };
        let records = match &self.records[..] {
            [] => String::new(),
            records => format!("records = {}\n", quoted(records.iter().map(text).collect())),
        };
        format!(
            "[[target]]\nname = \"{name}\"\n{target}\n{records}probe_at = [\"127.0.0.1\"]\n\
             [[service]]\nname = \"{name}\"\nnames = {owners}\ntargets = [\"{name}\"]\n\
             monitors = [\"tcp\"]\nttl = \"{}s\"\n",
            self.ttl_secs
        )
    }
}

/// A name as configurations have it.
pub(in super::super) fn plain(name: &Labels) -> String {
    name.to_string().trim_end_matches('.').to_owned()
}

/// A record as configurations have it.
pub(super) fn text((kind, data): &(&'static str, String)) -> String {
    format!("{kind} {data}")
}

impl World {
    pub(super) fn add_services(&mut self, chance: &mut Chance) {
        for number in 0..3 {
            let mut owners = Vec::new();
            for _ in 0..=chance.below(2) {
                owners.extend(self.owner(chance));
            }
            self.add_service(number, owners, chance);
        }
        // A wildcard with names beside and below it, and a name as long as a name may be.
        let zone = chance.pick(&self.zones);
        let mut owners = vec![zone.apex.child(b"app").child(b"*")];
        let zone = chance.pick(&self.zones);
        owners.push(zone.apex.longest(b'q'));
        self.add_service(3, owners, chance);
    }

    /// A name that a service may have.
    fn owner(&self, chance: &mut Chance) -> Option<Labels> {
        let zone = chance.pick(&self.zones);
        let owner = match chance.below(6) {
            0 => zone.apex.clone(),
            1..=3 => chance
                .pick(&zone.nodes.keys().cloned().collect::<Vec<_>>())
                .clone(),
            _ => chance.name_under(&zone.apex),
        };
        Some(owner.lower())
    }

    fn add_service(&mut self, number: usize, owners: Vec<Labels>, chance: &mut Chance) {
        let mut free = BTreeSet::new();
        for owner in owners {
            let zone = self.zone_of(&owner);
            let taken = self.service_named(&owner).is_some();
            if !taken && zone.is_some_and(|zone| zone.takes_service(&owner)) {
                free.insert(owner);
            }
        }
        if free.is_empty() {
            return;
        }
        self.names.extend(free.iter().cloned());
        let mut service = WorldService {
            name: format!("s{number}"),
            owners: free.into_iter().collect(),
            addresses: addresses(chance),
            records: Vec::new(),
            cname: None,
            ttl_secs: *chance.pick(&[1, 5, 30, 120]),
        };
        match chance.below(4) {
            0 => {}
            1 => service.records = self.moving(chance),
            _ => service.cname = self.alias(&service.owners, chance),
        }
        if service.cname.is_some() {
            service.addresses.clear();
        }
        self.services.push(service);
    }

    /// Records beside the addresses.
    fn moving(&self, chance: &mut Chance) -> Vec<(&'static str, String)> {
        let mut records: Vec<(&'static str, String)> = Vec::new();
        for _ in 0..1 + chance.below(4) {
            let target = chance.pick(&self.names).clone();
            let kind = *chance.pick(&MOVED_KINDS);
            let data = records::data(kind, &target, chance);
            let is_there = |(other, known): &(&str, String)| {
                *other == kind && known.eq_ignore_ascii_case(&data)
            };
            if !records.iter().any(is_there) {
                records.push((kind, data));
            }
        }
        records
    }

    /// What a service with these names may be an alias of: nothing stands beside an alias, and
    /// it does not lead to itself.
    fn alias(&self, owners: &[Labels], chance: &mut Chance) -> Option<Labels> {
        let is_alone = |owner: &Labels| {
            let zone = self.zone_of(owner)?;
            let mut kinds = zone.nodes.get(owner).into_iter().flatten();
            let is_address = |kind: &str| records::ADDRESS_KINDS.contains(&kind);
            // The server of a zone is no alias, or others refuse the zone.
            let is_server = matches!(&owner.0[0][..], b"ns" | b"ns2");
            let alone = kinds.all(|(kind, _)| is_address(kind));
            (alone && !is_server && *owner != zone.apex).then_some(())
        };
        owners.iter().try_for_each(is_alone)?;
        let elsewhere = Labels::of("host.example.net");
        let mut targets: Vec<_> = (0..4).map(|_| chance.pick(&self.names)).collect();
        targets.push(&elsewhere);
        let ends_well = |target: &&Labels| target.is_plain() && !self.may_lead_to(target, owners);
        targets.into_iter().find(ends_well).cloned()
    }

    /// Whether a name is, or by way of static aliases leads to, one of these or what one of them
    /// may stand for.
    fn may_lead_to(&self, name: &Labels, owners: &[Labels]) -> bool {
        let mut name = name.lower();
        for _ in 0..20 {
            let is_one = |owner: &Labels| match owner.0[0] == b"*" {
                true => name.is_within(&owner.parent()),
                false => name == *owner,
            };
            if owners.iter().any(is_one) {
                return true;
            }
            let Some(zone) = self.zone_of(&name) else {
                return false;
            };
            let is_alias = |sets: &&RrSets| sets.contains_key("CNAME");
            let wild = || {
                let mut nodes = zone.nodes.iter().filter(|(owner, sets)| {
                    let is_wild = owner.0.first().is_some_and(|label| label == b"*");
                    is_wild && name.is_within(&owner.parent()) && is_alias(sets)
                });
                nodes.next().map(|(_, sets)| sets)
            };
            let alias = match zone.nodes.get(&name) {
                Some(sets) => Some(sets).filter(is_alias),
                None => wild(),
            };
            let Some(sets) = alias else {
                return false;
            };
            match Labels::read(&sets["CNAME"].data[0]) {
                Some(target) => name = target.lower(),
                None => return true,
            }
        }
        true
    }

    /// The service that has exactly this name.
    fn service_named(&self, name: &Labels) -> Option<&WorldService> {
        let lower = name.lower();
        self.services
            .iter()
            .find(|service| service.owners.contains(&lower))
    }

    /// The service that answers a name: its own, or that of the wildcard that stands for it.
    pub(in super::super) fn service_of(&self, name: &Labels) -> Option<&WorldService> {
        let zone = self.zone_of(name)?;
        let name = name.lower();
        let holds = |name: &Labels| self.holds(zone, name);
        if holds(&name) {
            return self.service_named(&name);
        }
        let mut encloser = name.parent();
        while !holds(&encloser) {
            encloser = encloser.parent();
        }
        self.service_named(&encloser.child(b"*"))
    }

    /// Whether a name exists in a zone: it has records or a service, or something below it has.
    fn holds(&self, zone: &WorldZone, name: &Labels) -> bool {
        let services = self.services.iter().flat_map(|service| &service.owners);
        let is_there = |owner: &Labels| owner.is_within(name);
        let within = |owner: &&Labels| owner.is_within(&zone.apex);
        *name == zone.apex
            || zone.nodes.keys().any(is_there)
            || services.filter(within).any(is_there)
    }
}

impl WorldZone {
    /// Whether a service may have this name: it is no alias, below nothing that covers it, and
    /// written in letters, digits and hyphens, but for a wildcard at its front.
    fn takes_service(&self, name: &Labels) -> bool {
        let below = match name.0.first() {
            Some(label) if label == b"*" => name.parent(),
            _ => name.clone(),
        };
        self.is_open(name) && below.is_plain()
    }
}

fn addresses(chance: &mut Chance) -> Vec<IpAddr> {
    let number = chance.below(200);
    let mut addresses = vec![format!("198.51.100.{number}").parse().unwrap()];
    match chance.below(4) {
        0 => addresses = vec![format!("2001:db8:5::{number:x}").parse().unwrap()],
        1 => {}
        _ => addresses.push(format!("2001:db8:5::{number:x}").parse().unwrap()),
    }
    if chance.one_in(4) {
        addresses.push(format!("198.51.100.{}", number + 1).parse().unwrap());
    }
    addresses
}

//! Zones as they are answered from.
//!
//! Does not know how zones are read or checked (`load`), nor what an answer looks like
//! (`answer`). Contract: immutable once built; what a lookup costs does not grow with the number
//! of zones or names. Services and zones are numbered: an answer table is an array in the same
//! order, which is the `Roster`.

pub(super) mod build;
pub(super) mod rrset;
pub(super) mod zone;

use super::{
    answer::MAX_ALIASES,
    fields::{self, kind},
    name::{LookupName, WireName, text_of},
};
use crate::model::{DnsName, ServiceName};
use hashbrown::HashTable;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};
use zone::{Found, Node, Zone};

/// The numbers of services and zones: their places here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Roster {
    /// In order.
    pub(super) services: Vec<ServiceName>,
    /// In the order in which the zones are given.
    pub(super) apexes: Vec<DnsName>,
}

/// All zones of this server.
#[derive(Clone, Debug, Default)]
pub struct Zones {
    zones: Vec<Arc<Zone>>,
    /// By hash of the apex.
    index: HashTable<u32>,
    /// How many labels the longest apex has: no longer suffix of a name is worth a look.
    deepest: usize,
    roster: Arc<Roster>,
}

impl Zones {
    /// Without zones; the services by name in order.
    pub(super) fn of_services(services: Vec<ServiceName>) -> Self {
        let apexes = Vec::new();
        Self {
            roster: Arc::new(Roster { services, apexes }),
            ..Self::default()
        }
    }

    /// The number of a service.
    pub(super) fn slot_of(&self, service: &ServiceName) -> Option<u32> {
        let slot = self.roster.services.binary_search(service).ok()?;
        u32::try_from(slot).ok()
    }

    /// The number that the next zone gets.
    pub(super) fn next_number(&self) -> u32 {
        u32::try_from(self.zones.len()).unwrap_or(u32::MAX)
    }

    /// Puts a zone in that was built with the next number; `false` where there is one with this
    /// apex.
    pub(super) fn insert(&mut self, zone: Zone) -> bool {
        let apex = LookupName::of(zone.apex());
        let depth = apex.depth();
        let (zones, number) = (&mut self.zones, zone.number);
        if self
            .index
            .find(apex.hash(depth), |&n| {
                zones[n as usize].apex() == zone.apex()
            })
            .is_some()
        {
            return false;
        }
        let roster = Arc::make_mut(&mut self.roster);
        roster.apexes.push(zone.name.clone());
        self.deepest = self.deepest.max(depth);
        zones.push(Arc::new(zone));
        self.index.insert_unique(apex.hash(depth), number, |&n| {
            LookupName::of(zones[n as usize].apex()).hash(zones[n as usize].depth)
        });
        true
    }

    /// The numbers of services and zones.
    pub(super) fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// The zone that answers for a name: the one of the longest apex that it lies within.
    /// `of_parent`: for the type that belongs to the parent at an apex, DS, so that the apex
    /// itself counts only where nothing above it is ours.
    pub(super) fn zone_of(&self, name: &LookupName, of_parent: bool) -> Option<&Zone> {
        let deepest = self.deepest.min(name.depth());
        let mut depths = (0..=deepest).rev();
        let found = depths.find_map(|depth| self.zone_at(name, depth))?;
        if of_parent && found.depth == name.depth() {
            return depths
                .find_map(|depth| self.zone_at(name, depth))
                .or(Some(found));
        }
        Some(found)
    }

    fn zone_at(&self, name: &LookupName, depth: usize) -> Option<&Zone> {
        let suffix = name.suffix(depth);
        let number = self.index.find(name.hash(depth), |&number| {
            self.zones[number as usize].apex() == suffix
        })?;
        Some(&self.zones[*number as usize])
    }

    /// The node that answers for a name, its own or a wildcard's; `None` where no zone has one,
    /// where it is delegated, and below a DNAME.
    pub(super) fn node_for(&self, name: &LookupName) -> Option<Node<'_>> {
        match self.zone_of(name, false)?.find(name, false) {
            Found::Node(node) | Found::Wildcard(node) => Some(node),
            Found::Cut(_) | Found::Dname(_) | Found::Nothing => None,
        }
    }

    /// The service whose name a node has.
    pub(super) fn service_at(&self, node: Node<'_>) -> Option<&ServiceName> {
        self.roster.services.get(node.service()?)
    }

    /// The service that a name leads to: by itself, by a wildcard, or by CNAMEs of these zones.
    pub(super) fn service_at_end(&self, name: &[u8]) -> Option<&ServiceName> {
        let mut name = name;
        for _ in 0..=MAX_ALIASES {
            let node = self.node_for(&LookupName::of(name))?;
            let Some(alias) = node.rrset(kind::CNAME) else {
                return self.service_at(node);
            };
            name = fields::target(kind::CNAME, alias.rdata().next()?)?;
        }
        None
    }

    /// The SOA serial that a zone's file says; `None` for zones without a file.
    pub fn serial_of(&self, apex: &DnsName) -> Option<u32> {
        let apex = LookupName::of(WireName::parse(apex)?.octets());
        let zone = self.zone_at(&apex, apex.depth())?;
        zone.from_file.then_some(zone.serial)
    }

    /// Every static A and AAAA, so that `check` can find names that point at a target's address
    /// and are in no service.
    pub fn static_addresses(&self) -> impl Iterator<Item = (DnsName, IpAddr)> {
        let nodes = self.zones.iter().flat_map(|zone| zone.nodes());
        nodes.flat_map(|node| {
            let sets = node.addresses();
            let addresses = sets.flat_map(|set| {
                set.rdata()
                    .filter_map(move |rdata| address_of(set.kind, rdata))
            });
            addresses.map(move |address| (text_of(node.name()), address))
        })
    }
}

fn address_of(kind: u16, rdata: &[u8]) -> Option<IpAddr> {
    match kind {
        kind::A => Some(Ipv4Addr::from(<[u8; 4]>::try_from(rdata).ok()?).into()),
        kind::AAAA => Some(Ipv6Addr::from(<[u8; 16]>::try_from(rdata).ok()?).into()),
        _ => None,
    }
}

//! Zones as they are answered from: trees of names with RRsets and service marks.
//!
//! Does not know how zones are read or checked (`load`), nor what an answer looks like
//! (`answer`). Contract: immutable once built; a lookup costs one map lookup per label, whatever
//! the number of zones and names. Lookup follows RFC 1034 section 4.3.2 step 3 with the closest
//! encloser of RFC 4592 section 3.3.1.

use super::tree::{Tree, labels_of};
use crate::model::{DnsName, ServiceName};
use hickory_proto::rr::{Name, RData, RecordType, rdata::SOA};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

/// The records of one name and type: the owner is the node that holds it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RrSet {
    pub(super) ttl_secs: u32,
    pub(super) data: Vec<RData>,
}

/// What exists at a name. Empty where only names below it exist.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Node {
    /// By type, in the order of type numbers. None of a service's A and AAAA.
    pub(super) rrsets: BTreeMap<RecordType, RrSet>,
    /// The service that owns A and AAAA here.
    pub(super) service: Option<ServiceName>,
}

/// One zone.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Zone {
    /// In lower case.
    pub(super) apex: Name,
    /// How many labels the apex has.
    pub(super) depth: usize,
    /// The apex as the answer table names it.
    pub(super) name: DnsName,
    pub(super) soa: SOA,
    pub(super) soa_ttl_secs: u32,
    /// Whether the serial comes from a file.
    pub(super) from_file: bool,
    pub(super) tree: Tree<Node>,
}

/// Where a name leads in a zone.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'z> {
    /// The name exists.
    Node(&'z Node),
    /// It does not, but this wildcard stands for it.
    Wildcard(&'z Node),
    /// It is, or lies below, a delegation that is this many labels long.
    Cut(usize, &'z RrSet),
    /// It does not exist.
    Nothing,
}

impl Zone {
    /// Where the name leads: `labels` in lower case from the root down, within the apex. At a
    /// delegation itself `at_cut` finds the node: DS belongs to the parent (RFC 4035 section
    /// 3.1.4.1).
    pub(super) fn find(&self, labels: &[&[u8]], at_cut: bool) -> Found<'_> {
        let mut tree = &self.tree;
        for (depth, label) in labels.iter().enumerate().skip(self.depth) {
            let Some(child) = tree.child(label) else {
                // `tree` is the closest encloser: only its own wildcard may answer.
                return match tree.child(b"*") {
                    Some(wildcard) => Found::Wildcard(&wildcard.value),
                    None => Found::Nothing,
                };
            };
            tree = child;
            if let Some(servers) = tree.value.rrsets.get(&RecordType::NS)
                && !(at_cut && depth + 1 == labels.len())
            {
                return Found::Cut(depth + 1, servers);
            }
        }
        Found::Node(&tree.value)
    }

    /// What stands at exactly this name, below delegations too: for the additional section.
    pub(super) fn node(&self, labels: &[&[u8]]) -> Option<&Node> {
        let below = labels.get(self.depth..)?;
        self.tree.get(below).map(|tree| &tree.value)
    }
}

/// All zones of this server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Zones {
    tree: Tree<Option<Arc<Zone>>>,
    addresses: Vec<(DnsName, IpAddr)>,
}

impl Zones {
    /// Puts a zone in; `false` where there is one with this apex.
    pub(super) fn insert(&mut self, zone: Zone) -> bool {
        let apex = zone.apex.clone();
        let place = &mut self.tree.make(&labels_of(&apex)).value;
        let is_new = place.is_none();
        if is_new {
            *place = Some(Arc::new(zone));
        }
        is_new
    }

    pub(super) fn add_address(&mut self, name: DnsName, address: IpAddr) {
        self.addresses.push((name, address));
    }

    /// The zone that answers for a name: the longest apex that holds it. Labels in lower case
    /// from the root down. `of_parent`: the apex itself does not count.
    pub(super) fn zone_of(&self, labels: &[&[u8]], of_parent: bool) -> Option<&Arc<Zone>> {
        let mut tree = &self.tree;
        let mut found = tree.value.as_ref();
        for (depth, label) in labels.iter().enumerate() {
            let Some(child) = tree.child(label) else {
                break;
            };
            tree = child;
            if let Some(zone) = &tree.value
                && !(of_parent && found.is_some() && depth + 1 == labels.len())
            {
                found = Some(zone);
            }
        }
        found
    }

    /// The SOA serial that a zone's file says; `None` for zones without a file.
    pub fn serial_of(&self, apex: &DnsName) -> Option<u32> {
        let name = Name::from_ascii(apex.as_str()).ok()?.to_lowercase();
        let zone = self.tree.get(&labels_of(&name))?.value.as_ref()?;
        zone.from_file.then_some(zone.soa.serial)
    }

    /// Every static A and AAAA that is answered, so that `check` can find names that point at a
    /// target's address and are in no service.
    pub fn static_addresses(&self) -> impl Iterator<Item = (&DnsName, IpAddr)> {
        self.addresses
            .iter()
            .map(|(name, address)| (name, *address))
    }
}

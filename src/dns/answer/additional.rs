//! The additional section: what a resolver would ask for next, as far as we hold it.

use super::{Answer, At};
use crate::dns::{
    fields::kind,
    name::LookupName,
    store::{Zones, zone::Found},
    table::Table,
};
use hickory_proto::{
    rr::{Name, RData, Record},
    serialize::binary::{BinDecodable, BinDecoder},
};
use std::collections::HashSet;

/// For how many names records are added: more would not fit a UDP answer. Glue is exempt: a
/// referral without it leads nowhere (RFC 9471).
pub(in crate::dns) const MAX_NAMES: usize = 16;

/// Addresses of the hosts that NS, MX, SRV, SVCB and HTTPS records name; below a delegation that
/// is its glue.
pub(super) fn of(zones: &Zones, table: &Table, answer: &Answer) -> Vec<Record> {
    let mut seen = HashSet::new();
    let mut records = Vec::new();
    let sources = answer.answers.iter().chain(&answer.authority);
    for host in sources.filter_map(Host::of) {
        if answer.aa && seen.len() == MAX_NAMES {
            break;
        }
        if seen.insert(host.name.clone()) {
            host.add(zones, table, &mut records);
        }
    }
    records
}

/// A name that a record leads to, and what is wanted there.
struct Host {
    name: Name,
    /// Its records of the same type, too: those of SVCB and HTTPS (RFC 9460 section 4.1).
    same_kind: Option<u16>,
}

impl Host {
    fn of(record: &Record) -> Option<Self> {
        let host = |name: &Name| Self {
            name: name.clone(),
            same_kind: None,
        };
        match &record.data {
            RData::NS(server) => Some(host(&server.0)),
            RData::MX(mail) => Some(host(&mail.exchange)),
            RData::Unknown { code, rdata } => {
                Self::of_opaque(record, (*code).into(), &rdata.anything)
            }
            _ => None,
        }
    }

    fn of_opaque(record: &Record, kind: u16, rdata: &[u8]) -> Option<Self> {
        let target = crate::dns::fields::target(kind, rdata)?;
        let name = Name::read(&mut BinDecoder::new(target)).ok()?;
        let is_binding = match kind {
            kind::SRV => false,
            kind::SVCB | kind::HTTPS => true,
            _ => return None,
        };
        if !name.is_root() {
            // The owner's stand in the answer.
            let is_elsewhere = is_binding && name != record.name;
            return Some(Self {
                name,
                same_kind: is_elsewhere.then_some(kind),
            });
        }
        // "." is the owner, but where an alias leads there, and in SRV, it is nowhere.
        let priority = u16::from_be_bytes([*rdata.first()?, *rdata.get(1)?]);
        (is_binding && priority > 0).then(|| Self {
            name: record.name.clone(),
            same_kind: None,
        })
    }

    fn add(&self, zones: &Zones, table: &Table, records: &mut Vec<Record>) {
        let name = LookupName::of_name(&self.name);
        let Some(zone) = zones.zone_of(&name, false) else {
            return;
        };
        let (node, same_kind) = match zone.find(&name, false) {
            Found::Node(node) | Found::Wildcard(node) => (Some(node), self.same_kind),
            // Glue.
            Found::Cut(_) => (zone.node_of(&name), None),
            Found::Dname(_) | Found::Nothing => (None, None),
        };
        let Some(node) = node else { return };
        let here = At::new(table, zone, node);
        for kind in [kind::A, kind::AAAA].into_iter().chain(same_kind) {
            records.extend(here.records(kind, &self.name));
        }
    }
}

//! Where records lead to names of other zones, and what services lead to: looked at once all
//! zones are there, since a name may be a service's by a wildcard only where nothing is nearer to
//! it (RFC 4592 section 3.3.1).
//!
//! Contract: a name that no service can have is not kept, so that this costs next to nothing.

use super::super::{
    Entry, Loader, LookupName, MAX_FINDINGS, Place, WireName, ZoneInput, apex_of, kind,
};
use crate::{
    dns::moved::hints::goes_around,
    model::{Service, ServiceName},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// A record that leads out of its zone.
pub(in super::super) struct Abroad {
    place: Place,
    kind: u16,
    /// In wire form and lower case.
    name: Box<[u8]>,
}

impl Loader<'_> {
    /// Keeps a name outside the zone at hand that a record leads to.
    pub(super) fn leads_abroad(&mut self, entry: &Entry, name: &LookupName) {
        let may_be = |octets: &[u8]| self.names.contains(octets);
        let is_below = |depth| may_be(&[&b"\x01*"[..], name.suffix(depth)].concat());
        let is_known = may_be(name.octets()) || (0..name.depth()).any(is_below);
        if is_known && self.abroad.len() < MAX_FINDINGS {
            self.abroad.push(Abroad {
                place: entry.place,
                kind: entry.kind,
                name: name.octets().into(),
            });
        }
    }

    /// What can be said once all zones are there.
    pub(in super::super) fn judge_abroad(
        &mut self,
        services: &BTreeMap<ServiceName, Service>,
        apexes: &BTreeSet<&str>,
        inputs: &[ZoneInput<'_>],
    ) {
        for Abroad { place, kind, name } in std::mem::take(&mut self.abroad) {
            if matches!(kind, kind::SVCB | kind::HTTPS) {
                if let Some(service) = self.zones.service_at_end(&name).cloned() {
                    self.warn_at(place, goes_around(&service));
                }
            } else {
                let name = LookupName::of(&name);
                let node = self.zones.node_for(&name).filter(|node| !node.is_apex());
                let service = node.and_then(|node| self.zones.service_at(node)).cloned();
                if let Some(service) = service {
                    self.host_becomes_alias(place, kind, &name, &service);
                }
            }
        }
        for service in services.values() {
            self.hostnames_lead_on(service, apexes, inputs);
        }
    }

    /// A hostname that its own service answers leads to itself.
    fn hostnames_lead_on(
        &mut self,
        service: &Service,
        apexes: &BTreeSet<&str>,
        inputs: &[ZoneInput<'_>],
    ) {
        let (moved, name) = (self.moved, &service.name);
        for (target, hostname) in moved.hostnames_of(name) {
            let Some(wire) = WireName::parse(hostname) else {
                continue;
            };
            if self.zones.service_at_end(wire.octets()) != Some(name) {
                continue;
            }
            let apex = service.names.first();
            let apex = apex.and_then(|name| apex_of(name, apexes));
            let mut inputs = inputs.iter();
            let input = inputs.find(|input| Some(input.config.name.as_str()) == apex);
            let file = input.map_or(Path::new(""), |input| input.file);
            let message = format!(
                "target '{target}' is the hostname '{hostname}', which its service '{name}' answers itself: a CNAME that leads to itself; give it another `cname`, or '{hostname}' records of its own"
            );
            self.fail(file, message);
        }
    }
}

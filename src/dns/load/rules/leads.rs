//! What records lead to, as far as services or other zones are there: looked at once all zones are
//! built, since which zone answers a name, and whether a wildcard does, is known only then (RFC
//! 4592 section 3.3.1).
//!
//! Contract: hosts in no other zone of ours that no hostname can stand at are not kept, so that
//! this costs next to nothing.

use super::super::{Entry, Loader, LookupName, Place, WireName, ZoneInput, apex_of, kind};
use super::text;
use crate::{
    dns::{
        moved::{
            hints::goes_around,
            hosts::{becomes_alias, is_alias},
        },
        name::text_of,
    },
    model::{Service, ServiceName},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// A record that may lead to a service's name, or to an alias.
pub(in super::super) struct Lead {
    place: Place,
    kind: u16,
    /// In wire form.
    name: Box<[u8]>,
}

impl Loader<'_> {
    /// Keeps the name that a record with address hints leads to.
    pub(super) fn hints_lead_to(&mut self, entry: &Entry, name: &[u8]) {
        self.leads.push(Lead {
            place: entry.place,
            kind: entry.kind,
            name: name.into(),
        });
    }

    /// Keeps the host of a name server, of mail or of an SRV record in the zone at `apex`, if a
    /// hostname may be served there or another of the zones answers it.
    pub(super) fn host_leads_to(&mut self, entry: &Entry, host: &LookupName, apex: &[u8]) {
        let mut suffixes = (0..=host.depth()).rev().map(|depth| host.suffix(depth));
        let zone = suffixes.find(|&suffix| self.apexes.contains(suffix));
        let is_elsewhere = zone.is_some_and(|zone| zone != apex);
        let is_alias = |octets: &[u8]| self.aliases.contains(octets);
        let is_below = |depth| is_alias(&[&b"\x01*"[..], host.suffix(depth)].concat());
        if is_elsewhere || is_alias(host.octets()) || (0..host.depth()).any(is_below) {
            self.leads.push(Lead {
                place: entry.place,
                kind: entry.kind,
                name: host.octets().into(),
            });
        }
    }

    /// What can be said once all zones are there.
    pub(in super::super) fn judge_leads(
        &mut self,
        services: &BTreeMap<ServiceName, Service>,
        apexes: &BTreeSet<&str>,
        inputs: &[ZoneInput<'_>],
    ) {
        for lead in std::mem::take(&mut self.leads) {
            if let Some(message) = self.said_of(&lead) {
                self.warn_at(lead.place, message);
            }
        }
        for service in services.values() {
            self.hostnames_lead_on(service, apexes, inputs);
        }
    }

    fn said_of(&self, lead: &Lead) -> Option<String> {
        if matches!(lead.kind, kind::SVCB | kind::HTTPS) {
            return self.zones.service_at_end(&lead.name).map(goes_around);
        }
        // At an apex no CNAME is answered.
        let node = self.zones.node_for(&LookupName::of(&lead.name))?;
        if node.is_apex() {
            return None;
        }
        let host = text_of(&lead.name);
        let Some(service) = self.zones.service_at(node) else {
            let alias = node.rrset(kind::CNAME);
            return alias.map(|_| is_alias(&host, &text(lead.kind)));
        };
        let target = self.moved.alias_of(service)?;
        Some(becomes_alias(&host, service, target, &text(lead.kind)))
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

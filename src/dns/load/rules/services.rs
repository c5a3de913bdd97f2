//! How services lie over a zone: what contradicts them, and what goes around them.

use super::{
    super::{Draft, Entry, Loader, LookupName, kind, text_of},
    text,
};
use crate::{
    dns::{answer::MAX_ALIASES, fields, name::WireName, store::zone::Turn},
    model::ServiceName,
};
use std::path::Path;

impl Loader<'_> {
    /// A service's name is no alias, and lies below no delegation and no DNAME.
    pub(in super::super) fn services_fit(
        &mut self,
        draft: &Draft,
        given: &[(u32, ServiceName)],
        file: &Path,
    ) {
        for (node, service) in given {
            self.hostnames_lead_on(draft, service, file);
            let name = text_of(draft.name(*node));
            if let Some(alias) = draft.set(*node, kind::CNAME).first() {
                let message =
                    format!("a CNAME at '{name}', a name of service '{service}': remove one");
                self.fail_at(alias.place, message);
            }
            self.alone_with_alias(draft, *node, service);
            let at = (draft.turn(*node) == Turn::Delegation).then_some((*node, Turn::Delegation));
            let Some((above, turn)) = draft.above(*node).or(at) else {
                continue;
            };
            let above_name = text_of(draft.name(above));
            let (kind, message) = match turn {
                Turn::Dname => (kind::DNAME, "has a DNAME, below which nothing exists"),
                Turn::Delegation | Turn::No => (kind::NS, "is delegated here"),
            };
            if let Some(record) = draft.set(above, kind).first() {
                let message = format!(
                    "'{above_name}' {message}, and '{name}' is a name of service '{service}': remove one"
                );
                self.fail_at(record.place, message);
            }
        }
    }

    /// A hostname that its own service answers leads to itself.
    fn hostnames_lead_on(&mut self, draft: &Draft, service: &ServiceName, file: &Path) {
        let moved = self.moved;
        for (target, hostname) in moved.hostnames_of(service) {
            let Some(name) = WireName::parse(hostname) else {
                continue;
            };
            if self.service_at_end(draft, name.octets()).as_ref() == Some(service) {
                let message = format!(
                    "target '{target}' is the hostname '{hostname}', which its service '{service}' answers itself: a CNAME that leads to itself; give it another `cname`, or '{hostname}' records of its own"
                );
                self.fail(file, message);
            }
        }
    }

    /// Where a target of the service is a hostname, a CNAME stands alone at every name that is no
    /// apex while that is served.
    fn alone_with_alias(&mut self, draft: &Draft, node: u32, service: &ServiceName) {
        let moved = self.moved;
        let Some(target) = moved.alias_of(service).filter(|_| node != 0) else {
            return;
        };
        // A and AAAA are warned of; RRSIG, NSEC and KEY may stand beside it (RFC 2181 section
        // 10.1, RFC 4034); NS and CNAME are refused for other reasons.
        let beside = |kind| matches!(kind, kind::A | kind::AAAA | 2 | 5 | 25 | 46 | 47);
        let mut entries = draft.at_node(node).iter();
        if let Some(other) = entries.find(|entry| !beside(entry.kind)) {
            let message = format!(
                "{} records at '{}' beside the CNAME of target '{target}' of service '{service}'; it must stand alone",
                text(other.kind),
                text_of(draft.name(node)),
            );
            self.fail_at(other.place, message);
        }
    }

    /// What a service owns at its names, A and AAAA and the types that move with its targets, is
    /// never answered from the zone's file.
    pub(super) fn is_a_services(&mut self, draft: &Draft, first: &Entry) -> bool {
        let service = self.owner_of(draft, first);
        if let Some(service) = &service {
            let message = format!(
                "this {} record is never answered: '{}' is a name of service '{service}'",
                text(first.kind),
                text_of(draft.name(first.node)),
            );
            self.warn_at(first.place, message);
        }
        service.is_some()
    }

    /// The service whose records of this type stand in the place of those of the file.
    pub(super) fn owner_of(&self, draft: &Draft, first: &Entry) -> Option<ServiceName> {
        let service = self.service_of(draft, first.node)?;
        self.moved.owns(&service, first.kind).then_some(service)
    }

    /// Addresses in an HTTPS or SVCB record do not follow a failover, and browsers use them.
    pub(super) fn hints_around_services(&mut self, draft: &Draft, set: &[Entry]) {
        for entry in set {
            let rdata = draft.rdata(entry);
            // In AliasMode, priority 0, clients ignore them (RFC 9460 section 2.4.2).
            if !fields::has_address_hints(entry.kind, rdata) || rdata.starts_with(&[0, 0]) {
                continue;
            }
            let service = match fields::target(entry.kind, rdata) {
                // "." is the owner.
                None | Some([0]) => self.service_of(draft, entry.node),
                Some(target) => self.service_at_end(draft, target),
            };
            if let Some(service) = service {
                let message = format!(
                    "clients that take the address hints of this record do not follow a failover of service '{service}': remove ipv4hint and ipv6hint"
                );
                self.warn_at(entry.place, message);
            }
        }
    }

    /// The service that a name leads to: by itself, by a wildcard, by CNAMEs of this zone, or
    /// in another zone.
    fn service_at_end(&self, draft: &Draft, name: &[u8]) -> Option<ServiceName> {
        let mut name = name;
        for _ in 0..=MAX_ALIASES {
            let lookup = LookupName::of(name);
            if !draft.holds(&lookup) {
                let text = text_of(name);
                let above = text.split_once('.').map_or("", |(_, above)| above);
                let wildcard = format!("*.{above}");
                let found = self
                    .by_name
                    .get(&*text)
                    .or_else(|| self.by_name.get(&*wildcard));
                return found.cloned();
            }
            let node = draft.node_for(&lookup)?;
            let Some(alias) = draft.set(node, kind::CNAME).first() else {
                return self.service_of(draft, node);
            };
            name = fields::target(kind::CNAME, draft.rdata(alias))?;
        }
        None
    }

    fn service_of(&self, draft: &Draft, node: u32) -> Option<ServiceName> {
        let slot = draft.service(node)?;
        self.zones.roster().services.get(slot as usize).cloned()
    }
}

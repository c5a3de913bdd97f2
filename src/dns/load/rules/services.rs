//! How services lie over a zone: what contradicts them, and what goes around them.

use super::{
    super::{Draft, Entry, Loader, LookupName, kind, text_of},
    text,
};
use crate::{
    dns::{fields, store::zone::Turn},
    model::ServiceName,
};

impl Loader<'_> {
    /// A service's name is no alias, and lies below no delegation and no DNAME.
    pub(in super::super) fn services_fit(&mut self, draft: &Draft, given: &[(u32, ServiceName)]) {
        for (node, service) in given {
            let name = text_of(draft.name(*node));
            if let Some(alias) = draft.set(*node, kind::CNAME).first() {
                let message =
                    format!("a CNAME at '{name}', a name of service '{service}': remove one");
                self.fail_at(alias.place, message);
            }
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

    /// A and AAAA at a service's name are the service's: static ones are never answered.
    pub(super) fn is_a_services(&mut self, draft: &Draft, first: &Entry) -> bool {
        let service = match first.kind {
            kind::A | kind::AAAA => self.service_of(draft, first.node),
            _ => None,
        };
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

    /// Addresses in an HTTPS or SVCB record do not follow a failover, and browsers use them.
    pub(super) fn hints_around_services(&mut self, draft: &Draft, set: &[Entry]) {
        for entry in set {
            let rdata = draft.rdata(entry);
            if !fields::has_address_hints(entry.kind, rdata) {
                continue;
            }
            let target = match fields::target(entry.kind, rdata) {
                // "." is the owner.
                None | Some([0]) => Some(entry.node),
                Some(target) => draft.node_for(&LookupName::of(target)),
            };
            let service = target.and_then(|node| self.service_of(draft, node));
            if let Some(service) = service {
                let message = format!(
                    "clients that take the address hints of this record do not follow a failover of service '{service}': remove ipv4hint and ipv6hint"
                );
                self.warn_at(entry.place, message);
            }
        }
    }

    fn service_of(&self, draft: &Draft, node: u32) -> Option<ServiceName> {
        let slot = draft.service(node)?;
        self.zones.roster().services.get(slot as usize).cloned()
    }
}

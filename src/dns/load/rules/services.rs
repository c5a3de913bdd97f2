//! How services lie over a zone: what contradicts them, and what goes around them.

use super::{
    super::{Draft, Entry, Loader, kind, text_of},
    text,
};
use crate::{
    dns::{
        fields::{self, may_stand_beside_cname},
        moved::hints::goes_around,
        store::zone::Turn,
    },
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

    /// Where a target of the service is a hostname, a CNAME stands alone at every name that is no
    /// apex while that is served.
    fn alone_with_alias(&mut self, draft: &Draft, node: u32, service: &ServiceName) {
        let moved = self.moved;
        let Some(target) = moved.alias_of(service).filter(|_| node != 0) else {
            return;
        };
        // What the service owns here is never answered, which is warned of; NS and CNAME are
        // refused for other reasons.
        let beside = |kind| {
            may_stand_beside_cname(kind)
                || moved.owns(service, kind)
                || matches!(kind, kind::NS | kind::CNAME)
        };
        let mut entries = draft.at_node(node).iter();
        if let Some(other) = entries.find(|entry| !beside(entry.kind)) {
            let message = format!(
                "{} records at '{}' beside the CNAME of target '{target}' of service '{service}'; it must stand alone: remove them, or give the target addresses",
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
                "this {kind} record is never answered: '{}' is a name of service '{service}', whose targets have the {kind} records there; remove it",
                text_of(draft.name(first.node)),
                kind = text(first.kind),
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
            match fields::target(entry.kind, rdata) {
                // "." is the owner.
                None | Some([0]) => {
                    if let Some(service) = self.service_of(draft, entry.node) {
                        self.warn_at(entry.place, goes_around(&service));
                    }
                }
                Some(target) => self.hints_lead_to(entry, target),
            }
        }
    }

    fn service_of(&self, draft: &Draft, node: u32) -> Option<ServiceName> {
        let slot = draft.service(node)?;
        self.zones.roster().services.get(slot as usize).cloned()
    }
}

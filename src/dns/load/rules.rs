//! What a zone may hold, as NSD and Knot have it: what is refused, mended, and warned about.
//!
//! RFC 1034 section 3.6.2 (CNAME), RFC 2181 sections 5.2 (TTLs of an RRset), 10.1 and 10.3, RFC
//! 1035 section 5.2 (SOA), RFC 6672 sections 2.3 and 2.4 (DNAME), RFC 4592 section 4.2 (NS at a
//! wildcard). Each rule is a function that looks at one name or one RRset.

mod hosts;
mod leads;
mod services;

use super::{
    super::{
        fields::may_stand_beside_cname,
        store::{rrset::RECORD_HEAD_OCTETS, zone::Turn},
        zone_file::rdata::type_text,
    },
    Draft, Entry, Loader, ZoneInput, kind, text_of,
};
use hickory_proto::rr::RecordType;
use hosts::Glue;

pub(super) use leads::Lead;

/// What a message holds beside its header, its question and an OPT.
const MAX_SET_OCTETS: usize = 65_000;

/// A type as it is written.
pub(super) fn text(kind: u16) -> String {
    type_text(RecordType::from(kind))
}

impl Loader<'_> {
    /// Whether an RRset is ever answered, as itself or as glue.
    pub(super) fn is_answered(&self, draft: &Draft, set: &[Entry]) -> bool {
        let Some(first) = set.first() else {
            return false;
        };
        match draft.above(first.node) {
            Some((_, Turn::Dname)) => false,
            Some(_) => matches!(first.kind, kind::A | kind::AAAA),
            None => self.owner_of(draft, first).is_none(),
        }
    }

    /// Everything that is wrong with a zone whose records were put in order.
    pub(super) fn judge(&mut self, draft: &Draft, input: &ZoneInput<'_>) {
        self.apex(draft, input);
        let glue = hosts::glue(draft);
        let owners = draft.entries().chunk_by(|a, b| a.node == b.node);
        for owner in owners {
            self.alone(draft, owner);
            for set in owner.chunk_by(|a, b| a.kind == b.kind) {
                self.set(draft, set, &glue, input);
            }
        }
    }

    /// Rules that concern one RRset.
    fn set(&mut self, draft: &Draft, set: &[Entry], glue: &Glue, input: &ZoneInput<'_>) {
        let Some(first) = set.first() else { return };
        self.fits_a_message(draft, set);
        match first.kind {
            kind::SOA => self.soa(set),
            kind::NS => {
                self.wildcard_delegation(draft, first);
                self.hosts(draft, set, input);
            }
            kind::DNAME => self.wildcard_dname(draft, first),
            kind::MX | kind::SRV => self.hosts(draft, set, input),
            kind::SVCB | kind::HTTPS if self.owner_of(draft, first).is_none() => {
                self.hints_around_services(draft, set);
            }
            _ => {}
        }
        if self.is_hidden(draft, first, glue) || self.is_a_services(draft, first) {
            return;
        }
        if let Some(other) = set.iter().find(|entry| entry.ttl_secs != first.ttl_secs) {
            let lowest = set.iter().map(|entry| entry.ttl_secs).min();
            let message = format!(
                "the {} records of '{}' have several TTLs; the lowest, {}, is answered for all",
                text(first.kind),
                text_of(draft.name(first.node)),
                lowest.unwrap_or_default()
            );
            self.warn_at(other.place, message);
        }
    }

    /// Exactly one SOA, at the apex, and NS beside it.
    fn apex(&mut self, draft: &Draft, input: &ZoneInput<'_>) {
        for (kind, what) in [(kind::SOA, "SOA"), (kind::NS, "NS")] {
            if draft.set(0, kind).is_empty() {
                let zone = &input.config.name;
                let message = format!("the zone '{zone}' has no {what} record at its apex");
                self.fail(input.file, message);
            }
        }
    }

    fn soa(&mut self, set: &[Entry]) {
        let is_apex = set.first().is_some_and(|entry| entry.node == 0);
        let (wrong, message) = if is_apex {
            (1, "a second SOA record; a zone has one")
        } else {
            (0, "an SOA record belongs at the zone's apex only")
        };
        for entry in set.iter().skip(wrong) {
            self.fail_at(entry.place, message);
        }
    }

    /// No message holds more: such a set is answered with SERVFAIL.
    fn fits_a_message(&mut self, draft: &Draft, set: &[Entry]) {
        let octets = set
            .iter()
            .map(|e| RECORD_HEAD_OCTETS + draft.rdata(e).len());
        let octets: usize = octets.sum();
        if let (true, Some(first)) = (octets > MAX_SET_OCTETS, set.first()) {
            let message = format!(
                "the {} records of '{}' have {octets} octets together and are never answered: no message holds as many",
                text(first.kind),
                text_of(draft.name(first.node)),
            );
            self.warn_at(first.place, message);
        }
    }

    /// A CNAME stands alone at its name; a DNAME is the only one there, and where names below
    /// are delegated it belongs into the other zone (RFC 6672 section 2.3).
    fn alone(&mut self, draft: &Draft, owner: &[Entry]) {
        let first_of = |kind| owner.iter().find(|entry| entry.kind == kind);
        let Some(any) = owner.first() else { return };
        let name = || text_of(draft.name(any.node));
        for (kind, what) in [(kind::CNAME, "CNAME"), (kind::DNAME, "DNAME")] {
            if let Some(second) = owner.iter().filter(|e| e.kind == kind).nth(1) {
                let message = format!("a second {what} at '{}'; a name has one", name());
                self.fail_at(second.place, message);
            }
        }
        if let Some(alias) = first_of(kind::CNAME) {
            let other = owner
                .iter()
                .find(|e| e.kind != kind::CNAME && !may_stand_beside_cname(e.kind));
            if let Some(other) = other {
                let message = format!(
                    "a CNAME at '{}' beside {} records; it must stand alone",
                    name(),
                    text(other.kind)
                );
                self.fail_at(alias.place, message);
            }
        }
        if let Some(dname) = first_of(kind::DNAME)
            && draft.turn(any.node) == Turn::Delegation
        {
            let message = format!(
                "a DNAME at '{}', which is delegated: it belongs into the zone that is delegated to",
                name()
            );
            self.fail_at(dname.place, message);
        }
    }

    fn wildcard_delegation(&mut self, draft: &Draft, first: &Entry) {
        if draft.name(first.node).starts_with(b"\x01*") && first.node != 0 {
            let message = "NS records at a wildcard have no meaning (RFC 4592 section 4.2)";
            self.fail_at(first.place, message);
        }
    }

    /// What a DNAME at a wildcard means is left open (RFC 6672 section 3.3); here, as in BIND and
    /// NSD, the wildcard gives names the record, and none below them.
    fn wildcard_dname(&mut self, draft: &Draft, first: &Entry) {
        let name = draft.name(first.node);
        if name.starts_with(b"\x01*") {
            let name = text_of(name);
            let message = format!(
                "a DNAME at the wildcard '{name}' has no effect below the names that it stands for (RFC 6672 section 3.3): write a CNAME, or a DNAME at each of these names"
            );
            self.warn_at(first.place, message);
        }
    }
}

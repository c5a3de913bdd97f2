//! Names that records lead to: hosts of name servers and mail, glue, and what nobody can ask for
//! since it lies below a delegation or a DNAME.

use super::{
    super::{Draft, Entry, Loader, LookupName, ZoneInput, ZoneSource, kind, text_of},
    text,
};
use crate::{
    dns::{fields, moved::hosts::is_alias, store::zone::Turn},
    model::Diagnostic,
};
use std::collections::HashSet;

/// Nodes that are the hosts of delegations' name servers: their addresses are glue.
pub(super) type Glue = HashSet<u32>;

pub(super) fn glue(draft: &Draft) -> Glue {
    let servers = draft
        .entries()
        .iter()
        .filter(|entry| entry.kind == kind::NS && draft.turn(entry.node) == Turn::Delegation);
    let host = |entry: &Entry| host_of(draft, entry);
    servers.filter_map(host).collect()
}

/// The node of exactly the name that a record leads to, where the zone has it.
fn host_of(draft: &Draft, entry: &Entry) -> Option<u32> {
    let target = fields::target(entry.kind, draft.rdata(entry))?;
    draft.node_of(&LookupName::of(target))
}

impl Loader<'_> {
    /// Below a delegation there is glue, and below a DNAME nothing (RFC 6672 section 2.4):
    /// warns of what is never answered, and says whether it is.
    pub(super) fn is_hidden(&mut self, draft: &Draft, first: &Entry, glue: &Glue) -> bool {
        let node = first.node;
        let is_glue = matches!(first.kind, kind::A | kind::AAAA) && glue.contains(&node);
        let at = (draft.turn(node) == Turn::Delegation).then_some((node, Turn::Delegation));
        let why = match draft.above(node).or(at) {
            None => return false,
            Some((above, Turn::Dname)) => format!(
                "nothing exists below the DNAME of '{}' (RFC 6672 section 2.4)",
                text_of(draft.name(above))
            ),
            Some(_) if is_glue => return false,
            // What the parent has at a delegation: NS, DS, RRSIG and NSEC (RFC 4035 section
            // 3.1.4.1). A DNAME is refused.
            Some((cut, _))
                if cut == node
                    && matches!(
                        first.kind,
                        kind::NS | kind::DNAME | kind::DS | kind::RRSIG | kind::NSEC
                    ) =>
            {
                return false;
            }
            Some((cut, _)) => format!(
                "'{}' is delegated, and only addresses of its name servers are given from here",
                text_of(draft.name(cut))
            ),
        };
        let message = format!("this {} record is never answered: {why}", text(first.kind));
        self.warn_at(first.place, message);
        true
    }

    /// The host of a name server, of mail or of an SRV record is no alias (RFC 2181 section 10.3,
    /// RFC 2782), and a name server in this zone that has no address cannot be asked.
    pub(super) fn hosts(&mut self, draft: &Draft, set: &[Entry], input: &ZoneInput<'_>) {
        for entry in set {
            let Some(target) = fields::target(entry.kind, draft.rdata(entry)) else {
                continue;
            };
            let host = LookupName::of(target);
            let node = draft.node_for(&host);
            if node.is_some_and(|node| !draft.set(node, kind::CNAME).is_empty()) {
                let message = is_alias(&text_of(host.octets()), &text(entry.kind));
                self.warn_at(entry.place, message);
            } else if entry.kind == kind::NS
                && draft.holds(&host)
                && !has_address(draft, entry.node, node)
            {
                self.has_no_address(entry, &host, input);
            } else {
                self.host_leads_to(entry, &host, draft.name(0));
            }
        }
    }

    fn has_no_address(&mut self, entry: &Entry, host: &LookupName, input: &ZoneInput<'_>) {
        let host = text_of(host.octets());
        let message = format!("the name server '{host}' has no address in this zone");
        match input.config.source {
            ZoneSource::File(_) => self.warn_at(entry.place, message),
            // A zone of which the configuration says nothing is one to try things with.
            ZoneSource::Made => {}
            ZoneSource::Ns(_) => {
                let file = input.file.display().to_string();
                let message = format!("{message}; give the zone a file with its A or AAAA record");
                self.reader
                    .warnings
                    .push(Diagnostic::error(file, "", 0, 0, message).warning());
            }
        }
    }
}

/// Whether the host at `node` can be reached: by an address here, by a service's, or since
/// another delegation leads to it.
fn has_address(draft: &Draft, owner: u32, node: Option<u32>) -> bool {
    let Some(node) = node else {
        return false;
    };
    let has = |kind| !draft.set(node, kind).is_empty();
    let elsewhere = draft.above(node).is_some_and(|(above, _)| above != owner);
    has(kind::A) || has(kind::AAAA) || draft.service(node).is_some() || elsewhere
}

//! The additional section: what `answer::additional` adds, out of the store's octets.

use super::{Answering, Message, Section};
use crate::dns::{
    answer::{At, additional::MAX_NAMES},
    fields::kind,
    store::zone::Found,
};

/// Adds addresses of the hosts that the answer, or a referral, names. `None` where they do not
/// fit: which of them then may be left out is the slow path's to say.
pub(super) fn add(answering: &mut Answering<'_, '_>) -> Option<()> {
    let Some((kind, place)) = answering.hosts.clone() else {
        return Some(());
    };
    let owner = (answering.owner, answering.name.octets().len());
    let mut seen = Seen::default();
    let mut at = place.start;
    while let Some(record) = answering.message.record(at, place.end) {
        at = record.next;
        let (target_at, target) = record.target(kind)?;
        let is_binding = matches!(kind, kind::SVCB | kind::HTTPS);
        let is_root = target == [0];
        let (host, same_kind) = match is_root && !matches!(kind, kind::NS | kind::MX) {
            // "." is the owner, but where an alias leads there, and in SRV, it is nowhere.
            true if !is_binding || record.rdata.starts_with(&[0, 0]) => continue,
            true => (owner, None),
            false => {
                // The owner's stand in the answer.
                let is_owner = answering
                    .message
                    .at(owner.0, owner.1)
                    .eq_ignore_ascii_case(target);
                let same_kind = (is_binding && !is_owner).then_some(kind);
                ((target_at, target.len()), same_kind)
            }
        };
        if answering.authoritative && seen.is_full() {
            break;
        }
        // The slow path points to no name in opaque data, nor to one in another letter case.
        let is_pointed_to =
            matches!(kind, kind::NS | kind::MX) && !target.iter().any(u8::is_ascii_uppercase);
        if seen.insert(&answering.message, host)? {
            add_host(answering, host, same_kind, is_pointed_to)?;
        }
    }
    Some(())
}

fn add_host(
    answering: &mut Answering<'_, '_>,
    (at, length): (usize, usize),
    same_kind: Option<u16>,
    is_pointed_to: bool,
) -> Option<()> {
    let name = &mut *answering.name;
    name.read(answering.message.at(at, length))?;
    let Some(zone) = answering.zones.zone_of(name, false) else {
        return Some(());
    };
    let node = match zone.find(name, false) {
        Found::Node(node) | Found::Wildcard(node) => Some(node),
        // Glue.
        Found::Cut(_) => zone.node_of(name),
        Found::Dname(_) | Found::Nothing => None,
    };
    let Some(node) = node else { return Some(()) };
    let here = At::new(answering.table, zone, node);
    let mut owed = if is_pointed_to { 0 } else { length };
    for kind in [kind::A, kind::AAAA].into_iter().chain(same_kind) {
        if let Some(set) = here.rrset(kind) {
            answering.message.reserve(std::mem::take(&mut owed));
            answering.message.push(Section::Additional, set, at)?;
        }
    }
    Some(())
}

/// The names that were added already: where they stand, and how many octets they have.
#[derive(Default)]
struct Seen {
    names: [(usize, usize); MAX_NAMES],
    count: usize,
}

impl Seen {
    fn is_full(&self) -> bool {
        self.count == MAX_NAMES
    }

    /// Whether it is new; `None` where there is no room left to know it again.
    fn insert(&mut self, message: &Message<'_>, name: (usize, usize)) -> Option<bool> {
        let octets = |(at, length): (usize, usize)| message.at(at, length);
        let mut known = self.names[..self.count].iter();
        if known.any(|&other| octets(other).eq_ignore_ascii_case(octets(name))) {
            return Some(false);
        }
        *self.names.get_mut(self.count)? = name;
        self.count += 1;
        Some(true)
    }
}

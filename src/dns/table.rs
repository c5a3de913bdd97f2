//! The answer table as DNS looks it up: ready-made RRsets by the number of a service.
//!
//! Does not know names: which service a name has is marked in the zones, by its number there.
//! Contract: immutable; all RRsets of a service come from one table, so they never mix two
//! decisions. A service that answers what it answered before is shared with the table before.

use super::{
    fields::kind,
    moved,
    name::WireName,
    store::{
        Roster, Zones,
        rrset::{OwnedRrSet, RrSet},
    },
};
use crate::{
    failover::{AnswerTable, ServiceAnswer},
    model::{DnsName, ServiceName},
};
use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

/// An answer table in lookup form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    seq: u64,
    /// Whose numbers these are.
    roster: Arc<Roster>,
    /// By number of the service; `None` where it was not decided yet.
    services: Vec<Option<Arc<Served>>>,
    /// By number of the zone.
    serials: Vec<Option<u32>>,
}

/// What one service answers.
#[derive(Debug, PartialEq)]
pub(super) struct Served {
    /// What it was made of.
    answer: ServiceAnswer,
    /// Also the ceiling of a negative answer, s.
    pub(super) ttl_secs: u32,
    /// In the order of type numbers.
    rrsets: Vec<OwnedRrSet>,
    /// The CNAME that stands alone at every name that is no zone's apex.
    alias: Option<OwnedRrSet>,
}

impl Served {
    /// `None` where there is nothing to answer: a service always has an address or an alias;
    /// without one it is as if it were not decided yet, which is a failure and not a denial that
    /// resolvers would keep.
    fn of(answer: &ServiceAnswer) -> Option<Self> {
        // What a policy may say; a TTL of 0 would never be cached, one of days would outlive
        // the next failover.
        let ttl_secs = answer.ttl_secs.clamp(1, 86_400);
        let set = |kind| OwnedRrSet::of_addresses(kind, ttl_secs, &answer.addresses);
        let mut rrsets: Vec<_> = [kind::A, kind::AAAA].into_iter().filter_map(set).collect();
        let alias = answer.cname.as_ref().and_then(|name| WireName::parse(name));
        let alias = alias.and_then(|name| OwnedRrSet::of(kind::CNAME, ttl_secs, [name.octets()]));
        if rrsets.is_empty() && alias.is_none() {
            return None;
        }
        let mut moved: BTreeMap<u16, Vec<Vec<u8>>> = BTreeMap::new();
        let root = DnsName::from(".");
        let origin = answer.origin.as_ref().unwrap_or(&root);
        // What cannot be read was refused when the configuration was judged.
        let read = |text: &String| moved::read(text, origin).ok();
        for one in answer.records.iter().filter_map(read) {
            let set = moved.entry(one.kind.into()).or_default();
            if !set.contains(&one.rdata) {
                set.push(one.rdata);
            }
        }
        let of = |(kind, rdata)| OwnedRrSet::of(kind, ttl_secs, rdata);
        rrsets.extend(moved.into_iter().filter_map(of));
        rrsets.sort_by_key(|set| set.view().kind);
        Some(Self {
            answer: answer.clone(),
            ttl_secs,
            rrsets,
            alias,
        })
    }

    /// The RRset of a type at a name that is a zone's apex or not, its records in the order to
    /// answer them.
    pub(super) fn rrset(&self, kind: u16, at_apex: bool) -> Option<RrSet<'_>> {
        let mut sets = self.sets(at_apex).iter().map(OwnedRrSet::view);
        sets.find(|set| set.kind == kind)
    }

    /// The RRset that ANY is answered with (RFC 8482 section 4.1).
    pub(super) fn first(&self, at_apex: bool) -> Option<RrSet<'_>> {
        self.sets(at_apex).first().map(OwnedRrSet::view)
    }

    /// A CNAME stands alone (RFC 1034 section 3.6.2), and cannot stand at an apex.
    fn sets(&self, at_apex: bool) -> &[OwnedRrSet] {
        match &self.alias {
            Some(alias) if !at_apex => std::slice::from_ref(alias),
            _ => &self.rrsets,
        }
    }

    /// Whether records of a type at such a name are the service's, whether it has any or not:
    /// those of the zone's file are not answered.
    pub(super) fn owns(&self, kind: u16, at_apex: bool) -> bool {
        let is_alias = self.alias.is_some() && !at_apex;
        is_alias || matches!(kind, kind::A | kind::AAAA) || self.rrset(kind, at_apex).is_some()
    }

    /// Whether an alias stands in the place of addresses that are not known yet: then they are
    /// not denied at an apex.
    pub(super) fn is_unresolved(&self, at_apex: bool) -> bool {
        at_apex && self.answer.addresses.is_empty()
    }
}

impl Table {
    /// The table for these zones. What did not change is taken from the table `before`.
    pub fn next(before: &Self, zones: &Zones, answers: &AnswerTable) -> Self {
        Self::with_roster(before, zones.roster(), answers)
    }

    fn with_roster(before: &Self, roster: &Arc<Roster>, answers: &AnswerTable) -> Self {
        let same_numbers = Arc::ptr_eq(&before.roster, roster);
        // Both are in order, and a switch among ten thousand services is to cost little.
        let mut answered = answers.services.iter().peekable();
        let services = roster.services.iter().enumerate().map(|(slot, name)| {
            while answered.next_if(|(other, _)| *other < name).is_some() {}
            let (_, answer) = answered.next_if(|(other, _)| *other == name)?;
            let former = match before.services.get(slot) {
                Some(former) if same_numbers => former.as_ref(),
                _ => before.served_by_name(name),
            };
            match former.filter(|former| former.answer == *answer) {
                Some(former) => Some(Arc::clone(former)),
                None => Served::of(answer).map(Arc::new),
            }
        });
        let serials = roster.apexes.iter();
        Self {
            seq: answers.seq,
            roster: Arc::clone(roster),
            services: services.collect(),
            serials: serials
                .map(|apex| answers.serials.get(apex).copied())
                .collect(),
        }
    }

    /// The event up to which it is true.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The same table with the numbers of these zones, borrowed where it has them: a table that
    /// was made for other zones, such as those before a reload.
    pub(super) fn fitted(&self, zones: &Zones) -> Cow<'_, Self> {
        let roster = zones.roster();
        if Arc::ptr_eq(&self.roster, roster) {
            return Cow::Borrowed(self);
        }
        let services = roster.services.iter();
        let apexes: BTreeMap<&DnsName, u32> = self.serials_by_apex().collect();
        Cow::Owned(Self {
            seq: self.seq,
            roster: Arc::clone(roster),
            services: services
                .map(|name| self.served_by_name(name).cloned())
                .collect(),
            serials: roster
                .apexes
                .iter()
                .map(|apex| apexes.get(apex).copied())
                .collect(),
        })
    }

    fn served_by_name(&self, name: &ServiceName) -> Option<&Arc<Served>> {
        let slot = self.roster.services.binary_search(name).ok()?;
        self.services.get(slot)?.as_ref()
    }

    fn serials_by_apex(&self) -> impl Iterator<Item = (&DnsName, u32)> {
        let serials = self.roster.apexes.iter().zip(&self.serials);
        serials.filter_map(|(apex, serial)| Some((apex, (*serial)?)))
    }

    /// What the service of this number answers; `None` where it was not decided yet.
    pub(super) fn served(&self, slot: usize) -> Option<&Served> {
        self.services.get(slot)?.as_deref()
    }

    /// The serial of the zone of this number, where it moves.
    pub(super) fn serial(&self, zone: usize) -> Option<u32> {
        self.serials.get(zone).copied().flatten()
    }
}

impl From<&AnswerTable> for Table {
    /// A table with numbers of its own, which fits no zones yet: it is fitted where it is
    /// published or asked.
    fn from(answers: &AnswerTable) -> Self {
        let roster = Roster {
            services: answers.services.keys().cloned().collect(),
            apexes: answers.serials.keys().cloned().collect(),
        };
        Self::with_roster(&Self::default(), &Arc::new(roster), answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn answers(seq: u64, services: &[(&str, &str)]) -> AnswerTable {
        let services = services.iter().map(|&(name, address)| {
            let addresses: Vec<IpAddr> = vec![address.parse().unwrap()];
            let answer = ServiceAnswer {
                addresses,
                ttl_secs: 30,
                ..ServiceAnswer::default()
            };
            (ServiceName::from(name), answer)
        });
        AnswerTable {
            seq,
            services: services.collect(),
            serials: BTreeMap::from([("t".into(), 7)]),
        }
    }

    fn zones(services: &[&str]) -> Zones {
        Zones::of_services(services.iter().map(|&name| name.into()).collect())
    }

    #[test]
    fn what_did_not_change_is_shared_from_one_table_to_the_next() {
        let zones = zones(&["a", "b", "c"]);
        let before = Table::next(
            &Table::default(),
            &zones,
            &answers(1, &[("a", "192.0.2.1"), ("c", "192.0.2.3")]),
        );
        let after = Table::next(
            &before,
            &zones,
            &answers(
                2,
                &[("a", "192.0.2.1"), ("b", "192.0.2.2"), ("c", "192.0.2.9")],
            ),
        );
        let shared = |slot: usize| match (&before.services[slot], &after.services[slot]) {
            (Some(before), Some(after)) => Arc::ptr_eq(before, after),
            _ => false,
        };
        assert_eq!([0, 1, 2].map(shared), [true, false, false]);
        assert!(before.served(1).is_none() && after.served(1).is_some());
        let rdata = after
            .served(2)
            .and_then(|served| served.rrset(kind::A, false));
        assert_eq!(rdata.unwrap().rdata().next(), Some(&[192, 0, 2, 9][..]));
    }

    #[test]
    fn a_table_fits_zones_that_it_was_not_made_for() {
        let (old, new) = (zones(&["a", "c"]), zones(&["b", "c"]));
        let made = answers(
            3,
            &[("a", "192.0.2.1"), ("b", "192.0.2.2"), ("c", "192.0.2.3")],
        );
        let free = Table::from(&made);
        let fitted = free.fitted(&new).into_owned();
        assert_eq!(fitted, Table::next(&Table::default(), &new, &made));
        assert!(matches!(fitted.fitted(&new), Cow::Borrowed(_)));
        let first = Table::next(&Table::default(), &old, &made)
            .fitted(&new)
            .into_owned();
        assert!(first.served(0).is_none(), "the old zones had no b");
        assert!(first.served(1).is_some());
        assert_eq!(first.seq(), 3);
    }
}

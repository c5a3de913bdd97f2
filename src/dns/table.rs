//! The answer table as DNS looks it up: ready-made RRsets by the number of a service.
//!
//! Does not know names: which service a name has is marked in the zones, by its number there.
//! Contract: immutable; all RRsets of a service come from one table, so they never mix two
//! decisions. A service that answers what it answered before is shared with the table before.

use super::{
    fields::kind,
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
}

impl Served {
    /// `None` where there is nothing to answer: a service always has an address; without one it
    /// is as if it were not decided yet, which is a failure and not a denial that resolvers
    /// would keep.
    fn of(answer: &ServiceAnswer) -> Option<Self> {
        // What a policy may say; a TTL of 0 would never be cached, one of days would outlive
        // the next failover.
        let ttl_secs = answer.ttl_secs.clamp(1, 86_400);
        let set = |kind| OwnedRrSet::of_addresses(kind, ttl_secs, &answer.addresses);
        let rrsets: Vec<_> = [kind::A, kind::AAAA].into_iter().filter_map(set).collect();
        (!rrsets.is_empty()).then(|| Self {
            answer: answer.clone(),
            ttl_secs,
            rrsets,
        })
    }

    /// The RRset of a type, its records in the order to answer them.
    pub(super) fn rrset(&self, kind: u16) -> Option<RrSet<'_>> {
        let mut sets = self.rrsets.iter().map(OwnedRrSet::view);
        sets.find(|set| set.kind == kind)
    }

    /// The RRset that ANY is answered with (RFC 8482 section 4.1).
    pub(super) fn first(&self) -> Option<RrSet<'_>> {
        self.rrsets.first().map(OwnedRrSet::view)
    }

    /// Whether records of a type at the service's names are the service's, whether it has any
    /// or not: those of the zone's file are not answered.
    pub(super) fn owns(&self, kind: u16) -> bool {
        matches!(kind, kind::A | kind::AAAA) || self.rrset(kind).is_some()
    }
}

impl Table {
    /// The table for these zones. What did not change is taken from the table `before`.
    pub fn next(before: &Self, zones: &Zones, answers: &AnswerTable) -> Self {
        Self::with_roster(before, zones.roster(), answers)
    }

    fn with_roster(before: &Self, roster: &Arc<Roster>, answers: &AnswerTable) -> Self {
        let same_numbers = Arc::ptr_eq(&before.roster, roster);
        let services = roster.services.iter().enumerate().map(|(slot, name)| {
            let answer = answers.services.get(name)?;
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

//! A zone while it is read: from records in any order to the flat arrays of a `Zone`.
//!
//! Does not judge records, but for what would not fit the arrays: what a zone may hold is
//! `load`'s. Contract: every name that is put in exists with all names above it up to the apex,
//! and has a higher number than they.

use super::{
    rrset::{RECORD_HEAD_OCTETS, push_record},
    zone::{NONE, NodeRow, RrSetRow, Turn, Zone},
};
use crate::{
    dns::{
        fields::{self, kind},
        name::{LookupName, WireName},
        zone_file::{Place, WrittenRecord},
    },
    model::DnsName,
};
use hashbrown::HashTable;
use std::{collections::HashSet, ops::Range};

/// What a zone has room for: places are 32 bits, and services' names come last.
const MAX_OCTETS: u64 = (1 << 32) - (1 << 28);

/// One record of a zone that is read.
#[derive(Clone, Copy, Debug)]
pub(in crate::dns) struct Entry {
    pub(in crate::dns) node: u32,
    pub(in crate::dns) kind: u16,
    octets: u16,
    start: u32,
    pub(in crate::dns) ttl_secs: u32,
    pub(in crate::dns) place: Place,
}

/// Why a record is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dns) enum Untaken {
    /// Its owner lies outside the zone.
    Outside,
    /// Its rdata is not what its type wants.
    Unsound,
    /// All records and names together have more than 4 GiB.
    TooMany,
}

/// A zone while it is read.
pub(in crate::dns) struct Draft {
    apex: WireName,
    depth: usize,
    index: HashTable<u32>,
    rows: Vec<NodeRow>,
    names: Vec<u8>,
    /// By node.
    parents: Vec<u32>,
    hashes: Vec<u64>,
    entries: Vec<Entry>,
    rdata: Vec<u8>,
    /// What the records will take in the zone.
    octets: u64,
    /// The owner of the last record: the next one has it often.
    owner: LookupName,
    owner_node: u32,
}

impl Draft {
    /// A zone without records.
    pub(in crate::dns) fn new(apex: &WireName) -> Self {
        let owner = LookupName::of(apex.octets());
        let mut draft = Self {
            apex: apex.clone(),
            depth: owner.depth(),
            index: HashTable::new(),
            rows: Vec::new(),
            names: Vec::new(),
            parents: Vec::new(),
            hashes: Vec::new(),
            entries: Vec::new(),
            rdata: Vec::new(),
            octets: 0,
            owner: owner.clone(),
            owner_node: 0,
        };
        draft.add(&owner, owner.depth(), NONE);
        draft
    }

    /// Takes a record.
    ///
    /// # Errors
    /// It does not belong here, or does not fit; nothing happened then.
    pub(in crate::dns) fn take(&mut self, record: &WrittenRecord<'_>) -> Result<(), Untaken> {
        let kind = u16::from(record.kind);
        let octets = u16::try_from(record.rdata.len()).map_err(|_| Untaken::Unsound)?;
        if !fields::is_sound(kind, record.rdata) {
            return Err(Untaken::Unsound);
        }
        let total = self.octets + RECORD_HEAD_OCTETS as u64 + u64::from(octets);
        let small = |length: usize| u32::try_from(length).map_err(|_| Untaken::TooMany);
        if total + self.names.len() as u64 > MAX_OCTETS {
            return Err(Untaken::TooMany);
        }
        let start = small(self.rdata.len())?;
        if self.owner.octets() != record.owner {
            let mut owner = std::mem::take(&mut self.owner);
            let node = owner.read(record.owner).and_then(|_| self.make(&owner));
            self.owner = owner;
            match node {
                Some(node) => self.owner_node = node,
                None => {
                    self.owner = LookupName::of(self.apex.octets());
                    self.owner_node = 0;
                    return Err(Untaken::Outside);
                }
            }
        }
        self.octets = total;
        self.rdata.extend_from_slice(record.rdata);
        self.entries.push(Entry {
            node: self.owner_node,
            kind,
            octets,
            start,
            ttl_secs: record.ttl_secs,
            place: record.place,
        });
        Ok(())
    }

    /// The node of a name, made with all above it where it is missing; `None` outside the zone.
    pub(in crate::dns) fn make(&mut self, name: &LookupName) -> Option<u32> {
        if !self.holds(name) {
            return None;
        }
        let mut depth = name.depth();
        let mut node = loop {
            match self.at(name, depth) {
                Some(node) => break node,
                None => depth = depth.checked_sub(1)?,
            }
        };
        while depth < name.depth() {
            depth += 1;
            node = self.add(name, depth, node);
        }
        Some(node)
    }

    /// Whether a name lies within the zone.
    pub(in crate::dns) fn holds(&self, name: &LookupName) -> bool {
        name.suffix(self.depth) == self.apex.octets()
    }

    /// The node of a name, where it exists.
    pub(in crate::dns) fn node_of(&self, name: &LookupName) -> Option<u32> {
        self.at(name, name.depth())
    }

    /// The node that answers for a name: its own, else the wildcard of its closest encloser.
    pub(in crate::dns) fn node_for(&self, name: &LookupName) -> Option<u32> {
        let mut depth = name.depth();
        let encloser = loop {
            match self.at(name, depth) {
                Some(node) => break node,
                None => depth = depth.checked_sub(1)?,
            }
        };
        let wildcard = self.row(encloser).wildcard;
        match depth == name.depth() {
            true => Some(encloser),
            false => (wildcard != NONE).then_some(wildcard),
        }
    }

    fn at(&self, name: &LookupName, depth: usize) -> Option<u32> {
        let suffix = name.suffix(depth);
        let found = self.index.find(name.hash(depth), |&node| {
            self.rows[node as usize].name(&self.names) == suffix
        });
        found.copied()
    }

    fn add(&mut self, name: &LookupName, depth: usize, parent: u32) -> u32 {
        let suffix = name.suffix(depth);
        // Both were kept below half of this by `take`.
        let small = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let node = small(self.rows.len());
        if suffix.starts_with(b"\x01*")
            && let Some(above) = self.rows.get_mut(parent as usize)
        {
            above.wildcard = node;
        }
        self.rows.push(NodeRow {
            name: small(self.names.len()),
            name_octets: u8::try_from(suffix.len()).unwrap_or(u8::MAX),
            first_rrset: 0,
            rrset_count: 0,
            above: NONE,
            wildcard: NONE,
            service: NONE,
            turn: Turn::No,
        });
        self.names.extend_from_slice(suffix);
        self.parents.push(parent);
        self.hashes.push(name.hash(depth));
        let hashes = &self.hashes;
        self.index
            .insert_unique(name.hash(depth), node, |&node| hashes[node as usize]);
        node
    }

    fn row(&self, node: u32) -> &NodeRow {
        &self.rows[node as usize]
    }

    /// A node's name in wire form and lower case.
    pub(in crate::dns) fn name(&self, node: u32) -> &[u8] {
        self.row(node).name(&self.names)
    }

    /// The delegation or the DNAME that a node lies below, after [`Draft::settle`].
    pub(in crate::dns) fn above(&self, node: u32) -> Option<(u32, Turn)> {
        let above = self.row(node).above;
        (above != NONE).then(|| (above, self.row(above).turn))
    }

    /// Where a node leads elsewhere, after [`Draft::settle`].
    pub(in crate::dns) fn turn(&self, node: u32) -> Turn {
        self.row(node).turn
    }

    /// The slot of the service that has a node's name.
    pub(in crate::dns) fn service(&self, node: u32) -> Option<u32> {
        let service = self.row(node).service;
        (service != NONE).then_some(service)
    }

    /// Gives a node's A and AAAA to a service.
    pub(in crate::dns) fn give(&mut self, node: u32, slot: u32) {
        self.rows[node as usize].service = slot;
    }

    /// A record's rdata.
    pub(in crate::dns) fn rdata(&self, entry: &Entry) -> &[u8] {
        let start = entry.start as usize;
        &self.rdata[start..start + usize::from(entry.octets)]
    }

    /// The records: by node and type after [`Draft::settle`].
    pub(in crate::dns) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Each RRset, after [`Draft::settle`].
    pub(in crate::dns) fn sets(&self) -> impl Iterator<Item = &[Entry]> {
        self.entries
            .chunk_by(|a, b| (a.node, a.kind) == (b.node, b.kind))
    }

    /// The records of a node and type, after [`Draft::settle`].
    pub(in crate::dns) fn set(&self, node: u32, kind: u16) -> &[Entry] {
        let sought = (node, kind);
        let from = self.entries.partition_point(|e| (e.node, e.kind) < sought);
        let to = self.entries.partition_point(|e| (e.node, e.kind) <= sought);
        &self.entries[from..to]
    }

    /// The records of a node, after [`Draft::settle`].
    pub(in crate::dns) fn at_node(&self, node: u32) -> &[Entry] {
        let from = self.entries.partition_point(|entry| entry.node < node);
        let to = self.entries.partition_point(|entry| entry.node <= node);
        &self.entries[from..to]
    }

    /// Puts records in order, drops those that stand twice, and finds what lies below
    /// delegations and DNAMEs. Where the dropped ones stood.
    pub(in crate::dns) fn settle(&mut self) -> Vec<Place> {
        // Stable, and quick where the file is in order: a set keeps the order of the file.
        self.entries.sort_by_key(|entry| (entry.node, entry.kind));
        let twice = self.twice();
        let mut places = Vec::new();
        for &(set, at) in &twice {
            places.push(self.entries[at].place);
            // Its TTL counts: the lowest of a set holds.
            let ttl_secs = self.entries[at].ttl_secs;
            let first = &mut self.entries[set];
            first.ttl_secs = first.ttl_secs.min(ttl_secs);
        }
        let mut twice = twice.into_iter().map(|(_, at)| at).peekable();
        let mut at = 0;
        self.entries.retain(|_| {
            at += 1;
            twice.next_if_eq(&(at - 1)).is_none()
        });
        for entry in &self.entries {
            let turn = &mut self.rows[entry.node as usize].turn;
            match entry.kind {
                // The apex is not delegated away.
                kind::NS if entry.node != 0 => *turn = Turn::Delegation,
                kind::DNAME if *turn == Turn::No => *turn = Turn::Dname,
                _ => {}
            }
        }
        for node in 1..self.rows.len() {
            let parent = self.parents[node];
            let row = self.rows[parent as usize];
            self.rows[node].above = match row.turn {
                _ if row.above != NONE => row.above,
                Turn::No => NONE,
                Turn::Delegation | Turn::Dname => parent,
            };
        }
        places
    }

    /// Which records stand there twice, in order: where their set begins, and they.
    fn twice(&self) -> Vec<(usize, usize)> {
        let mut twice = Vec::new();
        let mut at = 0;
        for set in self.sets() {
            if set.len() > 1 {
                let mut seen = HashSet::new();
                for (nth, entry) in set.iter().enumerate() {
                    if !seen.insert(fields::key(entry.kind, self.rdata(entry))) {
                        twice.push((at, at + nth));
                    }
                }
            }
            at += set.len();
        }
        twice
    }

    /// The zone. `keeps` says of each RRset whether it is answered. `None` without an SOA.
    pub(in crate::dns) fn finish(
        mut self,
        name: DnsName,
        number: u32,
        from_file: bool,
        keeps: impl Fn(&Self, &[Entry]) -> bool,
    ) -> Option<Zone> {
        let soa = self.set(0, kind::SOA).first()?;
        let (serial, minimum) = fields::serial_and_minimum(self.rdata(soa))?;
        let mut negative = Vec::new();
        let negative_ttl_secs = soa.ttl_secs.min(minimum);
        push_record(&mut negative, kind::SOA, negative_ttl_secs, self.rdata(soa));
        let kept = self.kept(keeps);
        let mut rrsets = Vec::with_capacity(kept.len());
        let octets = usize::try_from(self.octets).unwrap_or_default() + self.names.len();
        let mut octets = Vec::with_capacity(octets);
        let mut kept = kept.into_iter().peekable();
        for node in 0..u32::try_from(self.rows.len()).ok()? {
            let name = u32::try_from(octets.len()).ok()?;
            let first_rrset = u32::try_from(rrsets.len()).ok()?;
            let mut rrset_count = 0;
            octets.extend_from_slice(self.name(node));
            while let Some(set) = kept.next_if(|set| self.entries[set.start].node == node) {
                rrsets.push(self.lay_down(&self.entries[set], &mut octets)?);
                rrset_count += 1;
            }
            // Its name was read where it stood before.
            let row = &mut self.rows[node as usize];
            (row.name, row.first_rrset, row.rrset_count) = (name, first_rrset, rrset_count);
        }
        let hashes = &self.hashes;
        self.index.shrink_to_fit(|&node| hashes[node as usize]);
        Some(Zone {
            apex: self.apex,
            depth: self.depth,
            name,
            number,
            from_file,
            index: self.index,
            nodes: self.rows.into(),
            rrsets: rrsets.into(),
            octets: octets.into(),
            negative: negative.into(),
            negative_ttl_secs,
            serial,
        })
    }

    /// Where the RRsets stand that are answered.
    fn kept(&self, keeps: impl Fn(&Self, &[Entry]) -> bool) -> Vec<Range<usize>> {
        let mut at = 0;
        let places = self.sets().filter_map(|set| {
            let place = at..at + set.len();
            at = place.end;
            keeps(self, set).then_some(place)
        });
        places.collect()
    }

    /// Appends the records of an RRset.
    fn lay_down(&self, set: &[Entry], octets: &mut Vec<u8>) -> Option<RrSetRow> {
        let ttl_secs = set.iter().map(|entry| entry.ttl_secs).min()?;
        let start = octets.len();
        // No message holds as many.
        let set = &set[..set.len().min(usize::from(u16::MAX))];
        for entry in set {
            push_record(octets, entry.kind, ttl_secs, self.rdata(entry));
        }
        Some(RrSetRow {
            start: u32::try_from(start).ok()?,
            octets: u32::try_from(octets.len() - start).ok()?,
            ttl_secs,
            kind: set[0].kind,
            count: u16::try_from(set.len()).ok()?,
        })
    }
}

//! One zone as it is answered from: flat arrays, and an index from names to nodes.
//!
//! Does not know how zones are read or checked (`load`), nor what an answer looks like
//! (`answer`). Contract: immutable once built; a lookup costs at most eight look-ups in the
//! index, whatever the number of names, and one for a name that exists. Lookup follows RFC 1034
//! section 4.3.2 step 3, RFC 6672 section 3.2, and RFC 4592 section 3.3.1 for the closest
//! encloser: a node exists for every name that has records or names below it.

use super::rrset::RrSet;
use crate::{
    dns::{
        fields::{SOA_NUMBERS_OCTETS, kind},
        name::{LookupName, WireName, labels},
    },
    model::DnsName,
};
use hashbrown::HashTable;
use std::fmt;

/// No node, and no service.
pub(super) const NONE: u32 = u32::MAX;

/// A name of a zone. 24 octets: there may be millions.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeRow {
    /// Where its name begins among the octets.
    pub(super) name: u32,
    /// Its RRsets: from this one on.
    pub(super) first_rrset: u32,
    /// The delegation, or the owner of a DNAME, that it lies below: the one nearest to the apex.
    pub(super) above: u32,
    /// The wildcard right below it.
    pub(super) wildcard: u32,
    /// The service whose name it is.
    pub(super) service: u32,
    pub(super) rrset_count: u16,
    pub(super) name_octets: u8,
    pub(super) turn: Turn,
}

/// Where a name leads to elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dns) enum Turn {
    /// It does not.
    No,
    /// Names at and below it are another zone's (RFC 1034 section 4.2.1).
    Delegation,
    /// Names below it are names below another one (RFC 6672).
    Dname,
}

/// The records of one name and type. 16 octets.
#[derive(Clone, Copy, Debug)]
pub(super) struct RrSetRow {
    /// Where they begin among the octets.
    pub(super) start: u32,
    pub(super) octets: u32,
    pub(super) ttl_secs: u32,
    pub(super) kind: u16,
    pub(super) count: u16,
}

/// One zone.
pub(in crate::dns) struct Zone {
    pub(super) apex: WireName,
    /// How many labels the apex has.
    pub(super) depth: usize,
    /// The apex as the configuration names it.
    pub(super) name: DnsName,
    /// Its place among the zones: a table's serials have the same order.
    pub(super) number: u32,
    /// Whether the serial comes from a file.
    pub(super) from_file: bool,
    /// By hash of the name; the apex is node 0.
    pub(super) index: HashTable<u32>,
    pub(super) nodes: Box<[NodeRow]>,
    pub(super) rrsets: Box<[RrSetRow]>,
    /// Each name, with its records behind it: whoever compares the one has the others at hand.
    pub(super) octets: Box<[u8]>,
    /// The SOA record of negative answers.
    pub(super) negative: Box<[u8]>,
    /// How long to believe a negative answer, s: min(SOA TTL, MINIMUM) (RFC 2308 section 3).
    pub(super) negative_ttl_secs: u32,
    pub(super) serial: u32,
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zone")
            .field("apex", &self.apex)
            .field("serial", &self.serial)
            .field("names", &self.nodes.len())
            .finish_non_exhaustive()
    }
}

/// Where a name leads in a zone.
#[derive(Clone, Copy, Debug)]
pub(in crate::dns) enum Found<'z> {
    /// The name exists.
    Node(Node<'z>),
    /// It does not, but this wildcard stands for it.
    Wildcard(Node<'z>),
    /// It is, or lies below, this delegation.
    Cut(Node<'z>),
    /// It lies below the owner of this DNAME.
    Dname(Node<'z>),
    /// It does not exist.
    Nothing,
}

impl Zone {
    /// The apex in wire form and lower case.
    pub(in crate::dns) fn apex(&self) -> &[u8] {
        self.apex.octets()
    }

    /// The apex as a node.
    pub(in crate::dns) fn apex_node(&self) -> Node<'_> {
        self.node(0)
    }

    /// Its place among the zones, from 0.
    pub(in crate::dns) fn number(&self) -> usize {
        self.number as usize
    }

    /// The SOA record of negative answers, in the form of an RRset's octets: a pointer to the
    /// question's name that must be turned to the apex, and [`Zone::negative_ttl_secs`] as its
    /// TTL. The serial stands [`SERIAL_FROM_END`] octets before the end.
    pub(in crate::dns) fn negative(&self) -> &[u8] {
        &self.negative
    }

    /// How long to believe that something is not there, s.
    pub(in crate::dns) fn negative_ttl_secs(&self) -> u32 {
        self.negative_ttl_secs
    }

    /// Where a name leads that lies within the zone. `at_cut`: the question is for a type that
    /// the parent has at a delegation, DS (RFC 4035 section 3.1.4.1).
    pub(in crate::dns) fn find(&self, name: &LookupName, at_cut: bool) -> Found<'_> {
        let whole = name.depth();
        let (depth, node) = match self.exact(name, whole) {
            Some(node) => (whole, node),
            None => self.encloser(name),
        };
        let row = node.row();
        if row.above != NONE {
            return self.node(row.above).turned();
        }
        let exists = depth == whole;
        match row.turn {
            Turn::Delegation if !(exists && at_cut) => return Found::Cut(node),
            Turn::Dname if !exists => return Found::Dname(node),
            _ => {}
        }
        if exists {
            return Found::Node(node);
        }
        match row.wildcard {
            NONE => Found::Nothing,
            wildcard => Found::Wildcard(self.node(wildcard)),
        }
    }

    /// The node of exactly this name, below delegations too: there lies glue.
    pub(in crate::dns) fn node_of(&self, name: &LookupName) -> Option<Node<'_>> {
        self.exact(name, name.depth())
    }

    fn exact(&self, name: &LookupName, depth: usize) -> Option<Node<'_>> {
        let suffix = name.suffix(depth);
        let found = self.index.find(name.hash(depth), |&number| {
            self.nodes[number as usize].name(&self.octets) == suffix
        });
        found.map(|&number| self.node(number))
    }

    /// The closest encloser of a name that does not exist (RFC 4592 section 3.3.1), with its
    /// depth. Where a name exists so do all above it: the search halves.
    fn encloser(&self, name: &LookupName) -> (usize, Node<'_>) {
        let (mut there, mut missing) = (self.depth, name.depth());
        let mut node = self.apex_node();
        while missing > there + 1 {
            let middle = there.midpoint(missing);
            match self.exact(name, middle) {
                Some(found) => (there, node) = (middle, found),
                None => missing = middle,
            }
        }
        (there, node)
    }

    fn node(&self, number: u32) -> Node<'_> {
        Node { zone: self, number }
    }

    /// Every node, the apex first, parents before their children.
    pub(super) fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        (0..self.nodes.len()).filter_map(|number| Some(self.node(u32::try_from(number).ok()?)))
    }
}

/// How far the serial of an SOA record begins before the record's end, in octets.
pub(in crate::dns) const SERIAL_FROM_END: usize = SOA_NUMBERS_OCTETS;

impl NodeRow {
    pub(super) fn name<'o>(&self, octets: &'o [u8]) -> &'o [u8] {
        let start = self.name as usize;
        &octets[start..start + usize::from(self.name_octets)]
    }
}

/// A name of a zone.
#[derive(Clone, Copy)]
pub(in crate::dns) struct Node<'z> {
    zone: &'z Zone,
    number: u32,
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("name", &crate::dns::name::text_of(self.name()))
            .field("row", self.row())
            .finish()
    }
}

impl<'z> Node<'z> {
    fn row(self) -> &'z NodeRow {
        &self.zone.nodes[self.number as usize]
    }

    fn turned(self) -> Found<'z> {
        match self.row().turn {
            Turn::Dname => Found::Dname(self),
            Turn::Delegation | Turn::No => Found::Cut(self),
        }
    }

    /// Its name in wire form and lower case.
    pub(in crate::dns) fn name(self) -> &'z [u8] {
        self.row().name(&self.zone.octets)
    }

    /// Whether it is the zone's apex.
    pub(in crate::dns) fn is_apex(self) -> bool {
        self.number == 0
    }

    /// How many labels its name has.
    pub(in crate::dns) fn depth(self) -> usize {
        labels(self.name()).count()
    }

    /// The service whose name it is: its slot in a table for these zones. A and AAAA here are
    /// the service's.
    pub(in crate::dns) fn service(self) -> Option<usize> {
        let slot = self.row().service;
        (slot != NONE).then_some(slot as usize)
    }

    /// Its static RRset of a type. None of a service's A and AAAA.
    pub(in crate::dns) fn rrset(self, kind: u16) -> Option<RrSet<'z>> {
        let rows = self.rows();
        let found = match rows.len() {
            0..=8 => rows.iter().find(|row| row.kind == kind),
            _ => {
                let at = rows.binary_search_by_key(&kind, |row| row.kind).ok()?;
                rows.get(at)
            }
        };
        found.map(|row| self.view(row))
    }

    /// Its static RRsets in the order of type numbers; none where only names below it exist.
    pub(in crate::dns) fn rrsets(self) -> impl Iterator<Item = RrSet<'z>> {
        self.rows().iter().map(move |row| self.view(row))
    }

    /// Its addresses, as far as they are static.
    pub(super) fn addresses(self) -> impl Iterator<Item = RrSet<'z>> {
        let kinds = [kind::A, kind::AAAA].into_iter();
        kinds.filter_map(move |kind| self.rrset(kind))
    }

    fn rows(self) -> &'z [RrSetRow] {
        let row = self.row();
        let first = row.first_rrset as usize;
        &self.zone.rrsets[first..first + usize::from(row.rrset_count)]
    }

    fn view(self, row: &'z RrSetRow) -> RrSet<'z> {
        let start = row.start as usize;
        RrSet {
            kind: row.kind,
            count: row.count,
            ttl_secs: row.ttl_secs,
            octets: &self.zone.octets[start..start + row.octets as usize],
        }
    }
}

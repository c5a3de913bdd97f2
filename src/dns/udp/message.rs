//! An answer in the making, out of RRsets as the store holds them.
//!
//! Knows records and pointers (RFC 1035 section 4.1), nothing of zones. Contract: what does not
//! fit is not begun; never writes behind its limit.

use super::query::{Edns, Query};
use crate::dns::{
    fields,
    handler::{
        message::{MAX_UDP_OCTETS, MIN_UDP_OCTETS, POINTER},
        query::HEADER_OCTETS,
    },
    store::rrset::{RECORD_HEAD_OCTETS, RrSet},
};
use std::ops::Range;

/// Where the question's name stands, to which the store's records point.
pub(super) const QUESTION_AT: usize = HEADER_OCTETS;
/// Room for any answer.
pub(super) const MAX_OCTETS: usize = MAX_UDP_OCTETS as usize;
/// Of an OPT record without options.
const OPT_OCTETS: usize = 11;
/// Of a COOKIE option: head, client's and server's cookie (RFC 9018 section 4).
const COOKIE_OCTETS: usize = 4 + 8 + 16;

/// The sections that records go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Answer,
    Authority,
    Additional,
}

/// The OPT record of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opt {
    pub(super) dnssec_ok: bool,
    /// The client's cookie and the server's.
    pub(super) cookie: Option<([u8; 8], [u8; 16])>,
}

impl Opt {
    fn octets(&self) -> usize {
        OPT_OCTETS + self.cookie.map_or(0, |_| COOKIE_OCTETS)
    }
}

/// An answer in the making.
pub(super) struct Message<'m> {
    octets: &'m mut [u8; MAX_OCTETS],
    length: usize,
    /// Where records must end.
    limit: usize,
    question_end: usize,
    opt: Option<Opt>,
    counts: [u16; 3],
}

impl<'m> Message<'m> {
    /// Begins with the header and question of the query `asked`, in a buffer that has room for
    /// any answer.
    pub(super) fn new(
        octets: &'m mut [u8; MAX_OCTETS],
        asked: &[u8],
        query: &Query,
        opt: Option<Opt>,
    ) -> Self {
        // A question has at most 259 octets.
        let question_end = query.end.min(asked.len()).min(octets.len());
        octets[..question_end].copy_from_slice(&asked[..question_end]);
        let offered = |edns: Edns| edns.payload.clamp(MIN_UDP_OCTETS, MAX_UDP_OCTETS);
        let limit = usize::from(query.edns.map_or(MIN_UDP_OCTETS, offered));
        Self {
            octets,
            length: question_end,
            limit: limit.saturating_sub(opt.map_or(0, |opt| opt.octets())),
            question_end,
            opt,
            counts: [0; 3],
        }
    }

    /// Leaves room at the end: so many octets more the slow path may need for what is answered,
    /// and what would not fit there is not answered here.
    pub(super) fn reserve(&mut self, octets: usize) {
        self.limit = self.limit.saturating_sub(octets);
    }

    /// The octets of a name that stands whole in the message.
    pub(super) fn at(&self, at: usize, length: usize) -> &[u8] {
        self.octets.get(at..at + length).unwrap_or_default()
    }

    /// Appends an RRset whose owner stands at `owner`; where it is. `None` where it does not fit.
    pub(super) fn push(
        &mut self,
        section: Section,
        set: RrSet<'_>,
        owner: usize,
    ) -> Option<Range<usize>> {
        self.push_octets(section, set.octets, set.count, owner)
    }

    /// Appends one record in the form of an RRset's.
    pub(super) fn push_record(
        &mut self,
        section: Section,
        record: &[u8],
        owner: usize,
    ) -> Option<Range<usize>> {
        self.push_octets(section, record, 1, owner)
    }

    fn push_octets(
        &mut self,
        section: Section,
        records: &[u8],
        count: u16,
        owner: usize,
    ) -> Option<Range<usize>> {
        let place = self.length..self.length + records.len();
        if place.end > self.limit {
            return None;
        }
        self.octets.get_mut(place.clone())?.copy_from_slice(records);
        self.length = place.end;
        self.counts[section as usize] += count;
        if owner != QUESTION_AT {
            let pointer = (POINTER | u16::try_from(owner).ok()?).to_be_bytes();
            let mut at = place.start;
            while at < place.end {
                let next = self.rdata_at(at)?.end;
                self.write(at, &pointer);
                at = next;
            }
        }
        Some(place)
    }

    /// Where the rdata of the record at `at` is.
    fn rdata_at(&self, at: usize) -> Option<Range<usize>> {
        let start = at + RECORD_HEAD_OCTETS;
        let length = self.octets.get(start - 2..start)?;
        Some(start..start + usize::from(u16::from_be_bytes([length[0], length[1]])))
    }

    /// Overwrites what was written at `at`.
    pub(super) fn write(&mut self, at: usize, octets: &[u8]) {
        if let Some(place) = self.octets.get_mut(at..at + octets.len()) {
            place.copy_from_slice(octets);
        }
    }

    /// The next record from `at` on, within `end`: its rdata.
    pub(super) fn record(&self, at: usize, end: usize) -> Option<Record<'_>> {
        if at >= end {
            return None;
        }
        let place = self.rdata_at(at)?;
        Some(Record {
            rdata: self.octets.get(place.clone())?,
            rdata_at: place.start,
            next: place.end,
        })
    }

    /// Writes header and OPT record; how long the message is.
    pub(super) fn finish(mut self, header: Header) -> usize {
        if header.truncated {
            self.length = self.question_end;
            self.counts = [0; 3];
        }
        if let Some(opt) = self.opt {
            self.push_opt(&opt);
        }
        let asked = self.octets[2] & 1;
        self.octets[2] = 0x80
            | asked
            | (u8::from(header.authoritative) << 2)
            | (u8::from(header.truncated) << 1);
        self.octets[3] = header.rcode & 0x0f;
        for (index, count) in self.counts.into_iter().enumerate() {
            self.write(6 + 2 * index, &count.to_be_bytes());
        }
        self.length
    }

    /// Its room was set aside.
    fn push_opt(&mut self, opt: &Opt) {
        let [size_high, size_low] = MAX_UDP_OCTETS.to_be_bytes();
        let dnssec_ok = if opt.dnssec_ok { 0x80 } else { 0 };
        let mut octets = [0; OPT_OCTETS + COOKIE_OCTETS];
        octets[..OPT_OCTETS]
            .copy_from_slice(&[0, 0, 41, size_high, size_low, 0, 0, dnssec_ok, 0, 0, 0]);
        if let Some((client, server)) = &opt.cookie {
            octets[10] = 28;
            octets[OPT_OCTETS..OPT_OCTETS + 4].copy_from_slice(&[0, 10, 0, 24]);
            octets[OPT_OCTETS + 4..OPT_OCTETS + 12].copy_from_slice(client);
            octets[OPT_OCTETS + 12..].copy_from_slice(server);
        }
        self.write(self.length, &octets[..opt.octets()]);
        self.length += opt.octets();
        self.counts[Section::Additional as usize] += 1;
    }
}

/// What the header of an answer says beside what the query said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) rcode: u8,
    pub(super) authoritative: bool,
    /// Nothing but the question and OPT is left.
    pub(super) truncated: bool,
}

/// A record that was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'m> {
    pub(super) rdata: &'m [u8],
    rdata_at: usize,
    /// Where the next one begins.
    pub(super) next: usize,
}

impl<'m> Record<'m> {
    /// The name that it leads to, and where it stands.
    pub(super) fn target(&self, kind: u16) -> Option<(usize, &'m [u8])> {
        let name = fields::target(kind, self.rdata)?;
        Some((self.rdata_at + fields::target_at(kind)?, name))
    }
}

//! RRsets in the form in which they are copied into an answer as they are.
//!
//! A record is `C0 0C | type | class | TTL | length | rdata` (RFC 1035 section 4.1.3): its owner
//! is a pointer to the question's name, which stands right behind the header of every message.
//! Names in rdata are not compressed and keep their letter case. Does not know owners.

use crate::dns::fields::{self, kind};
use hickory_proto::rr::{Name, Record};
use std::net::IpAddr;

/// Pointer, type, class, TTL and length.
pub(in crate::dns) const RECORD_HEAD_OCTETS: usize = 12;
const QUESTION_NAME: [u8; 2] = [0xc0, 0x0c];
const CLASS_IN: u16 = 1;

/// The records of one name and type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dns) struct RrSet<'s> {
    /// The type (RFC 1035 section 3.2.2).
    pub(in crate::dns) kind: u16,
    /// How many records, never 0.
    pub(in crate::dns) count: u16,
    /// The same for all of them (RFC 2181 section 5.2), s.
    pub(in crate::dns) ttl_secs: u32,
    /// The records one after the other, ready to be copied behind a question.
    pub(in crate::dns) octets: &'s [u8],
}

impl<'s> RrSet<'s> {
    /// The rdata of each record, in the order in which they are answered.
    pub(in crate::dns) fn rdata(self) -> impl Iterator<Item = &'s [u8]> {
        let mut rest = self.octets;
        std::iter::from_fn(move || {
            let (head, behind) = rest.split_at_checked(RECORD_HEAD_OCTETS)?;
            let length = u16::from_be_bytes([head[10], head[11]]);
            let (rdata, behind) = behind.split_at_checked(usize::from(length))?;
            rest = behind;
            Some(rdata)
        })
    }

    /// The records under a name.
    pub(in crate::dns) fn records(self, owner: &Name) -> impl Iterator<Item = Record> {
        self.rdata().map(move |rdata| {
            let data = fields::to_hickory(self.kind, rdata);
            Record::from_rdata(owner.clone(), self.ttl_secs, data)
        })
    }
}

/// Appends a record.
pub(in crate::dns) fn push_record(octets: &mut Vec<u8>, kind: u16, ttl_secs: u32, rdata: &[u8]) {
    // Nothing longer is read from a zone file; were it, it would be cut and not shift the rest.
    let length = u16::try_from(rdata.len()).unwrap_or(u16::MAX);
    octets.extend(QUESTION_NAME);
    octets.extend(kind.to_be_bytes());
    octets.extend(CLASS_IN.to_be_bytes());
    octets.extend(ttl_secs.to_be_bytes());
    octets.extend(length.to_be_bytes());
    octets.extend_from_slice(&rdata[..usize::from(length)]);
}

/// An RRset that stands on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dns) struct OwnedRrSet {
    kind: u16,
    count: u16,
    ttl_secs: u32,
    octets: Vec<u8>,
}

impl OwnedRrSet {
    /// Of rdata in wire form; `None` where there is none, or more than a message can hold.
    pub(in crate::dns) fn of<R: AsRef<[u8]>>(
        kind: u16,
        ttl_secs: u32,
        rdata: impl IntoIterator<Item = R>,
    ) -> Option<Self> {
        let mut octets = Vec::new();
        let mut count = 0_u16;
        for rdata in rdata {
            push_record(&mut octets, kind, ttl_secs, rdata.as_ref());
            count = count.checked_add(1)?;
        }
        octets.shrink_to_fit();
        (count > 0).then_some(Self {
            kind,
            count,
            ttl_secs,
            octets,
        })
    }

    /// Of those of the addresses that are of this type: A or AAAA.
    pub(in crate::dns) fn of_addresses(
        kind: u16,
        ttl_secs: u32,
        addresses: &[IpAddr],
    ) -> Option<Self> {
        let of_kind = addresses.iter().filter_map(|address| match address {
            IpAddr::V4(v4) => (kind == kind::A).then(|| v4.octets().to_vec()),
            IpAddr::V6(v6) => (kind == kind::AAAA).then(|| v6.octets().to_vec()),
        });
        Self::of(kind, ttl_secs, of_kind)
    }

    pub(in crate::dns) fn view(&self) -> RrSet<'_> {
        RrSet {
            kind: self.kind,
            count: self.count,
            ttl_secs: self.ttl_secs,
            octets: &self.octets,
        }
    }
}

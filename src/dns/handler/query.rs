//! Reading a query as far as it can be read, so that an error can still echo its question.
//!
//! Own, because hickory's reader gives all or nothing. Knows the layout of messages (RFC 1035
//! section 4.1), of OPT (RFC 6891 section 6.1) and of TSIG (RFC 8945 section 4.2), not what is
//! answered. Contract: never fails on 12 octets or more, never panics, looks at each octet once
//! or twice. Octets behind the last record are no part of a message and are not looked at.

use crate::dns::name::MAX_NAME_OCTETS;
use hickory_proto::{
    op::OpCode,
    rr::{DNSClass, Name, RecordType},
    serialize::binary::{BinDecodable, BinDecoder},
};

/// ID, flags and four counts (RFC 1035 section 4.1.1).
pub(in crate::dns) const HEADER_OCTETS: usize = 12;

/// A query, as far as it could be read.
#[derive(Debug)]
pub(super) struct Query<'q> {
    /// As it came.
    pub(super) header: [u8; HEADER_OCTETS],
    /// Its question, where it has exactly one that can be read.
    pub(super) question: Option<Question<'q>>,
    /// Its first OPT record.
    pub(super) edns: Option<Edns<'q>>,
    /// Its TSIG record.
    pub(super) signature: Option<Signature<'q>>,
    /// Whether something in it cannot be, so that the rest was not read.
    pub(super) is_malformed: bool,
}

/// What is asked.
#[derive(Debug)]
pub(super) struct Question<'q> {
    /// In the letter case that it came in.
    pub(super) name: Name,
    /// The same in wire form.
    pub(super) wire_name: &'q [u8],
    pub(super) kind: RecordType,
    pub(super) class: DNSClass,
}

/// An OPT record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edns<'q> {
    /// What the client can take over UDP, octets.
    pub(super) payload_octets: u16,
    pub(super) version: u8,
    /// The flag DO.
    pub(super) dnssec_ok: bool,
    /// Not looked at: what they mean depends on the version.
    pub(super) options: &'q [u8],
}

/// What a reply to a TSIG record repeats of it.
#[derive(Debug)]
pub(super) struct Signature<'q> {
    /// The name of the key.
    pub(super) key: Name,
    /// The name of the algorithm, in wire form.
    pub(super) algorithm: &'q [u8],
    /// Time signed and fudge.
    pub(super) time: &'q [u8],
    pub(super) original_id: &'q [u8],
}

impl<'q> Query<'q> {
    /// Reads a message; `None` where it has no whole header.
    pub(super) fn read(octets: &'q [u8]) -> Option<Self> {
        let mut query = Self {
            header: *octets.first_chunk()?,
            question: None,
            edns: None,
            signature: None,
            is_malformed: false,
        };
        let at = HEADER_OCTETS;
        query.is_malformed = query.sections(&mut Reader { octets, at }).is_none();
        Some(query)
    }

    /// Whether it is a reply, which is never answered.
    pub(super) fn is_reply(&self) -> bool {
        self.header[2] & 0x80 != 0
    }

    pub(super) fn opcode(&self) -> OpCode {
        OpCode::from_u8(self.header[2] >> 3 & 0x0f)
    }

    /// How many questions it says that it has.
    pub(super) fn questions(&self) -> u16 {
        self.count(0)
    }

    /// One of the counts of the header, in their order.
    fn count(&self, index: usize) -> u16 {
        let at = 4 + 2 * index;
        u16::from_be_bytes([self.header[at], self.header[at + 1]])
    }

    fn sections(&mut self, reader: &mut Reader<'q>) -> Option<()> {
        for _ in 0..self.questions() {
            let question = Question::read(reader)?;
            // Of several none is echoed: the reply would be to neither.
            self.question = (self.questions() == 1).then_some(question);
        }
        // Whatever stands in these two is no part of a question and does not change its answer;
        // what belongs to the additional section alone is an error there.
        for _ in 0..u32::from(self.count(1)) + u32::from(self.count(2)) {
            let record = Record::read(reader)?;
            if matches!(record.kind, RecordType::OPT | RecordType::TSIG) {
                return None;
            }
        }
        for left in (0..self.count(3)).rev() {
            let record = Record::read(reader)?;
            match record.kind {
                RecordType::OPT => self.opt(&record)?,
                // It is the last record (RFC 8945 section 5.1), so there is one at most.
                RecordType::TSIG if left > 0 => return None,
                RecordType::TSIG => {
                    self.signature = Some(Signature::read(&record, reader.octets)?);
                }
                _ => {}
            }
        }
        Some(())
    }

    /// Takes an OPT record: the only one, its owner the root (RFC 6891 section 6.1.1). Where it is
    /// not, the reply has one all the same: without, it would say that we know no EDNS.
    fn opt(&mut self, record: &Record<'q>) -> Option<()> {
        let is_first = self.edns.is_none();
        let [_, version, flags, _] = record.ttl;
        self.edns.get_or_insert(Edns {
            payload_octets: record.class,
            version,
            dnssec_ok: flags & 0x80 != 0,
            options: record.rdata,
        });
        (is_first && record.owner == [0]).then_some(())
    }
}

impl<'q> Question<'q> {
    fn read(reader: &mut Reader<'q>) -> Option<Self> {
        let at = reader.at;
        // There is nothing before it that a pointer could point at.
        let wire_name = reader.whole_name()?;
        Some(Self {
            name: name_at(reader.octets, at)?,
            wire_name,
            kind: reader.u16()?.into(),
            class: reader.u16()?.into(),
        })
    }
}

/// A record, not understood.
struct Record<'q> {
    at: usize,
    /// In wire form, perhaps with a pointer at its end.
    owner: &'q [u8],
    kind: RecordType,
    class: u16,
    ttl: [u8; 4],
    rdata: &'q [u8],
}

impl<'q> Record<'q> {
    fn read(reader: &mut Reader<'q>) -> Option<Self> {
        let at = reader.at;
        let owner = reader.name()?;
        let kind = reader.u16()?.into();
        let class = reader.u16()?;
        let ttl = *reader.take(4)?.first_chunk()?;
        let length = reader.u16()?;
        let rdata = reader.take(length.into())?;
        Some(Self {
            at,
            owner,
            kind,
            class,
            ttl,
            rdata,
        })
    }
}

impl<'q> Signature<'q> {
    /// Reads a TSIG record of the message `octets` (RFC 8945 section 4.2).
    fn read(record: &Record<'q>, octets: &[u8]) -> Option<Self> {
        let mut reader = Reader {
            octets: record.rdata,
            at: 0,
        };
        let algorithm = reader.whole_name()?;
        let time = reader.take(8)?;
        let mac_octets = reader.u16()?;
        reader.take(mac_octets.into())?;
        let original_id = reader.take(2)?;
        let _error = reader.u16()?;
        let other_octets = reader.u16()?;
        reader.take(other_octets.into())?;
        let is_whole = reader.at == record.rdata.len();
        let is_of_any_class = record.class == u16::from(DNSClass::ANY);
        (is_whole && is_of_any_class && record.ttl == [0; 4]).then_some(())?;
        Some(Self {
            key: name_at(octets, record.at)?,
            algorithm,
            time,
            original_id,
        })
    }
}

/// A name in wire form at `at` of a message, its pointers followed.
fn name_at(octets: &[u8], at: usize) -> Option<Name> {
    let at = u16::try_from(at).ok()?;
    Name::read(&mut BinDecoder::new(octets).clone(at)).ok()
}

/// A place in octets.
struct Reader<'q> {
    octets: &'q [u8],
    at: usize,
}

impl<'q> Reader<'q> {
    fn take(&mut self, count: usize) -> Option<&'q [u8]> {
        let taken = self.octets.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        let octets = self.take(2)?;
        Some(u16::from_be_bytes(*octets.first_chunk()?))
    }

    /// Passes a name without pointers.
    fn whole_name(&mut self) -> Option<&'q [u8]> {
        self.name_until(|_| false)
    }

    /// Passes a name, which may end with a pointer (RFC 1035 section 4.1.4).
    fn name(&mut self) -> Option<&'q [u8]> {
        self.name_until(|octet| octet >= 0xc0)
    }

    fn name_until(&mut self, is_pointer: impl Fn(u8) -> bool) -> Option<&'q [u8]> {
        let start = self.at;
        loop {
            match self.take(1)?[0] {
                0 => break,
                length @ 1..=63 => {
                    self.take(length.into())?;
                }
                pointer if is_pointer(pointer) => {
                    self.take(1)?;
                    break;
                }
                _ => return None,
            }
        }
        let name = &self.octets[start..self.at];
        (name.len() <= MAX_NAME_OCTETS).then_some(name)
    }
}

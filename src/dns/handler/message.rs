//! Writing a reply so that it fits.
//!
//! Header, OPT and TSIG are written here, records by hickory, their names compressed against the
//! question and each other whatever the letter case of the question. Contract: a UDP message has
//! at most 1,232 octets, and no more than its client takes; what does not fit is left out as whole
//! sections, OPT stays (RFC 2181 section 9, RFC 6891 section 7, RFC 9471 section 3, RFC 9715).

use super::query::{Edns, HEADER_OCTETS, Question, Signature};
use crate::dns::{answer::Answer, name::MAX_NAME_OCTETS};
use hickory_proto::{
    ProtoError,
    op::ResponseCode,
    rr::{DNSClass, Name, Record, RecordType},
    serialize::binary::{BinEncodable, BinEncoder},
};

/// The largest UDP message that is not fragmented on any path worth having (RFC 9715).
pub(in crate::dns) const MAX_UDP_OCTETS: u16 = 1_232;
/// What every client takes over UDP (RFC 1035 section 2.3.4, RFC 6891 section 6.2.3).
pub(in crate::dns) const MIN_UDP_OCTETS: u16 = 512;
/// Nothing carries more than TCP does (RFC 1035 section 4.2.2).
const MAX_OCTETS: usize = u16::MAX as usize;
/// The two high bits of a pointer to a name (RFC 1035 section 4.1.4).
pub(in crate::dns) const POINTER: u16 = 0xc000;
/// The error of a TSIG record whose key nobody knows (RFC 8945 section 3).
const BADKEY: u16 = 17;

/// A reply before it is written.
#[derive(Debug)]
pub(super) struct Draft<'d> {
    /// The query's header.
    pub(super) header: [u8; HEADER_OCTETS],
    /// What is echoed.
    pub(super) question: Option<&'d Question<'d>>,
    pub(super) answer: Answer,
    /// Whether there is an OPT record, and what the query's says.
    pub(super) edns: Option<Edns<'d>>,
    /// The options of the OPT record, in wire form.
    pub(super) options: &'d [u8],
    /// What is repeated in a TSIG record with the error BADKEY.
    pub(super) signature: Option<&'d Signature<'d>>,
    pub(super) truncated: bool,
}

/// A written message.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) octets: Vec<u8>,
    /// Where its question ends.
    pub(super) question_end: usize,
    /// Where OPT and TSIG begin, and how many of them there are.
    pub(super) tail: (usize, u16),
}

impl Draft<'_> {
    /// Writes it: whole; or without some addresses that merely help; or without any record and, over
    /// UDP, with TC, so that the client comes back over TCP; or with a bare OPT record.
    pub(super) fn fit(&mut self, is_udp: bool) -> Written {
        let limit = match (is_udp, self.edns) {
            (true, Some(edns)) => edns
                .payload_octets
                .clamp(MIN_UDP_OCTETS, MAX_UDP_OCTETS)
                .into(),
            (true, None) => MIN_UDP_OCTETS.into(),
            (false, _) => MAX_OCTETS,
        };
        if let Some(whole) = self.written(limit) {
            return whole;
        }
        if let Some(squeezed) = self.squeezed(limit) {
            return squeezed;
        }
        if is_udp {
            self.truncated = true;
            self.answer.answers.clear();
            self.answer.authority.clear();
            self.answer.additional.clear();
        } else {
            self.answer = Answer::of(ResponseCode::ServFail);
        }
        if let Some(empty) = self.written(limit) {
            return empty;
        }
        (self.options, self.signature) = (&[], None);
        self.written(limit).unwrap_or_default()
    }

    /// The message without those RRsets of the additional section that do not fit. A referral
    /// leads nowhere without the addresses of servers below its delegation; those beside it, and
    /// all others, can be asked for (RFC 9471 section 3).
    fn squeezed(&mut self, limit: usize) -> Option<Written> {
        let mut servers = self.answer.authority.iter();
        let is_referral = |record: &&Record| record.record_type() == RecordType::NS;
        let cut = servers.find(is_referral).filter(|_| !self.answer.aa);
        let is_needed = |record: &Record| cut.is_some_and(|cut| cut.name.zone_of(&record.name));
        let (needed, helpful) = std::mem::take(&mut self.answer.additional)
            .into_iter()
            .partition::<Vec<_>, _>(is_needed);
        self.answer.additional = needed;
        let mut best = self.written(limit)?;
        let is_set = |one: &Record, two: &Record| {
            one.name == two.name && one.record_type() == two.record_type()
        };
        for set in helpful.chunk_by(is_set) {
            let before = self.answer.additional.len();
            self.answer.additional.extend_from_slice(set);
            match self.written(limit) {
                Some(more) => best = more,
                None => self.answer.additional.truncate(before),
            }
        }
        Some(best)
    }

    /// The message, where it has no more than `limit` octets and can be written at all.
    fn written(&self, limit: usize) -> Option<Written> {
        let tail = self.tail();
        let mut octets = Vec::with_capacity(MIN_UDP_OCTETS.into());
        let mut encoder = BinEncoder::new(&mut octets);
        // hickory writes a name out before it looks for a pointer to it.
        let spare = (limit + MAX_NAME_OCTETS).min(MAX_OCTETS);
        encoder.set_max_size(u16::try_from(spare).unwrap_or(u16::MAX));
        let question_end = self.emit(&mut encoder).ok()?;
        let tail_at = octets.len();
        octets.extend(tail);
        octets[..HEADER_OCTETS].copy_from_slice(&self.head());
        if let Some(question) = self.question {
            let place = HEADER_OCTETS..HEADER_OCTETS + question.wire_name.len();
            octets[place].copy_from_slice(question.wire_name);
        }
        (octets.len() <= limit).then_some(Written {
            octets,
            question_end,
            tail: (tail_at, self.tail_records()),
        })
    }

    /// Writes all before the tail, with room for the header; gives the end of the question. Its
    /// name is in lower case, as zones have theirs, so that hickory finds these in it.
    fn emit(&self, encoder: &mut BinEncoder<'_>) -> Result<usize, ProtoError> {
        encoder.emit_vec(&[0; HEADER_OCTETS])?;
        if let Some(question) = self.question {
            question.name.to_lowercase().emit(encoder)?;
            encoder.emit_u16(question.kind.into())?;
            encoder.emit_u16(question.class.into())?;
        }
        let question_end = encoder.offset();
        let Answer {
            answers,
            authority,
            additional,
            ..
        } = &self.answer;
        for record in answers.iter().chain(authority).chain(additional) {
            self.emit_record(record, encoder)?;
        }
        Ok(question_end)
    }

    fn emit_record(&self, record: &Record, encoder: &mut BinEncoder<'_>) -> Result<(), ProtoError> {
        match self
            .question
            .and_then(|asked| place_in(asked, &record.name))
        {
            Some(place) => encoder.emit_u16(POINTER | place)?,
            None => record.name.emit(encoder)?,
        }
        encoder.emit_u16(record.record_type().into())?;
        encoder.emit_u16(record.dns_class.into())?;
        encoder.emit_u32(record.ttl)?;
        let length = encoder.place::<u16>()?;
        record.data.emit(encoder)?;
        // The encoder takes no more octets than the length can say.
        let octets = u16::try_from(encoder.len_since_place(&length)).unwrap_or(u16::MAX);
        encoder.emit_at(length, octets)
    }

    /// ID, opcode and RD as they came, QR; AD, CD, RA and Z are clear (RFC 8906 section 3.1).
    fn head(&self) -> [u8; HEADER_OCTETS] {
        let [id_high, id_low, flags, ..] = self.header;
        let aa = u8::from(self.answer.aa) << 2;
        let tc = u8::from(self.truncated) << 1;
        let mut head = [0; HEADER_OCTETS];
        head[0] = id_high;
        head[1] = id_low;
        head[2] = 0x80 | flags & 0x79 | aa | tc;
        head[3] = self.answer.rcode.low();
        let count = |records: &[Record]| u16::try_from(records.len()).unwrap_or(u16::MAX);
        let counts = [
            u16::from(self.question.is_some()),
            count(&self.answer.answers),
            count(&self.answer.authority),
            count(&self.answer.additional).saturating_add(self.tail_records()),
        ];
        for (place, count) in head[4..].chunks_mut(2).zip(counts) {
            place.copy_from_slice(&count.to_be_bytes());
        }
        head
    }

    fn tail_records(&self) -> u16 {
        u16::from(self.edns.is_some()) + u16::from(self.signature.is_some())
    }

    /// OPT and TSIG.
    fn tail(&self) -> Vec<u8> {
        let mut tail = Vec::new();
        if let Some(edns) = self.edns {
            // Our own size and version; of the flags DO is known and copied (RFC 3225 section 3).
            let high = u8::try_from(u16::from(self.answer.rcode) >> 4).unwrap_or(0);
            let flags = u8::from(edns.dnssec_ok) << 7;
            tail.push(0);
            tail.extend(u16::from(RecordType::OPT).to_be_bytes());
            tail.extend(MAX_UDP_OCTETS.to_be_bytes());
            tail.extend([high, 0, flags, 0]);
            with_length(&mut tail, &[self.options]);
        }
        if let Some(signature) = self.signature {
            // A name of a message can always be written again.
            tail.extend(signature.key.to_bytes().unwrap_or_default());
            tail.extend(u16::from(RecordType::TSIG).to_be_bytes());
            tail.extend(u16::from(DNSClass::ANY).to_be_bytes());
            tail.extend([0; 4]);
            // No MAC before, no other data behind (RFC 8945 section 5.3.2).
            let (none, badkey) = ([0; 2], BADKEY.to_be_bytes());
            let parts = [
                signature.algorithm,
                signature.time,
                &none,
                signature.original_id,
                &badkey,
                &none,
            ];
            with_length(&mut tail, &parts);
        }
        tail
    }
}

/// Where `name` stands in a message: in its question, where it is the name asked for or above it.
fn place_in(question: &Question<'_>, name: &Name) -> Option<u16> {
    (!name.is_root() && name.zone_of(&question.name)).then_some(())?;
    let before = question.name.iter().count() - name.iter().count();
    let labels = question.name.iter().take(before);
    let octets = labels.map(|label| label.len() + 1).sum::<usize>();
    u16::try_from(HEADER_OCTETS + octets).ok()
}

/// Appends `parts`, their length before them. They are options or parts of a query: none is
/// longer than a message.
fn with_length(octets: &mut Vec<u8>, parts: &[&[u8]]) {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    octets.extend(u16::try_from(length).unwrap_or(0).to_be_bytes());
    octets.extend(parts.iter().copied().flatten());
}

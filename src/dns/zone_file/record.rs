//! One record of a zone file: `[OWNER] [TTL] [CLASS] TYPE DATA…`, TTL and class in any order
//! (RFC 1035 section 5.1, RFC 2308 section 4).
//!
//! Knows what holds from one record to the next. Contract: the common record costs no allocation.

use super::{Place, Sink, WrittenRecord};
use crate::dns::zone_file::{
    rdata::{self, number, type_in},
    text::{Entry, Fault, Token},
    word::{MAX_TTL_SECS, name_into, seconds, shown},
};
use hickory_proto::rr::RecordType;

/// What holds from one entry to the next.
#[derive(Clone)]
pub(super) struct Context {
    /// In wire form, as written.
    pub(super) origin: Vec<u8>,
    /// In wire form and lower case; empty before the first record.
    pub(super) owner: Vec<u8>,
    pub(super) default_ttl_secs: Option<u32>,
    last_ttl_secs: Option<u32>,
    /// The owner at hand could not be read.
    is_owner_bad: bool,
    /// Of the record at hand.
    rdata: Vec<u8>,
    /// What is to be said of the entry at hand, though it is taken.
    pub(super) remarks: Vec<Fault>,
}

/// What stands before a record's data.
struct Head<'e, 't> {
    ttl_secs: Option<u32>,
    kind: RecordType,
    fields: &'e [Token<'t>],
}

impl Context {
    /// As at the start of a zone's file.
    pub(super) fn new(apex: &[u8]) -> Self {
        Self {
            origin: apex.to_vec(),
            owner: Vec::new(),
            default_ttl_secs: None,
            last_ttl_secs: None,
            is_owner_bad: false,
            rdata: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// Reads a record and gives it to the sink.
    pub(super) fn record(
        &mut self,
        entry: &Entry<'_>,
        place: Place,
        sink: &mut Sink<'_>,
    ) -> Result<(), Fault> {
        let mut tokens = entry.tokens.as_slice();
        if let (false, Some((first, rest))) = (entry.indented, tokens.split_first()) {
            tokens = rest;
            self.owner.clear();
            let read = name_into(first.raw, &self.origin, &mut self.owner);
            self.is_owner_bad = read.is_err();
            read.map_err(|message| (first.offset, message))?;
            self.owner.make_ascii_lowercase();
        }
        if self.is_owner_bad {
            return Ok(()); // said once, at the owner
        }
        if self.owner.is_empty() {
            let offset = tokens.first().map_or(entry.end, |token| token.offset);
            let message = "this record has no owner: no record stands before it";
            return Err((offset, message.to_owned()));
        }
        let head = self.head(tokens, entry.end)?;
        self.rdata.clear();
        rdata::read_into(
            head.kind,
            head.fields,
            &self.origin,
            entry.end,
            &mut self.rdata,
            &mut self.remarks,
        )?;
        let first = entry.tokens.first().map_or(entry.end, |token| token.offset);
        let ttl_secs = self.ttl_secs(&head, first).ok_or_else(|| {
            let message = "this record has no TTL; put '$TTL 3600' at the top of the file";
            (first, message.to_owned())
        })?;
        self.last_ttl_secs = Some(ttl_secs);
        sink(WrittenRecord {
            owner: &self.owner,
            ttl_secs,
            kind: head.kind,
            rdata: &self.rdata,
            place,
        });
        Ok(())
    }

    fn ttl_secs(&mut self, head: &Head<'_, '_>, first: usize) -> Option<u32> {
        let said = head.ttl_secs.or(self.default_ttl_secs);
        said.or(self.last_ttl_secs).or_else(|| {
            // Without a TTL anywhere, the SOA's MINIMUM is the default, as it was before RFC 2308.
            let octets = self.rdata.last_chunk();
            let octets = octets.filter(|_| head.kind == RecordType::SOA)?;
            let secs = u32::from_be_bytes(*octets);
            Some(self.bounded(secs, first, &secs.to_string()))
        })
    }

    fn head<'e, 't>(
        &mut self,
        mut tokens: &'e [Token<'t>],
        end: usize,
    ) -> Result<Head<'e, 't>, Fault> {
        let (mut ttl_secs, mut class) = (None, false);
        while let Some((token, rest)) = tokens.split_first() {
            if token.raw.starts_with(|first: char| first.is_ascii_digit()) {
                if ttl_secs.is_some() {
                    let raw = shown(token.raw);
                    return Err((token.offset, format!("'{raw}' is a second TTL, or no type")));
                }
                ttl_secs = Some(self.ttl_of(token)?);
            } else if let Some(code) = class_of(token.raw) {
                if code != 1 {
                    let raw = token.raw.to_ascii_uppercase();
                    let message = format!("class {raw} is not served; write IN");
                    return Err((token.offset, message));
                }
                if class {
                    return Err((token.offset, "a second class".to_owned()));
                }
                class = true;
            } else {
                return Ok(Head {
                    ttl_secs,
                    kind: type_in(token)?,
                    fields: rest,
                });
            }
            tokens = rest;
        }
        Err((end, "this record lacks a type".to_owned()))
    }

    /// A TTL, in seconds. One that is too long counts as none (RFC 2181 section 8).
    pub(super) fn ttl_of(&mut self, token: &Token<'_>) -> Result<u32, Fault> {
        match seconds(token.raw) {
            Some(secs) => Ok(self.bounded(secs, token.offset, &shown(token.raw))),
            None => {
                let raw = shown(token.raw);
                let message = format!(
                    "'{raw}' is no TTL: write seconds, or such as 1h30m, at most {MAX_TTL_SECS}"
                );
                Err((token.offset, message))
            }
        }
    }

    fn bounded(&mut self, secs: u32, offset: usize, raw: &str) -> u32 {
        if secs <= MAX_TTL_SECS {
            return secs;
        }
        let message = format!(
            "the TTL '{raw}' counts as 0, being more than {MAX_TTL_SECS} (RFC 2181 section 8): write the time that is meant"
        );
        self.remarks.push((offset, message));
        0
    }
}

/// The class that a word names; `CLASS1` is IN (RFC 3597 section 5).
fn class_of(raw: &str) -> Option<u16> {
    let classes = [("IN", 1), ("CS", 2), ("CH", 3), ("HS", 4), ("NONE", 254)];
    let named = classes
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(raw));
    named.map(|(_, code)| *code).or_else(|| {
        let (word, digits) = raw.split_at_checked(5)?;
        let is_numbered = word.eq_ignore_ascii_case("CLASS");
        let code = number(digits).filter(|_| is_numbered)?;
        u16::try_from(code).ok()
    })
}

//! The data of one record from text to wire form (RFC 1035 section 3.3, RFC 3597 section 5).
//!
//! Does not know owners, TTLs or zones. A table says what fields a type has; this reads them one
//! after the other, so that an error points at its field and says what should stand there.
//! Contract: what comes out is well-formed for its type, with names uncompressed and in the case
//! they were written. Never panics, whatever the text.

mod addresses;
mod fields;
mod location;
mod parameters;
mod types;
mod wire;

pub(super) use fields::type_in;
pub(in crate::dns) use types::{is_meta, type_text};

use super::{
    text::{Fault, Token},
    word::shown,
};
use data_encoding::{Encoding, HEXLOWER_PERMISSIVE};
use hickory_proto::rr::RecordType;
use types::{Kind, kind_of};

/// A record's data has at most so many octets (RFC 1035 section 3.2.1).
const MAX_OCTETS: usize = 65_535;

/// Appends the record's data to `out`, and to `remarks` what is seldom meant; `origin` in wire
/// form, `end` is where a missing field would stand.
pub(super) fn read_into(
    kind: RecordType,
    tokens: &[Token<'_>],
    origin: &[u8],
    end: usize,
    out: &mut Vec<u8>,
    remarks: &mut Vec<Fault>,
) -> Result<(), Fault> {
    let code = u16::from(kind);
    let first = tokens.first().map_or(end, |token| token.offset);
    if is_meta(code) {
        let message = format!("{} is no type of a record in a zone", type_text(kind));
        return Err((first, message));
    }
    let known = kind_of(code).filter(|kind| !kind.fields.is_empty());
    let start = out.len();
    let mut fields = Fields {
        tokens,
        origin,
        end,
        out,
        remarks,
    };
    if fields.next_is(r"\#") {
        fields.octets(known)?;
    } else {
        let Some(known) = known else {
            return Err((
                first,
                format!(
                    "{} records cannot be written by name; write '\\# LENGTH HEX' (RFC 3597)",
                    type_text(kind)
                ),
            ));
        };
        fields.all(known)?;
    }
    match out.len() - start {
        0..=MAX_OCTETS => Ok(()),
        length => Err((
            first,
            format!("this record has {length} octets of data of at most {MAX_OCTETS}"),
        )),
    }
}

/// A cursor over the fields of a record, and where they go.
struct Fields<'f, 't> {
    tokens: &'f [Token<'t>],
    /// In wire form.
    origin: &'f [u8],
    end: usize,
    out: &'f mut Vec<u8>,
    remarks: &'f mut Vec<Fault>,
}

impl<'f, 't> Fields<'f, 't> {
    fn next_is(&self, raw: &str) -> bool {
        self.tokens.first().is_some_and(|token| token.raw == raw)
    }

    fn next(&mut self, what: &str) -> Result<Token<'t>, Fault> {
        let Some((&token, rest)) = self.tokens.split_first() else {
            return Err((self.end, format!("this record lacks {what}")));
        };
        self.tokens = rest;
        Ok(token)
    }

    /// The fields of a type in order, and nothing behind them.
    fn all(&mut self, kind: &Kind) -> Result<(), Fault> {
        for &(field, what) in kind.fields {
            if self.tokens.is_empty() && field.is_needed() {
                return Err((self.end, lacking(kind, what)));
            }
            self.field(field, what)?;
        }
        match self.tokens.first() {
            None => Ok(()),
            Some(token) => {
                let (raw, name) = (shown(token.raw), kind.name);
                let message = format!("unexpected '{raw}' after the {name} record");
                Err((token.offset, message))
            }
        }
    }

    /// `\# LENGTH HEX…`: data of any type as octets; those of a known type must be such.
    fn octets(&mut self, known: Option<&Kind>) -> Result<(), Fault> {
        self.next("'\\#'")?;
        let length = usize::from(self.number::<u16>("a length in octets", u16::MAX.into())?);
        let place = self.tokens.first().map_or(self.end, |token| token.offset);
        let start = self.out.len();
        self.decode(
            &HEXLOWER_PERMISSIVE,
            "data in hexadecimal, two digits an octet",
        )?;
        let octets = self.out.get(start..).unwrap_or_default();
        if octets.len() != length {
            let message = format!("the number of octets is {}, not {length}", octets.len());
            return Err((place, message));
        }
        match known.map(|known| (known.name, wire::fault_of(known, octets))) {
            Some((name, Some(fault))) => {
                let message = format!("these octets are no data of {name} records: {fault}");
                Err((place, message))
            }
            _ => Ok(()),
        }
    }

    /// Decodes all tokens that are left as one text; appends how many octets that gives.
    fn decode(&mut self, encoding: &Encoding, what: &str) -> Result<(), Fault> {
        let tokens = std::mem::take(&mut self.tokens);
        let letters: String = tokens.iter().map(|token| token.raw).collect();
        let octets = encoding.decode(letters.as_bytes()).map_err(|error| {
            let mut position = error.position;
            let at = tokens.iter().find_map(|token| {
                let is_here = position < token.raw.len();
                let found = is_here.then_some(token.offset + position);
                position = position.saturating_sub(token.raw.len());
                found
            });
            (at.unwrap_or(self.end), format!("this is not {what}"))
        })?;
        self.out.extend_from_slice(&octets);
        Ok(())
    }

    /// A number in decimal, up to `max`.
    fn number<T: TryFrom<u32>>(&mut self, what: &str, max: u32) -> Result<T, Fault> {
        let token = self.next(what)?;
        number(token.raw)
            .filter(|&number| number <= max)
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| {
                let raw = shown(token.raw);
                let message = format!("'{raw}' is not {what}, a number from 0 to {max}");
                (token.offset, message)
            })
    }
}

/// Digits alone.
pub(super) fn number(raw: &str) -> Option<u32> {
    let is_digits = raw.bytes().all(|byte| byte.is_ascii_digit());
    raw.parse().ok().filter(|_| is_digits)
}

fn lacking(kind: &Kind, what: &str) -> String {
    let fields: Vec<_> = kind.fields.iter().map(|(_, what)| *what).collect();
    let name = kind.name;
    match fields.as_slice() {
        [_] => format!("this {name} record lacks {what}"),
        fields => format!(
            "this {name} record lacks {what}; it has {}",
            fields.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::{Entries, Entry};
    use super::types::{type_of, writable};
    use super::*;
    use data_encoding::HEXUPPER;
    use proptest::prelude::*;

    const ORIGIN: &[u8] = b"\x07example\x03com\x00";

    /// Reads `TYPE DATA`; the octets, and the type.
    fn read(text: &str) -> Result<(u16, Vec<u8>), Fault> {
        let mut entry = Entry::default();
        Entries::new(text).next(&mut entry).unwrap_or(Ok(()))?;
        let (kind, fields) = entry.tokens.split_first().expect("a type");
        let kind = type_of(kind.raw).ok_or((0, "no type".to_owned()))?;
        let mut out = b"before".to_vec();
        read_into(kind, fields, ORIGIN, entry.end, &mut out, &mut Vec::new())?;
        let octets = out.strip_prefix(b"before").expect("it appends").to_vec();
        Ok((kind.into(), octets))
    }

    #[test]
    fn records_have_the_octets_that_bind_gives_them() {
        let table = include_str!("../../../tests/suite/dns/cases/records.txt");
        let lines: Vec<_> = table
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        let mut named = std::collections::BTreeSet::new();
        for case in lines.chunks(2) {
            let [text, expect] = case else {
                panic!("{case:?} is half a case")
            };
            let (code, octets) = match read(text) {
                Ok(read) => read,
                Err(fault) => panic!("{text}: {fault:?}"),
            };
            let (length, hex) = (octets.len(), HEXUPPER.encode(&octets));
            let found = format!("= TYPE{code} \\# {length} {hex}");
            assert_eq!(found.trim_end(), *expect, "{text}");
            // As octets they are read, too.
            let generic = format!("TYPE{code} \\# {length} {hex}");
            assert_eq!(read(&generic), Ok((code, octets)), "{text}");
            named.extend(text.split(' ').next());
        }
        for name in writable() {
            assert!(named.contains(name), "no case of {name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(kind in prop::sample::select(writable().collect::<Vec<_>>()), text in r#"([0-9]{1,3} |[a-z.@*]{1,9} |[a-z0-9-]{1,8}=["a-z0-9,\\;@$( ]{0,6}|\\# |"[ -~]{0,5}" |\PC{0,5}){0,8}"#) {
            let _ = read(&format!("{kind} {text}"));
        }

        #[test]
        fn no_octets_make_the_reader_panic(kind in prop::sample::select(writable().collect::<Vec<_>>()), octets in prop::collection::vec(prop_oneof![0_u8..4, any::<u8>()], 0..40)) {
            let (length, hex) = (octets.len(), HEXUPPER.encode(&octets));
            if let Ok((_, read)) = read(&format!("{kind} \\# {length} {hex}")) {
                prop_assert_eq!(read, octets);
            }
        }
    }
}

//! The fields of one record from text to `RData` (RFC 1035 section 3.3, RFC 3597 section 5).
//!
//! Does not know owners, TTLs or zones. The common types are read here, field by field, so that
//! an error points at its field, names may be relative, and escapes are decimal; the rest goes
//! to hickory's reader, guarded where that one panics. Never panics, whatever the text.

use super::zone_text::{Fault, Token, character_string, domain_name};
use hickory_proto::{
    rr::{
        Name, RData, RecordType,
        rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT},
    },
    serialize::{
        binary::{BinDecoder, Restrict},
        txt::parse_ttl,
    },
};
use std::{fmt::Display, str::FromStr};

/// The types that a zone file may hold by name.
pub(super) const TYPES: [&str; 20] = [
    "A",
    "AAAA",
    "CAA",
    "CERT",
    "CNAME",
    "CSYNC",
    "HINFO",
    "HTTPS",
    "MX",
    "NAPTR",
    "NS",
    "OPENPGPKEY",
    "PTR",
    "SMIMEA",
    "SOA",
    "SRV",
    "SSHFP",
    "SVCB",
    "TLSA",
    "TXT",
];

/// A type's mnemonic, or `TYPE65280` (RFC 3597 section 5).
pub(super) fn type_text(kind: RecordType) -> String {
    match kind {
        RecordType::Unknown(code) => format!("TYPE{code}"),
        known => known.to_string(),
    }
}

/// The type that a mnemonic or `TYPE65280` names.
pub(super) fn type_of(text: &str) -> Option<RecordType> {
    let upper = text.to_ascii_uppercase();
    match upper.strip_prefix("TYPE").map(u16::from_str) {
        Some(Ok(code)) => Some(RecordType::from(code)),
        _ => RecordType::from_str(&upper).ok(),
    }
}

/// Whether records of this type belong in no zone: they exist in messages only (RFC 6895
/// section 3.1).
fn is_meta(kind: RecordType) -> bool {
    matches!(u16::from(kind), 0 | 41 | 128..=255)
}

/// The record's data; `end` is where a missing field would stand.
pub(super) fn read(
    kind: RecordType,
    tokens: &[Token<'_>],
    origin: &Name,
    end: usize,
) -> Result<RData, Fault> {
    let mut fields = Fields {
        tokens,
        origin,
        end,
        kind,
    };
    if is_meta(kind) {
        return Err(fields.fault(format!(
            "{} is no type of a record in a zone",
            type_text(kind)
        )));
    }
    if fields
        .tokens
        .first()
        .is_some_and(|token| token.raw == r"\#")
    {
        return generic(fields);
    }
    let data = match kind {
        RecordType::A => RData::A(A(fields.parsed("an IPv4 address")?)),
        RecordType::AAAA => RData::AAAA(AAAA(fields.parsed("an IPv6 address")?)),
        RecordType::NS => RData::NS(NS(fields.name()?)),
        RecordType::CNAME => RData::CNAME(CNAME(fields.name()?)),
        RecordType::PTR => RData::PTR(PTR(fields.name()?)),
        RecordType::MX => RData::MX(MX::new(fields.parsed("a preference")?, fields.name()?)),
        RecordType::SRV => RData::SRV(SRV::new(
            fields.parsed("a priority")?,
            fields.parsed("a weight")?,
            fields.parsed("a port")?,
            fields.name()?,
        )),
        RecordType::SOA => RData::SOA(SOA::new(
            fields.name()?,
            fields.name()?,
            fields.parsed("a serial")?,
            fields.seconds("a refresh time")?,
            fields.seconds("a retry time")?,
            fields.seconds("an expiry time")?,
            fields.seconds("a negative TTL")?.unsigned_abs(),
        )),
        RecordType::TXT => RData::TXT(fields.strings()?),
        _ => return foreign(&fields),
    };
    fields.finish()?;
    Ok(data)
}

/// A cursor over the fields of a record.
struct Fields<'f, 't> {
    tokens: &'f [Token<'t>],
    origin: &'f Name,
    end: usize,
    kind: RecordType,
}

impl<'t> Fields<'_, 't> {
    fn fault(&self, message: String) -> Fault {
        let offset = self.tokens.first().map_or(self.end, |token| token.offset);
        (offset, message)
    }

    fn next(&mut self, what: &str) -> Result<Token<'t>, Fault> {
        let Some((&token, rest)) = self.tokens.split_first() else {
            return Err((
                self.end,
                format!("this {} record lacks {what}", type_text(self.kind)),
            ));
        };
        self.tokens = rest;
        Ok(token)
    }

    fn parsed<T: FromStr>(&mut self, what: &str) -> Result<T, Fault> {
        let token = self.next(what)?;
        let parsed = token.raw.parse();
        parsed.map_err(|_| (token.offset, format!("'{}' is not {what}", token.raw)))
    }

    /// A length of time, in seconds: `3600`, `1h`, `1d12h`.
    fn seconds(&mut self, what: &str) -> Result<i32, Fault> {
        let token = self.next(what)?;
        let seconds = parse_ttl(token.raw)
            .ok()
            .and_then(|secs| i32::try_from(secs).ok());
        seconds.ok_or_else(|| {
            (
                token.offset,
                format!("'{}' is not {what} in seconds", token.raw),
            )
        })
    }

    fn name(&mut self) -> Result<Name, Fault> {
        let token = self.next("a name")?;
        domain_name(token.raw, self.origin).map_err(|message| (token.offset, message))
    }

    fn strings(&mut self) -> Result<TXT, Fault> {
        let mut strings = vec![self.string()?];
        while !self.tokens.is_empty() {
            strings.push(self.string()?);
        }
        Ok(TXT::from_bytes(strings.iter().map(Vec::as_slice).collect()))
    }

    fn string(&mut self) -> Result<Vec<u8>, Fault> {
        let token = self.next("a text")?;
        character_string(token.raw).map_err(|message| (token.offset, message))
    }

    fn finish(&self) -> Result<(), Fault> {
        match self.tokens.first() {
            None => Ok(()),
            Some(token) => {
                let kind = type_text(self.kind);
                Err((
                    token.offset,
                    format!("unexpected '{}' after the {kind} record", token.raw),
                ))
            }
        }
    }
}

/// `\# LENGTH HEX…`: data of any type as octets (RFC 3597 section 5).
fn generic(mut fields: Fields<'_, '_>) -> Result<RData, Fault> {
    fields.next("'\\#'")?;
    let length: u16 = fields.parsed("a length in octets")?;
    let place = fields.fault(String::new()).0;
    let digits: String = fields.tokens.iter().map(|token| token.raw).collect();
    let octets = octets_of_hex(&digits)
        .filter(|octets| octets.len() == usize::from(length))
        .ok_or_else(|| {
            (
                place,
                format!("these are not {length} octets in hexadecimal"),
            )
        })?;
    let data = RData::read(
        &mut BinDecoder::new(&octets),
        fields.kind,
        Restrict::new(length),
    );
    data.map_err(|error| (place, unreadable(fields.kind, error)))
}

fn octets_of_hex(digits: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = digits
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect();
    let digits = digits?;
    digits.len().is_multiple_of(2).then(|| {
        digits
            .chunks_exact(2)
            .map(|pair| pair[0] * 16 + pair[1])
            .collect()
    })
}

fn unreadable(kind: RecordType, error: impl Display) -> String {
    format!("this is no {} record: {error}", type_text(kind))
}

/// The types that hickory reads. It knows no origin there, so names are made absolute first.
fn foreign(fields: &Fields<'_, '_>) -> Result<RData, Fault> {
    let name_at = match fields.kind {
        RecordType::NAPTR => Some(5),
        RecordType::SVCB | RecordType::HTTPS => Some(1),
        _ => None,
    };
    if !TYPES.contains(&type_text(fields.kind).as_str()) {
        return Err(fields.fault(format!(
            "{} records cannot be written by name; write '\\# LENGTH HEX' (RFC 3597)",
            type_text(fields.kind)
        )));
    }
    let mut words = Vec::with_capacity(fields.tokens.len());
    for (index, token) in fields.tokens.iter().enumerate() {
        let fault = |message| (token.offset, message);
        if name_at == Some(index) {
            words.push(
                domain_name(token.raw, fields.origin)
                    .map_err(fault)?
                    .to_ascii(),
            );
            continue;
        }
        if name_at == Some(1) && index > 1 && !is_plain_parameter(token.raw) {
            return Err(fault(format!(
                "'{}' is no service parameter that can be read",
                token.raw
            )));
        }
        words.push(token.raw.to_owned());
    }
    let data = RData::try_from_str(fields.kind, &words.join(" "));
    data.map_err(|error| fields.fault(unreadable(fields.kind, error)))
}

/// Whether hickory's reader of SVCB parameters can be trusted with this one: it panics on empty
/// items and on lone quotes (0.26.3, `svcb.rs` lines 97 and 193).
fn is_plain_parameter(raw: &str) -> bool {
    let Some((_, value)) = raw.split_once('=') else {
        return !raw.contains('"');
    };
    let value = match value.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"').unwrap_or(value),
        None => value,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:+=".contains(&byte);
    value
        .split(',')
        .all(|item| !item.is_empty() && item.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use super::super::zone_text::Entries;
    use super::*;
    use proptest::prelude::*;

    fn read_text(kind: &str, text: &str) -> Result<String, Fault> {
        let kind = type_of(kind).unwrap();
        let origin = Name::from_ascii("example.com.").unwrap();
        let entry = Entries::new(text).next();
        let entry = entry.transpose()?.unwrap_or_default();
        read(kind, &entry.tokens, &origin, entry.end).map(|data| data.to_string())
    }

    #[test]
    fn record_data_is_read() {
        for (kind, text, expect) in [
            ("A", "192.0.2.1", "192.0.2.1"),
            ("AAAA", "2001:DB8::1", "2001:db8::1"),
            ("CNAME", "@", "example.com."),
            ("MX", "10 mail", "10 mail.example.com."),
            ("SRV", "0 5 443 a.b.", "0 5 443 a.b."),
            (
                "SOA",
                "ns hostmaster 7 1h 10m 2w 30",
                "ns.example.com. hostmaster.example.com. 7 3600 600 1209600 30",
            ),
            ("TXT", r#""a b" c\032d"#, "a bc d"),
            (
                "CAA",
                r#"0 issue "ca.example.net""#,
                r#"0 issue "ca.example.net""#,
            ),
            ("TYPE65280", r"\# 4 0A00 0001", "\\# 4 CgAAAQ"),
            ("A", r"\# 4 C0000201", "192.0.2.1"),
            ("HTTPS", "1 . alpn=h2,h3", "1 . alpn=h2,h3"),
        ] {
            let found = read_text(kind, text);
            match found {
                Ok(found) => assert!(
                    found.contains(expect) || kind == "TYPE65280",
                    "{kind} {found}"
                ),
                Err(fault) => panic!("{kind} {text}: {fault:?}"),
            }
        }
    }

    #[test]
    fn wrong_record_data_says_where_and_what() {
        for (kind, text, offset, message) in [
            (
                "A",
                "192.0.2.256",
                0,
                "'192.0.2.256' is not an IPv4 address",
            ),
            (
                "A",
                "2001:db8::1",
                0,
                "'2001:db8::1' is not an IPv4 address",
            ),
            ("A", "192.0.2.1 x", 10, "unexpected 'x' after the A record"),
            ("MX", "mail", 0, "'mail' is not a preference"),
            ("MX", "10", 2, "this MX record lacks a name"),
            ("CNAME", "a..b", 0, "'a..b' has an empty label"),
            ("TYPE41", "x", 0, "OPT is no type of a record in a zone"),
            (
                "DNSKEY",
                "x",
                0,
                "DNSKEY records cannot be written by name; write '\\# LENGTH HEX' (RFC 3597)",
            ),
            (
                "TYPE65280",
                r"\# 2 0A",
                5,
                "these are not 2 octets in hexadecimal",
            ),
            (
                "HTTPS",
                "1 . alpn=h2,,h3",
                4,
                "'alpn=h2,,h3' is no service parameter that can be read",
            ),
        ] {
            assert_eq!(
                read_text(kind, text),
                Err((offset, message.to_owned())),
                "{kind} {text}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(kind in prop::sample::select(TYPES.to_vec()), text in r#"([0-9]{1,3} |[a-z.@*]{1,9} |[a-z0-9-]{1,8}=["a-z0-9,\\;@$( ]{0,6}|\\# |"[ -~]{0,5}" |\PC{0,5}){0,8}"#) {
            let _ = read_text(kind, &text);
        }
    }
}

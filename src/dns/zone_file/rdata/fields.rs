//! One field of record data from text to wire form.
//!
//! Does not know which fields a type has. Contract: takes the tokens of its field and appends its
//! octets, or says what should stand there.

use super::{
    Fields, number,
    parameters::parameters_into,
    types::{Field, type_of, writable},
    wire::are_digits,
};
use crate::dns::zone_file::{
    text::{Fault, Token},
    word::{first_string, name_into, seconds, shown, string_into, text_into},
};
use crate::model::diagnostic::did_you_mean;
use data_encoding::{BASE32HEX_NOPAD, BASE64, HEXLOWER_PERMISSIVE};
use hickory_proto::rr::RecordType;
use std::net::{Ipv4Addr, Ipv6Addr};

/// DNSSEC algorithms that have a mnemonic.
const ALGORITHMS: [(u32, &str); 15] = [
    (1, "RSAMD5"),
    (2, "DH"),
    (3, "DSA"),
    (5, "RSASHA1"),
    (6, "DSA-NSEC3-SHA1"),
    (7, "RSASHA1-NSEC3-SHA1"),
    (8, "RSASHA256"),
    (10, "RSASHA512"),
    (12, "ECC-GOST"),
    (13, "ECDSAP256SHA256"),
    (14, "ECDSAP384SHA384"),
    (15, "ED25519"),
    (16, "ED448"),
    (253, "PRIVATEDNS"),
    (254, "PRIVATEOID"),
];

/// RFC 4398 section 2.1.
const CERTIFICATES: [(u32, &str); 10] = [
    (1, "PKIX"),
    (2, "SPKI"),
    (3, "PGP"),
    (4, "IPKIX"),
    (5, "ISPKI"),
    (6, "IPGP"),
    (7, "ACPKIX"),
    (8, "IACPKIX"),
    (253, "URI"),
    (254, "OID"),
];

impl Field {
    /// Whether it takes a token at least.
    pub(super) fn is_needed(self) -> bool {
        !matches!(
            self,
            Self::Types | Self::Parameters | Self::Prefixes | Self::MaybeString
        )
    }
}

impl Fields<'_, '_> {
    /// Reads one field.
    pub(super) fn field(&mut self, field: Field, what: &str) -> Result<(), Fault> {
        match field {
            Field::Ipv4 => {
                let token = self.next(what)?;
                let address = token.raw.parse::<Ipv4Addr>();
                let address = address.map_err(|_| address_fault(&token, what))?;
                self.out.extend_from_slice(&address.octets());
            }
            Field::Ipv6 => {
                let token = self.next(what)?;
                let address = token.raw.parse::<Ipv6Addr>();
                let address = address.map_err(|_| address_fault(&token, what))?;
                self.out.extend_from_slice(&address.octets());
            }
            Field::Name => {
                let (token, origin) = (self.next(what)?, self.origin);
                name_into(token.raw, origin, self.out).map_err(|fault| (token.offset, fault))?;
            }
            Field::U8 => {
                let octet = self.number(what, u8::MAX.into())?;
                self.out.push(octet);
            }
            Field::U16 => {
                let number = self.number(what, u16::MAX.into())?;
                self.put_u16(number);
            }
            Field::U32 => {
                let number = self.number(what, u32::MAX)?;
                self.put_u32(number);
            }
            Field::Seconds => self.seconds(what)?,
            Field::Type => {
                let token = self.next(what)?;
                self.put_u16(type_in(&token)?.into());
            }
            Field::Algorithm => {
                let octet = self.mnemonic(&ALGORITHMS, what, u8::MAX.into())?;
                self.out.push(u8::try_from(octet).unwrap_or_default());
            }
            Field::Certificate => {
                let kind = self.mnemonic(&CERTIFICATES, what, u16::MAX.into())?;
                self.put_u16(u16::try_from(kind).unwrap_or_default());
            }
            Field::Moment => self.moment(what)?,
            Field::String => self.string(what)?,
            Field::MaybeString if self.tokens.is_empty() => {}
            Field::MaybeString => self.string(what)?,
            Field::Strings => self.strings(what)?,
            Field::Digits => self.digits(what)?,
            Field::Text => {
                let token = self.next(what)?;
                text_into(token.raw, self.out).map_err(|fault| (token.offset, fault))?;
            }
            Field::Tag => self.tag(what)?,
            Field::Digest(known) => self.digest(known, what)?,
            Field::Base64 => {
                self.decode(&BASE64, &format!("{what} in Base64, with '=' at its end"))?;
            }
            Field::Salt => self.salt(what)?,
            Field::Hash => self.hash(what)?,
            Field::Types => self.types()?,
            Field::Parameters => {
                let tokens = std::mem::take(&mut self.tokens);
                parameters_into(tokens, self.end, self.out)?;
            }
            Field::Location => self.location()?,
            Field::Hardware(length) => self.hardware(length, what)?,
            Field::Locator => self.locator(what)?,
            Field::Prefixes => self.prefixes()?,
            Field::Gateway => self.gateway()?,
        }
        Ok(())
    }

    fn put_u16(&mut self, number: u16) {
        self.out.extend_from_slice(&number.to_be_bytes());
    }

    pub(super) fn put_u32(&mut self, number: u32) {
        self.out.extend_from_slice(&number.to_be_bytes());
    }

    fn seconds(&mut self, what: &str) -> Result<(), Fault> {
        let token = self.next(what)?;
        let form = || format!("write seconds, or such as 1h30m, at most {}", u32::MAX);
        let secs = seconds(token.raw).ok_or_else(|| is_not(&token, what, &form()))?;
        self.put_u32(secs);
        Ok(())
    }

    fn string(&mut self, what: &str) -> Result<(), Fault> {
        let token = self.next(what)?;
        string_into(token.raw, self.out).map_err(|fault| (token.offset, fault))
    }

    /// Strings to the end. A quoted part of a word is one of its own.
    fn strings(&mut self, what: &str) -> Result<(), Fault> {
        loop {
            let token = self.next(what)?;
            let mut rest = token.raw;
            while !rest.is_empty() {
                let (string, behind) = first_string(rest);
                string_into(string, self.out).map_err(|fault| (token.offset, fault))?;
                rest = behind;
            }
            if !first_string(token.raw).1.is_empty() {
                let raw = shown(token.raw);
                let message = format!(
                    "'{raw}' is read as several strings, a quoted part being one of its own: quote the whole to make it one"
                );
                self.remarks.push((token.offset, message));
            }
            if self.tokens.is_empty() {
                return Ok(());
            }
        }
    }

    fn digits(&mut self, what: &str) -> Result<(), Fault> {
        let token = self.next(what)?;
        let start = self.out.len();
        string_into(token.raw, self.out).map_err(|fault| (token.offset, fault))?;
        let digits = self.out.get(start + 1..).unwrap_or_default();
        match are_digits(digits) {
            true => Ok(()),
            false => Err(is_not(&token, what, "write four digits or more")),
        }
    }

    fn mnemonic(&mut self, names: &[(u32, &str)], what: &str, max: u32) -> Result<u32, Fault> {
        let token = self.next(what)?;
        let named = names
            .iter()
            .find(|(_, name)| name.eq_ignore_ascii_case(token.raw));
        let value = named.map(|(value, _)| *value);
        let value = value.or_else(|| number(token.raw).filter(|&value| value <= max));
        value.ok_or_else(|| {
            let raw = shown(token.raw);
            let candidates = names.iter().map(|(_, name)| *name);
            let near = near(&raw.to_ascii_uppercase(), candidates);
            let message = format!("'{raw}' is not {what} by name or number{near}");
            (token.offset, message)
        })
    }

    fn moment(&mut self, what: &str) -> Result<(), Fault> {
        let token = self.next(what)?;
        let secs = match token.raw.len() {
            14 => secs_of_date(token.raw),
            _ => number(token.raw),
        };
        let secs = secs.ok_or_else(|| is_not(&token, what, "write YYYYMMDDHHmmSS"))?;
        self.put_u32(secs);
        Ok(())
    }

    fn tag(&mut self, what: &str) -> Result<(), Fault> {
        let token = self.next(what)?;
        let is_plain = token.raw.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match u8::try_from(token.raw.len()) {
            Ok(length) if is_plain => {
                self.out.push(length);
                self.out.extend_from_slice(token.raw.as_bytes());
                Ok(())
            }
            _ => Err(is_not(&token, what, "it has letters and digits only")),
        }
    }

    fn digest(&mut self, known: &[(u8, usize)], what: &str) -> Result<(), Fault> {
        let kind = self.out.last().copied();
        let (start, place) = (
            self.out.len(),
            self.tokens.first().map(|token| token.offset),
        );
        self.decode(
            &HEXLOWER_PERMISSIVE,
            &format!("{what} in hexadecimal, two digits an octet"),
        )?;
        let length = self.out.len() - start;
        match known.iter().find(|(of, _)| Some(*of) == kind) {
            Some(&(of, expect)) if length != expect => {
                let message =
                    format!("{what} of type {of} has {expect} octets; these are {length}");
                Err((place.unwrap_or(self.end), message))
            }
            _ => Ok(()),
        }
    }

    /// Octets of one token behind their length.
    fn counted(&mut self, token: &Token<'_>, octets: &[u8], what: &str) -> Result<(), Fault> {
        let length = u8::try_from(octets.len())
            .map_err(|_| (token.offset, format!("{what} has at most 255 octets")))?;
        self.out.push(length);
        self.out.extend_from_slice(octets);
        Ok(())
    }

    fn salt(&mut self, what: &str) -> Result<(), Fault> {
        let token = self.next(what)?;
        let raw = if token.raw == "-" { "" } else { token.raw };
        let octets = HEXLOWER_PERMISSIVE
            .decode(raw.as_bytes())
            .map_err(|error| {
                let message = format!("this is not {what} in hexadecimal; '-' is none");
                (token.offset + error.position, message)
            })?;
        self.counted(&token, &octets, what)
    }

    fn hash(&mut self, what: &str) -> Result<(), Fault> {
        let token = self.next(what)?;
        let upper = token.raw.to_ascii_uppercase();
        let octets = BASE32HEX_NOPAD.decode(upper.as_bytes()).map_err(|error| {
            let message = format!("this is not {what} in Base32 with 0-9 and A-V");
            (token.offset + error.position, message)
        })?;
        self.counted(&token, &octets, what)
    }

    fn types(&mut self) -> Result<(), Fault> {
        let tokens = std::mem::take(&mut self.tokens);
        let codes = tokens.iter().map(|token| type_in(token).map(u16::from));
        let mut codes = codes.collect::<Result<Vec<_>, Fault>>()?;
        codes.sort_unstable();
        for window in codes.chunk_by(|a, b| a >> 8 == b >> 8) {
            let mut bitmap = [0_u8; 32];
            let mut length = 0_u8;
            for code in window {
                let [_, low] = code.to_be_bytes();
                bitmap[usize::from(low >> 3)] |= 0x80 >> (low & 7);
                length = (low >> 3) + 1;
            }
            let number = window.first().map_or(0, |code| code.to_be_bytes()[0]);
            self.out.extend_from_slice(&[number, length]);
            self.out.extend_from_slice(&bitmap[..usize::from(length)]);
        }
        Ok(())
    }
}

/// A word that is not what its field wants, and what to write.
pub(super) fn is_not(token: &Token<'_>, what: &str, instead: &str) -> Fault {
    let raw = shown(token.raw);
    (token.offset, format!("'{raw}' is not {what}: {instead}"))
}

fn address_fault(token: &Token<'_>, what: &str) -> Fault {
    // Of locators there are other types.
    let hint = match (token.raw.parse(), what) {
        (Ok(std::net::IpAddr::V4(_)), "an IPv6 address") => "; it belongs in an A record",
        (Ok(std::net::IpAddr::V6(_)), "an IPv4 address") => "; it belongs in an AAAA record",
        _ => "",
    };
    let raw = shown(token.raw);
    (token.offset, format!("'{raw}' is not {what}{hint}"))
}

/// `, did you mean 'X'?`, where there is an X.
pub(super) fn near<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    // A hostile word can be megabytes long.
    let near = did_you_mean(&shown(word), names);
    near.map_or(String::new(), |near| format!(", did you mean '{near}'?"))
}

/// The type that a word names.
pub(in crate::dns) fn type_in(token: &Token<'_>) -> Result<RecordType, Fault> {
    type_of(token.raw).ok_or_else(|| {
        let raw = shown(token.raw);
        let near = match near(&raw.to_ascii_uppercase(), writable()) {
            near if near.is_empty() => "; write others as TYPE1 to TYPE65535".to_owned(),
            near => near,
        };
        (token.offset, format!("unknown record type '{raw}'{near}"))
    })
}

/// `YYYYMMDDHHmmSS` as seconds since 1970, modulo 2^32 (RFC 4034 section 3.1.5).
fn secs_of_date(raw: &str) -> Option<u32> {
    let part = |from: usize, to: usize| number(raw.get(from..to)?).map(u64::from);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    let is_leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days_of = |year: u64, month: usize| {
        lengths.get(month).copied().unwrap_or(0) + u64::from(month == 1 && is_leap(year))
    };
    let month = usize::try_from(month.checked_sub(1)?).ok()?;
    if year < 1970 || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let years: u64 = (1970..year)
        .map(|year| 365 + u64::from(is_leap(year)))
        .sum();
    let months: u64 = (0..month).map(|month| days_of(year, month)).sum();
    let secs = ((years + months + day - 1) * 24 + hour) * 3_600 + minute * 60 + second;
    u32::try_from(secs & u64::from(u32::MAX)).ok()
}

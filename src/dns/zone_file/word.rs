//! The words of a zone file: names, strings and times from text to octets (RFC 1035 sections 3.1,
//! 3.3 and 5.1).
//!
//! Does not know where a word stands or what record it belongs to. Contract: appends to a buffer
//! that its caller reuses, so that a million records cost no allocation each; linear in the text;
//! never panics. After an error the buffer's end is undefined.

use crate::dns::name::MAX_NAME_OCTETS;
use std::borrow::Cow;

/// A label has at most so many octets (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;
/// The longest TTL (RFC 2181 section 8), in seconds.
pub(super) const MAX_TTL_SECS: u32 = i32::MAX.unsigned_abs();

/// A word as a message shows it: a hostile one can be megabytes long.
pub(super) fn shown(raw: &str) -> Cow<'_, str> {
    match raw.char_indices().nth(60) {
        None => raw.into(),
        Some((end, _)) => format!("{}…", &raw[..end]).into(),
    }
}

/// The octet that stands at the start of an escape's rest, `X` or `DDD`, and the length of that.
fn escaped(rest: &[u8]) -> Result<(u8, usize), &'static str> {
    match *rest {
        [] => Err("'\\' at the end: write '\\\\' for a backslash"),
        [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] => {
            let value = u32::from(a - b'0') * 100 + u32::from(b - b'0') * 10 + u32::from(c - b'0');
            let octet = u8::try_from(value).map_err(|_| BAD_ESCAPE)?;
            Ok((octet, 3))
        }
        [b'0'..=b'9', ..] => Err(BAD_ESCAPE),
        [octet, ..] => Ok((octet, 1)),
    }
}

const BAD_ESCAPE: &str = "write an octet as '\\' and three digits, 000 to 255";

/// Appends a domain name in wire form, its case as written. Relative ones stand below `origin`
/// (wire form); `@` is the origin.
pub(in crate::dns) fn name_into(raw: &str, origin: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    match raw {
        "@" => {
            out.extend_from_slice(origin);
            return Ok(());
        }
        "." => {
            out.push(0);
            return Ok(());
        }
        _ => {}
    }
    let start = out.len();
    let mut label = start;
    out.push(0);
    let mut at = 0;
    let bytes = raw.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'.' => {
                end_label(raw, out, label)?;
                label = out.len();
                out.push(0);
            }
            b'\\' => {
                let (octet, length) = escaped(&bytes[at..])?;
                out.push(octet);
                at += length;
            }
            b'"' | 0x80.. => {
                return Err(format!(
                    "'{}' is no domain name: write other scripts in punycode (xn--…), and no quotes",
                    shown(raw)
                ));
            }
            _ => out.push(byte),
        }
    }
    if out.len() > label + 1 {
        end_label(raw, out, label)?;
        out.extend_from_slice(origin);
    }
    if out.len() - start > MAX_NAME_OCTETS || raw.is_empty() {
        return Err(match raw {
            "" => "a name cannot be empty: write '@' for the origin".to_owned(),
            _ => format!(
                "'{}' has {} octets with its origin; a name has at most {MAX_NAME_OCTETS}",
                shown(raw),
                out.len() - start
            ),
        });
    }
    Ok(())
}

/// Writes the length of the label that begins at `label` and ends where `out` does.
fn end_label(raw: &str, out: &mut [u8], label: usize) -> Result<(), String> {
    let length = out.len() - label - 1;
    match u8::try_from(length) {
        Ok(0) => Err(format!("'{}' has an empty label", shown(raw))),
        Ok(octets) if length <= MAX_LABEL => {
            out[label] = octets;
            Ok(())
        }
        _ => Err(format!(
            "'{}' has a label of {length} octets of at most {MAX_LABEL}",
            shown(raw)
        )),
    }
}

/// Appends the octets of a string, quoted or not, without a length.
pub(super) fn text_into(raw: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let inner = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
    let bytes = inner.unwrap_or(raw).as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'\\' => {
                let (octet, length) = escaped(&bytes[at..])?;
                out.push(octet);
                at += length;
            }
            // Servers disagree on what it means there.
            b'"' => {
                return Err(format!(
                    "a quotation mark within '{}': quote the whole string, or write '\\\"'",
                    shown(raw)
                ));
            }
            _ => out.push(byte),
        }
    }
    Ok(())
}

/// The first string of a word that has quoted parts, and what stands behind it: `k="v w"` is `k=`
/// and `"v w"`.
pub(super) fn first_string(raw: &str) -> (&str, &str) {
    let is_quoted = raw.starts_with('"');
    let mut bytes = raw.bytes().enumerate().skip(usize::from(is_quoted));
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => return raw.split_at(at + usize::from(is_quoted)),
            _ => {}
        }
    }
    (raw, "")
}

/// Appends a character string, a length octet first: at most 255 octets (RFC 1035 section 3.3).
pub(super) fn string_into(raw: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let start = out.len();
    out.push(0);
    text_into(raw, out)?;
    let length = out.len() - start - 1;
    out[start] = u8::try_from(length).map_err(|_| {
        format!(
            "this string has {length} octets of at most 255; split it into several quoted strings"
        )
    })?;
    Ok(())
}

/// A length of time in seconds: `3600`, `1h30m`, `2w`; the units are w, d, h, m and s.
pub(super) fn seconds(raw: &str) -> Option<u32> {
    let mut whole = 0_u32;
    let mut number = None;
    for byte in raw.bytes() {
        let scale = match byte {
            b'0'..=b'9' => {
                let tens = number.unwrap_or(0_u32).checked_mul(10)?;
                number = Some(tens.checked_add(u32::from(byte - b'0'))?);
                continue;
            }
            b's' | b'S' => 1,
            b'm' | b'M' => 60,
            b'h' | b'H' => 3_600,
            b'd' | b'D' => 86_400,
            b'w' | b'W' => 604_800,
            _ => return None,
        };
        whole = whole.checked_add(number.take()?.checked_mul(scale)?)?;
    }
    match number {
        None if raw.is_empty() => None,
        rest => whole.checked_add(rest.unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &[u8] = b"\x07Example\x03com\x00";

    #[test]
    fn names_are_relative_to_the_origin_and_escapes_are_decimal() {
        for (raw, expect) in [
            ("www", &b"\x03www\x07Example\x03com\x00"[..]),
            ("@", ORIGIN),
            ("a.b.", b"\x01a\x01b\x00"),
            (".", b"\x00"),
            ("*", b"\x01*\x07Example\x03com\x00"),
            (r"\087\119w.x.", b"\x03Www\x01x\x00"),
            (r"a\.b.x.", b"\x03a.b\x01x\x00"),
            (r"\@.", b"\x01@\x00"),
        ] {
            let mut name = b"before".to_vec();
            assert_eq!(name_into(raw, ORIGIN, &mut name), Ok(()), "{raw}");
            assert_eq!(name.strip_prefix(b"before"), Some(expect), "{raw}");
        }
        let long = "x".repeat(64);
        let (label, last) = ("a".repeat(63), "a".repeat(61));
        let longest = format!("{label}.{label}.{label}.{last}.");
        assert!(name_into(&longest, ORIGIN, &mut Vec::new()).is_ok());
        let longer = format!("a{longest}");
        for raw in [
            "a..b", "..", ".a", &long, &longer, r"\256", r"\1", "\\", "ä", "", "\"a\"",
        ] {
            assert!(name_into(raw, ORIGIN, &mut Vec::new()).is_err(), "{raw}");
        }
    }

    #[test]
    fn strings_are_quoted_or_not() {
        for (raw, expect) in [
            ("ab", &b"\x02ab"[..]),
            (r#""a b""#, b"\x03a b"),
            (r#""""#, b"\x00"),
            (r#""a\"b\\""#, b"\x04a\"b\\"),
            (r"\000\255", b"\x02\x00\xff"),
            ("é", b"\x02\xc3\xa9"),
        ] {
            let mut string = Vec::new();
            assert_eq!(string_into(raw, &mut string), Ok(()), "{raw}");
            assert_eq!(string, expect, "{raw}");
        }
        for (raw, first, rest) in [
            (r#"k="v w""#, "k=", r#""v w""#),
            (r#""v w""#, r#""v w""#, ""),
            (r#""v \" w"x"#, r#""v \" w""#, "x"),
            (r#"a\"b"#, r#"a\"b"#, ""),
            (r#"\é"q""#, r"\é", r#""q""#),
        ] {
            assert_eq!(first_string(raw), (first, rest), "{raw}");
        }
        let long = "x".repeat(256);
        for raw in [&long, r#"k="v""#, r"\25", r#"""#] {
            assert!(string_into(raw, &mut Vec::new()).is_err(), "{raw}");
        }
    }

    #[test]
    fn times_have_units() {
        for (raw, expect) in [
            ("0", Some(0)),
            ("3600", Some(3_600)),
            ("1h30m", Some(5_400)),
            ("1W1d1H1m1s", Some(694_861)),
            ("1h30", Some(3_630)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("9999999w", None),
            ("", None),
            ("h", None),
            ("1hh", None),
            ("-1", None),
            ("1y", None),
        ] {
            assert_eq!(seconds(raw), expect, "{raw}");
        }
    }
}

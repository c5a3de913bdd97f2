//! Whether octets are data of a type: for records that are written as octets (RFC 3597 section 5).
//!
//! Holds them against the same table that text is read by. Never panics, whatever the octets.

use super::{
    addresses::{are_prefixes, is_gateway},
    parameters,
    types::{Field, Kind},
};
use crate::dns::name::name_length;

/// What is wrong with data of this type; `None` where nothing is.
pub(super) fn fault_of(kind: &Kind, octets: &[u8]) -> Option<String> {
    let mut rest = octets;
    for &(field, what) in kind.fields {
        let before = octets.get(..octets.len() - rest.len());
        let before = before.and_then(|before| before.last().copied());
        match behind(field, rest, before) {
            Ok(behind) => rest = behind,
            Err(None) => return Some(format!("no {} can be read", bare(what))),
            Err(Some(fault)) => return Some(fault),
        }
    }
    let left = rest.len();
    (left > 0).then(|| format!("octets are left over: {left}"))
}

fn bare(what: &str) -> &str {
    let bare = what.strip_prefix("a ").or_else(|| what.strip_prefix("an "));
    bare.unwrap_or(what)
}

/// What stands behind a field, where it is one; an own fault, or none to be had.
fn behind(field: Field, octets: &[u8], before: Option<u8>) -> Result<&[u8], Option<String>> {
    let skip = |length: usize| octets.get(length..).ok_or(None);
    let is_good = |is_good: bool| if is_good { Ok(&octets[..0]) } else { Err(None) };
    let counted = |octets| counted(octets).ok_or(None);
    match field {
        Field::Ipv4 | Field::U32 | Field::Seconds | Field::Moment => skip(4),
        Field::Ipv6 => skip(16),
        Field::U8 | Field::Algorithm => skip(1),
        Field::U16 | Field::Type | Field::Certificate => skip(2),
        Field::Hardware(length) => skip(length),
        Field::Locator => skip(8),
        Field::Prefixes => is_good(are_prefixes(octets)),
        Field::Gateway => is_good(is_gateway(octets)),
        Field::Name => skip(name_length(octets).ok_or(None)?),
        Field::MaybeString if octets.is_empty() => Ok(octets),
        Field::String | Field::MaybeString | Field::Salt => counted(octets).map(|(_, rest)| rest),
        Field::Digits => match counted(octets)? {
            (digits, rest) if are_digits(digits) => Ok(rest),
            _ => Err(None),
        },
        Field::Hash => match counted(octets)? {
            ([], _) => Err(None),
            (_, rest) => Ok(rest),
        },
        Field::Strings => {
            let mut rest = counted(octets)?.1;
            while !rest.is_empty() {
                rest = counted(rest)?.1;
            }
            Ok(rest)
        }
        Field::Text => Ok(&octets[..0]),
        Field::Tag => match counted(octets)? {
            (tag, rest) if !tag.is_empty() && tag.iter().all(u8::is_ascii_alphanumeric) => Ok(rest),
            _ => Err(None),
        },
        Field::Digest(known) => {
            let known = known.iter().find(|(of, _)| Some(*of) == before);
            is_good(known.map_or(!octets.is_empty(), |&(_, length)| octets.len() == length))
        }
        Field::Base64 => is_good(!octets.is_empty()),
        Field::Types => is_good(is_bitmap(octets)),
        Field::Parameters => match parameters::fault_of(octets) {
            None => Ok(&octets[..0]),
            fault => Err(fault),
        },
        Field::Location => match octets {
            // Other versions have another form that nobody has written down.
            [0, sizes @ ..] if sizes.len() == 15 => is_good(
                sizes[..3]
                    .iter()
                    .all(|size| size >> 4 < 10 && size & 15 < 10),
            ),
            _ => Err(None),
        },
    }
}

/// The octets that a length octet counts, and what stands behind them.
fn counted(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = octets.split_first()?;
    rest.split_at_checked(usize::from(length))
}

/// Whether an X.121 address is one, as far as its digits go (RFC 1183 section 3.1).
pub(super) fn are_digits(octets: &[u8]) -> bool {
    octets.len() >= 4 && octets.iter().all(u8::is_ascii_digit)
}

/// Windows that rise, each of 1 to 32 octets, the last of which is not zero (RFC 4034 section
/// 4.1.2).
fn is_bitmap(octets: &[u8]) -> bool {
    let mut rest = octets;
    let mut last = None;
    while let [window, length @ 1..=32, behind @ ..] = rest {
        let Some((bits, behind)) = behind.split_at_checked(usize::from(*length)) else {
            return false;
        };
        if last >= Some(*window) || bits.last() == Some(&0) {
            return false;
        }
        last = Some(*window);
        rest = behind;
    }
    rest.is_empty()
}

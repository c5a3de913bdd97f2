//! Domain names as the store knows them: octets in wire form and lower case (RFC 1035 section
//! 3.1, RFC 4343).
//!
//! `WireName` is a name to keep; `LookupName` is a name to look up, with the place and the hash
//! of each of its suffixes, so that everything above a question costs one pass over it. Does not
//! know zones. Contract: at most 255 octets, no compression pointers; never panics, whatever the
//! octets.

use super::zone_file::word::name_into;
use crate::model::DnsName;
use hickory_proto::{
    rr::Name,
    serialize::binary::{BinDecodable, BinDecoder},
};
use std::fmt::{self, Write as _};

/// RFC 1035 section 2.3.4.
pub(super) const MAX_NAME_OCTETS: usize = 255;
/// Every label has two octets at least, and the root one.
const MAX_LABELS: usize = MAX_NAME_OCTETS / 2;

/// How long the uncompressed name is with which `octets` begin; `None` where they begin with
/// none.
pub(super) fn name_length(octets: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let length = usize::from(*octets.get(at)?);
        at += 1;
        match length {
            0 => return Some(at),
            1..=63 if at + length < MAX_NAME_OCTETS => at += length,
            _ => return None,
        }
    }
}

/// The labels of a name in wire form, from the left, without the root.
pub(super) fn labels(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let (&length, behind) = rest.split_first()?;
        let (label, behind) = behind.split_at_checked(usize::from(length))?;
        rest = behind;
        (length > 0).then_some(label)
    })
}

/// hickory's form of a name in wire form.
pub(super) fn name_of(wire: &[u8]) -> Name {
    // What is stored was checked when it was read.
    Name::read(&mut BinDecoder::new(wire)).unwrap_or_default()
}

/// The configuration's form of a name in wire form: text in lower case, without the last dot.
pub(super) fn text_of(wire: &[u8]) -> DnsName {
    let mut text = String::with_capacity(wire.len());
    for label in labels(wire) {
        if !text.is_empty() {
            text.push('.');
        }
        for octet in label.to_ascii_lowercase() {
            match octet {
                b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
                    text.push('\\');
                    text.push(char::from(octet));
                }
                b'!'..=b'~' => text.push(char::from(octet)),
                _ => {
                    // Writing to a String never fails.
                    let _ = write!(text, "\\{octet:03}");
                }
            }
        }
    }
    if text.is_empty() {
        text.push('.');
    }
    text.into()
}

/// A name to keep: in lower case.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct WireName(Box<[u8]>);

impl WireName {
    /// A name as the configuration writes it; `None` where it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut octets = Vec::with_capacity(text.len() + 2);
        name_into(text, &[0], &mut octets).ok()?;
        Some(Self(octets.to_ascii_lowercase().into()))
    }

    /// A name below this one; `None` where it would be too long.
    pub(super) fn below(&self, label: &str) -> Option<Self> {
        let length = u8::try_from(label.len())
            .ok()
            .filter(|length| *length <= 63)?;
        let octets = [&[length], label.as_bytes(), &self.0].concat();
        (octets.len() <= MAX_NAME_OCTETS).then(|| Self(octets.to_ascii_lowercase().into()))
    }

    /// In wire form and lower case.
    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for WireName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text_of(&self.0))
    }
}

/// A name to look up, with its suffixes by depth: how many labels they have. Meant to be kept
/// and read into again and again.
#[derive(Clone)]
pub(super) struct LookupName {
    /// In lower case.
    octets: [u8; MAX_NAME_OCTETS],
    length: usize,
    labels: usize,
    /// By depth: where the suffix begins.
    starts: [u8; MAX_LABELS + 1],
    /// By depth.
    hashes: [u64; MAX_LABELS + 1],
}

impl Default for LookupName {
    /// The root.
    fn default() -> Self {
        let mut hashes = [0; MAX_LABELS + 1];
        hashes[0] = ROOT_HASH;
        Self {
            octets: [0; MAX_NAME_OCTETS],
            length: 1,
            labels: 0,
            starts: [0; MAX_LABELS + 1],
            hashes,
        }
    }
}

impl LookupName {
    /// A name in wire form, in any letter case; the root where it is none.
    pub(super) fn of(wire: &[u8]) -> Self {
        let mut name = Self::default();
        if name.read(wire).is_none() {
            name = Self::default();
        }
        name
    }

    /// The lookup form of one of hickory's names.
    pub(super) fn of_name(name: &Name) -> Self {
        let mut octets = Vec::with_capacity(MAX_NAME_OCTETS);
        for label in name.iter() {
            octets.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
            octets.extend_from_slice(label);
        }
        octets.push(0);
        Self::of(&octets)
    }

    /// Reads the uncompressed name with which `octets` begin, such as those of a query behind
    /// its header; how many octets it has. `None`, and what is held is of no use, where there is
    /// none.
    pub(super) fn read(&mut self, octets: &[u8]) -> Option<usize> {
        let mut at = 0;
        let mut count = 0;
        // From the left first: a label's place is known only from those before it.
        let length = loop {
            let label = usize::from(*octets.get(at)?);
            // At most 254, since a name of more is refused below.
            self.starts[count] = u8::try_from(at).ok()?;
            match label {
                0 => break at + 1,
                1..=63 if at + label + 1 < MAX_NAME_OCTETS => {
                    at += label + 1;
                    count += 1;
                }
                _ => return None,
            }
        };
        let own = self.octets.get_mut(..length)?;
        own.copy_from_slice(octets.get(..length)?);
        // Lengths are below 64 and so no letters.
        own.make_ascii_lowercase();
        self.length = length;
        self.labels = count;
        self.starts[..=count].reverse();
        let mut hash = ROOT_HASH;
        self.hashes[0] = hash;
        for depth in 1..=count {
            let from = usize::from(self.starts[depth]);
            let to = usize::from(self.starts[depth - 1]);
            hash = hash_below(hash, &self.octets[from + 1..to]);
            self.hashes[depth] = hash;
        }
        Some(length)
    }

    /// In wire form and lower case.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    /// How many labels it has, the root not counted.
    pub(super) fn depth(&self) -> usize {
        self.labels
    }

    /// Its last `depth` labels in wire form; the whole name where it has no more.
    pub(super) fn suffix(&self, depth: usize) -> &[u8] {
        let start = self.starts[depth.min(self.labels)];
        &self.octets[usize::from(start)..self.length]
    }

    /// The hash of that suffix.
    pub(super) fn hash(&self, depth: usize) -> u64 {
        self.hashes[depth.min(self.labels)]
    }
}

impl fmt::Debug for LookupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text_of(self.octets()))
    }
}

const ROOT_HASH: u64 = 0x9e37_79b9_7f4a_7c15;
const MULTIPLIER: u64 = 0xd6e8_feb8_6659_fd93;

/// The hash of a name from its first label and the hash of its parent. Without a key: what is
/// looked up comes from anybody, but what is in the index comes from the operator's zones alone,
/// so nobody can make its chains long.
fn hash_below(parent: u64, label: &[u8]) -> u64 {
    let fold = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(MULTIPLIER);
        // Both halves: the low bits of a product know nothing of the high bits of its factors.
        #[allow(clippy::cast_possible_truncation)]
        let (low, high) = (product as u64, (product >> 64) as u64);
        low ^ high
    };
    let mut hash = parent.rotate_left(5) ^ label.len() as u64;
    let (words, rest) = label.as_chunks::<8>();
    for word in words {
        hash = fold(hash, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    fold(hash, u64::from_le_bytes(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wire(text: &str) -> Vec<u8> {
        WireName::parse(text).unwrap().octets().to_vec()
    }

    #[test]
    fn suffixes_are_those_of_the_name_in_lower_case() {
        let mut octets = wire("www.example.com");
        octets.make_ascii_uppercase();
        octets.extend(b"\0\x01\0\x01");
        let mut name = LookupName::default();
        assert_eq!(name.read(&octets), Some(17));
        assert_eq!(name.depth(), 3);
        for (depth, text) in [
            (0, "."),
            (1, "com"),
            (2, "example.com"),
            (3, "www.example.com"),
        ] {
            assert_eq!(name.suffix(depth), wire(text));
            assert_eq!(name.hash(depth), LookupName::of(&wire(text)).hash(depth));
        }
        assert_eq!(text_of(name.octets()).as_str(), "www.example.com");
        assert_eq!(
            LookupName::of_name(&name_of(&octets)).octets(),
            name.octets()
        );
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = [[63; 64].as_slice(); 4].concat();
        let longest = [[63; 64].as_slice(), &[63; 64], &[63; 64], &[61; 62], &[0]].concat();
        let mut name = LookupName::default();
        assert_eq!((longest.len(), name.read(&longest)), (255, Some(255)));
        assert_eq!(name_length(&longest), Some(255));
        let deepest = [b"\x01a".repeat(127), vec![0]].concat();
        assert_eq!(name.read(&deepest), Some(255));
        assert_eq!(name.depth(), 127);
        for bad in [
            &long,
            &b"\x01"[..],
            b"",
            b"\x01a",
            b"\xc0\x0c",
            b"\x40a",
            &[62; 256],
        ] {
            assert_eq!(name.read(bad), None, "{bad:?}");
            assert_eq!(name_length(bad), None, "{bad:?}");
        }
        for text in ["", "..", "a..b", ".a", "ä"] {
            assert_eq!(WireName::parse(text), None, "{text}");
        }
        assert_eq!(WireName::parse(".").unwrap().octets(), [0]);
    }

    #[test]
    fn odd_octets_are_escaped() {
        assert_eq!(text_of(b"\x04a.B\\\x01\x07\0").as_str(), r"a\.b\\.\007");
        assert_eq!(text_of(b"\0").as_str(), ".");
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(octets in prop::collection::vec(prop_oneof![0..5_u8, any::<u8>()], 0..300)) {
            let mut name = LookupName::default();
            let length = name.read(&octets);
            prop_assert_eq!(length, name_length(&octets));
            if let Some(length) = length {
                prop_assert_eq!(name.octets(), octets[..length].to_ascii_lowercase());
                prop_assert_eq!(labels(name.octets()).count(), name.depth());
            }
            let _ = text_of(&octets);
        }
    }
}

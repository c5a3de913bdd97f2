//! Names as labels, independent of the name types under test.

use std::fmt;

/// RFC 1035 section 2.3.4.
const MAX_OCTETS: usize = 255;

/// A name: its labels as octets, the leftmost first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Labels(pub(in super::super) Vec<Vec<u8>>);

impl Labels {
    /// A name written without escapes, such as `a.b`; the empty text is the root.
    pub(in super::super) fn of(text: &str) -> Self {
        let labels = text.split('.').filter(|label| !label.is_empty());
        Self(labels.map(|label| label.as_bytes().to_vec()).collect())
    }

    pub(in super::super) fn child(&self, label: &[u8]) -> Self {
        let mut labels = vec![label.to_vec()];
        labels.extend(self.0.iter().cloned());
        Self(labels)
    }

    /// The name without its first label; the root is its own parent.
    pub(in super::super) fn parent(&self) -> Self {
        Self(self.0.iter().skip(1).cloned().collect())
    }

    pub(in super::super) fn lower(&self) -> Self {
        Self(
            self.0
                .iter()
                .map(|label| label.to_ascii_lowercase())
                .collect(),
        )
    }

    /// Whether it is `other` or below it.
    pub(in super::super) fn is_within(&self, other: &Self) -> bool {
        let Some(more) = self.0.len().checked_sub(other.0.len()) else {
            return false;
        };
        let pairs = self.0[more..].iter().zip(&other.0);
        pairs
            .into_iter()
            .all(|(one, two)| one.eq_ignore_ascii_case(two))
    }

    /// As it stands in a message, uncompressed.
    pub(in super::super) fn wire(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        for label in &self.0 {
            octets.push(u8::try_from(label.len()).expect("labels are short"));
            octets.extend(label);
        }
        octets.push(0);
        octets
    }

    /// The name that [`fmt::Display`] wrote.
    pub(in super::super) fn read(text: &str) -> Option<Self> {
        let mut labels = vec![Vec::new()];
        let mut octets = text.bytes();
        while let Some(octet) = octets.next() {
            let last = labels.last_mut()?;
            match octet {
                b'.' => labels.push(Vec::new()),
                b'\\' => match octets.next()? {
                    hundreds @ b'0'..=b'9' => {
                        let digits = [hundreds, octets.next()?, octets.next()?];
                        last.push(std::str::from_utf8(&digits).ok()?.parse().ok()?);
                    }
                    itself => last.push(itself),
                },
                _ => last.push(octet),
            }
        }
        // Behind the last dot there is the root.
        labels.pop().filter(Vec::is_empty)?;
        labels.retain(|label| !label.is_empty());
        Some(Self(labels))
    }

    /// Whether it is written in letters, digits and hyphens.
    pub(in super::super) fn is_plain(&self) -> bool {
        let allowed = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'-';
        self.0.iter().flatten().all(allowed)
    }

    /// A name below this one that is as long as a name may be, of labels of one letter.
    pub(in super::super) fn longest(&self, letter: u8) -> Self {
        let mut name = self.clone();
        loop {
            let left = MAX_OCTETS - name.wire().len();
            match left {
                0 => return name,
                // A label has two octets at least.
                65 => name = name.child(&[letter; 62]),
                _ => name = name.child(&vec![letter; (left - 1).min(63)]),
            }
        }
    }

    /// The name, or as much of its end as a name may have (RFC 1035 section 2.3.4).
    pub(in super::super) fn fitting(mut self) -> Self {
        while self.wire().len() > MAX_OCTETS {
            self.0.remove(0);
        }
        self
    }
}

impl fmt::Display for Labels {
    /// As a zone file has it: absolute, with escapes of both kinds.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return out.write_str(".");
        }
        for label in &self.0 {
            for &octet in label {
                match octet {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'*' => {
                        write!(out, "{}", char::from(octet))?;
                    }
                    // But for a backslash: NSD 4.6 reads `\\.` as an escaped dot.
                    b'.' | b';' | b'(' | b')' | b'@' | b'"' => {
                        write!(out, "\\{}", char::from(octet))?;
                    }
                    _ => write!(out, "\\{octet:03}")?,
                }
            }
            out.write_str(".")?;
        }
        Ok(())
    }
}

#[test]
fn a_name_is_read_as_it_was_written() {
    let odd = super::ODD_LABELS.iter().map(|label| label.to_vec());
    let name = Labels(odd.collect());
    assert_eq!(Labels::read(&name.to_string()), Some(name));
    for under in ["", "p.w1", "a", "ab", "abc.d"] {
        let under = Labels::of(under);
        for extra in 0..=65 {
            let under = match extra {
                0 => under.clone(),
                some => under.child(&vec![b'x'; some.min(63)]),
            };
            let longest = under.longest(b'q');
            assert_eq!(longest.wire().len(), 255, "{under}");
            assert!(
                longest
                    .0
                    .iter()
                    .all(|label| (1..=63).contains(&label.len()))
            );
        }
    }
}

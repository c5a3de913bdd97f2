//! Names as labels, independent of the name types under test.

use std::fmt;

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

    /// The name, or as much of its end as a name may have (RFC 1035 section 2.3.4).
    pub(in super::super) fn fitting(mut self) -> Self {
        while self.wire().len() > 255 {
            self.0.remove(0);
        }
        self
    }
}

impl fmt::Display for Labels {
    /// As a zone file has it: absolute, with decimal escapes.
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
                    _ => write!(out, "\\{octet:03}")?,
                }
            }
            out.write_str(".")?;
        }
        Ok(())
    }
}

//! The list of differences that have a reason, and what was found against it.

use super::{compare::Differences, servers::NAMES};
use std::collections::{BTreeMap, BTreeSet};

/// Stands between the shapes of a difference that has several, each of which needs a reason.
pub(super) const AND: &str = " and ";

/// A line of the list: which differences it explains.
struct Line {
    text: String,
    class: String,
    field: String,
    shape: String,
    /// The peers that may differ.
    peers: BTreeSet<String>,
    /// The peers that then answer as we do, in this field.
    agree: BTreeSet<String>,
    matched: usize,
}

/// The list of differences with reasons, and what was found against it.
#[derive(Default)]
pub(super) struct Ledger {
    lines: Vec<Line>,
    /// Queries compared, each with each peer.
    pub(super) comparisons: usize,
    /// Fields that differed, for a reason that is listed.
    pub(super) explained: usize,
    /// By class and field, and how each peer differs: how often, and an example.
    pub(super) unexplained: BTreeMap<String, Unexplained>,
}

/// A difference without a reason.
pub(super) struct Unexplained {
    pub(super) count: usize,
    pub(super) example: String,
}

impl Ledger {
    /// Reads `class | field | shape | peers that differ | peers that agree | reason`, with `*`
    /// for any text.
    pub(super) fn read(text: &str) -> Self {
        let mut lines = Vec::new();
        for (number, text) in text.lines().enumerate() {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let columns: Vec<_> = text.split('|').map(str::trim).collect();
            let [class, field, shape, peers, agree, reason] = columns[..] else {
                panic!("line {}: six columns are wanted: {text}", number + 1);
            };
            assert!(reason.len() > 10, "line {}: no reason", number + 1);
            let names = |column: &str| -> BTreeSet<String> {
                let names = column.split_whitespace().map(str::to_owned);
                let names: BTreeSet<_> = names.filter(|name| name != "-").collect();
                let known = |name: &String| NAMES[1..].contains(&name.as_str());
                assert!(names.iter().all(known), "line {}: {column}", number + 1);
                names
            };
            lines.push(Line {
                text: text.to_owned(),
                class: class.to_owned(),
                field: field.to_owned(),
                shape: shape.to_owned(),
                peers: names(peers),
                agree: names(agree),
                matched: 0,
            });
        }
        Self {
            lines,
            ..Self::default()
        }
    }

    /// Takes in what differed from each peer, in their order; `example` tells of the query.
    pub(super) fn take(
        &mut self,
        class: &str,
        found: &[Differences],
        example: &dyn Fn() -> String,
    ) {
        self.comparisons += found.len();
        let fields: BTreeSet<_> = found.iter().flat_map(BTreeMap::keys).collect();
        for field in fields {
            let shapes: BTreeMap<&str, &String> = NAMES[1..]
                .iter()
                .zip(found)
                .filter_map(|(peer, differences)| Some((*peer, differences.get(field)?)))
                .collect();
            let mut left = shapes.clone();
            left.retain(|peer, shape| {
                let mut all = shape.split(AND);
                !all.all(|shape| self.explains(class, field, peer, shape, &shapes))
            });
            self.explained += shapes.len() - left.len();
            if left.is_empty() {
                continue;
            }
            let left: Vec<_> = left
                .iter()
                .map(|(peer, shape)| format!("{peer}: {shape}"))
                .collect();
            let key = format!("{class} | {field} | {}", left.join(", "));
            let unexplained = self.unexplained.entry(key);
            let unexplained = unexplained.or_insert_with(|| Unexplained {
                count: 0,
                example: example(),
            });
            unexplained.count += left.len();
        }
    }

    /// Whether a line gives a reason for this difference.
    fn explains(
        &mut self,
        class: &str,
        field: &str,
        peer: &str,
        shape: &str,
        all: &BTreeMap<&str, &String>,
    ) -> bool {
        let line = self.lines.iter_mut().find(|line| {
            is_like(&line.field, field)
                && is_like(&line.class, class)
                && is_like(&line.shape, shape)
                && line.peers.contains(peer)
                && !line
                    .agree
                    .iter()
                    .any(|other| all.contains_key(other.as_str()))
        });
        if let Some(line) = line {
            line.matched += 1;
            return true;
        }
        false
    }

    /// Lines that explained nothing.
    pub(super) fn idle(&self) -> Vec<&str> {
        let idle = self.lines.iter().filter(|line| line.matched == 0);
        idle.map(|line| line.text.as_str()).collect()
    }

    /// How often each line was needed.
    pub(super) fn uses(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines
            .iter()
            .map(|line| (line.matched, line.text.as_str()))
    }
}

/// Whether `text` is what `pattern` says, in which `*` stands for any text.
fn is_like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            ends.any(|at| is_like(after, &rest[at..]))
        }),
    }
}

#[test]
fn a_pattern_is_held_against_a_whole_text() {
    for (pattern, text, is) in [
        ("udp any", "udp any", true),
        ("udp any", "udp any more", false),
        ("*", "", true),
        ("* any *", "udp any nodata", true),
        ("* any", "udp any nodata", false),
        ("a*b*c", "abbc", true),
    ] {
        assert_eq!(is_like(pattern, text), is, "{pattern} {text}");
    }
}

//! A tree of domain names, one label a step from the root down.
//!
//! Does not know what hangs at its nodes. Contract: a node exists where something was put at it
//! or below it, so a name that exists only through names below it (an empty non-terminal, RFC
//! 4592 section 2.2.2) is a node with a default value. Labels are in lower case; children are in
//! canonical order (RFC 4034 section 6.1). A lookup costs one map lookup per label.

use hickory_proto::rr::Name;
use std::collections::BTreeMap;

/// A node and everything below it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tree<T> {
    /// What hangs at this name.
    pub(super) value: T,
    children: BTreeMap<Box<[u8]>, Self>,
}

impl<T: Default> Tree<T> {
    /// The node one label below.
    pub(super) fn child(&self, label: &[u8]) -> Option<&Self> {
        self.children.get(label)
    }

    /// The node `labels` below, made with all nodes on the way where it is missing.
    pub(super) fn make(&mut self, labels: &[&[u8]]) -> &mut Self {
        let mut node = self;
        for &label in labels {
            node = node.children.entry(label.into()).or_default();
        }
        node
    }

    /// The node `labels` below.
    pub(super) fn get(&self, labels: &[&[u8]]) -> Option<&Self> {
        labels
            .iter()
            .try_fold(self, |node, label| node.child(label))
    }
}

/// The labels of a name from the root down. Lower the name first: the tree knows one case only.
pub(super) fn labels_of(lower: &Name) -> Vec<&[u8]> {
    lower.iter().rev().collect()
}

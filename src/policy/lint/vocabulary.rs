//! The words that a script can use, and what is nearest to one that it cannot.

use super::walk::Kind;
use crate::policy::api::{self, Entry, On};

/// Functions of Rhai's own packages that policies use, with all their arguments.
const PACKAGED: [(&str, usize); 13] = [
    ("abs", 1),
    ("sign", 1),
    ("is_zero", 1),
    ("is_odd", 1),
    ("is_even", 1),
    ("to_string", 1),
    ("to_debug", 1),
    ("type_of", 1),
    ("min", 2),
    ("max", 2),
    ("range", 2),
    ("range", 3),
    ("contains", 2),
];

/// All words of the API.
pub(super) struct Vocabulary {
    entries: Vec<Entry>,
}

impl Vocabulary {
    pub(super) fn new() -> Self {
        Self {
            entries: api::entries(),
        }
    }

    fn on(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(move |entry| entry.on != On::Nothing && kind.may_be(entry.on))
    }

    /// A property of a kind of value.
    pub(super) fn property(&self, kind: Kind, name: &str) -> Option<&Entry> {
        self.on(kind)
            .find(|entry| entry.name == name && entry.params.is_none())
    }

    /// Names of the properties of a kind of value.
    pub(super) fn properties(&self, kind: Kind) -> impl Iterator<Item = &str> {
        let properties = self.on(kind).filter(|entry| entry.params.is_none());
        properties.map(|entry| entry.name)
    }

    /// The methods of this name on a kind of value.
    pub(super) fn methods<'v>(
        &'v self,
        kind: Kind,
        name: &'v str,
    ) -> impl Iterator<Item = &'v Entry> {
        self.on(kind)
            .filter(move |entry| entry.name == name && entry.params.is_some())
    }

    /// Names of the methods of a kind of value.
    pub(super) fn method_names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        let methods = self.on(kind).filter(|entry| entry.params.is_some());
        methods.map(|entry| entry.name)
    }

    /// A function that stands alone: one that makes a proposal.
    pub(super) fn function(&self, name: &str) -> Option<&Entry> {
        let mut entries = self.entries.iter();
        entries.find(|entry| entry.on == On::Nothing && entry.name == name)
    }

    /// Whether a function of this name makes a proposal.
    pub(super) fn makes_proposal(&self, name: &str) -> bool {
        self.function(name).is_some()
    }

    /// Names of functions that stand alone.
    pub(super) fn function_names(&self) -> impl Iterator<Item = &str> {
        let alone = self.entries.iter().filter(|entry| entry.on == On::Nothing);
        alone
            .map(|entry| entry.name)
            .chain(PACKAGED.iter().map(|(name, _)| *name))
    }

    /// Whether Rhai itself has a function with so many arguments, the receiver counted.
    pub(super) fn packaged(&self, name: &str, arguments: usize) -> bool {
        PACKAGED.contains(&(name, arguments))
    }
}

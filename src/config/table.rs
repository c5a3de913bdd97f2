//! Tables held against lists of keys, and typed values with their places.
//!
//! Knows types and keys, nothing of what a key means. A value of the wrong type is reported once and
//! then reads as absent, so that one mistake makes one finding.

use super::{
    document::{Document, Field, shown},
    v1::{Key, Takes},
};
use crate::model::duration::{format_ms, parse_ms};
use std::ops::RangeInclusive;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

/// A table whose keys were held against its lists.
#[derive(Clone)]
pub(super) struct Table<'t> {
    pub(super) doc: &'t Document<'t>,
    /// Where its header or brace stands.
    pub(super) at: usize,
    entries: Vec<Entry<'t>>,
    /// Keys that were misspelt or whose value is of the wrong type: written, and reported already.
    refused: Vec<&'t str>,
}

/// A key with its value.
#[derive(Clone, Copy)]
pub(super) struct Entry<'t> {
    pub(super) key: Field<&'t str>,
    pub(super) value: &'t Spanned<DeValue<'t>>,
}

impl<'t> Table<'t> {
    /// Opens a table and reports every key that is in none of the lists and every value of another
    /// type than its key takes. `what` names the table in messages: `a target`.
    pub(super) fn open(
        doc: &'t Document<'t>,
        table: Field<&'t DeTable<'t>>,
        what: &str,
        lists: &[&[Key]],
    ) -> Self {
        let keys: Vec<Key> = lists.concat();
        let (mut opened, rest) = Self::open_part(doc, table, &keys);
        for entry in rest {
            let names = || keys.iter().map(|key| key.name);
            let meant = doc.unknown("key", entry.key, names(), || {
                format!("; {what} has: {}", names().collect::<Vec<_>>().join(", "))
            });
            opened.refused.extend(meant);
        }
        opened
    }

    /// Opens a table some of whose keys are names that the operator chose: these come second.
    pub(super) fn open_part(
        doc: &'t Document<'t>,
        table: Field<&'t DeTable<'t>>,
        keys: &[Key],
    ) -> (Self, Vec<Entry<'t>>) {
        let mut opened = Self::open_free(doc, table);
        let mut rest = Vec::new();
        let refused = &mut opened.refused;
        opened.entries.retain(|entry| {
            let Some(key) = keys.iter().find(|key| key.name == entry.key.value) else {
                rest.push(*entry);
                return false;
            };
            let fits = has_type(doc, *entry, key.takes);
            if !fits {
                refused.push(entry.key.value);
            }
            fits
        });
        (opened, rest)
    }

    /// Opens a table whose keys are names that the operator chose.
    pub(super) fn open_free(doc: &'t Document<'t>, table: Field<&'t DeTable<'t>>) -> Self {
        let mut entries: Vec<Entry<'t>> = table
            .value
            .iter()
            .map(|(key, value)| Entry {
                key: field(key.get_ref().as_ref(), key.span().start),
                value,
            })
            .collect();
        entries.sort_by_key(|entry| entry.key.at);
        Self {
            doc,
            at: table.at,
            entries,
            refused: Vec::new(),
        }
    }

    /// All entries in the order of the file.
    pub(super) fn entries(&self) -> &[Entry<'t>] {
        &self.entries
    }

    pub(super) fn entry(&self, key: &str) -> Option<Entry<'t>> {
        self.entries
            .iter()
            .copied()
            .find(|entry| entry.key.value == key)
    }

    /// Where a key stands, or the table where it is not written.
    pub(super) fn at_key(&self, key: &str) -> usize {
        self.entry(key).map_or(self.at, |entry| entry.key.at)
    }

    pub(super) fn text(&self, key: &str) -> Option<Field<&'t str>> {
        self.entry(key)?.text()
    }

    /// A text that must be there; reported where it is not written.
    pub(super) fn needed_text(&self, key: &str, what: &str) -> Option<Field<&'t str>> {
        self.needs(&[key], what);
        self.text(key)
    }

    /// Whether the key is there, whatever its value.
    pub(super) fn is_written(&self, key: &str) -> bool {
        self.entry(key).is_some() || self.refused.contains(&key)
    }

    /// Reports keys that must be there and are not written.
    pub(super) fn needs(&self, keys: &[&str], what: &str) {
        for key in keys.iter().filter(|key| !self.is_written(key)) {
            self.doc.error(self.at, format!("{what} needs `{key}`"));
        }
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.entry(key)?.value.get_ref().as_bool()
    }

    /// A whole number within `range`; reported where it lies outside.
    pub(super) fn integer(&self, key: &str, range: RangeInclusive<i64>) -> Option<Field<i64>> {
        let entry = self.entry(key)?;
        let number = entry.integer()?;
        if range.contains(&number) {
            return Some(field(number, entry.value_at()));
        }
        let (low, high) = range.into_inner();
        self.doc.error(
            entry.value_at(),
            format!("`{key}` is {number}; it must be from {low} to {high}"),
        );
        None
    }

    /// A duration in ms within `range`; reported where it is none or lies outside.
    pub(super) fn duration(&self, key: &str, range: RangeInclusive<i64>) -> Option<Field<i64>> {
        let text = self.text(key)?;
        let ms = match parse_ms(text.value) {
            Ok(ms) => ms,
            Err(_) => {
                let word = shown(text.value);
                self.doc.error(
                    text.at,
                    format!(
                        "'{word}' is no duration: write \"5s\", \"250ms\", \"10m\" or \"1h30m\""
                    ),
                );
                return None;
            }
        };
        if range.contains(&ms) {
            return Some(field(ms, text.at));
        }
        let (low, high) = range.into_inner();
        self.doc.error(
            text.at,
            format!(
                "`{key}` is {}; it must be from {} to {}",
                format_ms(ms),
                format_ms(low),
                format_ms(high)
            ),
        );
        None
    }

    /// One of a few words; reported with a suggestion where it is none of them.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text.value);
        if found.is_none() {
            self.doc.unknown(
                &format!("`{key}`"),
                text,
                words.iter().map(|one| one.0),
                || {
                    let words: Vec<&str> = words.iter().map(|one| one.0).collect();
                    format!(": write one of {}", words.join(", "))
                },
            );
        }
        found.map(|(_, value)| *value)
    }

    /// A list of texts; items of another type are reported and left out.
    pub(super) fn texts(&self, key: &str) -> Option<Field<Vec<Field<&'t str>>>> {
        let entry = self.entry(key)?;
        let items = entry.value.get_ref().as_array()?;
        let texts = items.iter().filter_map(|item| {
            let at = item.span().start;
            let text = item.get_ref().as_str();
            if text.is_none() {
                let found = type_of(item.get_ref());
                self.doc.error(
                    at,
                    format!("every item of `{key}` must be text in quotes, not {found}"),
                );
            }
            text.map(|text| field(text, at))
        });
        Some(field(texts.collect(), entry.value_at()))
    }

    /// A list of texts with at least one and at most `most` items, none twice; else reported.
    pub(super) fn needed_texts(&self, key: &str, what: &str, most: usize) -> Vec<Field<&'t str>> {
        let Some(texts) = self.texts(key) else {
            self.needs(&[key], what);
            return Vec::new();
        };
        let written = self.list(key).map_or(0, |(_, items)| items.len());
        if written == 0 {
            self.doc.error(
                texts.at,
                format!("`{key}` is empty: {what} needs at least one"),
            );
        }
        if written > most {
            self.doc.error(
                texts.at,
                format!("`{key}` has {written} items; at most {most} are allowed"),
            );
            return Vec::new();
        }
        texts.value
    }

    pub(super) fn list(&self, key: &str) -> Option<(usize, &'t DeArray<'t>)> {
        let entry = self.entry(key)?;
        Some((entry.value_at(), entry.value.get_ref().as_array()?))
    }

    pub(super) fn table(&self, key: &str) -> Option<Field<&'t DeTable<'t>>> {
        self.entry(key)?.table()
    }

    /// The tables of a key that is written `[[key]]`, in order.
    pub(super) fn tables(&self, key: &str) -> Vec<Field<&'t DeTable<'t>>> {
        let items = self
            .list(key)
            .into_iter()
            .flat_map(|(_, items)| items.iter());
        items
            .filter_map(|item| Some(field(item.get_ref().as_table()?, item.span().start)))
            .collect()
    }

    /// A table of texts; other values are reported and left out.
    pub(super) fn text_table(&self, key: &str) -> Vec<(Field<&'t str>, Field<&'t str>)> {
        let Some(table) = self.table(key) else {
            return Vec::new();
        };
        let entries = Self::open_free(self.doc, table).entries;
        let pairs = entries
            .into_iter()
            .filter(|&entry| has_type(self.doc, entry, Takes::Text));
        pairs
            .filter_map(|entry| Some((entry.key, entry.text()?)))
            .collect()
    }
}

impl<'t> Entry<'t> {
    pub(super) fn value_at(&self) -> usize {
        self.value.span().start
    }

    pub(super) fn text(&self) -> Option<Field<&'t str>> {
        let text = self.value.get_ref().as_str()?;
        Some(field(text, self.value_at()))
    }

    pub(super) fn table(&self) -> Option<Field<&'t DeTable<'t>>> {
        let table = self.value.get_ref().as_table()?;
        Some(field(table, self.value_at()))
    }

    pub(super) fn integer(&self) -> Option<i64> {
        let integer = self.value.get_ref().as_integer()?;
        i64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }
}

/// Whether a value is of the type that its key takes; reported where it is not.
fn has_type(doc: &Document<'_>, entry: Entry<'_>, takes: Takes) -> bool {
    let value = entry.value.get_ref();
    let (fits, wanted) = match takes {
        Takes::Text => (value.is_str(), "text in quotes"),
        Takes::Duration => (value.is_str(), "a duration in quotes, such as \"5s\""),
        Takes::Integer => (entry.integer().is_some(), "a whole number"),
        Takes::Flag => (value.is_bool(), "true or false"),
        Takes::Texts => (value.is_array(), "a list, such as [\"one\", \"two\"]"),
        Takes::Items => (value.is_array(), "a list, such as [\"one\", \"two\"]"),
        Takes::InlineTables => (
            value.is_array(),
            "a list of tables, such as [{ at = \"8s\" }]",
        ),
        Takes::TextTable => (value.is_table(), "a table, such as { one = \"two\" }"),
        Takes::Table | Takes::Params | Takes::Patches => (value.is_table(), "a table"),
        Takes::TextOrTexts => (
            value.is_str() || value.is_array(),
            "text or a list of texts",
        ),
        Takes::TextOrTable => (value.is_str() || value.is_table(), "text or a table"),
        Takes::Tables => {
            let tables = value
                .as_array()
                .is_some_and(|items| items.iter().all(|item| item.get_ref().is_table()));
            let key = shown(entry.key.value);
            if !tables {
                doc.error(
                    entry.key.at,
                    format!("`{key}` is a list of tables: write [[{key}]] with two brackets"),
                );
            }
            return tables;
        }
    };
    if !fits && matches!(takes, Takes::Texts | Takes::Items) && value.is_str() {
        let (key, text) = (
            shown(entry.key.value),
            shown(value.as_str().unwrap_or_default()),
        );
        doc.error(
            entry.value_at(),
            format!("`{key}` must be a list: write [\"{text}\"]"),
        );
    } else if !fits {
        let (key, found) = (shown(entry.key.value), type_of(value));
        doc.error(
            entry.value_at(),
            format!("`{key}` must be {wanted}, not {found}"),
        );
    }
    fits
}

/// A value's type in an operator's words.
pub(super) fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn field<T>(value: T, at: usize) -> Field<T> {
    Field { value, at }
}

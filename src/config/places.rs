//! Where things stand in the configuration, for whoever finds something wrong with them later.
//!
//! A policy that is refused, a zone file that is missing, a failover that takes longer than its
//! `rto`: found by others, and the operator is pointed at the line to change.

use super::table::Table;
use crate::model::{Diagnostic, DnsName, MonitorName, ServiceName, TargetName};
use std::collections::BTreeMap;

/// The places of a configuration's tables and keys; makes diagnostics that point at them.
#[derive(Clone, Debug, Default)]
pub struct Places {
    file: String,
    text: String,
    /// Byte offsets by (table's kind, its name, path of a key or `""`).
    offsets: BTreeMap<(&'static str, String, String), usize>,
}

impl Places {
    pub(super) fn new(file: &str, text: &str) -> Self {
        Self {
            file: file.to_owned(),
            text: text.to_owned(),
            offsets: BTreeMap::new(),
        }
    }

    /// The whole text of the file.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Remembers a table and its keys; of a name that is there twice, the first.
    pub(super) fn add_table(&mut self, kind: &'static str, name: &str, table: &Table<'_>) {
        self.add(kind, name, "", table.at);
        for entry in table.entries() {
            self.add(kind, name, entry.key.value, entry.value_at());
        }
    }

    pub(super) fn add(&mut self, kind: &'static str, name: &str, key: &str, at: usize) {
        let place = (kind, name.to_owned(), key.to_owned());
        self.offsets.entry(place).or_insert(at);
    }

    /// An error at a key of a service: `"policy"`, `"params.FALL"`, `"names.www.example.com"`,
    /// `"targets.primary"`, `"rto"`; at the service's table where the key is not written or `""`.
    pub fn service(&self, name: &ServiceName, key: &str, message: impl Into<String>) -> Diagnostic {
        self.error("service", name, key, message.into())
    }

    /// An error at a key of a zone, such as `"file"`; a zone that was made has no place.
    pub fn zone(&self, name: &DnsName, key: &str, message: impl Into<String>) -> Diagnostic {
        self.error("zone", name, key, message.into())
    }

    /// An error at a key of a target, such as `"addresses"`.
    pub fn target(&self, name: &TargetName, key: &str, message: impl Into<String>) -> Diagnostic {
        self.error("target", name, key, message.into())
    }

    /// An error at a byte of one of a target's `records`, by its number from 0.
    pub fn record(
        &self,
        name: &TargetName,
        index: usize,
        offset: usize,
        message: impl Into<String>,
    ) -> Diagnostic {
        let place = ("target", name.to_string(), format!("records.{index}"));
        let Some(&at) = self.offsets.get(&place) else {
            return self.target(name, "records", message);
        };
        // Behind the quote, where the text stands as it is meant: escapes would shift it.
        let quoted = self.text.get(at..).unwrap_or_default();
        let quotes = ["\"\"\"", "'''", "\"", "'"].into_iter();
        let quote = quotes
            .filter(|quote| quoted.starts_with(quote))
            .map(str::len)
            .next();
        let within = at + quote.unwrap_or(0);
        let before = self.text.get(within..within + offset);
        let at = match before {
            Some(before) if !before.contains(['\\', '\n']) => within + offset,
            _ => at,
        };
        Diagnostic::error_at(&*self.file, &self.text, at, message)
    }

    /// An error at a key of a monitor, such as `"ca"`; inline monitors have places too.
    pub fn monitor(&self, name: &MonitorName, key: &str, message: impl Into<String>) -> Diagnostic {
        self.error("monitor", name, key, message.into())
    }

    /// An error at a key of `[server]`, such as `"policies"`.
    pub fn server(&self, key: &str, message: impl Into<String>) -> Diagnostic {
        self.error("server", "", key, message.into())
    }

    /// An error at a key of `[witness]`, such as `"addresses"`.
    pub fn witness(&self, key: &str, message: impl Into<String>) -> Diagnostic {
        self.error("witness", "", key, message.into())
    }

    /// Advice is the same with `.warning()`.
    fn error(&self, kind: &'static str, name: &str, key: &str, message: String) -> Diagnostic {
        let place = |key: &str| {
            let place = (kind, name.to_owned(), key.to_owned());
            self.offsets.get(&place).copied()
        };
        match place(key).or_else(|| place("")) {
            Some(at) => Diagnostic::error_at(&*self.file, &self.text, at, message),
            None => Diagnostic::error(&*self.file, &self.text, 0, 0, message),
        }
    }
}

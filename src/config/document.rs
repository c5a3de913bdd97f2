//! A file in TOML and what was found in it, each finding with its place.
//!
//! Knows bytes and lines, nothing of keys. Findings are bounded: the first hundred of a severity
//! are kept.

use crate::model::{Diagnostic, Severity, diagnostic::did_you_mean};
use std::cell::RefCell;
use toml::{Spanned, de::DeTable};

/// More findings of one severity than this help nobody.
const MAX_FINDINGS: usize = 100;
/// Syntax errors past the first few are mostly echoes of them.
const MAX_SYNTAX_ERRORS: usize = 5;

/// A parsed value with the byte offset where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<T> {
    pub(super) value: T,
    pub(super) at: usize,
}

struct Finding {
    severity: Severity,
    at: Option<usize>,
    message: String,
}

/// One file: its text and what was found in it so far.
pub(super) struct Document<'t> {
    file: &'t str,
    text: &'t str,
    /// Byte offsets of the line feeds.
    line_ends: Vec<usize>,
    findings: RefCell<Vec<Finding>>,
}

/// Parses TOML, or says where it is none.
pub(super) fn syntax<'t>(
    file: &str,
    text: &'t str,
) -> Result<Spanned<DeTable<'t>>, Vec<Diagnostic>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut found: Vec<Diagnostic> = Vec::new();
    for error in errors.iter().take(MAX_FINDINGS) {
        let at = error.span().map_or(0, |span| span.start);
        let one = Diagnostic::error_at(file, text, at, error.message());
        if found.iter().all(|other| other.line != one.line) {
            found.push(one);
        }
    }
    found.sort_by_key(|one| (one.line, one.column));
    found.truncate(MAX_SYNTAX_ERRORS);
    if found.is_empty() {
        Ok(root)
    } else {
        Err(found)
    }
}

impl<'t> Document<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Self {
            file,
            text,
            line_ends: text.match_indices('\n').map(|(at, _)| at).collect(),
            findings: RefCell::default(),
        }
    }

    /// The line of a byte offset, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.line_ends.partition_point(|&end| end < at) + 1
    }

    pub(super) fn error(&self, at: usize, message: impl Into<String>) {
        self.find(Severity::Error, Some(at), message.into());
    }

    /// Advice; `None` concerns the whole file.
    pub(super) fn warn(&self, at: Option<usize>, message: impl Into<String>) {
        self.find(Severity::Warning, at, message.into());
    }

    fn find(&self, severity: Severity, at: Option<usize>, message: String) {
        if !self.is_full(severity) {
            self.findings.borrow_mut().push(Finding {
                severity,
                at,
                message,
            });
        }
    }

    fn is_full(&self, severity: Severity) -> bool {
        let findings = self.findings.borrow();
        let same = findings.iter().filter(|one| one.severity == severity);
        same.count() >= MAX_FINDINGS
    }

    pub(super) fn has_errors(&self) -> bool {
        let findings = self.findings.borrow();
        findings.iter().any(|one| one.severity == Severity::Error)
    }

    /// Reports a word that nothing goes by; returns the candidate that is near it.
    pub(super) fn unknown<'c>(
        &self,
        what: &str,
        word: Field<&str>,
        candidates: impl IntoIterator<Item = &'c str>,
        otherwise: impl FnOnce() -> String,
    ) -> Option<&'c str> {
        if self.is_full(Severity::Error) {
            return None;
        }
        let near = did_you_mean(word.value, candidates);
        let hint = match near {
            Some(near) => format!(", did you mean '{near}'?"),
            None => otherwise(),
        };
        self.error(
            word.at,
            format!("unknown {what} '{}'{hint}", shown(word.value)),
        );
        near
    }

    /// The place of byte `index` of a text value: exact but in texts with escapes.
    pub(super) fn at_index(&self, text: Field<&str>, index: usize) -> usize {
        let raw = self.text.get(text.at..).unwrap_or_default();
        // One quote, three, or three and a line feed.
        let opened = [1, 3, 4, 5].into_iter().find(|&quotes| {
            raw.get(quotes..)
                .is_some_and(|inside| inside.starts_with(text.value))
        });
        opened.map_or(text.at, |quotes| text.at + quotes + index)
    }

    /// An error that concerns the whole file.
    pub(super) fn error_whole(&self, message: impl Into<String>) {
        self.find(Severity::Error, None, message.into());
    }

    /// What was found of one severity, in the order of the file.
    pub(super) fn found(&self, severity: Severity) -> Vec<Diagnostic> {
        let findings = self.findings.borrow();
        let mut found: Vec<&Finding> = findings
            .iter()
            .filter(|one| one.severity == severity)
            .collect();
        found.sort_by_key(|one| one.at);
        let diagnostic = |one: &Finding| {
            let made = match one.at {
                Some(at) => Diagnostic::error_at(self.file, self.text, at, &*one.message),
                None => Diagnostic::error(self.file, self.text, 0, 0, &*one.message),
            };
            match severity {
                Severity::Error => made,
                Severity::Warning => made.warning(),
            }
        };
        found.into_iter().map(diagnostic).collect()
    }
}

/// A word of the file as a message shows it: one line, not endless.
pub(super) fn shown(word: &str) -> String {
    let short: String = word.chars().take(60).flat_map(char::escape_debug).collect();
    let short = short.replace("\\'", "'").replace("\\\"", "\"");
    if word.chars().nth(60).is_some() {
        short + "..."
    } else {
        short
    }
}

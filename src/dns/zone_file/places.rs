//! Where records were written, and findings there.
//!
//! Keeps the texts, so that a finding made when all is read still shows its line. Contract: a
//! place costs eight octets; a finding costs no look through its whole file.

use crate::model::Diagnostic;
use std::{cell::OnceCell, path::Path, sync::Arc};

/// No more findings are made: nobody reads them.
pub(in crate::dns) const MAX_FINDINGS: usize = 1_000;

/// Where a record was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::dns) struct Place {
    source: u32,
    offset: u32,
}

impl Place {
    /// A byte offset in a source.
    pub(super) fn new(source: usize, offset: usize) -> Self {
        let small = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            source: small(source),
            offset: small(offset),
        }
    }
}

struct Source {
    file: String,
    text: Arc<str>,
    /// Where each line begins, once somebody asks.
    lines: OnceCell<Vec<usize>>,
}

/// All texts that were read.
#[derive(Default)]
pub(super) struct Places(Vec<Source>);

impl Places {
    /// Keeps a text; its number.
    pub(super) fn add(&mut self, file: &Path, text: Arc<str>) -> usize {
        self.0.push(Source {
            file: file.display().to_string(),
            text,
            lines: OnceCell::new(),
        });
        self.0.len() - 1
    }

    /// A text by its number.
    pub(super) fn text(&self, source: usize) -> Arc<str> {
        let found = self.0.get(source);
        found.map_or("".into(), |source| Arc::clone(&source.text))
    }

    /// An error at a place.
    pub(super) fn error(&self, place: Place, message: String) -> Diagnostic {
        match self.0.get(place.source as usize) {
            Some(source) if !source.text.is_empty() => source.error(place.offset as usize, message),
            Some(source) => Diagnostic::error(source.file.as_str(), "", 0, 0, message),
            None => Diagnostic::error("", "", 0, 0, message),
        }
    }
}

impl Source {
    fn error(&self, offset: usize, message: String) -> Diagnostic {
        let lines = self.lines.get_or_init(|| {
            let ends = self.text.match_indices('\n');
            std::iter::once(0)
                .chain(ends.map(|(end, _)| end + 1))
                .collect()
        });
        let index = lines
            .partition_point(|&start| start <= offset)
            .saturating_sub(1);
        let start = lines.get(index).copied().unwrap_or_default();
        let end = lines.get(index + 1).copied().unwrap_or(self.text.len());
        let line = self.text.get(start..end).unwrap_or_default();
        let mut found = Diagnostic::error_at(self.file.as_str(), line, offset - start, message);
        found.line = index + 1;
        found
    }
}

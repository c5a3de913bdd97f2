//! What is wrong with a file that an operator wrote: where, what, and what to do.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether a file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is taken; the operator should know.
    Warning,
}

/// One finding in one file. Displays as `FILE:LINE:COLUMN: MESSAGE`, then the line and a caret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Refusal or advice.
    pub severity: Severity,
    /// The file as the operator names it.
    pub file: String,
    /// From 1; 0 where it concerns the whole file.
    pub line: usize,
    /// From 1, in characters; 0 where it concerns the whole line.
    pub column: usize,
    /// One sentence, lower case, no full stop; ends in what to do where that is known.
    pub message: String,
    /// The text of the line, for the caret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

impl Diagnostic {
    /// An error at a place in `source`; line and column from 1, 0 where unknown.
    pub fn error(
        file: impl Into<String>,
        source: &str,
        line: usize,
        column: usize,
        message: impl Into<String>,
    ) -> Self {
        let excerpt = line
            .checked_sub(1)
            .and_then(|index| source.lines().nth(index));
        // A line of a hostile file can be megabytes long.
        let excerpt = excerpt
            .filter(|text| text.len() <= 1_000)
            .map(str::to_owned);
        Self {
            severity: Severity::Error,
            file: file.into(),
            line,
            column,
            message: message.into(),
            excerpt,
        }
    }

    /// An error at a byte offset of `source`.
    pub fn error_at(
        file: impl Into<String>,
        source: &str,
        offset: usize,
        message: impl Into<String>,
    ) -> Self {
        let mut end = offset.min(source.len());
        while !source.is_char_boundary(end) {
            end -= 1;
        }
        let before = &source[..end];
        let line = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |index| index + 1);
        Self::error(
            file,
            source,
            line,
            before[line_start..].chars().count() + 1,
            message,
        )
    }

    /// The same as advice.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// The first line alone: `FILE:LINE:COLUMN: MESSAGE`.
    pub fn headline(&self) -> String {
        match (self.line, self.column) {
            (0, _) => format!("{}: {}", self.file, self.message),
            (line, 0) => format!("{}:{line}: {}", self.file, self.message),
            (line, column) => format!("{}:{line}:{column}: {}", self.file, self.message),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        let Some(excerpt) = &self.excerpt else {
            return Ok(());
        };
        let number = self.line.to_string();
        write!(f, "\n {number} | {excerpt}")?;
        if self.column > 0 {
            // Tabs stay tabs, so that the caret stands under its character.
            let pad: String = excerpt
                .chars()
                .take(self.column - 1)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            write!(f, "\n {} | {pad}^", " ".repeat(number.len()))?;
        }
        Ok(())
    }
}

/// The candidate nearest to `word`, where one is near enough to be meant.
pub fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|&(distance, _)| distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_points_at_its_place() {
        let source = "const FALL = 3;\nfn decide(service) {\n\thodl(\"x\")\n}\n";
        let offset = source.find("hodl").unwrap();
        let found = Diagnostic::error_at("www.rhai", source, offset, "unknown function 'hodl'");
        assert_eq!(
            found.to_string(),
            "www.rhai:3:2: unknown function 'hodl'\n 3 | \thodl(\"x\")\n   | \t^"
        );
        assert_eq!(
            Diagnostic::error("a", "", 0, 0, "is empty").to_string(),
            "a: is empty"
        );
        assert_eq!(Diagnostic::error_at("a", "é", 1, "x").column, 1);
    }

    #[test]
    fn suggestions_are_near() {
        assert_eq!(did_you_mean("hodl", ["hold", "serve"]), Some("hold"));
        assert_eq!(did_you_mean("banana", ["hold", "serve"]), None);
    }
}

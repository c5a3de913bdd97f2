//! Findings in one source, with their places; and Rhai's parse errors in our own words.

use super::{engine::DISABLED, limits};
use crate::model::{Diagnostic, diagnostic::did_you_mean};
use rhai::{LexError, ParseError, ParseErrorType, Position};

/// The findings in one source.
pub(super) struct Findings<'s> {
    file: &'s str,
    source: &'s str,
    pub(super) errors: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl<'s> Findings<'s> {
    pub(super) fn new(file: &'s str, source: &'s str) -> Self {
        Self {
            file,
            source,
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn source(&self) -> &'s str {
        self.source
    }

    pub(super) fn file(&self) -> &'s str {
        self.file
    }

    /// Whether so much is wrong that more would not help.
    pub(super) fn is_full(&self) -> bool {
        self.errors.len() >= limits::DIAGNOSTICS
    }

    fn at(&self, position: Position, message: String) -> Diagnostic {
        let line = position.line().unwrap_or(0);
        let column = if line > 0 {
            position.position().unwrap_or(0)
        } else {
            0
        };
        let message = bounded(message);
        Diagnostic::error(self.file, self.source, line, column, message)
    }

    pub(super) fn error(&mut self, position: Position, message: impl Into<String>) {
        let found = self.at(position, message.into());
        self.errors.push(found);
    }

    pub(super) fn warning(&mut self, position: Position, message: impl Into<String>) {
        let found = self.at(position, message.into()).warning();
        self.warnings.push(found);
    }

    /// An error in what a service sets: its place is the key `params.NAME` of the service.
    pub(super) fn param_error(&mut self, name: &str, message: String) {
        let key = format!("params.{name}");
        self.errors
            .push(Diagnostic::error(key, "", 0, 0, bounded(message)));
    }

    pub(super) fn error_at(&mut self, offset: usize, message: impl Into<String>) {
        let found = Diagnostic::error_at(self.file, self.source, offset, message);
        self.errors.push(found);
    }

    pub(super) fn parse_error(&mut self, error: &ParseError) {
        let position = error.position();
        let line = position
            .line()
            .and_then(|line| self.source.lines().nth(line - 1));
        let column = position.position().unwrap_or(1) - 1;
        let (before, after) = line
            .and_then(|line| line.split_at_checked(line.char_indices().nth(column)?.0))
            .unwrap_or((line.unwrap_or_default(), ""));
        let last = self.source.trim_end().lines().count();
        let at_end = after.is_empty() && position.line().unwrap_or(0) >= last;
        let message = match error.err_type() {
            ParseErrorType::MissingToken(..) if at_end => {
                parse_message(&ParseErrorType::UnexpectedEOF)
            }
            ParseErrorType::PropertyExpected if ends_in_digit(before.trim_end_matches('.')) => {
                "there are no fractions: write loss per mille and times in ms".to_owned()
            }
            ParseErrorType::MissingToken(..)
                if ends_in_digit(before)
                    && after.starts_with(|c: char| c.is_ascii_alphabetic()) =>
            {
                "a number ends here; units are written 5 * MINUTE".to_owned()
            }
            other => parse_message(other),
        };
        self.error(position, message);
    }

    /// Both kinds by place, each place once, a bounded number.
    pub(super) fn finish(self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        (tidy(self.errors), tidy(self.warnings))
    }
}

fn ends_in_digit(text: &str) -> bool {
    text.ends_with(|c: char| c.is_ascii_digit())
}

/// A hostile source can have names of any length.
fn bounded(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(limits::MESSAGE_CHARS) {
        message.truncate(end);
        message.push_str("...");
    }
    message
}

fn tidy(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    found.sort_by(|a, b| (a.line, a.column, &a.message).cmp(&(b.line, b.column, &b.message)));
    found.dedup();
    found.truncate(limits::DIAGNOSTICS);
    found
}

/// `, did you mean NAME?`, or nothing.
pub(super) fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let short = |word: &str| word.len() <= limits::KEY_BYTES;
    let near =
        short(word).then(|| did_you_mean(word, known.into_iter().filter(|known| short(known))));
    near.flatten()
        .map(|near| format!(", did you mean '{near}'?"))
        .unwrap_or_default()
}

fn parse_message(error: &ParseErrorType) -> String {
    use ParseErrorType as P;
    match error {
        P::UnexpectedEOF => "the script ends too early: a '}' or ')' is missing".to_owned(),
        P::BadInput(LexError::UnterminatedString) => "the string has no end".to_owned(),
        P::BadInput(LexError::MalformedNumber(text)) => {
            format!(
                "'{text}' is no whole number: there are no fractions, and units are written 5 * MINUTE"
            )
        }
        P::BadInput(LexError::ImproperSymbol(symbol, _)) if DISABLED.contains(&symbol.as_str()) => {
            not_available(symbol)
        }
        P::BadInput(LexError::UnexpectedInput(text)) if text.starts_with('|') => {
            "functions without a name are not available to policies".to_owned()
        }
        P::MissingToken(token, wanted) if token == "," && wanted.contains("arguments") => {
            let name = wanted.split('\'').nth(1).unwrap_or_default();
            format!("',' or ')' is missing in the arguments of '{name}'")
        }
        P::MissingToken(token, wanted) => format!("'{token}' is missing {}", lower(wanted)),
        P::Reserved(word) if DISABLED.contains(&word.as_str()) => not_available(word),
        P::Reserved(word) => format!("'{word}' is reserved by the language; choose another name"),
        P::VariableUndefined(name) => format!("unknown variable '{name}'"),
        P::AssignmentToConstant(name) => format!("'{name}' is a constant"),
        P::FnDuplicatedDefinition(name, _) => format!("function '{name}' is there twice"),
        P::ExprTooDeep => format!("nested more than {} deep", limits::NESTING),
        P::TooManyFunctions => format!("more than {} functions", limits::FUNCTIONS),
        P::LiteralTooLarge(what, max) => format!("{} is over the limit of {max}", lower(what)),
        P::LoopBreak => "break and continue stand in loops".to_owned(),
        other => lower(&other.to_string()),
    }
}

fn not_available(word: &str) -> String {
    format!("'{word}' is not available to policies")
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

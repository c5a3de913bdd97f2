//! Columns, wrapping and colours: text that fits, whatever is in it.

use super::Look;
use crate::model::Timestamp;

/// The narrowest text that is tried for.
pub(super) const WIDTH_MIN: usize = 40;

/// Colours by meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Paint {
    Plain,
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

impl Paint {
    /// `text` in this colour, where colours are wanted.
    pub(in crate::cli) fn on(self, text: &str, look: Look) -> String {
        let code = match self {
            _ if !look.colour || text.is_empty() => return text.to_owned(),
            Self::Plain => return text.to_owned(),
            Self::Bold => 1,
            Self::Dim => 2,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// One cell of a table.
#[derive(Clone, Debug)]
pub(super) struct Cell(pub(super) String, pub(super) Paint);

impl Cell {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self(text.into(), Paint::Plain)
    }
}

/// A table under its heads. The column `flexible` is cut so that rows fit; others never are.
pub(super) fn table(heads: &[&str], rows: &[Vec<Cell>], flexible: usize, look: Look) -> String {
    let head: Vec<Cell> = heads
        .iter()
        .map(|head| Cell((*head).to_owned(), Paint::Bold))
        .collect();
    let rows: Vec<Vec<Cell>> = std::iter::once(&head)
        .chain(rows)
        .map(|row| {
            let cleaned = row
                .iter()
                .map(|Cell(text, paint)| Cell(clean(text), *paint));
            cleaned.collect()
        })
        .collect();
    let mut widths: Vec<usize> = (0..heads.len())
        .map(|column| {
            rows.iter()
                .map(|row| chars(&row[column].0))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let others: usize = widths.iter().sum::<usize>() - widths[flexible] + 2 * (heads.len() - 1);
    let room = look.width.max(WIDTH_MIN).saturating_sub(others);
    widths[flexible] = widths[flexible].min(room.max(chars(heads[flexible])));
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (Cell(cell, paint), &width) in row.iter().zip(&widths) {
            let cell = cut(cell, width);
            line += &paint.on(&cell, look);
            line += &" ".repeat(width - chars(&cell) + 2);
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// A paragraph behind a coloured mark, wrapped between words, hanging under its first word.
pub(super) fn wrapped(mark: &str, paint: Paint, text: &str, look: Look) -> String {
    let indent = chars(mark);
    let room = look.width.max(WIDTH_MIN).saturating_sub(indent).max(1);
    let mut lines = vec![String::new()];
    for word in clean(text).split_whitespace() {
        let last = lines.last_mut().expect("there is always a line");
        if !last.is_empty() && chars(last) + 1 + chars(word) > room {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    let mut whole = String::new();
    for (index, line) in lines.iter().enumerate() {
        if index == 0 {
            whole += &paint.on(mark, look);
        } else {
            whole += &" ".repeat(indent);
        }
        whole += line;
        whole.push('\n');
    }
    whole
}

/// The text without control characters, and without those that break lines or turn the direction
/// of what follows: what a policy says must not drive the terminal.
pub(in crate::cli) fn clean(text: &str) -> String {
    let drives = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| if drives(c) { ' ' } else { c })
        .collect()
}

/// The first characters, with `…` where some are missing.
pub(super) fn cut(text: &str, width: usize) -> String {
    if chars(text) <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// An instant to the second: `2026-11-22T18:49:46Z`.
pub(super) fn instant(at: Timestamp) -> String {
    let text = at.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

//! Columns, wrapping and colours: text that fits, whatever is in it.

use super::Look;
use crate::model::Timestamp;

pub(in crate::cli) use crate::model::text::{clean, cut};

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
pub(in crate::cli) struct Cell(pub(in crate::cli) String, pub(in crate::cli) Paint);

impl Cell {
    pub(in crate::cli) fn plain(text: impl Into<String>) -> Self {
        Self(text.into(), Paint::Plain)
    }
}

/// A table under its heads. The column `flexible` is cut so that rows fit; others never are.
pub(in crate::cli) fn table(
    heads: &[&str],
    rows: &[Vec<Cell>],
    flexible: usize,
    look: Look,
) -> String {
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
pub(in crate::cli) fn wrapped(mark: &str, paint: Paint, text: &str, look: Look) -> String {
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

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// An instant to the second: `2026-11-22T18:49:46Z`.
pub(in crate::cli) fn instant(at: Timestamp) -> String {
    at.to_the_second()
}

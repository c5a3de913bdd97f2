//! The chart of a story: what was observed, one character per interval, and what was served
//! under it, in a window of at most 100 columns around an instant.
//!
//! ```text
//!           2m          2m20s
//! primary ..xxxxxxxxxxxxx.................................
//! backup  ................................................
//! served  pppppbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
//!              ^                  !
//!   2m06s  -> backup (line 18): primary is down: timeout
//! ```

use super::{runner::Change, story::join};
use crate::model::{
    TargetName,
    duration::format_ms,
    story::{Cell, Story},
};

/// The widest line.
const WIDTH: usize = 100;
/// The longest label of a lane.
const LABEL_MAX: usize = 24;
/// The most changes that are listed.
const LISTED_MAX: usize = 20;

/// Draws `story` with what was served, around `around_ms`, which is marked `!`.
pub fn chart(story: &Story, changes: &[Change], around_ms: i64) -> String {
    let label = story.rows.iter().map(|row| row.label.chars().count());
    let label = label.max().unwrap_or(0).clamp(6, LABEL_MAX);
    let total = usize::try_from(story.cells()).unwrap_or(usize::MAX).max(1);
    let interval_ms = story.interval_ms.max(1);
    let mark = usize::try_from(around_ms / interval_ms).unwrap_or(0).max(1);
    let shown = total.min(WIDTH - label - 4);
    // Cells first+1 to first+shown, the instant two thirds to the right: what led there matters.
    let first = mark.saturating_sub(shown * 2 / 3).min(total - shown);
    let window = Window {
        first,
        shown,
        interval_ms,
        label,
        cut: first + shown < total,
    };
    let mut text = window.ruler();
    for row in &story.rows {
        let cells = row.timeline.cells().skip(first).take(shown);
        let drawn: String = cells.map(symbol).collect();
        text.push_str(&window.lane(&row.label, &drawn));
    }
    let letters = letters(&story.targets);
    let served = (1..=shown).map(|column| letter(&letters, window.served(changes, column)));
    text.push_str(&window.lane("served", &served.collect::<String>()));
    text.push_str(&window.marks(changes, mark));
    text.push_str(&list(changes, &window));
    text.push_str(&legend(&letters));
    text
}

struct Window {
    first: usize,
    shown: usize,
    interval_ms: i64,
    label: usize,
    cut: bool,
}

impl Window {
    /// The instant of a column, from 1.
    fn at_ms(&self, column: usize) -> i64 {
        i64::try_from(self.first + column)
            .unwrap_or(i64::MAX)
            .saturating_mul(self.interval_ms)
    }

    fn lane(&self, label: &str, cells: &str) -> String {
        let label: String = label.chars().take(self.label).collect();
        let before = if self.first > 0 { '…' } else { ' ' };
        let after = if self.cut { "…" } else { "" };
        let width = self.label;
        format!("{label:width$} {before}{cells}{after}\n")
    }

    /// Instants above every tenth cell, where they have room.
    fn ruler(&self) -> String {
        let mut line = String::new();
        for column in (1..=self.shown).filter(|column| (self.first + column).is_multiple_of(10)) {
            let text = format_ms(self.at_ms(column));
            let begin = self.label + 1 + column;
            let wide = line.chars().count();
            if begin > wide && begin + text.len() <= WIDTH {
                line.push_str(&" ".repeat(begin - wide));
                line.push_str(&text);
            }
        }
        format!("{line}\n")
    }

    /// What was served after the results of a column.
    fn served<'a>(&self, changes: &'a [Change], column: usize) -> &'a [TargetName] {
        let end_ms = self.at_ms(column).saturating_add(self.interval_ms - 1);
        let count = changes.partition_point(|change| change.at_ms <= end_ms);
        count
            .checked_sub(1)
            .map_or(&[], |index| &changes[index].serve)
    }

    /// The column during which an instant lies, from 1, where it is shown.
    fn column(&self, at_ms: i64) -> Option<usize> {
        let cell = usize::try_from(at_ms / self.interval_ms).ok()?;
        cell.checked_sub(self.first)
            .filter(|column| (1..=self.shown).contains(column))
    }

    fn marks(&self, changes: &[Change], mark: usize) -> String {
        let mut marks = vec![' '; self.shown];
        // The first answer is no switch.
        for column in changes.iter().skip(1).filter_map(|c| self.column(c.at_ms)) {
            marks[column - 1] = '^';
        }
        if let Some(column) = mark.checked_sub(self.first)
            && (1..=self.shown).contains(&column)
        {
            marks[column - 1] = '!';
        }
        let marks: String = marks.into_iter().collect();
        let line = format!("{}{}", " ".repeat(self.label + 2), marks.trim_end());
        format!("{line}\n")
    }
}

/// The changes in the window, and the one before it, each with its reason and line.
fn list(changes: &[Change], window: &Window) -> String {
    let begin_ms = window.at_ms(1);
    let end_ms = window
        .at_ms(window.shown)
        .saturating_add(window.interval_ms - 1);
    let before = changes.partition_point(|change| change.at_ms < begin_ms);
    let shown: Vec<&Change> = changes[before.saturating_sub(1)..]
        .iter()
        .take_while(|change| change.at_ms <= end_ms)
        .collect();
    let mut text = String::new();
    for change in shown.iter().take(LISTED_MAX) {
        let line = match change.line {
            0 => String::new(),
            line => format!(" (line {line})"),
        };
        let at = format_ms(change.at_ms);
        let whole = format!(
            "  {at:>7} -> {}{line}: {}",
            join(&change.serve),
            change.reason
        );
        text.push_str(&cut(&whole, WIDTH));
        text.push('\n');
    }
    if shown.len() > LISTED_MAX {
        let more = shown.len() - LISTED_MAX;
        text.push_str(&format!("          ... and {more} changes more\n"));
    }
    text
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let head: String = text.chars().take(width - 1).collect();
    format!("{head}…")
}

fn symbol(cell: Cell) -> char {
    match cell {
        Cell::Good { rtt_ms: None } => '.',
        Cell::Good { rtt_ms: Some(_) } => '~',
        Cell::Bad => 'x',
        Cell::NoResult => '-',
    }
}

/// A letter for each target: the first of its name, or its place where two begin alike.
fn letters(targets: &[TargetName]) -> Vec<(&TargetName, char)> {
    let first = |name: &TargetName| name.chars().next().unwrap_or('?');
    let alike = |letter| targets.iter().filter(|name| first(name) == letter).count() > 1;
    let numbers = "123456789abcdefghijklmnopqrstuvwxyz"
        .chars()
        .chain(std::iter::repeat('?'));
    let by_place = targets.iter().any(|name| alike(first(name)));
    let letters = targets.iter().zip(numbers);
    letters
        .map(|(name, number)| (name, if by_place { number } else { first(name) }))
        .collect()
}

fn letter(letters: &[(&TargetName, char)], served: &[TargetName]) -> char {
    match served {
        [] => ' ',
        [one] => letters
            .iter()
            .find(|(name, _)| *name == one)
            .map_or('?', |(_, letter)| *letter),
        _ => '+',
    }
}

fn legend(letters: &[(&TargetName, char)]) -> String {
    let served = letters
        .iter()
        .map(|(name, letter)| format!("{letter} {name}"));
    let served: Vec<String> = served.collect();
    let text = format!(
        "  . good  ~ slow  x bad  - no result  ^ switch  ! here  served: {}  + several",
        served.join("  ")
    );
    format!("{}\n", cut(&text, WIDTH))
}

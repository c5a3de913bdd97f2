//! `$GENERATE START-STOP[/STEP] OWNER [TTL] [CLASS] TYPE DATA`: a series of like records, as BIND
//! has it; no RFC does.
//!
//! `$` stands for the number, `${OFFSET[,WIDTH[,BASE]]}` for another form of it, `\$` and `$$` for
//! a dollar sign. Data that holds blanks may be one quoted string. Contract: how much a zone may
//! make is asked before anything is made; a series ends at its first error.

use super::{Context, Words};
use crate::dns::{
    zone_file::{Place, Sink},
    zone_file::{
        text::{Entries, Entry, Fault, Token},
        word::shown,
    },
};
use std::fmt::Write;

/// A wider number fits no name.
const MAX_WIDTH: usize = 255;
const FORM: &str =
    "write ${OFFSET,WIDTH,BASE}, the width at most 255, the base one of d, o, x, X, n and N";

/// A series that is to be made.
pub(super) struct Series<'t> {
    start: u32,
    stop: u32,
    step: u32,
    /// In turn: what is said, and where.
    words: Vec<(Vec<Piece<'t>>, usize)>,
    offset: usize,
}

/// A piece of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'t> {
    Text(&'t str),
    Number(Form),
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    offset: i64,
    width: usize,
    base: char,
}

impl<'t> Series<'t> {
    /// Reads what stands behind `$GENERATE`.
    pub(super) fn read(words: &mut Words<'_, 't>) -> Result<Self, Fault> {
        let range = words.next("a range, START-STOP or START-STOP/STEP")?;
        let (start, stop, step) = range_of(range.raw).ok_or_else(|| {
            let raw = shown(range.raw);
            let message =
                format!("'{raw}' is no range: write START-STOP or START-STOP/STEP, upwards");
            (range.offset, message)
        })?;
        let mut series = Self {
            start,
            stop,
            step,
            words: Vec::new(),
            offset: range.offset,
        };
        let owner = words.next("an owner")?;
        for token in std::iter::once(owner).chain(std::mem::take(&mut words.tokens)) {
            let pieces = pieces_of(token).map_err(|fault| (token.offset, fault))?;
            for piece in &pieces {
                if let Piece::Number(form) = piece
                    && i64::from(start) + form.offset < 0
                {
                    let message = format!("{start} with the offset {} is below 0", form.offset);
                    return Err((token.offset, message));
                }
            }
            series.words.push((pieces, token.offset));
        }
        Ok(series)
    }

    /// Makes the records, of `left` octets of text at most; how many octets it took.
    pub(super) fn records(
        &self,
        left: u64,
        context: &mut Context,
        at: Place,
        sink: &mut Sink<'_>,
    ) -> Result<u64, Fault> {
        let mut text = String::new();
        let mut ends = Vec::new();
        self.write(self.stop, &mut text, &mut ends);
        let count = u64::from((self.stop - self.start) / self.step) + 1;
        // No number is written longer than the last.
        let octets = count.saturating_mul(text.len() as u64);
        if octets > left {
            let message = format!(
                "this makes {count} records and more than the 64 MiB of text that all $GENERATE of a zone may make: write them out"
            );
            return Err((self.offset, message));
        }
        let mut remarks = Vec::new();
        for number in (self.start..=self.stop).step_by(self.step as usize) {
            self.write(number, &mut text, &mut ends);
            let place = |(offset, message): Fault| {
                let word = ends.partition_point(|&end| end < offset);
                let word = self.words.get(word).or(self.words.last());
                let offset = word.map_or(self.offset, |(_, offset)| *offset);
                (offset, format!("for {number}: {message}"))
            };
            let mut entry = Entry::default();
            let read = Entries::new(&text).next(&mut entry).unwrap_or(Ok(()));
            read.and_then(|()| context.record(&entry, at, sink))
                .map_err(place)?;
            // What is said of the first is not said of each.
            if remarks.is_empty() {
                remarks.extend(context.remarks.drain(..).map(place));
            }
            context.remarks.clear();
        }
        context.remarks = remarks;
        Ok(octets)
    }

    /// Writes the record for a number, and where each word ends.
    fn write(&self, number: u32, text: &mut String, ends: &mut Vec<usize>) {
        text.clear();
        ends.clear();
        for (pieces, _) in &self.words {
            for piece in pieces {
                match piece {
                    Piece::Text(piece) => text.push_str(piece),
                    Piece::Number(form) => form.write(number, text),
                }
            }
            ends.push(text.len());
            text.push(' ');
        }
    }
}

/// `START-STOP` or `START-STOP/STEP`.
fn range_of(raw: &str) -> Option<(u32, u32, u32)> {
    let (range, step) = raw.split_once('/').unwrap_or((raw, "1"));
    let (start, stop) = range.split_once('-')?;
    let (start, stop, step) = (start.parse().ok()?, stop.parse().ok()?, step.parse().ok()?);
    (start <= stop && step > 0).then_some((start, stop, step))
}

/// The pieces of a word; the quotes around a whole word are not of the text.
fn pieces_of<'t>(token: &Token<'t>) -> Result<Vec<Piece<'t>>, String> {
    let inner = token
        .raw
        .strip_prefix('"')
        .and_then(|raw| raw.strip_suffix('"'));
    let (mut rest, is_quoted) = (inner.unwrap_or(token.raw), inner.is_some());
    let mut pieces = Vec::new();
    while let Some(at) = rest.find(['$', '\\']) {
        let (before, found) = rest.split_at(at);
        pieces.push(Piece::Text(before));
        let behind = &found[1..];
        let plain = Form {
            offset: 0,
            width: 0,
            base: 'd',
        };
        if found.starts_with('\\') {
            // An escape goes on as it is, but for a quote, which begins a string in there.
            let length = behind.chars().next().map_or(0, char::len_utf8);
            let is_quote = is_quoted && behind.starts_with('"');
            let escape = if is_quote {
                &behind[..1]
            } else {
                &found[..=length]
            };
            pieces.push(Piece::Text(escape));
            rest = &behind[length..];
        } else if let Some(behind) = behind.strip_prefix('$') {
            pieces.push(Piece::Text(r"\$"));
            rest = behind;
        } else if let Some(behind) = behind.strip_prefix('{') {
            let (form, behind) = behind.split_once('}').ok_or(FORM)?;
            pieces.push(Piece::Number(form_of(form).ok_or(FORM)?));
            rest = behind;
        } else {
            pieces.push(Piece::Number(plain));
            rest = behind;
        }
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// `OFFSET[,WIDTH[,BASE]]`.
fn form_of(raw: &str) -> Option<Form> {
    let mut parts = raw.split(',');
    let offset = parts.next()?.parse::<i32>().ok()?;
    let width = parts.next().map_or(Some(0), |width| width.parse().ok())?;
    let base = parts.next().unwrap_or("d");
    let is_good = matches!(base, "d" | "o" | "x" | "X" | "n" | "N") && width <= MAX_WIDTH;
    (is_good && parts.next().is_none()).then_some(Form {
        offset: offset.into(),
        width,
        base: base.chars().next()?,
    })
}

impl Form {
    fn write(self, number: u32, text: &mut String) {
        let value = u64::try_from(i64::from(number) + self.offset).unwrap_or_default();
        let width = self.width;
        let written = match self.base {
            'o' => write!(text, "{value:0width$o}"),
            'x' => write!(text, "{value:0width$x}"),
            'X' => write!(text, "{value:0width$X}"),
            'n' | 'N' => self.nibbles(value, text),
            _ => write!(text, "{value:0width$}"),
        };
        debug_assert!(written.is_ok(), "a string takes everything");
    }

    /// Hexadecimal digits from the lowest up, with dots between; the width counts both.
    fn nibbles(self, mut value: u64, text: &mut String) -> std::fmt::Result {
        let mut width = self.width;
        loop {
            let digit = value & 15;
            match self.base {
                'N' => write!(text, "{digit:X}")?,
                _ => write!(text, "{digit:x}")?,
            }
            value >>= 4;
            width = width.saturating_sub(1);
            if width == 0 && value == 0 {
                return Ok(());
            }
            text.push('.');
            width = width.saturating_sub(1);
            if width == 0 && value == 0 {
                return Ok(());
            }
        }
    }
}

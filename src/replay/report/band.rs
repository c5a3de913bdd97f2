//! A band: what a run answered over time, in the colours of the targets, with its switches and
//! with when nobody was there.

use super::{
    escape::escaped,
    lane::strip,
    picture::{Canvas, NARROWEST, stretch},
    words::{format_ms, line, served},
};
use crate::{
    model::{TargetName, Timestamp, text::cut},
    replay::{
        figures::nobody_there,
        timeline::{Served, Timeline},
        truth::Truth,
    },
};
use std::{collections::BTreeMap, fmt::Write as _};

/// Height of the marks of switches.
const SWITCH_HEIGHT: i64 = 7;
/// Height of the answers.
const BAND_HEIGHT: i64 = 20;
/// Height of the marks below.
const STRIP_HEIGHT: i64 = 5;
/// The most targets of one answer that are told apart.
const STRIPES_MAX: usize = 4;
/// The longest reason that is said in passing, characters.
const REASON_MAX: usize = 120;
/// Widths that words are fitted to, px: of a page and of a phone.
const FITTED: [(&str, i64); 2] = [("wide", 900), ("narrow", 330)];
/// Width of a letter, px.
const LETTER_WIDTH: i64 = 7;

/// What a band shows.
pub(super) struct Band<'a> {
    pub(super) word: &'a str,
    pub(super) timeline: &'a Timeline,
    pub(super) truth: &'a Truth,
}

/// An answer, or so many in a row that none is wide enough to be seen.
struct Piece<'a> {
    from: Timestamp,
    to: Timestamp,
    /// What was answered longest.
    shown: &'a Served,
    shown_ms: i64,
    count: usize,
    narrow: bool,
}

/// Draws it.
pub(super) fn draw(canvas: &mut Canvas<'_>, band: &Band<'_>) {
    switches(canvas, band.timeline);
    canvas.y += SWITCH_HEIGHT;
    let y = canvas.y;
    let _ = write!(
        canvas.svg,
        "<g class=\"row\"><rect class=\"ground\" x=\"0\" y=\"{y}\" width=\"100%\" height=\"{BAND_HEIGHT}\"/>"
    );
    let (narrow, wide): (Vec<Piece<'_>>, Vec<Piece<'_>>) = pieces(canvas, band.timeline)
        .into_iter()
        .partition(|piece| piece.narrow);
    // The narrow ones are drawn a little too wide, over their neighbours.
    for piece in wide.iter().chain(&narrow) {
        answer(canvas, band, piece);
    }
    canvas.svg.push_str("</g><g class=\"row\">");
    canvas.y += BAND_HEIGHT + 1;
    let (from, to) = (canvas.scale.from, canvas.scale.to);
    let nobody = nobody_there(band.timeline, band.truth, (from, to));
    let word = format!("{}: nobody there", band.word);
    strip(canvas, &nobody, "down", &word, STRIP_HEIGHT);
    canvas.svg.push_str("</g>");
    canvas.y += STRIP_HEIGHT;
}

fn pieces<'a>(canvas: &Canvas<'_>, timeline: &'a Timeline) -> Vec<Piece<'a>> {
    let scale = canvas.scale;
    let least_ms = scale.length_ms() / canvas.fineness.answers.max(1);
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    for (from, to, served) in timeline.spans(scale.from, scale.to) {
        let ms = to.since_ms(from);
        let narrow = ms < least_ms;
        if let Some(last) = pieces.last_mut().filter(|last| narrow && last.narrow) {
            (last.to, last.count) = (to, last.count + 1);
            if ms > last.shown_ms {
                (last.shown, last.shown_ms) = (served, ms);
            }
            continue;
        }
        let (shown, shown_ms, count) = (served, ms, 1);
        pieces.push(Piece {
            from,
            to,
            shown,
            shown_ms,
            count,
            narrow,
        });
    }
    pieces
}

fn answer(canvas: &mut Canvas<'_>, band: &Band<'_>, piece: &Piece<'_>) {
    let x = canvas.scale.per_cent(piece.from);
    let width = canvas.scale.width(piece.from, piece.to, NARROWEST);
    let (y, serve) = (canvas.y, &piece.shown.serve);
    let title = escaped(&title(band.word, piece));
    let _ = write!(canvas.svg, "<g><title>{title}</title>");
    let stripes = i64::try_from(serve.len().clamp(1, STRIPES_MAX)).unwrap_or(1);
    for (index, target) in (0..).zip(serve.iter().take(STRIPES_MAX)) {
        let (top, bottom) = (
            BAND_HEIGHT * index / stripes,
            BAND_HEIGHT * (index + 1) / stripes,
        );
        let _ = write!(
            canvas.svg,
            "<rect class=\"{}\" x=\"{x}\" y=\"{}\" width=\"{width}\" height=\"{}\"/>",
            canvas.palette.class(target),
            y + top,
            bottom - top
        );
    }
    let over = match (piece.count, serve.is_empty()) {
        (_, true) => Some("unseen"),
        (1, false) => None,
        (_, false) => Some("many"),
    };
    if let Some(class) = over {
        let _ = write!(
            canvas.svg,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BAND_HEIGHT}\"/>"
        );
    } else {
        name(canvas, piece);
    }
    canvas.svg.push_str("</g>");
}

/// The name of what is answered where it fits, else its letter where that fits.
fn name(canvas: &mut Canvas<'_>, piece: &Piece<'_>) {
    let [target] = &piece.shown.serve[..] else {
        return letters(canvas, piece);
    };
    let (scale, palette) = (canvas.scale, canvas.palette);
    let share = scale.place(piece.to, 100_000) - scale.place(piece.from, 100_000);
    let middle = super::scale::per_cent(scale.place(piece.from, 100_000) + share / 2);
    let class = palette.class(target);
    let fitting = FITTED.map(|(_, px)| {
        let room = share * px / 100_000 - 4;
        let chars = i64::try_from(target.chars().count()).unwrap_or(i64::MAX);
        match room {
            _ if chars.saturating_mul(LETTER_WIDTH) <= room => target.to_string(),
            _ if room >= LETTER_WIDTH => palette.letter(target),
            _ => String::new(),
        }
    });
    let y = canvas.y + 14;
    let mut text = |visible: &str, text: &str| {
        if !text.is_empty() {
            let _ = write!(
                canvas.svg,
                "<text class=\"answer on-{class}{visible}\" x=\"{middle}\" y=\"{y}\">{}</text>",
                escaped(text)
            );
        }
    };
    if fitting[0] == fitting[1] {
        text("", &fitting[0]);
        return;
    }
    for ((word, _), fits) in FITTED.iter().zip(&fitting) {
        text(&format!(" {word}"), fits);
    }
}

/// The letters of several targets that are answered together, at the left.
fn letters(canvas: &mut Canvas<'_>, piece: &Piece<'_>) {
    let letters = |target: &TargetName| canvas.palette.letter(target);
    let letters: Vec<String> = piece.shown.serve.iter().map(letters).collect();
    let letters = cut(&letters.join("+"), 12);
    let share = canvas.scale.place(piece.to, 1_000) - canvas.scale.place(piece.from, 1_000);
    if share > 30 {
        let _ = write!(
            canvas.svg,
            "<text class=\"answer begin several\" x=\"{}\" y=\"{}\" dx=\"3\">{letters}</text>",
            canvas.scale.per_cent(piece.from),
            canvas.y + 14
        );
    }
}

fn title(word: &str, piece: &Piece<'_>) -> String {
    let stretch = stretch(piece.from, piece.to);
    let shown = piece.shown;
    if piece.count > 1 {
        return format!(
            "{word}: {} answers, mostly {}; {stretch}",
            piece.count,
            served(&shown.serve)
        );
    }
    let line = match shown.line {
        0 => String::new(),
        number => format!(", {}", line(number)),
    };
    format!(
        "{word}: {}, \"{}\"{line}, TTL {}; {stretch}",
        served(&shown.serve),
        cut(&shown.reason, REASON_MAX),
        format_ms(shown.ttl_ms)
    )
}

/// Marks where what is served changes; one where there are several too near to be told apart.
fn switches(canvas: &mut Canvas<'_>, timeline: &Timeline) {
    let scale = canvas.scale;
    let mut places: BTreeMap<i64, Timestamp> = BTreeMap::new();
    for pair in timeline.changes.windows(2) {
        let switched = pair[0].serve != pair[1].serve && !pair[0].serve.is_empty();
        if switched && (scale.from..=scale.to).contains(&pair[1].at) {
            let place = scale.place(pair[1].at, canvas.fineness.answers);
            places.entry(place).or_insert(pair[1].at);
        }
    }
    for at in places.values() {
        let _ = write!(
            canvas.svg,
            "<use href=\"#switch\" x=\"{}\" y=\"{}\"/>",
            scale.per_cent(*at),
            canvas.y
        );
    }
}

//! A lane: how the probes of a target ended, how long they took, and when it was down and slow.

use super::{
    escape::escaped,
    picture::{Canvas, NARROWEST, stretch},
    words::{format_ms, grouped},
};
use crate::{
    model::{TargetName, Timestamp},
    replay::{
        lanes::{Bin, Lanes},
        spans::Spans,
    },
};
use std::fmt::Write as _;

/// Height of what was observed.
const LANE_HEIGHT: i64 = 30;
/// Height of the marks below it.
const STRIP_HEIGHT: i64 = 5;
/// Units of width inside a lane.
const UNITS: i64 = 4_000;
/// A share of bad probes, however small, is this high.
const BAD_LEAST: i64 = 2;
/// Below a round-trip time of so many µs the line of latency lies on the ground.
const FASTEST_US: u32 = 1_000;

/// What a lane shows.
pub(super) struct Lane<'a> {
    pub(super) target: &'a TargetName,
    pub(super) lanes: &'a Lanes,
    pub(super) down: Option<&'a Spans>,
    pub(super) slow: Option<&'a Spans>,
    pub(super) slow_ms: i64,
}

/// What was observed between two instants.
#[derive(Clone, Copy)]
struct Column {
    from: Timestamp,
    to: Timestamp,
    seen: Bin,
}

/// Draws it, and its marks below.
pub(super) fn draw(canvas: &mut Canvas<'_>, lane: &Lane<'_>) {
    let bins = lane.lanes.bins.get(lane.target);
    let is_fine = lane.lanes.bin_ms <= canvas.scale.length_ms() / 24;
    if let Some(bins) = bins.filter(|_| is_fine) {
        observed(canvas, lane, bins);
        canvas.y += LANE_HEIGHT + 1;
    }
    canvas.svg.push_str("<g class=\"row\">");
    let y = canvas.y;
    let _ = write!(
        canvas.svg,
        "<rect class=\"ground\" x=\"0\" y=\"{y}\" width=\"100%\" height=\"{STRIP_HEIGHT}\"/>"
    );
    let none = Spans::default();
    for (spans, word) in [
        (lane.slow.unwrap_or(&none), "slow"),
        (lane.down.unwrap_or(&none), "down"),
    ] {
        strip(
            canvas,
            spans,
            word,
            &format!("{} {word}", lane.target),
            STRIP_HEIGHT,
        );
    }
    canvas.svg.push_str("</g>");
    canvas.y += STRIP_HEIGHT;
}

fn observed(canvas: &mut Canvas<'_>, lane: &Lane<'_>, bins: &[Bin]) {
    let columns = columns(canvas, lane.lanes, bins, canvas.fineness.columns);
    // The same height for the same time in every lane.
    let slowest = lane.lanes.bins.values().flatten().map(|bin| bin.rtt_us_max);
    let slowest = slowest.max().unwrap_or(0);
    let y = canvas.y;
    let _ = write!(
        canvas.svg,
        "<svg x=\"0\" y=\"{y}\" width=\"100%\" height=\"{LANE_HEIGHT}\" \
         viewBox=\"0 0 {UNITS} {LANE_HEIGHT}\" preserveAspectRatio=\"none\">\
         <rect class=\"unseen\" width=\"{UNITS}\" height=\"{LANE_HEIGHT}\"/>"
    );
    for (class, path) in [
        ("seen", seen_path(canvas, &columns)),
        ("latency", latency_path(canvas, &columns, slowest)),
        ("bad", bad_path(canvas, &columns)),
    ] {
        if !path.is_empty() {
            let _ = write!(canvas.svg, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }
    let limit_us = u32::try_from(lane.slow_ms.saturating_mul(1_000)).unwrap_or(u32::MAX);
    if limit_us < slowest {
        let y = latency_y(limit_us, slowest);
        let _ = write!(canvas.svg, "<path class=\"limit\" d=\"M0 {y}H{UNITS}\"/>");
    }
    canvas.svg.push_str("</svg>");
    facts(canvas, lane, bins);
}

/// Columns that say on touch what they stand for.
fn facts(canvas: &mut Canvas<'_>, lane: &Lane<'_>, bins: &[Bin]) {
    canvas.svg.push_str("<g class=\"row\">");
    let name = escaped(lane.target);
    let y = canvas.y;
    for column in columns(canvas, lane.lanes, bins, canvas.fineness.facts) {
        let seen = column.seen;
        let slowest = match seen.good {
            0 => String::new(),
            _ => format!(
                ", slowest {} ms",
                grouped(u64::from(seen.rtt_us_max.div_ceil(1_000)))
            ),
        };
        let _ = write!(
            canvas.svg,
            "<rect class=\"fact\" x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{LANE_HEIGHT}\"><title>{name}: \
             {} good, {} bad{slowest}; {}</title></rect>",
            canvas.scale.per_cent(column.from),
            canvas.scale.width(column.from, column.to, 1),
            grouped(u64::from(seen.good)),
            grouped(u64::from(seen.bad)),
            stretch(column.from, column.to),
        );
    }
    canvas.svg.push_str("</g>");
}

/// The bins of the window, joined into at most `most` columns; a column reaches to the next one
/// unless it is silent in between for longer than usual.
fn columns(canvas: &Canvas<'_>, lanes: &Lanes, bins: &[Bin], most: i64) -> Vec<Column> {
    let scale = canvas.scale;
    let each = (scale.length_ms() / lanes.bin_ms.max(1) / most.max(1) + 1).max(1);
    let chunk = usize::try_from(each).unwrap_or(usize::MAX);
    let long_ms = lanes.bin_ms.saturating_mul(each);
    let mut columns: Vec<Column> = Vec::new();
    for (index, bins) in (0..).zip(bins.chunks(chunk)) {
        let from = lanes.from.plus_ms(long_ms.saturating_mul(index));
        let to = from.plus_ms(long_ms);
        let seen = bins.iter().fold(Bin::default(), Bin::joined);
        if to <= scale.from || from >= scale.to || (seen.good, seen.bad) == (0, 0) {
            continue;
        }
        columns.push(Column { from, to, seen });
    }
    let mut steps: Vec<i64> = columns
        .windows(2)
        .map(|pair| pair[1].from.since_ms(pair[0].from))
        .collect();
    steps.sort_unstable();
    let usual_ms = steps.get(steps.len() / 2).copied().unwrap_or(long_ms);
    for index in 0..columns.len() {
        let end = columns[index].from.plus_ms(usual_ms.saturating_mul(3));
        let next = columns.get(index + 1).map(|next| next.from);
        columns[index].to = match next {
            Some(next) if next <= end => next,
            _ => columns[index].from.plus_ms(usual_ms),
        }
        .min(scale.to);
    }
    columns
}

fn seen_path(canvas: &Canvas<'_>, columns: &[Column]) -> String {
    let mut path = String::new();
    let mut runs: Vec<(Timestamp, Timestamp)> = Vec::new();
    for column in columns {
        match runs.last_mut() {
            Some(run) if run.1 >= column.from => run.1 = column.to,
            _ => runs.push((column.from, column.to)),
        }
    }
    for (from, to) in runs {
        let (x, end) = edges(canvas, from, to);
        let _ = write!(path, "M{x} 0H{end}V{LANE_HEIGHT}H{x}Z");
    }
    path
}

fn bad_path(canvas: &Canvas<'_>, columns: &[Column]) -> String {
    let mut path = String::new();
    for column in columns.iter().filter(|column| column.seen.bad > 0) {
        let (good, bad) = (i64::from(column.seen.good), i64::from(column.seen.bad));
        let height = (LANE_HEIGHT * bad / (good + bad)).max(BAD_LEAST);
        let (x, end) = edges(canvas, column.from, column.to);
        let _ = write!(path, "M{x} {LANE_HEIGHT}v-{height}H{end}v{height}Z");
    }
    path
}

fn latency_path(canvas: &Canvas<'_>, columns: &[Column], slowest: u32) -> String {
    let mut path = String::new();
    let mut last: Option<(i64, i64)> = None;
    for column in columns.iter().filter(|column| column.seen.good > 0) {
        let (x, end) = edges(canvas, column.from, column.to);
        let y = latency_y(column.seen.rtt_us_max, slowest);
        let _ = match last {
            Some((before, _)) if before != x => write!(path, "M{x} {y}H{end}"),
            Some((_, height)) if height == y => write!(path, "H{end}"),
            None => write!(path, "M{x} {y}H{end}"),
            Some(_) => write!(path, "V{y}H{end}"),
        };
        last = Some((end, y));
    }
    path
}

/// The height of a round-trip time: each doubling is as high as the one before, up to the slowest.
fn latency_y(rtt_us: u32, slowest: u32) -> i64 {
    let lowest = LANE_HEIGHT - 3;
    let doublings = |us: u32| f64::from(us.max(FASTEST_US)).log2() - f64::from(FASTEST_US).log2();
    let most = doublings(slowest);
    if most <= 0.0 {
        return lowest;
    }
    let share = (doublings(rtt_us.min(slowest)) / most * 1_000.0) as i64;
    lowest - (lowest - 2) * share / 1_000
}

fn edges(canvas: &Canvas<'_>, from: Timestamp, to: Timestamp) -> (i64, i64) {
    let x = canvas.scale.place(from, UNITS);
    (x, canvas.scale.place(to, UNITS).max(x + 1))
}

/// Spans of time as marks, those too near to be told apart as one.
pub(super) fn strip(canvas: &mut Canvas<'_>, spans: &Spans, class: &str, word: &str, height: i64) {
    struct Mark {
        from: Timestamp,
        to: Timestamp,
        count: usize,
        ms: i64,
    }
    let (scale, parts) = (canvas.scale, canvas.fineness.answers);
    let mut marks: Vec<Mark> = Vec::new();
    for &(from, to) in spans.all() {
        if to <= scale.from || from >= scale.to {
            continue;
        }
        let ms = to.since_ms(from);
        match marks.last_mut() {
            Some(last) if scale.place(last.to, parts) >= scale.place(from, parts) => {
                (last.to, last.count, last.ms) = (to, last.count + 1, last.ms + ms);
            }
            _ => marks.push(Mark {
                from,
                to,
                count: 1,
                ms,
            }),
        }
    }
    let y = canvas.y;
    for mark in marks {
        let together = match mark.count {
            1 => String::new(),
            many => format!(", {many} times, {} together", format_ms(mark.ms)),
        };
        let _ = write!(
            canvas.svg,
            "<rect class=\"{class}\" x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{height}\"><title>{} {}{together}</title></rect>",
            scale.per_cent(mark.from),
            scale.width(mark.from, mark.to, NARROWEST),
            escaped(word),
            stretch(mark.from, mark.to),
        );
    }
}

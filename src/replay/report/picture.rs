//! The picture of a service: a lane per target, a band per run, one axis; SVG that stretches to
//! the width it is given. Positions are shares of that width, heights are pixels, so that words
//! keep their size on a phone.

use super::{
    Divergence, Figures, Report, ServiceReport,
    band::{self, Band},
    escape::escaped,
    lane::{self, Lane},
    scale::Scale,
    words::{counted, format_ms, outages, recorded_head},
};
use crate::model::{TargetName, Timestamp, text::cut};
use std::fmt::Write as _;

/// Height of the words above a lane or a band.
pub(super) const HEAD_HEIGHT: i64 = 18;
/// Room below a lane or a band.
const GAP: i64 = 8;
/// Height of the row that numbers divergences.
const NUMBERS_HEIGHT: i64 = 18;
/// Height of the axis.
const AXIS_HEIGHT: i64 = 20;
/// Colours for targets; further ones begin anew, their letters do not.
const COLOURS: usize = 8;
/// How near to each other two numbers of divergences may be, thousandths of a per cent.
const NUMBERS_APART: i64 = 2_600;
/// The narrowest mark, thousandths of a per cent.
pub(super) const NARROWEST: i64 = 120;

/// How finely a picture is drawn: what bounds its size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fineness {
    /// The most answers of a band that are told apart.
    pub(super) answers: i64,
    /// The most columns of a lane.
    pub(super) columns: i64,
    /// The most columns of a lane that say what they are.
    pub(super) facts: i64,
}

/// Targets in the order of preference, each with a letter and a colour.
#[derive(Clone, Debug)]
pub(super) struct Palette(Vec<TargetName>);

impl Palette {
    /// Of a service; targets that it lost come last.
    pub(super) fn of(service: &ServiceReport) -> Self {
        let mut targets = service.targets.clone();
        let picture = &service.picture;
        let seen = picture.lanes.bins.keys().chain(picture.truth.down.keys());
        for target in seen {
            if !targets.contains(target) {
                targets.push(target.clone());
            }
        }
        Self(targets)
    }

    /// `A` to `Z`, then `27`.
    pub(super) fn letter(&self, target: &TargetName) -> String {
        let place = self.place(target);
        match u8::try_from(place) {
            Ok(place) if place < 26 => char::from(b'A' + place).to_string(),
            _ => (place + 1).to_string(),
        }
    }

    /// The class that colours it.
    pub(super) fn class(&self, target: &TargetName) -> String {
        format!("t{}", self.place(target) % COLOURS)
    }

    fn place(&self, target: &TargetName) -> usize {
        let place = self.0.iter().position(|known| known == target);
        place.unwrap_or(self.0.len())
    }

    /// The letter on its colour, before a name in HTML.
    pub(super) fn swatch(&self, target: &TargetName) -> String {
        let (class, letter) = (self.class(target), self.letter(target));
        format!("<span class=\"swatch {class}\">{letter}</span>")
    }
}

/// A picture as it grows downwards.
pub(super) struct Canvas<'a> {
    pub(super) scale: Scale,
    pub(super) fineness: Fineness,
    pub(super) palette: &'a Palette,
    pub(super) svg: String,
    pub(super) y: i64,
}

impl Canvas<'_> {
    /// A row's words: a name on the left and what is to be said of it on the right.
    pub(super) fn head(&mut self, mark: Option<&TargetName>, name: &str, facts: &str) {
        let y = self.y + HEAD_HEIGHT - 5;
        let mut x = 0;
        if let Some(target) = mark {
            let (class, letter) = (self.palette.class(target), self.palette.letter(target));
            let _ = write!(
                self.svg,
                "<rect class=\"{class}\" x=\"0\" y=\"{}\" width=\"14\" height=\"14\" rx=\"2\"/>\
                 <text class=\"letter on-{class}\" x=\"7\" y=\"{y}\">{letter}</text>",
                y - 11
            );
            x = 20;
        }
        let (long, short) = (cut(name, 48), cut(name, 16));
        if long == short {
            let _ = write!(
                self.svg,
                "<text class=\"name\" x=\"{x}\" y=\"{y}\">{}</text>",
                escaped(&long)
            );
        } else {
            for (class, text) in [("wide", long), ("narrow", short)] {
                let _ = write!(
                    self.svg,
                    "<text class=\"name {class}\" x=\"{x}\" y=\"{y}\">{}</text>",
                    escaped(&text)
                );
            }
        }
        let _ = write!(
            self.svg,
            "<text class=\"facts\" x=\"100%\" y=\"{y}\">{}</text>",
            escaped(facts)
        );
        self.y += HEAD_HEIGHT;
    }
}

/// What a picture shows.
pub(super) struct View<'a> {
    pub(super) report: &'a Report,
    pub(super) service: &'a ServiceReport,
    pub(super) palette: &'a Palette,
    pub(super) scale: Scale,
    pub(super) fineness: Fineness,
    /// Divergences that are marked and linked, with their numbers.
    pub(super) marked: Vec<(usize, &'a Divergence)>,
    /// Whether it is the picture that divergences link to.
    pub(super) whole: bool,
}

impl View<'_> {
    /// The picture, an `svg` element that a strict XML reader takes.
    pub(super) fn svg(&self, title: &str) -> String {
        let mut canvas = Canvas {
            scale: self.scale,
            fineness: self.fineness,
            palette: self.palette,
            svg: String::new(),
            y: 0,
        };
        if self.whole && !self.marked.is_empty() {
            canvas.y += NUMBERS_HEIGHT;
        }
        for target in &self.palette.0 {
            self.lane(&mut canvas, target);
        }
        self.bands(&mut canvas);
        let bottom = canvas.y;
        let (marks, axis) = (self.marks(bottom), self.axis(bottom));
        let height = bottom + AXIS_HEIGHT;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"100%\" height=\"{height}\" \
             aria-label=\"{}\" data-from=\"{}\" data-to=\"{}\">{}{}{axis}</svg>",
            escaped(title),
            self.scale.from.0,
            self.scale.to.0,
            marks,
            canvas.svg,
        )
    }

    fn lane(&self, canvas: &mut Canvas<'_>, target: &TargetName) {
        let picture = &self.service.picture;
        let lane = Lane {
            target,
            lanes: &picture.lanes,
            down: picture.truth.down.get(target),
            slow: picture.truth.slow.get(target),
            slow_ms: self.report.truth.slow_ms,
        };
        let facts = match self.whole {
            true => outages(self.report, target),
            false => String::new(),
        };
        canvas.head(Some(target), target, &facts);
        lane::draw(canvas, &lane);
        canvas.y += GAP;
    }

    fn bands(&self, canvas: &mut Canvas<'_>) {
        let picture = &self.service.picture;
        let facts = |figures: &Figures| {
            format!(
                "{}, {} down",
                counted(figures.switches, "switch", "switches"),
                format_ms(figures.down_served_ms)
            )
        };
        let recorded = picture.recorded.iter().zip(&self.service.recorded);
        let recorded = recorded.map(|(line, figures)| (recorded_head(self.report), line, figures));
        let candidate = ("candidate", &picture.candidate, &self.service.candidate);
        for (word, timeline, figures) in recorded.chain([candidate]) {
            let facts = match self.whole {
                true => facts(figures),
                false => String::new(),
            };
            canvas.head(None, word, &facts);
            let truth = &picture.truth;
            band::draw(
                canvas,
                &Band {
                    word,
                    timeline,
                    truth,
                },
            );
            canvas.y += GAP;
        }
    }

    /// Where the runs part: a shade over the whole height, its number on top.
    fn marks(&self, bottom: i64) -> String {
        let mut svg = String::new();
        let mut last = -NUMBERS_APART;
        for (number, one) in &self.marked {
            let x = self.scale.per_cent(one.from);
            let width = self.scale.width(one.from, one.to, NARROWEST);
            if !self.whole {
                let _ = write!(
                    svg,
                    "<rect class=\"parted\" x=\"{x}\" y=\"0\" width=\"{width}\" height=\"{bottom}\"/>"
                );
                continue;
            }
            let _ = write!(
                svg,
                "<a href=\"#d{number}\"><rect id=\"p{number}\" class=\"parted\" x=\"{x}\" y=\"0\" \
                 width=\"{width}\" height=\"{bottom}\"><title>divergence {number}: {} to {}</title></rect>",
                one.from.to_the_second(),
                one.to.to_the_second()
            );
            let place = self.scale.place(one.from, 100_000);
            if place - last >= NUMBERS_APART {
                last = place;
                // Near the right end there is no room to the right of its beginning.
                let anchor = if place > 97_000 { "end" } else { "begin" };
                let _ = write!(
                    svg,
                    "<text class=\"number {anchor}\" x=\"{x}\" y=\"12\">{number}</text>"
                );
            }
            svg.push_str("</a>");
        }
        svg
    }

    fn axis(&self, bottom: i64) -> String {
        let mut svg =
            format!("<line class=\"axis\" x1=\"0\" y1=\"{bottom}\" x2=\"100%\" y2=\"{bottom}\"/>");
        for tick in self.scale.ticks() {
            let x = self.scale.per_cent(tick.at);
            let class = if tick.narrow { "tick" } else { "tick wide" };
            let anchor = match self.scale.place(tick.at, 100) {
                0..4 => "begin",
                96.. => "end",
                _ => "middle",
            };
            let _ = write!(
                svg,
                "<line class=\"{class}\" x1=\"{x}\" y1=\"{bottom}\" x2=\"{x}\" y2=\"{}\"/>\
                 <text class=\"{class} {anchor}\" x=\"{x}\" y=\"{}\">{}</text>",
                bottom + 4,
                bottom + 16,
                tick.label
            );
        }
        svg
    }
}

/// A stretch in words: `2026-11-22T18:49:46Z to 2026-11-22T18:53:46Z (4m)`.
pub(super) fn stretch(from: Timestamp, to: Timestamp) -> String {
    format!(
        "{} to {} ({})",
        from.to_the_second(),
        to.to_the_second(),
        format_ms(to.since_ms(from))
    )
}

//! The scale of a picture: instants as shares of its width, and ticks at round instants.

use crate::model::{
    Timestamp,
    time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS},
};

/// The most ticks of an axis.
const TICKS_MAX: i64 = 8;
/// The most that a narrow screen shows of them.
const NARROW_TICKS_MAX: usize = 4;

/// Steps below a month, ms.
const STEPS_MS: [i64; 22] = [
    SECOND_MS,
    2 * SECOND_MS,
    5 * SECOND_MS,
    10 * SECOND_MS,
    15 * SECOND_MS,
    30 * SECOND_MS,
    MINUTE_MS,
    2 * MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    2 * DAY_MS,
    4 * DAY_MS,
    7 * DAY_MS,
    14 * DAY_MS,
];

/// Steps of whole months; longer ones are whole years.
const STEPS_MONTHS: [i64; 5] = [1, 2, 3, 6, 12];

/// A stretch of time over the width of a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// A mark on the axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) at: Timestamp,
    pub(super) label: String,
    /// Whether a narrow screen has room for it.
    pub(super) narrow: bool,
}

impl Scale {
    /// Of a stretch; an empty one is taken as one second.
    pub(super) fn of(from: Timestamp, to: Timestamp) -> Self {
        let to = to.max(from.plus_ms(SECOND_MS));
        Self { from, to }
    }

    pub(super) fn length_ms(self) -> i64 {
        self.to.since_ms(self.from).max(1)
    }

    /// Where an instant is, out of `parts` of the width; outside of it: the nearer end.
    pub(super) fn place(self, at: Timestamp, parts: i64) -> i64 {
        let after = i128::from(at.since_ms(self.from).clamp(0, self.length_ms()));
        let place = after * i128::from(parts) / i128::from(self.length_ms().max(1));
        i64::try_from(place).unwrap_or(parts)
    }

    /// The same in per cent, for an attribute: `12.345%`.
    pub(super) fn per_cent(self, at: Timestamp) -> String {
        per_cent(self.place(at, 100_000))
    }

    /// How wide a stretch is, in per cent, and at least `least` thousandths of one.
    pub(super) fn width(self, from: Timestamp, to: Timestamp, least: i64) -> String {
        let wide = self.place(to, 100_000) - self.place(from, 100_000);
        per_cent(wide.max(least))
    }

    /// Round instants, few enough to be read.
    pub(super) fn ticks(self) -> Vec<Tick> {
        let step_ms = STEPS_MS
            .into_iter()
            .find(|step| self.length_ms() / step <= TICKS_MAX);
        let instants = step_ms.map_or_else(|| self.months(), |step| self.multiples(step));
        let every = instants.len().div_ceil(NARROW_TICKS_MAX).max(1);
        let ticks = instants.into_iter().enumerate().map(|(index, at)| Tick {
            at,
            label: label(at, step_ms),
            narrow: index % every == 0,
        });
        ticks.collect()
    }

    fn multiples(self, step_ms: i64) -> Vec<Timestamp> {
        let first = self.from.0.div_euclid(step_ms).saturating_mul(step_ms);
        let all = (0..=TICKS_MAX + 1).map(|index| Timestamp(first).plus_ms(index * step_ms));
        all.filter(|at| (self.from..=self.to).contains(at))
            .collect()
    }

    fn months(self) -> Vec<Timestamp> {
        let (Some(first), Some(last)) = (month(self.from), month(self.to)) else {
            return Vec::new();
        };
        let length = last - first;
        let years = (length / (12 * TICKS_MAX) + 1) * 12;
        let step = STEPS_MONTHS
            .into_iter()
            .find(|step| length / step <= TICKS_MAX)
            .unwrap_or(years);
        let begin = first.div_euclid(step) * step;
        let all = (0..=TICKS_MAX + 1).filter_map(|index| {
            let month = begin + index * step;
            let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
            Timestamp::parse_utc(&format!("{year:04}-{month:02}-01T00:00:00Z")).ok()
        });
        all.filter(|at| (self.from..=self.to).contains(at))
            .collect()
    }
}

/// Thousandths of a per cent as an attribute has it.
pub(super) fn per_cent(thousandths: i64) -> String {
    let text = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Months since the year 0.
fn month(at: Timestamp) -> Option<i64> {
    let text = at.to_string();
    let (year, rest) = text.split_once('-')?;
    let month: i64 = rest.get(..2)?.parse().ok()?;
    Some(year.parse::<i64>().ok()? * 12 + month - 1)
}

/// `14:30` or `14:30:05` within a day, `11-22` where one begins, `2026-11` over months.
fn label(at: Timestamp, step_ms: Option<i64>) -> String {
    let text = at.to_string();
    let Some((date, time)) = text.split_once('T') else {
        return text;
    };
    let part = match step_ms {
        None => date.rsplit_once('-').map(|(month, _)| month),
        Some(_) if at.0.rem_euclid(DAY_MS) == 0 => date.split_once('-').map(|(_, day)| day),
        Some(step) if step < MINUTE_MS => time.get(..8),
        Some(_) => time.get(..5),
    };
    part.unwrap_or(date).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(from: &str, to: &str) -> String {
        let [from, to] = [from, to].map(|text| Timestamp::parse_utc(text).unwrap());
        let ticks = Scale::of(from, to).ticks();
        let labels: Vec<String> = ticks.into_iter().map(|tick| tick.label).collect();
        labels.join(" ")
    }

    #[test]
    fn a_stretch_of_nothing_at_the_end_of_time_has_places() {
        let end = Timestamp(i64::MAX);
        assert_eq!(Scale::of(end, end).place(end, 100), 0);
    }

    #[test]
    fn ticks_are_round_and_few() {
        for (from, to, expected) in [
            (
                "2026-11-22T23:10:00Z",
                "2026-11-23T01:10:00Z",
                "23:15 23:30 23:45 11-23 00:15 00:30 00:45 01:00",
            ),
            (
                "2026-11-22T12:00:01Z",
                "2026-11-22T12:00:20Z",
                "12:00:05 12:00:10 12:00:15 12:00:20",
            ),
            (
                "2026-01-05T00:00:00Z",
                "2027-01-05T00:00:00Z",
                "2026-03 2026-05 2026-07 2026-09 2026-11 2027-01",
            ),
            (
                "1990-01-01T00:00:00Z",
                "2020-01-01T00:00:00Z",
                "1992-01 1996-01 2000-01 2004-01 2008-01 2012-01 2016-01 2020-01",
            ),
        ] {
            assert_eq!(labels(from, to), expected);
        }
    }

    #[test]
    fn the_ends_of_time_are_no_trouble() {
        let scale = Scale::of(Timestamp(i64::MIN), Timestamp(i64::MAX));
        assert!(scale.ticks().len() <= 10);
        assert_eq!(scale.per_cent(Timestamp(i64::MIN)), "0%");
        assert_eq!(per_cent(12_340), "12.34%");
    }
}

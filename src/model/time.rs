//! Instants: milliseconds since 1970-01-01T00:00:00Z, as the fold gives them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An instant in ms since the epoch, UTC. Never read from a clock here: it is always an argument.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// Milliseconds in a second.
pub const SECOND_MS: i64 = 1_000;
/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in a day.
pub const DAY_MS: i64 = 24 * HOUR_MS;

impl Timestamp {
    /// The instant `ms` later (or earlier, where negative); saturates at the ends of time.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// The instant `ms` earlier (or later, where negative); saturates at the ends of time.
    #[must_use]
    pub fn minus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_sub(ms))
    }

    /// How many ms this instant is after `earlier`; negative where it is before.
    pub fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The hour of the day, 0–23, UTC.
    pub fn hour(self) -> i64 {
        self.0.rem_euclid(DAY_MS) / HOUR_MS
    }

    /// The day of the week, 1–7, Monday is 1, UTC (ISO 8601).
    pub fn weekday(self) -> i64 {
        // 1970-01-01 was a Thursday, day 4.
        (self.0.div_euclid(DAY_MS) + 3).rem_euclid(7) + 1
    }

    /// Year, month and day, UTC, in the proleptic Gregorian calendar.
    fn date(self) -> (i64, i64, i64) {
        // Days are counted from 0000-03-01, so that the leap day is the last of its year.
        let days = self.0.div_euclid(DAY_MS) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year, month, day)
    }
}

/// RFC 3339 in UTC with milliseconds: `2026-11-22T18:49:46.123Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let of_day = self.0.rem_euclid(DAY_MS);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            of_day / HOUR_MS,
            of_day % HOUR_MS / MINUTE_MS,
            of_day % MINUTE_MS / SECOND_MS,
            of_day % SECOND_MS
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_read_as_rfc_3339_with_hour_and_weekday() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z", 0, 4),
            (951_782_400_000, "2000-02-29T00:00:00.000Z", 0, 2),
            (1_763_800_000_123, "2025-11-22T08:26:40.123Z", 8, 6),
            (4_102_444_799_999, "2099-12-31T23:59:59.999Z", 23, 4),
            (-1, "1969-12-31T23:59:59.999Z", 23, 3),
        ];
        for (ms, text, hour, weekday) in cases {
            let at = Timestamp(ms);
            assert_eq!(
                (at.to_string().as_str(), at.hour(), at.weekday()),
                (text, hour, weekday)
            );
        }
    }
}

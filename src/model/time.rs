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

    /// This instant to the second: `2026-11-22T18:49:46Z`.
    pub fn to_the_second(self) -> String {
        let text = self.to_string();
        match text.split_once('.') {
            Some((seconds, _)) => format!("{seconds}Z"),
            None => text,
        }
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

    /// Reads RFC 3339 in UTC: `2026-11-22T18:49:46Z`, with or without a fraction of a second, which
    /// is cut to ms; the seconds may be left out.
    ///
    /// # Errors
    /// A sentence that says what an instant looks like: also for another zone than UTC, for one
    /// without a zone, and for a day that does not exist.
    pub fn parse_utc(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no instant: write 2026-11-22T18:49:46Z");
        let upper = text.trim().to_ascii_uppercase();
        let (date, time) = upper.split_once('T').ok_or_else(wrong)?;
        let Some(time) = time.strip_suffix('Z') else {
            return Err(format!(
                "'{text}' is not in UTC: write the time in UTC with a Z at its end, \
                 2026-11-22T18:49:46Z"
            ));
        };
        let [year, month, day] = numbers(date, '-').ok_or_else(wrong)?;
        let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let with_seconds = if whole.len() == 5 {
            format!("{whole}:00")
        } else {
            whole.to_owned()
        };
        let [hour, minute, second] = numbers(&with_seconds, ':').ok_or_else(wrong)?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if date.len() != 10 || with_seconds.len() != 8 || !digits(fraction) {
            return Err(wrong());
        }
        let ms: i64 = format!("{fraction:0<3.3}").parse().map_err(|_| wrong())?;
        let days = days_since_epoch(year, month, day);
        let of_day = hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS + ms;
        let at = Self(days * DAY_MS + of_day);
        if hour > 23 || minute > 59 || second > 59 || at.date() != (year, month, day) {
            return Err(wrong());
        }
        Ok(at)
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

/// Three numbers between separators.
fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let part = |part: &str| -> Option<i64> {
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse().ok().filter(|_| digits)
    };
    let mut parts = text.split(separator).map(part);
    let three = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(three)
}

/// The reverse of [`Timestamp::date`]; of a day that does not exist, some other day.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let shifted_month = (month + 9).rem_euclid(12);
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
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
            assert_eq!(Timestamp::parse_utc(text), Ok(at));
        }
    }

    #[test]
    fn instants_are_read_in_utc_only() {
        for (text, ms) in [
            ("2025-11-22T08:26:40Z", 1_763_800_000_000),
            ("2025-11-22t08:26:40.1239z", 1_763_800_000_123),
            (" 2025-11-22T08:26Z ", 1_763_799_960_000),
            ("2024-02-29T00:00:00.5Z", 1_709_164_800_500),
        ] {
            assert_eq!(Timestamp::parse_utc(text), Ok(Timestamp(ms)), "{text}");
        }
        for text in [
            "",
            "now",
            "18:30",
            "2025-02-29T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-00-01T00:00:00Z",
            "2025-01-00T00:00:00Z",
            "2025-11-22T24:00:00Z",
            "2025-11-22T08:60:00Z",
            "2025-11-22T08:26:40.Z",
            "2025-11-22T08:26:40.1-Z",
            "2025-11-22T8:26:40Z",
            "+025-11-22T08:26:40Z",
            "2025-11-22T08:26:40:00Z",
            "99999999999999999999-01-01T00:00:00Z",
            "2025-11-22T08:26:40é.1Z",
        ] {
            let error = Timestamp::parse_utc(text).unwrap_err();
            assert!(error.contains("is no instant"), "{text}: {error}");
        }
        for text in ["2025-11-22T08:26:40", "2025-11-22T08:26:40+01:00"] {
            let error = Timestamp::parse_utc(text).unwrap_err();
            assert!(error.contains("is not in UTC"), "{text}: {error}");
        }
    }
}

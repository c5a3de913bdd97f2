//! Instants as operators give them: `2h` ago, or RFC 3339 in UTC.

use crate::model::{Timestamp, duration::parse_ms};

/// An instant that may be given by its distance from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum When {
    /// This many ms ago.
    Ago(i64),
    /// Then.
    At(Timestamp),
}

impl When {
    /// Reads a duration, or RFC 3339 in UTC.
    ///
    /// # Errors
    /// A sentence that says what can be written.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(ms) = parse_ms(text) {
            return Ok(Self::Ago(ms));
        }
        let at = Timestamp::parse_utc(text);
        at.map(Self::At)
            .map_err(|why| format!("{why}, or \"2h\" for two hours ago"))
    }

    /// The instant, where it is `now`.
    pub(in crate::cli) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(ms) => now.minus_ms(ms),
            Self::At(at) => at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_count_back_from_now_and_rfc_3339_is_read() {
        let now = Timestamp(1_763_800_000_123);
        for (text, expected) in [
            ("2h", "2025-11-22T06:26:40.123Z"),
            ("1d 30m", "2025-11-21T07:56:40.123Z"),
            ("2025-11-22T08:26:40.1Z", "2025-11-22T08:26:40.100Z"),
        ] {
            let read = When::parse(text).map(|when| when.at(now).to_string());
            assert_eq!(read, Ok(expected.to_owned()), "{text}");
        }
        for text in ["", "yesterday", "2025-11-22", "2025-11-22T08:26:40+01:00"] {
            let why = When::parse(text).unwrap_err();
            assert!(why.ends_with("or \"2h\" for two hours ago"), "{why}");
        }
    }
}

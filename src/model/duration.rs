//! Lengths of time as operators write them: `"5s"`, `"1m30s"`, `"250ms"`.

use super::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// Units, longest first: the order in which [`format_ms`] tries them.
const UNITS: [(&str, i64); 5] = [
    ("d", DAY_MS),
    ("h", HOUR_MS),
    ("m", MINUTE_MS),
    ("s", SECOND_MS),
    ("ms", 1),
];

/// Reads a duration such as `"5s"`, `"1m30s"`, `"250ms"` or `"1d"` into ms.
///
/// # Errors
/// A sentence that says what a duration looks like: no unit, an unknown unit, empty, negative or
/// longer than an `i64` of ms can hold.
pub fn parse_ms(text: &str) -> Result<i64, String> {
    let wrong = || format!("'{text}' is no duration: write \"5s\", \"250ms\", \"10m\", \"1h30m\"");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let count: i64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.len()
            - rest
                .trim_start_matches(|c: char| c.is_ascii_alphabetic())
                .len();
        let (_, unit_ms) = UNITS
            .iter()
            .find(|(unit, _)| *unit == &rest[..letters])
            .ok_or_else(wrong)?;
        rest = rest[letters..].trim_start();
        total = count
            .checked_mul(*unit_ms)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(wrong)?;
    }
    Ok(total)
}

/// Writes ms the way an operator would, two units at the most: `12d04h`, `5m`, `1m30s`, `8.2s`, `250ms`.
pub fn format_ms(ms: i64) -> String {
    if ms < 0 {
        return format!("-{}", format_ms(ms.saturating_neg()));
    }
    if (SECOND_MS..MINUTE_MS).contains(&ms) && ms % SECOND_MS != 0 {
        return format!("{}.{}s", ms / SECOND_MS, ms % SECOND_MS / 100);
    }
    for (index, (unit, unit_ms)) in UNITS.iter().enumerate() {
        if ms < *unit_ms {
            continue;
        }
        let (count, rest) = (ms / unit_ms, ms % unit_ms);
        let Some((smaller, smaller_ms)) = UNITS.get(index + 1).filter(|(_, len)| *len > 1) else {
            return format!("{count}{unit}");
        };
        return match rest / smaller_ms {
            0 => format!("{count}{unit}"),
            more => format!("{count}{unit}{more:02}{smaller}"),
        };
    }
    "0s".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, ms) in [
            ("5s", 5_000),
            ("250ms", 250),
            ("1h30m", 5_400_000),
            ("1m 30s", 90_000),
            ("2d", 172_800_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_ms(text), Ok(ms), "{text}");
        }
        for text in [
            "",
            "5",
            "s",
            "-5s",
            "5 parsecs",
            "1.5s",
            "9223372036854775807d",
            "5s,",
        ] {
            assert!(parse_ms(text).is_err(), "{text} was read");
        }
    }

    #[test]
    fn durations_are_written_in_two_units() {
        for (ms, text) in [
            (0, "0s"),
            (250, "250ms"),
            (8_240, "8.2s"),
            (9_000, "9s"),
            (90_000, "1m30s"),
            (300_000, "5m"),
            (1_051_200_000, "12d04h"),
            (-5_000, "-5s"),
        ] {
            assert_eq!(format_ms(ms), text);
        }
    }
}

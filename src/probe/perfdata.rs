//! The number in a monitoring plugin's output: `DISK OK | /=93%;90;95`.
//!
//! Knows the output format of monitoring plugins as far as the first metric of the first line;
//! units and thresholds are left alone.

/// The first metric's number, rounded toward zero; `None` where there is none, where it is `U`
/// (not known), or where it is beyond an i64.
pub(super) fn first_value(line: &str) -> Option<i64> {
    let metrics = line.split_once('|')?.1.trim_start();
    let value = if metrics.starts_with('\'') {
        after_quoted(metrics)?
    } else {
        metrics.split_once('=')?.1
    };
    number(value)
}

/// What follows a quoted label and its `=`; a quote within it is written twice.
fn after_quoted(metrics: &str) -> Option<&str> {
    let mut rest = metrics.strip_prefix('\'')?;
    loop {
        rest = rest.split_once('\'')?.1;
        match rest.strip_prefix('\'') {
            Some(more) => rest = more,
            None => return rest.trim_start().strip_prefix('='),
        }
    }
}

/// The number that `text` begins with; a unit may follow.
fn number(text: &str) -> Option<i64> {
    let digits_from = |at: usize| {
        let rest = text.get(at..).unwrap_or_default();
        rest.bytes().take_while(u8::is_ascii_digit).count()
    };
    let sign = usize::from(text.starts_with(['-', '+']));
    let whole_end = sign + digits_from(sign);
    let mut end = whole_end;
    if text[end..].starts_with('.') {
        end += 1 + digits_from(end + 1);
    }
    if end == whole_end && end == sign || &text[sign..end] == "." {
        return None;
    }
    if text[end..].starts_with(['e', 'E']) {
        let exponent = end + 1 + usize::from(text[end + 1..].starts_with(['-', '+']));
        if digits_from(exponent) > 0 {
            end = exponent + digits_from(exponent);
            return truncated(&text[..end]);
        }
    }
    // Digits alone are exact beyond 2^53, where an f64 is not.
    let whole = &text[..whole_end];
    match whole {
        "" | "-" | "+" => Some(0),
        _ => whole.parse().ok(),
    }
}

fn truncated(text: &str) -> Option<i64> {
    let number: f64 = text.parse().ok()?;
    // 2^63 is the first that an i64 cannot hold.
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (number.abs() < 9_223_372_036_854_775_808.0).then_some(number.trunc() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_metric_gives_the_number() {
        for (line, expected) in [
            ("OK | load=3", Some(3)),
            ("OK|load=3", Some(3)),
            ("OK - all well", None),
            ("OK |", None),
            ("OK | load", None),
            ("OK | load=", None),
            ("OK | load=U", None),
            ("OK | load=U;1;2 b=4", None),
            ("OK | a=1 b=2", Some(1)),
            ("OK | /=93%;90;95;0;100", Some(93)),
            ("OK | time=0.532s", Some(0)),
            ("OK | t=1.999ms", Some(1)),
            ("OK | t=-1.999", Some(-1)),
            ("OK | t=-0.5", Some(0)),
            ("OK | t=.5", Some(0)),
            ("OK | t=-.5", Some(0)),
            ("OK | t=7.", Some(7)),
            ("OK | t=.", None),
            ("OK | t=-", None),
            ("OK | t=+12B", Some(12)),
            ("OK | t=1e3", Some(1_000)),
            ("OK | t=1.5E+3s", Some(1_500)),
            ("OK | t=1.25e-2", Some(0)),
            ("OK | t=12eggs", Some(12)),
            ("OK | t=1e", Some(1)),
            ("OK | 'a b'=5", Some(5)),
            ("OK | 'it''s=1'=6", Some(6)),
            ("OK | 'never closed=7", None),
            ("OK | '' = 8", None),
            ("OK | t=9223372036854775807", Some(i64::MAX)),
            ("OK | t=9223372036854775808", None),
            ("OK | t=-9223372036854775808", Some(i64::MIN)),
            ("OK | t=1e30", None),
            ("OK | t=1e999", None),
            ("OK | t=inf", None),
            ("OK | t=NaN", None),
            ("OK | t=\u{663}", None),
            ("OK | \u{fffd}=\u{fffd}", None),
            ("a | b=1 | c=2", Some(1)),
        ] {
            assert_eq!(first_value(line), expected, "{line}");
        }
    }
}

//! Timelines of policy tests: `..... x*60 ~900*5 -`.
//!
//! One item per interval: `.` good, `x` bad, `-` no result, `~900` good taking 900 ms; `*20` after
//! an item repeats it. White space between items means nothing.

use crate::model::story::{Cell, Timeline};

/// The longest timeline, in cells.
pub(super) const MAX_CELLS: u32 = 1_000_000;
/// The longest round-trip time, in ms.
const MAX_RTT_MS: u32 = 3_600_000;

/// Reads a timeline.
///
/// # Errors
/// The byte offset of the item that is none, and what to do.
pub(super) fn timeline(text: &str) -> Result<Timeline, (usize, String)> {
    let mut timeline = Timeline::default();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        let wrong = |why: &str| Err((at, why.to_owned()));
        rest = &rest[first.len_utf8()..];
        let cell = match first {
            '.' => Cell::Good { rtt_ms: None },
            'x' => Cell::Bad,
            '-' => Cell::NoResult,
            '~' => match number(&mut rest) {
                Some(ms @ 1..=MAX_RTT_MS) => Cell::Good { rtt_ms: Some(ms) },
                _ => return wrong("'~' needs the time in ms, 1 to 3600000: write \"~900\""),
            },
            other => {
                let other = other.escape_debug();
                return Err((
                    at,
                    format!(
                        "'{other}' is no result: write '.', 'x', '-' or '~900', and 'x*20' to repeat"
                    ),
                ));
            }
        };
        let count = match rest.strip_prefix('*') {
            None => 1,
            Some(after) => {
                rest = after;
                match number(&mut rest) {
                    Some(count @ 1..=MAX_CELLS) => count,
                    _ => return wrong("'*' needs how often, 1 to 1000000: write \"x*20\""),
                }
            }
        };
        if count > MAX_CELLS - timeline.len() {
            return wrong("the timeline is longer than 1000000 results here: shorten it");
        }
        timeline.push(cell, count);
        rest = rest.trim_start();
    }
    Ok(timeline)
}

/// Takes the digits that `rest` begins with; `None` where there are none or too many.
fn number(rest: &mut &str) -> Option<u32> {
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &rest[..rest.len() - after.len()];
    *rest = after;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timelines_are_read() {
        let good = Cell::Good { rtt_ms: None };
        let slow = Cell::Good { rtt_ms: Some(900) };
        for (text, runs) in [
            ("", vec![]),
            ("..x", vec![(good, 2), (Cell::Bad, 1)]),
            (
                "..... x*60 .*400",
                vec![(good, 5), (Cell::Bad, 60), (good, 400)],
            ),
            ("~900*80~900 -", vec![(slow, 81), (Cell::NoResult, 1)]),
            (" \n.\t*", vec![]),
        ] {
            match timeline(text) {
                Ok(read) => assert_eq!(read.runs(), runs, "{text}"),
                Err((at, _)) => assert_eq!((text, at), (" \n.\t*", 4)),
            }
        }
    }

    #[test]
    fn what_is_no_timeline_is_pointed_at() {
        for (text, place) in [
            (".. y", 3),
            ("~", 0),
            (".~0", 1),
            ("x*", 0),
            (".x*0", 1),
            ("x*1000001", 0),
            ("x*1000000 .", 10),
            (".\u{e9}", 1),
            ("~99999999999", 0),
        ] {
            assert_eq!(timeline(text).map_err(|(at, _)| at), Err(place), "{text}");
        }
    }
}

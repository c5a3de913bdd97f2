//! The report in words: numbers, durations and the sentences that every form of it says alike.

pub use crate::model::duration::format_ms;

use super::{Fidelity, Report, Side, Verdict};
use crate::model::TargetName;

/// A number with its thousands apart: `1,209,600`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A difference of counts with its sign: `+1,200`, `0`, `-3`.
pub fn signed(number: i64) -> String {
    match number {
        0 => "0".to_owned(),
        more @ 1.. => format!("+{}", grouped(more.unsigned_abs())),
        less => format!("-{}", grouped(less.unsigned_abs())),
    }
}

/// A difference of durations with its sign: `+2h10m`, `0s`, `-30s`.
pub fn signed_ms(ms: i64) -> String {
    let sign = if ms > 0 { "+" } else { "" };
    format!("{sign}{}", format_ms(ms))
}

/// A duration in ms, `-` where there is none.
pub fn maybe_ms(ms: Option<i64>) -> String {
    ms.map_or_else(|| "-".to_owned(), format_ms)
}

/// The share of a whole in per cent: `95.1 %`; `-` of nothing.
pub fn share(part_ms: i64, whole_ms: i64) -> String {
    if whole_ms <= 0 {
        return "-".to_owned();
    }
    let per_mille = i128::from(part_ms) * 1_000 / i128::from(whole_ms);
    format!("{}.{} %", per_mille / 10, per_mille % 10)
}

/// So many of something: `1 switch`, `1,200 switches`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    let word = if number == 1 { one } else { many };
    format!("{} {word}", grouped(number))
}

/// What stands under `recorded`, as a head of a column.
pub fn recorded_head(report: &Report) -> &'static str {
    match report.against.as_deref() {
        Some("none") => "no failover",
        Some("recorded") => "recorded",
        _ => "against",
    }
}

/// The candidate and what it is compared with.
pub fn compared(report: &Report) -> String {
    let against = match report.against.as_deref() {
        None => String::new(),
        Some("none") => ", against no failover at all: always the primary".to_owned(),
        Some("recorded") => ", against what was recorded".to_owned(),
        Some(other) => format!(", against {other}"),
    };
    format!("{}{against}", report.policy)
}

/// What the replay comes to, in one sentence.
pub fn verdict(report: &Report) -> String {
    let candidate = &report.candidate;
    let down = format_ms(candidate.down_served_ms);
    let switches = counted(candidate.switches, "switch", "switches");
    if report.input.observations == 0 {
        return "nothing was observed: nothing can be said".to_owned();
    }
    match (report.verdict, &report.recorded) {
        (Verdict::Same, _) => "the same answers throughout".to_owned(),
        (_, Some(recorded)) => {
            let before = format_ms(recorded.down_served_ms);
            match report.against.as_deref() {
                Some("none") => {
                    format!("without failover {before} down, with it {down}, by {switches}")
                }
                Some("recorded") => {
                    format!("recorded {before} down, with the candidate {down}, by {switches}")
                }
                other => {
                    let other = other.unwrap_or("the other");
                    format!("with {other} {before} down, with the candidate {down}, by {switches}")
                }
            }
        }
        (_, None) => format!("{down} down, by {switches}; nothing to compare with"),
    }
}

/// The stretch and how much is known of it, in one sentence.
pub fn stretch(report: &Report) -> String {
    let input = &report.input;
    if input.observations == 0 {
        return "no observations: nothing can be said".to_owned();
    }
    format!(
        "{} to {} ({}), {}",
        input.from.to_the_second(),
        input.to.to_the_second(),
        format_ms(report.length_ms()),
        counted(input.observations, "observation", "observations")
    )
}

/// What is missing in the input and what was left out of it, a sentence each.
pub fn input_notes(report: &Report) -> Vec<String> {
    let input = &report.input;
    let mut notes = Vec::new();
    for gap in &input.gaps {
        notes.push(format!(
            "gap: {} events between {} and {} are missing: {}",
            gap.lost, gap.from_seq, gap.to_seq, gap.why
        ));
    }
    if let Some(longest) = input.silences.first() {
        notes.push(format!(
            "{}, {} together; the longest of {} from {}, {} from {} on",
            counted(input.silent_stretches, "silent stretch", "silent stretches"),
            format_ms(input.silent_ms),
            longest.target,
            longest.vantage,
            format_ms(longest.to.since_ms(longest.from)),
            longest.from.to_the_second()
        ));
    }
    for step in &input.clock_steps {
        notes.push(format!(
            "clock: the wall clock jumped at {}, by now {}",
            step.at.to_the_second(),
            format_ms(step.offset_ms)
        ));
    }
    for (kind, lines) in &input.unknown_kinds {
        let lines = counted(*lines, "line", "lines");
        notes.push(format!("unknown kind '{kind}': {lines}, ignored"));
    }
    for (why, lines) in &input.left_out {
        notes.push(format!(
            "left out: {}, {why}",
            counted(*lines, "line", "lines")
        ));
    }
    if input.clamped > 0 {
        notes.push(format!(
            "time ran backwards in {}: taken as of the line before",
            counted(input.clamped, "line", "lines")
        ));
    }
    notes.extend(input.torn.clone());
    notes
}

/// What counted as down and as slow, in one sentence.
pub fn truth(report: &Report) -> String {
    let truth = &report.truth;
    match &truth.incidents {
        Some(file) => format!("a target was down when {file} says so; the same for every policy"),
        None => format!(
            "a target was down from the first of {} bad probes in a row to the first good one, by a \
             majority of vantages; slow while its p50 over a minute was above {} ms; the same for \
             every policy",
            truth.truth, truth.slow_ms
        ),
    }
}

/// How often and how long a target was down and slow: `down 3 times, 2h10m together`.
pub fn outages(report: &Report, target: &TargetName) -> String {
    let truth = &report.truth;
    let down_ms = format_ms(truth.down_ms.get(target).copied().unwrap_or(0));
    let mut said = match truth.outages.get(target).copied().unwrap_or(0) {
        0 => "never down".to_owned(),
        1 => format!("down once, {down_ms}"),
        many => format!("down {} times, {down_ms} together", grouped(many)),
    };
    if let Some(&slow_ms) = truth.slow_for_ms.get(target).filter(|ms| **ms > 0) {
        said += &format!(", slow for {}", format_ms(slow_ms));
    }
    said
}

/// Whether the recorded decisions come again: first in one sentence, then what else is to be said.
pub fn fidelity(fidelity: &Fidelity) -> Vec<String> {
    let mut said = format!(
        "{} of {} recorded decisions come again under the recorded policies",
        grouped(fidelity.reproduced),
        grouped(fidelity.decisions)
    );
    if !fidelity.guaranteed {
        said = format!("not guaranteed: {said}");
    }
    if fidelity.unverified > 0 {
        let unverified = grouped(fidelity.unverified);
        said += &format!("; {unverified} cannot be told, for what is missing before them");
    }
    if fidelity.extra > 0 {
        said += &format!(
            "; {} more came that are not recorded",
            grouped(fidelity.extra)
        );
    }
    let mut all = vec![said];
    if let Some(first) = &fidelity.first_difference {
        let nothing = "nothing";
        all.push(format!(
            "first difference: {} at {}, event {}: recorded {}, replayed {}",
            first.service,
            first.at.to_the_second(),
            first.cause,
            first.recorded.as_deref().unwrap_or(nothing),
            first.replayed.as_deref().unwrap_or(nothing)
        ));
    }
    all.extend(fidelity.notes.iter().cloned());
    all
}

/// A served set: `primary and backup`.
pub fn served(serve: &[TargetName]) -> String {
    let serve: Vec<&str> = serve.iter().map(|target| target.as_str()).collect();
    match serve.is_empty() {
        true => "nothing".to_owned(),
        false => serve.join(" and "),
    }
}

/// The line of the policy: `line 18`; nothing where no policy decided.
pub fn line(line: u32) -> String {
    match line {
        0 => String::new(),
        line => format!("line {line}"),
    }
}

/// What one run answers in a divergence, why and by which line.
pub fn side(side: &Side) -> String {
    let said = format!("{}: \"{}\"", served(&side.serve), side.reason);
    match side.line {
        0 => said,
        number => format!("{said}, {}", line(number)),
    }
}

/// Numbers of observations: `#17 #18`.
pub fn evidence(numbers: &[u64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(|seq| format!("#{seq}")).collect();
    numbers.join(" ")
}

/// What the mark of a sweep means.
pub const BEST: &str = "no other run is better in time down and in switches";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_durations_and_shares_are_said() {
        assert_eq!(grouped(1_209_600), "1,209,600");
        assert_eq!((signed(-1_200), signed(0)), ("-1,200".into(), "0".into()));
        assert_eq!(signed_ms(90_000), "+1m30s");
        assert_eq!(share(951, 1_000), "95.1 %");
        assert_eq!(share(1, 0), "-");
        assert_eq!(counted(1, "switch", "switches"), "1 switch");
    }
}

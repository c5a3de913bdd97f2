//! The report of a replay on a terminal: input first, then whether it can be believed, then what
//! it comes to, then where the two part.

use crate::{
    cli::show::{
        Look,
        layout::{Cell, Paint, clean, instant, table, wrapped},
    },
    model::{Timestamp, duration::format_ms},
    replay::{
        Report, Verdict,
        report::{Differences, Divergence, Fidelity, Figures, Side, Swept},
    },
};

/// Divergences that are shown; JSON has more.
const SHOWN: usize = 12;
/// Holds that are shown, the longest.
const HOLDS_SHOWN: usize = 5;

/// The whole report.
pub(super) fn text(report: &Report, look: Look) -> String {
    let mut text = input(report, look);
    text += &truth(report, look);
    if let Some(fidelity) = &report.fidelity {
        text += &faithful(fidelity, look);
    }
    let against = match report.against.as_deref() {
        None => String::new(),
        Some("none") => ", against no failover at all: always the primary".to_owned(),
        Some("recorded") => ", against what was recorded".to_owned(),
        Some(other) => format!(", against {other}"),
    };
    text += &part("policy", &format!("{}{against}", report.policy), look);
    text.push('\n');
    text += &summary(report, look);
    if report.services.len() > 1 {
        text.push('\n');
        text += &services(report, look);
    }
    text += &divergences(report, look);
    text += &sweep(&report.sweep, look);
    text.push('\n');
    for limit in &report.limits {
        text += &part("not known", limit, look);
    }
    text + part("so", &verdict(report), look).as_str()
}

/// A paragraph under a word.
fn part(word: &str, text: &str, look: Look) -> String {
    wrapped(&format!("{word:<11}"), Paint::Bold, text, look)
}

fn more(text: &str, look: Look) -> String {
    wrapped(&" ".repeat(11), Paint::Plain, text, look)
}

fn input(report: &Report, look: Look) -> String {
    let input = &report.input;
    let mut text = part(
        "input",
        &format!("{}, written by {}", input.source, input.by),
        look,
    );
    if input.observations == 0 {
        return text + more("no observations: nothing can be said", look).as_str();
    }
    text += &more(
        &format!(
            "{} to {} ({}), {} observations",
            instant(input.from),
            instant(input.to),
            format_ms(report.length_ms()),
            grouped(input.observations)
        ),
        look,
    );
    let mut rows = Vec::new();
    for (target, vantages) in &input.targets {
        for (vantage, results) in vantages {
            rows.push(vec![
                Cell::plain(" ".repeat(10)),
                Cell::plain(target.to_string()),
                Cell::plain(format!("from {vantage}")),
                Cell::plain(format!("{} good", grouped(results.good))),
                Cell::plain(format!("{} bad", grouped(results.bad))),
                Cell::plain(match (results.none, results.late) {
                    (0, 0) => String::new(),
                    (none, late) => format!("{} no result, {} late", grouped(none), grouped(late)),
                }),
            ]);
        }
    }
    let lines = table(&["", "", "", "", "", ""], &rows, 1, look);
    // There are no heads: the first line is empty.
    text += lines.split_once('\n').map_or("", |(_, rows)| rows);
    for note in input_notes(report) {
        text += &more(&note, look);
    }
    text
}

fn input_notes(report: &Report) -> Vec<String> {
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
            "{} silent stretches, {} together; the longest of {} from {}, {} from {} on",
            input.silent_stretches,
            format_ms(input.silent_ms),
            longest.target,
            longest.vantage,
            format_ms(longest.to.since_ms(longest.from)),
            instant(longest.from)
        ));
    }
    for step in &input.clock_steps {
        let offset = format_ms(step.offset_ms);
        notes.push(format!(
            "clock: the wall clock jumped at {}, by now {offset}",
            instant(step.at)
        ));
    }
    for (kind, lines) in &input.unknown_kinds {
        notes.push(format!("unknown kind '{kind}': {lines} lines, ignored"));
    }
    for (why, lines) in &input.left_out {
        notes.push(format!("left out: {lines} lines, {why}"));
    }
    if input.clamped > 0 {
        notes.push(format!(
            "time ran backwards in {} lines: taken as of the line before",
            input.clamped
        ));
    }
    notes.extend(input.torn.clone());
    notes
}

fn truth(report: &Report, look: Look) -> String {
    let truth = &report.truth;
    let how = match &truth.incidents {
        Some(file) => format!("a target was down when {file} says so; the same for every policy"),
        None => format!(
            "a target was down from the first of {} bad probes in a row to the first good one, by a \
             majority of vantages; slow while its p50 over a minute was above {} ms; the same for \
             every policy",
            truth.truth, truth.slow_ms
        ),
    };
    let mut text = part("truth", &how, look);
    for (target, outages) in &truth.outages {
        let down_ms = truth.down_ms.get(target).copied().unwrap_or(0);
        let mut said = match outages {
            0 => format!("{target} never down"),
            1 => format!("{target} down once, {}", format_ms(down_ms)),
            many => format!(
                "{target} down {many} times, {} together",
                format_ms(down_ms)
            ),
        };
        if let Some(&slow_ms) = truth.slow_for_ms.get(target).filter(|ms| **ms > 0) {
            said += &format!(", slow for {}", format_ms(slow_ms));
        }
        text += &more(&said, look);
    }
    text
}

fn faithful(fidelity: &Fidelity, look: Look) -> String {
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
    let mut text = part("fidelity", &said, look);
    if let Some(first) = &fidelity.first_difference {
        let none = || "nothing".to_owned();
        text += &more(
            &format!(
                "first difference: {} at {}, event {}: recorded {}, replayed {}",
                first.service,
                instant(first.at),
                first.cause,
                first.recorded.clone().unwrap_or_else(none),
                first.replayed.clone().unwrap_or_else(none)
            ),
            look,
        );
    }
    for note in &fidelity.notes {
        text += &more(note, look);
    }
    text
}

/// A line of the summary: what it is, and how it reads for a run and for the difference.
struct Row(
    &'static str,
    fn(&Figures, i64) -> String,
    fn(&Differences, i64) -> String,
);

const ROWS: [Row; 11] = [
    Row(
        "switches",
        |f, _| grouped(f.switches),
        |d, _| signed(d.switches),
    ),
    Row(
        "flaps, away and back within 5 minutes",
        |f, _| grouped(f.flaps),
        |d, _| signed(d.flaps),
    ),
    Row(
        "nobody there: all that was answered was down",
        |f, _| format_ms(f.down_served_ms),
        |d, _| signed_ms(d.down_served_ms),
    ),
    Row(
        "  and with the TTL before each switch away",
        |f, _| format_ms(f.exposed_ms),
        |d, _| signed_ms(d.exposed_ms),
    ),
    Row(
        "outage to switch, half of them within",
        |f, _| maybe_ms(f.detect_ms.p50),
        |d, _| d.detect_ms.p50.map_or_else(String::new, signed_ms),
    ),
    Row(
        "outage to switch, at most",
        |f, _| maybe_ms(f.detect_ms.max),
        |d, _| d.detect_ms.max.map_or_else(String::new, signed_ms),
    ),
    Row(
        "false switches, away from what was well",
        |f, _| grouped(f.false_switches),
        |d, _| signed(d.false_switches),
    ),
    Row(
        "on the primary",
        |f, length| share(f.on_primary_ms, length),
        |d, _| signed_ms(d.on_primary_ms),
    ),
    Row(
        "evaluations",
        |f, _| grouped(f.evaluations),
        |d, _| signed(d.evaluations),
    ),
    Row("faults", |f, _| grouped(f.faults), |d, _| signed(d.faults)),
    Row(
        "operations of one evaluation, at most",
        |f, _| grouped(f.operations_max),
        |d, _| signed(d.operations_max),
    ),
];

fn summary(report: &Report, look: Look) -> String {
    let length_ms = report
        .length_ms()
        .saturating_mul(i64::try_from(report.services.len()).unwrap_or(1));
    let mut rows = Vec::new();
    for Row(word, figure, difference) in &ROWS {
        let mut row = vec![Cell::plain(*word)];
        row.extend(
            report
                .recorded
                .iter()
                .map(|f| Cell::plain(figure(f, length_ms))),
        );
        row.push(Cell::plain(figure(&report.candidate, length_ms)));
        row.extend(
            report
                .difference
                .iter()
                .map(|d| Cell::plain(difference(d, length_ms))),
        );
        rows.push(row);
    }
    rows.extend(holds(report));
    let recorded = match report.against.as_deref() {
        Some("none") => "no failover",
        Some("recorded") => "recorded",
        _ => "against",
    };
    let heads: &[&str] = match report.recorded {
        Some(_) => &["", recorded, "candidate", "difference"],
        None => &["", "candidate"],
    };
    table(heads, &rows, 0, look)
}

/// The longest holds of either side.
fn holds(report: &Report) -> Vec<Vec<Cell>> {
    let zero = std::collections::BTreeMap::new();
    let recorded = report.recorded.as_ref().map(|figures| &figures.held_ms);
    let candidate = &report.candidate.held_ms;
    let old = |reason: &String| recorded.unwrap_or(&zero).get(reason).copied().unwrap_or(0);
    let new = |reason: &String| candidate.get(reason).copied().unwrap_or(0);
    let mut reasons: Vec<&String> = candidate
        .keys()
        .chain(recorded.unwrap_or(&zero).keys())
        .collect();
    reasons.sort();
    reasons.dedup();
    reasons.sort_by_key(|reason| std::cmp::Reverse(old(reason).max(new(reason))));
    let rows = reasons.into_iter().take(HOLDS_SHOWN).map(|reason| {
        let mut row = vec![Cell::plain(format!("held: {reason}"))];
        row.extend(recorded.map(|_| Cell::plain(format_ms(old(reason)))));
        row.push(Cell::plain(format_ms(new(reason))));
        row.extend(recorded.map(|_| Cell::plain(signed_ms(new(reason) - old(reason)))));
        row
    });
    rows.collect()
}

fn services(report: &Report, look: Look) -> String {
    let mut rows = Vec::new();
    for (name, service) in &report.services {
        let one = |figures: &Figures| {
            format!(
                "{} switches, {} down",
                grouped(figures.switches),
                format_ms(figures.down_served_ms)
            )
        };
        let mut row = vec![Cell::plain(name.to_string())];
        row.extend(
            service
                .recorded
                .iter()
                .map(|figures| Cell::plain(one(figures))),
        );
        row.push(Cell::plain(one(&service.candidate)));
        rows.push(row);
    }
    let heads: &[&str] = match report.recorded {
        Some(_) => &["service", "compared with", "candidate"],
        None => &["service", "candidate"],
    };
    table(heads, &rows, 0, look)
}

fn divergences(report: &Report, look: Look) -> String {
    let mut text = String::new();
    let all = report.divergences.len() as u64 + report.divergences_left_out;
    for (number, divergence) in (1_u64..).zip(report.divergences.iter().take(SHOWN)) {
        text.push('\n');
        text += &divergence_text(number, all, divergence, report.against.as_deref(), look);
    }
    let more_of_them = all.saturating_sub(SHOWN as u64);
    if more_of_them > 0 {
        text += &format!("\n{more_of_them} divergences more: --format json has them\n");
    }
    text
}

fn divergence_text(
    number: u64,
    all: u64,
    one: &Divergence,
    against: Option<&str>,
    look: Look,
) -> String {
    let inferred = if one.inferred {
        ", latencies inferred"
    } else {
        ""
    };
    let head = format!(
        "divergence {number} of {all}: {}, {} to {} ({}){inferred}",
        one.service,
        instant(one.from),
        instant(one.to),
        format_ms(one.to.since_ms(one.from))
    );
    let mut text = Paint::Bold.on(&clean(&head), look) + "\n";
    let before = match against {
        Some("none") => "primary",
        Some("recorded") => "recorded",
        _ => "against",
    };
    text += &wrapped(
        &format!("  {before:<11}"),
        Paint::Plain,
        &side(&one.recorded),
        look,
    );
    text += &wrapped("  candidate  ", Paint::Plain, &side(&one.candidate), look);
    if !one.evidence.is_empty() {
        let numbers: Vec<String> = one.evidence.iter().map(|seq| format!("#{seq}")).collect();
        text += &wrapped("  evidence   ", Paint::Dim, &numbers.join(" "), look);
    }
    text
}

fn side(side: &Side) -> String {
    let serve: Vec<&str> = side.serve.iter().map(|target| target.as_str()).collect();
    let serve = match serve.is_empty() {
        true => "nothing".to_owned(),
        false => serve.join(" and "),
    };
    let line = match side.line {
        0 => String::new(),
        line => format!(", line {line}"),
    };
    format!("{serve}: \"{}\"{line}", side.reason)
}

fn sweep(runs: &[Swept], look: Look) -> String {
    let Some(first) = runs.first() else {
        return String::new();
    };
    let mut heads: Vec<&str> = vec![""];
    heads.extend(first.set.keys().map(String::as_str));
    heads.extend([
        "down", "exposed", "switches", "flaps", "false", "detected", "at most",
    ]);
    let rows = runs.iter().map(|run| {
        let figures = &run.figures;
        let mut row = vec![match run.best {
            true => Cell("*".to_owned(), Paint::Green),
            false => Cell::plain(""),
        }];
        row.extend(run.set.values().map(|value| Cell::plain(value.to_string())));
        row.extend(
            [
                format_ms(figures.down_served_ms),
                format_ms(figures.exposed_ms),
                grouped(figures.switches),
                grouped(figures.flaps),
                grouped(figures.false_switches),
                maybe_ms(figures.detect_ms.p50),
                maybe_ms(figures.detect_ms.max),
            ]
            .map(Cell::plain),
        );
        row
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    let text = format!("\n{}", table(&heads, &rows, 0, look));
    text + "* no other run is better in time down and in switches\n"
}

/// What it comes to, in one sentence.
fn verdict(report: &Report) -> String {
    let candidate = &report.candidate;
    let down = format_ms(candidate.down_served_ms);
    let switches = match candidate.switches {
        1 => "1 switch".to_owned(),
        many => format!("{} switches", grouped(many)),
    };
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

fn maybe_ms(ms: Option<i64>) -> String {
    ms.map_or_else(|| "-".to_owned(), format_ms)
}

fn share(part_ms: i64, length_ms: i64) -> String {
    if length_ms <= 0 {
        return "-".to_owned();
    }
    let per_mille = i128::from(part_ms) * 1_000 / i128::from(length_ms);
    format!("{}.{} %", per_mille / 10, per_mille % 10)
}

fn signed(number: i64) -> String {
    match number {
        0 => "0".to_owned(),
        more @ 1.. => format!("+{}", grouped(more.unsigned_abs())),
        less => format!("-{}", grouped(less.unsigned_abs())),
    }
}

fn signed_ms(ms: i64) -> String {
    let sign = if ms > 0 { "+" } else { "" };
    format!("{sign}{}", format_ms(ms))
}

/// A number with its thousands apart: `1,209,600`.
pub(super) fn grouped(number: u64) -> String {
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

/// An instant as it is said while it is read.
pub(super) fn day(at: Timestamp) -> String {
    instant(at)
}

//! The report of a replay on a terminal: input first, then whether it can be believed, then what
//! it comes to, then where the two part.

use crate::{
    cli::show::{
        Look,
        layout::{Cell, Paint, clean, instant, table, wrapped},
    },
    replay::{
        Report,
        report::{
            Divergence,
            summary::{self, Table},
            words::{self, counted, format_ms, grouped},
        },
    },
};

/// Divergences that are shown; JSON has more.
const SHOWN: usize = 12;

/// The whole report.
pub(super) fn text(report: &Report, look: Look) -> String {
    let mut text = input(report, look);
    text += &truth(report, look);
    let fidelity = report.fidelity.iter().flat_map(words::fidelity);
    for (index, said) in fidelity.enumerate() {
        text += &match index {
            0 => part("fidelity", &said, look),
            _ => more(&said, look),
        };
    }
    text += &part("policy", &words::compared(report), look);
    text.push('\n');
    text += &shown(&summary::summary(report), look);
    let services = summary::services(report);
    if !services.rows.is_empty() {
        text.push('\n');
        text += &shown(&services, look);
    }
    text += &divergences(report, look);
    text += &sweep(report, look);
    text.push('\n');
    for limit in &report.limits {
        text += &part("not known", limit, look);
    }
    text + part("so", &words::verdict(report), look).as_str()
}

fn shown(of: &Table, look: Look) -> String {
    let heads: Vec<&str> = of.heads.iter().map(String::as_str).collect();
    let cells = |row: &Vec<String>| row.iter().map(Cell::plain).collect::<Vec<_>>();
    let rows: Vec<Vec<Cell>> = of.rows.iter().map(cells).collect();
    table(&heads, &rows, 0, look)
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
    text += &more(&words::stretch(report), look);
    if input.observations == 0 {
        return text;
    }
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
    for note in words::input_notes(report) {
        text += &more(&note, look);
    }
    text
}

fn truth(report: &Report, look: Look) -> String {
    let mut text = part("truth", &words::truth(report), look);
    for target in report.truth.outages.keys() {
        let outages = words::outages(report, target);
        text += &more(&format!("{target} {outages}"), look);
    }
    text
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
        let more = counted(more_of_them, "divergence", "divergences");
        text += &format!("\n{more} more: --format json has them\n");
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
        &words::side(&one.recorded),
        look,
    );
    text += &wrapped(
        "  candidate  ",
        Paint::Plain,
        &words::side(&one.candidate),
        look,
    );
    if !one.evidence.is_empty() {
        let numbers = words::evidence(&one.evidence);
        text += &wrapped("  evidence   ", Paint::Dim, &numbers, look);
    }
    text
}

fn sweep(report: &Report, look: Look) -> String {
    let swept = summary::sweep(&report.sweep);
    if swept.rows.is_empty() {
        return String::new();
    }
    let heads: Vec<&str> = swept.heads.iter().map(String::as_str).collect();
    let rows = swept.rows.iter().map(|row| {
        let (mark, cells) = row.split_at(1);
        let mark = mark.iter().map(|mark| Cell(mark.clone(), Paint::Green));
        mark.chain(cells.iter().map(Cell::plain)).collect()
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    format!("\n{}* {}\n", table(&heads, &rows, 0, look), words::BEST)
}

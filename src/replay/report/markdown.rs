//! The report as Markdown, for a comment on a pull request: what a comment has room for.
//!
//! Names and reasons stand in code spans, where nothing is markup, a mention or a link.

use super::{
    Divergence, Report, Side,
    summary::{self, Table},
    words,
};
use crate::model::text::{clean, cut};
use std::fmt::Write as _;

/// The longest comment that is taken, characters.
const LENGTH_MAX: usize = 65_000;
/// Divergences that are shown.
const SHOWN: usize = 10;
/// Runs of a sweep that are shown, apart from those that none beats.
const RUNS_SHOWN: usize = 40;
/// All that are shown.
const RUNS_MAX: usize = 100;
/// Services, targets and notes that are shown.
const ROWS_MAX: usize = 40;
/// The longest text of others, characters.
const TEXT_MAX: usize = 160;

/// The report as Markdown, at most 65,000 characters.
pub fn markdown(report: &Report) -> String {
    let mut parts = vec![
        format!("### {}\n", prose(&words::verdict(report))),
        format!("Policy: {}\n", code(&words::compared(report))),
        table(&summary::summary(report), "figures"),
    ];
    let services = summary::services(report);
    if !services.rows.is_empty() {
        parts.push(table(&services, "services"));
    }
    parts.push(believed(report));
    parts.push(divergences(report));
    parts.push(sweep(report));
    let limits: Vec<String> = report.limits.iter().map(|limit| item(limit)).collect();
    parts.push(format!(
        "**What a replay cannot know**\n\n{}",
        limits.concat()
    ));
    let mut text = String::new();
    let mut length = 0;
    for part in parts.iter().filter(|part| !part.is_empty()) {
        let more = part.chars().count() + 1;
        // Cannot happen with the limits above; a comment that is refused would say nothing at all.
        if length + more > LENGTH_MAX {
            continue;
        }
        length += more;
        if !text.is_empty() {
            text.push('\n');
        }
        text += part;
    }
    text
}

/// Text of others as a code span.
fn code(text: &str) -> String {
    let text = cut(&clean(text), TEXT_MAX);
    if text.trim().is_empty() {
        return String::new();
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let room = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{room}{text}{room}{fence}")
}

/// The same in a cell, which a bar would end even there.
fn cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// A sentence with text of others in it: nothing of it is markup, and nobody is mentioned.
fn prose(text: &str) -> String {
    let mut safe = String::new();
    for c in cut(&clean(text), 2 * TEXT_MAX).chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' | '{' | '}' => {
                safe.push('\\');
                safe.push(c);
            }
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            // What follows would be a person or a number of an issue.
            '@' | '#' => {
                safe.push('\\');
                safe.push(c);
                safe.push_str("<!-- -->");
            }
            _ => safe.push(c),
        }
    }
    safe
}

fn item(text: &str) -> String {
    format!("- {}\n", prose(text))
}

/// A table whose first column is named, the others aligned to the right.
fn table(of: &Table, first: &str) -> String {
    let mut text = String::from("|");
    for (column, head) in of.heads.iter().enumerate() {
        let head = if column == 0 && head.is_empty() {
            first
        } else {
            head
        };
        let _ = write!(text, " {} |", prose(head));
    }
    text += "\n|:--|";
    text += &"--:|".repeat(of.heads.len().saturating_sub(1));
    text.push('\n');
    for row in of.rows.iter().take(RUNS_MAX) {
        text.push('|');
        for cell in row {
            let inner = if cell.starts_with("  ") { "· " } else { "" };
            let _ = write!(text, " {inner}{} |", prose(cell.trim_start()));
        }
        text.push('\n');
    }
    text
}

/// What it was given, and whether it can be believed.
fn believed(report: &Report) -> String {
    let mut text = format!(
        "**Input**\n\n- {}: {}\n",
        code(&report.input.source),
        prose(&words::stretch(report))
    );
    let notes = words::input_notes(report);
    for note in notes.iter().take(ROWS_MAX) {
        text += &item(note);
    }
    if let Some(more) = notes.len().checked_sub(ROWS_MAX).filter(|more| *more > 0) {
        text += &item(&format!("{more} more: --format json has them"));
    }
    text += "\n**Fidelity**\n\n";
    match &report.fidelity {
        None => text += &item("no decisions are recorded: nothing to compare a replay with"),
        Some(fidelity) => {
            let said = words::fidelity(fidelity);
            text += &said
                .iter()
                .take(ROWS_MAX)
                .map(|said| item(said))
                .collect::<String>();
        }
    }
    text += "\n**What counts as down**\n\n";
    text += &item(&words::truth(report));
    for target in report.truth.outages.keys().take(ROWS_MAX) {
        let outages = words::outages(report, target);
        let _ = writeln!(text, "- {} {outages}", code(target));
    }
    text
}

fn divergences(report: &Report) -> String {
    if report.divergences.is_empty() {
        return String::new();
    }
    let all = report.divergences.len() as u64 + report.divergences_left_out;
    let all_said = words::counted(all, "divergence", "divergences");
    let mut text = format!(
        "<details><summary>{all_said}</summary>\n\n\
         | # | service | from, to | {} | candidate | evidence |\n|--:|:--|:--|:--|:--|:--|\n",
        words::recorded_head(report)
    );
    for (number, one) in (1..).zip(report.divergences.iter().take(SHOWN)) {
        text += &row(number, one);
    }
    let more = all.saturating_sub(SHOWN as u64);
    if more > 0 {
        let _ = writeln!(
            text,
            "\n{} more: --format json has them",
            words::grouped(more)
        );
    }
    text + "\n</details>\n"
}

fn row(number: usize, one: &Divergence) -> String {
    let inferred = if one.inferred { ", inferred" } else { "" };
    let ttl = one.recorded.serve == one.candidate.serve;
    format!(
        "| {number} | {} | {} to {} ({}{inferred}) | {} | {} | {} |\n",
        cell(&one.service),
        one.from.to_the_second(),
        one.to.to_the_second(),
        words::format_ms(one.to.since_ms(one.from)),
        side(&one.recorded, ttl),
        side(&one.candidate, ttl),
        cell(&words::evidence(&one.evidence))
    )
}

/// What one run answers; with its TTL where both answer the same targets.
fn side(side: &Side, ttl: bool) -> String {
    let mut said = format!(
        "**{}** {}",
        cell(&words::served(&side.serve)),
        cell(&side.reason)
    );
    if ttl {
        said += &format!(", TTL {}", words::format_ms(side.ttl_ms));
    }
    if side.line > 0 {
        said += &format!(", {}", words::line(side.line));
    }
    said
}

/// All runs where they are few, else the first of them and those that none beats.
fn sweep(report: &Report) -> String {
    let mut all = summary::sweep(&report.sweep);
    if all.rows.is_empty() {
        return String::new();
    }
    let count = all.rows.len();
    let mut place = 0;
    all.rows.retain(|row| {
        place += 1;
        place <= RUNS_SHOWN || row.first().is_some_and(|mark| mark == "*")
    });
    all.rows.truncate(RUNS_MAX);
    let more = match count - all.rows.len() {
        0 => String::new(),
        more => format!("{more} runs more: --format json has them. "),
    };
    for row in &mut all.rows {
        // A star alone would open a list.
        if let Some(mark) = row.first_mut().filter(|mark| *mark == "*") {
            *mark = "★".to_owned();
        }
    }
    format!(
        "**Sweep**\n\n{}\n{more}★ {}\n",
        table(&all, " "),
        words::BEST
    )
}

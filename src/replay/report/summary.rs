//! The tables of the report: figures side by side, services, holds, sweeps. Cells are plain text.

use super::{
    Differences, Figures, Report, Swept,
    words::{counted, format_ms, grouped, maybe_ms, recorded_head, share, signed, signed_ms},
};
use std::{cmp::Reverse, collections::BTreeMap};

/// Holds that are shown, the longest.
const HOLDS_SHOWN: usize = 5;

/// A table: every row has as many cells as there are heads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Heads of its columns; the first is empty where rows speak for themselves.
    pub heads: Vec<String>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
}

/// A line of the summary: what it is, and how it reads for a run and for the difference.
struct Row(
    &'static str,
    fn(&Figures, i64) -> String,
    fn(&Differences) -> String,
);

const ROWS: [Row; 11] = [
    Row(
        "switches",
        |f, _| grouped(f.switches),
        |d| signed(d.switches),
    ),
    Row(
        "flaps, away and back within 5 minutes",
        |f, _| grouped(f.flaps),
        |d| signed(d.flaps),
    ),
    Row(
        "nobody there: all that was answered was down",
        |f, _| format_ms(f.down_served_ms),
        |d| signed_ms(d.down_served_ms),
    ),
    Row(
        "  and with the TTL before each switch away",
        |f, _| format_ms(f.exposed_ms),
        |d| signed_ms(d.exposed_ms),
    ),
    Row(
        "outage to switch, half of them within",
        |f, _| maybe_ms(f.detect_ms.p50),
        |d| d.detect_ms.p50.map_or_else(String::new, signed_ms),
    ),
    Row(
        "outage to switch, at most",
        |f, _| maybe_ms(f.detect_ms.max),
        |d| d.detect_ms.max.map_or_else(String::new, signed_ms),
    ),
    Row(
        "false switches, away from what was well",
        |f, _| grouped(f.false_switches),
        |d| signed(d.false_switches),
    ),
    Row(
        "on the primary",
        |f, length| share(f.on_primary_ms, length),
        |d| signed_ms(d.on_primary_ms),
    ),
    Row(
        "evaluations",
        |f, _| grouped(f.evaluations),
        |d| signed(d.evaluations),
    ),
    Row("faults", |f, _| grouped(f.faults), |d| signed(d.faults)),
    Row(
        "operations of one evaluation, at most",
        |f, _| grouped(f.operations_max),
        |d| signed(d.operations_max),
    ),
];

/// The figures: what was recorded, the candidate and the difference; the longest holds below.
pub fn summary(report: &Report) -> Table {
    let services = i64::try_from(report.services.len()).unwrap_or(1);
    let length_ms = report.length_ms().saturating_mul(services);
    let mut rows = Vec::new();
    for Row(word, figure, difference) in &ROWS {
        let mut row = vec![(*word).to_owned()];
        row.extend(report.recorded.iter().map(|f| figure(f, length_ms)));
        row.push(figure(&report.candidate, length_ms));
        row.extend(report.difference.iter().map(difference));
        rows.push(row);
    }
    rows.extend(holds(report));
    let heads = match report.recorded {
        Some(_) => vec!["", recorded_head(report), "candidate", "difference"],
        None => vec!["", "candidate"],
    };
    Table {
        heads: heads.into_iter().map(str::to_owned).collect(),
        rows,
    }
}

/// The longest holds of either side.
fn holds(report: &Report) -> Vec<Vec<String>> {
    let zero = BTreeMap::new();
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
    reasons.sort_by_key(|reason| Reverse(old(reason).max(new(reason))));
    let rows = reasons.into_iter().take(HOLDS_SHOWN).map(|reason| {
        let mut row = vec![format!("held: {reason}")];
        row.extend(recorded.map(|_| format_ms(old(reason))));
        row.push(format_ms(new(reason)));
        row.extend(recorded.map(|_| signed_ms(new(reason) - old(reason))));
        row
    });
    rows.collect()
}

/// Services side by side; no rows where there is one only, which the summary is of.
pub fn services(report: &Report) -> Table {
    let mut table = Table::default();
    if report.services.len() < 2 {
        return table;
    }
    for (name, service) in &report.services {
        let one = |figures: &Figures| {
            format!(
                "{}, {} down",
                counted(figures.switches, "switch", "switches"),
                format_ms(figures.down_served_ms)
            )
        };
        let mut row = vec![name.to_string()];
        if report.recorded.is_some() {
            row.push(service.recorded.as_ref().map_or_else(String::new, one));
        }
        row.push(one(&service.candidate));
        table.rows.push(row);
    }
    let heads: &[&str] = match report.recorded {
        Some(_) => &["service", "compared with", "candidate"],
        None => &["service", "candidate"],
    };
    table.heads = heads.iter().map(|head| (*head).to_owned()).collect();
    table
}

/// The runs of a sweep; the first column bears a `*` where no other run is better. No heads where
/// nothing was swept.
pub fn sweep(runs: &[Swept]) -> Table {
    let mut table = Table::default();
    let Some(first) = runs.first() else {
        return table;
    };
    table.heads.push(String::new());
    table.heads.extend(first.set.keys().cloned());
    let heads = [
        "down", "exposed", "switches", "flaps", "false", "detected", "at most",
    ];
    table.heads.extend(heads.map(str::to_owned));
    let rows = runs.iter().map(|run| {
        let figures = &run.figures;
        let mut row = vec![if run.best { "*" } else { "" }.to_owned()];
        row.extend(run.set.values().map(ToString::to_string));
        row.extend([
            format_ms(figures.down_served_ms),
            format_ms(figures.exposed_ms),
            grouped(figures.switches),
            grouped(figures.flaps),
            grouped(figures.false_switches),
            maybe_ms(figures.detect_ms.p50),
            maybe_ms(figures.detect_ms.max),
        ]);
        row
    });
    table.rows = rows.collect();
    table
}

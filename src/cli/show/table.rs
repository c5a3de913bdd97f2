//! `sidestep status`: one row for each service, and what deserves attention below.

use super::{
    Look, footnotes, health_paint,
    layout::{Cell, Paint, instant, table},
    orders::standing,
    shadows::apart,
};
use crate::{
    failover::overview::{Health, Mode, Overview, ServiceOverview},
    model::duration::format_ms,
};

/// Up to this many targets are shown one by one in HEALTH.
const TARGETS_SHOWN: usize = 3;
/// Index of DECISION, which is cut where rows would not fit.
const DECISION: usize = 3;

/// The table of all services.
pub fn status(overview: &Overview, look: Look) -> String {
    let mut head = format!("{}, as of {}", overview.node, instant(overview.at));
    if let Some(daemon) = &overview.daemon {
        let up_ms = overview.at.since_ms(daemon.started_at).max(0);
        head += &format!(", sidestep {} up {}", daemon.version, format_ms(up_ms));
    }
    let heads = [
        "SERVICE", "ACTIVE", "SINCE", "DECISION", "HEALTH", "TTL", "MODE",
    ];
    let rows: Vec<Vec<Cell>> = overview
        .services
        .iter()
        .map(|service| row(overview, service))
        .collect();
    let mut text = Paint::Dim.on(&super::clean(&head), look);
    text.push_str("\n\n");
    if rows.is_empty() {
        text.push_str("no services are configured\n");
    } else {
        text += &table(&heads, &rows, DECISION, look);
    }
    let notes = [
        standing(overview, look),
        apart(overview, look),
        footnotes(overview, look),
    ]
    .concat();
    if !notes.is_empty() {
        text.push('\n');
        text += &notes;
    }
    text
}

fn row(overview: &Overview, service: &ServiceOverview) -> Vec<Cell> {
    let since_ms = overview.at.since_ms(service.since).max(0);
    vec![
        Cell(service.name.to_string(), Paint::Bold),
        active(service),
        Cell::plain(format_ms(coarse(since_ms))),
        Cell::plain(reason(service)),
        health(service),
        Cell::plain(format_ms(i64::from(service.ttl_secs) * 1_000)),
        mode(service),
    ]
}

/// Whole seconds: a table is no stop watch.
fn coarse(ms: i64) -> i64 {
    ms / 1_000 * 1_000
}

/// What is answered; marked where it is not the primary.
fn active(service: &ServiceOverview) -> Cell {
    let mut name = service.active.to_string();
    if let more @ 1.. = service.serving.len() - 1 {
        name += &format!(" +{more}");
    }
    if service.active == service.primary {
        Cell::plain(name)
    } else {
        Cell(format!("{name} (backup)"), Paint::Yellow)
    }
}

/// Why: the last evaluation's words, the decision's before there was one.
fn reason(service: &ServiceOverview) -> String {
    let latest = service.latest.as_ref().map(|latest| &latest.reason);
    let decided = service.decision.as_ref().map(|decision| &decision.reason);
    latest.or(decided).cloned().unwrap_or_default()
}

fn health(service: &ServiceOverview) -> Cell {
    let targets = &service.targets;
    let worst = targets
        .iter()
        .map(|target| target.health)
        .max_by_key(|health| match health {
            Health::Up => 0,
            Health::Unknown => 1,
            Health::Failing => 2,
            Health::Down => 3,
        });
    let text = if targets.len() <= TARGETS_SHOWN {
        let words: Vec<&str> = targets
            .iter()
            .map(|target| match target.drained {
                true => "drained",
                false => target.health.word(),
            })
            .collect();
        words.join("/")
    } else {
        let up = targets
            .iter()
            .filter(|target| target.health == Health::Up)
            .count();
        format!("{up} of {} up", targets.len())
    };
    Cell(text, worst.map_or(Paint::Plain, health_paint))
}

fn mode(service: &ServiceOverview) -> Cell {
    let paint = match service.mode {
        Mode::Auto => Paint::Plain,
        Mode::Override | Mode::Frozen => Paint::Yellow,
    };
    Cell(service.mode.word().to_owned(), paint)
}

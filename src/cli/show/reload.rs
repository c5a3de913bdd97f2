//! `sidestep reload`: what was taken, what was refused, what waits.

use super::{
    Look,
    layout::{Paint, instant, wrapped},
    refusal,
};
use crate::{
    failover::{
        overview::{GateReport, ReloadReport},
        rehearsal::gate::{Compared, Side},
    },
    model::{TargetName, duration::format_ms},
};

/// The report as text.
pub fn reload(report: &ReloadReport, look: Look) -> String {
    let mut text = String::new();
    for file in &report.taken {
        text += &wrapped("+ ", Paint::Green, &format!("{file} is in force"), look);
    }
    for moved in &report.moved {
        text += &wrapped("! ", Paint::Yellow, &format!("it moved {moved}"), look);
    }
    for refused in &report.refused {
        text += &refusal(refused, look);
    }
    if let Some(pending) = &report.pending {
        let moves = pending.moves.join(" and ");
        let sentence =
            format!("it waits, as it moves {moves}: 'sidestep reload --apply' applies it");
        text += &wrapped("? ", Paint::Yellow, &sentence, look);
    }
    if let Some(gate) = &report.gate {
        text += &differently(gate, look);
    }
    if text.is_empty() {
        text.push_str("nothing to take: what is on disk is in force\n");
    }
    text
}

/// Differences beyond these are counted.
const DIFFERENCES_SHOWN: usize = 5;

/// What policies that changed would have decided differently; nothing where nothing was.
pub(super) fn differently(gate: &GateReport, look: Look) -> String {
    let count: u64 = gate.services.iter().map(Compared::count).sum();
    if count == 0 {
        return String::new();
    }
    let from = gate
        .services
        .iter()
        .filter_map(|service| service.from)
        .min();
    let lately_ms = from.map_or(0, |from| gate.at.since_ms(from).max(0));
    let what = match count {
        1 => "1 decision would have been different".to_owned(),
        more => format!("{more} decisions would have been different"),
    };
    let head = format!(
        "reload by {} at {}: {what} in the last {}:",
        gate.by,
        instant(gate.at),
        format_ms(lately_ms / 1_000 * 1_000)
    );
    let mut text = wrapped("~ ", Paint::Yellow, &head, look);
    let each = gate.services.iter().flat_map(|service| {
        let name = &service.service;
        service.differences.iter().map(move |one| (name, one))
    });
    for (name, one) in each.take(DIFFERENCES_SHOWN) {
        let said = format!(
            "{} {name}: candidate {}, in force {}",
            instant(one.from),
            side(&one.candidate),
            side(&one.in_force)
        );
        text += &wrapped("    ", Paint::Plain, &said, look);
    }
    let hidden = count.saturating_sub(DIFFERENCES_SHOWN as u64);
    if hidden > 0 {
        text += &format!("    and {hidden} more\n");
    }
    text
}

/// `backup (line 18: primary is down)`.
fn side(side: &Side) -> String {
    let names: Vec<&str> = side.serve.iter().map(TargetName::as_str).collect();
    let names = names.join(" and ");
    match (side.line, side.reason.is_empty()) {
        (_, true) => names,
        (0, false) => format!("{names} ({})", side.reason),
        (line, false) => format!("{names} (line {line}: {})", side.reason),
    }
}

//! `sidestep reload`: what was taken, what was refused, what waits.

use super::{
    Look,
    layout::{Paint, wrapped},
    refusal,
};
use crate::failover::overview::ReloadReport;

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
    if text.is_empty() {
        text.push_str("nothing to take: what is on disk is in force\n");
    }
    text
}

//! Divergences: from when to when two runs would have answered otherwise, and why.

use super::timeline::{Served, Timeline};
use crate::model::{ServiceName, TargetName, Timestamp};
use serde::Serialize;
use std::collections::BTreeSet;

/// The most that a report lists.
pub(super) const LISTED_MAX: usize = 1_000;

/// A window in which two runs answer otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// Of which service.
    pub service: ServiceName,
    /// Since when.
    pub from: Timestamp,
    /// Until when; the end of the replay where they still differ there.
    pub to: Timestamp,
    /// What was recorded, or the run it is compared with.
    pub recorded: Side,
    /// What the candidate would have answered.
    pub candidate: Side,
    /// Numbers of the observations behind it.
    pub evidence: Vec<u64>,
    /// Whether latencies behind it are inferred: they were measured while something else was
    /// answered than the candidate would have.
    pub inferred: bool,
}

/// What one run answers in a divergence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The served set.
    pub serve: Vec<TargetName>,
    /// TTL, ms.
    pub ttl_ms: i64,
    /// Why.
    pub reason: String,
    /// The line of the policy; 0 where no policy decided.
    pub line: u32,
}

impl Side {
    /// What is answered at an instant, with what was said of it last.
    fn of(timeline: &Timeline, served: &Served, at: Timestamp) -> Self {
        // Who moves at this instant says why it moves; who stays says why it stays by now.
        let said = timeline.said_at(at, served.at).filter(|_| served.at < at);
        Self {
            serve: served.serve.clone(),
            ttl_ms: served.ttl_ms,
            reason: said.map_or(&served.reason, |said| &said.reason).clone(),
            line: said.map_or(served.line, |said| said.line),
        }
    }
}

/// Where two timelines differ between two instants; `ttl` also where only the TTL does.
pub(super) fn divergences(
    service: &ServiceName,
    (recorded, candidate): (&Timeline, &Timeline),
    (from, to): (Timestamp, Timestamp),
    ttl: bool,
) -> Vec<Divergence> {
    let changes = recorded.changes.iter().chain(&candidate.changes);
    let mut instants: BTreeSet<Timestamp> = changes.map(|served| served.at.max(from)).collect();
    instants.retain(|at| *at < to);
    let mut found: Vec<Divergence> = Vec::new();
    let mut ends = instants.iter().skip(1).copied().chain([to]);
    for &at in &instants {
        let end = ends.next().unwrap_or(to);
        let (Some(old), Some(new)) = (recorded.at(at), candidate.at(at)) else {
            continue;
        };
        if old.serve == new.serve && (!ttl || old.ttl_ms == new.ttl_ms) {
            continue;
        }
        let sides = (Side::of(recorded, old, at), Side::of(candidate, new, at));
        if let Some(last) = found.last_mut()
            && last.to == at
            && (&last.recorded.serve, &last.candidate.serve) == (&sides.0.serve, &sides.1.serve)
        {
            last.to = end;
            continue;
        }
        let opened = if new.at >= old.at { new } else { old };
        found.push(Divergence {
            service: service.clone(),
            from: at,
            to: end,
            recorded: sides.0,
            candidate: sides.1,
            evidence: opened.evidence.clone(),
            inferred: !found.is_empty(),
        });
    }
    found
}

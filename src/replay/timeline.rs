//! The timeline of a run: what was served when, why, and what that rests on.

use crate::{
    failover::{By, Decision, event::Rail},
    model::{TargetName, Timestamp},
};

/// The most changes that a run may make. A policy that switches more often than this does not
/// decide, and its timeline would fill the memory.
pub(super) const CHANGES_MAX: usize = 200_000;

/// What is served from an instant on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Since when.
    pub at: Timestamp,
    /// What is served; empty before the service was configured.
    pub serve: Vec<TargetName>,
    /// Place of the active target in the order of preference; 0 is the primary.
    pub place: usize,
    /// TTL of the answer, ms.
    pub ttl_ms: i64,
    /// Why.
    pub reason: String,
    /// The line of the policy; 0 where no policy decided.
    pub line: u32,
    /// Whose word.
    pub by: By,
    /// Which rail of the guard changed the proposal.
    pub guard: Option<Rail>,
    /// Numbers of the observations behind it, the last is what woke the policy.
    pub evidence: Vec<u64>,
}

impl Served {
    pub(super) fn of(at: Timestamp, decision: &Decision, place: usize, evidence: Vec<u64>) -> Self {
        Self {
            at,
            serve: decision.serve.clone(),
            place,
            ttl_ms: decision.ttl_ms,
            reason: decision.reason.clone(),
            line: decision.line,
            by: decision.by,
            guard: decision.guard,
            evidence,
        }
    }
}

/// Changes in the order of time, the first answer first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// The changes.
    pub changes: Vec<Served>,
    /// Every decision's reason and line, also where the answer stayed as it was.
    said: Vec<Said>,
    /// Whether there were more than are kept.
    pub overflowed: bool,
}

/// What a decision said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    at: Timestamp,
    pub(super) reason: String,
    pub(super) line: u32,
}

impl Timeline {
    /// Notes what a decision said; past the most that is kept, only changes are known.
    pub(super) fn say(&mut self, at: Timestamp, decision: &Decision) {
        if self.said.len() < CHANGES_MAX {
            self.said.push(Said {
                at,
                reason: decision.reason.clone(),
                line: decision.line,
            });
        }
    }

    /// What the last decision at or before an instant said, where one came since the last change.
    pub(super) fn said_at(&self, at: Timestamp, since: Timestamp) -> Option<&Said> {
        let count = self.said.partition_point(|said| said.at <= at);
        self.said[..count].last().filter(|said| said.at >= since)
    }

    /// Takes an answer where it differs from the one before.
    pub(super) fn push(&mut self, served: Served) {
        let same = self
            .changes
            .last()
            .is_some_and(|last| last.serve == served.serve && last.ttl_ms == served.ttl_ms);
        if same {
            return;
        }
        if self.changes.len() >= CHANGES_MAX {
            self.overflowed = true;
            return;
        }
        self.changes.push(served);
    }

    /// What is served at an instant; `None` before the first answer.
    pub fn at(&self, at: Timestamp) -> Option<&Served> {
        let count = self.changes.partition_point(|served| served.at <= at);
        self.changes[..count].last()
    }

    /// Each answer with when it ends, between two instants.
    pub(super) fn spans(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, Timestamp, &Served)> {
        let ends = self.changes.iter().skip(1).map(|next| next.at).chain([to]);
        self.changes
            .iter()
            .zip(ends)
            .filter_map(move |(served, end)| {
                let (begin, end) = (served.at.max(from), end.min(to));
                (begin < end).then_some((begin, end, served))
            })
    }
}

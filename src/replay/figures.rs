//! The figures of a run: how often it switched, how long nobody was there, how fast it saw it.
//!
//! Worked out from a timeline and the truth, so that they mean the same for every policy. All
//! times are ms.

use super::{
    spans::Spans,
    timeline::{Served, Timeline},
    truth::Truth,
};
use crate::{
    failover::By,
    model::{TargetName, Timestamp, time::MINUTE_MS},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Away and back within this is a flap.
const FLAP_MS: i64 = 5 * MINUTE_MS;

/// The figures of a run. Keys of the report's JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// How often the policy was asked.
    pub evaluations: u64,
    /// Changes of the served set.
    pub switches: u64,
    /// Switches away that were taken back within five minutes.
    pub flaps: u64,
    /// Time during which every answered target was down.
    pub down_served_ms: i64,
    /// The same, and the TTL last handed out before each switch away from a target that was down.
    pub exposed_ms: i64,
    /// From the start of an outage of an answered target to the switch away from it.
    pub detect_ms: Detect,
    /// Switches away from a target that was neither down nor slow; not those towards home.
    pub false_switches: u64,
    /// Time during which the active target was the primary.
    pub on_primary_ms: i64,
    /// Time during which nothing moved, by the rail of the guard that held, or by the reason with
    /// which the policy held.
    pub held_ms: BTreeMap<String, i64>,
    /// How often the policy faulted.
    pub faults: u64,
    /// The most operations of one evaluation.
    pub operations_max: u64,
}

/// How long outages of what was answered went on until it was left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Detect {
    /// Half of them took no longer, by nearest rank; `null` where there was none.
    pub p50: Option<i64>,
    /// The longest.
    pub max: Option<i64>,
    /// All of them.
    #[serde(skip)]
    pub(super) all: Vec<i64>,
}

impl Detect {
    fn of(mut all: Vec<i64>) -> Self {
        all.sort_unstable();
        let middle = all.len().div_ceil(2).checked_sub(1);
        Self {
            p50: middle.map(|middle| all[middle]),
            max: all.last().copied(),
            all,
        }
    }
}

/// What a run counts as it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) evaluations: u64,
    pub(super) faults: u64,
    pub(super) operations_max: u64,
    pub(super) held_ms: BTreeMap<String, i64>,
}

impl Figures {
    /// The figures of a timeline between two instants.
    pub(super) fn of(
        timeline: &Timeline,
        truth: &Truth,
        (from, to): (Timestamp, Timestamp),
        counts: Counts,
    ) -> Self {
        let mut figures = Self {
            evaluations: counts.evaluations,
            faults: counts.faults,
            operations_max: counts.operations_max,
            held_ms: counts.held_ms,
            ..Self::default()
        };
        for (begin, end, served) in timeline.spans(from, to) {
            if served.place == 0 && !served.serve.is_empty() {
                figures.on_primary_ms += end.since_ms(begin);
            }
        }
        figures.down_served_ms = nobody_there(timeline, truth, (from, to)).within_ms(from, to);
        figures.exposed_ms = figures.down_served_ms;
        let changes = &timeline.changes;
        let switches = (1..changes.len()).filter(|&index| {
            let (before, after) = (&changes[index - 1], &changes[index]);
            (from..=to).contains(&after.at)
                && before.serve != after.serve
                && !before.serve.is_empty()
                && !after.serve.is_empty()
        });
        let switches: Vec<usize> = switches.collect();
        for &index in &switches {
            figures.switch(truth, &changes[index - 1], &changes[index]);
        }
        figures.flaps = flaps(changes, &switches);
        figures.detect_ms = Detect::of(detected(timeline, truth, (from, to)));
        figures
    }

    fn switch(&mut self, truth: &Truth, before: &Served, after: &Served) {
        self.switches += 1;
        let left = || {
            before
                .serve
                .iter()
                .filter(|target| !after.serve.contains(target))
        };
        if left().any(|target| truth.is_down(target, after.at)) {
            self.exposed_ms += before.ttl_ms;
        }
        let bad = |target: &TargetName| {
            truth.is_down(target, after.at) || truth.is_slow(target, after.at)
        };
        let is_gone = left().any(|target| truth.is_gone(target, after.at));
        let goes_home = after.place < before.place;
        let is_excused = goes_home || is_gone || after.by == By::Operator;
        if left().next().is_some() && !left().any(bad) && !is_excused {
            self.false_switches += 1;
        }
    }

    /// The figures of several services together.
    pub(super) fn sum<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let (mut sum, mut detected) = (Self::default(), Vec::new());
        for one in all {
            sum.evaluations += one.evaluations;
            sum.switches += one.switches;
            sum.flaps += one.flaps;
            sum.down_served_ms += one.down_served_ms;
            sum.exposed_ms += one.exposed_ms;
            sum.false_switches += one.false_switches;
            sum.on_primary_ms += one.on_primary_ms;
            sum.faults += one.faults;
            sum.operations_max = sum.operations_max.max(one.operations_max);
            for (reason, ms) in &one.held_ms {
                *sum.held_ms.entry(reason.clone()).or_default() += ms;
            }
            detected.extend(&one.detect_ms.all);
        }
        sum.detect_ms = Detect::of(detected);
        sum
    }
}

/// Where all of these are down.
fn all_down(truth: &Truth, serve: &[TargetName]) -> Spans {
    let mut all: Option<Spans> = None;
    for target in serve {
        let down = truth.down.get(target).cloned().unwrap_or_default();
        all = Some(all.map_or_else(|| down.clone(), |all| all.and(&down)));
    }
    all.unwrap_or_default()
}

/// When everything that a timeline serves between two instants was down.
pub(super) fn nobody_there(
    timeline: &Timeline,
    truth: &Truth,
    (from, to): (Timestamp, Timestamp),
) -> Spans {
    let (mut found, mut known) = (Vec::new(), BTreeMap::new());
    for (begin, end, served) in timeline.spans(from, to) {
        let down = known
            .entry(&served.serve)
            .or_insert_with(|| all_down(truth, &served.serve));
        let inside = down.within(begin, end);
        found.extend(inside);
    }
    Spans::of(found)
}

/// Each switch is part of one flap at most: what is counted is how often it came back.
fn flaps(changes: &[Served], switches: &[usize]) -> u64 {
    let (mut count, mut next) = (0, 0);
    while let Some(&away) = switches.get(next) {
        let left = &changes[away - 1].serve;
        let soon = |&&index: &&usize| changes[index].at.since_ms(changes[away].at) <= FLAP_MS;
        let mut later = switches[next + 1..].iter().take_while(soon);
        let back = later.position(|&index| changes[index].serve == *left);
        count += u64::from(back.is_some());
        next += back.map_or(1, |back| back + 2);
    }
    count
}

/// How long each outage of an answered target went on until it was left, where it was left before
/// it was well again.
fn detected(timeline: &Timeline, truth: &Truth, (from, to): (Timestamp, Timestamp)) -> Vec<i64> {
    let mut found = Vec::new();
    let changes = &timeline.changes;
    for (target, down) in &truth.down {
        let mut answered_since: Option<Timestamp> = None;
        for served in changes {
            let answers = served.serve.contains(target);
            match (answered_since, answers) {
                (None, true) => answered_since = Some(served.at),
                (Some(since), false) => {
                    answered_since = None;
                    // The outage that goes on when it is left, a moment before.
                    let count = down.all().partition_point(|(begin, _)| *begin <= served.at);
                    if let Some(&(begin, end)) = down.all()[..count].last()
                        && end > served.at
                        && (from..=to).contains(&served.at)
                    {
                        found.push(served.at.since_ms(begin.max(since).max(from)));
                    }
                }
                _ => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changes to these, at these minutes.
    fn flaps_of(served: &[(i64, &str)]) -> u64 {
        let changes: Vec<Served> = served
            .iter()
            .map(|(minute, target)| Served {
                at: Timestamp(minute * MINUTE_MS),
                serve: vec![TargetName::from(*target)],
                ..crate::replay::run::nobody(Timestamp(0))
            })
            .collect();
        flaps(&changes, &(1..changes.len()).collect::<Vec<_>>())
    }

    #[test]
    fn each_way_back_within_five_minutes_is_one_flap() {
        let thrice = [
            (0, "a"),
            (1, "b"),
            (2, "a"),
            (3, "b"),
            (4, "a"),
            (5, "b"),
            (6, "a"),
        ];
        assert_eq!(flaps_of(&thrice), 3);
        // By a third one.
        assert_eq!(flaps_of(&[(0, "a"), (1, "b"), (2, "c"), (4, "a")]), 1);
        assert_eq!(flaps_of(&[(0, "a"), (1, "b"), (7, "a"), (8, "b")]), 1);
        assert_eq!(flaps_of(&[(0, "a"), (1, "b"), (7, "a")]), 0);
    }
}

//! Onward: what is known of a service goes on as it is, and some of it is told otherwise.
//!
//! Every series that is fresh repeats its last result, one that is silent stays silent, witnesses
//! give their last result again and again.

use super::{
    lane::{Finding, Lane, lane_of},
    runner::Rehearsal,
};
use crate::failover::{
    Input, Policy, State, aggregate::Group, input::WitnessResult, series::Series,
};
use crate::model::{ServiceName, TargetName};

/// A rehearsal that goes on from a state, and what its lanes find if nothing changes.
pub(super) struct Onward<'a> {
    pub(super) rehearsal: Rehearsal<'a>,
    repeats: Repeats,
}

/// The last result of each lane.
#[derive(Clone)]
pub(super) struct Repeats(Vec<(Lane, Finding)>);

impl<'a> Onward<'a> {
    /// Goes on from what is known of a service.
    pub(super) fn from(state: &State, service: &ServiceName, policy: &'a dyn Policy) -> Self {
        let now = state.world().at;
        let mut rehearsal = Rehearsal::going_on(state, service, policy);
        let mut repeats = Vec::new();
        for group in groups(state, service) {
            for series in group.fresh(now, None) {
                let Some(mut lane) = lane_of(group, series) else {
                    continue;
                };
                let last = last(series, &lane);
                // The last result was there so long after its probe began.
                let began = lane.next.minus_ms(last.took_ms());
                lane.next = began.max(now.plus_ms(1));
                repeats.push((lane.clone(), last));
                rehearsal.lanes.push(lane);
            }
        }
        Self {
            rehearsal,
            repeats: Repeats(repeats),
        }
    }

    /// What the lanes find if nothing changes.
    pub(super) fn repeats(&self) -> Repeats {
        self.repeats.clone()
    }

    /// How often the fastest lane probes, ms, at least 1; `None` without lanes.
    pub(super) fn round_ms(&self) -> Option<i64> {
        let intervals = self.rehearsal.lanes.iter().map(|lane| lane.interval_ms);
        intervals.min().map(|ms| ms.max(1))
    }

    /// Every witness that was asked before gives its last result again. They are asked again and
    /// again: an answer from before a failure does not count.
    pub(super) fn ask_witnesses(&mut self, at_ms: i64) {
        let world = self.rehearsal.state().world();
        let vantage = world.config.server.name.clone();
        let asked: Vec<_> = world
            .witnesses
            .iter()
            .map(|(&witness, known)| (witness, known.ok))
            .collect();
        for (witness, ok) in asked {
            let result = WitnessResult {
                vantage: vantage.clone(),
                witness,
                ok,
                error: None,
            };
            self.rehearsal.feed(at_ms, Input::Witness(result));
        }
    }
}

impl Repeats {
    /// What a lane finds if nothing changes.
    pub(super) fn of(&self, lane: &Lane) -> Finding {
        let same = |known: &Lane| {
            (&known.target, &known.monitor, known.address, &known.vantage)
                == (&lane.target, &lane.monitor, lane.address, &lane.vantage)
        };
        let found = self.0.iter().find(|(known, _)| same(known));
        found.map_or(Finding::Nothing, |(_, last)| *last)
    }

    /// Whether anything of a target goes on.
    pub(super) fn know(&self, target: &TargetName) -> bool {
        self.0.iter().any(|(lane, _)| lane.target == *target)
    }
}

/// The last result of a series again.
fn last(series: &Series, lane: &Lane) -> Finding {
    match series.error.filter(|_| series.failures > 0) {
        Some(reason) => Finding::Bad { reason, took_ms: 0 },
        None if series.failures > 0 => lane.timeout(),
        None => Finding::Good {
            rtt_us: series.rtt_us.unwrap_or(0),
        },
    }
}

/// The results that a service's policy reads.
fn groups<'a>(state: &'a State, service: &ServiceName) -> impl Iterator<Item = &'a Group> {
    let world = state.world();
    let slots = world
        .service(service)
        .into_iter()
        .flat_map(|known| &known.targets);
    slots
        .flat_map(|slot| &slot.groups)
        .map(|&index| &world.groups[index])
}

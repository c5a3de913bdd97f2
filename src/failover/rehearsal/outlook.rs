//! The outlook: what would change the present answer next, and when.
//!
//! A copy of the state is run forward twice: once every series repeats its last result, once the
//! target that is served fails from now on. Silent series stay silent, witnesses go on as they
//! last were. The state that is served is not touched.

use super::{
    lane::{Finding, Lane, lane_of},
    runner::{Change, Rehearsal},
};
use crate::failover::{Input, Policy, State, aggregate::Group, input::WitnessResult};
use crate::model::{ServiceName, TargetName};

/// What would change the answer next; `at_ms` of a change counts from now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// The next change of the served set if every probe goes on as its last result.
    pub if_unchanged: Option<Change>,
    /// The same if the active target fails from now on.
    pub if_active_fails: Option<Change>,
    /// How far ahead both were looked for where nothing changed: the horizon, or less where it was
    /// cut short; ms.
    pub looked_ms: i64,
}

/// Runs `service` forward for at most `horizon_ms`, twice, and no further than `goes_on` says of
/// the first and the second run after a result: what a run that was cut short came to is told.
/// Empty for an unknown service.
pub fn outlook(
    state: &State,
    service: &ServiceName,
    policy: &dyn Policy,
    horizon_ms: i64,
    goes_on: &dyn Fn(u32) -> bool,
) -> Outlook {
    let Some(known) = state.world().service(service) else {
        return Outlook::default();
    };
    let run = |number, failing| {
        forward(state, service, policy, horizon_ms, failing, &|| {
            goes_on(number)
        })
    };
    let fails = known.serving.first().map(|active| run(1, Some(active)));
    let (if_active_fails, fails_ms) = fails.unwrap_or((None, horizon_ms));
    let (if_unchanged, unchanged_ms) = run(2, None);
    Outlook {
        if_unchanged,
        if_active_fails,
        looked_ms: fails_ms.min(unchanged_ms),
    }
}

/// The next change if every series repeats its last result, but those of `failing` fail; and how
/// far ahead it was looked for.
fn forward(
    state: &State,
    service: &ServiceName,
    policy: &dyn Policy,
    horizon_ms: i64,
    failing: Option<&TargetName>,
    goes_on: &dyn Fn() -> bool,
) -> (Option<Change>, i64) {
    let groups: Vec<&Group> = groups(state, service).collect();
    let now = state.world().at;
    let serving = state.world().service(service).map(|known| &known.serving);
    let serving = serving.cloned().unwrap_or_default();
    let mut rehearsal = Rehearsal::going_on(state, service, policy);
    let mut repeats = Vec::new();
    for group in groups {
        for series in group.fresh(now, None) {
            let Some(mut lane) = lane_of(group, series) else {
                continue;
            };
            let last = match series.error.filter(|_| series.failures > 0) {
                Some(reason) => Finding::Bad { reason, took_ms: 0 },
                None if series.failures > 0 => lane.timeout(),
                None => Finding::Good {
                    rtt_us: series.rtt_us.unwrap_or(0),
                },
            };
            // The last result was there so long after its probe began.
            let began = lane.next.minus_ms(last.took_ms());
            lane.next = began.max(now.plus_ms(1));
            repeats.push((
                lane.target.clone(),
                lane.monitor.clone(),
                lane.address,
                lane.vantage.clone(),
                last,
            ));
            rehearsal.lanes.push(lane);
        }
    }
    let world = |lane: &Lane| {
        if failing == Some(&lane.target) {
            return lane.timeout();
        }
        let place = (&lane.target, &lane.monitor, lane.address, &lane.vantage);
        let last = repeats
            .iter()
            .find(|(t, m, a, v, _)| (t, m, *a, v) == place);
        last.map_or(Finding::Nothing, |found| found.4)
    };
    // Witnesses are asked again and again: an answer from before a failure does not count.
    let round_ms = rehearsal.lanes.iter().map(|lane| lane.interval_ms).min();
    let round_ms = round_ms.unwrap_or(horizon_ms).max(1);
    let (mut until_ms, mut looked_ms) = (0, 0);
    while until_ms < horizon_ms && rehearsal.serving() == serving && goes_on() {
        until_ms = until_ms.saturating_add(round_ms).min(horizon_ms);
        let on = |r: &Rehearsal<'_>| r.serving() == serving && goes_on();
        rehearsal.run_while(until_ms, |lane, _| world(lane), on);
        if rehearsal.serving() == serving && goes_on() {
            ask_witnesses(&mut rehearsal, until_ms);
            looked_ms = until_ms;
        }
    }
    let changes = rehearsal.changes().iter();
    let mut changes = changes.filter(|change| change.serve != serving);
    match changes.next() {
        Some(change) => (Some(change.clone()), horizon_ms),
        None => (None, looked_ms),
    }
}

/// Every witness that was asked before gives its last result again.
fn ask_witnesses(rehearsal: &mut Rehearsal<'_>, at_ms: i64) {
    let world = rehearsal.state().world();
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
        rehearsal.feed(at_ms, Input::Witness(result));
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

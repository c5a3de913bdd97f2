//! The outlook: what would change the present answer next, and when.
//!
//! A copy of the state is run forward twice: once every series repeats its last result, once the
//! target that is served fails from now on. Silent series stay silent, witnesses go on as they
//! last were. The state that is served is not touched.

use super::{
    lane::Lane,
    onward::Onward,
    runner::{Change, Rehearsal},
};
use crate::failover::{Policy, State};
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
    let serving = state.world().service(service).map(|known| &known.serving);
    let serving = serving.cloned().unwrap_or_default();
    let mut onward = Onward::from(state, service, policy);
    let repeats = onward.repeats();
    let world = |lane: &Lane| match failing == Some(&lane.target) {
        true => lane.timeout(),
        false => repeats.of(lane),
    };
    let round_ms = onward.round_ms().unwrap_or(horizon_ms).max(1);
    let (mut until_ms, mut looked_ms) = (0, 0);
    while until_ms < horizon_ms && onward.rehearsal.serving() == serving && goes_on() {
        until_ms = until_ms.saturating_add(round_ms).min(horizon_ms);
        let on = |r: &Rehearsal<'_>| r.serving() == serving && goes_on();
        onward
            .rehearsal
            .run_while(until_ms, |lane, _| world(lane), on);
        if onward.rehearsal.serving() == serving && goes_on() {
            onward.ask_witnesses(until_ms);
            looked_ms = until_ms;
        }
    }
    let changes = onward.rehearsal.changes().iter();
    let mut changes = changes.filter(|change| change.serve != serving);
    match changes.next() {
        Some(change) => (Some(change.clone()), horizon_ms),
        None => (None, looked_ms),
    }
}

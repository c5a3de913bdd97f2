//! The outlook: what would change a service's answer next, in sentences.
//!
//! Worked out on a copy of the state, on the thread of whoever asks, with the policy compiled
//! anew: looking an hour ahead takes a while, and the fold waits for nobody.

use super::fold::names;
use crate::{
    failover::{
        State,
        rehearsal::{self, Change},
    },
    model::{ServiceName, duration::format_ms},
    policy::Library,
};
use std::time::{Duration, Instant};

/// How far ahead an outlook looks ...
const HORIZON_MS: i64 = 3_600_000;
/// ... in at most this many rounds of probes.
const HORIZON_ROUNDS: i64 = 3_000;

/// How long one run ahead may take: whoever asks wants to know how things are, and soon.
const LOOKS_FOR: Duration = Duration::from_secs(1);

/// What would change a service's answer next; nothing for a service that does not exist.
pub(super) fn next(state: &State, service: &ServiceName) -> Vec<String> {
    let world = state.world();
    let library = Library::of(state, std::slice::from_ref(service));
    let horizon_ms = horizon_ms(state, service);
    let began = Instant::now();
    let goes_on = |run| began.elapsed() < LOOKS_FOR * run;
    let outlook = rehearsal::outlook(state, service, &library, horizon_ms, &goes_on);
    let looked = format_ms(outlook.looked_ms);
    let sentence = |condition: &str, change: Option<Change>| match change {
        None if outlook.looked_ms == 0 => {
            format!("{condition}: not known, this machine is too busy to look ahead")
        }
        None => format!("{condition}: nothing changes within {looked}"),
        Some(change) => format!(
            "{condition}: {} in {}, \"{}\" (line {})",
            names(&change.serve),
            format_ms(change.at_ms),
            change.reason,
            change.line
        ),
    };
    let active = world
        .service(service)
        .and_then(|known| known.serving.first());
    let Some(active) = active else {
        return Vec::new();
    };
    vec![
        sentence("if every probe goes on as it is", outlook.if_unchanged),
        sentence(
            &format!("if {active} fails from now on"),
            outlook.if_active_fails,
        ),
    ]
}

/// How far ahead a service's outlook looks: less far where it is probed very often.
fn horizon_ms(state: &State, service: &ServiceName) -> i64 {
    let config = &state.world().config;
    let monitors = config
        .services
        .get(service)
        .into_iter()
        .flat_map(|known| &known.monitors);
    let intervals = monitors
        .filter_map(|name| config.monitors.get(name))
        .map(|m| m.interval_ms);
    intervals.min().map_or(HORIZON_MS, |shortest_ms| {
        HORIZON_MS.min(shortest_ms.saturating_mul(HORIZON_ROUNDS))
    })
}

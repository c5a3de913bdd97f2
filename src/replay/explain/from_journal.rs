//! The past of a service as a journal has it, with the daemon running or not.

use super::past::{Past, Switched};
use crate::{
    failover::{State, What},
    journal::{self, ReadError},
    model::{ServiceName, Timestamp, time::HOUR_MS},
};
use std::path::Path;

/// Rounds of probes before an instant whose results are looked for.
const ROUNDS: i64 = 10;

/// Folds the journal in `folder` up to and including `until` by the wall clock, or all of it.
///
/// # Errors
/// A sentence: there is no journal, it cannot be read, or it begins after `until`.
pub fn from_journal(
    folder: &Path,
    service: &ServiceName,
    until: Option<Timestamp>,
) -> Result<Past, String> {
    let said = |error: ReadError| error.to_string();
    let until = until.unwrap_or(Timestamp(i64::MAX));
    let latest = journal::state_before(folder, Timestamp(i64::MAX)).map_err(said)?;
    // The journal is in the order of the fold's time, from which the wall clock may differ.
    let ahead_ms = latest.map_or(0, |state| state.world().wall_offset_ms);
    let at = until.min(until.minus_ms(ahead_ms));
    let before = journal::state_before(folder, at).map_err(said)?;
    let knows_before = before.is_some();
    let mut past = Past::new(service.clone(), before.unwrap_or_default());
    let from = knows_before.then(|| {
        let begin = past.state().world().at;
        begin.minus_ms(looked_back_ms(past.state(), service))
    });
    let mut folded = false;
    let mut after_gap: Option<State> = None;
    for event in journal::read(folder, from, None).map_err(said)? {
        let event = event.map_err(said)?;
        if past.wall(event.at) > until {
            if !knows_before && !folded {
                let begin = past.wall(event.at);
                return Err(format!(
                    "the journal begins at {begin}: of {until} it knows nothing"
                ));
            }
            break;
        }
        // What was folded into the snapshot.
        if event.seq <= past.state().world().seq {
            past.note(&event);
            continue;
        }
        // A gap is written together with a snapshot that covers it.
        if let Some(state) = after_gap.take_if(|state| state.world().seq < event.seq) {
            past.resume(state);
        }
        if let What::Gap(gap) = &event.what {
            after_gap = journal::state_covering(folder, gap.to_seq).map_err(said)?;
        }
        past.event(&event);
        folded = true;
    }
    if !knows_before && !folded {
        return Err("the journal is empty: nothing is known yet".to_owned());
    }
    find_switch(folder, &mut past).map_err(said)?;
    Ok(past)
}

/// How long before an instant the last results may lie.
fn looked_back_ms(state: &State, service: &ServiceName) -> i64 {
    let groups = state.world().groups.iter();
    let ours = groups.filter(|group| {
        let configured = state.world().config.services.get(service);
        configured.is_some_and(|service| service.targets.contains(&group.target))
    });
    let longest_ms = ours.map(|group| group.interval_ms + group.timeout_ms).max();
    longest_ms.map_or(0, |ms| ms.saturating_mul(ROUNDS).min(HOUR_MS))
}

/// Looks up the decision that led to what is answered, where it was made before what was folded.
fn find_switch(folder: &Path, past: &mut Past) -> Result<(), ReadError> {
    let Some(known) = past.state().world().service(past.service()) else {
        return Ok(());
    };
    let (None, Some(at)) = (&past.switch, known.switched_at) else {
        return Ok(());
    };
    let serving = known.serving.clone();
    for event in journal::read(folder, Some(at), Some(at.plus_ms(1)))? {
        let event = event?;
        if let What::Decision(decision) = event.what
            && decision.service == *past.service()
            && decision.serve == serving
        {
            past.switch = Some(Switched {
                seq: event.seq,
                at: past.wall(event.at),
                from: Vec::new(),
                decision,
            });
            break;
        }
    }
    Ok(())
}

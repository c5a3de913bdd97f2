//! The past of a service as a journal has it, with the daemon running or not.

use super::past::{Past, Switched};
use crate::{
    failover::{State, What},
    journal::{self, Begin, Passage, ReadError},
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
    let mut past = Past::new(service.clone(), State::default());
    let mut empty = true;
    for passage in journal::stretch(folder, Begin::Whole(Some(at))).map_err(said)? {
        let passage = passage.map_err(said)?;
        let wall = match &passage {
            Passage::Event(event) => past.wall(event.at),
            Passage::State(state) => state.world().wall(),
        };
        if wall > until {
            if empty {
                return Err(format!(
                    "the journal begins at {wall}: of {until} it knows nothing"
                ));
            }
            break;
        }
        match passage {
            Passage::Event(event) => past.event(&event),
            Passage::State(state) => {
                if empty {
                    note_before(folder, &mut past, &state).map_err(said)?;
                }
                past.resume(*state);
            }
        }
        empty = false;
    }
    if empty {
        return Err("the journal is empty: nothing is known yet".to_owned());
    }
    find_switch(folder, &mut past).map_err(said)?;
    Ok(past)
}

/// Notes the last results before a state.
fn note_before(folder: &Path, past: &mut Past, state: &State) -> Result<(), ReadError> {
    let end = state.world().at;
    let begin = end.minus_ms(looked_back_ms(state, past.service()));
    past.resume(state.clone());
    for event in journal::read(folder, Some(begin), Some(end.plus_ms(1)))? {
        let event = event?;
        // What came at the same instant after the state is folded, and noted then.
        if event.seq <= state.world().seq {
            past.note(&event);
        }
    }
    Ok(())
}

/// How long before an instant the last results may lie.
fn looked_back_ms(state: &State, service: &ServiceName) -> i64 {
    let configured = state.world().config.services.get(service);
    let groups = state.world().groups.iter();
    let ours = groups
        .filter(|group| configured.is_some_and(|service| service.targets.contains(&group.target)));
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

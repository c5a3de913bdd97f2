//! Witnesses that never answered, by what the journal remembers: their silence isolates nobody.

use super::Checklist;
use crate::{
    config::Paths,
    daemon::{Accepted, Case},
    failover::State,
    journal::{self, ReadError},
    model::Timestamp,
};
use std::path::Path;

/// Adds an error for each witness that was asked and never answered. Where there is no journal
/// yet, nobody was asked.
pub(super) fn silent(case: &Case, accepted: &Accepted, checklist: &mut Checklist) {
    let folder = Paths::of(&case.path).data(&accepted.config);
    let Some(witness) = &accepted.config.witness else {
        return;
    };
    if !journal::exists(&folder) {
        return;
    }
    let state = match newest(&folder) {
        Ok(state) => state,
        Err(error) => {
            let message = format!("nobody knows whether the witnesses ever answered: {error}");
            let found = case.loaded.places.witness("addresses", message);
            checklist.findings.push(found.warning());
            return;
        }
    };
    let asked = &state.world().witnesses;
    for address in &witness.addresses {
        if asked.get(address).is_some_and(|known| !known.ever_ok) {
            let message = format!(
                "witness {address} was asked and never answered, so its silence proves nothing: correct the address, or name one that answers"
            );
            let found = case.loaded.places.witness("addresses", message);
            checklist.findings.push(found);
        }
    }
}

/// What the journal knows: its last snapshot and what came after it.
fn newest(folder: &Path) -> Result<State, ReadError> {
    let snapshot = journal::state_before(folder, Timestamp(i64::MAX))?;
    let from = snapshot.as_ref().map(|state| state.world().at);
    let mut state = snapshot.unwrap_or_default();
    for event in journal::read(folder, from, None)? {
        let event = event?;
        if event.seq > state.world().seq {
            state.apply(&event);
        }
    }
    Ok(state)
}

//! Isolation: whether this vantage can tell a dead target from its own dead network.
//!
//! A witness that never answered in this journal does not isolate: it may never have been there.

use super::state::{WitnessState, World};
use crate::model::Timestamp;

/// The configured witnesses that answered before, now or not.
fn known(world: &World) -> impl Iterator<Item = &WitnessState> {
    let configured = world
        .config
        .witness
        .iter()
        .flat_map(|witness| &witness.addresses);
    configured
        .filter_map(|address| world.witnesses.get(address))
        .filter(|state| state.ever_ok)
}

/// How many witnesses must answer: as configured, but no more than ever did.
fn needed(world: &World) -> usize {
    let need = world
        .config
        .witness
        .as_ref()
        .map_or(0, |witness| witness.need);
    known(world)
        .count()
        .min(usize::try_from(need).unwrap_or(usize::MAX))
}

/// Whether fewer witnesses answered, when last asked, than must.
pub(super) fn isolated(world: &World) -> bool {
    known(world).filter(|state| state.ok).count() < needed(world)
}

/// Whether enough witnesses answered after `failing_since`.
pub(super) fn answered_since(world: &World, failing_since: Timestamp) -> bool {
    let later = |state: &&WitnessState| state.answered_at.is_some_and(|at| at >= failing_since);
    known(world).filter(later).count() >= needed(world)
}

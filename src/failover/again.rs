//! Asking again: what an evaluation would say of a state as it is. Changes nothing.

use super::{
    evaluate::{Evaluation, ask, evaluation, rule},
    guard,
    policy::{Action, Policy},
    state::State,
};
use crate::model::TargetName;

/// What an evaluation of a service says of the state as it is, though nothing woke its policy: what
/// the policy wants, and what the guard makes of it. Changes nothing; `None` for an unknown
/// service, or one without targets.
pub fn evaluated(state: &State, service: &str, policy: &dyn Policy) -> Option<Evaluation> {
    let index = state.world.service_index(service)?;
    if state.world.services[index].targets.is_empty() {
        return None;
    }
    let heard = ask(state, policy, index);
    let ruling = rule(state, index, &heard);
    Some(evaluation(state, index, heard, ruling))
}

/// What a service would serve if an action were done as it stands, whatever the guard says.
pub fn wanted(state: &State, service: &str, action: &Action) -> Vec<TargetName> {
    let Some(known) = state.world.service(service) else {
        return Vec::new();
    };
    match action {
        Action::Serve(targets) => targets.clone(),
        Action::Hold => known.serving.clone(),
        Action::ServeAll => {
            let all = known.targets.iter().map(|slot| &slot.target);
            let servable = |target: &&TargetName| !guard::is_drained(&state.world, known, target);
            all.filter(servable).cloned().collect()
        }
    }
}

//! Under another policy: what is known of a service, asked with another text or other parameters.

use super::{from_recording::said, past::Past};
use crate::{
    failover::{Event, State, What, event::ConfigInForce},
    model::{Params, PolicyText},
    policy::Library,
};
use std::sync::Arc;

/// What is to be in force instead; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Under {
    /// Another policy.
    pub text: Option<PolicyText>,
    /// Other values of its parameters.
    pub params: Params,
}

impl Under {
    /// Whether anything is to be otherwise.
    pub fn is_any(&self) -> bool {
        self.text.is_some() || !self.params.is_empty()
    }
}

impl Past {
    /// Puts another policy in force at the end, over what was decided until then: nothing is
    /// decided anew. Windows that were not kept before have no figure.
    ///
    /// # Errors
    /// What is wrong with the policy or its parameters, or that the service or its text is not
    /// known.
    pub fn under(&mut self, under: &Under) -> Result<(), String> {
        let name = self.service().clone();
        self.known()?;
        let state: State = self.asked_on().clone();
        let mut config = (*state.world().config).clone();
        let gone = || format!("{name} was not configured when its policy was asked");
        let configured = config.services.get_mut(&name).ok_or_else(gone)?;
        let own = state.world().policies.get(&configured.policy);
        let text = under.text.as_ref().or(own).cloned();
        let text = text.ok_or_else(|| {
            format!(
                "the text of {} is not known: give one with --policy",
                configured.policy
            )
        })?;
        configured.policy = text.name.clone();
        configured.params.extend(under.params.clone());
        let library = Library::new();
        let loaded = library.candidate(configured, &text);
        let candidate = loaded.map_err(|found| said(&found))?;
        configured.keep_ms = configured.keep_ms.max(candidate.windows_ms);
        let instead = configured.policy.to_string();
        let in_force = What::Config(ConfigInForce {
            by: "explain".to_owned(),
            config: Arc::new(config),
            zone_versions: Vec::new(),
        });
        let (at, seq) = (state.world().at, state.world().seq);
        let mut state = state;
        for what in [What::Policy(text), in_force] {
            state.apply(&Event { at, seq, what });
        }
        self.resume(state);
        self.instead = Some(instead);
        Ok(())
    }
}

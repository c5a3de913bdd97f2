//! What is known of a target apart from its probes.

use super::{hostname::Hostname, input::Freshness, service_state::Stand};
use crate::model::TargetName;
use serde::{Deserialize, Serialize};

/// What is known of a target apart from its probes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetState {
    /// Whose.
    pub name: TargetName,
    /// Withdrawn by the configuration.
    pub drained_by_config: bool,
    /// Withdrawn by an operator.
    pub drain: Option<Drain>,
    /// Whether its copy of the data is recent enough.
    pub freshness: Freshness,
    /// How far behind, ms; −1 unknown.
    pub data_age_ms: i64,
    /// Differences from the primary.
    pub drift: i64,
    /// What its hostname was resolved to; `None` for a target of addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Hostname>,
}

/// An operator's drain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// Who, why, until when.
    #[serde(flatten)]
    pub stand: Stand,
}

impl TargetState {
    /// A target of which nothing is known.
    pub fn new(name: TargetName) -> Self {
        Self {
            name,
            drained_by_config: false,
            drain: None,
            freshness: Freshness::Unknown,
            data_age_ms: -1,
            drift: 0,
            hostname: None,
        }
    }

    /// Whether it is withdrawn from answers.
    pub fn is_drained(&self) -> bool {
        self.drained_by_config || self.drain.is_some()
    }
}

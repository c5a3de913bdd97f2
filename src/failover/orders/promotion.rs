//! Promoting a shadow: its text takes the place of the policy that it shadows.

use crate::failover::overview::{GateReport, PartedOverview, ReloadReport};
use crate::model::{PolicyName, PolicyVersion, ServiceName, TargetName};
use serde::{Deserialize, Serialize};

/// What promoting a service's shadow would do; and, once it was done, what it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// Whose shadow.
    pub service: ServiceName,
    /// Why.
    pub reason: String,
    /// The policy's file name, whose text is replaced.
    pub policy: PolicyName,
    /// The version that was in force.
    pub policy_version: PolicyVersion,
    /// The shadow's file name, whose text replaces it.
    pub shadow: PolicyName,
    /// The version that is in force then.
    pub shadow_version: PolicyVersion,
    /// How often they parted.
    pub parted: PartedOverview,
    /// What is served before.
    pub serving: Vec<TargetName>,
    /// What is served at once afterwards.
    pub would_serve: Vec<TargetName>,
    /// Why, in one sentence.
    pub why: String,
    /// The line of the shadow that says so, from 1; 0 where none does.
    pub line: u32,
    /// Where the former text is kept.
    pub kept_as: String,
    /// What it would have decided differently lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateReport>,
    /// What the reload came to; absent in a plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReloadReport>,
}

//! Orders: what operators ask for, what it would do, and what it did.
//!
//! [`admit`] says whether an order makes sense now, in one sentence where it does not; [`plan()`]
//! tries it on a copy of the state, through the same `step` that would obey it; [`answered`] is
//! what a service answers, to be compared before and after. Nothing here changes a state that is
//! served, and nothing knows who transports an order or how a plan is printed.

mod admit;
mod plan;
mod promotion;

pub use admit::{admit, missing, worded};
pub use plan::{answered, concerned, plan};
pub use promotion::Promotion;

use super::{
    event::Rail,
    input::{Freshness, OperatorCommand},
    overview::{Health, Order},
};
use crate::model::{DnsName, FailureReason, ServiceName, TargetName, Timestamp};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Goes over a refusal: a failback though the primary fails becomes a switch to the primary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Force {
    /// Wall time at which that switch ends by itself; `None`: when it is released.
    pub until: Option<Timestamp>,
}

/// What an order would do, were it given now. Its JSON is promised like the overview's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderPlan {
    /// What would be ordered, `switch www to backup`: of a forced failback the switch it becomes.
    pub order: String,
    /// Why.
    pub reason: String,
    /// The wall time that the plan is made for.
    #[serde(rename = "at_ms")]
    pub at: Timestamp,
    /// When it ends by itself; absent: when it is taken back.
    #[serde(rename = "until_ms", default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The command that takes it back; absent where there is nothing to take back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_back_by: Option<String>,
    /// The order that stands now and that this one replaces or ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Replaced>,
    /// Every service that it concerns, ordered by name.
    pub services: Vec<ServicePlan>,
    /// What deserves attention and concerns no service alone, one sentence each.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// An order that stands, with the words that gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// `hold www`.
    pub order: String,
    /// Who, why, since when, until when.
    #[serde(flatten)]
    pub stand: Order,
}

/// What an order would do to one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePlan {
    /// Which service.
    pub service: ServiceName,
    /// What DNS answers now.
    pub now: Answered,
    /// What it would answer at once.
    pub then: Answered,
    /// Rails that would keep a policy from the same change.
    #[serde(default)]
    pub overrides: Vec<Overridden>,
    /// The targets that the order names, and those that would be answered.
    pub targets: Vec<TargetPlan>,
    /// What the policy itself says, where it has no say under the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicySays>,
    /// What would be answered if the order were taken back at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_ended: Option<Answered>,
    /// What deserves attention, the gravest first, one sentence each.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// What DNS answers for a service, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The targets, the active one first.
    pub targets: Vec<TargetName>,
    /// Their addresses, A and AAAA.
    pub addresses: Vec<IpAddr>,
    /// Their records beside addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<String>,
    /// The hostname that is answered as a CNAME, but at a zone's apex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cname: Option<DnsName>,
    /// The TTL, 1 – 86,400 s: for so long resolvers go on with what they have.
    pub ttl_secs: u32,
    /// Why, in one sentence; empty before the first decision.
    pub reason: String,
}

/// A rail that an order goes over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overridden {
    /// Which.
    pub rail: Rail,
    /// What it says against it, in one sentence.
    pub why: String,
}

/// How a target is that an order concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetPlan {
    /// Which.
    pub name: TargetName,
    /// One word for its streaks, as measured.
    pub health: Health,
    /// Since when it fails.
    #[serde(
        rename = "bad_since_ms",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub bad_since: Option<Timestamp>,
    /// Why it failed last, where it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<FailureReason>,
    /// Whether its copy of the data is recent enough.
    pub freshness: Freshness,
    /// How far its copy is behind; absent where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_age_ms: Option<i64>,
    /// Whether it is withdrawn from answers now, before the order.
    pub drained: bool,
    /// By whom, where an operator did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Order>,
}

/// What a policy says where it has no say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySays {
    /// What it wants served; absent where it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wants: Option<Vec<TargetName>>,
    /// Why.
    pub reason: String,
}

/// What an order did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// Number of the order's event.
    pub seq: u64,
    /// What was ordered: of a forced failback the switch that it became.
    pub order: String,
    /// By whom.
    pub by: String,
    /// When it ends by itself; absent: when it is taken back.
    #[serde(rename = "until_ms", default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The command that takes it back; absent where there is nothing to take back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_back_by: Option<String>,
    /// Every service that it concerned, ordered by name.
    pub services: Vec<ServiceMove>,
    /// Whether it is on disk, so that a restart keeps it.
    pub durable: bool,
    /// Why not, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_durable: Option<String>,
}

/// What an order did to one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceMove {
    /// Which service.
    pub service: ServiceName,
    /// What was answered before.
    pub before: Answered,
    /// What is answered now.
    pub now: Answered,
    /// What the decision says aloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
}

impl OperatorCommand {
    /// The command line that takes this order back; `None` where there is nothing to take back.
    pub fn taken_back_by(&self) -> Option<String> {
        let back = plan::taken_back(&self.command)?;
        Some(format!("sidestep {back}"))
    }
}

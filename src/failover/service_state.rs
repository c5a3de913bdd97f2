//! What is known of a service: what it serves, since when, by which decision, under which override.

use super::event::{By, Decision, Rail};
use crate::model::{Param, PolicyVersion, ServiceName, TargetName, Timestamp, time::DAY_MS};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// The most switches that are remembered; a day's worth at any budget worth the name.
pub(super) const SWITCHES_MAX: usize = 1_000;

/// What is known of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceState {
    /// Whose.
    pub name: ServiceName,
    /// Its targets in order of preference.
    pub targets: Vec<Slot>,
    /// The longest interval plus timeout of its monitors, ms.
    pub idle_ms: i64,
    /// TTL where a decision asks for none, ms.
    pub ttl_ms: i64,
    /// The policy version in force.
    pub policy: PolicyVersion,
    /// Whether that version decided without a fault yet.
    pub proven: bool,
    /// The last other version that did.
    pub previous: Option<PolicyVersion>,
    /// What is answered, never empty; the first is the active target.
    pub serving: Vec<TargetName>,
    /// When the service was first configured.
    pub began_at: Timestamp,
    /// When the served set last changed.
    pub switched_at: Option<Timestamp>,
    /// Changes of the served set in the last day.
    pub switches: VecDeque<Switch>,
    /// When each target was last left.
    pub left_at: BTreeMap<TargetName, Timestamp>,
    /// The decision in force.
    pub decision: Option<Decision>,
    /// Number of that decision's event; 0 where it is not known.
    #[serde(default)]
    pub decision_seq: u64,
    /// When it was made.
    #[serde(default)]
    pub decided_at: Option<Timestamp>,
    /// What decisions remember.
    pub memory: BTreeMap<String, Param>,
    /// Faults in a row.
    pub faults: u32,
    /// The last of them.
    pub faulted_at: Option<Timestamp>,
    /// An operator's word over the policy.
    #[serde(rename = "override")]
    pub override_: Option<Override>,
    /// An operator asked to go home, and it was not done yet.
    pub failback_asked: bool,
    /// The last input that concerned it.
    pub last_input_at: Timestamp,
}

/// One target of a service: where its results are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Which target.
    pub target: TargetName,
    /// Index of its state among the targets.
    pub index: usize,
    /// Indexes of its results, one for each monitor of the service, in the service's order.
    pub groups: Vec<usize>,
}

/// One change of the served set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// When.
    pub at: Timestamp,
    /// Whether an operator did it: not counted by the budget.
    pub operator: bool,
}

/// An operator's word over the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// What to serve; `None` holds what is served.
    pub target: Option<TargetName>,
    /// Who, why, until when.
    #[serde(flatten)]
    pub stand: Stand,
}

/// Who ordered something, why, since when and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Wall time of its end; `None`: until taken back.
    pub until: Option<Timestamp>,
}

impl ServiceState {
    /// When a tick is due because nothing happened.
    pub fn idle_until(&self) -> Timestamp {
        self.last_input_at.plus_ms(self.idle_ms)
    }

    /// How often the served set changed in (now − window, now].
    pub fn switches_in(&self, now: Timestamp, window_ms: i64) -> usize {
        let oldest = now.minus_ms(window_ms);
        self.switches
            .iter()
            .rev()
            .take_while(|switch| switch.at > oldest)
            .count()
    }

    /// The position of a target in the order of preference.
    pub fn position(&self, target: &str) -> Option<usize> {
        self.targets
            .iter()
            .position(|slot| slot.target.as_str() == target)
    }

    /// Whether the active target is the primary.
    pub fn is_home(&self) -> bool {
        self.serving.first() == self.targets.first().map(|slot| &slot.target)
    }

    /// Takes another served set.
    pub(super) fn serve(&mut self, at: Timestamp, serve: &[TargetName], operator: bool) {
        if self.serving == serve {
            return;
        }
        for left in self.serving.iter().filter(|target| !serve.contains(target)) {
            self.left_at.insert(left.clone(), at);
        }
        self.serving = serve.to_vec();
        self.switched_at = Some(at);
        self.switches.push_back(Switch { at, operator });
        let oldest = at.minus_ms(DAY_MS);
        while self.switches.len() > SWITCHES_MAX
            || self
                .switches
                .front()
                .is_some_and(|switch| switch.at <= oldest)
        {
            self.switches.pop_front();
        }
    }

    /// Takes a decision: the event `seq`.
    pub(super) fn decided(&mut self, at: Timestamp, seq: u64, decision: &Decision) {
        // Leaving what an operator withdrew is an operator's switch, whoever found the next.
        let operator = decision.by == By::Operator || decision.guard == Some(Rail::Gone);
        self.serve(at, &decision.serve, operator);
        for (key, value) in &decision.remember {
            match value {
                Some(value) => self.memory.insert(key.clone(), value.clone()),
                None => self.memory.remove(key),
            };
        }
        if self.is_home() {
            self.failback_asked = false;
        }
        if !decision.faulted {
            self.faults = 0;
            self.proven = true;
        }
        self.decision = Some(decision.clone());
        self.decision_seq = seq;
        self.decided_at = Some(at);
    }
}

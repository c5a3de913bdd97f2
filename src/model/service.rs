//! Services: owner names under our control and the policy that decides for them.

use super::{
    DnsName, MonitorName, Params, PolicyName, ServiceName, TargetName,
    duration::{format_ms, parse_ms},
    time::DAY_MS,
};
use serde::{Deserialize, Serialize};

/// Owner names, an ordered list of targets, monitors and one policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Unique name.
    pub name: ServiceName,
    /// Names whose A and AAAA it owns, and whatever else its targets answer. The first label may
    /// be `*`: a wildcard (RFC 4592), which stands for no name that exists.
    pub names: Vec<DnsName>,
    /// TTL of its answers unless the policy says otherwise; whole seconds, 1 s – 1 day.
    #[serde(default = "default_ttl_ms")]
    pub ttl_ms: i64,
    /// In order of preference: the first is the primary, the others are backups.
    pub targets: Vec<TargetName>,
    /// Which monitors speak about its targets; `loss`, `p50`, `p95` are the first's.
    pub monitors: Vec<MonitorName>,
    /// The policy's file name.
    #[serde(default = "default_policy")]
    pub policy: PolicyName,
    /// Overridden constants of the policy.
    #[serde(default)]
    pub params: Params,
    /// How long results are kept for windows at the least.
    #[serde(default = "default_history_ms")]
    pub history_ms: i64,
    /// How long results are kept: `history_ms`, or the longest constant window of the policy.
    /// Computed when the policy is loaded; 0 means `history_ms`.
    #[serde(default)]
    pub keep_ms: i64,
    /// How often the served set may change; `None` is no budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_switches: Option<SwitchBudget>,
    /// What happens when the policy faults while the served target is down.
    #[serde(default)]
    pub on_fault: OnFault,
    /// The longest failover that is acceptable; `check` measures against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto_ms: Option<i64>,
    /// Whether a reload that moves traffic waits for an operator.
    #[serde(default)]
    pub reload: OnReload,
    /// A policy that is asked beside the one in force and never acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
}

/// A policy that decides for a service in a fold of its own, beside the one in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadow {
    /// Its file name.
    pub policy: PolicyName,
    /// Those parameters of the service that are constants of it. Computed when it is loaded.
    #[serde(default, skip_serializing_if = "Params::is_empty")]
    pub params: Params,
    /// As [`Service::keep_ms`], by its own windows.
    #[serde(default)]
    pub keep_ms: i64,
}

impl Shadow {
    /// A shadow that was not loaded yet.
    pub fn new(policy: PolicyName) -> Self {
        Self {
            policy,
            params: Params::new(),
            keep_ms: 0,
        }
    }
}

impl Service {
    /// The service as its shadow folds it: the shadow is its policy. `None` without one.
    pub fn as_shadow(&self) -> Option<Self> {
        let shadow = self.shadow.as_ref()?;
        Some(Self {
            policy: shadow.policy.clone(),
            params: shadow.params.clone(),
            keep_ms: shadow.keep_ms,
            shadow: None,
            ..self.clone()
        })
    }

    /// The file names of its policy and, where it has one, of its shadow.
    pub fn policies(&self) -> impl Iterator<Item = &PolicyName> {
        let shadow = self.shadow.as_ref().map(|shadow| &shadow.policy);
        std::iter::once(&self.policy).chain(shadow)
    }

    /// A service of one name with every default but the switch budget, which it lacks.
    pub fn bare(
        name: ServiceName,
        owner: DnsName,
        targets: Vec<TargetName>,
        monitors: Vec<MonitorName>,
    ) -> Self {
        Self {
            name,
            names: vec![owner],
            ttl_ms: default_ttl_ms(),
            targets,
            monitors,
            policy: default_policy(),
            params: Params::new(),
            history_ms: default_history_ms(),
            keep_ms: 0,
            max_switches: None,
            on_fault: OnFault::default(),
            rto_ms: None,
            reload: OnReload::default(),
            shadow: None,
        }
    }

    /// How long results are kept for windows, in ms; at most a day.
    pub fn kept_ms(&self) -> i64 {
        self.keep_ms.max(self.history_ms).min(DAY_MS)
    }
}

/// At most `count` changes of the served set in `window_ms`; written `"6/10m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SwitchBudget {
    /// How many, at least 1.
    pub count: u32,
    /// In how long, at most a day.
    pub window_ms: i64,
}

impl Default for SwitchBudget {
    fn default() -> Self {
        Self {
            count: 6,
            window_ms: 600_000,
        }
    }
}

impl From<SwitchBudget> for String {
    fn from(budget: SwitchBudget) -> Self {
        format!("{}/{}", budget.count, format_ms(budget.window_ms))
    }
}

impl TryFrom<String> for SwitchBudget {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no switch budget: write \"6/10m\"");
        let (count, window) = text.split_once('/').ok_or_else(wrong)?;
        let count = count
            .trim()
            .parse()
            .ok()
            .filter(|&count| count >= 1)
            .ok_or_else(wrong)?;
        // "2/h" is "2/1h".
        let window = window.trim();
        let window_ms = parse_ms(window).or_else(|_| parse_ms(&format!("1{window}")));
        let window_ms = window_ms
            .ok()
            .filter(|ms| (1..=DAY_MS).contains(ms))
            .ok_or_else(wrong)?;
        Ok(Self { count, window_ms })
    }
}

/// What happens when the policy faults while the served target is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFault {
    /// The last version that decided is asked, then the built-in policy.
    #[default]
    Fallback,
    /// Nothing changes.
    Hold,
}

/// What happens when a reload would move traffic at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnReload {
    /// It is applied, with an alert.
    #[default]
    Apply,
    /// It waits as pending.
    Ask,
}

/// Default of `ttl`.
pub fn default_ttl_ms() -> i64 {
    30_000
}
/// Default of `history`.
pub fn default_history_ms() -> i64 {
    600_000
}
/// Default of `policy`.
pub fn default_policy() -> PolicyName {
    "failover.rhai".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_and_written() {
        for (text, count, window_ms) in [("6/10m", 6, 600_000), ("1/h", 1, 3_600_000)] {
            let budget = SwitchBudget::try_from(text.to_owned()).unwrap();
            assert_eq!(budget, SwitchBudget { count, window_ms });
        }
        assert_eq!(String::from(SwitchBudget::default()), "6/10m");
        for text in ["", "6", "0/10m", "x/10m", "6/2d", "6/"] {
            assert!(SwitchBudget::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}

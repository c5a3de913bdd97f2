//! A variant: in which respects a run differs from what was recorded.

use crate::{
    failover::narrowed,
    model::{
        Config, Diagnostic, OnReload, Params, PolicyName, PolicyText, Service, ServiceName,
        SwitchBudget, TargetName, VantageName, diagnostic::did_you_mean, service::default_policy,
    },
    policy::{BUILTIN_SOURCE, Library},
};
use std::{collections::BTreeMap, sync::Arc};

/// What a run does otherwise than the recorded daemon; the default differs in nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// Another policy, under the service's parameters as far as it has them.
    pub policy: Option<PolicyText>,
    /// Parameters over those of the service.
    pub set: Params,
    /// Targets in this order of preference, the others behind them; empty: as recorded.
    pub order: Vec<TargetName>,
    /// Another switch budget.
    pub max_switches: Option<SwitchBudget>,
    /// Without what this vantage saw.
    pub without_vantage: Option<VantageName>,
    /// Every so many-th result of each series; 0 and 1 are all of them.
    pub thin: u32,
}

/// Why a variant cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VariantError {
    /// A parameter that the policy does not have: a sentence.
    UnknownParam(String),
    /// The policy does not load.
    Policy(Vec<Diagnostic>),
    /// The recording does not hold the policy's text: a sentence.
    NoText(String),
    /// An order of targets that does not fit: a sentence.
    Order(String),
}

impl std::fmt::Display for VariantError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownParam(why) | Self::NoText(why) | Self::Order(why) => f.write_str(why),
            Self::Policy(found) => {
                let found: Vec<String> = found.iter().map(ToString::to_string).collect();
                f.write_str(&found.join("\n"))
            }
        }
    }
}

/// A configuration as a run takes it: one service, its policy known to the library.
#[derive(Clone, Debug)]
pub(super) struct Configured {
    pub(super) config: Arc<Config>,
    pub(super) policies: Vec<PolicyText>,
}

impl Variant {
    /// Whether it decides as the recorded daemon did.
    pub fn is_as_recorded(&self) -> bool {
        *self == Self::default()
            || (self.thin == 1
                && Self {
                    thin: 0,
                    ..self.clone()
                } == Self::default())
    }

    /// The part of `config` that concerns `service`, as this variant has it, its policy made known
    /// to `library`. Without the service nothing is served.
    pub(super) fn configured(
        &self,
        config: &Config,
        service: &ServiceName,
        texts: &BTreeMap<PolicyName, PolicyText>,
        library: &Library,
    ) -> Result<Configured, VariantError> {
        let Some(mut config) = narrowed(config, service) else {
            return Ok(Configured {
                config: Arc::new(Config {
                    server: config.server.clone(),
                    witness: config.witness.clone(),
                    ..Config::default()
                }),
                policies: Vec::new(),
            });
        };
        self.thin_out(&mut config);
        let service = config
            .services
            .get_mut(service)
            .expect("a narrowed configuration has its service");
        let text = self.text(service, texts)?;
        self.change(service, &text, library)?;
        let candidate = library
            .candidate(service, &text)
            .map_err(VariantError::Policy)?;
        if !self.is_as_recorded() {
            service.keep_ms = service.history_ms.max(candidate.windows_ms);
        }
        library.adopt(&candidate);
        Ok(Configured {
            config: Arc::new(config),
            policies: vec![text],
        })
    }

    /// What is probed every second time has twice the interval.
    fn thin_out(&self, config: &mut Config) {
        let times = i64::from(self.thin.max(1));
        for monitor in config.monitors.values_mut() {
            monitor.interval_ms = monitor.interval_ms.saturating_mul(times);
        }
        let patches = config
            .targets
            .values_mut()
            .flat_map(|t| t.monitor.values_mut());
        for patch in patches {
            patch.interval_ms = patch.interval_ms.map(|ms| ms.saturating_mul(times));
        }
    }

    fn text(
        &self,
        service: &Service,
        texts: &BTreeMap<PolicyName, PolicyText>,
    ) -> Result<PolicyText, VariantError> {
        if let Some(text) = self.policy.as_ref().or_else(|| texts.get(&service.policy)) {
            return Ok(text.clone());
        }
        if service.policy == default_policy() {
            return Ok(PolicyText {
                name: default_policy(),
                source: BUILTIN_SOURCE.into(),
            });
        }
        Err(VariantError::NoText(format!(
            "the recording does not hold the text of policy {}: give one with --policy",
            service.policy
        )))
    }

    fn change(
        &self,
        service: &mut Service,
        text: &PolicyText,
        library: &Library,
    ) -> Result<(), VariantError> {
        service.reload = OnReload::Apply;
        service.policy = text.name.clone();
        service.max_switches = self.max_switches.or(service.max_switches);
        if !self.order.is_empty() {
            service.targets = self.ordered(service)?;
        }
        if self.policy.is_none() && self.set.is_empty() {
            return Ok(());
        }
        let bare = Service {
            params: Params::new(),
            ..service.clone()
        };
        let known = library
            .candidate(&bare, text)
            .map_err(VariantError::Policy)?;
        if self.policy.is_some() {
            service
                .params
                .retain(|name, _| known.params.contains_key(name));
        }
        for (name, value) in &self.set {
            if !known.params.contains_key(name) {
                return Err(VariantError::UnknownParam(unknown_param(
                    name,
                    text,
                    &known.params,
                )));
            }
            service.params.insert(name.clone(), value.clone());
        }
        Ok(())
    }

    fn ordered(&self, service: &Service) -> Result<Vec<TargetName>, VariantError> {
        for name in &self.order {
            if service.targets.contains(name) {
                continue;
            }
            let known: Vec<&str> = service.targets.iter().map(TargetName::as_str).collect();
            let hint = did_you_mean(name, known.iter().copied());
            let hint = hint.map_or_else(
                || format!("it has {}", known.join(", ")),
                |meant| format!("did you mean '{meant}'?"),
            );
            return Err(VariantError::Order(format!(
                "--order: {} has no target '{name}', {hint}",
                service.name
            )));
        }
        let mut order: Vec<TargetName> = Vec::new();
        for name in self.order.iter().chain(&service.targets) {
            if !order.contains(name) {
                order.push(name.clone());
            }
        }
        Ok(order)
    }
}

fn unknown_param(name: &str, text: &PolicyText, known: &Params) -> String {
    let words = known.keys().map(String::as_str);
    let hint = match did_you_mean(name, words.clone()) {
        Some(meant) => format!("did you mean '{meant}'?"),
        None if known.is_empty() => "it has none".to_owned(),
        None => format!("it has {}", words.collect::<Vec<_>>().join(", ")),
    };
    format!("{} has no parameter '{name}', {hint}", text.name)
}

//! Hostnames: targets that are a name elsewhere instead of addresses, and what it was last
//! resolved to.
//!
//! Nothing is looked up here: what a hostname was resolved to comes as an input. The last good
//! answer stays for as long as resolving fails, over restarts too. It stands as the target's
//! addresses in the configuration in force, so that whoever reads addresses there (answers,
//! results, policies, the plan of the probes) need not know where they came from.

use super::{
    input::Resolved,
    state::{State, World},
    target_state::TargetState,
};
use crate::model::{Config, DnsName, Target, TargetName, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// More addresses than these of a hostname are not taken: as many as a target may have.
pub const ADDRESSES_MAX: usize = 64;

/// What is known of a target's hostname.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hostname {
    /// The hostname; until another one is resolved, what the target was before stands.
    pub name: DnsName,
    /// What it was last resolved to; empty where it never was.
    pub addresses: Vec<IpAddr>,
    /// Why it cannot be resolved now; `None` while it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Since when it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
}

impl Hostname {
    /// What is known of the hostname of a target that is configured: what was known before, else
    /// what the configuration brings along, as the header of a recording does.
    pub(super) fn of(target: &Target, before: Option<Self>, stood: &[IpAddr]) -> Option<Self> {
        let name = target.cname.as_ref()?;
        let before = before.filter(|before| before.name == *name);
        let mut hostname = before.unwrap_or_else(|| Self {
            name: name.clone(),
            addresses: Vec::new(),
            error: None,
            failing_since: None,
        });
        if hostname.addresses.is_empty() {
            hostname.addresses.clone_from(&target.addresses);
        }
        if hostname.addresses.is_empty() {
            // Never empty: a name that was mistyped takes nothing away.
            hostname.addresses = stood.to_vec();
        }
        Some(hostname)
    }

    fn take(&mut self, at: Timestamp, report: &Resolved) {
        let mut error = report.error.clone();
        if report.addresses.is_empty() {
            error.get_or_insert_with(|| "no address was found".to_owned());
        } else {
            self.addresses.clear();
        }
        for &address in report.addresses.iter().take(ADDRESSES_MAX) {
            if !self.addresses.contains(&address) {
                self.addresses.push(address);
            }
        }
        self.failing_since = error.is_some().then(|| self.failing_since.unwrap_or(at));
        self.error = error;
    }
}

impl World {
    /// Takes what a hostname was resolved to. Results of addresses that stay go on.
    pub(super) fn resolved(&mut self, report: &Resolved) {
        let at = self.at;
        let Some(place) = self.target_place(&report.target) else {
            return;
        };
        let known = self.targets[place].hostname.as_mut();
        // Of a hostname that a reload took away meanwhile.
        let Some(hostname) = known.filter(|known| known.name == report.hostname) else {
            return;
        };
        hostname.take(at, report);
        let concerned = self.services_with(&report.target);
        let before = self.answers_of(&concerned);
        // Of this target alone: there may be thousands of others.
        if fill(&mut self.config, &self.targets[place..=place]) {
            self.probe_elsewhere(&report.target);
        }
        for &index in &concerned {
            self.services[index].last_input_at = at;
        }
        if self.answers_of(&concerned) != before {
            self.answer_changed(&concerned);
        }
    }

    /// Puts what all hostnames were resolved to into the configuration in force.
    pub(super) fn take_hostnames(&mut self) {
        fill(&mut self.config, &self.targets);
    }

    /// The results of a target whose addresses are others now: those of addresses that are still
    /// probed stay.
    pub(super) fn probe_elsewhere(&mut self, name: &TargetName) {
        let Some(target) = self.config.targets.get(name) else {
            return;
        };
        for group in self.groups.iter_mut().filter(|g| g.target == *name) {
            let Some(monitor) = self.config.monitor_of(target, &group.monitor) else {
                continue;
            };
            let probed = target.probed_by(&monitor);
            group.addresses = probed.iter().map(|address| address.ip).collect();
            let addresses = &group.addresses;
            group
                .series
                .retain(|series| addresses.contains(&series.address));
            group.order_series();
        }
    }

    /// The services that have a target, by index.
    pub(super) fn services_with(&self, target: &TargetName) -> Vec<usize> {
        let has = |&index: &usize| self.services[index].position(target).is_some();
        (0..self.services.len()).filter(has).collect()
    }
}

impl State {
    /// A configuration with what its hostnames were last resolved to, as far as that is known
    /// here.
    pub fn with_hostnames(&self, config: &Config) -> Config {
        let mut config = Arc::new(config.clone());
        fill(&mut config, &self.world().targets);
        Arc::unwrap_or_clone(config)
    }
}

/// Puts what the hostnames of these targets were resolved to into a configuration; whether that
/// changed it. One that others hold is copied only then.
fn fill(config: &mut Arc<Config>, known: &[TargetState]) -> bool {
    let mut changed = false;
    for state in known {
        let Some(hostname) = &state.hostname else {
            continue;
        };
        let differs = |target: &Target| {
            target.cname.as_ref() == Some(&hostname.name) && target.addresses != hostname.addresses
        };
        if config.targets.get(&state.name).is_some_and(differs)
            && let Some(target) = Arc::make_mut(config).targets.get_mut(&state.name)
        {
            target.addresses.clone_from(&hostname.addresses);
            changed = true;
        }
    }
    changed
}

/// A configuration in which every hostname that was not resolved has an address of its own: as in
/// rehearsals, since in a made-up world names are resolved.
pub fn stood_in(config: &Config) -> Config {
    let mut config = config.clone();
    stand_in(&mut config);
    config
}

pub(super) fn stand_in(config: &mut Config) {
    // 198.18.0.0/15 is for tests (RFC 2544); these are far from those that rehearsals use.
    let mut next = u32::from(Ipv4Addr::new(198, 19, 128, 0));
    for target in config.targets.values_mut() {
        if target.cname.is_some() && target.addresses.is_empty() {
            next = next.wrapping_add(1);
            target.addresses = vec![Ipv4Addr::from(next).into()];
        }
    }
}

//! Shadows: a second policy of a service decides in a fold of its own, and never acts.
//!
//! The shadows of all services are one [`State`] within the state, narrowed to these services,
//! each under its shadow. Every fact is folded into it, operators' orders too; decisions of the
//! services are not. What it concludes becomes a [`What::Shadow`] event. A shadow begins where
//! its service stands, as if it had been put in force, and has a life of its own from then on:
//! its own served set, memory, switches and budget. Nothing tells it that it is one.

use super::{
    event::{ConfigInForce, Event, Parted, Shadowed, What},
    narrow::narrowed_to,
    reconfigure::take_policy,
    service_state::ServiceState,
    state::{State, World},
};
use crate::model::{Config, PolicyVersion, ServiceName, Timestamp};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, mem, sync::Arc};

/// How often a service and its shadow parted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parting {
    /// The version in force ...
    pub policy: PolicyVersion,
    /// ... and its shadow's: where one changes, the count begins anew.
    pub shadow: PolicyVersion,
    /// How often their served sets began to differ.
    pub count: u64,
    /// Since when they do; `None` while they are the same.
    pub since: Option<Timestamp>,
}

impl World {
    /// What is known of a service's shadow; `None` where it has none.
    pub fn shadow_of(&self, service: &str) -> Option<&ServiceState> {
        self.shadow.as_ref()?.world().service(service)
    }

    /// How often a service and its shadow parted; `None` where it has none.
    pub fn parting(&self, service: &str) -> Option<&Parting> {
        self.partings.get(service)
    }

    /// Every state of a service that may ask a policy: its own, and its shadow's.
    pub fn asking(&self) -> impl Iterator<Item = &ServiceState> {
        let shadows = self.shadow.iter().flat_map(|shadow| &shadow.world.services);
        self.services.iter().chain(shadows)
    }

    /// Puts the shadows of a configuration in force that has just become that of this world.
    pub(super) fn reconfigure_shadows(&mut self, by: &str) {
        let before = self.shadow.take();
        let Some(config) = configured(&self.config) else {
            self.partings.clear();
            return;
        };
        let mut state = before.map_or_else(State::default, |before| *before);
        let known: Vec<ServiceName> = state
            .world
            .services
            .iter()
            .map(|service| service.name.clone())
            .collect();
        let shadows = Arc::make_mut(&mut state.world);
        for service in config.services.values() {
            if let Some(text) = self.policies.get(&service.policy) {
                shadows.policies.insert(text.name.clone(), text.clone());
            }
        }
        state.apply(&Event {
            at: self.at,
            seq: self.seq,
            what: What::Config(ConfigInForce {
                by: by.to_owned(),
                config: Arc::new(config),
                zone_versions: Vec::new(),
            }),
        });
        catch_up(Arc::make_mut(&mut state.world), self, &known);
        self.partings = partings(self, &state.world);
        self.shadow = Some(Box::new(state));
    }

    /// Notes that a service and its shadow parted or came together.
    pub(super) fn parted(&mut self, parted: &Parted) {
        let at = self.at;
        if let Some(parting) = self.partings.get_mut(&parted.service) {
            parting.since = parted.apart.then_some(at);
            parting.count = parting.count.saturating_add(u64::from(parted.apart));
        }
    }
}

impl State {
    /// Folds an event of the whole fold into that of the shadows; the shadows that an observation
    /// concerns, by index.
    pub(super) fn follow(&mut self, event: &Event) -> Vec<usize> {
        let (at, seq) = (event.at, event.seq);
        let own = |what| Event { at, seq, what };
        match &event.what {
            What::Shadow(Shadowed::Decision(decision)) => {
                self.apply(&own(What::Decision(decision.clone())));
            }
            What::Shadow(Shadowed::Fault(fault)) => self.apply(&own(What::Fault(fault.clone()))),
            // What the services do is not what their shadows do; configurations come otherwise.
            What::Decision(_)
            | What::Fault(_)
            | What::Shadow(Shadowed::Parted(_))
            | What::Gap(_)
            | What::Policy(_)
            | What::Config(_) => {
                let world = Arc::make_mut(&mut self.world);
                (world.at, world.seq) = (at, seq);
            }
            What::Start(_)
            | What::Probe(_)
            | What::Tick {}
            | What::Witness(_)
            | What::Clock(_)
            | What::Operator(_)
            | What::Freshness(_)
            | What::Drift(_)
            | What::Ended(_)
            | What::Resolved(_)
            | What::Refused(_) => return self.applied(event).services,
        }
        Vec::new()
    }
}

/// The configuration of the shadows; `None` where no service has one.
fn configured(config: &Config) -> Option<Config> {
    let mut narrowed = narrowed_to(config, |service| service.shadow.is_some())?;
    for service in narrowed.services.values_mut() {
        if let Some(shadow) = service.as_shadow() {
            *service = shadow;
        }
    }
    Some(narrowed)
}

/// What both folds know alike, and what shadows begin with that are not among the `known`, or
/// that have become the version they shadow.
fn catch_up(shadows: &mut World, world: &World, known: &[ServiceName]) {
    shadows.wall_offset_ms = world.wall_offset_ms;
    shadows.witnesses.clone_from(&world.witnesses);
    shadows.freeze.clone_from(&world.freeze);
    for target in &mut shadows.targets {
        if let Some(same) = world.target(&target.name) {
            target.clone_from(same);
        }
    }
    for group in &mut shadows.groups {
        let same = world.group_index(&group.target, &group.monitor);
        if let Some(same) = same.filter(|_| group.series.is_empty()) {
            group.series.clone_from(&world.groups[same].series);
        }
    }
    for shadow in &mut shadows.services {
        let Some(service) = world.service(&shadow.name) else {
            continue;
        };
        if !known.contains(&shadow.name) || shadow.policy == service.policy {
            let mut begins = ServiceState {
                targets: mem::take(&mut shadow.targets),
                ..service.clone()
            };
            take_policy(&mut begins, shadow.policy.clone());
            *shadow = begins;
        }
    }
    shadows.ends_at = shadows.next_end();
}

/// How often they parted, of the versions of now.
fn partings(world: &World, shadows: &World) -> BTreeMap<ServiceName, Parting> {
    let mut partings = BTreeMap::new();
    for shadow in &shadows.services {
        let Some(service) = world.service(&shadow.name) else {
            continue;
        };
        let versions = (&service.policy, &shadow.policy);
        let before = world.partings.get(&shadow.name).cloned();
        let before = before.filter(|before| (&before.policy, &before.shadow) == versions);
        let parting = before.unwrap_or_else(|| Parting {
            policy: service.policy.clone(),
            shadow: shadow.policy.clone(),
            count: 0,
            since: None,
        });
        partings.insert(shadow.name.clone(), parting);
    }
    partings
}

/// The partings that follow from what a step came to: of every shadow after a reload, else of
/// those that something was decided for.
pub(super) fn newly_parted(world: &World, events: &[Event]) -> Vec<Parted> {
    let mut parted: Vec<Parted> = Vec::new();
    let Some(shadow) = &world.shadow else {
        return parted;
    };
    let mut look = |shadow: &ServiceState| {
        let Some(service) = world.service(&shadow.name) else {
            return;
        };
        let apart = service.serving != shadow.serving;
        let before = world.partings.get(&shadow.name);
        let known = before.is_none_or(|before| before.since.is_some() == apart);
        if !known && !parted.iter().any(|one| one.service == shadow.name) {
            parted.push(Parted {
                service: shadow.name.clone(),
                apart,
                serving: service.serving.clone(),
                shadow: shadow.serving.clone(),
            });
        }
    };
    let shadows = shadow.world();
    for event in events {
        match &event.what {
            What::Config(_) => shadows.services.iter().for_each(&mut look),
            What::Decision(decision) | What::Shadow(Shadowed::Decision(decision)) => {
                shadows
                    .service(&decision.service)
                    .into_iter()
                    .for_each(&mut look);
            }
            _ => {}
        }
    }
    parted
}

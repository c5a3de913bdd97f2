//! Narrowing: some services alone, with exactly what is known of them.
//!
//! Services share targets and decide for themselves, so a replay folds each in a state of its
//! own, a rehearsal need not ask the policies of all that share a target, and shadows are folded
//! apart from what they shadow.

use super::{
    aggregate::Group,
    service_state::{ServiceState, Slot},
    state::{State, World},
};
use crate::model::{Config, PolicyName, Service, ServiceName};
use std::sync::Arc;

/// The part of a configuration that concerns one service; no zones, a serial is nothing that is
/// decided, and no shadow. `None` where there is no such service, or it has no target.
pub fn narrowed(config: &Config, service: &str) -> Option<Config> {
    let mut narrowed = narrowed_to(config, |other| &*other.name == service)?;
    for service in narrowed.services.values_mut() {
        service.shadow = None;
    }
    Some(narrowed)
}

/// The part of a configuration that concerns the services that are `wanted`, without zones.
/// `None` where there are none, or they have no target.
pub(super) fn narrowed_to(config: &Config, wanted: impl Fn(&Service) -> bool) -> Option<Config> {
    let services = config.services.iter();
    let mut narrowed = Config {
        server: config.server.clone(),
        witness: config.witness.clone(),
        services: services
            .filter(|(_, service)| wanted(service))
            .map(|(name, service)| (name.clone(), service.clone()))
            .collect(),
        ..Config::default()
    };
    for service in narrowed.services.values() {
        for name in &service.targets {
            if let Some(target) = config.targets.get(name) {
                narrowed.targets.insert(name.clone(), target.clone());
            }
        }
        for name in &service.monitors {
            if let Some(monitor) = config.monitors.get(name) {
                narrowed.monitors.insert(name.clone(), monitor.clone());
            }
        }
    }
    (!narrowed.targets.is_empty()).then_some(narrowed)
}

impl State {
    /// One service alone: its results, streaks, windows, decision and memory as they are, and
    /// nothing of the others, nor of its shadow. `None` where there is no such service, or it has
    /// no target.
    pub fn narrowed(&self, service: &ServiceName) -> Option<Self> {
        let whole = self.world();
        let config = narrowed(&whole.config, service)?;
        whole.service(service)?;
        Some(Self::of(world_of(whole, config)))
    }

    /// One service put back among all that is known: `whole` as it stands, but the service as it is
    /// here, with its own results where it has them. What a reload takes over from this is what it
    /// takes over live, also of targets that only others used.
    #[must_use]
    pub fn widened(&self, whole: &Self) -> Self {
        let (own, mut world) = (self.world(), World::clone(whole.world()));
        let mut config = Config::clone(&world.config);
        config.zones.clear();
        config.services.clone_from(&own.config.services);
        config.targets.extend(own.config.targets.clone());
        config.monitors.extend(own.config.monitors.clone());
        for group in &mut world.groups {
            match own.group_index(&group.target, &group.monitor) {
                Some(index) => group.clone_from(&own.groups[index]),
                None => group.services.clear(),
            }
        }
        world.services.clone_from(&own.services);
        let (groups, targets) = (&world.groups, &world.targets);
        let place = |group: &Group| {
            let wanted = (&group.target, &group.monitor);
            let found =
                groups.binary_search_by(|known| (&known.target, &known.monitor).cmp(&wanted));
            found.ok()
        };
        for slot in world
            .services
            .iter_mut()
            .flat_map(|service| &mut service.targets)
        {
            let known = slot.groups.iter().map(|&index| &own.groups[index]);
            slot.groups = known.filter_map(place).collect();
            let found = targets.binary_search_by(|known| known.name.cmp(&slot.target));
            slot.index = found.unwrap_or(0);
        }
        world.policies.clone_from(&own.policies);
        world.config = Arc::new(config);
        (world.shadow, world.at, world.seq) = (None, own.at, own.seq);
        world.partings.clear();
        world.ends_at = world.next_end();
        Self::of(world)
    }

    /// Takes over what was observed, ordered and measured from a state of the same service: its own
    /// decisions, switches and memory stay. For a fold that missed some of its inputs.
    pub fn catch_up(&mut self, other: &Self) {
        let other = other.world();
        let world = Arc::make_mut(&mut self.world);
        for target in &mut world.targets {
            if let Some(known) = other.target(&target.name) {
                target.clone_from(known);
            }
        }
        world.take_hostnames();
        let names: Vec<_> = world.targets.iter().map(|one| one.name.clone()).collect();
        names.iter().for_each(|name| world.probe_elsewhere(name));
        for group in &mut world.groups {
            let same = |known: &&Group| {
                known.target == group.target
                    && known.monitor == group.monitor
                    && known.addresses == group.addresses
            };
            if let Some(known) = other.groups.iter().find(same) {
                group.series.clone_from(&known.series);
            }
        }
        for service in &mut world.services {
            if let Some(known) = other.service(&service.name) {
                service.override_.clone_from(&known.override_);
                service.failback_asked = known.failback_asked;
                service.last_input_at = known.last_input_at;
            }
        }
        world.witnesses.clone_from(&other.witnesses);
        world.freeze.clone_from(&other.freeze);
        world.wall_offset_ms = other.wall_offset_ms;
        (world.at, world.seq) = (world.at.max(other.at), other.seq);
        world.ends_at = world.next_end();
    }
}

/// What is known of the services of `config`, a part of the one in force.
fn world_of(whole: &World, config: Config) -> World {
    let names = config.services.keys();
    let indexes: Vec<usize> = names.filter_map(|name| whole.service_index(name)).collect();
    let known = indexes.iter().map(|&index| whole.services[index].clone());
    let mut services: Vec<ServiceState> = known.collect();
    let slots = || services.iter().flat_map(|service| &service.targets);
    let kept = in_order(slots().flat_map(|slot| slot.groups.iter().copied()));
    let kept_targets = in_order(slots().map(|slot| slot.index));
    let place = |kept: &[usize], index: &usize| kept.binary_search(index).unwrap_or(0);
    for service in &mut services {
        for Slot { index, groups, .. } in &mut service.targets {
            *index = place(&kept_targets, index);
            groups
                .iter_mut()
                .for_each(|group| *group = place(&kept, group));
        }
    }
    let group = |&index: &usize| {
        let group = &whole.groups[index];
        let users = group.services.iter();
        Group {
            services: users
                .filter_map(|user| indexes.binary_search(user).ok())
                .collect(),
            ..group.clone()
        }
    };
    let policies = whole.policies.iter();
    let used = |name: &PolicyName| {
        let mut services = config.services.values();
        services.any(|service| service.policy == *name)
    };
    let mut world = World {
        at: whole.at,
        seq: whole.seq,
        wall_offset_ms: whole.wall_offset_ms,
        policies: policies
            .filter(|(name, _)| used(name))
            .map(|(name, text)| (name.clone(), text.clone()))
            .collect(),
        targets: kept_targets
            .iter()
            .map(|&index| whole.targets[index].clone())
            .collect(),
        groups: kept.iter().map(group).collect(),
        services,
        witnesses: whole.witnesses.clone(),
        freeze: whole.freeze.clone(),
        woken_by: whole.woken_by.clone(),
        config: Arc::new(config),
        ..World::default()
    };
    world.ends_at = world.next_end();
    world
}

fn in_order(indexes: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut indexes: Vec<usize> = indexes.collect();
    indexes.sort_unstable();
    indexes.dedup();
    indexes
}

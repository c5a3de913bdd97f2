//! Narrowing: one service alone, with exactly what is known of it.
//!
//! Services share targets and decide for themselves, so a replay folds each in a state of its
//! own, and a rehearsal need not ask the policies of all that share a target.

use super::{
    aggregate::Group,
    service_state::Slot,
    state::{State, World},
    target_state::TargetState,
};
use crate::model::{Config, ServiceName};
use std::sync::Arc;

/// The part of a configuration that concerns one service; no zones, a serial is nothing that is
/// decided. `None` where there is no such service, or it has no target.
pub fn narrowed(config: &Config, service: &str) -> Option<Config> {
    let service = config.services.get(service)?;
    let targets = service.targets.iter().filter_map(|name| {
        let target = config.targets.get(name)?.clone();
        Some((name.clone(), target))
    });
    let monitors = service.monitors.iter().filter_map(|name| {
        let monitor = config.monitors.get(name)?.clone();
        Some((name.clone(), monitor))
    });
    let config = Config {
        server: config.server.clone(),
        witness: config.witness.clone(),
        zones: Vec::new(),
        targets: targets.collect(),
        monitors: monitors.collect(),
        services: [(service.name.clone(), service.clone())].into(),
    };
    (!config.targets.is_empty()).then_some(config)
}

impl State {
    /// One service alone: its results, streaks, windows, decision and memory as they are, and
    /// nothing of the others. `None` where there is no such service, or it has no target.
    pub fn narrowed(&self, service: &ServiceName) -> Option<Self> {
        let whole = self.world();
        let config = narrowed(&whole.config, service)?;
        let mut alone = whole.service(service)?.clone();
        let mut groups: Vec<Group> = Vec::new();
        let mut targets: Vec<TargetState> = Vec::new();
        let slots = &alone.targets;
        let mut kept: Vec<usize> = slots.iter().flat_map(|slot| slot.groups.clone()).collect();
        kept.sort_unstable();
        kept.dedup();
        for &index in &kept {
            groups.push(Group {
                services: vec![0],
                ..whole.groups[index].clone()
            });
        }
        let mut kept_targets: Vec<usize> = slots.iter().map(|slot| slot.index).collect();
        kept_targets.sort_unstable();
        kept_targets.dedup();
        targets.extend(
            kept_targets
                .iter()
                .map(|&index| whole.targets[index].clone()),
        );
        let place = |kept: &[usize], index: &usize| kept.binary_search(index).unwrap_or(0);
        for Slot { index, groups, .. } in &mut alone.targets {
            *index = place(&kept_targets, index);
            groups
                .iter_mut()
                .for_each(|group| *group = place(&kept, group));
        }
        let policies = whole.policies.iter();
        let policies = policies.filter(|(name, _)| {
            let services = config.services.values();
            services
                .map(|service| &service.policy)
                .any(|used| used == *name)
        });
        let mut world = World {
            policies: policies
                .map(|(name, text)| (name.clone(), text.clone()))
                .collect(),
            config: Arc::new(config),
            targets,
            groups,
            services: vec![alone],
            ..World::default()
        };
        world.at = whole.at;
        world.seq = whole.seq;
        world.wall_offset_ms = whole.wall_offset_ms;
        world.witnesses.clone_from(&whole.witnesses);
        world.freeze.clone_from(&whole.freeze);
        world.woken_by.clone_from(&whole.woken_by);
        world.ends_at = world.next_end();
        Some(Self::of(world))
    }

    /// Takes over what was observed, ordered and measured from a state of the same service: its own
    /// decisions, switches and memory stay. For a fold that missed some of its inputs.
    pub fn catch_up(&mut self, other: &Self) {
        let other = other.world();
        let world = Arc::make_mut(&mut self.world);
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
        for target in &mut world.targets {
            if let Some(known) = other.target(&target.name) {
                target.clone_from(known);
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

//! Reconfiguring: a new configuration takes over what is known.
//!
//! Targets are matched by name, else by identical addresses or hostname (a rename). A series goes on where
//! its target, monitor and address are the same; a changed address or monitor begins anew.

use super::{
    aggregate::Group,
    answers,
    event::ConfigInForce,
    hostname::Hostname,
    serial,
    service_state::{ServiceState, Slot},
    state::World,
    target_state::TargetState,
};
use crate::model::{
    Config, DnsName, MonitorName, PolicyVersion, Require, Service, Target, TargetName,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
};

/// Puts `new` in force.
pub(super) fn reconfigure(world: &mut World, new: &ConfigInForce) {
    let before = answers::by_name(world);
    let old_config = mem::replace(&mut world.config, new.config.clone());
    let renamed = renames(&old_config, &new.config);
    let olds = olds(&renamed);
    world.targets = targets(world, &old_config, &olds);
    world.take_hostnames();
    let old_groups = mem::take(&mut world.groups);
    world.groups = groups(world, old_groups, &old_config, &olds);
    world.services = services(world, &renamed);
    for index in 0..world.services.len() {
        replace_gone(world, index);
    }
    let witnesses = new
        .config
        .witness
        .iter()
        .flat_map(|witness| &witness.addresses);
    let witnesses: Vec<_> = witnesses.copied().collect();
    world
        .witnesses
        .retain(|address, _| witnesses.contains(address));
    let used: Vec<_> = new
        .config
        .services
        .values()
        .flat_map(Service::policies)
        .collect();
    world.policies.retain(|name, _| used.contains(&name));
    serials(world, new, &before);
}

/// New name of each target that goes on, by its old name.
fn renames(old: &Config, new: &Config) -> BTreeMap<TargetName, TargetName> {
    let mut renamed = BTreeMap::new();
    for (name, target) in &old.targets {
        if new.targets.contains_key(name) {
            renamed.insert(name.clone(), name.clone());
            continue;
        }
        let same = new.targets.values().find(|candidate| {
            !old.targets.contains_key(&candidate.name) && is_same(candidate, target)
        });
        if let Some(same) = same {
            renamed.insert(name.clone(), same.name.clone());
        }
    }
    renamed
}

/// Whether two targets are one by what they answer.
fn is_same(one: &Target, other: &Target) -> bool {
    match (&one.cname, &other.cname) {
        (None, None) => one.addresses == other.addresses,
        (one, other) => one == other,
    }
}

/// Old name of each target that goes on, by its new name; the first where two go on as one.
fn olds(renamed: &BTreeMap<TargetName, TargetName>) -> BTreeMap<&TargetName, &TargetName> {
    let pairs = renamed.iter().rev();
    pairs.map(|(old, new)| (new, old)).collect()
}

fn targets(
    world: &World,
    old_config: &Config,
    olds: &BTreeMap<&TargetName, &TargetName>,
) -> Vec<TargetState> {
    let one = |target: &Target| {
        let stood = olds.get(&target.name);
        let stood = stood.and_then(|old| old_config.targets.get(*old));
        let stood = stood.map_or(&[][..], |old| old.addresses.as_slice());
        let old = olds.get(&target.name).and_then(|old| world.target(old));
        let old = old.cloned();
        let mut state = old.unwrap_or_else(|| TargetState::new(target.name.clone()));
        state.name = target.name.clone();
        state.drained_by_config = target.drained;
        state.hostname = Hostname::of(target, state.hostname.take(), stood);
        state
    };
    world.config.targets.values().map(one).collect()
}

/// One group for each target and monitor that any service uses, in order.
fn groups(
    world: &World,
    mut old_groups: Vec<Group>,
    old_config: &Config,
    olds: &BTreeMap<&TargetName, &TargetName>,
) -> Vec<Group> {
    let mut users: BTreeMap<(TargetName, MonitorName), Vec<usize>> = BTreeMap::new();
    for (index, service) in world.config.services.values().enumerate() {
        for target in &service.targets {
            for monitor in &service.monitors {
                users
                    .entry((target.clone(), monitor.clone()))
                    .or_default()
                    .push(index);
            }
        }
    }
    let services: Vec<&Service> = world.config.services.values().collect();
    let mut groups = Vec::new();
    for ((target, monitor_name), users) in users {
        let Some(target) = world.config.targets.get(&target) else {
            continue;
        };
        let Some(monitor) = world.config.monitor_of(target, &monitor_name) else {
            continue;
        };
        let probed = target.probed_by(&monitor);
        let keep_ms = users
            .iter()
            .map(|&user| services[user].kept_ms())
            .max()
            .unwrap_or(0);
        let mut group = Group {
            target: target.name.clone(),
            monitor: monitor_name,
            addresses: probed.iter().map(|address| address.ip).collect(),
            any_address: target.require == Require::Any,
            interval_ms: monitor.interval_ms,
            timeout_ms: monitor.timeout_ms,
            keep_ms,
            services: users,
            series: Vec::new(),
        };
        let old_target = olds
            .get(&target.name)
            .and_then(|old| old_config.targets.get(*old));
        if let Some(old_target) = old_target
            && old_config.monitor_of(old_target, &group.monitor).as_ref() == Some(&monitor)
        {
            let old_probed = old_target.probed_by(&monitor);
            let wanted = (&old_target.name, &group.monitor);
            let found = old_groups.binary_search_by(|old| (&old.target, &old.monitor).cmp(&wanted));
            let old = found.ok().map(|found| &mut old_groups[found]);
            for series in old.into_iter().flat_map(|old| mem::take(&mut old.series)) {
                let stays = |address| probed.contains(address) && series.address == address.ip;
                if old_probed.iter().any(stays) {
                    group.series.push(series);
                }
            }
            group.order_series();
        }
        groups.push(group);
    }
    groups
}

fn services(world: &World, renamed: &BTreeMap<TargetName, TargetName>) -> Vec<ServiceState> {
    world
        .config
        .services
        .values()
        .map(|service| one_service(world, service, renamed))
        .collect()
}

fn one_service(
    world: &World,
    service: &Service,
    renamed: &BTreeMap<TargetName, TargetName>,
) -> ServiceState {
    let source = world
        .policies
        .get(&service.policy)
        .map_or("", |text| &text.source);
    let policy = PolicyVersion::of(source, &service.params);
    let targets = slots(world, service);
    let groups = targets.iter().flat_map(|slot| &slot.groups);
    let idle_ms = groups
        .map(|&index| &world.groups[index])
        .map(|group| group.interval_ms.saturating_add(group.timeout_ms))
        .max()
        .unwrap_or(1_000)
        .max(1);
    let mut state = match world.service(&service.name) {
        Some(old) => carried_over(world, service, old, renamed),
        None => new_service(world, service, &policy),
    };
    (state.targets, state.idle_ms) = (targets, idle_ms);
    state.ttl_ms = service.ttl_ms;
    state.last_input_at = world.at;
    if state.is_home() {
        state.failback_asked = false;
    }
    take_policy(&mut state, policy);
    state
}

/// Puts a version in force; where it is another, the one before stands behind it once it decided.
pub(super) fn take_policy(state: &mut ServiceState, policy: PolicyVersion) {
    if state.policy == policy {
        return;
    }
    let before = mem::replace(&mut state.policy, policy);
    if state.proven {
        state.previous = Some(before);
    }
    (state.proven, state.faults, state.faulted_at) = (false, 0, None);
}

fn slots(world: &World, service: &Service) -> Vec<Slot> {
    let slot = |target: &TargetName| {
        let index = world
            .targets
            .binary_search_by(|state| state.name.cmp(target))
            .ok()?;
        let group = |monitor: &MonitorName| world.group_index(target, monitor);
        let groups = service.monitors.iter().filter_map(group).collect();
        Some(Slot {
            target: target.clone(),
            index,
            groups,
        })
    };
    service.targets.iter().filter_map(slot).collect()
}

fn new_service(world: &World, service: &Service, policy: &PolicyVersion) -> ServiceState {
    ServiceState {
        name: service.name.clone(),
        targets: Vec::new(),
        idle_ms: 0,
        ttl_ms: service.ttl_ms,
        policy: policy.clone(),
        proven: false,
        previous: None,
        serving: Vec::new(),
        began_at: world.at,
        switched_at: None,
        switches: VecDeque::new(),
        left_at: BTreeMap::new(),
        decision: None,
        decision_seq: 0,
        decided_at: None,
        memory: BTreeMap::new(),
        faults: 0,
        faulted_at: None,
        override_: None,
        failback_asked: false,
        last_input_at: world.at,
    }
}

/// What is known of a service, under the new names; what it served without what is gone.
fn carried_over(
    world: &World,
    service: &Service,
    old: &ServiceState,
    renamed: &BTreeMap<TargetName, TargetName>,
) -> ServiceState {
    let mut state = old.clone();
    let rename = |name: &TargetName| renamed.get(name).unwrap_or(name).clone();
    let known = |name: &TargetName| service.targets.contains(name);
    let mut stays: Vec<TargetName> = Vec::new();
    for name in old.serving.iter().map(rename) {
        // Two old targets may go on as one.
        if known(&name) && !stays.contains(&name) {
            stays.push(name);
        }
    }
    if stays.is_empty() || stays.len() == old.serving.len() {
        state.serving = stays;
    } else {
        state.serving = old.serving.iter().map(rename).collect();
        state.serve(world.at, &stays, true);
    }
    let left = old.left_at.iter().map(|(name, at)| (rename(name), *at));
    state.left_at = left.filter(|(name, _)| known(name)).collect();
    if let Some(override_) = &mut state.override_ {
        override_.target = override_.target.as_ref().map(rename);
    }
    if let Some(decision) = &mut state.decision {
        decision.serve = decision.serve.iter().map(rename).collect();
    }
    state
}

/// A service whose whole served set is gone serves what the guard would; a new one its first.
fn replace_gone(world: &mut World, index: usize) {
    let service = &world.services[index];
    if !service.serving.is_empty() {
        return;
    }
    let at = world.at;
    if service.decision.is_none() {
        let first = super::guard::first_of_all(world, index);
        world.services[index].serving.extend(first);
    } else if let Some(target) = super::guard::first_servable(world, index) {
        world.services[index].serve(at, &[target], true);
    }
}

/// Serials of the zones: as their files say, later than before where anything changed.
fn serials(world: &mut World, new: &ConfigInForce, before: &answers::ByName) {
    let after = answers::by_name(world);
    let names = before.keys().chain(after.keys());
    let apexes = new.config.apexes();
    let changed: BTreeSet<DnsName> = names
        .filter(|name| before.get(*name) != after.get(*name))
        .filter_map(|name| apexes.zone_of(name).cloned())
        .collect();
    let mut serials = BTreeMap::new();
    for zone in &world.config.zones {
        let version = new
            .zone_versions
            .iter()
            .find(|version| version.apex == zone.name);
        let hash = version
            .map(|version| version.hash.clone())
            .unwrap_or_default();
        let wanted = version.and_then(|version| version.serial);
        let serial = match world.serials.get(&zone.name) {
            // Seconds since 1970: later than any serial of an earlier life of the same zone.
            None => wanted
                .unwrap_or((world.at.0 / 1_000).rem_euclid(1 << 32) as u32)
                .max(1),
            Some(&current)
                if world.zone_hashes.get(&zone.name) != Some(&hash)
                    || changed.contains(&zone.name) =>
            {
                serial::next(current, wanted)
            }
            Some(&current) => current,
        };
        serials.insert(zone.name.clone(), serial);
        world.zone_hashes.insert(zone.name.clone(), hash);
    }
    world
        .zone_hashes
        .retain(|apex, _| serials.contains_key(apex));
    // A zone that comes again goes on where it ended, whatever its file says.
    world.serials.extend(serials);
}

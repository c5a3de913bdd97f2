//! What DNS serves: the answer table, a projection of the state, swapped whole.

use super::{
    aggregate::Group,
    service_state::ServiceState,
    state::{State, World},
};
use crate::model::{DnsName, Require, ServiceName, TargetName};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr};

/// The projection that DNS serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerTable {
    /// The event up to which this table is true.
    pub seq: u64,
    /// By service.
    pub services: BTreeMap<ServiceName, ServiceAnswer>,
    /// SOA serial by zone apex; moves with every published change, never back (RFC 1982).
    pub serials: BTreeMap<DnsName, u32>,
}

/// What a service's names answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAnswer {
    /// The owner names.
    pub names: Vec<DnsName>,
    /// A and AAAA together, without duplicates, in the order to answer them. Empty only while a
    /// hostname was never resolved.
    pub addresses: Vec<IpAddr>,
    /// Records beside them, without duplicates, as the targets have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<String>,
    /// What relative names in the records are relative to: the zone of the first owner name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<DnsName>,
    /// The hostname that names answer as a CNAME which are no zone's apex; the addresses are
    /// answered at an apex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cname: Option<DnsName>,
    /// Their TTL, 1 – 86,400 s; also the ceiling of a negative answer at these names.
    pub ttl_secs: u32,
}

/// Answers by owner name: what a comparison before and after a change needs.
pub(super) type ByName = BTreeMap<DnsName, ServiceAnswer>;

/// What DNS serves.
pub fn answers(state: &State) -> AnswerTable {
    let world = state.world();
    let apexes = world.config.apexes();
    let services = world.services.iter().filter_map(|service| {
        let configured = world.config.services.get(&service.name)?;
        let mut answer = answer_of(world, service);
        answer.names.clone_from(&configured.names);
        if !answer.records.is_empty() {
            let zone = configured.names.first();
            answer.origin = zone.and_then(|name| apexes.zone_of(name)).cloned();
        }
        Some((service.name.clone(), answer))
    });
    AnswerTable {
        seq: world.seq,
        services: services.collect(),
        serials: world.serials_in_force(),
    }
}

/// What every owner name answers.
pub(super) fn by_name(world: &World) -> ByName {
    let mut by_name = ByName::new();
    for service in &world.services {
        let answer = answer_of(world, service);
        for name in world
            .config
            .services
            .get(&service.name)
            .into_iter()
            .flat_map(|s| &s.names)
        {
            by_name.insert(name.clone(), answer.clone());
        }
    }
    by_name
}

impl World {
    /// What some services answer.
    pub(super) fn answers_of(&self, services: &[usize]) -> Vec<ServiceAnswer> {
        services
            .iter()
            .map(|&index| answer_of(self, &self.services[index]))
            .collect()
    }
}

/// What one service answers; without its names.
pub(super) fn answer_of(world: &World, service: &ServiceState) -> ServiceAnswer {
    let mut answer = ServiceAnswer::default();
    for name in &service.serving {
        for address in living_addresses(world, service, name) {
            if !answer.addresses.contains(&address) {
                answer.addresses.push(address);
            }
        }
    }
    let targets = &world.config.targets;
    let served = || service.serving.iter().filter_map(|name| targets.get(name));
    for record in served().flat_map(|target| &target.records) {
        if !answer.records.contains(record) {
            answer.records.push(record.clone());
        }
    }
    // A CNAME stands alone: beside others a hostname is answered by its addresses.
    if service.serving.len() == 1 || answer.addresses.is_empty() {
        answer.cname = served().find_map(|target| target.cname.clone());
    }
    let configured = world
        .config
        .services
        .get(&service.name)
        .map_or(0, |service| service.ttl_ms);
    let ttl_ms = service
        .decision
        .as_ref()
        .map_or(configured, |decision| decision.ttl_ms);
    answer.ttl_secs = super::guard::whole_ttl_secs(ttl_ms);
    answer
}

/// The addresses of a target; of one with `require = "any"` those that are not dead, unless all
/// are. An address is dead once it failed [`DEAD_AFTER`] times in a row.
fn living_addresses(world: &World, service: &ServiceState, target: &TargetName) -> Vec<IpAddr> {
    let Some(target) = world.config.targets.get(target) else {
        return Vec::new();
    };
    let slot = service
        .targets
        .iter()
        .find(|slot| slot.target == target.name);
    if target.require == Require::All || !target.probe_at.is_empty() {
        // Probed elsewhere: the addresses probed are not those answered.
        return target.addresses.clone();
    }
    let groups = slot
        .into_iter()
        .flat_map(|slot| &slot.groups)
        .map(|&i| &world.groups[i]);
    let groups: Vec<&Group> = groups.collect();
    let dead = |address: &IpAddr| {
        groups
            .iter()
            .any(|group| group.failures_at(*address) >= DEAD_AFTER)
    };
    let living: Vec<IpAddr> = target
        .addresses
        .iter()
        .filter(|a| !dead(a))
        .copied()
        .collect();
    if living.is_empty() {
        target.addresses.clone()
    } else {
        living
    }
}

/// Bad probes in a row after which an address of a target with `require = "any"` is left out.
const DEAD_AFTER: i64 = 3;

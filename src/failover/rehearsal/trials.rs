//! Trials: a policy is run through a fixed matrix of synthetic worlds before it is in force.
//!
//! A fault in any of them refuses the policy, so that a typo in the failover branch is found when
//! the file is saved and not when the primary dies. The monitors are slowed down so that a world
//! covers the longest window of the policy in about fifty probes: trials cost the same whatever
//! the configured interval. Of many targets the first seven and the last are probed, and five
//! are made to suffer.

use super::{
    lane::Lane,
    runner::Rehearsal,
    worlds::{ROUNDS_OF_WINDOW, matrix, some_of},
};
use crate::failover::{Policy, PolicyFault};
use crate::model::{
    Config, Monitor, MonitorPatch, PolicyText, ServiceName, TargetName, VantageName, WitnessConfig,
    config::WitnessAddress, time::SECOND_MS,
};
use std::{collections::BTreeSet, net::Ipv4Addr};

/// Targets that are probed.
const PROBED_MAX: usize = 8;

/// What the trials of a policy for a service found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrialReport {
    /// Every fault, once, with the first world that showed it.
    pub faults: Vec<(String, PolicyFault)>,
    /// How many worlds there were.
    pub worlds: usize,
    /// Lines of the policy that decided in some world.
    pub lines: BTreeSet<u32>,
}

/// Runs the policy `text` for `service` through the matrix; `policy` must know it under the
/// service's parameters. A service that does not exist has no worlds.
pub fn trials(
    config: &Config,
    service: &ServiceName,
    text: &PolicyText,
    policy: &dyn Policy,
) -> TrialReport {
    let mut report = TrialReport::default();
    let Some((config, round_ms)) = slowed(config, service) else {
        return report;
    };
    let Some(mut base) = Rehearsal::new(&config, service, text, policy) else {
        return report;
    };
    let targets = &config.services[service].targets;
    keep_lanes(&mut base.lanes, targets);
    for world in matrix(service, targets) {
        let mut rehearsal = base.clone();
        world.play(&mut rehearsal, round_ms);
        report.worlds += 1;
        for fault in rehearsal.faults() {
            if !report.faults.iter().any(|(_, known)| known == fault) {
                report.faults.push((world.name.clone(), fault.clone()));
            }
        }
        let lines = rehearsal.deciding_lines().iter();
        report.lines.extend(
            lines
                .filter(|(line, by)| *line > 0 && by.is_policy())
                .map(|said| said.0),
        );
    }
    report
}

/// One address of each target and monitor is enough, and not every target of hundreds.
fn keep_lanes(lanes: &mut Vec<Lane>, targets: &[TargetName]) {
    let probed = some_of(targets, PROBED_MAX);
    let mut seen = BTreeSet::new();
    lanes.retain(|lane| {
        probed.contains(&&lane.target) && seen.insert((lane.target.clone(), lane.monitor.clone()))
    });
}

/// The configuration with monitors so slow that [`ROUNDS_OF_WINDOW`] cover the longest window, a
/// witness, no budget that hides a branch, and how long a round is.
fn slowed(config: &Config, service: &ServiceName) -> Option<(Config, i64)> {
    let mut config = config.clone();
    let kept_ms = config.services.get(service)?.kept_ms();
    let names = config.services[service].monitors.clone();
    let configured = names.iter().filter_map(|name| config.monitors.get(name));
    let configured_ms = configured.map(|monitor| monitor.interval_ms).max();
    let round_ms = configured_ms
        .unwrap_or(SECOND_MS)
        .max(kept_ms / ROUNDS_OF_WINDOW)
        .max(1);
    let slow = |monitor: &mut Monitor| {
        monitor.interval_ms = round_ms;
        monitor.interval_suspect_ms = None;
    };
    config.monitors.values_mut().for_each(slow);
    let patches = config
        .targets
        .values_mut()
        .flat_map(|target| target.monitor.values_mut());
    patches.for_each(|patch: &mut MonitorPatch| patch.interval_ms = None);
    for service in config.services.values_mut() {
        service.max_switches = None;
    }
    if config.server.name.is_empty() {
        config.server.name = VantageName::from("local");
    }
    // 198.18.0.0/15 is for tests (RFC 2544); nobody asks it.
    let witness = WitnessAddress::Icmp(Ipv4Addr::new(198, 18, 0, 1).into());
    config.witness = Some(WitnessConfig {
        addresses: vec![witness],
        need: 1,
    });
    Some((config, round_ms))
}

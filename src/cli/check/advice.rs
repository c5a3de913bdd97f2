//! What an operator should know that refuses nothing: untested policies, lines that no trial
//! reached, names that should perhaps be a service's.

use super::Checklist;
use crate::{
    cli::hostnames,
    config::Paths,
    daemon::{Accepted, Case, Judge},
    model::{
        Config, Diagnostic, DnsName, PolicyName, PolicyVersion, TargetName, service::default_policy,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Policies: what they are, whether they have tests, and what no trial reached.
pub(super) fn policies(case: &Case, accepted: &Accepted, judge: &Judge, checklist: &mut Checklist) {
    let paths = Paths::of(&case.path);
    let mut unreached: BTreeMap<&PolicyName, BTreeSet<u32>> = BTreeMap::new();
    for (service, text) in &accepted.scripts {
        let version = PolicyVersion::of(&text.source, &service.params);
        let lines = judge.library().unreached_lines(&version);
        // A line is reached once any service reaches it.
        match unreached.entry(&service.policy) {
            std::collections::btree_map::Entry::Vacant(entry) => drop(entry.insert(lines)),
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                entry.get_mut().retain(|line| lines.contains(line));
            }
        }
    }
    for text in &accepted.policies {
        let path = paths.policy(&accepted.config, &text.name);
        let file = if path.exists() {
            path.display().to_string()
        } else {
            format!("{} (built in)", text.name)
        };
        let tested = case.tests.contains_key(&text.name);
        let is_builtin = text.name == default_policy() && !path.exists();
        let with = if tested { ", its tests pass" } else { "" };
        checklist
            .good
            .push(format!("policy {file}: no fault in any trial{with}"));
        if !tested && !is_builtin {
            let tests = paths.policy_test(&accepted.config, &text.name);
            let message = format!("has no test: write {}", tests.display());
            checklist
                .findings
                .push(Diagnostic::error(&*file, "", 0, 0, message).warning());
        }
        // Ours has its own tests; whoever edits a copy wants to know.
        let lines = unreached.get(&text.name).filter(|_| !is_builtin);
        for line in lines.into_iter().flatten() {
            let line = usize::try_from(*line).unwrap_or(0);
            let message = "no trial reached this line: nobody knows what it does";
            checklist
                .findings
                .push(Diagnostic::error(&*file, &text.source, line, 0, message).warning());
        }
    }
}

/// Static names that point at a target's address and are in no service: they would not move.
pub(super) fn static_names(case: &Case, accepted: &Accepted, checklist: &mut Checklist) {
    let mut targets: BTreeMap<IpAddr, &TargetName> = BTreeMap::new();
    for target in accepted.config.targets.values() {
        targets.extend(
            target
                .addresses
                .iter()
                .map(|&address| (address, &target.name)),
        );
    }
    let services: BTreeSet<&DnsName> = accepted
        .config
        .services
        .values()
        .flat_map(|service| &service.names)
        .collect();
    let apexes = accepted.config.apexes();
    for (name, address) in accepted.zones.static_addresses() {
        let Some(target) = targets.get(&address).filter(|_| !services.contains(&name)) else {
            continue;
        };
        let message = format!(
            "{name} points at {address}, the address of target {target}, and is in no service: it will not move"
        );
        let found = match apexes.zone_of(&name) {
            Some(zone) => case.loaded.places.zone(zone, "file", message),
            None => Diagnostic::error(case.path.display().to_string(), "", 0, 0, message),
        };
        checklist.findings.push(found.warning());
    }
}

/// Adds a warning for each hostname that cannot be resolved from here.
pub(super) fn hostnames(case: &Case, accepted: &Accepted, checklist: &mut Checklist) {
    let mut config = Config::clone(&accepted.config);
    if config.targets.values().all(|target| target.cname.is_none()) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else { return };
    for (target, why) in runtime.block_on(hostnames::resolve(&mut config)) {
        let found = case.loaded.places.target(&target, "cname", why);
        checklist.findings.push(found.warning());
    }
}

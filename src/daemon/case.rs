//! A case: a configuration and the files beside it, put together from what was read.
//!
//! Knows which files a configuration uses, not whether they are right: that is the judge's.

use super::{judge::Case, sources::Sources};
use crate::{
    config::Loaded,
    model::{Config, Diagnostic, PolicyName, Service, ZoneConfig, ZoneSource},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

/// The zones of a configuration that have a file.
fn zones_with_files(config: &Config) -> impl Iterator<Item = &ZoneConfig> {
    let has_file = |zone: &&ZoneConfig| matches!(zone.source, ZoneSource::File(_));
    config.zones.iter().filter(has_file)
}

/// A case of a configuration and the files beside it.
///
/// # Errors
/// Files that could not be read.
pub fn case(path: &Path, loaded: Loaded, sources: &Sources) -> Result<Case, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut case = Case {
        path: path.to_owned(),
        loaded,
        policies: BTreeMap::new(),
        tests: BTreeMap::new(),
        zones: BTreeMap::new(),
        beside: BTreeMap::new(),
    };
    case.take_beside(sources);
    let used: Vec<_> = case
        .loaded
        .config
        .services
        .values()
        .flat_map(|service| service.policies().cloned())
        .collect();
    for name in used {
        match sources.policies.get(&name) {
            Some(Ok(text)) => {
                case.policies.insert(name.clone(), Arc::clone(text));
            }
            Some(Err(found)) => {
                let mut users = case.loaded.config.services.values();
                let user = users.find(|service| service.policies().any(|used| *used == name));
                let place = |service: &Service| {
                    let message = format!("policy '{name}': {}", found.message);
                    let is_policy = service.policy == name;
                    let key = if is_policy { "policy" } else { "shadow" };
                    case.loaded.places.service(&service.name, key, message)
                };
                errors.push(user.map_or_else(|| found.clone(), place));
            }
            None => {}
        }
        match sources.tests.get(&name) {
            Some(Ok(text)) => {
                case.tests.insert(name.clone(), Arc::clone(text));
            }
            Some(Err(found)) => errors.push(found.clone()),
            None => {}
        }
    }
    for zone in zones_with_files(&case.loaded.config) {
        match sources.zones.get(&zone.name) {
            Some(Ok(text)) => {
                case.zones.insert(zone.name.clone(), Arc::clone(text));
            }
            Some(Err(found)) => {
                let message = format!("zone file {}: {}", found.file, found.message);
                errors.push(case.loaded.places.zone(&zone.name, "file", message));
            }
            None => {}
        }
    }
    errors.dedup();
    if errors.is_empty() {
        Ok(case)
    } else {
        Err(errors)
    }
}

impl Case {
    /// Adds files that the configuration names and the case lacks, and drops those it does not.
    pub(super) fn add_missing(&mut self, sources: &Sources) {
        let used: Vec<_> = self
            .loaded
            .config
            .services
            .values()
            .flat_map(|service| service.policies().cloned())
            .collect();
        for name in &used {
            if !self.policies.contains_key(name) {
                self.take_policy(name, sources);
            }
        }
        self.policies.retain(|name, _| used.contains(name));
        self.tests.retain(|name, _| used.contains(name));
        let zones: BTreeSet<_> = zones_with_files(&self.loaded.config)
            .map(|zone| &zone.name)
            .collect();
        self.zones.retain(|apex, _| zones.contains(apex));
        for zone in zones_with_files(&self.loaded.config) {
            if let Some(Ok(text)) = sources.zones.get(&zone.name) {
                self.zones
                    .entry(zone.name.clone())
                    .or_insert_with(|| Arc::clone(text));
            }
        }
    }

    pub(super) fn uses(&self, policy: &PolicyName) -> bool {
        let mut services = self.loaded.config.services.values();
        services.any(|service| service.policies().any(|used| used == policy))
    }

    /// Takes the files beside as they were read; whether that changes anything.
    pub(super) fn take_beside(&mut self, sources: &Sources) -> bool {
        let before = self.beside.clone();
        let read = sources.beside.iter();
        let good = read.filter_map(|(file, text)| Some((file.clone(), text.clone().ok()?)));
        self.beside.extend(good);
        self.beside != before
    }

    /// Takes a policy and its tests as they were read; whether that changes anything.
    pub(super) fn take_policy(&mut self, name: &PolicyName, sources: &Sources) -> bool {
        let Some(Ok(text)) = sources.policies.get(name) else {
            return false;
        };
        let tests = match sources.tests.get(name) {
            Some(Ok(tests)) => Some(Arc::clone(tests)),
            Some(Err(_)) => return false,
            None => None,
        };
        if self.policies.get(name) == Some(text) && self.tests.get(name) == tests.as_ref() {
            return false;
        }
        self.policies.insert(name.clone(), Arc::clone(text));
        match tests {
            Some(tests) => self.tests.insert(name.clone(), tests),
            None => self.tests.remove(name),
        };
        true
    }
}

/// What differs between two cases, in words.
pub(super) fn changes(old: &Case, new: &Case) -> Vec<String> {
    let mut changed = Vec::new();
    if old.loaded.config != new.loaded.config {
        changed.push(new.path.display().to_string());
    }
    for (name, text) in &new.policies {
        if old.policies.get(name) != Some(text) {
            changed.push(format!("policy {name}"));
        }
    }
    for (apex, text) in &new.zones {
        if old.zones.get(apex) != Some(text) {
            changed.push(format!("zone {apex}"));
        }
    }
    for (file, text) in &new.beside {
        if old.beside.get(file).is_some_and(|old| old != text) {
            changed.push(file.display().to_string());
        }
    }
    changed
}

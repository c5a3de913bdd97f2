//! What a reload changed, compared with what was in force before: a sentence for each difference.
//!
//! Settings are compared as the JSON that recordings hold, so that a new key cannot go unsaid.

use crate::model::{Config, DnsName, PolicyName, Service, ServiceName, duration::format_ms};
use serde::Serialize;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
    sync::Arc,
};

/// Texts of policies by name.
pub(super) type Texts = BTreeMap<PolicyName, Arc<str>>;
/// Hashes of zones' static records by apex.
pub(super) type Hashes = BTreeMap<DnsName, String>;

/// What follows from the text and is no setting of anybody.
const DERIVED: [&str; 2] = ["name", "keep_ms"];

/// What is in force, as far as a reload changes it.
#[derive(Clone, Debug, Default)]
pub(super) struct InForce {
    pub(super) config: Arc<Config>,
    pub(super) texts: Texts,
    pub(super) zones: Hashes,
}

/// One difference, and whom it concerns: `None` is everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) said: String,
    pub(super) concerns: Option<BTreeSet<ServiceName>>,
}

/// All differences, services first.
pub(super) fn changes(before: &InForce, after: &InForce) -> Vec<Change> {
    let mut found = Vec::new();
    services(before, after, &mut found);
    policies(before, after, &mut found);
    let (old, new) = (&*before.config, &*after.config);
    let both = [old, new];
    kind("target", &old.targets, &new.targets, &mut found, |name| {
        users(both, |service| {
            service.targets.iter().any(|used| &**used == name)
        })
    });
    kind(
        "monitor",
        &old.monitors,
        &new.monitors,
        &mut found,
        |name| {
            users(both, |service| {
                service.monitors.iter().any(|used| &**used == name)
            })
        },
    );
    let everybody = |said: String| Change {
        said,
        concerns: None,
    };
    let sections = [
        ("server", json(&old.server), json(&new.server)),
        ("witness", json(&old.witness), json(&new.witness)),
        ("zones", json(&old.zones), json(&new.zones)),
    ];
    for (section, old, new) in sections {
        let mut settings = Vec::new();
        differences(section, &old, &new, &mut settings);
        found.extend(settings.into_iter().map(everybody));
    }
    for (apex, hash) in &after.zones {
        if before.zones.get(apex).is_some_and(|old| old != hash) {
            found.push(everybody(format!("records of zone {apex} changed")));
        }
    }
    found
}

/// Services that use something, before or after.
fn users(configs: [&Config; 2], uses: impl Fn(&Service) -> bool) -> BTreeSet<ServiceName> {
    let services = configs
        .into_iter()
        .flat_map(|config| config.services.values());
    let users = services.filter(|service| uses(service));
    users.map(|service| service.name.clone()).collect()
}

fn services(before: &InForce, after: &InForce, found: &mut Vec<Change>) {
    let (old, new) = (&before.config.services, &after.config.services);
    let mut say = |name: &ServiceName, said| {
        let concerns = Some(BTreeSet::from([name.clone()]));
        found.push(Change { said, concerns });
    };
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        say(name, format!("service {name} removed"));
    }
    for (name, service) in new {
        let Some(known) = old.get(name) else {
            say(name, format!("service {name} added"));
            continue;
        };
        let (mut old, mut new) = (json(known), json(service));
        for service in [&mut old, &mut new] {
            name_shadow(service);
        }
        let (old_params, new_params) = (take(&mut old, "params"), take(&mut new, "params"));
        let mut params = Vec::new();
        differences("", &old_params, &new_params, &mut params);
        for said in params {
            say(name, format!("{said} in {name}"));
        }
        let mut settings = Vec::new();
        differences(name, &old, &new, &mut settings);
        for said in settings {
            say(name, said);
        }
    }
}

/// Puts a shadow's file name in its place: the rest follows from its text.
fn name_shadow(service: &mut Value) {
    if let Some(shadow) = service.get_mut("shadow") {
        *shadow = take(shadow, "policy");
    }
}

/// Policies whose text changed, with the constants that did.
fn policies(before: &InForce, after: &InForce, found: &mut Vec<Change>) {
    for (name, text) in &after.texts {
        let Some(known) = before.texts.get(name).filter(|known| *known != text) else {
            continue;
        };
        let uses = |service: &Service| service.policies().any(|used| used == name);
        let concerns = users([&after.config; 2], uses);
        if concerns.is_empty() {
            continue;
        }
        let (old, new) = (constants(known), constants(text));
        let mut changed = Vec::new();
        differences("", &Value::Object(old), &Value::Object(new), &mut changed);
        let said = match changed.as_slice() {
            [] => format!("policy {name} changed"),
            some => format!("policy {name} changed ({})", some.join(", ")),
        };
        let concerns = Some(concerns);
        found.push(Change { said, concerns });
    }
}

/// The constants at the beginning of a policy's lines, as they are written.
fn constants(text: &str) -> Map<String, Value> {
    let constant = |line: &str| {
        let (name, value) = line.strip_prefix("const ")?.split_once('=')?;
        let (value, _) = value.split_once(';')?;
        Some((name.trim().to_owned(), Value::from(value.trim())))
    };
    text.lines().filter_map(constant).collect()
}

/// Things of one kind: added, removed, changed.
fn kind<K: Deref<Target = str> + Ord, T: Serialize>(
    word: &str,
    old: &BTreeMap<K, T>,
    new: &BTreeMap<K, T>,
    found: &mut Vec<Change>,
    concerned: impl Fn(&str) -> BTreeSet<ServiceName>,
) {
    let mut say = |name: &str, said| {
        let concerns = Some(concerned(name));
        found.push(Change { said, concerns });
    };
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        say(name, format!("{word} {} removed", &**name));
    }
    for (name, thing) in new {
        let Some(known) = old.get(name) else {
            say(name, format!("{word} {} added", &**name));
            continue;
        };
        let mut settings = Vec::new();
        let place = format!("{word} {}", &**name);
        differences(&place, &json(known), &json(thing), &mut settings);
        for said in settings {
            say(name, said);
        }
    }
}

fn json(value: &impl Serialize) -> Value {
    // Checked configurations are plain maps and texts; one that is not shows no difference.
    serde_json::to_value(value).unwrap_or_default()
}

fn take(value: &mut Value, key: &str) -> Value {
    value
        .as_object_mut()
        .and_then(|object| object.remove(key))
        .unwrap_or_else(|| Value::Object(Map::new()))
}

/// `interval 5s -> 2s in target web`: what differs, into nested objects.
fn differences(place: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    let empty = Map::new();
    let (Some(old), Some(new)) = (object(old, &empty), object(new, &empty)) else {
        return;
    };
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let (old, new) = (old.get(key), new.get(key));
        if old == new || DERIVED.contains(&key.as_str()) {
            continue;
        }
        if let (Some(old @ Value::Object(_)), Some(new @ Value::Object(_))) = (old, new) {
            let place = format!("{place} {key}");
            differences(place.trim(), old, new, found);
            continue;
        }
        let word = key.strip_suffix("_ms").unwrap_or(key);
        let said = match (old, new) {
            (None, Some(new)) => format!("{word} set to {}", shown(key, new)),
            (Some(old), None) => format!("{word} {} taken out", shown(key, old)),
            (Some(old), Some(new)) => format!("{word} {} -> {}", shown(key, old), shown(key, new)),
            (None, None) => continue,
        };
        found.push(format!("{place} {said}").trim().to_owned());
    }
}

/// Objects; what is not there is one without keys.
fn object<'v>(value: &'v Value, empty: &'v Map<String, Value>) -> Option<&'v Map<String, Value>> {
    match value {
        Value::Object(object) => Some(object),
        Value::Null => Some(empty),
        _ => None,
    }
}

/// A value as an operator would write it.
fn shown(key: &str, value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if key.ends_with("_ms") => number
            .as_i64()
            .map_or_else(|| number.to_string(), format_ms),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(|value| shown("", value)).collect();
            values.join(" ")
        }
        other => other.to_string(),
    }
}

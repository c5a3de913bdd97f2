//! `[[service]]`: owner names, targets in order of preference, monitors and a policy.

use super::{
    document::{Document, Field, shown},
    monitor,
    names::{Seen, owner_name},
    places::Places,
    table::{Table, type_of},
    zone::OwnedName,
};
use crate::model::{
    DnsName, Monitor, MonitorName, OnFault, OnReload, Param, Params, PolicyName, Service,
    ServiceName, Shadow, SwitchBudget, Target, TargetName,
    service::{default_history_ms, default_policy, default_ttl_ms},
    time::{DAY_MS, SECOND_MS},
};
use std::collections::{BTreeMap, BTreeSet};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

const MAX_NAMES: usize = 100;
const MAX_TARGETS: usize = 64;
const MAX_MONITORS: usize = 64;

/// What services refer to, and what they add to it.
pub(super) struct Known<'a, 't> {
    pub(super) targets: &'a BTreeMap<TargetName, Target>,
    /// Grows by the inline monitors.
    pub(super) monitors: &'a mut BTreeMap<MonitorName, Monitor>,
    /// Names of the inline monitors by where they are written.
    pub(super) inline: Inline,
    /// Names of monitors that could not be read: known, and reported already.
    pub(super) broken: &'a BTreeSet<&'t str>,
    /// Grows by the services' names.
    pub(super) names: &'a mut BTreeMap<DnsName, OwnedName>,
    pub(super) places: &'a mut Places,
}

/// Reads a service; every finding is reported, `None` where it has no name.
pub(super) fn read<'t>(table: &Table<'t>, known: &mut Known<'_, 't>) -> Option<Service> {
    let name = table.needed_text("name", "a service");
    let what = match name {
        Some(name) => format!("service '{}'", shown(name.value)),
        None => "a service".to_owned(),
    };
    let name = ServiceName::from(name.map_or("", |name| name.value));
    known.places.add_table("service", &name, table);
    let service = Service {
        names: names(table, &what, &name, known),
        targets: targets(table, &what, &name, known),
        monitors: monitors(table, &what, known),
        policy: policy(table),
        params: match table.table("params") {
            Some(params) => {
                let open = Table::open_free(table.doc, params);
                for entry in open.entries() {
                    let key = format!("params.{}", entry.key.value);
                    known.places.add("service", &name, &key, entry.value_at());
                }
                self::params(table.doc, params)
            }
            None => Params::new(),
        },
        ttl_ms: ttl(table).unwrap_or_else(default_ttl_ms),
        history_ms: table
            .duration("history", SECOND_MS..=DAY_MS)
            .map_or_else(default_history_ms, |one| one.value),
        keep_ms: 0,
        max_switches: max_switches(table),
        on_fault: table
            .word(
                "on_fault",
                &[("fallback", OnFault::Fallback), ("hold", OnFault::Hold)],
            )
            .unwrap_or_default(),
        rto_ms: table.duration("rto", 1..=DAY_MS).map(|one| one.value),
        reload: table
            .word(
                "reload",
                &[("apply", OnReload::Apply), ("ask", OnReload::Ask)],
            )
            .unwrap_or_default(),
        shadow: shadow(table),
        name,
    };
    (!service.name.is_empty()).then_some(service)
}

fn names(
    table: &Table<'_>,
    what: &str,
    service: &ServiceName,
    known: &mut Known<'_, '_>,
) -> Vec<DnsName> {
    let doc = table.doc;
    let mut names = Vec::new();
    for text in table.needed_texts("names", what, MAX_NAMES) {
        let name = match owner_name(text.value) {
            Ok(name) if name.as_str() == "." => {
                doc.error(
                    text.at,
                    "the root cannot be a service's name: write a name below it",
                );
                continue;
            }
            Ok(name) => name,
            Err(error) => {
                doc.error(text.at, error);
                continue;
            }
        };
        if let Some(owned) = known.names.get(&name) {
            let (word, line) = (shown(text.value), doc.line(owned.at));
            let message = if names.contains(&name) {
                format!("name '{word}' is listed twice: remove one")
            } else {
                let other = shown(&owned.service);
                format!(
                    "name '{word}' belongs to service '{other}' already, on line {line}: remove one"
                )
            };
            doc.error(text.at, message);
            continue;
        }
        let key = format!("names.{name}");
        known.places.add("service", service, &key, text.at);
        let owned = OwnedName {
            at: text.at,
            service: service.clone(),
        };
        known.names.insert(name.clone(), owned);
        names.push(name);
    }
    names
}

fn targets(
    table: &Table<'_>,
    what: &str,
    service: &ServiceName,
    known: &mut Known<'_, '_>,
) -> Vec<TargetName> {
    let mut seen = Seen::new("target");
    let mut targets = Vec::new();
    for text in table.needed_texts("targets", what, MAX_TARGETS) {
        if !known.targets.contains_key(text.value) {
            let names = known.targets.keys().map(TargetName::as_str);
            table.doc.unknown("target", text, names, || {
                ": no [[target]] has this name".to_owned()
            });
        } else if seen.take_member(table.doc, text) {
            let key = format!("targets.{}", text.value);
            known.places.add("service", service, &key, text.at);
            targets.push(text.value.into());
        }
    }
    targets
}

fn monitors<'t>(table: &Table<'t>, what: &str, known: &mut Known<'_, 't>) -> Vec<MonitorName> {
    let doc = table.doc;
    let Some((at, items)) = table.list("monitors") else {
        if !table.is_written("monitors") {
            let example = "monitors = [{ url = \"https://www.example.com/healthz\" }]";
            doc.error(
                table.at,
                format!("{what} needs `monitors`, such as {example}"),
            );
        }
        return Vec::new();
    };
    if items.is_empty() {
        doc.error(
            at,
            format!("`monitors` is empty: {what} needs at least one"),
        );
    } else if items.len() > MAX_MONITORS {
        let count = items.len();
        doc.error(
            at,
            format!("`monitors` has {count} items; at most {MAX_MONITORS} are allowed"),
        );
        return Vec::new();
    }
    let mut monitors: Vec<MonitorName> = Vec::new();
    for item in items.iter() {
        let Some(name) = monitor_name(doc, item, known) else {
            continue;
        };
        if monitors.contains(&name) {
            let message = format!("monitor '{}' is listed twice: remove one", shown(&name));
            doc.error(item.span().start, message);
        } else {
            monitors.push(name);
        }
    }
    monitors
}

fn monitor_name<'t>(
    doc: &'t Document<'t>,
    item: &'t Spanned<DeValue<'t>>,
    known: &mut Known<'_, 't>,
) -> Option<MonitorName> {
    let at = item.span().start;
    match item.get_ref() {
        DeValue::String(name) if known.monitors.contains_key(name.as_ref()) => {
            Some(name.as_ref().into())
        }
        DeValue::String(name) => {
            if !known.broken.contains(name.as_ref()) {
                let names = known.monitors.keys().map(MonitorName::as_str);
                let value = name.as_ref();
                doc.unknown("monitor", Field { value, at }, names, || {
                    ": no [[monitor]] has this name".to_owned()
                });
            }
            None
        }
        DeValue::Table(_) => known.inline.names.get(&at).cloned(),
        other => {
            let found = type_of(other);
            let wanted = "the name of a monitor or { url = \"...\" }";
            doc.error(
                at,
                format!("every item of `monitors` must be {wanted}, not {found}"),
            );
            None
        }
    }
}

/// Adds the inline monitors of a service, so that every service can refer to them by name.
pub(super) fn inline_monitors<'t>(table: &Table<'t>, known: &mut Known<'_, 't>) {
    let items = table.list("monitors").map(|(_, items)| items);
    let items = items.filter(|items| items.len() <= MAX_MONITORS);
    for item in items.into_iter().flat_map(|items| items.iter()) {
        if let DeValue::Table(value) = item.get_ref() {
            let at = item.span().start;
            if let Some(name) = inline(table.doc, Field { value, at }, known) {
                known.inline.names.insert(at, name);
            }
        }
    }
}

/// Adds an inline monitor under the name of its kind; one that is there already is the same one,
/// another of the same kind becomes `http-2`, `http-3` and so on.
fn inline<'t>(
    doc: &'t Document<'t>,
    table: Field<&'t DeTable<'t>>,
    known: &mut Known<'_, 't>,
) -> Option<MonitorName> {
    let named = Table::open_free(doc, table);
    if let Some(entry) = named.entry("name") {
        let message = "an inline monitor is named after its kind: write [[monitor]] to name it";
        doc.error(entry.key.at, message);
        return None;
    }
    let monitor::Read { table, mut monitor } = monitor::read(doc, table, true)?;
    let (kind, settings) = (monitor.probe.word(), Inline::settings(&monitor));
    if let Some(name) = known.inline.same.get(&settings) {
        return Some(name.clone());
    }
    let taken = |name: &MonitorName| {
        known.monitors.contains_key(name) || known.broken.contains(name.as_str())
    };
    let number = known.inline.numbers.entry(kind).or_insert(1);
    while taken(&monitor.name) {
        *number += 1;
        monitor.name = format!("{kind}-{number}").into();
    }
    let name = monitor.name.clone();
    known.places.add_table("monitor", &name, &table);
    known.inline.same.insert(settings, name.clone());
    known.monitors.insert(name.clone(), monitor);
    Some(name)
}

/// The inline monitors so far.
#[derive(Default)]
pub(super) struct Inline {
    /// By where they are written.
    names: BTreeMap<usize, MonitorName>,
    /// By their settings; also the `[[monitor]]`s that are named as an inline one would be.
    same: BTreeMap<String, MonitorName>,
    /// The last number given, by kind.
    numbers: BTreeMap<&'static str, u32>,
}

impl Inline {
    pub(super) fn among(monitors: &BTreeMap<MonitorName, Monitor>) -> Self {
        let mut inline = Self::default();
        for monitor in monitors.values() {
            let after_kind = monitor.name.strip_prefix(monitor.probe.word());
            let number = after_kind.and_then(|rest| rest.strip_prefix('-'));
            if after_kind == Some("") || number.is_some_and(|number| number.parse::<u32>().is_ok())
            {
                let name = monitor.name.clone();
                inline.same.entry(Self::settings(monitor)).or_insert(name);
            }
        }
        inline
    }

    /// Everything about a monitor but its name, as a key.
    fn settings(monitor: &Monitor) -> String {
        let name = monitor.probe.word().into();
        format!(
            "{:?}",
            Monitor {
                name,
                ..monitor.clone()
            }
        )
    }
}

/// Reads `policy`.
fn policy(table: &Table<'_>) -> PolicyName {
    policy_file(table, "policy").unwrap_or_else(default_policy)
}

/// Reads `shadow`: another file than the policy.
fn shadow(table: &Table<'_>) -> Option<Shadow> {
    let name = policy_file(table, "shadow")?;
    let policy = table.text("policy").map(|text| text.value.into());
    if name == policy.unwrap_or_else(default_policy) {
        let at = table.text("shadow").map_or(table.at, |text| text.at);
        let message = format!(
            "'{}' is the service's policy already: write its shadow as another file",
            shown(&name)
        );
        table.doc.error(at, message);
        return None;
    }
    Some(Shadow::new(name))
}

/// The file name of a policy under `key`; `None` where the key is not there.
fn policy_file(table: &Table<'_>, key: &str) -> Option<PolicyName> {
    let text = table.text(key)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let stem = text.value.strip_suffix(".rhai");
    if !stem.is_some_and(|stem| !stem.is_empty() && stem.chars().all(allowed)) {
        let word = shown(text.value);
        table.doc.error(
            text.at,
            format!("'{word}' is no policy: write the name of a file in the folder of policies, such as \"failover.rhai\""),
        );
    }
    Some(text.value.into())
}

/// Reads parameters of a policy; which there are is the policy's business.
pub(super) fn params<'t>(doc: &'t Document<'t>, table: Field<&'t DeTable<'t>>) -> Params {
    let mut params = Params::new();
    for entry in Table::open_free(doc, table).entries() {
        let value = entry.value.get_ref();
        let param = match value {
            DeValue::String(text) => Some(Param::Text(text.as_ref().to_owned())),
            DeValue::Boolean(flag) => Some(Param::Bool(*flag)),
            DeValue::Integer(_) => entry.integer().map(Param::Int),
            DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                None
            }
        };
        let key = entry.key.value;
        match param {
            Some(param) => {
                params.insert(key.to_owned(), param);
            }
            None => {
                let (key, found) = (shown(key), type_of(value));
                doc.error(
                    entry.value_at(),
                    format!(
                        "parameter `{key}` must be a whole number, text, true or false, not {found}"
                    ),
                );
            }
        }
    }
    params
}

/// Reads `ttl`: whole seconds, 1 s to 1 day.
pub(super) fn ttl(table: &Table<'_>) -> Option<i64> {
    let ttl = table.duration("ttl", SECOND_MS..=DAY_MS)?;
    if ttl.value % SECOND_MS != 0 {
        let message = "a TTL is whole seconds: write \"30s\" or \"1m\"";
        table.doc.error(ttl.at, message);
    }
    Some(ttl.value)
}

/// Reads `max_switches`; a configuration has a budget unless it says `"none"`.
pub(super) fn max_switches(table: &Table<'_>) -> Option<SwitchBudget> {
    let Some(text) = table.text("max_switches") else {
        return Some(SwitchBudget::default());
    };
    if matches!(text.value, "none" | "unlimited") {
        return None;
    }
    let budget = SwitchBudget::try_from(text.value.to_owned()).ok();
    if budget.is_none() {
        let word = shown(text.value);
        table.doc.error(
            text.at,
            format!("'{word}' is no switch budget: write \"6/10m\", or \"none\" for no limit"),
        );
    }
    budget
}

//! Warnings about a configuration that is taken: what an operator should know before the outage.

use super::{document::Document, table::Table};
use crate::model::{
    Config, Family, Monitor, MonitorName, Service, Target, TargetName, ZoneSource,
    duration::format_ms, time::MINUTE_MS,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Warns of everything that is allowed and seldom meant. `services` are in the order of the file.
pub(super) fn warn(top: &Table<'_>, config: &Config, tables: &Tables<'_>) {
    let doc = top.doc;
    if config.witness.is_none() {
        doc.warn(
            None,
            "no [witness]: when this node's own network fails, every target looks dead; name addresses that must answer",
        );
    }
    made_zones(doc, config);
    if let Some(http) = config.server.http.filter(|http| !http.ip().is_loopback()) {
        let server = top
            .table("server")
            .map(|server| Table::open_free(doc, server));
        let at = server.and_then(|server| Some(server.entry("http")?.value_at()));
        doc.warn(
            at,
            format!("http listens on {http}, for everyone who reaches it: it asks for no password, 127.0.0.1 is usual"),
        );
    }
    unused(doc, config, tables);
    for (table, service) in &tables.services {
        ttl(table, service);
        redundancy(table, config, service);
        families(table, config, service);
        monitors(table, config, service);
    }
}

/// Where the targets, monitors and services were read.
#[derive(Default)]
pub(super) struct Tables<'t> {
    pub(super) targets: Vec<(Table<'t>, TargetName)>,
    pub(super) monitors: Vec<(Table<'t>, MonitorName)>,
    pub(super) services: Vec<(Table<'t>, Service)>,
}

fn made_zones(doc: &Document<'_>, config: &Config) {
    let made: Vec<&str> = config
        .zones
        .iter()
        .filter(|zone| zone.source == ZoneSource::Made)
        .map(|zone| zone.name.as_str())
        .collect();
    let Some((first, rest)) = made.split_first() else {
        return;
    };
    let others = match rest.len() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    doc.warn(
        None,
        format!("no [[zone]]: one is made for {first}{others}, enough to watch with; name its `ns` before anyone delegates to it"),
    );
}

fn unused(doc: &Document<'_>, config: &Config, tables: &Tables<'_>) {
    let services = || config.services.values();
    let targets: BTreeSet<&TargetName> = services().flat_map(|one| &one.targets).collect();
    for (table, name) in tables
        .targets
        .iter()
        .filter(|one| !targets.contains(&one.1))
    {
        let message =
            format!("target '{name}' is in no service: it is neither probed nor answered");
        doc.warn(Some(table.at), message);
    }
    let monitors: BTreeSet<&MonitorName> = services().flat_map(|one| &one.monitors).collect();
    for (table, name) in tables
        .monitors
        .iter()
        .filter(|one| !monitors.contains(&one.1))
    {
        let message = format!("monitor '{name}' is in no service: it probes nothing");
        doc.warn(Some(table.at), message);
    }
}

fn ttl(table: &Table<'_>, service: &Service) {
    if service.ttl_ms > MINUTE_MS {
        let ttl = format_ms(service.ttl_ms);
        let at = table.entry("ttl").map(|entry| entry.value_at());
        table.doc.warn(
            at,
            format!("a TTL of {ttl}: clients keep a dead address for up to that long; 1m or less is usual"),
        );
    }
}

fn redundancy(table: &Table<'_>, config: &Config, service: &Service) {
    let at = table.entry("targets").map(|entry| entry.value_at());
    let name = &service.name;
    if service.targets.len() == 1 {
        let message =
            format!("service '{name}' has one target only: there is nothing to fail over to");
        table.doc.warn(at, message);
    }
    let mut owners: BTreeMap<IpAddr, &Target> = BTreeMap::new();
    for target in targets(config, service) {
        let shared = target.addresses.iter().find_map(|address| {
            let other = owners.get(address)?;
            Some((address, *other))
        });
        if let Some((address, other)) = shared {
            let (one, two) = (&other.name, &target.name);
            table.doc.warn(
                at,
                format!(
                    "targets '{one}' and '{two}' share the address {address}: they fail together"
                ),
            );
        }
        for &address in &target.addresses {
            owners.entry(address).or_insert(target);
        }
    }
}

fn targets<'a>(config: &'a Config, service: &'a Service) -> impl Iterator<Item = &'a Target> {
    let names = service.targets.iter();
    names.filter_map(|name| config.targets.get(name))
}

fn families(table: &Table<'_>, config: &Config, service: &Service) {
    let at = table.entry("targets").map(|entry| entry.value_at());
    let mut all = targets(config, service);
    let Some(primary) = all.next() else { return };
    // What a hostname has is not known here.
    for backup in all.filter(|backup| backup.cname.is_none()) {
        for (word, is_of) in [
            ("IPv4", IpAddr::is_ipv4 as fn(&IpAddr) -> bool),
            ("IPv6", IpAddr::is_ipv6),
        ] {
            if primary.addresses.iter().any(is_of) && !backup.addresses.iter().any(is_of) {
                let (name, primary) = (&backup.name, &primary.name);
                table.doc.warn(
                    at,
                    format!("backup '{name}' has no {word} address and '{primary}' has: while it is served, {word} clients get no address"),
                );
            }
        }
    }
}

fn monitors(table: &Table<'_>, config: &Config, service: &Service) {
    let at = table.entry("monitors").map(|entry| entry.value_at());
    for monitor in service
        .monitors
        .iter()
        .filter_map(|name| config.monitors.get(name))
    {
        for target in targets(config, service) {
            if !reaches(monitor, target) {
                let (monitor, target) = (&monitor.name, &target.name);
                table.doc.warn(
                    at,
                    format!("monitor '{monitor}' has no address of its family to probe at target '{target}', so that '{target}' never counts as up"),
                );
            }
        }
    }
}

fn reaches(monitor: &Monitor, target: &Target) -> bool {
    if target.cname.is_some() && target.probe_at.is_empty() {
        return true; // its addresses are not known yet
    }
    target
        .probed_at()
        .iter()
        .any(|address| match monitor.family {
            None => true,
            Some(Family::V4) => address.ip.is_ipv4(),
            Some(Family::V6) => address.ip.is_ipv6(),
        })
}

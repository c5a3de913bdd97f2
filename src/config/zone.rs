//! `[[zone]]`: the zones that are answered, and those that are made where none is given.

use super::{
    document::{Document, Field, shown},
    names::dns_name,
    places::Places,
    server::{distinct, path_of},
    table::Table,
    v1,
};
use crate::model::{DnsName, ServiceName, ZoneConfig, ZoneSource};
use std::collections::{BTreeMap, BTreeSet};

/// A service's name, where it is written and whose it is.
pub(super) struct OwnedName {
    pub(super) at: usize,
    pub(super) service: ServiceName,
}

/// Reads every `[[zone]]`; `false` where one could not be read and others are judged in vain.
pub(super) fn zones(top: &Table<'_>, places: &mut Places) -> (Vec<ZoneConfig>, bool) {
    let mut zones = Vec::new();
    let mut seen = BTreeMap::new();
    let mut complete = top.entry("zone").is_some();
    for table in top.tables("zone") {
        let table = Table::open(top.doc, table, "a zone", &[v1::ZONE]);
        let Some(zone) = zone(&table) else {
            complete = false;
            continue;
        };
        let at = table.at_key("name");
        if let Some(first) = seen.insert(zone.name.clone(), at) {
            let (name, line) = (&zone.name, top.doc.line(first));
            top.doc.error(
                at,
                format!("zone '{name}' is there already, on line {line}: remove one"),
            );
        }
        places.add_table("zone", &zone.name, &table);
        zones.push(zone);
    }
    (zones, complete)
}

fn zone(table: &Table<'_>) -> Option<ZoneConfig> {
    let doc = table.doc;
    let name = table.needed_text("name", "a zone");
    let name = name.and_then(|name| match dns_name(name.value) {
        Ok(apex) => Some(apex),
        Err(error) => {
            doc.error(name.at, error);
            None
        }
    });
    if table.is_written("file") && table.is_written("ns") {
        let message = "a zone has a `file` or `ns`, not both: the file has its own NS records";
        doc.error(table.at_key("ns"), message);
    } else if !table.is_written("file") && !table.is_written("ns") {
        let message = "a zone needs a `file`, or `ns = [\"ns1.example.com\"]`";
        doc.error(table.at, message);
    }
    let source = match table.text("file") {
        Some(file) => ZoneSource::File(path_of(doc, file)),
        None if table.is_written("ns") => ZoneSource::Ns(name_servers(table)),
        None => ZoneSource::Made,
    };
    Some(ZoneConfig {
        name: name?,
        source,
    })
}

fn name_servers(table: &Table<'_>) -> Vec<DnsName> {
    let texts = table.needed_texts("ns", "a zone without a file", 16);
    let name = |text: &Field<&str>| {
        dns_name(text.value)
            .map_err(|error| table.doc.error(text.at, error))
            .ok()
    };
    let names: Vec<DnsName> = texts.iter().filter_map(name).collect();
    distinct(table.doc, &texts, &names);
    names
}

/// Reports every service name that lies in none of the zones.
pub(super) fn outside(
    doc: &Document<'_>,
    zones: &[ZoneConfig],
    names: &BTreeMap<DnsName, OwnedName>,
) {
    let apexes: BTreeSet<&str> = zones.iter().map(|zone| zone.name.as_str()).collect();
    for (name, owned) in names {
        if !within(&apexes, name) {
            let word = shown(name);
            doc.error(
                owned.at,
                format!("'{word}' is in no zone: add a [[zone]] for it or for a name above it"),
            );
        }
    }
}

/// Makes zones for names: the shortest name of a service is an apex, and so is every other name
/// that lies in no made zone. In the order of their names.
pub(super) fn made(names: &BTreeMap<DnsName, OwnedName>) -> Vec<ZoneConfig> {
    // A wildcard is no apex: its zone is the name below which it stands.
    let apex = |name| DnsName::below_wildcard(name).unwrap_or(name);
    let mut shortest_first: Vec<&str> = names.keys().map(apex).collect();
    shortest_first.sort_by_key(|name| (name.split('.').count(), name.len()));
    let mut apexes: BTreeSet<&str> = BTreeSet::new();
    for name in shortest_first {
        if !within(&apexes, name) {
            apexes.insert(name);
        }
    }
    let zone = |apex: &str| ZoneConfig {
        name: apex.into(),
        source: ZoneSource::Made,
    };
    apexes.into_iter().map(zone).collect()
}

/// Whether `name` is one of `apexes` or below one: label by label, however many zones there are.
fn within(apexes: &BTreeSet<&str>, name: &str) -> bool {
    let mut rest = Some(name);
    while let Some(suffix) = rest {
        if apexes.contains(suffix) {
            return true;
        }
        rest = suffix.split_once('.').map(|(_, above)| above);
    }
    apexes.contains(".")
}

//! `[[target]]`: servers that may be answered and are probed.

use super::{
    document::{Document, Field, shown},
    monitor,
    names::dns_name,
    server,
    table::Table,
};
use crate::model::{DnsName, Monitor, MonitorName, ProbeAddress, Require, Target};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

/// No answer needs more addresses than this.
const MAX_ADDRESSES: usize = 64;
/// Nor more records beside them.
const MAX_RECORDS: usize = 64;

/// Reads a target but for its settings of monitors; `None` where it has no name.
pub(super) fn read(table: &Table<'_>) -> Option<Target> {
    let name = table.needed_text("name", "a target");
    let what = match name {
        Some(name) => format!("target '{}'", shown(name.value)),
        None => "a target".to_owned(),
    };
    let cname = cname(table, &what);
    let addresses = if table.is_written("cname") {
        Vec::new()
    } else {
        addresses(table, &what)
    };
    let probe_at = probe_at(table, &what);
    let labels = table.text_table("labels").into_iter();
    let labels = labels.map(|(key, value)| (key.value.to_owned(), value.value.to_owned()));
    Some(Target {
        addresses,
        records: records(table, &what),
        cname,
        probe_at,
        require: table
            .word("require", &[("all", Require::All), ("any", Require::Any)])
            .unwrap_or_default(),
        labels: labels.collect(),
        drained: table.flag("drained").unwrap_or(false),
        monitor: BTreeMap::new(),
        name: name?.value.into(),
    })
}

/// The hostname that a target is; it answers nothing beside it.
fn cname(table: &Table<'_>, what: &str) -> Option<DnsName> {
    let text = table.text("cname")?;
    for key in ["addresses", "records"] {
        if table.is_written(key) {
            let message = format!(
                "{what} has a `cname`, which stands alone: remove `{key}`, or make a target of its own of it"
            );
            table.doc.error(table.at_key(key), message);
        }
    }
    match dns_name(text.value) {
        Ok(name) if name.as_str() == "." => {
            let message = "the root is no host: write a hostname such as \"lb.example.net.\"";
            table.doc.error(text.at, message);
            None
        }
        Ok(name) => Some(name),
        Err(error) => {
            table.doc.error(text.at, error);
            None
        }
    }
}

/// Records beside the addresses, as they are written: what they say is for others to read.
fn records(table: &Table<'_>, what: &str) -> Vec<String> {
    if !table.is_written("records") {
        return Vec::new();
    }
    let texts = table.needed_texts("records", what, MAX_RECORDS);
    let records: Vec<String> = texts.iter().map(|text| text.value.to_owned()).collect();
    server::distinct(table.doc, &texts, &records);
    records
}

fn addresses(table: &Table<'_>, what: &str) -> Vec<IpAddr> {
    let texts = table.needed_texts("addresses", what, MAX_ADDRESSES);
    let addresses: Vec<IpAddr> = texts
        .iter()
        .filter_map(|&text| address(table.doc, text))
        .collect();
    server::distinct(table.doc, &texts, &addresses);
    addresses
}

fn address(doc: &Document<'_>, text: Field<&str>) -> Option<IpAddr> {
    let word = shown(text.value);
    let wrong = match text.value.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() || ip.is_multicast() => {
            format!("'{word}' is no address of a server: DNS cannot answer it")
        }
        Ok(ip) => return Some(ip),
        Err(_) if text.value.parse::<SocketAddr>().is_ok() => {
            format!(
                "'{word}' has a port, which DNS cannot answer: ports belong to monitors and `probe_at`"
            )
        }
        Err(_) => {
            format!("'{word}' is no IP address: write \"192.0.2.10\" or \"2001:db8::10\"")
        }
    };
    doc.error(text.at, wrong);
    None
}

fn probe_at(table: &Table<'_>, what: &str) -> Vec<ProbeAddress> {
    if !table.is_written("probe_at") {
        return Vec::new();
    }
    let texts = table.needed_texts("probe_at", what, MAX_ADDRESSES);
    let address = |text: &Field<&str>| match ProbeAddress::try_from(text.value.to_owned()) {
        Ok(address) if address.port == Some(0) => {
            let message = "nobody listens on port 0: write 1 to 65535, or leave the port out";
            table.doc.error(text.at, message);
            None
        }
        Ok(address) => Some(address),
        Err(_) => {
            let word = shown(text.value);
            table.doc.error(
                text.at,
                format!("'{word}' is no address: write \"10.0.0.3\", \"10.0.0.3:8443\" or \"[2001:db8::1]:8443\""),
            );
            None
        }
    };
    let addresses: Vec<ProbeAddress> = texts.iter().filter_map(address).collect();
    // Results are told apart by address, not by port.
    let hosts: Vec<IpAddr> = addresses.iter().map(|address| address.ip).collect();
    server::distinct(table.doc, &texts, &hosts);
    addresses
}

/// Reads a target's own settings of monitors, once all monitors are known.
pub(super) fn patches(
    table: &Table<'_>,
    target: &mut Target,
    monitors: &BTreeMap<MonitorName, Monitor>,
    broken: &BTreeSet<&str>,
) {
    let Some(patches) = table.table("monitor") else {
        return;
    };
    for &entry in Table::open_free(table.doc, patches).entries() {
        if broken.contains(entry.key.value) {
            continue;
        }
        let Some(monitor) = monitors.get(entry.key.value) else {
            let names = monitors.keys().map(MonitorName::as_str);
            table.doc.unknown("monitor", entry.key, names, || {
                ": no [[monitor]] has this name".to_owned()
            });
            continue;
        };
        if let Some(patch) = monitor::patch(table.doc, entry, monitor) {
            target.monitor.insert(monitor.name.clone(), patch);
        }
    }
}

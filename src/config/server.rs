//! `[server]` and `[witness]`: this node, and who must answer for it to trust its own failures.

use super::{
    document::{Document, Field, shown},
    names::name_error,
    table::Table,
    v1,
};
use crate::model::{ServerConfig, WitnessConfig, config::WitnessAddress};
use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

/// No node needs more places to listen on, nor more witnesses.
const MAX_ADDRESSES: usize = 64;

/// Reads `[server]`; what is not written has the model's defaults.
pub(super) fn server(top: &Table<'_>) -> ServerConfig {
    let mut server = ServerConfig::default();
    let Some(table) = top.table("server") else {
        return server;
    };
    let doc = top.doc;
    let table = Table::open(doc, table, "[server]", &[v1::SERVER]);
    if let Some(name) = table.text("name") {
        match name_error(name.value) {
            Some(error) => doc.error(name.at, error),
            None => server.name = name.value.into(),
        }
    }
    if table.is_written("dns") {
        let texts = table.needed_texts("dns", "[server]", MAX_ADDRESSES);
        let sockets = texts
            .iter()
            .filter_map(|&text| socket(doc, text, "127.0.0.1:5300"));
        server.dns = sockets.collect();
        distinct(doc, &texts, &server.dns);
    }
    if table.is_written("resolvers") {
        let texts = table.needed_texts("resolvers", "[server]", MAX_ADDRESSES);
        let sockets = texts
            .iter()
            .filter_map(|&text| socket(doc, text, "127.0.0.1:53"));
        server.resolvers = sockets.collect();
        distinct(doc, &texts, &server.resolvers);
    }
    match table.text("http") {
        Some(text) if text.value == "none" => server.http = None,
        Some(text) => server.http = socket(doc, text, "127.0.0.1:8053"),
        None => {}
    }
    for (key, path) in [
        ("data", &mut server.data),
        ("policies", &mut server.policies),
    ] {
        if let Some(text) = table.text(key) {
            *path = path_of(doc, text);
        }
    }
    server
}

/// Reads a path; an empty one is reported.
pub(super) fn path_of(doc: &Document<'_>, text: Field<&str>) -> PathBuf {
    if text.value.is_empty() || text.value.contains('\0') {
        doc.error(text.at, "a path cannot be empty");
    }
    PathBuf::from(text.value)
}

fn socket(doc: &Document<'_>, text: Field<&str>, example: &str) -> Option<SocketAddr> {
    let socket = text.value.parse().ok();
    if socket.is_none() {
        let word = shown(text.value);
        doc.error(
            text.at,
            format!("'{word}' is no address with a port: write \"{example}\" or \"[::1]:5300\""),
        );
    }
    socket
}

/// Reports the items of a list that say the same as an earlier one.
pub(super) fn distinct<T: Ord>(doc: &Document<'_>, texts: &[Field<&str>], values: &[T]) {
    if texts.len() != values.len() {
        return; // an item was refused already
    }
    let mut seen = BTreeSet::new();
    for (text, value) in texts.iter().zip(values) {
        if !seen.insert(value) {
            let word = shown(text.value);
            doc.error(text.at, format!("'{word}' is listed twice: remove one"));
        }
    }
}

/// Reads `[witness]`; not written, the rail is off.
pub(super) fn witness(top: &Table<'_>) -> Option<WitnessConfig> {
    let doc = top.doc;
    let table = Table::open(doc, top.table("witness")?, "[witness]", &[v1::WITNESS]);
    let texts = table.needed_texts("addresses", "[witness]", MAX_ADDRESSES);
    let address = |text: &Field<&str>| match WitnessAddress::try_from(text.value.to_owned()) {
        Ok(WitnessAddress::Tcp(socket)) if socket.port() == 0 => {
            doc.error(
                text.at,
                "a witness cannot have port 0: write \"192.0.2.1:53\"",
            );
            None
        }
        Ok(address) => Some(address),
        Err(_) => {
            let word = shown(text.value);
            doc.error(
                text.at,
                format!("'{word}' is no witness: write \"192.0.2.1:53\" or \"icmp:192.0.2.1\""),
            );
            None
        }
    };
    let addresses: Vec<WitnessAddress> = texts.iter().filter_map(address).collect();
    distinct(doc, &texts, &addresses);
    let most = i64::try_from(texts.len().max(1)).unwrap_or(i64::MAX);
    let need = table.integer("need", 1..=most).map_or(1, |need| need.value);
    Some(WitnessConfig {
        addresses,
        need: u32::try_from(need).unwrap_or(1),
    })
}

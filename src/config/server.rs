//! `[server]` and `[witness]`: this node, and who must answer for it to trust its own failures.

use super::{
    document::{Document, Field, shown},
    names::name_error,
    table::Table,
    v1,
};
use crate::model::{
    CookieSecret, RateLimit, ServerConfig, TcpLimits, WitnessConfig, config::WitnessAddress,
};
use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};
use toml::de::DeTable;

/// No node needs more places to listen on, nor more witnesses.
const MAX_ADDRESSES: usize = 64;
/// A TXT string has no more (RFC 1035 section 3.3).
const MAX_TOLD_OCTETS: usize = 255;
/// A rollover needs two or three; every one costs a hash for each cookie that is not ours.
const MAX_SECRETS: usize = 8;
/// Above it a limit is none.
const MAX_PER_SECOND: i64 = 1_000_000;
/// More descriptors than a process can have.
const MAX_CONNECTIONS: i64 = 1_000_000;
/// A client on a slow path needs this long between two queries.
const MIN_IDLE_MS: i64 = 1_000;
/// The keepalive option cannot say twice as much (RFC 7828 section 3.1).
const MAX_IDLE_MS: i64 = 3_600_000;

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
    answering(&table, &mut server);
    server
}

/// Reads how DNS is answered.
fn answering(table: &Table<'_>, server: &mut ServerConfig) {
    for (key, told) in [
        ("identity", &mut server.identity),
        ("version", &mut server.version),
    ] {
        *told = table.text(key).and_then(|text| {
            let error = told_error(text.value);
            if let Some(error) = &error {
                table.doc.error(text.at, format!("`{key}` {error}"));
            }
            error.is_none().then(|| text.value.to_owned())
        });
    }
    if table.is_written("cookie_secrets") {
        server.cookie_secrets = cookie_secrets(table);
    }
    if let Some(limit) = table.table("rate_limit") {
        server.rate_limit = rate_limit(table.doc, limit);
    }
    server.udp_threads = table.integer("udp_threads", 1..=256).and_then(narrow);
    if let Some(tcp) = table.table("tcp") {
        server.tcp = tcp_limits(table.doc, tcp);
    }
}

/// Why a text cannot be told in one string of a TXT record (RFC 1035 section 3.3).
fn told_error(text: &str) -> Option<String> {
    if text.len() > MAX_TOLD_OCTETS {
        let length = text.len();
        return Some(format!(
            "has {length} octets; at most {MAX_TOLD_OCTETS} can be told"
        ));
    }
    let has_control = text.chars().any(char::is_control);
    has_control.then(|| "must be one line without control characters".to_owned())
}

fn cookie_secrets(table: &Table<'_>) -> Vec<CookieSecret> {
    let doc = table.doc;
    let texts = table.needed_texts("cookie_secrets", "[server]", MAX_SECRETS);
    let mut secrets: Vec<CookieSecret> = Vec::new();
    for text in &texts {
        match text.value.parse() {
            // What is wrong is said, what is secret is not: messages are logged.
            Ok(secret) if secrets.contains(&secret) => {
                doc.error(text.at, "this secret is listed twice: remove one");
            }
            Ok(secret) => secrets.push(secret),
            Err(why) => doc.error(text.at, format!("{why}: `openssl rand -hex 16` makes one")),
        }
    }
    secrets
}

fn rate_limit(doc: &Document<'_>, table: Field<&DeTable<'_>>) -> RateLimit {
    let table = Table::open(doc, table, "`rate_limit`", &[v1::RATE_LIMIT]);
    let mut limit = RateLimit::default();
    if let Some(per_second) = table.integer("per_second", 0..=MAX_PER_SECOND) {
        limit.per_second = narrow(per_second).unwrap_or(limit.per_second);
    }
    if let Some(slip) = table.integer("slip", 0..=100) {
        limit.slip = narrow(slip).unwrap_or(limit.slip);
    }
    if let Some(texts) = table.texts("exempt") {
        let network = |text: &Field<&str>| {
            let network = text.value.parse();
            network.map_err(|why: String| doc.error(text.at, why)).ok()
        };
        limit.exempt = texts.value.iter().filter_map(network).collect();
        distinct(doc, &texts.value, &limit.exempt);
    }
    limit
}

fn tcp_limits(doc: &Document<'_>, table: Field<&DeTable<'_>>) -> TcpLimits {
    let table = Table::open(doc, table, "`tcp`", &[v1::SERVER_TCP]);
    let mut limits = TcpLimits::default();
    for (key, limit) in [
        ("connections", &mut limits.connections),
        ("per_client", &mut limits.per_client),
    ] {
        if let Some(number) = table.integer(key, 1..=MAX_CONNECTIONS) {
            *limit = narrow(number).unwrap_or(*limit);
        }
    }
    if let Some(idle) = table.duration("idle", MIN_IDLE_MS..=MAX_IDLE_MS) {
        limits.idle_ms = idle.value;
    }
    limits
}

/// A number whose range was looked at.
fn narrow(number: Field<i64>) -> Option<u32> {
    u32::try_from(number.value).ok()
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

//! The first line of format 1: reading and writing it, and whether a configuration fits together.

use super::{Header, VERSION};
use crate::model::{
    Config, Monitor, PolicyText, Service, Target, config::ServerConfig, config::WitnessConfig,
    time::DAY_MS,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The longest interval and timeout: a year.
const TIME_MS_MAX: i64 = 366 * DAY_MS;

/// The line. Everything but the version may be missing; keys that are not known are ignored.
#[derive(Deserialize)]
struct Read {
    #[serde(default)]
    by: String,
    #[serde(default)]
    server: ServerConfig,
    witness: Option<WitnessConfig>,
    #[serde(default)]
    targets: Vec<Target>,
    #[serde(default)]
    monitors: Vec<Monitor>,
    #[serde(default)]
    services: Vec<Service>,
    #[serde(default)]
    policies: Vec<PolicyText>,
}

#[derive(Serialize)]
struct Written<'h> {
    recording: u32,
    by: &'h str,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<&'h ServerConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    witness: Option<&'h WitnessConfig>,
    targets: Vec<&'h Target>,
    monitors: Vec<&'h Monitor>,
    services: Vec<&'h Service>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    policies: &'h [PolicyText],
}

#[derive(Deserialize)]
struct Version {
    recording: Option<Value>,
    by: Option<Value>,
}

/// Whether a line is the header of some version of a recording, or was meant to be one.
pub(super) fn is_one(line: &[u8]) -> bool {
    // A list would do for a struct.
    if !line.trim_ascii_start().starts_with(b"{") {
        return false;
    }
    match serde_json::from_slice::<Version>(line) {
        Ok(version) => version.recording.is_some(),
        Err(_) => {
            let begin = line.trim_ascii_start();
            begin.starts_with(b"{\"recording\"") || begin.starts_with(b"{ \"recording\"")
        }
    }
}

/// Reads the header.
///
/// # Errors
/// A sentence: it is cut, of a newer version, or does not fit together.
pub(super) fn read(line: &[u8]) -> Result<Header, String> {
    let wrong = |error: serde_json::Error| format!("the header cannot be read: {}", said(&error));
    let version: Version = serde_json::from_slice(line).map_err(wrong)?;
    match version.recording.as_ref().and_then(Value::as_u64) {
        Some(number) if number == u64::from(VERSION) => {}
        Some(newer) if newer > u64::from(VERSION) => {
            let by = version.by.as_ref().and_then(Value::as_str);
            let by = by.map_or(String::new(), |by| format!(" ({by})"));
            return Err(format!(
                "written by a newer sidestep (recording {newer}, this one reads {VERSION}): read it with the sidestep that wrote it{by} or a later one"
            ));
        }
        _ => {
            return Err(format!(
                "\"recording\" is the version of the format, a number: this sidestep reads {VERSION}"
            ));
        }
    }
    let read: Read = serde_json::from_slice(line).map_err(wrong)?;
    let config = Config {
        server: read.server,
        witness: read.witness,
        zones: Vec::new(),
        targets: by_name("target", read.targets, |target| target.name.clone())?,
        monitors: by_name("monitor", read.monitors, |monitor| monitor.name.clone())?,
        services: by_name("service", read.services, |service| service.name.clone())?,
    };
    consistency(&config)?;
    Ok(Header {
        by: read.by,
        config,
        policies: read.policies,
    })
}

fn by_name<K: Ord + std::fmt::Display, T>(
    what: &str,
    things: Vec<T>,
    name: impl Fn(&T) -> K,
) -> Result<BTreeMap<K, T>, String> {
    let mut by_name = BTreeMap::new();
    for thing in things {
        let key = name(&thing);
        if by_name.contains_key(&key) {
            return Err(format!("two {what}s are named '{key}'"));
        }
        by_name.insert(key, thing);
    }
    Ok(by_name)
}

/// The header as a line, without its end.
pub(super) fn write(header: &Header) -> serde_json::Result<String> {
    let config = &header.config;
    serde_json::to_string(&Written {
        recording: VERSION,
        by: &header.by,
        server: Some(&config.server).filter(|server| **server != ServerConfig::default()),
        witness: config.witness.as_ref(),
        targets: config.targets.values().collect(),
        monitors: config.monitors.values().collect(),
        services: config.services.values().collect(),
        policies: &header.policies,
    })
}

/// What the fold takes for granted of a configuration, and a file need not keep.
///
/// # Errors
/// A sentence: what is named and not there, or out of its range.
pub(super) fn consistency(config: &Config) -> Result<(), String> {
    for (name, target) in &config.targets {
        if target.addresses.is_empty() && target.cname.is_none() {
            return Err(format!("target '{name}' has no address"));
        }
    }
    for (name, monitor) in &config.monitors {
        let range = 1..=TIME_MS_MAX;
        if !range.contains(&monitor.interval_ms) || !range.contains(&monitor.timeout_ms) {
            return Err(format!(
                "monitor '{name}' needs an interval_ms and a timeout_ms from 1 to {TIME_MS_MAX}"
            ));
        }
    }
    for (name, service) in &config.services {
        let missing = |what: &str, missing: &str| {
            format!("service '{name}' names the {what} '{missing}', which is not there")
        };
        if let Some(target) = service
            .targets
            .iter()
            .find(|it| !config.targets.contains_key(*it))
        {
            return Err(missing("target", target));
        }
        if let Some(monitor) = service
            .monitors
            .iter()
            .find(|it| !config.monitors.contains_key(*it))
        {
            return Err(missing("monitor", monitor));
        }
        if service.targets.is_empty() || service.monitors.is_empty() {
            return Err(format!("service '{name}' needs a target and a monitor"));
        }
    }
    Ok(())
}

/// What `serde_json` found, with its column where it knows one: lines are counted by us.
pub(super) fn said(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let column = error.column();
    let place = format!(" at line {} column {column}", error.line());
    let said = said.strip_suffix(&place).unwrap_or(&said);
    let kind = match error.classify() {
        serde_json::error::Category::Data => "",
        _ => "no JSON: ",
    };
    format!("{kind}{said}, at column {column}")
}

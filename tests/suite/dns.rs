//! DNS from outside: worked cases of `answer`, bad zones, and real sockets.

// Clippy knows test functions, not what they call.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod additional;
mod aliases;
mod alone;
mod answers;
mod client;
mod equivalence;
mod fairness;
mod hickory;
mod messages;
mod moved;
mod naive;
mod peers;
mod random;
mod rules;
mod sockets;
mod tcp;
mod udp;
mod wire;
mod zone_files;
mod zones;

use sidestep::{
    dns::{Loaded, Table, ZoneInput, Zones},
    failover::{AnswerTable, ServiceAnswer},
    model::{DnsName, Service, ServiceName, ZoneConfig, ZoneSource},
};
use std::{
    collections::BTreeMap,
    io::{Error, ErrorKind},
    path::{Path, PathBuf},
};

/// A zone of these tests: its apex, and its file's text or its name servers.
enum Given<'g> {
    File(&'g str),
    Ns(&'g [&'g str]),
    Made,
}

fn service(name: &str, names: &[&str]) -> (ServiceName, Service) {
    let text = serde_json::json!({
        "name": name, "names": names, "targets": ["t"], "monitors": ["m"],
    });
    (name.into(), serde_json::from_value(text).unwrap())
}

/// Builds zones whose files are named `APEX.zone`; includes are read from `files`.
fn build(
    zones: &[(&str, Given<'_>)],
    services: &[(&str, &[&str])],
    files: &[(&str, &str)],
) -> Loaded {
    let configs: Vec<_> = zones
        .iter()
        .map(|(apex, given)| {
            let file = PathBuf::from(format!("{apex}.zone"));
            let source = match given {
                Given::File(_) => ZoneSource::File(file.clone()),
                Given::Ns(names) => ZoneSource::Ns(names.iter().map(|&name| name.into()).collect()),
                Given::Made => ZoneSource::Made,
            };
            let text = match given {
                Given::File(text) => Some(*text),
                _ => None,
            };
            (
                ZoneConfig {
                    name: DnsName::from(*apex),
                    source,
                },
                file,
                text,
            )
        })
        .collect();
    let inputs: Vec<_> = configs
        .iter()
        .map(|(config, file, text)| ZoneInput {
            config,
            file,
            text: *text,
        })
        .collect();
    let services: BTreeMap<_, _> = services
        .iter()
        .map(|(name, names)| service(name, names))
        .collect();
    let files: BTreeMap<_, _> = files
        .iter()
        .map(|&(path, text)| (Path::new(path), text))
        .collect();
    Zones::build(&inputs, &services, "ns1", &mut |path| {
        let text = files.get(path).map(|&text| text.to_owned());
        text.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such file"))
    })
}

/// A table in which each service answers these addresses.
fn table(seq: u64, services: &[(&str, &[&str], u32)]) -> Table {
    let services = services.iter().map(|&(name, addresses, ttl_secs)| {
        let addresses = addresses
            .iter()
            .map(|address| address.parse().unwrap())
            .collect();
        (
            name.into(),
            ServiceAnswer {
                names: Vec::new(),
                addresses,
                ttl_secs,
                ..ServiceAnswer::default()
            },
        )
    });
    Table::from(&AnswerTable {
        seq,
        services: services.collect(),
        serials: BTreeMap::new(),
    })
}

/// A server of ours for the probes of other tests: a service `www.example.com` and a zone.
pub(crate) fn serve_for_probes(body: impl FnOnce(std::net::SocketAddr) + Send + 'static) {
    client::serving(client::LOCAL, &client::published(), move |bound| {
        body(bound[0]);
    });
}

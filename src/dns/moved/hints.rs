//! Address hints of HTTPS and SVCB records that contradict what a service answers.
//!
//! A client may connect to the hints of RFC 9460 section 7.3 before it has looked up any address,
//! and so miss a failover. Knows records, targets and services, not how zones are looked up.

use super::Moved;
use crate::dns::{fields, store::Zones};
use crate::model::{Config, ServiceName, Target};
use hickory_proto::rr::{
    RData,
    rdata::{HTTPS, SVCB, svcb::SvcParamValue},
};
use std::net::IpAddr;

/// The binding of an HTTPS or SVCB record.
pub(super) fn binding(data: &RData) -> Option<&SVCB> {
    match data {
        RData::HTTPS(HTTPS(binding)) | RData::SVCB(binding) => Some(binding),
        _ => None,
    }
}

/// The addresses that a binding hints at, IPv4 first.
pub(super) fn hints(binding: &SVCB) -> Vec<IpAddr> {
    let mut hints = Vec::new();
    for (_, value) in &binding.svc_params {
        match value {
            SvcParamValue::Ipv4Hint(all) => hints.extend(all.0.iter().map(|a| IpAddr::from(a.0))),
            SvcParamValue::Ipv6Hint(all) => hints.extend(all.0.iter().map(|a| IpAddr::from(a.0))),
            _ => {}
        }
    }
    hints.sort_unstable();
    hints
}

/// What is to be said of a record whose hints a service's name leads to.
pub(in crate::dns) fn goes_around(service: &ServiceName) -> String {
    format!(
        "clients that take the address hints of this record do not follow a failover of service '{service}': remove ipv4hint and ipv6hint"
    )
}

/// What is to be said of hints in a target's own record. Without zones, nothing of those that
/// lead to other names.
pub(super) fn of_target(
    config: &Config,
    target: &Target,
    moved: &Moved,
    zones: Option<&Zones>,
) -> Vec<String> {
    let Some(data) = moved.data() else {
        return Vec::new();
    };
    let Some(binding) = binding(&data) else {
        return Vec::new();
    };
    if binding.svc_priority == 0 {
        let ignored = !binding.svc_params.is_empty();
        let message = "priority 0 is AliasMode, in which clients ignore every parameter: remove them, or write another priority";
        return ignored.then(|| message.to_owned()).into_iter().collect();
    }
    let hints = hints(binding);
    if hints.is_empty() {
        return Vec::new();
    }
    // "." is the owner.
    if !binding.target_name.is_root() {
        let named = fields::target(moved.kind.into(), &moved.rdata);
        let named = named.and_then(|name| zones?.service_at_end(name));
        let serves = |name: &ServiceName| {
            let service = config.services.get(name);
            service.is_some_and(|service| service.targets.contains(&target.name))
        };
        match named {
            None => return Vec::new(),
            Some(service) if !serves(service) => {
                return vec![goes_around(service)];
            }
            Some(_) => {}
        }
    }
    let foreign = hints.iter().filter(|hint| !target.addresses.contains(hint));
    let foreign: Vec<String> = foreign.map(ToString::to_string).collect();
    if foreign.is_empty() {
        return Vec::new();
    }
    let (name, foreign) = (&target.name, foreign.join(" and "));
    vec![format!(
        "this record hints at {foreign}, which is no address of target '{name}': clients would go there while '{name}' is served"
    )]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dns::{ZoneInput, moved},
        model::{Service, ZoneConfig, ZoneSource},
    };
    use std::path::Path;

    const ZONE: &str =
        "$TTL 60\n@ SOA n. h. 1 1 1 1 1\n@ NS n.\nown.shop TXT x\nalias CNAME a.b.shop\n";

    fn config(records: &[&str]) -> Config {
        let mut config = Config::default();
        let address = |text: &str| text.parse().unwrap();
        let mut a = Target::bare(
            "a".into(),
            vec![address("192.0.2.1"), address("2001:db8::1")],
        );
        a.records = records.iter().map(|&one| one.to_owned()).collect();
        config.targets.insert("a".into(), a);
        for (name, owner) in [("www", "www.example.com"), ("shop", "*.shop.example.com")] {
            let target = if name == "www" { "a" } else { "b" };
            let service = Service::bare(name.into(), owner.into(), vec![target.into()], vec![]);
            config.services.insert(name.into(), service);
        }
        config.zones.push(ZoneConfig {
            name: "example.com".into(),
            source: ZoneSource::File("zone".into()),
        });
        config
    }

    fn zones(config: &Config) -> Zones {
        let input = ZoneInput {
            config: &config.zones[0],
            file: Path::new("zone"),
            text: Some(ZONE),
        };
        let mut read = |path: &Path| panic!("nothing else is read: {}", path.display());
        let loaded = Zones::build(&[input], &config.services, "ns1", &mut read);
        loaded.zones.unwrap()
    }

    #[test]
    fn hints_are_held_against_the_targets_addresses() {
        for (record, part) in [
            (
                "HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1",
                "",
            ),
            ("HTTPS 1 www ipv4hint=192.0.2.1", ""),
            ("HTTPS 1 . ipv4hint=192.0.2.1,192.0.2.9", "192.0.2.9"),
            ("SVCB 1 . ipv6hint=2001:db8::2", "2001:db8::2"),
            (
                "HTTPS 1 a.shop ipv4hint=192.0.2.1",
                "failover of service 'shop'",
            ),
            // A wildcard covers any number of labels, but nothing at or below a name that is there.
            (
                "HTTPS 1 a.b.shop ipv4hint=192.0.2.1",
                "failover of service 'shop'",
            ),
            (
                "HTTPS 1 alias ipv4hint=192.0.2.1",
                "failover of service 'shop'",
            ),
            ("HTTPS 1 own.shop ipv4hint=192.0.2.1", ""),
            ("HTTPS 1 a.own.shop ipv4hint=192.0.2.1", ""),
            ("HTTPS 1 shop ipv4hint=192.0.2.1", ""),
            ("HTTPS 1 elsewhere.example.net. ipv4hint=192.0.2.9", ""),
            ("HTTPS 0 www", ""),
        ] {
            let config = config(&[record]);
            let found = moved::moved_records(&config, Some(&zones(&config)));
            let said: Vec<&str> = found.iter().map(|one| &*one.message).collect();
            if part.is_empty() {
                assert_eq!(said, [""; 0], "{record}");
            } else {
                assert_eq!(said.len(), 1, "{record}: {said:?}");
                assert!(said[0].contains(part), "{record}: {said:?}");
                assert!(found[0].is_warning);
            }
        }
    }
}

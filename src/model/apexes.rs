//! The zones of a configuration by their apexes: which of them answers a name, for many names.

use super::{DnsName, ZoneConfig};
use std::collections::BTreeMap;

/// The apexes of zones, in order.
#[derive(Clone, Debug, Default)]
pub struct Apexes<'c>(BTreeMap<&'c str, &'c DnsName>);

impl<'c> Apexes<'c> {
    /// Those of these zones.
    pub fn of(zones: &'c [ZoneConfig]) -> Self {
        let apexes = zones.iter().map(|zone| (zone.name.as_str(), &zone.name));
        Self(apexes.collect())
    }

    /// The apex of the zone that answers `name`: the longest that it lies in. Costs a look-up for
    /// each label, whatever the number of zones.
    pub fn zone_of(&self, name: &DnsName) -> Option<&'c DnsName> {
        let mut suffix = name.as_str();
        loop {
            if let Some(apex) = self.0.get(suffix) {
                return Some(apex);
            }
            match suffix.split_once('.') {
                Some((_, above)) => suffix = above,
                None => return self.0.get(".").copied(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn the_longest_apex_answers_as_it_does_for_a_single_name() {
        let zones = |apexes: &[&str]| -> Config {
            let zones: Vec<_> = apexes
                .iter()
                .map(|apex| serde_json::json!({ "name": apex, "ns": ["ns1.example.com"] }))
                .collect();
            let config = serde_json::json!({
                "zones": zones, "targets": {}, "monitors": {}, "services": {},
            });
            serde_json::from_value(config).unwrap()
        };
        let some = zones(&["com", "example.com", "a.b.example.com", "net"]);
        let root = zones(&["example.com", "."]);
        for (config, name, apex) in [
            (&some, "example.com", Some("example.com")),
            (&some, "www.example.com", Some("example.com")),
            (&some, "b.example.com", Some("example.com")),
            (&some, "x.a.b.example.com", Some("a.b.example.com")),
            (&some, "wwwexample.com", Some("com")),
            (&some, "*.net", Some("net")),
            (&some, "org", None),
            (&some, ".", None),
            (&root, "www.example.com", Some("example.com")),
            (&root, "org", Some(".")),
            (&root, ".", Some(".")),
        ] {
            let name = DnsName::from(name);
            let found = Apexes::of(&config.zones).zone_of(&name);
            assert_eq!(found.map(DnsName::as_str), apex, "{name}");
            assert_eq!(found, config.zone_of(&name), "{name}");
        }
    }
}

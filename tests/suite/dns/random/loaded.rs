//! Random worlds as this server loads them.

use super::{
    super::{Given, build},
    Chance, Labels, World,
};
use hickory_proto::{op::ResponseCode, rr::Name};
use sidestep::{
    dns::{Loaded, Table, answer},
    failover::{AnswerTable, ServiceAnswer},
};
use std::collections::BTreeMap;

impl World {
    /// The world as this server loads it.
    pub(in super::super) fn build(&self) -> Loaded {
        let text = |name: &Labels| name.to_string().trim_end_matches('.').to_owned();
        let zones: Vec<_> = self
            .zones
            .iter()
            .map(|zone| (text(&zone.apex), self.zone_text(zone, false)))
            .collect();
        let zones: Vec<_> = zones
            .iter()
            .map(|(apex, text)| (apex.as_str(), Given::File(text)))
            .collect();
        let owners: Vec<Vec<String>> = self
            .services
            .iter()
            .map(|service| service.owners.iter().map(text).collect())
            .collect();
        let owners: Vec<Vec<&str>> = owners
            .iter()
            .map(|owners| owners.iter().map(String::as_str).collect())
            .collect();
        let services: Vec<(&str, &[&str])> = self
            .services
            .iter()
            .zip(&owners)
            .map(|(service, owners)| (service.name.as_str(), owners.as_slice()))
            .collect();
        build(&zones, &services, &[])
    }

    /// What the services answer.
    pub(in super::super) fn table(&self) -> Table {
        let services = self.services.iter().map(|service| {
            let answer = ServiceAnswer {
                names: Vec::new(),
                addresses: service.addresses.clone(),
                ttl_secs: service.ttl_secs,
                ..ServiceAnswer::default()
            };
            (service.name.as_str().into(), answer)
        });
        Table::from(&AnswerTable {
            seq: 1,
            services: services.collect(),
            serials: BTreeMap::new(),
        })
    }
}

#[test]
fn a_random_world_breaks_no_rule_and_is_made_again_from_its_seed() {
    let mut names = 0;
    let mut chance = Chance::new(7);
    for seed in 0..60 {
        let world = World::new(seed, &Labels::of("w"));
        let loaded = world.build();
        let errors = loaded.zones.as_ref().err();
        assert_eq!(errors, None, "seed {seed}");
        let again = World::new(seed, &Labels::of("w"));
        for (one, two) in world.zones.iter().zip(&again.zones) {
            assert_eq!(world.zone_text(one, true), again.zone_text(two, true));
        }
        names += world.names.len();
        let zones = loaded.zones.unwrap();
        let (name, kind) = world.question(&mut chance);
        let name = Name::from_ascii(name.to_string()).unwrap();
        let answer = answer(&zones, &world.table(), &name, kind.into());
        assert_ne!(answer.rcode, ResponseCode::ServFail, "{name} {kind}");
    }
    assert!(names > 60 * 100, "{names}");
}

//! Random worlds as this server loads them.

use super::{
    Chance, Labels, World,
    services::{plain, text},
};
use hickory_proto::{op::ResponseCode, rr::Name};
use sidestep::{
    config,
    dns::{Loaded, MovedTypes, Table, ZoneInput, Zones, answer, moved_records},
    failover::{AnswerTable, ServiceAnswer},
    model::Config,
};
use std::{collections::BTreeMap, fmt::Write as _, path::Path};

impl World {
    /// The configuration, in which each zone's file has its apex's name.
    fn config(&self) -> Config {
        let mut toml = String::from(
            "[[monitor]]\nname = \"tcp\"\nkind = \"tcp\"\nport = 80\ninterval = \"1h\"\n",
        );
        for zone in &self.zones {
            let apex = plain(&zone.apex);
            write!(toml, "[[zone]]\nname = \"{apex}\"\nfile = \"{apex}\"\n").unwrap();
        }
        for service in &self.services {
            toml += &service.toml(&service.name);
        }
        config::parse("sidestep.toml", &toml).unwrap().config
    }

    /// The world as this server loads it.
    pub(in super::super) fn build(&self) -> Loaded {
        let config = self.config();
        let wrong = moved_records(&config, None);
        let wrong: Vec<_> = wrong.iter().filter(|found| !found.is_warning).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        let texts: Vec<String> = self
            .zones
            .iter()
            .map(|zone| self.zone_text(zone, false))
            .collect();
        let inputs: Vec<_> = config
            .zones
            .iter()
            .zip(&texts)
            .map(|(zone, text)| ZoneInput {
                config: zone,
                file: Path::new(zone.name.as_str()),
                text: Some(text),
            })
            .collect();
        let moved = MovedTypes::of(&config);
        let mut read = |path: &Path| panic!("nothing else is read: {}", path.display());
        Zones::build_moving(&inputs, &config.services, &moved, "ns1", &mut read)
    }

    /// What the services answer.
    pub(in super::super) fn table(&self) -> Table {
        let services = self.services.iter().map(|service| {
            let answer = ServiceAnswer {
                addresses: service.addresses.clone(),
                records: service.records.iter().map(text).collect(),
                cname: service.cname.as_ref().map(|name| plain(name).into()),
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
    let (mut names, mut wild, mut moving, mut aliases) = (0, 0, 0, 0);
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
        let name = Name::from_labels(name.0).unwrap();
        let answer = answer(&zones, &world.table(), &name, kind.into());
        assert_ne!(answer.rcode, ResponseCode::ServFail, "{name} {kind}");
        for service in &world.services {
            wild += usize::from(service.owners.iter().any(|owner| owner.0[0] == b"*"));
            moving += usize::from(!service.records.is_empty());
            aliases += usize::from(service.cname.is_some());
        }
    }
    assert!(names > 60 * 100, "{names}");
    for (what, count) in [("wild", wild), ("moving", moving), ("aliases", aliases)] {
        assert!(count > 20, "{what}: {count}");
    }
}

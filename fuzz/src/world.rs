//! A server to be asked: zones of every kind, services, an identity and cookies.

use sidestep::{
    dns::{
        Asker, Cookies, DnsState, Handler, Loaded, Publisher, Settings, Table, Transport,
        ZoneInput, Zones,
    },
    failover::{AnswerTable, ServiceAnswer},
    model::{CookieSecret, DnsName, Service, ServiceName, ZoneConfig, ZoneSource},
};
use std::{
    collections::BTreeMap,
    fmt::Write,
    io::{Error, ErrorKind},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

/// A moment in the life of cookies, in Unix time.
pub const NOW_SECS: u32 = 1_800_000_000;

const EVERYTHING: &str = include_str!("everything.zone");
/// A zone that needs no other.
pub const SECOND: &str =
    "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns AAAA 2001:db8::53\n* A 192.0.2.1\n";
const RECORDS: &str = include_str!("../../tests/suite/dns/cases/records.txt");

/// A server that was started once.
pub struct World {
    pub handler: Handler,
    pub publisher: Publisher,
}

/// The server that all targets ask.
pub static WORLD: LazyLock<World> = LazyLock::new(|| {
    let mut text = EVERYTHING.to_owned();
    let records = RECORDS.lines().filter(|line| !line.starts_with(['#', '=']));
    let records = records.filter(|line| !line.starts_with("SOA") && !line.starts_with("NS "));
    for (index, record) in records.enumerate() {
        writeln!(text, "r{index} {record}").expect("a string takes everything");
    }
    for number in 0..60 {
        writeln!(text, "many A 192.0.2.{number}\nmore TXT \"{number:0100}\"").expect("the same");
    }
    let zones = [
        ("example.com", text.as_str()),
        ("second.test", SECOND),
        ("co.second.test", SECOND),
    ];
    let loaded = load(&zones, &[]);
    let zones = loaded.zones.unwrap_or_else(|errors| panic!("{errors:#?}"));
    server(zones)
});

/// Who asks, by the octet that an input begins with: over TCP, by IPv6, from port 0, a bit each.
pub fn asker(how: u8) -> Asker {
    let address = if how & 2 == 0 {
        "192.0.2.77"
    } else {
        "2001:db8::77"
    };
    let address: IpAddr = address.parse().expect("an address");
    let port = if how & 4 == 0 { 4_242 } else { 0 };
    Asker {
        source: (address, port).into(),
        transport: if how & 1 == 0 {
            Transport::Udp
        } else {
            Transport::Tcp
        },
    }
}

/// A server of these zones.
pub fn server(zones: Zones) -> World {
    let publisher = Publisher::new();
    publisher.publish(Arc::new(zones), table());
    publisher.publish_settings(Settings {
        identity: Some(b"here".as_slice().into()),
        version: Some(b"fuzzed".as_slice().into()),
        cookies: Some(Cookies::new(
            CookieSecret([1; 16]),
            &[CookieSecret([2; 16])],
        )),
        ..Settings::default()
    });
    World {
        handler: Handler::new(publisher.clone()),
        publisher,
    }
}

impl World {
    /// What it answers from.
    pub fn state(&self) -> Arc<DnsState> {
        self.publisher.state()
    }
}

fn table() -> Table {
    let address = |text: &&str| text.parse().expect("an address");
    let answer = |addresses: &[&str]| ServiceAnswer {
        addresses: addresses.iter().map(address).collect(),
        ttl_secs: 30,
        ..ServiceAnswer::default()
    };
    let moved = ServiceAnswer {
        records: vec!["MX 10 mail".to_owned(), "HTTPS 1 . alpn=h2".to_owned()],
        origin: Some("example.com".into()),
        ..answer(&["192.0.2.13"])
    };
    let elsewhere = ServiceAnswer {
        cname: Some("lb.other.test".into()),
        ..answer(&["192.0.2.14"])
    };
    let services = [
        (
            ServiceName::from("www"),
            answer(&["192.0.2.10", "2001:db8::10", "192.0.2.11"]),
        ),
        (ServiceName::from("only4"), answer(&["192.0.2.12"])),
        (ServiceName::from("moved"), moved),
        (ServiceName::from("elsewhere"), elsewhere),
    ];
    Table::from(&AnswerTable {
        seq: 1,
        services: services.into_iter().collect(),
        serials: BTreeMap::new(),
    })
}

fn service(name: &str, names: &[&str]) -> (ServiceName, Service) {
    let text =
        serde_json::json!({ "name": name, "names": names, "targets": ["t"], "monitors": ["m"] });
    (
        name.into(),
        serde_json::from_value(text).expect("a service"),
    )
}

/// Loads zones, each of an apex and a text; includes come from `files`.
pub fn load(zones: &[(&str, &str)], files: &[(&str, &str)]) -> Loaded {
    let configs: Vec<_> = zones
        .iter()
        .map(|(apex, text)| {
            let file = PathBuf::from(format!("{apex}.zone"));
            let config = ZoneConfig {
                name: DnsName::from(*apex),
                source: ZoneSource::File(file.clone()),
            };
            (config, file, *text)
        })
        .collect();
    let inputs: Vec<_> = configs
        .iter()
        .map(|(config, file, text)| ZoneInput {
            config,
            file,
            text: Some(text),
        })
        .collect();
    let services = [
        service("www", &["www.example.com", "example.com"]),
        service("only4", &["only4.example.com"]),
        service("undecided", &["undecided.example.com"]),
        service("moved", &["records.example.com", "*.records.example.com"]),
        service("elsewhere", &["lb.example.com", "second.test"]),
    ];
    Zones::build(&inputs, &services.into(), "ns1", &mut |path| {
        let file = files.iter().find(|(name, _)| Path::new(name) == path);
        let text = file.map(|(_, text)| (*text).to_owned());
        text.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such file"))
    })
}

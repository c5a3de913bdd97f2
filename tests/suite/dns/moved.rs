//! Records that move with targets, hostnames and wildcards: what is answered at services' names.

use super::answers::{ask, text_of};
use sidestep::{
    config,
    dns::{Loaded, MovedTypes, Table, ZoneInput, Zones, moved_records},
    failover::{AnswerTable, ServiceAnswer},
    model::{Config, Diagnostic},
};
use std::path::Path;

const ZONE: &str = "
$TTL 1h
@     SOA   ns1 hostmaster 5 1h 10m 2w 600
      NS    ns1
      MX    5 static
      TXT   \"stays\"
ns1   A     192.0.2.53
mx1   A     192.0.2.61
mx2   A     192.0.2.62
www   MX    5 static
      TXT   \"stays\"
exact.shop TXT \"a name of its own\"
below.deep.shop A 192.0.2.77
";

/// Two targets with records; services `www` (an apex and a name), and the wildcard `shop`.
const CONFIG: &str = r#"
[[zone]]
name = "example.com"
file = "example.com.zone"
[[target]]
name = "one"
addresses = ["192.0.2.1", "2001:db8::1"]
records = ["MX 10 mx1", "MX 20 mx.example.net.", "HTTPS 1 . alpn=h2"]
[[target]]
name = "two"
addresses = ["192.0.2.2"]
records = ["MX 10 mx2"]
[[service]]
name = "www"
names = ["example.com", "www.example.com"]
targets = ["one", "two"]
monitors = [{ kind = "icmp" }]
[[service]]
name = "shop"
names = ["*.shop.example.com"]
targets = ["two"]
monitors = [{ kind = "icmp" }]
"#;

fn read(text: &str) -> Config {
    config::parse("sidestep.toml", text).unwrap().config
}

/// The zones of a configuration; the file of each is `zone`.
fn zones(config: &Config, zone: &str) -> Loaded {
    let files = vec![("the.zone", zone); config.zones.len()];
    zones_of(config, &files, false)
}

/// The zones of a configuration, each with its file; the last first where they are turned.
fn zones_of(config: &Config, files: &[(&str, &str)], is_turned: bool) -> Loaded {
    let mut inputs: Vec<_> = config
        .zones
        .iter()
        .zip(files)
        .map(|(config, (file, text))| ZoneInput {
            config,
            file: Path::new(*file),
            text: Some(*text),
        })
        .collect();
    if is_turned {
        inputs.reverse();
    }
    let moved = MovedTypes::of(config);
    let mut read = |path: &Path| panic!("nothing else is read: {}", path.display());
    Zones::build_moving(&inputs, &config.services, &moved, "ns1", &mut read)
}

/// The table in which each service serves these targets, as the fold makes it.
fn serving(config: &Config, serving: &[(&str, &[&str])]) -> Table {
    let mut table = AnswerTable::default();
    for (service, targets) in serving {
        let targets = || targets.iter().map(|&name| &config.targets[name]);
        let answer = ServiceAnswer {
            addresses: targets().flat_map(|one| one.addresses.clone()).collect(),
            records: targets().flat_map(|one| one.records.clone()).collect(),
            cname: targets().find_map(|one| one.cname.clone()),
            origin: Some("example.com".into()),
            ttl_secs: 30,
            ..ServiceAnswer::default()
        };
        table.services.insert((*service).into(), answer);
    }
    Table::from(&table)
}

fn lines(zones: &Zones, table: &Table, question: &str) -> Vec<String> {
    text_of(&ask(zones, table, question))
}

fn headlines(found: &[Diagnostic]) -> Vec<String> {
    found.iter().map(Diagnostic::headline).collect()
}

const SOA_30: &str =
    "auth example.com. 30 SOA ns1.example.com. hostmaster.example.com. 5 3600 600 1209600 600";

#[test]
fn what_moves_is_of_the_served_target_and_everything_else_stays() {
    let config = read(CONFIG);
    let loaded = zones(&config, ZONE);
    assert_eq!(
        headlines(&loaded.warnings),
        [
            "the.zone:5:7: this MX record is never answered: 'example.com' is a name of service 'www', whose targets have the MX records there; remove it",
            "the.zone:10:1: this MX record is never answered: 'www.example.com' is a name of service 'www', whose targets have the MX records there; remove it",
        ]
    );
    let zones = loaded.zones.unwrap();
    let one = serving(&config, &[("www", &["one"]), ("shop", &["two"])]);
    for owner in ["example.com", "www.example.com"] {
        assert_eq!(
            lines(&zones, &one, &format!("{owner} MX")),
            [
                "NOERROR aa".to_owned(),
                format!("{owner}. 30 MX 10 mx1.example.com."),
                format!("{owner}. 30 MX 20 mx.example.net."),
                "add mx1.example.com. 3600 A 192.0.2.61".to_owned(),
            ]
        );
        let binding = lines(&zones, &one, &format!("{owner} HTTPS"));
        assert!(
            binding[1].starts_with(&format!("{owner}. 30 HTTPS 1 .")),
            "{binding:?}"
        );
        assert_eq!(
            lines(&zones, &one, &format!("{owner} TXT"))[1],
            format!("{owner}. 3600 TXT stays")
        );
        // The other target: all of it in the one table that is published.
        let two = serving(&config, &[("www", &["two"]), ("shop", &["two"])]);
        assert_eq!(
            lines(&zones, &two, &format!("{owner} MX"))[1..],
            [
                format!("{owner}. 30 MX 10 mx2.example.com."),
                "add mx2.example.com. 3600 A 192.0.2.62".to_owned(),
            ]
        );
        assert_eq!(
            lines(&zones, &two, &format!("{owner} A"))[1..],
            [format!("{owner}. 30 A 192.0.2.2")]
        );
        // It has no HTTPS and no IPv6: that is not believed for longer than an answer.
        for kind in ["HTTPS", "AAAA", "SRV"] {
            let question = format!("{owner} {kind}");
            assert_eq!(
                lines(&zones, &two, &question),
                ["NOERROR aa", SOA_30],
                "{kind}"
            );
        }
        // What several served targets have is joined.
        let both = serving(&config, &[("www", &["one", "two"]), ("shop", &["two"])]);
        assert_eq!(lines(&zones, &both, &format!("{owner} MX")).len(), 6);
        // A service that nothing was decided for is a failure, which nobody keeps.
        for kind in ["A", "AAAA", "ANY"] {
            let nothing = lines(&zones, &Table::default(), &format!("{owner} {kind}"));
            assert_eq!(nothing, ["SERVFAIL"]);
        }
    }
}

#[test]
fn a_wildcard_stands_for_every_name_that_has_no_records_of_its_own() {
    let config = read(CONFIG);
    let zones = zones(&config, ZONE).zones.unwrap();
    let table = serving(&config, &[("www", &["one"]), ("shop", &["two"])]);
    for name in [
        "a.shop.example.com",
        "b.a.shop.example.com",
        "*.shop.example.com",
    ] {
        assert_eq!(
            lines(&zones, &table, &format!("{name} A")),
            ["NOERROR aa".to_owned(), format!("{name}. 30 A 192.0.2.2")]
        );
        assert_eq!(
            lines(&zones, &table, &format!("{name} MX"))[1],
            format!("{name}. 30 MX 10 mx2.example.com.")
        );
        assert_eq!(
            lines(&zones, &table, &format!("{name} AAAA")),
            ["NOERROR aa", SOA_30]
        );
    }
    let soa = SOA_30.replace(" 30 SOA", " 600 SOA");
    // A name of its own wins, and names above one, and what lies below one (RFC 4592).
    for (question, rcode) in [
        ("exact.shop.example.com A", "NOERROR aa"),
        ("deep.shop.example.com A", "NOERROR aa"),
        ("shop.example.com A", "NOERROR aa"),
        ("x.exact.shop.example.com A", "NXDOMAIN aa"),
        ("x.deep.shop.example.com A", "NXDOMAIN aa"),
    ] {
        assert_eq!(lines(&zones, &table, question), [rcode, &soa], "{question}");
    }
    assert_eq!(
        lines(&zones, &table, "below.deep.shop.example.com A")[1],
        "below.deep.shop.example.com. 3600 A 192.0.2.77"
    );
}

/// Service `www` with a hostname as its second target.
fn with_hostname(cname: &str, addresses: &[&str]) -> Config {
    let text = CONFIG.replace(
        "addresses = [\"192.0.2.2\"]\nrecords = [\"MX 10 mx2\"]",
        &format!("cname = \"{cname}\""),
    );
    let mut config = read(&text);
    let two = config.targets.get_mut("two").unwrap();
    two.addresses = addresses.iter().map(|one| one.parse().unwrap()).collect();
    config
}

const BARE: &str = "
$TTL 1h
@     SOA   ns1 hostmaster 5 1h 10m 2w 600
      NS    ns1
      TXT   \"stays\"
ns1   A     192.0.2.53
lb    A     192.0.2.88
";

#[test]
fn a_hostname_is_a_cname_and_its_addresses_at_an_apex() {
    let config = with_hostname("lb.example.net", &["192.0.2.30", "2001:db8::30"]);
    let zones = zones(&config, BARE).zones.unwrap();
    let table = serving(&config, &[("www", &["two"]), ("shop", &["two"])]);
    for kind in ["A", "AAAA", "MX", "TXT", "CNAME", "ANY", "HTTPS"] {
        for name in ["www.example.com", "any.shop.example.com"] {
            assert_eq!(
                lines(&zones, &table, &format!("{name} {kind}")),
                [
                    "NOERROR aa".to_owned(),
                    format!("{name}. 30 CNAME lb.example.net.")
                ],
                "{kind}"
            );
        }
    }
    assert_eq!(
        lines(&zones, &table, "example.com A")[1..],
        ["example.com. 30 A 192.0.2.30"]
    );
    assert_eq!(
        lines(&zones, &table, "example.com AAAA")[1..],
        ["example.com. 30 AAAA 2001:db8::30"]
    );
    assert_eq!(
        lines(&zones, &table, "example.com TXT")[1],
        "example.com. 3600 TXT stays"
    );
    assert_eq!(
        lines(&zones, &table, "example.com CNAME"),
        ["NOERROR aa", SOA_30]
    );
    // What the other target moves is not there while this one is served.
    assert_eq!(
        lines(&zones, &table, "example.com MX"),
        ["NOERROR aa", SOA_30]
    );
    // While the other is served there is no CNAME.
    let table = serving(&config, &[("www", &["one"]), ("shop", &["two"])]);
    assert_eq!(
        lines(&zones, &table, "www.example.com A")[1..],
        ["www.example.com. 30 A 192.0.2.1"]
    );
    assert_eq!(
        lines(&zones, &table, "www.example.com CNAME"),
        ["NOERROR aa", SOA_30]
    );
}

#[test]
fn a_hostname_in_our_own_zones_is_followed_and_one_that_was_never_resolved_is_no_denial() {
    let config = with_hostname("LB.example.com.", &[]);
    let zones = zones(&config, BARE).zones.unwrap();
    let table = serving(&config, &[("www", &["two"]), ("shop", &["two"])]);
    assert_eq!(
        lines(&zones, &table, "www.example.com A")[1..],
        [
            "www.example.com. 30 CNAME lb.example.com.",
            "lb.example.com. 3600 A 192.0.2.88"
        ]
    );
    for kind in ["A", "AAAA", "ANY"] {
        assert_eq!(
            lines(&zones, &table, &format!("example.com {kind}")),
            ["SERVFAIL"]
        );
    }
    assert_eq!(
        lines(&zones, &table, "example.com TXT")[1],
        "example.com. 3600 TXT stays"
    );
}

#[test]
fn a_hostname_leads_not_back_to_its_service() {
    let loaded = zones(&with_hostname("WWW.example.com", &[]), BARE);
    let found = headlines(&loaded.zones.unwrap_err());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("a CNAME that leads to itself"),
        "{found:?}"
    );
    // `lb` has records of its own, and another zone's name is looked up by others.
    for hostname in ["lb.example.com", "lb.example.net"] {
        assert!(zones(&with_hostname(hostname, &[]), BARE).zones.is_ok());
    }
}

#[test]
fn a_cname_stands_beside_no_other_static_record() {
    let config = with_hostname("lb.example.net", &[]);
    let zone = format!("{BARE}www TXT \"beside\"\n    A 192.0.2.99\n");
    let loaded = zones(&config, &zone);
    assert_eq!(
        headlines(&loaded.zones.unwrap_err()),
        [
            "the.zone:8:1: TXT records at 'www.example.com' beside the CNAME of target 'two' of service 'www'; it must stand alone: remove them, or give the target addresses"
        ]
    );
    assert_eq!(
        headlines(&loaded.warnings),
        [
            "the.zone:9:5: this A record is never answered: 'www.example.com' is a name of service 'www', whose targets have the A records there; remove it"
        ]
    );
}

/// Wherever it stands: at an apex or not, beside the CNAME of another target or not.
#[test]
fn a_static_record_of_a_type_that_moves_is_never_answered_anywhere() {
    let config = with_hostname("lb.example.net", &[]);
    let zone = format!("{BARE}@ MX 5 mx\nwww MX 5 mx\nmx A 192.0.2.61\n");
    let loaded = zones(&config, &zone);
    let never = |place: &str, name: &str| {
        format!(
            "the.zone:{place}: this MX record is never answered: '{name}' is a name of service 'www', whose targets have the MX records there; remove it"
        )
    };
    assert_eq!(
        headlines(&loaded.warnings),
        [never("8:1", "example.com"), never("9:1", "www.example.com")]
    );
    let zones = loaded.zones.unwrap();
    let one = serving(&config, &[("www", &["one"]), ("shop", &["two"])]);
    for owner in ["example.com", "www.example.com"] {
        let found = lines(&zones, &one, &format!("{owner} MX"));
        assert_eq!(found[1], format!("{owner}. 30 MX 10 mx1.example.com."));
    }
    let two = serving(&config, &[("www", &["two"]), ("shop", &["two"])]);
    assert_eq!(
        lines(&zones, &two, "www.example.com MX")[1..],
        ["www.example.com. 30 CNAME lb.example.net."]
    );
}

#[test]
fn hosts_that_become_aliases_are_warned_about() {
    let mut config = with_hostname("lb.example.net", &["192.0.2.30"]);
    let zone = format!(
        "{BARE}
a       MX  1 WWW
b       SRV 0 0 1 any.number.of.shop
c       NS  www
; At an apex there is no CNAME, and nothing is a service's that has a name of its own.
d       MX  1 @
e       MX  1 own.shop
own.shop A  192.0.2.1
f       MX  1 www.elsewhere.example.net.
"
    );
    let warning = |place: &str, name: &str, service: &str, kind: &str| {
        format!(
            "the.zone:{place}: '{name}' is a name of service '{service}' and an alias (CNAME) while its target 'two' is served, which is a hostname; {kind} records must not lead to one: name another host, or give the target addresses"
        )
    };
    let (www, any) = ("www.example.com", "any.number.of.shop.example.com");
    let expect = [
        warning("9:1", www, "www", "MX"),
        warning("10:1", any, "shop", "SRV"),
        warning("11:1", www, "www", "NS"),
    ];
    let loaded = zones(&config, &zone);
    assert_eq!(headlines(&loaded.warnings), expect);
    assert!(loaded.zones.is_ok());
    config.targets.get_mut("two").unwrap().cname = None;
    assert_eq!(headlines(&zones(&config, &zone).warnings), [""; 0]);
}

/// Names of another zone, whichever comes first, are judged as in that zone: a wildcard covers
/// any number of labels, but nothing at or below a name that is there (RFC 4592).
#[test]
fn names_of_other_zones_are_looked_up_there() {
    let near = "
$TTL 1h
@        SOA ns1 hostmaster 5 1h 10m 2w 600
         NS  ns1
ns1      A   192.0.2.53
own.shop A   192.0.2.1
alias    CNAME a.b.shop
";
    let far = "
$TTL 1h
@ SOA ns1.example.com. hostmaster 5 1h 10m 2w 600
  NS  ns1.example.com.
a HTTPS 1 a.shop.example.com. ipv4hint=192.0.2.1
b HTTPS 1 a.b.shop.example.com. ipv4hint=192.0.2.1
c HTTPS 1 own.shop.example.com. ipv4hint=192.0.2.1
d HTTPS 1 a.own.shop.example.com. ipv4hint=192.0.2.1
e HTTPS 1 shop.example.com. ipv4hint=192.0.2.1
f MX 1 a.b.shop.example.com.
g MX 1 a.own.shop.example.com.
h MX 1 www.example.com.
i CNAME a.b.shop.example.com.
j HTTPS 1 i ipv4hint=192.0.2.1
";
    let text = |hostname: &str| {
        CONFIG
            .replace(
                "addresses = [\"192.0.2.2\"]\nrecords = [\"MX 10 mx2\"]",
                &format!("cname = \"{hostname}\""),
            )
            .replace(
                "[[target]]\nname = \"one\"",
                "[[zone]]\nname = \"example.net\"\nfile = \"example.net.zone\"\n[[target]]\nname = \"one\"",
            )
    };
    let build = |config: &Config, is_turned: bool| {
        zones_of(
            config,
            &[("example.com", near), ("example.net", far)],
            is_turned,
        )
    };
    let hints = |line: u32| {
        format!(
            "example.net:{line}:1: clients that take the address hints of this record do not follow a failover of service 'shop': remove ipv4hint and ipv6hint"
        )
    };
    for is_turned in [false, true] {
        let loaded = build(&read(&text("lb.example.org")), is_turned);
        let said = headlines(&loaded.warnings);
        assert_eq!(said.len(), 5, "{said:#?}");
        assert_eq!(
            [&said[0], &said[1], &said[4]],
            [&hints(5), &hints(6), &hints(14)]
        );
        assert!(
            said[2].starts_with(
                "example.net:10:1: 'a.b.shop.example.com' is a name of service 'shop'"
            ),
            "{said:#?}"
        );
        assert!(
            said[3].starts_with("example.net:12:1: 'www.example.com' is a name of service 'www'"),
            "{said:#?}"
        );
        assert!(loaded.zones.is_ok());
        // A hostname that its own service answers, by way of the other zone.
        for (hostname, leads_on) in [
            ("i.example.net", false),
            ("alias.example.com", false),
            ("a.b.shop.example.com", false),
            ("own.shop.example.com", true),
            ("a.own.shop.example.com", true),
        ] {
            let loaded = build(&read(&text(hostname)), is_turned);
            assert_eq!(loaded.zones.is_ok(), leads_on, "{hostname}");
        }
    }
}

/// A zone, one below it, and services in both: `mail` with a hostname, `www` with a wildcard.
const NESTED: &str = r#"
[[zone]]
name = "example.com"
file = "example.com.zone"
[[zone]]
name = "sub.example.com"
file = "sub.zone"
[[target]]
name = "plain"
addresses = ["192.0.2.1"]
records = ["MX 10 mail.sub", "MX 20 alias.sub", "MX 30 host.sub", "SRV 1 1 25 host"]
[[target]]
name = "named"
cname = "lb.example.net"
[[service]]
name = "mail"
names = ["mail.sub.example.com"]
targets = ["named"]
monitors = [{ kind = "icmp" }]
[[service]]
name = "any"
names = ["*.example.com"]
targets = ["named"]
monitors = [{ kind = "icmp" }]
[[service]]
name = "www"
names = ["www.example.com"]
targets = ["plain"]
monitors = [{ kind = "icmp" }]
"#;
const ABOVE: &str = "
$TTL 1h
@ SOA ns hostmaster 5 1h 10m 2w 600
  NS  ns
ns A 192.0.2.53
a MX 1 mail.sub
b MX 1 host.sub
c HTTPS 1 mail.sub ipv4hint=192.0.2.1
d MX 1 covered
e MX 1 www
";
const BELOW: &str = "
$TTL 1h
@ SOA ns hostmaster 5 1h 10m 2w 600
  NS  ns
ns A 192.0.2.53
host A 192.0.2.9
alias CNAME host
";

#[test]
fn names_of_a_zone_below_are_that_zones() {
    let config = read(NESTED);
    for is_turned in [false, true] {
        let files = [("above", ABOVE), ("below", BELOW)];
        let loaded = zones_of(&config, &files, is_turned);
        let said = headlines(&loaded.warnings);
        let starts = [
            "above:6:1: 'mail.sub.example.com' is a name of service 'mail' and an alias",
            "above:8:1: clients that take the address hints of this record do not follow a failover of service 'mail'",
            "above:9:1: 'covered.example.com' is a name of service 'any' and an alias",
        ];
        assert_eq!(said.len(), starts.len(), "{said:#?}");
        for (said, start) in said.iter().zip(starts) {
            assert!(said.starts_with(start), "{said}");
        }
        let zones = loaded.zones.unwrap();
        let moved = moved_records(&config, Some(&zones));
        assert!(moved.iter().all(|found| found.is_warning), "{moved:?}");
        let moved: Vec<_> = moved
            .iter()
            .map(|found| (found.index, found.message.as_str()))
            .collect();
        let [(0, mail), (1, alias), (3, host)] = moved[..] else {
            panic!("{moved:#?}");
        };
        assert!(
            mail.starts_with("'mail.sub.example.com' is a name of service 'mail'"),
            "{mail}"
        );
        assert_eq!(
            alias,
            "'alias.sub.example.com' is an alias (CNAME), and MX records must not lead to one"
        );
        assert!(
            host.starts_with("'host.example.com' is a name of service 'any'"),
            "{host}"
        );
    }
}

#[test]
fn a_zone_that_cannot_be_read_is_not_looked_up_in_the_one_above() {
    let config = read(&NESTED.replace("lb.example.net", "host.sub.example.com"));
    let files = [
        ("above", ABOVE),
        ("below", "@ SOA ns hostmaster 5 1h 10m 2w nonsense\n"),
    ];
    let errors = headlines(&zones_of(&config, &files, false).zones.unwrap_err());
    assert!(
        errors.iter().all(|error| error.starts_with("below:1:")),
        "{errors:#?}"
    );
}

#[test]
fn records_that_lead_well_leave_room_for_what_is_said_of_others() {
    let config = read(NESTED);
    let many: String = (0..2_000)
        .map(|number| {
            format!("m{number} MX 1 www\nh{number} HTTPS 1 elsewhere.test. ipv4hint=192.0.2.1\n")
        })
        .collect();
    let above = format!("{ABOVE}{many}last HTTPS 1 www ipv4hint=192.0.2.1\n");
    let loaded = zones_of(&config, &[("above", &above), ("below", BELOW)], false);
    let said = headlines(&loaded.warnings);
    assert_eq!(said.len(), 4, "{said:#?}");
    assert!(said[3].starts_with("above:4011:1: clients"), "{}", said[3]);
}

#[test]
fn hints_that_go_around_a_service_are_found_wherever_they_lead() {
    let config = read(CONFIG);
    let zone = format!(
        "{BARE}
plain   HTTPS 1 . ipv4hint=192.0.2.1
owner.shop HTTPS 1 . alpn=h2
alias   CNAME www
a       SVCB  1 www ipv4hint=192.0.2.1
b       HTTPS 1 alias ipv6hint=2001:db8::1
c       HTTPS 1 any.shop ipv4hint=192.0.2.1
d       HTTPS 0 www
e       HTTPS 1 elsewhere.example.net. ipv4hint=192.0.2.1
shop    SVCB  1 . ipv4hint=192.0.2.1
"
    );
    let loaded = zones(&config, &zone);
    let said: Vec<String> = headlines(&loaded.warnings);
    let hints = |line: u32, service: &str| {
        format!(
            "the.zone:{line}:1: clients that take the address hints of this record do not follow a failover of service '{service}': remove ipv4hint and ipv6hint"
        )
    };
    assert_eq!(
        said,
        [hints(12, "www"), hints(13, "www"), hints(14, "shop")]
    );
    assert!(loaded.zones.is_ok());
}

#[test]
fn records_of_targets_are_judged_where_their_services_lie() {
    let text = CONFIG
        .replace("\"MX 10 mx1\"", "\"MX 10 mx1\", \"A 192.0.2.1\", \"MX x mx\"")
        .replace(
            "[[service]]\nname = \"shop\"",
            "[[zone]]\nname = \"example.net\"\nns = [\"ns1.example.com\"]\n[[service]]\nname = \"shop\"",
        )
        .replace("\"*.shop.example.com\"", "\"shop.example.net\"");
    let found = moved_records(&read(&text), None);
    let said: Vec<_> = found
        .iter()
        .map(|one| (one.target.as_str(), one.index, one.offset, one.is_warning))
        .collect();
    assert_eq!(
        said,
        [
            ("one", 1, 0, false),
            ("one", 2, 3, false),
            ("two", 0, 0, true)
        ]
    );
    assert!(found[2].message.contains("absolute names"), "{found:?}");
}

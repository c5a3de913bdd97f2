//! Zone files as operators write them: what is refused and warned about, with its place.

use super::{Given, build};
use proptest::prelude::*;
use sidestep::model::DnsName;
use std::path::Path;

const HEAD: &str = "$TTL 1h\n@ SOA ns1 hostmaster 5 1h 10m 2w 600\n@ NS ns1\nns1 A 192.0.2.53\n";

fn headlines(found: &[sidestep::model::Diagnostic]) -> Vec<String> {
    found.iter().map(|found| found.headline()).collect()
}

/// The errors of a zone file that begins with `HEAD`, so that `rest` begins at line 5.
fn errors_of(rest: &str, services: &[(&str, &[&str])], files: &[(&str, &str)]) -> Vec<String> {
    let text = format!("{HEAD}{rest}");
    let loaded = build(&[("example.com", Given::File(&text))], services, files);
    headlines(&loaded.zones.err().unwrap_or_default())
}

#[test]
fn bad_records_are_refused_with_their_place() {
    for (rest, expect) in [
        (
            "www A 192.0.2.300",
            "example.com.zone:5:7: '192.0.2.300' is not an IPv4 address",
        ),
        (
            "\n\nwww AAA ::1",
            "example.com.zone:7:5: unknown record type 'AAA', did you mean 'AAAA'?",
        ),
        (
            "www A",
            "example.com.zone:5:6: this A record lacks an IPv4 address",
        ),
        (
            "www A 192.0.2.1 192.0.2.2",
            "example.com.zone:5:17: unexpected '192.0.2.2' after the A record",
        ),
        ("www", "example.com.zone:5:4: this record lacks a type"),
        (
            "www CH A 192.0.2.1",
            "example.com.zone:5:5: class CH is not served; write IN",
        ),
        (
            "www 9999999999 A 192.0.2.1",
            "example.com.zone:5:5: '9999999999' is no TTL: write seconds, or such as 1h30m, at most 2147483647",
        ),
        (
            "t TXT \"open",
            "example.com.zone:5:7: this quoted string is not closed on its line",
        ),
        (
            "x ( A 192.0.2.1\ny A 192.0.2.2\n",
            "example.com.zone:5:3: '(' is never closed",
        ),
        ("x A 192.0.2.1 )", "example.com.zone:5:15: ')' without '('"),
        (
            "$ORIGN example.net.",
            "example.com.zone:5:1: unknown directive '$ORIGN', did you mean '$ORIGIN'?",
        ),
        (
            "$TTL soon",
            "example.com.zone:5:6: 'soon' is no TTL: write seconds, or such as 1h30m, at most 2147483647",
        ),
        (
            "a..b A 192.0.2.1",
            "example.com.zone:5:1: 'a..b' has an empty label",
        ),
        (
            "m MX 10",
            "example.com.zone:5:8: this MX record lacks a name; it has a preference, a name",
        ),
        (
            "é A 192.0.2.1",
            "example.com.zone:5:1: 'é' is no domain name: write other scripts in punycode (xn--…), and no quotes",
        ),
        (
            "k WKS 192.0.2.38 tcp smtp",
            "example.com.zone:5:7: WKS records cannot be written by name; write '\\# LENGTH HEX' (RFC 3597)",
        ),
        (
            "$INCLUDE nowhere.inc",
            "example.com.zone:5:10: nowhere.inc cannot be read: no such file",
        ),
        (
            "www.example.net. A 192.0.2.1",
            "example.com.zone:5:1: 'www.example.net' lies outside the zone 'example.com'",
        ),
        (
            "@ SOA ns1 hostmaster 6 1 1 1 1",
            "example.com.zone:5:1: a second SOA record; a zone has one",
        ),
        (
            "sub SOA ns1 hostmaster 6 1 1 1 1",
            "example.com.zone:5:1: an SOA record belongs at the zone's apex only",
        ),
        (
            "w CNAME ns1\nw TXT x",
            "example.com.zone:5:1: a CNAME at 'w.example.com' beside TXT records; it must stand alone",
        ),
        (
            "w CNAME a\nw CNAME b",
            "example.com.zone:6:1: a second CNAME at 'w.example.com'; a name has one",
        ),
        (
            "*.d NS ns1",
            "example.com.zone:5:1: NS records at a wildcard have no meaning (RFC 4592 section 4.2)",
        ),
    ] {
        assert_eq!(errors_of(rest, &[], &[]), [expect], "{rest}");
    }
}

#[test]
fn every_error_is_reported_and_reading_goes_on() {
    let found = errors_of("a A x\nb A 192.0.2.1\nc MX y\n", &[], &[]);
    assert_eq!(
        found,
        [
            "example.com.zone:5:5: 'x' is not an IPv4 address",
            "example.com.zone:7:6: 'y' is not a preference, a number from 0 to 65535",
        ]
    );
}

#[test]
fn a_thousand_errors_are_not_listed_one_by_one() {
    let found = errors_of(&"w A x\n".repeat(1_000), &[], &[]);
    assert_eq!(found.len(), 100);
    let last = "example.com.zone:104:5: 'x' is not an IPv4 address; and 900 more findings";
    assert_eq!(found.last().map(String::as_str), Some(last));
}

#[test]
fn zones_without_soa_or_ns_are_refused() {
    let one = |text: &str| {
        let loaded = build(&[("example.com", Given::File(text))], &[], &[]);
        headlines(&loaded.zones.unwrap_err())
    };
    let soa = "example.com.zone: the zone 'example.com' has no SOA record at its apex";
    let ns = "example.com.zone: the zone 'example.com' has no NS record at its apex";
    assert_eq!(one(""), [soa, ns]);
    assert_eq!(one("@ 60 NS ns1.example.net."), [soa]);
    assert_eq!(one("@ 60 SOA ns1.example.net. h 1 1 1 1 1"), [ns]);
    assert_eq!(
        one("@ A 192.0.2.1"),
        ["example.com.zone:1:1: this record has no TTL; put '$TTL 3600' at the top of the file"]
    );
    let twice = build(
        &[
            ("example.com", Given::Ns(&["a.b"])),
            ("example.com", Given::Ns(&["a.b"])),
        ],
        &[],
        &[],
    );
    assert_eq!(
        headlines(&twice.zones.unwrap_err()),
        ["example.com.zone: zone 'example.com' is given twice"]
    );
    let missing = sidestep::model::ZoneConfig {
        name: "example.com".into(),
        source: sidestep::model::ZoneSource::File("z".into()),
    };
    let input = sidestep::dns::ZoneInput {
        config: &missing,
        file: Path::new("z"),
        text: None,
    };
    let loaded = sidestep::dns::Zones::build(&[input], &Default::default(), "ns1", &mut |_| {
        Err(std::io::Error::from(std::io::ErrorKind::NotFound))
    });
    assert_eq!(
        headlines(&loaded.zones.unwrap_err()),
        ["z: cannot be read: entity not found"]
    );
    assert!(
        loaded.files.contains(Path::new("z")),
        "a file that is missing is watched too"
    );
}

#[test]
fn services_and_static_records_that_contradict_are_refused() {
    let www: &[(&str, &[&str])] = &[("www", &["www.example.com"])];
    assert_eq!(
        errors_of("www CNAME ns1", www, &[]),
        ["example.com.zone:5:1: a CNAME at 'www.example.com', a name of service 'www': remove one"]
    );
    assert_eq!(
        errors_of("www NS ns.example.net.", www, &[]),
        [
            "example.com.zone:5:1: 'www.example.com' is delegated here, and 'www.example.com' is a name of service 'www': remove one"
        ]
    );
    let below: &[(&str, &[&str])] = &[("www", &["a.sub.example.com"])];
    assert_eq!(
        errors_of("sub NS ns.example.net.", below, &[]),
        [
            "example.com.zone:5:1: 'sub.example.com' is delegated here, and 'a.sub.example.com' is a name of service 'www': remove one"
        ]
    );
    let outside: &[(&str, &[&str])] = &[("www", &["www.example.net"])];
    assert_eq!(
        errors_of("", outside, &[]),
        ["example.com.zone: service 'www': 'www.example.net' lies in no zone"]
    );
}

#[test]
fn what_can_be_mended_is_warned_about() {
    let text = format!(
        "{HEAD}www A 192.0.2.1\nmixed 60 A 192.0.2.2\nmixed 30 A 192.0.2.3\nmixed 60 A 192.0.2.2\nsub NS ns.sub\n"
    );
    let services: &[(&str, &[&str])] = &[("www", &["www.example.com"])];
    let loaded = build(&[("example.com", Given::File(&text))], services, &[]);
    assert_eq!(
        headlines(&loaded.warnings),
        [
            "example.com.zone:5:1: this A record is never answered: 'www.example.com' is a name of service 'www', whose targets have the A records there; remove it",
            "example.com.zone:7:1: the A records of 'mixed.example.com' have several TTLs; the lowest, 30, is answered for all",
            "example.com.zone:8:1: this record stands here twice; it is answered once",
            "example.com.zone:9:1: the name server 'ns.sub.example.com' has no address in this zone",
        ]
    );
    let zones = loaded.zones.unwrap();
    let mut addresses: Vec<_> = zones
        .static_addresses()
        .map(|(name, ip)| format!("{name} {ip}"))
        .collect();
    addresses.sort();
    assert_eq!(
        addresses,
        [
            "mixed.example.com 192.0.2.2",
            "mixed.example.com 192.0.2.3",
            "ns1.example.com 192.0.2.53"
        ]
    );
    assert_eq!(zones.serial_of(&DnsName::from("example.com")), Some(5));
    assert_eq!(zones.serial_of(&DnsName::from("example.net")), None);
    let hints = format!(
        "{HEAD}www HTTPS 1 . ipv4hint=192.0.2.1\nweb HTTPS 1 www alpn=h2\nb HTTPS 1 www ipv6hint=::1\nns1 HTTPS 1 . ipv4hint=192.0.2.53\n"
    );
    let hints = build(&[("example.com", Given::File(&hints))], services, &[]);
    let warning = "clients that take the address hints of this record do not follow a failover of service 'www': remove ipv4hint and ipv6hint";
    assert_eq!(
        headlines(&hints.warnings),
        ["5", "7"].map(|line| format!("example.com.zone:{line}:1: {warning}"))
    );
    let made = build(
        &[("example.com", Given::Ns(&["ns1.example.com"]))],
        &[],
        &[],
    );
    assert_eq!(
        headlines(&made.warnings),
        [
            "example.com.zone: the name server 'ns1.example.com' has no address in this zone; give the zone a file with its A or AAAA record"
        ]
    );
    assert_eq!(
        made.zones.unwrap().serial_of(&DnsName::from("example.com")),
        None
    );
}

#[test]
fn includes_are_relative_to_their_file_and_keep_the_origin() {
    let files = [
        (
            "inc/a.inc",
            "a A 192.0.2.1\n$ORIGIN deep.example.com.\nb A 192.0.2.2\n$INCLUDE c.inc\n",
        ),
        ("inc/c.inc", "c A 192.0.2.3\n"),
        ("inc/d.inc", "d A 192.0.2.4\n"),
    ];
    let text = format!(
        "{HEAD}$INCLUDE inc/a.inc ; relative\n$INCLUDE \"inc/d.inc\" other\n AAAA ::53\ne A 192.0.2.5\n"
    );
    let loaded = build(&[("example.com", Given::File(&text))], &[], &files);
    let read: Vec<_> = loaded
        .files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    assert_eq!(
        read,
        ["example.com.zone", "inc/a.inc", "inc/c.inc", "inc/d.inc"]
    );
    let zones = loaded.zones.unwrap();
    let mut names: Vec<_> = zones
        .static_addresses()
        .map(|(name, _)| name.to_string())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "a.example.com",
            "b.deep.example.com",
            "c.deep.example.com",
            "d.other.example.com",
            "e.example.com",
            "ns1.example.com",
            "ns1.example.com"
        ]
    );
    let inside = [("x.inc", "ok A 192.0.2.1\nbad A nope\n")];
    assert_eq!(
        errors_of("$INCLUDE x.inc", &[], &inside),
        ["x.inc:2:7: 'nope' is not an IPv4 address"]
    );
    let ownerless = [("x.inc", " A 192.0.2.1\n")];
    assert_eq!(
        errors_of("$INCLUDE x.inc", &[], &ownerless),
        ["x.inc:1:2: this record has no owner: no record stands before it"]
    );
    let itself = [("x.inc", "$INCLUDE x.inc\n")];
    assert_eq!(
        errors_of("$INCLUDE x.inc", &[], &itself),
        ["x.inc:1:10: x.inc includes itself"]
    );
    let nested = |times: usize, depth: usize| {
        let names: Vec<_> = (0..=depth).map(|level| format!("{level}.inc")).collect();
        let text = |level: usize| format!("$INCLUDE {}.inc\n", level + 1).repeat(times);
        let texts: Vec<_> = (0..=depth).map(text).collect();
        let texts = texts.iter().map(String::as_str);
        let mut files: Vec<_> = names.iter().map(String::as_str).zip(texts).collect();
        files[depth].1 = "";
        errors_of("$INCLUDE 0.inc", &[], &files)
    };
    assert_eq!(nested(1, 7), [""; 0]);
    assert_eq!(
        nested(1, 8),
        ["7.inc:1:10: $INCLUDE nests deeper than 8 files"]
    );
    assert_eq!(
        nested(10, 3),
        ["0.inc:10:10: 1.inc is not read: 1000 files were, for this zone alone"]
    );
}

#[test]
fn a_file_that_is_included_often_is_read_and_kept_once() {
    let include = "$INCLUDE often.inc\n".repeat(400);
    let zone = format!("{HEAD}{include}");
    let files: Vec<_> = ["a.test", "b.test"]
        .map(|apex| sidestep::model::ZoneConfig {
            name: apex.into(),
            source: sidestep::model::ZoneSource::File("z".into()),
        })
        .into();
    let inputs: Vec<_> = files
        .iter()
        .map(|config| sidestep::dns::ZoneInput {
            config,
            file: Path::new("z"),
            text: Some(&zone),
        })
        .collect();
    let mut reads = 0;
    let loaded = sidestep::dns::Zones::build(&inputs, &Default::default(), "ns1", &mut |_| {
        reads += 1;
        Ok("often A 192.0.2.1\n".to_owned())
    });
    assert_eq!(reads, 1);
    let zones = loaded.zones.unwrap();
    let often = zones
        .static_addresses()
        .filter(|(name, _)| name.starts_with("often."));
    assert_eq!(often.count(), 2, "one in each zone");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_zone_file_makes_the_loader_panic(
        lines in prop::collection::vec(
            r#"(@|[a-c*.]{1,5}|\\[0-9]{3}|)[ \t]((IN|60|1h) ){0,2}(A|TXT|SOA|NS|MX|CNAME|SRV|TYPE[0-9]{1,5}|HTTPS|CAA|\$INCLUDE x) [ -~]{0,20}|\PC{0,20}|\$(TTL|ORIGIN|INCLUDE) [a-z0-9.]{0,5}"#,
            0..20,
        ),
    ) {
        let text = format!("{HEAD}{}", lines.join("\n"));
        let includes = [("x", "b A 192.0.2.1\n$INCLUDE x\n")];
        let services: &[(&str, &[&str])] = &[("www", &["a.example.com", "example.com"])];
        let loaded = build(&[("example.com", Given::File(&text))], services, &includes);
        if let Err(errors) = loaded.zones {
            prop_assert!(!errors.is_empty());
            for error in errors {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}

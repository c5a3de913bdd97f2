//! What a zone may hold: each rule with the records that break it, and what is said.

use super::{
    Given,
    answers::{ask, check},
    build,
};
use sidestep::{dns::Table, model::Diagnostic};

const HEAD: &str = "$TTL 1h\n@ SOA ns1 hostmaster 5 1h 10m 2w 600\n@ NS ns1\nns1 A 192.0.2.53\n";

fn said(found: &[Diagnostic]) -> Vec<String> {
    let shown = found.iter().map(Diagnostic::headline);
    shown
        .map(|line| line.replace("example.com.zone:", ""))
        .collect()
}

/// Records below `HEAD`, so that they begin at line 5: whether they are taken, and what is said.
fn judged(records: &str, services: &[(&str, &[&str])]) -> (bool, Vec<String>) {
    let text = format!("{HEAD}{records}\n");
    let loaded = build(&[("example.com", Given::File(&text))], services, &[]);
    let errors = loaded.zones.as_ref().err().cloned().unwrap_or_default();
    (
        loaded.zones.is_ok(),
        said(&[errors, loaded.warnings].concat()),
    )
}

#[test]
fn what_nobody_could_answer_is_refused() {
    let www: &[(&str, &[&str])] = &[("www", &["www.d.example.com"])];
    let wild: &[(&str, &[&str])] = &[("any", &["*.example.com"])];
    for (records, services, expect) in [
        (
            "d DNAME a\nd DNAME b",
            &[][..],
            "6:1: a second DNAME at 'd.example.com'; a name has one",
        ),
        (
            "d CNAME a\nd DNAME b",
            &[],
            "5:1: a CNAME at 'd.example.com' beside DNAME records; it must stand alone",
        ),
        (
            "d NS ns1\nd DNAME b",
            &[],
            "6:1: a DNAME at 'd.example.com', which is delegated: it belongs into the zone that is delegated to",
        ),
        (
            "d DNAME x",
            www,
            "5:1: 'd.example.com' has a DNAME, below which nothing exists, and 'www.d.example.com' is a name of service 'www': remove one",
        ),
        (
            "* CNAME ns1",
            wild,
            "5:1: a CNAME at '*.example.com', a name of service 'any': remove one",
        ),
    ] {
        assert_eq!(
            judged(records, services),
            (false, vec![expect.to_owned()]),
            "{records}"
        );
    }
    assert_eq!(
        judged("d DNAME x", &[("d", &["d.example.com"])]),
        (true, vec![])
    );
    assert_eq!(judged("@ DNAME x.test.\n", &[]).1.len(), 1, "ns1 is hidden");
}

#[test]
fn what_is_never_answered_is_warned_about() {
    let hidden = "nothing exists below the DNAME of 'd.example.com' (RFC 6672 section 2.4)";
    let cut = "'sub.example.com' is delegated, and only addresses of its name servers are given from here";
    let never = |at: &str, kind: &str, why: &str| {
        format!("{at}:1: this {kind} record is never answered: {why}")
    };
    for (records, expect) in [
        (
            "d DNAME x\na.d A 192.0.2.1\na.b.d TXT x",
            vec![never("6", "A", hidden), never("7", "TXT", hidden)],
        ),
        (
            "sub NS ns.sub\nns.sub A 192.0.2.1\nsub DS 1 8 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            vec![],
        ),
        (
            "sub NS ns.sub\nns.sub A 192.0.2.1\nns.sub TXT x\nwww.sub A 192.0.2.2\nsub A 192.0.2.3\nsub MX 1 ns1",
            vec![
                never("7", "TXT", cut),
                never("8", "A", cut),
                never("9", "A", cut),
                never("10", "MX", cut),
            ],
        ),
        // A delegation below a delegation: the inner one says nothing here.
        (
            "sub NS ns.sub\nns.sub A 192.0.2.1\nin.sub NS ns.sub",
            vec![never("7", "NS", cut)],
        ),
        // Glue of one delegation may lie below another.
        (
            "sub NS ns.sub\nns.sub A 192.0.2.1\nother NS ns.sub\nthird NS x.other",
            vec![
                "8:1: the name server 'x.other.example.com' has no address in this zone".to_owned(),
            ],
        ),
    ] {
        assert_eq!(judged(records, &[]), (true, expect), "{records}");
    }
}

#[test]
fn a_dname_at_a_wildcard_is_warned_about() {
    let expect = "5:1: a DNAME at the wildcard '*.w.example.com' has no effect below the names that it stands for (RFC 6672 section 3.3): write a CNAME, or a DNAME at each of these names";
    assert_eq!(judged("*.w DNAME x", &[]), (true, vec![expect.to_owned()]));
    assert_eq!(judged("d.*.w DNAME x", &[]), (true, vec![]));
}

#[test]
fn hosts_that_are_aliases_are_warned_about() {
    let alias = |line: usize, kind: &str| {
        format!(
            "{line}:1: 'c.example.com' is an alias (CNAME), and {kind} records must not lead to one"
        )
    };
    let (taken, found) = judged(
        "c CNAME ns1\nsub NS c\nm MX 1 C\ns SRV 0 0 1 c\nok MX 1 ns1\nfar MX 1 mx.example.net.\nw.s SRV 0 0 1 x.w\n*.w CNAME ns1",
        &[],
    );
    assert!(taken);
    assert_eq!(
        found,
        [
            alias(6, "NS"),
            alias(7, "MX"),
            alias(8, "SRV"),
            "11:1: 'x.w.example.com' is an alias (CNAME), and SRV records must not lead to one"
                .into()
        ]
    );
}

#[test]
fn hosts_that_are_aliases_in_another_zone_are_warned_about() {
    let above = "$TTL 60\n@ SOA ns h 1 1 1 1 1\n@ NS ns.sub\n@ MX 1 c.sub\n@ MX 2 C.test.\n\
                 @ MX 3 x.w.sub\n@ MX 4 ok.test.\nsub NS ns.sub\nns.sub A 192.0.2.1\nc CNAME ok.test.";
    let below = "$TTL 60\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\nc CNAME ns\n\
                 *.w CNAME ns\n@ MX 1 c.example.com.";
    let other = "$TTL 60\n@ SOA ns.sub.example.com. h 1 1 1 1 1\n@ NS ns.sub.example.com.\n\
                 c CNAME ok\nok A 192.0.2.2";
    let mut zones = [
        ("example.com", Given::File(above)),
        ("sub.example.com", Given::File(below)),
        ("test", Given::File(other)),
    ];
    for _ in 0..3 {
        zones.rotate_left(1);
        let loaded = build(&zones, &[], &[]);
        assert!(loaded.zones.is_ok());
        let said: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        for (place, host) in [
            ("example.com.zone:4:1", "c.sub.example.com"),
            ("example.com.zone:5:1", "c.test"),
            ("example.com.zone:6:1", "x.w.sub.example.com"),
            ("sub.example.com.zone:7:1", "c.example.com"),
        ] {
            let expect = format!(
                "{place}: '{host}' is an alias (CNAME), and MX records must not lead to one"
            );
            assert!(
                said.iter().any(|said| said.contains(&expect)),
                "{expect}: {said:#?}"
            );
        }
        assert_eq!(said.len(), 4, "{said:#?}");
    }
}

#[test]
fn records_that_stand_twice_are_one_in_any_case_of_their_names() {
    let (taken, found) = judged(
        "m MX 1 Mail.test.\nm MX 1 mail.TEST.\nm 60 MX 2 mail.test.\nt TXT a\nt TXT A",
        &[],
    );
    assert!(taken);
    assert_eq!(
        found,
        [
            "6:1: this record stands here twice; it is answered once",
            "7:1: the MX records of 'm.example.com' have several TTLs; the lowest, 60, is answered for all",
        ]
    );
}

#[test]
fn a_set_that_no_message_holds_is_warned_about() {
    let text = format!("t TXT {}\n", "x".repeat(250));
    let many: String = (0..300)
        .map(|number| text.replacen('x', &format!("{number} "), 1))
        .collect();
    let (taken, found) = judged(&many, &[]);
    assert!(taken);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("octets together and are never answered"),
        "{found:?}"
    );
}

/// A label that is `*` means something as the first of a name alone (RFC 4592 section 2.1.1):
/// `*.b.t` exists here and stands for others, since there is a name below it.
#[test]
fn an_asterisk_elsewhere_is_a_label() {
    let zone = "$TTL 60\n@ SOA n. h. 1 1 1 1 30\n@ NS n.\na.*.b TXT x\n*a TXT y\n**.c TXT z\n";
    let zones = build(&[("t", Given::File(zone))], &[], &[]).zones.unwrap();
    check(
        &zones,
        &Table::default(),
        "
        ? a.*.b.t TXT
        NOERROR aa
        a.*.b.t. 60 TXT x

        ? a.x.b.t TXT
        NOERROR aa
        auth t. 30 SOA n. h. 1 1 1 1 30

        ? x.b.t TXT
        NOERROR aa
        auth t. 30 SOA n. h. 1 1 1 1 30

        ? xa.t TXT
        NXDOMAIN aa
        auth t. 30 SOA n. h. 1 1 1 1 30

        ? *a.t TXT
        NOERROR aa
        *a.t. 60 TXT y

        ? x.c.t TXT
        NXDOMAIN aa
        auth t. 30 SOA n. h. 1 1 1 1 30
    ",
    );
}

/// The root is a zone like any other.
#[test]
fn the_root_may_be_served() {
    let zone = "$TTL 60\n@ SOA n. h. 1 1 1 1 30\n@ NS n.\ncom NS ns.com.\nns.com A 192.0.2.1\nx. A 192.0.2.2\n";
    let zones = build(&[(".", Given::File(zone))], &[("s", &["s"])], &[]);
    let zones = zones.zones.unwrap();
    assert!(ask(&zones, &Table::default(), "x A").aa);
    let referral = ask(&zones, &Table::default(), "www.example.com A");
    assert_eq!((referral.aa, referral.additional.len()), (false, 1));
    assert!(ask(&zones, &Table::default(), "a.b.c.d A").aa);
}

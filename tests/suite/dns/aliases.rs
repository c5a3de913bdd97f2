//! CNAME and DNAME: chains within a zone, across zones and out of them, and their end.

use super::{
    Given,
    answers::{ask, check, text_of},
    build, table,
};
use hickory_proto::op::ResponseCode;
use sidestep::dns::Table;

const HEAD: &str = "$TTL 60\n@ SOA n. h. 1 1 1 1 30\n@ NS n.\n";

/// RFC 6672: the owner stays, everything below moves.
#[test]
fn a_dname_moves_everything_below_it() {
    let old = format!("{HEAD}@ TXT old\n@ 300 DNAME new.test.\nhidden A 192.0.2.66\n");
    let new = format!(
        "{HEAD}www A 192.0.2.1\n*.wild A 192.0.2.2\nback 30 DNAME www\nchild NS ns.child\nns.child A 192.0.2.3\n"
    );
    let zones = build(
        &[
            ("old.test", Given::File(&old)),
            ("new.test", Given::File(&new)),
        ],
        &[("moved", &["moved.new.test"])],
        &[],
    );
    check(
        &zones.zones.unwrap(),
        &table(1, &[("moved", &["198.51.100.1"], 10)]),
        "
        ? old.test TXT
        NOERROR aa
        old.test. 60 TXT old

        ? old.test DNAME
        NOERROR aa
        old.test. 300 DNAME new.test.

        ? old.test A
        NOERROR aa
        auth old.test. 30 SOA n. h. 1 1 1 1 30

        ? WWW.Old.test A
        NOERROR aa
        Old.test. 300 DNAME new.test.
        WWW.Old.test. 300 CNAME WWW.new.test.
        WWW.new.test. 60 A 192.0.2.1

        ? hidden.old.test A
        NXDOMAIN aa
        old.test. 300 DNAME new.test.
        hidden.old.test. 300 CNAME hidden.new.test.
        auth new.test. 30 SOA n. h. 1 1 1 1 30

        ? a.wild.old.test A
        NOERROR aa
        old.test. 300 DNAME new.test.
        a.wild.old.test. 300 CNAME a.wild.new.test.
        a.wild.new.test. 60 A 192.0.2.2

        ? moved.old.test AAAA
        NOERROR aa
        old.test. 300 DNAME new.test.
        moved.old.test. 300 CNAME moved.new.test.
        auth new.test. 10 SOA n. h. 1 1 1 1 30

        ? x.child.old.test A
        NOERROR aa
        old.test. 300 DNAME new.test.
        x.child.old.test. 300 CNAME x.child.new.test.
        auth child.new.test. 60 NS ns.child.new.test.
        add ns.child.new.test. 60 A 192.0.2.3

        ? www.old.test CNAME
        NOERROR aa
        old.test. 300 DNAME new.test.
        www.old.test. 300 CNAME www.new.test.

        ? x.back.old.test A
        NXDOMAIN aa
        old.test. 300 DNAME new.test.
        x.back.old.test. 300 CNAME x.back.new.test.
        back.new.test. 30 DNAME www.new.test.
        x.back.new.test. 30 CNAME x.www.new.test.
        auth new.test. 30 SOA n. h. 1 1 1 1 30
    ",
    );
}

#[test]
fn a_name_that_becomes_too_long_is_said_to_be() {
    let label = "l".repeat(63);
    let text = format!("{HEAD}d DNAME {label}.{label}.{label}.t.\n");
    let zones = build(&[("t", Given::File(&text))], &[], &[]).zones.unwrap();
    let long = ask(&zones, &Table::default(), &format!("{label}.d.t A"));
    assert_eq!((long.rcode, long.aa), (ResponseCode::YXDomain, true));
    assert_eq!(long.answers.len(), 1, "the DNAME says why");
    // 3 times 64, and the 58 + 1 of the longest label that fits, `t` and the root: 255.
    let longest = ask(
        &zones,
        &Table::default(),
        &format!("{}.d.t A", "l".repeat(59)),
    );
    assert_eq!(longest.rcode, ResponseCode::NXDomain);
    let longer = ask(
        &zones,
        &Table::default(),
        &format!("{}.d.t A", "l".repeat(60)),
    );
    assert_eq!(longer.rcode, ResponseCode::YXDomain);
}

/// What the ninth alias would lead to is the resolver's to ask for.
#[test]
fn a_name_that_would_become_too_long_after_eight_is_not_looked_at() {
    for (octets, rcode, aliases) in [
        (29, ResponseCode::NoError, 8),
        (30, ResponseCode::YXDomain, 7),
    ] {
        let text = format!("{HEAD}grow DNAME {}.grow\n", "l".repeat(octets));
        let zones = build(&[("t", Given::File(&text))], &[], &[]).zones.unwrap();
        let found = ask(&zones, &Table::default(), "y.grow.t A");
        let said = text_of(&found);
        let found_aliases = said.iter().filter(|line| line.contains("CNAME")).count();
        assert_eq!((found.rcode, found_aliases), (rcode, aliases), "{said:?}");
    }
}

#[test]
fn chains_cross_zones_and_end_after_eight() {
    let here = format!(
        "{HEAD}a CNAME b.there.test.\nc CNAME d.there.test.\nd A 192.0.2.1\nin CNAME www.sub.here.test.\nd1 DNAME d2\nd2 DNAME d1\ngrow DNAME x.grow\n"
    );
    let there = format!("{HEAD}b CNAME c.here.test.\nd CNAME D.here.test.\n");
    let sub = format!("{HEAD}www A 192.0.2.2\n");
    let zones = build(
        &[
            ("here.test", Given::File(&here)),
            ("there.test", Given::File(&there)),
            ("sub.here.test", Given::File(&sub)),
        ],
        &[],
        &[],
    );
    let zones = zones.zones.unwrap();
    check(
        &zones,
        &Table::default(),
        "
        ? a.here.test A
        NOERROR aa
        a.here.test. 60 CNAME b.there.test.
        b.there.test. 60 CNAME c.here.test.
        c.here.test. 60 CNAME d.there.test.
        d.there.test. 60 CNAME D.here.test.
        D.here.test. 60 A 192.0.2.1

        ? in.here.test A
        NOERROR aa
        in.here.test. 60 CNAME www.sub.here.test.
        www.sub.here.test. 60 A 192.0.2.2

        ? x.d1.here.test A
        NOERROR aa
        d1.here.test. 60 DNAME d2.here.test.
        x.d1.here.test. 60 CNAME x.d2.here.test.
        d2.here.test. 60 DNAME d1.here.test.
        x.d2.here.test. 60 CNAME x.d1.here.test.
    ",
    );
    let grown = text_of(&ask(&zones, &Table::default(), "y.grow.here.test A"));
    let aliases = grown.iter().filter(|line| line.contains("CNAME")).count();
    let dnames = grown.iter().filter(|line| line.contains("DNAME")).count();
    assert_eq!((aliases, dnames), (8, 1), "{grown:?}");
}

/// What may stand beside a CNAME is asked for there, and not where it leads (RFC 2181 section 10.1,
/// RFC 4035 section 2.5).
#[test]
fn what_may_stand_beside_a_cname_is_answered_from_there() {
    let text = format!(
        "{HEAD}c CNAME d\nc KEY \\# 8 0100030501020304\nd KEY \\# 8 0200030501020304\nd A 192.0.2.1\n"
    );
    let zones = build(&[("t", Given::File(&text))], &[], &[]).zones.unwrap();
    check(
        &zones,
        &Table::default(),
        r"
        ? c.t KEY
        NOERROR aa
        c.t. 60 KEY \# 8 0100030501020304

        ? c.t RRSIG
        NOERROR aa
        auth t. 30 SOA n. h. 1 1 1 1 30

        ? c.t NSEC
        NOERROR aa
        auth t. 30 SOA n. h. 1 1 1 1 30

        ? c.t TYPE24
        NOERROR aa
        auth t. 30 SOA n. h. 1 1 1 1 30

        ? c.t NSEC3
        NOERROR aa
        c.t. 60 CNAME d.t.
        auth t. 30 SOA n. h. 1 1 1 1 30
    ",
    );
}

/// RFC 6672 section 3.3 leaves open what it means; BIND, Knot and NSD expand it as any wildcard.
#[test]
fn a_dname_at_a_wildcard_is_a_record_of_the_names_that_it_stands_for() {
    let text = format!("{HEAD}*.x DNAME y\n*.x TXT beside\na.y A 192.0.2.1\n");
    let zones = build(&[("t", Given::File(&text))], &[], &[]).zones.unwrap();
    check(
        &zones,
        &Table::default(),
        "
        ? foo.x.t DNAME
        NOERROR aa
        foo.x.t. 60 DNAME y.t.

        ? a.foo.x.t A
        NOERROR aa
        auth t. 30 SOA n. h. 1 1 1 1 30

        ? a.foo.x.t TXT
        NOERROR aa
        a.foo.x.t. 60 TXT beside

        ? a.*.x.t A
        NOERROR aa
        *.x.t. 60 DNAME y.t.
        a.*.x.t. 60 CNAME a.y.t.
        a.y.t. 60 A 192.0.2.1
    ",
    );
}

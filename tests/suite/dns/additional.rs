//! The additional section: hosts of name servers, mail, services and bindings, and glue.

use super::{
    Given,
    answers::{ask, text_of},
    build, table,
};
use sidestep::dns::Table;

/// RFC 9460 section 4.1, RFC 2782: a target of "." is the owner, or nothing at all.
#[test]
fn addresses_of_bindings_and_services_are_added() {
    let zone = "
$TTL 60
@ SOA n. h. 1 1 1 1 30
@ NS n.
@ HTTPS 0 www
www HTTPS 1 . alpn=h2
www A 192.0.2.1
svc SVCB 1 www port=8443
svc AAAA ::1
none HTTPS 0 .
none A 192.0.2.2
srv SRV 0 0 443 WWW
srv SRV 0 0 443 failover
off SRV 0 0 0 .
failover HTTPS 1 .
";
    let services: &[(&str, &[&str])] = &[("failover", &["failover.t"])];
    let zones = build(&[("t", Given::File(zone))], services, &[])
        .zones
        .unwrap();
    let table = table(1, &[("failover", &["192.0.2.9"], 5)]);
    for (question, expect) in [
        (
            "t HTTPS",
            &["www.t. 60 A 192.0.2.1", "www.t. 60 HTTPS 1 . alpn=h2,"][..],
        ),
        ("www.t HTTPS", &["www.t. 60 A 192.0.2.1"]),
        ("svc.t SVCB", &["www.t. 60 A 192.0.2.1"]),
        ("none.t HTTPS", &[]),
        (
            "srv.t SRV",
            &["WWW.t. 60 A 192.0.2.1", "failover.t. 5 A 192.0.2.9"],
        ),
        ("off.t SRV", &[]),
        ("failover.t HTTPS", &["failover.t. 5 A 192.0.2.9"]),
    ] {
        let answer = ask(&zones, &table, question);
        assert!(!answer.answers.is_empty(), "{question}");
        let lines = text_of(&answer).into_iter();
        let added: Vec<_> = lines
            .filter_map(|line| line.strip_prefix("add ").map(|line| line.trim().to_owned()))
            .collect();
        assert_eq!(added, expect, "{question}");
    }
}

/// RFC 9471: a referral has all glue that lies below it, other helpful addresses have an end.
#[test]
fn a_referral_has_all_its_glue() {
    let mut zone = "$TTL 60\n@ SOA n. h. 1 1 1 1 30\n@ NS n.\n".to_owned();
    for number in 0..40 {
        zone += &format!("sub NS ns{number}.sub\nns{number}.sub A 192.0.2.{number}\n");
        zone += &format!("mail MX 1 mx{number}\nmx{number} A 192.0.2.{number}\n");
    }
    let zones = build(&[("t", Given::File(&zone))], &[], &[]).zones.unwrap();
    let referral = ask(&zones, &Table::default(), "www.sub.t A");
    assert_eq!(
        (referral.authority.len(), referral.additional.len()),
        (40, 40)
    );
    let mail = ask(&zones, &Table::default(), "mail.t MX");
    assert_eq!((mail.answers.len(), mail.additional.len()), (40, 16));
}

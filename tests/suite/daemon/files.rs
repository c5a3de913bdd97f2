//! Files that lie elsewhere, move, are shared or are wrong together: each save still counts.

use super::site::{FIRST, ONE_TWO, Site, two_targets};
use sidestep::{failover::What, model::DnsName};
use std::{
    fs, thread,
    time::{Duration, Instant},
};

const ZONE: &str = "$TTL 60\n@ IN SOA ns1 hostmaster 100 3600 600 86400 30\n@ IN NS ns1\n\
                    ns1 IN A 192.0.2.53\n$INCLUDE more.inc\n";

fn first_with_ttl(secs: u32) -> String {
    format!("fn decide(service) {{ serve(service.primary, \"the first\").ttl({secs} * SECOND) }}\n")
}

/// A site whose zone includes a file.
fn with_include() -> Site {
    Site::start(|web| {
        let config = two_targets(web, ONE_TWO)
            .replace("ns = [\"ns1.example.com\"]", "file = \"example.zone\"");
        vec![
            ("sidestep.toml", config),
            ("policies/www.rhai", FIRST.to_owned()),
            ("example.zone", ZONE.to_owned()),
            ("more.inc", "new IN A 192.0.2.98\n".to_owned()),
        ]
    })
}

/// Waits until a name has this address alone.
fn wait_address(site: &Site, name: &str, address: &str) {
    let address: std::net::IpAddr = address.parse().unwrap();
    site.wait_asked(name, |reply| reply.addresses == [address]);
}

#[test]
fn a_saved_include_is_in_force_and_a_bad_one_refused() {
    let site = with_include();
    let serial = |site: &Site| site.overview().serials[&DnsName::from("example.com")];
    let before = serial(&site);
    wait_address(&site, "new.example.com", "192.0.2.98");
    site.save("more.inc", "new IN A 192.0.2.99\n");
    site.in_force();
    wait_address(&site, "new.example.com", "192.0.2.99");
    assert!(serial(&site) > before);

    site.save("more.inc", "new IN A nowhere\n");
    let refused = site.wait_refused(|refused| !refused.is_empty());
    assert!(refused[0].starts_with("more.inc:1"), "{refused:?}");
    // A bad include keeps no policy out.
    site.save("policies/www.rhai", &first_with_ttl(8));
    site.decision(|decision| decision.ttl_ms == 8_000);
    wait_address(&site, "new.example.com", "192.0.2.99");

    site.save("more.inc", "new IN A 192.0.2.97\n");
    site.wait_refused(<[String]>::is_empty);
    wait_address(&site, "new.example.com", "192.0.2.97");
}

#[test]
fn a_missing_include_that_comes_mends_a_refused_zone() {
    let site = with_include();
    site.save("example.zone", &ZONE.replace("more.inc", "later/other.inc"));
    site.wait_refused(|refused| !refused.is_empty());
    fs::create_dir(site.path("later")).unwrap();
    thread::sleep(Duration::from_millis(100));
    site.save("later/other.inc", "other IN A 192.0.2.96\n");
    site.wait_refused(<[String]>::is_empty);
    wait_address(&site, "other.example.com", "192.0.2.96");
}

#[test]
fn a_zone_that_needs_its_file_no_more_does_not_miss_it() {
    let site = with_include();
    let config = two_targets(site.web, ONE_TWO);
    fs::remove_file(site.path("example.zone")).unwrap();
    site.save("sidestep.toml", &config);
    site.in_force();
    site.wait_refused(<[String]>::is_empty);
    site.wait_asked("new.example.com", |reply| reply.rcode == "NXDomain");
}

#[test]
fn a_typo_in_a_policy_is_named_while_the_configuration_is_broken_too() {
    let site = Site::usual();
    let good = two_targets(site.web, ONE_TWO);
    site.save("sidestep.toml", &good.replace("targets = [", "tragets = ["));
    site.wait_refused(|refused| !refused.is_empty());
    site.save("policies/www.rhai", &FIRST.replace("serve(", "srve("));
    site.wait_refused(|refused| {
        refused.iter().any(|one| one.starts_with("sidestep.toml:"))
            && refused
                .iter()
                .any(|one| one.contains("'srve', did you mean"))
    });
    fs::remove_file(site.path("policies/www.rhai")).unwrap();
    site.wait_refused(|refused| refused.iter().any(|one| one.contains("no such file")));
    site.save("policies/www.rhai", FIRST);
    site.save("sidestep.toml", &good);
    site.wait_refused(<[String]>::is_empty);
}

#[test]
fn a_refused_configuration_brings_none_of_its_policies() {
    let site = Site::usual();
    site.save("policies/new.rhai", &FIRST.replace("serve(", "srve("));
    let renamed = two_targets(site.web, ONE_TWO).replace("www.rhai", "new.rhai");
    site.save("sidestep.toml", &renamed);
    site.wait_refused(|refused| {
        refused
            .iter()
            .any(|one| one.starts_with("policies/new.rhai:"))
    });
    let report = site.daemon().operations().reload("ann", false);
    assert_eq!(report.taken, Vec::<String>::new());
    assert_eq!(site.reloads(), 0, "nothing of it was taken");

    site.save("policies/new.rhai", &first_with_ttl(9));
    site.decision(|decision| decision.ttl_ms == 9_000);
    site.wait_refused(<[String]>::is_empty);
}

#[test]
fn a_folder_that_was_replaced_is_watched_on() {
    let site = Site::usual();
    for (ttl, gap) in [(7, false), (8, true)] {
        fs::create_dir(site.path("fresh")).unwrap();
        site.save("fresh/www.rhai", &first_with_ttl(ttl));
        fs::rename(site.path("policies"), site.path(&format!("old{ttl}"))).unwrap();
        if gap {
            site.wait_refused(|refused| !refused.is_empty());
        }
        fs::rename(site.path("fresh"), site.path("policies")).unwrap();
        site.decision(|decision| decision.ttl_ms == i64::from(ttl) * 1_000);
        site.save("policies/www.rhai", &first_with_ttl(ttl + 10));
        site.decision(|decision| decision.ttl_ms == i64::from(ttl + 10) * 1_000);
        site.wait_refused(<[String]>::is_empty);
    }
}

#[test]
fn a_policy_in_the_folder_of_a_refused_configuration_is_watched() {
    let site = Site::usual();
    fs::create_dir(site.path("elsewhere")).unwrap();
    site.save("elsewhere/www.rhai", "fn decide(");
    let moved = two_targets(site.web, ONE_TWO).replace(
        "name = \"test\"",
        "name = \"test\"\npolicies = \"elsewhere\"",
    );
    site.save("sidestep.toml", &moved);
    site.wait_refused(|refused| refused.iter().any(|one| one.starts_with("elsewhere/")));
    site.save("elsewhere/www.rhai", &first_with_ttl(6));
    site.decision(|decision| decision.ttl_ms == 6_000);
    site.wait_refused(<[String]>::is_empty);
}

#[test]
fn a_policy_behind_a_link_is_watched_where_it_is() {
    let site = Site::usual();
    fs::create_dir(site.path("real")).unwrap();
    site.save("real/first.rhai", &first_with_ttl(5));
    fs::remove_file(site.path("policies/www.rhai")).unwrap();
    std::os::unix::fs::symlink("../real/first.rhai", site.path("policies/www.rhai")).unwrap();
    site.decision(|decision| decision.ttl_ms == 5_000);
    site.save("real/first.rhai", &first_with_ttl(4));
    site.decision(|decision| decision.ttl_ms == 4_000);
}

/// How long a file may be away while it is saved, and a little less.
const BORNE: Duration = Duration::from_millis(150);

#[test]
fn the_built_in_policy_does_not_step_in_while_the_own_one_is_saved() {
    let site = Site::start(|web| {
        let config = two_targets(web, ONE_TWO).replace("www.rhai", "failover.rhai");
        vec![
            ("sidestep.toml", config),
            ("policies/failover.rhai", FIRST.to_owned()),
        ]
    });
    let path = site.path("policies/failover.rhai");
    let began = Instant::now();
    fs::rename(&path, path.with_extension("rhai~")).unwrap();
    thread::sleep(Duration::from_millis(80));
    fs::write(&path, first_with_ttl(12)).unwrap();
    let away = began.elapsed();
    let mut reloads = 0;
    loop {
        match site.next().what {
            What::Config(_) => reloads += 1,
            What::Decision(decision) if decision.ttl_ms == 12_000 => break,
            _ => {}
        }
    }
    // Where this machine stood still meanwhile, it was away for too long to be one save.
    assert!(
        reloads == 1 || away > BORNE,
        "{reloads} reloads, away for {away:?}"
    );
}

#[test]
fn a_refused_policy_names_every_version_that_goes_on() {
    let site = Site::start(|web| {
        let config = two_targets(web, "targets = [\"one\", \"two\"]\nparams = { WAIT = 5 }\n");
        let again = "[[service]]\nname = \"shop\"\nnames = [\"shop.example.com\"]\npolicy = \"www.rhai\"\n\
                     monitors = [\"http\"]\ntargets = [\"two\", \"one\"]\n";
        vec![
            ("sidestep.toml", config + again),
            (
                "policies/www.rhai",
                format!(
                    "const WAIT = 3;\n{}",
                    FIRST.replace("\"the first\"", "`${WAIT}`")
                ),
            ),
        ]
    });
    site.save("policies/www.rhai", "fn decide(");
    let refused = site.wait_refused(|refused| !refused.is_empty());
    let versions = refused[0].split("still running versions ").nth(1);
    assert_eq!(
        versions.map(|them| them.split(", ").count()),
        Some(2),
        "{refused:?}"
    );
}

#[test]
fn authorities_lie_beside_the_configuration_and_a_new_one_is_a_reload() {
    let pem = || {
        let key = rcgen::generate_simple_self_signed(vec!["www.example.com".to_owned()]).unwrap();
        key.cert.pem()
    };
    let site = Site::start(|web| {
        let config = two_targets(web, ONE_TWO).replace(
            "[[service]]",
            "[[monitor]]\nname = \"tls\"\nurl = \"https://www.example.com/\"\nca = \"trusted.pem\"\n[[service]]",
        );
        let config = config.replace("monitors = [", "monitors = [\"tls\", ");
        vec![
            ("sidestep.toml", config),
            ("policies/www.rhai", FIRST.to_owned()),
            ("trusted.pem", pem()),
        ]
    });
    site.save("trusted.pem", &pem());
    site.in_force();
    site.save("trusted.pem", "nothing");
    let refused = site.wait_refused(|refused| !refused.is_empty());
    assert!(
        refused[0].starts_with("sidestep.toml:19:6: monitor tls: ca "),
        "the place of the key: {refused:?}"
    );
}

//! Configurations that are taken with advice.

use super::good::{LONG, SMALLEST, load};
use sidestep::model::{Diagnostic, Severity};

const NO_WITNESS: &str = "sidestep.toml: no [witness]: when this node's own network fails, every target looks dead; name addresses that must answer";

fn headlines(text: &str) -> Vec<String> {
    let warnings = load(text).warnings;
    assert!(warnings.iter().all(|one| one.severity == Severity::Warning));
    warnings.iter().map(Diagnostic::headline).collect()
}

#[test]
fn smallest_configuration_is_advised() {
    insta::assert_snapshot!(headlines(SMALLEST).join("\n"), @r##"
sidestep.toml: no [witness]: when this node's own network fails, every target looks dead; name addresses that must answer
sidestep.toml: no [[zone]]: one is made for example.com, enough to watch with; name its `ns` before anyone delegates to it
sidestep.toml:10:11: backup 'backup' has no IPv6 address and 'primary' has: while it is served, IPv6 clients get no address
"##);
}

#[test]
fn long_configuration_needs_no_advice() {
    assert_eq!(headlines(LONG), [""; 0]);
}

#[test]
fn advice_points_at_its_place() {
    for (from, to, advice) in [
        (
            r#"ttl    = "30s" "#,
            r#"ttl    = "5m" "#,
            "sidestep.toml:42:10: a TTL of 5m: clients keep a dead address for up to that long; 1m or less is usual",
        ),
        (
            r#"["primary", "backup", "web3"]"#,
            r#"["primary"]"#,
            "sidestep.toml:19:1: target 'backup' is in no service: it is neither probed nor answered\nsidestep.toml:22:1: target 'web3' is in no service: it is neither probed nor answered\nsidestep.toml:38:11: service 'shop' has one target only: there is nothing to fail over to",
        ),
        (
            r#"["198.51.100.20"]"#,
            r#"["192.0.2.10"]"#,
            "sidestep.toml:38:11: targets 'primary' and 'backup' share the address 192.0.2.10: they fail together",
        ),
        (
            r#"["192.0.2.10"]"#,
            r#"["192.0.2.10", "2001:db8::1"]"#,
            "sidestep.toml:38:11: backup 'backup' has no IPv6 address and 'primary' has: while it is served, IPv6 clients get no address\nsidestep.toml:38:11: backup 'web3' has no IPv6 address and 'primary' has: while it is served, IPv6 clients get no address",
        ),
        (
            r#"["203.0.113.30"]"#,
            r#"["2001:db8::3"]"#,
            "sidestep.toml:38:11: backup 'web3' has no IPv4 address and 'primary' has: while it is served, IPv4 clients get no address",
        ),
        (
            r#"http = "127.0.0.1:8053""#,
            r#"http = "[::]:8053""#,
            "sidestep.toml:4:8: http listens on [::]:8053, for everyone who reaches it: it asks for no password, 127.0.0.1 is usual",
        ),
        (
            r#"timeout  = "2s""#,
            "timeout  = \"2s\"\nfamily = \"v6\"",
            "sidestep.toml:40:12: monitor 'https' has no address of its family to probe at target 'primary', so that 'primary' never counts as up\nsidestep.toml:40:12: monitor 'https' has no address of its family to probe at target 'backup', so that 'backup' never counts as up\nsidestep.toml:40:12: monitor 'https' has no address of its family to probe at target 'web3', so that 'web3' never counts as up",
        ),
        (
            r#"monitors = ["https"]"#,
            r#"monitors = [{ url = "http://www.example.com/" }]"#,
            "sidestep.toml:28:1: monitor 'https' is in no service: it probes nothing",
        ),
    ] {
        let text = LONG.replacen(from, to, 1);
        assert_ne!(text, LONG, "{from}");
        assert_eq!(headlines(&text).join("\n"), advice, "{to}");
    }
}

#[test]
fn advice_comes_in_the_order_of_the_file() {
    let text = SMALLEST.replace(r#", "2001:db8::10""#, "") + "ttl = \"2m\"\n";
    let found = headlines(&text);
    assert_eq!(found[0], NO_WITNESS);
    assert!(
        found
            .last()
            .unwrap()
            .starts_with("sidestep.toml:12:7: a TTL of 2m"),
        "{found:?}"
    );
}

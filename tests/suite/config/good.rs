//! Configurations that are taken, and what they mean.

use sidestep::{
    config::{Loaded, parse, v1::TABLES},
    model::{Config, Diagnostic, MonitorName, ZoneSource},
};

/// The smallest configuration that the design promises.
pub(crate) const SMALLEST: &str = include_str!("smallest.toml");

/// The design's longer one, with the two targets that it refers to.
pub(crate) const LONG: &str = include_str!("long.toml");

/// Every key of the format, so that none is forgotten by a reader.
pub(crate) const EVERY_KEY: &str = include_str!("every_key.toml");

pub(crate) fn load(text: &str) -> Loaded {
    parse("sidestep.toml", text).unwrap_or_else(|errors| {
        let errors: Vec<String> = errors.iter().map(Diagnostic::to_string).collect();
        panic!("refused:\n{}", errors.join("\n"))
    })
}

fn as_json(text: &str) -> String {
    let mut config = load(text).config;
    let json = serde_json::to_string_pretty(&config).expect("serializable");
    // The journal keeps configurations as JSON: nothing may be lost on the way but what is secret.
    config.server.cookie_secrets.clear();
    assert_eq!(serde_json::from_str::<Config>(&json).ok(), Some(config));
    json
}

#[test]
fn smallest_configuration_has_every_default() {
    insta::assert_snapshot!(as_json(SMALLEST));
}

#[test]
fn long_configuration_says_what_is_written() {
    insta::assert_snapshot!(as_json(LONG));
}

#[test]
fn secrets_are_read_and_never_written() {
    let secrets = load(EVERY_KEY).config.server.cookie_secrets;
    let secrets: Vec<u8> = secrets.iter().map(|secret| secret.0[0]).collect();
    assert_eq!(secrets, [0xe5, 0x44], "in their order, the first makes");
    assert!(!as_json(EVERY_KEY).to_lowercase().contains("e5e973"));
}

#[test]
fn every_key_is_read() {
    insta::assert_snapshot!(as_json(EVERY_KEY));
    for (heading, keys) in TABLES {
        for key in *keys {
            let is_there = |line: &str| {
                line.contains(&format!("{} = ", key.name))
                    || line.contains(&format!("{}.", key.name))
            };
            assert!(EVERY_KEY.lines().any(is_there), "{heading} {}", key.name);
            assert!(!key.about.is_empty());
        }
    }
}

/// A service of the two targets with `names` and `monitors` as written in TOML.
fn service(name: &str, names: &str, monitors: &str) -> String {
    format!(
        "[[service]]\nname = \"{name}\"\nnames = {names}\ntargets = [\"primary\"]\nmonitors = {monitors}\n"
    )
}

#[test]
fn zones_are_made_at_the_shortest_names() {
    let http = r#"[{ url = "http://www.example.com/" }]"#;
    for (names, apexes) in [
        (
            &[r#"["a.example.net"]"#][..],
            &["a.example.net", "example.com"][..],
        ),
        (
            &[r#"["a.example.net", "b.example.net"]"#],
            &["a.example.net", "b.example.net", "example.com"],
        ),
        (
            &[r#"["b.a.example.net"]"#, r#"["a.example.net"]"#],
            &["a.example.net", "example.com"],
        ),
        (&[r#"["api.example.com"]"#], &["example.com"]),
        (
            &[
                r#"["*.a.example.net"]"#,
                r#"["*.example.com", "x.a.example.net"]"#,
            ],
            &["a.example.net", "example.com"],
        ),
        (
            &[r#"["example.com.example.net"]"#, r#"["notexample.com"]"#],
            &["example.com", "example.com.example.net", "notexample.com"],
        ),
    ] {
        let mut text = SMALLEST.to_owned();
        for (number, names) in names.iter().enumerate() {
            text += &service(&format!("s{number}"), names, http);
        }
        let zones = load(&text).config.zones;
        let made: Vec<&str> = zones.iter().map(|zone| zone.name.as_str()).collect();
        assert_eq!(made, apexes, "{names:?}");
        assert!(zones.iter().all(|zone| zone.source == ZoneSource::Made));
    }
}

#[test]
fn inline_monitors_are_named_after_their_kind_and_shared_when_equal() {
    let same = "https://www.example.com/healthz";
    for (monitors, names) in [
        (format!("[{{ url = \"{same}\" }}]"), &["http"][..]),
        (
            format!("[{{ kind = \"http\", url = \"{same}\", interval = \"5s\" }}]"),
            &["http"],
        ),
        (
            format!("[{{ url = \"{same}\", interval = \"6s\" }}]"),
            &["http-2"],
        ),
        (
            "[{ url = \"http://b/\" }, { url = \"http://c/\" }, \"http\"]".to_owned(),
            &["http-2", "http-3", "http"],
        ),
        (
            "[{ kind = \"tcp\", port = 80 }, { kind = \"tcp\", port = 81 }]".to_owned(),
            &["tcp", "tcp-2"],
        ),
    ] {
        let text = format!(
            "{SMALLEST}{}",
            service("s", r#"["a.example.net"]"#, &monitors)
        );
        let config = load(&text).config;
        let service = &config.services["s"];
        assert_eq!(
            service
                .monitors
                .iter()
                .map(|name| name.as_str())
                .collect::<Vec<_>>(),
            names
        );
        assert!(
            service
                .monitors
                .iter()
                .all(|name| config.monitors[name].name == *name)
        );
    }
}

#[test]
fn inline_monitors_go_by_name_in_every_service() {
    let above = service("s", r#"["a.example.net"]"#, r#"["http", "http-2"]"#);
    let below = r#"[{ url = "http://b/" }, { url = "http://c/" }, { url = "http://d/" }]"#;
    let below = service("t", r#"["b.example.net"]"#, below);
    let declared = "[[monitor]]\nname = \"http-2\"\nurl = \"http://d/\"\n";
    for (text, names) in [
        (
            format!("{above}{SMALLEST}{below}"),
            ["http-2", "http-3", "http-4"],
        ),
        (
            format!("{declared}{above}{SMALLEST}{below}"),
            ["http-3", "http-4", "http-2"],
        ),
    ] {
        let services = load(&text).config.services;
        assert_eq!(
            services["t"].monitors,
            names.map(MonitorName::from),
            "{text}"
        );
        assert_eq!(services["s"].monitors[0].as_str(), "http");
    }
}

#[test]
fn many_services_have_monitors_of_their_own() {
    let one = |n| {
        let names = format!("[\"n{n}.example.net\"]");
        service(
            &format!("s{n}"),
            &names,
            &format!("[{{ url = \"http://h{n}/\" }}]"),
        )
    };
    let text: String = (0..3_000).map(one).collect();
    let config = load(&format!("{SMALLEST}{text}")).config;
    assert_eq!(config.services["s2999"].monitors[0].as_str(), "http-3001");
}

#[test]
fn targets_have_their_own_settings_of_inline_monitors_too() {
    let text = SMALLEST.replace(
        "name = \"backup\"",
        "name = \"backup\"\nmonitor.http = { port = 81, timeout = \"1s\" }",
    );
    let config = load(&text).config;
    let name = "http".into();
    let backup = config.monitor_of(&config.targets["backup"], &name).unwrap();
    let primary = config
        .monitor_of(&config.targets["primary"], &name)
        .unwrap();
    assert_eq!((backup.timeout_ms, primary.timeout_ms), (1_000, 2_000));
}

#[test]
fn line_endings_and_a_byte_order_mark_do_not_matter() {
    let config = load(SMALLEST).config;
    assert_eq!(load(&SMALLEST.replace('\n', "\r\n")).config, config);
    assert_eq!(load(&format!("\u{feff}{SMALLEST}")).config, config);
}

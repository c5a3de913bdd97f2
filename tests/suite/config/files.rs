//! Configurations on disk: what cannot be read, what paths mean, where things stand.

use super::{
    bad::under_caret,
    good::{LONG, SMALLEST, load},
};
use sidestep::{
    config::{Paths, load as load_file, read, read_zone},
    model::Diagnostic,
};
use std::path::Path;

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("latin1"), b"# one\nname = \"b\xfccher\"\n").unwrap();
    std::fs::write(path("large"), vec![b'#'; (4 << 20) + 1]).unwrap();
    std::fs::write(path("largest"), vec![b'#'; 4 << 20]).unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    for (name, message) in [
        (
            "missing",
            ": there is no such file: name one, or make one with `sidestep init`",
        ),
        (
            "latin1",
            ":2:10: is not UTF-8 from here on: save it as UTF-8",
        ),
        (
            "large",
            ": is larger than 4 MiB: it is hardly what was meant",
        ),
        ("folder", ": is a folder: name a file in it"),
    ] {
        let error = read(&path(name)).unwrap_err();
        assert_eq!(
            error.headline(),
            format!("{}{message}", path(name).display())
        );
        assert_eq!(load_file(&path(name)).unwrap_err(), [error]);
    }
    assert_eq!(read(&path("largest")).unwrap().len(), 4 << 20);
    // No command makes a zone file.
    let missing = read_zone(&path("missing")).unwrap_err();
    assert_eq!(
        missing.message,
        "there is no such file: write it, or correct its name; a relative one begins at the folder of the file that says it"
    );
    assert_eq!(read_zone(&path("large")).unwrap().len(), (4 << 20) + 1);
}

#[test]
fn a_file_on_disk_is_named_in_its_findings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sidestep.toml");
    std::fs::write(&path, SMALLEST).unwrap();
    assert_eq!(load_file(&path).unwrap().config, load(SMALLEST).config);
    std::fs::write(&path, "[sever]\n").unwrap();
    let errors = load_file(&path).unwrap_err();
    let wanted = format!(
        "{}:1:2: unknown key 'sever', did you mean 'server'?",
        path.display()
    );
    assert!(
        errors.iter().any(|error| error.headline() == wanted),
        "{errors:?}"
    );
}

#[test]
fn paths_start_at_the_configurations_folder() {
    let mut config = load(SMALLEST).config;
    for (file, data, tests) in [
        (
            "/etc/sidestep/sidestep.toml",
            "/etc/sidestep/data",
            "/etc/sidestep/policies/failover.test.toml",
        ),
        ("sidestep.toml", "data", "policies/failover.test.toml"),
        ("../x.toml", "../data", "../policies/failover.test.toml"),
    ] {
        let paths = Paths::of(Path::new(file));
        assert_eq!(paths.data(&config), Path::new(data));
        assert_eq!(
            paths.policy_test(&config, &"failover.rhai".into()),
            Path::new(tests)
        );
    }
    config.server.data = "/var/lib/sidestep".into();
    let paths = Paths::of(Path::new("/etc/sidestep.toml"));
    assert_eq!(paths.data(&config), Path::new("/var/lib/sidestep"));
    assert_eq!(
        paths.resolve("zones/a.zone"),
        Path::new("/etc/zones/a.zone")
    );
}

#[test]
fn places_point_into_the_file() {
    let places = load(LONG).places;
    let shop = "shop".into();
    for (found, token) in [
        (places.service(&shop, "policy", "x"), "\"failover.rhai\""),
        (places.service(&shop, "params.FAILBACK", "x"), "\"10m\" }"),
        (places.service(&shop, "params.RISE", "x"), "[[service]]"),
        (
            places.service(&shop, "names.shop.example.com", "x"),
            "\"shop.example.com\"]",
        ),
        (places.service(&shop, "targets.web3", "x"), "\"web3\"]"),
        (places.service(&shop, "rto", "x"), "[[service]]"),
        (
            places.zone(&"example.com".into(), "file", "x"),
            "\"zones/example.com.zone\"",
        ),
        (
            places.target(&"web3".into(), "addresses", "x"),
            "[\"203.0.113.30\"]",
        ),
        (places.monitor(&"https".into(), "", "x"), "[[monitor]]"),
        (places.server("policies", "x"), "\"policies\""),
    ] {
        assert!(under_caret(&found).starts_with(token), "{found}");
    }
    let unknown: Diagnostic = places.zone(&"made.example".into(), "file", "x");
    assert_eq!(unknown.headline(), "sidestep.toml: x");
    let inline = load(SMALLEST).places.monitor(&"http".into(), "url", "x");
    assert_eq!(inline.headline(), "sidestep.toml:11:21: x");
}

#[test]
fn a_record_of_a_target_is_pointed_at_within_its_text() {
    let records = r#"records = ["MX ten mx", 'TXT "a"', "TXT \"a\" b", """MX six mx"""]"#;
    let text = SMALLEST.replacen("addresses", &format!("{records}\naddresses"), 1);
    let places = load(&text).places;
    for (index, offset, under) in [
        (0, 0, "MX ten mx"),
        (0, 3, "ten mx"),
        (0, 9, "\","),
        (1, 4, "\"a\"'"),
        // Escapes shift what is behind them: there the whole text is pointed at.
        (2, 0, "TXT "),
        (2, 8, "\"TXT"),
        (3, 3, "six mx"),
        // There is no such record: at the list.
        (9, 0, "["),
    ] {
        let found = places.record(&"primary".into(), index, offset, "so it is");
        let shown = under_caret(&found);
        assert!(shown.starts_with(under), "{index} {offset}: {found}");
    }
}

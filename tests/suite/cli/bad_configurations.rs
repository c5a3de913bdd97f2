//! Bad configurations: one clear message with file, line and caret, exit 1, nothing started.
//!
//! `config` has every message in its own tests; here `check` and `serve` are held to refuse.

use super::sidestep;
use std::fs;

/// A good configuration; each case spoils one thing.
const GOOD: &str = r#"[server]
dns = ["127.0.0.1:0"]
http = "127.0.0.1:0"
[witness]
addresses = ["127.0.0.1:9"]
[[zone]]
name = "example.com"
ns = ["ns1.example.net"]
[[target]]
name = "primary"
addresses = ["192.0.2.10"]
[[target]]
name = "backup"
addresses = ["198.51.100.20"]
[[monitor]]
name = "web"
url = "http://www.example.com/"
interval = "5s"
timeout = "2s"
[[service]]
name = "www"
names = ["www.example.com"]
targets = ["primary", "backup"]
monitors = ["web"]
ttl = "30s"
params = { FALL = 3 }
"#;

/// What is replaced, by what, and how many lines below it the first message points.
const BAD: [(&str, &str, isize); 40] = [
    (
        "addresses = [\"198.51.100.20\"]",
        "addresses = [\"198.51.100.20\"]\nrecords = [\"MX 10 mx\", \"MX ten mx\"]",
        1,
    ),
    (
        "addresses = [\"198.51.100.20\"]",
        "cname = \"lb.example.net\"\nrecords = [\"MX 10 mx\"]",
        1,
    ),
    ("targets = [\"primary\"", "tragets = [\"primary\"", 0),
    ("name = \"web\"", "nam = \"web\"", 0),
    (
        "url = \"http://www.example.com/\"",
        "kind = \"dns\"\nquestion = \"example.com MX\"\nexpect = { answer = \"mx\" }",
        2,
    ),
    (
        "url = \"http://www.example.com/\"",
        "kind = \"tls\"\nsni = \"www.example.com\"\nport = 443\nca = \"nowhere.pem\"",
        3,
    ),
    ("[[service]]", "[[sevrice]]", 0),
    ("ttl = \"30s\"", "ttl = 30", 0),
    ("ttl = \"30s\"", "ttl = \"30 parsecs\"", 0),
    ("ttl = \"30s\"", "ttl = \"0s\"", 0),
    ("ttl = \"30s\"", "ttl = \"2d\"", 0),
    ("192.0.2.10", "192.0.2.300", 0),
    ("addresses = [\"192.0.2.10\"]", "addresses = []", 0),
    (
        "addresses = [\"192.0.2.10\"]",
        "addresses = [\"192.0.2.10\", \"192.0.2.10\"]",
        0,
    ),
    ("name = \"backup\"", "name = \"primary\"", 0),
    ("\"primary\", \"backup\"]", "\"primary\", \"bakcup\"]", 0),
    ("\"primary\", \"backup\"]", "\"primary\", \"primary\"]", 0),
    ("\"primary\", \"backup\"]", "]", 0),
    ("monitors = [\"web\"]", "monitors = [\"wbe\"]", 0),
    ("monitors = [\"web\"]", "monitors = []", 0),
    ("timeout = \"2s\"", "timeout = \"5s\"", 0),
    ("interval = \"5s\"", "interval = \"50ms\"", 0),
    ("http://www.example.com/", "ftp://www.example.com/", 0),
    ("http://www.example.com/", "www.example.com", 0),
    ("url = \"http://www.example.com/\"", "kind = \"tcp\"", -2),
    (
        "url = \"http://www.example.com/\"",
        "url = \"http://www.example.com/\"\nexpect = { status = \"2xx\" }",
        1,
    ),
    (
        "url = \"http://www.example.com/\"",
        "url = \"http://www.example.com/\"\nexpect = { body_regex = \"(\" }",
        1,
    ),
    (
        "url = \"http://www.example.com/\"",
        "url = \"http://www.example.com/\"\nmethod = \"GE T\"",
        1,
    ),
    (
        "names = [\"www.example.com\"]",
        "names = [\"www.example.net\"]",
        0,
    ),
    (
        "names = [\"www.example.com\"]",
        "names = [\"www..example.com\"]",
        0,
    ),
    ("names = [\"www.example.com\"]", "names = []", 0),
    (
        "addresses = [\"127.0.0.1:9\"]",
        "addresses = [\"127.0.0.1\"]",
        0,
    ),
    (
        "addresses = [\"127.0.0.1:9\"]",
        "addresses = [\"127.0.0.1:9\"]\nneed = 2",
        1,
    ),
    ("ns = [\"ns1.example.net\"]", "", -2),
    (
        "ns = [\"ns1.example.net\"]",
        "ns = [\"ns1.example.net\"]\nfile = \"x.zone\"",
        0,
    ),
    ("FALL = 3", "FALL = 3.5", 0),
    ("FALL = 3", "FAL = 3", 0),
    ("FALL = 3", "FALL = \"often\"", 0),
    ("ttl = \"30s\"", "max_switches = \"many\"", 0),
    ("ttl = \"30s\"", "ttl = \"30s", 0),
];

#[test]
fn every_bad_configuration_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sidestep.toml");
    fs::write(&path, GOOD).unwrap();
    let said = sidestep(folder.path(), &["check"]);
    assert_eq!(
        said.code, 0,
        "the good one is good: {}{}",
        said.out, said.err
    );
    for (from, to, below) in BAD {
        assert!(GOOD.contains(from), "{from} is in the good configuration");
        fs::write(&path, GOOD.replacen(from, to, 1)).unwrap();
        let said = sidestep(folder.path(), &["check"]);
        assert_eq!(said.code, 1, "{to}: {}{}", said.out, said.err);
        let at = GOOD[..GOOD.find(from).unwrap()].matches('\n').count() + 1;
        let place = format!(
            "error    sidestep.toml:{}:",
            at.saturating_add_signed(below)
        );
        let first = said.out.lines().find(|text| text.starts_with("error "));
        assert!(
            first.is_some_and(|first| first.starts_with(&place)),
            "{to}: {place}\n{}",
            said.out
        );
        assert!(
            said.out.contains(" | ") && said.out.contains('^'),
            "{to}: no caret\n{}",
            said.out
        );
    }
}

#[test]
fn nothing_is_started_with_a_bad_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sidestep.toml");
    fs::write(&path, GOOD.replacen("ttl = \"30s\"", "ttl = 30", 1)).unwrap();
    let said = sidestep(folder.path(), &["serve"]);
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("sidestep.toml:25:") && said.err.contains("nothing was started"),
        "{}",
        said.err
    );

    let said = sidestep(folder.path(), &["serve", "nowhere.toml"]);
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("nowhere.toml: there is no such file"),
        "{}",
        said.err
    );
}

#[test]
fn files_beside_the_configuration_are_refused_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sidestep.toml");
    fs::create_dir(folder.path().join("policies")).unwrap();
    let own_policy = GOOD.replace(
        "ttl = \"30s\"\nparams = { FALL = 3 }",
        "policy = \"www.rhai\"",
    );
    let own_zone = GOOD.replace("ns = [\"ns1.example.net\"]", "file = \"example.zone\"");
    let cname = "@ 60 IN SOA ns1 hostmaster 1 2 3 4 5\n@ 60 IN NS ns1\nns1 60 IN A 192.0.2.1\n\
                 www 60 IN CNAME ns1\n";
    let include = "$TTL 60\n$INCLUDE gone.inc\n";
    for (config, name, text, expected) in [
        (&own_policy, "policies/other.rhai", "", "sidestep.toml:25:"),
        (
            &own_policy,
            "policies/www.rhai",
            "fn decide(service) {\n",
            "policies/www.rhai:",
        ),
        (
            &own_policy,
            "policies/www.rhai",
            "fn decide(service) { 42 }\n",
            "policies/www.rhai",
        ),
        (&own_zone, "other.zone", "", "sidestep.toml:8:"),
        (&own_zone, "example.zone", "www IN A\n", "example.zone:1"),
        (&own_zone, "example.zone", cname, "example.zone:4"),
        (
            &own_zone,
            "example.zone",
            include,
            "gone.inc cannot be read: there is no such file: write it, or correct its name",
        ),
    ] {
        fs::write(&path, config).unwrap();
        fs::write(folder.path().join(name), text).unwrap();
        let said = sidestep(folder.path(), &["check"]);
        let found = said
            .out
            .lines()
            .any(|line| line.starts_with("error ") && line.contains(expected));
        assert!(
            said.code == 1 && found,
            "{name} {text:?}: {}{}",
            said.out,
            said.err
        );
        fs::remove_file(folder.path().join(name)).unwrap();
    }
}

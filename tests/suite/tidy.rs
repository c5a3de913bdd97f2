//! Rules of the house that a compiler does not hold: layers, owners of foreign crates, headers.

use std::{fs, path::Path};

/// Who may name whom, downward only: a module may name those in lower rows, never its own row.
const LAYERS: [&[&str]; 5] = [
    &["cli"],
    &["daemon", "replay", "drill"],
    &[
        "policy",
        "probe",
        "dns",
        "journal",
        "recording",
        "config",
        "control",
        "notify",
        "sync",
    ],
    &["failover"],
    &["model"],
];

/// Foreign crates with one owner.
const OWNERS: [(&str, &str); 11] = [
    ("rhai", "policy"),
    ("hickory_server", "dns"),
    ("hickory_proto", "dns"),
    ("hickory_resolver", "dns"),
    ("toml", "config"),
    ("axum", "control"),
    ("reqwest", "probe"),
    ("rusqlite", "journal"),
    ("surge_ping", "probe"),
    ("sd_notify", "daemon"),
    ("quick_xml", "cli"),
];

/// Files that may name a crate of another owner: the DNS probe speaks DNS, and somebody else's
/// monitor keeps its history in SQLite.
const GUESTS: [(&str, &str); 3] = [
    ("rusqlite", "src/recording/kuma.rs"),
    ("hickory_proto", "src/probe/dns.rs"),
    ("hickory_proto", "src/probe/dns/order.rs"),
];

fn rust_files(folder: &Path, found: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
            found.push((
                name.display().to_string(),
                fs::read_to_string(&path).unwrap(),
            ));
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    rust_files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    assert!(found.len() > 10, "the sources were not found");
    found
}

/// The top-level module of `src/MODULE/…` or `src/MODULE.rs`.
fn module_of(file: &str) -> &str {
    let rest = file.strip_prefix("src/").unwrap();
    rest.split(['/', '.']).next().unwrap()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// What `file` with `text` does against the layer table; a line each.
fn breaches(file: &str, text: &str) -> Vec<String> {
    let module = module_of(file);
    let Some(own) = layer(module) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for (other_layer, row) in LAYERS.iter().enumerate() {
            for other in *row {
                let named = ["crate::", "sidestep::"]
                    .iter()
                    .any(|root| names(code, &format!("{root}{other}")));
                if named && *other != module && other_layer <= own {
                    found.push(format!(
                        "{file}:{}: {module} may not name {other}",
                        number + 1
                    ));
                }
            }
        }
        for (owned, owner) in OWNERS {
            let is_guest = GUESTS.contains(&(owned, file));
            if names(code, &format!("{owned}::")) && module != owner && !is_guest {
                found.push(format!("{file}:{}: {owned} belongs to {owner}", number + 1));
            }
        }
    }
    for other in grouped(text) {
        if other != module && layer(&other).is_some_and(|other_layer| other_layer <= own) {
            found.push(format!("{file}: {module} may not name {other}"));
        }
    }
    found
}

/// The modules that `use crate::{a, b::{c, d}};` names, over several lines or one.
fn grouped(text: &str) -> Vec<String> {
    let mut modules = Vec::new();
    for (at, opening) in text.match_indices("use crate::{") {
        let (mut depth, mut word) = (1, String::new());
        for c in text[at + opening.len()..].chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => modules.push(std::mem::take(&mut word)),
                _ if depth == 1 => word.push(c),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        modules.push(word);
    }
    let first = |path: String| {
        path.trim()
            .split("::")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    modules
        .into_iter()
        .map(first)
        .filter(|module| !module.is_empty())
        .collect()
}

/// Whether `code` names `path` as a whole word.
fn names(code: &str, path: &str) -> bool {
    code.match_indices(path).any(|(at, _)| {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let before = code[..at]
            .chars()
            .next_back()
            .is_some_and(|c| word(c) || c == ':');
        let after = code[at + path.len()..].chars().next();
        !before && (path.ends_with(':') || !after.is_some_and(word))
    })
}

#[test]
fn modules_name_only_lower_layers_and_own_their_crates() {
    let found: Vec<String> = sources()
        .iter()
        .flat_map(|(file, text)| breaches(file, text))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_layer_rule_sees_a_breach() {
    for (file, text, expected) in [
        (
            "src/failover/a.rs",
            "use crate::probe::X;",
            "failover may not name probe",
        ),
        (
            "src/dns/a.rs",
            "let x = crate::config::load();",
            "dns may not name config",
        ),
        (
            "src/probe/a.rs",
            "use crate::daemon;",
            "probe may not name daemon",
        ),
        (
            "src/cli/a.rs",
            "use rhai::Engine;",
            "rhai belongs to policy",
        ),
        (
            "src/probe/tls.rs",
            "use hickory_proto::op::Message;",
            "hickory_proto belongs to dns",
        ),
        (
            "src/probe/dns.rs",
            "use hickory_server::Server;",
            "hickory_server belongs to dns",
        ),
        (
            "src/dns/a.rs",
            "use crate::{\n    model::{A, B},\n    config::{self, C},\n};",
            "name config",
        ),
        (
            "src/model/a.rs",
            "use crate::{failover};",
            "model may not name failover",
        ),
    ] {
        let found = breaches(file, text).join("\n");
        assert!(found.contains(expected), "{file}: {text}: {found:?}");
    }
    for (file, text) in [
        (
            "src/dns/a.rs",
            "use crate::failover::AnswerTable; // not crate::probe",
        ),
        ("src/daemon/a.rs", "use crate::dns::Zones;"),
        ("src/config/a.rs", "use crate::model::Config;"),
        ("src/probe/dns.rs", "use hickory_proto::op::Message;"),
    ] {
        assert_eq!(breaches(file, text), Vec::<String>::new());
    }
}

#[test]
fn every_file_opens_with_what_it_is() {
    for (file, text) in sources() {
        assert!(
            text.starts_with("//! "),
            "{file} opens without a //! header"
        );
    }
}

#[test]
fn no_name_says_nothing() {
    let banned = ["manager", "helper", "util", "common", "misc"];
    for (file, _) in sources() {
        let name = file.to_lowercase();
        assert!(!banned.iter().any(|word| name.contains(word)), "{file}");
    }
}

/// What a glance at the pure core must not find, apart from what clippy denies there.
#[test]
fn the_core_is_pure() {
    for (file, text) in sources() {
        if !["model", "failover"].contains(&module_of(&file)) {
            continue;
        }
        for word in [
            "std::fs",
            "std::net::Tcp",
            "std::thread",
            "tokio",
            "async fn",
            "f64",
            "f32",
        ] {
            assert!(!text.contains(word), "{file} names {word}");
        }
    }
}

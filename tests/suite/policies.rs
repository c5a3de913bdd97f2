//! The shipped policies, as operators get them: they load, their tests pass, they survive their
//! trials, and their tests notice when a line of them is changed.

use sidestep::{
    config,
    daemon::stories,
    failover::rehearsal::{StoryOutcome, run_story, trials},
    model::{
        Config, Monitor, MonitorName, Params, PolicyText, PolicyVersion, Service, ServiceName,
        Target, story::Story,
    },
    policy::{Candidate, Library},
};
use std::{collections::BTreeSet, fs, net::IpAddr, net::Ipv4Addr, path::PathBuf};

mod mutations;
mod reference;
mod situations;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("policies")
}

fn read(name: &str) -> String {
    let path = folder().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The file names of all shipped policies.
fn policies() -> Vec<String> {
    let entries = fs::read_dir(folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| name.ends_with(".rhai") && !name.ends_with(".d.rhai"))
        .collect();
    names.sort();
    names
}

fn policy(name: &str) -> PolicyText {
    PolicyText {
        name: name.into(),
        source: read(name).into(),
    }
}

fn stories_of(policy: &str) -> Vec<Story> {
    let name = policy.replace(".rhai", ".test.toml");
    config::parse_stories(&name, &read(&name)).unwrap_or_else(|found| panic!("{}", found[0]))
}

fn service(targets: &[&str], params: Params) -> Service {
    let mut service: Service = serde_json::from_value(serde_json::json!({
        "name": "www", "names": ["www.example.com"], "targets": targets, "monitors": ["https", "dns"],
    }))
    .unwrap();
    service.params = params;
    service
}

/// A policy that is known to a library, for a service.
fn load(library: &Library, service: &Service, text: &PolicyText) -> Candidate {
    let candidate = library
        .candidate(service, text)
        .unwrap_or_else(|found| panic!("{}: {}", text.name, found[0]));
    library.adopt(&candidate);
    candidate
}

fn tell(library: &Library, text: &PolicyText, story: &Story) -> StoryOutcome {
    let targets: Vec<&str> = story.targets.iter().map(|name| name.as_str()).collect();
    let candidate = load(library, &service(&targets, story.params.clone()), text);
    run_story(story, text, candidate.windows_ms, library)
}

/// A configuration with one service `www` of these targets, under a policy that is loaded.
fn config_of(names: &[&str], library: &Library, text: &PolicyText) -> (Config, Candidate) {
    let monitor = |name: &str| -> (MonitorName, Monitor) {
        let monitor = serde_json::json!({
            "name": name, "interval_ms": 1_000, "timeout_ms": 500, "kind": "tcp", "port": 80,
        });
        (name.into(), serde_json::from_value(monitor).unwrap())
    };
    let target = |(number, name): (u8, &&str)| {
        let address: IpAddr = Ipv4Addr::new(192, 0, 2, number).into();
        let target: Target =
            serde_json::from_value(serde_json::json!({"name": name, "addresses": [address]}))
                .unwrap();
        (target.name.clone(), target)
    };
    let mut service = service(names, Params::new());
    service.policy = text.name.clone();
    let candidate = load(library, &service, text);
    service.keep_ms = candidate.windows_ms;
    let config = Config {
        targets: (1..).zip(names).map(target).collect(),
        monitors: ["https", "dns"].map(monitor).into(),
        services: [(ServiceName::from("www"), service)].into(),
        ..Config::default()
    };
    (config, candidate)
}

/// Lines of a source that make a proposal.
fn deciding_lines(source: &str) -> BTreeSet<u32> {
    let makes = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        let words = code.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '(');
        let calls = ["serve(", "first_of(", "serve_all(", "hold("];
        words
            .into_iter()
            .any(|word| calls.iter().any(|call| word.starts_with(call)))
    };
    let lines = (1..).zip(source.lines());
    lines
        .filter(|(_, line)| makes(line))
        .map(|(number, _)| number)
        .collect()
}

#[test]
fn the_shipped_policies_are_those_of_the_reference() {
    let names = policies();
    for name in [
        "all-healthy.rhai",
        "damped.rhai",
        "failover.rhai",
        "freshest.rhai",
        "manual-failback.rhai",
        "quorum.rhai",
    ] {
        assert!(names.iter().any(|known| known == name), "{name} is missing");
    }
    let reference = read("README.md");
    for name in &names {
        assert!(
            reference.contains(name.as_str()),
            "README.md does not name {name}"
        );
    }
}

#[test]
fn every_policy_loads_without_errors_or_warnings() {
    for name in policies() {
        let text = policy(&name);
        let candidate = load(&Library::new(), &service(&["a", "b"], Params::new()), &text);
        assert!(candidate.warnings.is_empty(), "{}", candidate.warnings[0]);
        assert!(
            text.source.starts_with("//! "),
            "{name} does not say what it does"
        );
    }
}

#[test]
fn every_policy_has_tests_and_passes_them() {
    for name in policies() {
        let (library, text, stories) = (Library::new(), policy(&name), stories_of(&name));
        assert!(stories.len() >= 3, "{name} has {} tests", stories.len());
        let failed: Vec<String> = stories
            .iter()
            .map(|story| tell(&library, &text, story).report(story))
            .filter(|report| !report.is_empty())
            .collect();
        assert!(failed.is_empty(), "{name}:\n{}", failed.join("\n"));
    }
}

#[test]
fn every_test_sets_every_parameter() {
    for name in policies() {
        let text = policy(&name);
        let knobs = load(&Library::new(), &service(&["a"], Params::new()), &text).params;
        for story in stories_of(&name) {
            let set: BTreeSet<_> = story.params.keys().collect();
            let all: BTreeSet<_> = knobs.keys().collect();
            assert_eq!(set, all, "{name}: {}", story.name);
        }
    }
}

#[test]
fn every_policy_survives_its_trials() {
    for name in policies() {
        for count in [1, 2, 3, 5] {
            let (library, text) = (Library::new(), policy(&name));
            let (config, candidate) =
                config_of(&["t0", "t1", "t2", "t3", "t4"][..count], &library, &text);
            let report = trials(&config, &"www".into(), &text, &library);
            assert!(report.worlds > 15, "{name}: {} worlds", report.worlds);
            assert_eq!(report.faults, [], "{name} with {count} targets");
            let operations = library.operations_max(&candidate.version);
            assert!(
                operations < 2_000,
                "{name} with {count} targets: {operations} operations"
            );
        }
    }
}

#[test]
fn every_deciding_line_is_reached_by_a_test() {
    for name in policies() {
        let (library, text) = (Library::new(), policy(&name));
        library.record_lines(true);
        let mut reached = BTreeSet::new();
        for story in stories_of(&name) {
            tell(&library, &text, &story);
            let version = PolicyVersion::of(&text.source, &story.params);
            reached.extend(library.reached_lines(&version));
        }
        let deciding = deciding_lines(&text.source);
        assert!(deciding.len() >= 3, "{name}: {deciding:?}");
        let missed: Vec<_> = deciding.difference(&reached).collect();
        assert!(
            missed.is_empty(),
            "{name}: no test reaches lines {missed:?}"
        );
    }
}

#[test]
fn the_shipped_tests_run_every_line_of_the_shipped_policies() {
    let policies = policies();
    assert_eq!(policies.len(), 6);
    for name in policies {
        let tests = name.replace(".rhai", ".test.toml");
        let covered = stories::cover(&tests, &read(&tests), &policy(&name));
        let covered = covered.unwrap_or_else(|found| panic!("{}", found[0]));
        assert_eq!(covered.missed(), [], "{name}");
        assert!(covered.lines() > 10, "{name}");
    }
}

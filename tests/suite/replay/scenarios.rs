//! The shipped policies over the shipped scenarios. The table of `policies/README.md` is made of it:
//! `SIDESTEP_UPDATE=1 cargo test --test suite scenarios` writes it.

use sidestep::{
    config,
    model::{PolicyText, duration::format_ms},
    recording::Writer,
    replay::{Against, Report, Request, Source, Variant, replay, synth},
};
use std::{collections::BTreeMap, env, fs, path::Path, thread};

const POLICIES: [&str; 6] = [
    "failover",
    "manual-failback",
    "quorum",
    "damped",
    "all-healthy",
    "freshest",
];
const BEGIN: &str = "<!-- scenarios: SIDESTEP_UPDATE=1 cargo test --test suite scenarios -->\n";
const END: &str = "<!-- end of scenarios -->";

/// Reports by policy.
type Row = BTreeMap<&'static str, Report>;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A scenario's recording under every policy.
fn run(name: &str) -> Row {
    let path = repository().join(format!("examples/scenarios/{name}.toml"));
    let scenario = config::scenario("s.toml", &fs::read_to_string(path).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("s.jsonl");
    let mut writer = Writer::create(&recording, &synth::header(&scenario)).unwrap();
    for event in synth::events(&scenario) {
        writer.event(&event).unwrap();
    }
    writer.finish().unwrap().keep().unwrap();
    let under = |policy: &'static str| {
        let source =
            fs::read_to_string(repository().join(format!("policies/{policy}.rhai"))).unwrap();
        let text = PolicyText {
            name: format!("{policy}.rhai").into(),
            source: source.into(),
        };
        let request = Request {
            candidate: Variant {
                policy: Some(text),
                ..Variant::default()
            },
            against: Some(Against::Primary),
            ..Request::default()
        };
        let source = Source::open(&recording, &Default::default(), None).unwrap();
        (policy, replay(source, name, &request, &|_, _| {}).unwrap())
    };
    POLICIES.into_iter().map(under).collect()
}

fn names() -> Vec<String> {
    let entries = fs::read_dir(repository().join("examples/scenarios")).unwrap();
    let names = entries.filter_map(|entry| {
        entry
            .unwrap()
            .file_name()
            .to_str()?
            .strip_suffix(".toml")
            .map(str::to_owned)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn all() -> BTreeMap<String, Row> {
    thread::scope(|scope| {
        let runs: Vec<_> = names()
            .into_iter()
            .map(|name| (name.clone(), scope.spawn(move || run(&name))))
            .collect();
        runs.into_iter()
            .map(|(name, run)| (name, run.join().unwrap()))
            .collect()
    })
}

fn table(all: &BTreeMap<String, Row>) -> String {
    let mut text = format!(
        "| scenario | no failover | {} |\n",
        POLICIES.map(|policy| format!("`{policy}`")).join(" | ")
    );
    text += &format!("|---|---|{}\n", "---|".repeat(POLICIES.len()));
    for (name, row) in all {
        let alone = row["failover"].recorded.as_ref().unwrap();
        text += &format!("| {name} | {} |", format_ms(alone.down_served_ms));
        for policy in POLICIES {
            let figures = &row[policy].candidate;
            text += &format!(
                " {} · {} |",
                format_ms(figures.down_served_ms),
                figures.switches
            );
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_table_of_the_reference_is_what_the_scenarios_come_to() {
    let all = all();
    let path = repository().join("policies/README.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    let made = table(&all);
    if env::var_os("SIDESTEP_UPDATE").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(
        shown, made,
        "run SIDESTEP_UPDATE=1 cargo test --test suite scenarios, and read what changed"
    );
    tell_apart(&all);
}

/// What each scenario is for.
fn tell_apart(all: &BTreeMap<String, Row>) {
    let figures = |scenario: &str, policy: &str| all[scenario][policy].candidate.clone();
    // Three bad probes, five seconds apart: ten seconds.
    let clean = figures("clean-outage", "failover");
    assert!(
        clean.down_served_ms <= 10_000 && clean.switches == 2,
        "{clean:?}"
    );
    // The wall clock is nothing that moves traffic.
    let stepped = figures("clock-step", "failover");
    assert_eq!(
        (stepped.down_served_ms / 1_000, stepped.switches),
        (clean.down_served_ms / 1_000, 2)
    );
    for policy in ["failover", "quorum", "damped"] {
        assert_eq!(figures("vantage-cut-off", policy).switches, 0, "{policy}");
    }
    // Who comes home after every clean stretch goes away again; who waits longer each time does not.
    let (eager, patient) = (
        figures("flapping", "failover"),
        figures("flapping", "damped"),
    );
    assert!(patient.switches * 3 < eager.switches && patient.flaps < eager.flaps);
    // A primary with old data is no home.
    let stale = figures("stale-recovery", "freshest");
    assert!(stale.on_primary_ms <= figures("stale-recovery", "all-healthy").on_primary_ms);
    // Where everything is down nothing helps.
    let down = figures("all-down", "failover");
    assert_eq!(
        (down.switches, down.down_served_ms),
        (
            0,
            all["all-down"]["failover"]
                .recorded
                .as_ref()
                .unwrap()
                .down_served_ms
        )
    );
    // The third target takes over from a backup that dies.
    assert!(figures("primary-and-backup-down", "failover").down_served_ms <= 20_000);
    for row in all.values() {
        for (policy, report) in row {
            assert_eq!(report.candidate.faults, 0, "{policy}");
        }
    }
}

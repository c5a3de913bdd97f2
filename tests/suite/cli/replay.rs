//! `sidestep replay` as a user runs it: the documents' commands, formats, exit codes.

use super::{repository, sidestep};
use std::fs;

/// The block of a document that begins with a line.
fn block(document: &str, first: &str) -> Vec<String> {
    let text = fs::read_to_string(repository().join(document)).unwrap();
    let mut lines = text.lines().skip_while(|line| *line != first);
    let block: Vec<String> = lines
        .by_ref()
        .take_while(|line| *line != "```")
        .map(str::to_owned)
        .collect();
    assert!(
        block.len() > 1,
        "{document} has no block that begins with '{first}'"
    );
    block
}

fn arguments(command: &str) -> Vec<&str> {
    command.split_whitespace().skip(1).collect()
}

#[test]
fn the_readme_shows_what_a_new_user_sees() {
    let command = "sidestep replay examples/replay/monitor.csv --against none --sweep FALL=1..4";
    let shown = block("README.md", command);
    let said = sidestep(repository(), &arguments(command));
    assert_eq!(said.code, 3, "{}", said.err);
    for line in shown.iter().skip(1).filter(|line| !line.is_empty()) {
        assert!(
            said.out.lines().any(|found| found == line),
            "README shows '{line}', and this came:\n{}",
            said.out
        );
    }
}

#[test]
fn the_readme_shows_what_explain_says() {
    let command =
        "$ sidestep explain imported examples/replay/monitor.csv --at 2026-11-02T02:11:30Z";
    let shown = block("README.md", command);
    let said = sidestep(repository(), &arguments(&command[2..]));
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    for line in &shown[1..] {
        assert!(said.out.lines().any(|found| found == line), "{}", said.out);
    }
}

#[test]
fn every_command_of_the_example_runs() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(
        repository().join("examples"),
        folder.path().join("examples"),
    )
    .unwrap();
    let first = "sidestep replay examples/replay/monitor.csv --against none";
    for command in block("examples/replay/README.md", first) {
        let said = sidestep(folder.path(), &arguments(&command));
        assert_eq!((said.code, said.err.as_str()), (3, ""), "{command}");
    }
    let page = fs::read_to_string(folder.path().join("replay.html")).unwrap();
    assert!(page.contains("<svg"));
}

#[test]
fn exit_codes_say_what_came_of_it() {
    let csv = "examples/replay/monitor.csv";
    for (more, code, part) in [
        ("", 0, ""),
        ("--against none", 3, ""),
        ("--against policies/failover.rhai", 0, ""),
        ("--fail-if flaps>0", 0, ""),
        (
            "--fail-if down_served_ms>60000",
            1,
            "it holds: down_served_ms>60000",
        ),
        ("--fail-if recorded.flaps>0", 1, "cannot be read"),
        (
            "--set FAL=2",
            2,
            "failover.rhai has no parameter 'FAL', did you mean 'FALL'?",
        ),
        ("--sweep FAL=2..3", 2, "did you mean 'FALL'?"),
        ("--set FALL", 2, "sets nothing"),
        ("--policy nowhere.rhai", 1, "nowhere.rhai: No such file"),
        (
            "--service api",
            1,
            "the recording has no service 'api': it has imported",
        ),
        (
            "--without-vantage nobody",
            1,
            "the recording has no vantage 'nobody', it has local",
        ),
        ("--order backup,backup", 0, ""),
        ("--since 2030-01-01T00:00:00Z", 0, ""),
        ("--order backupp", 1, "did you mean 'backup'?"),
        (
            "--since 2026-11-04T00:00:00Z --until 2026-11-03T00:00:00Z",
            1,
            "--since is not before --until",
        ),
        ("--thin 0", 2, "0 is not in 1..=1000000"),
    ] {
        let command = format!("sidestep replay {csv} {more}");
        let said = sidestep(repository(), &arguments(&command));
        assert_eq!(said.code, code, "{command}: {}", said.err);
        assert!(said.err.contains(part), "{command}: {}", said.err);
    }
    let said = sidestep(repository(), &["replay", "nowhere.csv"]);
    assert_eq!(said.code, 1);
    assert!(said.err.starts_with("nowhere.csv: "), "{}", said.err);
}

#[test]
fn a_broken_policy_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("p.rhai");
    fs::write(&policy, "fn decide(service) {\n    hodl(\"x\")\n}\n").unwrap();
    let said = sidestep(
        repository(),
        &[
            "replay",
            "examples/replay/monitor.csv",
            "--policy",
            policy.to_str().unwrap(),
        ],
    );
    assert_eq!(said.code, 1);
    assert!(
        said.err
            .starts_with("p.rhai:2:5: unknown function 'hodl', did you mean 'hold'?"),
        "{}",
        said.err
    );
}

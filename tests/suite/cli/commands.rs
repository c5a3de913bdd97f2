//! `check`, `init`, `test`, `probe`, `completions`, `status` and the examples.

use super::{repository, sidestep};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Command, Stdio},
};

#[test]
fn usage_errors_end_with_2_and_help_with_0() {
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&[], 2),
        (&["fly"], 2),
        (&["check", "--colour"], 2),
        (&["init", "--primary", "server1"], 2),
    ] {
        assert_eq!(
            sidestep(repository(), arguments).code,
            code,
            "{arguments:?}"
        );
    }
}

#[test]
fn the_shipped_examples_pass_their_check() {
    for example in [
        "quickstart",
        "three-targets",
        "behind-nat",
        "mail",
        "dual-stack",
    ] {
        let folder = repository().join("examples").join(example);
        let said = sidestep(&folder, &["check", "sidestep.toml"]);
        assert_eq!(said.code, 0, "{example}: {}{}", said.out, said.err);
        assert!(
            said.out.contains("worst-case failover, measured"),
            "{example}: {}",
            said.out
        );
    }
    for example in ["three-targets", "mail", "dual-stack"] {
        let folder = repository().join("examples").join(example);
        let said = sidestep(&folder, &["test", "policies"]);
        assert_eq!(said.code, 0, "{example}: {}{}", said.out, said.err);
    }
}

#[test]
fn the_smallest_configuration_is_the_one_of_the_readme() {
    let example =
        fs::read_to_string(repository().join("examples/quickstart/sidestep.toml")).unwrap();
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    assert_eq!(example.lines().count(), 11);
    assert!(readme.contains(&example));
}

#[test]
fn the_policy_of_the_readme_loads() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let (_, after) = readme.split_once("```rhai\n").unwrap();
    let (policy, _) = after.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    fs::write(folder.path().join("policies/readme.rhai"), policy).unwrap();
    let config =
        fs::read_to_string(repository().join("examples/quickstart/sidestep.toml")).unwrap();
    fs::write(
        folder.path().join("sidestep.toml"),
        config + "policy = \"readme.rhai\"\n",
    )
    .unwrap();
    let said = sidestep(folder.path(), &["check"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
}

#[test]
fn check_warns_of_what_an_operator_should_know() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("example.zone"),
        "@ 60 IN SOA ns1 hostmaster 1 2 3 4 5\n@ 60 IN NS ns1\nns1 60 IN A 192.0.2.1\n\
         static 60 IN A 192.0.2.10\n",
    )
    .unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    fs::write(
        folder.path().join("policies/www.rhai"),
        "fn decide(service) {\n    if service.active.is_down(3) { return first_of(service.up(2), \"down\"); }\n\
         \x20   if service.hour == 25 {\n        return hold(\"never\");\n    }\n    hold(\"well\")\n}\n",
    )
    .unwrap();
    fs::write(
        folder.path().join("sidestep.toml"),
        "[[zone]]\nname = \"example.com\"\nfile = \"example.zone\"\n\
         [[target]]\nname = \"primary\"\naddresses = [\"192.0.2.10\", \"2001:db8::10\"]\n\
         [[target]]\nname = \"backup\"\naddresses = [\"192.0.2.10\"]\n\
         [[service]]\nname = \"www\"\nnames = [\"www.example.com\"]\nttl = \"5m\"\n\
         targets = [\"primary\", \"backup\"]\nmonitors = [{ url = \"http://www.example.com/\" }]\n\
         policy = \"www.rhai\"\n\
         [[service]]\nname = \"alone\"\nnames = [\"alone.example.com\"]\ntargets = [\"primary\"]\nmonitors = [\"http\"]\n",
    )
    .unwrap();
    let said = sidestep(folder.path(), &["check"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let warnings: Vec<&str> = said
        .out
        .lines()
        .filter(|line| line.starts_with("warning"))
        .collect();
    for expected in [
        "TTL",
        "policies/www.rhai: has no test",
        "policies/www.rhai:4: no trial reached this line",
        "one target",
        "witness",
        "has no IPv6 address",
        "static.example.com points at 192.0.2.10",
        "share",
    ] {
        assert!(
            warnings
                .iter()
                .any(|warning| warning.to_lowercase().contains(&expected.to_lowercase())),
            "no warning of {expected}:\n{}",
            said.out
        );
    }
}

#[test]
fn a_failover_longer_than_its_rto_and_a_primary_never_left_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    let config =
        fs::read_to_string(repository().join("examples/quickstart/sidestep.toml")).unwrap();
    fs::write(
        folder.path().join("sidestep.toml"),
        format!("{config}rto = \"20s\"\n"),
    )
    .unwrap();
    let said = sidestep(folder.path(), &["check"]);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.out.contains("longer than rto = 20s"), "{}", said.out);

    let alone = config.replace(
        "targets = [\"primary\", \"backup\"]",
        "targets = [\"primary\"]",
    );
    fs::write(
        folder.path().join("sidestep.toml"),
        format!("{alone}rto = \"20s\"\n"),
    )
    .unwrap();
    let said = sidestep(folder.path(), &["check"]);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(
        said.out.contains("there is no target to fail over to"),
        "{}",
        said.out
    );

    fs::write(
        folder.path().join("policies/stay.rhai"),
        "fn decide(service) { hold(\"stay\") }\n",
    )
    .unwrap();
    fs::write(
        folder.path().join("sidestep.toml"),
        format!("{config}policy = \"stay.rhai\"\n"),
    )
    .unwrap();
    let said = sidestep(folder.path(), &["check"]);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(
        said.out.contains("never leaves primary when it dies"),
        "{}",
        said.out
    );
}

#[test]
fn init_writes_what_check_and_test_accept_and_nothing_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://www.example.com:{port}/");
    let arguments = [
        "init",
        "dns",
        "--primary",
        "127.0.0.1",
        "--backup",
        "127.0.0.1",
        "--url",
        &url,
    ];
    let said = sidestep(folder.path(), &arguments);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("refused"), "it probed once: {}", said.out);
    assert_eq!(
        sidestep(folder.path(), &["check", "dns/sidestep.toml"]).code,
        0
    );
    assert_eq!(sidestep(folder.path(), &["test", "dns/policies"]).code, 0);
    let said = sidestep(folder.path(), &arguments);
    assert_eq!(said.code, 1);
    assert!(
        said.err
            .contains("sidestep.toml exists: nothing was written"),
        "{}",
        said.err
    );
}

#[test]
fn a_failed_policy_test_prints_what_was_served() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("stay.rhai"),
        "fn decide(service) { hold(\"stay\") }\n",
    )
    .unwrap();
    fs::write(
        folder.path().join("stay.test.toml"),
        "[[test]]\nname = \"goes over\"\ninterval = \"1s\"\nprimary = \"...xxxxxx\"\nbackup = \".*9\"\n\
         expect = [ { at = \"8s\", serve = \"backup\" } ]\n",
    )
    .unwrap();
    let said = sidestep(folder.path(), &["test", "."]);
    assert_eq!(said.code, 1);
    assert!(
        said.out.contains("FAILED ./stay.test.toml:1 goes over"),
        "{}",
        said.out
    );
    assert!(said.out.contains("...xxxxxx"), "the timeline: {}", said.out);
    assert!(said.out.contains("0 passed, 1 failed"), "{}", said.out);
}

#[test]
fn what_is_no_test_is_called_so_and_the_policy_folder_is_the_default() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("rules")).unwrap();
    fs::copy(
        repository().join("policies/failover.test.toml"),
        folder.path().join("rules/failover.test.toml"),
    )
    .unwrap();
    let example =
        fs::read_to_string(repository().join("examples/quickstart/sidestep.toml")).unwrap();
    let config = format!("[server]\npolicies = \"rules\"\n{example}");
    fs::write(folder.path().join("sidestep.toml"), config).unwrap();
    for (arguments, code, expected) in [
        (&["test"][..], 0, "0 failed"),
        (
            &["test", "sidestep.toml"],
            1,
            "sidestep.toml: is neither a policy nor its tests",
        ),
        (
            &["test", "nowhere"],
            1,
            "nowhere: there is no such file or folder",
        ),
        (
            &["test", "rules/none.rhai"],
            1,
            "rules/none.test.toml: there is no such file",
        ),
    ] {
        let said = sidestep(folder.path(), arguments);
        let all = format!("{}{}", said.out, said.err);
        assert_eq!(said.code, code, "{arguments:?}: {all}");
        assert!(all.contains(expected), "{arguments:?}: {all}");
    }
}

#[test]
fn a_word_for_probe_is_a_service_unless_it_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let config = format!(
        "[[target]]\nname = \"one\"\naddresses = [\"127.0.0.1\"]\n\
         [[service]]\nname = \"www\"\nnames = [\"www.example.com\"]\ntargets = [\"one\"]\n\
         monitors = [{{ url = \"http://www.example.com:{port}/\" }}]\n"
    );
    fs::write(folder.path().join("sidestep.toml"), config).unwrap();
    fs::create_dir(folder.path().join("www")).unwrap();
    let said = sidestep(folder.path(), &["probe", "www"]);
    assert!(
        said.out.contains("bad: refused"),
        "{}{}",
        said.out,
        said.err
    );
    for (word, expected) in [
        ("wwv", "no service 'wwv': did you mean 'www'?"),
        ("conf/dns.conf", "conf/dns.conf: there is no such file"),
    ] {
        let said = sidestep(folder.path(), &["probe", word]);
        assert_eq!(said.code, 1);
        assert!(said.err.contains(expected), "{word}: {}", said.err);
    }
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_sidestep"))
        .arg("demo")
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(demo.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let entries = || fs::read_dir(folder.path()).unwrap().count();
    assert!(
        line.contains("a daemon answers") && entries() == 1,
        "{line}"
    );
    let pid = demo.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(demo.wait().unwrap().code(), Some(1));
    assert_eq!(entries(), 0);
}

#[test]
fn status_of_no_daemon_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let config = format!("[server]\nhttp = \"127.0.0.1:{port}\"\n");
    fs::write(folder.path().join("sidestep.toml"), config).unwrap();
    let http = format!("127.0.0.1:{port}");
    for (arguments, place) in [
        (&["status"][..], http.as_str()),
        (&["status", "www"], &http),
        (&["reload"], "data/control.sock"),
        (&["thaw", "--reason", "drill", "--yes"], "data/control.sock"),
    ] {
        let said = sidestep(folder.path(), arguments);
        assert_eq!(said.code, 1);
        let expected = format!("no daemon answers at {place}");
        assert!(said.err.contains(&expected), "{arguments:?}: {}", said.err);
    }
}

#[test]
fn completions_name_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let said = sidestep(repository(), &["completions", shell]);
        assert!(
            said.code == 0 && said.out.contains("status") && said.out.contains("demo"),
            "{shell}"
        );
    }
}

#[test]
fn the_demo_sees_all_of_it() {
    let said = sidestep(repository(), &["demo"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    for seen in [
        "primary -> backup",
        "backup -> third",
        "third -> primary",
        "0 unanswered",
        "all of it was seen",
    ] {
        assert!(said.out.contains(seen), "{seen}: {}", said.out);
    }
}

/// Commands that README.md shows, a line each, without their comments.
fn commands_of_the_readme() -> Vec<String> {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    // Every other part between fences is code.
    let code = readme.split("```").skip(1).step_by(2);
    let lines = code.flat_map(str::lines);
    let lines = lines.map(|line| line.split(" #").next().unwrap_or_default().trim());
    lines
        .filter(|line| line.starts_with("sidestep "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_commands_of_the_readme_are_commands() {
    let commands = commands_of_the_readme();
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        // The list of commands has its explanation beside each, two spaces away.
        let written = command.split("  ").next().unwrap_or_default();
        // What stands between quotes is one word, whatever it is.
        let unquoted: String = written
            .split('"')
            .enumerate()
            .map(|(index, part)| if index % 2 == 0 { part } else { "quoted" })
            .collect();
        let words = unquoted
            .split_whitespace()
            .skip(1)
            .filter(|word| !word.starts_with('['));
        let mut arguments: Vec<&str> = words.collect();
        arguments.push("--help");
        let said = sidestep(repository(), &arguments);
        assert_eq!(said.code, 0, "{command}: {}", said.err);
    }
}

#[test]
fn check_finds_a_witness_that_never_answered_in_the_journal() {
    use sidestep::{
        failover::{
            Input, State,
            input::{Reload, WitnessResult},
        },
        journal::{self, Settings},
        model::Timestamp,
        policy::Library,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sidestep.toml");
    let text = "[witness]\naddresses = [\"192.0.2.53:53\", \"192.0.2.54:53\", \"192.0.2.55:53\"]\n\
         [[target]]\nname = \"primary\"\naddresses = [\"192.0.2.10\"]\n\
         [[target]]\nname = \"backup\"\naddresses = [\"192.0.2.11\"]\n\
         [[service]]\nname = \"www\"\nnames = [\"www.example.com\"]\n\
         targets = [\"primary\", \"backup\"]\nmonitors = [{ url = \"http://www.example.com/\" }]\n";
    fs::write(&path, text).unwrap();
    let said = sidestep(folder.path(), &["check"]);
    assert_eq!(said.code, 0, "nobody was asked: {}{}", said.out, said.err);

    let config = sidestep::config::load(&path).unwrap().config;
    let opened = journal::open(&folder.path().join("data"), Settings::default()).unwrap();
    let (_, journal) = opened.start(Box::new(|_| {})).unwrap();
    let (mut state, library) = (State::default(), Library::new());
    let mut feed = |at, input| {
        let events = sidestep::failover::step(&mut state, Timestamp(at), input, &library);
        journal.write(events, None);
        state.clone()
    };
    let vantage = config.server.name.clone();
    let asked = |witness: &str, ok| {
        Input::Witness(WitnessResult {
            vantage: vantage.clone(),
            witness: witness.to_owned().try_into().unwrap(),
            ok,
            error: None,
        })
    };
    feed(
        1_000,
        Input::Reload(Reload {
            by: "test".into(),
            config: config.into(),
            policies: Vec::new(),
            zones: Vec::new(),
        }),
    );
    feed(2_000, asked("192.0.2.53:53", false));
    journal.snapshot(feed(2_000, asked("192.0.2.54:53", false)));
    // The second answers after the snapshot; the third was never asked.
    feed(3_000, asked("192.0.2.54:53", true));
    journal.stop();

    let said = sidestep(folder.path(), &["check"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    let wrong: Vec<_> = said
        .out
        .lines()
        .filter(|line| line.contains("never answered"))
        .collect();
    assert_eq!(wrong.len(), 1, "{}", said.out);
    assert!(
        wrong[0].contains("error")
            && wrong[0].contains("sidestep.toml:2:")
            && wrong[0].contains("192.0.2.53:53"),
        "{wrong:?}"
    );
}

//! Programs that behave like monitoring plugins, and programs that do not.

use super::{config, once};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use sidestep::{
    model::{Config, ExecProbe, FailureReason, ProbeAddress, ProbeKind},
    probe::{Finding, Outcome, Plan, Prober, Settings, TracedOutcome},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

/// Nothing waits longer; only a failure comes near it.
const LIMIT: Duration = Duration::from_secs(20);

fn command(words: &[&str]) -> Config {
    let command = words.iter().map(|&word| word.to_owned()).collect();
    let at = "[2001:db8::7]:1".parse().unwrap();
    let mut config = config(at, ProbeKind::Exec(ExecProbe { command }));
    let monitor = config.monitors.get_mut("web").unwrap();
    monitor.interval_ms = 60_000;
    monitor.timeout_ms = 20_000;
    config
}

fn shell(script: &str) -> Config {
    command(&["/bin/sh", "-c", script])
}

async fn run(script: &str) -> TracedOutcome {
    once(&shell(script)).await
}

/// As `run`, for a script that does not end by itself.
async fn run_briefly(script: &str) -> TracedOutcome {
    let mut config = shell(script);
    config.monitors.get_mut("web").unwrap().timeout_ms = 700;
    once(&config).await
}

fn value(found: &TracedOutcome) -> Option<i64> {
    match found.outcome {
        Outcome::Good { value, .. } | Outcome::Bad { value, .. } => value,
        Outcome::NoResult { .. } => None,
    }
}

fn local(found: &TracedOutcome) -> &str {
    match &found.outcome {
        Outcome::NoResult { local } => local,
        _ => panic!("{found:?}"),
    }
}

fn note(found: &TracedOutcome) -> &str {
    found.trace.note.as_deref().unwrap_or_default()
}

/// A text that no other test has in its environment or arguments.
fn token() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::SeqCst);
    format!("token-{}-{count}-", std::process::id())
}

/// Processes that run (zombies are empty) with `token` in their arguments.
fn with_token(token: &str) -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|e| e.path());
    let has = |path: &PathBuf| {
        let words = fs::read(path.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(token)
    };
    processes.filter(has).collect()
}

/// Whether the process leads its group, as the programs of probes do.
fn leads(process: &Path) -> bool {
    let pid = process.file_name().unwrap().to_str().unwrap();
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_whitespace().nth(2) == Some(pid)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LIMIT, "never: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn nobody_is_left(token: &str) {
    until("nobody is left", || with_token(token).is_empty()).await;
}

#[tokio::test]
async fn the_exit_code_is_the_verdict() {
    let cases = [
        ("exit 0", Some(true), "exit 0"),
        (
            "echo WARNING - slow; exit 1",
            Some(true),
            "exit 1: WARNING - slow",
        ),
        ("echo CRITICAL; exit 2", Some(false), "exit 2: CRITICAL"),
        ("echo UNKNOWN - why; exit 3", None, "exit 3: UNKNOWN - why"),
        ("exit 4", None, "exit 4"),
        ("no-such-program-anywhere 2>/dev/null", None, "exit 127"),
        ("exit 255", None, "exit 255"),
        ("kill -9 $$", None, "ended by signal 9"),
        ("kill -TERM $$", None, "ended by signal 15"),
        (
            "echo to whom it may concern >&2; exit 0",
            Some(true),
            "exit 0: to whom it may concern",
        ),
    ];
    for (script, verdict, expected) in cases {
        let found = run(script).await;
        assert_eq!(found.outcome.verdict(), verdict, "{script}: {found:?}");
        assert_eq!(note(&found), expected, "{script}");
        if verdict.is_none() {
            let words = expected.replace(": ", "): ");
            let words = words.split("): ").next().unwrap();
            assert!(local(&found).contains(words), "{found:?}");
            assert!(
                local(&found).contains("'/bin/sh' gave no result"),
                "{found:?}"
            );
        }
    }
    assert!(local(&run("echo UNKNOWN - why; exit 3").await).ends_with(": UNKNOWN - why"));
    match run("exit 2").await.outcome {
        Outcome::Bad { reason, .. } => assert_eq!(reason, FailureReason::Plugin),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_first_metric_of_the_first_line_is_the_value() {
    for (script, expected) in [
        ("echo 'DISK OK | /=93%;90;95'", Some(93)),
        ("echo 'DISK OK | /=93.99%;90;95'; exit 2", Some(93)),
        ("echo 'OK'; echo 'more | a=1'", None),
        ("printf 'OK | a=1'", Some(1)),
        ("echo 'OK | a=1'; sleep 0.1; echo 'OK | a=2'", Some(1)),
        ("printf 'OK '; sleep 0.1; echo '| a=7'", Some(7)),
        ("echo 'OK | a=1' >&2", None),
        ("true", None),
    ] {
        let found = run(script).await;
        assert_eq!(value(&found), expected, "{script}: {found:?}");
        let observation = found.outcome.clone().observation(&found.place, false);
        assert_eq!(observation.value, expected, "{script}");
    }
    let found = run("echo 'DISK OK - 7 % free | /=93%'").await;
    assert_eq!(note(&found), "exit 0: DISK OK - 7 % free");
    let steps: Vec<_> = found.trace.steps().iter().map(|one| one.0).collect();
    assert_eq!(steps, ["start", "first byte", "verdict"]);
}

#[tokio::test]
async fn a_program_sees_the_address_and_little_else() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("seen");
    let script = r#"env -0 | sort -z > "$0"; printf '%s\0' "$@" >> "$0"; cat >> "$0""#;
    let file = to.display().to_string();
    let words = [
        "/bin/sh",
        "-c",
        script,
        &file,
        "{address}",
        "a{address}b{address}",
        "{}",
    ];
    let found = once(&command(&words)).await;
    assert_eq!(found.outcome.verdict(), Some(true), "{found:?}");
    let seen = fs::read_to_string(&to).unwrap();
    let (own, set): (Vec<&str>, Vec<&str>) = seen
        .split_terminator('\0')
        // A shell sets these by itself.
        .filter(|one| {
            !["PWD=", "OLDPWD=", "SHLVL=", "_="]
                .iter()
                .any(|own| one.starts_with(own))
        })
        .partition(|one| one.starts_with("PATH=") || one.starts_with("SIDESTEP_PROBE="));
    assert_eq!(own.len(), 2, "{own:?}");
    let expected = [
        "LANG=C",
        "SIDESTEP_ADDRESS=2001:db8::7",
        "SIDESTEP_MONITOR=web",
        "SIDESTEP_TARGET=primary",
        "2001:db8::7",
        "a2001:db8::7b2001:db8::7",
        "{}",
    ];
    assert_eq!(set, expected);
}

#[tokio::test]
async fn output_of_any_size_and_kind_is_taken() {
    // Larger than any pipe, on both: a program that is not read from would never end.
    let found = run("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 1").await;
    assert_eq!(found.outcome.verdict(), Some(true), "{found:?}");
    assert_eq!(note(&found), "exit 1");
    let found = run("yes | head -c 1000000; exit 2").await;
    assert_eq!(found.outcome.verdict(), Some(false), "{found:?}");
    // One endless line is cut, for the eye as for the number.
    let found = run("head -c 100000 /dev/zero | tr '\\0' x; echo ' | a=5'").await;
    assert_eq!(note(&found), format!("exit 0: {}", "x".repeat(200)));
    assert_eq!(value(&found), None);
    let found = run(r#"printf 'a\033[31mb\tc\r\377\376\000d | x=1\n'"#).await;
    assert_eq!(note(&found), "exit 0: a[31mbc\u{fffd}\u{fffd}d");
    assert_eq!(value(&found), Some(1));
    // Closed outputs are no end.
    let found = run("exec >&- 2>&-; sleep 0.2; exit 2").await;
    assert_eq!(found.outcome.verdict(), Some(false), "{found:?}");
}

#[tokio::test]
async fn programs_that_cannot_start_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let plain = file("plain", "#!/bin/sh\n", 0o644);
    let headless = file("headless", "neither program nor script\n", 0o755);
    let orphaned = file("orphaned", "#!/no/such/interpreter\n", 0o755);
    let missing = folder.path().join("missing").display().to_string();
    let folder_itself = folder.path().display().to_string();
    for (program, expected, is_advised) in [
        (missing.as_str(), "there is no such program", true),
        (
            "no-such-program-anywhere",
            "it is in no folder of PATH",
            true,
        ),
        (&plain, "this user may not execute it", true),
        (&folder_itself, "this user may not execute it", true),
        (
            &orphaned,
            "the interpreter in its first line is missing",
            false,
        ),
        (
            &headless,
            "no script whose first line names an interpreter",
            false,
        ),
    ] {
        let config = command(&[program]);
        // Another test forks while the file is open for writing: it is busy for a moment.
        let found = loop {
            let found = once(&config).await;
            if !local(&found).contains("busy") {
                break found;
            }
        };
        let words = format!("cannot start '{program}': ");
        assert!(local(&found).starts_with(&words), "{found:?}");
        assert!(local(&found).contains(expected), "{found:?}");
        let advice = sidestep::probe::advice(&config);
        assert_eq!(advice.len(), usize::from(is_advised), "{advice:?}");
        assert!(
            advice.iter().all(|one| one.contains(expected)),
            "{advice:?}"
        );
        assert_eq!(sidestep::probe::problems(&config), [""; 0]);
    }
    assert_eq!(sidestep::probe::advice(&command(&["sh"])), [""; 0]);
    assert_eq!(
        once(&command(&["true"])).await.outcome.verdict(),
        Some(true)
    );
    assert!(sidestep::probe::problems(&command(&[]))[0].contains("command is empty"));
}

#[tokio::test]
async fn at_its_time_a_program_and_all_that_it_began_are_killed() {
    // Each waits in a process that shows the token among its arguments.
    let wait = |token: &str| format!("sh -c 'while :; do sleep 1; done' {token}");
    let endings = [
        "WAIT",
        "trap '' TERM INT HUP; WAIT",
        "WAIT & WAIT & wait",
        "(trap '' TERM; WAIT) & trap '' TERM; WAIT",
        "setsid WAIT & WAIT",
        "setsid WAIT >/dev/null 2>&1 & WAIT",
        // The middle one ends: the last has neither parent nor group in common with us.
        "setsid sh -c 'setsid WAIT2 &' & sleep 0.2; WAIT",
        "yes TOKEN",
    ];
    for ending in endings {
        let token = token();
        let twice = wait(&token).replace('\'', "'\\''");
        let script = ending
            .replace("WAIT2", &twice)
            .replace("WAIT", &wait(&token));
        let script = format!("echo begun; {}", script.replace("TOKEN", &token));
        let seen = Arc::new(AtomicU32::new(0));
        let found = {
            let looking = async {
                // Something must have been there that could have been left.
                until(&script, || !with_token(&token).is_empty()).await;
                seen.store(1, Ordering::SeqCst);
                std::future::pending::<()>().await;
            };
            tokio::select! { found = run_briefly(&script) => found, () = looking => unreachable!() }
        };
        assert_eq!(seen.load(Ordering::SeqCst), 1, "{script}");
        match found.outcome {
            Outcome::Bad { reason, .. } => assert_eq!(reason, FailureReason::Timeout, "{script}"),
            other => panic!("{script}: {other:?}"),
        }
        assert!(note(&found).starts_with("begun"), "{found:?}");
        nobody_is_left(&token).await;
    }
}

#[tokio::test]
async fn a_program_that_ends_leaves_nothing_behind_either() {
    for ending in [
        "sleep 1000 TOKEN & exit 0",
        "(trap '' TERM; sh -c 'sleep 1000; :' TOKEN) & exit 0",
        "sh -c 'sleep 1000; :' TOKEN >/dev/null 2>&1 & exit 0",
        // It left the group, and holds the output.
        "setsid sh -c 'sleep 1000; :' TOKEN & exit 0",
    ] {
        let token = token();
        let found = run(&ending.replace("TOKEN", &token)).await;
        assert_eq!(found.outcome.verdict(), Some(true), "{ending}: {found:?}");
        nobody_is_left(&token).await;
    }
    // It detached as it should, to outlive its starter: not ours to end.
    let token = token();
    let script = format!("setsid sh -c 'sleep 1000; :' {token} >/dev/null 2>&1 & sleep 0.2");
    let found = run(&script).await;
    assert_eq!(found.outcome.verdict(), Some(true), "{found:?}");
    let left = with_token(&token);
    assert_eq!(left.len(), 1, "{left:?}");
    for process in left {
        let pid: i32 = process
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        let group = Pid::from_raw(pid).unwrap();
        kill_process_group(group, Signal::KILL).unwrap();
    }
}

/// `count` targets whose program is `script`, and a prober for them.
fn many(script: &str, count: u8, timeout_ms: i64) -> (Prober, mpsc::Receiver<Finding>) {
    let mut config = shell(script);
    let addresses = (1..=count).map(|n| ProbeAddress {
        ip: [10, 0, 0, n].into(),
        port: None,
    });
    config.targets.get_mut("primary").unwrap().probe_at = addresses.collect();
    let monitor = config.monitors.get_mut("web").unwrap();
    (monitor.interval_ms, monitor.timeout_ms) = (timeout_ms + 1_000, timeout_ms);
    let (out, findings) = mpsc::channel(1_000);
    let plan = Arc::new(Plan::of(&config));
    (Prober::start(plan, Settings::default(), out), findings)
}

#[tokio::test]
async fn a_stopped_prober_leaves_no_program() {
    let token = token();
    let wait = "sh -c 'sleep 1000; :' TOKEN";
    let script = format!("trap '' TERM; {wait} & setsid {wait} & {wait}").replace("TOKEN", &token);
    let (prober, findings) = many(&script, 3, 60_000);
    until("all run", || with_token(&token).len() >= 9).await;
    prober.shutdown().await;
    nobody_is_left(&token).await;
    drop(findings);
}

#[tokio::test]
async fn a_removed_series_leaves_no_program() {
    let token = token();
    let script = format!("sh -c 'sleep 1000; :' {token}");
    let (prober, _findings) = many(&script, 2, 60_000);
    until("all run", || !with_token(&token).is_empty()).await;
    prober.replace(Arc::default()).await;
    nobody_is_left(&token).await;
}

#[tokio::test]
async fn only_so_many_run_at_once_and_who_waits_is_late_and_not_bad() {
    let folder = tempfile::tempdir().unwrap();
    let open = folder.path().join("open");
    let file = open.display().to_string();
    let token = token();
    // Each runs until the gate opens.
    let script = format!("sh -c 'until [ -e {file} ]; do sleep 0.1; done' {token}; exit 0");
    let begun = Instant::now();
    let (prober, mut findings) = many(&script, 80, 12_000);
    // A process that has yet to become `sleep` shows the words of its parent.
    let running = || with_token(&token).iter().filter(|one| leads(one)).count();
    until("64 run", || running() >= 64).await;
    // All are due within 5 s, and late 3 s after that.
    tokio::time::sleep_until(begun + Duration::from_millis(8_500)).await;
    assert_eq!(running(), 64);
    fs::write(&open, "").unwrap();
    let mut seen = Vec::new();
    while seen.len() < 80 {
        let found = tokio::time::timeout(LIMIT, findings.recv()).await.unwrap();
        if let Some(Finding::Probe(found)) = found {
            seen.push(found.observation);
        }
    }
    prober.shutdown().await;
    assert!(seen.iter().all(|one| one.ok), "{seen:?}");
    let late = seen.iter().filter(|one| one.late).count();
    assert!(late >= 80 - 64, "{late} are late");
}

/// The program's path starts at the configuration's folder; a bare word is looked for in PATH.
#[test]
fn relative_programs_lie_beside_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    fs::create_dir(&plugins).unwrap();
    std::os::unix::fs::symlink("/bin/sh", plugins.join("check")).unwrap();
    let config = |program: &str| {
        format!(
            r#"
[[target]]
name = "primary"
addresses = ["192.0.2.10"]
[[service]]
name = "www"
names = ["www.example.com"]
targets = ["primary"]
monitors = [{{ kind = "exec", command = ["{program}", "-c", "echo 'all well | n=3.7'"] }}]
"#
        )
    };
    let probe = |from: &Path, program: &str| {
        let file = folder.path().join("sidestep.toml");
        fs::write(&file, config(program)).unwrap();
        let relative = if from == folder.path() {
            "sidestep.toml".into()
        } else {
            file
        };
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_sidestep"))
            .arg("probe")
            .arg(relative)
            .current_dir(from)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.success(), text)
    };
    for from in [folder.path(), Path::new("/")] {
        for program in ["plugins/check", "./plugins/check", "sh", "/bin/sh"] {
            let (is_good, text) = probe(from, program);
            assert!(is_good, "{program}: {text}");
            assert!(text.contains("value 3 (exit 0: all well)"), "{text}");
            assert!(text.contains("start "), "{text}");
        }
        let (is_good, text) = probe(from, "plugins/missing");
        assert!(!is_good);
        assert!(text.contains("no result: cannot start '"), "{text}");
    }
}

#[tokio::test]
async fn a_round_that_is_interrupted_leaves_no_program() {
    let (folder, token) = (tempfile::tempdir().unwrap(), token());
    let file = folder.path().join("sidestep.toml");
    let text = format!(
        "[[target]]\nname = \"primary\"\naddresses = [\"192.0.2.10\"]\n\
         [[service]]\nname = \"www\"\nnames = [\"www.example.com\"]\ntargets = [\"primary\"]\n\
         monitors = [{{ kind = \"exec\", interval = \"10m\", timeout = \"5m\", \
         command = [\"/bin/sh\", \"-c\", \"sleep 1000; :\", \"{token}\"] }}]\n"
    );
    fs::write(&file, text).unwrap();
    for signal in [Signal::INT, Signal::TERM] {
        let mut round = std::process::Command::new(env!("CARGO_BIN_EXE_sidestep"))
            .arg("probe")
            .arg(&file)
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        until("it runs", || !with_token(&token).is_empty()).await;
        let pid = Pid::from_raw(round.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        until("it ends", || round.try_wait().unwrap().is_some()).await;
        nobody_is_left(&token).await;
    }
}

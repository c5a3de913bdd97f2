//! `sidestep test`: runs the policies' tests; a failed one shows what was served when.

use super::{Failed, Outcome, arguments::TestArguments, complain, print};
use crate::{
    config,
    daemon::stories,
    model::PolicyText,
    policy::{self, Library},
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::mpsc::channel,
};

const TESTS: &str = ".test.toml";

/// What the tests of one file came to.
#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
}

/// Runs the tests, and again at every change where asked.
pub(super) fn run(arguments: &TestArguments) -> Outcome {
    if !arguments.watch {
        return once(arguments);
    }
    let (changed, changes) = channel();
    let notify = move || {
        // An error means that nobody waits any more.
        let _ = changed.send(());
    };
    let mut watcher = crate::daemon::watch::Watcher::start(notify)?;
    let folders = folders(&paths(arguments));
    loop {
        watcher.watch(&folders);
        // What is missing now may be half-way through a save.
        if let Err(Failed::Because(why)) = once(arguments) {
            complain(&why);
        }
        complain("waiting for a change; Ctrl-C ends it");
        if changes.recv().is_err() {
            return Ok(());
        }
        crate::daemon::watch::settle(&changes, |()| true);
    }
}

/// Where the tests are: as named, or in the policy folder of the configuration here.
fn paths(arguments: &TestArguments) -> Vec<PathBuf> {
    if !arguments.paths.is_empty() {
        return arguments.paths.clone();
    }
    let path = Path::new("sidestep.toml");
    let folder = config::load(path).map(|loaded| config::Paths::of(path).policies(&loaded.config));
    vec![folder.unwrap_or_else(|_| "policies".into())]
}

/// The folders whose changes matter.
fn folders(paths: &[PathBuf]) -> BTreeSet<PathBuf> {
    let folder = |path: &PathBuf| match path.parent() {
        _ if path.is_dir() => path.clone(),
        Some(folder) => own(folder).to_owned(),
        None => path.clone(),
    };
    paths.iter().map(folder).collect()
}

/// The folder `""` is this folder.
fn own(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}

fn once(arguments: &TestArguments) -> Outcome {
    let files = files(&paths(arguments))?;
    if files.is_empty() {
        return Err(
            "no tests: write policies/NAME.test.toml beside policies/NAME.rhai"
                .to_owned()
                .into(),
        );
    }
    let library = Library::new();
    let mut total = Count::default();
    let mut results = Vec::new();
    for file in &files {
        let count = one_file(&library, file, arguments.json, &mut results)?;
        total.passed += count.passed;
        total.failed += count.failed;
    }
    if arguments.json {
        print(&format!("{}\n", serde_json::Value::from(results)))?;
    } else {
        print(&format!(
            "{} passed, {} failed\n",
            total.passed, total.failed
        ))?;
    }
    if total.failed == 0 {
        Ok(())
    } else {
        Err(Failed::Said)
    }
}

/// Runs one file's tests. A file that cannot be run counts as one failure.
fn one_file(
    library: &Library,
    file: &Path,
    json: bool,
    results: &mut Vec<serde_json::Value>,
) -> Result<Count, Failed> {
    let shown = file.display().to_string();
    let read = config::read(file).and_then(|tests| Ok((tests, policy_of(file)?)));
    let outcomes = read
        .map_err(|found| vec![found])
        .and_then(|(tests, policy)| stories::run(library, &shown, &tests, &policy));
    let outcomes = match outcomes {
        Ok(outcomes) => outcomes,
        Err(findings) => {
            for found in findings {
                complain(&found.to_string());
                results.push(serde_json::json!({ "file": shown, "error": found.headline() }));
            }
            return Ok(Count {
                passed: 0,
                failed: 1,
            });
        }
    };
    let mut count = Count::default();
    for (story, outcome) in outcomes {
        if outcome.passed() {
            count.passed += 1;
        } else {
            count.failed += 1;
        }
        results.push(serde_json::json!({
            "file": shown, "line": story.line, "test": story.name,
            "passed": outcome.passed(),
            "failures": outcome.failures.iter().map(|failure| &failure.message).collect::<Vec<_>>(),
        }));
        if !json {
            let mark = if outcome.passed() { "ok    " } else { "FAILED" };
            print(&format!("{mark} {shown}:{} {}\n", story.line, story.name))?;
            if !outcome.passed() {
                print(&format!("{}\n", outcome.report(&story)))?;
            }
        }
    }
    Ok(count)
}

/// The policy that a file of tests is about.
fn policy_of(tests: &Path) -> Result<PolicyText, crate::model::Diagnostic> {
    let name = tests.file_name().unwrap_or_default().to_string_lossy();
    let name = format!("{}.rhai", name.strip_suffix(TESTS).unwrap_or(&name));
    let path = tests.with_file_name(&name);
    let source = if name == "failover.rhai" && !path.exists() {
        policy::BUILTIN_SOURCE.into()
    } else {
        config::read(&path)?.into()
    };
    Ok(PolicyText {
        name: name.into(),
        source,
    })
}

/// The files of tests that `paths` mean: themselves, a policy's, or all in a folder.
fn files(paths: &[PathBuf]) -> Result<BTreeSet<PathBuf>, Failed> {
    let mut files = BTreeSet::new();
    for path in paths {
        if path.is_dir() {
            let entries =
                fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let tests = entries.filter_map(Result::ok).map(|entry| entry.path());
            files.extend(tests.filter(|path| path.to_string_lossy().ends_with(TESTS)));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "rhai")
        {
            files.insert(path.with_extension("test.toml"));
        } else if path.exists() && !path.to_string_lossy().ends_with(TESTS) {
            let path = path.display();
            let sentence =
                "is neither a policy nor its tests: name NAME.rhai, NAME.test.toml or a folder";
            return Err(format!("{path}: {sentence}").into());
        } else if path.exists() {
            files.insert(path.clone());
        } else {
            return Err(format!("{}: there is no such file or folder", path.display()).into());
        }
    }
    Ok(files)
}

//! `sidestep test`: runs the policies' tests; a failed one shows what was served when.

mod coverage;
mod junit;

use super::{Failed, Outcome, arguments::TestArguments, complain, print};
use crate::{
    config,
    daemon::stories,
    failover::rehearsal::StoryOutcome,
    model::{Diagnostic, PolicyText, story::Story},
    policy::{self, Library},
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::mpsc::channel,
};

const TESTS: &str = ".test.toml";

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

/// A file of tests and what came of it.
struct Tested {
    /// The file, as shown.
    file: String,
    /// Its tests in order; findings where it could not be run.
    outcomes: Result<Vec<(Story, StoryOutcome)>, Vec<Diagnostic>>,
}

impl Tested {
    /// How many tests passed and failed. A file that cannot be run counts as one failure.
    fn count(&self) -> (usize, usize) {
        let Ok(outcomes) = &self.outcomes else {
            return (0, 1);
        };
        let passed = outcomes.iter().filter(|(_, outcome)| outcome.passed());
        let passed = passed.count();
        (passed, outcomes.len() - passed)
    }

    /// The same for programs.
    fn json(&self) -> Vec<serde_json::Value> {
        let file = &self.file;
        let test = |(story, outcome): &(Story, StoryOutcome)| {
            let failures = outcome.failures.iter().map(|failure| &failure.message);
            serde_json::json!({
                "file": file, "line": story.line, "test": story.name,
                "passed": outcome.passed(), "failures": failures.collect::<Vec<_>>(),
            })
        };
        match &self.outcomes {
            Ok(outcomes) => outcomes.iter().map(test).collect(),
            Err(findings) => {
                let found = findings.iter();
                found
                    .map(|found| serde_json::json!({ "file": file, "error": found.headline() }))
                    .collect()
            }
        }
    }
}

fn once(arguments: &TestArguments) -> Outcome {
    let paths = paths(arguments);
    let files = files(&paths)?;
    if files.is_empty() {
        return Err(
            "no tests: write policies/NAME.test.toml beside policies/NAME.rhai"
                .to_owned()
                .into(),
        );
    }
    let library = Library::new();
    let mut tested = Vec::new();
    for file in &files {
        let one = one_file(&library, file);
        said(&one, arguments.json)?;
        tested.push(one);
    }
    let counts = tested.iter().map(Tested::count);
    let (passed, failed) = counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let covered = match arguments.coverage {
        true => coverage::measure(&paths, &files)?,
        false => Vec::new(),
    };
    if arguments.json {
        print(&format!("{}\n", json(arguments, &tested, &covered)))?;
    } else {
        print(&format!("{passed} passed, {failed} failed\n"))?;
        for one in &covered {
            print(&one.text())?;
        }
    }
    if let Some(path) = &arguments.junit {
        let text = junit::report(&tested)?;
        fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let least = arguments.fail_under.unwrap_or(0);
    let below = coverage::below(&covered, least);
    for one in &below {
        complain(one);
    }
    if failed == 0 && below.is_empty() {
        Ok(())
    } else {
        Err(Failed::Said)
    }
}

/// The list of tests; with coverage, a table that has both.
fn json(
    arguments: &TestArguments,
    tested: &[Tested],
    covered: &[coverage::Covered],
) -> serde_json::Value {
    let tests: Vec<_> = tested.iter().flat_map(Tested::json).collect();
    if !arguments.coverage {
        return tests.into();
    }
    let covered: Vec<_> = covered.iter().map(coverage::Covered::json).collect();
    serde_json::json!({ "tests": tests, "coverage": covered })
}

/// Runs one file's tests.
fn one_file(library: &Library, file: &Path) -> Tested {
    let shown = file.display().to_string();
    let read = config::read(file).and_then(|tests| Ok((tests, policy_of(file)?)));
    let outcomes = read
        .map_err(|found| vec![found])
        .and_then(|(tests, policy)| stories::run(library, &shown, &tests, &policy));
    Tested {
        file: shown,
        outcomes,
    }
}

/// Says what came of a file: each test with its mark and, where it failed, its chart.
fn said(tested: &Tested, json: bool) -> Outcome {
    let outcomes = match &tested.outcomes {
        Ok(outcomes) => outcomes,
        Err(findings) => {
            for found in findings {
                complain(&found.to_string());
            }
            return Ok(());
        }
    };
    for (story, outcome) in outcomes.iter().filter(|_| !json) {
        let mark = if outcome.passed() { "ok    " } else { "FAILED" };
        let (file, line, name) = (&tested.file, story.line, &story.name);
        print(&format!("{mark} {file}:{line} {name}\n"))?;
        if !outcome.passed() {
            print(&format!("{}\n", outcome.report(story)))?;
        }
    }
    Ok(())
}

/// The policy that a file of tests is about.
fn policy_of(tests: &Path) -> Result<PolicyText, Diagnostic> {
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

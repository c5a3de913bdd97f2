//! `sidestep test --coverage`: the lines of each policy that no test ran.

use super::{Failed, policy_of, stories};
use crate::{config, policy::Coverage};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A policy and which of its lines ran in its tests.
pub(super) struct Covered {
    /// The policy's file, as shown.
    file: String,
    source: String,
    coverage: Coverage,
}

/// Measures every policy that has tests among `files`, and those of the folders in `paths` that
/// have none. Tests that cannot be run are left out: they failed already.
pub(super) fn measure(
    paths: &[PathBuf],
    files: &BTreeSet<PathBuf>,
) -> Result<Vec<Covered>, Failed> {
    let mut covered = Vec::new();
    let mut policies = without_tests(paths)?;
    let tests = files.iter().map(|file| (policy_path(file), Some(file)));
    policies.extend(tests);
    for (path, tests) in policies {
        let beside = path.with_extension("test.toml");
        let Ok(policy) = policy_of(tests.unwrap_or(&beside)) else {
            continue;
        };
        let file = path.display().to_string();
        let coverage = match tests {
            None => Coverage::none(&policy.source).map_err(|why| format!("{file}: {why}"))?,
            Some(tests) => {
                let shown = tests.display().to_string();
                let read = config::read(tests).map_err(|found| vec![found]);
                let ran = read.and_then(|text| stories::cover(&shown, &text, &policy));
                match ran {
                    Ok(coverage) => coverage,
                    Err(_) => continue,
                }
            }
        };
        covered.push(Covered {
            file,
            source: policy.source.to_string(),
            coverage,
        });
    }
    covered.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(covered)
}

/// `NAME.rhai` of `NAME.test.toml`.
fn policy_path(tests: &Path) -> PathBuf {
    tests.with_extension("").with_extension("rhai")
}

/// Policies of the folders that have no file of tests.
fn without_tests(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Option<&PathBuf>)>, Failed> {
    let mut found = Vec::new();
    for folder in paths.iter().filter(|path| path.is_dir()) {
        let entries =
            fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let files = entries.filter_map(Result::ok).map(|entry| entry.path());
        let alone = |path: &PathBuf| {
            let name = path.to_string_lossy();
            // `api.d.rhai` declares the API; it is no policy.
            let policy = name.ends_with(".rhai") && !name.ends_with(".d.rhai");
            policy && !path.with_extension("test.toml").exists()
        };
        found.extend(files.filter(alone).map(|path| (path, None)));
    }
    Ok(found)
}

/// What is to be said of policies of which less than `least` in a hundred lines ran.
pub(super) fn below(covered: &[Covered], least: u8) -> Vec<String> {
    let low = covered
        .iter()
        .filter(|one| one.coverage.percent() < usize::from(least));
    let said = low.map(|one| {
        let (file, percent) = (&one.file, one.coverage.percent());
        format!("{file}: its tests ran {percent} % of its lines, less than {least} %")
    });
    said.collect()
}

impl Covered {
    /// The count, and each line that did not run.
    pub(super) fn text(&self) -> String {
        let (ran, lines) = (self.coverage.ran(), self.coverage.lines());
        let mut text = format!("{}: {ran} of {lines} lines\n", self.file);
        for missed in self.coverage.missed() {
            let place = missed.place;
            let part = match missed.in_part {
                true => format!(" from column {}", place.column),
                false => String::new(),
            };
            let line = self.line(place.line);
            text += &format!("  {:>4}{part}: {line}\n", place.line);
        }
        text
    }

    /// The same for programs.
    pub(super) fn json(&self) -> serde_json::Value {
        let missed = self.coverage.missed().into_iter().map(|missed| {
            let (line, column) = (missed.place.line, missed.place.column);
            serde_json::json!({
                "line": line, "column": column, "in_part": missed.in_part, "text": self.line(line),
            })
        });
        serde_json::json!({
            "policy": self.file, "lines": self.coverage.lines(), "ran": self.coverage.ran(),
            "percent": self.coverage.percent(), "missed": missed.collect::<Vec<_>>(),
        })
    }

    /// A line of the policy without its indentation.
    fn line(&self, number: usize) -> &str {
        let line = self.source.lines().nth(number.saturating_sub(1));
        line.unwrap_or_default().trim()
    }
}

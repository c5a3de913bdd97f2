//! What a start begins with: the files on disk, or, where they are broken, those that were last
//! in force.

use super::{
    StartError,
    case::case,
    judge::{Accepted, Case, Judge, Passed},
    kept,
    sources::Sources,
};
use crate::{config::Loaded, journal::Kept, model::Diagnostic};
use std::path::Path;

/// What a start begins with.
pub(super) struct First {
    pub(super) sources: Sources,
    pub(super) case: Case,
    pub(super) accepted: Accepted,
    pub(super) passed: Passed,
}

/// Loads everything for the first time. Where that fails and files are `kept`, those; not where
/// an operator said `strict`.
pub(super) fn load(path: &Path, kept: Option<&Kept>, strict: bool) -> Result<First, StartError> {
    let (sources, parsed) = Sources::read(path, None);
    let passed = kept.map(kept::passed).unwrap_or_default();
    let parsed = match (&sources.config, parsed) {
        (Ok(_), Some(parsed)) => parsed,
        (Err(found), _) => Err(vec![found.clone()]),
        (Ok(_), None) => {
            return Err(StartError::System("the configuration was not read".into()));
        }
    };
    let judge = Judge::remembering(passed);
    let broken = match judged(path, sources, parsed, judge) {
        Ok(first) => return Ok(first),
        Err(found) => found,
    };
    let Some(kept) = kept.filter(|_| !strict) else {
        return Err(StartError::Files(broken));
    };
    match last_in_force(path, kept) {
        Ok(first) => {
            for found in &broken {
                tracing::error!("refused: {found}");
            }
            tracing::error!("starting with the files that were last in force");
            Ok(first)
        }
        Err(found) => {
            for found in &found {
                tracing::error!("the files that were last in force do not load: {found}");
            }
            Err(StartError::Files(broken))
        }
    }
}

/// The files that were last in force.
pub(super) fn last_in_force(path: &Path, kept: &Kept) -> Result<First, Vec<Diagnostic>> {
    let (sources, parsed) = kept::sources(path, kept).ok_or_else(Vec::new)?;
    let judge = Judge::remembering(kept::passed(kept)).lenient();
    judged(path, sources, parsed, judge)
}

fn judged(
    path: &Path,
    mut sources: Sources,
    parsed: Result<Loaded, Vec<Diagnostic>>,
    mut judge: Judge,
) -> Result<First, Vec<Diagnostic>> {
    let mut case = case(path, parsed?, &sources)?;
    let accepted = judge.judge(&case)?;
    for warning in &accepted.warnings {
        tracing::warn!("{}", warning.headline());
    }
    // What is compared with later is what was judged now.
    case.beside.extend(accepted.included.clone());
    let included = accepted.included.clone().into_iter();
    sources
        .beside
        .extend(included.map(|(file, text)| (file, Ok(text))));
    Ok(First {
        sources,
        case,
        accepted,
        passed: judge.passed().clone(),
    })
}

//! Running a policy's tests: the file's stories through the rehearsal, under the real engine.

mod told;

use crate::{
    config::parse_stories,
    failover::rehearsal::{StoryOutcome, run_story, story::story_version},
    model::{Diagnostic, OnFault, OnReload, PolicyText, Service, story::Story},
    policy::{Coverage, Library},
};
use std::path::Path;

/// Runs every story of the file `tests`, named `file` in findings, under `policy`.
///
/// # Errors
/// What is wrong with the file itself, or with the policy under a story's parameters.
pub fn run(
    library: &Library,
    file: &str,
    tests: &str,
    policy: &PolicyText,
) -> Result<Vec<(Story, StoryOutcome)>, Vec<Diagnostic>> {
    let stories = parse_stories(file, tests)?;
    let mut outcomes = Vec::new();
    for story in stories {
        let loaded = |service: &Service| -> Result<i64, Vec<Diagnostic>> {
            let candidate = library.candidate(service, policy).map_err(|found| {
                let of = |found| of_story(file, tests, &story, policy, found);
                found.into_iter().map(of).collect::<Vec<_>>()
            })?;
            library.adopt(&candidate);
            Ok(candidate.windows_ms)
        };
        let outcome = match &story.recording {
            Some(source) => {
                let path = Path::new(file).with_file_name(&source.path);
                match told::open(&story, source, &path) {
                    Err(why) => StoryOutcome::failed(&story, why),
                    Ok(told) => {
                        let keep_ms = loaded(&told.service(&story, policy))?;
                        told.run(&story, policy, keep_ms, library)
                    }
                }
            }
            None => {
                let keep_ms = loaded(&service_of(&story, policy))?;
                run_story(&story, policy, keep_ms, library)
            }
        };
        outcomes.push((story, outcome));
    }
    Ok(outcomes)
}

/// Runs every story once more and says which statements of the policy ran. What becomes of the
/// stories is [`run`]'s to say: here the policy notes what it does, and has more room for it.
///
/// # Errors
/// As [`run`], and where what runs cannot be noted.
pub fn cover(file: &str, tests: &str, policy: &PolicyText) -> Result<Coverage, Vec<Diagnostic>> {
    let library = Library::covering();
    let mut coverage = Coverage::default();
    for (story, _) in run(&library, file, tests, policy)? {
        if let Some(ran) = library.coverage(&story_version(&story, policy)) {
            coverage.add(&ran);
        }
    }
    Ok(coverage)
}

/// A service as the story has one: its targets and parameters matter to the lint.
fn service_of(story: &Story, policy: &PolicyText) -> Service {
    Service {
        name: "story".into(),
        names: Vec::new(),
        ttl_ms: story.ttl_ms,
        targets: story.targets.clone(),
        monitors: story.monitors.clone(),
        policy: policy.name.clone(),
        params: story.params.clone(),
        history_ms: crate::model::service::default_history_ms(),
        keep_ms: 0,
        max_switches: story.max_switches,
        on_fault: OnFault::Hold,
        rto_ms: None,
        reload: OnReload::Apply,
        shadow: None,
    }
}

/// A finding about a story's parameters points at the story, one in the policy beside its tests.
fn of_story(
    file: &str,
    tests: &str,
    story: &Story,
    policy: &PolicyText,
    mut found: Diagnostic,
) -> Diagnostic {
    if found.file == policy.name.as_str() {
        found.file = Path::new(file)
            .with_file_name(policy.name.as_str())
            .display()
            .to_string();
        return found;
    }
    let message = format!("the test \"{}\": {}", story.name, found.message);
    Diagnostic::error(file, tests, story.line, 0, message)
}

//! `sidestep whatif`: the present state run forward with injected failures.

use super::{
    Failed, Outcome,
    arguments::WhatIfArguments,
    explain, log, print,
    show::{self, Look, Run},
};
use crate::{
    failover::{
        State,
        rehearsal::{Injected, settled, singles_and_doubles, what_if},
    },
    model::{
        ServiceName, TargetName,
        diagnostic::did_you_mean,
        duration::format_ms,
        duration::parse_ms,
        time::{MINUTE_MS, SECOND_MS},
    },
    policy::Library,
    replay::explain::{ordered, unknown_policy},
};
use serde_json::{Value, json};

/// Targets of which every single and double failure is run.
const TABLE_MAX: usize = 12;

/// Prints what would follow.
pub(super) fn run(arguments: &WhatIfArguments) -> Outcome {
    let past = explain::past(&arguments.past, None)?.0;
    let (state, service) = (past.state(), past.service().clone());
    let known = past.known()?;
    let targets: Vec<TargetName> = known
        .targets
        .iter()
        .map(|slot| slot.target.clone())
        .collect();
    let injected = Injected {
        fail: arguments
            .fail
            .iter()
            .map(|name| named(name, &targets))
            .collect::<Result<_, _>>()?,
        slow: arguments
            .slow
            .iter()
            .map(|slow| slow_of(slow, &targets))
            .collect::<Result<_, _>>()?,
        for_ms: arguments.for_ms,
    };
    let injected = sound(injected)?;
    let forward = Forward {
        library: Library::of(state, std::slice::from_ref(&service)),
        notes: notes(arguments, state, &service),
        state,
        service,
    };
    if injected.fail.is_empty() && injected.slow.is_empty() {
        return table(&forward, &targets, arguments);
    }
    let run = forward.run(injected, true)?;
    if arguments.past.json {
        return print(&format!("{}\n", json_of(&run)?));
    }
    print(&show::what_if(&run, Look::of_stdout()))
}

/// Where runs begin.
struct Forward<'a> {
    state: &'a State,
    service: ServiceName,
    library: Library,
    notes: Vec<String>,
}

impl Forward<'_> {
    /// One run; `to_home`: until the primary is served again.
    fn run(&self, injected: Injected, to_home: bool) -> Result<Run, Failed> {
        let ask = if to_home { what_if } else { settled };
        let course = ask(self.state, &self.service, &self.library, &injected);
        let course = course.ok_or_else(|| format!("{} has no targets", self.service))?;
        Ok(Run {
            service: self.service.clone(),
            at: self.state.world().wall(),
            injected,
            course,
            notes: self.notes.clone(),
        })
    }
}

fn table(forward: &Forward<'_>, targets: &[TargetName], arguments: &WhatIfArguments) -> Outcome {
    let tried = &targets[..targets.len().min(TABLE_MAX)];
    let mut runs = Vec::new();
    for fail in singles_and_doubles(tried) {
        let injected = Injected {
            fail,
            slow: Vec::new(),
            for_ms: arguments.for_ms,
        };
        runs.push(forward.run(injected, false)?);
    }
    let left_out = targets.len() - tried.len();
    if arguments.past.json {
        let all: Vec<Value> = runs.iter().map(json_of).collect::<Result<_, _>>()?;
        return print(&format!(
            "{}\n",
            json!({ "runs": all, "left_out": left_out })
        ));
    }
    print(&show::what_if_table(&runs, left_out, Look::of_stdout()))
}

/// One run as JSON: `service`, `at_ms`, `fail`, `slow`, `for_ms`, `notes` beside the keys of
/// [`crate::failover::rehearsal::Course`].
fn json_of(run: &Run) -> Result<Value, Failed> {
    let mut json = serde_json::to_value(&run.course).map_err(|error| error.to_string())?;
    json["service"] = json!(run.service);
    json["at_ms"] = json!(run.at);
    json["fail"] = json!(run.injected.fail);
    let slow = run.injected.slow.iter();
    json["slow"] = slow
        .map(|(target, ms)| json!({ "target": target, "rtt_ms": ms }))
        .collect();
    json["for_ms"] = json!(run.injected.for_ms);
    json["notes"] = json!(run.notes);
    Ok(json)
}

/// Each target once, and for a time that is one.
fn sound(mut injected: Injected) -> Result<Injected, Failed> {
    let mut seen = std::collections::BTreeSet::new();
    injected.fail.retain(|target| seen.insert(target.clone()));
    for (target, _) in &injected.slow {
        if injected.fail.contains(target) {
            let why = "it cannot both fail and answer slowly";
            return Err(Failed::Usage(format!(
                "{target} is in --fail and in --slow: {why}"
            )));
        }
    }
    if injected.for_ms < SECOND_MS {
        return Err(Failed::Usage("--for: at least 1s".to_owned()));
    }
    Ok(injected)
}

/// A target of the service by name.
fn named(name: &str, targets: &[TargetName]) -> Result<TargetName, Failed> {
    if let Some(found) = targets.iter().find(|target| target.as_str() == name) {
        return Ok(found.clone());
    }
    let known = || targets.iter().map(|target| target.as_str());
    let hint = match did_you_mean(name, known()) {
        Some(meant) => format!("did you mean '{meant}'?"),
        None => format!("there are {}", known().collect::<Vec<_>>().join(", ")),
    };
    Err(Failed::Usage(format!(
        "the service has no target '{name}': {hint}"
    )))
}

/// `TARGET` or `TARGET=1200ms`.
fn slow_of(text: &str, targets: &[TargetName]) -> Result<(TargetName, Option<i64>), Failed> {
    let Some((name, rtt)) = text.split_once('=') else {
        return Ok((named(text, targets)?, None));
    };
    let rtt_ms = parse_ms(rtt).map_err(|why| Failed::Usage(format!("--slow {text}: {why}")))?;
    Ok((named(name, targets)?, Some(rtt_ms)))
}

/// What stands, and what keeps this from being the whole truth.
fn notes(arguments: &WhatIfArguments, state: &State, service: &ServiceName) -> Vec<String> {
    let mut notes: Vec<String> = ordered(state, service).into_iter().collect();
    notes.extend(unknown_policy(state, service));
    let ago_ms = log::now().since_ms(state.world().wall());
    if arguments.past.recording.is_none() && ago_ms > MINUTE_MS {
        notes.push(format!(
            "the journal ends {} ago: the daemon does not run, or its disk is in trouble",
            format_ms(ago_ms)
        ));
    }
    notes
}

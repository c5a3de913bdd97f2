//! Explaining: why a service answered what it answered at an instant, and what would have changed
//! it.
//!
//! What was recorded is folded by `apply` up to the instant ([`Past`]); then the version in force
//! is asked again about the state as it found it when it was last asked, through a lens that notes
//! every fact. Nothing of it changes the state. [`Explanation`] is also the JSON of
//! `sidestep explain --json`.

mod explanation;
pub mod flips;
mod from_journal;
mod from_recording;
pub mod past;
mod summary;
pub mod under;

pub use explanation::{Again, Explanation, FactRead, Guard, InForce, PolicyInForce, SeriesSeen};
pub use flips::{Flip, Supposed};
pub use from_journal::from_journal;
pub use from_recording::{File, from_recording};
pub use past::{Found, Past, Switched};
pub use under::Under;

use crate::{
    failover::{
        By, State, again::evaluated, evaluate::Evaluation, lens::Suppositions,
        series::WindowResult, service_state::ServiceState,
    },
    model::{
        PolicyText, PolicyVersion, Service, ServiceName, TargetName, Timestamp,
        diagnostic::did_you_mean, duration::format_ms,
    },
    policy::{BUILTIN_SOURCE, Library, Traced, Tracer},
};
use flips::{Search, target_of};
use std::{cell::Cell, sync::Arc};

/// Lines of the policy that are shown before and after the one that decided.
const AROUND: usize = 2;

/// What is done with a past of which no decisions were recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// Decisions were recorded.
    Recorded,
    /// The policy was run over the observations.
    Stepped,
}

/// Explains what a service answers at the end of `past`.
///
/// # Errors
/// A sentence with a suggestion where there is no such service.
pub fn explain(past: &Past, decided: Decided) -> Result<Explanation, String> {
    let name = past.service();
    let alone = past.asked_on().narrowed(name);
    let (Some(state), Some(known)) = (alone, past.state().world().service(name)) else {
        return Err(no_service(past.state(), name));
    };
    let world = past.state().world();
    let mut notes = notes(past);
    let configured = world.config.services.get(name);
    let policy = configured.and_then(|configured| {
        let text = world.policies.get(&configured.policy);
        text_in_force(configured, text, known)
            .map_err(|why| notes.push(why))
            .ok()
    });
    let asked = policy.and_then(|(configured, text)| {
        Asked::about(&state, configured, text)
            .map_err(|why| notes.push(why))
            .ok()
    });
    let mut explanation = Explanation {
        service: name.clone(),
        at: world.wall(),
        seq: world.seq,
        asked_at: past.asked_at(),
        recorded: decided == Decided::Recorded,
        summary: String::new(),
        notes,
        serving: known.serving.clone(),
        since: past.wall(known.switched_at.unwrap_or(known.began_at)),
        switch: past.switch.clone(),
        decision: in_force(past, known),
        evaluation: asked.as_ref().map(Asked::again),
        policy: PolicyInForce {
            name: configured.map_or_else(|| "".into(), |configured| configured.policy.clone()),
            version: known.policy.clone(),
            lines: Vec::new(),
        },
        facts: Vec::new(),
        flips: Vec::new(),
        evaluations: 0,
        guard: guard(past, known),
        observations: observations(past, &state, asked.as_ref()),
    };
    if let Some(asked) = &asked {
        explanation.guard.rail = asked.said.guard;
        explanation.facts = asked.traced.reads.iter().map(FactRead::of).collect();
        let search = Search {
            tracer: &asked.tracer,
            state: &state,
            service: name,
            base: &asked.traced,
            evaluations: Cell::new(0),
        };
        let flips = search.flips();
        explanation.flips = flips.found;
        explanation.evaluations = flips.evaluations;
        explanation.policy.lines = around(&asked.source, asked.said.line);
    }
    explanation.summary = summary::summary(past, &explanation, &state);
    Ok(explanation)
}

/// A policy that was asked again.
struct Asked {
    tracer: Tracer,
    source: Arc<str>,
    traced: Traced,
    said: Evaluation,
}

impl Asked {
    fn about(state: &State, configured: &Service, text: &PolicyText) -> Result<Self, String> {
        let tracer = Tracer::new(configured, text).map_err(|found| {
            let first = found.first().map(|found| found.headline());
            format!(
                "the policy cannot be asked again, it does not load: {}",
                first.unwrap_or_default()
            )
        })?;
        let name = &configured.name;
        let library = Library::of(state, std::slice::from_ref(name));
        let gone = || format!("{name} has no targets");
        let view = state.view(name).ok_or_else(gone)?;
        let said = evaluated(state, name, &library).ok_or_else(gone)?;
        Ok(Self {
            traced: tracer.ask(view, Suppositions::new()),
            // Where it faults and the built-in one decides, its lines are those.
            source: match said.by {
                By::Builtin => BUILTIN_SOURCE.into(),
                _ => Arc::clone(&text.source),
            },
            tracer,
            said,
        })
    }

    fn again(&self) -> Again {
        let said = &self.said;
        let ruled = said.overruled.is_some().then(|| said.reason.clone());
        Again {
            wanted: said.wanted.clone(),
            reason: said
                .overruled
                .clone()
                .unwrap_or_else(|| said.reason.clone()),
            line: said.line,
            ruled,
            by: said.by,
            guard: said.guard,
            fault: said.fault.clone(),
        }
    }
}

impl Past {
    /// What is known of the service.
    ///
    /// # Errors
    /// A sentence with a suggestion where there is no such service.
    pub fn known(&self) -> Result<&ServiceState, String> {
        let known = self.state().world().service(self.service());
        known.ok_or_else(|| no_service(self.state(), self.service()))
    }
}

/// A sentence where the text of the policy in force is not known: it cannot be asked.
pub fn unknown_policy(state: &State, service: &ServiceName) -> Option<String> {
    let world = state.world();
    let configured = world.config.services.get(service)?;
    let text = world.policies.get(&configured.policy);
    text_in_force(configured, text, world.service(service)?).err()
}

/// The sentence for a service that is not there.
fn no_service(state: &State, name: &ServiceName) -> String {
    no_such(state.world().config.services.keys(), name)
}

fn no_such<'a>(known: impl Iterator<Item = &'a ServiceName>, name: &ServiceName) -> String {
    let names: Vec<&str> = known.map(|name| name.as_str()).collect();
    let hint = match (did_you_mean(name, names.iter().copied()), names.as_slice()) {
        (Some(meant), _) => format!("did you mean '{meant}'?"),
        (None, []) => "none was configured then".to_owned(),
        (None, names) => format!("there are {}", names.join(", ")),
    };
    format!("there is no service '{name}': {hint}")
}

/// The text of the version in force; a sentence where it is not known.
fn text_in_force<'a>(
    configured: &'a Service,
    text: Option<&'a PolicyText>,
    known: &ServiceState,
) -> Result<(&'a Service, &'a PolicyText), String> {
    let version = known.policy.short();
    let of_version =
        |text: &&PolicyText| PolicyVersion::of(&text.source, &configured.params) == known.policy;
    let found = text.filter(of_version).ok_or_else(|| {
        let policy = &configured.policy;
        format!("the text of {policy}, version {version}, is not known: it cannot be asked again")
    })?;
    Ok((configured, found))
}

/// What was missing on the way.
fn notes(past: &Past) -> Vec<String> {
    let gaps = past.gaps.iter().map(|gap| {
        let (from, to, why) = (gap.from_seq, gap.to_seq, &gap.why);
        format!("events {from} to {to} are missing in what was read: {why}")
    });
    let instead = past.instead.iter().map(|policy| {
        format!("what was decided is as recorded; {policy} is asked as given here, not what was in force")
    });
    instead.chain(gaps).collect()
}

fn in_force(past: &Past, known: &ServiceState) -> Option<InForce> {
    let decision = known.decision.clone()?;
    Some(InForce {
        seq: known.decision_seq,
        at: known.decided_at.map(|at| past.wall(at)),
        woken_by: past.probe(decision.cause),
        decision,
    })
}

/// The freeze or the override under which a service stands: a sentence with who, why and until
/// when.
pub fn ordered(state: &State, service: &ServiceName) -> Option<String> {
    let world = state.world();
    let until = |until: Option<Timestamp>| match until {
        Some(until) => format!("until {until}"),
        None => "until it is taken back".to_owned(),
    };
    if let Some(freeze) = &world.freeze {
        let (by, reason) = (&freeze.by, &freeze.reason);
        return Some(format!("frozen by {by} {}: {reason}", until(freeze.until)));
    }
    let override_ = world.service(service)?.override_.as_ref()?;
    let what = match &override_.target {
        Some(target) => format!("serve {target}"),
        None => "hold".to_owned(),
    };
    let stand = &override_.stand;
    let (by, until) = (&stand.by, until(stand.until));
    Some(format!(
        "override by {by} {until}: {what}, {}",
        stand.reason
    ))
}

fn guard(past: &Past, known: &ServiceState) -> Guard {
    let world = past.state().world();
    let configured = world.config.services.get(&known.name);
    let budget = configured.and_then(|configured| configured.max_switches);
    let budget = budget.map(|budget| {
        let oldest = world.at.minus_ms(budget.window_ms);
        let switches = known.switches.iter();
        let used = switches.filter(|switch| !switch.operator && switch.at > oldest);
        (used.count(), budget.count, budget.window_ms)
    });
    let witnesses = world.witnesses.iter().map(|(address, seen)| {
        let ago = |at: Timestamp| format_ms(world.at.since_ms(at));
        match (seen.ok, seen.answered_at) {
            (true, at) => {
                let at = at.map(ago).unwrap_or_default();
                format!("{address} answered {at} before")
            }
            (false, Some(at)) => format!("{address} does not answer since {}", ago(at)),
            (false, None) => format!("{address} never answered"),
        }
    });
    Guard {
        rail: None,
        ordered: ordered(past.state(), &known.name),
        isolated: world.config.witness.as_ref().map(|_| world.is_isolated()),
        witnesses: witnesses.collect(),
        budget,
    }
}

/// The last results of the targets of which facts were read; of all where none were.
fn observations(past: &Past, state: &State, asked: Option<&Asked>) -> Vec<SeriesSeen> {
    let reads = asked.map_or(&[][..], |asked| &asked.traced.reads);
    let read: Vec<&TargetName> = reads
        .iter()
        .filter_map(|read| target_of(&read.fact))
        .collect();
    let concerned = |target: &TargetName| read.is_empty() || read.contains(&target);
    let world = state.world();
    let groups = world.groups.iter().filter(|group| concerned(&group.target));
    let mut seen = Vec::new();
    for group in groups {
        let fresh_for_ms = group.fresh_for_ms();
        for series in &group.series {
            let found = past.results().find(|(key, _)| {
                key.target == group.target
                    && key.monitor == group.monitor
                    && key.vantage == series.vantage
                    && key.address.is_none_or(|address| address == series.address)
            });
            let results = match found {
                Some((_, results)) => results.iter().cloned().collect(),
                // None of them was read: what the window has of them has no numbers.
                None => {
                    let window = series.results.iter().rev().take(8).rev();
                    let result = |result: &WindowResult| Found {
                        seq: None,
                        at: past.wall(result.at),
                        ok: result.rtt_us.is_some(),
                        rtt_us: result.rtt_us,
                        error: None,
                        counts_not: false,
                    };
                    window.map(result).collect()
                }
            };
            seen.push(SeriesSeen {
                target: group.target.clone(),
                monitor: group.monitor.clone(),
                address: (group.addresses.len() > 1).then_some(series.address),
                vantage: series.vantage.clone(),
                fresh: series.is_fresh(world.at, fresh_for_ms),
                results,
            });
        }
    }
    seen
}

/// The line that decided and those around it.
fn around(source: &str, line: u32) -> Vec<(u32, String)> {
    let Some(index) = usize::try_from(line)
        .ok()
        .and_then(|line| line.checked_sub(1))
    else {
        return Vec::new();
    };
    let first = index.saturating_sub(AROUND);
    let lines = (1..).zip(source.lines()).skip(first);
    let lines = lines.take(index + AROUND + 1 - first);
    lines
        .map(|(number, text)| (number, text.to_owned()))
        .collect()
}

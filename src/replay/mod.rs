//! Replay: what was recorded, folded again under another policy, and what came of it compared.
//!
//! | module | what it is |
//! |---|---|
//! | [`source`], `reading`, `input` | a recording or a journal, read once; what it held |
//! | [`variant`], `fold`, `run` | one service folded again, as recorded or otherwise |
//! | `recorded` | the recorded policies over the recorded inputs: whether it comes out the same |
//! | [`truth`], [`spans`], [`incidents`] | when targets were down and slow, the same for every policy |
//! | [`timeline`], `figures`, `divergence`, [`lanes`] | what was served when, and what that comes to |
//! | `plan`, `work`, [`sweep`] | many runs over one reading |
//! | `compose` | what they found, put together |
//! | [`report`] | what is said of it |
//! | [`explain`] | one decision: its line, its facts, what would have changed it |
//! | [`export`], [`import`], `cut`, [`synth`] | recordings of a journal, into a journal, of one service, made up |
//!
//! Holds no decision logic: every run is `failover::step` over the same inputs. A worker thread
//! folds some of the runs; what each finds is put together in a fixed order.

mod compose;
mod cut;
mod divergence;
mod entry;
pub mod explain;
pub mod export;
mod figures;
mod fold;
pub mod import;
pub mod incidents;
mod input;
pub mod lanes;
mod plan;
mod reading;
mod recorded;
pub mod report;
mod run;
pub mod source;
pub mod spans;
pub mod sweep;
pub mod synth;
pub mod timeline;
pub mod truth;
pub mod variant;
mod work;

pub use reading::Progress;
pub use report::{Report, Verdict};
pub use source::Source;
pub use variant::Variant;

use crate::model::{
    Config, PolicyText, ServiceName, TargetName, Timestamp, VantageName, diagnostic::did_you_mean,
};
use compose::put_together;
use incidents::Incidents;
use input::{Counter, InputReport};
use plan::{Parts, jobs, work_through};
use reading::Reading;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use sweep::{Sweep, combinations};
use truth::Measure;
use variant::VariantError;

/// What is to be replayed, and compared with what.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Only this service.
    pub service: Option<ServiceName>,
    /// Services that it does not begin with, and that a reload brings.
    pub later: BTreeSet<ServiceName>,
    /// What comes before it is known, and not replayed.
    pub since: Option<Timestamp>,
    /// What comes at or after it is not read.
    pub until: Option<Timestamp>,
    /// The candidate.
    pub candidate: Variant,
    /// What it is compared with; `None`: what was recorded, where decisions were.
    pub against: Option<Against>,
    /// Parameters to sweep.
    pub sweeps: Vec<Sweep>,
    /// What counts as down and as slow.
    pub measure: Measure,
    /// What is known to have happened, and the file that says so.
    pub incidents: Option<(Incidents, String)>,
}

/// What a candidate is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Against {
    /// What was recorded.
    Recorded,
    /// Always the primary: no failover at all.
    Primary,
    /// Another policy.
    Policy(PolicyText),
}

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// The recording, the request or the policy: a sentence or several lines.
    Failed(String),
    /// A parameter that the policy does not have.
    UnknownParam(String),
}

impl std::fmt::Display for ReplayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(why) | Self::UnknownParam(why) => f.write_str(why),
        }
    }
}

impl From<String> for ReplayError {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

impl From<VariantError> for ReplayError {
    fn from(error: VariantError) -> Self {
        match error {
            VariantError::UnknownParam(why) => Self::UnknownParam(why),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Replays what `open` opens, with the services that reloads bring later on: where there are any,
/// it is read once more.
///
/// # Errors
/// Whatever keeps it from being replayed whole.
pub fn replay_whole(
    open: &dyn Fn() -> Result<Source, String>,
    name: &str,
    request: &Request,
    progress: Progress<'_>,
) -> Result<Report, ReplayError> {
    let report = replay(open()?, name, request, progress)?;
    if report.input.services_left_out.is_empty() || request.service.is_some() {
        return Ok(report);
    }
    let request = Request {
        later: report.input.services_left_out,
        ..request.clone()
    };
    replay(open()?, name, &request, progress)
}

/// Replays a source, named `name` in the report.
///
/// # Errors
/// Whatever keeps it from being replayed whole.
pub fn replay(
    source: Source,
    name: &str,
    request: &Request,
    progress: Progress<'_>,
) -> Result<Report, ReplayError> {
    let by = source.header().by.clone();
    let reading = Reading::begin(source, request.until)?;
    let services = services(&reading, request)?;
    if let Some((incidents, _)) = &request.incidents {
        incidents.fit(&targets(&reading.config, &services))?;
    }
    let sets = combinations(&request.sweeps)?;
    let jobs = jobs(&reading.config, &services, request, &sets);
    let mut counter = Counter::new(name.to_owned(), by, request.since);
    counter.expect(&request.later);
    counter.configured(&reading.config);
    let config = Arc::clone(&reading.config);
    let (input, done) = work_through(reading, counter, jobs, request.since, progress)?;
    if let Some(vantage) = &request.candidate.without_vantage {
        is_known(vantage, &input)?;
    }
    let parts = Parts::of(done, &services, &sets);
    parts.overflow()?;
    if request.against == Some(Against::Recorded) && !parts.are_recorded() {
        let why = "no decisions are recorded: --against none or --against POLICY compares with something else";
        return Err(ReplayError::Failed(why.to_owned()));
    }
    Ok(put_together(
        input, &config, &services, request, &sets, parts,
    ))
}

fn services(reading: &Reading, request: &Request) -> Result<Vec<ServiceName>, String> {
    let known: BTreeSet<&ServiceName> = reading.services().chain(&request.later).collect();
    let known: Vec<ServiceName> = known.into_iter().cloned().collect();
    let Some(wanted) = &request.service else {
        return match known.is_empty() {
            true => Err("the recording has no service: there is nothing to decide".to_owned()),
            false => Ok(known),
        };
    };
    if known.contains(wanted) {
        return Ok(vec![wanted.clone()]);
    }
    let words: Vec<&str> = known.iter().map(ServiceName::as_str).collect();
    let hint = did_you_mean(wanted, words.iter().copied()).map_or_else(
        || format!("it has {}", words.join(", ")),
        |meant| format!("did you mean '{meant}'?"),
    );
    Err(format!("the recording has no service '{wanted}': {hint}"))
}

/// That anything was seen from a vantage that is to be left out.
fn is_known(vantage: &VantageName, input: &InputReport) -> Result<(), String> {
    let all = input.targets.values().flat_map(BTreeMap::keys);
    let known: BTreeSet<&str> = all.map(VantageName::as_str).collect();
    if known.contains(vantage.as_str()) || input.observations == 0 {
        return Ok(());
    }
    let hint = did_you_mean(vantage, known.iter().copied()).map_or_else(
        || {
            format!(
                "it has {}",
                known.into_iter().collect::<Vec<_>>().join(", ")
            )
        },
        |meant| format!("did you mean '{meant}'?"),
    );
    Err(format!(
        "--without-vantage: the recording has no vantage '{vantage}', {hint}"
    ))
}

fn targets<'c>(config: &'c Config, services: &[ServiceName]) -> Vec<&'c TargetName> {
    let services = services.iter().filter_map(|name| config.services.get(name));
    services.flat_map(|service| &service.targets).collect()
}

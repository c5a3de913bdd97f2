//! Replay: what was recorded, folded again under another policy, and what came of it compared.
//!
//! | module | what it is |
//! |---|---|
//! | [`source`], `reading`, `input` | a recording or a journal, read once; what it held |
//! | [`variant`], `fold`, `run` | one service folded again, as recorded or otherwise |
//! | `recorded` | the recorded policies over the recorded inputs: whether it comes out the same |
//! | [`truth`], [`spans`], [`incidents`] | when targets were down and slow, the same for every policy |
//! | [`timeline`], `figures`, `divergence`, [`lanes`] | what was served when, and what that comes to |
//! | `work`, [`sweep`] | many runs over one reading |
//! | [`report`] | what is said of it |
//!
//! Holds no decision logic: every run is `failover::step` over the same inputs. A worker thread
//! folds some of the runs; what each finds is put together in a fixed order.

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
    Config, Params, PolicyText, ServiceName, TargetName, Timestamp, diagnostic::did_you_mean,
};
use divergence::{LISTED_MAX, divergences};
use figures::{Counts, Figures};
use incidents::Incidents;
use input::{Counter, InputReport};
use reading::Reading;
use recorded::Fidelity;
use report::{Differences, Picture, ServiceReport, Swept, TruthReport};
use std::{collections::BTreeMap, sync::Arc, thread};
use sweep::{Sweep, combinations};
use timeline::{CHANGES_MAX, Served, Timeline};
use truth::{Measure, Truth};
use variant::VariantError;
use work::{Done, Job, Worker};

/// What is to be replayed, and compared with what.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Only this service.
    pub service: Option<ServiceName>,
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
    counter.configured(&reading.config);
    let config = Arc::clone(&reading.config);
    let (input, done) = work_through(reading, counter, jobs, request.since, progress)?;
    let parts = Parts::of(done, &services, &sets);
    parts.overflow()?;
    Ok(put_together(
        input, &config, &services, request, &sets, parts,
    ))
}

fn services(reading: &Reading, request: &Request) -> Result<Vec<ServiceName>, String> {
    let known: Vec<ServiceName> = reading.services().cloned().collect();
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

fn targets<'c>(config: &'c Config, services: &[ServiceName]) -> Vec<&'c TargetName> {
    let services = services.iter().filter_map(|name| config.services.get(name));
    services.flat_map(|service| &service.targets).collect()
}

/// The variants that services are replayed under: a policy concerns those that use a policy of its
/// name, where any does, else all.
fn concerned(
    config: &Config,
    service: &ServiceName,
    services: &[ServiceName],
    text: &PolicyText,
) -> bool {
    let uses = |name: &ServiceName| {
        config
            .services
            .get(name)
            .is_some_and(|service| service.policy == text.name)
    };
    !services.iter().any(uses) || uses(service)
}

/// For each service: the watch, what was recorded, the candidate, what it is compared with, and a
/// run for each set of a sweep.
fn jobs(config: &Config, services: &[ServiceName], request: &Request, sets: &[Params]) -> Vec<Job> {
    let mut jobs = Vec::new();
    for service in services {
        let mut candidate = request.candidate.clone();
        candidate.policy = candidate
            .policy
            .filter(|text| concerned(config, service, services, text));
        jobs.push(Job::Watch(service.clone(), request.measure));
        jobs.push(Job::Recorded(service.clone()));
        jobs.push(Job::Run(service.clone(), candidate.clone()));
        if let Some(Against::Policy(text)) = &request.against {
            let against = Variant {
                policy: Some(text.clone()),
                ..Variant::default()
            };
            jobs.push(Job::Run(service.clone(), against));
        }
        for set in sets {
            let mut swept = candidate.clone();
            swept.set.extend(set.clone());
            jobs.push(Job::Run(service.clone(), swept));
        }
    }
    jobs
}

/// Reads once, folds as often as there are jobs; their outcomes in the order of the jobs.
fn work_through(
    reading: Reading,
    counter: Counter,
    jobs: Vec<Job>,
    since: Option<Timestamp>,
    progress: Progress<'_>,
) -> Result<(InputReport, Vec<Done>), ReplayError> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut shares: Vec<Vec<(usize, Job)>> = vec![Vec::new(); cores.min(jobs.len()).max(1)];
    let mut loads = vec![0_usize; shares.len()];
    for (number, job) in jobs.into_iter().enumerate() {
        // A watch asks no policy; the reader has a core to share as well.
        let weight = if matches!(job, Job::Watch(..)) { 1 } else { 4 };
        let least = (0..shares.len())
            .min_by_key(|&share| loads[share])
            .unwrap_or(0);
        loads[least] += weight;
        shares[least].push((number, job));
    }
    let workers = shares
        .into_iter()
        .map(|share| Worker::start(share, since, reading.beside()));
    let workers = workers
        .collect::<Result<Vec<Worker>, _>>()
        .map_err(|error| format!("no thread can be started: {error}"))?;
    let read = reading.run(counter, &workers, progress);
    let mut done = Vec::new();
    for worker in workers {
        done.extend(worker.end()?);
    }
    done.sort_by_key(|(number, _)| *number);
    Ok((read?, done.into_iter().map(|(_, done)| done).collect()))
}

/// What was found out about one service.
struct Part {
    truth: Truth,
    lanes: lanes::Lanes,
    recorded: recorded::Outcome,
    candidate: (Timeline, Counts),
    against: Option<(Timeline, Counts)>,
    swept: Vec<(Timeline, Counts)>,
}

struct Parts(BTreeMap<ServiceName, Part>);

impl Parts {
    fn of(done: Vec<Done>, services: &[ServiceName], sets: &[Params]) -> Self {
        let per_service = done.len() / services.len().max(1);
        let mut done = done.into_iter();
        let mut parts = BTreeMap::new();
        for service in services {
            let mut own: Vec<Done> = done.by_ref().take(per_service).collect();
            let swept = own.split_off(own.len() - sets.len());
            let mut part = Part {
                truth: Truth::default(),
                lanes: lanes::Lanes::default(),
                recorded: None,
                candidate: Default::default(),
                against: None,
                swept: swept.into_iter().filter_map(ran).collect(),
            };
            let mut runs = Vec::new();
            for one in own {
                match one {
                    Done::Watch(truth, lanes) => (part.truth, part.lanes) = (truth, lanes),
                    Done::Recorded(outcome) => part.recorded = outcome,
                    Done::Run(timeline, counts) => runs.push((timeline, counts)),
                }
            }
            let mut runs = runs.into_iter();
            part.candidate = runs.next().unwrap_or_default();
            part.against = runs.next();
            parts.insert(service.clone(), part);
        }
        Self(parts)
    }

    /// # Errors
    /// A run made more changes than are kept: its figures would be wrong.
    fn overflow(&self) -> Result<(), String> {
        for (service, part) in &self.0 {
            let runs = part
                .swept
                .iter()
                .chain([&part.candidate])
                .chain(&part.against);
            let recorded = part.recorded.iter().map(|(timeline, ..)| timeline);
            if runs
                .map(|run| &run.0)
                .chain(recorded)
                .any(|timeline| timeline.overflowed)
            {
                return Err(format!(
                    "more than {CHANGES_MAX} switches of {service}: a policy that moves so often \
                     decides nothing; give it a --max-switches, or replay a shorter stretch with --since"
                ));
            }
        }
        Ok(())
    }
}

fn ran(done: Done) -> Option<(Timeline, Counts)> {
    match done {
        Done::Run(timeline, counts) => Some((timeline, counts)),
        Done::Watch(..) | Done::Recorded(_) => None,
    }
}

fn put_together(
    input: InputReport,
    config: &Config,
    services: &[ServiceName],
    request: &Request,
    sets: &[Params],
    parts: Parts,
) -> Report {
    let window = (input.from, input.to);
    let mut reports = BTreeMap::new();
    let mut sweeps: Vec<Vec<Figures>> = vec![Vec::new(); sets.len()];
    let (mut fidelity, mut found) = (None, Vec::new());
    let mut truths = Vec::new();
    for (service, part) in parts.0 {
        let truth = match &request.incidents {
            Some((incidents, _)) => incidents.truth(&part.truth),
            None => part.truth,
        };
        for (figures, (timeline, counts)) in sweeps.iter_mut().zip(part.swept) {
            figures.push(Figures::of(&timeline, &truth, window, counts));
        }
        let (candidate, counts) = part.candidate;
        let candidate_figures = Figures::of(&candidate, &truth, window, counts);
        let mut recorded = part.recorded.map(|(timeline, counts, faithful)| {
            merge(&mut fidelity, faithful);
            (timeline, counts)
        });
        match &request.against {
            None | Some(Against::Recorded) => {}
            Some(Against::Primary) => {
                recorded = Some((
                    always_primary(config, &service, &candidate, window.0),
                    Counts::default(),
                ));
            }
            Some(Against::Policy(_)) => recorded = part.against,
        }
        let recorded_figures = recorded
            .as_ref()
            .map(|(timeline, counts)| Figures::of(timeline, &truth, window, counts.clone()));
        if let Some((timeline, _)) = &recorded {
            let ttl = request.against != Some(Against::Primary);
            found.extend(divergences(&service, (timeline, &candidate), window, ttl));
        }
        let configured = config.services.get(&service);
        truths.push(truth.clone());
        let report = ServiceReport {
            recorded: recorded_figures,
            candidate: candidate_figures,
            targets: configured
                .map(|service| service.targets.clone())
                .unwrap_or_default(),
            picture: Picture {
                lanes: part.lanes,
                truth,
                recorded: recorded.map(|(timeline, _)| timeline),
                candidate,
            },
        };
        reports.insert(service, report);
    }
    let compared = reports.values().all(|report| report.recorded.is_some()) && !services.is_empty();
    let recorded =
        compared.then(|| Figures::sum(reports.values().filter_map(|r| r.recorded.as_ref())));
    let candidate = Figures::sum(reports.values().map(|report| &report.candidate));
    let verdict = match (compared, found.is_empty()) {
        (false, _) => Verdict::Alone,
        (true, true) => Verdict::Same,
        (true, false) => Verdict::Different,
    };
    let left_out = found.len().saturating_sub(LISTED_MAX);
    found.truncate(LISTED_MAX);
    Report {
        replay: 1,
        truth: truth_report(&truths, window, request),
        policy: policy_in_words(request, config, services, fidelity.is_some()),
        fidelity,
        against: compared.then(|| against_in_words(request)),
        difference: recorded
            .as_ref()
            .map(|old| Differences::of(old, &candidate)),
        limits: limits(&input, request, verdict),
        input,
        recorded,
        candidate,
        services: reports,
        divergences: found,
        divergences_left_out: left_out as u64,
        sweep: swept(sets, &sweeps),
        verdict,
    }
}

fn merge(all: &mut Option<Fidelity>, one: Fidelity) {
    let Some(all) = all else {
        *all = Some(one);
        return;
    };
    all.decisions += one.decisions;
    all.reproduced += one.reproduced;
    all.unverified += one.unverified;
    all.extra += one.extra;
    all.guaranteed &= one.guaranteed;
    let earlier = match (&all.first_difference, &one.first_difference) {
        (Some(known), Some(new)) => new.at < known.at,
        (None, Some(_)) => true,
        _ => false,
    };
    if earlier {
        all.first_difference = one.first_difference;
    }
    all.notes.extend(one.notes);
}

/// No failover: the primary from the first answer on.
fn always_primary(
    config: &Config,
    service: &ServiceName,
    candidate: &Timeline,
    from: Timestamp,
) -> Timeline {
    let mut timeline = Timeline::default();
    let configured = config.services.get(service);
    if let Some(primary) = configured.and_then(|service| service.targets.first()) {
        timeline.push(Served {
            at: candidate
                .changes
                .first()
                .map_or(from, |first| first.at.min(from)),
            serve: vec![primary.clone()],
            place: 0,
            ttl_ms: configured.map_or(0, |service| service.ttl_ms),
            reason: "always the primary".to_owned(),
            line: 0,
            by: crate::failover::By::Guard,
            guard: None,
            evidence: Vec::new(),
        });
    }
    timeline
}

fn truth_report(
    truths: &[Truth],
    (from, to): (Timestamp, Timestamp),
    request: &Request,
) -> TruthReport {
    let mut report = TruthReport {
        truth: request.measure.truth,
        slow_ms: request.measure.slow_ms,
        incidents: request.incidents.as_ref().map(|(_, file)| file.clone()),
        ..TruthReport::default()
    };
    // Services that share a target may use other monitors: it was down where any of them says so.
    let mut all = Truth::default();
    for truth in truths {
        for (kind, of) in [(&mut all.down, &truth.down), (&mut all.slow, &truth.slow)] {
            for (target, spans) in of {
                let known = kind.entry(target.clone()).or_default();
                *known = known.or(spans);
            }
        }
    }
    for (target, spans) in &all.down {
        let mut inside = spans.all().to_vec();
        inside.retain(|(begin, end)| *end > from && *begin < to);
        report.outages.insert(target.clone(), inside.len() as u64);
        report
            .down_ms
            .insert(target.clone(), spans.within_ms(from, to));
    }
    for (target, spans) in &all.slow {
        report
            .slow_for_ms
            .insert(target.clone(), spans.within_ms(from, to));
    }
    report
}

fn swept(sets: &[Params], sweeps: &[Vec<Figures>]) -> Vec<Swept> {
    let sums: Vec<Figures> = sweeps.iter().map(|all| Figures::sum(all.iter())).collect();
    let beats = |one: &Figures, other: &Figures| {
        let (a, b) = (
            (one.down_served_ms, one.switches),
            (other.down_served_ms, other.switches),
        );
        a.0 <= b.0 && a.1 <= b.1 && a != b
    };
    let best: Vec<bool> = sums
        .iter()
        .map(|one| !sums.iter().any(|other| beats(other, one)))
        .collect();
    let runs = sets.iter().zip(sums).zip(best);
    runs.map(|((set, figures), best)| Swept {
        set: set.clone(),
        best,
        figures,
    })
    .collect()
}

fn policy_in_words(
    request: &Request,
    config: &Config,
    services: &[ServiceName],
    recorded: bool,
) -> String {
    let candidate = &request.candidate;
    let mut words = match &candidate.policy {
        Some(text) => text.name.to_string(),
        None => {
            let own = services.iter().filter_map(|name| config.services.get(name));
            let mut names: Vec<&str> = own.map(|service| service.policy.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let as_recorded = if recorded { " as recorded" } else { "" };
            format!("{}{as_recorded}", names.join(", "))
        }
    };
    for (name, value) in &candidate.set {
        words += &format!(", {name} = {value}");
    }
    if !candidate.order.is_empty() {
        let order: Vec<&str> = candidate.order.iter().map(TargetName::as_str).collect();
        words += &format!(", targets {}", order.join(", "));
    }
    if let Some(budget) = candidate.max_switches {
        words += &format!(", at most {} switches", String::from(budget));
    }
    if let Some(vantage) = &candidate.without_vantage {
        words += &format!(", without vantage {vantage}");
    }
    if candidate.thin > 1 {
        words += &format!(", one of {} results", candidate.thin);
    }
    words
}

fn against_in_words(request: &Request) -> String {
    match &request.against {
        None | Some(Against::Recorded) => "recorded".to_owned(),
        Some(Against::Primary) => "none".to_owned(),
        Some(Against::Policy(text)) => text.name.to_string(),
    }
}

fn limits(input: &InputReport, request: &Request, verdict: Verdict) -> Vec<String> {
    let mut limits = Vec::new();
    if verdict == Verdict::Different {
        limits.push(
            "a switch that did not happen would have changed who carries the load: from the first \
             divergence on, latencies are inferred from targets that carried another load"
                .to_owned(),
        );
    }
    limits.push(
        "intervals shorter than recorded cannot be tried; longer ones can, with --thin".to_owned(),
    );
    if input.silent_stretches > 0 || !input.gaps.is_empty() {
        limits.push("while there are no results nobody knows whether a target was up".to_owned());
    }
    if request.candidate.policy.is_some() || !request.candidate.set.is_empty() {
        limits.push(
            "instants that only the candidate remembers bring no ticks: it is asked at recorded inputs"
                .to_owned(),
        );
    }
    limits
}

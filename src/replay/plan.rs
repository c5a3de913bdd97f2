//! The plan: which jobs a request comes to, the reading that serves them all, and what was found out.

use super::{
    Against, ReplayError, Request,
    figures::Counts,
    input::{Counter, InputReport},
    lanes,
    reading::{Progress, Reading},
    recorded,
    timeline::{CHANGES_MAX, Timeline},
    truth::{Home, Truth},
    variant::Variant,
    work::{Done, Job, Worker},
};
use crate::model::{Config, Params, PolicyText, ServiceName, Timestamp};
use std::{collections::BTreeMap, thread};

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
pub(super) fn jobs(
    config: &Config,
    services: &[ServiceName],
    request: &Request,
    sets: &[Params],
) -> Vec<Job> {
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
pub(super) fn work_through(
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
        .map(|share| Worker::start(share, since, reading.beside(), reading.observes()));
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
pub(super) struct Part {
    pub(super) truth: Truth,
    pub(super) homes: Vec<Home>,
    pub(super) lanes: lanes::Lanes,
    pub(super) recorded: recorded::Outcome,
    pub(super) candidate: (Timeline, Counts),
    pub(super) against: Option<(Timeline, Counts)>,
    pub(super) swept: Vec<(Timeline, Counts)>,
}

/// The same of all services.
pub(super) struct Parts(pub(super) BTreeMap<ServiceName, Part>);

impl Parts {
    pub(super) fn of(done: Vec<Done>, services: &[ServiceName], sets: &[Params]) -> Self {
        let per_service = done.len() / services.len().max(1);
        let mut done = done.into_iter();
        let mut parts = BTreeMap::new();
        for service in services {
            let mut own: Vec<Done> = done.by_ref().take(per_service).collect();
            let swept = own.split_off(own.len() - sets.len());
            let mut part = Part {
                truth: Truth::default(),
                homes: Vec::new(),
                lanes: lanes::Lanes::default(),
                recorded: None,
                candidate: Default::default(),
                against: None,
                swept: swept.into_iter().filter_map(ran).collect(),
            };
            let mut runs = Vec::new();
            for one in own {
                match one {
                    Done::Watch(truth, homes, lanes) => {
                        (part.truth, part.homes, part.lanes) = (truth, homes, lanes);
                    }
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

    /// Whether decisions of any service are recorded.
    pub(super) fn are_recorded(&self) -> bool {
        self.0.values().any(|part| part.recorded.is_some())
    }

    /// # Errors
    /// A run made more changes than are kept: its figures would be wrong.
    pub(super) fn overflow(&self) -> Result<(), String> {
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

//! Workers: threads that fold what is read, each some of the jobs, each with a library of its own.

use super::{
    entry::{Batch, Entry},
    figures::Counts,
    lanes::Lanes,
    recorded::{self, Recorded},
    run::Run,
    timeline::Timeline,
    truth::{Home, Measure, Truth, Watch},
    variant::{Variant, VariantError},
};
use crate::{
    failover::{Event, State, What},
    model::{PolicyText, ServiceName, TargetName, Timestamp},
    policy::Library,
    recording::SeriesKey,
};
use std::{
    rc::Rc,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

/// Batches that wait for a worker.
const WAITING: usize = 4;

/// What is to be found out about a service.
#[derive(Clone, Debug)]
pub(super) enum Job {
    /// When its targets were down and slow.
    Watch(ServiceName, Measure),
    /// What was recorded, and whether it comes again.
    Recorded(ServiceName),
    /// What a variant would have done.
    Run(ServiceName, Variant),
}

/// What a job came to.
#[derive(Debug)]
pub(super) enum Done {
    Watch(Truth, Vec<Home>, Lanes),
    Recorded(recorded::Outcome),
    Run(Timeline, Counts),
}

/// A thread with some of the jobs.
pub(super) struct Worker {
    batches: SyncSender<Arc<Batch>>,
    thread: JoinHandle<Result<Vec<(usize, Done)>, VariantError>>,
}

impl Worker {
    /// Starts a thread for these jobs, each under the number by which its outcome is known.
    ///
    /// # Errors
    /// No thread can be had.
    pub(super) fn start(
        jobs: Vec<(usize, Job)>,
        since: Option<Timestamp>,
        beside: Arc<[PolicyText]>,
        observes: bool,
    ) -> std::io::Result<Self> {
        let (batches, waiting) = sync_channel(WAITING);
        let work = move || work(jobs, since, &beside, observes, &waiting);
        let thread = thread::Builder::new()
            .name("replay".to_owned())
            .spawn(work)?;
        Ok(Self { batches, thread })
    }

    /// Whether it still listens.
    pub(super) fn send(&self, batch: Arc<Batch>) -> bool {
        self.batches.send(batch).is_ok()
    }

    /// Ends it; what its jobs came to.
    ///
    /// # Errors
    /// A variant cannot be run.
    pub(super) fn end(self) -> Result<Vec<(usize, Done)>, VariantError> {
        drop(self.batches);
        // A panic goes on where it can be seen.
        match self.thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// A job under way.
enum Under {
    Watch(Box<Watching>),
    Recorded(Box<Recorded>),
    Run(Box<Run>),
}

/// The watch over a service's targets, and what is drawn of them.
struct Watching {
    watch: Watch,
    lanes: Lanes,
    targets: Vec<TargetName>,
    since: Option<Timestamp>,
}

fn work(
    jobs: Vec<(usize, Job)>,
    since: Option<Timestamp>,
    beside: &Arc<[PolicyText]>,
    observes: bool,
    batches: &Receiver<Arc<Batch>>,
) -> Result<Vec<(usize, Done)>, VariantError> {
    let library = Rc::new(Library::new());
    let mut under: Vec<(usize, Under)> = Vec::new();
    for (number, job) in jobs {
        let job = match job {
            Job::Watch(service, measure) => Under::Watch(Box::new(Watching {
                watch: Watch::new(service, measure),
                lanes: Lanes::default(),
                targets: Vec::new(),
                since,
            })),
            Job::Recorded(service) => Under::Recorded(Box::new(Recorded::new(
                service,
                Rc::clone(&library),
                since,
                Arc::clone(beside),
            ))),
            Job::Run(service, variant) => {
                let run = Run::new(
                    service,
                    variant,
                    Rc::clone(&library),
                    since,
                    Arc::clone(beside),
                );
                Under::Run(Box::new(run))
            }
        };
        under.push((number, job));
    }
    let mut end = Timestamp::default();
    let mut whole = Whole::default();
    for batch in batches {
        let before = if observes {
            whole.take(&batch)
        } else {
            Vec::new()
        };
        let last = batch.entries.iter().rev().find_map(Entry::place);
        end = last.map_or(end, |(at, _)| end.max(at));
        for (_, job) in &mut under {
            job.take(&batch, &before)?;
        }
    }
    Ok(under
        .into_iter()
        .map(|(number, job)| (number, job.end(end)))
        .collect())
}

/// All that is known of all services, told from the facts alone: no policy is asked. Services are
/// folded apart; what a reload gives them of each other's targets is here.
#[derive(Default)]
struct Whole {
    state: State,
    keys: Vec<SeriesKey>,
}

/// The whole before each configuration of a batch, by the place of its line.
type Before = Vec<(usize, State)>;

impl Whole {
    fn take(&mut self, batch: &Batch) -> Before {
        self.keys.extend(batch.series.iter().cloned());
        let mut before = Vec::new();
        for (place, entry) in batch.entries.iter().enumerate() {
            match entry {
                Entry::Probe(seen) => {
                    if let Some(key) = self.keys.get(seen.series) {
                        let what = What::Probe(seen.observation(key));
                        let (at, seq) = (seen.at, seen.seq);
                        self.state.apply(&Event { at, seq, what });
                    }
                }
                Entry::Event(event) => match &event.what {
                    What::Decision(_) | What::Fault(_) | What::Shadow(_) | What::Gap(_) => {}
                    What::Config(_) => {
                        before.push((place, self.state.clone()));
                        self.state.apply(event);
                    }
                    _ => self.state.apply(event),
                },
                Entry::State(state) => self.state = State::clone(state),
                Entry::Unknown => {}
            }
        }
        before
    }
}

/// The whole before the line of a place.
fn before_of(before: &Before, place: usize) -> Option<&State> {
    let found = before.binary_search_by_key(&place, |(place, _)| *place);
    found.ok().map(|index| &before[index].1)
}

impl Under {
    fn take(&mut self, batch: &Batch, before: &Before) -> Result<(), VariantError> {
        let mut entries = batch.entries.iter().enumerate();
        match self {
            Self::Watch(watching) => watching.take(batch),
            Self::Recorded(recorded) => {
                batch.series.iter().for_each(|key| recorded.add_series(key));
                entries.for_each(|(place, entry)| recorded.take(entry, before_of(before, place)));
            }
            Self::Run(run) => {
                batch.series.iter().for_each(|key| run.add_series(key));
                return entries
                    .try_for_each(|(place, entry)| run.take(entry, before_of(before, place)));
            }
        }
        Ok(())
    }

    fn end(self, at: Timestamp) -> Done {
        match self {
            Self::Watch(watching) => {
                let (truth, homes) = watching.watch.end(at);
                Done::Watch(truth, homes, watching.lanes)
            }
            Self::Recorded(recorded) => Done::Recorded(recorded.end(at)),
            Self::Run(run) => {
                let (timeline, counts) = run.end(at);
                Done::Run(timeline, counts)
            }
        }
    }
}

impl Watching {
    fn take(&mut self, batch: &Batch) {
        for key in &batch.series {
            self.watch.series(key);
            self.targets.push(key.target.clone());
        }
        for entry in &batch.entries {
            match entry {
                Entry::Probe(seen) => {
                    self.watch.seen(seen);
                    let drawn = seen.local.is_none()
                        && self.since.is_none_or(|since| seen.at >= since)
                        && self.watch.uses(seen.series);
                    if drawn {
                        let target = &self.targets[seen.series];
                        self.lanes.seen(target, seen.at, seen.ok, seen.rtt_us);
                    }
                }
                Entry::Event(event) if matches!(event.what, What::Gap(_)) => {}
                Entry::Event(event) => self.watch.event(event),
                Entry::State(state) => self.watch.begin(state),
                Entry::Unknown => {}
            }
        }
    }
}

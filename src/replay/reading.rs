//! Reading: the recording is read once, on one thread, and handed in batches to the workers that
//! fold it.

use super::{
    entry::{Batch, Entry},
    input::{Counter, InputReport},
    source::Source,
    work::Worker,
};
use crate::{
    failover::{Event, State, What, event::ConfigInForce},
    model::{Config, PolicyText, ServiceName, Timestamp},
    recording::{Item, SeriesKey},
};
use std::{collections::VecDeque, sync::Arc};

/// Who brought the configuration of a recording that has no other than its header.
pub(super) const BY_HEADER: &str = "recording";
/// Lines that are handed on together.
const BATCH: usize = 4_096;
/// How far it is looked for a configuration before anything is folded.
const AHEAD_MAX: usize = 10_000;

/// What is said while it is read: observations so far, and the instant.
pub type Progress<'a> = &'a dyn Fn(u64, Timestamp);

/// A recording about to be folded: what stands before the first observation is known.
pub(super) struct Reading {
    source: Source,
    ahead: VecDeque<Item>,
    known_series: usize,
    until: Option<Timestamp>,
    /// The configuration with which it begins.
    pub(super) config: Arc<Config>,
    /// It has no configuration but its header's.
    by_header: bool,
}

impl Reading {
    /// Looks for the configuration.
    ///
    /// # Errors
    /// What is wrong with the recording, in a sentence with its place.
    pub(super) fn begin(mut source: Source, until: Option<Timestamp>) -> Result<Self, String> {
        let mut ahead = VecDeque::new();
        let mut config = None;
        while ahead.len() < AHEAD_MAX {
            let Some(item) = source.next().transpose()? else {
                break;
            };
            let goes_on = match &item {
                Item::State(state) => {
                    config = Some(Arc::clone(&state.world().config));
                    false
                }
                Item::Event(event) => match &event.what {
                    What::Config(in_force) => {
                        config = Some(Arc::clone(&in_force.config));
                        false
                    }
                    What::Start(_) | What::Policy(_) | What::Clock(_) | What::Refused(_) => true,
                    _ => false,
                },
                Item::Unknown { .. } => true,
                Item::Probe(_) => false,
            };
            ahead.push_back(item);
            if !goes_on {
                break;
            }
        }
        let header = source.header();
        let (by_header, config) = match config {
            Some(config) => (false, config),
            None => (true, Arc::new(header.config.clone())),
        };
        if by_header && let Some((at, seq)) = ahead.iter().find_map(place) {
            let what = |what| Event {
                at,
                seq: seq.saturating_sub(1),
                what,
            };
            let in_force = ConfigInForce {
                by: BY_HEADER.to_owned(),
                config: Arc::clone(&config),
                zone_versions: Vec::new(),
            };
            // Policies that come as lines stand before the first observation: they are known by then.
            let first = ahead.iter().position(|item| {
                !matches!(item, Item::Event(event) if matches!(event.what, What::Start(_) | What::Policy(_)))
            });
            let first = first.unwrap_or(ahead.len());
            ahead.insert(first, Item::Event(Box::new(what(What::Config(in_force)))));
            for text in header.policies.iter().rev() {
                let event = what(What::Policy(text.clone()));
                ahead.push_front(Item::Event(Box::new(event)));
            }
        }
        Ok(Self {
            source,
            ahead,
            known_series: 0,
            until,
            config,
            by_header,
        })
    }

    /// Whether configurations come while it is read, so that what is known of others matters.
    pub(super) fn observes(&self) -> bool {
        !self.by_header
    }

    /// Texts that it brings along.
    pub(super) fn beside(&self) -> Arc<[PolicyText]> {
        self.source.header().policies.clone().into()
    }

    /// The services that it begins with.
    pub(super) fn services(&self) -> impl Iterator<Item = &ServiceName> {
        self.config.services.keys()
    }

    /// Reads it all, and hands it to the workers. Ends early where none listens any more.
    ///
    /// # Errors
    /// What is wrong with the recording, in a sentence with its place.
    pub(super) fn run(
        mut self,
        mut counter: Counter,
        workers: &[Worker],
        progress: Progress<'_>,
    ) -> Result<InputReport, String> {
        let mut batch = Batch::default();
        let mut observations = 0_u64;
        loop {
            let item = match self.ahead.pop_front() {
                Some(item) => Some(item),
                None => self.source.next().transpose()?,
            };
            let Some(item) = item else { break };
            let at = place(&item).map(|(at, _)| at);
            if self.until.zip(at).is_some_and(|(until, at)| at >= until) {
                break;
            }
            for key in self.new_series() {
                counter.series(&key);
                batch.series.push(key);
            }
            batch.entries.push(match item {
                Item::Probe(seen) => {
                    observations += 1;
                    counter.seen(&seen);
                    Entry::Probe(seen)
                }
                Item::Event(event) => {
                    counter.event(&event);
                    Entry::Event(Arc::from(event))
                }
                Item::State(state) => {
                    counter.configured(&state.world().config);
                    Entry::State(Arc::<State>::from(state))
                }
                Item::Unknown { .. } => Entry::Unknown,
            });
            if batch.entries.len() >= BATCH {
                progress(observations, at.unwrap_or_default());
                if !hand_on(&mut batch, workers) {
                    break;
                }
            }
        }
        hand_on(&mut batch, workers);
        let until = self.until;
        Ok(counter.end(self.source.notes(), until))
    }

    fn new_series(&mut self) -> Vec<SeriesKey> {
        let all = self.source.series();
        if all.len() == self.known_series {
            return Vec::new();
        }
        let new = all[self.known_series..].to_vec();
        self.known_series = all.len();
        new
    }
}

/// Whether anybody still listens.
fn hand_on(batch: &mut Batch, workers: &[Worker]) -> bool {
    let shared = Arc::new(std::mem::take(batch));
    let mut all = workers.iter();
    all.all(|worker| worker.send(Arc::clone(&shared)))
}

fn place(item: &Item) -> Option<(Timestamp, u64)> {
    match item {
        Item::Probe(seen) => Some((seen.at, seen.seq)),
        Item::Event(event) => Some((event.at, event.seq)),
        Item::State(state) => Some((state.world().at, state.world().seq)),
        Item::Unknown { .. } => None,
    }
}

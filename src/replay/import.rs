//! A recording as a new journal: for `sidestep log`, for a daemon, for whoever likes SQL.

use crate::{
    failover::{Event, State, What, event::ConfigInForce},
    journal::{self, Journal, Settings},
    model::{Config, PolicyText, PolicyVersion, Timestamp},
    policy::BUILTIN_SOURCE,
    recording::{self, Header, Item, Notes, Reading, Recording},
};
use std::{fs, path::Path, sync::Arc, time::Duration};

/// Events that are written together.
const BATCH: usize = 1_000;
/// Events after which the disk is waited for: far fewer than the journal's backlog takes.
const AHEAD_MAX: u64 = 20_000;
/// A disk that takes longer is not coming back.
const DISK: Duration = Duration::from_secs(60);
/// What a journal puts into its folder.
const FILES: [&str; 4] = [
    "journal.sqlite",
    "journal.sqlite-wal",
    "journal.sqlite-shm",
    "lock",
];

/// What was imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// How many events.
    pub events: u64,
    /// How many of them are observations.
    pub observations: u64,
    /// When the first and the last happened.
    pub between: Option<(Timestamp, Timestamp)>,
    /// What was noticed.
    pub notes: Notes,
}

/// Reads the recording at `path` into a new journal in `folder`.
///
/// # Errors
/// A sentence: there is a journal already, another daemon has the folder, the recording is bad or
/// the disk refuses. Nothing of the journal stays then.
pub fn import(path: &Path, reading: &Reading, folder: &Path) -> Result<Imported, String> {
    let shown = folder.display();
    if journal::exists(folder) {
        return Err(format!(
            "there is a journal in {shown} already: import into a folder without one (--data)"
        ));
    }
    let recording = recording::open(path, reading).map_err(|error| error.to_string())?;
    let settings = Settings {
        // What was recorded long ago is wanted all the same.
        keep_ms: i64::MAX,
        bytes_max: u64::MAX,
        group_for: Duration::ZERO,
        snapshot_every: Duration::MAX,
        ..Settings::default()
    };
    let opened = journal::open(folder, settings).map_err(|error| error.to_string())?;
    let imported = Import::new(recording).run(opened);
    imported.map_err(|why| {
        for file in FILES {
            // What is not there need not go.
            let _ = fs::remove_file(folder.join(file));
        }
        format!("{why}; nothing was imported into {shown}")
    })
}

struct Import {
    recording: Recording,
    /// Everything that is known so far.
    state: State,
    /// What the journal begins with instead of events.
    begin: Option<State>,
    /// By how much numbers are moved: a foreign format leaves no room for its configuration.
    shift: u64,
    batch: Vec<Event>,
    /// The number of the last event that the journal was given.
    written: u64,
    /// How many events there were when the disk was last waited for.
    waited: u64,
    imported: Imported,
}

impl Import {
    fn new(recording: Recording) -> Self {
        Self {
            recording,
            state: State::default(),
            begin: None,
            shift: 0,
            batch: Vec::new(),
            written: 0,
            waited: 0,
            imported: Imported::default(),
        }
    }

    fn run(mut self, mut opened: journal::Opened) -> Result<Imported, String> {
        let mut ahead = Vec::new();
        let said = |error: recording::RecordingError| error.to_string();
        let is_begun = loop {
            let Some(item) = self.recording.next().transpose().map_err(said)? else {
                break false;
            };
            let configured = is_configured(&item);
            let is_first = configured || matches!(item, Item::Probe(_));
            ahead.push(item);
            if is_first {
                break configured;
            }
        };
        self.begin(&ahead, is_begun);
        if let Some(state) = &self.begin {
            opened.recovered.state = state.clone();
            let texts = &self.recording.header().policies;
            opened.recovered.versions = named(state, texts);
            self.state = state.clone();
        }
        let started = opened.start(Box::new(|_| {}));
        let (_, journal) = started.map_err(|error| format!("no thread can be had: {error}"))?;
        let filled = self.fill(&journal, ahead);
        journal.stop();
        filled?;
        self.imported.notes = self.recording.notes().clone();
        Ok(self.imported)
    }

    fn fill(&mut self, journal: &Journal, ahead: Vec<Item>) -> Result<(), String> {
        if let Some(state) = self.begin.take() {
            journal.snapshot(state);
        }
        for event in std::mem::take(&mut self.batch) {
            self.event(journal, event)?;
        }
        for item in ahead {
            self.item(journal, item)?;
        }
        while let Some(item) = self.recording.next() {
            self.item(journal, item.map_err(|error| error.to_string())?)?;
        }
        self.snapshot(journal)
    }

    /// Gives the journal the state. It keeps one that waits, so what was given before goes first.
    fn snapshot(&mut self, journal: &Journal) -> Result<(), String> {
        self.flush(journal);
        if !journal.wait_for(self.written, DISK) {
            return Err(refusal(journal));
        }
        journal.snapshot(self.state.clone());
        Ok(())
    }

    /// What comes before the first line, where no line brings a configuration.
    fn begin(&mut self, ahead: &[Item], is_begun: bool) {
        let header = self.recording.header();
        if let Some(Item::State(state)) = ahead.first() {
            self.begin = Some((**state).clone());
            return;
        }
        if is_begun || header.config.services.is_empty() {
            return;
        }
        let first = ahead.first().map(place).unwrap_or_default();
        let events = in_force(header, first.0);
        let room = first.1.saturating_sub(1);
        let is_foreign = !header.by.starts_with("sidestep");
        if is_foreign && room == 0 {
            self.shift = events.len() as u64;
            self.batch = events;
            return;
        }
        // Numbers are kept, and there are none left before the first: a state has none.
        let mut state = State::default();
        for event in events {
            state.apply(&Event { seq: room, ..event });
        }
        self.begin = Some(state);
    }

    fn item(&mut self, journal: &Journal, item: Item) -> Result<(), String> {
        let event = match item {
            Item::Probe(seen) => {
                self.imported.observations += 1;
                let key = &self.recording.series()[seen.series];
                Event {
                    at: seen.at,
                    seq: seen.seq,
                    what: What::Probe(seen.observation(key)),
                }
            }
            Item::Event(event) => *event,
            Item::State(state) => {
                // The first was taken already, and is taken again.
                if state.world().seq >= self.state.world().seq {
                    self.state = *state;
                    self.snapshot(journal)?;
                }
                return Ok(());
            }
            Item::Unknown { .. } => return Ok(()),
        };
        let seq = event.seq.saturating_add(self.shift);
        self.event(journal, Event { seq, ..event })
    }

    fn event(&mut self, journal: &Journal, event: Event) -> Result<(), String> {
        let last = self.state.world().seq;
        if event.seq <= last {
            return Err(format!(
                "number {} comes after {last}: the numbers of a journal only grow",
                event.seq
            ));
        }
        self.state.apply(&event);
        let since = self.imported.between.map_or(event.at, |(since, _)| since);
        self.imported.between = Some((since, event.at));
        self.imported.events += 1;
        self.batch.push(event);
        if self.batch.len() >= BATCH {
            self.flush(journal);
            if self.imported.events - self.waited >= AHEAD_MAX {
                self.waited = self.imported.events;
                if !journal.wait_for(self.written, DISK) {
                    return Err(refusal(journal));
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self, journal: &Journal) {
        self.written = self.batch.last().map_or(self.written, |event| event.seq);
        journal.write(std::mem::take(&mut self.batch), None);
    }
}

/// Whether an item puts a configuration in force.
fn is_configured(item: &Item) -> bool {
    match item {
        Item::State(_) => true,
        Item::Event(event) => matches!(event.what, What::Config(_)),
        Item::Probe(_) | Item::Unknown { .. } => false,
    }
}

/// Time and number of an item.
fn place(item: &Item) -> (Timestamp, u64) {
    match item {
        Item::Probe(seen) => (seen.at, seen.seq),
        Item::Event(event) => (event.at, event.seq),
        Item::State(state) => (state.world().at, state.world().seq),
        Item::Unknown { .. } => (Timestamp::default(), 0),
    }
}

/// The events that put a header in force, from number 1 on.
fn in_force(header: &Header, at: Timestamp) -> Vec<Event> {
    let mut texts = header.policies.clone();
    let default = crate::model::service::default_policy();
    let uses = |config: &Config| config.services.values().any(|one| one.policy == default);
    if uses(&header.config) && texts.iter().all(|text| text.name != default) {
        texts.push(PolicyText {
            name: default,
            source: BUILTIN_SOURCE.into(),
        });
    }
    let config = What::Config(ConfigInForce {
        by: "import".to_owned(),
        config: Arc::new(header.config.clone()),
        zone_versions: Vec::new(),
    });
    let facts = texts.into_iter().map(What::Policy).chain([config]);
    let numbered = (1..).zip(facts);
    numbered
        .map(|(seq, what)| Event { at, seq, what })
        .collect()
}

/// The versions that a state names, as far as texts are there and the parameters are those in force.
fn named(state: &State, texts: &[PolicyText]) -> journal::Versions {
    let world = state.world();
    let mut versions = journal::Versions::new();
    for service in world.config.services.values() {
        for text in world.policies.values().chain(texts) {
            let version = PolicyVersion::of(&text.source, &service.params);
            let pair = (text.clone(), service.params.clone());
            versions.insert(version, pair);
        }
    }
    versions
}

fn refusal(journal: &Journal) -> String {
    let why = journal.health().degraded.map(|degraded| degraded.why);
    let why = why.unwrap_or_else(|| "it takes too long".to_owned());
    format!("the journal cannot be written: {why}")
}

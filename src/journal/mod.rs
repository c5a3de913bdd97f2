//! The journal: every event on disk, in order, and the state again after a restart.
//!
//! [`open`] folds what is there, [`Opened::start`] starts the writer, [`Journal::write`] gives it
//! events. Nobody waits for the disk: where it refuses, events wait in a bounded backlog and an
//! alarm stands. What cannot be read is set aside, never in the way. [`read`] is for everybody
//! else. Knows SQLite and the fold; no clock of the fold, no policy, no file but its own.

mod backlog;
mod cursor;
mod fault;
mod lock;
mod read;
mod record;
mod recover;
mod salvage;
mod schema;
mod snapshot;
mod store;
mod stretch;
mod tend;
mod writer;

pub use lock::OpenError;
pub use read::{Events, ReadError, read, state_before, state_covering};
pub use stretch::{Begin, Passage, Stretch, stretch, versions};

use crate::{
    failover::{Event, State, overview::JournalPart},
    model::{Params, PolicyText, PolicyVersion, time::DAY_MS},
};
use backlog::Lost;
use fault::{Attempt, Trouble};
use lock::Lock;
use recover::Found;
use rusqlite::Connection;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};
use store::{Store, Texts};
use writer::{Shared, Writer};

/// How the journal is, for operators.
pub type JournalHealth = JournalPart;

/// Texts and parameters by policy version.
pub type Versions = BTreeMap<PolicyVersion, (PolicyText, Params)>;

/// Knobs; the default is what the daemon uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Observations, ticks and witness results older than this go, in ms.
    pub keep_ms: i64,
    /// Used pages and WAL, in bytes; past it the oldest observations go, decisions stay.
    pub bytes_max: u64,
    /// How long an observation may wait to be committed with others.
    pub group_for: Duration,
    /// Events that may wait for the disk.
    pub backlog_max: usize,
    /// Events after which a snapshot is wanted …
    pub snapshot_after: u64,
    /// … or after this long, where anything came at all.
    pub snapshot_every: Duration,
    /// Pause between attempts while the disk refuses.
    pub retry_every: Duration,
    /// How often roll-ups and retention are looked after.
    pub tend_every: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keep_ms: 30 * DAY_MS,
            bytes_max: 1 << 30,
            group_for: Duration::from_secs(1),
            backlog_max: 65_536,
            snapshot_after: 20_000,
            snapshot_every: Duration::from_secs(300),
            retry_every: Duration::from_secs(1),
            tend_every: Duration::from_secs(60),
        }
    }
}

/// The files in force, as text: for a restart with broken files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// By role (`config`, `policy`, `zone`, …) and name.
    pub files: BTreeMap<(String, String), Arc<str>>,
}

/// What the journal said when it was opened.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// The newest snapshot and the fold of what came after it; the default where there is nothing.
    pub state: State,
    /// The files that were last in force.
    pub kept: Option<Kept>,
    /// Every text with its parameters that a service's `policy` or `previous` in `state` names.
    pub versions: Versions,
    /// What was damaged, where it was set aside and what was saved from it: sentences for operators.
    pub alarms: Vec<String>,
    /// Events folded after the snapshot.
    pub folded: u64,
}

/// A journal that is locked and read, and not written yet.
#[derive(Debug)]
pub struct Opened {
    /// What it said.
    pub recovered: Recovered,
    folder: PathBuf,
    settings: Settings,
    lock: Lock,
    store: Option<Store>,
    /// What the file begins with, where it is a new one in the place of another.
    aside: Option<PathBuf>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// The name of a journal's file in its folder.
pub const FILE: &str = schema::FILE;

/// Whether there is a journal in `folder`, readable or not.
pub fn exists(folder: &Path) -> bool {
    folder.join(schema::FILE).exists()
}

/// Opens `folder/journal.sqlite` where there is one, takes the folder's lock, folds what is there.
/// Never fails because of what is in the journal: what cannot be read is set aside under another
/// name, saved as far as it can be, and named in [`Recovered::alarms`]. Where the disk takes no
/// write it stays where it is. Fails where another daemon has the folder, or there is none and
/// none can be made.
pub fn open(folder: &Path, settings: Settings) -> Result<Opened, OpenError> {
    let lock = lock::take(folder)?;
    let path = folder.join(schema::FILE);
    let (mut found, store, aside) = match read_all(&path) {
        Ok(read) => (read.0, read.1, None),
        // Whoever holds it may be in the middle of something: it stays where it is.
        Err(Trouble::Busy) => (salvage::in_place(&path, &Trouble::Busy), None, None),
        Err(trouble) => match salvage::set_aside(folder) {
            Ok(aside) => (salvage::salvage(&aside, &trouble), None, Some(aside)),
            Err(_) => (salvage::in_place(&path, &trouble), None, None),
        },
    };
    found.alarms.extend(lock.alarm.clone());
    Ok(Opened {
        recovered: Recovered {
            state: found.state,
            kept: found.kept,
            versions: found.versions,
            alarms: found.alarms,
            folded: found.folded,
        },
        folder: folder.to_owned(),
        settings,
        lock,
        store,
        aside,
    })
}

/// How long a start waits for somebody who holds the file.
const BUSY_FOR: Duration = Duration::from_secs(5);

/// Between two looks whether it is free.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// What the file says, and the file, where it can be written.
fn read_all(path: &Path) -> Attempt<(Found, Option<Store>)> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((Found::default(), None));
        }
        Ok(found) if found.is_file() && found.len() == 0 => {
            return Err(Trouble::damaged("it is empty"));
        }
        _ => {}
    }
    let began = Instant::now();
    loop {
        match read_with(|| Store::open(path), |store| &store.connection) {
            Ok((found, store)) => return Ok((found, Some(store))),
            Err(Trouble::Busy) if began.elapsed() < BUSY_FOR => thread::sleep(BUSY_PAUSE),
            Err(damaged @ Trouble::Damaged(_)) => return Err(damaged),
            // A full disk has no room for the index of the WAL: the state is read all the same.
            Err(refused) => {
                let alone = read_with(|| ours(schema::open_alone(path)?), |connection| connection);
                let found = match alone {
                    Ok((found, _)) => Ok(found),
                    Err(_) if has_wal(path) => return Err(refused),
                    // Read-only, and closed in order: there is no WAL, and none can be made.
                    Err(_) => read_with(|| ours(schema::open_as_it_is(path)?), |it| it)
                        .map(|(found, _)| found),
                };
                return found.map(|found| (found, None)).map_err(|_| refused);
            }
        }
    }
}

fn has_wal(path: &Path) -> bool {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    fs::metadata(wal).is_ok_and(|wal| wal.len() > 0)
}

fn ours(connection: Connection) -> Attempt<Connection> {
    match schema::stranger(&connection)? {
        None => Ok(connection),
        Some(why) => Err(Trouble::Damaged(why)),
    }
}

fn read_with<T>(
    open: impl FnOnce() -> Attempt<T>,
    connection: impl Fn(&T) -> &Connection,
) -> Attempt<(Found, T)> {
    let opened = open()?;
    let found = recover::recover(connection(&opened))?;
    Ok((found, opened))
}

impl Opened {
    /// Starts the writer's thread. `committed` is called on it after each commit with the number
    /// of the last durable event; it must not block and must not call the journal.
    /// Fails where no thread can be had.
    pub fn start(self, committed: Box<dyn Fn(u64) + Send>) -> io::Result<(Recovered, Journal)> {
        let shared = Arc::new(Shared::new(self.settings.backlog_max));
        let recovered = self.recovered;
        self.settings.seed(&shared, &recovered, self.aside);
        let world = recovered.state.world();
        let writer = Writer {
            shared: Arc::clone(&shared),
            folder: self.folder,
            settings: self.settings.clone(),
            store: self.store,
            texts: Texts {
                policies: world.policies.clone(),
                versions: recovered.versions.clone(),
                kept: recovered.kept.clone(),
            },
            committed,
            lock: self.lock,
            tainted: false,
            opened: false,
            retry_at: None,
            tend_at: writer::after(self.settings.tend_every),
            figures_at: Instant::now(),
        };
        thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run())?;
        let owner = Arc::new(Owner {
            shared,
            settings: self.settings,
        });
        Ok((recovered, Journal { owner }))
    }
}

impl Settings {
    /// What the writer begins with.
    fn seed(&self, shared: &Shared, recovered: &Recovered, aside: Option<PathBuf>) {
        let world = recovered.state.world();
        shared.committed.store(world.seq, Ordering::Release);
        let mut desk = shared.desk();
        (desk.last_seq, desk.last_at) = (world.seq, world.at);
        desk.since_snapshot = recovered.folded;
        desk.part.alarms.clone_from(&recovered.alarms);
        if world.seq == 0 {
            return;
        }
        if let Some(aside) = aside {
            desk.backlog.miss(Lost {
                from_seq: 1,
                to_seq: world.seq,
                lost: world.seq,
                at: world.at,
                why: format!("earlier events are in {}", aside.display()),
            });
        } else if recovered.alarms.is_empty() {
            return;
        }
        desk.backlog.snapshot(recovered.state.clone());
        desk.since_snapshot = 0;
    }
}

/// Ends the writer with the last [`Journal`].
struct Owner {
    shared: Arc<Shared>,
    settings: Settings,
}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut desk = self.shared.desk();
        desk.stop_by.get_or_insert(Instant::now() + writer::STOP);
        self.shared.work.notify_all();
    }
}

/// The journal as the daemon has it. Cheap to clone. Every method but [`Journal::stop`] and
/// [`Journal::wait_for`] returns at once, whatever the disk does.
#[derive(Clone)]
pub struct Journal {
    owner: Arc<Owner>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

impl Journal {
    /// Takes the events of one step, in order: they are committed in one transaction together or
    /// not at all, and never before what was written earlier. At once, unless all are
    /// observations, ticks and witness results, which wait up to `group_for`.
    /// `kept` replaces the kept files in the same transaction. After a stop nothing is taken.
    pub fn write(&self, events: Vec<Event>, kept: Option<Kept>) {
        let shared = &self.owner.shared;
        let urgent = kept.is_some() || !events.iter().all(|event| record::is_light(&event.what));
        let mut desk = shared.desk();
        if desk.stop_by.is_some() || (events.is_empty() && kept.is_none()) {
            return;
        }
        if let Some(last) = events.last() {
            (desk.last_seq, desk.last_at) = (last.seq, last.at);
        }
        desk.since_snapshot += events.len() as u64;
        let why = desk.why();
        desk.backlog.push(events, kept, &why);
        // Looking at what waited before is the writer's part.
        desk.urgent |= urgent || desk.backlog.overflows();
        let first = desk.waits_since.is_none();
        desk.waits_since.get_or_insert_with(Instant::now);
        let notify = desk.urgent || first;
        drop(desk);
        if notify {
            shared.work.notify_one();
        }
    }

    /// Whether the writer wants [`Journal::snapshot`] called soon.
    pub fn wants_snapshot(&self) -> bool {
        let settings = &self.owner.settings;
        let desk = self.owner.shared.desk();
        if desk.stop_by.is_some() {
            return false;
        }
        if desk.backlog.is_blocked() {
            return true;
        }
        let due = desk.since_snapshot >= settings.snapshot_after
            || desk.since_snapshot > 0 && desk.snapshot_at.elapsed() >= settings.snapshot_every;
        // A state that waits for a disk that refuses would only hold memory.
        due && !desk.backlog.has_snapshot() && !desk.fails
    }

    /// The state as of the last event given to [`Journal::write`]. The writer serializes it.
    pub fn snapshot(&self, state: State) {
        let mut desk = self.owner.shared.desk();
        if desk.stop_by.is_some() {
            return;
        }
        desk.backlog.snapshot(state);
        desk.since_snapshot = 0;
        desk.snapshot_at = Instant::now();
        drop(desk);
        self.owner.shared.work.notify_one();
    }

    /// The number of the last event that is on disk.
    pub fn committed(&self) -> u64 {
        self.owner.shared.committed.load(Ordering::Acquire)
    }

    /// Waits until event `seq` is on disk; false after `timeout`, or where the writer ended.
    pub fn wait_for(&self, seq: u64, timeout: Duration) -> bool {
        let by = writer::after(timeout);
        let mut desk = self.owner.shared.desk();
        loop {
            if self.committed() >= seq {
                return true;
            }
            let left = by.saturating_duration_since(Instant::now());
            if left.is_zero() || desk.ended {
                return false;
            }
            let waited = self.owner.shared.news.wait_timeout(desk, left);
            desk = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// Whether the disk refuses or is slow.
    pub fn is_degraded(&self) -> bool {
        self.owner.shared.desk().part.degraded.is_some()
    }

    /// How it is.
    pub fn health(&self) -> JournalHealth {
        let desk = self.owner.shared.desk();
        JournalPart {
            committed: self.committed(),
            backlog: desk.backlog.waiting() as u64,
            gaps: desk.backlog.gaps,
            lost: desk.backlog.lost,
            ..desk.part.clone()
        }
    }

    /// Commits what waits (at most 5 s) and closes. A gap without a snapshot is not committed.
    pub fn stop(&self) {
        let shared = &self.owner.shared;
        let by = Instant::now() + writer::STOP;
        let mut desk = shared.desk();
        desk.stop_by.get_or_insert(by);
        shared.work.notify_all();
        while !desk.ended {
            let left = by.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = shared.news.wait_timeout(desk, left);
            desk = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }
}

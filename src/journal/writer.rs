//! The writer's thread: takes what waits, commits it, and goes on trying where the disk refuses.
//!
//! Nobody waits for it but who asked to. It reads a clock for waiting and for saying since when;
//! the time of events is theirs.

use super::{
    Settings,
    backlog::{Backlog, Batch, Lost},
    fault::{Attempt, Trouble},
    lock::Lock,
    salvage,
    schema::FILE,
    store::{Store, Texts},
    tend,
};
use crate::{
    failover::overview::{Degraded, JournalPart},
    model::Timestamp,
};
use std::{
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// A commit that takes longer is an alarm: decisions are published before they are on disk.
const SLOW: Duration = Duration::from_millis(250);
/// How long a stop waits for the disk.
pub(super) const STOP: Duration = Duration::from_secs(5);
/// How often the figures of [`JournalPart`] are counted anew while events come.
const FIGURES_EVERY: Duration = Duration::from_secs(1);

/// What the writer and everybody else look at; held for moments only.
pub(super) struct Shared {
    desk: Mutex<Desk>,
    /// The writer waits here.
    pub(super) work: Condvar,
    /// Everybody else waits here.
    pub(super) news: Condvar,
    pub(super) committed: AtomicU64,
}

/// Between the writer and everybody else.
pub(super) struct Desk {
    pub(super) backlog: Backlog,
    /// Since when something waits.
    pub(super) waits_since: Option<Instant>,
    pub(super) urgent: bool,
    pub(super) stop_by: Option<Instant>,
    pub(super) ended: bool,
    /// The last attempt failed: nothing can be written, however long it waits.
    pub(super) fails: bool,
    pub(super) last_seq: u64,
    pub(super) last_at: Timestamp,
    pub(super) since_snapshot: u64,
    pub(super) snapshot_at: Instant,
    /// What is shown; the numbers of the backlog are put in when it is asked for.
    pub(super) part: JournalPart,
}

impl Shared {
    pub(super) fn new(backlog_max: usize) -> Self {
        Self {
            desk: Mutex::new(Desk {
                backlog: Backlog::new(backlog_max),
                waits_since: None,
                urgent: false,
                stop_by: None,
                ended: false,
                fails: false,
                last_seq: 0,
                last_at: Timestamp::default(),
                since_snapshot: 0,
                snapshot_at: Instant::now(),
                part: JournalPart::default(),
            }),
            work: Condvar::new(),
            news: Condvar::new(),
            committed: AtomicU64::new(0),
        }
    }

    /// What is here is whole at every moment, also where somebody panicked with it in hand.
    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// Why events would be let go now.
    pub(super) fn why(&self) -> String {
        match &self.part.degraded {
            Some(degraded) => degraded.why.clone(),
            None => "the disk was too slow".to_owned(),
        }
    }
}

/// What is to be said of the disk, once nobody waits for the desk.
enum News {
    None,
    Degraded(String),
    Well,
}

impl News {
    fn say(self) {
        match self {
            Self::None => {}
            Self::Degraded(why) => {
                tracing::error!("the journal is in trouble: {why}; nothing waits for it");
            }
            Self::Well => tracing::info!("the journal is written in time again"),
        }
    }
}

impl Desk {
    /// Notes why the disk is an alarm now, or that it is none; since when it was stays.
    fn degrade(&mut self, why: Option<String>) -> News {
        let before = self.part.degraded.take();
        let news = match (&before, &why) {
            (None, Some(why)) => News::Degraded(why.clone()),
            (Some(_), None) => News::Well,
            _ => News::None,
        };
        let since_ms = before.map(|degraded| degraded.since_ms);
        self.part.degraded = why.map(|why| Degraded {
            since_ms: since_ms.unwrap_or_else(wall),
            why,
        });
        news
    }
}

/// What the writer owns.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) folder: PathBuf,
    pub(super) settings: Settings,
    pub(super) store: Option<Store>,
    pub(super) texts: Texts,
    pub(super) committed: Box<dyn Fn(u64) + Send>,
    /// Held as long as the writer lives.
    pub(super) lock: Lock,
    /// Pages may be lost that were said to be written.
    pub(super) tainted: bool,
    /// Whether the file was open before: only then is what is in it and not committed ours.
    pub(super) opened: bool,
    pub(super) retry_at: Option<Instant>,
    pub(super) tend_at: Instant,
    pub(super) figures_at: Instant,
}

enum Work {
    Commit(Batch),
    Connect,
    Tend,
    End,
}

/// Says that the writer ended, however it did.
struct Ends(Arc<Shared>);

impl Drop for Ends {
    fn drop(&mut self) {
        let mut desk = self.0.desk();
        desk.ended = true;
        if desk.stop_by.is_none() {
            desk.part.degraded.get_or_insert(Degraded {
                since_ms: wall(),
                why: "the journal's writer ended in a fault of this program: restart sidestep"
                    .to_owned(),
            });
        }
        self.0.news.notify_all();
    }
}

/// The instant this much later; a year at most, since clocks end somewhere.
pub(super) fn after(pause: Duration) -> Instant {
    Instant::now() + pause.min(Duration::from_secs(365 * 24 * 3_600))
}

fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.map_or(0, |since| since.as_millis());
    Timestamp(i64::try_from(ms).unwrap_or(i64::MAX))
}

impl Writer {
    /// Runs until told to stop.
    pub(super) fn run(mut self) {
        let ends = Ends(Arc::clone(&self.shared));
        self.attempt(Self::connect);
        loop {
            match self.next() {
                Work::Commit(batch) => self.commit(batch),
                Work::Connect => self.attempt(Self::connect),
                Work::Tend => self.attempt(Self::tend),
                Work::End => break,
            }
        }
        drop(self.store.take());
        drop(self.lock);
        drop(ends);
    }

    /// Waits for something to do.
    fn next(&self) -> Work {
        let mut desk = self.shared.desk();
        loop {
            let now = Instant::now();
            if let Some(by) = desk.stop_by
                && (now >= by || desk.backlog.is_over())
            {
                return Work::End;
            }
            let until = match self.retry_at {
                Some(at) if now >= at => return Work::Connect,
                Some(at) => at,
                None => {
                    let due = self.commit_at(&desk, now);
                    if due.is_some_and(|due| due <= now)
                        && let Some(batch) = desk.backlog.take()
                    {
                        desk.urgent = false;
                        desk.waits_since = None;
                        return Work::Commit(batch);
                    }
                    if now >= self.tend_at && desk.stop_by.is_none() {
                        return Work::Tend;
                    }
                    due.filter(|due| *due > now)
                        .map_or(self.tend_at, |due| due.min(self.tend_at))
                }
            };
            let until = desk.stop_by.map_or(until, |by| by.min(until));
            let pause = until.saturating_duration_since(now);
            let pause = pause.max(Duration::from_millis(1));
            let waited = self.shared.work.wait_timeout(desk, pause);
            desk = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// When what waits is to be committed; `None` where nothing may be.
    fn commit_at(&self, desk: &Desk, now: Instant) -> Option<Instant> {
        if desk.backlog.is_blocked() {
            return None;
        }
        if desk.urgent || desk.stop_by.is_some() || desk.backlog.has_snapshot() {
            return Some(now);
        }
        let since = desk.waits_since?;
        since.checked_add(self.settings.group_for)
    }

    fn commit(&mut self, batch: Batch) {
        let began = Instant::now();
        let written = match &mut self.store {
            Some(store) => store.commit(&batch, &mut self.texts),
            None => Err(Trouble::Refused("it is not open".to_owned())),
        };
        match written {
            Ok(()) => {
                self.durable(batch.last_seq, began.elapsed());
                self.attempt(|writer| match &writer.store {
                    Some(store) => store.shorten_wal(),
                    None => Ok(()),
                });
            }
            Err(trouble) => {
                let mut desk = self.shared.desk();
                desk.waits_since = Some(Instant::now());
                desk.backlog.give_back(batch, &trouble.to_string());
                drop(desk);
                self.failed(trouble);
            }
        }
        if Instant::now() >= self.figures_at {
            self.attempt(Self::figures);
        }
    }

    /// Everything up to `seq` is on disk, by a commit that took so long.
    fn durable(&self, seq: u64, took: Duration) {
        let before = self.shared.committed.fetch_max(seq, Ordering::AcqRel);
        // First of all: who waited for an order finds its answer published.
        if seq > before {
            (self.committed)(seq);
        }
        let mut desk = self.shared.desk();
        desk.backlog.done();
        desk.fails = false;
        let slow = (took > SLOW).then(|| {
            let ms = took.as_millis();
            format!("the disk is slow: the last commit took {ms} ms")
        });
        let news = desk.degrade(slow);
        if !desk.backlog.is_empty() {
            // More than one transaction's worth waits, or more came meanwhile.
            desk.waits_since.get_or_insert_with(Instant::now);
            desk.urgent |= desk.backlog.is_urgent();
        }
        drop(desk);
        self.shared.news.notify_all();
        news.say();
    }

    fn attempt(&mut self, what: impl FnOnce(&mut Self) -> Attempt<()>) {
        if let Err(trouble) = what(self) {
            self.failed(trouble);
        }
    }

    /// Says what is the matter, closes the file, and sets it aside where it is damaged.
    fn failed(&mut self, trouble: Trouble) {
        self.tainted |= trouble.taints();
        self.store = None;
        self.retry_at = Some(after(self.settings.retry_every));
        let why = match trouble {
            Trouble::Damaged(why) => match salvage::set_aside(&self.folder) {
                Ok(aside) => return self.begin_anew(&why, &aside.display().to_string()),
                Err(error) => {
                    format!("the journal is damaged ({why}) and cannot be set aside: {error}")
                }
            },
            other => other.to_string(),
        };
        let mut desk = self.shared.desk();
        let news = desk.degrade(Some(why));
        desk.fails = true;
        drop(desk);
        news.say();
        self.shared.news.notify_all();
    }

    /// The old file is out of the way: a new one begins with a gap and a snapshot.
    fn begin_anew(&mut self, why: &str, aside: &str) {
        self.tainted = false;
        self.retry_at = Some(Instant::now());
        let mut desk = self.shared.desk();
        desk.part.alarms.push(format!(
            "the journal could not be used any more: {why}; what was there of it was set aside as {aside}, and a new one was begun with the present state"
        ));
        let since_ms = wall();
        let degraded = Degraded {
            since_ms,
            why: format!("the journal is begun anew, since {why}"),
        };
        desk.part.degraded.get_or_insert(degraded);
        self.miss_all(&mut desk, &format!("earlier events are in {aside}"));
    }

    /// The file that is there now has nothing of what was committed.
    fn miss_all(&self, desk: &mut Desk, why: &str) {
        let committed = self.shared.committed.load(Ordering::Acquire);
        if committed > 0 {
            let at = desk.last_at;
            desk.backlog.miss(Lost {
                from_seq: 1,
                to_seq: committed,
                lost: committed,
                at,
                why: why.to_owned(),
            });
        }
    }

    /// Opens the file, proves that what it says is on disk, and forgets what it has already.
    fn connect(&mut self) -> Attempt<()> {
        let store = match self.store.take() {
            Some(store) => store,
            None => Store::open_or_make(&self.folder.join(FILE))?,
        };
        if self.tainted {
            store.prove()?;
        }
        let last_seq = store.last_seq()?;
        let committed = self.shared.committed.load(Ordering::Acquire);
        let mut desk = self.shared.desk();
        if last_seq > desk.last_seq || !self.opened && last_seq > committed {
            let what = format!("it has event {last_seq}, which this daemon did not write");
            return Err(Trouble::Damaged(what));
        }
        if last_seq > committed {
            desk.backlog.forget_until(last_seq);
        }
        if last_seq > 0 && last_seq < committed {
            let what = format!("it ends with event {last_seq}, and {committed} was written");
            return Err(Trouble::Damaged(what));
        }
        if last_seq == 0 && desk.backlog.gap_from() != Some(1) {
            self.miss_all(&mut desk, "the journal was removed");
        }
        if desk.backlog.is_empty() && !desk.backlog.has_snapshot() {
            desk.part.degraded = None;
            desk.fails = false;
        }
        desk.urgent = true;
        drop(desk);
        if last_seq > committed {
            self.shared.committed.fetch_max(last_seq, Ordering::AcqRel);
            self.shared.news.notify_all();
            (self.committed)(last_seq);
        }
        (self.tainted, self.opened) = (false, true);
        self.retry_at = None;
        self.store = Some(store);
        self.figures()
    }

    fn tend(&mut self) -> Attempt<()> {
        let now = self.shared.desk().last_at;
        self.tend_at = after(self.settings.tend_every);
        if let Some(store) = &self.store
            && tend::tend(store, &self.settings, now)?
        {
            self.tend_at = Instant::now(); // What waits comes in between.
        }
        self.figures()
    }

    /// Counts what is shown.
    fn figures(&mut self) -> Attempt<()> {
        self.figures_at = Instant::now() + FIGURES_EVERY;
        let Some(store) = &self.store else {
            return Ok(());
        };
        let (bytes, oldest_at_ms) = (store.bytes()?, store.oldest_at()?);
        let mut desk = self.shared.desk();
        desk.part.bytes = bytes;
        desk.part.oldest_at_ms = oldest_at_ms;
        Ok(())
    }
}

//! What control can have done: questions to the fold and orders to the loader, with deadlines.

use super::{
    clock::Clock,
    fold::{Message, Obeyed},
    loader::{Loading, Order},
    outlook,
    promote::Promote,
    tally::Tally,
};
use crate::{
    dns::Publisher,
    failover::{
        State,
        input::OperatorCommand,
        operations::{OperationError, Operations},
        orders::{self, Force, OrderPlan, Ordered, Promotion},
        overview::{DaemonPart, Listener, Metrics, Overview, Refused, ReloadReport, overview},
    },
    journal::Journal,
    model::{Diagnostic, ServiceName, Timestamp},
    policy::Library,
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

/// How old a copied overview may be.
const COPY_MAX: Duration = Duration::from_millis(500);
/// How long an operator waits for the disk.
const DISK_MAX: Duration = Duration::from_secs(3);
/// How long a newer copy is waited for where there is one.
const COPY_WAITS: Duration = Duration::from_secs(1);
/// How long the fold may take to answer a question.
const FOLD_MAX: Duration = Duration::from_secs(5);
/// A fold that did not look up for so long is dead.
pub(super) const DEAD_AFTER_MS: i64 = 10_000;

/// The daemon as control sees it.
#[derive(Debug)]
pub(super) struct Operator {
    pub(super) fold: SyncSender<Message>,
    pub(super) orders: SyncSender<Order>,
    pub(super) publisher: Publisher,
    pub(super) tally: Arc<Tally>,
    pub(super) looked_up_at: Arc<AtomicI64>,
    pub(super) journal: Journal,
    pub(super) shown: Arc<Mutex<Loading>>,
    pub(super) dns: Vec<SocketAddr>,
    pub(super) http: Option<SocketAddr>,
    pub(super) started_at: Timestamp,
    /// As the fold's: what `looked_up_at` is compared with, wherever the wall clock jumps to.
    pub(super) clock: Clock,
    /// The configuration's path, as it was given.
    pub(super) path: PathBuf,
    pub(super) copy: Mutex<Copied>,
}

/// What was shown last.
#[derive(Debug, Default)]
pub(super) struct Copied {
    /// As the fold said last; `None` before the first question.
    known: Option<Arc<Overview>>,
    /// When the fold was last asked for a newer one, and what came of it; `None` where the next to
    /// ask wants a new one.
    shown: Option<(Instant, Arc<Overview>)>,
    /// The daemon's own part then.
    part: DaemonPart,
}

impl Operator {
    /// Asks the fold what is known.
    fn known(&self, within: Duration) -> Option<State> {
        let (reply, replied) = sync_channel(1);
        self.fold.try_send(Message::Known { reply }).ok()?;
        replied.recv_timeout(within).ok()
    }

    /// What is known, with the outlook of one service.
    fn ask(&self, outlook_of: Option<ServiceName>, within: Duration) -> Option<Overview> {
        let state = self.known(within)?;
        let mut overview = overview(&state);
        let next = outlook_of.map(|service| (outlook::next(&state, &service), service));
        overview.add_daemon(DaemonPart {
            next: next
                .into_iter()
                .map(|(next, service)| (service, next))
                .collect(),
            ..self.part()
        });
        Some(overview)
    }

    /// What only the daemon knows.
    fn part(&self) -> DaemonPart {
        let shown = self
            .shown
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let counted = self.publisher.counters().counted();
        let listener = |serves: &str, address| Listener {
            serves: serves.to_owned(),
            address,
        };
        let dns = self.dns.iter().map(|&address| listener("dns", address));
        DaemonPart {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            refused: shown.refused,
            pending: shown.pending,
            gate: shown.gate,
            needs_restart: shown.needs_restart,
            no_control: shown.no_control,
            listeners: dns
                .chain(self.http.map(|address| listener("http", address)))
                .collect(),
            queries: counted.udp + counted.tcp,
            journal: Some(self.journal.health()),
            ..DaemonPart::default()
        }
    }
}

impl Operator {
    /// Has the fold obey an order.
    fn obeyed(
        &self,
        order: &OperatorCommand,
        force: Option<Force>,
    ) -> Result<Obeyed, OperationError> {
        let (reply, replied) = sync_channel(1);
        let message = Message::Order {
            order: order.clone(),
            force,
            reply,
        };
        let sent = self.fold.try_send(message);
        sent.map_err(|_| no_answer())?;
        replied.recv_timeout(FOLD_MAX).unwrap_or_else(|_| {
            let why = "the fold did not answer in time, and may still obey: look at the status";
            Err(OperationError::Unavailable(why.to_owned()))
        })
    }

    /// Waits until an event is on disk, for as long as an operator may be kept waiting.
    ///
    /// # Errors
    /// Why it is not, in one sentence.
    fn wait_durable(&self, seq: u64) -> Result<(), String> {
        if self.journal.wait_for(seq, DISK_MAX) {
            return Ok(());
        }
        let why = self.journal.health().degraded.map(|degraded| degraded.why);
        let why = why.unwrap_or_else(|| "the disk is slow".to_owned());
        Err(format!("{why}: a restart before it is written forgets it"))
    }

    /// What `reload` answers where nobody is left to load anything.
    fn nothing_loads(&self) -> ReloadReport {
        let file = self.path.display().to_string();
        let message = "nothing was loaded: the loader ended; restart sidestep";
        ReloadReport {
            refused: vec![Refused {
                diagnostic: Diagnostic::error(&*file, "", 0, 0, message),
                file,
                kept: "still running what was in force".to_owned(),
            }],
            ..ReloadReport::default()
        }
    }

    fn copy(&self) -> MutexGuard<'_, Copied> {
        self.copy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The copy, or a new one where it is old or something in the daemon went wrong or was mended.
    /// One asks for all, and nobody waits long for a fold that is busy: what was known before is
    /// shown, and said to be old.
    pub(super) fn copied(&self) -> Arc<Overview> {
        let mut copy = self.copy();
        let part = self.part();
        if let Some((asked, shown)) = &copy.shown
            && asked.elapsed() < COPY_MAX
            && part.is_as_well_as(&copy.part)
        {
            return Arc::clone(shown);
        }
        copy.part = part;
        let within = copy.known.as_ref().map_or(FOLD_MAX, |_| COPY_WAITS);
        let shown = if let Some(new) = self.ask(None, within) {
            let new = Arc::new(new);
            copy.known = Some(Arc::clone(&new));
            new
        } else {
            let mut old = match &copy.known {
                Some(known) => Overview::clone(known),
                None => overview(&State::default()),
            };
            let said = "the fold is busy or dead and did not answer: this is what it knew at";
            old.advisories.insert(0, format!("{said} {}", old.at));
            Arc::new(old)
        };
        copy.shown = Some((Instant::now(), Arc::clone(&shown)));
        shown
    }
}

impl Operations for Operator {
    fn overview(&self) -> Arc<Overview> {
        without_holding_up_others(|| self.copied())
    }

    fn overview_of(&self, service: &ServiceName) -> Result<Overview, OperationError> {
        let overview = self.ask(Some(service.clone()), FOLD_MAX);
        let overview = overview.unwrap_or_else(|| Overview::clone(&self.copied()));
        overview.narrowed_to(service).ok_or_else(|| {
            let known: Vec<&str> = overview.services.iter().map(|known| &*known.name).collect();
            OperationError::NotFound(orders::missing("service", service, &known))
        })
    }

    fn plan(
        &self,
        order: &OperatorCommand,
        force: Option<Force>,
    ) -> Result<OrderPlan, OperationError> {
        let state = self.known(FOLD_MAX).ok_or_else(no_answer)?;
        let world = state.world();
        let at = self.clock.now().max(world.at);
        let wall = at.plus_ms(world.wall_offset_ms);
        let order = orders::admit(&state, wall, order, force)?;
        let concerned = orders::concerned(&state, &order.command);
        let policies = Library::of(&state, &concerned);
        Ok(orders::plan(&state, at, &order, &policies))
    }

    fn order(
        &self,
        order: &OperatorCommand,
        force: Option<Force>,
    ) -> Result<Ordered, OperationError> {
        let Obeyed {
            mut ordered,
            last_seq,
        } = self.obeyed(order, force)?;
        self.copy().shown = None;
        match self.wait_durable(last_seq) {
            Ok(()) => ordered.durable = true,
            Err(why) => ordered.not_durable = Some(why),
        }
        Ok(ordered)
    }

    fn reload(&self, by: &str, apply_pending: bool) -> ReloadReport {
        let (reply, replied) = sync_channel(1);
        let order = Order::Reload {
            by: by.to_owned(),
            apply_pending,
            reply: Some(reply),
        };
        let sent = self.orders.send(order);
        let report = sent.ok().and_then(|()| replied.recv().ok());
        self.copy().shown = None;
        report.unwrap_or_else(|| self.nothing_loads())
    }

    fn promote(
        &self,
        by: &str,
        reason: &str,
        service: &ServiceName,
        dry_run: bool,
    ) -> Result<Promotion, OperationError> {
        let (reply, replied) = sync_channel(1);
        let asked = Promote {
            by: by.to_owned(),
            reason: reason.to_owned(),
            service: service.clone(),
            dry_run,
        };
        let sent = self.orders.send(Order::Promote { asked, reply });
        let promoted = sent.ok().and_then(|()| replied.recv().ok());
        self.copy().shown = None;
        promoted.unwrap_or_else(|| {
            let why = "nothing was loaded: the loader ended; restart sidestep";
            Err(OperationError::Unavailable(why.to_owned()))
        })
    }

    fn metrics(&self) -> Metrics {
        let counted = self.publisher.counters().counted();
        let replies = counted.rcodes.iter();
        let tcp = self.publisher.tcp_counters().counted();
        Metrics {
            queries: BTreeMap::from([("udp", counted.udp), ("tcp", counted.tcp)]),
            replies: replies
                .map(|(rcode, count)| (rcode.to_lowercase(), *count))
                .collect(),
            truncated: counted.truncated,
            slipped: counted.slipped,
            fast: counted.fast,
            dropped: counted.drops.into_iter().collect(),
            tcp_open: tcp.open,
            tcp_opened: tcp.opened,
            tcp_closed: tcp.closed.into_iter().collect(),
            ..self.tally.metrics()
        }
    }

    fn live(&self) -> Result<(), String> {
        let last = Timestamp(self.looked_up_at.load(Ordering::Relaxed));
        let silent_ms = self.clock.now().since_ms(last);
        // A fold that takes a question after all was only busy.
        let is_dead = || without_holding_up_others(|| self.known(FOLD_MAX)).is_none();
        if silent_ms > DEAD_AFTER_MS && is_dead() {
            return Err(format!("the fold did not look up for {silent_ms} ms"));
        }
        Ok(())
    }

    fn ready(&self) -> Result<(), String> {
        // The daemon hands control its listener once the first table is published and every DNS
        // socket is bound; what is left to fail is the fold.
        self.live()
    }
}

fn no_answer() -> OperationError {
    OperationError::Unavailable("the fold does not answer: it is busy or dead".to_owned())
}

/// Runs what may wait for the fold. Control asks from tasks that share their threads with DNS:
/// whatever else such a thread would do goes on elsewhere meanwhile.
fn without_holding_up_others<T>(wait: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{self, Settings};
    use std::{
        sync::mpsc::{Receiver, sync_channel},
        thread,
    };

    fn operator() -> (Operator, Receiver<Message>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let opened = journal::open(folder.path(), Settings::default()).unwrap();
        let (_, journal) = opened.start(Box::new(|_| ())).unwrap();
        let (fold, inbox) = sync_channel(64);
        let clock = Clock::start(None, 0);
        let operator = Operator {
            fold,
            orders: sync_channel(1).0,
            publisher: Publisher::new(),
            tally: Arc::default(),
            looked_up_at: Arc::default(),
            journal,
            shown: Arc::default(),
            dns: Vec::new(),
            http: None,
            started_at: clock.now(),
            clock,
            path: PathBuf::new(),
            copy: Mutex::default(),
        };
        (operator, inbox, folder)
    }

    /// Answers one question as a fold does.
    fn answer(inbox: Receiver<Message>) -> Receiver<Message> {
        match inbox.recv().unwrap() {
            Message::Known { reply } => reply.send(State::default()).unwrap(),
            other => panic!("{other:?}"),
        }
        inbox
    }

    #[test]
    fn a_busy_fold_keeps_nobody_from_what_was_known() {
        let (operator, inbox, _folder) = operator();
        let fold = thread::spawn(|| answer(inbox));
        assert_eq!(operator.copied().advisories, Vec::<String>::new());
        let inbox = fold.join().unwrap();
        let part = operator.copied().daemon.clone();
        assert!(part.is_some());

        // An order or a reload asks for a newer one, and then the fold is busy.
        operator.copy().shown = None;
        let began = Instant::now();
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let old = operator.copied();
                    assert!(old.advisories[0].starts_with("the fold is busy or dead"));
                    assert_eq!(old.daemon, part, "what was known is still shown");
                });
            }
        });
        assert!(
            began.elapsed() < FOLD_MAX * 2,
            "they do not wait one after the other: {:?}",
            began.elapsed()
        );
        while inbox.try_recv().is_ok() {}

        operator.copy().shown = None;
        let fold = thread::spawn(|| answer(inbox));
        let new = operator.copied();
        assert_eq!(new.advisories, Vec::<String>::new(), "no longer said");
        drop(fold.join().unwrap());
    }

    #[test]
    fn what_goes_wrong_in_the_daemon_is_shown_at_once() {
        let (operator, inbox, _folder) = operator();
        let fold = thread::spawn(|| answer(answer(inbox)));
        assert_eq!(operator.copied().advisories, Vec::<String>::new());
        operator.shown.lock().unwrap().no_control = Some("the disk is read-only".to_owned());
        let advisories = &operator.copied().advisories;
        assert!(
            advisories[0].contains("the disk is read-only"),
            "{advisories:?}"
        );
        assert_eq!(
            &operator.copied().advisories,
            advisories,
            "a copy, the fold is not asked"
        );
        drop(fold.join().unwrap());
    }
}

//! What control can have done: questions to the fold and orders to the loader, with deadlines.

use super::{
    clock::Clock,
    fold::Message,
    loader::{Loading, Order},
    outlook,
    tally::Tally,
};
use crate::{
    dns::Publisher,
    failover::{
        State,
        operations::{OperationError, Operations},
        overview::{
            DaemonPart, Listener, Metrics, Overview, QueryCount, Refused, ReloadReport, overview,
        },
    },
    model::{Diagnostic, ServiceName, Timestamp, diagnostic::did_you_mean},
};
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

/// How old a copied overview may be.
const COPY_MAX: Duration = Duration::from_millis(500);
/// How long the fold may take to answer a question.
const FOLD_MAX: Duration = Duration::from_secs(5);
/// A fold that did not look up for so long is dead.
const DEAD_AFTER_MS: i64 = 10_000;

/// The daemon as control sees it.
#[derive(Debug)]
pub(super) struct Operator {
    pub(super) fold: SyncSender<Message>,
    pub(super) orders: SyncSender<Order>,
    pub(super) publisher: Publisher,
    pub(super) tally: Arc<Tally>,
    pub(super) looked_up_at: Arc<AtomicI64>,
    pub(super) shown: Arc<Mutex<Loading>>,
    pub(super) dns: Vec<SocketAddr>,
    pub(super) http: Option<SocketAddr>,
    pub(super) started_at: Timestamp,
    /// As the fold's: what `looked_up_at` is compared with, wherever the wall clock jumps to.
    pub(super) clock: Clock,
    /// The configuration's path, as it was given.
    pub(super) path: PathBuf,
    pub(super) copy: Mutex<Option<(Instant, Arc<Overview>)>>,
}

impl Operator {
    /// Asks the fold what is known, with the outlook of one service.
    fn ask(&self, outlook_of: Option<ServiceName>) -> Option<Overview> {
        let (reply, replied) = sync_channel(1);
        self.fold.try_send(Message::Known { reply }).ok()?;
        let state = replied.recv_timeout(FOLD_MAX).ok()?;
        let mut overview = overview(&state);
        let next = outlook_of.map(|service| (outlook::next(&state, &service), service));
        overview.daemon = Some(DaemonPart {
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
            listeners: dns
                .chain(self.http.map(|address| listener("http", address)))
                .collect(),
            queries: counted.udp + counted.tcp,
            ..DaemonPart::default()
        }
    }
}

impl Operator {
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

    /// The copy, or a new one where it is old. Blocks while the fold is busy.
    fn copied(&self) -> Arc<Overview> {
        let mut copy = self.copy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((taken, overview)) = &*copy
            && taken.elapsed() < COPY_MAX
        {
            return Arc::clone(overview);
        }
        match (self.ask(None), &*copy) {
            (None, Some((_, old))) => Arc::clone(old),
            (new, _) => {
                let new = Arc::new(new.unwrap_or_else(|| overview(&State::default())));
                *copy = Some((Instant::now(), Arc::clone(&new)));
                new
            }
        }
    }
}

impl Operations for Operator {
    fn overview(&self) -> Arc<Overview> {
        without_holding_up_others(|| self.copied())
    }

    fn overview_of(&self, service: &ServiceName) -> Result<Overview, OperationError> {
        let overview = self.ask(Some(service.clone())).ok_or_else(|| {
            OperationError::Unavailable("the fold does not answer: it is busy or dead".into())
        })?;
        overview.narrowed_to(service).ok_or_else(|| {
            let known: Vec<&str> = overview.services.iter().map(|known| &*known.name).collect();
            let meant = did_you_mean(service, known.iter().copied());
            let hint = meant.map_or_else(
                || format!("there are {}", known.join(", ")),
                |meant| format!("did you mean '{meant}'?"),
            );
            OperationError::NotFound(format!("no service '{service}': {hint}"))
        })
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
        *self.copy.lock().unwrap_or_else(PoisonError::into_inner) = None;
        report.unwrap_or_else(|| self.nothing_loads())
    }

    fn metrics(&self) -> Metrics {
        let counted = self.publisher.counters().counted();
        let count = |transport: &str, rcode: &str, count| QueryCount {
            transport: transport.to_owned(),
            rcode: rcode.to_owned(),
            count,
        };
        let mut queries: Vec<QueryCount> = counted
            .rcodes
            .iter()
            .map(|(rcode, number)| count("any", &rcode.to_lowercase(), *number))
            .collect();
        queries.push(count("any", "dropped", counted.dropped));
        Metrics {
            queries,
            ..self.tally.metrics()
        }
    }

    fn live(&self) -> Result<(), String> {
        let last = Timestamp(self.looked_up_at.load(Ordering::Relaxed));
        let silent_ms = self.clock.now().since_ms(last);
        // A fold that takes a question after all was only busy.
        let is_dead = || without_holding_up_others(|| self.ask(None)).is_none();
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

/// Runs what may wait for the fold. Control asks from tasks that share their threads with DNS:
/// whatever else such a thread would do goes on elsewhere meanwhile.
fn without_holding_up_others<T>(wait: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(wait)
}

//! The daemon: the only place where the adapters meet, live.
//!
//! | thread | what it does |
//! |---|---|
//! | fold | owns the state; one input at a time through `failover::step`; publishes answers |
//! | loader | watches files, judges what changed, hands the fold what is good |
//! | tokio workers | probes, witnesses, DNS and HTTP sockets, signals |
//!
//! Nothing but [`clock`] reads a clock for the fold. Queries are answered from a pointer that the
//! fold swaps; they wait for nobody.

mod announce;
mod case;
pub mod clock;
mod fold;
pub mod judge;
mod loader;
mod operator;
mod outlook;
pub mod sources;
pub mod stories;
mod tally;
pub mod watch;

pub use case::case;
pub use judge::{Accepted, Case, Judge};
pub use sources::Sources;

use crate::{
    control,
    dns::{self, Publisher},
    failover::{Event, State, input::WitnessResult, operations::Operations},
    model::Diagnostic,
    policy::Library,
    probe::{Finding, Plan, Prober, Settings},
};
use announce::Announcer;
use clock::Clock;
use fold::{Fold, Message};
use loader::{Loader, Loading, Order};
use operator::Operator;
use std::{
    fmt, io,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::AtomicI64,
        mpsc::{Receiver, Sender, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tally::Tally;
use tokio::{runtime::Runtime, sync::watch as signal, task::JoinHandle as Task};
use watch::Watcher;

/// Messages that may wait for the fold: a second of a large site's probes.
const INBOX: usize = 4_096;
/// Orders that may wait for the loader. A full queue is one look away from being empty.
const ORDERS: usize = 64;
/// Findings that may wait between the prober and the fold.
const FINDINGS: usize = 256;
/// Where the inbox is full, the next attempt to put a finding in.
const INBOX_PAUSE: Duration = Duration::from_millis(5);

/// How often is looked whether the threads are alive.
const LOOK_AFTER_THREADS: Duration = Duration::from_secs(1);

/// Why the daemon did not start. Nothing was left running.
#[derive(Debug)]
pub enum StartError {
    /// Files are wrong.
    Files(Vec<Diagnostic>),
    /// A socket or a thread was not to be had.
    System(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(why) => f.write_str(why),
            Self::Files(findings) => {
                for found in findings {
                    writeln!(f, "{found}")?;
                }
                f.write_str("nothing was started")
            }
        }
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::System(error.to_string())
    }
}

/// A running daemon; [`Daemon::stop`] ends it.
#[derive(Debug)]
pub struct Daemon {
    dns: Vec<SocketAddr>,
    http: Option<SocketAddr>,
    operator: Arc<Operator>,
    fold: SyncSender<Message>,
    orders: SyncSender<Order>,
    threads: Vec<JoinHandle<()>>,
    stop: signal::Sender<bool>,
    tasks: Vec<Task<()>>,
    runtime: Runtime,
}

impl Daemon {
    /// Starts a daemon by the configuration at `path` and returns once it answers. `tap` hears
    /// every event.
    ///
    /// # Errors
    /// Everything that is wrong with the files, or the socket that could not be had.
    pub fn start(path: &Path, tap: Option<Sender<Event>>) -> Result<Self, StartError> {
        let First {
            sources,
            case,
            accepted,
            passed,
        } = first_load(path)?;
        let accepted = Arc::new(accepted);
        let server = &accepted.config.server;
        let listeners = dns::bind(&server.dns).map_err(StartError::System)?;
        let http = server
            .http
            .map(control::bind)
            .transpose()
            .map_err(StartError::System)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("sidestep-io")
            .enable_all()
            .build()?;

        let publisher = Publisher::new();
        let tally = Arc::new(Tally::default());
        let looked_up_at = Arc::new(AtomicI64::new(0));
        let (fold, inbox) = sync_channel(INBOX);
        let mut threads = vec![fold_thread(&publisher, &tally, &looked_up_at, tap, inbox)?];

        let (findings, found) = tokio::sync::mpsc::channel(FINDINGS);
        let prober = {
            let _within = runtime.enter();
            Prober::start(Arc::new(Plan::default()), Settings::default(), findings)
        };
        let prober = Arc::new(prober);
        let vantage = server.name.clone();
        let mut tasks = vec![runtime.spawn(forward(found, fold.clone(), vantage))];

        let (orders, ordered) = sync_channel(ORDERS);
        let shown = Arc::new(Mutex::new(Loading::default()));
        let (started, is_started) = sync_channel(1);
        let watcher = watch_for(&orders);
        let loader = {
            let (path, fold, accepted) = (path.to_owned(), fold.clone(), Arc::clone(&accepted));
            let (runtime, shown, tally) = (
                runtime.handle().clone(),
                Arc::clone(&shown),
                Arc::clone(&tally),
            );
            move || Loader {
                judge: Judge::remembering(passed),
                included: accepted.included.keys().cloned().collect(),
                candidate: None,
                seen: sources,
                in_force: case,
                path,
                accepted,
                fold,
                prober,
                runtime,
                watcher,
                shown,
                tally,
            }
        };
        let start = move || {
            let mut loader = loader();
            loader.start();
            // Whoever waits for it went away: then the daemon is being dropped.
            let _ = started.send(());
            loader.run(&ordered);
        };
        threads.push(
            thread::Builder::new()
                .name("sidestep-loader".into())
                .spawn(start)?,
        );
        is_started
            .recv()
            .map_err(|_| StartError::System("the loader ended".into()))?;

        let (stop, stopped) = signal::channel(false);
        let clock = Clock::start(None);
        let operator = Arc::new(Operator {
            fold: fold.clone(),
            orders: orders.clone(),
            publisher: publisher.clone(),
            tally,
            looked_up_at,
            shown,
            dns: listeners.addresses(),
            http: http.as_ref().and_then(|http| http.local_addr().ok()),
            started_at: clock.now(),
            clock,
            path: path.to_owned(),
            copy: Mutex::new(None),
        });
        let dns = listeners.addresses();
        let stopped_dns = stopped.clone();
        tasks.push(runtime.spawn(async move {
            dns::serve(listeners, &publisher, asked_to_stop(stopped_dns)).await;
        }));
        let http_address = operator.http;
        if let Some(http) = http {
            let operations: Arc<dyn Operations> = operator.clone();
            tasks.push(runtime.spawn(async move {
                if let Err(error) = control::serve(http, operations, asked_to_stop(stopped)).await {
                    tracing::error!(%error, "HTTP is not answered");
                }
            }));
        }
        tracing::info!(?dns, http = ?http_address, "answering");
        Ok(Self {
            dns,
            http: http_address,
            operator,
            fold,
            orders,
            threads,
            stop,
            tasks,
            runtime,
        })
    }

    /// Where DNS is answered.
    pub fn dns(&self) -> &[SocketAddr] {
        &self.dns
    }

    /// Where HTTP is answered.
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// What can be asked of it.
    pub fn operations(&self) -> Arc<dyn Operations> {
        self.operator.clone()
    }

    /// Runs until SIGINT or SIGTERM; SIGHUP reloads.
    ///
    /// # Errors
    /// Signals cannot be received, or a thread ended that nothing works without: whoever
    /// supervises the daemon should start it again.
    pub fn run_until_signal(&self) -> io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let orders = self.orders.clone();
        self.runtime.block_on(async move {
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            let mut hang_up = signal(SignalKind::hangup())?;
            loop {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_AFTER_THREADS) => {
                        let ended = self.threads.iter().find(|thread| thread.is_finished());
                        if let Some(thread) = ended {
                            let name = thread.thread().name().unwrap_or("a thread");
                            let why = format!("{name} ended by itself, which is a bug");
                            return Err(io::Error::other(why));
                        }
                    }
                    _ = interrupt.recv() => break,
                    _ = terminate.recv() => break,
                    _ = hang_up.recv() => {
                        let by = "SIGHUP".to_owned();
                        let order = Order::Reload { by, apply_pending: false, reply: None };
                        // Where the queue is full, an order in it makes the loader look.
                        let _ = orders.try_send(order);
                    }
                }
            }
            // Stopping lets others end what they began; whoever asks twice has no time for that.
            tokio::spawn(async move {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                tracing::warn!("told twice to stop: stopping at once");
                std::process::exit(1);
            });
            Ok(())
        })
    }

    /// Ends everything: sockets first, so that no query is taken that nobody answers.
    pub fn stop(self) {
        tracing::info!("stopping");
        self.stop.send_replace(true);
        // Threads that ended already are what is wanted.
        let _ = self.orders.send(Order::Stop);
        let _ = self.fold.send(Message::Stop);
        self.runtime.block_on(async {
            for task in self.tasks.into_iter().skip(1) {
                let _ = task.await;
            }
        });
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread ended in a panic");
            }
        }
        self.runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

/// What a start begins with.
struct First {
    sources: Sources,
    case: Case,
    accepted: Accepted,
    passed: judge::Passed,
}

/// Loads everything for the first time.
fn first_load(path: &Path) -> Result<First, StartError> {
    let (mut sources, parsed) = Sources::read(path, None);
    let loaded = match (&sources.config, parsed) {
        (Ok(_), Some(parsed)) => parsed.map_err(StartError::Files)?,
        (Err(found), _) => return Err(StartError::Files(vec![found.clone()])),
        (Ok(_), None) => return Err(StartError::System("the configuration was not read".into())),
    };
    let mut case = case(path, loaded, &sources).map_err(StartError::Files)?;
    let mut judge = Judge::default();
    let accepted = judge.judge(&case).map_err(StartError::Files)?;
    for warning in &accepted.warnings {
        tracing::warn!("{}", warning.headline());
    }
    // What is compared with later is what was judged now.
    case.beside.extend(accepted.included.clone());
    let included = accepted.included.clone().into_iter();
    sources
        .beside
        .extend(included.map(|(file, text)| (file, Ok(text))));
    Ok(First {
        sources,
        case,
        accepted,
        passed: judge.into_passed(),
    })
}

fn fold_thread(
    publisher: &Publisher,
    tally: &Arc<Tally>,
    looked_up_at: &Arc<AtomicI64>,
    tap: Option<Sender<Event>>,
    inbox: Receiver<Message>,
) -> io::Result<JoinHandle<()>> {
    let (publisher, tally) = (publisher.clone(), Arc::clone(tally));
    let looked_up_at = Arc::clone(looked_up_at);
    let run = move || {
        // Compiled policies live on this thread and no other.
        let library = Library::new();
        let (state, clock) = (State::default(), Clock::start(None));
        let zones = Arc::default();
        Fold {
            state,
            library,
            clock,
            publisher,
            tally,
            looked_up_at,
            announcer: Announcer::default(),
            tap,
            zones,
            published: 0,
        }
        .run(&inbox);
    };
    thread::Builder::new()
        .name("sidestep-fold".into())
        .spawn(run)
}

/// A watcher that orders a look; without one, reloads are by signal and command.
fn watch_for(orders: &SyncSender<Order>) -> Option<Watcher> {
    let orders = orders.clone();
    // Where the queue is full, an order in it makes the loader look later than now.
    let changed = move || drop(orders.try_send(Order::Changed));
    Watcher::start(changed)
        .map_err(|error| tracing::error!("{error}; use `sidestep reload`"))
        .ok()
}

/// Hands what the prober finds to the fold. Where the fold is busy the prober waits, which keeps
/// one result for each series: nothing grows.
async fn forward(
    mut found: tokio::sync::mpsc::Receiver<Finding>,
    fold: SyncSender<Message>,
    vantage: crate::model::VantageName,
) {
    while let Some(finding) = found.recv().await {
        let mut message = match finding {
            Finding::Probe(observed) => Message::Probe(observed.observation),
            Finding::Witness(asked) => Message::Witness(WitnessResult {
                vantage: vantage.clone(),
                witness: asked.witness,
                ok: asked.ok,
                error: asked.error,
            }),
        };
        loop {
            match fold.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(returned)) => {
                    message = returned;
                    tokio::time::sleep(INBOX_PAUSE).await;
                }
            }
        }
    }
}

async fn asked_to_stop(mut stopped: signal::Receiver<bool>) {
    // An error says that the daemon was dropped, which asks the same.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

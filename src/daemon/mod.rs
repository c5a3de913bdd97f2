//! The daemon: the only place where the adapters meet, live.
//!
//! | thread | what it does |
//! |---|---|
//! | fold | owns the state; one input at a time through `failover::step`; publishes answers |
//! | loader | watches files, judges what changed, hands the fold what is good |
//! | journal | writes what became true |
//! | probe | all probes and witnesses |
//! | hostnames | what targets are elsewhere, resolved again and again; the plan of the probes |
//! | tokio workers | DNS, HTTP and control sockets, signals |
//!
//! Nothing but [`clock`] reads a clock for the fold. Queries are answered from a pointer that the
//! fold swaps; they wait for nobody.

mod announce;
mod answering;
mod case;
pub mod clock;
mod first;
mod fold;
mod gate;
mod hostnames;
pub mod judge;
mod kept;
mod loader;
mod operator;
mod outlook;
mod probing;
mod promote;
pub mod recent;
mod reload_gate;
mod signals;
pub mod sources;
mod status_line;
pub mod stories;
mod supervise;
mod tally;
pub mod watch;

pub use case::case;
pub use judge::{Accepted, Case, Judge};
pub use signals::Signals;
pub use sources::Sources;

use crate::{
    config, control,
    dns::{self, Publisher},
    failover::{Event, operations::Operations},
    journal::{self, Journal, Recovered},
    model::{Config, Diagnostic},
    policy::Library,
};
use announce::Announcer;
use answering::Answering;
use clock::Clock;
use first::First;
use fold::{Fold, Message};
use gate::Gate;
use loader::{Loader, Loading, Order};
use operator::Operator;
use recent::Recent;
use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::AtomicI64,
        mpsc::{Receiver, Sender, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use supervise::Supervisor;
use tally::Tally;
use tokio::{runtime::Runtime, sync::watch as signal, task::JoinHandle as Task};
use watch::Watcher;

/// Messages that may wait for the fold; what probes found together is one.
const INBOX: usize = 1_024;
/// Orders that may wait for the loader. A full queue is one look away from being empty.
const ORDERS: usize = 64;

/// How often a control socket that cannot be made is tried for again.
const CONTROL_RETRY: Duration = Duration::from_secs(2);

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

/// How a daemon is started.
#[derive(Debug, Default)]
pub struct StartOptions {
    /// Refuse to start with anything but what is on disk.
    pub strict: bool,
    /// Hears every event.
    pub tap: Option<Sender<Event>>,
}

/// A running daemon; [`Daemon::stop`] ends it.
#[derive(Debug)]
pub struct Daemon {
    dns: Vec<SocketAddr>,
    http: Option<SocketAddr>,
    control: PathBuf,
    operator: Arc<Operator>,
    fold: SyncSender<Message>,
    orders: SyncSender<Order>,
    journal: Journal,
    threads: Vec<JoinHandle<()>>,
    stop: signal::Sender<bool>,
    tasks: Vec<Task<()>>,
    stop_dns: signal::Sender<bool>,
    dns_task: Task<()>,
    runtime: Runtime,
}

impl Daemon {
    /// Starts a daemon by the configuration at `path` and returns once it answers, as it did
    /// before it ended last.
    ///
    /// # Errors
    /// Everything that is wrong with the files where none were kept that work, the journal that
    /// another daemon has, or the socket that could not be had.
    pub fn start(path: &Path, options: StartOptions) -> Result<Self, StartError> {
        let publisher = Publisher::new();
        // A configuration that cannot be read whole still says where its journal is.
        let text = config::read(path).unwrap_or_default();
        let folder = config::data_folder(path, &text);
        let (first, remembered) = if journal::exists(&folder) {
            let remembered = remember(&folder, &publisher)?;
            let kept = remembered.recovered.kept.as_ref();
            (first::load(path, kept, options.strict)?, remembered)
        } else {
            // A first start with broken files leaves nothing behind.
            let first = first::load(path, None, options.strict)?;
            (first, remember(&folder, &publisher)?)
        };
        let Remembered {
            gate,
            journal,
            mut recovered,
        } = remembered;
        // A strict start takes what is on disk, whatever it moves.
        let before = recovered.kept.take().filter(|_| !options.strict);
        let First {
            sources,
            case,
            accepted,
            passed,
        } = first;
        let accepted = Arc::new(accepted);
        let server = &accepted.config.server;
        let data = config::Paths::of(path).data(&accepted.config);
        let socket = control::bind_socket(&data);
        if let Err(why) = &socket
            && control::is_answered(&data)
        {
            return Err(StartError::System(why.clone()));
        }
        let listeners =
            dns::bind_for(&server.dns, server.udp_threads).map_err(StartError::System)?;
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

        let answering = Answering::start(publisher.clone(), server)?;
        let tally = Arc::new(Tally::default());
        let looked_up_at = Arc::new(AtomicI64::new(0));
        let (fold, inbox) = sync_channel(INBOX);
        let known = recovered.state.world();
        let last = (known.seq > 0).then_some(known.at);
        let clock = Clock::start(last, known.wall_offset_ms);
        let (in_force, follows) = signal::channel(Arc::default());
        let beginning = Beginning {
            recovered,
            gate,
            journal: journal.clone(),
            clock: clock.clone(),
            tally: Arc::clone(&tally),
            looked_up_at: Arc::clone(&looked_up_at),
            tap: options.tap,
            in_force,
        };
        let mut threads = vec![fold_thread(beginning, inbox)?];

        let (prober, probing) =
            probing::start(fold.clone(), server.name.clone(), Arc::clone(&tally))?;
        threads.push(probing);
        threads.push(hostnames::start(fold.clone(), prober, follows)?);
        let mut tasks = Vec::new();

        let (orders, ordered) = sync_channel(ORDERS);
        let shown = Arc::new(Mutex::new(Loading::default()));
        let (started, is_started) = sync_channel(1);
        let watcher = watch_for(&orders);
        let loader = {
            let (path, fold, accepted) = (path.to_owned(), fold.clone(), Arc::clone(&accepted));
            let (shown, tally) = (Arc::clone(&shown), Arc::clone(&tally));
            move || Loader {
                judge: Judge::remembering(passed),
                included: accepted.included.keys().cloned().collect(),
                candidate: None,
                seen: sources,
                in_force: case,
                started_with: accepted.config.server.clone(),
                answering,
                path,
                accepted,
                fold,
                watcher,
                shown,
                tally,
            }
        };
        let start = move || {
            let mut loader = loader();
            loader.start(before);
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
        let operator = Arc::new(Operator {
            fold: fold.clone(),
            orders: orders.clone(),
            publisher: publisher.clone(),
            tally,
            looked_up_at,
            journal: journal.clone(),
            shown,
            dns: listeners.addresses(),
            http: http.as_ref().and_then(|http| http.local_addr().ok()),
            started_at: clock.now(),
            clock,
            path: path.to_owned(),
            copy: Mutex::default(),
        });
        let dns = listeners.addresses();
        let (stop_dns, stopped_dns) = signal::channel(false);
        let dns_task = runtime.spawn(async move {
            dns::serve(listeners, &publisher, asked_to_stop(stopped_dns)).await;
        });
        let (http_address, socket_path) = (operator.http, control::socket_path(&data));
        tasks.push(runtime.spawn(serve_control(
            (data, socket),
            Arc::clone(&operator),
            stopped.clone(),
        )));
        if let Some(http) = http {
            let operations: Arc<dyn Operations> = operator.clone();
            tasks.push(runtime.spawn(async move {
                if let Err(error) = control::serve(http, operations, asked_to_stop(stopped)).await {
                    tracing::error!(%error, "HTTP is not answered");
                }
            }));
        }
        tracing::info!(?dns, http = ?http_address, control = %socket_path.display(), "answering");
        // From now on there is something to show, whatever the fold is busy with.
        operator.copied();
        Ok(Self {
            dns,
            http: http_address,
            control: socket_path,
            operator,
            fold,
            orders,
            journal,
            threads,
            stop,
            tasks,
            stop_dns,
            dns_task,
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

    /// Where its control socket is.
    pub fn control(&self) -> &Path {
        &self.control
    }

    /// What can be asked of it.
    pub fn operations(&self) -> Arc<dyn Operations> {
        self.operator.clone()
    }

    /// Runs until SIGINT or SIGTERM; SIGHUP reloads. Tells systemd, where it supervises.
    ///
    /// # Errors
    /// Signals cannot be received, or a thread ended that nothing works without: whoever
    /// supervises the daemon should start it again.
    pub fn run_until_signal(&self, signals: Signals) -> io::Result<()> {
        let supervisor = Supervisor::start(&self.operator)?;
        supervisor.ready();
        let mut ended = || {
            let ended = self.threads.iter().find(|thread| thread.is_finished())?;
            let name = ended.thread().name().unwrap_or("a thread");
            Some(format!("{name} ended by itself, which is a bug"))
        };
        let mut reload = || self.hang_up(&supervisor);
        let run = signals.run(&mut ended, &mut reload);
        let outcome = self.runtime.block_on(run);
        let why = match &outcome {
            Ok(()) => "stopping".to_owned(),
            Err(error) => error.to_string(),
        };
        supervisor.stopping(&why);
        outcome
    }

    /// Reloads, and tells the supervisor when that begins and ends.
    fn hang_up(&self, supervisor: &Supervisor) {
        let (reply, replied) = sync_channel(1);
        let order = Order::Reload {
            by: "SIGHUP".to_owned(),
            apply_pending: false,
            reply: Some(reply),
        };
        supervisor.reloading();
        // Where the queue is full, an order in it makes the loader look.
        let _ = self.orders.try_send(order);
        let supervisor = supervisor.clone();
        self.runtime.spawn_blocking(move || {
            // An order that was not taken ends the wait at once.
            let _ = replied.recv();
            supervisor.ready();
        });
    }

    /// Ends everything. DNS goes last: what was decided last is answered for as long as a slow
    /// disk or a probe under way keeps the rest.
    pub fn stop(self) {
        tracing::info!("stopping");
        self.stop.send_replace(true);
        // Threads that ended already are what is wanted.
        let _ = self.orders.send(Order::Stop);
        let _ = self.fold.send(Message::Stop);
        self.runtime.block_on(async {
            for task in self.tasks {
                let _ = task.await;
            }
        });
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread ended in a panic");
            }
        }
        self.journal.stop();
        self.stop_dns.send_replace(true);
        let _ = self.runtime.block_on(self.dns_task);
        self.runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

/// What the journal gave.
struct Remembered {
    gate: Arc<Gate>,
    journal: Journal,
    recovered: Recovered,
}

/// Opens the journal in `folder` and folds what is in it.
fn remember(folder: &Path, publisher: &Publisher) -> Result<Remembered, StartError> {
    let opened = journal::open(folder, journal::Settings::default())
        .map_err(|error| StartError::System(error.to_string()))?;
    let seq = opened.recovered.state.world().seq;
    let gate = Arc::new(Gate::new(publisher.clone(), seq));
    let opens = Arc::clone(&gate);
    let (recovered, journal) = opened.start(Box::new(move |seq| opens.committed(seq)))?;
    for alarm in &recovered.alarms {
        tracing::error!("{alarm}");
    }
    Ok(Remembered {
        gate,
        journal,
        recovered,
    })
}

/// What the fold begins with.
struct Beginning {
    recovered: Recovered,
    gate: Arc<Gate>,
    journal: Journal,
    clock: Clock,
    tally: Arc<Tally>,
    looked_up_at: Arc<AtomicI64>,
    tap: Option<Sender<Event>>,
    in_force: signal::Sender<Arc<Config>>,
}

fn fold_thread(beginning: Beginning, inbox: Receiver<Message>) -> io::Result<JoinHandle<()>> {
    let run = move || {
        // Compiled policies live on this thread and no other.
        let library = Library::new();
        know_again(&library, &beginning.recovered);
        let offset_ms = beginning.recovered.state.world().wall_offset_ms;
        Fold {
            recent: Recent::new(offset_ms),
            state: beginning.recovered.state,
            library,
            clock: beginning.clock,
            gate: beginning.gate,
            journal: beginning.journal,
            tally: beginning.tally,
            looked_up_at: beginning.looked_up_at,
            announcer: Announcer::default(),
            tap: beginning.tap,
            in_force: beginning.in_force,
            zones: None,
            table: Arc::default(),
            published: None,
            quiet_until: None,
        }
        .run(&inbox);
    };
    thread::Builder::new()
        .name("sidestep-fold".into())
        .spawn(run)
}

/// Compiles the versions that the state names: the one in force, and the one that is asked where
/// it faults.
fn know_again(library: &Library, recovered: &Recovered) {
    let world = recovered.state.world();
    for service in world.asking() {
        let Some(configured) = world.config.services.get(&service.name) else {
            continue;
        };
        for version in [Some(&service.policy), service.previous.as_ref()] {
            let Some((text, params)) = version.and_then(|v| recovered.versions.get(v)) else {
                continue;
            };
            let asked = crate::model::Service {
                params: params.clone(),
                ..configured.clone()
            };
            match library.candidate(&asked, text) {
                Ok(candidate) => library.adopt(&candidate),
                // The guard goes on without it: the built-in policy stands behind every other.
                Err(found) => tracing::warn!(?found, service = %service.name, "a former policy"),
            }
        }
    }
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

/// Answers at the control socket in the folder `data`. Where there is none, for a disk that is
/// full or read-only, DNS is answered all the same, and the socket is tried for again and again.
async fn serve_control(
    (data, mut socket): (PathBuf, Result<control::ControlSocket, String>),
    operator: Arc<Operator>,
    stopped: signal::Receiver<bool>,
) {
    let note = |why: Option<String>| {
        let mut shown = operator
            .shown
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = why
            .as_ref()
            .filter(|why| shown.no_control.as_ref() != Some(why))
        {
            tracing::error!(%why, "there is no control socket: orders cannot be given");
        }
        shown.no_control = why;
    };
    let socket = loop {
        match socket {
            Ok(socket) => break socket,
            Err(why) => note(Some(why)),
        }
        tokio::select! {
            () = asked_to_stop(stopped.clone()) => return,
            () = tokio::time::sleep(CONTROL_RETRY) => {}
        }
        socket = control::bind_socket(&data);
    };
    note(None);
    let operations: Arc<dyn Operations> = operator.clone();
    if let Err(error) = control::serve_socket(socket, operations, asked_to_stop(stopped)).await {
        tracing::error!(%error, "the control socket is not answered");
    }
}

async fn asked_to_stop(mut stopped: signal::Receiver<bool>) {
    // An error says that the daemon was dropped, which asks the same.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

//! The fold's thread: the next input, a step, the answers published. Nothing else decides.
//!
//! One plain thread owns the state and the compiled policies; everybody else sends it a
//! [`Message`]. It waits for nobody: what it hands on is a pointer swap or a bounded queue. The
//! events of a step go to the journal whole; the answers that follow from them go to the
//! [`Gate`].

use super::{
    announce::Announcer,
    clock::Clock,
    gate::Gate,
    judge::Accepted,
    recent::{Facts, Recent},
    tally::{Tally, Timed},
};
use crate::{
    dns::{Table, Zones},
    failover::{
        self, Event, Input, OperationError, Reload, State, What,
        input::{OperatorCommand, Refused, Resolved, Start},
        orders::{self, Answered, Force, Ordered, ServiceMove},
    },
    journal::{Journal, Kept},
    model::{Config, OnReload, ServiceName, TargetName, Timestamp},
    policy::{self, Library},
    probe::Series,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender},
    },
    time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};

/// The fold looks up at least this often, so that its watchers see it alive.
const LOOK_UP: Duration = Duration::from_millis(500);

/// What the fold is told.
#[derive(Debug)]
pub(super) enum Message {
    /// Probes ended and witnesses were asked, in this order.
    Found(Vec<Found>),
    /// Hostnames were resolved.
    Resolved {
        /// To what, in this order.
        reports: Vec<Resolved>,
        /// Hears when they are in force, and told to those who follow the configuration.
        reply: oneshot::Sender<()>,
    },
    /// A candidate was accepted.
    Reload {
        /// What is to be in force.
        accepted: Arc<Accepted>,
        /// The files that it was made of, for the next start.
        kept: Kept,
        /// Who or what asked.
        by: String,
        /// Also where a service with `reload = "ask"` would move.
        apply_pending: bool,
        /// What became of it.
        reply: SyncSender<Reloaded>,
    },
    /// Files were refused.
    Refused(Refused),
    /// An operator orders something.
    Order {
        /// What.
        order: OperatorCommand,
        /// For a failback though the primary fails.
        force: Option<Force>,
        /// What became of it.
        reply: SyncSender<Result<Obeyed, OperationError>>,
    },
    /// Somebody wants to see what is known.
    Known {
        /// Where to.
        reply: SyncSender<State>,
    },
    /// The loader wants to try a candidate on what is known, and on what happened lately.
    Present {
        /// Where to.
        reply: SyncSender<Present>,
    },
    /// The end.
    Stop,
}

/// What the prober found.
#[derive(Debug)]
pub(super) struct Found {
    /// The fact.
    pub(super) input: Input,
    /// What was probed; `None` where a witness was asked.
    pub(super) series: Option<Arc<Series>>,
}

/// What a candidate is tried on before it is in force.
#[derive(Clone, Debug)]
pub(super) struct Present {
    /// What is known.
    pub(super) state: State,
    /// The time now.
    pub(super) at: Timestamp,
    /// What happened lately.
    pub(super) facts: Facts,
}

impl Present {
    /// The wall clock now.
    pub(super) fn wall(&self) -> Timestamp {
        self.at.plus_ms(self.state.world().wall_offset_ms)
    }
}

/// What became of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reloaded {
    /// It is in force; these services moved, in words.
    InForce {
        /// `www from a to b`.
        moved: Vec<String>,
    },
    /// It would move these services, which want to be asked; nothing changed.
    Pending {
        /// `www from a to b`.
        would_move: Vec<String>,
        /// Since when, by the fold's time.
        since: Timestamp,
    },
}

/// An order that was obeyed.
#[derive(Debug)]
pub(super) struct Obeyed {
    /// What it did; nobody has asked yet whether it is durable.
    pub(super) ordered: Ordered,
    /// The last event that followed from it.
    pub(super) last_seq: u64,
}

/// What the fold owns.
pub(super) struct Fold {
    pub(super) state: State,
    pub(super) library: Library,
    pub(super) clock: Clock,
    pub(super) gate: Arc<Gate>,
    pub(super) journal: Journal,
    pub(super) tally: Arc<Tally>,
    /// When the fold last looked up, ms by its own clock: what `/livez` reads.
    pub(super) looked_up_at: Arc<AtomicI64>,
    pub(super) announcer: Announcer,
    /// Hears every event; for the tour and for tests.
    pub(super) tap: Option<Sender<Event>>,
    /// The configuration in force, hostnames resolved: for those who follow it.
    pub(super) in_force: watch::Sender<Arc<Config>>,
    /// The zones in force; `None` before the first reload.
    pub(super) zones: Option<Arc<Zones>>,
    /// The last offered answers.
    pub(super) table: Arc<Table>,
    /// Their version; `None` before the first.
    pub(super) published: Option<u64>,
    /// The last facts, for the loader.
    pub(super) recent: Recent,
    /// No tick is due before; `None` where that is to be found out.
    pub(super) quiet_until: Option<Timestamp>,
}

impl std::fmt::Debug for Fold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fold")
            .field("published", &self.published)
            .finish_non_exhaustive()
    }
}

impl Fold {
    /// Runs until told to stop or until nobody can tell it anything any more.
    pub(super) fn run(mut self, inbox: &Receiver<Message>) {
        let start = Start {
            program: format!("sidestep {}", env!("CARGO_PKG_VERSION")),
            rhai: policy::RHAI_VERSION.to_owned(),
            api: policy::API_VERSION,
        };
        self.step(Input::Start(start));
        loop {
            let now = self.clock.now();
            self.looked_up_at.store(now.0, Ordering::Relaxed);
            if let Some(jump) = self.clock.jump() {
                tracing::warn!(offset_ms = jump.offset_ms, "the wall clock jumped");
                self.step(Input::Clock(jump));
            }
            if self.tick_is_due(now) {
                self.step(Input::Tick);
                continue;
            }
            match inbox.recv_timeout(self.patience(now)) {
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.journal.snapshot(self.state.clone());
                    return;
                }
                Ok(message) => {
                    let began = Instant::now();
                    self.take(message);
                    self.conclude(began);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Whether a tick is due. Every service has a deadline, and each result moves one: all of
    /// them are looked at when the earliest was reached, and not for each result.
    fn tick_is_due(&mut self, now: Timestamp) -> bool {
        if self.quiet_until.is_none_or(|until| until <= now) {
            self.quiet_until = failover::next_deadline(&self.state);
        }
        self.quiet_until.is_some_and(|until| until <= now)
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Found(found) => {
                for Found { input, series } in found {
                    // The prober hears of a reload after the fold does.
                    let config = &self.state.world().config;
                    if series.is_some_and(|series| !series.is_asked_for_by(config)) {
                        continue;
                    }
                    if let Input::Probe(observation) = &input {
                        self.tally.probed(observation);
                    }
                    self.step(input);
                }
            }
            Message::Resolved { reports, reply } => {
                let began = Instant::now();
                for report in reports {
                    self.step(Input::Resolved(report));
                }
                self.conclude(began);
                // Whoever told it may have ended.
                let _ = reply.send(());
            }
            Message::Reload {
                accepted,
                kept,
                by,
                apply_pending,
                reply,
            } => {
                // Whoever asked may have given up; the reload holds all the same.
                let _ = reply.send(self.reload(&accepted, kept, by, apply_pending));
            }
            Message::Refused(refused) => self.step(Input::Refused(refused)),
            Message::Order {
                order,
                force,
                reply,
            } => {
                // Whoever asked may have given up; the order holds all the same.
                let _ = reply.send(self.obey(&order, force));
            }
            Message::Known { reply } => {
                // Whoever asked may have given up.
                let _ = reply.send(self.state.clone());
            }
            Message::Present { reply } => {
                // Whoever asked may have given up.
                let _ = reply.send(Present {
                    state: self.state.clone(),
                    at: self.clock.now().max(self.state.world().at),
                    facts: self.recent.facts(),
                });
            }
            Message::Stop => {}
        }
    }

    /// How long to wait for a message: no longer than an answer may wait for the disk.
    fn patience(&self, now: Timestamp) -> Duration {
        if self
            .gate
            .next_due()
            .is_some_and(|due| due <= Instant::now())
        {
            // Said first: who is killed in between has warned of what may be taken back.
            tracing::warn!("the disk is slow: answers change before their decisions are on it");
            self.gate.overdue();
        }
        let due = self.gate.next_due();
        let opens = due.map(|due| due.saturating_duration_since(Instant::now()));
        opens.unwrap_or(LOOK_UP).min(until(self.quiet_until, now))
    }

    /// One input through the fold, and its consequences out.
    fn step(&mut self, input: Input) {
        self.step_keeping(input, None);
    }

    fn step_keeping(&mut self, input: Input, kept: Option<Kept>) {
        let (at, began) = (self.clock.now(), Instant::now());
        // A message may hold what hundreds of hostnames were resolved to: answered at its end.
        let waits = matches!(input, Input::Resolved(_));
        let policies = Timed::new(&self.library);
        let events = failover::step(&mut self.state, at, input, &policies);
        let asked = policies.counted();
        // Events before answers: the journal may be through with them before they are offered.
        self.journal.write(events.clone(), kept);
        if !waits && self.publish() {
            self.tally.published(began.elapsed());
        }
        if self.journal.wants_snapshot() {
            self.journal.snapshot(self.state.clone());
        }
        self.tally.evaluated(asked);
        if events.iter().any(may_hasten) {
            self.quiet_until = None;
        }
        for event in &events {
            self.tally.event(event);
            self.announcer.event(event);
        }
        for event in events {
            if let Some(tap) = &self.tap {
                // Whoever listened may have had enough.
                let _ = tap.send(event.clone());
            }
            self.recent.take(event);
        }
    }

    /// What follows from a message as a whole, begun then: what hostnames were resolved to is
    /// offered, and the configuration in force told where it is another. Once for many, since
    /// both cost as much as there are services, and whoever was told holds on to what is copied
    /// at the next change.
    fn conclude(&mut self, began: Instant) {
        if self.publish() {
            self.tally.published(began.elapsed());
        }
        let config = &self.state.world().config;
        if self.zones.is_some() && !Arc::ptr_eq(&self.in_force.borrow(), config) {
            self.in_force.send_replace(Arc::clone(config));
        }
    }

    /// Gives an order that makes sense now, and compares what was answered with what is.
    fn obey(
        &mut self,
        order: &OperatorCommand,
        force: Option<Force>,
    ) -> Result<Obeyed, OperationError> {
        let world = self.state.world();
        let wall = self.clock.now().max(world.at).plus_ms(world.wall_offset_ms);
        let order = orders::admit(&self.state, wall, order, force)?;
        let seq = self.state.world().seq.saturating_add(1);
        let concerned = orders::concerned(&self.state, &order.command);
        let answered = |state: &State| -> Vec<Answered> {
            let services = concerned.iter();
            let answers = services.map(|name| orders::answered(state, name));
            answers.map(Option::unwrap_or_default).collect()
        };
        let before = answered(&self.state);
        self.step(Input::Operator(order.clone()));
        let after = answered(&self.state);
        let alert = |name: &ServiceName| {
            let service = self.state.world().service(name)?;
            service.decision.as_ref()?.alert.clone()
        };
        let services = concerned.iter().zip(before.into_iter().zip(after));
        let services = services.map(|(name, (before, now))| ServiceMove {
            service: name.clone(),
            alert: alert(name),
            before,
            now,
        });
        let ordered = Ordered {
            seq,
            order: order.command.to_string(),
            until: order.command.until(),
            taken_back_by: order.taken_back_by(),
            services: services.collect(),
            by: order.by,
            durable: false,
            not_durable: None,
        };
        Ok(Obeyed {
            ordered,
            last_seq: self.state.world().seq,
        })
    }

    /// Offers the answers where they changed; whether they did.
    fn publish(&mut self) -> bool {
        let Some(zones) = &self.zones else {
            return false; // Nothing is in force yet.
        };
        let world = self.state.world();
        let (seq, changed) = (world.seq, Some(world.answers_changed));
        if changed == self.published {
            return false;
        }
        // Zones and table at once: a new name is never there without its answer.
        // What did not change is shared with the table before.
        let answers = failover::answers(&self.state);
        self.table = Arc::new(Table::next(&self.table, zones, &answers));
        let fails = self.journal.is_degraded();
        self.gate
            .offer(seq, Arc::clone(zones), Arc::clone(&self.table), fails);
        self.published = changed;
        true
    }

    /// Puts an accepted candidate in force, unless it would move a service that wants to be
    /// asked.
    fn reload(
        &mut self,
        accepted: &Accepted,
        kept: Kept,
        by: String,
        apply_pending: bool,
    ) -> Reloaded {
        for (service, text) in &accepted.scripts {
            match self.library.candidate(service, text) {
                Ok(candidate) => self.library.adopt(&candidate),
                // The loader compiled the same text: were it not so, the guard's first rule holds.
                Err(found) => tracing::error!(?found, "an accepted policy does not compile"),
            }
        }
        let input = Input::Reload(Reload {
            by,
            config: Arc::clone(&accepted.config),
            policies: accepted.policies.clone(),
            zones: accepted.zone_versions.clone(),
        });
        let asks = |name: &ServiceName| {
            let service = accepted.config.services.get(name);
            service.is_some_and(|service| service.reload == OnReload::Ask)
        };
        if !apply_pending && accepted.config.services.keys().any(asks) {
            let mut tried = self.state.clone();
            failover::step(&mut tried, self.clock.now(), input.clone(), &self.library);
            let would_move = moves(&self.state, &tried, asks);
            if !would_move.is_empty() {
                self.forget_unused_versions();
                return Reloaded::Pending {
                    would_move,
                    since: self.clock.now(),
                };
            }
        }
        let before = self.state.clone();
        self.zones = Some(Arc::clone(&accepted.zones));
        self.step_keeping(input, Some(kept));
        let moved = moves(&before, &self.state, |_| true);
        drop(before);
        self.forget_unused_versions();
        Reloaded::InForce { moved }
    }

    fn forget_unused_versions(&mut self) {
        let used = self.state.world().asking().flat_map(|service| {
            [Some(service.policy.clone()), service.previous.clone()]
                .into_iter()
                .flatten()
        });
        let used: Vec<_> = used.collect();
        self.library.retain(&used);
    }
}

/// Whether a deadline can be nearer after this event than before.
fn may_hasten(event: &Event) -> bool {
    !matches!(
        event.what,
        What::Probe(_) | What::Tick {} | What::Witness(_) | What::Freshness(_) | What::Drift(_)
    )
}

/// How long to wait for a message.
fn until(deadline: Option<Timestamp>, now: Timestamp) -> Duration {
    let wait_ms = deadline.map_or(i64::MAX, |deadline| deadline.since_ms(now));
    LOOK_UP.min(Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0)))
}

/// Which of the services that `matter` serve something else, in words.
fn moves(before: &State, after: &State, matter: impl Fn(&ServiceName) -> bool) -> Vec<String> {
    let mut moved = Vec::new();
    for new in &after.world().services {
        let Some(old) = before.world().service(&new.name) else {
            continue;
        };
        if old.serving != new.serving && matter(&new.name) {
            moved.push(format!(
                "{} from {} to {}",
                new.name,
                names(&old.serving),
                names(&new.serving)
            ));
        }
    }
    moved
}

/// Names in a sentence.
pub(super) fn names(serving: &[TargetName]) -> String {
    serving
        .iter()
        .map(TargetName::as_str)
        .collect::<Vec<_>>()
        .join(" and ")
}

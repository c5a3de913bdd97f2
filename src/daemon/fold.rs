//! The fold's thread: the next input, a step, the answers published. Nothing else decides.
//!
//! One plain thread owns the state and the compiled policies; everybody else sends it a
//! [`Message`]. It waits for nobody: what it hands on is a pointer swap or a bounded queue.

use super::{
    announce::Announcer,
    clock::Clock,
    judge::Accepted,
    tally::{Tally, Timed},
};
use crate::{
    dns::{Publisher, Table, Zones},
    failover::{
        self, Event, Input, Reload, State,
        input::{Start, WitnessResult},
    },
    model::{Observation, OnReload, ServiceName, TargetName, Timestamp},
    policy::{self, Library},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender},
    },
    time::Duration,
};

/// The fold looks up at least this often, so that its watchers see it alive.
const LOOK_UP: Duration = Duration::from_millis(500);

/// What the fold is told.
#[derive(Debug)]
pub(super) enum Message {
    /// A probe ended.
    Probe(Observation),
    /// A witness was asked.
    Witness(WitnessResult),
    /// A candidate was accepted.
    Reload {
        /// What is to be in force.
        accepted: Arc<Accepted>,
        /// Who or what asked.
        by: String,
        /// Also where a service with `reload = "ask"` would move.
        apply_pending: bool,
        /// What became of it.
        reply: SyncSender<Reloaded>,
    },
    /// Somebody wants to see what is known.
    Known {
        /// Where to.
        reply: SyncSender<State>,
    },
    /// The end.
    Stop,
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

/// What the fold owns.
pub(super) struct Fold {
    pub(super) state: State,
    pub(super) library: Library,
    pub(super) clock: Clock,
    pub(super) publisher: Publisher,
    pub(super) tally: Arc<Tally>,
    /// When the fold last looked up, ms by its own clock: what `/livez` reads.
    pub(super) looked_up_at: Arc<AtomicI64>,
    pub(super) announcer: Announcer,
    /// Hears every event; for the tour and for tests.
    pub(super) tap: Option<Sender<Event>>,
    /// The zones in force.
    pub(super) zones: Arc<Zones>,
    /// The last published version of the answers.
    pub(super) published: u64,
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
            let deadline = failover::next_deadline(&self.state);
            if deadline.is_some_and(|deadline| deadline <= now) {
                self.step(Input::Tick);
                continue;
            }
            match inbox.recv_timeout(until(deadline, now)) {
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Probe(observation) => {
                self.tally.probed(&observation);
                self.step(Input::Probe(observation));
            }
            Message::Witness(result) => self.step(Input::Witness(result)),
            Message::Reload {
                accepted,
                by,
                apply_pending,
                reply,
            } => {
                // Whoever asked may have given up; the reload holds all the same.
                let _ = reply.send(self.reload(&accepted, by, apply_pending));
            }
            Message::Known { reply } => {
                // Whoever asked may have given up.
                let _ = reply.send(self.state.clone());
            }
            Message::Stop => {}
        }
    }

    /// One input through the fold, and its consequences out.
    fn step(&mut self, input: Input) {
        let at = self.clock.now();
        let policies = Timed::new(&self.library);
        let events = failover::step(&mut self.state, at, input, &policies);
        let asked = policies.counted();
        self.publish();
        self.tally.evaluated(asked);
        for event in &events {
            self.tally.event(event);
            self.announcer.event(event);
        }
        if let Some(tap) = &self.tap {
            // Whoever listened may have had enough.
            events.into_iter().for_each(|event| drop(tap.send(event)));
        }
    }

    /// Publishes the answers where they changed.
    fn publish(&mut self) {
        let changed = self.state.world().answers_changed;
        if changed != self.published {
            // Zones and table at once: a new name is never there without its answer.
            let table = Table::from(&failover::answers(&self.state));
            self.publisher.publish(Arc::clone(&self.zones), table);
            self.published = changed;
        }
    }

    /// Puts an accepted candidate in force, unless it would move a service that wants to be
    /// asked.
    fn reload(&mut self, accepted: &Accepted, by: String, apply_pending: bool) -> Reloaded {
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
        self.zones = Arc::clone(&accepted.zones);
        self.step(input);
        let moved = moves(&before, &self.state, |_| true);
        drop(before);
        self.forget_unused_versions();
        Reloaded::InForce { moved }
    }

    fn forget_unused_versions(&mut self) {
        let services = &self.state.world().services;
        let used = services.iter().flat_map(|service| {
            [Some(service.policy.clone()), service.previous.clone()]
                .into_iter()
                .flatten()
        });
        let used: Vec<_> = used.collect();
        self.library.retain(&used);
    }
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

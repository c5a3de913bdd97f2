//! Runs a plan: starts each probe when it is due, hands on what it found, takes new plans.
//!
//! One task owns the schedule; each probe is a task of its own. Results pass through the owner,
//! so that nothing of a removed series is handed on once a new plan is in force. It never waits
//! for its receiver: while that is busy a series keeps its one result and is not probed again.
//! Witnesses are asked beside it (`witness.rs`), while a series fails.

use super::{
    Order, Shared,
    http::Clients,
    icmp,
    outcome::{Outcome, Place},
    patience,
    plan::{Plan, Series},
    schedule::{Fired, Rhythm, Schedule, SeriesId},
    witness::{self, Witnessed},
};
use crate::model::{Monitor, Observation};
use futures_util::FutureExt;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    task::{AbortHandle, JoinError, JoinHandle, JoinSet},
    time::{Instant, sleep_until},
};

/// Probes that are due within a hundredth of the shortest interval, and at most within so many
/// ms, start together: one timer and one look at the sockets serve them all. The price is in the
/// round-trip times: one may hold the start of the others, some tens of µs each.
const LONGEST_PACE_MS: i64 = 20;

/// What the prober found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A probe is over.
    Probe(Observed),
    /// A witness was asked.
    Witness(Witnessed),
}

/// An observation and when its probe ended, on the monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The fact.
    pub observation: Observation,
    /// What was probed, and how.
    pub series: Arc<Series>,
    /// When the outcome was known.
    pub at: Instant,
    /// How long after it was due the probe fired.
    pub lag: Duration,
}

/// How a prober runs.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Spreads the phases: the same seed, the same schedule.
    pub seed: u64,
    /// How many probes may be in flight; at least 1. 512 by default: processes commonly start
    /// with 1,024 descriptors, and half of them are for queries, files and operators. Probes
    /// past it wait their turn; `Plan::worst_in_flight` says whether that can happen.
    pub max_in_flight: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            max_in_flight: 512,
        }
    }
}

/// Probes that run until this is dropped or shut down.
#[derive(Debug)]
pub struct Prober {
    shared: Shared,
    orders: mpsc::Sender<Replace>,
    runner: JoinHandle<()>,
}

struct Replace {
    ready: Ready,
    done: oneshot::Sender<()>,
}

impl Prober {
    /// Starts to run `plan` in the current tokio runtime; findings go to `out`. Ends when `out`
    /// is closed.
    pub fn start(plan: Arc<Plan>, settings: Settings, out: mpsc::Sender<Finding>) -> Self {
        let (orders, received) = mpsc::channel(1);
        let shared = Shared::default();
        let ready = Ready::of(plan, &shared);
        let runner = Runner::new(settings, out);
        let runner = tokio::spawn(runner.run(ready, received, shared.echoes.clone()));
        Self {
            shared,
            orders,
            runner,
        }
    }

    /// Puts another plan in force. A series whose target, monitor settings and address are as
    /// before keeps its rhythm and its running probe; others begin anew or stop, and nothing
    /// of a stopped one is handed on after this returns. PEM files are read again.
    pub async fn replace(&self, plan: Arc<Plan>) {
        let (done, in_force) = oneshot::channel();
        let ready = Ready::of(plan, &self.shared);
        if self.orders.send(Replace { ready, done }).await.is_ok() {
            // An error means that the runner ended: there is nothing left to wait for.
            in_force.await.ok();
        }
    }

    /// Ends all probes, with their sockets.
    pub async fn shutdown(self) {
        drop(self.orders);
        if let Err(error) = self.runner.await {
            tracing::error!("the prober ended badly: {error}");
        }
    }
}

/// A plan with its monitors made ready, before the runner is bothered with it.
struct Ready {
    plan: Arc<Plan>,
    /// One for each series of the plan.
    orders: Vec<SharedOrder>,
}

/// What a series runs, or why it cannot.
type SharedOrder = Arc<Result<Order, String>>;

impl Ready {
    fn of(plan: Arc<Plan>, shared: &Shared) -> Self {
        let mut clients = Clients::default();
        let mut known: Vec<(Arc<Monitor>, SharedOrder)> = Vec::new();
        let mut order_of = |monitor: &Arc<Monitor>| {
            // Most targets share their monitor; addresses of one target stand side by side.
            let same = known.iter().rev().find(|(m, _)| Arc::ptr_eq(m, monitor));
            if let Some((_, order)) = same {
                return order.clone();
            }
            let order = Arc::new(Order::of(monitor, &mut clients, shared));
            if let Err(problem) = &*order {
                tracing::error!(monitor = %monitor.name, "cannot probe: {problem}");
            }
            known.push((monitor.clone(), order.clone()));
            order
        };
        let orders = plan.series.iter().map(|s| order_of(&s.monitor)).collect();
        Self { plan, orders }
    }
}

/// A series in force.
struct Running {
    series: Arc<Series>,
    place: Arc<Place>,
    order: SharedOrder,
    flight: Option<AbortHandle>,
}

/// A probe that is over.
struct Landed {
    id: SeriesId,
    outcome: Outcome,
    late: bool,
    lag: Duration,
    at: Instant,
}

struct Runner {
    began: Instant,
    schedule: Schedule,
    /// What is due within so many µs starts together.
    pace_us: u64,
    /// Before this instant nothing starts, µs since `began`.
    paced_until_us: u64,
    running: BTreeMap<SeriesId, Running>,
    next_id: SeriesId,
    flights: JoinSet<Landed>,
    slots: Arc<Semaphore>,
    /// Results that the receiver had no room for; one for each series at most.
    waiting: VecDeque<Landed>,
    failing: BTreeSet<SeriesId>,
    doubt: watch::Sender<bool>,
    witnesses: watch::Sender<witness::Orders>,
    out: mpsc::Sender<Finding>,
}

impl Runner {
    fn new(settings: Settings, out: mpsc::Sender<Finding>) -> Self {
        Self {
            began: Instant::now(),
            schedule: Schedule::new(settings.seed),
            pace_us: 0,
            paced_until_us: 0,
            running: BTreeMap::new(),
            next_id: 0,
            flights: JoinSet::new(),
            slots: Arc::new(Semaphore::new(settings.max_in_flight.max(1))),
            waiting: VecDeque::new(),
            failing: BTreeSet::new(),
            doubt: watch::Sender::new(false),
            witnesses: watch::Sender::default(),
            out,
        }
    }

    async fn run(
        mut self,
        ready: Ready,
        mut orders: mpsc::Receiver<Replace>,
        echoes: Arc<icmp::Sockets>,
    ) {
        self.adopt(ready);
        let asking = witness::ask(
            self.witnesses.subscribe(),
            self.doubt.subscribe(),
            self.out.clone(),
            echoes,
        );
        let out = self.out.clone();
        let mut beside = JoinSet::new();
        beside.spawn(asking);
        loop {
            self.fire();
            let due = self.schedule.next_due_us();
            let due = due.map(|us| self.instant(us.max(self.paced_until_us)));
            let wake = sleep_until(due.unwrap_or_else(Instant::now));
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Replace { ready, done }) => {
                        self.adopt(ready);
                        done.send(()).ok();
                    }
                    None => break,
                },
                () = out.closed() => break,
                Some(landed) = self.flights.join_next() => {
                    self.land(landed);
                    while let Some(landed) = self.flights.try_join_next() {
                        self.land(landed);
                    }
                    self.hand_over();
                }
                room = out.reserve(), if !self.waiting.is_empty() => {
                    if room.is_err() { break; }
                    drop(room);
                    self.hand_over();
                }
                () = wake, if due.is_some() => {}
            }
        }
        self.flights.shutdown().await;
        beside.shutdown().await;
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn instant(&self, us: u64) -> Instant {
        self.began + Duration::from_micros(us)
    }

    /// Puts the series of a plan in force.
    fn adopt(&mut self, ready: Ready) {
        let now_us = self.now_us();
        let Ready { plan, orders } = ready;
        let running = self.running.iter();
        let before: BTreeMap<_, _> = running.map(|(&id, r)| (r.series.key(), id)).collect();
        let mut kept = BTreeSet::new();
        for (series, order) in plan.series.iter().zip(orders) {
            let old = before.get(&series.key()).copied();
            let old = old.and_then(|id| Some((id, self.running.get_mut(&id)?)));
            match old.filter(|(_, running)| *running.series == *series) {
                Some((id, running)) => {
                    running.order = order;
                    kept.insert(id);
                }
                None => {
                    kept.insert(self.begin(series.clone(), order, now_us));
                }
            }
        }
        let all: Vec<_> = self.running.keys().copied().collect();
        for id in all.into_iter().filter(|id| !kept.contains(id)) {
            self.end(id);
        }
        self.tell_doubt();
        let shortest_ms = plan.shortest_interval_ms().unwrap_or(0);
        self.pace_us = shortest_ms.clamp(0, LONGEST_PACE_MS * 100).unsigned_abs() * 10;
        let witnesses = witness::Orders::of(&plan);
        self.witnesses.send_if_modified(|orders| {
            let changed = *orders != witnesses;
            *orders = witnesses;
            changed
        });
    }

    fn begin(&mut self, series: Series, order: SharedOrder, now_us: u64) -> SeriesId {
        let id = self.next_id;
        self.next_id += 1;
        let place = Place {
            target: series.target.clone(),
            monitor: series.monitor.name.clone(),
            address: series.at.ip,
            vantage: series.vantage.clone(),
        };
        let us = |ms: i64| ms.max(1).unsigned_abs().saturating_mul(1000);
        let rhythm = Rhythm {
            interval_us: us(series.monitor.interval_ms),
            suspect_us: series.monitor.interval_suspect_ms.map(us),
        };
        self.schedule.insert(id, rhythm, now_us);
        let running = Running {
            series: Arc::new(series),
            place: Arc::new(place),
            order,
            flight: None,
        };
        self.running.insert(id, running);
        id
    }

    fn end(&mut self, id: SeriesId) {
        self.schedule.remove(id);
        self.failing.remove(&id);
        self.waiting.retain(|landed| landed.id != id);
        if let Some(Running {
            flight: Some(flight),
            ..
        }) = self.running.remove(&id)
        {
            flight.abort();
        }
    }

    /// Starts what is due.
    fn fire(&mut self) {
        let now_us = self.now_us();
        if now_us < self.paced_until_us {
            return;
        }
        while let Some(Fired { id, due_us }) = self.schedule.fire(now_us) {
            self.paced_until_us = now_us + self.pace_us;
            let due = self.instant(due_us);
            let running = self.running.get_mut(&id).expect("what is due is running");
            let timeout = patience(&running.series.monitor);
            let (order, slots) = (running.order.clone(), self.slots.clone());
            let (at, target) = (running.series.at, running.series.target.clone());
            let flight = async move {
                let _turn = match &*order {
                    Ok(order) => order.turn().await,
                    Err(_) => None,
                };
                let fired_late = is_late(due, timeout);
                let lag = Instant::now().saturating_duration_since(due);
                let _slot = slots.acquire().await;
                let deadline = Instant::now() + timeout;
                let outcome = match &*order {
                    Ok(order) => {
                        let address = SocketAddr::new(at.ip, at.port.unwrap_or(order.port()));
                        let probed = AssertUnwindSafe(order.probe(&target, address, deadline));
                        match probed.catch_unwind().await {
                            Ok(probed) => probed.outcome,
                            Err(_) => Outcome::no_result("the probe panicked: please report this"),
                        }
                    }
                    Err(problem) => Outcome::no_result(problem.clone()),
                };
                Landed {
                    id,
                    outcome,
                    // Either timer counts: one that ends a probe late may have slept through
                    // an answer.
                    late: fired_late || is_late(deadline, timeout),
                    lag,
                    at: Instant::now(),
                }
            };
            running.flight = Some(self.flights.spawn(flight));
        }
    }

    fn land(&mut self, landed: Result<Landed, JoinError>) {
        // An error is a probe that was aborted with its series: there is nobody to tell.
        let Ok(landed) = landed else { return };
        if self.running.contains_key(&landed.id) {
            self.waiting.push_back(landed);
        }
    }

    /// Hands on as many results as the receiver has room for.
    fn hand_over(&mut self) {
        let now_us = self.now_us();
        while let Some(landed) = self.waiting.pop_front() {
            let Some(running) = self.running.get_mut(&landed.id) else {
                continue;
            };
            let Ok(room) = self.out.try_reserve() else {
                self.waiting.push_front(landed);
                break;
            };
            let Landed {
                id,
                outcome,
                late,
                lag,
                at,
            } = landed;
            running.flight = None;
            let verdict = outcome.verdict();
            let observation = outcome.observation(&running.place, late);
            room.send(Finding::Probe(Observed {
                observation,
                series: running.series.clone(),
                at,
                lag,
            }));
            self.schedule.landed(id, verdict, now_us);
            match verdict {
                Some(false) => self.failing.insert(id),
                Some(true) => self.failing.remove(&id),
                None => false,
            };
        }
        self.tell_doubt();
    }

    fn tell_doubt(&self) {
        let in_doubt = !self.failing.is_empty();
        self.doubt.send_if_modified(|doubt| {
            let changed = *doubt != in_doubt;
            *doubt = in_doubt;
            changed
        });
    }
}

/// Whether it is more than max(100 ms, timeout / 4) after `due`.
fn is_late(due: Instant, timeout: Duration) -> bool {
    let grace = (timeout / 4).max(Duration::from_millis(100));
    Instant::now().saturating_duration_since(due) > grace
}

//! What if: the present state run forward while some targets fail or answer slowly, and on until
//! the service is home again.
//!
//! From now on the injected targets do as told, for a while; then they are well. Everything else
//! goes on as it is. Overrides, drains and a freeze stand and end as they would.

use super::{
    lane::{Finding, Lane},
    onward::Onward,
    runner::{Change, Rehearsal},
};
use crate::failover::{Policy, Rail, State, service_state::ServiceState};
use crate::model::{
    ServiceName, TargetName,
    time::{HOUR_MS, SECOND_MS},
};
use serde::Serialize;

/// How long it runs on after the injected results end, at the least, ms.
const AFTER_MS: i64 = HOUR_MS;
/// A slow answer takes this much of the timeout, per cent.
const SLOW_PERCENT: i64 = 95;
/// Rounds of probes after which a run ends, whatever was asked.
const ROUNDS_MAX: i64 = 100_000;

/// What is told otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Injected {
    /// Targets that fail: their probes time out.
    pub fail: Vec<TargetName>,
    /// Targets that are slow: round-trip time in ms, `None` for just within the timeout.
    pub slow: Vec<(TargetName, Option<i64>)>,
    /// For how long, ms.
    pub for_ms: i64,
}

/// What follows. Its JSON is that of `sidestep whatif --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Course {
    /// What was served when it began.
    pub serving: Vec<TargetName>,
    /// The TTL of that answer, ms.
    pub ttl_ms: i64,
    /// Everything that is decided, in order.
    pub happened: Vec<Happened>,
    /// When no failing target was served any more, ms; `None` where that never came, or none was.
    pub left_ms: Option<i64>,
    /// When the primary was served again after the injected results ended, ms; `None` where that
    /// did not come, or it was never left.
    pub home_ms: Option<i64>,
    /// What is served at the end of the injected results.
    pub settled: Vec<TargetName>,
    /// When that began; 0 where it was served throughout.
    pub settled_ms: i64,
    /// Whether every target that is served then is down.
    pub all_down: bool,
    /// Targets of which nothing is fresh: they count for nothing, whatever is injected.
    pub silent: Vec<TargetName>,
    /// Faults of the policy on the way, each sentence once.
    pub faults: Vec<String>,
    /// How far it ran, ms.
    pub ran_ms: i64,
}

/// One thing that is decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Happened {
    /// The decision; `at_ms` counts from now.
    #[serde(flatten)]
    pub decision: Change,
    /// Whether it changed what is served.
    pub switched: bool,
}

/// Runs `service` forward; `None` for an unknown service, or one without targets.
pub fn what_if(
    state: &State,
    service: &ServiceName,
    policy: &dyn Policy,
    injected: &Injected,
) -> Option<Course> {
    let run = Run::new(state, service, policy, injected)?;
    Some(run.course())
}

/// What is served at the end of the injected results, without running on until it is home.
pub fn settled(
    state: &State,
    service: &ServiceName,
    policy: &dyn Policy,
    injected: &Injected,
) -> Option<Course> {
    let mut run = Run::new(state, service, policy, injected)?;
    run.horizon_ms = injected.for_ms;
    Some(run.course())
}

struct Run<'a> {
    onward: Onward<'a>,
    known: ServiceState,
    injected: &'a Injected,
    horizon_ms: i64,
    silent: Vec<TargetName>,
}

impl<'a> Run<'a> {
    fn new(
        state: &State,
        service: &ServiceName,
        policy: &'a dyn Policy,
        injected: &'a Injected,
    ) -> Option<Self> {
        let alone = state.narrowed(service)?;
        let known = alone.world().service(service)?.clone();
        let onward = Onward::from(&alone, service, policy);
        let repeats = onward.repeats();
        let targets = known.targets.iter().map(|slot| &slot.target);
        let silent = targets.filter(|target| !repeats.know(target)).cloned();
        let kept_ms = alone.view(service)?.kept_ms();
        let after_ms = AFTER_MS.max(kept_ms.saturating_mul(2));
        Some(Self {
            silent: silent.collect(),
            known,
            onward,
            injected,
            horizon_ms: injected.for_ms.saturating_add(after_ms),
        })
    }

    fn course(mut self) -> Course {
        let round_ms = self.onward.round_ms().unwrap_or(SECOND_MS);
        let horizon_ms = self.horizon_ms.min(round_ms.saturating_mul(ROUNDS_MAX));
        let for_ms = self.injected.for_ms.min(horizon_ms);
        self.run(for_ms, round_ms, false);
        let settled = self.onward.rehearsal.serving().to_vec();
        let all_down = self.are_down(&settled);
        self.run(horizon_ms, round_ms, true);
        let happened = self.happened();
        let switches = || happened.iter().filter(|one| one.switched);
        let settled_at = switches().rfind(|one| one.decision.at_ms <= for_ms);
        let failing = |served: &[TargetName]| {
            let mut served = served.iter();
            served.any(|target| self.injected.fail.contains(target))
        };
        let left = switches().find(|one| !failing(&one.decision.serve));
        let left = left.filter(|_| failing(&self.known.serving));
        let is_home = |serve: &[TargetName]| {
            serve.first() == self.known.targets.first().map(|slot| &slot.target)
        };
        let away = switches().any(|one| !is_home(&one.decision.serve));
        let away = away || !self.known.is_home();
        let home = switches()
            .rfind(|_| true)
            .filter(|last| away && is_home(&last.decision.serve) && last.decision.at_ms > for_ms);
        Course {
            left_ms: left.map(|one| one.decision.at_ms),
            home_ms: home.map(|one| one.decision.at_ms),
            settled_ms: settled_at.map_or(0, |one| one.decision.at_ms),
            serving: self.known.serving.clone(),
            ttl_ms: self.ttl_ms(),
            settled,
            all_down,
            faults: self.faults(),
            ran_ms: self.onward.rehearsal.now_ms(),
            silent: self.silent,
            happened,
        }
    }

    /// Runs up to `until_ms`; `to_home`: no further than until the primary is served.
    fn run(&mut self, until_ms: i64, round_ms: i64, to_home: bool) {
        let (repeats, injected) = (self.onward.repeats(), self.injected);
        let primary = self.known.targets.first().map(|slot| slot.target.clone());
        let goes_on = |r: &Rehearsal<'_>| !to_home || r.serving().first() != primary.as_ref();
        let mut at_ms = self.onward.rehearsal.now_ms();
        while at_ms < until_ms && goes_on(&self.onward.rehearsal) {
            at_ms = at_ms.saturating_add(round_ms).min(until_ms);
            let world = |lane: &Lane, at_ms: i64| find(lane, at_ms, injected, repeats.of(lane));
            self.onward.rehearsal.run_while(at_ms, world, goes_on);
            if goes_on(&self.onward.rehearsal) {
                self.onward.ask_witnesses(at_ms);
            }
        }
    }

    /// Whether all of these fail by what was injected, or by what is known.
    fn are_down(&self, served: &[TargetName]) -> bool {
        let view = self.onward.rehearsal.state().view(&self.known.name);
        let down = |target: &TargetName| {
            let seen = view.as_ref().and_then(|view| view.target(target));
            self.injected.fail.contains(target) || seen.is_some_and(|seen| seen.failures() > 0)
        };
        served.iter().all(down)
    }

    fn happened(&self) -> Vec<Happened> {
        let mut serving = &self.known.serving;
        let mut happened: Vec<Happened> = Vec::new();
        for decision in self.onward.rehearsal.said() {
            let switched = decision.serve != *serving;
            serving = &decision.serve;
            happened.push(Happened {
                decision: decision.clone(),
                switched,
            });
        }
        happened
    }

    fn ttl_ms(&self) -> i64 {
        let decision = self.known.decision.as_ref();
        decision.map_or(self.known.ttl_ms, |decision| decision.ttl_ms)
    }

    fn faults(&self) -> Vec<String> {
        let mut said: Vec<String> = Vec::new();
        for fault in self.onward.rehearsal.faults() {
            let sentence = format!("line {}: {}", fault.line, fault.message);
            if !said.contains(&sentence) {
                said.push(sentence);
            }
        }
        said
    }
}

/// What a probe that starts at `at_ms` finds on a lane that would find `last` if nothing changed.
fn find(lane: &Lane, at_ms: i64, injected: &Injected, last: Finding) -> Finding {
    let slow = injected
        .slow
        .iter()
        .find(|(target, _)| *target == lane.target);
    let failing = injected.fail.contains(&lane.target);
    if !failing && slow.is_none() {
        return last;
    }
    if at_ms >= injected.for_ms {
        // Well again, though it may have failed before.
        return match last {
            Finding::Good { .. } | Finding::Nothing => last,
            Finding::Bad { .. } => Finding::WELL,
        };
    }
    match slow {
        _ if failing => lane.timeout(),
        Some((_, Some(rtt_ms))) if *rtt_ms >= lane.timeout_ms => lane.timeout(),
        Some((_, rtt_ms)) => {
            let rtt_ms = rtt_ms.unwrap_or(lane.timeout_ms * SLOW_PERCENT / 100);
            Finding::Good {
                rtt_us: u32::try_from(rtt_ms.saturating_mul(1_000)).unwrap_or(u32::MAX),
            }
        }
        None => last,
    }
}

/// Sets of one and of two of `targets`, in their order.
pub fn singles_and_doubles(targets: &[TargetName]) -> Vec<Vec<TargetName>> {
    let singles = targets.iter().map(|one| vec![one.clone()]);
    let mut sets: Vec<Vec<TargetName>> = singles.collect();
    for (index, one) in targets.iter().enumerate() {
        let others = targets[index + 1..].iter();
        sets.extend(others.map(|other| vec![one.clone(), other.clone()]));
    }
    sets
}

impl Happened {
    /// The rail that kept what was wanted from being served.
    pub fn held_by(&self) -> Option<Rail> {
        self.decision.guard.filter(|_| !self.switched)
    }
}

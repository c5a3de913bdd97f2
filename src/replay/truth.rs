//! The truth of a replay: when each target was down or slow, the same for every policy.
//!
//! A series is bad from the first bad probe of so many in a row to the first good one; a target at
//! a vantage is down while any of its series there is bad (`require = "any"`: while all addresses
//! of a monitor are); a target is down while a majority of the vantages that know of it say so.
//! It is slow while half of its good results of the last minute took longer than so many ms.
//! What a vantage saw while it was isolated, late failures and results that are none say nothing,
//! as in the fold. Memory grows with the outages, not with the observations.

use super::spans::{Spans, majority};
use crate::{
    failover::{Event, State, What},
    model::{
        Config, MonitorName, ServiceName, TargetName, Timestamp, VantageName, time::MINUTE_MS,
    },
    recording::{Seen, SeriesKey},
};
use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

/// What counts as down and as slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Bad probes in a row that make an outage, at least 1.
    pub truth: u32,
    /// A p50 over a minute above it is slow, ms.
    pub slow_ms: i64,
}

impl Default for Measure {
    fn default() -> Self {
        Self {
            truth: 3,
            slow_ms: 800,
        }
    }
}

/// When the targets of a service were down, and slow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// By target.
    pub down: BTreeMap<TargetName, Spans>,
    /// By target.
    pub slow: BTreeMap<TargetName, Spans>,
    /// By target: while the service had it.
    pub listed: BTreeMap<TargetName, Spans>,
}

impl Truth {
    /// Whether a target was down at an instant.
    pub fn is_down(&self, target: &TargetName, at: Timestamp) -> bool {
        self.down
            .get(target)
            .is_some_and(|spans| spans.contains(at))
    }

    /// Whether a target was slow at an instant.
    pub fn is_slow(&self, target: &TargetName, at: Timestamp) -> bool {
        self.slow
            .get(target)
            .is_some_and(|spans| spans.contains(at))
    }

    /// Whether the service had a target before an instant, and has it no longer.
    pub(super) fn is_gone(&self, target: &TargetName, at: Timestamp) -> bool {
        self.listed
            .get(target)
            .is_some_and(|spans| !spans.contains(at))
    }
}

/// Watches the observations of one service's targets.
pub(super) struct Watch {
    measure: Measure,
    service: ServiceName,
    /// Knows configuration and witnesses, and asks no policy.
    world: State,
    /// By number of the series; `None` for what the service does not use.
    lines: Vec<Option<Line>>,
    keys: Vec<SeriesKey>,
    paces: BTreeMap<TargetName, Pace>,
    monitors: Vec<MonitorName>,
    homes: Vec<Home>,
    listed: BTreeMap<TargetName, Spans>,
}

/// Where a service is at home from an instant on: what is answered where there is no failover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) at: Timestamp,
    /// `None` while the service is not configured.
    pub(super) primary: Option<TargetName>,
    pub(super) ttl_ms: i64,
}

/// One series.
#[derive(Clone, Debug, Default)]
struct Line {
    fresh_for_ms: i64,
    interval_ms: i64,
    bad_since: Option<Timestamp>,
    bad_in_a_row: u32,
    last_at: Option<Timestamp>,
    known: Spans,
    bad: Spans,
    is_first_monitor: bool,
    /// Whether it is still asked for.
    is_active: bool,
}

/// How fast a target is: its results of the last minute under the first monitor.
#[derive(Clone, Debug, Default)]
struct Pace {
    results: VecDeque<(Timestamp, usize, Option<bool>)>,
    good: usize,
    fast: usize,
    slow: Spans,
}

impl Watch {
    pub(super) fn new(service: ServiceName, measure: Measure) -> Self {
        Self {
            measure,
            service,
            world: State::default(),
            lines: Vec::new(),
            keys: Vec::new(),
            paces: BTreeMap::new(),
            monitors: Vec::new(),
            homes: Vec::new(),
            listed: BTreeMap::new(),
        }
    }

    /// A new series; its number is how many there were before.
    pub(super) fn series(&mut self, key: &SeriesKey) {
        self.keys.push(key.clone());
        let line = self.line(key);
        self.lines.push(line);
    }

    /// Takes what is known at the beginning.
    pub(super) fn begin(&mut self, state: &State) {
        self.world = state.clone();
        self.reconfigured();
    }

    /// Takes any event but an observation.
    pub(super) fn event(&mut self, event: &Event) {
        match &event.what {
            What::Config(_) => {
                self.world.apply(event);
                self.reconfigured();
            }
            What::Witness(_) => self.world.apply(event),
            _ => {}
        }
    }

    fn config(&self) -> &Config {
        &self.world.world().config
    }

    fn reconfigured(&mut self) {
        let service = self.config().services.get(&self.service);
        let monitors = service.map(|s| s.monitors.clone()).unwrap_or_default();
        let targets = service.map(|s| s.targets.clone()).unwrap_or_default();
        let ttl_ms = service.map_or(0, |service| service.ttl_ms);
        let home = Home {
            at: self.world.world().at,
            primary: targets.first().cloned(),
            ttl_ms,
        };
        self.homes.push(home);
        self.monitors = monitors;
        self.list(&targets);
        for number in 0..self.keys.len() {
            let fresh = self.line(&self.keys[number]);
            let at = self.world.world().at;
            match (&mut self.lines[number], fresh) {
                (Some(old), Some(new)) => {
                    (old.fresh_for_ms, old.interval_ms) = (new.fresh_for_ms, new.interval_ms);
                    old.is_first_monitor = new.is_first_monitor;
                    old.is_active = true;
                }
                // Nobody asks for it any more: what it said last is no outage that goes on.
                (Some(old), None) => {
                    old.bad.close(at);
                    old.known.close(at);
                    (old.bad_in_a_row, old.bad_since) = (0, None);
                    old.is_active = false;
                }
                (none @ None, new) => *none = new,
            }
        }
    }

    fn list(&mut self, targets: &[TargetName]) {
        let at = self.world.world().at;
        for (target, spans) in &mut self.listed {
            if !targets.contains(target) {
                spans.close(at);
            }
        }
        for target in targets {
            self.listed.entry(target.clone()).or_default().open(at);
        }
    }

    fn line(&self, key: &SeriesKey) -> Option<Line> {
        let config = self.config();
        let service = config.services.get(&self.service)?;
        let target = config.targets.get(&key.target)?;
        if !service.targets.contains(&key.target) || !service.monitors.contains(&key.monitor) {
            return None;
        }
        let monitor = config.monitor_of(target, &key.monitor)?;
        let probed = target.probed_by(&monitor);
        let is_probed = match key.address {
            Some(address) => probed.iter().any(|probed| probed.ip == address),
            None => probed.len() == 1,
        };
        is_probed.then(|| Line {
            is_active: true,
            fresh_for_ms: monitor.fresh_for_ms(),
            interval_ms: monitor.interval_ms.max(1),
            is_first_monitor: service.monitors.first() == Some(&key.monitor),
            ..Line::default()
        })
    }

    /// Whether the service uses a series.
    pub(super) fn uses(&self, series: usize) -> bool {
        self.lines.get(series).is_some_and(Option::is_some)
    }

    /// Takes an observation.
    pub(super) fn seen(&mut self, seen: &Seen) {
        let Some(Some(line)) = self.lines.get_mut(seen.series) else {
            return;
        };
        if !line.is_active || seen.local.is_some() || (seen.late && !seen.ok) {
            return;
        }
        let world = self.world.world();
        let key = &self.keys[seen.series];
        if world.config.witness.is_some()
            && key.vantage == world.config.server.name
            && world.is_isolated()
        {
            return;
        }
        line.seen(seen, self.measure.truth.max(1));
        if line.is_first_monitor && !seen.late {
            let due = MINUTE_MS / line.interval_ms;
            let limit_us = self.measure.slow_ms.saturating_mul(1_000);
            if !self.paces.contains_key(&key.target) {
                self.paces.insert(key.target.clone(), Pace::default());
            }
            if let Some(pace) = self.paces.get_mut(&key.target) {
                pace.seen(seen, due.max(1), limit_us);
            }
        }
    }

    /// What was so, up to an instant, and where the service was at home meanwhile.
    pub(super) fn end(mut self, at: Timestamp) -> (Truth, Vec<Home>) {
        let mut truth = Truth::default();
        for line in self.lines.iter_mut().flatten() {
            let heard = line.last_at.map(|last| last.plus_ms(line.fresh_for_ms));
            line.known.close(heard.map_or(at, |heard| heard.min(at)));
            line.bad.close(at);
        }
        let targets: std::collections::BTreeSet<&TargetName> =
            self.keys.iter().map(|key| &key.target).collect();
        for target in targets {
            truth.down.insert(target.clone(), self.down(target));
        }
        for (target, mut pace) in self.paces {
            pace.slow.close(at);
            truth.slow.insert(target, pace.slow);
        }
        for spans in self.listed.values_mut() {
            // One that stays has no end.
            spans.close(Timestamp(i64::MAX));
        }
        truth.listed = self.listed;
        (truth, self.homes)
    }

    fn down(&self, target: &TargetName) -> Spans {
        let any = self
            .config()
            .targets
            .get(target)
            .is_some_and(|target| !target.require.is_all());
        let mut vantages: BTreeMap<&VantageName, BTreeMap<&MonitorName, Vec<Address<'_>>>> =
            BTreeMap::new();
        for (key, line) in self.keys.iter().zip(&self.lines) {
            if key.target != *target {
                continue;
            }
            if let Some(line) = line {
                let monitors = vantages.entry(&key.vantage).or_default();
                monitors
                    .entry(&key.monitor)
                    .or_default()
                    .push((key.address, line));
            }
        }
        let per_vantage = vantages.values().map(|monitors| {
            let lines = || monitors.values().flatten().map(|(_, line)| *line);
            let known = lines().fold(Spans::default(), |all, line| all.or(&line.known));
            let down = monitors.values().map(|addresses| {
                let bad = addresses.iter().map(|(_, line)| &line.bad);
                match any {
                    true => bad
                        .cloned()
                        .reduce(|all, one| all.and(&one))
                        .unwrap_or_default(),
                    false => bad.fold(Spans::default(), |all, one| all.or(one)),
                }
            });
            let down = down.fold(Spans::default(), |all, one| all.or(&one));
            (known.or(&down), down)
        });
        majority(&per_vantage.collect::<Vec<_>>())
    }
}

type Address<'a> = (Option<IpAddr>, &'a Line);

impl Line {
    fn seen(&mut self, seen: &Seen, truth: u32) {
        let silent = self
            .last_at
            .is_some_and(|last| seen.at.since_ms(last) > self.fresh_for_ms);
        if silent && let Some(last) = self.last_at {
            self.known.close(last.plus_ms(self.fresh_for_ms));
            if !self.bad.is_open() {
                (self.bad_in_a_row, self.bad_since) = (0, None);
            }
        }
        self.known.open(seen.at);
        self.last_at = Some(seen.at);
        if seen.ok {
            self.bad.close(seen.at);
            (self.bad_in_a_row, self.bad_since) = (0, None);
            return;
        }
        self.bad_in_a_row = self.bad_in_a_row.saturating_add(1);
        let since = *self.bad_since.get_or_insert(seen.at);
        if self.bad_in_a_row >= truth {
            self.bad.open(since);
        }
    }
}

impl Pace {
    /// `due` results of each series are due in a minute.
    fn seen(&mut self, seen: &Seen, due: i64, limit_us: i64) {
        let fast = seen
            .ok
            .then(|| i64::from(seen.rtt_us.unwrap_or(0)) <= limit_us);
        self.results.push_back((seen.at, seen.series, fast));
        self.good += usize::from(fast.is_some());
        self.fast += usize::from(fast == Some(true));
        let oldest = seen.at.minus_ms(MINUTE_MS);
        while let Some(&(at, _, fast)) = self.results.front()
            && at <= oldest
        {
            self.results.pop_front();
            self.good -= usize::from(fast.is_some());
            self.fast -= usize::from(fast == Some(true));
        }
        // Half of them took longer: the value in the middle, by nearest rank, is a slow one.
        let slow = self.good > 0 && self.fast < self.good.div_ceil(2);
        if slow && self.is_known(due) {
            self.slow.open(seen.at);
        } else {
            self.slow.close(seen.at);
        }
    }

    /// Whether 80 % of the probes that were due have a result. Asked only where it looks slow.
    fn is_known(&self, due: i64) -> bool {
        let mut series: Vec<usize> = self.results.iter().map(|(_, series, _)| *series).collect();
        series.sort_unstable();
        series.dedup();
        let due = due.saturating_mul(i64::try_from(series.len()).unwrap_or(i64::MAX));
        let have = i64::try_from(self.results.len()).unwrap_or(i64::MAX);
        have.saturating_mul(100) >= due.saturating_mul(80)
    }
}

//! What a replay was given: counted while it is read, said before anything else. No data is not
//! the same as nothing that changed.

use crate::{
    failover::{Event, What, event::Gap},
    model::{Config, ServiceName, TargetName, Timestamp, VantageName},
    recording::{Notes, Seen, SeriesKey},
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Silences, gaps and clock steps that are listed.
const LISTED_MAX: usize = 100;

/// What a replay was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InputReport {
    /// The file or folder.
    pub source: String,
    /// Who wrote it.
    pub by: String,
    /// The first instant that is replayed.
    pub from: Timestamp,
    /// The last.
    pub to: Timestamp,
    /// Probe results between them.
    pub observations: u64,
    /// By target and vantage.
    pub targets: BTreeMap<TargetName, BTreeMap<VantageName, Results>>,
    /// Where events are missing from the journal.
    pub gaps: Vec<GapReport>,
    /// Stretches without a result of a series that was probed before and after, longest first.
    pub silences: Vec<Silence>,
    /// How many silences there were, and their time together.
    pub silent_stretches: u64,
    /// Their time together, ms.
    pub silent_ms: i64,
    /// When the wall clock jumped: instant and offset from the fold's time, ms.
    pub clock_steps: Vec<ClockStep>,
    /// Lines that were left out, by why.
    pub left_out: BTreeMap<String, u64>,
    /// Lines of kinds that this version does not know.
    pub unknown_kinds: BTreeMap<String, u64>,
    /// Lines whose time ran backwards and was taken as that of the line before.
    pub clamped: u64,
    /// Services that a reload brought later on: they are not replayed.
    pub services_left_out: BTreeSet<ServiceName>,
    /// The torn end that was dropped.
    pub torn: Option<String>,
}

/// How the probes of a target ended, at a vantage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Results {
    /// Good ones.
    pub good: u64,
    /// Bad ones.
    pub bad: u64,
    /// No result, for our own shortage.
    pub none: u64,
    /// Of all of them, those that came late.
    pub late: u64,
}

/// Events that are missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GapReport {
    /// When the gap was written.
    pub at: Timestamp,
    /// The first number that may be missing.
    pub from_seq: u64,
    /// The last.
    pub to_seq: u64,
    /// How many are missing.
    pub lost: u64,
    /// Why.
    pub why: String,
}

/// A stretch without a result of a series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Silence {
    /// Whose.
    pub target: TargetName,
    /// From where.
    pub vantage: VantageName,
    /// The last result before.
    pub from: Timestamp,
    /// The first after.
    pub to: Timestamp,
}

/// The wall clock jumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ClockStep {
    /// When.
    pub at: Timestamp,
    /// Wall clock minus the fold's time from then on, ms.
    pub offset_ms: i64,
}

/// Counts what is read.
#[derive(Debug, Default)]
pub(super) struct Counter {
    report: InputReport,
    since: Option<Timestamp>,
    began: bool,
    series: Vec<Line>,
    keys: Vec<SeriesKey>,
    config: Option<Config>,
    /// Those that it begins with.
    services: BTreeSet<ServiceName>,
    expected: BTreeSet<ServiceName>,
}

#[derive(Clone, Debug, Default)]
struct Line {
    known: bool,
    fresh_for_ms: i64,
    last_at: Option<Timestamp>,
    results: Results,
}

impl Counter {
    pub(super) fn new(source: String, by: String, since: Option<Timestamp>) -> Self {
        Self {
            report: InputReport {
                source,
                by,
                ..InputReport::default()
            },
            since,
            ..Self::default()
        }
    }

    /// Services that come later and are replayed all the same.
    pub(super) fn expect(&mut self, later: &BTreeSet<ServiceName>) {
        self.expected.clone_from(later);
    }

    pub(super) fn configured(&mut self, config: &Config) {
        let begins = self
            .config
            .as_ref()
            .is_none_or(|_| self.services.is_empty());
        for name in config.services.keys() {
            if begins {
                self.services.insert(name.clone());
            } else if !self.services.contains(name) && !self.expected.contains(name) {
                self.report.services_left_out.insert(name.clone());
            }
        }
        self.config = Some(config.clone());
        for index in 0..self.keys.len() {
            let line = self.line(&self.keys[index]);
            // What was probed once was no stranger, whatever a reload makes of it later.
            if line.known {
                self.series[index].known = true;
                self.series[index].fresh_for_ms = line.fresh_for_ms;
            }
        }
    }

    fn line(&self, key: &SeriesKey) -> Line {
        let config = self.config.as_ref();
        let target = config.and_then(|config| config.targets.get(&key.target));
        let monitor = target.and_then(|target| config?.monitor_of(target, &key.monitor));
        Line {
            known: monitor.is_some(),
            fresh_for_ms: monitor.map_or(i64::MAX, |monitor| monitor.fresh_for_ms()),
            ..Line::default()
        }
    }

    pub(super) fn series(&mut self, key: &SeriesKey) {
        let line = self.line(key);
        self.series.push(line);
        self.keys.push(key.clone());
    }

    fn counts(&mut self, at: Timestamp) -> bool {
        if self.since.is_some_and(|since| at < since) {
            return false;
        }
        if !self.began {
            self.report.from = self.since.unwrap_or(at);
            self.began = true;
        }
        self.report.to = at;
        true
    }

    pub(super) fn seen(&mut self, seen: &Seen) {
        if !self.counts(seen.at) {
            return;
        }
        self.report.observations += 1;
        let Some(line) = self.series.get_mut(seen.series) else {
            return;
        };
        match (&seen.local, seen.ok) {
            (Some(_), _) => line.results.none += 1,
            (None, true) => line.results.good += 1,
            (None, false) => line.results.bad += 1,
        }
        line.results.late += u64::from(seen.late);
        if let Some(last) = line.last_at.replace(seen.at)
            && seen.at.since_ms(last) > line.fresh_for_ms
        {
            let key = &self.keys[seen.series];
            let silence = Silence {
                target: key.target.clone(),
                vantage: key.vantage.clone(),
                from: last,
                to: seen.at,
            };
            self.silent(silence);
        }
    }

    fn silent(&mut self, silence: Silence) {
        self.report.silent_stretches += 1;
        self.report.silent_ms += silence.to.since_ms(silence.from);
        let longer = |one: &Silence| std::cmp::Reverse(one.to.since_ms(one.from));
        let place = self
            .report
            .silences
            .partition_point(|known| longer(known) <= longer(&silence));
        if place < LISTED_MAX {
            self.report.silences.insert(place, silence);
            self.report.silences.truncate(LISTED_MAX);
        }
    }

    pub(super) fn event(&mut self, event: &Event) {
        if let What::Config(config) = &event.what {
            self.configured(&config.config);
        }
        if !self.counts(event.at) {
            return;
        }
        match &event.what {
            What::Gap(gap) if self.report.gaps.len() < LISTED_MAX => {
                let Gap {
                    from_seq,
                    to_seq,
                    lost,
                    why,
                } = gap.clone();
                self.report.gaps.push(GapReport {
                    at: event.at,
                    from_seq,
                    to_seq,
                    lost,
                    why,
                });
            }
            What::Clock(change) if self.report.clock_steps.len() < LISTED_MAX => {
                self.report.clock_steps.push(ClockStep {
                    at: event.at,
                    offset_ms: change.offset_ms,
                });
            }
            _ => {}
        }
    }

    /// All that was counted; `notes` has what the reader left out.
    pub(super) fn end(mut self, notes: &Notes, until: Option<Timestamp>) -> InputReport {
        for (key, line) in self.keys.iter().zip(&self.series) {
            let all = line.results.good + line.results.bad + line.results.none;
            if all == 0 {
                continue;
            }
            if !line.known {
                let why = format!(
                    "no such target or monitor: {} under {}",
                    key.target, key.monitor
                );
                *self.report.left_out.entry(why).or_default() += all;
                self.report.observations -= all;
                continue;
            }
            let vantages = self.report.targets.entry(key.target.clone()).or_default();
            let sum = vantages.entry(key.vantage.clone()).or_default();
            sum.good += line.results.good;
            sum.bad += line.results.bad;
            sum.none += line.results.none;
            sum.late += line.results.late;
        }
        if let Some(until) = until.filter(|until| self.began && *until < self.report.to) {
            self.report.to = until;
        }
        for (why, lines) in &notes.left_out {
            *self.report.left_out.entry(why.clone()).or_default() += lines;
        }
        self.report.unknown_kinds.clone_from(&notes.unknown_kinds);
        self.report.clamped = notes.clamped;
        self.report.torn.clone_from(&notes.torn);
        self.report
    }
}

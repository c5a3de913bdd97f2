//! The view of a target: what a policy may read of its series and its data.
//!
//! Streaks and ages are aggregated as [`super::aggregate`] says. Times are ms. Windows are in
//! [`super::target_windows`].

use super::{
    aggregate::{Group, Worst, over_monitors},
    input::Freshness,
    lens::{Asked, Fact, Subject},
    series::Series,
    target_state::TargetState,
    view::ServiceView,
};
use crate::model::{FailureReason, MonitorName, Param, Target, TargetName, Timestamp, VantageName};
use std::net::IpAddr;

/// A target of a service as its policy sees it: all of it, or one vantage or monitor.
#[derive(Clone, Debug)]
pub struct TargetView {
    pub(super) service: ServiceView,
    position: usize,
    pub(super) vantage: Option<VantageName>,
    monitor: Option<usize>,
}

impl TargetView {
    pub(super) fn new(service: ServiceView, position: usize) -> Self {
        Self {
            service,
            position,
            vantage: None,
            monitor: None,
        }
    }

    fn state(&self) -> &TargetState {
        &self.service.world.targets[self.service.state().targets[self.position].index]
    }

    fn configured(&self) -> Option<&Target> {
        self.service.world.config.targets.get(self.name())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.service.world.at
    }

    /// The groups in scope: one for each monitor, or the one monitor.
    pub(super) fn groups(&self) -> impl Iterator<Item = &Group> {
        let groups = &self.service.state().targets[self.position].groups;
        let scope = match self.monitor {
            Some(monitor) => groups.get(monitor..=monitor).unwrap_or_default(),
            None => groups.as_slice(),
        };
        let groups = scope.iter().map(|&index| &self.service.world.groups[index]);
        // A monitor of a family that the target lacks probes nothing and says nothing.
        groups.filter(|group| !group.addresses.is_empty())
    }

    fn fresh(&self) -> impl Iterator<Item = &Series> {
        let now = self.now();
        self.groups()
            .flat_map(move |group| group.fresh(now, self.vantage.as_ref()))
    }

    fn all_series(&self) -> impl Iterator<Item = &Series> {
        let series = self.groups().flat_map(|group| &group.series);
        series.filter(|series| {
            self.vantage
                .as_ref()
                .is_none_or(|only| *only == series.vantage)
        })
    }

    /// The value of section "aggregation": see [`super::aggregate`].
    fn value(&self, worst: Worst, value: impl Fn(&Series) -> i64 + Copy) -> i64 {
        over_monitors(
            self.groups(),
            self.now(),
            self.vantage.as_ref(),
            worst,
            value,
        )
    }

    /// A fact of this target.
    pub(super) fn fact(&self, word: &'static str, argument: Option<i64>) -> Fact {
        let service = self.service.world.config.services.get(self.service.name());
        let monitors = service.map_or(&[][..], |service| &service.monitors);
        Fact {
            of: Subject::Target {
                name: self.name().clone(),
                vantage: self.vantage.clone(),
                monitor: self.monitor.and_then(|index| monitors.get(index)).cloned(),
            },
            word,
            argument: argument.map(Param::Int),
        }
    }

    /// A fact as it is, or as it is supposed to be.
    fn read(&self, word: &'static str, argument: Option<i64>, real: i64) -> i64 {
        self.read_for(word, argument, real, None)
    }

    /// The same, read for a comparison.
    fn read_for(
        &self,
        word: &'static str,
        argument: Option<i64>,
        real: i64,
        asked: Option<Asked>,
    ) -> i64 {
        let Some(lens) = &self.service.lens else {
            return real;
        };
        let value = lens.read(self.fact(word, argument), real.into(), asked);
        value.int().unwrap_or(real)
    }

    /// This target as one vantage sees it.
    #[must_use]
    pub fn at(&self, vantage: &str) -> Self {
        Self {
            vantage: Some(vantage.into()),
            ..self.clone()
        }
    }

    /// This target as one monitor of the service sees it; `None` for a monitor it does not use.
    pub fn monitor(&self, name: &str) -> Option<Self> {
        let service = self
            .service
            .world
            .config
            .services
            .get(self.service.name())?;
        let index = service
            .monitors
            .iter()
            .position(|monitor| monitor.as_str() == name)?;
        Some(Self {
            monitor: Some(index),
            ..self.clone()
        })
    }

    /// The name.
    pub fn name(&self) -> &TargetName {
        &self.service.state().targets[self.position].target
    }

    /// The place in the service's order, from 0.
    pub fn position(&self) -> i64 {
        i64::try_from(self.position).unwrap_or(i64::MAX)
    }

    /// What DNS answers for it.
    pub fn addresses(&self) -> &[IpAddr] {
        self.configured().map_or(&[], |target| &target.addresses)
    }

    /// A label of the configuration.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.configured()
            .and_then(|target| target.labels.get(key))
            .map(String::as_str)
    }

    /// All labels of the configuration.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self
            .configured()
            .into_iter()
            .flat_map(|target| &target.labels);
        labels.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether it is withdrawn from answers.
    pub fn drained(&self) -> bool {
        let drained = self.state().is_drained();
        let Some(lens) = &self.service.lens else {
            return drained;
        };
        let drained = lens.drained(self.name()).unwrap_or(drained);
        lens.note(self.fact("drained", None), drained.into(), None);
        drained
    }

    /// Length of the current streak of bad probes.
    pub fn failures(&self) -> i64 {
        self.bad_streak(None)
    }

    /// Length of the current streak of good probes.
    pub fn successes(&self) -> i64 {
        self.good_streak(None)
    }

    /// `failures >= n`.
    pub fn is_down(&self, n: i64) -> bool {
        self.bad_streak(Some(("is_down", n))) >= n
    }

    /// `successes >= n`.
    pub fn is_up(&self, n: i64) -> bool {
        self.good_streak(Some(("is_up", n))) >= n
    }

    /// The same for `service.up(n)`.
    pub(super) fn is_among_up(&self, n: i64) -> bool {
        self.good_streak(Some(("up", n))) >= n
    }

    fn bad_streak(&self, asked: Option<Asked>) -> i64 {
        let streak = self.value(Worst::Most, |series| i64::from(series.failures));
        self.read_for("failures", None, streak, asked)
    }

    fn good_streak(&self, asked: Option<Asked>) -> i64 {
        let streak = self.value(Worst::Fewest, |series| i64::from(series.successes));
        self.read_for("successes", None, streak, asked)
    }

    /// How many vantages have a fresh result of any monitor.
    pub fn vantages(&self) -> i64 {
        let mut fresh: Vec<&VantageName> = self.fresh().map(|series| &series.vantage).collect();
        fresh.sort();
        fresh.dedup();
        let vantages = i64::try_from(fresh.len()).unwrap_or(i64::MAX);
        self.read("vantages", None, vantages)
    }

    /// How many vantages have seen `n` bad probes in a row under some monitor.
    pub fn vantages_failing(&self, n: i64) -> i64 {
        let failing = self.count_vantages(Worst::Most, |series| i64::from(series.failures), n);
        self.read("vantages_failing", Some(n), failing)
    }

    /// How many vantages have seen `n` good probes in a row under every monitor.
    pub fn vantages_passing(&self, n: i64) -> i64 {
        let passing = self.count_vantages(Worst::Fewest, |series| i64::from(series.successes), n);
        self.read("vantages_passing", Some(n), passing)
    }

    fn count_vantages(&self, worst: Worst, value: impl Fn(&Series) -> i64 + Copy, n: i64) -> i64 {
        let mut by_vantage: Vec<(&VantageName, i64, usize)> = Vec::new();
        let mut monitors = 0;
        for group in self.groups() {
            monitors += 1;
            let values = group.per_vantage(self.now(), self.vantage.as_ref(), worst, value);
            for (vantage, one) in values.iter() {
                match by_vantage.iter_mut().find(|(known, ..)| *known == vantage) {
                    Some((_, known, seen)) => {
                        *known = worst.of(*known, one);
                        *seen += 1;
                    }
                    None => by_vantage.push((vantage, one, 1)),
                }
            }
        }
        // A monitor of which a vantage knows nothing counts 0 there, as everywhere.
        let reached = by_vantage.iter().filter(|&&(_, value, seen)| {
            let value = if seen < monitors {
                worst.of(value, 0)
            } else {
                value
            };
            value >= n
        });
        i64::try_from(reached.count()).unwrap_or(i64::MAX)
    }

    /// ms since the last bad result; since the streaks began anew where there was none; 0 while
    /// nothing is fresh.
    pub fn clean_for_ms(&self) -> i64 {
        let now = self.now();
        let clean_for_ms = self.value(Worst::Fewest, |s| {
            now.since_ms(s.last_bad_at.unwrap_or(s.began_at))
        });
        self.read("clean_for", None, clean_for_ms)
    }

    /// ms since the last good result; since the streaks began anew where there was none; 0 while
    /// nothing is fresh.
    pub fn dirty_for_ms(&self) -> i64 {
        let now = self.now();
        let dirty_for_ms = self.value(Worst::Most, |s| {
            now.since_ms(s.last_good_at.unwrap_or(s.began_at))
        });
        self.read("dirty_for", None, dirty_for_ms)
    }

    /// ms since it was last left; ms since 1970 where it never was.
    pub fn left_for_ms(&self) -> i64 {
        let left_at = self.service.state().left_at.get(self.name());
        let left_for_ms = self.now().since_ms(left_at.copied().unwrap_or_default());
        self.read("left_for", None, left_for_ms)
    }

    /// ms since the last result; ms since 1970 where there was none.
    pub fn age_ms(&self) -> i64 {
        let last_at = self.all_series().filter_map(|series| series.last_at).max();
        let age_ms = self.now().since_ms(last_at.unwrap_or_default());
        self.read("age", None, age_ms)
    }

    /// The reason of the last bad result, where there was any.
    pub fn error(&self) -> Option<FailureReason> {
        let failed = self.all_series().filter(|series| series.error.is_some());
        let last = failed.max_by_key(|series| (series.last_bad_at, series.failures));
        let error = last.and_then(|series| series.error);
        if let Some(lens) = &self.service.lens {
            let word = error.map_or("", |error| error.word());
            lens.note(self.fact("error", None), word.into(), None);
        }
        error
    }

    /// Whether the copy of the data is recent enough.
    pub fn freshness(&self) -> Freshness {
        let freshness = self.state().freshness;
        let Some(lens) = &self.service.lens else {
            return freshness;
        };
        let real = freshness.word().into();
        let value = lens.read(self.fact("freshness", None), real, None);
        let known = [Freshness::Fresh, Freshness::Stale, Freshness::Unknown];
        let supposed = known.into_iter().find(|one| value == one.word().into());
        supposed.unwrap_or(freshness)
    }

    /// How far the copy is behind, ms; −1 unknown.
    pub fn data_age_ms(&self) -> i64 {
        self.read("data_age", None, self.state().data_age_ms)
    }

    /// Differences from the primary.
    pub fn drift(&self) -> i64 {
        self.read("drift", None, self.state().drift)
    }

    /// Days until the first certificate expires; −1 unknown.
    pub fn cert_days(&self) -> i64 {
        let days = self.fresh().filter_map(|series| series.cert_days).min();
        self.read("cert_days", None, days.map_or(-1, i64::from))
    }

    /// The largest number that an `exec` monitor gave; −1 none.
    pub fn number(&self) -> i64 {
        let value = self.fresh().filter_map(|series| series.value).max();
        self.read("value", None, value.unwrap_or(-1))
    }

    /// Whether any probe of it was ever good.
    pub fn ever_good(&self) -> bool {
        self.all_series().any(|series| series.ever_good)
    }

    /// When the streak of bad probes began, of the series that failed first.
    pub fn failing_since(&self) -> Option<Timestamp> {
        self.fresh().filter_map(|series| series.failing_since).min()
    }

    /// The monitors of the service, for those who look at each.
    pub fn monitors(&self) -> Vec<MonitorName> {
        self.groups().map(|group| group.monitor.clone()).collect()
    }
}

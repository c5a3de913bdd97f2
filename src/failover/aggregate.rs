//! Aggregation: one value of many series.
//!
//! At each vantage and monitor the worst of the fresh addresses counts (`require = "any"`: the
//! best); per monitor the value that a majority of the fresh vantages reach, which is the
//! ⌊n/2⌋+1-th largest; over the monitors the worst. A monitor of which nothing is fresh counts 0.
//!
//! | fresh vantages | values    | majority value |
//! |----------------|-----------|----------------|
//! | 1              | 3         | 3              |
//! | 2              | 3 0       | 0              |
//! | 3              | 5 3 0     | 3              |
//! | 4              | 9 5 3 0   | 3              |
//! | 5              | 9 7 5 3 0 | 5              |

use super::series::Series;
use crate::model::{MonitorName, Observation, TargetName, Timestamp, VantageName};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The most vantages that are kept per target and monitor.
pub const VANTAGES_MAX: usize = 64;

/// All series of one target under one monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Whose.
    pub target: TargetName,
    /// Under which monitor.
    pub monitor: MonitorName,
    /// Where it is probed, in the order written.
    pub addresses: Vec<IpAddr>,
    /// Whether the best address speaks for the target.
    pub any_address: bool,
    /// Interval of the monitor for this target, ms.
    pub interval_ms: i64,
    /// Timeout of the monitor for this target, ms.
    pub timeout_ms: i64,
    /// How long results are kept, ms: the longest that any service wants.
    pub keep_ms: i64,
    /// Services that use it, by index.
    pub services: Vec<usize>,
    /// The series, ordered by vantage and then as `addresses`.
    pub series: Vec<Series>,
}

/// Which end of a scale is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worst {
    /// Of `failures` the most.
    Most,
    /// Of `successes` the fewest.
    Fewest,
}

impl Worst {
    /// The worse of two values.
    pub fn of(self, a: i64, b: i64) -> i64 {
        match self {
            Self::Most => a.max(b),
            Self::Fewest => a.min(b),
        }
    }

    fn best_of(self, a: i64, b: i64) -> i64 {
        match self {
            Self::Most => a.min(b),
            Self::Fewest => a.max(b),
        }
    }
}

impl Group {
    /// How old the last result of a series may be before nothing is known of it, ms.
    pub fn fresh_for_ms(&self) -> i64 {
        let intervals_ms = self.interval_ms.saturating_mul(3);
        intervals_ms.saturating_add(self.timeout_ms)
    }

    /// The series that are fresh, of one vantage or of all.
    pub fn fresh<'a>(
        &'a self,
        now: Timestamp,
        vantage: Option<&'a VantageName>,
    ) -> impl Iterator<Item = &'a Series> {
        let fresh_for_ms = self.fresh_for_ms();
        self.series.iter().filter(move |series| {
            series.is_fresh(now, fresh_for_ms) && vantage.is_none_or(|only| *only == series.vantage)
        })
    }

    /// `now` while anything is fresh, else when the last result came.
    pub(super) fn last_seen(&self, now: Timestamp) -> Timestamp {
        if self.fresh(now, None).next().is_some() {
            return now;
        }
        let last = self.series.iter().filter_map(|series| series.last_at).max();
        last.unwrap_or(now)
    }

    /// One value for each fresh vantage: that of its worst fresh address (or its best).
    pub fn per_vantage<'a>(
        &'a self,
        now: Timestamp,
        vantage: Option<&'a VantageName>,
        worst: Worst,
        value: impl Fn(&Series) -> i64,
    ) -> Values<'a> {
        let mut values = Values {
            count: 0,
            vantages: [None; VANTAGES_MAX],
            values: [0; VANTAGES_MAX],
        };
        for series in self.fresh(now, vantage) {
            let one = value(series);
            let last = values.count.wrapping_sub(1);
            if values.count > 0 && values.vantages[last] == Some(&series.vantage) {
                let both = values.values[last];
                values.values[last] = if self.any_address {
                    worst.best_of(both, one)
                } else {
                    worst.of(both, one)
                };
            } else if values.count < VANTAGES_MAX {
                values.vantages[values.count] = Some(&series.vantage);
                values.values[values.count] = one;
                values.count += 1;
            }
        }
        values
    }

    /// Bad probes in a row of one address, as a majority of the vantages sees it that were fresh
    /// when its last result came: an answer changes by what happens, not by time that passes.
    pub fn failures_at(&self, address: IpAddr) -> i64 {
        let all = || {
            self.series
                .iter()
                .filter(|series| series.address == address)
        };
        let Some(last_at) = all().filter_map(|series| series.last_at).max() else {
            return 0;
        };
        let fresh = all().filter(|series| series.is_fresh(last_at, self.fresh_for_ms()));
        let mut values: Vec<i64> = fresh.map(|series| i64::from(series.failures)).collect();
        majority(&mut values)
    }

    /// Puts the series in their order, after addresses changed theirs.
    pub(super) fn order_series(&mut self) {
        let addresses = &self.addresses;
        let place = |address: IpAddr| addresses.iter().position(|&known| known == address);
        self.series
            .sort_by(|a, b| (&a.vantage, place(a.address)).cmp(&(&b.vantage, place(b.address))));
    }

    /// Takes an observation; of an address that is not probed it takes none.
    pub fn observe(&mut self, at: Timestamp, observation: &Observation, trusted: bool) {
        let address = match observation.address {
            Some(address) if self.addresses.contains(&address) => address,
            None if self.addresses.len() == 1 => self.addresses[0],
            _ => return,
        };
        let Some(index) = self.series_of(at, &observation.vantage, address) else {
            return;
        };
        let (fresh_for_ms, keep_ms) = (self.fresh_for_ms(), self.keep_ms);
        self.series[index].observe(at, observation, fresh_for_ms, keep_ms, trusted);
    }

    /// The series of a vantage and address, made where it is missing. Once there are
    /// [`VANTAGES_MAX`] vantages, the one that was silent for longest makes room, and `None`
    /// where all are fresh: what anyone can send does not fill the memory.
    fn series_of(
        &mut self,
        at: Timestamp,
        vantage: &VantageName,
        address: IpAddr,
    ) -> Option<usize> {
        let place = |address: IpAddr| self.addresses.iter().position(|&known| known == address);
        let wanted = (vantage, place(address));
        let found = self
            .series
            .binary_search_by(|series| (&series.vantage, place(series.address)).cmp(&wanted));
        match found {
            Ok(index) => Some(index),
            Err(index) => {
                if self.series.len() >= VANTAGES_MAX * self.addresses.len() {
                    self.forget_a_silent_vantage(at)?;
                    return self.series_of(at, vantage, address);
                }
                self.series
                    .insert(index, Series::new(vantage.clone(), address));
                Some(index)
            }
        }
    }
}

impl Group {
    /// Drops the vantage of which nothing is fresh for longest; `None` where all are fresh.
    fn forget_a_silent_vantage(&mut self, at: Timestamp) -> Option<()> {
        let fresh_for_ms = self.fresh_for_ms();
        let vantages = self.series.chunk_by(|a, b| a.vantage == b.vantage);
        let silent = vantages.filter(|of_one| {
            let mut series = of_one.iter();
            !series.any(|series| series.is_fresh(at, fresh_for_ms))
        });
        let last_at = |of_one: &&[Series]| of_one.iter().filter_map(|series| series.last_at).max();
        let gone = silent.min_by_key(last_at)?.first()?.vantage.clone();
        self.series.retain(|series| series.vantage != gone);
        Some(())
    }
}

/// One value for each of at most [`VANTAGES_MAX`] vantages, without an allocation.
#[derive(Debug)]
pub struct Values<'a> {
    count: usize,
    vantages: [Option<&'a VantageName>; VANTAGES_MAX],
    values: [i64; VANTAGES_MAX],
}

impl<'a> Values<'a> {
    /// Vantages with their values, ordered by vantage.
    pub fn iter(&self) -> impl Iterator<Item = (&'a VantageName, i64)> + '_ {
        let pairs = self.vantages[..self.count]
            .iter()
            .zip(&self.values[..self.count]);
        pairs.filter_map(|(vantage, &value)| vantage.map(|vantage| (vantage, value)))
    }

    /// How many vantages.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The value that a majority of the vantages reach; 0 where there is none.
    pub fn majority(mut self) -> i64 {
        majority(&mut self.values[..self.count])
    }
}

/// The value that more than half of `values` reach: the ⌊n/2⌋+1-th largest; 0 of none.
fn majority(values: &mut [i64]) -> i64 {
    match values {
        [] => 0,
        [one] => *one,
        _ => {
            values.sort_unstable_by(|a, b| b.cmp(a));
            values[values.len() / 2]
        }
    }
}

/// A target's value over some groups, one for each monitor, from one vantage or from all.
pub fn over_monitors<'a>(
    groups: impl Iterator<Item = &'a Group>,
    now: Timestamp,
    vantage: Option<&VantageName>,
    worst: Worst,
    value: impl Fn(&Series) -> i64 + Copy,
) -> i64 {
    let per_monitor = groups.map(|group| group.per_vantage(now, vantage, worst, value).majority());
    per_monitor.reduce(|a, b| worst.of(a, b)).unwrap_or(0)
}

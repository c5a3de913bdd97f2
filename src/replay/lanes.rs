//! Lanes: what was observed of each target over the whole replay, in so few bins that it can be
//! drawn, however long it was.

use crate::model::{TargetName, Timestamp, time::SECOND_MS};
use std::collections::BTreeMap;

/// The most bins of a lane; past it two become one.
const BINS_MAX: usize = 2_048;

/// What was observed in a bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bin {
    /// Good probes.
    pub good: u32,
    /// Bad probes.
    pub bad: u32,
    /// The longest round-trip time of a good one, µs.
    pub rtt_us_max: u32,
}

impl Bin {
    /// What was observed in both.
    #[must_use]
    pub(super) fn joined(self, other: &Self) -> Self {
        Self {
            good: self.good.saturating_add(other.good),
            bad: self.bad.saturating_add(other.bad),
            rtt_us_max: self.rtt_us_max.max(other.rtt_us_max),
        }
    }
}

/// Lanes of a service's targets under one scale.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lanes {
    /// The beginning of the first bin.
    pub from: Timestamp,
    /// Length of a bin, ms.
    pub bin_ms: i64,
    /// Bins by target, the last ones left out where they are empty.
    pub bins: BTreeMap<TargetName, Vec<Bin>>,
}

impl Lanes {
    /// Takes a result of a target.
    pub(super) fn seen(
        &mut self,
        target: &TargetName,
        at: Timestamp,
        ok: bool,
        rtt_us: Option<u32>,
    ) {
        if self.bin_ms == 0 {
            (self.from, self.bin_ms) = (at, SECOND_MS);
        }
        while at.since_ms(self.from) / self.bin_ms >= BINS_MAX as i64 {
            self.halve();
        }
        let index = usize::try_from(at.since_ms(self.from) / self.bin_ms).unwrap_or(0);
        if !self.bins.contains_key(target) {
            self.bins.insert(target.clone(), Vec::new());
        }
        let Some(bins) = self.bins.get_mut(target) else {
            return;
        };
        if bins.len() <= index {
            bins.resize(index + 1, Bin::default());
        }
        let bin = &mut bins[index];
        if ok {
            bin.good = bin.good.saturating_add(1);
            bin.rtt_us_max = bin.rtt_us_max.max(rtt_us.unwrap_or(0));
        } else {
            bin.bad = bin.bad.saturating_add(1);
        }
    }

    fn halve(&mut self) {
        self.bin_ms = self.bin_ms.saturating_mul(2);
        for bins in self.bins.values_mut() {
            let joined = bins
                .chunks(2)
                .map(|pair| pair.iter().fold(Bin::default(), Bin::joined));
            *bins = joined.collect();
        }
    }
}

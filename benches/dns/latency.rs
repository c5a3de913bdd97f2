//! Times by their frequency, so that a percentile of millions costs no sorting.

use std::fmt;

/// Steps between two powers of two: a percentile is at most a sixty-fourth too high.
const STEPS: u64 = 64;

/// How often each time was seen, ns.
#[derive(Clone, Default)]
pub(crate) struct Latency {
    seen: Vec<u64>,
    total: u64,
}

impl Latency {
    pub(crate) fn add(&mut self, ns: u64) {
        let index = index_of(ns);
        if self.seen.len() <= index {
            self.seen.resize(index + 1, 0);
        }
        self.seen[index] += 1;
        self.total += 1;
    }

    /// The time that `share` (0 to 1) of all stay within, µs; 0 where nothing was seen.
    pub(crate) fn percentile_us(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil() as u64;
        let mut sum = 0;
        for (index, seen) in self.seen.iter().enumerate() {
            sum += seen;
            if sum >= wanted {
                return ceiling_of(index) as f64 / 1e3;
            }
        }
        0.0
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, tail, last] =
            [0.5, 0.99, 0.999, 1.0].map(|share| self.percentile_us(share));
        write!(
            f,
            "p50 {half:.0} p99 {most:.0} p99.9 {tail:.0} max {last:.0} µs"
        )
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn index_of(ns: u64) -> usize {
    let shift = u64::from((ns | STEPS).ilog2() - STEPS.ilog2());
    (shift * STEPS + (ns >> shift)) as usize
}

/// The longest time of an index, ns.
fn ceiling_of(index: usize) -> u64 {
    let index = index as u64;
    let shift = (index / STEPS).saturating_sub(1);
    ((index - shift * STEPS + 1) << shift) - 1
}

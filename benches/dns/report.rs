//! How figures are told: medians with their spread, and a verdict against a limit.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

static MISSED: AtomicUsize = AtomicUsize::new(0);

/// Says whether a limit holds, in a line that can be quoted.
pub(crate) fn verdict(what: &str, holds: bool, figure: impl fmt::Display) {
    if !holds {
        MISSED.fetch_add(1, Ordering::Relaxed);
    }
    println!(
        "{}  {what}: {figure}",
        if holds { "ok    " } else { "MISSED" }
    );
}

/// How many limits did not hold.
pub(crate) fn missed() -> usize {
    MISSED.load(Ordering::Relaxed)
}

/// Median, lowest and highest of some figures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Spread {
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        match (figures.first(), figures.last()) {
            (Some(&low), Some(&high)) => Self {
                median: figures[figures.len() / 2],
                low,
                high,
            },
            _ => Self::default(),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.2} ({:.2}-{:.2})", self.median, self.low, self.high);
        f.pad(&text)
    }
}

//! How figures are told: medians with their spread, and a verdict against a limit.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Limits that were missed: of time, and of what is right or wrong on any machine.
static LATE: AtomicUsize = AtomicUsize::new(0);
static WRONG: AtomicUsize = AtomicUsize::new(0);

/// Says whether a limit of time or size holds, in a line that can be quoted.
pub(crate) fn limit(what: &str, holds: bool, figure: impl fmt::Display) {
    verdict(what, holds, figure, &LATE);
}

/// The same for what a slow machine is no excuse for.
pub(crate) fn fact(what: &str, holds: bool, figure: impl fmt::Display) {
    verdict(what, holds, figure, &WRONG);
}

fn verdict(what: &str, holds: bool, figure: impl fmt::Display, missed: &AtomicUsize) {
    if !holds {
        missed.fetch_add(1, Ordering::Relaxed);
    }
    let word = if holds { "ok    " } else { "MISSED" };
    println!("{word}  {what}: {figure}");
}

/// How many limits were missed, and how many facts.
pub(crate) fn missed() -> (usize, usize) {
    (LATE.load(Ordering::Relaxed), WRONG.load(Ordering::Relaxed))
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

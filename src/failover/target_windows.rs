//! Windows of a target: `loss`, `p50`, `p95` over (now − window, now], of the first monitor in scope.

use super::{
    aggregate::Group,
    lens::Value,
    series::{Series, WindowResult},
    target_view::TargetView,
};

/// Why a window has no figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFigure {
    /// Fewer than 80 % of the probes that were due have a result.
    TooFewResults,
    /// The window is longer than results are kept: a fault.
    LongerThanKept {
        /// How long they are kept, ms.
        kept_ms: i64,
    },
}

impl TargetView {
    /// The group of `loss`, `p50` and `p95`: the service's first monitor, or the one in scope.
    fn window_group(&self) -> Option<&Group> {
        self.groups().next()
    }

    /// The same of a figure over a window.
    fn read_figure(
        &self,
        word: &'static str,
        window_ms: i64,
        real: Result<i64, NoFigure>,
    ) -> Result<i64, NoFigure> {
        let Some(lens) = &self.service.lens else {
            return real;
        };
        let value = match real {
            Ok(figure) => figure.into(),
            Err(NoFigure::TooFewResults) => Value::Nothing,
            Err(NoFigure::LongerThanKept { .. }) => return real,
        };
        let value = lens.read(self.fact(word, Some(window_ms)), value, None);
        value.int().ok_or(NoFigure::TooFewResults)
    }

    /// Failed probes in the window, per mille, rounded up.
    ///
    /// # Errors
    /// Too few results, or a window longer than results are kept.
    pub fn loss(&self, window_ms: i64) -> Result<i64, NoFigure> {
        self.read_figure("loss", window_ms, self.loss_seen(window_ms))
    }

    fn loss_seen(&self, window_ms: i64) -> Result<i64, NoFigure> {
        let (mut bad, mut all) = (0_i64, 0_i64);
        self.in_window(window_ms, |result| {
            all += 1;
            bad += i64::from(result.rtt_us.is_none());
        })?;
        Ok((bad * 1_000 + all - 1) / all.max(1))
    }

    /// A percentile of the round-trip times of good probes in the window, ms, nearest rank,
    /// rounded up. `percent` is 1–100.
    ///
    /// # Errors
    /// Too few results (also: none of them good), or a window longer than results are kept.
    pub fn percentile_ms(&self, window_ms: i64, percent: usize) -> Result<i64, NoFigure> {
        let seen = self.percentile_seen_ms(window_ms, percent);
        let word = match percent {
            50 => "p50",
            95 => "p95",
            _ => return seen, // No word of the API.
        };
        self.read_figure(word, window_ms, seen)
    }

    fn percentile_seen_ms(&self, window_ms: i64, percent: usize) -> Result<i64, NoFigure> {
        let mut rtts = Vec::new();
        self.in_window(window_ms, |result| rtts.extend(result.rtt_us))?;
        if rtts.is_empty() {
            return Err(NoFigure::TooFewResults);
        }
        let rank = (rtts.len() * percent).div_ceil(100).clamp(1, rtts.len());
        let (_, value, _) = rtts.select_nth_unstable(rank - 1);
        Ok(i64::from(value.div_ceil(1_000)))
    }

    /// How many results a window of the first monitor holds: what an evaluation is charged for.
    pub fn results_in(&self, window_ms: i64) -> usize {
        let mut count = 0;
        // A window without a figure was looked through all the same.
        let _ = self.in_window(window_ms, |_| count += 1);
        count
    }

    /// Calls `each` for every result in the window, over the series of the first monitor.
    fn in_window(
        &self,
        window_ms: i64,
        mut each: impl FnMut(&WindowResult),
    ) -> Result<(), NoFigure> {
        let kept_ms = self.service.kept_ms();
        if window_ms > kept_ms {
            return Err(NoFigure::LongerThanKept { kept_ms });
        }
        let Some(group) = self.window_group() else {
            return Err(NoFigure::TooFewResults);
        };
        let (mut results, mut due) = (0_i64, 0_i64);
        let in_scope =
            |series: &&Series| self.vantage.as_ref().is_none_or(|v| *v == series.vantage);
        for series in group.series.iter().filter(in_scope) {
            let before = results;
            for result in series.window(self.now(), window_ms) {
                results += 1;
                each(result);
            }
            // A series that was silent throughout was not probed: nothing was due.
            if results > before {
                due += (window_ms / group.interval_ms.max(1)).max(1);
            }
        }
        if results == 0 || results.saturating_mul(100) < due.saturating_mul(80) {
            return Err(NoFigure::TooFewResults);
        }
        Ok(())
    }
}

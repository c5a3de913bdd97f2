//! The fold's clock: the only place that reads one.
//!
//! The fold's time starts at the wall clock and then follows the boot-time clock, which never goes
//! back, does not jump with the wall clock, and counts the time a machine was suspended: results
//! from before a suspension are old after it.

use crate::{failover::input::ClockChange, model::Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// A jump of the wall clock below this is drift, and is not told.
const JUMP_MS: i64 = 500;

/// The time that the fold gives its inputs. Copies go alike.
#[derive(Clone, Debug)]
pub struct Clock {
    /// The fold's time minus the boot-time clock, ms.
    base_ms: i64,
    /// The offset that the fold was last told.
    offset_ms: i64,
}

fn read_ms(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec
        .saturating_mul(1_000)
        .saturating_add(time.tv_nsec / 1_000_000)
}

impl Clock {
    /// A clock that starts at the wall clock, or after `last` where that is later. `offset_ms` is
    /// what the fold was told last of the wall clock; 0 where it never was told.
    pub fn start(last: Option<Timestamp>, offset_ms: i64) -> Self {
        let wall_ms = read_ms(ClockId::Realtime);
        let start_ms = last.map_or(wall_ms, |last| wall_ms.max(last.0.saturating_add(1)));
        Self {
            base_ms: start_ms - read_ms(ClockId::Boottime),
            offset_ms,
        }
    }

    /// The fold's time.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.base_ms.saturating_add(read_ms(ClockId::Boottime)))
    }

    /// The new offset of the wall clock, where it jumped since the last call.
    pub fn jump(&mut self) -> Option<ClockChange> {
        let offset_ms = read_ms(ClockId::Realtime).saturating_sub(self.now().0);
        if (offset_ms - self.offset_ms).abs() < JUMP_MS {
            return None;
        }
        self.offset_ms = offset_ms;
        Some(ClockChange { offset_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_starts_at_the_wall_clock_and_after_what_was_journaled() {
        let mut clock = Clock::start(None, 0);
        let now = clock.now();
        assert!((now.0 - read_ms(ClockId::Realtime)).abs() < 1_000);
        assert_eq!(clock.jump(), None);

        let ahead = now.plus_ms(3_600_000);
        let mut clock = Clock::start(Some(ahead), 0);
        assert!(clock.now() > ahead);
        let jump = clock.jump().unwrap();
        assert!((jump.offset_ms + 3_600_000).abs() < 1_000, "{jump:?}");
        assert_eq!(clock.jump(), None);

        let mut clock = Clock::start(None, -5_000);
        let back = clock.jump().map(|jump| jump.offset_ms);
        assert!(
            back.is_some_and(|offset_ms| offset_ms.abs() < 500),
            "an offset of the time before the restart is taken back"
        );
    }
}

//! The time, read at most once for a batch and only where somebody wants it.
//!
//! The kernel's coarse clocks: a tick of a few milliseconds, for next to nothing.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::cell::OnceCell;

/// A clock that stands still from its first look on.
#[derive(Default)]
pub(super) struct Clock {
    secs: OnceCell<u32>,
    ms: OnceCell<u32>,
}

impl Clock {
    /// Unix time as cookies have it, s: it wraps in 2106 (RFC 9018 section 4.3).
    pub(super) fn now_secs(&self) -> u32 {
        let read = || low_bits(clock_gettime(ClockId::RealtimeCoarse).tv_sec);
        *self.secs.get_or_init(read)
    }

    /// Since some instant, never going back, ms; wraps after 49 days.
    pub(super) fn now_ms(&self) -> u32 {
        *self.ms.get_or_init(|| {
            let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::MonotonicCoarse);
            low_bits(tv_sec.wrapping_mul(1_000).wrapping_add(tv_nsec / 1_000_000))
        })
    }
}

fn low_bits(time: i64) -> u32 {
    u32::try_from(time & i64::from(u32::MAX)).unwrap_or(0)
}

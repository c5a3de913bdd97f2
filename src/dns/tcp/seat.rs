//! What a connection's task and the rest of the server tell each other, without a lock.
//!
//! The task says what it waits for and since when; others ask it to end and wake it. Contract:
//! whoever is asked to end sees it before it waits again.

use super::counters::Reason;
use futures_util::task::AtomicWaker;
use std::{
    sync::atomic::{AtomicU8, AtomicU64, Ordering},
    task::Waker,
};

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A query, of which nothing came.
    Idle,
    /// The rest of a query.
    Reading,
    /// That the client takes its answers.
    Writing,
}

/// One connection, as others see it.
#[derive(Debug)]
pub(super) struct Seat {
    /// When its phase began, in ms since the server started, times 4, and the phase.
    phase: AtomicU64,
    /// A `Reason`, or 0.
    asked: AtomicU8,
    waker: AtomicWaker,
}

impl Seat {
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            phase: AtomicU64::new(now_ms << 2),
            asked: AtomicU8::new(0),
            waker: AtomicWaker::new(),
        }
    }

    /// Says what is waited for, and since when.
    pub(super) fn enter(&self, phase: Phase, since_ms: u64) {
        self.phase
            .store(since_ms << 2 | phase as u64, Ordering::Relaxed);
    }

    pub(super) fn since_ms(&self) -> u64 {
        self.phase.load(Ordering::Relaxed) >> 2
    }

    /// Why it ends where its time is over.
    pub(super) fn overdue(&self) -> Reason {
        if self.phase.load(Ordering::Relaxed) & 3 == Phase::Idle as u64 {
            Reason::Idle
        } else {
            Reason::Timeout
        }
    }

    /// Asks the connection to end; the last reason given counts.
    pub(super) fn ask(&self, reason: Reason) {
        self.asked.store(reason as u8, Ordering::Release);
        self.waker.wake();
    }

    /// Whether it was asked to end. `waker` is woken when it is.
    pub(super) fn asked(&self, waker: &Waker) -> Option<Reason> {
        self.waker.register(waker);
        Reason::numbered(self.asked.load(Ordering::Acquire))
    }
}

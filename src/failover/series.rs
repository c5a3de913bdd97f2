//! Series: what is kept of the observations of one (monitor, target, address, vantage).
//!
//! A series knows nothing of other series; [`super::aggregate`] makes a target's value of several.

use crate::model::{FailureReason, Observation, Timestamp, VantageName};
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, net::IpAddr};

/// The most results that a series keeps, whatever the window: a day at one a second.
const KEPT_MAX: usize = 86_400;

/// Streaks, last results and the window of one series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// From where.
    pub vantage: VantageName,
    /// Which address.
    pub address: IpAddr,
    /// When the last result came that counted.
    pub last_at: Option<Timestamp>,
    /// Bad results in a row.
    pub failures: u32,
    /// Good results in a row.
    pub successes: u32,
    /// When the streaks began anew: the first result, or the first after a silence.
    pub began_at: Timestamp,
    /// The last bad result since then.
    pub last_bad_at: Option<Timestamp>,
    /// The last good result since then.
    pub last_good_at: Option<Timestamp>,
    /// The first bad result of the current streak of bad ones.
    pub failing_since: Option<Timestamp>,
    /// The reason of the last bad result, ever.
    pub error: Option<FailureReason>,
    /// Round-trip time of the last good result.
    pub rtt_us: Option<u32>,
    /// Whether any probe was ever good.
    pub ever_good: bool,
    /// Days until the certificate expires, when last seen.
    pub cert_days: Option<i32>,
    /// The last number an `exec` monitor gave.
    pub value: Option<i64>,
    /// Late results seen.
    pub late: u64,
    /// Results that were none, for our own shortage.
    pub local: u64,
    /// Results by time, oldest first.
    pub results: VecDeque<WindowResult>,
}

/// One result in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowResult {
    /// When.
    pub at: Timestamp,
    /// Round-trip time in µs of a good one, `None` for a bad one.
    pub rtt_us: Option<u32>,
}

impl Series {
    /// A series without a result.
    pub fn new(vantage: VantageName, address: IpAddr) -> Self {
        Self {
            vantage,
            address,
            last_at: None,
            failures: 0,
            successes: 0,
            began_at: Timestamp::default(),
            last_bad_at: None,
            last_good_at: None,
            failing_since: None,
            error: None,
            rtt_us: None,
            ever_good: false,
            cert_days: None,
            value: None,
            late: 0,
            local: 0,
            results: VecDeque::new(),
        }
    }

    /// Whether the last result is recent enough to say anything.
    pub fn is_fresh(&self, now: Timestamp, fresh_for_ms: i64) -> bool {
        self.last_at
            .is_some_and(|last_at| now.since_ms(last_at) <= fresh_for_ms)
    }

    /// Takes an observation of this series. `trusted` is false while this vantage is isolated.
    ///
    /// A result without a result (`local`), a late failure and everything seen while isolated
    /// touch no streak and no window; a late success counts for the streak alone.
    pub fn observe(
        &mut self,
        at: Timestamp,
        observation: &Observation,
        fresh_for_ms: i64,
        keep_ms: i64,
        trusted: bool,
    ) {
        self.late += u64::from(observation.late);
        if observation.local.is_some() {
            self.local += 1;
            return;
        }
        if !trusted || (observation.late && !observation.ok) {
            return;
        }
        if !self.is_fresh(at, fresh_for_ms) {
            self.begin_anew(at);
        }
        self.last_at = Some(at);
        if observation.ok {
            self.successes = self.successes.saturating_add(1);
            self.failures = 0;
            self.failing_since = None;
            self.last_good_at = Some(at);
            self.ever_good = true;
        } else {
            self.failures = self.failures.saturating_add(1);
            self.successes = 0;
            self.failing_since.get_or_insert(at);
            self.last_bad_at = Some(at);
            self.error = observation.error;
        }
        self.cert_days = observation.cert_days.or(self.cert_days);
        self.value = observation.value.or(self.value);
        if observation.late {
            return;
        }
        let rtt_us = if observation.ok {
            Some(observation.rtt_us.unwrap_or(0))
        } else {
            None
        };
        self.rtt_us = rtt_us.or(self.rtt_us);
        self.results.push_back(WindowResult { at, rtt_us });
        let oldest = at.minus_ms(keep_ms);
        while self.results.len() > KEPT_MAX
            || self
                .results
                .front()
                .is_some_and(|result| result.at <= oldest)
        {
            self.results.pop_front();
        }
    }

    /// A silence ended the streaks; the window stays.
    fn begin_anew(&mut self, at: Timestamp) {
        self.began_at = at;
        self.failures = 0;
        self.successes = 0;
        self.last_bad_at = None;
        self.last_good_at = None;
        self.failing_since = None;
    }

    /// Results in (now − window, now].
    pub fn window(&self, now: Timestamp, window_ms: i64) -> impl Iterator<Item = &WindowResult> {
        let oldest = now.minus_ms(window_ms);
        self.results
            .iter()
            .rev()
            .take_while(move |result| result.at > oldest)
    }
}

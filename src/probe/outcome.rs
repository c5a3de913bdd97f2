//! What one probe found: good with a round-trip time, bad with a reason, or no result.
//!
//! A bad outcome speaks about the target; `NoResult` speaks about this machine (descriptors,
//! permission, no route, a monitor that cannot run here) and must never count against a target.
//! Knows nothing of schedules or channels.

use crate::model::{FailureReason, MonitorName, Observation, TargetName, VantageName};
use std::net::IpAddr;

/// What one probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The target answered as expected.
    Good {
        /// From the start of the probe to its verdict, µs.
        rtt_us: u32,
        /// Days until the certificate that was shown expires.
        cert_days: Option<i32>,
    },
    /// The target did not answer as expected.
    Bad {
        /// Why.
        reason: FailureReason,
        /// Days until the certificate that was shown expires; negative once it has.
        cert_days: Option<i32>,
    },
    /// This machine could not probe.
    NoResult {
        /// What it lacked, in words.
        local: String,
    },
}

impl Outcome {
    /// A failure without a certificate.
    pub fn bad(reason: FailureReason) -> Self {
        Self::Bad {
            reason,
            cert_days: None,
        }
    }

    /// No result, for want of `local`.
    pub fn no_result(local: impl Into<String>) -> Self {
        Self::NoResult {
            local: local.into(),
        }
    }

    /// `Some(true)` for good, `Some(false)` for bad, `None` for no result.
    pub fn verdict(&self) -> Option<bool> {
        match self {
            Self::Good { .. } => Some(true),
            Self::Bad { .. } => Some(false),
            Self::NoResult { .. } => None,
        }
    }

    /// The same with the certificate's remaining days, where one was shown.
    #[must_use]
    pub fn with_cert_days(mut self, days: Option<i32>) -> Self {
        match &mut self {
            Self::Good { cert_days, .. } | Self::Bad { cert_days, .. } => *cert_days = days,
            Self::NoResult { .. } => {}
        }
        self
    }

    /// This outcome as a fact about `place`.
    pub fn observation(self, place: &Place, late: bool) -> Observation {
        let mut observation = Observation {
            target: place.target.clone(),
            monitor: place.monitor.clone(),
            address: Some(place.address),
            vantage: place.vantage.clone(),
            ok: self.verdict() == Some(true),
            rtt_us: None,
            error: None,
            late,
            local: None,
            cert_days: None,
            value: None,
        };
        match self {
            Self::Good { rtt_us, cert_days } => {
                observation.rtt_us = Some(rtt_us);
                observation.cert_days = cert_days;
            }
            Self::Bad { reason, cert_days } => {
                observation.error = Some(reason);
                observation.cert_days = cert_days;
            }
            Self::NoResult { local } => observation.local = Some(local),
        }
        observation
    }
}

/// Whom a probe is about and where it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The target.
    pub target: TargetName,
    /// The standing order.
    pub monitor: MonitorName,
    /// The probed address without its port: one of the target's own, or of its `probe_at`.
    pub address: IpAddr,
    /// This node.
    pub vantage: VantageName,
}

/// When each step of a probe ended, µs since the probe began; `None` where it was not reached
/// or does not exist. Names are never looked up, so there is no such step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The TCP connection stood.
    pub connected_us: Option<u32>,
    /// The TLS handshake was done.
    pub handshake_us: Option<u32>,
    /// The first answer was read; for HTTP, the status line and headers.
    pub first_byte_us: Option<u32>,
    /// The outcome was known.
    pub verdict_us: u32,
    /// More words on the outcome: the status, the error beneath the reason.
    pub note: Option<String>,
}

impl Trace {
    /// The steps in order, each with its own length in µs.
    pub fn steps(&self) -> Vec<(&'static str, u32)> {
        let ends = [
            ("connect", self.connected_us),
            ("handshake", self.handshake_us),
            ("first byte", self.first_byte_us),
            ("verdict", Some(self.verdict_us)),
        ];
        let mut begun_us = 0;
        let reached = ends
            .into_iter()
            .filter_map(|(step, end)| Some((step, end?)));
        reached
            .map(|(step, end_us)| {
                let length_us = end_us.saturating_sub(begun_us);
                begun_us = end_us.max(begun_us);
                (step, length_us)
            })
            .collect()
    }
}

/// An outcome with the steps that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// The verdict.
    pub outcome: Outcome,
    /// The way there.
    pub trace: Trace,
}

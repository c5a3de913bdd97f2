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
        /// The number that a program gave.
        value: Option<i64>,
    },
    /// The target did not answer as expected.
    Bad {
        /// Why.
        reason: FailureReason,
        /// Days until the certificate that was shown expires; negative once it has.
        cert_days: Option<i32>,
        /// The number that a program gave.
        value: Option<i64>,
    },
    /// This machine could not probe.
    NoResult {
        /// What it lacked, in words.
        local: String,
    },
}

impl Outcome {
    /// A success without a certificate or a number.
    pub fn good(rtt_us: u32) -> Self {
        Self::Good {
            rtt_us,
            cert_days: None,
            value: None,
        }
    }

    /// A failure without a certificate or a number.
    pub fn bad(reason: FailureReason) -> Self {
        Self::Bad {
            reason,
            cert_days: None,
            value: None,
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

    /// The same with the number that a program gave, where it gave one.
    #[must_use]
    pub fn with_value(mut self, number: Option<i64>) -> Self {
        match &mut self {
            Self::Good { value, .. } | Self::Bad { value, .. } => *value = number,
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
            Self::Good {
                rtt_us,
                cert_days,
                value,
            } => {
                observation.rtt_us = Some(rtt_us);
                observation.cert_days = cert_days;
                observation.value = value;
            }
            Self::Bad {
                reason,
                cert_days,
                value,
            } => {
                observation.error = Some(reason);
                observation.cert_days = cert_days;
                observation.value = value;
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
    /// Steps that only this kind of probe has, in order: each echo request, a program's start.
    pub own: Vec<(&'static str, u32)>,
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
    /// What was seen on the way, each with its word: `certificate`, `asked`, `answered`.
    pub seen: Vec<(&'static str, String)>,
}

/// So many characters of what a server sent are shown.
const SHOWN: usize = 600;

impl Trace {
    /// Notes what was seen: one line, whatever a server sent.
    pub(super) fn say(&mut self, word: &'static str, text: &str) {
        self.seen.push((word, one_line(text)));
    }

    /// Notes why the outcome is what it is: one line, whatever a server sent.
    pub(super) fn explain(&mut self, text: &str) {
        self.note = Some(one_line(text));
    }

    /// Notes how far a probe came that ran out of time.
    pub(super) fn explain_timeout(&mut self) {
        self.explain(match (self.connected_us, self.first_byte_us) {
            (None, _) => "no connection in time",
            (_, None) => "connected, and no answer in time",
            _ => "the answer did not end in time",
        });
    }

    /// The steps in order, each with its own length in µs.
    pub fn steps(&self) -> Vec<(&'static str, u32)> {
        let shared = [
            ("connect", self.connected_us),
            ("handshake", self.handshake_us),
            ("first byte", self.first_byte_us),
            ("verdict", Some(self.verdict_us)),
        ];
        let mut begun_us = 0;
        let reached = shared
            .into_iter()
            .filter_map(|(step, end)| Some((step, end?)));
        let own = self.own.iter().copied();
        own.chain(reached)
            .map(|(step, end_us)| {
                let length_us = end_us.saturating_sub(begun_us);
                begun_us = end_us.max(begun_us);
                (step, length_us)
            })
            .collect()
    }
}

/// Foreign text for a terminal: control characters are written out, and it has an end.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for (index, one) in text.chars().enumerate() {
        if index >= SHOWN {
            line.push_str(" ...");
            break;
        }
        match one.is_control() {
            true => line.extend(one.escape_default()),
            false => line.push(one),
        }
    }
    line
}

/// An outcome with the steps that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// The verdict.
    pub outcome: Outcome,
    /// The way there.
    pub trace: Trace,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_sent_is_one_line_with_an_end() {
        let mut trace = Trace::default();
        trace.say("reply", "220 \u{1b}[2Jmail\r\n");
        trace.say("reply", &"x".repeat(SHOWN + 1));
        let shown: Vec<_> = trace.seen.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(shown[0], "220 \\u{1b}[2Jmail\\r\\n");
        assert_eq!(shown[1].len(), SHOWN + 4);
        assert!(shown[1].ends_with("x ..."));
    }
}

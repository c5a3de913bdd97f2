//! Observations: what one probe found, where and from where. Facts, journaled as they are.

use super::{MonitorName, TargetName, VantageName};
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};

/// One probe's outcome with its place; when it happened is the event's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Whose.
    pub target: TargetName,
    /// By which order.
    pub monitor: MonitorName,
    /// Which address was probed; may be left out where the target has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// From where.
    pub vantage: VantageName,
    /// Whether the probe was good.
    pub ok: bool,
    /// Round-trip time of a good probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_us: Option<u32>,
    /// Why a probe was bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<FailureReason>,
    /// The timer fired so late that a failure says more about this machine than about the target.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// No result: our own shortage (descriptors, permission, no route for the family), in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// Days until the certificate that was shown expires; negative once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_days: Option<i32>,
    /// A number that an `exec` monitor gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
}

/// Why a probe failed: a closed list, the words of recordings and of `t.error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureReason {
    /// No answer within the monitor's timeout.
    Timeout,
    /// Nobody listens.
    Refused,
    /// No way there.
    Unreachable,
    /// The connection was reset.
    Reset,
    /// The handshake failed, or the certificate is not trusted.
    Tls,
    /// The certificate has expired or is not valid yet.
    Expired,
    /// The certificate is for another name.
    Hostname,
    /// An HTTP status that is not expected.
    Status,
    /// A body or reply that is not expected.
    Body,
    /// A DNS answer that is not expected.
    Dns,
    /// A program said so.
    Plugin,
    /// The peer closed before it answered.
    Closed,
}

impl FailureReason {
    /// The word of recordings and of `t.error`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::Tls => "tls",
            Self::Expired => "expired",
            Self::Hostname => "hostname",
            Self::Status => "status",
            Self::Body => "body",
            Self::Dns => "dns",
            Self::Plugin => "plugin",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

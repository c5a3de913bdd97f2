//! Targets: servers that may be answered and are probed.

use super::{DnsName, Family, Monitor, MonitorName, MonitorPatch, TargetName};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, net::IpAddr, net::SocketAddr};

/// A server that may be answered and is probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Unique name.
    pub name: TargetName,
    /// What DNS answers; at least one, no duplicates, in the order written. Of a target with a
    /// `cname` what that was last resolved to: none where it is configured, put here by the fold.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// What DNS answers beside the addresses: records as a zone file has them, without owner, TTL
    /// and class, such as `MX 10 mx2`. Relative names are relative to the zone of the service's
    /// first name. Never with a `cname`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<String>,
    /// The hostname that it is instead of addresses: answered as a CNAME, and at a zone's apex by
    /// what it was resolved to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cname: Option<DnsName>,
    /// Where it is probed instead of at `addresses`; empty means at `addresses`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probe_at: Vec<ProbeAddress>,
    /// Whether every address must answer, or any one of them.
    #[serde(default, skip_serializing_if = "Require::is_all")]
    pub require: Require,
    /// Free words for policies: `t.labels.rack`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Withdrawn from answers by the configuration.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drained: bool,
    /// This target's own settings of a monitor.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub monitor: BTreeMap<MonitorName, MonitorPatch>,
}

impl Target {
    /// A target of addresses with every default.
    pub fn bare(name: TargetName, addresses: Vec<IpAddr>) -> Self {
        Self {
            name,
            addresses,
            records: Vec::new(),
            cname: None,
            probe_at: Vec::new(),
            require: Require::All,
            labels: BTreeMap::new(),
            drained: false,
            monitor: BTreeMap::new(),
        }
    }

    /// Where the probes of one monitor go: of the monitor's family only.
    pub fn probed_by(&self, monitor: &Monitor) -> Vec<ProbeAddress> {
        let mut probed = self.probed_at();
        probed.retain(|address| match monitor.family {
            None => true,
            Some(Family::V4) => address.ip.is_ipv4(),
            Some(Family::V6) => address.ip.is_ipv6(),
        });
        probed
    }

    /// Where probes go: `probe_at`, or `addresses` where that is empty.
    pub fn probed_at(&self) -> Vec<ProbeAddress> {
        if self.probe_at.is_empty() {
            self.addresses
                .iter()
                .map(|&ip| ProbeAddress { ip, port: None })
                .collect()
        } else {
            self.probe_at.clone()
        }
    }
}

/// Which of a target's addresses must answer for the target to count as good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Require {
    /// The worst address speaks for the target.
    #[default]
    All,
    /// The best address speaks for the target; dead addresses are left out of the answer.
    Any,
}

impl Require {
    /// Whether this is the default; leaves the key out of serialized configurations.
    pub fn is_all(&self) -> bool {
        *self == Self::All
    }
}

/// An address to connect to, with a port where it is not the monitor's own.
/// Written `192.0.2.1`, `192.0.2.1:8443`, `2001:db8::1` or `[2001:db8::1]:8443`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ProbeAddress {
    /// The address.
    pub ip: IpAddr,
    /// The port, where it is not the monitor's own.
    pub port: Option<u16>,
}

impl fmt::Display for ProbeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

impl From<ProbeAddress> for String {
    fn from(address: ProbeAddress) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for ProbeAddress {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if let Ok(ip) = text.parse() {
            return Ok(Self { ip, port: None });
        }
        match text.parse::<SocketAddr>() {
            Ok(socket) => Ok(Self {
                ip: socket.ip(),
                port: Some(socket.port()),
            }),
            Err(_) => Err(format!(
                "'{text}' is no address: write \"192.0.2.1\", \"192.0.2.1:8443\" or \"[2001:db8::1]:8443\""
            )),
        }
    }
}

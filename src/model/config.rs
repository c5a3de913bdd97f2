//! The checked configuration: what `config/` makes of a TOML file once every rule holds.

use super::{
    Apexes, CookieSecret, DnsName, Monitor, MonitorName, RateLimit, Service, ServiceName, Target,
    TargetName, TcpLimits, VantageName,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr, net::SocketAddr, path::PathBuf};

/// A configuration that was checked: every name that is referred to exists, every timeout is
/// below its interval, every service name lies in a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// This node.
    #[serde(default)]
    pub server: ServerConfig,
    /// Addresses that must answer for this vantage to trust its own failures; `None`: rail off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<WitnessConfig>,
    /// Zones that are answered, none within another's cut unless given itself.
    #[serde(default)]
    pub zones: Vec<ZoneConfig>,
    /// Targets by name.
    pub targets: BTreeMap<TargetName, Target>,
    /// Monitors by name.
    pub monitors: BTreeMap<MonitorName, Monitor>,
    /// Services by name.
    pub services: BTreeMap<ServiceName, Service>,
}

impl Config {
    /// The monitor `name` as `target` wants it.
    pub fn monitor_of(&self, target: &Target, name: &MonitorName) -> Option<Monitor> {
        self.monitors
            .get(name)
            .map(|monitor| monitor.patched(target.monitor.get(name)))
    }

    /// Its zones by their apexes, to find those of many names.
    pub fn apexes(&self) -> Apexes<'_> {
        Apexes::of(&self.zones)
    }

    /// The apex of the zone that answers `name`: the longest that it lies in. Looks at all zones.
    pub fn zone_of(&self, name: &DnsName) -> Option<&DnsName> {
        let apexes = self.zones.iter().map(|zone| &zone.name);
        let within = apexes.filter(|apex| name.is_within(apex));
        within.max_by_key(|apex| if apex.as_str() == "." { 0 } else { apex.len() })
    }

    /// The targets of a service that are configured, in its order.
    pub fn targets_of<'c>(&'c self, service: &'c Service) -> impl Iterator<Item = &'c Target> {
        let names = service.targets.iter();
        names.filter_map(|name| self.targets.get(name))
    }
}

/// This node: its name, where it listens and how it answers. `dns`, `http`, `data` and
/// `udp_threads` need a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerConfig {
    /// The node's name and its vantage.
    pub name: VantageName,
    /// Where DNS is answered, UDP and TCP.
    pub dns: Vec<SocketAddr>,
    /// Status, API, metrics; `None` where switched off.
    pub http: Option<SocketAddr>,
    /// The journal and the control socket.
    pub data: PathBuf,
    /// The policy directory, watched.
    pub policies: PathBuf,
    /// Who is asked what the hostnames of targets are; none: those of `/etc/resolv.conf`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolvers: Vec<SocketAddr>,
    /// What `id.server`, `hostname.bind` and NSID are told, at most 255 octets; `None`: the
    /// node's name; empty: nothing, the question is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// What `version.bind` and `version.server` are told, at most 255 octets; `None` and empty:
    /// nothing, the question is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Secrets of DNS cookies: the first makes them, all verify them; none: one is made at the
    /// start. They are no part of recordings, which are given to others.
    #[serde(skip)]
    pub cookie_secrets: Vec<CookieSecret>,
    /// How many answers one client network gets over UDP.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rate_limit: RateLimit,
    /// Threads that answer over UDP, 1 to 256; `None`: one per core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp_threads: Option<u32>,
    /// What TCP connections may take.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tcp: TcpLimits,
}

/// Whether a value need not be written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            name: "local".into(),
            dns: vec![SocketAddr::from(([127, 0, 0, 1], 5300))],
            http: Some(SocketAddr::from(([127, 0, 0, 1], 8053))),
            data: "data".into(),
            policies: "policies".into(),
            resolvers: Vec::new(),
            identity: None,
            version: None,
            cookie_secrets: Vec::new(),
            rate_limit: RateLimit::default(),
            udp_threads: None,
            tcp: TcpLimits::default(),
        }
    }
}

/// Who must answer for this vantage to trust its own failures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessConfig {
    /// Asked by TCP, or by ICMP where written `icmp:192.0.2.1`.
    pub addresses: Vec<WitnessAddress>,
    /// How many must answer, at least 1.
    pub need: u32,
}

/// A witness: `192.0.2.1:53` (TCP) or `icmp:192.0.2.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum WitnessAddress {
    /// A TCP connection is opened; refused counts as an answer (someone is there).
    Tcp(SocketAddr),
    /// An echo request is sent.
    Icmp(IpAddr),
}

impl std::fmt::Display for WitnessAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Icmp(address) => write!(f, "icmp:{address}"),
        }
    }
}

impl From<WitnessAddress> for String {
    fn from(address: WitnessAddress) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for WitnessAddress {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let parsed = match text.strip_prefix("icmp:") {
            Some(ip) => ip.parse().ok().map(Self::Icmp),
            None => text.parse().ok().map(Self::Tcp),
        };
        parsed.ok_or_else(|| {
            format!("'{text}' is no witness: write \"192.0.2.1:53\" or \"icmp:192.0.2.1\"")
        })
    }
}

/// A zone that is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneConfig {
    /// The apex.
    pub name: DnsName,
    /// Where its static records come from.
    #[serde(flatten)]
    pub source: ZoneSource,
}

/// Where a zone's static records come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ZoneSource {
    /// A standard zone file (RFC 1035 section 5).
    File(PathBuf),
    /// Only these name servers; the SOA is made.
    Ns(Vec<DnsName>),
    /// Made for a configuration without zones: its NS is the server's name. Not for delegation.
    Made,
}

//! Monitors: standing orders that say what to probe, how often and with which timeout.

use super::MonitorName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A standing order to probe; shared by services, run once per target and address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    /// Unique name; an inline monitor is named after its kind.
    pub name: MonitorName,
    /// The protocol and its settings.
    #[serde(flatten)]
    pub probe: ProbeKind,
    /// Time between the starts of two probes of a series.
    pub interval_ms: i64,
    /// How long a probe may take; below the interval.
    pub timeout_ms: i64,
    /// Interval while in doubt: from a changed result until five equal ones in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_suspect_ms: Option<i64>,
    /// Probe only addresses of this family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
}

impl Monitor {
    /// An HTTP monitor of which nothing is known but its name and its times, ms.
    pub fn bare(name: MonitorName, interval_ms: i64, timeout_ms: i64) -> Self {
        let http = HttpProbe {
            url: String::new(),
            port: None,
            method: get(),
            headers: BTreeMap::new(),
            follow: false,
            verify: yes(),
            ca: None,
            expect: HttpExpect::default(),
        };
        Self {
            name,
            probe: ProbeKind::Http(http),
            interval_ms,
            timeout_ms,
            interval_suspect_ms: None,
            family: None,
        }
    }

    /// How old the last result of a series may be before nothing is known of it any more.
    pub fn fresh_for_ms(&self) -> i64 {
        let intervals_ms = self.interval_ms.saturating_mul(3);
        intervals_ms.saturating_add(self.timeout_ms)
    }

    /// This monitor as one target wants it.
    #[must_use]
    pub fn patched(&self, patch: Option<&MonitorPatch>) -> Self {
        let mut monitor = self.clone();
        let Some(patch) = patch else { return monitor };
        monitor.interval_ms = patch.interval_ms.unwrap_or(monitor.interval_ms);
        monitor.timeout_ms = patch.timeout_ms.unwrap_or(monitor.timeout_ms);
        match &mut monitor.probe {
            ProbeKind::Tcp(tcp) => tcp.port = patch.port.unwrap_or(tcp.port),
            ProbeKind::Tls(tls) => tls.port = patch.port.unwrap_or(tls.port),
            ProbeKind::Dns(dns) => dns.port = patch.port.unwrap_or(dns.port),
            ProbeKind::Http(http) => {
                http.port = patch.port.or(http.port);
                if let Some(url) = &patch.url {
                    http.url.clone_from(url);
                }
            }
            ProbeKind::Icmp(_) | ProbeKind::Exec(_) => {}
        }
        monitor
    }
}

/// A target's own settings of a monitor: `monitor.https = { port = 8443 }`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitorPatch {
    /// Another port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Another URL (`http` only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Another interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<i64>,
    /// Another timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<i64>,
}

/// IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    #[serde(rename = "v4")]
    V4,
    /// IPv6.
    #[serde(rename = "v6")]
    V6,
}

/// What a probe does. In JSON the variant is the key `kind`, its settings stand beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ProbeKind {
    /// Echo requests.
    Icmp(IcmpProbe),
    /// A TCP connection, with a line sent and a pattern expected where set.
    Tcp(TcpProbe),
    /// An HTTP or HTTPS request.
    Http(HttpProbe),
    /// A TLS handshake.
    Tls(TlsProbe),
    /// A DNS question.
    Dns(DnsProbe),
    /// A program.
    Exec(ExecProbe),
}

impl ProbeKind {
    /// The word of the configuration: `icmp tcp http tls dns exec`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Icmp(_) => "icmp",
            Self::Tcp(_) => "tcp",
            Self::Http(_) => "http",
            Self::Tls(_) => "tls",
            Self::Dns(_) => "dns",
            Self::Exec(_) => "exec",
        }
    }
}

/// Settings of `icmp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IcmpProbe {
    /// Echo requests per probe; one answer is enough. 1–10.
    #[serde(default = "one")]
    pub count: u32,
}

/// Settings of `tcp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpProbe {
    /// Where to connect (`probe_at` with a port goes before it).
    #[serde(default)]
    pub port: u16,
    /// Sent once connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<String>,
    /// A text that the reply must contain, within its first 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
}

/// Settings of `http`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpProbe {
    /// `http://` or `https://`; its host is the Host header and the SNI, never looked up.
    #[serde(default)]
    pub url: String,
    /// Another port than the URL's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The method; GET where not set.
    #[serde(default = "get")]
    pub method: String,
    /// Headers to send.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Follow redirects, at the same address, at most five.
    #[serde(default)]
    pub follow: bool,
    /// Verify the certificate.
    #[serde(default = "yes")]
    pub verify: bool,
    /// A PEM file of authorities to trust instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// What makes an answer good.
    #[serde(default)]
    pub expect: HttpExpect,
}

/// What makes an HTTP answer good.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpExpect {
    /// Accepted status codes; 200–299 where not set.
    #[serde(default)]
    pub status: StatusRange,
    /// What the body must be like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
}

/// What a body must be like, within its first 64 KiB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// It contains this text.
    Contains(String),
    /// It matches this regular expression.
    Regex(String),
}

/// Inclusive ranges of status codes: `200-299` or `200,204,301-302`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct StatusRange(Vec<(u16, u16)>);

impl Default for StatusRange {
    fn default() -> Self {
        Self(vec![(200, 299)])
    }
}

impl StatusRange {
    /// Whether `status` is in one of the ranges.
    pub fn contains(&self, status: u16) -> bool {
        self.0
            .iter()
            .any(|&(low, high)| (low..=high).contains(&status))
    }
}

impl From<StatusRange> for String {
    fn from(ranges: StatusRange) -> Self {
        let one = |&(low, high): &(u16, u16)| {
            if low == high {
                low.to_string()
            } else {
                format!("{low}-{high}")
            }
        };
        ranges.0.iter().map(one).collect::<Vec<_>>().join(",")
    }
}

impl TryFrom<String> for StatusRange {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let wrong =
            || format!("'{text}' is no range of status codes: write \"200-299\" or \"200,204\"");
        let one = |part: &str| {
            let (low, high) = part.split_once('-').unwrap_or((part, part));
            let range: (u16, u16) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
            (100 <= range.0 && range.0 <= range.1 && range.1 <= 599).then_some(range)
        };
        text.split(',')
            .map(one)
            .collect::<Option<Vec<_>>>()
            .map(Self)
            .ok_or_else(wrong)
    }
}

/// Settings of `tls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsProbe {
    /// Where to connect.
    pub port: u16,
    /// The name to ask for and to verify.
    pub sni: String,
    /// Verify the certificate.
    #[serde(default = "yes")]
    pub verify: bool,
    /// A PEM file of authorities to trust instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

/// Settings of `dns`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsProbe {
    /// Where to ask.
    #[serde(default = "fifty_three")]
    pub port: u16,
    /// The question: `"www.example.com A"`; the type is A where there is none, the name absolute.
    pub question: String,
    /// What makes an answer good.
    #[serde(default)]
    pub expect: DnsExpect,
}

impl DnsProbe {
    /// The types that can be asked for by name; any other by its number (RFC 3597 section 5).
    pub const TYPES: [&str; 29] = [
        "A",
        "AAAA",
        "ANY",
        "CAA",
        "CDNSKEY",
        "CDS",
        "CERT",
        "CNAME",
        "CSYNC",
        "DNAME",
        "DNSKEY",
        "DS",
        "HINFO",
        "HTTPS",
        "MX",
        "NAPTR",
        "NS",
        "NSEC",
        "NSEC3PARAM",
        "OPENPGPKEY",
        "PTR",
        "RRSIG",
        "SMIMEA",
        "SOA",
        "SRV",
        "SSHFP",
        "SVCB",
        "TLSA",
        "TXT",
    ];
}

/// What makes a DNS answer good.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsExpect {
    /// The response code, `NOERROR` where not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rcode: Option<String>,
    /// What one of the answers must hold: `"192.0.2.10"`, `"10 mx.example.com."`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

impl DnsExpect {
    /// The response codes that can be expected.
    pub const RCODES: [&str; 7] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "NOTAUTH",
    ];
}

/// Settings of `exec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecProbe {
    /// The program and its arguments; `{address}` is replaced.
    pub command: Vec<String>,
}

fn one() -> u32 {
    1
}
fn yes() -> bool {
    true
}
fn get() -> String {
    "GET".to_owned()
}
fn fifty_three() -> u16 {
    53
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_ranges_are_read_and_written() {
        for (text, inside, outside) in [
            ("200-299", 204, 301),
            ("200", 200, 201),
            ("200,301-302", 302, 303),
        ] {
            let range = StatusRange::try_from(text.to_owned()).unwrap();
            assert!(range.contains(inside) && !range.contains(outside), "{text}");
            assert_eq!(String::from(range), text);
        }
        for text in ["", "299-200", "99", "600", "2xx", "200-"] {
            assert!(StatusRange::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}

//! Probes: one attempt to reach a target's own address, its outcome, and when the next is due.
//!
//! [`Prober`] runs a [`Plan`] and sends what it finds; [`round`] probes once, with a trace.
//! Knows nothing of policies, streaks, answers or the journal. One file for each protocol, each
//! `probe(order, address, deadline) -> Probed`; nothing here looks a name up.

mod dial;
pub mod http;
pub mod outcome;
pub mod plan;
mod reason;
pub mod round;
pub mod runner;
pub mod schedule;
pub mod tcp;
mod trust;
pub mod witness;

pub use outcome::{Outcome, Place, Probed, Trace};
pub use plan::{Plan, Series};
pub use round::{TracedOutcome, round};
pub use runner::{Finding, Observed, Prober, Settings};
pub use witness::{Witnessed, supported_witness};

use crate::model::{Config, Monitor, ProbeKind, TcpProbe, time::DAY_MS};
use std::{net::SocketAddr, time::Duration};
use tokio::time::Instant;

/// At most so much of a reply is read.
const READ_LIMIT: usize = 64 * 1024;

/// Whether this version can run probes of this kind.
pub fn supported(kind: &ProbeKind) -> bool {
    matches!(kind, ProbeKind::Tcp(_) | ProbeKind::Http(_))
}

/// What of `config` cannot be probed from here, one sentence each: kinds that are not built
/// yet, a URL, header, regular expression or PEM file that cannot be used. Reads PEM files.
pub fn problems(config: &Config) -> Vec<String> {
    let mut clients = http::Clients::default();
    let mut found = Vec::new();
    let witnesses = config.witness.iter().flat_map(|w| &w.addresses);
    for witness in witnesses.filter(|witness| !supported_witness(witness)) {
        found.push(format!(
            "witness {witness}: icmp is not built into this version yet: write an address with a TCP port"
        ));
    }
    let mut series = Plan::of(config).series;
    series.dedup_by(|a, b| a.target == b.target && a.monitor == b.monitor);
    for one in series {
        if let Err(problem) = Order::of(&one.monitor, &mut clients) {
            let sentence = format!("monitor {}: {problem}", one.monitor.name);
            if !found.contains(&sentence) {
                found.push(sentence);
            }
        }
    }
    found
}

/// A monitor made ready to run: nothing of it is parsed or built again for a probe.
#[derive(Clone, Debug)]
enum Order {
    Tcp(TcpProbe),
    Http(Box<http::Order>),
}

impl Order {
    /// # Errors
    /// Why this monitor cannot run here, in words.
    fn of(monitor: &Monitor, clients: &mut http::Clients) -> Result<Self, String> {
        match &monitor.probe {
            ProbeKind::Tcp(tcp) => Ok(Self::Tcp(tcp.clone())),
            ProbeKind::Http(http) => Ok(Self::Http(Box::new(http::Order::of(http, clients)?))),
            other => Err(format!(
                "kind \"{}\" is not built into this version yet: use tcp or http",
                other.word()
            )),
        }
    }

    /// The port where the address has none of its own.
    fn port(&self) -> u16 {
        match self {
            Self::Tcp(tcp) => tcp.port,
            Self::Http(http) => http.port(),
        }
    }

    /// One attempt; over at `deadline`.
    async fn probe(&self, address: SocketAddr, deadline: Instant) -> Probed {
        match self {
            Self::Tcp(order) => tcp::probe(order, address, deadline).await,
            Self::Http(order) => http::probe(order, address, deadline).await,
        }
    }
}

/// How long a probe of `monitor` may take: 1 ms to a day, whatever is written.
fn patience(monitor: &Monitor) -> Duration {
    Duration::from_millis(monitor.timeout_ms.clamp(1, DAY_MS).unsigned_abs())
}

/// Counts µs from the start of a probe.
#[derive(Clone, Copy, Debug)]
struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    /// At least 1, and at most an hour and eleven minutes.
    fn us(self) -> u32 {
        u32::try_from(self.0.elapsed().as_micros())
            .unwrap_or(u32::MAX)
            .max(1)
    }
}

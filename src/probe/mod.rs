//! Probes: one attempt to reach a target's own address, its outcome, and when the next is due.
//!
//! [`Prober`] runs a [`Plan`] and sends what it finds; [`round`] probes once, with a trace.
//! Knows nothing of policies, streaks, answers or the journal. One file for each protocol, each
//! `probe(order, address, deadline) -> Probed`; nothing here looks a name up.

mod dial;
mod dns;
mod exec;
mod group;
pub mod http;
mod icmp;
pub mod outcome;
mod perfdata;
pub mod plan;
mod reason;
pub mod round;
pub mod runner;
pub mod schedule;
pub mod tcp;
mod tls;
mod trust;
pub mod witness;

pub use outcome::{Outcome, Place, Probed, Trace};
pub use plan::{Plan, Series};
pub use round::{TracedOutcome, round};
pub use runner::{Finding, Observed, Prober, Settings};
pub use witness::Witnessed;

use crate::model::{
    Config, Monitor, ProbeKind, TargetName, TcpProbe, config::WitnessAddress, time::DAY_MS,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// At most so much of a reply is read.
const READ_LIMIT: usize = 64 * 1024;

/// What of `config` cannot be probed from here, one sentence each: a URL, header, regular
/// expression, question or PEM file that cannot be used. Reads PEM files.
pub fn problems(config: &Config) -> Vec<String> {
    let mut clients = http::Clients::default();
    let mut found = Vec::new();
    let shared = Shared::default();
    let mut series = Plan::of(config).series;
    series.dedup_by(|a, b| a.target == b.target && a.monitor == b.monitor);
    for one in series {
        if let Err(problem) = Order::of(&one.monitor, &mut clients, &shared) {
            let sentence = format!("monitor {}: {problem}", one.monitor.name);
            if !found.contains(&sentence) {
                found.push(sentence);
            }
        }
    }
    found
}

/// What of `config` lacks something on this machine and for this user, one sentence each: the
/// right to send ICMP, a program. The daemon may run elsewhere or as another user, so it is no
/// error. Opens sockets and looks for files.
pub fn advice(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |sentence: String| {
        if !found.contains(&sentence) {
            found.push(sentence);
        }
    };
    let shared = Shared::default();
    for series in Plan::of(config).series {
        let name = &series.monitor.name;
        let lack = match &series.monitor.probe {
            ProbeKind::Icmp(_) => icmp::permitted(series.at.ip).err(),
            ProbeKind::Exec(exec) => exec::Order::of(name, exec, &shared.turns)
                .ok()
                .and_then(|order| order.advice()),
            _ => None,
        };
        if let Some(lack) = lack {
            add(format!("monitor {name}: {lack}"));
        }
    }
    for witness in config.witness.iter().flat_map(|w| &w.addresses) {
        if let WitnessAddress::Icmp(ip) = witness
            && let Err(lack) = icmp::permitted(*ip)
        {
            add(format!("witness {witness}: {lack}"));
        }
    }
    found
}

/// What all probes of a process share, whichever plan they belong to.
#[derive(Clone, Debug)]
struct Shared {
    echoes: Arc<icmp::Sockets>,
    turns: Arc<Semaphore>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            echoes: Arc::default(),
            turns: Arc::new(Semaphore::new(exec::AT_ONCE)),
        }
    }
}

/// A monitor made ready to run: nothing of it is parsed or built again for a probe.
#[derive(Clone, Debug)]
enum Order {
    Icmp(icmp::Order),
    Tcp(TcpProbe),
    Http(Box<http::Order>),
    Tls(tls::Order),
    Dns(Box<dns::Order>),
    Exec(Box<exec::Order>),
}

impl Order {
    /// # Errors
    /// Why this monitor cannot run here, in words.
    fn of(monitor: &Monitor, clients: &mut http::Clients, shared: &Shared) -> Result<Self, String> {
        match &monitor.probe {
            ProbeKind::Icmp(icmp) => Ok(Self::Icmp(icmp::Order::new(icmp.count, &shared.echoes))),
            ProbeKind::Exec(exec) => {
                let order = exec::Order::of(&monitor.name, exec, &shared.turns)?;
                Ok(Self::Exec(Box::new(order)))
            }
            ProbeKind::Tcp(tcp) => Ok(Self::Tcp(tcp.clone())),
            ProbeKind::Http(http) => Ok(Self::Http(Box::new(http::Order::of(http, clients)?))),
            ProbeKind::Tls(tls) => Ok(Self::Tls(tls::Order::of(tls)?)),
            ProbeKind::Dns(dns) => Ok(Self::Dns(Box::new(dns::Order::of(dns)?))),
        }
    }

    /// The port where the address has none of its own; 0 where the kind has no ports.
    fn port(&self) -> u16 {
        match self {
            Self::Icmp(_) | Self::Exec(_) => 0,
            Self::Tcp(tcp) => tcp.port,
            Self::Http(http) => http.port(),
            Self::Tls(tls) => tls.port(),
            Self::Dns(dns) => dns.port(),
        }
    }

    /// Waits for what this kind shares with others of its kind, before its time begins; held
    /// until the probe is over.
    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        match self {
            Self::Exec(order) => order.turn().await,
            _ => None,
        }
    }

    /// One attempt at `address` of `target`; over at `deadline`.
    async fn probe(&self, target: &TargetName, address: SocketAddr, deadline: Instant) -> Probed {
        match self {
            Self::Tcp(order) => tcp::probe(order, address, deadline).await,
            // Some kB, which the future of a TCP probe need not carry.
            Self::Icmp(order) => Box::pin(icmp::probe(order, address.ip(), deadline)).await,
            Self::Exec(order) => Box::pin(exec::probe(order, target, address.ip(), deadline)).await,
            Self::Http(order) => Box::pin(http::probe(order, address, deadline)).await,
            Self::Tls(order) => Box::pin(tls::probe(order, address, deadline)).await,
            Self::Dns(order) => Box::pin(dns::probe(order, address, deadline)).await,
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

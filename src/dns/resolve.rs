//! Hostnames of targets, looked up again and again in the background.
//!
//! Asks recursive resolvers, those of the machine or given ones; knows no targets, decisions or
//! answers: hostnames come in, what they were found to be goes out. Contract: each hostname is
//! looked up when its TTL is over (RFC 1035 section 3.2.1), at least every hour and at most every
//! second; what fails is tried again soon, and what a family was before stands meanwhile.

use crate::model::{Config, DnsName};
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_resolver::{
    Resolver, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// A TTL of 0 would make us ask without a pause.
const SOONEST: Duration = Duration::from_secs(1);
/// Who changes addresses in a hurry lowers the TTL first, and that is to be noticed.
const LATEST: Duration = Duration::from_secs(3_600);
/// The pause after a failure; it doubles with each ...
const RETRY: Duration = Duration::from_secs(1);
/// ... up to this.
const RETRY_LATEST: Duration = Duration::from_secs(30);
/// One attempt at one server; each has two.
const ATTEMPT: Duration = Duration::from_secs(2);

/// What is to be looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hostnames {
    /// Who is asked; none: the resolvers of `/etc/resolv.conf`.
    pub resolvers: Vec<SocketAddr>,
    /// The hostnames with what they were last, as far as that is known.
    pub known: BTreeMap<DnsName, Vec<IpAddr>>,
}

impl Hostnames {
    /// The hostnames of a configuration, with what they are in it.
    pub fn of(config: &Config) -> Self {
        let targets = config.targets.values();
        let mut known: BTreeMap<DnsName, Vec<IpAddr>> = BTreeMap::new();
        for target in targets {
            let Some(hostname) = target.cname.clone() else {
                continue;
            };
            let addresses = known.entry(hostname).or_default();
            if addresses.is_empty() {
                addresses.clone_from(&target.addresses);
            }
        }
        Self {
            resolvers: config.server.resolvers.clone(),
            known,
        }
    }
}

/// What came of looking a hostname up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedUp {
    /// The hostname.
    pub hostname: DnsName,
    /// What it is, in order and each once, IPv4 first; of a family that could not be looked up
    /// what it was before.
    pub addresses: Vec<IpAddr>,
    /// What failed, in words.
    pub error: Option<String>,
}

/// Looks up what is `wanted` until nobody wants anything or nobody listens any more.
pub async fn resolve(mut wanted: watch::Receiver<Hostnames>, found: mpsc::Sender<LookedUp>) {
    let mut work = Work::default();
    work.want(&wanted.borrow_and_update().clone());
    loop {
        let next = work.next_due();
        let pause = async {
            match next {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = wanted.changed() => match changed {
                Ok(()) => work.want(&wanted.borrow_and_update().clone()),
                Err(_) => return,
            },
            Some(looked_up) = work.flights.join_next() => {
                // An error is a lookup that panicked: it is tried again when it is due.
                if let Ok(round) = looked_up
                    && let Some(told) = work.landed(round)
                    && found.send(told).await.is_err()
                {
                    return;
                }
            }
            () = pause => work.start_due(),
        }
    }
}

/// Looks everything up once, in the order of the names.
pub async fn look_up(hostnames: &Hostnames) -> Vec<LookedUp> {
    let mut work = Work::default();
    work.want(hostnames);
    work.start_due();
    let mut found = Vec::new();
    while let Some(round) = work.flights.join_next().await {
        // A lookup that panicked found nothing.
        found.extend(round.ok().and_then(|round| work.landed(round)));
    }
    found.sort_by(|a, b| a.hostname.cmp(&b.hostname));
    found
}

#[derive(Default)]
struct Work {
    resolvers: Vec<SocketAddr>,
    /// `None` where there is none to be had, and why.
    resolver: Option<Result<TokioResolver, String>>,
    hostnames: BTreeMap<DnsName, Entry>,
    flights: JoinSet<Round>,
}

struct Entry {
    due: Instant,
    failures: u32,
    /// What it was last.
    known: Vec<IpAddr>,
}

/// One lookup of both families.
struct Round {
    hostname: DnsName,
    families: [Result<Family, String>; 2],
}

/// What a hostname has of one family; nothing is an answer too.
struct Family {
    addresses: Vec<IpAddr>,
    ttl: Duration,
}

impl Work {
    fn want(&mut self, wanted: &Hostnames) {
        if self.resolver.is_none() || self.resolvers != wanted.resolvers {
            self.resolvers.clone_from(&wanted.resolvers);
            self.resolver = Some(built(&wanted.resolvers));
            self.hostnames.clear();
            // What the former resolvers say no longer counts.
            self.flights = JoinSet::new();
        }
        self.hostnames
            .retain(|hostname, _| wanted.known.contains_key(hostname));
        for (hostname, known) in &wanted.known {
            let entry = self.hostnames.entry(hostname.clone());
            let entry = entry.or_insert_with(|| Entry {
                due: Instant::now(),
                failures: 0,
                known: Vec::new(),
            });
            if entry.known.is_empty() {
                entry.known.clone_from(known);
            }
        }
    }

    fn next_due(&self) -> Option<Instant> {
        self.hostnames.values().map(|entry| entry.due).min()
    }

    fn start_due(&mut self) {
        let now = Instant::now();
        // The machine may have other resolvers by now, or have some at last.
        let fails = |entry: &Entry| entry.failures > 0 && entry.due <= now;
        if self.hostnames.values().any(fails) {
            self.resolver = Some(built(&self.resolvers));
        }
        for (hostname, entry) in &mut self.hostnames {
            if entry.due > now {
                continue;
            }
            // Until it is over; a lookup that is lost is made again.
            entry.due = now + ATTEMPT * 8 + RETRY_LATEST;
            let (hostname, resolver) = (hostname.clone(), self.resolver.clone());
            self.flights.spawn(async move {
                let families = match resolver {
                    Some(Ok(resolver)) => {
                        let lookups = [RecordType::A, RecordType::AAAA]
                            .map(|kind| family(&resolver, &hostname, kind));
                        let [four, six] = lookups;
                        <[_; 2]>::from(tokio::join!(four, six))
                    }
                    Some(Err(error)) => [Err(error.clone()), Err(error)],
                    None => [const { String::new() }; 2].map(Err),
                };
                Round { hostname, families }
            });
        }
    }

    /// What to tell of a lookup; `None` of a hostname that nobody wants any more.
    fn landed(&mut self, round: Round) -> Option<LookedUp> {
        let entry = self.hostnames.get_mut(&round.hostname)?;
        let (mut addresses, mut error) = (Vec::new(), None);
        let mut ttl = LATEST;
        let of_family = [IpAddr::is_ipv4 as fn(&IpAddr) -> bool, IpAddr::is_ipv6];
        for (family, is_of) in round.families.into_iter().zip(of_family) {
            match family {
                Ok(family) => {
                    ttl = ttl.min(family.ttl);
                    addresses.extend(family.addresses);
                }
                Err(why) => {
                    addresses.extend(entry.known.iter().filter(|known| is_of(known)));
                    error = Some(why);
                }
            }
        }
        if addresses.is_empty() && error.is_none() {
            error = Some("it has no address".to_owned());
        }
        if error.is_some() {
            ttl = (RETRY * 2_u32.pow(entry.failures.min(5))).min(RETRY_LATEST);
            entry.failures = entry.failures.saturating_add(1);
        } else {
            entry.failures = 0;
        }
        if !addresses.is_empty() {
            entry.known.clone_from(&addresses);
        }
        entry.due = Instant::now() + ttl.clamp(SOONEST, LATEST);
        Some(LookedUp {
            hostname: round.hostname,
            addresses,
            error,
        })
    }
}

/// The resolver, or why there is none.
fn built(servers: &[SocketAddr]) -> Result<TokioResolver, String> {
    resolver(servers).map_err(|error| match servers {
        [] => format!("/etc/resolv.conf: {error}"),
        _ => error.to_string(),
    })
}

fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let server = |server: &SocketAddr| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            let connections = connections.map(|mut connection| {
                connection.port = server.port();
                connection
            });
            NameServerConfig::new(server.ip(), true, connections.into())
        };
        let servers = servers.iter().map(server).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        Resolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    // What DNS answers comes from DNS; and how long it may be believed is counted here.
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = 0;
    options.timeout = ATTEMPT;
    options.attempts = 2;
    builder.build()
}

/// Looks one family up.
async fn family(
    resolver: &TokioResolver,
    hostname: &DnsName,
    kind: RecordType,
) -> Result<Family, String> {
    let mut name = Name::from_ascii(hostname.as_str()).map_err(|error| error.to_string())?;
    name.set_fqdn(true);
    let answer = match resolver.lookup(name, kind).await {
        Ok(answer) => answer,
        Err(error) if error.is_nx_domain() => return Err("there is no such name".to_owned()),
        Err(error) if error.is_no_records_found() => {
            return Ok(Family {
                addresses: Vec::new(),
                ttl: LATEST,
            });
        }
        Err(error) => return Err(error.to_string()),
    };
    let mut ttl_secs = u32::MAX;
    let mut addresses = Vec::new();
    for record in answer.answers() {
        ttl_secs = ttl_secs.min(record.ttl);
        match &record.data {
            RData::A(a) => addresses.push(IpAddr::from(a.0)),
            RData::AAAA(aaaa) => addresses.push(IpAddr::from(aaaa.0)),
            _ => {}
        }
    }
    addresses.retain(|address| !address.is_unspecified() && !address.is_multicast());
    // Resolvers turn them about: an order of our own makes the same answer the same.
    addresses.sort_unstable();
    addresses.dedup();
    Ok(Family {
        addresses,
        ttl: Duration::from_secs(ttl_secs.into()),
    })
}

//! The thread of what follows the configuration in force: the plan of the probes, and the
//! hostnames of targets, which are resolved here and told to the fold.
//!
//! What a hostname was resolved to is told once, and again where it changes. The fold puts it
//! into the configuration in force, and so it comes back here: the new addresses are probed.

use super::fold::{Found, Message};
use crate::{
    dns::{self, Hostnames, LookedUp},
    failover::{Input, input::Resolved},
    model::{Config, DnsName, TargetName},
    probe::{Plan, Prober},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::sync::{mpsc, watch};

/// Where the inbox of the fold is full, the next attempt to tell it something.
const INBOX_PAUSE: Duration = Duration::from_millis(5);

/// So many lookups may wait to be told, and are told at once: each telling is a new configuration
/// in force.
const TOLD_AT_ONCE: usize = 256;

/// Starts the thread; it ends, and the prober with it, when nobody publishes to `in_force` any
/// more.
pub(super) fn start(
    fold: SyncSender<Message>,
    prober: Prober,
    in_force: watch::Receiver<Arc<Config>>,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let run = move || runtime.block_on(follow(fold, prober, in_force));
    thread::Builder::new()
        .name("sidestep-hostnames".into())
        .spawn(run)
}

async fn follow(
    fold: SyncSender<Message>,
    prober: Prober,
    mut in_force: watch::Receiver<Arc<Config>>,
) {
    let (wanted, wants) = watch::channel(Hostnames::default());
    let (found, mut looked_up) = mpsc::channel(TOLD_AT_ONCE);
    let resolving = tokio::spawn(dns::resolve(wants, found));
    let mut telling = Telling::default();
    loop {
        let resolved = tokio::select! {
            changed = in_force.changed() => {
                if changed.is_err() {
                    break;
                }
                let config = Arc::clone(&in_force.borrow_and_update());
                prober.replace(Arc::new(Plan::of(&config))).await;
                wanted.send_if_modified(|wanted| {
                    let now = Hostnames::of(&config);
                    let changed = *wanted != now;
                    *wanted = now;
                    changed
                });
                telling.take_config(&config)
            }
            Some(first) = looked_up.recv() => {
                let mut resolved = telling.take(first);
                while let Ok(next) = looked_up.try_recv() {
                    resolved.extend(telling.take(next));
                }
                resolved
            }
        };
        if !resolved.is_empty() && tell(&fold, resolved).await.is_err() {
            break;
        }
    }
    resolving.abort();
}

/// Tells the fold; an error where it has ended.
async fn tell(fold: &SyncSender<Message>, resolved: Vec<Resolved>) -> Result<(), ()> {
    let found = resolved.into_iter().map(|resolved| Found {
        input: Input::Resolved(resolved),
        series: None,
    });
    let mut message = Message::Found(found.collect());
    loop {
        match fold.try_send(message) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Disconnected(_)) => return Err(()),
            Err(TrySendError::Full(returned)) => {
                message = returned;
                tokio::time::sleep(INBOX_PAUSE).await;
            }
        }
    }
}

/// What each target was told to be.
#[derive(Default)]
struct Telling {
    hostnames: BTreeMap<TargetName, DnsName>,
    found: BTreeMap<DnsName, LookedUp>,
    told: BTreeMap<TargetName, LookedUp>,
}

impl Telling {
    /// What is to be told where other targets have hostnames.
    fn take_config(&mut self, config: &Config) -> Vec<Resolved> {
        let targets = config.targets.values();
        let named = targets.filter_map(|one| Some((one.name.clone(), one.cname.clone()?)));
        self.hostnames = named.collect();
        let hostnames = &self.hostnames;
        // The fold may have forgotten an answer in a reload that was over before it was seen here.
        let knows = |target: &TargetName| {
            let known = config.targets.get(target);
            known.is_some_and(|known| !known.addresses.is_empty())
        };
        self.told.retain(|target, told| {
            hostnames.get(target) == Some(&told.hostname)
                && (told.addresses.is_empty() || knows(target))
        });
        let wanted: BTreeSet<&DnsName> = hostnames.values().collect();
        self.found.retain(|hostname, _| wanted.contains(hostname));
        self.untold(|_| true)
    }

    /// What is to be told of a lookup.
    fn take(&mut self, looked_up: LookedUp) -> Vec<Resolved> {
        let hostname = looked_up.hostname.clone();
        self.found.insert(hostname.clone(), looked_up);
        self.untold(|named| *named == hostname)
    }

    /// What targets of these hostnames were not told yet.
    fn untold(&mut self, of: impl Fn(&DnsName) -> bool) -> Vec<Resolved> {
        let mut untold = Vec::new();
        for (target, hostname) in self.hostnames.iter().filter(|(_, named)| of(named)) {
            let Some(found) = self.found.get(hostname) else {
                continue;
            };
            if self.told.get(target) == Some(found) {
                continue;
            }
            self.told.insert(target.clone(), found.clone());
            untold.push(Resolved {
                target: target.clone(),
                hostname: hostname.clone(),
                addresses: found.addresses.clone(),
                error: found.error.clone(),
            });
        }
        untold
    }
}

//! The thread of what follows the configuration in force: the plan of the probes, and the
//! hostnames of targets, which are resolved here and told to the fold.
//!
//! What a hostname was resolved to is told once, and again where it changes. The fold puts it
//! into the configuration in force, and so it comes back here: the new addresses are probed.

use super::fold::Message;
use crate::{
    dns::{self, Hostnames, LookedUp},
    failover::input::Resolved,
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
use tokio::sync::{mpsc, oneshot, watch};

/// Where the inbox of the fold is full, the next attempt to tell it something.
const INBOX_PAUSE: Duration = Duration::from_millis(5);

/// So many lookups may wait to be told, and so many targets are told of at once: each telling is
/// a new configuration in force, and other messages wait meanwhile.
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
        if tell(&fold, &resolved).await.is_err() {
            break;
        }
    }
    resolving.abort();
}

/// Tells the fold and waits until it has taken it: no configuration is looked at here that does
/// not know it yet. An error where the fold has ended.
async fn tell(fold: &SyncSender<Message>, resolved: &[Resolved]) -> Result<(), ()> {
    for reports in resolved.chunks(TOLD_AT_ONCE) {
        tell_at_once(fold, reports.to_vec()).await?;
    }
    Ok(())
}

async fn tell_at_once(fold: &SyncSender<Message>, reports: Vec<Resolved>) -> Result<(), ()> {
    let (reply, taken) = oneshot::channel();
    let mut message = Message::Resolved { reports, reply };
    loop {
        match fold.try_send(message) {
            Ok(()) => return taken.await.map_err(|_| ()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Target;

    fn config(targets: &[(&str, &str)]) -> Config {
        let mut config = Config::default();
        for &(name, hostname) in targets {
            let mut target = Target::bare(name.into(), Vec::new());
            target.cname = Some(hostname.into());
            config.targets.insert(name.into(), target);
        }
        config
    }

    fn found(hostname: &str, address: &str) -> LookedUp {
        LookedUp {
            hostname: hostname.into(),
            addresses: vec![address.parse().unwrap()],
            error: None,
        }
    }

    fn told(resolved: &[Resolved]) -> Vec<String> {
        let say = |one: &Resolved| format!("{} {}", one.target, one.addresses[0]);
        resolved.iter().map(say).collect()
    }

    #[tokio::test]
    async fn a_report_that_waits_when_the_fold_ends_holds_nobody() {
        let (fold, inbox) = std::sync::mpsc::sync_channel(1);
        let report = Resolved {
            target: "a".into(),
            hostname: "x.test".into(),
            addresses: Vec::new(),
            error: None,
        };
        let told = async { tell(&fold, &[report.clone(), report]).await };
        let end = async {
            // By then it waits in the inbox.
            tokio::task::yield_now().await;
            drop(inbox);
        };
        let both = async { tokio::join!(told, end).0 };
        let told = tokio::time::timeout(Duration::from_secs(10), both).await;
        assert_eq!(told, Ok(Err(())));
    }

    #[test]
    fn each_target_is_told_once_and_again_where_its_hostname_moved() {
        let mut telling = Telling::default();
        let both = config(&[("a", "x.test"), ("b", "y.test"), ("c", "x.test")]);
        assert_eq!(telling.take_config(&both), []);
        let first = telling.take(found("x.test", "192.0.2.1"));
        assert_eq!(told(&first), ["a 192.0.2.1", "c 192.0.2.1"]);
        assert_eq!(telling.take(found("x.test", "192.0.2.1")), []);
        let other = telling.take(found("y.test", "192.0.2.2"));
        assert_eq!(told(&other), ["b 192.0.2.2"]);
        // A target that comes later is told what is known, the others nothing again.
        let mut more = config(&[("a", "x.test"), ("b", "y.test"), ("d", "y.test")]);
        for known in ["a", "b"] {
            let known = more.targets.get_mut(known).unwrap();
            known.addresses.push("192.0.2.9".parse().unwrap());
        }
        assert_eq!(told(&telling.take_config(&more)), ["d 192.0.2.2"]);
        // What nobody wants any more is forgotten, and told again to who wants it later.
        assert_eq!(telling.take_config(&config(&[("d", "y.test")])).len(), 1);
        assert_eq!(telling.take_config(&config(&[("a", "x.test")])), []);
    }
}

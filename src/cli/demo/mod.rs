//! `sidestep demo`: a tour that needs nothing and no root.
//!
//! Three local web servers, a daemon in this process with a folder of its own, and DNS queries
//! ten times a second. What is printed was measured; it ends well only if all of it was seen.

mod web;

use super::{Outcome, arguments::DemoArguments, print};
use crate::{
    daemon::{Daemon, Signals, StartOptions},
    dns,
    failover::{Event, What},
    model::{Timestamp, duration::format_ms},
    policy,
};
use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use web::Web;

/// The name that is asked for.
const NAME: &str = "www.example.com";
/// What DNS answers for each target; where they are probed is this machine.
const TARGETS: [(&str, &str); 3] = [
    ("primary", "192.0.2.10"),
    ("backup", "198.51.100.20"),
    ("third", "203.0.113.30"),
];
const QUERY_EVERY: Duration = Duration::from_millis(100);
/// How long each scene may take before the tour has failed.
const SCENE_MAX: Duration = Duration::from_secs(11);
/// An answer of the backup once it is slow; more than SLOW, less than the timeout.
const SLOW_DELAY_MS: u64 = 100;

/// A change of what DNS answered, as a client saw it.
#[derive(Clone, Debug)]
struct Seen {
    at_ms: i64,
    address: IpAddr,
}

/// What the client that asks ten times a second saw.
#[derive(Debug, Default)]
struct Client {
    changes: Vec<Seen>,
    asked: u64,
    unanswered: u64,
}

/// Everything that runs during the tour.
struct Tour {
    folder: PathBuf,
    webs: Vec<Web>,
    client: Arc<Mutex<Client>>,
    events: Receiver<Event>,
    began_ms: i64,
}

/// What was measured of one switch, ms after it was provoked.
struct Measured {
    first_bad_ms: Option<i64>,
    decision_ms: i64,
    answer_ms: i64,
    reason: String,
    line: u32,
}

/// Runs the tour.
pub(super) fn run(arguments: &DemoArguments) -> Outcome {
    let folder = tempfile::Builder::new().prefix("sidestep-demo-").tempdir();
    let folder = folder.map_err(|error| format!("no temporary folder: {error}"))?;
    let keeps = Arc::new(AtomicBool::new(false));
    clean_up_when_interrupted(folder.path(), &keeps)
        .map_err(|error| format!("signals: {error}"))?;
    let webs = (0..TARGETS.len())
        .map(|_| Web::start())
        .collect::<io::Result<Vec<_>>>();
    let webs = webs.map_err(|error| format!("no local web server: {error}"))?;
    write_files(folder.path(), &webs).map_err(|error| format!("{error}"))?;
    let (tap, events) = channel();
    let config = folder.path().join("sidestep.toml");
    let daemon = Daemon::start(
        &config,
        StartOptions {
            strict: true,
            tap: Some(tap),
        },
    )
    .map_err(|error| error.to_string())?;
    let client = Arc::new(Mutex::new(Client::default()));
    let stop = Arc::new(AtomicBool::new(false));
    let asking = ask_on(daemon.dns()[0], &client, &stop);
    let tour = Tour {
        folder: folder.path().to_owned(),
        webs,
        client: Arc::clone(&client),
        events,
        began_ms: now_ms(),
    };
    let told = tour.introduce(&daemon).and_then(|()| tour.go());
    if told.is_ok() && arguments.keep {
        keeps.store(true, Ordering::SeqCst);
        keep(&daemon, &config)?;
    }
    stop.store(true, Ordering::SeqCst);
    // A client that panicked has seen nothing more.
    let _ = asking.join();
    daemon.stop();
    told.map_err(|why| format!("the tour failed: {why}"))?;
    let client = client.lock().unwrap_or_else(PoisonError::into_inner);
    print(&format!(
        "\n{} DNS queries, {} unanswered\n",
        client.asked, client.unanswered
    ))?;
    if client.unanswered > 0 {
        return Err("queries were not answered".to_owned().into());
    }
    print("all of it was seen\n")
}

impl Tour {
    fn introduce(&self, daemon: &Daemon) -> Result<(), String> {
        let dns = daemon.dns()[0];
        self.say(&format!(
            "a daemon answers {NAME} at {dns}; three web servers are probed every 250 ms"
        ))?;
        for ((name, address), web) in TARGETS.iter().zip(&self.webs) {
            self.say(&format!(
                "  {name:<8} answered as {address:<14} probed at {}",
                web.address()
            ))?;
        }
        Ok(())
    }

    fn go(mut self) -> Result<(), String> {
        self.answer_is(0, now_ms())?;
        self.all_are_up()?;
        self.say(&format!("DNS answers {} (primary)", TARGETS[0].1))?;

        let from = now_ms();
        self.say("the primary is killed")?;
        self.webs[0].kill();
        let seen = self.switch((0, 1), from)?;
        self.tell("primary -> backup", &seen)?;

        // The policy looks at a backup once it has been served for SLOW_FOR.
        thread::sleep(Duration::from_millis(2_500));
        let from = now_ms();
        self.say(&format!(
            "the backup becomes slow: {SLOW_DELAY_MS} ms an answer"
        ))?;
        self.webs[1].slow_down(SLOW_DELAY_MS);
        let seen = self.switch((1, 2), from)?;
        self.tell("backup -> third (a rollback: the backup does badly)", &seen)?;

        self.say("the primary is back; the policy wants it well for 30 s before it comes home")?;
        self.webs[0]
            .revive()
            .map_err(|error| format!("the primary did not start: {error}"))?;
        thread::sleep(Duration::from_millis(4_000));
        if self.answered() != Some(address(2)) {
            return Err("it came home before the policy's 30 s".into());
        }
        let from = now_ms();
        self.say("the policy is edited on disk: FAILBACK = 30 * SECOND becomes 3 * SECOND")?;
        self.edit_policy()?;
        let seen = self.switch((2, 0), from)?;
        self.tell("third -> primary (the saved policy decided at once)", &seen)
    }

    /// Waits until every target passed probes.
    fn all_are_up(&self) -> Result<(), String> {
        let mut good = [0; TARGETS.len()];
        let until = Instant::now() + SCENE_MAX;
        while good.iter().any(|&count| count < 8) {
            let wait = until.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(wait);
            let event = event.map_err(|_| "the targets never were all up".to_owned())?;
            if let What::Probe(seen) = event.what
                && seen.ok
                && let Some(index) = TARGETS.iter().position(|(name, _)| *name == &*seen.target)
            {
                good[index] += 1;
            }
        }
        Ok(())
    }

    /// Waits for the switch from one target to another; measures it from `from_ms`.
    fn switch(&self, (left, index): (usize, usize), from_ms: i64) -> Result<Measured, String> {
        let until = Instant::now() + SCENE_MAX;
        let failed = || format!("no switch to {} within {SCENE_MAX:?}", TARGETS[index].0);
        let mut first_bad_ms = None;
        let decision = loop {
            let wait = until.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(wait).map_err(|_| failed())?;
            let after_ms = event.at.since_ms(Timestamp(from_ms));
            match event.what {
                What::Probe(seen)
                    if !seen.ok && after_ms >= 0 && *seen.target == *TARGETS[left].0 =>
                {
                    first_bad_ms.get_or_insert(after_ms);
                }
                What::Decision(decision) if *decision.serve[0] == *TARGETS[index].0 => {
                    break (after_ms, decision);
                }
                _ => {}
            }
        };
        let answer_ms = self.answer_is(index, from_ms)?;
        let (decision_ms, decision) = decision;
        let (reason, line) = (decision.reason, decision.line);
        Ok(Measured {
            first_bad_ms,
            decision_ms,
            answer_ms,
            reason,
            line,
        })
    }

    /// Waits until the client sees a target answered; how long after `from_ms` it first did.
    fn answer_is(&self, index: usize, from_ms: i64) -> Result<i64, String> {
        let until = Instant::now() + SCENE_MAX;
        while Instant::now() < until {
            let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(last) = client.changes.last()
                && last.address == address(index)
            {
                return Ok(last.at_ms - from_ms);
            }
            drop(client);
            thread::sleep(Duration::from_millis(5));
        }
        Err(format!("DNS never answered {}", TARGETS[index].1))
    }

    fn answered(&self) -> Option<IpAddr> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.changes.last().map(|seen| seen.address)
    }

    fn edit_policy(&self) -> Result<(), String> {
        let path = self.folder.join("policies/www.rhai");
        let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let edited = text.replace("30 * SECOND", "3 * SECOND");
        if edited == text {
            return Err("the policy has no FAILBACK to edit".into());
        }
        fs::write(&path, edited).map_err(|error| error.to_string())
    }

    fn tell(&self, what: &str, seen: &Measured) -> Result<(), String> {
        self.say(what)?;
        let mut steps = Vec::new();
        if let Some(ms) = seen.first_bad_ms {
            steps.push(format!("first bad probe +{}", format_ms(ms)));
        }
        steps.push(format!("decision +{}", format_ms(seen.decision_ms)));
        steps.push(format!(
            "first changed answer +{}",
            format_ms(seen.answer_ms)
        ));
        self.say(&format!("  {}", steps.join(" · ")))?;
        self.say(&format!(
            "  because \"{}\", policies/www.rhai:{}",
            seen.reason, seen.line
        ))
    }

    fn say(&self, text: &str) -> Result<(), String> {
        let after_ms = now_ms() - self.began_ms;
        let line = format!(
            "{:>3}.{:01}s  {text}\n",
            after_ms / 1_000,
            after_ms % 1_000 / 100
        );
        print(&line).map_err(|_| "stdout is closed".to_owned())
    }
}

fn address(index: usize) -> IpAddr {
    TARGETS[index]
        .1
        .parse()
        .expect("the addresses above are addresses")
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A tour that is interrupted leaves no folder behind either. One that is kept ends in its own way.
fn clean_up_when_interrupted(folder: &Path, keeps: &Arc<AtomicBool>) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (folder, keeps) = (folder.to_owned(), Arc::clone(keeps));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut interrupt, mut terminate) = {
        let _within = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    let wait = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        if !keeps.load(Ordering::SeqCst) {
            // Where it cannot be removed there is nobody left to tell.
            let _ = fs::remove_dir_all(folder);
            std::process::exit(1);
        }
    };
    thread::Builder::new().spawn(wait).map(drop)
}

/// Asks ten times a second until told to stop.
fn ask_on(
    server: SocketAddr,
    client: &Arc<Mutex<Client>>,
    stop: &Arc<AtomicBool>,
) -> thread::JoinHandle<()> {
    let (client, stop) = (Arc::clone(client), Arc::clone(stop));
    thread::spawn(move || {
        while !stop.load(Ordering::SeqCst) {
            let reply = dns::ask(server, NAME, false, Duration::from_secs(1));
            let mut client = client.lock().unwrap_or_else(PoisonError::into_inner);
            client.asked += 1;
            match reply
                .ok()
                .and_then(|reply| reply.addresses.first().copied())
            {
                None => client.unanswered += 1,
                Some(address) => {
                    if client
                        .changes
                        .last()
                        .is_none_or(|last| last.address != address)
                    {
                        client.changes.push(Seen {
                            at_ms: now_ms(),
                            address,
                        });
                    }
                }
            }
            drop(client);
            thread::sleep(QUERY_EVERY);
        }
    })
}

/// Writes the configuration and the policy: the default one, with times for a tour.
fn write_files(folder: &Path, webs: &[Web]) -> io::Result<()> {
    fs::create_dir(folder.join("policies"))?;
    let policy = policy::BUILTIN_SOURCE
        .replace(
            "const FAILBACK = 5 * MINUTE;",
            "const FAILBACK = 30 * SECOND;",
        )
        .replace("const SLOW     = 800;", "const SLOW     = 50;")
        .replace("const SLOW_FOR = MINUTE;", "const SLOW_FOR = 2 * SECOND;");
    fs::write(folder.join("policies/www.rhai"), policy)?;
    let mut text = String::from(
        "[server]\nname = \"demo\"\ndns = [\"127.0.0.1:0\"]\nhttp = \"127.0.0.1:0\"\n\n\
         [[zone]]\nname = \"example.com\"\nns = [\"ns1.example.com\"]\n\n",
    );
    for ((name, address), web) in TARGETS.iter().zip(webs) {
        text.push_str(&format!(
            "[[target]]\nname = \"{name}\"\naddresses = [\"{address}\"]\nprobe_at = [\"{}\"]\n\n",
            web.address()
        ));
    }
    text.push_str(&format!(
        "[[service]]\nname = \"www\"\nnames = [\"{NAME}\"]\ntargets = [\"primary\", \"backup\", \"third\"]\n\
         monitors = [{{ url = \"http://{NAME}/\", interval = \"250ms\", timeout = \"200ms\" }}]\n\
         policy = \"www.rhai\"\n"
    ));
    fs::write(folder.join("sidestep.toml"), text)
}

/// Stays up for a look around.
fn keep(daemon: &Daemon, config: &Path) -> Outcome {
    let dns = daemon.dns()[0];
    let http = daemon.http().map_or_else(String::new, |http| {
        format!("\n  curl http://{http}/api/v1/status")
    });
    print(&format!(
        "\nstill up; Ctrl-C ends it\n  dig @{} -p {} {NAME}{http}\n  edit {}\n",
        dns.ip(),
        dns.port(),
        config.with_file_name("policies/www.rhai").display()
    ))?;
    let signals = Signals::listen().map_err(|error| error.to_string())?;
    daemon
        .run_until_signal(signals)
        .map_err(|error| error.to_string().into())
}

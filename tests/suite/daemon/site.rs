//! A daemon of its own for a test: a folder, a web server that answers, and every event.

use sidestep::{
    daemon::{Daemon, StartError, StartOptions},
    dns::{self, Heard},
    failover::{Event, What, event::Decision, overview::Overview},
};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before a test has failed; nothing is asserted by it.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// A running daemon with its files.
pub(super) struct Site {
    pub(super) folder: tempfile::TempDir,
    pub(super) daemon: Option<Daemon>,
    pub(super) events: Receiver<Event>,
    pub(super) web: SocketAddr,
}

/// A web server that answers 200 until the test ends.
pub(super) fn web() -> SocketAddr {
    web_at("127.0.0.1:0").unwrap()
}

/// The same at an address of its own; `None` where this machine does not speak its family.
pub(super) fn web_at(address: &str) -> Option<SocketAddr> {
    let listener = TcpListener::bind(address).ok()?;
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 1_024];
            if stream.read(&mut request).is_ok_and(|length| length > 0) {
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
                );
            }
        }
    });
    Some(address)
}

/// Two targets that are well, one service, a policy of its own.
pub(super) fn two_targets(web: SocketAddr, service: &str) -> String {
    format!(
        "[server]\nname = \"test\"\ndns = [\"127.0.0.1:0\"]\nhttp = \"127.0.0.1:0\"\n\
         [[zone]]\nname = \"example.com\"\nns = [\"ns1.example.com\"]\n\
         [[target]]\nname = \"one\"\naddresses = [\"192.0.2.1\"]\nprobe_at = [\"{web}\"]\n\
         [[target]]\nname = \"two\"\naddresses = [\"192.0.2.2\"]\nprobe_at = [\"{web}\"]\n\
         [[service]]\nname = \"www\"\nnames = [\"www.example.com\"]\npolicy = \"www.rhai\"\n\
         monitors = [{{ url = \"http://www.example.com/\", interval = \"200ms\", timeout = \"150ms\" }}]\n\
         {service}"
    )
}

/// The usual service of [`two_targets`].
pub(super) const ONE_TWO: &str = "targets = [\"one\", \"two\"]\n";
/// A policy that serves the first target.
pub(super) const FIRST: &str = "fn decide(service) { serve(service.primary, \"the first\") }\n";

impl Site {
    /// Starts a daemon on these files and waits until both targets passed two probes.
    pub(super) fn start(files: impl FnOnce(SocketAddr) -> Vec<(&'static str, String)>) -> Self {
        let (folder, web) = (tempfile::tempdir().unwrap(), web());
        fs::create_dir(folder.path().join("policies")).unwrap();
        for (name, text) in files(web) {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let (tap, events) = channel();
        let daemon = Daemon::start(
            &folder.path().join("sidestep.toml"),
            StartOptions {
                strict: false,
                tap: Some(tap),
            },
        )
        .unwrap();
        let site = Self {
            folder,
            daemon: Some(daemon),
            events,
            web,
        };
        let (mut one, mut two) = (0, 0);
        while one < 2 || two < 2 {
            if let What::Probe(seen) = site.next().what {
                one += u32::from(seen.ok && &*seen.target == "one");
                two += u32::from(seen.ok && &*seen.target == "two");
            }
        }
        site
    }

    /// Ends the daemon and starts another one on the same folder.
    pub(super) fn restart(&mut self) {
        self.stop();
        self.start_again().unwrap();
    }

    /// Ends the daemon.
    pub(super) fn stop(&mut self) {
        self.daemon.take().unwrap().stop();
    }

    /// Starts a daemon where none runs any more; does not wait for probes.
    pub(super) fn start_again(&mut self) -> Result<(), StartError> {
        let (tap, events) = channel();
        let options = StartOptions {
            strict: false,
            tap: Some(tap),
        };
        self.daemon = Some(Daemon::start(
            &self.folder.path().join("sidestep.toml"),
            options,
        )?);
        self.events = events;
        Ok(())
    }

    /// The usual site.
    pub(super) fn usual() -> Self {
        Self::start(|web| {
            vec![
                ("sidestep.toml", two_targets(web, ONE_TWO)),
                ("policies/www.rhai", FIRST.to_owned()),
            ]
        })
    }

    pub(super) fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn save(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// The next event.
    pub(super) fn next(&self) -> Event {
        self.events
            .recv_timeout(DEADLINE)
            .expect("the fold goes on")
    }

    /// The next decision that is `wanted`.
    pub(super) fn decision(&self, wanted: impl Fn(&Decision) -> bool) -> Decision {
        self.find(|what| match what {
            What::Decision(decision) if wanted(&decision) => Some(decision),
            _ => None,
        })
    }

    /// Waits until a reload is in force.
    pub(super) fn in_force(&self) {
        self.find(|what| matches!(what, What::Config(_)).then_some(()));
    }

    /// The first event from here on that is wanted.
    pub(super) fn find<T>(&self, wanted: impl Fn(What) -> Option<T>) -> T {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = wanted(self.next().what) {
                return found;
            }
            // Probes go on for ever: their events alone end no wait.
            assert!(Instant::now() < until, "what was waited for never came");
        }
    }

    /// How many reloads were put in force up to now: a reload that takes nothing is the barrier.
    pub(super) fn reloads(&self) -> usize {
        let report = self.daemon().operations().reload("barrier", false);
        assert_eq!(
            report.taken,
            Vec::<String>::new(),
            "the watcher saw it before"
        );
        let seen = self.events.try_iter();
        seen.filter(|event| matches!(event.what, What::Config(_)))
            .count()
    }

    pub(super) fn ask(&self, name: &str) -> Heard {
        dns::ask(self.daemon().dns()[0], name, false, DEADLINE).unwrap()
    }

    /// The A records of `www.example.com`.
    pub(super) fn addresses(&self) -> Vec<String> {
        self.ask("www.example.com")
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// Waits until `www.example.com` has this address alone: an answer follows its decision once
    /// that is on disk.
    pub(super) fn wait_answer(&self, address: &str) {
        let address: IpAddr = address.parse().unwrap();
        self.wait_asked("www.example.com", |reply| reply.addresses == [address]);
    }

    /// Waits until the reply to a question is as wanted.
    pub(super) fn wait_asked(&self, name: &str, wanted: impl Fn(&Heard) -> bool) {
        let until = Instant::now() + DEADLINE;
        loop {
            let reply = self.ask(name);
            if wanted(&reply) {
                return;
            }
            assert!(Instant::now() < until, "{reply:?}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Reads on until so many probes were folded in; none may be followed by a fault.
    pub(super) fn decided_without_fault(&self, probes: usize) {
        let mut seen = 0;
        while seen < probes {
            match self.next().what {
                What::Probe(_) => seen += 1,
                What::Fault(fault) => panic!("{fault:?}"),
                _ => {}
            }
        }
    }

    pub(super) fn overview(&self) -> Overview {
        self.daemon()
            .operations()
            .overview_of(&"www".into())
            .unwrap()
    }

    /// What is refused now, a headline each with what was kept.
    pub(super) fn refused(&self) -> Vec<String> {
        let part = self.daemon().operations().overview().daemon.clone();
        let part = part.unwrap();
        let line = |refused: sidestep::failover::overview::Refused| {
            let headline = refused.diagnostic.headline();
            let folder = self.folder.path().display().to_string();
            format!(
                "{} ({})",
                headline.replace(&format!("{folder}/"), ""),
                refused.kept
            )
        };
        part.refused.into_iter().map(line).collect()
    }

    /// Waits until `refused` is `wanted`.
    pub(super) fn wait_refused(&self, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        let until = Instant::now() + DEADLINE;
        loop {
            let refused = self.refused();
            if wanted(&refused) {
                return refused;
            }
            assert!(Instant::now() < until, "refused: {refused:?}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop();
        }
    }
}

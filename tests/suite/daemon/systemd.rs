//! What systemd hears: a real Unix socket plays it, the real binary talks.

use super::site::{DEADLINE, FIRST, ONE_TWO, two_targets, web};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs,
    io::Write as _,
    os::unix::net::UnixDatagram,
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

/// A daemon under the eyes of a test that plays systemd.
struct Supervised {
    folder: tempfile::TempDir,
    socket: UnixDatagram,
    daemon: Child,
}

impl Drop for Supervised {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Supervised {
    fn start(watchdog_us: Option<&str>) -> Self {
        Self::start_with(watchdog_us, |config| {
            fs::write(config, two_targets(web(), ONE_TWO)).unwrap();
        })
    }

    fn start_with(watchdog_us: Option<&str>, configure: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        configure(&folder.path().join("sidestep.toml"));
        fs::write(folder.path().join("policies/www.rhai"), FIRST).unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidestep"));
        command
            .current_dir(folder.path())
            .arg("serve")
            .env("NOTIFY_SOCKET", &path)
            .stderr(Stdio::null());
        if let Some(us) = watchdog_us {
            command.env("WATCHDOG_USEC", us);
        }
        Self {
            daemon: command.spawn().unwrap(),
            folder,
            socket,
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.daemon.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// The next message, its lines.
    fn heard(&self) -> Vec<String> {
        let mut octets = [0; 4_096];
        let length = self.socket.recv(&mut octets).expect("it says something");
        let text = std::str::from_utf8(&octets[..length]).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The next message that has a line that begins so, and what was heard before it.
    fn until(&self, begins: &str) -> (Vec<String>, Vec<String>) {
        let (limit, mut before) = (Instant::now() + DEADLINE, Vec::new());
        loop {
            let heard = self.heard();
            if heard.iter().any(|line| line.starts_with(begins)) {
                return (heard, before);
            }
            before.extend(heard);
            assert!(Instant::now() < limit, "no {begins} in {before:?}");
        }
    }
}

#[test]
fn systemd_hears_of_the_start_a_reload_the_beat_and_the_end() {
    let mut site = Supervised::start(Some("6000000"));
    assert_eq!(site.heard(), ["READY=1"], "and nothing before it");
    let (status, before) = site.until("STATUS=");
    // A disk that is slow just now is told, too.
    assert_eq!(status.len(), 1, "{status:?}");
    assert!(
        status[0].starts_with("STATUS=1 service: www on one"),
        "{status:?}"
    );
    assert!(before.iter().all(|line| line == "WATCHDOG=1"), "{before:?}");
    site.until("WATCHDOG=1");
    site.until("WATCHDOG=1");

    let policy = FIRST.replace("service.primary", "service.target(\"two\")");
    fs::write(site.folder.path().join("policies/www.rhai"), policy).unwrap();
    site.signal(Signal::SIGHUP);
    let (reloading, before) = site.until("RELOADING=1");
    let us = reloading[1].strip_prefix("MONOTONIC_USEC=").unwrap();
    assert!(us.parse::<u64>().unwrap() > 0);
    assert!(!before.contains(&"READY=1".to_owned()), "{before:?}");
    let (ready, _) = site.until("READY=1");
    assert_eq!(ready, ["READY=1"]);
    // The saved policy moved the service, which takes a fresh look to be seen.
    let moved = "STATUS=1 service: www on BACKUP two since 20";
    site.until(moved);

    site.signal(Signal::SIGTERM);
    let (stopping, _) = site.until("STOPPING=1");
    assert_eq!(stopping, ["STOPPING=1", "STATUS=stopping"]);
    assert!(site.daemon.wait().unwrap().success());
}

#[test]
fn without_a_watchdog_there_is_no_beat() {
    let site = Supervised::start(None);
    assert_eq!(site.heard(), ["READY=1"]);
    site.until("STATUS=");
    site.signal(Signal::SIGTERM);
    let (_, before) = site.until("STOPPING=1");
    assert!(!before.contains(&"WATCHDOG=1".to_owned()), "{before:?}");
}

#[test]
fn a_hang_up_during_the_start_is_a_reload() {
    // The configuration is a pipe at first: the start stands still until it is written.
    let site = Supervised::start_with(None, |config| {
        let made = Command::new("mkfifo").arg(config).status().unwrap();
        assert!(made.success());
    });
    let status = format!("/proc/{}/status", site.daemon.id());
    let limit = Instant::now() + DEADLINE;
    let catches_hang_up = || {
        let text = fs::read_to_string(&status).unwrap();
        let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
        caught & 1 == 1
    };
    while !catches_hang_up() {
        assert!(
            Instant::now() < limit,
            "SIGHUP is not caught while it starts"
        );
        std::thread::yield_now();
    }
    site.signal(Signal::SIGHUP);
    let config = site.folder.path().join("sidestep.toml");
    let text = two_targets(web(), ONE_TWO);
    let mut pipe = fs::OpenOptions::new().write(true).open(&config).unwrap();
    // What is read later is a file.
    let saved = site.folder.path().join("saved");
    fs::write(&saved, &text).unwrap();
    fs::rename(&saved, &config).unwrap();
    pipe.write_all(text.as_bytes()).unwrap();
    drop(pipe);
    let (_, before) = site.until("READY=1");
    assert_eq!(before, Vec::<String>::new());
    site.until("RELOADING=1");
    site.until("READY=1");
}

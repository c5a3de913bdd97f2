//! A program in a process group of its own, which leaves nothing behind.
//!
//! Whatever ends it (its own exit, its time, a reload, the end of the daemon), the whole group
//! is killed, while the program's own process is not reaped yet and so holds the group's number.
//! What left the group by a session of its own is found by a mark in its environment, where it
//! still holds the output open or the program did not end by itself: a program that detaches
//! on purpose and closes its output is left alone.

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, pidfd_open,
    pidfd_send_signal, waitid,
};
use std::{
    fs,
    hash::{BuildHasher, RandomState},
    io, mem,
    process::Stdio,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    process::{Child, ChildStderr, ChildStdout, Command},
    runtime::Handle,
    signal::unix::{self, SignalKind},
    sync::Semaphore,
    task::spawn_blocking,
};

/// The variable that carries the mark.
const MARK: &str = "SIDESTEP_PROBE";
/// So often the table of processes is searched: who is found may have begun another meanwhile.
const HUNTS: usize = 8;

/// A running program and its group.
pub(super) struct Group {
    child: Option<Child>,
    pid: Pid,
    mark: String,
    exits: unix::Signal,
    is_over: bool,
}

impl Group {
    /// Starts `command` with no input, and its outputs.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn start(mut command: Command) -> io::Result<(Self, ChildStdout, ChildStderr)> {
        let mark = new_mark();
        let exits = unix::signal(SignalKind::child())?;
        let mut child = command
            .env(MARK, &mark)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        let pid = pid.and_then(Pid::from_raw).ok_or(io::ErrorKind::Other)?;
        let outputs = child.stdout.take().zip(child.stderr.take());
        let group = Self {
            child: Some(child),
            pid,
            mark: format!("{MARK}={mark}"),
            exits,
            is_over: false,
        };
        let (out, err) = outputs.ok_or(io::ErrorKind::Other)?;
        Ok((group, out, err))
    }

    /// Waits until the program has ended, and leaves it unreaped.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub(super) async fn exited(&mut self) -> io::Result<WaitIdStatus> {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        loop {
            match waitid(WaitId::Pid(self.pid), look)? {
                Some(status) => return Ok(status),
                None => self.exits.recv().await,
            };
        }
    }

    /// Kills the group.
    pub(super) fn kill(&self) {
        // An error means that there is nobody left, or nobody whom we may kill.
        kill_process_group(self.pid, Signal::KILL).ok();
    }

    /// Kills the group, and whoever left it where some `have_left`; reaps what is ours. Does
    /// not wait for that: where it takes a while (a process that waits for a disk cannot die)
    /// one of `turns` is held meanwhile.
    pub(super) fn end(mut self, have_left: bool, turns: &Arc<Semaphore>) {
        self.kill();
        let is_reaped = |group: &mut Self| {
            let child = group.child.as_mut();
            child.is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
        };
        self.is_over = !have_left && is_reaped(&mut self) && !self.has_orphans();
        if self.is_over {
            return;
        }
        let turn = turns.clone().acquire_owned();
        tokio::spawn(async move {
            // The turn is given back when both are done.
            let _both = tokio::join!(turn, self.bury(have_left));
        });
    }

    async fn bury(mut self, have_left: bool) {
        if have_left {
            let mark = self.mark.clone();
            // It cannot fail, and is not waited for by anyone.
            spawn_blocking(move || hunt(&mark, true)).await.ok();
        }
        self.is_over = true;
        if let Some(child) = &mut self.child {
            child.wait().await.ok();
        }
        while self.has_orphans() {
            self.exits.recv().await;
        }
    }

    /// Reaps others of the group that died; whether some are still to die. They are ours where
    /// this process adopts orphans: it is the first of a container.
    fn has_orphans(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        loop {
            match waitid(WaitId::Pgid(Some(self.pid)), look) {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.is_over {
            self.kill();
            let hunt = Hunt(mem::take(&mut self.mark));
            // A reload may drop many at once, and the table of processes may be long.
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn_blocking(move || drop(hunt));
            }
        }
    }
}

/// Hunts when it is dropped: also where a runtime that ends takes no more work.
struct Hunt(String);

impl Drop for Hunt {
    fn drop(&mut self) {
        hunt(&self.0, false);
    }
}

/// A mark that nothing else carries, on this machine and while it runs.
fn new_mark() -> String {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static STARTED: AtomicU64 = AtomicU64::new(0);
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    format!("{:016x}", KEYS.hash_one(number))
}

/// Kills every process that carries `mark`; reaps those that are ours where asked to.
fn hunt(mark: &str, reaping: bool) {
    for _ in 0..HUNTS {
        let Ok(entries) = fs::read_dir("/proc") else {
            return;
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let pids = names.filter_map(|name| Pid::from_raw(name.parse().ok()?));
        let marked: Vec<Pid> = pids.filter(|&pid| carries(pid, mark)).collect();
        if marked.is_empty() {
            return;
        }
        for pid in marked {
            let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
                continue;
            };
            // The number may have passed to another before it was held.
            if carries(pid, mark) && pidfd_send_signal(&process, Signal::KILL).is_ok() && reaping {
                waitid(WaitId::Pid(pid), WaitIdOptions::EXITED).ok();
            }
        }
    }
}

fn carries(pid: Pid, mark: &str) -> bool {
    let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()));
    environment.is_ok_and(|all| {
        all.split(|&byte| byte == 0)
            .any(|one| one == mark.as_bytes())
    })
}

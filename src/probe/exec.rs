//! The `exec` probe: a program of the operator's, as monitoring plugins are.
//!
//! Exit 0 and 1 are good, 2 is bad, anything else is no result. No shell, no input, an
//! environment of a few names, 64 KiB of output; over at the deadline, with all that it began
//! (`group.rs`). Its turn is waited for before its time begins, so that a hundred programs that
//! are due at once are late and not bad.

use super::{
    Clock, READ_LIMIT,
    group::Group,
    outcome::{Outcome, Probed, Trace},
    perfdata, reason,
};
use crate::model::{ExecProbe, FailureReason, MonitorName, TargetName};
use rustix::{io::Errno, process::WaitIdStatus};
use std::{
    env,
    ffi::OsString,
    fmt::Write,
    io::{self, ErrorKind},
    net::IpAddr,
    os::unix::fs::PermissionsExt,
    path::Path,
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};

/// So many programs run at once.
pub(super) const AT_ONCE: usize = 64;
/// What a program said last is there when it has ended; who holds the output for longer is
/// somebody else.
const LAST_WORDS: Duration = Duration::from_millis(50);
/// At most so many characters of the first line are kept.
const LINE_LIMIT: usize = 200;
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// An `exec` monitor made ready to run.
#[derive(Clone, Debug)]
pub(super) struct Order {
    monitor: MonitorName,
    program: String,
    arguments: Vec<String>,
    path: OsString,
    turns: Arc<Semaphore>,
}

impl Order {
    /// # Errors
    /// There is no program in it.
    pub(super) fn of(
        monitor: &MonitorName,
        order: &ExecProbe,
        turns: &Arc<Semaphore>,
    ) -> Result<Self, String> {
        let (program, arguments) = order
            .command
            .split_first()
            .ok_or("command is empty: write a program and its arguments")?;
        Ok(Self {
            monitor: monitor.clone(),
            program: program.clone(),
            arguments: arguments.to_vec(),
            path: search_path(),
            turns: turns.clone(),
        })
    }

    /// Waits until one more program may run.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        self.turns.clone().acquire_owned().await.ok()
    }

    fn command(&self, target: &TargetName, ip: IpAddr) -> Command {
        let address = ip.to_string();
        let filled = |text: &String| text.replace("{address}", &address);
        let mut command = Command::new(filled(&self.program));
        command
            .args(self.arguments.iter().map(filled))
            .env_clear()
            .env("PATH", &self.path)
            .env("LANG", "C")
            .env("SIDESTEP_ADDRESS", &address)
            .env("SIDESTEP_TARGET", target.as_str())
            .env("SIDESTEP_MONITOR", self.monitor.as_str());
        command
    }

    /// Why the program cannot run here, as far as that can be seen without running it.
    pub(super) fn advice(&self) -> Option<String> {
        let runs = |path: &Path| {
            path.metadata()
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        };
        let program = Path::new(&self.program);
        if self.program.contains("{address}") || self.program.contains('/') && runs(program) {
            return None;
        }
        if self.program.contains('/') {
            let errno = if program.exists() {
                Errno::ACCESS
            } else {
                Errno::NOENT
            };
            return Some(self.not_started(&errno.into()));
        }
        let mut folders = env::split_paths(&self.path);
        let is_found = folders.any(|folder| runs(&folder.join(program)));
        (!is_found).then(|| self.not_started(&Errno::NOENT.into()))
    }

    fn not_started(&self, error: &io::Error) -> String {
        let program = &self.program;
        let why = match (
            error.kind(),
            error.raw_os_error().map(Errno::from_raw_os_error),
        ) {
            (ErrorKind::NotFound, _) if program.contains('/') => {
                "there is no such program, or the interpreter in its first line is missing".into()
            }
            (ErrorKind::NotFound, _) => {
                let path = self.path.display();
                format!("it is in no folder of PATH ({path}): write its whole path")
            }
            // Also where a folder of PATH may not be read and no other has it.
            (ErrorKind::PermissionDenied, _) if !program.contains('/') => {
                let path = self.path.display();
                format!("it is in no folder of PATH ({path}) from which this user may execute it")
            }
            (ErrorKind::PermissionDenied, _) => "this user may not execute it".into(),
            (_, Some(Errno::NOEXEC)) => {
                "it is no program, and no script whose first line names an interpreter".into()
            }
            (_, Some(Errno::AGAIN)) => "too many processes: raise TasksMax or LimitNPROC".into(),
            (_, Some(errno)) => {
                reason::shortage_of(errno).map_or_else(|| error.to_string(), str::to_owned)
            }
            (_, None) => error.to_string(),
        };
        format!("cannot start '{program}': {why}")
    }
}

/// Where programs without a path are looked for: as this process does.
fn search_path() -> OsString {
    env::var_os("PATH")
        .filter(|path| !path.is_empty())
        .unwrap_or_else(|| DEFAULT_PATH.into())
}

/// Runs the program of `order` for `ip` of `target`, until `deadline`.
pub(super) async fn probe(
    order: &Order,
    target: &TargetName,
    ip: IpAddr,
    deadline: Instant,
) -> Probed {
    let clock = Clock::start();
    let mut trace = Trace::default();
    let (group, out, err) = match Group::start(order.command(target, ip)) {
        Ok(started) => started,
        Err(error) => {
            trace.verdict_us = clock.us();
            let outcome = Outcome::no_result(order.not_started(&error));
            return Probed { outcome, trace };
        }
    };
    trace.own.push(("start", clock.us()));
    let (mut out, mut err) = (Output::of(out, clock), Output::of(err, clock));
    let exit = watch(group, &order.turns, out.read(), err.read(), deadline).await;
    trace.first_byte_us = out.first_us;
    trace.verdict_us = clock.us();
    let line = out.first_line();
    let words = said(&line, &err.first_line());
    let (outcome, ending) = match exit {
        None => (Outcome::bad(FailureReason::Timeout), String::new()),
        Some(Ok(status)) => (
            order.verdict(status, &words, trace.verdict_us),
            ending(status),
        ),
        Some(Err(error)) => {
            let local = format!("cannot wait for '{}': {error}", order.program);
            (Outcome::no_result(local), String::new())
        }
    };
    let note: Vec<String> = [ending, words]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    trace.note = Some(note.join(": ")).filter(|note| !note.is_empty());
    Probed {
        outcome: outcome.with_value(perfdata::first_value(&line)),
        trace,
    }
}

/// How the program ended; `None` where its time was over. Nothing of its group lives on.
async fn watch(
    mut group: Group,
    turns: &Arc<Semaphore>,
    out: impl Future<Output = ()>,
    err: impl Future<Output = ()>,
    deadline: Instant,
) -> Option<io::Result<WaitIdStatus>> {
    let mut hearing = pin!(async { tokio::join!(out, err) });
    let mut is_heard = false;
    let exit = timeout_at(deadline, async {
        loop {
            tokio::select! {
                biased;
                exit = group.exited() => return exit,
                _ = &mut hearing, if !is_heard => is_heard = true,
            }
        }
    });
    let exit = exit.await.ok();
    group.kill();
    // Whoever holds the output when the group is dead has left it.
    let has_left = exit.is_none() || !is_heard && timeout(LAST_WORDS, hearing).await.is_err();
    group.end(has_left, turns);
    exit
}

impl Order {
    fn verdict(&self, status: WaitIdStatus, words: &str, rtt_us: u32) -> Outcome {
        match status.exit_status() {
            Some(0 | 1) => Outcome::good(rtt_us),
            Some(2) => Outcome::bad(FailureReason::Plugin),
            _ => {
                let mut local = format!("'{}' gave no result ({})", self.program, ending(status));
                if !words.is_empty() {
                    write!(local, ": {words}").ok();
                }
                Outcome::no_result(local)
            }
        }
    }
}

fn ending(status: WaitIdStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exit {code}"),
        (_, Some(signal)) => format!("ended by signal {signal}"),
        _ => "ended".to_owned(),
    }
}

/// What the program said, without its numbers; its complaints where it said nothing.
fn said(out: &str, err: &str) -> String {
    let text = out.split('|').next().unwrap_or_default();
    let line = if text.trim().is_empty() { err } else { text };
    let printable = line.chars().filter(|c| !c.is_control());
    let kept: String = printable.take(LINE_LIMIT).collect();
    kept.trim().to_owned()
}

/// What comes out of a pipe, the first 64 KiB of it.
struct Output<R> {
    pipe: R,
    clock: Clock,
    kept: Vec<u8>,
    first_us: Option<u32>,
}

impl<R: AsyncRead + Unpin> Output<R> {
    fn of(pipe: R, clock: Clock) -> Self {
        Self {
            pipe,
            clock,
            kept: Vec::new(),
            first_us: None,
        }
    }

    /// Reads to the end; what is beyond the limit is read too, so that nobody waits for us.
    async fn read(&mut self) {
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = self.pipe.read(&mut buffer).await {
            let clock = self.clock;
            self.first_us.get_or_insert_with(|| clock.us());
            let room = READ_LIMIT - self.kept.len();
            self.kept.extend_from_slice(&buffer[..length.min(room)]);
        }
    }

    fn first_line(&self) -> String {
        let line = self.kept.split(|&byte| byte == b'\n').next();
        String::from_utf8_lossy(line.unwrap_or_default()).into_owned()
    }
}

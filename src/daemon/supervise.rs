//! Telling systemd how the daemon does: ready, reloading, stopping, a line of status, and that
//! the fold is alive.
//!
//! One thread of its own, since a service manager that reads nothing blocks whoever writes to it.
//! Without `NOTIFY_SOCKET` there is no thread and nothing is said. The watchdog is fed by the fold
//! itself: where it does not look up, nothing is sent, and systemd starts the daemon again.
//! Protocol: sd_notify(3), `Type=notify-reload` of systemd.service(5).

use super::{operator::Operator, status_line::status_line};
use crate::{failover::operations::Operations as _, model::Timestamp};
use sd_notify::NotifyState;
use std::{
    io,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// How often the line of status is looked at.
const STATUS_EVERY: Duration = Duration::from_secs(2);
/// How long the end waits for systemd to take the last word.
const LAST_WORD: Duration = Duration::from_secs(1);
/// The fold looks up every half second: silence below this proves nothing.
const SILENCE_MIN_MS: i64 = 1_000;

/// What systemd is told besides the beat.
enum Word {
    /// DNS is answered, or a reload is done.
    Ready,
    /// A reload begins now.
    Reloading,
    /// The end, why, and where to say that it was told.
    Stopping(String, SyncSender<()>),
}

/// The line to systemd; a dead one where nobody supervises.
#[derive(Clone, Debug)]
pub(super) struct Supervisor(Option<Sender<Word>>);

impl Supervisor {
    /// Starts telling systemd, where it wants to be told.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn start(operator: &Arc<Operator>) -> io::Result<Self> {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Ok(Self(None));
        }
        let (words, said) = channel();
        let line = Line {
            operator: Arc::clone(operator),
            watchdog: sd_notify::watchdog_enabled().filter(|length| !length.is_zero()),
            status: String::new(),
            reachable: true,
        };
        thread::Builder::new()
            .name("sidestep-systemd".into())
            .spawn(move || line.run(&said))?;
        Ok(Self(Some(words)))
    }

    fn say(&self, word: Word) {
        if let Some(words) = &self.0 {
            // A line that ended has nobody left to tell.
            let _ = words.send(word);
        }
    }

    /// DNS is answered, or a reload is done.
    pub(super) fn ready(&self) {
        self.say(Word::Ready);
    }

    /// A reload begins now; [`Self::ready`] ends it.
    pub(super) fn reloading(&self) {
        self.say(Word::Reloading);
    }

    /// The end: returns once it is told, or after a second.
    pub(super) fn stopping(&self, why: &str) {
        if self.0.is_some() {
            let (told, is_told) = sync_channel(1);
            self.say(Word::Stopping(why.to_owned(), told));
            // Whoever does not listen is not waited for.
            let _ = is_told.recv_timeout(LAST_WORD);
        }
    }
}

struct Line {
    operator: Arc<Operator>,
    /// How long systemd waits for a sign of life.
    watchdog: Option<Duration>,
    /// What was last said.
    status: String,
    reachable: bool,
}

impl Line {
    fn run(mut self, words: &Receiver<Word>) {
        // Three beats for each deadline: one may be lost, and one late.
        let beat = self
            .watchdog
            .map_or(STATUS_EVERY, |whole| STATUS_EVERY.min(whole / 3));
        let mut look_at_status = Instant::now();
        loop {
            match words.recv_timeout(beat) {
                Ok(Word::Ready) => {
                    self.tell(&[NotifyState::Ready]);
                    look_at_status = Instant::now();
                }
                Ok(Word::Reloading) => {
                    // Newer versions of systemd take the one only together with the other.
                    match NotifyState::monotonic_usec_now() {
                        Ok(now) => self.tell(&[NotifyState::Reloading, now]),
                        Err(error) => tracing::warn!(%error, "systemd is not told of the reload"),
                    }
                }
                Ok(Word::Stopping(why, told)) => {
                    self.tell(&[NotifyState::Stopping, NotifyState::Status(&why)]);
                    // Whoever waited may have had enough.
                    let _ = told.send(());
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.beat();
            if look_at_status <= Instant::now() {
                look_at_status = Instant::now() + STATUS_EVERY;
                self.say_status();
            }
        }
    }

    fn beat(&mut self) {
        let Some(watchdog) = self.watchdog else {
            return;
        };
        let looked_up_at = Timestamp(self.operator.looked_up_at.load(Ordering::Relaxed));
        if is_alive(self.operator.clock.now(), looked_up_at, watchdog) {
            self.tell(&[NotifyState::Watchdog]);
        }
    }

    /// The line of `systemctl status`, where it changed. A fold that does not answer is not asked.
    fn say_status(&mut self) {
        let silent_ms = self.operator.clock.now().since_ms(Timestamp(
            self.operator.looked_up_at.load(Ordering::Relaxed),
        ));
        let line = if silent_ms > super::operator::DEAD_AFTER_MS {
            "the fold does not look up: answers stay as they are".to_owned()
        } else {
            status_line(&self.operator.overview())
        };
        if line != self.status {
            self.tell(&[NotifyState::Status(&line)]);
            self.status = line;
        }
    }

    fn tell(&mut self, state: &[NotifyState<'_>]) {
        match sd_notify::notify(state) {
            Ok(()) => self.reachable = true,
            Err(error) if self.reachable => {
                self.reachable = false;
                tracing::warn!(%error, "systemd cannot be told how the daemon does");
            }
            Err(_) => {}
        }
    }
}

/// Whether the fold looked up within half of what systemd waits for.
fn is_alive(now: Timestamp, looked_up_at: Timestamp, watchdog: Duration) -> bool {
    let half_ms = i64::try_from(watchdog.as_millis() / 2).unwrap_or(i64::MAX);
    now.since_ms(looked_up_at) <= half_ms.max(SILENCE_MIN_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fold_that_looks_up_feeds_the_watchdog() {
        let (now, watchdog) = (Timestamp(1_763_800_000_000), Duration::from_secs(20));
        for (silent_ms, alive) in [(0, true), (9_999, true), (10_000, true), (10_001, false)] {
            let looked_up_at = now.minus_ms(silent_ms);
            assert_eq!(is_alive(now, looked_up_at, watchdog), alive, "{silent_ms}");
        }
        // A fold that never looked up yet is not alive.
        assert!(!is_alive(now, Timestamp(0), watchdog));
        // It looks up every half second: a shorter watchdog must not call that dead.
        assert!(is_alive(now, now.minus_ms(900), Duration::from_millis(300)));
        assert!(!is_alive(
            now,
            now.minus_ms(1_100),
            Duration::from_millis(300)
        ));
    }
}

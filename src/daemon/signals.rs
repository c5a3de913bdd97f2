//! Signals of this process: SIGHUP reloads, SIGINT and SIGTERM stop, a second one stops at once.
//!
//! SIGHUP is received from [`Signals::listen`] on, which comes before anything is loaded: one that
//! comes during the start is a reload once the daemon runs. Until then SIGINT and SIGTERM end the
//! process as usual: there is nothing to end in order yet.

use std::{io, time::Duration};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often is looked whether the daemon's threads are alive.
const LOOK_AFTER_THREADS: Duration = Duration::from_secs(1);

/// Signals that are received from now on.
#[derive(Debug)]
pub struct Signals {
    hang_up: Signal,
}

impl Signals {
    /// Begins to receive SIGHUP.
    ///
    /// # Errors
    /// The handler cannot be put in place.
    pub fn listen() -> io::Result<Self> {
        // Receiving needs a runtime to be put in place, and any runtime of the process to go on.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let _within = runtime.enter();
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Runs until told to stop. `ended` says which thread ended that nothing works without.
    pub(super) async fn run(
        mut self,
        ended: &mut impl FnMut() -> Option<String>,
        reload: &mut impl FnMut(),
    ) -> io::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_AFTER_THREADS) => {
                    if let Some(why) = ended() {
                        return Err(io::Error::other(why));
                    }
                }
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = self.hang_up.recv() => reload(),
            }
        }
        // Stopping lets others end what they began; whoever asks twice has no time for that.
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::warn!("told twice to stop: stopping at once");
            std::process::exit(1);
        });
        Ok(())
    }
}

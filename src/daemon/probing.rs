//! The thread of the probes, and the way from what they find to the fold.
//!
//! Probes are many and short. On one thread, what ends together is handed on together: the fold
//! is woken once for all of it, and no probe wakes another thread.

use super::{
    fold::{Found, Message},
    tally::Tally,
};
use crate::{
    failover::{Input, input::WitnessResult},
    model::VantageName,
    probe::{Finding, Plan, Prober, Settings},
};
use std::{
    io,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::sync::mpsc;

/// Findings that may wait between the prober and the fold, and go there in one message.
const FINDINGS: usize = 256;
/// Where the inbox is full, the next attempt to put findings in.
const INBOX_PAUSE: Duration = Duration::from_millis(5);
/// How long the end waits for programs to die: one that waits for a disk may never.
const LAST_HUNT: Duration = Duration::from_secs(2);

/// Starts a prober without a plan, on a thread of its own that ends when the prober is dropped.
pub(super) fn start(
    fold: SyncSender<Message>,
    vantage: VantageName,
    tally: Arc<Tally>,
) -> io::Result<(Prober, JoinHandle<()>)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (findings, found) = mpsc::channel(FINDINGS);
    let prober = {
        let _within = runtime.enter();
        Prober::start(Arc::new(Plan::default()), Settings::default(), findings)
    };
    let thread = thread::Builder::new()
        .name("sidestep-probe".into())
        .spawn(move || {
            runtime.block_on(forward(found, fold, vantage, tally));
            runtime.shutdown_timeout(LAST_HUNT);
        })?;
    Ok((prober, thread))
}

/// Hands what the prober finds to the fold. Where the fold is busy the prober waits, which keeps
/// one result for each series: nothing grows.
async fn forward(
    mut found: mpsc::Receiver<Finding>,
    fold: SyncSender<Message>,
    vantage: VantageName,
    tally: Arc<Tally>,
) {
    let mut batch = Vec::new();
    while found.recv_many(&mut batch, FINDINGS).await > 0 {
        for finding in &batch {
            if let Finding::Probe(observed) = finding {
                tally.fired(observed.lag);
            }
        }
        let found = batch.drain(..).map(|finding| of(finding, &vantage));
        let mut message = Message::Found(found.collect());
        loop {
            match fold.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(returned)) => {
                    message = returned;
                    tokio::time::sleep(INBOX_PAUSE).await;
                }
            }
        }
    }
}

fn of(finding: Finding, vantage: &VantageName) -> Found {
    match finding {
        Finding::Probe(observed) => Found {
            input: Input::Probe(observed.observation),
            series: Some(observed.series),
        },
        Finding::Witness(asked) => Found {
            input: Input::Witness(WitnessResult {
                vantage: vantage.clone(),
                witness: asked.witness,
                ok: asked.ok,
                error: asked.error,
            }),
            series: None,
        },
    }
}

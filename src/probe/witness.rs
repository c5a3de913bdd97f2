//! Witnesses: addresses that must answer for this vantage to trust its own failures.
//!
//! All are asked at the start, when the first series fails, and again and again while any
//! series or any witness fails. Whoever takes a connection, refuses it or answers one of two
//! echo requests is there. What isolation follows from the answers is decided elsewhere.

use super::{Outcome, icmp, plan::Plan, reason, runner::Finding};
use crate::model::{FailureReason, config::WitnessAddress};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};

/// How long a witness has to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// So many echo requests, one of which may be lost.
const ECHOES: u32 = 2;
/// Between two rounds while in doubt, at most ...
const PAUSE_MS: i64 = 2_000;
/// ... and at least.
const SHORTEST_PAUSE_MS: i64 = 500;

/// What one witness said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// Who was asked.
    pub witness: WitnessAddress,
    /// Whether it answered.
    pub ok: bool,
    /// Why it counts as silent.
    pub error: Option<String>,
    /// When that was known, on the monotonic clock.
    pub at: Instant,
}

/// Whom to ask, and how often while in doubt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Orders {
    witnesses: Vec<WitnessAddress>,
    pause: Duration,
}

impl Orders {
    /// The witnesses of `plan`; the pause is 2 s, or its shortest interval, but half a second.
    pub(super) fn of(plan: &Plan) -> Self {
        let witnesses = plan.witness.iter().flat_map(|w| w.addresses.clone());
        let shortest_ms = plan.shortest_interval_ms().unwrap_or(PAUSE_MS);
        let pause_ms = shortest_ms.clamp(SHORTEST_PAUSE_MS, PAUSE_MS);
        Self {
            witnesses: witnesses.collect(),
            pause: Duration::from_millis(pause_ms.unsigned_abs()),
        }
    }
}

/// Asks until the prober is gone.
pub(super) async fn ask(
    mut orders: watch::Receiver<Orders>,
    mut doubt: watch::Receiver<bool>,
    out: mpsc::Sender<Finding>,
    echoes: Arc<icmp::Sockets>,
) {
    let echoes = icmp::Order::new(ECHOES, &echoes);
    loop {
        let Orders { witnesses, pause } = orders.borrow_and_update().clone();
        let in_doubt = *doubt.borrow_and_update();
        let soonest = Instant::now() + Duration::from_millis(SHORTEST_PAUSE_MS.unsigned_abs());
        let Some(all_answer) = round(&witnesses, &echoes, &out).await else {
            return;
        };
        let again = (in_doubt || !all_answer) && !witnesses.is_empty();
        let woken = tokio::select! {
            changed = orders.changed() => changed,
            // The end of a doubt asks once more, which costs little.
            changed = doubt.changed() => changed,
            () = sleep(pause), if again => Ok(()),
        };
        if woken.is_err() {
            return;
        }
        // A series that flaps must not make us knock at a stranger's door all the time.
        sleep_until(soonest).await;
    }
}

/// Asks all at once; whether all answered, or `None` where nobody listens to us any more.
async fn round(
    witnesses: &[WitnessAddress],
    echoes: &icmp::Order,
    out: &mpsc::Sender<Finding>,
) -> Option<bool> {
    let asked = witnesses.iter().map(|&witness| one(witness, echoes));
    let mut asked: FuturesUnordered<_> = asked.collect();
    let mut all_answer = true;
    while let Some(found) = asked.next().await {
        all_answer &= found.ok;
        out.send(Finding::Witness(found)).await.ok()?;
    }
    Some(all_answer)
}

async fn one(witness: WitnessAddress, echoes: &icmp::Order) -> Witnessed {
    let error = match witness {
        WitnessAddress::Tcp(address) => knock(address).await,
        WitnessAddress::Icmp(ip) => echo(ip, echoes).await,
    };
    Witnessed {
        witness,
        ok: error.is_none(),
        error,
        at: Instant::now(),
    }
}

/// `None` where somebody is there.
async fn knock(address: SocketAddr) -> Option<String> {
    let error = match timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => return None,
        Ok(Err(error)) => error,
        Err(_) => return Some(silent()),
    };
    let refused = [FailureReason::Refused, FailureReason::Reset].map(Outcome::bad);
    let outcome = reason::outcome_of(&error, address, FailureReason::Unreachable);
    (!refused.contains(&outcome)).then(|| reason::sentence(&error))
}

/// `None` where somebody is there.
async fn echo(ip: IpAddr, echoes: &icmp::Order) -> Option<String> {
    match icmp::probe(echoes, ip, Instant::now() + PATIENCE)
        .await
        .outcome
    {
        Outcome::Good { .. } => None,
        Outcome::Bad {
            reason: FailureReason::Timeout,
            ..
        } => Some(silent()),
        Outcome::Bad { reason, .. } => Some(reason.to_string()),
        Outcome::NoResult { local } => Some(local),
    }
}

fn silent() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

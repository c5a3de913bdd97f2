//! One round of probes now, each with a trace: what `sidestep probe` shows.
//!
//! The probes are those that the daemon runs; nothing is scheduled, nothing repeated.

use super::{
    Order, Shared,
    http::Clients,
    outcome::{Outcome, Place, Probed, Trace},
    patience,
    plan::{Plan, Series},
};
use crate::model::{Config, ProbeAddress, ServiceName};
use futures_util::{StreamExt, stream};
use std::net::SocketAddr;
use tokio::time::Instant;

/// So many probes run at once.
const AT_ONCE: usize = 64;

/// One probe of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedOutcome {
    /// About whom, by which monitor, from where.
    pub place: Place,
    /// Where the probe went, with the port that it used.
    pub at: ProbeAddress,
    /// What it found.
    pub outcome: Outcome,
    /// Its steps.
    pub trace: Trace,
}

/// Probes everything that `service` uses, or all services where none is named, in the order of
/// target, monitor and address.
pub async fn round(config: &Config, service: Option<&ServiceName>) -> Vec<TracedOutcome> {
    let wanted = |name: &str| service.is_none_or(|service| service.as_str() == name);
    let plan = Plan::of_services(config, wanted);
    let (mut clients, shared) = (Clients::default(), Shared::default());
    let ordered = plan.series.into_iter().map(|series| {
        let order = Order::of(&series.monitor, &mut clients, &shared);
        one(series, order)
    });
    let probes: Vec<_> = ordered.collect();
    stream::iter(probes).buffered(AT_ONCE).collect().await
}

async fn one(series: Series, order: Result<Order, String>) -> TracedOutcome {
    let _turn = match &order {
        Ok(order) => order.turn().await,
        Err(_) => None,
    };
    let deadline = Instant::now() + patience(&series.monitor);
    let mut at = series.at;
    let Probed { outcome, trace } = match &order {
        Ok(order) => {
            let port = series.at.port.unwrap_or(order.port());
            // Port 0 is that of a kind without ports.
            at.port = Some(port).filter(|port| *port > 0);
            let address = SocketAddr::new(series.at.ip, port);
            order.probe(&series.target, address, deadline).await
        }
        Err(problem) => Probed {
            outcome: Outcome::no_result(problem.clone()),
            trace: Trace::default(),
        },
    };
    TracedOutcome {
        place: Place {
            target: series.target,
            monitor: series.monitor.name.clone(),
            address: series.at.ip,
            vantage: series.vantage,
        },
        at,
        outcome,
        trace,
    }
}

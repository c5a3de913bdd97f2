//! Control over HTTP: status, reload, liveness, metrics; and the client that the commands use.
//!
//! [`bind`] takes the address, [`serve`] answers until told to stop. Everything that is said or
//! done comes from [`crate::failover::Operations`]; nothing here decides. HTTP/1.1 (RFC 9112),
//! one request per connection, every wait and size bounded. No authentication: the default
//! address is loopback, what is served is to be read, and what acts is refused from elsewhere.

pub mod client;
mod exposition;
mod listener;
mod metrics;
mod routes;

pub use client::Client;
pub use listener::bind;

use crate::failover::Operations;
use std::{future::Future, io, sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// How long requests under way may take to end once told to stop.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Answers on `listener` (see [`bind`]) until `shutdown` completes, then lets requests under way
/// end, for at most 5 s. Must run inside a tokio runtime with I/O and time.
///
/// # Errors
/// The listener cannot be handed to the runtime.
pub async fn serve(
    listener: std::net::TcpListener,
    operations: Arc<dyn Operations>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = listener::Bounded::new(listener)?;
    let app = routes::router(operations).into_make_service_with_connect_info::<listener::Peer>();
    let (stopping, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        shutdown.await;
        // The receiver is gone only where the server has ended already.
        let _ = stopping.send(());
    });
    tokio::select! {
        ended = server.into_future() => ended,
        () = async {
            let _ = stopped.await;
            tokio::time::sleep(STOP_WITHIN).await;
        } => Ok(()),
    }
}

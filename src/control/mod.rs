//! Control: status, liveness and metrics by HTTP over TCP; the same, reloads and operators' orders
//! over the control socket; and the client that the commands use.
//!
//! [`bind`] takes the address and [`bind_socket`] the socket; [`serve`] and [`serve_socket`]
//! answer until told to stop. Everything that is said or done comes from
//! [`crate::failover::Operations`]; nothing here decides. HTTP/1.1 (RFC 9112), one request per
//! connection, every wait and size bounded. Over TCP nothing can be changed, so there is no
//! authentication: what is served there is to be read. Over the socket the kernel says who asks.

pub mod client;
mod exposition;
mod listener;
mod metrics;
mod orders;
mod routes;
mod socket;

pub use client::Client;
pub use listener::bind;
pub use orders::{OrderRequest, PromoteRequest, Verb};
pub use socket::{ControlSocket, bind_socket, is_answered, socket_path};

use crate::failover::Operations;
use std::{future::Future, io, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::oneshot,
};

/// How long requests under way may take to end once told to stop.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Answers what may be read on `listener` (see [`bind`]) until `shutdown` completes, then lets
/// requests under way end, for at most 5 s. Must run inside a tokio runtime with I/O and time.
///
/// # Errors
/// The listener cannot be handed to the runtime.
pub async fn serve(
    listener: std::net::TcpListener,
    operations: Arc<dyn Operations>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = listener::Bounded::new(TcpListener::from_std(listener)?);
    let app = routes::read_only(operations).into_make_service();
    let (stop, stopped) = stopping(shutdown);
    let server = axum::serve(listener, app).with_graceful_shutdown(stop);
    tokio::select! {
        ended = server.into_future() => ended,
        () = stopped => Ok(()),
    }
}

/// Answers everything on the control socket until `shutdown` completes, as [`serve`]; then the
/// socket's file goes.
///
/// # Errors
/// The listener cannot be handed to the runtime.
pub async fn serve_socket(
    mut socket: ControlSocket,
    operations: Arc<dyn Operations>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = listener::Bounded::new(UnixListener::from_std(socket.take()?)?);
    let app = routes::all(operations).into_make_service_with_connect_info::<listener::Peer>();
    let (stop, stopped) = stopping(shutdown);
    let server = axum::serve(listener, app).with_graceful_shutdown(stop);
    tokio::select! {
        ended = server.into_future() => ended,
        () = stopped => Ok(()),
    }
}

/// When a server is to take no more, and when it is to leave what is under way.
fn stopping(
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> (
    impl Future<Output = ()> + Send + 'static,
    impl Future<Output = ()>,
) {
    let (stopping, stopped) = oneshot::channel::<()>();
    let stop = async move {
        shutdown.await;
        // The receiver is gone only where the server has ended already.
        let _ = stopping.send(());
    };
    let leave = async {
        let _ = stopped.await;
        tokio::time::sleep(STOP_WITHIN).await;
    };
    (stop, leave)
}

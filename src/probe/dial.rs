//! Where the probe that runs in this task connects to, and what its connection saw.
//!
//! reqwest asks a resolver by name and rustls a verifier by name; both would have to be made
//! for each address. Instead they read the dial of the task that asks: one client serves every
//! target, and no name is ever looked up. hyper connects in the task that sends the request
//! (its pool is off), so the dial is always at hand.

use super::Clock;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls_pki_types::ServerName;
use std::{
    cell::{Cell, RefCell},
    future::{Future, ready},
    iter,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;

tokio::task_local! {
    static DIAL: Dial;
}

/// One probe's connection.
pub(super) struct Dial {
    clock: Clock,
    address: Cell<SocketAddr>,
    verify_as: RefCell<Option<ServerName<'static>>>,
    connected_us: Cell<Option<u32>>,
    handshake_us: Cell<Option<u32>>,
    shown: RefCell<Option<Shown>>,
}

/// The certificate that a server showed.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// Whole days until it expires, rounded down; negative once it has.
    pub(super) days: i32,
    /// Whom it names, who signed it and for how long, for operators.
    pub(super) words: String,
}

/// A step that a connection reached.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    /// TCP stands.
    Connected,
    /// Everything stands: with TLS, the handshake is done.
    Ready,
}

/// What a connection saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) connected_us: Option<u32>,
    pub(super) handshake_us: Option<u32>,
    pub(super) certificate: Option<Shown>,
}

impl Seen {
    /// How many days the certificate has left, where one was shown.
    pub(super) fn cert_days(&self) -> Option<i32> {
        Some(self.certificate.as_ref()?.days)
    }
}

/// Runs `probe` with a dial to `address`.
pub(super) async fn within<T>(
    address: SocketAddr,
    clock: Clock,
    probe: impl Future<Output = T>,
) -> T {
    let dial = Dial {
        clock,
        address: Cell::new(address),
        verify_as: RefCell::default(),
        connected_us: Cell::default(),
        handshake_us: Cell::default(),
        shown: RefCell::default(),
    };
    DIAL.scope(dial, probe).await
}

/// The next connection goes to this port, and its certificate is for `verify_as`, where that
/// is not the name that TLS knows.
pub(super) fn aim(port: u16, verify_as: Option<ServerName<'static>>) {
    with(|dial| {
        let mut address = dial.address.get();
        address.set_port(port);
        dial.address.set(address);
        *dial.verify_as.borrow_mut() = verify_as;
    });
}

/// What was seen so far.
pub(super) fn seen() -> Seen {
    let read = |dial: &Dial| Seen {
        connected_us: dial.connected_us.get(),
        handshake_us: dial.handshake_us.get(),
        certificate: dial.shown.borrow().clone(),
    };
    with(read).unwrap_or_default()
}

/// Notes a step; the first connection's counts.
pub(super) fn mark(mark: Mark) {
    with(|dial| {
        let now = Some(dial.clock.us());
        match (mark, dial.connected_us.get(), dial.handshake_us.get()) {
            (_, None, _) => dial.connected_us.set(now),
            (Mark::Ready, Some(_), None) => dial.handshake_us.set(now),
            _ => {}
        }
    });
}

/// Notes the certificate that was shown; the first connection's counts.
pub(super) fn note_certificate(shown: Shown) {
    with(|dial| {
        dial.shown.borrow_mut().get_or_insert(shown);
    });
}

/// The name to verify in place of the one that TLS knows.
pub(super) fn verify_as() -> Option<ServerName<'static>> {
    with(|dial| dial.verify_as.borrow().clone()).flatten()
}

fn with<T>(read: impl FnOnce(&Dial) -> T) -> Option<T> {
    DIAL.try_with(read).ok()
}

/// Resolves every name to the dial's address.
pub(super) struct ToDial;

impl Resolve for ToDial {
    fn resolve(&self, _: Name) -> Resolving {
        let found = match with(|dial| dial.address.get()) {
            Some(address) => Ok(Box::new(iter::once(address)) as Addrs),
            None => Err("no probe is dialing in this task".into()),
        };
        Box::pin(ready(found))
    }
}

/// Notes when a connection is ready for its request.
#[derive(Clone)]
pub(super) struct MarkReady;

/// A connector that does.
#[derive(Clone)]
pub(super) struct Marked<S>(S);

impl<S> Layer<S> for MarkReady {
    type Service = Marked<S>;
    fn layer(&self, inner: S) -> Marked<S> {
        Marked(inner)
    }
}

impl<S, R> Service<R> for Marked<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connecting = self.0.call(request);
        Box::pin(async move {
            let connection = connecting.await?;
            mark(Mark::Ready);
            Ok(connection)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_name_is_the_dials_address_at_the_port_that_was_aimed_at() {
        let resolve = || ToDial.resolve("www.example.com".parse().unwrap());
        assert!(resolve().await.is_err(), "no probe, no address");
        let address = SocketAddr::from(([192, 0, 2, 1], 8080));
        within(address, Clock::start(), async {
            aim(443, None);
            let found: Vec<_> = resolve().await.unwrap().collect();
            assert_eq!(found, [SocketAddr::from(([192, 0, 2, 1], 443))]);
        })
        .await;
    }
}

//! The `tls` probe: connect to the target's own address, shake hands, look at the certificate.
//!
//! `sni` is asked for and verified and never looked up; nothing is said after the handshake.
//! Every probe is a whole handshake: no session is resumed. (RFC 8446, RFC 5246, RFC 6066)

use super::{
    Clock, dial,
    outcome::{Outcome, Probed, Trace},
    reason,
    trust::Trust,
};
use crate::model::{FailureReason, TlsProbe};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::{fmt, io, net::SocketAddr, sync::Arc};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A TLS monitor made ready to run.
#[derive(Clone)]
pub(super) struct Order {
    port: u16,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tls {} port {}", self.name.to_str(), self.port)
    }
}

impl Order {
    /// # Errors
    /// What of the monitor cannot be used, in words.
    pub(super) fn of(order: &TlsProbe) -> Result<Self, String> {
        let name = ServerName::try_from(order.sni.clone())
            .map_err(|_| format!("sni '{}' is no name of a host", order.sni))?;
        let mut config = Trust::of(order.verify, order.ca.as_deref()).client_config(true)?;
        // What is spoken after the handshake is not known here: mail servers refuse "http/1.1".
        config.alpn_protocols.clear();
        Ok(Self {
            port: order.port,
            name,
            config: Arc::new(config),
        })
    }

    /// The port where the address has none of its own.
    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

/// Shakes hands with `address` as `order` says, until `deadline`.
pub(super) async fn probe(order: &Order, address: SocketAddr, deadline: Instant) -> Probed {
    let clock = Clock::start();
    dial::within(address, clock, async {
        let mut trace = Trace::default();
        trace.say("asked", &format!("TLS for {}", order.name.to_str()));
        let verdict = timeout_at(deadline, shake(order, address, clock, &mut trace)).await;
        trace.verdict_us = clock.us();
        let seen = dial::seen();
        if let Some(certificate) = &seen.certificate {
            trace.say("certificate", &certificate.words);
        }
        let outcome = match verdict {
            Err(_) => {
                let lacks = match trace.connected_us {
                    None => "no connection in time",
                    Some(_) => "no end of the handshake in time",
                };
                trace.explain(lacks);
                Outcome::bad(FailureReason::Timeout)
            }
            Ok(Ok(stream)) => {
                let version = stream.get_ref().1.protocol_version();
                let version = version.and_then(|version| version.as_str());
                trace.say("version", &version.unwrap_or("unknown").replace('_', "."));
                take_leave(stream, deadline).await;
                Outcome::good(trace.verdict_us)
            }
            Ok(Err(error)) => {
                trace.explain(&why(&error));
                reason::outcome_of(&error, address, FailureReason::Closed)
            }
        };
        let outcome = outcome.with_cert_days(seen.cert_days());
        Probed { outcome, trace }
    })
    .await
}

async fn shake(
    order: &Order,
    address: SocketAddr,
    clock: Clock,
    trace: &mut Trace,
) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    trace.connected_us = Some(clock.us());
    let connector = TlsConnector::from(order.config.clone());
    let stream = connector.connect(order.name.clone(), stream).await?;
    trace.handshake_us = Some(clock.us());
    Ok(stream)
}

/// Says that nothing follows, so that the server's log has no broken connection in it.
async fn take_leave(mut stream: TlsStream<TcpStream>, deadline: Instant) {
    // The verdict stands: whether the peer hears it changes nothing.
    timeout_at(deadline, stream.shutdown()).await.ok();
}

/// What went wrong, without the error that only wraps another.
fn why(error: &io::Error) -> String {
    let wrapped = error.get_ref();
    match wrapped.and_then(|wrapped| wrapped.downcast_ref::<rustls::Error>()) {
        Some(error) => reason::sentence(error),
        None => reason::sentence(error),
    }
}

//! Taking new connections, whatever goes wrong with single ones.
//!
//! Does not know what connections are for. Contract: ends only where the listening socket itself
//! failed; a lack of descriptors or memory neither spins nor ends it.

use super::Server;
use rustix::io::Errno;
use std::{io, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep, sleep_until},
};

/// How often connections are looked through for those that waited too long.
const SWEEP: Duration = Duration::from_millis(500);
/// And how soon again while some of them are left.
const SWEEP_ON: Duration = Duration::from_millis(1);
/// How long nothing is accepted after descriptors or memory ran out.
const PAUSE: Duration = Duration::from_millis(50);
/// A shortage is told at most so often.
const TELL: Duration = Duration::from_secs(60);

/// Accepts until the socket fails.
pub(in super::super) async fn accept(listener: TcpListener, server: Arc<Server>) -> io::Error {
    let mut sweep_at = Instant::now() + SWEEP;
    let mut told: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = sleep_until(sweep_at) => {
                let pause = if server.sweep() { SWEEP_ON } else { SWEEP };
                sweep_at = Instant::now() + pause;
                continue;
            }
        };
        let error = match accepted {
            Ok((stream, source)) => {
                server.admit(stream, source);
                continue;
            }
            Err(error) => error,
        };
        match Trouble::of(&error) {
            Trouble::Connection => {}
            Trouble::Shortage => {
                let made_room = server.end_oldest();
                if told.is_none_or(|told| told.elapsed() >= TELL) {
                    told = Some(Instant::now());
                    tracing::warn!(
                        %error, made_room,
                        "a DNS connection could not be accepted; raise the limit of file descriptors (with systemd: LimitNOFILE) or lower connections in [server] tcp"
                    );
                }
                sleep(PAUSE).await;
            }
            Trouble::Listener => return error,
        }
    }
}

/// What is wrong where nothing could be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// One connection, which is gone: see accept(2) on errors of the network.
    Connection,
    /// Descriptors or memory.
    Shortage,
    /// The listening socket.
    Listener,
}

impl Trouble {
    fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => Self::Shortage,
            Some(
                Errno::CONNABORTED
                | Errno::CONNRESET
                | Errno::INTR
                | Errno::PROTO
                | Errno::PERM
                | Errno::OPNOTSUPP
                | Errno::NOPROTOOPT
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::NONET
                | Errno::TIMEDOUT,
            ) => Self::Connection,
            _ => Self::Listener,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broken_connection_ends_nothing() {
        for (errno, trouble) in [
            (Errno::CONNABORTED, Trouble::Connection),
            (Errno::HOSTUNREACH, Trouble::Connection),
            (Errno::MFILE, Trouble::Shortage),
            (Errno::NFILE, Trouble::Shortage),
            (Errno::NOBUFS, Trouble::Shortage),
            (Errno::BADF, Trouble::Listener),
            (Errno::INVAL, Trouble::Listener),
        ] {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            assert_eq!(Trouble::of(&error), trouble, "{error}");
        }
    }
}

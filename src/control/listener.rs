//! The listening side: binding TCP, and connections that are bounded in number and in time.
//!
//! One deadline for a whole connection bounds slow heads, slow bodies and slow readers alike;
//! what a connection is used for is not known here.

use axum::{extract::connect_info::Connected, serve::IncomingStream, serve::Listener};
use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};

/// Connections at a time; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection lives, whatever happens on it.
pub(super) const CONNECTION_FOR: Duration = Duration::from_secs(30);

/// Takes the address of `[server] http`; separate from serving, so that a port in use is known
/// before anything starts.
///
/// # Errors
/// One sentence for the operator: the address and why it cannot be listened on.
pub fn bind(address: SocketAddr) -> Result<std::net::TcpListener, String> {
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "the port is in use: is another sidestep running? set another `http` in [server]"
                    .to_owned()
            }
            io::ErrorKind::PermissionDenied => {
                "permission denied: ports below 1024 need CAP_NET_BIND_SERVICE".to_owned()
            }
            io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
            _ => error.to_string(),
        };
        format!("cannot listen on {address} for http: {why}")
    })
}

/// A listener whose connections are counted and have a deadline.
pub(super) struct Bounded<L> {
    listener: L,
    slots: Arc<Semaphore>,
    lives_for: Duration,
}

impl<L> Bounded<L> {
    pub(super) fn new(listener: L) -> Self {
        Self::with(listener, CONNECTIONS_MAX, CONNECTION_FOR)
    }

    fn with(listener: L, connections: usize, lives_for: Duration) -> Self {
        Self {
            listener,
            slots: Arc::new(Semaphore::new(connections)),
            lives_for,
        }
    }
}

impl<L: Listener> Listener for Bounded<L> {
    type Io = Connection<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Connection<L::Io>, L::Addr) {
        let slots = Arc::clone(&self.slots);
        let slot = slots
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        // The trait's method, which retries; the types' own return errors.
        let (stream, peer) = self.listener.accept().await;
        let connection = Connection {
            stream,
            deadline: Box::pin(sleep(self.lives_for)),
            _slot: slot,
        };
        (connection, peer)
    }

    fn local_addr(&self) -> io::Result<L::Addr> {
        self.listener.local_addr()
    }
}

/// The user at the other end of the control socket, as the kernel says; `None` where it does not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) Option<u32>);

impl Connected<IncomingStream<'_, Bounded<UnixListener>>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded<UnixListener>>) -> Self {
        let connection: &Connection<UnixStream> = stream.io();
        Self(connection.stream.peer_cred().ok().map(|peer| peer.uid()))
    }
}

/// A connection that fails once its deadline has passed.
pub(super) struct Connection<S> {
    stream: S,
    deadline: Pin<Box<Sleep>>,
    _slot: OwnedSemaphorePermit,
}

impl<S> Connection<S> {
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_deadline(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_deadline(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_deadline(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_deadline(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        time::timeout,
    };

    const SOON: Duration = Duration::from_millis(100);
    const LATE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_silent_connection_ends_and_the_next_waits_for_its_slot() {
        let bound = bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = bound.local_addr().unwrap();
        let bound = TcpListener::from_std(bound).unwrap();
        let mut listener = Bounded::with(bound, 1, SOON);
        let _silent = TcpStream::connect(address).await.unwrap();
        let next = TcpStream::connect(address).await.unwrap();

        let (mut first, _) = timeout(LATE, listener.accept()).await.unwrap();
        let waits = timeout(SOON, listener.accept()).await;
        assert!(waits.is_err(), "the only slot is taken");
        let read = timeout(LATE, first.read_u8()).await.unwrap();
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let wrote = timeout(LATE, first.write_u8(1)).await.unwrap();
        assert_eq!(wrote.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(first);
        let (_, peer) = timeout(LATE, listener.accept()).await.unwrap();
        assert_eq!(peer, next.local_addr().unwrap());
    }
}

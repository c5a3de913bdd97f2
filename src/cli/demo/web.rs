//! A web server for the tour: answers everything with 200, can be killed, slowed and started again.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// How often, and after which pause, a port that is taken is asked for again.
const BINDS: usize = 20;
const BIND_PAUSE: Duration = Duration::from_millis(100);

/// A local web server at a port of its own.
#[derive(Debug)]
pub(super) struct Web {
    address: SocketAddr,
    delay_ms: Arc<AtomicU64>,
    stopped: Option<Arc<AtomicBool>>,
}

impl Web {
    /// Starts one at a free port of 127.0.0.1.
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let mut web = Self {
            address: listener.local_addr()?,
            delay_ms: Arc::default(),
            stopped: None,
        };
        web.listen(listener)?;
        Ok(web)
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it: its port is closed.
    pub(super) fn kill(&mut self) {
        if let Some(stopped) = self.stopped.take() {
            stopped.store(true, Ordering::SeqCst);
            // Wakes the thread that accepts, so that it sees it and drops the listener.
            drop(TcpStream::connect(self.address));
        }
    }

    /// Starts it again at the same port.
    pub(super) fn revive(&mut self) -> io::Result<()> {
        let mut bound = TcpListener::bind(self.address);
        for _ in 0..BINDS {
            if bound.is_ok() {
                break;
            }
            // Somebody's connection may have the port for its own end just now.
            thread::sleep(BIND_PAUSE);
            bound = TcpListener::bind(self.address);
        }
        self.listen(bound?)
    }

    /// Lets every answer take so long from now on.
    pub(super) fn slow_down(&self, delay_ms: u64) {
        self.delay_ms.store(delay_ms, Ordering::SeqCst);
    }

    fn listen(&mut self, listener: TcpListener) -> io::Result<()> {
        let stopped = Arc::new(AtomicBool::new(false));
        let (stop, delay_ms) = (Arc::clone(&stopped), Arc::clone(&self.delay_ms));
        let accept = move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let delay = Duration::from_millis(delay_ms.load(Ordering::SeqCst));
                if let Ok(stream) = stream {
                    // A thread that cannot be had, or a peer that left, is a bad probe.
                    let _ = thread::Builder::new().spawn(move || answer(stream, delay));
                }
            }
        };
        thread::Builder::new()
            .name("sidestep-web".into())
            .spawn(accept)?;
        self.stopped = Some(stopped);
        Ok(())
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads a request as far as it comes at once, waits, answers, closes.
fn answer(mut stream: TcpStream, delay: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut request = [0; 2_048];
    if stream.read(&mut request)? == 0 {
        return Ok(());
    }
    thread::sleep(delay);
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
}

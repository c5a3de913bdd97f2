//! Servers on loopback that misbehave by name, and certificates to misbehave with.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

/// Takes connections and hands each to `serve` in a task of its own.
pub(super) async fn listen<F, R>(serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// Nobody listens there any more.
pub(super) async fn refuses() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

pub(super) async fn accepts_then_stays_silent() -> SocketAddr {
    listen(|mut stream| async move { drain(&mut stream).await }).await
}

pub(super) async fn resets() -> SocketAddr {
    listen(|mut stream| async move {
        // The request is read first: the client must be past its connect.
        read_head(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await
}

/// Ends its side, and reads on so that the end is clean.
pub(super) async fn closes_at_once() -> SocketAddr {
    listen(|mut stream| async move {
        stream.shutdown().await.ok();
        drain(&mut stream).await;
    })
    .await
}

/// Says `text` and ends its side.
pub(super) async fn says(text: &'static str) -> SocketAddr {
    listen(move |mut stream| async move {
        read_some(&mut stream).await;
        stream.write_all(text.as_bytes()).await.ok();
        stream.shutdown().await.ok();
        drain(&mut stream).await;
    })
    .await
}

/// A good status line, and then one byte in a while.
pub(super) async fn slow_body() -> SocketAddr {
    listen(|mut stream| async move {
        read_head(&mut stream).await;
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
        stream.write_all(head).await.ok();
        while stream.write_all(b".").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

/// A good status line, and then bytes without end.
pub(super) async fn endless_body() -> SocketAddr {
    listen(|mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok();
        while stream.write_all(&[b'.'; 4096]).await.is_ok() {}
    })
    .await
}

/// What an HTTP server saw of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Visit {
    pub(super) head: String,
    pub(super) sni: Option<String>,
}

impl Visit {
    /// The value of a header, by its lower-case name.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.to_owned())
    }
}

/// An HTTP server that answers by path and notes its visits.
#[derive(Clone, Default)]
pub(super) struct Site {
    pub(super) visits: Arc<Mutex<Vec<Visit>>>,
}

impl Site {
    pub(super) fn visits(&self) -> Vec<Visit> {
        self.visits.lock().unwrap().clone()
    }

    pub(super) async fn plain(&self) -> SocketAddr {
        let site = self.clone();
        listen(move |stream| {
            let site = site.clone();
            async move { site.answer(stream, None).await }
        })
        .await
    }

    pub(super) async fn tls(&self, certificate: &Certificate) -> SocketAddr {
        let (site, acceptor) = (self.clone(), certificate.acceptor());
        listen(move |stream| {
            let (site, acceptor) = (site.clone(), acceptor.clone());
            async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let sni = stream.get_ref().1.server_name().map(str::to_owned);
                site.answer(stream, sni).await;
            }
        })
        .await
    }

    async fn answer<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S, sni: Option<String>) {
        let head = read_head(&mut stream).await;
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        self.visits.lock().unwrap().push(Visit { head, sni });
        let answer = match path.as_str() {
            "/missing" => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "/moved" => redirect("/healthz"),
            "/loop" => redirect("/loop"),
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nall is well\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await.ok();
        stream.shutdown().await.ok();
        drain(&mut stream).await;
    }
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

/// Counts the connections that are open, and says no more than a greeting.
#[derive(Clone, Default)]
pub(super) struct Crowd {
    greeting: &'static str,
    open: Arc<AtomicUsize>,
    seen: Arc<AtomicUsize>,
}

impl Crowd {
    pub(super) fn greeting(greeting: &'static str) -> Self {
        Self {
            greeting,
            ..Self::default()
        }
    }

    pub(super) async fn listen(&self) -> SocketAddr {
        let crowd = self.clone();
        listen(move |mut stream| {
            let crowd = crowd.clone();
            crowd.open.fetch_add(1, Ordering::SeqCst);
            crowd.seen.fetch_add(1, Ordering::SeqCst);
            async move {
                stream.write_all(crowd.greeting.as_bytes()).await.ok();
                drain(&mut stream).await;
                crowd.open.fetch_sub(1, Ordering::SeqCst);
            }
        })
        .await
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(super) fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

/// A certificate chain with its key.
pub(super) struct Certificate {
    /// The authority, as PEM.
    pub(super) authority: String,
    /// The server's own certificate, as PEM.
    pub(super) own: String,
    config: Arc<ServerConfig>,
}

impl Certificate {
    /// For `name`, a domain name or an IP address, valid from 2020 to the end of `until`.
    pub(super) fn new(name: &str, until: i32) -> Self {
        let mut params = CertificateParams::new(vec!["an authority".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &issuer).unwrap();
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = builder
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            );
        Self {
            authority: issuer.pem(),
            own: leaf.pem(),
            config: Arc::new(config.unwrap()),
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.clone())
    }
}

/// A PEM file that lives as long as its value.
pub(super) fn pem(text: &str) -> tempfile::TempPath {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file.into_temp_path()
}

async fn read_some<S: AsyncRead + Unpin>(stream: &mut S) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let length = stream.read(&mut buffer).await.unwrap_or(0);
    buffer.truncate(length);
    buffer
}

async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let piece = read_some(stream).await;
        if piece.is_empty() {
            break;
        }
        head.extend(piece);
    }
    String::from_utf8_lossy(&head).into_owned()
}

async fn drain<S: AsyncRead + Unpin>(stream: &mut S) {
    while !read_some(stream).await.is_empty() {}
}

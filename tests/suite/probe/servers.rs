//! Servers on loopback that misbehave by name, and certificates to misbehave with.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use socket2::{Domain, Socket, Type};
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
    sync::mpsc,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ALL_VERSIONS, ServerConfig, SupportedProtocolVersion,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

/// Takes connections and hands each to `serve` in a task of its own.
pub(crate) async fn listen<F, R>(serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    listen_at("127.0.0.1:0", serve).await
}

/// The same at an address of its own.
pub(crate) async fn listen_at<F, R>(at: &str, serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(at).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// Nobody listens there any more.
/// A port at which nobody listens, and which nobody else gets.
pub(crate) fn closed() -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    address
}

pub(crate) async fn refuses() -> SocketAddr {
    closed()
}

pub(crate) async fn accepts_then_stays_silent() -> SocketAddr {
    listen(|mut stream| async move { drain(&mut stream).await }).await
}

pub(crate) async fn resets() -> SocketAddr {
    listen(|mut stream| async move {
        // The request is read first: the client must be past its connect.
        read_head(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await
}

/// Ends its side, and reads on so that the end is clean.
pub(crate) async fn closes_at_once() -> SocketAddr {
    listen(|mut stream| async move {
        stream.shutdown().await.ok();
        drain(&mut stream).await;
    })
    .await
}

/// Says `text` and ends its side.
pub(crate) async fn says(text: &'static str) -> SocketAddr {
    listen(move |mut stream| async move {
        read_some(&mut stream).await;
        stream.write_all(text.as_bytes()).await.ok();
        stream.shutdown().await.ok();
        drain(&mut stream).await;
    })
    .await
}

/// Says `text` at once, and waits for the end.
pub(crate) async fn greets(text: &'static str) -> SocketAddr {
    listen(move |mut stream| async move {
        stream.write_all(text.as_bytes()).await.ok();
        drain(&mut stream).await;
    })
    .await
}

/// A good status line, and then one byte in a while.
pub(crate) async fn slow_body() -> SocketAddr {
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
pub(crate) async fn endless_body() -> SocketAddr {
    listen(|mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok();
        while stream.write_all(&[b'.'; 4096]).await.is_ok() {}
    })
    .await
}

/// What an HTTP server saw of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Visit {
    pub(crate) head: String,
    pub(crate) sni: Option<String>,
}

impl Visit {
    /// The value of a header, by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.to_owned())
    }
}

/// An HTTP server that answers by path and notes its visits.
#[derive(Clone, Default)]
pub(crate) struct Site {
    pub(crate) visits: Arc<Mutex<Vec<Visit>>>,
}

impl Site {
    pub(crate) fn visits(&self) -> Vec<Visit> {
        self.visits.lock().unwrap().clone()
    }

    pub(crate) async fn plain(&self) -> SocketAddr {
        let site = self.clone();
        listen(move |stream| {
            let site = site.clone();
            async move { site.answer(stream, None).await }
        })
        .await
    }

    pub(crate) async fn tls(&self, certificate: &Certificate) -> SocketAddr {
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
pub(crate) struct Crowd {
    greeting: &'static str,
    open: Arc<AtomicUsize>,
    seen: Arc<AtomicUsize>,
}

impl Crowd {
    pub(crate) fn greeting(greeting: &'static str) -> Self {
        Self {
            greeting,
            ..Self::default()
        }
    }

    pub(crate) async fn listen(&self) -> SocketAddr {
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

    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(crate) fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

/// A certificate chain with its key.
pub(crate) struct Certificate {
    /// The authority, as PEM.
    pub(crate) authority: String,
    /// The server's own certificate, as PEM.
    pub(crate) own: String,
    shown: CertificateDer<'static>,
    key: KeyPair,
}

impl Certificate {
    /// For `name`, a domain name or an IP address, valid from 2020 to the end of `until`.
    pub(crate) fn new(name: &str, until: i32) -> Self {
        Self::valid(name, 2020, until)
    }

    /// Valid from the begin of one year to the begin of another.
    pub(crate) fn valid(name: &str, from: i32, until: i32) -> Self {
        let mut params = CertificateParams::new(vec!["an authority".to_owned()]).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = params_of(name, from, until)
            .signed_by(&key, &issuer)
            .unwrap();
        Self {
            authority: issuer.pem(),
            own: leaf.pem(),
            shown: leaf.der().clone(),
            key,
        }
    }

    /// Signed by nobody but itself.
    pub(crate) fn self_signed(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let leaf = params_of(name, 2020, 2099).self_signed(&key).unwrap();
        Self {
            authority: leaf.pem(),
            own: leaf.pem(),
            shown: leaf.der().clone(),
            key,
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        self.acceptor_of(ALL_VERSIONS, &[])
    }

    /// Takes these versions of TLS and, where there are any, these protocols only (RFC 7301).
    pub(crate) fn acceptor_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> TlsAcceptor {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let mut config = builder
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![self.shown.clone()],
                PrivateKeyDer::try_from(self.key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = protocols
            .iter()
            .map(|one| one.as_bytes().to_vec())
            .collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn params_of(name: &str, from: i32, until: i32) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    params
}

/// Takes TLS connections at `at` and waits for their end; tells how each ended: with the name
/// that was asked for, or with the error.
pub(crate) async fn shakes_hands(
    at: &str,
    acceptor: TlsAcceptor,
) -> (SocketAddr, mpsc::UnboundedReceiver<Result<String, String>>) {
    let (tell, told) = mpsc::unbounded_channel();
    let address = listen_at(at, move |stream| {
        let (acceptor, tell) = (acceptor.clone(), tell.clone());
        async move {
            let end = match acceptor.accept(stream).await {
                Ok(mut stream) => {
                    let sni = stream.get_ref().1.server_name().unwrap_or_default();
                    let sni = sni.to_owned();
                    // Without a farewell the end of the stream is an error.
                    let end = stream.read(&mut [0; 16]).await;
                    end.map(|length| format!("{sni} {length}"))
                }
                Err(error) => Err(error),
            };
            tell.send(end.map_err(|error| error.to_string())).ok();
        }
    })
    .await;
    (address, told)
}

/// A PEM file that lives as long as its value.
pub(crate) fn pem(text: &str) -> tempfile::TempPath {
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

//! The client of the commands: one HTTP request over TCP or the control socket, blocking, time and
//! size bounded.
//!
//! Not `reqwest`: that belongs to the probes, is async, and would load a TLS stack to ask for one
//! page on loopback. We speak to our own server only: `Connection: close`, so that the body is
//! whatever comes until the end and neither chunks nor keep-alive need be understood (RFC 9112
//! section 6.3; HTTP/1.0, so that no server may chunk).

use super::orders::{OrderRequest, PromoteRequest};
use crate::{
    failover::{
        orders::{OrderPlan, Ordered, Promotion},
        overview::{Overview, ReloadReport},
    },
    model::duration::format_ms,
};
use serde::Serialize;
use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    fmt,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The largest reply, bytes.
const REPLY_MAX: u64 = 64 << 20;
/// How long a daemon that is there may take to accept.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How long a reply may take, by default: longer than the server waits for an operation.
const REPLY_WITHIN: Duration = Duration::from_secs(32);

/// Asks the daemon at one address.
#[derive(Clone, Debug)]
pub struct Client {
    address: Address,
    within: Duration,
}

/// Where a daemon answers.
#[derive(Clone, Debug)]
enum Address {
    Tcp(SocketAddr),
    Socket(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Socket(path) => path.display().fmt(f),
        }
    }
}

/// A status and a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 100–999.
    pub status: u16,
    /// The body, UTF-8.
    pub body: String,
}

impl Client {
    /// A client of the daemon whose `[server] http` is `address`. A wildcard address is reached
    /// by loopback.
    pub fn new(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Self {
            address: Address::Tcp(SocketAddr::new(ip, address.port())),
            within: REPLY_WITHIN,
        }
    }

    /// A client of the daemon whose control socket this is: see [`super::socket_path`].
    pub fn of_socket(path: &Path) -> Self {
        Self {
            address: Address::Socket(path.to_owned()),
            within: REPLY_WITHIN,
        }
    }

    /// The same with another time limit for a whole reply.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.within = limit;
        self
    }

    /// The overview, as served (for `--json`) and as read.
    ///
    /// # Errors
    /// One sentence for the operator.
    pub fn status(&self) -> Result<(String, Overview), String> {
        self.overview("/api/v1/status")
    }

    /// The overview of one service, of this moment, with what would change it next.
    ///
    /// # Errors
    /// One sentence for the operator; also where there is no such service.
    pub fn service(&self, name: &str) -> Result<(String, Overview), String> {
        self.overview(&format!("/api/v1/services/{}", percent_encoded(name)))
    }

    /// Has the daemon load its files again; over the control socket.
    ///
    /// # Errors
    /// One sentence for the operator. Refused files are no error here: the report names them.
    pub fn reload(&self, apply_pending: bool) -> Result<ReloadReport, String> {
        let asked = serde_json::json!({ "apply_pending": apply_pending });
        let (_, report) = self.post("/api/v1/reload", &asked)?;
        Ok(report)
    }

    /// The same, with what waits for an operator, and with a reason.
    ///
    /// # Errors
    /// As [`Client::reload`].
    pub fn apply_pending(&self, reason: &str) -> Result<(String, ReloadReport), String> {
        let asked = serde_json::json!({ "apply_pending": true, "reason": reason });
        self.post("/api/v1/reload", &asked)
    }

    /// Promotes a shadow, or says what that would do, as served (for `--json`) and as read; over
    /// the control socket.
    ///
    /// # Errors
    /// One sentence for the operator: nothing was changed.
    pub fn promote(&self, request: &PromoteRequest) -> Result<(String, Promotion), String> {
        self.post("/api/v1/promote", request)
    }

    /// What an order would do, as served (for `--json`) and as read; over the control socket.
    ///
    /// # Errors
    /// One sentence for the operator: also where the order makes no sense now.
    pub fn plan(&self, request: &OrderRequest) -> Result<(String, OrderPlan), String> {
        self.post("/api/v1/plan", request)
    }

    /// Gives an order, and says what it did; over the control socket.
    ///
    /// # Errors
    /// As [`Client::plan`].
    pub fn order(&self, request: &OrderRequest) -> Result<(String, Ordered), String> {
        self.post("/api/v1/orders", request)
    }

    fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<(String, T), String> {
        let body = serde_json::to_string(body).map_err(|error| error.to_string())?;
        let body = self.good(self.request("POST", path, &body)?)?;
        let read = self.read(&body)?;
        Ok((body, read))
    }

    /// Any path, as it comes.
    ///
    /// # Errors
    /// One sentence for the operator, where nothing or no HTTP came back.
    pub fn get(&self, path: &str) -> Result<Reply, String> {
        self.request("GET", path, "")
    }

    fn overview(&self, path: &str) -> Result<(String, Overview), String> {
        let body = self.good(self.get(path)?)?;
        let overview = self.read(&body)?;
        Ok((body, overview))
    }

    fn read<T: serde::de::DeserializeOwned>(&self, body: &str) -> Result<T, String> {
        serde_json::from_str(body).map_err(|error| {
            format!(
                "the daemon at {} answers in a form that this version does not know ({error}): \
                 are both of the same version?",
                self.address
            )
        })
    }

    /// The body of a good reply; the sentence of a refusal.
    fn good(&self, reply: Reply) -> Result<String, String> {
        if reply.status == 200 {
            return Ok(reply.body);
        }
        let parsed: Option<serde_json::Value> = serde_json::from_str(&reply.body).ok();
        let sentence = parsed
            .as_ref()
            .and_then(|body| body.get("error"))
            .and_then(serde_json::Value::as_str);
        Err(match sentence {
            Some(sentence) => sentence.to_owned(),
            None => format!(
                "what answers at {} is no sidestep (status {}): does the configuration name \
                 another program's?",
                self.address, reply.status
            ),
        })
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Result<Reply, String> {
        let bytes = self
            .exchange(method, path, body)
            .map_err(|error| self.sentence(&error))?;
        parse(&bytes).ok_or_else(|| {
            format!(
                "what answers at {} does not speak HTTP: does the configuration name another \
                 program's?",
                self.address
            )
        })
    }

    fn sentence(&self, error: &io::Error) -> String {
        let why = match error.kind() {
            io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            io::ErrorKind::NotFound => "there is no such socket".to_owned(),
            io::ErrorKind::PermissionDenied => {
                return format!(
                    "this user may not use {}: only root and the user that runs sidestep may",
                    self.address
                );
            }
            // A socket's time limit shows as either, by platform.
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                let limit_ms = i64::try_from(self.within.as_millis()).unwrap_or(i64::MAX);
                format!("no whole reply within {}", format_ms(limit_ms))
            }
            _ => error.to_string().to_lowercase(),
        };
        format!(
            "no daemon answers at {} ({why}): is 'sidestep serve' running with this configuration?",
            self.address
        )
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + self.within;
        let (domain, address, host) = match &self.address {
            Address::Tcp(address) => (
                Domain::for_address(*address),
                SockAddr::from(*address),
                address.to_string(),
            ),
            Address::Socket(path) => (Domain::UNIX, SockAddr::unix(path)?, "localhost".to_owned()),
        };
        let mut stream = Socket::new(domain, Type::STREAM, None)?;
        let connect_within = CONNECT_WITHIN.min(self.within);
        if domain == Domain::UNIX {
            // A full queue is waited for by a socket that blocks only (connect(2): EAGAIN).
            stream.set_write_timeout(Some(connect_within))?;
            stream.connect(&address)?;
        } else {
            stream.connect_timeout(&address, connect_within)?;
        }
        stream.set_write_timeout(Some(self.within))?;
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut bytes = Vec::new();
        let mut buffer = [0; 16 * 1_024];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            stream.set_read_timeout(Some(left))?;
            let read = stream.read(&mut buffer)?;
            if read == 0 {
                return Ok(bytes);
            }
            bytes.extend_from_slice(&buffer[..read]);
            if bytes.len() as u64 > REPLY_MAX {
                return Err(io::Error::other("the reply is larger than 64 MiB"));
            }
        }
    }
}

/// Status and body of an HTTP/1.x reply that was read to its end; `None` where it is none, or is
/// shorter than it says.
fn parse(bytes: &[u8]) -> Option<Reply> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.splitn(3, ' ');
    words.next()?.strip_prefix("HTTP/1.")?;
    let status = words.next()?.parse().ok()?;
    for line in lines {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") {
            let length: usize = value.trim().parse().ok()?;
            if length != body.len() {
                return None;
            }
        }
    }
    Some(Reply {
        status,
        body: body.to_owned(),
    })
}

/// A path segment: everything but unreserved characters escaped (RFC 3986 section 2.1).
fn percent_encoded(segment: &str) -> String {
    let mut encoded = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

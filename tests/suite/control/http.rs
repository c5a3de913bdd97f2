//! The HTTP server on real sockets, with operations that say what the test wants.

use super::story::{BEGAN, Says, Story, simple};
use sidestep::{
    control::{self, Client},
    failover::{
        By, OperationError, Operations, Overview,
        input::OperatorCommand,
        orders::{self, Force, OrderPlan, Ordered, Promotion},
        overview,
        overview::{
            DaemonPart, Distribution, Metrics, PendingReload, ProbeCount, Refused, ReloadReport,
        },
    },
    model::{Diagnostic, ServiceName},
};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Operations that answer from a story and note who reloaded.
pub(super) struct Fake {
    overview: Arc<Overview>,
    pub(super) sick: Option<String>,
    pub(super) reloads: Mutex<Vec<(String, bool)>>,
    /// What was ordered.
    pub(super) orders: Mutex<Vec<(OperatorCommand, Option<Force>)>>,
    /// A reload says that it began, and waits until it is told to end.
    slow: Option<(mpsc::SyncSender<()>, Mutex<mpsc::Receiver<()>>)>,
}

impl Fake {
    /// Says something else of the daemon.
    pub(super) fn say_of_daemon(&mut self, say: impl FnOnce(&mut DaemonPart)) {
        let seen = Arc::make_mut(&mut self.overview);
        let mut part = seen.daemon.take().expect("a daemon");
        say(&mut part);
        seen.add_daemon(part);
    }

    pub(super) fn new() -> Self {
        let mut seen = overview(&Story::on_backup().state);
        seen.add_daemon(daemon_part());
        Self {
            overview: Arc::new(seen),
            sick: None,
            reloads: Mutex::default(),
            orders: Mutex::default(),
            slow: None,
        }
    }
}

fn durations<const N: usize>(us: [u64; N]) -> Distribution {
    let mut durations = Distribution::default();
    us.into_iter().for_each(|us| durations.add(us));
    durations
}

pub(super) fn daemon_part() -> DaemonPart {
    let source = "fn decide(service) {\n    hodl(\"x\")\n}\n";
    DaemonPart {
        version: "0.1.0".to_owned(),
        started_at: BEGAN,
        refused: vec![Refused {
            file: "policies/failover.rhai".to_owned(),
            diagnostic: Diagnostic::error(
                "policies/failover.rhai",
                source,
                2,
                5,
                "unknown function 'hodl', did you mean 'hold'?",
            ),
            kept: "still running version 3f2a".to_owned(),
        }],
        pending: Some(PendingReload {
            by: "watch".to_owned(),
            since: BEGAN,
            moves: vec!["www from backup to primary".to_owned()],
        }),
        next: BTreeMap::from([(
            "www".into(),
            vec!["home to primary in 4m10s, if it passes until then".to_owned()],
        )]),
        ..DaemonPart::default()
    }
}

impl Operations for Fake {
    fn overview(&self) -> Arc<Overview> {
        Arc::clone(&self.overview)
    }
    fn overview_of(&self, service: &ServiceName) -> Result<Overview, OperationError> {
        match service.as_str() {
            "hung" => Err(OperationError::Unavailable(
                "the fold did not answer within 5s".to_owned(),
            )),
            "broken" => panic!("a bug of the daemon"),
            name => self.overview.narrowed_to(name).ok_or_else(|| {
                OperationError::NotFound(format!(
                    "there is no service '{name}', did you mean 'www'?"
                ))
            }),
        }
    }
    fn reload(&self, by: &str, apply_pending: bool) -> ReloadReport {
        if let Some((began, end)) = &self.slow {
            began.send(()).expect("the test waits");
            let end = end.lock().expect("no panic held it");
            end.recv_timeout(Duration::from_secs(20))
                .expect("the test ends it");
        }
        let mut reloads = self.reloads.lock().expect("no panic held it");
        reloads.push((by.to_owned(), apply_pending));
        ReloadReport {
            taken: vec!["sidestep.toml".to_owned()],
            refused: daemon_part().refused,
            pending: None,
            gate: None,
            moved: Vec::new(),
        }
    }
    fn plan(
        &self,
        order: &OperatorCommand,
        force: Option<Force>,
    ) -> Result<OrderPlan, OperationError> {
        let story = Story::on_backup();
        let order = orders::admit(&story.state, story.at, order, force)?;
        Ok(orders::plan(
            &story.state,
            story.at,
            &order,
            &Says::new(simple),
        ))
    }
    fn order(
        &self,
        order: &OperatorCommand,
        force: Option<Force>,
    ) -> Result<Ordered, OperationError> {
        let noted = (order.clone(), force);
        self.orders.lock().expect("no panic held it").push(noted);
        Ok(Ordered {
            seq: 7,
            order: order.command.to_string(),
            by: order.by.clone(),
            until: order.command.until(),
            taken_back_by: order.taken_back_by(),
            services: Vec::new(),
            durable: true,
            not_durable: None,
        })
    }
    fn promote(
        &self,
        by: &str,
        reason: &str,
        service: &ServiceName,
        dry_run: bool,
    ) -> Result<Promotion, OperationError> {
        Err(OperationError::Refused(format!(
            "{by} wants the shadow of {service} for {reason}, {dry_run}"
        )))
    }
    fn metrics(&self) -> Metrics {
        Metrics {
            decisions: BTreeMap::from([(("www".into(), By::Policy), 3)]),
            switches: BTreeMap::from([("www".into(), 2)]),
            policy_errors: BTreeMap::from([("www".into(), 1)]),
            evaluations: 10,
            evaluations_us: 25_000,
            probes: vec![ProbeCount {
                monitor: "odd \"name\" \\ of\nhttps".into(),
                result: "ok".to_owned(),
                count: 7,
            }],
            probe_durations: BTreeMap::from([(
                "https".into(),
                durations([90, 41_200, 20_000_000]),
            )]),
            probes_late: BTreeMap::from([("https".into(), 4)]),
            schedule_lag: durations([100, 101]),
            publishing: durations([350]),
            queries: BTreeMap::from([("udp", 12_345), ("tcp", 6)]),
            replies: BTreeMap::from([("noerror".to_owned(), 12_300), ("refused".to_owned(), 51)]),
            truncated: 2,
            slipped: 1,
            fast: 12_000,
            dropped: BTreeMap::from([("limited", 1), ("scrap", 0)]),
            tcp_open: 3,
            tcp_opened: 10,
            tcp_closed: BTreeMap::from([("idle", 5), ("limit", 2)]),
            last_reload_ok: false,
            last_reload_at: Some(BEGAN),
        }
    }
    fn live(&self) -> Result<(), String> {
        self.sick.clone().map_or(Ok(()), Err)
    }
    fn ready(&self) -> Result<(), String> {
        self.sick.clone().map_or(Ok(()), Err)
    }
}

/// Both servers in a thread of their own; stopped when dropped.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) socket: PathBuf,
    pub(super) fake: Arc<Fake>,
    pub(super) folder: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(super) fn start(fake: Fake) -> Self {
        let listener = control::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let folder = tempfile::tempdir().expect("a folder");
        let bound = control::bind_socket(&folder.path().join("data")).expect("a short path");
        let socket = bound.path().to_owned();
        let (stop, stopped) = oneshot::channel::<()>();
        let fake = Arc::new(fake);
        let operations: Arc<dyn Operations> = fake.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            let (stop_socket, socket_stopped) = oneshot::channel::<()>();
            let shutdown = async {
                let _ = stopped.await;
                drop(stop_socket);
            };
            let also = async {
                let _ = socket_stopped.await;
            };
            let (http, socket) = runtime.block_on(async {
                tokio::join!(
                    control::serve(listener, operations.clone(), shutdown),
                    control::serve_socket(bound, operations, also)
                )
            });
            http.expect("the server ends well");
            socket.expect("the control socket ends well");
        });
        Self {
            address,
            socket,
            fake,
            folder,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// What comes back for exactly these bytes.
    pub(super) fn raw(&self, request: &str) -> String {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a limit is taken");
        exchange(stream, request)
    }

    /// The same over the control socket.
    pub(super) fn raw_control(&self, request: &str) -> String {
        let stream = UnixStream::connect(&self.socket).expect("the server listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a limit is taken");
        exchange(stream, request)
    }

    pub(super) fn get(&self, path: &str) -> String {
        self.raw(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }
}

fn exchange(mut stream: impl Read + Write, request: &str) -> String {
    stream
        .write_all(request.as_bytes())
        .expect("the server reads");
    let mut reply = Vec::new();
    // A server that refuses a body closes while it is being sent: what it said is read still.
    let _ = stream.read_to_end(&mut reply);
    String::from_utf8(reply).expect("UTF-8")
}

/// A POST as it is sent.
pub(super) fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server ended without a panic");
        }
    }
}

/// That a reply has this status and contains these words.
pub(super) fn check(reply: &str, status: u16, words: &str) {
    let line = format!("HTTP/1.1 {status} ");
    assert!(reply.starts_with(&line), "{status} expected: {reply}");
    assert!(reply.contains(words), "{words:?} expected: {reply}");
    let lower = reply.to_ascii_lowercase();
    assert!(lower.contains("\r\nconnection: close\r\n"), "{reply}");
    if status != 200 {
        let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
        assert!(
            head.to_ascii_lowercase().contains("application/json"),
            "{reply}"
        );
        let body: serde_json::Value = serde_json::from_str(body).expect("a JSON body");
        assert!(body["error"].is_string(), "{reply}");
    }
}

#[test]
fn every_route_answers_and_refuses_in_json() {
    let server = Running::start(Fake::new());
    for (path, status, words) in [
        ("/api/v1/status", 200, "\"active\":\"backup\""),
        ("/api/v1/status?service=www", 200, "\"active\":\"backup\""),
        (
            "/api/v1/status?service=wwww",
            404,
            "there is no service 'wwww'",
        ),
        ("/api/v1/status?servce=www", 400, "unknown field"),
        ("/api/v1/services/www", 200, "home to primary in 4m10s"),
        ("/api/v1/services/wwww", 404, "did you mean 'www'?"),
        ("/api/v1/services/%ff", 400, "error"),
        ("/api/v1/services/hung", 503, "the fold did not answer"),
        (
            "/api/v1/services/broken",
            500,
            "the operation failed inside",
        ),
        ("/livez", 200, "ok\n"),
        ("/readyz", 200, "ok\n"),
        ("/metrics", 200, "text/plain; version=0.0.4"),
        ("/", 404, "there is nothing at /"),
        ("/api/v1/reload", 405, "does not take GET"),
    ] {
        check(&server.get(path), status, words);
    }
    let delete = server.raw("DELETE /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n");
    check(&delete, 405, "/api/v1/status does not take DELETE");
    assert!(
        delete.to_ascii_lowercase().contains("\r\nallow: get"),
        "{delete}"
    );
}

#[test]
fn a_sick_daemon_says_why_with_503() {
    let mut fake = Fake::new();
    fake.sick = Some("the fold took no input for 30s".to_owned());
    let server = Running::start(fake);
    for path in ["/livez", "/readyz"] {
        check(&server.get(path), 503, "the fold took no input for 30s");
    }
    check(&server.get("/api/v1/status"), 200, "\"services\"");
}

#[test]
fn nothing_can_be_changed_over_tcp() {
    let server = Running::start(Fake::new());
    for path in ["/api/v1/reload", "/api/v1/plan", "/api/v1/orders"] {
        let order = "{\"command\": \"thaw\", \"reason\": \"drill\"}";
        for body in ["", order] {
            let words = format!("{path} is taken over the control socket alone");
            check(&server.raw(&post(path, body)), 403, &words);
        }
    }
    let error = Client::new(server.address).reload(true).unwrap_err();
    assert!(error.contains("over the control socket alone"), "{error}");
    assert_eq!(*server.fake.reloads.lock().unwrap(), []);
    assert_eq!(*server.fake.orders.lock().unwrap(), []);
}

#[test]
fn one_reload_at_a_time() {
    let (began, begins) = mpsc::sync_channel(1);
    let (end, ends) = mpsc::channel();
    let mut fake = Fake::new();
    fake.slow = Some((began, Mutex::new(ends)));
    let server = Running::start(fake);
    let client = Client::of_socket(&server.socket);
    let first = std::thread::spawn(move || client.reload(false));
    begins.recv_timeout(Duration::from_secs(20)).unwrap();
    let second = Client::of_socket(&server.socket).reload(false);
    assert_eq!(
        second.unwrap_err(),
        "a reload is under way: ask again when it is done"
    );
    end.send(()).unwrap();
    assert_eq!(first.join().unwrap().unwrap().taken, ["sidestep.toml"]);
}

#[test]
fn the_client_reads_what_the_server_says() {
    let server = Running::start(Fake::new());
    for client in [
        Client::new(server.address),
        Client::of_socket(&server.socket),
    ] {
        let (text, seen) = client.status().unwrap();
        assert_eq!(seen, *server.fake.overview);
        assert_eq!(serde_json::from_str::<Overview>(&text).unwrap(), seen);
        let (_, one) = client.service("www").unwrap();
        assert_eq!(one.services.len(), 1);
        assert_eq!(
            client.service("a b/ü").unwrap_err(),
            "there is no service 'a b/ü', did you mean 'www'?"
        );
        let reply = client.get("/livez").unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (200, "ok\n"));
    }
    let report = Client::of_socket(&server.socket).reload(true).unwrap();
    assert_eq!(report.refused.len(), 1);
}

#[test]
fn the_client_says_who_does_not_answer() {
    // Bound and closed again: nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let gone = tempfile::tempdir().unwrap().path().join("control.sock");
    assert_eq!(
        Client::of_socket(&gone).status().unwrap_err(),
        format!(
            "no daemon answers at {} (there is no such socket): is 'sidestep serve' running with \
             this configuration?",
            gone.display()
        )
    );
    assert_eq!(
        Client::new(free).status().unwrap_err(),
        format!(
            "no daemon answers at {free} (connection refused): is 'sidestep serve' running with \
             this configuration?"
        )
    );
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let client = Client::new(address).within(Duration::from_millis(100));
    let error = client.status().unwrap_err();
    assert!(error.contains("no whole reply within 100ms"), "{error}");
    for (reply, words) in [
        ("SSH-2.0-OpenSSH_9\r\n", "does not speak HTTP"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
            "does not speak HTTP",
        ),
        (
            "HTTP/1.1 401 Unauthorized\r\n\r\nlog in",
            "is no sidestep (status 401)",
        ),
        ("HTTP/1.1 200 OK\r\n\r\n{}", "are both of the same version?"),
    ] {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = other.accept().unwrap();
            let mut request = [0; 1_024];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(reply.as_bytes()).unwrap();
        });
        let error = Client::new(address).status().unwrap_err();
        assert!(error.contains(words), "{words:?} is not in {error:?}");
        thread.join().unwrap();
    }
}

#[test]
fn a_wildcard_address_is_asked_by_loopback() {
    let server = Running::start(Fake::new());
    let wildcard = SocketAddr::from(([0, 0, 0, 0], server.address.port()));
    assert!(Client::new(wildcard).status().is_ok());
}

#[test]
fn a_port_in_use_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = control::bind(address).unwrap_err();
    assert!(
        error.starts_with(&format!(
            "cannot listen on {address} for http: the port is in use"
        )),
        "{error}"
    );
}

#[test]
fn stopping_waits_for_no_idle_connection() {
    let server = Running::start(Fake::new());
    let idle = TcpStream::connect(server.address).unwrap();
    assert!(server.get("/livez").contains("ok"));
    let began = Instant::now();
    drop(server);
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "it was told to stop"
    );
    drop(idle);
}

//! The routes: which request asks for which operation, and how answers and refusals look.
//!
//! Answers are JSON but for `/livez`, `/readyz` and `/metrics`; refusals are `{"error": "…"}`
//! with a sentence. Requests that act are taken over the control socket alone: no web page that a
//! browser on this machine shows can reach that.

use super::{
    listener::{CONNECTION_FOR, Peer},
    metrics,
    orders::{OrderRequest, PromoteRequest},
    socket,
};
use crate::failover::{
    OperationError, Operations,
    input::OperatorCommand,
    orders::{self, Force},
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        ConnectInfo, DefaultBodyLimit, Path, Query, Request, State,
        rejection::{BytesRejection, PathRejection, QueryRejection},
    },
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

/// The largest request body, bytes.
const BODY_MAX: usize = 4_096;
/// Operations that block, at a time.
const BLOCKING_MAX: usize = 8;
/// How long an operation is waited for: less than its connection lives.
const OPERATION_WITHIN: Duration = CONNECTION_FOR.saturating_sub(Duration::from_secs(5));

#[derive(Clone)]
struct Shared {
    operations: Arc<dyn Operations>,
    /// Of each listener its own: what is asked over TCP cannot keep orders waiting.
    blocking: Arc<Semaphore>,
    reloading: Arc<Semaphore>,
}

/// What may be read: for the TCP listener.
pub(super) fn read_only(operations: Arc<dyn Operations>) -> Router {
    finished(
        readable()
            .route("/api/v1/reload", post(only_over_the_socket))
            .route("/api/v1/promote", post(only_over_the_socket))
            .route("/api/v1/plan", post(only_over_the_socket))
            .route("/api/v1/orders", post(only_over_the_socket)),
        operations,
    )
}

/// Everything: for the control socket. The router wants to know its [`Peer`].
pub(super) fn all(operations: Arc<dyn Operations>) -> Router {
    finished(
        readable()
            .route("/api/v1/reload", post(reload))
            .route("/api/v1/promote", post(promote))
            .route("/api/v1/plan", post(plan))
            .route("/api/v1/orders", post(order))
            .layer(middleware::from_fn(only_who_may)),
        operations,
    )
}

fn readable() -> Router<Shared> {
    Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/services/{name}", get(service))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(exposed))
}

fn finished(routes: Router<Shared>, operations: Arc<dyn Operations>) -> Router {
    let shared = Shared {
        operations,
        blocking: Arc::new(Semaphore::new(BLOCKING_MAX)),
        reloading: Arc::new(Semaphore::new(1)),
    };
    routes
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn(one_request))
        .with_state(shared)
}

/// One request per connection: no idle connection holds a slot. Nothing here may be cached.
async fn one_request(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A refusal: `{"error": "…"}`.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<OperationError> for Refusal {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::NotFound(why) => Self(StatusCode::NOT_FOUND, why),
            OperationError::Refused(why) => Self(StatusCode::CONFLICT, why),
            OperationError::Unavailable(why) => Self(StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusQuery {
    service: Option<String>,
}

/// `GET /api/v1/status`, `?service=NAME`: the overview as it was published last, at most 1 s old.
async fn status(
    State(shared): State<Shared>,
    query: Result<Query<StatusQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(|wrong| Refusal(wrong.status(), wrong.body_text()))?;
    let overview = shared.operations.overview();
    let Some(name) = query.service else {
        return Ok(Json(&*overview).into_response());
    };
    match overview.narrowed_to(&name) {
        Some(narrowed) => Ok(Json(narrowed).into_response()),
        None => Err(Refusal(
            StatusCode::NOT_FOUND,
            format!("there is no service '{name}'"),
        )),
    }
}

/// `GET /api/v1/services/NAME`: one service as of now, with what would change it next.
async fn service(
    State(shared): State<Shared>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(name) = name.map_err(|wrong| Refusal(wrong.status(), wrong.body_text()))?;
    let busy = "too many requests at once: ask again";
    let found = blocking(&shared.blocking, StatusCode::SERVICE_UNAVAILABLE, busy, {
        let operations = Arc::clone(&shared.operations);
        move || operations.overview_of(&name.into())
    });
    Ok(Json(found.await??).into_response())
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReloadRequest {
    /// Apply a reload that waits for an operator.
    #[serde(default)]
    apply_pending: bool,
    /// Why, where whoever asks says so.
    #[serde(default)]
    reason: Option<String>,
}

/// `POST /api/v1/reload` with `{"apply_pending": false}` or nothing. Answers 200 with a report,
/// also where files were refused: the reload was done, and the report says how it ended.
async fn reload(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let body = whole(body)?;
    let request: ReloadRequest = if body.is_empty() {
        ReloadRequest::default()
    } else {
        read(&body)?
    };
    let busy = "a reload is under way: ask again when it is done";
    let report = blocking(&shared.reloading, StatusCode::CONFLICT, busy, {
        let operations = Arc::clone(&shared.operations);
        move || {
            let mut by = name_of(peer);
            if let Some(reason) = request.reason {
                orders::worded("reason", &reason)?;
                by = format!("{by} ({reason})");
            }
            Ok::<_, OperationError>(operations.reload(&by, request.apply_pending))
        }
    });
    Ok(Json(report.await??).into_response())
}

/// `POST /api/v1/promote` with a [`PromoteRequest`]: what it would do, or what it did.
async fn promote(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let request: PromoteRequest = read(&whole(body)?)?;
    let busy = "a reload is under way: ask again when it is done";
    let promoted = blocking(&shared.reloading, StatusCode::CONFLICT, busy, {
        let operations = Arc::clone(&shared.operations);
        move || {
            let (by, reason) = (name_of(peer), &request.reason);
            operations.promote(&by, reason, &request.service, request.dry_run)
        }
    });
    Ok(Json(promoted.await??).into_response())
}

/// `POST /api/v1/plan` with an [`OrderRequest`]: what the order would do; nothing is done.
async fn plan(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let plan = ordering(&shared, peer, body, |operations, order, force| {
        operations.plan(order, force)
    });
    Ok(Json(plan.await?).into_response())
}

/// `POST /api/v1/orders` with an [`OrderRequest`]: what the order did.
async fn order(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let ordered = ordering(&shared, peer, body, |operations, order, force| {
        operations.order(order, force)
    });
    Ok(Json(ordered.await?).into_response())
}

async fn ordering<T: Send + 'static>(
    shared: &Shared,
    peer: Peer,
    body: Result<Bytes, BytesRejection>,
    operation: fn(&dyn Operations, &OperatorCommand, Option<Force>) -> Result<T, OperationError>,
) -> Result<T, Refusal> {
    let request: OrderRequest = read(&whole(body)?)?;
    let (reason, command, force) = request
        .read()
        .map_err(|why| Refusal(StatusCode::BAD_REQUEST, why))?;
    let busy = "too many requests at once: ask again";
    let done = blocking(&shared.blocking, StatusCode::SERVICE_UNAVAILABLE, busy, {
        let operations = Arc::clone(&shared.operations);
        move || {
            let by = name_of(peer);
            let order = OperatorCommand {
                by,
                reason,
                command,
            };
            operation(&*operations, &order, force)
        }
    });
    Ok(done.await??)
}

fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Refusal> {
    body.map_err(|wrong| Refusal(wrong.status(), wrong.body_text()))
}

fn read<T: serde::de::DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|wrong| Refusal(StatusCode::BAD_REQUEST, format!("the body: {wrong}")))
}

/// Who is at the other end, as the log names them. May block.
fn name_of(Peer(uid): Peer) -> String {
    uid.map_or_else(|| "an unknown user".to_owned(), socket::named)
}

/// Refuses whoever is neither root nor the daemon's own user, whatever became of the file's mode.
async fn only_who_may(
    ConnectInfo(Peer(uid)): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if uid.is_some_and(socket::may_order) {
        return next.run(request).await;
    }
    let why = "only root and the user that runs sidestep may use its control socket";
    Refusal(StatusCode::FORBIDDEN, why.to_owned()).into_response()
}

async fn only_over_the_socket(request: Request) -> Refusal {
    let why = format!(
        "{} is taken over the control socket alone, data/control.sock: use the commands of sidestep",
        request.uri().path()
    );
    Refusal(StatusCode::FORBIDDEN, why)
}

/// Runs an operation that may block on a thread that may be blocked; the slot is held until it
/// ends, also where nobody waits any more.
async fn blocking<T: Send + 'static>(
    slots: &Arc<Semaphore>,
    busy_code: StatusCode,
    busy: &str,
    operation: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let Ok(slot) = Arc::clone(slots).try_acquire_owned() else {
        return Err(Refusal(busy_code, busy.to_owned()));
    };
    let running = spawn_blocking(move || {
        let done = operation();
        drop(slot);
        done
    });
    match timeout(OPERATION_WITHIN, running).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err(Refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the operation failed inside: its log says where".to_owned(),
        )),
        Err(_) => Err(Refusal(
            StatusCode::GATEWAY_TIMEOUT,
            "it is still under way: look at the status later".to_owned(),
        )),
    }
}

/// `GET /livez`: 503 where the daemon should be restarted.
async fn live(State(shared): State<Shared>) -> Result<&'static str, Refusal> {
    word(shared.operations.live())
}

/// `GET /readyz`: 503 while it does not answer DNS yet.
async fn ready(State(shared): State<Shared>) -> Result<&'static str, Refusal> {
    word(shared.operations.ready())
}

fn word(result: Result<(), String>) -> Result<&'static str, Refusal> {
    match result {
        Ok(()) => Ok("ok\n"),
        Err(why) => Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, why)),
    }
}

/// `GET /metrics`: Prometheus text format 0.0.4.
async fn exposed(State(shared): State<Shared>) -> Response {
    let overview = shared.operations.overview();
    let text = metrics::render(&overview, &shared.operations.metrics());
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

async fn unknown(request: Request) -> Refusal {
    let why = format!("there is nothing at {}", request.uri().path());
    Refusal(StatusCode::NOT_FOUND, why)
}

async fn wrong_method(request: Request) -> Refusal {
    let why = format!(
        "{} does not take {}",
        request.uri().path(),
        request.method()
    );
    Refusal(StatusCode::METHOD_NOT_ALLOWED, why)
}

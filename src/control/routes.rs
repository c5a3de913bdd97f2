//! The routes: which request asks for which operation, and how answers and refusals look.
//!
//! Answers are JSON but for `/livez`, `/readyz` and `/metrics`; refusals are `{"error": "…"}`
//! with a sentence. Requests that act must prove that no web page sent them.

use super::{listener::CONNECTION_FOR, listener::Peer, metrics};
use crate::failover::{OperationError, Operations};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        ConnectInfo, DefaultBodyLimit, Path, Query, Request, State,
        rejection::{BytesRejection, PathRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header},
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
/// The longest `by`, bytes.
const BY_MAX: usize = 128;
/// Operations that block, at a time.
const BLOCKING_MAX: usize = 8;
/// How long an operation is waited for: less than its connection lives.
const OPERATION_WITHIN: Duration = CONNECTION_FOR.saturating_sub(Duration::from_secs(5));

/// The header that a request that acts must carry.
pub(super) const ACT_HEADER: &str = "x-sidestep";

#[derive(Clone)]
struct Shared {
    operations: Arc<dyn Operations>,
    blocking: Arc<Semaphore>,
    reloading: Arc<Semaphore>,
}

/// All routes over `operations`.
pub(super) fn router(operations: Arc<dyn Operations>) -> Router {
    let shared = Shared {
        operations,
        blocking: Arc::new(Semaphore::new(BLOCKING_MAX)),
        reloading: Arc::new(Semaphore::new(1)),
    };
    Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/services/{name}", get(service))
        .route("/api/v1/reload", post(reload))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(exposed))
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
    /// Who asks; shown and journaled.
    by: Option<String>,
    /// Apply a reload that waits for an operator.
    #[serde(default)]
    apply_pending: bool,
}

/// `POST /api/v1/reload` with `{"by": "ann", "apply_pending": false}` or nothing. Answers 200 with
/// a report, also where files were refused: the reload was done, and the report says how it ended.
async fn reload(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    may_act(peer, &headers)?;
    let body = body.map_err(|wrong| Refusal(wrong.status(), wrong.body_text()))?;
    let request: ReloadRequest = if body.is_empty() {
        ReloadRequest::default()
    } else {
        serde_json::from_slice(&body)
            .map_err(|wrong| Refusal(StatusCode::BAD_REQUEST, format!("the body: {wrong}")))?
    };
    let by = request.by.unwrap_or_else(|| "http".to_owned());
    if by.is_empty() || by.len() > BY_MAX || by.chars().any(char::is_control) {
        let why = format!("`by` is a name of 1 to {BY_MAX} bytes without control characters");
        return Err(Refusal(StatusCode::BAD_REQUEST, why));
    }
    let busy = "a reload is under way: ask again when it is done";
    let report = blocking(&shared.reloading, StatusCode::CONFLICT, busy, {
        let operations = Arc::clone(&shared.operations);
        move || operations.reload(&by, request.apply_pending)
    });
    Ok(Json(report.await?).into_response())
}

/// Whether a request may act: sent on this machine, and by no web page.
///
/// A browser on this machine sends whatever a page that it shows asks for, so that loopback alone
/// proves nothing (cross-site request forgery). To add a header of its own, a page of another
/// origin needs our consent (CORS preflight), which nothing here gives. A page whose name was
/// pointed at 127.0.0.1 (DNS rebinding) counts as our own origin, but a browser names the page in
/// `Origin` with every POST, and our commands never do.
fn may_act(Peer(peer): Peer, headers: &HeaderMap) -> Result<(), Refusal> {
    let why = if !peer.ip().to_canonical().is_loopback() {
        "only this machine may do this: connect to a loopback address"
    } else if headers.get(ACT_HEADER).is_none_or(|value| value != "1") {
        "the header 'X-Sidestep: 1' is missing: it shows that no web page sent this"
    } else if headers.contains_key(header::ORIGIN) {
        "requests of web pages are refused"
    } else {
        return Ok(());
    };
    Err(Refusal(StatusCode::FORBIDDEN, why.to_owned()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_act() {
        let mut headers = HeaderMap::new();
        headers.insert(ACT_HEADER, HeaderValue::from_static("1"));
        for (peer, allowed) in [
            ("127.0.0.1:4000", true),
            ("127.8.9.1:4000", true),
            ("[::1]:4000", true),
            ("[::ffff:127.0.0.1]:4000", true),
            ("192.0.2.1:4000", false),
            ("[2001:db8::1]:4000", false),
            ("[::ffff:192.0.2.1]:4000", false),
            ("0.0.0.0:4000", false),
        ] {
            let may = may_act(Peer(peer.parse().unwrap()), &headers);
            assert_eq!(may.is_ok(), allowed, "{peer}");
        }
    }
}

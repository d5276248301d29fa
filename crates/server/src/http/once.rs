//! Answers a request that creates something once per idempotency key.
//!
//! The key is claimed before the work begins, and the answer is kept with it: a repetition gets the
//! first answer again. Executions do not need this; there the key names the run.

mod store;

use std::time::Duration;

use axum::body;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use serde::Deserialize;
use serde::Serialize;
use tracing::Instrument;

use crate::app::App;
use crate::app::Tasks;
use crate::db::At;
use crate::db::TenantId;
use crate::http::IdempotencyKey;
use crate::http::Problem;
use crate::http::idempotency;

/// Says that an answer is a repeated one.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The headers of an answer that belong to what was created.
const KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];
/// A claim without an answer after so long is of a process that died over it.
const CLAIM: Duration = Duration::from_mins(1);
/// No answer about a thing that was created is longer.
const LONGEST: usize = 4 << 20;

/// What may be kept of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// All of it.
    Kept,
    /// Nothing: it shows a secret.
    Secret,
}

/// Whose key it is.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'o> {
    pub tenant: &'o TenantId,
    pub client_id: &'o str,
}

/// An answer as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    /// `None` for one that showed a secret.
    body: Option<String>,
}

/// What became of a claim.
enum Claim {
    Ours,
    Answered(Answer),
    UnderWay,
    Reused,
}

/// Does `work` and answers with what comes of it, or with what came of it the first time.
///
/// Work that fails leaves nothing behind, its key included.
pub async fn once<A: IntoResponse, E: IntoResponse>(
    app: &App,
    owner: Owner<'_>,
    key: Option<IdempotencyKey>,
    answers: Answers,
    work: impl Future<Output = Result<A, E>>,
) -> Response {
    let Some(key) = key else { return work.await.into_response() };
    match claim(app, owner, &key).await {
        Err(error) => return Problem::internal(&error).into_response(),
        Ok(Claim::Answered(answer)) => return replay(answer),
        Ok(Claim::UnderWay) => return under_way().into_response(),
        Ok(Claim::Reused) => return reused().into_response(),
        Ok(Claim::Ours) => {}
    }
    let response = work.await.into_response();
    if !response.status().is_success() {
        forget(app, owner, &key).await;
        return response;
    }
    keep(app, owner, &key, answers, response).await
}

/// Lets a request with a key go its way to the end, also if whoever sent it hangs up or its time is over: what
/// it has done and the answer that is kept belong together.
pub async fn carry_through(State(tasks): State<Tasks>, request: Request, next: Next) -> Response {
    if !request.headers().contains_key(idempotency::HEADER) {
        return next.run(request).await;
    }
    match tasks.spawn(next.run(request).in_current_span()).await {
        Ok(response) => response,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Problem::fault().into_response(),
        },
    }
}

async fn claim(app: &App, owner: Owner<'_>, key: &IdempotencyKey) -> Result<Claim, sqlx::Error> {
    let now = app.clock.now();
    let dead = At::new(now.time() - CLAIM);
    let found = app.db.write(async |tx| {
        if store::insert(tx, owner, key, now, dead).await? {
            return Ok::<_, sqlx::Error>(None);
        }
        store::find(tx, owner, &key.key).await
    });
    let Some(claimed) = found.await? else { return Ok(Claim::Ours) };
    if claimed.path != key.path || claimed.body_sha256 != key.body_sha256 {
        return Ok(Claim::Reused);
    }
    let answer = claimed.answer.and_then(|answer| serde_json::from_str(&answer).ok());
    Ok(answer.map_or(Claim::UnderWay, Claim::Answered))
}

async fn keep(
    app: &App,
    owner: Owner<'_>,
    key: &IdempotencyKey,
    answers: Answers,
    response: Response,
) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = match body::to_bytes(body, LONGEST).await {
        Ok(bytes) => bytes,
        Err(error) => return Problem::internal(&error).into_response(),
    };
    let header = |name: &HeaderName| {
        Some((name.to_string(), parts.headers.get(name)?.to_str().ok()?.to_owned()))
    };
    let answer = Answer {
        status: parts.status.as_u16(),
        headers: KEPT.iter().filter_map(header).collect(),
        body: (answers == Answers::Kept).then(|| String::from_utf8_lossy(&bytes).into_owned()),
    };
    let answer = serde_json::to_string(&answer).unwrap_or_default();
    let kept = app.db.write(async |tx| store::update(tx, owner, &key.key, &answer).await).await;
    if let Err(error) = kept {
        // It is done; only a repetition will not know it.
        tracing::error!(error = &error as &dyn std::error::Error, "an answer was not kept");
    }
    Response::from_parts(parts, Body::from(bytes))
}

async fn forget(app: &App, owner: Owner<'_>, key: &IdempotencyKey) {
    let forgotten = app.db.write(async |tx| store::delete(tx, owner, &key.key).await).await;
    if let Err(error) = forgotten {
        tracing::error!(error = &error as &dyn std::error::Error, "a key was not forgotten");
    }
}

fn replay(answer: Answer) -> Response {
    let Some(body) = answer.body else {
        let detail = "the first answer showed a secret, which is shown once only";
        return Problem::conflict("idempotency-not-replayable", detail).into_response();
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    (status, headers, body).into_response()
}

/// The first request with the key has not been answered.
pub fn under_way() -> Problem {
    let detail = "a request with this idempotency key is at work; repeat it in a moment";
    Problem::conflict("idempotency-in-progress", detail)
}

/// The key names another request.
pub fn reused() -> Problem {
    let detail = "this idempotency key was used for another request";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail)
}

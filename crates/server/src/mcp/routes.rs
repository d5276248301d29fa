//! `/mcp`: who may come in, and what he hears who may not.
//!
//! Every refusal is an error of JSON-RPC, with the status and the headers of the problem that it is elsewhere.

mod consents;
mod server;
mod sse;
mod stream;
mod upstreams;

use std::time::Duration;

use axum::body::Body;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::get;
use axum::routing::post;
use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;
use http::request::Parts;
use http_body_util::Full;
use serde_json::Value;
use serde_json::json;
use tokio::sync::mpsc;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::http::Invalid;
use crate::http::Problem;
use crate::http::body;
use crate::http::json::parse_strict;
use crate::mcp;
use crate::mcp::door;
use crate::mcp::inbox;
use crate::mcp::inbox::Delivery;
use crate::mcp::offers;
use crate::mcp::offers::Offer;
use crate::mcp::sessions;
use crate::mcp::sessions::SessionError;
use crate::oauth::caller::Principal;
use crate::oauth::caller::insufficient_for_mcp;
use crate::oauth::caller::speaks_mcp;

/// Where MCP is spoken.
pub const PATH: &str = "/mcp";
/// Where the same is spoken as revision 2024-11-05 has it.
pub const SSE: &str = "/mcp/sse";
const MESSAGES: &str = "/mcp/messages";

const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";
/// The first revision without sessions.
const MODERN: &str = "2026-07-28";
/// So long an error of the house may be, in bytes.
const REFUSAL: usize = 64 << 10;
/// After how long it is worth asking again for a session.
const SESSIONS_FULL: Duration = Duration::from_mins(1);

/// What reads resources, which counts as one tool.
const READING: &str = "resources/read";
/// What may have the client asked while it waits.
const ASKING: [&str; 3] = ["tools/call", "prompts/get", READING];

const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const INTERNAL_ERROR: i32 = -32603;
/// Of the range that is left to servers: refused before it was looked at.
const REFUSED: i32 = -32000;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route(PATH, get(speak).post(speak).delete(speak))
        .route(SSE, get(sse::open))
        .route(MESSAGES, post(sse::say))
}

/// How it is set.
pub fn settings() -> OpenApiRouter<App> {
    server::router().merge(upstreams::router()).merge(consents::router())
}

/// Says as an error of JSON-RPC what the house, which knows no feature, says in problems.
pub async fn speak_json_rpc(request: Request, next: Next) -> Response {
    let is_mcp = [PATH, SSE, MESSAGES].contains(&request.uri().path());
    let response = next.run(request).await;
    let media_type = response.headers().get(header::CONTENT_TYPE);
    let is_refusal = response.status().is_client_error() || response.status().is_server_error();
    if !is_mcp || !is_refusal || media_type.is_some_and(|it| it == "application/json") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let said = to_bytes(body, REFUSAL).await.unwrap_or_default();
    let problem: Value = serde_json::from_slice(&said).unwrap_or_default();
    let text = String::from_utf8_lossy(&said);
    let detail = problem["detail"].as_str().unwrap_or(&text);
    let code = match parts.status {
        StatusCode::INTERNAL_SERVER_ERROR => INTERNAL_ERROR,
        // What the crate answers for what is JSON, but no message of JSON-RPC.
        StatusCode::UNSUPPORTED_MEDIA_TYPE if problem.is_null() => {
            parts.status = StatusCode::BAD_REQUEST;
            INVALID_REQUEST
        }
        StatusCode::BAD_REQUEST if problem["errors"][0]["code"] == "not_json" => PARSE_ERROR,
        StatusCode::BAD_REQUEST => INVALID_REQUEST,
        _ => REFUSED,
    };
    let error = json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": detail}});
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, Body::from(error.to_string()))
}

async fn speak(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let caller = admit(&app, &parts).await?;
    let is_modern = is_modern(&parts.headers);
    if is_modern {
        // There are no sessions any more, whatever a client remembers.
        parts.headers.remove(SESSION);
    }
    let session = text_of(&parts.headers, SESSION);
    if let Some(id) = &session
        && !sessions::is_own(&app, &caller, id).await.map_err(|cause| Problem::internal(&cause))?
    {
        return Err(Problem::not_found("session-not-found", "there is no such session"));
    }
    if parts.method == Method::DELETE
        && let Some(id) = &session
    {
        sessions::end(&app, id).await.map_err(|cause| Problem::internal(&cause))?;
        app.mcp.service.forget(id).await;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let method = parts.method.clone();
    let request = Request::from_parts(parts, body);
    let (parts, bytes) = match method {
        Method::POST => read(&app, request).await?,
        _ => (request.into_parts().0, Bytes::new()),
    };
    let asked = if bytes.is_empty() { Value::Null } else { parse(&bytes)? };
    if let Some(session) = &session {
        app.mcp.service.used(session).await;
        match inbox::deliver(&app, &caller, session, &asked).await {
            Ok(Delivery::Done) => return Ok(StatusCode::ACCEPTED.into_response()),
            Ok(Delivery::Full) => return Err(sse::full()),
            Ok(Delivery::Here) => {}
            Err(cause) => return Err(Problem::internal(&cause)),
        }
    }
    let place = format!("{} {PATH}", parts.method);
    let offer = ensure_rights(&app, &caller, &asked, &place).await?;
    answer(app, caller, (parts, bytes), (asked, offer), session).await
}

/// Who comes in by this request, if he may.
async fn admit(app: &App, parts: &Parts) -> Result<Principal, Problem> {
    door::check(&parts.headers, &parts.uri, &app.config)?;
    let caller = speaks_mcp(parts, app).await?;
    if caller.holds(offers::ACCESS) {
        return Ok(caller);
    }
    let place = format!("{} {}", parts.method, parts.uri.path());
    Err(insufficient_for_mcp(app, &caller, &[offers::ACCESS], &place))
}

async fn answer(
    app: App,
    caller: Principal,
    (mut parts, bytes): (http::request::Parts, Bytes),
    (asked, offer): (Value, Option<Offer>),
    session: Option<String>,
) -> Result<Response, Problem> {
    let may_ask = ASKING.iter().any(|method| asked["method"] == *method);
    let (messages, said) = mpsc::unbounded_channel();
    let outlet = session.is_some() && may_ask;
    parts.extensions.insert(mcp::Request {
        app: app.clone(),
        caller: caller.clone(),
        session: session.clone(),
        outlet: outlet.then_some(messages),
    });
    let request = http::Request::from_parts(parts, Full::new(bytes));
    let mut response = app.mcp.service.answer(request, offer.as_ref()).await.map(Body::new);
    if outlet {
        response = response.map(|body| stream::with(body, said));
    }
    let begun = text_of(response.headers(), SESSION).filter(|_| session.is_none());
    if let Some(id) = begun {
        let initialize = asked["params"].to_string();
        if let Err(refused) = sessions::begin(&app, &caller, &id, initialize).await {
            app.mcp.service.forget(&id).await;
            return Err(refused.into());
        }
        app.mcp.service.used(&id).await;
    }
    Ok(response)
}

async fn read(app: &App, request: Request) -> Result<(http::request::Parts, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    let mut asked = Request::new(body);
    *asked.headers_mut() = parts.headers.clone();
    let bytes = body::read_json(asked, &app.config.limits).await?;
    Ok((parts, bytes))
}

/// What is asked. One message comes at a time.
fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    let asked = parse_strict(bytes)?;
    if asked.is_object() {
        return Ok(asked);
    }
    let detail = "a message is an object; several at once are not taken";
    Err(Problem::malformed(detail, vec![Invalid::new("", "wrong_type", detail)]))
}

/// What is called, if that is known. Refuses a call that takes more than the caller holds, so that a client may ask for
/// it and come again, and one that comes too soon.
async fn ensure_rights(
    app: &App,
    caller: &Principal,
    asked: &Value,
    place: &str,
) -> Result<Option<Offer>, Problem> {
    if asked["method"] == READING {
        ensure_pace(app, caller, READING)?;
    }
    let is_call = asked["method"] == "tools/call" || asked["method"] == "prompts/get";
    let Some(name) = asked["params"]["name"].as_str().filter(|_| is_call) else {
        return Ok(None);
    };
    let Some(offer) = offers::find(app, &caller.tenant, name).await? else { return Ok(None) };
    if !offer.is_for(caller) {
        return Err(insufficient_for_mcp(app, caller, &offer.needs(), place));
    }
    ensure_pace(app, caller, name)?;
    Ok(Some(offer))
}

/// Refuses who calls one thing more often than anybody may.
fn ensure_pace(app: &App, caller: &Principal, name: &str) -> Result<(), Problem> {
    app.mcp.pace.take(caller, name, app.clock.now().time()).map_err(|after| {
        let seconds = after.as_secs_f64().ceil();
        let detail =
            format!("`{name}` was called too often; it may be called again in {seconds} s");
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "limit-reached", detail)
            .header(header::RETRY_AFTER, seconds)
    })
}

fn is_modern(headers: &HeaderMap) -> bool {
    text_of(headers, VERSION).is_some_and(|version| *version >= *MODERN)
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::TooMany(_) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "limit-reached", error)
                    .header(header::RETRY_AFTER, SESSIONS_FULL.as_secs())
            }
            SessionError::Database(cause) => Self::internal(&cause),
        }
    }
}

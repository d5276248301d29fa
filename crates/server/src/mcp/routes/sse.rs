//! `GET /mcp/sse` and `POST /mcp/messages`: HTTP with SSE, as revision 2024-11-05 has it.

use std::time::Duration;

use axum::body::Body;
use axum::body::Bytes;
use axum::extract::Request;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::stream;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;
use url::form_urlencoded;

use crate::app::App;
use crate::http::Problem;
use crate::mcp::inbox;
use crate::mcp::inbox::Delivery;
use crate::mcp::lines::Held;
use crate::mcp::lines::Line;
use crate::mcp::routes::MESSAGES;
use crate::mcp::routes::admit;
use crate::mcp::routes::ensure_rights;
use crate::mcp::routes::parse;
use crate::mcp::routes::read;
use crate::mcp::routes::stream::event;
use crate::mcp::sessions;

/// So many messages of a client wait for the protocol.
const WAITING: usize = 64;
/// How often a stream says something, so that nobody between takes it for dead.
const ALIVE: Duration = Duration::from_secs(15);

/// Opens a line. Its first event says where to send messages to.
pub async fn open(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let caller = admit(&app, &parts).await?;
    let chance = auth::random::bytes().map_err(|cause| Problem::internal(&cause))?;
    let session = URL_SAFE_NO_PAD.encode(&chance[..]);
    sessions::begin(&app, &caller, &session, "{}".to_owned()).await?;
    let (inlet, said) = mpsc::channel(WAITING);
    let (outlet, heard) = mpsc::unbounded_channel();
    let held = app.mcp.lines.hold(&session, Line { caller, inlet, outlet: outlet.clone() });
    let end = app.mcp.end.child_token();
    let (own, id, ended) = (app.clone(), session.clone(), end.clone());
    app.tasks.spawn(async move {
        own.mcp.service.answer_line(said, outlet, ended).await;
        if let Err(cause) = sessions::end(&own, &id).await {
            tracing::warn!(error = &cause as &dyn std::error::Error, "a session was not ended");
        }
    });
    let place = format!("event: endpoint\ndata: {MESSAGES}?sessionId={session}\n\n");
    let mut response = Response::new(body(place, heard, held, end));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// The stream of a line, which is held as long as somebody reads it.
fn body(
    place: String,
    heard: UnboundedReceiver<Value>,
    held: Held,
    end: CancellationToken,
) -> Body {
    let guard = end.clone().drop_guard();
    let state = (Some(place), heard, end, (held, guard));
    Body::from_stream(stream::unfold(state, async |(place, mut heard, end, held)| {
        if let Some(place) = place {
            return Some((
                Ok::<_, std::convert::Infallible>(Bytes::from(place)),
                (None, heard, end, held),
            ));
        }
        let said = tokio::select! {
            message = heard.recv() => event(&message?),
            () = tokio::time::sleep(ALIVE) => Bytes::from_static(b": alive\n\n"),
            () = end.cancelled() => return None,
        };
        Some((Ok(said), (None, heard, end, held)))
    }))
}

/// Takes a message of a line, wherever its stream is.
pub async fn say(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let caller = admit(&app, &parts).await?;
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let session = form_urlencoded::parse(query).find(|(name, _)| name == "sessionId");
    let session = session.map(|(_, id)| id.into_owned()).unwrap_or_default();
    let is_own = sessions::is_own(&app, &caller, &session).await;
    if !is_own.map_err(|cause| Problem::internal(&cause))? {
        return Err(Problem::not_found("session-not-found", "there is no such session"));
    }
    let (parts, bytes) = read(&app, Request::from_parts(parts, body)).await?;
    let asked = parse(&bytes)?;
    ensure_rights(&app, &caller, &asked, &format!("{} {MESSAGES}", parts.method)).await?;
    let taken = if app.mcp.questions.answer(&session, &asked) {
        true
    } else if app.mcp.lines.has(&session) {
        app.mcp.lines.say(&app, &session, caller, asked)
    } else {
        let left = inbox::leave(&app, &caller, &session, &asked).await;
        left.map_err(|cause| Problem::internal(&cause))? == Delivery::Done
    };
    if taken { Ok(StatusCode::ACCEPTED.into_response()) } else { Err(full()) }
}

/// More messages of a session wait than may.
pub fn full() -> Problem {
    let detail = "too many messages of this session wait to be taken";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "limit-reached", detail)
        .header(header::RETRY_AFTER, 1)
}

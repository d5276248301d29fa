//! From a reply to bytes on the wire.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use serde_json::json;

use super::Gate;
use super::Protocol;
use super::Shared;
use super::anthropic;
use super::embed;
use super::google;
use super::ollama;
use super::openai;
use super::reply::Content;
use super::reply::Framing;
use super::reply::Place;
use super::reply::Reply;
use super::reply::Said;
use super::reply::Step;
use super::reply::Unit;
use super::responses;

/// The media type of a body of one JSON text a line.
const LINES: &str = "application/x-ndjson";

pub(super) async fn send(
    shared: &Arc<Shared>,
    reply: Reply,
    protocol: Protocol,
    streamed: bool,
) -> Response {
    let watch = Watch { shared: Arc::clone(shared), done: false };
    let Reply { content, headers, steps, framing } = reply;
    let (status, content_type, body) = match content {
        Content::Silence => match std::future::pending::<Infallible>().await {},
        Content::Said(said) if streamed && protocol == Protocol::Ollama => {
            (200, LINES.to_owned(), lines(&said))
        }
        Content::Said(said) if streamed => {
            (200, "text/event-stream".to_owned(), event_stream(&said, protocol, framing))
        }
        Content::Said(said) => (200, "application/json".to_owned(), whole(&said, protocol)),
        Content::Error { status, code, message } => {
            let error = match protocol {
                Protocol::OpenAi | Protocol::Responses => openai::error(&code, &message),
                Protocol::Anthropic => anthropic::error(&code, &message),
                Protocol::Google => google::error(status, &code, &message),
                Protocol::Ollama => ollama::error(&message),
                Protocol::Cohere => json!({"id": "fake", "message": message}),
            };
            (status, "application/json".to_owned(), error.to_string().into_bytes())
        }
        Content::Vectors(vectors) => {
            let body = embed::body(protocol, &vectors);
            (200, "application/json".to_owned(), body.to_string().into_bytes())
        }
        Content::Raw { status, content_type, body } => (status, content_type, body),
    };
    let unit = if content_type == LINES { Unit::Line } else { Unit::Block };
    let framing = Framing { unit, ..framing };
    let segments = segments(&body, steps, framing);
    let mut response = Response::new(stream_body(segments, watch));
    *response.status_mut() = status.try_into().expect("a status");
    response.headers_mut().insert(CONTENT_TYPE, content_type.parse().expect("a content type"));
    for (name, value) in headers {
        let name: HeaderName = name.parse().expect("the name of a header");
        let value: HeaderValue = value.parse().expect("the value of a header");
        response.headers_mut().insert(name, value);
    }
    response
}

fn lines(said: &Said) -> Vec<u8> {
    let lines = ollama::events(said).into_iter().map(|(_, data)| data + "\n");
    lines.collect::<String>().into_bytes()
}

fn event_stream(said: &Said, protocol: Protocol, framing: Framing) -> Vec<u8> {
    let events = match protocol {
        Protocol::OpenAi => openai::events(said),
        Protocol::Responses => responses::events(said),
        Protocol::Anthropic => anthropic::events(said),
        Protocol::Google => google::events(said),
        Protocol::Ollama => ollama::events(said),
        Protocol::Cohere => panic!("Cohere only embeds"),
    };
    let mut body = String::new();
    for (name, data) in events {
        if framing.comments {
            body.push_str(": keep-alive\n\n");
        }
        if !name.is_empty() {
            let _ = writeln!(body, "event: {name}");
        }
        let _ = write!(body, "data: {data}\n\n");
    }
    let body = if framing.crlf { body.replace('\n', "\r\n") } else { body };
    body.into_bytes()
}

fn whole(said: &Said, protocol: Protocol) -> Vec<u8> {
    let body = match protocol {
        Protocol::OpenAi => openai::body(said),
        Protocol::Responses => responses::body(said),
        Protocol::Anthropic => anthropic::body(said),
        Protocol::Google => google::body(said),
        Protocol::Ollama => ollama::body(said),
        Protocol::Cohere => panic!("Cohere only embeds"),
    };
    body.to_string().into_bytes()
}

/// What happens on the wire, in order.
#[derive(Debug)]
enum Segment {
    Bytes(Bytes),
    /// Lets what was written go out.
    Flush,
    Pause(Duration),
    Abort,
    Hang,
    Hold(Gate),
}

fn segments(body: &[u8], steps: Vec<(Place, Step)>, framing: Framing) -> VecDeque<Segment> {
    let mut steps: Vec<(usize, Step)> =
        steps.into_iter().map(|(place, step)| (offset(body, &place, framing), step)).collect();
    steps.sort_by_key(|(at, _)| *at);

    let mut segments = VecDeque::new();
    let mut from = 0;
    for (at, step) in steps {
        push_bytes(&mut segments, &body[from..at], framing);
        from = at;
        match step {
            Step::Cut => return segments,
            Step::Abort => segments.extend([Segment::Flush, Segment::Abort]),
            Step::Hang => segments.push_back(Segment::Hang),
            Step::Split => segments.push_back(Segment::Flush),
            Step::Hold(gate) => segments.push_back(Segment::Hold(gate)),
        }
    }
    push_bytes(&mut segments, &body[from..], framing);
    segments
}

/// One segment an event, or a byte.
fn push_bytes(segments: &mut VecDeque<Segment>, bytes: &[u8], framing: Framing) {
    if framing.dribble {
        for byte in bytes {
            segments.extend([Segment::Bytes(Bytes::copy_from_slice(&[*byte])), Segment::Flush]);
        }
        return;
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let (event, after) = rest.split_at(event_end(rest, 0, framing));
        if !framing.pause.is_zero() && !segments.is_empty() {
            segments.push_back(Segment::Pause(framing.pause));
        }
        segments.push_back(Segment::Bytes(Bytes::copy_from_slice(event)));
        rest = after;
    }
}

fn offset(body: &[u8], place: &Place, framing: Framing) -> usize {
    match place {
        Place::Byte(byte) => (*byte).min(body.len()),
        Place::After(text) => {
            let found = body.windows(text.len()).position(|window| window == text.as_bytes());
            let found = found.unwrap_or_else(|| panic!("the reply has no `{text}`"));
            event_end(body, found, framing)
        }
    }
}

/// Where the event at `from` ends.
fn event_end(body: &[u8], from: usize, framing: Framing) -> usize {
    let ends: &[&[u8]] =
        if framing.unit == Unit::Line { &[b"\n"] } else { &[b"\n\n", b"\r\n\r\n"] };
    // One pass for all line ends: the one that is not there would be looked for in the whole body.
    let end_at = |at: usize| {
        let rest = &body[at..];
        let end = ends.iter().find(|end| rest.starts_with(end))?;
        Some(at + end.len())
    };
    (from..body.len()).find_map(end_at).unwrap_or(body.len())
}

/// Notices when the client goes away before everything was sent.
#[derive(Debug)]
struct Watch {
    shared: Arc<Shared>,
    done: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.done {
            self.shared.record_cancelled();
        }
    }
}

fn stream_body(segments: VecDeque<Segment>, watch: Watch) -> Body {
    Body::from_stream(stream::unfold((segments, watch), |(mut segments, mut watch)| async move {
        loop {
            let segment = segments.pop_front();
            let is_last = segments.is_empty();
            watch.done = is_last && !matches!(segment, Some(Segment::Hang | Segment::Hold(_)));
            match segment? {
                Segment::Bytes(bytes) => return Some((Ok(bytes), (segments, watch))),
                Segment::Flush => tokio::task::yield_now().await,
                Segment::Pause(pause) => tokio::time::sleep(pause).await,
                Segment::Abort => {
                    watch.done = true;
                    let broken = io::Error::from(io::ErrorKind::ConnectionReset);
                    return Some((Err(broken), (segments, watch)));
                }
                Segment::Hang => std::future::pending().await,
                Segment::Hold(gate) => gate.pass().await,
            }
        }
    }))
}

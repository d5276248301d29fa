//! A stand-in for a model provider that costs next to nothing a call.
//!
//! It speaks OpenAI's chat completions and runs as a process of its own, so that its CPU time is not
//! the load generator's. Nothing is logged, counted or stored.

mod answer;
mod chat;
mod timed;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::Either;
use http_body_util::Full;
use hyper::Request;
use hyper::Response;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Result;
use crate::measure::SUM;
use crate::model::timed::Timed;

/// How the model writes.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub tokens: u64,
    /// Between two tokens of a stream.
    pub interval: Duration,
}

/// The same as it travels to `POST /pace`, which changes it while the model runs.
#[derive(Debug, Serialize, Deserialize)]
pub struct SetPace {
    pub tokens: u64,
    pub interval_ms: u64,
}

#[derive(Debug, Default)]
struct State {
    tokens: AtomicU64,
    interval_ms: AtomicU64,
}

type Answer = Response<Either<Full<Bytes>, Timed>>;

/// Serves until the process is ended. Says its port on standard output.
pub async fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    crate::say(listener.local_addr()?.port());
    let state = Arc::new(State { tokens: 20.into(), interval_ms: 0.into() });
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        connections.spawn(converse(socket, Arc::clone(&state)));
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(socket: TcpStream, state: Arc<State>) {
    let service = service_fn(|request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(answer(request, &state).await) }
    });
    // A caller that hangs up is no fault of the model.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

async fn answer(request: Request<Incoming>, state: &State) -> Answer {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return plain(StatusCode::BAD_REQUEST, "cut off") };
    let body = body.to_bytes();
    match head.uri.path() {
        "/v1/chat/completions" => complete(&body, state.pace()),
        "/pace" => state.set(&body),
        "/sum" => plain(StatusCode::OK, SUM),
        _ => plain(StatusCode::NOT_FOUND, "there is only /v1/chat/completions"),
    }
}

fn complete(body: &[u8], pace: Pace) -> Answer {
    let request: answer::Request<'_> = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => return plain(StatusCode::BAD_REQUEST, error.to_string()),
    };
    if request.stream {
        let stream = Either::Right(chat::streamed(&request, pace));
        return typed(StatusCode::OK, "text/event-stream", stream);
    }
    let whole = chat::whole(&request, pace).to_string();
    typed(StatusCode::OK, "application/json", Either::Left(whole.into()))
}

impl State {
    fn pace(&self) -> Pace {
        Pace {
            tokens: self.tokens.load(Ordering::Relaxed).max(1),
            interval: Duration::from_millis(self.interval_ms.load(Ordering::Relaxed)),
        }
    }

    fn set(&self, body: &[u8]) -> Answer {
        let Ok(new) = serde_json::from_slice::<SetPace>(body) else {
            return plain(StatusCode::BAD_REQUEST, "not a pace");
        };
        self.tokens.store(new.tokens, Ordering::Relaxed);
        self.interval_ms.store(new.interval_ms, Ordering::Relaxed);
        typed(StatusCode::OK, "application/json", Either::Left("{}".into()))
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    typed(status, "text/plain", Either::Left(Full::new(text.into())))
}

fn typed(status: StatusCode, media_type: &'static str, body: Either<Full<Bytes>, Timed>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}

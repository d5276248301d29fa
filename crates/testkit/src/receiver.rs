//! A receiver of webhooks that does what a test tells it to, and remembers what it was sent.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use axum::Json;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use bytes::Bytes;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::model::Gate;

/// A receiver on a port of its own; it ends when this is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// How a webhook is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    Status(u16),
    /// A status with a header.
    With(u16, &'static str, String),
    /// A status with this JSON.
    Json(u16, String),
    /// 200 with these bytes, of this media type.
    File(&'static str, Bytes),
    /// A status with all that was sent, in JSON: the path, the headers and the body.
    Echo(u16),
    /// 204, once the gate is open.
    Behind(Gate),
    Never,
}

/// A webhook as it came.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// With the query.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Debug, Default)]
struct Shared {
    answers: Mutex<VecDeque<Answer>>,
    webhooks: Mutex<Vec<Webhook>>,
    received: watch::Sender<usize>,
    /// Webhooks that are being answered, and the most that ever were.
    at_once: Mutex<(usize, usize)>,
}

impl Receiver {
    /// Starts a receiver on a free port of 127.0.0.1. It answers 204 where it is not told otherwise.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let router = Router::new().fallback(receive).with_state(Arc::clone(&shared));
        #[expect(clippy::disallowed_methods, reason = "a test has no `app.tasks`; aborted on drop")]
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { address, shared, server }
    }

    /// `http://127.0.0.1:<port>`
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers one webhook so, after those that were told before.
    pub fn answer(&self, answer: Answer) -> &Self {
        lock(&self.shared.answers).push_back(answer);
        self
    }

    /// All webhooks so far, oldest first.
    pub fn webhooks(&self) -> Vec<Webhook> {
        lock(&self.shared.webhooks).clone()
    }

    /// How many webhooks have come.
    pub fn received(&self) -> usize {
        *self.shared.received.borrow()
    }

    /// Waits until `count` webhooks have come, and gives the last of them.
    pub async fn wait_received(&self, count: usize) -> Webhook {
        let mut received = self.shared.received.subscribe();
        received.wait_for(|it| *it >= count).await.expect("it is there as long as this is");
        self.webhooks().swap_remove(count - 1)
    }

    /// The most webhooks that waited for an answer at once.
    pub fn most_at_once(&self) -> usize {
        lock(&self.shared.at_once).1
    }
}

impl Webhook {
    /// A header, which must be there.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).expect("the header");
        value.to_str().expect("a header in ASCII")
    }

    /// All of it as JSON.
    fn shown(&self) -> Value {
        let headers = self.headers.iter().map(|(name, value)| {
            (name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes())))
        });
        let headers: Map<_, _> = headers.collect();
        json!({"path": self.path, "headers": headers, "body": String::from_utf8_lossy(&self.body)})
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    {
        let mut at_once = lock(&shared.at_once);
        at_once.0 += 1;
        at_once.1 = at_once.1.max(at_once.0);
    }
    let path = parts.uri.to_string();
    let webhook = Webhook { path, headers: parts.headers, body };
    lock(&shared.webhooks).push(webhook.clone());
    let answer = lock(&shared.answers).pop_front();
    shared.received.send_modify(|received| *received += 1);
    let answer = answer.unwrap_or(Answer::Status(204));
    if let Answer::Behind(gate) = &answer {
        gate.pass().await;
    }
    lock(&shared.at_once).0 -= 1;
    let status = |code| StatusCode::from_u16(code).expect("a status");
    match answer {
        Answer::Status(code) => status(code).into_response(),
        Answer::With(code, name, value) => (status(code), [(name, value)]).into_response(),
        Answer::Json(code, json) => {
            (status(code), [("content-type", "application/json")], json).into_response()
        }
        Answer::File(media_type, bytes) => ([("content-type", media_type)], bytes).into_response(),
        Answer::Echo(code) => (status(code), Json(webhook.shown())).into_response(),
        Answer::Behind(_) => status(204).into_response(),
        Answer::Never => std::future::pending().await,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

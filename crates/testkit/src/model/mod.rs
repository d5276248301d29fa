//! A model server that says what a test tells it to, in every wire format we know, with every fault of
//! a network.
//!
//! It speaks `OpenAI` chat completions (`/v1/chat/completions`) and responses (`/v1/responses`),
//! Anthropic messages (`/v1/messages`), Gemini (`…:streamGenerateContent`) and Ollama (`/api/chat`),
//! streamed or not as the request asks; and it embeds: `/v1/embeddings`, `…:batchEmbedContents`,
//! `/v2/embed` (Cohere) and `/api/embed`.
//!
//! ```
//! # tokio_test(async {
//! use serde_json::json;
//! use testkit::model::FakeModel;
//! use testkit::model::Gate;
//! use testkit::model::Reply;
//!
//! let model = FakeModel::start().await;
//! let base_url = model.openai_url(); // give it to the code under test
//!
//! // Replies are used up in order …
//! model.reply(Reply::text("Let me look.").call("weather", json!({"city": "Bern"})));
//! model.reply(Reply::error(429, "slow down").header("retry-after", "1"));
//! model.reply(Reply::text("It is sunny.").usage(120, 4));
//! // … and may break: after a byte, or after the event that holds a text.
//! model.reply(Reply::text("Half an answer").cut("Half"));
//!
//! // Without sleeping: stop in the middle of a stream until the test says so.
//! let gate = Gate::new();
//! model.reply(Reply::text("One two").hold("One", &gate));
//! gate.open();
//!
//! // Afterwards: what was asked?
//! assert!(model.requests().is_empty());
//! # });
//! # fn tokio_test(test: impl Future) {
//! #     tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
//! # }
//! ```
//!
//! With no reply left it answers deterministically: it calls the tools that the last message asks
//! for with `use tool NAME with {json}` (if they are offered), reports the results of tools, and
//! else says `You said: …`. Texts with common words have vectors that are near to each other
//! ([`Reply::embedding`]). [`FakeModel::answer_with`] replaces that.

mod anthropic;
mod echo;
mod embed;
mod gate;
mod google;
mod ollama;
mod openai;
mod reply;
mod responses;
mod send;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::serve::ListenerExt;
use bytes::Bytes;
pub use gate::Gate;
pub use reply::Place;
pub use reply::Reply;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A model server on a port of its own; it ends when this is dropped.
#[derive(Debug)]
pub struct FakeModel {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    pub path: String,
    pub headers: HeaderMap,
    /// The body; `null` when it is not JSON.
    pub body: Value,
    /// The body byte for byte.
    pub raw: Bytes,
}

type Script = Box<dyn Fn(&Received) -> Reply + Send + Sync>;

struct Shared {
    replies: Mutex<VecDeque<Reply>>,
    script: Mutex<Script>,
    requests: Mutex<Vec<Received>>,
    counts: watch::Sender<Counts>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    connections: usize,
    received: usize,
    cancelled: usize,
}

/// The wire format of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    OpenAi,
    Responses,
    Anthropic,
    Google,
    Ollama,
    Cohere,
}

impl FakeModel {
    /// Starts a server on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::new());
        let router = Router::new().fallback(handle).with_state(Arc::clone(&shared));
        let counts = shared.counts.clone();
        let listener = listener.tap_io(move |connection| {
            counts.send_modify(|counts| counts.connections += 1);
            // Each piece of a stream goes out at once.
            let _ = connection.set_nodelay(true);
        });
        #[expect(clippy::disallowed_methods, reason = "a test has no `app.tasks`; aborted on drop")]
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { address, shared, server }
    }

    /// `http://127.0.0.1:<port>`, the base URL for Anthropic's, Google's and Ollama's formats.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base URL for `OpenAI`'s formats, which ends in `/v1`.
    pub fn openai_url(&self) -> String {
        format!("{}/v1", self.url())
    }

    /// Answers one request with `reply`, after those that were given before.
    pub fn reply(&self, reply: Reply) -> &Self {
        lock(&self.shared.replies).push_back(reply);
        self
    }

    /// Answers every request for which no reply is left with what `script` makes of it.
    pub fn answer_with(
        &self,
        script: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> &Self {
        *lock(&self.shared.script) = Box::new(script);
        self
    }

    /// All requests so far, oldest first.
    pub fn requests(&self) -> Vec<Received> {
        lock(&self.shared.requests).clone()
    }

    /// The last request.
    ///
    /// # Panics
    /// When there was none.
    pub fn last_request(&self) -> Received {
        self.requests().pop().expect("a request")
    }

    /// How many requests have come.
    pub fn received(&self) -> usize {
        self.shared.counts.borrow().received
    }

    /// How many replies the client did not wait for.
    pub fn cancelled(&self) -> usize {
        self.shared.counts.borrow().cancelled
    }

    /// How many connections were opened.
    pub fn connections(&self) -> usize {
        self.shared.counts.borrow().connections
    }

    /// Waits until `count` requests have come.
    pub async fn wait_received(&self, count: usize) {
        self.wait_for(|counts| counts.received >= count).await;
    }

    /// Waits until the client has gone away from `count` replies.
    pub async fn wait_cancelled(&self, count: usize) {
        self.wait_for(|counts| counts.cancelled >= count).await;
    }

    async fn wait_for(&self, reached: impl FnMut(&Counts) -> bool) {
        let mut counts = self.shared.counts.subscribe();
        counts.wait_for(reached).await.expect("the server is there as long as this is");
    }
}

impl Drop for FakeModel {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Received {
    /// The value of a header, if it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn wants_stream(&self) -> bool {
        match Protocol::of(&self.path) {
            Some(Protocol::Google) => self.path.ends_with(":streamGenerateContent"),
            Some(Protocol::Ollama) => self.body["stream"] != false,
            _ => self.body["stream"] == true,
        }
    }
}

impl Shared {
    fn new() -> Self {
        Self {
            replies: Mutex::default(),
            script: Mutex::new(Box::new(echo::reply)),
            requests: Mutex::default(),
            counts: watch::Sender::default(),
        }
    }

    fn next_reply(&self, received: &Received) -> Reply {
        let next = lock(&self.replies).pop_front();
        next.unwrap_or_else(|| lock(&self.script)(received))
    }

    fn record(&self, received: Received) {
        lock(&self.requests).push(received);
        self.counts.send_modify(|counts| counts.received += 1);
    }

    fn record_cancelled(&self) {
        self.counts.send_modify(|counts| counts.cancelled += 1);
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("counts", &*self.counts.borrow()).finish_non_exhaustive()
    }
}

impl Protocol {
    fn of(path: &str) -> Option<Self> {
        match path {
            _ if path.ends_with("/chat/completions") => Some(Self::OpenAi),
            _ if path.ends_with("/embeddings") => Some(Self::OpenAi),
            _ if path.ends_with("/v2/embed") || path.ends_with("/rerank") => Some(Self::Cohere),
            _ if path.ends_with("/responses") => Some(Self::Responses),
            _ if path.ends_with("/messages") => Some(Self::Anthropic),
            _ if path.ends_with("enerateContent") => Some(Self::Google),
            _ if path.ends_with(":batchEmbedContents") => Some(Self::Google),
            _ if path.ends_with("/api/chat") => Some(Self::Ollama),
            _ if path.ends_with("/api/embed") => Some(Self::Ollama),
            _ => None,
        }
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let raw = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let received = Received {
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body: serde_json::from_slice(&raw).unwrap_or_default(),
        raw,
    };
    let protocol = Protocol::of(&received.path);
    let streamed = received.wants_stream();
    let reply = match protocol {
        Some(_) => shared.next_reply(&received),
        None => Reply::error(404, "there is nothing here"),
    };
    shared.record(received);
    send::send(&shared, reply, protocol.unwrap_or(Protocol::OpenAi), streamed).await
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

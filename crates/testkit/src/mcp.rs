//! A server of MCP of others, in either era, that does what a test tells it to.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::Method;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use futures::StreamExt;
use futures::stream;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::model::Gate;

const MODERN: &str = "2026-07-28";
const SESSION: &str = "mcp-session-id";
const LAST_EVENT: &str = "last-event-id";
const EVENTS: &str = "text/event-stream";

/// A server on a port of its own; it ends when this is dropped.
#[derive(Debug)]
pub struct McpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// Every request stands alone.
    Modern,
    /// There are sessions, and what is not of one is refused.
    Sessions,
}

/// What a call of a tool is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    Result(Value),
    /// An error of JSON-RPC.
    Error(i64, &'static str),
    /// Notices on a stream, and the result once the gate is open.
    Stream(Vec<Value>, Gate, Value),
    /// A status with this body of this media type.
    Raw(u16, &'static str, String),
    /// A stream that ends before the result is there, which whoever resumes it after so many milliseconds gets.
    Later(u64, Value),
    Never,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub headers: HeaderMap,
    pub body: Value,
}

#[derive(Debug)]
struct Shared {
    era: Era,
    state: Mutex<Known>,
    asked: watch::Sender<usize>,
    /// What is said on open streams; `None` ends them.
    said: broadcast::Sender<Option<Value>>,
    /// Counts the streams that were opened.
    heard: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Known {
    tools: Vec<Value>,
    answers: HashMap<String, Answer>,
    asked: Vec<Asked>,
    sessions: BTreeSet<String>,
    begun: usize,
    /// What whoever resumes a stream gets.
    rest: Option<Value>,
    /// All that is let in, if not all is.
    token: Option<String>,
    wants: Option<String>,
}

impl McpServer {
    /// Starts a server on a free port of 127.0.0.1.
    pub async fn start(era: Era) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            era,
            state: Mutex::default(),
            asked: watch::Sender::default(),
            said: broadcast::Sender::new(64),
            heard: watch::Sender::default(),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
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

    pub fn url(&self) -> String {
        format!("{}/mcp", self.origin())
    }

    /// Lists these tools from now on.
    pub fn tools(&self, tools: impl IntoIterator<Item = Value>) -> &Self {
        self.shared.lock().tools = tools.into_iter().collect();
        self
    }

    /// Answers calls of `tool` so.
    pub fn on(&self, tool: &str, answer: Answer) -> &Self {
        self.shared.lock().answers.insert(tool.to_owned(), answer);
        self
    }

    /// Lets in only who shows this token.
    pub fn only_with(&self, token: &str) -> &Self {
        self.shared.lock().token = Some(token.to_owned());
        self
    }

    /// Lets nobody call a tool, since his token has not this scope; `None`: whoever is in may call them all.
    pub fn wants(&self, scope: Option<&str>) -> &Self {
        self.shared.lock().wants = scope.map(str::to_owned);
        self
    }

    /// Says this on all streams that are open.
    pub fn say(&self, message: &Value) -> &Self {
        // Nobody may be listening.
        let _ = self.shared.said.send(Some(message.clone()));
        self
    }

    /// Ends all streams that are open.
    pub fn hang_up(&self) -> &Self {
        let _ = self.shared.said.send(None);
        self
    }

    /// Waits until there were `count` streams in all.
    pub async fn wait_heard(&self, count: usize) {
        let mut all = self.shared.heard.subscribe();
        all.wait_for(|it| *it >= count).await.expect("it is there as long as this is");
    }

    /// Forgets all sessions.
    pub fn forget(&self) {
        self.shared.lock().sessions.clear();
    }

    /// All requests of this method so far, oldest first.
    pub fn asked(&self, method: &str) -> Vec<Asked> {
        let state = self.shared.lock();
        state.asked.iter().filter(|it| it.body["method"] == method).cloned().collect()
    }

    /// Waits until there were `count` requests of this method, and gives the last of them.
    pub async fn wait_asked(&self, method: &str, count: usize) -> Asked {
        let mut all = self.shared.asked.subscribe();
        loop {
            if let Some(asked) = self.asked(method).get(count - 1) {
                return asked.clone();
            }
            all.changed().await.expect("it is there as long as this is");
        }
    }
}

impl Asked {
    /// A header; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
    }
}

impl Drop for McpServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream that says `first`, and then what is said on all of them.
    fn listen(&self, first: Vec<Value>) -> Response {
        let first = first.into_iter().map(|it| Ok::<_, Infallible>(event(&it)));
        let said = stream::unfold(self.said.subscribe(), async |mut said| {
            let message = said.recv().await.ok().flatten()?;
            Some((Ok(event(&message)), said))
        });
        self.heard.send_modify(|count| *count += 1);
        let body = Body::from_stream(stream::iter(first).chain(said));
        ([("content-type", EVENTS)], body).into_response()
    }

    fn rest(&self) -> Response {
        let rest = self.lock().rest.take();
        raw(200, EVENTS, rest.as_ref().map(event).unwrap_or_default())
    }

    /// What keeps a request out.
    fn refusal(&self, headers: &HeaderMap, body: &Value) -> Option<Response> {
        let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
        let state = self.lock();
        let token = state.token.as_ref().map(|it| format!("Bearer {it}"));
        if token.is_some() && header("authorization") != token.as_deref() {
            return Some(StatusCode::UNAUTHORIZED.into_response());
        }
        if let Some(scope) = state.wants.as_ref().filter(|_| body["method"] == "tools/call") {
            let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
            return Some(
                (StatusCode::FORBIDDEN, [("www-authenticate", challenge)]).into_response(),
            );
        }
        let refuse = |status: u16, code: i64| {
            let id = &body["id"];
            let error =
                json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": "no"}});
            Some(raw(status, "application/json", error.to_string()))
        };
        match (self.era, header(SESSION)) {
            (Era::Modern, _) => {
                let said = &body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"];
                let method = body["method"].as_str();
                let is_whole = header("mcp-protocol-version") == Some(MODERN)
                    && *said == MODERN
                    && header("mcp-method") == method;
                if is_whole { None } else { refuse(400, -32020) }
            }
            (Era::Sessions, _) if body["method"] == "initialize" => None,
            (Era::Sessions, None) => refuse(400, -32000),
            (Era::Sessions, Some(id)) if state.sessions.contains(id) => None,
            (Era::Sessions, Some(_)) => refuse(404, -32001),
        }
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    shared.lock().asked.push(Asked { headers: parts.headers.clone(), body: body.clone() });
    shared.asked.send_modify(|count| *count += 1);
    if let Some(refusal) = shared.refusal(&parts.headers, &body) {
        return refusal;
    }
    let done = |result: Value| {
        let answer = json!({"jsonrpc": "2.0", "id": body["id"], "result": result});
        raw(200, "application/json", answer.to_string())
    };
    if parts.method == Method::GET {
        if parts.headers.contains_key(LAST_EVENT) {
            return shared.rest();
        }
        return shared.listen(Vec::new());
    }
    match body["method"].as_str().unwrap_or_default() {
        "subscriptions/listen" if shared.era == Era::Modern => {
            let meta = json!({"io.modelcontextprotocol/subscriptionId": body["id"]});
            let params = json!({"_meta": meta, "notifications": body["params"]["notifications"]});
            let method = "notifications/subscriptions/acknowledged";
            shared.listen(vec![json!({"jsonrpc": "2.0", "method": method, "params": params})])
        }
        "server/discover" if shared.era == Era::Modern => done(json!({"resultType": "complete",
            "supportedVersions": [MODERN], "capabilities": {"tools": {}}})),
        "initialize" => {
            let id = {
                let mut state = shared.lock();
                state.begun += 1;
                let id = format!("session-{}", state.begun);
                state.sessions.insert(id.clone());
                id
            };
            let mut answer = done(json!({"protocolVersion": body["params"]["protocolVersion"],
                "capabilities": {"tools": {}}, "serverInfo": {"name": "far", "version": "1"}}));
            answer.headers_mut().insert(SESSION, id.parse().expect("an id"));
            answer
        }
        "tools/list" => done(json!({"resultType": "complete", "tools": shared.lock().tools})),
        "tools/call" => {
            let name = body["params"]["name"].as_str().unwrap_or_default();
            let answer = shared.lock().answers.get(name).cloned();
            if let Some(Answer::Later(retry, result)) = answer {
                let answer = json!({"jsonrpc": "2.0", "id": body["id"], "result": result});
                shared.lock().rest = Some(answer);
                return raw(200, EVENTS, format!("id: one\nretry: {retry}\ndata: \n\n"));
            }
            call(answer, &body).await
        }
        method if method.starts_with("notifications/") => StatusCode::ACCEPTED.into_response(),
        _ => {
            let error = json!({"code": -32601, "message": "no such method"});
            let answer = json!({"jsonrpc": "2.0", "id": body["id"], "error": error});
            raw(200, "application/json", answer.to_string())
        }
    }
}

async fn call(answer: Option<Answer>, body: &Value) -> Response {
    let whole =
        |member: &str, value: Value| json!({"jsonrpc": "2.0", "id": body["id"], member: value});
    let json = |message: Value| raw(200, "application/json", message.to_string());
    match answer {
        None => json(whole("error", json!({"code": -32602, "message": "unknown tool"}))),
        Some(Answer::Result(result)) => json(whole("result", result)),
        Some(Answer::Error(code, message)) => {
            json(whole("error", json!({"code": code, "message": message})))
        }
        Some(Answer::Stream(notices, gate, result)) => {
            let notices = notices.into_iter().map(|mut notice| {
                if notice["params"]["progressToken"].is_null() {
                    notice["params"]["progressToken"] =
                        body["params"]["_meta"]["progressToken"].clone();
                }
                notice
            });
            let said: String = notices.map(|it| event(&it)).collect();
            let result = event(&whole("result", result));
            let result = stream::once(async move {
                gate.pass().await;
                Ok(result)
            });
            let body = stream::iter([Ok::<_, Infallible>(said)]).chain(result);
            ([("content-type", EVENTS)], Body::from_stream(body)).into_response()
        }
        Some(Answer::Raw(status, media_type, text)) => raw(status, media_type, text),
        Some(Answer::Never | Answer::Later(..)) => std::future::pending().await,
    }
}

fn event(message: &Value) -> String {
    format!("event: message\ndata: {message}\n\n")
}

fn raw(status: u16, media_type: &'static str, text: String) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [("content-type", media_type)], text).into_response()
}

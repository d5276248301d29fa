//! The protocol itself, in all its revisions: the one place that knows `rmcp`.
//!
//! What comes here was let in already: the host, the origin, the token and the session have been looked at, and
//! what a call takes is held. None of that is left to `rmcp`.

mod calls;
mod convert;
mod dialogue;
mod handler;
mod line;
mod prompts;
mod resources;
mod sessions;
mod watchers;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use bytes::Bytes;
use http::Request;
use http::Response;
use http_body_util::Full;
use http_body_util::combinators::BoxBody;
use rmcp::model::ClientJsonRpcMessage;
use rmcp::transport::StreamableHttpServerConfig;
use rmcp::transport::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use serde_json::Value;
use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::app::App;
use crate::db::Db;
use crate::mcp::lines::Said;
use crate::mcp::offers::Offer;
use crate::mcp::protocol::handler::Handler;
use crate::mcp::protocol::sessions::Kept;
use crate::mcp::protocol::watchers::Watchers;

/// When sessions were used last, by numbers that grow.
#[derive(Debug, Default)]
struct Used {
    last: u64,
    all: HashMap<String, u64>,
}

/// Answers what is asked in the protocol.
pub struct Service {
    http: StreamableHttpService<Handler, LocalSessionManager>,
    /// Those that this process has made something of.
    sessions: Arc<LocalSessionManager>,
    used: Mutex<Used>,
    /// So many of them are kept.
    most: usize,
    watchers: Watchers,
}

impl Service {
    /// Its streams end when `end` fires.
    pub fn new(db: Db, end: CancellationToken, most: u32) -> Self {
        let mut config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_json_response(true)
            .with_max_request_body_bytes(usize::MAX)
            .with_cancellation_token(end);
        config.session_store = Some(Arc::new(Kept(db)));
        let sessions = Arc::new(LocalSessionManager::default());
        let http =
            StreamableHttpService::new(|| Ok(Handler::default()), Arc::clone(&sessions), config);
        let (used, most) = (Mutex::default(), usize::try_from(most).unwrap_or(usize::MAX));
        Self { http, sessions, used, most, watchers: Watchers::default() }
    }

    /// Answers a request, among whose extensions is a [`Request`](crate::mcp::Request), of what is `called`.
    pub async fn answer(
        &self,
        request: Request<Full<Bytes>>,
        called: Option<&Offer>,
    ) -> Response<BoxBody<Bytes, Infallible>> {
        let tool = called.filter(|it| it.names_headers()).map(|it| convert::tool(it.show(), true));
        handler::CALLED.scope(tool, self.http.handle(request)).await
    }

    /// Answers what is `said` on a line, until it ends or `end` fires.
    pub async fn answer_line(
        &self,
        said: Receiver<Said>,
        outlet: UnboundedSender<Value>,
        end: CancellationToken,
    ) {
        line::answer(said, outlet, end).await;
    }

    /// Lets what this process has made of a session hear a message that needs no answer.
    pub async fn accept(&self, session: &str, message: Value) {
        let Ok(message) = serde_json::from_value::<ClientJsonRpcMessage>(message) else { return };
        if let Err(cause) = self.sessions.accept_message(&session.into(), message).await {
            warn!(error = &cause as &dyn std::error::Error, "a message was not heard");
        }
    }

    /// Tells clients of changes, until the server stops.
    pub async fn watch(app: App) {
        Watchers::watch(app).await;
    }

    /// Notes that a session is used. If too many are remembered, that which was used least lately is forgotten: its
    /// row makes it again when it is asked for.
    pub async fn used(&self, session: &str) {
        let forgotten = {
            let mut used = self.lock();
            used.last += 1;
            let last = used.last;
            used.all.insert(session.to_owned(), last);
            let is_full = used.all.len() > self.most;
            let oldest = used.all.iter().filter(|_| is_full).min_by_key(|(_, at)| **at);
            oldest.map(|(id, _)| id.clone())
        };
        if let Some(oldest) = forgotten {
            self.forget(&oldest).await;
        }
    }

    /// Of how many sessions this process has made something; `None`: that cannot be said now.
    pub fn remembered(&self) -> Option<usize> {
        self.sessions.sessions.try_read().ok().map(|sessions| sessions.len())
    }

    /// Ends what this process has made of a session.
    pub async fn forget(&self, session: &str) {
        self.lock().all.remove(session);
        if let Err(cause) = self.sessions.close_session(&session.into()).await {
            warn!(error = &cause as &dyn std::error::Error, "a session was not closed");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

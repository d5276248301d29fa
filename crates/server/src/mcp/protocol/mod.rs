//! The protocol itself, in all its revisions: the one place that knows `rmcp`.
//!
//! What comes here was let in already: the host, the origin, the token and the session have been looked at, and
//! what a call takes is held. None of that is left to `rmcp`.

mod calls;
mod convert;
mod handler;
mod prompts;
mod resources;
mod sessions;
mod watchers;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http::Response;
use http_body_util::Full;
use http_body_util::combinators::BoxBody;
use rmcp::transport::StreamableHttpServerConfig;
use rmcp::transport::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::app::App;
use crate::db::Db;
use crate::mcp::protocol::handler::Handler;
use crate::mcp::protocol::sessions::Kept;
use crate::mcp::protocol::watchers::Watchers;

/// Answers what is asked in the protocol.
pub struct Service {
    http: StreamableHttpService<Handler, LocalSessionManager>,
    /// Those that this process has made something of.
    sessions: Arc<LocalSessionManager>,
    watchers: Watchers,
}

impl Service {
    /// Its streams end when `end` fires.
    pub fn new(db: Db, end: CancellationToken) -> Self {
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
        Self { http, sessions, watchers: Watchers::default() }
    }

    /// Answers a request, among whose extensions is a [`Request`](crate::mcp::Request).
    pub async fn answer(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Response<BoxBody<Bytes, Infallible>> {
        self.http.handle(request).await
    }

    /// Tells clients of changes, until the server stops.
    pub async fn watch(app: App) {
        Watchers::watch(app).await;
    }

    /// Ends what this process has made of a session.
    pub async fn forget(&self, session: &str) {
        if let Err(cause) = self.sessions.close_session(&session.into()).await {
            warn!(error = &cause as &dyn std::error::Error, "a session was not closed");
        }
    }
}

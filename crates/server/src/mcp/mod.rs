//! MCP: what a tenant has, for programs that speak the Model Context Protocol.
//!
//! It is one more door of the same house: [`offers`] says what a caller finds behind it, [`call`] begins the same
//! runs as the API does, with the same rights, and [`protocol`], which alone knows the crate `rmcp`, says it in
//! every revision of the protocol. Who may come in, [`routes`] decides.

mod approve;
mod asks;
mod call;
mod door;
mod face;
mod inbox;
mod lines;
mod offers;
mod pace;
mod protocol;
mod questions;
pub mod routes;
mod server;
mod sessions;
mod store;
pub mod upstreams;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::app::Tasks;
use crate::config;
use crate::db::Db;
use crate::mcp::inbox::Calls;
use crate::mcp::lines::Lines;
use crate::mcp::pace::Pace;
use crate::mcp::protocol::Service;
use crate::mcp::questions::Questions;
use crate::mcp::server::Servers;
use crate::mcp::upstreams::Upstreams;
use crate::oauth::caller::Principal;

/// The revisions of the protocol that are spoken, the newest first.
pub const REVISIONS: [&str; 5] =
    ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// What speaks MCP in this process.
pub struct Mcp {
    service: Service,
    servers: Arc<Servers>,
    /// Servers of others, which we ask.
    pub upstreams: Upstreams,
    questions: Questions,
    pace: Pace,
    /// Calls of sessions, and lines of clients that speak HTTP with SSE.
    under_way: Calls,
    lines: Lines,
    /// Calls that are being answered.
    calls: TaskTracker,
    /// Ends all streams.
    end: CancellationToken,
}

/// A request that was let in: by whom, and to what.
#[derive(Debug, Clone)]
pub struct Request {
    pub app: App,
    pub caller: Principal,
    pub session: Option<String>,
    /// What leads to the client while it waits, in a session.
    pub outlet: Option<UnboundedSender<Value>>,
}

impl Mcp {
    pub fn new(db: &Db, config: &config::Mcp, upstreams: Upstreams) -> Self {
        let end = CancellationToken::new();
        let servers = Arc::new(Servers::new(db.clone()));
        Self {
            servers,
            upstreams,
            service: Service::new(db.clone(), end.clone(), config.sessions),
            questions: Questions::default(),
            pace: Pace::new(config.calls_per_minute),
            under_way: Calls::default(),
            lines: Lines::default(),
            calls: TaskTracker::new(),
            end,
        }
    }

    /// Ends all streams when the server stops, as soon as what was called is answered.
    fn start(&self, tasks: &Tasks) {
        let (calls, end) = (self.calls.clone(), self.end.clone());
        let stopping = tasks.stopping().clone();
        tasks.spawn(async move {
            stopping.cancelled().await;
            calls.close();
            calls.wait().await;
            end.cancel();
        });
    }
}

/// Begins what is done beside requests.
pub fn start(app: &App) {
    app.mcp.start(&app.tasks);
    app.mcp.servers.start(&app.tasks);
    app.mcp.upstreams.rows().start(&app.tasks);
    app.tasks.spawn(upstreams::watch(app.clone()));
    app.tasks.spawn(upstreams::heed(app.clone()));
    app.tasks.spawn(upstreams::listen(app.clone()));
    app.tasks.spawn(upstreams::watch_consents(app.clone()));
    app.tasks.spawn(sessions::tidy(app.clone()));
    app.tasks.spawn(inbox::watch(app.clone()));
    app.tasks.spawn(Service::watch(app.clone()));
}

impl fmt::Debug for Mcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (calls, sessions) = (self.calls.len(), self.service.remembered());
        let mut told = f.debug_struct("Mcp");
        told.field("calls", &calls).field("sessions", &sessions).finish_non_exhaustive()
    }
}

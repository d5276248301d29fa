//! What every request has at hand: time, ids, tasks, settings and the database.

mod clock;
mod ids;
mod processes;
mod tasks;

use std::fmt::Write;
use std::ops::Deref;
use std::sync::Arc;

use auth::seal::SealError;
use auth::secret::MasterKeyError;
use sandbox::Pool;

use crate::agents::Agents;
use crate::audit::Refusals;
use crate::code::Builder;
use crate::config::Config;
use crate::db::Db;
use crate::db::OpenError;
use crate::egress::Egress;
use crate::http::Cursors;
use crate::http::Invalid;
use crate::http::health::Probe;
use crate::mcp::Mcp;
use crate::oauth::Clients;
use crate::oauth::Keys;
use crate::oauth::KeysError;
use crate::oauth::People;
use crate::rag::Rag;
use crate::runs::Runs;
use crate::secrets::Vault;
use crate::tools::Tools;
use crate::workflows::Workflows;

pub use clock::Clock;
pub use ids::Ids;
pub(crate) use processes::pool;
pub use processes::worker;
pub use tasks::Tasks;

/// The server's state: a cheap handle on all that outlives a request.
#[derive(Debug, Clone)]
pub struct App(Arc<Parts>);

/// What [`App`] gives.
#[derive(Debug)]
pub struct Parts {
    pub config: Config,
    pub db: Db,
    pub clock: Clock,
    pub ids: Ids,
    pub tasks: Tasks,
    pub cursors: Cursors,
    pub probe: Probe,
    pub keys: Arc<Keys>,
    pub clients: Arc<Clients>,
    pub refusals: Refusals,
    pub people: People,
    pub secrets: Vault,
    /// Asks what definitions and callers name.
    pub egress: Egress,
    pub rag: Rag,
    pub tools: Tools,
    pub agents: Agents,
    pub workflows: Workflows,
    pub runs: Runs,
    pub mcp: Mcp,
    /// Runs what is not trusted.
    pub sandbox: Pool,
}

/// Why the server cannot start with its settings.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Database(#[from] OpenError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("the database could not be asked for what is under way")]
    Query(#[from] sqlx::Error),
    #[error("AGENT_SERVER_ENCRYPTION_KEY: {0}")]
    EncryptionKey(#[from] MasterKeyError),
    #[error("the encryption key cannot be used")]
    Seal(#[from] SealError),
    #[error("traces cannot be sent")]
    Telemetry(#[from] opentelemetry_otlp::ExporterBuildError),
    #[error("the client for outgoing requests cannot be made")]
    Egress(#[from] reqwest::Error),
    /// The first member of each pointer says of what, the second its name.
    #[error("what is defined in code is not valid:{}", lines(.0))]
    Code(Vec<Invalid>),
}

impl App {
    /// Begins to put a server together, with tools, agents, models and steps of one's own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Each fault on a line of its own.
fn lines(faults: &[Invalid]) -> String {
    faults.iter().fold(String::new(), |mut text, Invalid { pointer, detail, .. }| {
        let _ = write!(text, "\n  {pointer}: {detail}");
        text
    })
}

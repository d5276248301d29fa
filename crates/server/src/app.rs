//! What every request has at hand: time, ids, tasks, settings and the database.

mod clock;
mod ids;
mod tasks;

use std::ops::Deref;
use std::sync::Arc;

use auth::secret::MasterKey;
use auth::secret::MasterKeyError;
use llm::Timeouts;

use crate::agents::Agents;
use crate::agents::models::Models;
use crate::config::Config;
use crate::db::Db;
use crate::db::OpenError;
use crate::egress;
use crate::http::Cursors;
use crate::http::health::Probe;
use crate::oauth::Clients;
use crate::oauth::Keys;
use crate::oauth::KeysError;
use crate::runs::Runs;
use crate::runs::Services;
use crate::tools::Tools;

pub use clock::Clock;
pub use ids::Ids;
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
    pub keys: Keys,
    pub clients: Arc<Clients>,
    pub agents: Agents,
    pub runs: Runs,
}

/// Why the server cannot start with its settings.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Database(#[from] OpenError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("AGENT_SERVER_ENCRYPTION_KEY: {0}")]
    EncryptionKey(#[from] MasterKeyError),
    #[error("the client for outgoing requests cannot be made")]
    Egress(#[from] reqwest::Error),
    #[error("a tool that is built in is not usable: {0}")]
    Tools(String),
}

impl App {
    /// Opens what the settings name. Nothing is under way yet: [`crate::workers`] begins it.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let db = Db::open(&config.database).await?;
        Self::assemble(config, db, Clock::System, Ids::Random)
    }

    /// Puts the server together.
    pub fn assemble(config: Config, db: Db, clock: Clock, ids: Ids) -> Result<Self, StartError> {
        let tasks = Tasks::default();
        let keys = Keys::from_config(&config)?;
        let cursors = Cursors::new(&MasterKey::parse(&config.identity.encryption_key)?);
        let probe = Probe::default();
        let clients = Arc::new(Clients::new(&config.identity.management, db.clone()));
        let models = Models::new(&config.models, &egress::client()?, Timeouts::default());
        let tools = Tools::built_in().map_err(StartError::Tools)?;
        let (own, new) = (clock.clone(), ids.clone());
        let agents = Agents::new(db.clone(), own, new, models.clone(), tools.clone());
        let services = Services {
            db: db.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            tasks: tasks.clone(),
            agents: agents.clone(),
            clients: Arc::clone(&clients),
            models,
            tools,
        };
        let runs = Runs::new(services, &config.limits);
        let parts =
            Parts { config, db, clock, ids, tasks, cursors, probe, keys, clients, agents, runs };
        Ok(Self(Arc::new(parts)))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

//! What every request has at hand: time, ids, tasks, settings and the database.

mod clock;
mod ids;
mod tasks;

use std::ops::Deref;
use std::sync::Arc;

use auth::secret::MasterKey;
use auth::secret::MasterKeyError;

use crate::config::Config;
use crate::db::Db;
use crate::db::OpenError;
use crate::http::Cursors;
use crate::oauth::Clients;
use crate::oauth::Keys;
use crate::oauth::KeysError;

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
    pub keys: Keys,
    pub clients: Arc<Clients>,
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
}

impl App {
    /// Opens what the settings name.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let db = Db::open(&config.database).await?;
        let keys = Keys::from_config(&config)?;
        let master = MasterKey::parse(&config.identity.encryption_key)?;
        let cursors = Cursors::new(&master);
        let (clock, ids, tasks) = (Clock::System, Ids::Random, Tasks::default());
        let clients = Arc::new(Clients::new(&config.identity.management, db.clone()));
        Ok(Self::new(Parts { config, db, clock, ids, tasks, cursors, keys, clients }))
    }

    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

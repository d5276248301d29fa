//! What every request has at hand: time, ids, tasks, settings and the database.

mod clock;
mod ids;
mod tasks;

use std::ops::Deref;
use std::sync::Arc;

use secrecy::ExposeSecret;

use crate::config::Config;
use crate::db::Db;
use crate::db::OpenError;
use crate::http::Cursors;

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
}

impl App {
    /// Opens what the settings name.
    pub async fn start(config: Config) -> Result<Self, OpenError> {
        let db = Db::open(&config.database).await?;
        let cursors = Cursors::new(config.identity.encryption_key.expose_secret().as_bytes());
        let (clock, ids, tasks) = (Clock::System, Ids::Random, Tasks::default());
        Ok(Self::new(Parts { config, db, clock, ids, tasks, cursors }))
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

//! Words between the processes that share a PostgreSQL, by LISTEN and NOTIFY.
//!
//! Nothing may rest on them: they come late, twice or not at all. An embedded database has one
//! process, which needs none.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::postgres::PgListener;
use sqlx::postgres::PgPoolOptions;

use crate::db::DatabaseSettings;
use crate::db::Db;
use crate::db::Link;
use crate::db::OpenError;
use crate::db::settings::Target;

/// Bytes that PostgreSQL takes in one NOTIFY, and a few less.
pub const LONGEST_WORD: usize = 7900;

const CHANNEL: &str = "agent_server";
/// How long it may take to connect.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where this process can listen.
pub struct Channel {
    options: PgConnectOptions,
}

/// One who listens, on a connection of his own.
pub struct Listener(PgListener);

impl Channel {
    /// A PostgreSQL by its settings; an embedded database is refused.
    pub fn new(settings: &DatabaseSettings) -> Result<Self, sqlx::Error> {
        match settings.target() {
            Ok(Target::Postgres(options)) => Ok(Self { options: *options }),
            Ok(Target::Sqlite(_)) => Err(sqlx::Error::Configuration(OpenError::PostgresUrl.into())),
            Err(cause) => Err(sqlx::Error::Configuration(cause.into())),
        }
    }

    /// Hears everything that is said from now on.
    pub async fn listen(&self) -> Result<Listener, sqlx::Error> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        // What was missed meanwhile must be noticed.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(Listener(listener))
    }
}

impl Listener {
    /// The next word; `None` when the connection is lost. It may be dropped while it waits.
    pub async fn next(&mut self) -> Result<Option<String>, sqlx::Error> {
        Ok(self.0.try_recv().await?.map(|word| word.payload().to_owned()))
    }
}

impl Db {
    /// Tells every process that listens, this one too, at most [`LONGEST_WORD`] bytes. It is a
    /// transaction that changes nothing, so PostgreSQL does not wait for the disk.
    pub async fn tell(&self, word: &str) -> Result<(), sqlx::Error> {
        self.read(async |conn| match conn.link() {
            Link::Postgres(c) => {
                let told = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(word);
                told.execute(&mut **c).await.map(drop)
            }
            Link::Sqlite(_) => Ok(()),
        })
        .await
    }
}

//! The database: PostgreSQL or an embedded SQLite file behind one [`Db`].
//!
//! A verb opens a connection or a transaction, and store functions work on what they are given, so
//! that several of them compose in one transaction:
//!
//! ```text
//! let agent = app.db.read(async |conn| store::find(conn, &tenant, id).await).await?;
//! app.db.write(async |tx| {
//!     store::insert(tx, &agent).await?;
//!     store::insert_version(tx, &agent).await
//! }).await?;
//! ```
//!
//! A store function takes `&mut Conn<'_>` and runs one SQL text on either database with
//! [`on!`](crate::on). Nothing here makes or changes tables but [`migrate`],
//! when told to.

mod at;
mod away;
mod backup;
mod channel;
mod conn;
mod containing;
mod facts;
mod file_lock;
mod id;
mod json;
mod lanes;
pub mod migrate;
mod open;
mod postgres;
mod readable;
mod settings;
mod sqlite;
mod tenant;
#[cfg(test)]
mod tests;
mod unique;

pub use at::At;
pub use away::is_away;
pub use backup::BackupError;
pub use backup::backup;
pub use channel::Channel;
pub use channel::LONGEST_WORD;
pub use channel::Listener;
pub use conn::Affected;
pub use conn::Answer;
pub use conn::Conn;
pub use conn::Done;
pub use conn::Link;
pub use conn::Plain;
pub use containing::containing;
pub use facts::Facts;
pub use facts::Way;
pub use facts::facts;
pub use file_lock::FileLock;
pub use id::Id;
pub use json::Json;
pub use open::OpenError;
pub use readable::Readable;
pub use settings::DatabaseSettings;
pub use settings::Sync;
pub use tenant::TenantId;
pub use unique::OnUnique;
pub use unique::Unique;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use lanes::Lane;
use settings::Target;

/// A handle on the database. Clones share one pool.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    engine: Engine,
    stats: Stats,
}

enum Engine {
    Postgres(postgres::Postgres),
    Sqlite(Box<sqlite::Sqlite>),
}

/// Which of the two databases is behind a [`Db`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    Postgres,
    Sqlite,
}

/// What a process asked of its database so far.
#[derive(Debug, Default)]
pub struct Stats {
    /// Write transactions that were committed.
    pub commits: AtomicU64,
    /// Statements that were sent, without `BEGIN`, `COMMIT` and `ROLLBACK`.
    pub statements: AtomicU64,
}

impl Db {
    /// Connects. It makes no file and no table: an embedded database that is not there is an error.
    pub async fn open(settings: &DatabaseSettings) -> Result<Self, OpenError> {
        let engine = match settings.target()? {
            Target::Postgres(options) => {
                Engine::Postgres(postgres::Postgres::open(*options, settings).await?)
            }
            Target::Sqlite(path) => {
                Engine::Sqlite(Box::new(sqlite::Sqlite::open(&path, settings).await?))
            }
        };
        Ok(Self(Arc::new(Inner { engine, stats: Stats::default() })))
    }

    /// Runs `work` on a connection that is for reading, outside a transaction.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Conn<'_>) -> Result<T, E>,
        E: From<sqlx::Error>,
    {
        // On the heap: it is large with two drivers in it, and who may have to ask carries it along.
        match &self.0.engine {
            Engine::Postgres(postgres) => Box::pin(postgres.read(&self.0.stats, work)).await,
            Engine::Sqlite(sqlite) => Box::pin(sqlite.read(&self.0.stats, work)).await,
        }
    }

    /// Runs `work` in one transaction, which is committed if it returns `Ok` and undone if it
    /// returns `Err` or is dropped. Somebody waits for it: it goes before what is written behind.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Conn<'_>) -> Result<T, E>,
        E: From<sqlx::Error>,
    {
        self.transaction(Lane::Interactive, work).await
    }

    /// Like [`Db::write`], for work that nobody waits for. On SQLite, which has one writer, it lets
    /// [`Db::write`] go first.
    pub async fn write_behind<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Conn<'_>) -> Result<T, E>,
        E: From<sqlx::Error>,
    {
        self.transaction(Lane::Background, work).await
    }

    async fn transaction<T, E, F>(&self, lane: Lane, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Conn<'_>) -> Result<T, E>,
        E: From<sqlx::Error>,
    {
        let Inner { engine, stats } = &*self.0;
        let value = match engine {
            Engine::Postgres(postgres) => Box::pin(postgres.write(stats, work)).await,
            Engine::Sqlite(sqlite) => Box::pin(sqlite.write(stats, lane, work)).await,
        }?;
        stats.commits.fetch_add(1, Ordering::Relaxed);
        Ok(value)
    }

    pub fn dialect(&self) -> Dialect {
        match &self.0.engine {
            Engine::Postgres(_) => Dialect::Postgres,
            Engine::Sqlite(_) => Dialect::Sqlite,
        }
    }

    pub fn stats(&self) -> &Stats {
        &self.0.stats
    }

    /// Asks the database whether it is there.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        self.read(async |conn| {
            crate::on!(conn, c => sqlx::query("SELECT 1").execute(c).await).map(drop)
        })
        .await
    }

    /// Asks the database whether it can be written, by writing what is there already.
    pub async fn check_writable(&self) -> Result<(), sqlx::Error> {
        self.write(async |tx| {
            crate::on!(tx, c => sqlx::query(
                    "UPDATE schema_migrations SET id = id
                     WHERE id = (SELECT max(id) FROM schema_migrations)",
                )
                .execute(c)
                .await)
            .map(drop)
        })
        .await
    }

    /// Waits for open transactions and closes every connection. What comes later fails.
    pub async fn close(&self) {
        match &self.0.engine {
            Engine::Postgres(postgres) => postgres.close().await,
            Engine::Sqlite(sqlite) => sqlite.close().await,
        }
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").field("dialect", &self.dialect()).finish_non_exhaustive()
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
        })
    }
}

//! The embedded database behind [`Db`](crate::db::Db): one file, one writer, a few readers.

use std::mem;
use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::Connection;
use sqlx::SqliteConnection;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::sqlite::SqliteJournalMode;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::sqlite::SqliteSynchronous;
use tokio::sync::Mutex;

use crate::db::Conn;
use crate::db::DatabaseSettings;
use crate::db::OpenError;
use crate::db::Stats;
use crate::db::Sync;
use crate::db::lanes::Lane;
use crate::db::lanes::Lanes;

/// How long a statement waits for another process, as a command beside a running server.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);
/// Each reader is a thread with a cache.
const MAX_READERS: u32 = 4;

/// A file with its connections.
pub(in crate::db) struct Sqlite {
    /// Locked only by who has his turn, so it never waits.
    writer: Mutex<Writer>,
    options: SqliteConnectOptions,
    turns: Lanes,
    readers: SqlitePool,
}

enum Writer {
    Open(SqliteConnection),
    /// The connection no longer knows whether it is in a transaction. It is replaced at the next turn.
    Broken,
    Closed,
}

impl Sqlite {
    pub(in crate::db) async fn open(
        path: &Path,
        settings: &DatabaseSettings,
    ) -> Result<Self, OpenError> {
        if !path.exists() {
            return Err(OpenError::Missing(path.to_owned()));
        }
        let fault = |source| OpenError::Sqlite { path: path.to_owned(), source };
        let options = options(path, settings.sync);
        let writer = options.connect().await.map_err(fault)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(settings.pool.clamp(1, MAX_READERS))
            .test_before_acquire(false)
            .connect_with(reader_options(path))
            .await
            .map_err(fault)?;
        let writer = Mutex::new(Writer::Open(writer));
        Ok(Self { writer, options, turns: Lanes::default(), readers })
    }

    pub(in crate::db) async fn read<T, E, F>(&self, stats: &Stats, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Conn<'_>) -> Result<T, E>,
        E: From<sqlx::Error>,
    {
        let mut connection = self.readers.acquire().await?;
        work(&mut Conn::sqlite(&mut connection, stats)).await
    }

    pub(in crate::db) async fn write<T, E, F>(
        &self,
        stats: &Stats,
        lane: Lane,
        work: F,
    ) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Conn<'_>) -> Result<T, E>,
        E: From<sqlx::Error>,
    {
        let _turn = self.turns.turn(lane).await;
        let mut writer = self.writer.lock().await;
        let (worked, health) = attempt(self.ready(&mut writer).await?, stats, work).await;
        if health == Health::Broken {
            *writer = Writer::Broken;
        }
        worked
    }

    /// The connection that writes, made anew if it was broken.
    async fn ready<'w>(
        &self,
        writer: &'w mut Writer,
    ) -> Result<&'w mut SqliteConnection, sqlx::Error> {
        if matches!(writer, Writer::Broken) {
            *writer = Writer::Open(self.options.connect().await?);
        }
        match writer {
            Writer::Open(connection) => Ok(connection),
            Writer::Broken | Writer::Closed => Err(sqlx::Error::PoolClosed),
        }
    }

    pub(in crate::db) async fn close(&self) {
        let _turn = self.turns.turn(Lane::Interactive).await;
        self.readers.close().await;
        let writer = mem::replace(&mut *self.writer.lock().await, Writer::Closed);
        if let Writer::Open(connection) = writer {
            // The last connection moves the write-ahead log into the file. If it cannot, the log stays.
            let _ = connection.close().await;
        }
    }
}

#[derive(PartialEq)]
enum Health {
    Sound,
    Broken,
}

/// Runs `work` in a transaction, and says whether the connection is good for another one. Some failures,
/// as a full disk, undo the transaction by themselves, and the driver does not notice.
async fn attempt<T, E, F>(
    connection: &mut SqliteConnection,
    stats: &Stats,
    work: F,
) -> (Result<T, E>, Health)
where
    F: AsyncFnOnce(&mut Conn<'_>) -> Result<T, E>,
    E: From<sqlx::Error>,
{
    let health = |is_sound| if is_sound { Health::Sound } else { Health::Broken };
    let mut tx = match connection.begin_with("BEGIN IMMEDIATE").await {
        Ok(tx) => tx,
        Err(error) => {
            let is_sound = error.as_database_error().is_some();
            return (Err(error.into()), health(is_sound));
        }
    };
    match work(&mut Conn::sqlite(&mut tx, stats)).await {
        Ok(value) => match tx.commit().await {
            Ok(()) => (Ok(value), Health::Sound),
            Err(error) => (Err(error.into()), Health::Broken),
        },
        Err(error) => (Err(error), health(tx.rollback().await.is_ok())),
    }
}

/// How the writer is opened, and everything else that writes.
pub(in crate::db) fn options(path: &Path, sync: Sync) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(match sync {
            Sync::Full => SqliteSynchronous::Full,
            Sync::Normal => SqliteSynchronous::Normal,
        })
        .pragma("journal_size_limit", "67108864")
        .pragma("temp_store", "MEMORY")
        .statement_cache_capacity(256)
        .disable_statement_logging()
}

/// How those are opened that only read.
pub(in crate::db) fn reader_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("temp_store", "MEMORY")
        .statement_cache_capacity(256)
        .disable_statement_logging()
}

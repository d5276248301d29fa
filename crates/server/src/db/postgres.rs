//! PostgreSQL behind [`Db`](crate::db::Db).

use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::Connection;
use sqlx::Executor;
use sqlx::PgConnection;
use sqlx::PgPool;
use sqlx::Postgres as Driver;
use sqlx::Transaction;
use sqlx::postgres::PgConnectOptions;
use sqlx::postgres::PgPoolOptions;

use crate::db::Conn;
use crate::db::DatabaseSettings;
use crate::db::OpenError;
use crate::db::Stats;

/// A connection that was idle for longer is asked whether it still lives before it is used.
const FRESH: Duration = Duration::from_secs(1);

/// A process that was stopped in a transaction keeps its rows from others no longer than this.
const GIVE_UP: &str = "SET idle_in_transaction_session_timeout = '10s'";

/// A pool of connections.
pub(in crate::db) struct Postgres {
    pool: PgPool,
}

impl Postgres {
    pub(in crate::db) async fn open(
        options: PgConnectOptions,
        settings: &DatabaseSettings,
    ) -> Result<Self, OpenError> {
        // A pool would try for long, and then tell nothing but that.
        let first = connect(&options).await?;
        // To close it is a courtesy.
        let _ = first.close().await;
        let pool = PgPoolOptions::new()
            .max_connections(settings.pool.max(1))
            .acquire_timeout(Duration::from_secs(10))
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(GIVE_UP).await.map(drop) })
            })
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > FRESH {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    pub(in crate::db) async fn read<T, E, F>(&self, stats: &Stats, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Conn<'_>) -> Result<T, E>,
        E: From<sqlx::Error>,
    {
        let mut connection = self.pool.acquire().await?;
        work(&mut Conn::postgres(&mut connection, stats)).await
    }

    pub(in crate::db) async fn write<T, E, F>(&self, stats: &Stats, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Conn<'_>) -> Result<T, E>,
        E: From<sqlx::Error>,
    {
        let mut tx = self.begin().await?;
        match work(&mut Conn::postgres(&mut tx, stats)).await {
            Ok(value) => {
                tx.commit().await?;
                Ok(value)
            }
            Err(error) => {
                // Were this to fail too, the connection is broken and the server has undone it all.
                let _ = tx.rollback().await;
                Err(error)
            }
        }
    }

    pub(in crate::db) async fn close(&self) {
        self.pool.close().await;
    }

    /// Begins a transaction. After a restart of PostgreSQL the pool is full of dead connections:
    /// while nothing was asked yet, the next one may be tried.
    async fn begin(&self) -> Result<Transaction<'static, Driver>, sqlx::Error> {
        for _ in 0..self.pool.options().get_max_connections() {
            match self.pool.begin().await {
                Err(error) if is_gone(&error) => {}
                other => return other,
            }
        }
        self.pool.begin().await
    }
}

/// Connects once, and refuses a version that lacks what we use.
pub(in crate::db) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, OpenError> {
    const OLDEST: u32 = 150_000;
    let (host, port) = (options.get_host().to_owned(), options.get_port());
    let connection = options.connect().await.map_err(|source| OpenError::Postgres {
        host,
        port,
        user: options.get_username().to_owned(),
        source,
    })?;
    match connection.server_version_num() {
        Some(version) if version < OLDEST => Err(OpenError::TooOld(version / 10_000)),
        _ => Ok(connection),
    }
}

/// Whether the connection is dead, and not the transaction wrong.
fn is_gone(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        // PostgreSQL was told to end, has crashed, or is just starting.
        sqlx::Error::Database(fault) => fault.code().is_some_and(|it| it.starts_with("57P0")),
        _ => false,
    }
}

//! PostgreSQL behind [`Db`](crate::db::Db).

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use sqlx::ConnectOptions;
use sqlx::Connection;
use sqlx::Executor;
use sqlx::PgConnection;
use sqlx::PgPool;
use sqlx::Postgres as Driver;
use sqlx::Transaction;
use sqlx::postgres::PgConnectOptions;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;

use crate::db::Conn;
use crate::db::DatabaseSettings;
use crate::db::OpenError;
use crate::db::Stats;

/// A connection that was idle for longer is asked whether it still lives before it is used.
const FRESH: Duration = Duration::from_secs(1);

/// Who waits longer than this for a connection asks whether there can be one.
const SOON: Duration = Duration::from_secs(1);
/// How long a connection may take then. What came of it holds for as long, for all who ask.
const PROBE: Duration = Duration::from_secs(2);

/// A process that was stopped in a transaction keeps its rows from others no longer than this.
const GIVE_UP: &str = "SET idle_in_transaction_session_timeout = '10s'";

/// A pool of connections.
pub(in crate::db) struct Postgres {
    pool: PgPool,
    /// Whether PostgreSQL took a connection when somebody asked last.
    probed: Mutex<Option<(Instant, bool)>>,
    cuts: Cuts,
}

/// When connections were last found to be dead: all that are older may be, too.
#[derive(Debug, Clone, Default)]
struct Cuts(Arc<watch::Sender<Option<Instant>>>);

impl Cuts {
    fn note(&self) {
        self.0.send_replace(Some(Instant::now()));
    }

    /// Whether there was one in the life of a connection that is so old.
    fn is_since(&self, age: Duration) -> bool {
        self.0.borrow().is_some_and(|at| at.elapsed() <= age)
    }
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
        let cuts = Cuts::default();
        let noted = cuts.clone();
        let pool = PgPoolOptions::new()
            .max_connections(settings.pool.max(1))
            .acquire_timeout(Duration::from_secs(10))
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(GIVE_UP).await.map(drop) })
            })
            .before_acquire(move |connection, meta| {
                let cuts = noted.clone();
                Box::pin(async move {
                    if meta.idle_for > FRESH || cuts.is_since(meta.age) {
                        connection.ping().await.inspect_err(|_| cuts.note())?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool, probed: Mutex::default(), cuts })
    }

    pub(in crate::db) async fn read<T, E, F>(&self, stats: &Stats, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Conn<'_>) -> Result<T, E>,
        E: From<sqlx::Error>,
    {
        let mut connection = self.unless_away(self.pool.acquire()).await?;
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
            match self.unless_away(self.pool.begin()).await {
                Err(error) if is_gone(&error) => self.cuts.note(),
                other => return other,
            }
        }
        self.unless_away(self.pool.begin()).await
    }

    /// What is `wanted` of the pool. The pool waits for a PostgreSQL that is away as it does for
    /// connections that are in use; we wait for the latter only.
    async fn unless_away<T>(
        &self,
        wanted: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let mut wanted = pin!(wanted);
        if let Ok(done) = timeout(SOON, &mut wanted).await {
            return done;
        }
        if self.takes_connections().await { wanted.await } else { Err(sqlx::Error::PoolTimedOut) }
    }

    /// Whether PostgreSQL takes connections; however many ask, it is asked by one of them.
    async fn takes_connections(&self) -> bool {
        let mut probed = self.probed.lock().await;
        if let Some((at, takes)) = *probed
            && at.elapsed() < PROBE
        {
            return takes;
        }
        // One that is slow to answer, or has no connection to spare, is not away but has much to do.
        let takes = match timeout(PROBE, self.pool.connect_options().connect()).await {
            Ok(Err(error)) if is_gone(&error) => {
                warn!(error = &error as &dyn std::error::Error, "PostgreSQL takes no connection");
                false
            }
            Ok(Ok(connection)) => {
                // To close it is a courtesy.
                let _ = connection.close().await;
                true
            }
            _ => true,
        };
        if !takes {
            self.cuts.note();
        }
        *probed = Some((Instant::now(), takes));
        takes
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

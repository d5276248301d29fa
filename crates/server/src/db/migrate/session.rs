//! The one connection of a command about migrations, with the lock of those that change something.
//!
//! The lock belongs to the connection, or to the process, so that it is gone with whoever is killed.
//! Who waits asks again and again: to sit in `pg_advisory_lock` would be an open statement, for which
//! a `CREATE INDEX CONCURRENTLY` of the holder would wait, and so for ever.

use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::ConnectOptions;
use sqlx::Connection;
use sqlx::PgConnection;
use sqlx::SqliteConnection;
use sqlx::postgres::PgConnectOptions;
use tokio::time::sleep;

use crate::db::Conn;
use crate::db::DatabaseSettings;
use crate::db::Dialect;
use crate::db::OpenError;
use crate::db::Stats;
use crate::db::file_lock::FileLock;
use crate::db::file_lock::Purpose;
use crate::db::migrate::Progress;
use crate::db::migrate::Report;
use crate::db::migrate::error::MigrateError;
use crate::db::postgres;
use crate::db::settings::Target;
use crate::db::sqlite;
use crate::on;

/// The key of the advisory lock: `agentsrv` in ASCII.
const LOCK: i64 = 0x6167_656e_7473_7276;
/// How often who waits for the lock asks again.
const PAUSE: Duration = Duration::from_millis(200);

/// A connection of its own, closed at the end.
pub(super) struct Session {
    link: Owned,
    stats: Stats,
    _lock: Option<FileLock>,
}

enum Owned {
    Postgres(Box<PgConnection>),
    Sqlite(SqliteConnection),
}

impl Session {
    /// Connects to look. An embedded database that is not there is None.
    pub(super) async fn to_read(settings: &DatabaseSettings) -> Result<Option<Self>, MigrateError> {
        let link = match settings.target()? {
            Target::Postgres(options) => to_postgres(&options).await?,
            Target::Sqlite(path) if !path.exists() => return Ok(None),
            Target::Sqlite(path) => to_sqlite(&path, settings).await?,
        };
        Ok(Some(Self { link, stats: Stats::default(), _lock: None }))
    }

    /// Connects to change tables: makes an embedded database that is not there, and waits for the lock.
    pub(super) async fn to_change(
        settings: &DatabaseSettings,
        lock_timeout: Duration,
        report: &mut Report<'_>,
    ) -> Result<Self, MigrateError> {
        match settings.target()? {
            Target::Postgres(options) => {
                let mut session = Self::new(to_postgres(&options).await?, None);
                session.set_up(lock_timeout).await?;
                session.lock(report).await?;
                session.refuse_pooler(&options).await?;
                Ok(session)
            }
            Target::Sqlite(path) => {
                make_file(&path)
                    .map_err(|source| OpenError::Folder { path: path.clone(), source })?;
                let lock = lock_file(&path, report).await?;
                Ok(Self::new(to_sqlite(&path, settings).await?, Some(lock)))
            }
        }
    }

    fn new(link: Owned, lock: Option<FileLock>) -> Self {
        Self { link, stats: Stats::default(), _lock: lock }
    }

    pub(super) fn conn(&mut self) -> Conn<'_> {
        match &mut self.link {
            Owned::Postgres(link) => Conn::postgres(link, &self.stats),
            Owned::Sqlite(link) => Conn::sqlite(link, &self.stats),
        }
    }

    /// Runs SQL of ours or of a migration, as it is.
    pub(super) async fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let conn = &mut self.conn();
        on!(conn, c => sqlx::raw_sql(AssertSqlSafe(sql)).execute(c).await).map(drop)
    }

    pub(super) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        match self.conn().dialect() {
            Dialect::Postgres => self.run("BEGIN").await,
            Dialect::Sqlite => self.run("BEGIN IMMEDIATE").await,
        }
    }

    /// Ends the connection, and with it the lock.
    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        match self.link {
            Owned::Postgres(link) => link.close().await,
            Owned::Sqlite(link) => link.close().await,
        }
    }

    /// A migration may take long, but must not hold up everybody while it waits for a table. If we are
    /// killed, the statement that is at work shall end soon.
    async fn set_up(&mut self, lock_timeout: Duration) -> Result<(), sqlx::Error> {
        self.run(
            "SET statement_timeout = 0;
             SET idle_in_transaction_session_timeout = 0;
             SET idle_session_timeout = 0",
        )
        .await?;
        // Only some operating systems have it.
        let _ = self.run("SET client_connection_check_interval = '1s'").await;
        self.run(&format!("SET lock_timeout = {}", lock_timeout.as_millis())).await
    }

    async fn lock(&mut self, report: &mut Report<'_>) -> Result<(), sqlx::Error> {
        let mut is_told = false;
        loop {
            let conn = &mut self.conn();
            let is_locked = on!(conn, c => sqlx::query_scalar::<_, bool>("SELECT pg_try_advisory_lock($1)")
                .bind(LOCK)
                .fetch_one(c)
                .await)?;
            if is_locked {
                return Ok(());
            }
            if !is_told {
                report(Progress::Waiting);
                is_told = true;
            }
            sleep(PAUSE).await;
        }
    }

    /// The lock is worth nothing if the next transaction may run on another connection to PostgreSQL. A
    /// pooler that does so gives the one that is free to whoever asks: a second client gets ours.
    async fn refuse_pooler(&mut self, options: &PgConnectOptions) -> Result<(), MigrateError> {
        let ours = backend(&mut self.conn()).await?;
        let Ok(second) = to_postgres(options).await else {
            // There may be only one connection for us: then nobody shares it either.
            return Ok(());
        };
        let mut second = Self::new(second, None);
        let theirs = backend(&mut second.conn()).await?;
        second.close().await?;
        if ours == theirs { Err(MigrateError::Pooler) } else { Ok(()) }
    }
}

async fn backend(conn: &mut Conn<'_>) -> Result<i32, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, i32>("SELECT pg_backend_pid()").fetch_one(c).await)
}

async fn to_postgres(options: &PgConnectOptions) -> Result<Owned, OpenError> {
    Ok(Owned::Postgres(Box::new(postgres::connect(options).await?)))
}

/// Foreign keys are off, as SQLite wants it where a table is rebuilt; they are checked before a commit.
async fn to_sqlite(path: &Path, settings: &DatabaseSettings) -> Result<Owned, OpenError> {
    sqlite::options(path, settings.sync)
        .foreign_keys(false)
        .connect()
        .await
        .map(Owned::Sqlite)
        .map_err(|source| OpenError::Sqlite { path: path.to_owned(), source })
}

/// Makes an empty file that only its owner can read, with the folders above it, unless it is there.
fn make_file(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|it| *it != Path::new("")) {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

/// Waits for another that migrates, and refuses beside a server.
async fn lock_file(path: &Path, report: &mut Report<'_>) -> Result<FileLock, MigrateError> {
    let fault = |source| OpenError::Folder { path: PathBuf::from(path), source };
    let mut is_told = false;
    let mut served = None;
    loop {
        let holder = match FileLock::take(path, Purpose::Migrate).map_err(fault)? {
            Ok(lock) => return Ok(lock),
            Err(holder) => holder,
        };
        // The file is written just after it is locked: believe it when it says the same twice.
        let is_server = holder.purpose == Some(Purpose::Serve);
        if is_server && served.as_ref() == Some(&holder.process) {
            return Err(MigrateError::ServerRuns(holder.process));
        }
        served = is_server.then_some(holder.process);
        if !is_server && !is_told {
            report(Progress::Waiting);
            is_told = true;
        }
        sleep(PAUSE).await;
    }
}

//! The tables in which a database remembers its migrations.

use sqlx::FromRow;

use crate::db::At;
use crate::db::Conn;
use crate::db::Dialect;
use crate::db::migrate::error::MigrateError;
use crate::db::migrate::file::Migration;
use crate::db::migrate::history::Applied;
use crate::on;

/// Makes the tables if they are not there.
pub(super) async fn make(conn: &mut Conn<'_>) -> Result<(), sqlx::Error> {
    let sql = match conn.dialect() {
        Dialect::Postgres => {
            "CREATE TABLE IF NOT EXISTS schema_migrations (
                 id            TEXT PRIMARY KEY,
                 name          TEXT NOT NULL,
                 executed_at   TIMESTAMPTZ NOT NULL,
                 checksum      TEXT NOT NULL,
                 down_checksum TEXT NOT NULL,
                 contract      BOOLEAN NOT NULL,
                 duration_ms   BIGINT NOT NULL,
                 app_version   TEXT NOT NULL
             );
             CREATE TABLE IF NOT EXISTS schema_migrations_partial (
                 id            TEXT PRIMARY KEY,
                 direction     TEXT NOT NULL CHECK (direction IN ('up', 'down')),
                 done          BIGINT NOT NULL,
                 done_checksum TEXT NOT NULL,
                 line          BIGINT NOT NULL,
                 statement     TEXT NOT NULL,
                 error         TEXT
             );"
        }
        Dialect::Sqlite => {
            "CREATE TABLE IF NOT EXISTS schema_migrations (
                 id            TEXT PRIMARY KEY,
                 name          TEXT NOT NULL,
                 executed_at   TEXT NOT NULL,
                 checksum      TEXT NOT NULL,
                 down_checksum TEXT NOT NULL,
                 contract      INTEGER NOT NULL CHECK (contract IN (0, 1)),
                 duration_ms   INTEGER NOT NULL,
                 app_version   TEXT NOT NULL
             ) STRICT;
             CREATE TABLE IF NOT EXISTS schema_migrations_partial (
                 id            TEXT PRIMARY KEY,
                 direction     TEXT NOT NULL CHECK (direction IN ('up', 'down')),
                 done          INTEGER NOT NULL,
                 done_checksum TEXT NOT NULL,
                 line          INTEGER NOT NULL,
                 statement     TEXT NOT NULL,
                 error         TEXT
             ) STRICT;"
        }
    };
    on!(conn, c => sqlx::raw_sql(sql).execute(c).await).map(drop)
}

/// Whether the tables are there.
async fn are_there(conn: &mut Conn<'_>) -> Result<bool, sqlx::Error> {
    let sql = match conn.dialect() {
        Dialect::Postgres => "SELECT to_regclass('schema_migrations') IS NOT NULL",
        Dialect::Sqlite => {
            "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'schema_migrations'"
        }
    };
    on!(conn, c => sqlx::query_scalar::<_, bool>(sql).fetch_one(c).await)
}

/// What was applied, in order. Nothing, if there is no table yet.
pub(super) async fn list(conn: &mut Conn<'_>) -> Result<Vec<Applied>, MigrateError> {
    #[derive(FromRow)]
    struct Row {
        id: String,
        executed_at: At,
        checksum: String,
        down_checksum: String,
        contract: bool,
        duration_ms: i64,
        app_version: String,
    }

    if !are_there(conn).await? {
        return Ok(Vec::new());
    }
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(
        "SELECT id, executed_at, checksum, down_checksum, contract, duration_ms, app_version
         FROM schema_migrations ORDER BY id",
    )
    .fetch_all(c)
    .await)
    .map_err(not_ours)?;
    let applied = |row: Row| Applied {
        id: row.id,
        executed_at: row.executed_at,
        checksum: row.checksum,
        down_checksum: row.down_checksum,
        is_contract: row.contract,
        duration_ms: row.duration_ms,
        app_version: row.app_version,
    };
    Ok(rows.into_iter().map(applied).collect())
}

/// A table of the same name with other columns was made by another program.
fn not_ours(error: sqlx::Error) -> MigrateError {
    let is_column = error.as_database_error().is_some_and(|fault| {
        fault.code().as_deref() == Some("42703") || fault.message().starts_with("no such column")
    });
    if is_column { MigrateError::NotOurs } else { error.into() }
}

pub(super) async fn insert(
    conn: &mut Conn<'_>,
    migration: &Migration,
    at: At,
    duration_ms: i64,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
        "INSERT INTO schema_migrations
             (id, name, executed_at, checksum, down_checksum, contract, duration_ms, app_version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&migration.id)
    .bind(migration.name())
    .bind(at)
    .bind(&migration.up.checksum)
    .bind(&migration.down.checksum)
    .bind(migration.is_contract)
    .bind(duration_ms)
    .bind(env!("CARGO_PKG_VERSION"))
    .execute(c)
    .await)
    .map(drop)
}

pub(super) async fn delete(conn: &mut Conn<'_>, id: &str) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("DELETE FROM schema_migrations WHERE id = $1")
        .bind(id)
        .execute(c)
        .await)
    .map(drop)
}

/// A migration without a transaction that was begun and has not ended.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Partial {
    pub id: String,
    /// `up` or `down`.
    pub direction: String,
    /// How many of its statements are done.
    pub done: i64,
    /// SHA-256 of their texts.
    pub done_checksum: String,
    /// The line of the statement that failed, or was begun last.
    pub line: i64,
    pub statement: String,
    /// Why it failed. None if it did not come so far: it may be done, or not.
    pub error: Option<String>,
}

/// The migration that was begun and has not ended, if there is one.
pub(super) async fn find_partial(conn: &mut Conn<'_>) -> Result<Option<Partial>, sqlx::Error> {
    if !are_there(conn).await? {
        return Ok(None);
    }
    on!(conn, c => sqlx::query_as::<_, Partial>(
        "SELECT id, direction, done, done_checksum, line, statement, error
         FROM schema_migrations_partial ORDER BY id LIMIT 1",
    )
    .fetch_optional(c)
    .await)
}

pub(super) async fn put_partial(conn: &mut Conn<'_>, partial: &Partial) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
        "INSERT INTO schema_migrations_partial
             (id, direction, done, done_checksum, line, statement, error)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE SET
             direction = excluded.direction, done = excluded.done,
             done_checksum = excluded.done_checksum, line = excluded.line,
             statement = excluded.statement, error = excluded.error",
    )
    .bind(&partial.id)
    .bind(&partial.direction)
    .bind(partial.done)
    .bind(&partial.done_checksum)
    .bind(partial.line)
    .bind(&partial.statement)
    .bind(&partial.error)
    .execute(c)
    .await)
    .map(drop)
}

pub(super) async fn delete_partial(conn: &mut Conn<'_>, id: &str) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("DELETE FROM schema_migrations_partial WHERE id = $1")
        .bind(id)
        .execute(c)
        .await)
    .map(drop)
}

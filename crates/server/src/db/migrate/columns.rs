//! The columns that tables have, and those that migrations make.
//!
//! What migrations make is found out by running them: on SQLite in memory, on PostgreSQL in a schema
//! of its own, in a transaction that is never committed. Migrations name no schema, so they touch
//! nothing else. Those without a transaction are left out: they make indexes, not columns.

use std::collections::BTreeMap;

use sqlx::Connection;
use sqlx::FromRow;
use sqlx::SqliteConnection;

use crate::db::Conn;
use crate::db::Dialect;
use crate::db::Stats;
use crate::db::migrate::file::Migration;
use crate::db::migrate::file::Mode;
use crate::db::migrate::session::Session;
use crate::on;

/// The type of each column, with what is said of it, by table and name.
pub(super) type Columns = BTreeMap<(String, String), String>;

const SCRATCH: &str = "agent_server_expected";

/// The columns that `migrations` make.
pub(super) async fn expected(
    session: &mut Session,
    migrations: &[&Migration],
) -> Result<Columns, sqlx::Error> {
    if session.conn().dialect() == Dialect::Sqlite {
        return in_memory(migrations).await;
    }
    session.begin().await?;
    let columns = in_scratch(session, migrations).await;
    session.run("ROLLBACK").await?;
    columns
}

/// The columns that are there.
pub(super) async fn live(conn: &mut Conn<'_>) -> Result<Columns, sqlx::Error> {
    #[derive(FromRow)]
    struct Row {
        in_table: String,
        name: String,
        shape: String,
    }

    let sql = match conn.dialect() {
        Dialect::Postgres => {
            "SELECT relname::text AS in_table, attname::text AS name,
                 format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
                     AS shape
             FROM pg_attribute
             JOIN pg_class ON pg_class.oid = attrelid
             WHERE relnamespace = current_schema()::regnamespace
                 AND relkind IN ('r', 'p') AND NOT relispartition AND attnum > 0 AND NOT attisdropped"
        }
        Dialect::Sqlite => {
            "SELECT m.name AS in_table, c.name AS name,
                 c.type || CASE WHEN c.\"notnull\" THEN ' NOT NULL' ELSE '' END AS shape
             FROM sqlite_schema m
             JOIN pragma_table_xinfo(m.name) c
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        }
    };
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(sql).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|row| ((row.in_table, row.name), row.shape)).collect())
}

async fn in_memory(migrations: &[&Migration]) -> Result<Columns, sqlx::Error> {
    let mut memory = SqliteConnection::connect("sqlite::memory:").await?;
    let stats = Stats::default();
    let conn = &mut Conn::sqlite(&mut memory, &stats);
    for statement in statements(migrations) {
        on!(conn, c => sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(c).await)?;
    }
    let columns = live(conn).await?;
    memory.close().await?;
    Ok(columns)
}

async fn in_scratch(
    session: &mut Session,
    migrations: &[&Migration],
) -> Result<Columns, sqlx::Error> {
    session
        .run(&format!(
            "SET LOCAL lock_timeout = '2s';
             CREATE SCHEMA {SCRATCH};
             SELECT set_config('search_path', '{SCRATCH}, ' || current_setting('search_path'), true)"
        ))
        .await?;
    for statement in statements(migrations) {
        session.run(statement).await?;
    }
    live(&mut session.conn()).await
}

fn statements<'a>(migrations: &'a [&Migration]) -> impl Iterator<Item = &'a str> {
    let in_transaction = migrations.iter().filter(|it| it.mode == Mode::Transaction);
    in_transaction.flat_map(|it| &it.up.statements).map(|statement| statement.text.as_str())
}

//! What a database says of itself.

use crate::db::Db;
use crate::db::Dialect;
use crate::on;

/// What to tell an operator about a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub version: String,
    pub way: Way,
}

/// How what is said to the database gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It does not leave the machine: a file, or a socket in one.
    Local,
    Encrypted,
    Plain,
}

/// Asks the database.
pub async fn facts(db: &Db) -> Result<Facts, sqlx::Error> {
    if db.dialect() == Dialect::Sqlite {
        let version = text(db, "SELECT sqlite_version()").await?;
        return Ok(Facts { version: format!("SQLite {version}"), way: Way::Local });
    }
    let version = text(db, "SELECT current_setting('server_version')").await?;
    let way = text(
        db,
        "SELECT CASE WHEN inet_server_addr() IS NULL THEN 'local'
                     WHEN EXISTS (SELECT FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl)
                     THEN 'encrypted' ELSE 'plain' END",
    )
    .await?;
    let way = match &*way {
        "local" => Way::Local,
        "encrypted" => Way::Encrypted,
        _ => Way::Plain,
    };
    Ok(Facts { version: format!("PostgreSQL {version}"), way })
}

async fn text(db: &Db, sql: &'static str) -> Result<String, sqlx::Error> {
    db.read(async |conn| on!(conn, c => sqlx::query_scalar::<_, String>(sql).fetch_one(c).await))
        .await
}

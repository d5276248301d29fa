//! What the databases say of the state they are in.

use crate::db::Conn;
use crate::db::Dialect;
use crate::db::migrate::error::MigrateError;
use crate::on;

pub(super) async fn refuse_invalid_index(conn: &mut Conn<'_>) -> Result<(), MigrateError> {
    match invalid_index(conn).await? {
        Some(index) => Err(MigrateError::InvalidIndex(index)),
        None => Ok(()),
    }
}

/// An index of ours that PostgreSQL does not use, because building it was cut.
pub(super) async fn invalid_index(conn: &mut Conn<'_>) -> Result<Option<String>, sqlx::Error> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(None);
    }
    on!(conn, c => sqlx::query_scalar::<_, String>(
        "SELECT indexrelid::regclass::text
         FROM pg_index
         JOIN pg_class ON pg_class.oid = indexrelid
         JOIN pg_namespace ON pg_namespace.oid = relnamespace
         WHERE NOT indisvalid AND relkind = 'i' AND nspname = ANY (current_schemas(false))
         ORDER BY 1 LIMIT 1",
    )
    .fetch_optional(c)
    .await)
}

/// A table of the embedded database with a row that refers to nothing. PostgreSQL checks by itself.
pub(super) async fn dangling_row(conn: &mut Conn<'_>) -> Result<Option<String>, sqlx::Error> {
    if conn.dialect() == Dialect::Postgres {
        return Ok(None);
    }
    on!(conn, c => sqlx::query_scalar::<_, String>(
        "SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1",
    )
    .fetch_optional(c)
    .await)
}

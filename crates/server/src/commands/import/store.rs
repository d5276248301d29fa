//! SQL that reads the original's tables, of whichever of its releases: each row as one JSON object.

use crate::db::Conn;
use crate::on;

/// Whether there is a table of this name.
pub async fn has_table(conn: &mut Conn<'_>, table: &str) -> Result<bool, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, bool>("SELECT to_regclass($1) IS NOT NULL")
        .bind(table)
        .fetch_one(c)
        .await)
}

/// The rows that `query`, one of [`QUERIES`], gives, as JSON.
pub async fn list(conn: &mut Conn<'_>, query: &'static str) -> Result<Vec<String>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, String>(query).fetch_all(c).await)
}

/// The tables whose rows are taken over or named, each with its query. Secrets of clients are among them.
pub const QUERIES: [(&str, &str); 11] = [
    (
        "client_registrations",
        "SELECT row_to_json(t)::text FROM client_registrations t ORDER BY client_id",
    ),
    ("tool_definitions", "SELECT row_to_json(t)::text FROM tool_definitions t ORDER BY name"),
    ("agent_definitions", "SELECT row_to_json(t)::text FROM agent_definitions t ORDER BY name"),
    (
        "workflow_definitions",
        "SELECT row_to_json(t)::text FROM workflow_definitions t ORDER BY name",
    ),
    (
        "workflow_steps",
        "SELECT row_to_json(t)::text FROM workflow_steps t ORDER BY workflow_id, order_index, step_id",
    ),
    ("rag_databases", "SELECT row_to_json(t)::text FROM rag_databases t ORDER BY name"),
    (
        "rag_documents",
        "SELECT row_to_json(t)::text FROM rag_documents t ORDER BY rag_database_id, filename",
    ),
    ("scorer_definitions", "SELECT row_to_json(t)::text FROM scorer_definitions t ORDER BY name"),
    ("network_definitions", "SELECT row_to_json(t)::text FROM network_definitions t ORDER BY name"),
    ("applications", "SELECT row_to_json(t)::text FROM applications t ORDER BY name"),
    (
        "application_client_permissions",
        "SELECT row_to_json(t)::text FROM application_client_permissions t ORDER BY client_id, application_id",
    ),
];

/// Tables of which only the number of rows is told.
pub const COUNTS: [(&str, &str); 1] = [("documents", "SELECT count(*)::text FROM documents")];

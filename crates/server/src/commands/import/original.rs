//! The rows of the original.

use std::collections::HashMap;

use secrecy::SecretString;
use serde_json::Map;
use serde_json::Value;

use super::store;
use crate::commands::Failure;
use crate::db::DatabaseSettings;
use crate::db::Db;
use crate::db::Dialect;
use crate::db::OpenError;
use crate::db::Sync;

/// A row: its columns, lists and objects as JSON.
pub type Row = Map<String, Value>;

/// Everything that was read, by tables.
pub struct Original {
    tables: HashMap<&'static str, Vec<Row>>,
    counts: HashMap<&'static str, u64>,
}

impl Original {
    /// Reads what is at `url`, which was given as `source`.
    pub async fn read(url: SecretString, source: &str) -> Result<Self, Failure> {
        // The words of these errors are about DATABASE_URL, which this is not.
        let refuse = |error: OpenError| error.to_string().replace("DATABASE_URL", source);
        let settings = DatabaseSettings { url, pool: 1, sync: Sync::Full };
        if settings.dialect().map_err(refuse)? != Dialect::Postgres {
            return Err(format!("{source}: the original keeps its tables in PostgreSQL").into());
        }
        let db = Db::open(&settings).await.map_err(refuse)?;
        let read = db.read(async |conn| {
            let (mut tables, mut counts) = (HashMap::new(), HashMap::new());
            let is_ours = store::has_table(conn, "definition_versions").await?;
            for (table, query) in store::QUERIES {
                if !is_ours && store::has_table(conn, table).await? {
                    tables.insert(table, store::list(conn, query).await?);
                }
            }
            for (table, query) in store::COUNTS {
                if !is_ours && store::has_table(conn, table).await? {
                    counts.insert(table, store::list(conn, query).await?);
                }
            }
            Ok::<_, sqlx::Error>((is_ours, tables, counts))
        });
        let (is_ours, tables, counts) = read.await?;
        db.close().await;
        if is_ours {
            let fault = "this is a database of this server, not of the original";
            return Err(format!("{source}: {fault}").into());
        }
        if tables.is_empty() {
            let fault = "there are no tables of the original agent server";
            return Err(format!("{source}: {fault}").into());
        }
        let mut read = HashMap::new();
        for (table, rows) in tables {
            let rows: Result<Vec<Row>, _> =
                rows.iter().map(|it| serde_json::from_str(it)).collect();
            read.insert(table, rows?);
        }
        let number = |texts: Vec<String>| texts.first().and_then(|it| it.parse().ok());
        let counts = counts.into_iter().map(|(table, it)| (table, number(it).unwrap_or_default()));
        Ok(Self { tables: read, counts: counts.collect() })
    }

    /// The rows of a table; none if there is no such table.
    pub fn rows(&self, table: &str) -> &[Row] {
        self.tables.get(table).map(Vec::as_slice).unwrap_or_default()
    }

    /// The number of rows of a table that are not read.
    pub fn count(&self, table: &str) -> u64 {
        self.counts.get(table).copied().unwrap_or_default()
    }
}

/// The text of a column; empty where there is none.
pub fn text<'r>(row: &'r Row, column: &str) -> &'r str {
    row.get(column).and_then(Value::as_str).unwrap_or_default()
}

/// The texts of a column that is a list.
pub fn texts(row: &Row, column: &str) -> Vec<String> {
    let list = row.get(column).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|it| it.as_str().map(str::to_owned)).collect()
}

/// A column that is an object with something in it.
pub fn object<'r>(row: &'r Row, column: &str) -> Option<&'r Map<String, Value>> {
    row.get(column).and_then(Value::as_object).filter(|it| !it.is_empty())
}

/// Whether a column has something that is not empty.
pub fn has(row: &Row, column: &str) -> bool {
    match row.get(column) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(members)) => !members.is_empty(),
        Some(Value::String(text)) => !text.is_empty(),
        Some(_) => true,
    }
}

/// Whether a row is active; it is if it does not say.
pub fn is_active(row: &Row) -> bool {
    row.get("is_active").and_then(Value::as_bool).unwrap_or(true)
}

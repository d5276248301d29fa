//! What somebody sees and does who sits at the database, beside the server.

use sqlx::AssertSqlSafe;
use sqlx::Connection;
use sqlx::PgConnection;
use sqlx::SqliteConnection;

use super::TestServer;

/// Runs statements.
pub async fn in_sql(server: &TestServer, statement: &str) {
    let url = server.database.url();
    let statement = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
    let done = if url.starts_with("sqlite:") {
        let mut shell = SqliteConnection::connect(url).await.unwrap();
        statement.execute(&mut shell).await.map(drop)
    } else {
        let mut shell = PgConnection::connect(url).await.unwrap();
        statement.execute(&mut shell).await.map(drop)
    };
    done.unwrap();
}

/// The number that a query gives.
pub async fn number(server: &TestServer, query: &str) -> i64 {
    let url = server.database.url();
    let query = sqlx::AssertSqlSafe(query.to_owned());
    if url.starts_with("sqlite:") {
        let mut shell = SqliteConnection::connect(url).await.unwrap();
        sqlx::query_scalar(query).fetch_one(&mut shell).await.unwrap()
    } else {
        let mut shell = PgConnection::connect(url).await.unwrap();
        sqlx::query_scalar(query).fetch_one(&mut shell).await.unwrap()
    }
}

/// The text that a query gives, of PostgreSQL.
pub async fn text(server: &TestServer, query: &str) -> String {
    let mut shell = PgConnection::connect(server.database.url()).await.unwrap();
    let query = sqlx::AssertSqlSafe(query.to_owned());
    sqlx::query_scalar(query).fetch_one(&mut shell).await.unwrap()
}

/// All that is in the database, row by row: what a copy of it would show.
pub async fn dump(server: &TestServer) -> String {
    let url = server.database.url();
    let mut all = Vec::new();
    if url.starts_with("sqlite:") {
        let mut shell = SqliteConnection::connect(url).await.unwrap();
        let columns = "SELECT t.name, group_concat('quote(' || c.name || ')', ' || '' '' || ')
            FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' GROUP BY t.name";
        let tables: Vec<(String, String)> =
            sqlx::query_as(columns).fetch_all(&mut shell).await.unwrap();
        for (table, columns) in tables {
            let rows = AssertSqlSafe(format!("SELECT {columns} FROM \"{table}\""));
            let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(&mut shell).await.unwrap();
            all.push(table);
            all.extend(rows);
        }
    } else {
        let mut shell = PgConnection::connect(url).await.unwrap();
        let tables =
            "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1";
        let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut shell).await.unwrap();
        for table in tables {
            let rows = AssertSqlSafe(format!("SELECT t::text FROM \"{table}\" t"));
            let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(&mut shell).await.unwrap();
            all.push(table);
            all.extend(rows);
        }
    }
    all.join("\n")
}

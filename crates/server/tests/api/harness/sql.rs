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

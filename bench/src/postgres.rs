//! A database of our own on the PostgreSQL that `scripts/postgres run` brought.

use sqlx::Connection;
use sqlx::PgConnection;
use sqlx::Row;

use crate::Result;
use crate::process::Process;
use crate::settings;

const NAME: &str = "agent_server_bench";

#[derive(Debug)]
pub struct Postgres {
    pub url: String,
    /// The server's first process, parent of all that work for a connection.
    pub process: Process,
}

impl Postgres {
    /// Makes the database anew.
    pub async fn create() -> Result<Self> {
        let server = settings::text("TEST_DATABASE_URL")
            .ok_or("TEST_DATABASE_URL is not set: run `make bench`, or `scripts/postgres run …`")?;
        let mut connection = PgConnection::connect(&server).await?;
        for statement in [
            "DROP DATABASE IF EXISTS agent_server_bench WITH (FORCE)",
            "CREATE DATABASE agent_server_bench",
        ] {
            sqlx::query(statement).execute(&mut connection).await?;
        }
        let fsync: String =
            sqlx::query("SHOW fsync").fetch_one(&mut connection).await?.try_get(0)?;
        if fsync != "on" {
            return Err("this PostgreSQL runs with fsync off: its figures would say nothing".into());
        }
        let backend: i32 =
            sqlx::query("SELECT pg_backend_pid()").fetch_one(&mut connection).await?.try_get(0)?;
        let process = Process(u32::try_from(backend)?)
            .parent()
            .ok_or("PostgreSQL runs on another machine")?;
        Ok(Self { url: with_database(&server)?, process })
    }
}

/// The same server, our database.
fn with_database(url: &str) -> Result<String> {
    let (server, parameters) = match url.split_once('?') {
        Some((server, parameters)) => (server, format!("?{parameters}")),
        None => (url, String::new()),
    };
    let (server, _) = server.rsplit_once('/').ok_or("TEST_DATABASE_URL names no database")?;
    Ok(format!("{server}/{NAME}{parameters}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_the_database_changes() {
        let url = with_database("postgresql://me:pw@127.0.0.1:5433/postgres?sslmode=disable");
        assert_eq!(
            url.unwrap(),
            "postgresql://me:pw@127.0.0.1:5433/agent_server_bench?sslmode=disable"
        );
    }
}

//! Why the database could not be opened.

use std::path::PathBuf;

/// Why the database could not be opened. No message holds the URL or a password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("DATABASE_URL must begin with `sqlite:` or `postgres:`")]
    Scheme,
    #[error("DATABASE_URL must be `sqlite:` and the path of a file")]
    SqlitePath,
    #[error("DATABASE_URL must look like `postgres://USER:PASSWORD@HOST:PORT/NAME`")]
    PostgresUrl,
    #[error(
        "DATABASE_URL holds a sign that ends a part of a URL: percent-encode the password \
         (`@` is `%40`, `:` `%3A`, `/` `%2F`, `?` `%3F`, `#` `%23`, `%` `%25`, a space `%20`), \
         or leave it out and set PGPASSWORD"
    )]
    Unencoded,
    #[error("DATABASE_URL has the unknown parameter `{0}`")]
    Parameter(String),
    #[error(
        "the database file `{}` does not exist; `agent-server migrate up` makes it", .0.display()
    )]
    Missing(PathBuf),
    #[error("cannot open the database file `{}`", path.display())]
    Sqlite { path: PathBuf, source: sqlx::Error },
    #[error("cannot connect to PostgreSQL at {host}:{port} as `{user}`")]
    Postgres { host: String, port: u16, user: String, source: sqlx::Error },
    #[error("version {0} of PostgreSQL is too old: it must be 15 or later")]
    TooOld(u32),
    #[error("cannot write to the folder of the database file `{}`", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error(
        "the database file `{}` is in use by the server with process id {process}; \
         an embedded database serves one process", path.display()
    )]
    InUse { path: PathBuf, process: String },
}

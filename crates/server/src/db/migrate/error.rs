//! Why migrating failed.

use crate::db::OpenError;
use crate::db::migrate::history::Fault;
use crate::db::migrate::source::SourceError;

/// Why a command about migrations failed. Each message says what to do, where that is not plain.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("the database refused a query about its migrations")]
    Database(#[from] sqlx::Error),
    #[error("{}", list(.0))]
    Faults(Vec<Fault>),
    #[error("no migration is named `{0}`")]
    Unknown(String),
    #[error("`{id}` failed on line {line} and was undone: {statement}")]
    Failed { id: String, line: usize, statement: String, source: sqlx::Error },
    #[error(
        "`{id}` failed on line {line}: {statement}\nIt has no transaction, so what came before that \
         line is done. Mend the cause, then run the same command again: it goes on with that line"
    )]
    FailedHalfway { id: String, line: usize, statement: String, source: sqlx::Error },
    #[error("`{id}` leaves rows of `{table}` without what they refer to, and was undone")]
    ForeignKey { id: String, table: String },
    #[error(
        "`{id}` was begun with `migrate {direction}` and has not ended; finish it with the same \
         command first"
    )]
    Unfinished { id: String, direction: String },
    #[error(
        "`{id}` was begun, and its first {done} statements are done, but their text has changed; \
         bring it back"
    )]
    PartialEdited { id: String, done: i64 },
    #[error(
        "the index `{0}` is not valid: a `CREATE INDEX CONCURRENTLY` was cut, or is at work now. If \
         it is not, drop the index (`DROP INDEX CONCURRENTLY {0}`) and run the command again"
    )]
    InvalidIndex(String),
    #[error("`{0}` has an empty DOWN section: there is no way back")]
    Irreversible(String),
    #[error(
        "`{id}` was applied by version {version}, and this one does not know it; go back with that \
         version"
    )]
    NotKnown { id: String, version: String },
    #[error(
        "the table `schema_migrations` was made by another program; give this server a database, or a \
         schema, of its own"
    )]
    NotOurs,
    #[error("the server with process id {0} is running on this database; stop it first")]
    ServerRuns(String),
    #[error(
        "DATABASE_URL leads to a pooler that shares connections between transactions; migrate on a \
         direct connection to PostgreSQL"
    )]
    Pooler,
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
}

//! Whether a database is one that this program can serve.

use crate::db::Db;
use crate::db::migrate::error::MigrateError;
use crate::db::migrate::history::Fault;
use crate::db::migrate::history::History;
use crate::db::migrate::history::State;
use crate::db::migrate::source::Source;
use crate::db::migrate::table;

/// Why this program must not serve a database. Each message names the way on.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    #[error("{} of the database {} pending: run `agent-server migrate up`",
        if .0.len() == 1 { "a migration" } else { "migrations" },
        if .0.len() == 1 { "is" } else { "are" })]
    Pending(Vec<String>),
    #[error("the migration `{0}` was begun and has not ended: see `agent-server migrate status`")]
    Partial(String),
    #[error("the migration {0}: see `agent-server migrate validate`")]
    Fault(Fault),
    #[error("the migration {0}: run the newer version")]
    TooNew(Fault),
    #[error("the migrations of the database cannot be read")]
    Unreadable(#[from] MigrateError),
}

impl From<sqlx::Error> for HeadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unreadable(error.into())
    }
}

/// Says whether all migrations of this program were applied as they are. It changes nothing.
///
/// A database that a newer version has migrated is served, unless that one said otherwise.
pub async fn check_head(db: &Db) -> Result<(), HeadError> {
    let files = Source::Embedded.load(db.dialect()).map_err(MigrateError::from)?;
    let (applied, partial) = db
        .read(async |conn| {
            Ok::<_, HeadError>((table::list(conn).await?, table::find_partial(conn).await?))
        })
        .await?;
    if let Some(partial) = partial {
        return Err(HeadError::Partial(partial.id));
    }
    let history = History::new(&files, &applied);
    for entry in &history.0 {
        match entry.state {
            State::Applied | State::Pending | State::Ahead | State::DownEdited => {}
            State::AheadContract => return Err(HeadError::TooNew(entry.fault())),
            _ => return Err(HeadError::Fault(entry.fault())),
        }
    }
    let pending: Vec<_> = history.pending(None).map(|it| it.id.clone()).collect();
    if pending.is_empty() { Ok(()) } else { Err(HeadError::Pending(pending)) }
}

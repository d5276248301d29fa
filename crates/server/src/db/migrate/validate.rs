//! Whether the files, what was applied and the tables agree.

use std::collections::BTreeSet;
use std::fmt;

use crate::db::Dialect;
use crate::db::migrate::catalog;
use crate::db::migrate::columns;
use crate::db::migrate::columns::Columns;
use crate::db::migrate::error::MigrateError;
use crate::db::migrate::file::Migration;
use crate::db::migrate::history::Fault;
use crate::db::migrate::history::History;
use crate::db::migrate::history::State;
use crate::db::migrate::runner::Migrator;
use crate::db::migrate::session::Session;
use crate::db::migrate::source::Source;
use crate::db::migrate::table;

/// Something that does not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    Migration(Fault),
    /// A migration that only one of the databases has.
    OnlyFor {
        id: String,
        dialect: Dialect,
    },
    Partial {
        id: String,
    },
    InvalidIndex(String),
    MissingColumn {
        table: String,
        column: String,
    },
    UnexpectedColumn {
        table: String,
        column: String,
    },
    ChangedColumn {
        table: String,
        column: String,
        expected: String,
        found: String,
    },
    /// The columns could not be compared, and why.
    NotCompared(String),
}

impl Migrator {
    /// Everything that does not agree. It changes nothing.
    pub async fn validate(&self) -> Result<Vec<Problem>, MigrateError> {
        let mut problems = compare_folders(&self.source)?;
        let Some(mut session) = Session::to_read(&self.settings).await? else {
            return Ok(problems);
        };
        let applied = table::list(&mut session.conn()).await?;
        let history = History::new(&self.migrations, &applied);
        problems.extend(history.faults().map(Problem::Migration));
        let partial = table::find_partial(&mut session.conn()).await?;
        problems.extend(partial.map(|it| Problem::Partial { id: it.id }));
        let invalid = catalog::invalid_index(&mut session.conn()).await?;
        problems.extend(invalid.map(Problem::InvalidIndex));
        if let Some(known) = all_known(&history) {
            problems.extend(compare_columns(&mut session, &known).await?);
        }
        session.close().await?;
        Ok(problems)
    }
}

/// The migrations that were applied, unless one was edited or is not known: then nobody can tell what
/// the tables should be, and those problems come first.
fn all_known<'a>(history: &History<'a>) -> Option<Vec<&'a Migration>> {
    let applied = history.0.iter().filter(|entry| entry.applied.is_some());
    applied
        .map(|entry| match entry.state {
            State::UpEdited => None,
            _ => entry.file,
        })
        .collect()
}

fn compare_folders(source: &Source) -> Result<Vec<Problem>, MigrateError> {
    let ids = |dialect| -> Result<BTreeSet<String>, MigrateError> {
        Ok(source.load(dialect)?.into_iter().map(|it| it.id).collect())
    };
    let (postgres, sqlite) = (ids(Dialect::Postgres)?, ids(Dialect::Sqlite)?);
    let only = |dialect| move |id: &String| Problem::OnlyFor { id: id.clone(), dialect };
    let mut problems: Vec<_> = postgres.difference(&sqlite).map(only(Dialect::Postgres)).collect();
    problems.extend(sqlite.difference(&postgres).map(only(Dialect::Sqlite)));
    Ok(problems)
}

async fn compare_columns(
    session: &mut Session,
    applied: &[&Migration],
) -> Result<Vec<Problem>, MigrateError> {
    let live = columns::live(&mut session.conn()).await?;
    match columns::expected(session, applied).await {
        Ok(expected) => Ok(differences(&expected, &live)),
        Err(error) => Ok(vec![Problem::NotCompared(error.to_string())]),
    }
}

/// How `live` differs in the tables of `expected`. Other tables are none of our business.
fn differences(expected: &Columns, live: &Columns) -> Vec<Problem> {
    let mut problems = Vec::new();
    for ((table, column), shape) in expected {
        let (table, column) = (table.clone(), column.clone());
        match live.get(&(table.clone(), column.clone())) {
            Some(found) if found == shape => {}
            Some(found) => problems.push(Problem::ChangedColumn {
                table,
                column,
                expected: shape.clone(),
                found: found.clone(),
            }),
            None => problems.push(Problem::MissingColumn { table, column }),
        }
    }
    let tables: BTreeSet<_> = expected.keys().map(|(table, _)| table).collect();
    for (table, column) in live.keys().filter(|key| !expected.contains_key(*key)) {
        if tables.contains(table) {
            let (table, column) = (table.clone(), column.clone());
            problems.push(Problem::UnexpectedColumn { table, column });
        }
    }
    problems
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Migration(fault) => fault.fmt(f),
            Self::OnlyFor { id, dialect } => write!(f, "`{id}` is there for {dialect} only"),
            Self::Partial { id } => {
                write!(f, "`{id}` was begun and has not ended; see `migrate status`")
            }
            Self::InvalidIndex(index) => write!(
                f,
                "the index `{index}` is not valid: building it was cut, or is at work now"
            ),
            Self::MissingColumn { table, column } => {
                write!(f, "the column `{table}.{column}` is missing")
            }
            Self::UnexpectedColumn { table, column } => {
                write!(f, "the column `{table}.{column}` was made by no migration")
            }
            Self::ChangedColumn { table, column, expected, found } => {
                write!(f, "the column `{table}.{column}` is `{found}` and should be `{expected}`")
            }
            Self::NotCompared(why) => write!(f, "the columns could not be compared: {why}"),
        }
    }
}

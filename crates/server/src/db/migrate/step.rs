//! One migration, applied or undone.

use std::time::Duration;
use std::time::Instant;

use crate::db::At;
use crate::db::migrate::catalog;
use crate::db::migrate::error::MigrateError;
use crate::db::migrate::file::Migration;
use crate::db::migrate::file::sha256;
use crate::db::migrate::session::Session;
use crate::db::migrate::statements::Statement;
use crate::db::migrate::table;
use crate::db::migrate::table::Partial;

/// Which way a migration goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// One migration in one direction.
pub(super) struct Step<'a> {
    pub(super) session: &'a mut Session,
    pub(super) migration: &'a Migration,
    pub(super) direction: Direction,
}

impl<'a> Step<'a> {
    fn statements(&self) -> &'a [Statement] {
        match self.direction {
            Direction::Up => &self.migration.up.statements,
            Direction::Down => &self.migration.down.statements,
        }
    }

    /// Runs all of it and its row in one transaction.
    pub(super) async fn in_transaction(mut self, at: At) -> Result<(), MigrateError> {
        let begin = Instant::now();
        self.session.begin().await?;
        let done = match self.all().await {
            Ok(()) => self.record(at, begin.elapsed()).await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            // Were this to fail too, the connection is gone, and the transaction with it.
            let _ = self.session.run("ROLLBACK").await;
            return Err(error);
        }
        Ok(self.session.run("COMMIT").await?)
    }

    async fn all(&mut self) -> Result<(), MigrateError> {
        let migration = self.migration;
        for statement in self.statements() {
            self.session.run(&statement.text).await.map_err(|source| MigrateError::Failed {
                id: migration.id.clone(),
                line: statement.line,
                statement: statement.title().to_owned(),
                source,
            })?;
        }
        match catalog::dangling_row(&mut self.session.conn()).await? {
            Some(table) => Err(MigrateError::ForeignKey { id: migration.id.clone(), table }),
            None => Ok(()),
        }
    }

    /// Runs one statement after the other, and remembers before each how far it has come.
    pub(super) async fn one_by_one(
        mut self,
        partial: Option<&Partial>,
        at: At,
    ) -> Result<(), MigrateError> {
        let begin = Instant::now();
        let statements = self.statements();
        let skip = check_done(statements, partial)?;
        for (index, statement) in statements.iter().enumerate().skip(skip) {
            let mut place = self.place(&statements[..index], statement);
            table::put_partial(&mut self.session.conn(), &place).await?;
            if let Err(source) = self.session.run(&statement.text).await {
                place.error = Some(source.to_string());
                table::put_partial(&mut self.session.conn(), &place).await?;
                return Err(MigrateError::FailedHalfway {
                    id: place.id,
                    line: statement.line,
                    statement: statement.title().to_owned(),
                    source,
                });
            }
        }
        catalog::refuse_invalid_index(&mut self.session.conn()).await?;
        self.session.begin().await?;
        self.record(at, begin.elapsed()).await?;
        table::delete_partial(&mut self.session.conn(), &self.migration.id).await?;
        Ok(self.session.run("COMMIT").await?)
    }

    fn place(&self, done: &[Statement], next: &Statement) -> Partial {
        Partial {
            id: self.migration.id.clone(),
            direction: self.direction.name().to_owned(),
            done: i64::try_from(done.len()).unwrap_or(i64::MAX),
            done_checksum: checksum(done),
            line: i64::try_from(next.line).unwrap_or(i64::MAX),
            statement: next.text.clone(),
            error: None,
        }
    }

    async fn record(&mut self, at: At, took: Duration) -> Result<(), MigrateError> {
        let conn = &mut self.session.conn();
        match self.direction {
            Direction::Up => {
                let took = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
                table::insert(conn, self.migration, at, took).await?;
            }
            Direction::Down => table::delete(conn, &self.migration.id).await?,
        }
        Ok(())
    }
}

impl Direction {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

fn checksum(statements: &[Statement]) -> String {
    let texts: Vec<_> = statements.iter().map(|it| it.text.as_str()).collect();
    sha256(&texts.join("\0"))
}

/// How many statements are done, if they are still the ones that were run.
fn check_done(statements: &[Statement], partial: Option<&Partial>) -> Result<usize, MigrateError> {
    let Some(partial) = partial else { return Ok(0) };
    let done = usize::try_from(partial.done).unwrap_or(usize::MAX);
    match statements.get(..done) {
        Some(same) if checksum(same) == partial.done_checksum => Ok(done),
        _ => Err(MigrateError::PartialEdited { id: partial.id.clone(), done: partial.done }),
    }
}

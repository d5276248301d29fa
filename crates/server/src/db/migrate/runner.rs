//! Applies migrations and undoes them.

use std::time::Duration;
use std::time::Instant;

use crate::app::Clock;
use crate::db::DatabaseSettings;
use crate::db::migrate::Progress;
use crate::db::migrate::Report;
use crate::db::migrate::catalog;
use crate::db::migrate::error::MigrateError;
use crate::db::migrate::file::Migration;
use crate::db::migrate::file::Mode;
use crate::db::migrate::history::Applied;
use crate::db::migrate::history::Entry;
use crate::db::migrate::history::History;
use crate::db::migrate::history::State;
use crate::db::migrate::session::Session;
use crate::db::migrate::source::Source;
use crate::db::migrate::step::Direction;
use crate::db::migrate::step::Step;
use crate::db::migrate::table;
use crate::db::migrate::table::Partial;

/// How long a statement waits for a table that others use.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// The migrations of one source, for one database.
#[derive(Debug)]
pub struct Migrator {
    pub(super) settings: DatabaseSettings,
    pub(super) source: Source,
    pub(super) migrations: Vec<Migration>,
    clock: Clock,
    lock_timeout: Duration,
}

/// What there is, and what was applied.
#[derive(Debug)]
pub struct Status {
    pub rows: Vec<StatusRow>,
    /// A migration that was begun and has not ended.
    pub partial: Option<Partial>,
    /// An index that PostgreSQL does not use, because building it was cut.
    pub invalid_index: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRow {
    pub id: String,
    pub state: State,
    pub applied: Option<Applied>,
}

impl Migrator {
    pub fn new(
        settings: DatabaseSettings,
        source: Source,
        clock: Clock,
    ) -> Result<Self, MigrateError> {
        let migrations = source.load(settings.dialect()?)?;
        Ok(Self { settings, source, migrations, clock, lock_timeout: LOCK_TIMEOUT })
    }

    /// Waits so long, and not 10 s, for a table that others use.
    #[must_use]
    pub fn with_lock_timeout(self, lock_timeout: Duration) -> Self {
        Self { lock_timeout, ..self }
    }

    /// Applies what is pending, up to and with `to`, and returns how many it were.
    pub async fn up(
        &self,
        to: Option<&str>,
        report: &mut Report<'_>,
    ) -> Result<usize, MigrateError> {
        let to = to.map(|to| self.resolve(to)).transpose()?;
        let mut session = Session::to_change(&self.settings, self.lock_timeout, report).await?;
        let done = self.up_on(&mut session, to, report).await;
        session.close().await?;
        done
    }

    /// Undoes the last `count` that were applied, and returns how many it were.
    pub async fn down(&self, count: usize, report: &mut Report<'_>) -> Result<usize, MigrateError> {
        let mut session = Session::to_change(&self.settings, self.lock_timeout, report).await?;
        let done = self.down_on(&mut session, count, report).await;
        session.close().await?;
        done
    }

    /// What `up` would apply. Changes nothing.
    pub async fn pending(&self, to: Option<&str>) -> Result<Vec<&Migration>, MigrateError> {
        let to = to.map(|to| self.resolve(to)).transpose()?;
        let applied = match Session::to_read(&self.settings).await? {
            Some(mut session) => table::list(&mut session.conn()).await?,
            None => Vec::new(),
        };
        let pending = |it: &&Migration| {
            to.is_none_or(|to| it.id.as_str() <= to) && !applied.iter().any(|row| row.id == it.id)
        };
        refuse_faults(&History::new(&self.migrations, &applied))?;
        Ok(self.migrations.iter().filter(pending).collect())
    }

    pub async fn status(&self) -> Result<Status, MigrateError> {
        let (mut applied, mut partial, mut invalid_index) = (Vec::new(), None, None);
        if let Some(mut session) = Session::to_read(&self.settings).await? {
            applied = table::list(&mut session.conn()).await?;
            partial = table::find_partial(&mut session.conn()).await?;
            invalid_index = catalog::invalid_index(&mut session.conn()).await?;
            session.close().await?;
        }
        let row = |entry: &Entry<'_>| StatusRow {
            id: entry.id.to_owned(),
            state: entry.state,
            applied: entry.applied.cloned(),
        };
        let rows = History::new(&self.migrations, &applied).0.iter().map(row).collect();
        Ok(Status { rows, partial, invalid_index })
    }

    /// The whole id of `name`: an id, or its fourteen digits.
    fn resolve(&self, name: &str) -> Result<&str, MigrateError> {
        let is_meant = |id: &str| {
            id.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        let found = self.migrations.iter().find(|it| is_meant(&it.id));
        found.map(|it| it.id.as_str()).ok_or_else(|| MigrateError::Unknown(name.to_owned()))
    }

    async fn up_on(
        &self,
        session: &mut Session,
        to: Option<&str>,
        report: &mut Report<'_>,
    ) -> Result<usize, MigrateError> {
        table::make(&mut session.conn()).await?;
        let applied = table::list(&mut session.conn()).await?;
        let history = History::new(&self.migrations, &applied);
        refuse_faults(&history)?;
        history.faults().for_each(|fault| report(Progress::Noticed(fault)));
        let pending: Vec<_> = history.pending(to).collect();
        self.run_all(session, &pending, Direction::Up, report).await
    }

    async fn down_on(
        &self,
        session: &mut Session,
        count: usize,
        report: &mut Report<'_>,
    ) -> Result<usize, MigrateError> {
        table::make(&mut session.conn()).await?;
        let applied = table::list(&mut session.conn()).await?;
        let history = History::new(&self.migrations, &applied);
        let mut last = Vec::new();
        for entry in history.applied().take(count) {
            last.push(way_back(entry)?);
            if entry.state == State::DownEdited {
                report(Progress::Noticed(entry.fault()));
            }
        }
        self.run_all(session, &last, Direction::Down, report).await
    }

    async fn run_all(
        &self,
        session: &mut Session,
        migrations: &[&Migration],
        direction: Direction,
        report: &mut Report<'_>,
    ) -> Result<usize, MigrateError> {
        let partial = table::find_partial(&mut session.conn()).await?;
        refuse_other(partial.as_ref(), migrations.first().copied(), direction)?;
        if migrations.iter().any(|it| it.mode == Mode::OneByOne) {
            catalog::refuse_invalid_index(&mut session.conn()).await?;
        }
        for migration in migrations {
            let begin = Instant::now();
            let step = Step { session: &mut *session, migration, direction };
            match migration.mode {
                Mode::Transaction => step.in_transaction(self.clock.now()).await?,
                Mode::OneByOne => {
                    let partial = partial.as_ref().filter(|it| it.id == migration.id);
                    step.one_by_one(partial, self.clock.now()).await?;
                }
            }
            let (id, took) = (migration.id.clone(), begin.elapsed());
            report(match direction {
                Direction::Up => Progress::Applied { id, took },
                Direction::Down => Progress::Undone { id, took },
            });
        }
        Ok(migrations.len())
    }
}

fn refuse_faults(history: &History<'_>) -> Result<(), MigrateError> {
    let faults: Vec<_> = history.faults().filter(|fault| fault.state.blocks_up()).collect();
    if faults.is_empty() { Ok(()) } else { Err(MigrateError::Faults(faults)) }
}

/// The migration behind an applied one, if it can be undone.
fn way_back<'a>(entry: &Entry<'a>) -> Result<&'a Migration, MigrateError> {
    match (entry.file, entry.applied) {
        (Some(file), _) if file.down.statements.is_empty() => {
            Err(MigrateError::Irreversible(file.id.clone()))
        }
        (Some(file), _) => Ok(file),
        (None, Some(row)) if matches!(entry.state, State::Ahead | State::AheadContract) => {
            Err(MigrateError::NotKnown { id: row.id.clone(), version: row.app_version.clone() })
        }
        (None, _) => Err(MigrateError::Faults(vec![entry.fault()])),
    }
}

/// Refuses to begin another migration, or the other direction, before a partial one has ended.
fn refuse_other(
    partial: Option<&Partial>,
    next: Option<&Migration>,
    direction: Direction,
) -> Result<(), MigrateError> {
    match partial {
        Some(it)
            if it.direction != direction.name() || next.is_none_or(|next| next.id != it.id) =>
        {
            Err(MigrateError::Unfinished { id: it.id.clone(), direction: it.direction.clone() })
        }
        _ => Ok(()),
    }
}

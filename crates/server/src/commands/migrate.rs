//! `agent-server migrate`: the tables of the database.

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::Subcommand;

use crate::app::Clock;
use crate::commands::Failure;
use crate::commands::terminal;
use crate::config;
use crate::config::Environment;
use crate::db::migrate;
use crate::db::migrate::Migrator;
use crate::db::migrate::Partial;
use crate::db::migrate::Progress;
use crate::db::migrate::Source;
use crate::db::migrate::State;
use crate::db::migrate::StatusRow;

pub const HELP: &str = "\
The database is that of DATABASE_URL. Nothing else ever changes its tables: `serve`
refuses to start while a migration is pending.

Examples:
  agent-server migrate up
  agent-server migrate up --dry-run
  agent-server migrate status
  agent-server migrate down
  agent-server migrate create add_notes";

#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(subcommand)]
    command: MigrateCommand,
}

#[derive(Debug, Subcommand)]
enum MigrateCommand {
    /// Apply what is pending
    Up {
        /// The last one to apply: its name or its fourteen digits
        #[arg(long, value_name = "ID")]
        to: Option<String>,
        /// Show the SQL and change nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        patience: Patience,
        #[command(flatten)]
        from: From,
    },
    /// Take back the last one, or the last N
    Down {
        #[arg(value_name = "N", default_value_t = 1)]
        count: usize,
        #[command(flatten)]
        patience: Patience,
        #[command(flatten)]
        from: From,
    },
    /// Show what was applied and what is pending
    Status {
        #[command(flatten)]
        from: From,
    },
    /// Check that files, database and columns agree; exit with 1 if not
    Validate {
        #[command(flatten)]
        from: From,
    },
    /// Write a new pair of files
    Create {
        name: String,
        /// The folder with the folders `postgres` and `sqlite`
        #[arg(long, value_name = "DIR", default_value = "migrations")]
        dir: PathBuf,
    },
}

#[derive(Debug, Args)]
struct From {
    /// A folder with the folders `postgres` and `sqlite`, instead of what the program has in it
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Patience {
    /// How long a statement waits for a table that others use (PostgreSQL)
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    lock_timeout: u32,
}

pub async fn run(args: &MigrateArgs, env: &Environment) -> Result<(), Failure> {
    let migrator = |from: &From| -> Result<Migrator, Failure> {
        let settings = config::load_database(|name| env.get(name))?;
        let source = from.dir.clone().map_or(Source::Embedded, Source::Folder);
        Ok(Migrator::new(settings, source, Clock::System)?)
    };
    let patient = |from: &From, patience: &Patience| -> Result<Migrator, Failure> {
        let timeout = Duration::from_secs(patience.lock_timeout.into());
        Ok(migrator(from)?.with_lock_timeout(timeout))
    };
    match &args.command {
        MigrateCommand::Up { to, dry_run: true, from, .. } => {
            dry_run(&migrator(from)?, to.as_deref()).await
        }
        MigrateCommand::Up { to, patience, from, .. } => {
            up(&patient(from, patience)?, to.as_deref()).await
        }
        MigrateCommand::Down { count, patience, from } => {
            down(&patient(from, patience)?, *count).await
        }
        MigrateCommand::Status { from } => status(&migrator(from)?).await,
        MigrateCommand::Validate { from } => validate(&migrator(from)?).await,
        MigrateCommand::Create { name, dir } => create(name, dir),
    }
}

async fn up(migrator: &Migrator, to: Option<&str>) -> Result<(), Failure> {
    if migrator.up(to, &mut tell).await? == 0 {
        terminal::line("nothing to do: no migration is pending");
    }
    Ok(())
}

async fn down(migrator: &Migrator, count: usize) -> Result<(), Failure> {
    if migrator.down(count, &mut tell).await? == 0 {
        terminal::line("nothing to do: no migration is applied");
    }
    Ok(())
}

fn tell(progress: Progress) {
    match progress {
        Progress::Waiting => terminal::line("waiting: another `migrate` is at work"),
        Progress::Noticed(fault) => terminal::line(format!("note: {fault}")),
        Progress::Applied { id, took } => {
            terminal::line(format!("applied {id} ({} ms)", took.as_millis()));
        }
        Progress::Undone { id, took } => {
            terminal::line(format!("took back {id} ({} ms)", took.as_millis()));
        }
    }
}

async fn dry_run(migrator: &Migrator, to: Option<&str>) -> Result<(), Failure> {
    let pending = migrator.pending(to).await?;
    if pending.is_empty() {
        terminal::line("-- nothing to do: no migration is pending");
    }
    for migration in pending {
        terminal::line(format!("-- {}", migration.id));
        for statement in &migration.up.statements {
            terminal::line(format!("{};", statement.text));
        }
    }
    Ok(())
}

async fn status(migrator: &Migrator) -> Result<(), Failure> {
    let status = migrator.status().await?;
    let width = status.rows.iter().map(|row| row.id.len()).max().unwrap_or(0);
    for row in &status.rows {
        let is_partial = status.partial.as_ref().is_some_and(|it| it.id == row.id);
        let state = if is_partial { "PARTIAL" } else { state(row.state) };
        terminal::line(format!("{state:<12}  {:<width$}{}", row.id, when(row)).trim_end());
    }
    if status.rows.is_empty() {
        terminal::line("there are no migrations");
    }
    if let Some(partial) = &status.partial {
        tell_partial(partial);
    }
    if let Some(index) = &status.invalid_index {
        terminal::line(format!(
            "\nThe index {index} is not valid: building it was cut, or is at work now. If it is not:\n  \
             DROP INDEX CONCURRENTLY {index};"
        ));
    }
    Ok(())
}

fn state(state: State) -> &'static str {
    match state {
        State::Applied => "applied",
        State::Pending => "pending",
        State::Ahead | State::AheadContract => "newer",
        State::OutOfOrder => "OUT OF ORDER",
        State::Missing => "MISSING",
        State::UpEdited => "EDITED",
        State::DownEdited => "DOWN EDITED",
        State::ContractEdited => "MARK EDITED",
    }
}

fn when(row: &StatusRow) -> String {
    let Some(applied) = &row.applied else { return String::new() };
    let Ok(took) = u64::try_from(applied.duration_ms) else { return String::new() };
    format!("  {}  {took} ms  by {}", applied.executed_at, applied.app_version)
}

fn tell_partial(partial: &Partial) {
    let Partial { id, direction, line, statement, .. } = partial;
    let what = match &partial.error {
        Some(error) => format!("failed: {error}"),
        None => "was begun, and it is not known whether it was done".to_owned(),
    };
    terminal::line(format!(
        "\n{id} was begun with `migrate {direction}` and has not ended. The statement on line {line}\n  \
         {}\n{what}\nMend the cause, then run `agent-server migrate {direction}` again: it goes on with \
         that statement.",
        statement.replace('\n', "\n  "),
    ));
}

async fn validate(migrator: &Migrator) -> Result<(), Failure> {
    let problems = migrator.validate().await?;
    for problem in &problems {
        terminal::bad("migrations", problem);
    }
    if !problems.is_empty() {
        return Err("files, database and columns do not agree".into());
    }
    terminal::good("migrations", "files, database and columns agree");
    Ok(())
}

fn create(name: &str, dir: &Path) -> Result<(), Failure> {
    for path in migrate::create(dir, name, Clock::System.now())? {
        terminal::line(format!("made {}", path.display()));
    }
    Ok(())
}

//! `agent-server backup`: a copy of the embedded database.

use std::path::PathBuf;

use clap::Args;

use crate::commands::Failure;
use crate::commands::terminal;
use crate::config;
use crate::config::Environment;
use crate::db;

pub const HELP: &str = "\
The copy is of one moment, and whole; the server may be at work meanwhile. Nothing is
overwritten. To go back: stop the server, put the copy in the place of the database
file, and delete the files beside it that end in `-wal` and `-shm`.

A PostgreSQL database is copied with `pg_dump`.

Examples:
  agent-server backup backups/before-update.db";

#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to make
    file: PathBuf,
}

pub async fn run(args: &BackupArgs, env: &Environment) -> Result<(), Failure> {
    let settings = config::load_database(|name| env.get(name))?;
    let bytes = db::backup(&settings, &args.file).await?;
    terminal::line(format!("copied the database to {}, {bytes} bytes", args.file.display()));
    Ok(())
}

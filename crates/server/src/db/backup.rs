//! Copies of the embedded database.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

use sqlx::ConnectOptions;
use sqlx::Connection;
use sqlx::SqliteConnection;

use crate::db::DatabaseSettings;
use crate::db::OpenError;
use crate::db::settings::Target;
use crate::db::sqlite;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(
        "the database is PostgreSQL, which has its own tool: \
         pg_dump --format=custom --file=FILE \"$DATABASE_URL\""
    )]
    Postgres,
    #[error("`{}` exists already; a backup overwrites nothing", .0.display())]
    Exists(PathBuf),
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot copy the database")]
    Copy(#[source] sqlx::Error),
    #[error("the copy is damaged, and so may be the database: {0}")]
    Damaged(String),
}

/// Copies the embedded database to `path`, as it is at one moment, and returns the size of the copy in
/// bytes. A server may be at work on it meanwhile. Only its owner can read the copy: it has secrets. The folder of
/// `path` is made if it is not there.
pub async fn backup(settings: &DatabaseSettings, path: &Path) -> Result<u64, BackupError> {
    let Target::Sqlite(database) = settings.target()? else { return Err(BackupError::Postgres) };
    if !database.exists() {
        return Err(OpenError::Missing(database).into());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .map_err(|source| BackupError::Write { path: path.to_owned(), source })?;
    }
    // The name is taken at once, and filled at the end: a file with something in it is a whole copy.
    make(path)?;
    let part = part_of(path);
    let copied = copy(&database, &part).await.and_then(|()| {
        let write = |source| BackupError::Write { path: path.to_owned(), source };
        settle(&part, path).map_err(write)
    });
    if copied.is_err() {
        let _ = fs::remove_file(&part);
        let _ = fs::remove_file(path);
    }
    copied
}

async fn copy(database: &Path, part: &Path) -> Result<(), BackupError> {
    let _ = fs::remove_file(part);
    make(part)?;
    let fault = |source| OpenError::Sqlite { path: database.to_owned(), source };
    let mut connection = sqlite::reader_options(database).connect().await.map_err(fault)?;
    sqlx::query("VACUUM INTO $1")
        .bind(part.to_string_lossy().into_owned())
        .execute(&mut connection)
        .await
        .map_err(BackupError::Copy)?;
    connection.close().await.map_err(BackupError::Copy)?;
    check(part).await
}

/// Reads the whole copy.
async fn check(part: &Path) -> Result<(), BackupError> {
    let fault = |source| OpenError::Sqlite { path: part.to_owned(), source };
    let mut copy: SqliteConnection = sqlite::reader_options(part).connect().await.map_err(fault)?;
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(&mut copy)
        .await
        .map_err(BackupError::Copy)?;
    copy.close().await.map_err(BackupError::Copy)?;
    if found == "ok" { Ok(()) } else { Err(BackupError::Damaged(found)) }
}

/// Brings the copy onto the disk and gives it its name.
fn settle(part: &Path, path: &Path) -> io::Result<u64> {
    let file = File::open(part)?;
    file.sync_all()?;
    fs::rename(part, path)?;
    let folder = path.parent().filter(|it| *it != Path::new(""));
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Makes an empty file that only its owner can read.
fn make(path: &Path) -> Result<(), BackupError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(BackupError::Exists(path.to_owned()))
        }
        Err(source) => Err(BackupError::Write { path: path.to_owned(), source }),
    }
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

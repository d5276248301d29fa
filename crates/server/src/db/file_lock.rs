//! The lock on an embedded database, held by the one process that may change its tables or serve it.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

use rustix::fs::FlockOperation;
use rustix::fs::flock;
use rustix::io::Errno;

use crate::db::DatabaseSettings;
use crate::db::OpenError;

/// The lock, until it is dropped or the process ends, in whatever way.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

/// What a process wants the database for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::db) enum Purpose {
    Serve,
    Migrate,
}

/// Who has the lock, as far as he has told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::db) struct Holder {
    pub(in crate::db) purpose: Option<Purpose>,
    /// His process id.
    pub(in crate::db) process: String,
}

impl FileLock {
    /// Takes the embedded database for this server. PostgreSQL serves many: it needs no lock.
    pub fn for_server(settings: &DatabaseSettings) -> Result<Option<Self>, OpenError> {
        let Some(path) = settings.sqlite_file() else { return Ok(None) };
        match Self::take(&path, Purpose::Serve) {
            Ok(Ok(lock)) => Ok(Some(lock)),
            Ok(Err(holder)) => Err(OpenError::InUse { path, process: holder.process }),
            Err(source) => Err(OpenError::Folder { path, source }),
        }
    }

    /// Takes the lock of `database`, or tells who has it.
    pub(in crate::db) fn take(
        database: &Path,
        purpose: Purpose,
    ) -> io::Result<Result<Self, Holder>> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(beside(database))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(Err(Holder::read(&mut file)?)),
            Err(error) => return Err(error.into()),
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{} {}", purpose.word(), std::process::id())?;
        Ok(Ok(Self { _file: file }))
    }
}

/// `agent-server.db.lock` beside `agent-server.db`.
fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

impl Holder {
    fn read(file: &mut File) -> io::Result<Self> {
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let (word, process) = text.trim().split_once(' ').unwrap_or(("", "unknown"));
        let purpose = [Purpose::Serve, Purpose::Migrate].into_iter().find(|it| it.word() == word);
        Ok(Self { purpose, process: process.to_owned() })
    }
}

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Migrate => "migrate",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_the_lock_and_others_are_told_who() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("a.db");

        let lock = FileLock::take(&database, Purpose::Serve).unwrap().unwrap();
        let other = FileLock::take(&database, Purpose::Migrate).unwrap().unwrap_err();
        assert_eq!(other.purpose, Some(Purpose::Serve));
        assert_eq!(other.process, std::process::id().to_string());

        drop(lock);
        FileLock::take(&database, Purpose::Migrate).unwrap().unwrap();
    }

    #[test]
    fn a_second_server_is_refused_with_the_process_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("a.db");
        let settings = DatabaseSettings {
            url: format!("sqlite:{}", database.display()).into(),
            pool: 1,
            sync: crate::db::Sync::Full,
        };

        let _first = FileLock::for_server(&settings).unwrap();
        let error = FileLock::for_server(&settings).unwrap_err().to_string();

        assert!(error.contains(&format!("process id {}", std::process::id())), "{error}");
    }
}

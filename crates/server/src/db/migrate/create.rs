//! New migrations.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use chrono::DateTime;
use chrono::Utc;

use crate::db::At;
use crate::db::Dialect;
use crate::db::migrate::source::folder_name;

/// Why a migration was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("a migration's name needs a letter or a digit")]
    Name,
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// What a new file says.
fn template(name: &str, dialect: Dialect) -> String {
    let about = name.replace('_', " ");
    format!(
        "-- {about} ({dialect})\n\n-- UP\n-- What changes. This section is one transaction.\n\n\n\
         -- DOWN\n-- What undoes it. Without a statement here there is no way back.\n\n"
    )
}

/// Makes a file for each database in `folder`, and returns their paths. Their numbers are the time `now`, so that
/// they come after those that are there, or the next second that is free.
pub fn create(folder: &Path, name: &str, now: At) -> Result<Vec<PathBuf>, CreateError> {
    let name = snake_case(name).ok_or(CreateError::Name)?;
    let mut time = now.time();
    while is_taken(folder, &number(time))? {
        time += Duration::from_secs(1);
    }
    let id = format!("{}_{name}", number(time));
    let mut paths = Vec::new();
    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        let folder = folder.join(folder_name(dialect));
        let path = folder.join(format!("{id}.sql"));
        let fault = |source| CreateError::Write { path: path.clone(), source };
        fs::create_dir_all(&folder).map_err(fault)?;
        let mut file = fs::File::create_new(&path).map_err(fault)?;
        io::Write::write_all(&mut file, template(&name, dialect).as_bytes()).map_err(fault)?;
        paths.push(path);
    }
    Ok(paths)
}

fn number(time: DateTime<Utc>) -> String {
    time.format("%Y%m%d%H%M%S").to_string()
}

/// Whether a migration of either database has this number.
fn is_taken(folder: &Path, number: &str) -> Result<bool, CreateError> {
    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        let path = folder.join(folder_name(dialect));
        let files = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            files => files.map_err(|source| CreateError::Write { path, source })?,
        };
        if files.flatten().any(|file| file.file_name().to_string_lossy().starts_with(number)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `Add user preferences!` becomes `add_user_preferences`.
fn snake_case(name: &str) -> Option<String> {
    let words = name.split(|it: char| !it.is_ascii_alphanumeric()).filter(|it| !it.is_empty());
    let name = words.collect::<Vec<_>>().join("_").to_ascii_lowercase();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::migrate::source::Source;

    fn now() -> At {
        "2026-11-25T10:30:00Z".parse().unwrap()
    }

    #[test]
    fn a_new_migration_can_be_read_for_both_databases() {
        let folder = tempfile::tempdir().unwrap();

        let paths = create(folder.path(), "Add user-preferences!", now()).unwrap();

        let source = Source::Folder(folder.path().to_owned());
        for (dialect, path) in [Dialect::Postgres, Dialect::Sqlite].into_iter().zip(paths) {
            let migrations = source.load(dialect).unwrap();
            assert_eq!(migrations[0].id, "20261125103000_add_user_preferences");
            assert!(path.exists());
        }
    }

    #[test]
    fn migrations_of_one_second_have_numbers_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "a"] {
            create(folder.path(), name, now()).unwrap();
        }

        let migrations = Source::Folder(folder.path().to_owned()).load(Dialect::Sqlite).unwrap();

        let ids: Vec<_> = migrations.iter().map(|migration| migration.id.as_str()).collect();
        assert_eq!(ids, ["20261125103000_a", "20261125103001_b", "20261125103002_a"]);
    }

    #[test]
    fn a_name_without_letters_is_refused() {
        let folder = tempfile::tempdir().unwrap();

        assert!(matches!(create(folder.path(), "-- ?", now()), Err(CreateError::Name)));
    }
}

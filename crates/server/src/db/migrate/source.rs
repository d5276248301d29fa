//! Where migrations come from: the program itself, or a folder.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use include_dir::Dir;
use include_dir::include_dir;

use crate::db::Dialect;
use crate::db::migrate::file::Migration;
use crate::db::migrate::file::ParseError;

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../migrations");

/// A folder with the folders `postgres` and `sqlite`, which have files with the same names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The one that the program was built with.
    Embedded,
    Folder(PathBuf),
}

/// Why migrations could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is not UTF-8", .0.display())]
    Encoding(PathBuf),
    #[error("`{}` is not named like `20261125103000_add_things.sql`", .0.display())]
    Name(PathBuf),
    #[error("two migrations begin with `{time}`: `{first}` and `{second}`")]
    SameTime { time: String, first: String, second: String },
    #[error("`{}`: {error}", path.display())]
    Parse { path: PathBuf, error: ParseError },
}

impl Source {
    /// The migrations of one database, in their order.
    pub fn load(&self, dialect: Dialect) -> Result<Vec<Migration>, SourceError> {
        let folder = folder_name(dialect);
        let mut files = match self {
            Self::Embedded => embedded(Path::new(folder))?,
            Self::Folder(path) => read_folder(&path.join(folder))?,
        };
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let migrations: Vec<_> =
            files.iter().map(|file| file.parse(dialect)).collect::<Result<_, _>>()?;
        check_times(&migrations)?;
        Ok(migrations)
    }
}

/// The name of the folder with the migrations of a database.
pub fn folder_name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "postgres",
        Dialect::Sqlite => "sqlite",
    }
}

struct SourceFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl SourceFile {
    fn parse(&self, dialect: Dialect) -> Result<Migration, SourceError> {
        let path = self.path.clone();
        let Some(id) = id_of(&self.path) else { return Err(SourceError::Name(path)) };
        let Ok(text) = str::from_utf8(&self.bytes) else { return Err(SourceError::Encoding(path)) };
        Migration::parse(id, text, dialect).map_err(|error| SourceError::Parse { path, error })
    }
}

fn embedded(folder: &Path) -> Result<Vec<SourceFile>, SourceError> {
    let Some(dir) = EMBEDDED.get_dir(folder) else {
        let source = io::Error::from(io::ErrorKind::NotFound);
        return Err(SourceError::Read { path: folder.to_owned(), source });
    };
    let files = dir.files().filter(|file| is_sql(file.path()));
    Ok(files
        .map(|file| SourceFile { path: file.path().to_owned(), bytes: file.contents().to_owned() })
        .collect())
}

fn read_folder(folder: &Path) -> Result<Vec<SourceFile>, SourceError> {
    let fault = |source| SourceError::Read { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if is_sql(&path) {
            let bytes = fs::read(&path)
                .map_err(|source| SourceError::Read { path: path.clone(), source })?;
            files.push(SourceFile { path, bytes });
        }
    }
    Ok(files)
}

fn is_sql(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "sql")
}

/// `20261125103000_add_things` of such a file: fourteen digits and a name of small letters.
fn id_of(path: &Path) -> Option<&str> {
    let id = path.file_stem()?.to_str()?;
    let (time, name) = id.split_once('_')?;
    let is_time = time.len() == 14 && time.bytes().all(|it| it.is_ascii_digit());
    let is_name = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_';
    (is_time && !name.is_empty() && name.bytes().all(is_name)).then_some(id)
}

fn check_times(migrations: &[Migration]) -> Result<(), SourceError> {
    let time = |id: &str| id.split('_').next().unwrap_or_default().to_owned();
    for pair in migrations.windows(2) {
        let (first, second) = (pair[0].id.clone(), pair[1].id.clone());
        if time(&first) == time(&second) {
            return Err(SourceError::SameTime { time: time(&first), first, second });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Source) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sqlite")).unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join("sqlite").join(name), bytes).unwrap();
        }
        let source = Source::Folder(folder.path().to_owned());
        (folder, source)
    }

    const EMPTY: &[u8] = b"-- UP\n-- DOWN\n";

    #[track_caller]
    fn refused(files: &[(&str, &[u8])], message: &str) {
        let (_folder, source) = folder(files);
        let error = source.load(Dialect::Sqlite).unwrap_err().to_string();
        assert!(error.ends_with(message), "{error}");
    }

    #[test]
    fn the_embedded_migrations_are_the_same_for_both_databases() {
        let ids = |dialect| -> Vec<_> {
            Source::Embedded.load(dialect).unwrap().into_iter().map(|it| it.id).collect()
        };

        assert_eq!(ids(Dialect::Postgres), ids(Dialect::Sqlite));
        assert_eq!(ids(Dialect::Sqlite)[0], "20261125000000_first_tables");
    }

    #[test]
    fn migrations_come_in_the_order_of_their_names() {
        let (_folder, source) = folder(&[
            ("20270101000000_b.sql", EMPTY),
            ("20261231235959_c_2.sql", EMPTY),
            ("README.md", b"not SQL"),
        ]);

        let ids: Vec<_> =
            source.load(Dialect::Sqlite).unwrap().into_iter().map(|it| it.id).collect();

        assert_eq!(ids, ["20261231235959_c_2", "20270101000000_b"]);
    }

    #[test]
    fn a_file_that_would_be_overlooked_is_refused() {
        for name in
            ["first.sql", "2026112500000_a.sql", "20261125000000_A.sql", "20261125000000.sql"]
        {
            refused(&[(name, EMPTY)], "is not named like `20261125103000_add_things.sql`");
        }
        refused(&[("20261125000000_a.sql", b"-- UP\n\xff")], "is not UTF-8");
        refused(
            &[("20261125000000_a.sql", EMPTY), ("20261125000000_b.sql", EMPTY)],
            "`20261125000000_a` and `20261125000000_b`",
        );
        refused(&[("20261125000000_a.sql", b"")], "_a.sql`: there is no line `-- UP`");
    }

    #[test]
    fn a_folder_without_a_database_is_named() {
        let (_folder, source) = folder(&[]);

        let error = source.load(Dialect::Postgres).unwrap_err().to_string();

        assert!(error.starts_with("cannot read `") && error.ends_with("/postgres`"), "{error}");
    }
}

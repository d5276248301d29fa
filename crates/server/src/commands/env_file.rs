//! Files of settings that commands write: `.env`, and the one of `agent-server dev`.

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::ErrorKind;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

use crate::config::dotenv;

/// A file of `NAME=value` lines, as it shall become. What is not changed stays letter for letter.
///
/// It is written for its owner's eyes only, and whole or not at all.
pub struct EnvFile {
    path: PathBuf,
    text: String,
    values: BTreeMap<String, String>,
}

/// Why a file of settings cannot be read or written. No text holds a value.
#[derive(Debug, thiserror::Error)]
pub enum EnvFileError {
    #[error("{}: line {line} is not of the form NAME=value", path.display())]
    Malformed { path: PathBuf, line: usize },
    #[error("{}: {name} cannot be changed without harm to its neighbours; remove it by hand", path.display())]
    Entangled { path: PathBuf, name: &'static str },
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl EnvFile {
    /// Reads the file. One that is not there is empty.
    pub fn read(path: &Path) -> Result<Self, EnvFileError> {
        // What a link leads to is what will be replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(source) => return Err(EnvFileError::Read { path, source }),
        };
        match dotenv::parse(&text) {
            Ok(values) => Ok(Self { path, text, values }),
            Err(line) => Err(EnvFileError::Malformed { path, line }),
        }
    }

    /// A value, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Writes `name` in the place where it stands, or at the end. The value has no quote in it.
    pub fn set(&mut self, name: &'static str, value: &str) -> Result<(), EnvFileError> {
        let mut expected = self.values.clone();
        expected.insert(name.to_owned(), value.to_owned());
        let text = with_line(&self.text, name, &line(name, value));
        // A line that looks like an assignment may be a part of another value.
        if dotenv::parse(&text).as_ref() != Ok(&expected) {
            return Err(EnvFileError::Entangled { path: self.path.clone(), name });
        }
        self.text = text;
        self.values = expected;
        Ok(())
    }

    /// Replaces the file in one step. Its folder is made if it is not there.
    pub fn write(&self) -> Result<(), EnvFileError> {
        replace(&self.path, self.text.as_bytes())
            .map_err(|source| EnvFileError::Write { path: self.path.clone(), source })
    }
}

/// An assignment that shells and [`dotenv::parse`] read alike.
pub fn line(name: &str, value: &str) -> String {
    format!("{name}='{value}'")
}

/// `text` with `line` in the place of all lines that assign `name`, or at its end.
fn with_line(text: &str, name: &str, line: &str) -> String {
    let mut written = false;
    let mut out = String::with_capacity(text.len() + line.len() + 2);
    for old in text.split_inclusive('\n') {
        if !assigns(old, name) {
            out.push_str(old);
        } else if !written {
            written = true;
            out.push_str(line);
            out.push('\n');
        }
    }
    if !written {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

fn assigns(line: &str, name: &str) -> bool {
    let line = line.trim_start_matches('\u{feff}').trim_start();
    let line = line.strip_prefix("export ").unwrap_or(line);
    line.split_once('=').is_some_and(|(assigned, _)| assigned.trim() == name)
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(folder)?;
    let name = path.file_name().ok_or(ErrorKind::InvalidFilename)?;
    let draft = format!(".{}.{}", name.to_string_lossy(), std::process::id());
    let draft = folder.join(draft);
    let written = write_private(&draft, content).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written?;
    File::open(folder)?.sync_all()
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn other_lines_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        fs::write(&path, "# mine\r\nPORT=4000 # why\n\nexport A = old\nB=\"x\ny\"\nA=older")
            .unwrap();

        let mut file = EnvFile::read(&path).unwrap();
        file.set("A", "new").unwrap();
        file.set("C", r#"{"k":"v"}"#).unwrap();
        file.write().unwrap();

        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "# mine\r\nPORT=4000 # why\n\nA='new'\nB=\"x\ny\"\nC='{\"k\":\"v\"}'\n"
        );
    }

    #[test]
    fn a_new_file_and_its_folder_are_made_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/dev.env");

        let mut file = EnvFile::read(&path).unwrap();
        assert_eq!(file.get("A"), None);
        file.set("A", "x").unwrap();
        file.write().unwrap();

        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_readable_file_becomes_private_and_a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("real.env"), folder.path().join(".env"));
        fs::write(&path, "A=\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink("real.env", &link).unwrap();

        let mut file = EnvFile::read(&link).unwrap();
        file.set("A", "x").unwrap();
        file.write().unwrap();

        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "A='x'\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_only_looks_like_a_line_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        for text in ["B='\nA=x\n'\n", "A='{\n\"k\": 1}'\n"] {
            fs::write(&path, text).unwrap();

            let refused = EnvFile::read(&path).unwrap().set("A", "new").unwrap_err();

            assert!(refused.to_string().contains("A cannot be changed"), "{refused}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        fs::write(&path, "A=1\nhunter2\n").unwrap();

        let error = EnvFile::read(&path).err().unwrap().to_string();

        assert!(error.contains("line 2") && !error.contains("hunter2"), "{error}");
        assert!(EnvFile::read(folder.path()).is_err());
    }
}

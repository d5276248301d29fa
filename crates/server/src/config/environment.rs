//! Where settings come from: the environment of the process, and files beside it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use crate::config::ConfigErrors;
use crate::config::dotenv;

/// Looks settings up. The environment wins over files, and earlier files over later ones; an empty
/// value in a file is none.
#[derive(Debug, Default)]
pub struct Environment {
    files: Vec<BTreeMap<String, String>>,
}

impl Environment {
    /// The environment, and `.env` in the working directory if there is one.
    pub fn read() -> Result<Self, ConfigErrors> {
        Self::default().with_file(Path::new(".env"))
    }

    /// Also looks into the file at `path`, if there is one.
    pub fn with_file(mut self, path: &Path) -> Result<Self, ConfigErrors> {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let values = dotenv::parse(&text).map_err(|line| {
                    let fault = format!("line {line} is not of the form NAME=value");
                    ConfigErrors::one(&path.display().to_string(), fault)
                })?;
                self.files.push(values);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let fault = format!("it cannot be read: {error}");
                return Err(ConfigErrors::one(&path.display().to_string(), fault));
            }
        }
        Ok(self)
    }

    pub fn get(&self, name: &str) -> Option<String> {
        #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
        let own = std::env::var(name).ok();
        own.or_else(|| {
            self.files
                .iter()
                .find_map(|file| file.get(name).filter(|it| !it.trim().is_empty()))
                .cloned()
        })
    }
}

//! `agent-server setup-auth`: the keys of the server and its first client.

use std::path::Path;
use std::path::PathBuf;

use auth::jwk::PrivateJwk;
use auth::random::NoRandomness;
use auth::secret::MasterKey;
use auth::token::OpaqueToken;
use auth::token::TokenKind;
use clap::Args;
use secrecy::ExposeSecret;
use secrecy::SecretString;

use crate::commands::Failure;
use crate::commands::env_file;
use crate::commands::env_file::EnvFile;
use crate::commands::env_file::EnvFileError;
use crate::commands::terminal;

pub const HELP: &str = "\
It makes an Ed25519 key pair that signs access tokens, a client that holds every right, and
the key that seals secrets in the database. It shows them once and writes them to a file that
only its owner can read; other lines of that file stay. With --force the encryption key that was
there becomes AGENT_SERVER_ENCRYPTION_KEY_PREVIOUS, so that what it sealed can still be opened;
tokens of the old signing key become void.

Examples:
  agent-server setup-auth
  agent-server setup-auth --file /etc/agent-server/env
  agent-server setup-auth --force";

const CLIENT_ID: &str = "MANAGEMENT_CLIENT_ID";
const CLIENT_SECRET: &str = "MANAGEMENT_CLIENT_SECRET";
const PRIVATE_KEY: &str = "TOKEN_SERVICE_PRIVATE_KEY";
const PUBLIC_KEY: &str = "TOKEN_SERVICE_PUBLIC_KEY";
const ENCRYPTION_KEY: &str = "AGENT_SERVER_ENCRYPTION_KEY";
const ENCRYPTION_KEY_PREVIOUS: &str = "AGENT_SERVER_ENCRYPTION_KEY_PREVIOUS";

/// What is never overwritten unasked.
const KEYS: [&str; 4] = [CLIENT_SECRET, PRIVATE_KEY, PUBLIC_KEY, ENCRYPTION_KEY];
/// All that is made, in the order in which it is shown.
const LINES: [&str; 5] = [CLIENT_ID, CLIENT_SECRET, PRIVATE_KEY, PUBLIC_KEY, ENCRYPTION_KEY];

#[derive(Debug, Args)]
pub struct SetupAuthArgs {
    /// Replace keys that the file has already
    #[arg(long)]
    force: bool,
    /// The file to write to
    #[arg(long, value_name = "PATH", default_value = ".env")]
    file: PathBuf,
}

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("{} has {} already; --force replaces it", path.display(), names.join(", "))]
    AlreadyThere { path: PathBuf, names: Vec<&'static str> },
    #[error(transparent)]
    File(#[from] EnvFileError),
    #[error("no key could be made")]
    Random(#[from] NoRandomness),
    #[error("the key could not be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Makes new keys, writes them down, and shows them.
pub fn run(args: &SetupAuthArgs) -> Result<(), Failure> {
    let file = if args.force { replace_keys(&args.file) } else { make_keys(&args.file) }?;
    for name in LINES {
        terminal::line(env_file::line(name, file.get(name).unwrap_or_default()));
    }
    terminal::aside(format!("written to {}, which only you can read", args.file.display()));
    Ok(())
}

/// Makes whatever of the keys the file at `path` does not have, and leaves what it has.
///
/// It is for a server that somebody tries out, which makes its keys by itself.
pub fn complete_keys(path: &Path) -> Result<(), SetupError> {
    let mut file = EnvFile::read(path)?;
    if LINES.iter().all(|name| file.get(name).is_some()) {
        return Ok(());
    }
    complete(&mut file)?;
    Ok(file.write()?)
}

fn make_keys(path: &Path) -> Result<EnvFile, SetupError> {
    let mut file = EnvFile::read(path)?;
    let names: Vec<_> = KEYS.into_iter().filter(|name| file.get(name).is_some()).collect();
    if !names.is_empty() {
        return Err(SetupError::AlreadyThere { path: path.to_owned(), names });
    }
    complete(&mut file)?;
    file.write()?;
    Ok(file)
}

fn replace_keys(path: &Path) -> Result<EnvFile, SetupError> {
    let mut file = EnvFile::read(path)?;
    if let Some(before) = file.get(ENCRYPTION_KEY).map(SecretString::from) {
        file.set(ENCRYPTION_KEY_PREVIOUS, before.expose_secret())?;
    }
    for name in KEYS.into_iter().filter(|name| file.get(name).is_some()).collect::<Vec<_>>() {
        file.set(name, "")?;
    }
    complete(&mut file)?;
    file.write()?;
    Ok(file)
}

/// Sets what is missing.
fn complete(file: &mut EnvFile) -> Result<(), SetupError> {
    if file.get(CLIENT_ID).is_none() {
        file.set(CLIENT_ID, "admin")?;
    }
    if file.get(CLIENT_SECRET).is_none() {
        file.set(CLIENT_SECRET, OpaqueToken::generate(TokenKind::ClientSecret)?.expose())?;
    }
    complete_pair(file)?;
    if file.get(ENCRYPTION_KEY).is_none() {
        file.set(ENCRYPTION_KEY, MasterKey::generate()?.to_base64().expose_secret())?;
    }
    Ok(())
}

/// The public half follows from the private one. One that cannot be read is for the start of the
/// server to complain of.
fn complete_pair(file: &mut EnvFile) -> Result<(), SetupError> {
    let private = match file.get(PRIVATE_KEY).map(|text| PrivateJwk::parse(&text.into())) {
        None => {
            let private = PrivateJwk::generate()?;
            file.set(PRIVATE_KEY, private.to_json()?.expose_secret())?;
            private
        }
        Some(Ok(private)) if file.get(PUBLIC_KEY).is_none() => private,
        Some(_) => return Ok(()),
    };
    Ok(file.set(PUBLIC_KEY, &serde_json::to_string(private.public())?)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;
    use crate::config::Config;
    use crate::config::dotenv;
    use crate::oauth::setting_key;

    #[test]
    fn what_is_made_is_enough_to_start_in_production() {
        let folder = tempfile::tempdir().unwrap();

        make_keys(&path(&folder)).unwrap();

        let mut values = dotenv::parse(&fs::read_to_string(path(&folder)).unwrap()).unwrap();
        values.insert("NODE_ENV".into(), "production".into());
        values.insert("TOKEN_SERVICE_URL".into(), "https://agents.example".into());
        let config = Config::load(|name| values.get(name).cloned()).unwrap();
        assert_eq!(config.identity.management.id, "admin");
        assert!(setting_key(&config).unwrap().is_some());
        assert!(MasterKey::parse(&config.identity.encryption_key).is_ok());
    }

    #[test]
    fn a_shell_can_read_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = make_keys(&path(&folder)).unwrap();

        let shell = Command::new("sh")
            .args(["-c", ". ./.env && printf %s \"$TOKEN_SERVICE_PRIVATE_KEY\""])
            .current_dir(folder.path())
            .output()
            .unwrap();

        assert_eq!(String::from_utf8(shell.stdout).unwrap(), file.get(PRIVATE_KEY).unwrap());
    }

    #[test]
    fn keys_that_are_there_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let text = "PORT=4000\nMANAGEMENT_CLIENT_SECRET=mine\n";
        fs::write(path(&folder), text).unwrap();

        let refused = make_keys(&path(&folder)).err().unwrap().to_string();

        let expected = " has MANAGEMENT_CLIENT_SECRET already; --force replaces it";
        assert!(refused.ends_with(expected), "{refused}");
        assert_eq!(fs::read_to_string(path(&folder)).unwrap(), text);
    }

    #[test]
    fn empty_settings_and_the_id_of_the_client_are_no_keys() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(path(&folder), "MANAGEMENT_CLIENT_ID=root\nMANAGEMENT_CLIENT_SECRET=\n").unwrap();

        let file = make_keys(&path(&folder)).unwrap();

        assert_eq!(file.get(CLIENT_ID), Some("root"));
        assert!(file.get(CLIENT_SECRET).unwrap().starts_with("ags_"));
    }

    #[test]
    fn replaced_keys_differ_and_the_old_encryption_key_still_opens() {
        let folder = tempfile::tempdir().unwrap();
        let before = make_keys(&path(&folder)).unwrap();

        let after = replace_keys(&path(&folder)).unwrap();

        for name in KEYS {
            assert_ne!(before.get(name), after.get(name), "{name}");
        }
        assert_eq!(before.get(ENCRYPTION_KEY), after.get(ENCRYPTION_KEY_PREVIOUS));
    }

    #[test]
    fn a_complete_file_is_not_touched_and_another_is_completed() {
        let folder = tempfile::tempdir().unwrap();
        let made = make_keys(&path(&folder)).unwrap();
        let private = made.get(PRIVATE_KEY).unwrap();
        fs::write(path(&folder), env_file::line(PRIVATE_KEY, private)).unwrap();

        complete_keys(&path(&folder)).unwrap();

        let completed = EnvFile::read(&path(&folder)).unwrap();
        assert_eq!(completed.get(PRIVATE_KEY), made.get(PRIVATE_KEY));
        assert_eq!(completed.get(PUBLIC_KEY), made.get(PUBLIC_KEY));
        let text = fs::read_to_string(path(&folder)).unwrap();
        complete_keys(&path(&folder)).unwrap();
        assert_eq!(fs::read_to_string(path(&folder)).unwrap(), text);
    }

    fn path(folder: &TempDir) -> PathBuf {
        folder.path().join(".env")
    }
}

//! `agent-server validate`: whether files are right, without a database.
//!
//! They are applied to a new embedded database that is thrown away, so nothing is judged otherwise than by `apply`.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::ExitCode;

use auth::secret::MasterKey;
use clap::Args;
use secrecy::ExposeSecret;

use super::Files;
use super::batch::Batch;
use super::batch::End;
use super::batch::Outcome;
use super::batch::kinds;
use super::load::load;
use super::show;
use crate::app::Clock;
use crate::app::Ids;
use crate::code::Builder;
use crate::commands::Failure;
use crate::commands::terminal;
use crate::config::Config;
use crate::config::Environment;
use crate::db::migrate::Migrator;
use crate::db::migrate::Source;
use crate::definitions::FileSet;
use crate::definitions::files::Fault;

pub const VALIDATE_HELP: &str = "\
It needs no database, no keys and no server. What files name that is in none of them (secrets, models, tools
that the server has) cannot be known then: it is said as a note. With --closed that is wrong, but for secrets,
models and steps of the program: the files are all there is.

The command ends with
  0  the files are right, as far as can be known    1  something is wrong, as the last lines say

Examples:
  agent-server validate
  agent-server validate definitions/ --closed";

/// What is said of references to things that may be in the server.
const ELSEWHERE: [&str; 8] = [
    "unknown_agent",
    "unknown_code_step",
    "unknown_mcp_upstream",
    "unknown_model",
    "unknown_rag_database",
    "unknown_secret",
    "unknown_tool",
    "unknown_workflow",
];
/// Those of them that are never in files.
const NEVER_FILED: [&str; 3] = ["unknown_code_step", "unknown_model", "unknown_secret"];

/// Settings that would lead to the server's own surroundings, or that only they could satisfy.
const LEFT_OUT: [&str; 5] = [
    "AGENT_SERVER_ENCRYPTION_KEY_PREVIOUS",
    "DATABASE_LISTEN_URL",
    "DATABASE_POOL",
    "TOKEN_SERVICE_PRIVATE_KEY",
    "TOKEN_SERVICE_PUBLIC_KEY",
];

#[derive(Debug, Args)]
pub struct ValidateArgs {
    #[command(flatten)]
    files: Files,
    /// What files name is in one of them, but for secrets, models and steps of the program
    #[arg(long)]
    closed: bool,
}

/// A folder that goes away.
struct Folder(PathBuf);

pub async fn validate(
    args: ValidateArgs,
    env: &Environment,
    server: Builder,
) -> Result<ExitCode, Failure> {
    let folder = Folder::make()?;
    let config = config(env, &folder)?;
    let database = config.database.clone();
    Migrator::new(database, Source::Embedded, Clock::System)?.up(None, &mut |_| {}).await?;
    let app = server.start(config).await?;
    let (files, mut faults) = load(&args.files.paths, &kinds(&app));
    let mut notes = Vec::new();
    let set = FileSet { name: None, paths: &[], prune: false };
    let batch = Batch { files: &files, set, deletes_documents: false, by: "system:validate" };
    match batch.run(&app, End::Undo).await? {
        Outcome::Planned(_, found) => notes.extend(found),
        Outcome::Refused(wrong, found) => {
            notes.extend(found);
            let is_open = |it: &Fault| is_elsewhere(it, args.closed);
            let (open, wrong): (Vec<_>, Vec<_>) = wrong.into_iter().partition(is_open);
            notes.extend(open);
            faults.extend(wrong);
        }
    }
    app.db.close().await;
    if args.files.json {
        terminal::line(format!("{:#}", show::faults_json(&faults, &notes)));
    } else {
        show::notes(&notes);
        show::faults(&faults);
    }
    if faults.is_empty() {
        terminal::aside(format!("{} definitions are right; {} notes", files.len(), notes.len()));
        return Ok(ExitCode::SUCCESS);
    }
    terminal::aside(format!("{} wrong", faults.len()));
    Ok(ExitCode::FAILURE)
}

/// Whether only the server could tell.
fn is_elsewhere(fault: &Fault, is_closed: bool) -> bool {
    let code = fault.what.code.as_ref();
    ELSEWHERE.contains(&code) && (!is_closed || NEVER_FILED.contains(&code))
}

/// The settings of the environment as far as they bear upon definitions.
fn config(env: &Environment, folder: &Folder) -> Result<Config, Failure> {
    let key = MasterKey::generate()?.to_base64();
    let get = |name: &str| match name {
        "DATABASE_URL" => Some(format!("sqlite:{}", folder.0.join("validate.db").display())),
        "DATABASE_SYNC" => Some("normal".to_owned()),
        "NODE_ENV" => Some("development".to_owned()),
        "AGENT_SERVER_ENCRYPTION_KEY" | "MANAGEMENT_CLIENT_SECRET" => {
            Some(key.expose_secret().to_owned())
        }
        name if LEFT_OUT.contains(&name) => None,
        name => env.get(name),
    };
    Ok(Config::load(get)?)
}

impl Folder {
    fn make() -> Result<Self, Failure> {
        let name = format!("agent-server-validate-{}", Ids::Random.next());
        let path = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

//! `agent-server export`, `diff`, `apply` and `validate`: definitions as files.
//!
//! They work on the database, as the other commands that administer do: whoever can write it needs no token, all is one
//! transaction, and servers that run notice within half a second.

mod apply;
mod batch;
mod difference;
mod export;
mod load;
mod show;
mod validate;

use std::path::PathBuf;

use clap::Args;

use crate::app::App;
use crate::code::Builder;
use crate::commands::Failure;
use crate::config::Config;
use crate::config::Environment;
use crate::db::migrate::check_head;

pub use apply::APPLY_HELP;
pub use apply::ApplyArgs;
pub use apply::DIFF_HELP;
pub use apply::DiffArgs;
pub use apply::apply;
pub use apply::diff;
pub use batch::Batch;
pub use batch::End;
pub use batch::Outcome;
pub(in crate::commands) use batch::each_kind;
pub use export::EXPORT_HELP;
pub use export::ExportArgs;
pub use export::export;
pub use validate::VALIDATE_HELP;
pub use validate::ValidateArgs;
pub use validate::validate;

/// Where definitions are if nobody says.
const FOLDER: &str = "definitions";

/// Which files are meant.
#[derive(Debug, Args)]
struct Files {
    /// Files, folders and patterns; of folders all that end in .yaml, .yml or .json
    #[arg(value_name = "PATH", default_value = FOLDER)]
    paths: Vec<PathBuf>,
    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

/// The server, of which nothing begins.
pub async fn open(env: &Environment, server: Builder) -> Result<App, Failure> {
    let app = server.start(Config::load(|name| env.get(name))?).await?;
    check_head(&app.db).await?;
    Ok(app)
}

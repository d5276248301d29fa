//! `agent-server rag`: documents, as a client of a running server.

pub mod files;
mod import;
mod progress;
mod search;
mod upload;

use std::process::ExitCode;

use clap::Args;
use clap::Subcommand;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;

use crate::commands::Failure;
use crate::config::Environment;

pub const HELP: &str = "\
Examples:
  agent-server rag import handbook docs/
  agent-server rag search handbook 'parental leave'";

#[derive(Debug, Args)]
pub struct RagArgs {
    #[command(subcommand)]
    command: RagCommand,
}

#[derive(Debug, Subcommand)]
enum RagCommand {
    /// Bring files and folders into a database
    #[command(after_help = import::HELP)]
    Import(import::ImportArgs),
    /// Find passages of documents
    #[command(after_help = search::HELP)]
    Search(search::SearchArgs),
}

pub async fn run(args: RagArgs, env: &Environment) -> Result<ExitCode, Failure> {
    match args.command {
        RagCommand::Import(args) => import::run(args, env).await,
        RagCommand::Search(args) => search::run(args, env).await,
    }
}

/// Where a database of this id or name is.
fn path_of(database: &str) -> String {
    format!("/rag/databases/{}", utf8_percent_encode(database, NON_ALPHANUMERIC))
}

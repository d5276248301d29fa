//! The command line: one file per command.

mod api;
mod audit;
mod backup;
mod chat;
mod definitions;
mod dev;
mod doctor;
mod env_file;
mod import;
mod keys;
mod logging;
mod mcp;
mod migrate;
mod rag;
mod secrets;
mod serve;
pub mod setup_auth;
pub mod terminal;
mod users;

use std::process::ExitCode;

use clap::Parser;
use clap::Subcommand;

use crate::app::worker;
use crate::code::Builder;
use crate::config::Environment;

/// What a command may fail with; its message and its causes are shown.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

const EXAMPLES: &str = "\
Examples:
  agent-server dev                  A server to try, with an embedded database and a demo agent
  agent-server setup-auth           Keys and the first client, into .env
  agent-server doctor               What is wrong with the settings, and how to mend it
  agent-server migrate up           The tables, before the first start and with each release
  agent-server serve                The server
  agent-server chat demo            A conversation with an agent
  agent-server rag import hr docs   The documents of a folder, to be searched
  agent-server apply definitions/   Agents, tools and the rest from files, all of it or nothing

Settings are environment variables, or lines of a file .env in the working directory.";

/// Runs AI agents for other programs, durably, behind its own OAuth 2.1 server.
#[derive(Debug, Parser)]
#[command(name = "agent-server", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server
    #[command(after_help = serve::HELP)]
    Serve,
    /// Start a server to try, which makes all that it needs
    #[command(after_help = dev::HELP)]
    Dev,
    /// Talk to an agent of a running server
    #[command(after_help = chat::HELP)]
    Chat(chat::ChatArgs),
    /// Bring documents to a running server, and search them
    #[command(after_help = rag::HELP)]
    Rag(rag::RagArgs),
    /// Write the definitions of the server to files
    #[command(after_help = definitions::EXPORT_HELP)]
    Export(definitions::ExportArgs),
    /// Say what applying files would do, and what has changed in the server since
    #[command(after_help = definitions::DIFF_HELP)]
    Diff(definitions::DiffArgs),
    /// Make the definitions of the server what files say
    #[command(after_help = definitions::APPLY_HELP)]
    Apply(definitions::ApplyArgs),
    /// Check files of definitions without a database
    #[command(after_help = definitions::VALIDATE_HELP)]
    Validate(definitions::ValidateArgs),
    /// Take over what the original server has in its database
    #[command(after_help = import::IMPORT_HELP)]
    Import(import::ImportArgs),
    /// Let a program that starts its MCP servers speak to a running server
    #[command(after_help = mcp::HELP)]
    Mcp(mcp::McpArgs),
    /// Make the keys of the server and its first client
    #[command(after_help = setup_auth::HELP)]
    SetupAuth(setup_auth::SetupAuthArgs),
    /// Show and change the keys that sign access tokens
    #[command(after_help = keys::HELP)]
    Keys(keys::KeysArgs),
    /// Check that the audit trail is whole
    #[command(after_help = audit::HELP)]
    Audit(audit::AuditArgs),
    /// Show and change who may sign in
    #[command(after_help = users::HELP)]
    Users(users::UsersArgs),
    /// Make and change the tables of the database
    #[command(after_help = migrate::HELP)]
    Migrate(migrate::MigrateArgs),
    /// Seal secrets with a new key
    #[command(after_help = secrets::HELP)]
    Secrets(secrets::SecretsArgs),
    /// Copy the embedded database
    #[command(after_help = backup::HELP)]
    Backup(backup::BackupArgs),
    /// Say what is wrong with settings, database, keys and providers
    #[command(after_help = doctor::HELP)]
    Doctor,
}

impl Builder {
    /// Runs the command that the process was started with; `serve` and `dev` start this server. 0: done;
    /// 1: it failed; 2: it was misspelt; `chat --once`, `diff` and `apply --dry-run` say more.
    pub fn main(self) -> ExitCode {
        if let Some(ended) = worker() {
            return ended;
        }
        let cli = Cli::parse();
        match run(cli.command, self) {
            Ok(code) => code,
            Err(failure) => {
                terminal::failure(&*failure);
                ExitCode::FAILURE
            }
        }
    }
}

fn run(command: Command, server: Builder) -> Result<ExitCode, Failure> {
    // Fails only if there is a provider already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let env = Environment::read()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let done = match command {
            Command::Chat(args) => return chat::run(args, &env).await,
            Command::Rag(args) => return rag::run(args, &env).await,
            Command::Export(args) => definitions::export(args, &env, server).await,
            Command::Diff(args) => return definitions::diff(args, &env, server).await,
            Command::Apply(args) => return definitions::apply(args, &env, server).await,
            Command::Validate(args) => return definitions::validate(args, &env, server).await,
            Command::Import(args) => return import::import(args, &env, server).await,
            Command::Mcp(args) => mcp::run(args, &env).await,
            Command::Serve => serve::run(&env, server).await,
            Command::Dev => dev::run(&env, server).await,
            Command::SetupAuth(args) => setup_auth::run(&args),
            Command::Keys(args) => keys::run(&args, &env).await,
            Command::Audit(args) => return audit::run(&args, &env).await,
            Command::Users(args) => users::run(&args, &env).await,
            Command::Migrate(args) => migrate::run(&args, &env).await,
            Command::Secrets(args) => secrets::run(&args, &env, server).await,
            Command::Backup(args) => backup::run(&args, &env).await,
            Command::Doctor => doctor::run(&env).await,
        };
        done.map(|()| ExitCode::SUCCESS)
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }
}

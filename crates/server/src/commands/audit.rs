//! `agent-server audit`: whether the audit trail is whole.

use std::process::ExitCode;

use clap::Args;
use clap::Subcommand;

use crate::audit;
use crate::commands::Failure;
use crate::commands::terminal;
use crate::config::Environment;
use crate::config::load_database;
use crate::db::Db;
use crate::db::migrate::check_head;

pub const HELP: &str = "\
Each entry of a tenant's trail has a hash over itself and the entry before it. An entry that was changed, added
or taken away in the database is found, but for one case: who can write all tables can write a whole new end. Keep the
hash that `verify` prints somewhere else, and look for it later with `GET /audit`.

0: every trail is whole; 1: one is not.

Examples:
  agent-server audit verify";

#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Read the trails of all tenants and compare each entry with its hash
    Verify,
}

pub async fn run(args: &AuditArgs, env: &Environment) -> Result<ExitCode, Failure> {
    let AuditCommand::Verify = args.command;
    let db = Db::open(&load_database(|name| env.get(name))?).await?;
    check_head(&db).await?;
    let mut code = ExitCode::SUCCESS;
    for tenant in audit::tenants(&db).await? {
        let verified = audit::verify(&db, &tenant).await?;
        let (entries, head) = (verified.entries, verified.head);
        terminal::line(format!("{tenant}: {entries} entries, the last with the hash {head}"));
        if let Some(broken) = verified.broken {
            terminal::line(format!("{tenant}: entry {}: {}", broken.seq, broken.reason));
            code = ExitCode::FAILURE;
        }
    }
    db.close().await;
    Ok(code)
}

//! `agent-server secrets`: the secrets of all tenants, and the signing keys.

use clap::Args;
use clap::Subcommand;

use crate::code::Builder;
use crate::commands::Failure;
use crate::commands::terminal;
use crate::config::Config;
use crate::config::Environment;
use crate::db::migrate::check_head;

pub const HELP: &str = "\
A new AGENT_SERVER_ENCRYPTION_KEY: give it to all processes, with the key before it as
AGENT_SERVER_ENCRYPTION_KEY_PREVIOUS, then run `reseal` with the same settings. After that
the key before it can go. Servers may be at work meanwhile.

Examples:
  agent-server secrets reseal";

#[derive(Debug, Args)]
pub struct SecretsArgs {
    #[command(subcommand)]
    command: SecretsCommand,
}

#[derive(Debug, Subcommand)]
enum SecretsCommand {
    /// Seal all secrets and signing keys with the current key, so that the one before it can go
    Reseal,
}

pub async fn run(args: &SecretsArgs, env: &Environment, server: Builder) -> Result<(), Failure> {
    let SecretsCommand::Reseal = args.command;
    let app = server.start(Config::load(|name| env.get(name))?).await?;
    check_head(&app.db).await?;
    let (done, keys) = (app.secrets.reseal().await, app.keys.reseal().await);
    app.db.close().await;
    let (done, keys) = (done?, keys?);
    terminal::line(format!(
        "{} sealed with the current key, {} were already",
        done.renewed + keys.renewed,
        done.kept + keys.kept
    ));
    for kid in &keys.unreadable {
        terminal::bad(format!("the signing key `{kid}`"), "it cannot be opened");
    }
    for (tenant, name, why) in &done.unreadable {
        terminal::bad(format!("`{name}` of the tenant `{tenant}`"), &why.detail);
    }
    if done.missed > 0 {
        let missed = done.missed;
        return Err(format!("{missed} were changed meanwhile; run it again").into());
    }
    if !done.unreadable.is_empty() || !keys.unreadable.is_empty() {
        return Err("some cannot be opened; see the lines above".into());
    }
    Ok(())
}

//! `agent-server import`: what the original server has in its database.
//!
//! It is read, put into the words of files of definitions, and applied like those; what is here already stays. What was
//! changed on the way, and what could not be taken over, is said of each thing.

mod clients;
mod convert;
mod original;
mod report;
mod scopes;
mod settle;
mod store;
mod workflows;

use std::process::ExitCode;

use clap::Args;

use crate::code::Builder;
use crate::commands::Failure;
use crate::commands::definitions::open;
use crate::commands::terminal;
use crate::config::Environment;
use original::Original;
use report::Report;

pub const IMPORT_HELP: &str = "\
From PostgreSQL it reads the tables of the original agent server, which stays as it is: clients (their secrets are
hashed and go on working), agents, tools, workflows with their step rows, and RAG databases. They come into the
database of DATABASE_URL. What has a name that is taken here stays as it is here, so that a second import changes
nothing. Of each thing it says what was changed and what could not be taken over. All of it is one transaction.

A password does not belong on a command line, where whoever lists processes sees it: put the URL into IMPORT_FROM,
in the environment or in .env, or leave the password out of it and set PGPASSWORD.

The command ends with
  0  it is done, as the lines say    1  it failed, and nothing was written

Examples:
  agent-server import --dry-run
  agent-server import --from postgres://reader@old-host/agent_server";

/// How it is told to the audit trail.
const BY: &str = "system:import";
/// Where the versions say that they are from.
const SOURCE: &str = "the original server";

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The database of the original server, else that of `IMPORT_FROM`; a user that may only read is enough
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

pub async fn import(
    args: ImportArgs,
    env: &Environment,
    server: Builder,
) -> Result<ExitCode, Failure> {
    let app = open(env, server).await?;
    let original = match (args.from, &app.config.import_from) {
        (Some(url), _) => Original::read(url.into(), "--from").await?,
        (None, Some(url)) => Original::read(url.clone(), "IMPORT_FROM").await?,
        (None, None) => return Err("set IMPORT_FROM, or give --from".into()),
    };
    let mut report = Report::default();
    let made = convert::definitions(&original, &app, &mut report).await?;
    let taken = clients::to_take_over(&app, &original, &mut report).await?;
    settle::apply(&app, made, &taken, args.dry_run, &mut report).await?;
    convert::left_out(&original, &mut report);
    app.db.close().await;
    if args.json {
        terminal::line(format!("{:#}", report.json(args.dry_run)));
    } else {
        report.say(args.dry_run);
    }
    Ok(ExitCode::SUCCESS)
}

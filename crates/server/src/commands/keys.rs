//! `agent-server keys`: the keys that sign access tokens.

use clap::Args;
use clap::Subcommand;

use crate::app::Clock;
use crate::audit::Actor;
use crate::audit::Origin;
use crate::code::sealer;
use crate::commands::Failure;
use crate::commands::terminal;
use crate::config::Config;
use crate::config::Environment;
use crate::db::Db;
use crate::db::TenantId;
use crate::db::migrate::check_head;
use crate::oauth::Begin;
use crate::oauth::KeyInfo;
use crate::oauth::Keys;

pub const HELP: &str = "\
Keys are in the database, sealed with AGENT_SERVER_ENCRYPTION_KEY; that of TOKEN_SERVICE_PRIVATE_KEY
stands before them. A new key is published at once and signs ten minutes later, when whoever keeps the key
set has it; tokens of the key before are good for another day. Running servers notice within half a second.

When a key is out: `keys rotate --now`, then `keys retire` with its name.

Examples:
  agent-server keys list
  agent-server keys rotate
  agent-server keys import
  agent-server keys retire kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

/// Who the log and the list say it was.
const BY: &str = "system:keys";

#[derive(Debug, Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Show all keys, and what each is
    List,
    /// Make a key that takes over
    Rotate {
        /// Let it sign at once
        #[arg(long)]
        now: bool,
    },
    /// Take a key back: its tokens are void
    Retire {
        #[arg(value_name = "KID")]
        kid: String,
    },
    /// Move the key of the settings into the database
    Import,
}

pub async fn run(args: &KeysArgs, env: &Environment) -> Result<(), Failure> {
    let config = Config::load(|name| env.get(name))?;
    let db = Db::open(&config.database).await?;
    check_head(&db).await?;
    let (_, sealer) = sealer(&config.identity)?;
    let keys = Keys::new(&config, db.clone(), Clock::System, sealer)?;
    let (tenant, origin) = (TenantId::default(), Origin::default());
    let by = Actor { tenant: &tenant, subject: BY, client_id: None, origin: &origin };
    match &args.command {
        KeysCommand::List => keys.list().await?.iter().for_each(show),
        KeysCommand::Rotate { now } => {
            let begin = if *now { Begin::Now } else { Begin::Soon };
            show(&keys.rotate(begin, by).await?);
        }
        KeysCommand::Retire { kid } => {
            keys.retire(kid, by).await?;
            terminal::line(format!("withdrew {kid}"));
        }
        KeysCommand::Import => {
            show(&keys.import(by).await?);
            terminal::aside(
                "TOKEN_SERVICE_PRIVATE_KEY and TOKEN_SERVICE_PUBLIC_KEY can be left out now",
            );
        }
    }
    db.close().await;
    Ok(())
}

/// One line of a key.
fn show(key: &KeyInfo) {
    let KeyInfo { kid, state, begins_at, ends_at, source, .. } = key;
    let times = match (state, begins_at, ends_at) {
        (&"pending", Some(begin), _) => format!("signs from {begin}"),
        (_, _, Some(end)) => format!("its tokens are good until {end}"),
        _ => String::new(),
    };
    terminal::line(format!("{state:<10}  {source:<8}  {kid}  {times}").trim_end());
}

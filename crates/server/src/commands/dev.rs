//! `agent-server dev`: a server to try, which needs nothing and makes all that it lacks.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use auth::scope::Scopes;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::app::App;
use crate::app::Clock;
use crate::audit::Origin;
use crate::code::Builder;
use crate::commands::Failure;
use crate::commands::logging;
use crate::commands::serve;
use crate::commands::setup_auth;
use crate::commands::terminal;
use crate::config;
use crate::config::Config;
use crate::config::Environment;
use crate::config::Mode;
use crate::db::TenantId;
use crate::db::migrate::Migrator;
use crate::db::migrate::Source;
use crate::db::migrate::check_head;
use crate::definitions::Author;
use crate::definitions::DefinitionError;

pub const HELP: &str = "\
It keeps all it makes in the folder of AGENT_SERVER_DATA_DIR (./data): an embedded database, which it
migrates by itself, and a file dev.env with keys and a first client. There is an agent named `demo`,
whose model is built in. Settings of the environment and of .env go before those; a database that
DATABASE_URL names is neither migrated nor given the agent.

Examples:
  agent-server dev
  PORT=8080 agent-server dev";

const DEMO: &str = "demo";

/// Makes what is missing, says what to try, and serves.
pub async fn run(env: &Environment, server: Builder) -> Result<(), Failure> {
    let keys = make_keys(&config::data_dir(|name| env.get(name)))?;
    let own = Environment::read()?;
    let is_own_client = own.get("MANAGEMENT_CLIENT_SECRET").is_some();
    let env = own.with_file(&keys)?;
    let is_own_file = env.get("DATABASE_URL").is_none();
    let config = Config::load(|name| env.get(name))?;
    if config.mode == Mode::Production {
        return Err("`dev` is for trying; in production it is `serve`".into());
    }
    logging::start(&config.log);
    // The one exception from the rule that nothing migrates by itself, and for our own file only.
    if is_own_file {
        let database = config.database.clone();
        Migrator::new(database, Source::Embedded, Clock::System)?.up(None, &mut |_| {}).await?;
    }
    let app = server.start(config).await?;
    check_head(&app.db).await?;
    if is_own_file {
        make_demo_agent(&app).await?;
    }
    let keys = if is_own_client { Path::new("./.env") } else { &keys };
    let hello = hello(&app.config.issuer, keys);
    serve::serve(app, || terminal::line(hello)).await
}

/// Sees to it that the folder has a file with keys.
fn make_keys(folder: &Path) -> Result<PathBuf, Failure> {
    fs::create_dir_all(folder)
        .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
    let file = folder.join("dev.env");
    setup_auth::complete_keys(&file)?;
    Ok(file)
}

/// Makes the demo agent, unless there is one of its name.
async fn make_demo_agent(app: &App) -> Result<(), DefinitionError> {
    let tenant = TenantId::default();
    if app.agents.find(&tenant, DEMO).await?.is_some() {
        return Ok(());
    }
    let author = Author {
        tenant: &tenant,
        subject: "system:dev",
        client_id: None,
        scopes: &Scopes::all_types(),
        origin: &Origin::default(),
    };
    app.agents.create(author, demo_agent()).await.map(drop)
}

fn demo_agent() -> Map<String, Value> {
    let agent = json!({
        "name": DEMO,
        "display_name": "Demo",
        "description": "Answers without any provider: its model is built in.",
        "instructions": "Repeat what you are told, and use the tools that you are asked to use.",
        "model": "demo/scripted",
        "tools": ["current_time"],
        "scopes": ["agent.execute"],
    });
    agent.as_object().cloned().unwrap_or_default()
}

/// What to try, to be copied line by line.
fn hello(base: &str, keys: &Path) -> String {
    let keys = keys.display();
    format!(
        r#"
Agent Server is at {base}. Try it from another terminal in this folder:

  . {keys}
  TOKEN=$(curl -s {base}/oauth/token -u "$MANAGEMENT_CLIENT_ID:$MANAGEMENT_CLIENT_SECRET" \
    -d grant_type=client_credentials | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -s {base}/agents/{DEMO}/execute -H "Authorization: Bearer $TOKEN" \
    -H "Content-Type: application/json" -d '{{"input": "Hello!"}}'
  curl -sN {base}/agents/{DEMO}/execute -H "Authorization: Bearer $TOKEN" \
    -H "Content-Type: application/json" -d '{{"input": "use tool current_time with {{}}", "stream": true}}'

{base}/docs shows all calls. Ctrl-C stops it.
"#
    )
}

//! The server that is measured: the release binary with everything on, in a folder of its own.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;
use tokio::time;

use crate::Result;
use crate::child::Child;
use crate::child::free_port;
use crate::client::Call;
use crate::client::Connection;
use crate::postgres::Postgres;
use crate::process::Process;
use crate::settings::Database;
use crate::settings::Settings;

const CLIENT: &str = "bench";
const SECRET: &str = "bench-secret-0123456789-abcdefgh";
const AGENT: &str = "assistant";
/// An agent whose tool is a script.
pub const ADDER: &str = "adder";
/// An agent with many tools, and how many these are.
pub const EXPERT: &str = "expert";
pub const TOOLS: usize = 200;

/// A workflow that does nothing until a moment that it is told.
pub const SLEEPER: &str = "sleeper";

/// How long the server may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Server {
    pub child: Child,
    pub postgres: Option<Postgres>,
    /// From its start to the first 200 of `/ready`.
    pub start: Duration,
    pub start_cpu: Duration,
    token: String,
    /// Where it keeps its files; gone with this value, after the process.
    _folder: TempDir,
}

impl Server {
    pub async fn start(settings: &Settings, database: Database, model: u16) -> Result<Self> {
        let binary = settings
            .server
            .canonicalize()
            .map_err(|_| "build the server first, or run `make bench`")?;
        let folder = tempfile::tempdir()?;
        let postgres = match database {
            Database::Postgres => Some(Postgres::create().await?),
            Database::Embedded | Database::EmbeddedFull => None,
        };
        let port = free_port()?;
        let command = |arguments: &[&str]| -> Result<Command> {
            let mut command = Command::new(&binary);
            command.args(arguments).current_dir(&folder).env_clear();
            command.envs(environment(database, postgres.as_ref(), model, port));
            let log =
                File::options().create(true).append(true).open(folder.path().join("server.log"))?;
            command.stdout(log.try_clone()?).stderr(log).stdin(Stdio::null());
            Ok(command)
        };
        for once in [&["setup-auth"][..], &["migrate", "up"]] {
            let status = command(once)?.status()?;
            if !status.success() {
                return Err(failed(&format!("`agent-server {}`", once.join(" ")), folder.path()));
            }
        }
        let begun = Instant::now();
        let mut child = Child::start(&mut command(&["serve"])?, port)?;
        if !is_ready(&mut child, begun).await? {
            return Err(failed("the server", folder.path()));
        }
        let (start, start_cpu) = (begun.elapsed(), child.process().cpu());
        let token = sign_in(port).await?;
        make_definitions(port, model, &token).await?;
        Ok(Self { child, postgres, start, start_cpu, token, _folder: folder })
    }

    pub fn port(&self) -> u16 {
        self.child.port
    }

    pub fn process(&self) -> Process {
        self.child.process()
    }

    /// Asks for a new token: one of them lives for ten minutes.
    pub async fn renew_token(&mut self) -> Result<()> {
        self.token = sign_in(self.port()).await?;
        Ok(())
    }

    /// What to send for an answer to `input`.
    pub fn execute(&self, input: &str) -> Call {
        self.ask(AGENT, input)
    }

    /// The same of another agent.
    pub fn ask(&self, agent: &str, input: &str) -> Call {
        Call::post(&format!("/agents/{agent}/execute"), &json!({"input": input}))
            .with_token(&self.token)
    }

    /// What to send for one call of a tool.
    pub fn call(&self, tool: &str, input: &Value) -> Call {
        Call::post(&format!("/tools/{tool}/execute"), &json!({"input": input}))
            .with_token(&self.token)
    }

    /// What to send to begin a run of a workflow, without waiting for it.
    pub fn begin(&self, workflow: &str, input: &Value, metadata: &Value) -> Call {
        let body = json!({"input": input, "metadata": metadata, "background": true});
        Call::post(&format!("/workflows/{workflow}/execute"), &body).with_token(&self.token)
    }

    pub fn get(&self, path: &str) -> Call {
        Call::get(path).with_token(&self.token)
    }

    /// Transactions that the server has committed so far, by its own count.
    pub async fn commits(&self) -> Result<u64> {
        let (_, text) = Connection::to(self.port()).fetch(&Call::get("/metrics")).await?;
        Ok(counter(&String::from_utf8_lossy(&text), COMMITS))
    }
}

/// The counter of committed transactions that wrote something.
const COMMITS: &str = "database_commits_total";

/// The sum of a counter over all its labels.
fn counter(metrics: &str, name: &str) -> u64 {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        (labels.is_empty() || labels.starts_with('{')).then(|| value.parse::<u64>().ok())?
    });
    values.sum()
}

fn environment(
    database: Database,
    postgres: Option<&Postgres>,
    model: u16,
    port: u16,
) -> Vec<(&'static str, String)> {
    let sync = if database == Database::Embedded { "normal" } else { "full" };
    let mut environment = vec![
        ("PORT", port.to_string()),
        ("MANAGEMENT_CLIENT_ID", CLIENT.to_owned()),
        ("MANAGEMENT_CLIENT_SECRET", SECRET.to_owned()),
        ("OPENAI_BASE_URL", format!("http://127.0.0.1:{model}/v1")),
        ("OPENAI_API_KEY", "bench".to_owned()),
        ("DATABASE_SYNC", sync.to_owned()),
        ("LOG_FORMAT", "json".to_owned()),
        ("AGENT_SERVER_EGRESS_ALLOW", format!("http://127.0.0.1:{model}")),
    ];
    environment.extend(postgres.map(|it| ("DATABASE_URL", it.url.clone())));
    environment
}

async fn is_ready(child: &mut Child, begun: Instant) -> Result<bool> {
    let mut connection = Connection::to(child.port);
    while begun.elapsed() < PATIENCE && child.is_alive()? {
        if let Ok((200, _)) = connection.fetch(&Call::get("/ready")).await {
            return Ok(true);
        }
        time::sleep(Duration::from_millis(1)).await;
    }
    Ok(false)
}

async fn sign_in(port: u16) -> Result<String> {
    let request =
        json!({"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET});
    let call = Call::post("/oauth/token", &request);
    let answer = Connection::to(port).fetch_json(&call).await?;
    Ok(answer["access_token"].as_str().ok_or("the server gave no token")?.to_owned())
}

/// Makes the agents, tools and workflows that the phases execute.
async fn make_definitions(port: u16, model: u16, token: &str) -> Result<()> {
    let number = json!({"type": "number"});
    let schema =
        json!({"type": "object", "properties": {"a": number, "b": number}, "required": ["a", "b"]});
    let add = json!({
        "name": "add", "description": "Adds two numbers.", "input_schema": schema, "effect": "read",
        "execute_code": "return `sum=${input.a + input.b}`",
    });
    let fetch = json!({
        "name": "fetch_sum", "description": "Gets a sum.", "kind": "http", "input_schema": {"type": "object"},
        "config": {"url": format!("http://127.0.0.1:{model}/sum"), "allow_http": true},
    });
    let names: Vec<String> = (0..TOOLS).map(|number| format!("tool{number}")).collect();
    let fixed = names.iter().map(|name| {
        json!({
            "name": name, "description": "Looks up what there is to know of an order.", "kind": "static",
            "input_schema": schema, "config": {"result": "nothing"},
        })
    });
    let agent = |name: &str, tools: Value| {
        json!({
            "name": name, "display_name": "Assistant", "instructions": "You are a helpful assistant.",
            "model": "openai/fake", "tools": tools,
        })
    };
    let agents = [
        agent(AGENT, json!(["current_time"])),
        agent(ADDER, json!(["add"])),
        agent(EXPERT, json!(names)),
    ];
    let tools = [add, fetch].into_iter().chain(fixed).map(|tool| ("/tools/definitions", tool));
    let sleep = json!({"id": "sleep", "type": "sleep_until", "until": {"$": "/input/until"}});
    let sleeper = json!({
        "name": SLEEPER, "steps": [sleep],
        "input_schema": {"type": "object", "properties": {"until": {"type": "string"}}, "required": ["until"]},
    });
    let all = tools
        .chain(agents.into_iter().map(|agent| ("/agents/definitions", agent)))
        .chain([("/workflows/definitions", sleeper)]);
    let mut connection = Connection::to(port);
    for (path, definition) in all {
        connection.fetch_json(&Call::post(path, &definition).with_token(token)).await?;
    }
    Ok(())
}

/// What did not work, with the end of the server's log.
fn failed(what: &str, folder: &Path) -> Box<dyn std::error::Error + Send + Sync> {
    let log = std::fs::read_to_string(folder.join("server.log")).unwrap_or_default();
    let end: Vec<&str> = log.lines().rev().take(10).collect();
    let end: Vec<&str> = end.into_iter().rev().collect();
    format!("{what} failed:\n{}", end.join("\n")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_summed_over_its_labels() {
        let labelled = "# TYPE a_total counter\na_total{kind=\"x y\"} 3\na_total{kind=\"z\"} 4\n";
        let others = "a_total_more 9\nb 1\n";
        assert_eq!(counter(&format!("{labelled}{others}"), "a_total"), 7);
        assert_eq!(counter("a_total 5\n", "a_total"), 5);
        assert_eq!(counter("", "a_total"), 0);
    }
}

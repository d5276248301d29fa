//! `agent-server mcp`: MCP on standard input and output, for programs that start their servers themselves.
//!
//! It understands no message: each line is sent to `/mcp` of a running server, with the token of a client, and what comes
//! back is written line by line.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use clap::Args;
use reqwest::Response;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::io::stdin;
use tokio::io::stdout;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::task::JoinSet;

use crate::commands::Failure;
use crate::commands::api::Api;
use crate::commands::api::Server;
use crate::commands::terminal;
use crate::config::Environment;

pub const HELP: &str = "\
For programs that start their MCP servers themselves. The client is that of the settings
(MANAGEMENT_CLIENT_ID and _SECRET), unless options name another; better give a client of its own,
with `mcp.access` and what it is to use.

Examples:
  agent-server mcp --url https://agents.example.com

An entry in such a program:
  {\"command\": \"agent-server\", \"args\": [\"mcp\", \"--url\", \"https://agents.example.com\"],
   \"env\": {\"MANAGEMENT_CLIENT_ID\": \"shop\", \"MANAGEMENT_CLIENT_SECRET\": \"ags_…\"}}";

const PATH: &str = "/mcp";
const VERSION: &str = "mcp-protocol-version";
const SESSION: &str = "mcp-session-id";
/// Where a message of the revisions without sessions says which revision it is of.
const VERSION_IN_META: &str = "/params/_meta/io.modelcontextprotocol~1protocolVersion";
/// Of our own answers.
const UNREACHABLE: i32 = -32000;

#[derive(Debug, Args)]
pub struct McpArgs {
    #[command(flatten)]
    server: Server,
}

/// Speaks until the input ends.
pub async fn run(args: McpArgs, env: &Environment) -> Result<(), Failure> {
    let api = args.server.api(env)?.for_mcp().await?;
    api.sign_in().await?;
    let (to_client, mut lines) = mpsc::channel::<String>(64);
    let bridge = Arc::new(Bridge { api, to_client, state: Mutex::default() });
    let mut writing = JoinSet::new();
    writing.spawn(async move {
        let mut out = stdout();
        while let Some(line) = lines.recv().await {
            let written = out.write_all(format!("{line}\n").as_bytes()).await;
            if written.is_err() || out.flush().await.is_err() {
                break;
            }
        }
    });
    let (mut requests, mut listening) = (JoinSet::new(), JoinSet::new());
    let mut input = BufReader::new(stdin()).lines();
    while let Some(line) = input.next_line().await? {
        match bridge.take(&line, &mut requests).await {
            Begun::Session => {
                let bridge = Arc::clone(&bridge);
                listening.spawn(async move { bridge.listen().await });
            }
            Begun::Subscription(message) => bridge.send_in(&mut listening, message),
            Begun::Nothing => {}
        }
    }
    // What was asked is answered, although nothing more will be.
    while requests.join_next().await.is_some() {}
    bridge.end().await;
    listening.shutdown().await;
    drop(bridge);
    while writing.join_next().await.is_some() {}
    Ok(())
}

/// Between a program and the server.
struct Bridge {
    api: Api,
    to_client: mpsc::Sender<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of revisions that have such.
    session: Option<String>,
    /// The revision that was agreed on, where one is.
    version: Option<String>,
    /// Requests that are not answered yet, by their ids as JSON.
    open: HashMap<String, AbortHandle>,
}

/// What has begun with a message.
#[derive(Debug)]
enum Begun {
    Session,
    /// What is asked with this message lasts until it is not wanted any more.
    Subscription(Value),
    Nothing,
}

impl Bridge {
    /// Sends a message on its way. Only the first one is waited for: what follows needs its session.
    async fn take(self: &Arc<Self>, line: &str, requests: &mut JoinSet<()>) -> Begun {
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            let error = json!({"code": -32700, "message": "a line is no JSON"});
            self.say(&json!({"jsonrpc": "2.0", "id": null, "error": error})).await;
            return Begun::Nothing;
        };
        if message["method"] == "notifications/cancelled" && self.state().session.is_none() {
            // Without sessions, who hangs up gives up.
            let id = message["params"]["requestId"].to_string();
            if let Some(request) = self.state().open.remove(&id) {
                request.abort();
            }
            return Begun::Nothing;
        }
        if message["method"] == "subscriptions/listen" {
            return Begun::Subscription(message);
        }
        if message["method"] == "initialize" {
            self.send(message).await;
            return Begun::Session;
        }
        self.send_in(requests, message);
        while requests.try_join_next().is_some() {}
        Begun::Nothing
    }

    /// Sends a message among `requests`.
    fn send_in(self: &Arc<Self>, requests: &mut JoinSet<()>, message: Value) {
        let (bridge, id) = (Arc::clone(self), message["id"].to_string());
        // Held until it is noted, so that it is not taken off the list before.
        let mut state = self.state();
        state.open.insert(id, requests.spawn(async move { bridge.send(message).await }));
    }

    async fn send(&self, message: Value) {
        let id = message["id"].clone();
        if let Err(failure) = self.exchange(&message).await
            && !id.is_null()
        {
            let error = json!({"code": UNREACHABLE, "message": failure.to_string()});
            self.say(&json!({"jsonrpc": "2.0", "id": id, "error": error})).await;
        }
        self.state().open.remove(&id.to_string());
    }

    async fn exchange(&self, message: &Value) -> Result<(), Failure> {
        let session = self.state().session.clone();
        let version = self.version_of(message);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let named = text(&message["params"]["name"]).or_else(|| text(&message["params"]["uri"]));
        let request = |http: &reqwest::Client, url: &str| {
            let mut request = http.post(url).json(message);
            let accept = "application/json, text/event-stream";
            let headers = [
                ("accept", Some(accept.to_owned())),
                (VERSION, version.clone()),
                (SESSION, session.clone()),
                ("mcp-method", text(&message["method"])),
                ("mcp-name", named.clone().filter(|name| name.is_ascii())),
            ];
            for (name, value) in headers {
                request = match value {
                    Some(value) => request.header(name, value),
                    None => request,
                };
            }
            request
        };
        let response = self.api.send(PATH, request).await?;
        if let Some(session) = response.headers().get(SESSION) {
            self.state().session = session.to_str().ok().map(str::to_owned);
        }
        self.pass_on(response, message).await
    }

    /// Hands on whatever the server says.
    async fn pass_on(&self, mut response: Response, asked: &Value) -> Result<(), Failure> {
        let media_type = response.headers().get("content-type").and_then(|it| it.to_str().ok());
        if media_type.is_none_or(|it| !it.starts_with("text/event-stream")) {
            let body = response.text().await?;
            return match serde_json::from_str::<Value>(&body) {
                Ok(mut answer) => {
                    // What is refused at the door does not say to what.
                    if answer["id"].is_null() {
                        answer["id"] = asked["id"].clone();
                    }
                    if !answer["id"].is_null() {
                        self.say(&answer).await;
                    }
                    Ok(())
                }
                Err(_) if body.is_empty() => Ok(()),
                Err(_) => Err("the server said something that is no message".into()),
            };
        }
        let mut rest = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            rest.extend_from_slice(&chunk);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                let data = line.strip_prefix(b"data:").unwrap_or_default();
                if let Ok(message) = serde_json::from_slice::<Value>(data) {
                    self.note(&message);
                    self.say(&message).await;
                }
            }
        }
        Ok(())
    }

    /// Listens to what the server says by itself in a session.
    async fn listen(&self) {
        let (session, version) = {
            let state = self.state();
            (state.session.clone(), state.version.clone())
        };
        let Some(session) = session else { return };
        let request = |http: &reqwest::Client, url: &str| {
            let request = http.get(url).header("accept", "text/event-stream");
            request
                .header(SESSION, &session)
                .header(VERSION, version.as_deref().unwrap_or_default())
        };
        while let Ok(response) = self.api.send(PATH, request).await {
            if !response.status().is_success() {
                return;
            }
            let _ = self.pass_on(response, &Value::Null).await;
            tokio::time::sleep(crate::commands::api::PAUSE).await;
        }
    }

    /// Ends the session, if there is one.
    async fn end(&self) {
        let Some(session) = self.state().session.clone() else { return };
        let request =
            |http: &reqwest::Client, url: &str| http.delete(url).header(SESSION, &session);
        if let Err(failure) = self.api.send(PATH, request).await {
            terminal::failure(&*failure);
        }
    }

    /// The revision that a message is of, as far as it is known.
    fn version_of(&self, message: &Value) -> Option<String> {
        let own = message.pointer(VERSION_IN_META).and_then(Value::as_str).map(str::to_owned);
        own.or_else(|| self.state().version.clone())
    }

    fn note(&self, message: &Value) {
        if let Some(version) = message["result"]["protocolVersion"].as_str() {
            self.state().version = Some(version.to_owned());
        }
    }

    async fn say(&self, message: &Value) {
        let _ = self.to_client.send(message.to_string()).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

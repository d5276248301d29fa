//! The program as somebody sees it who reads its log and its files: no secret is in them.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test should fail loudly")]

use std::fs;
use std::path::Path;
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;
use testkit::receiver::Answer;
use testkit::receiver::Receiver;
use tokio::io::AsyncBufReadExt;
use tokio::io::BufReader;
use tokio::process::Child;
use tokio::process::Command;
use tokio::task::JoinHandle;

#[tokio::test]
async fn no_secret_reaches_the_log_or_the_database() {
    let folder = tempfile::tempdir().unwrap();
    succeed(&folder, "setup-auth").await;
    succeed(&folder, "migrate up").await;
    let management = setting(&folder, "MANAGEMENT_CLIENT_SECRET");
    let receiver = Receiver::start().await;
    let server = Server::start(&folder, &receiver.origin()).await;

    let admin = server.token("admin", &management).await;
    let client = json!({"client_name": "Shop", "scope": "client.read"});
    let client = server.post("/oauth/register", &admin, client).await;
    let text = |name: &str| client[name].as_str().unwrap().to_owned();
    let (id, secret) = (text("client_id"), text("client_secret"));
    let token = server.token(&id, &secret).await;
    assert!(server.get("/oauth/clients", &token).await["data"].is_array());
    let planted = "a-value-that-only-tools-send";
    let hosts = ["127.0.0.1"];
    let secret_of_tools = json!({"name": "planted", "value": planted, "hosts": hosts});
    server.post("/secrets", &admin, secret_of_tools.clone()).await;
    assert_eq!(server.post("/secrets", &admin, secret_of_tools).await["status"], 409);
    assert_eq!(server.get("/secrets/planted", &admin).await["hosts"], json!(hosts));
    let tool = json!({"name": "order", "description": "Orders.", "kind": "http", "input_schema": {"type": "object"},
        "config": {"url": format!("{}/x", receiver.origin()), "allow_http": true, "query": {"k": "{{secrets.planted}}"},
            "auth": {"type": "basic", "username": "me", "secret": "planted"}}});
    server.post("/tools/definitions", &admin, tool).await;
    let moved = Answer::With(307, "location", format!("{}/y?k={planted}", receiver.origin()));
    let inside = Answer::With(307, "location", format!("http://127.0.0.1:1/?k={planted}"));
    for answer in [Answer::Echo(200), Answer::Echo(500), moved, inside] {
        receiver.answer(answer);
        server.post("/tools/order/execute", &admin, json!({"input": {}})).await;
    }
    assert_eq!(receiver.webhooks().iter().filter(|it| it.path.contains(planted)).count(), 5);
    let wrong = "a-wrong-secret-that-somebody-typed";
    server.ask(&id, wrong).await;
    server.get(&format!("/oauth/clients?access_token={token}"), &token).await;
    server.get("/oauth/clients", &format!("{token}x")).await;
    let log = server.stop().await;

    assert!(log.contains(&id), "{log}");
    let private = setting(&folder, "TOKEN_SERVICE_PRIVATE_KEY");
    let private: Value = serde_json::from_str(&private).unwrap();
    let encryption = setting(&folder, "AGENT_SERVER_ENCRYPTION_KEY");
    let signature = |token: &str| token.rsplit_once('.').unwrap().1.to_owned();
    let secrets = [
        management,
        secret,
        planted.to_owned(),
        STANDARD.encode(format!("me:{planted}")),
        wrong.to_owned(),
        signature(&admin),
        signature(&token),
        private["d"].as_str().unwrap().to_owned(),
        encryption,
    ];
    for (number, secret) in secrets.iter().enumerate() {
        assert!(!log.contains(secret), "secret {number} is in the log");
        for file in fs::read_dir(folder.path().join("data")).unwrap() {
            let content = fs::read(file.unwrap().path()).unwrap();
            let content = String::from_utf8_lossy(&content);
            assert!(!content.contains(secret), "secret {number} is in the database");
        }
    }
}

struct Server {
    process: Child,
    log: JoinHandle<String>,
    base: String,
    http: reqwest::Client,
}

impl Server {
    /// Starts the program, which may ask `egress`, so that it says as much as it can.
    async fn start(folder: &TempDir, egress: &str) -> Self {
        let mut process = program(folder, "serve")
            .envs([("PORT", "0"), ("LOG_LEVEL", "trace"), ("LOG_FORMAT", "json")])
            .env("AGENT_SERVER_EGRESS_ALLOW", egress)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut text = String::new();
        let base = loop {
            let line = lines.next_line().await.unwrap().unwrap_or_else(|| panic!("{text}"));
            text += &line;
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest.split(',').next().unwrap().to_owned();
            }
        };
        #[expect(clippy::disallowed_methods, reason = "it ends with the process")]
        let log = tokio::spawn(async move {
            while let Some(line) = lines.next_line().await.unwrap() {
                text += &line;
            }
            text
        });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { process, log, base, http }
    }

    async fn token(&self, id: &str, secret: &str) -> String {
        self.ask(id, secret).await["access_token"].as_str().unwrap().to_owned()
    }

    /// A token request by HTTP Basic.
    async fn ask(&self, id: &str, secret: &str) -> Value {
        let request = self.http.post(format!("{}/oauth/token", self.base));
        let request = request.form(&[("grant_type", "client_credentials")]);
        request.basic_auth(id, Some(secret)).send().await.unwrap().json().await.unwrap()
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> Value {
        let request = self.http.post(format!("{}{path}", self.base)).json(&body);
        request.bearer_auth(token).send().await.unwrap().json().await.unwrap()
    }

    async fn get(&self, path: &str, token: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.base));
        request.bearer_auth(token).send().await.unwrap().json().await.unwrap()
    }

    /// Stops the program; all that it said.
    async fn stop(mut self) -> String {
        let id = i32::try_from(self.process.id().unwrap()).unwrap();
        let process = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        assert!(self.process.wait().await.unwrap().success());
        self.log.await.unwrap()
    }
}

async fn succeed(folder: &TempDir, arguments: &str) {
    let output = program(folder, arguments).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn program(folder: &TempDir, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-server"));
    command.args(arguments.split(' ')).current_dir(folder.path()).env_clear();
    command
}

fn setting(folder: &TempDir, name: &str) -> String {
    let text = fs::read_to_string(Path::new(folder.path()).join(".env")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
    line.unwrap().trim_matches('\'').to_owned()
}

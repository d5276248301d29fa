//! One process of the server, and what a test asks of it.

use std::process::ExitStatus;
use std::process::Stdio;

use rustix::process::Pid;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;
use sqlx::Connection;
use sqlx::PgConnection;
use sqlx::SqliteConnection;
use testkit::database::DatabaseKind;
use testkit::database::TestDatabase;
use testkit::model::FakeModel;
use tokio::io::AsyncBufReadExt;
use tokio::io::BufReader;
use tokio::process::Child;
use tokio::process::Command;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_agent-server");
pub const SECRET: &str = "a-management-secret-for-tests";
/// The key pair of RFC 8037, appendix A.1.
const PRIVATE_KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

pub struct Server {
    process: Child,
    base: String,
    token: String,
    http: reqwest::Client,
}

/// A new database, migrated with the command that everybody uses.
pub async fn database(kind: DatabaseKind) -> TestDatabase {
    migrated(TestDatabase::empty(kind).await).await
}

/// The same with one that is there.
pub async fn migrated(database: TestDatabase) -> TestDatabase {
    let mut command = Command::new(PROGRAM);
    let status =
        command.args(["migrate", "up"]).env("DATABASE_URL", database.url()).stdout(Stdio::null());
    assert!(status.status().await.unwrap().success());
    database
}

/// Runs statements on a database, as who sits beside the server.
pub async fn in_sql(database: &TestDatabase, statement: &'static str) {
    let statement = sqlx::raw_sql(statement);
    let done = if database.file().is_some() {
        let mut shell = SqliteConnection::connect(database.url()).await.unwrap();
        statement.execute(&mut shell).await.map(drop)
    } else {
        let mut shell = PgConnection::connect(database.url()).await.unwrap();
        statement.execute(&mut shell).await.map(drop)
    };
    done.unwrap();
}

impl Server {
    /// Starts a process and waits until it listens.
    pub async fn start(database: &str, model: &FakeModel) -> Self {
        Self::start_with(database, model, &[]).await
    }

    /// The same, with settings of its own.
    pub async fn start_with(database: &str, model: &FakeModel, own: &[(&str, &str)]) -> Self {
        let mut program = Command::new(PROGRAM);
        program.arg("serve");
        Self::start_program(program, database, model, own).await
    }

    /// The same with another program, which is a server too.
    pub async fn start_program(
        mut program: Command,
        database: &str,
        model: &FakeModel,
        own: &[(&str, &str)],
    ) -> Self {
        let mut process = program
            .env_clear()
            .env("DATABASE_URL", database)
            .env("DATABASE_SYNC", "normal")
            .env("PORT", "0")
            .env("HOST", "127.0.0.1")
            .env("LOG_FORMAT", "json")
            .env("MANAGEMENT_CLIENT_ID", "admin")
            .env("MANAGEMENT_CLIENT_SECRET", SECRET)
            .env("TOKEN_SERVICE_PRIVATE_KEY", PRIVATE_KEY)
            .env("AGENT_SERVER_ENCRYPTION_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
            .env("OPENAI_BASE_URL", model.openai_url())
            .envs(own.iter().copied())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let base = loop {
            let line = lines.next_line().await.unwrap().unwrap();
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest.split(',').next().unwrap().to_owned();
            }
        };
        // What it says later is read, too: a full pipe would stop it.
        #[expect(clippy::disallowed_methods, reason = "it ends with the process")]
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut server = Self { process, base, token: String::new(), http };
        server.token = server.new_token().await;
        server
    }

    /// Its URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    pub async fn create_agent(&self) {
        let agent = json!({
            "name": "slow", "display_name": "Slow", "instructions": "Take your time.",
            "model": "openai/slow", "tools": ["current_time"],
        });
        let reply = self.post("/agents/definitions", agent).await;
        assert_eq!(reply.status(), 201, "{}", reply.text().await.unwrap());
    }

    /// Begins a run in the background; its path.
    pub async fn begin(&self, input: &str) -> String {
        let reply =
            self.post("/agents/slow/execute", json!({"input": input, "background": true})).await;
        assert_eq!(reply.status(), 202);
        reply.headers()["location"].to_str().unwrap().to_owned()
    }

    /// Begins a run whose events follow.
    pub async fn stream(&self, input: &str) -> reqwest::Response {
        let reply =
            self.post("/agents/slow/execute", json!({"input": input, "stream": true})).await;
        assert_eq!(reply.status(), 200);
        reply
    }

    /// The run at `path`, once it has ended.
    pub async fn wait(&self, path: &str) -> Value {
        loop {
            let reply = self.get(&format!("{path}/wait")).await;
            if reply.status() == 200 {
                return reply.json().await.unwrap();
            }
        }
    }

    pub async fn events(&self, path: &str) -> Vec<Value> {
        self.list(&format!("{path}/events?limit=200")).await
    }

    /// A list, asked for again as often as the server says that it cannot just now.
    pub async fn list(&self, path: &str) -> Vec<Value> {
        loop {
            let reply = self.get(path).await;
            if reply.status() != 503 {
                let reply: Value = reply.json().await.unwrap();
                return reply["data"].as_array().unwrap().clone();
            }
        }
    }

    /// `kill -9`.
    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// `kill -TERM`.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.id(), signal).unwrap();
    }

    /// `kill -9` for the processes that it began and that have computed for a tenth of a second: they are at work.
    pub fn kill_busy_children(&self) {
        let tasks =
            std::fs::read_dir(format!("/proc/{}/task", self.id().as_raw_nonzero())).unwrap();
        for task in tasks {
            let children = task.unwrap().path().join("children");
            for child in std::fs::read_to_string(children).unwrap_or_default().split_whitespace() {
                let spent = std::fs::read_to_string(format!("/proc/{child}/schedstat"));
                let spent = spent.ok().and_then(|it| it.split(' ').next()?.parse::<u64>().ok());
                if spent.is_some_and(|nanoseconds| nanoseconds > 100_000_000) {
                    let child = Pid::from_raw(child.parse().unwrap()).unwrap();
                    // It may have ended by itself.
                    let _ = rustix::process::kill_process(child, Signal::KILL);
                }
            }
        }
    }

    /// Lets no file grow, as if the disk took nothing any more.
    pub fn fill_disk(&self) {
        self.limit_files(Some(0));
    }

    /// The end of that.
    pub fn empty_disk(&self) {
        self.limit_files(rustix::process::getrlimit(Resource::Fsize).current);
    }

    fn limit_files(&self, current: Option<u64>) {
        let Rlimit { maximum, .. } = rustix::process::getrlimit(Resource::Fsize);
        let limit = Rlimit { current, maximum };
        rustix::process::prlimit(Some(self.id()), Resource::Fsize, limit).unwrap();
    }

    fn id(&self) -> Pid {
        let id = i32::try_from(self.process.id().unwrap()).unwrap();
        Pid::from_raw(id).unwrap()
    }

    /// How the process ended, once it has.
    pub async fn ended(mut self) -> ExitStatus {
        self.process.wait().await.unwrap()
    }

    pub async fn stop(self) {
        self.terminate();
        assert!(self.ended().await.success());
    }

    async fn new_token(&self) -> String {
        let reply = self.token_of("admin", SECRET).await;
        reply["access_token"].as_str().unwrap().to_owned()
    }

    /// What a client is answered that asks for a token.
    pub async fn token_of(&self, client_id: &str, secret: &str) -> Value {
        let body = json!({
            "grant_type": "client_credentials", "client_id": client_id, "client_secret": secret,
        });
        let request = self.http.post(format!("{}/oauth/token", self.base)).json(&body);
        request.send().await.unwrap().json().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.try_get(path).await.unwrap()
    }

    /// The same of a server that may be gone.
    pub async fn try_get(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        let request = self.http.get(format!("{}{path}", self.base));
        request.bearer_auth(&self.token).send().await
    }

    pub async fn post(&self, path: &str, body: Value) -> reqwest::Response {
        self.try_post(path, body).await.unwrap()
    }

    pub async fn put(&self, path: &str, body: Value) -> reqwest::Response {
        let request = self.http.put(format!("{}{path}", self.base)).json(&body);
        request.bearer_auth(&self.token).send().await.unwrap()
    }

    /// Sends a form whose parts `--x` divides.
    pub fn post_form(
        &self,
        path: &str,
        body: reqwest::Body,
    ) -> impl Future<Output = reqwest::Result<reqwest::Response>> + use<> {
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.token);
        request.header("content-type", "multipart/form-data; boundary=x").body(body).send()
    }

    pub async fn try_post(&self, path: &str, body: Value) -> reqwest::Result<reqwest::Response> {
        let request = self.http.post(format!("{}{path}", self.base)).json(&body);
        let request = match self.token.as_str() {
            "" => request,
            token => request.bearer_auth(token),
        };
        request.send().await
    }
}

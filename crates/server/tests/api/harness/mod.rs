//! A server for one test: its own database, a fake model, a clock that stands still.

mod reply;
mod sql;
mod stream;

use std::collections::HashMap;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::marker;
use std::net::SocketAddr;
use std::time::Duration;

use agent_server::App;
use agent_server::Builder;
use agent_server::app::Clock;
use agent_server::app::Ids;
use agent_server::app::Tasks;
use agent_server::config::Config;
use agent_server::db::DatabaseSettings;
use agent_server::db::Db;
use agent_server::db::Dialect;
use agent_server::db::Sync;
use agent_server::db::migrate::Migrator;
use agent_server::db::migrate::Source;
use agent_server::http::listen;
use agent_server::router;
use agent_server::workers;
pub use reply::Reply;
use serde_json::Value;
use serde_json::json;
pub use sql::dump;
pub use sql::in_sql;
pub use sql::number;
pub use sql::text;
pub use stream::Frame;
pub use stream::frames;
use testkit::database::DatabaseKind;
use testkit::database::TestDatabase;
use testkit::model::FakeModel;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// The management client of every test server.
pub const ADMIN: (&str, &str) = ("admin", "a-management-secret-for-tests");

/// Runs each test once on SQLite and once on PostgreSQL, if need be `with` a builder of the server.
macro_rules! on_both {
    (with $code:expr; $($(#[$attribute:meta])* async fn $name:ident($server:ident: TestServer) $body:block)*) => {
        $($(#[$attribute])* mod $name {
            use super::*;

            async fn test($server: $crate::harness::TestServer) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                let dialect = agent_server::db::Dialect::Sqlite;
                test($crate::harness::TestServer::start_code(dialect, &[], $code).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                let dialect = agent_server::db::Dialect::Postgres;
                test($crate::harness::TestServer::start_code(dialect, &[], $code).await).await;
            }
        })*
    };
    ($($tests:tt)*) => {
        on_both! { with agent_server::App::builder; $($tests)* }
    };
}

/// A server that listens, and all that it stands on.
pub struct TestServer {
    pub app: App,
    pub model: FakeModel,
    pub database: TestDatabase,
    address: SocketAddr,
    settings: HashMap<String, String>,
    code: Box<dyn Fn() -> Builder + Send + marker::Sync>,
}

/// Somebody who calls the server.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl TestServer {
    /// On a new database that is migrated already.
    pub async fn start(dialect: Dialect) -> Self {
        Self::start_with(dialect, &[]).await
    }

    /// The same, with settings of its own.
    pub async fn start_with(dialect: Dialect, settings: &[(&str, &str)]) -> Self {
        Self::start_code(dialect, settings, App::builder).await
    }

    /// The same, with tools, agents and models of its own, which replicas get anew.
    pub async fn start_code(
        dialect: Dialect,
        settings: &[(&str, &str)],
        code: impl Fn() -> Builder + Send + marker::Sync + 'static,
    ) -> Self {
        let database = database(dialect).await;
        let model = FakeModel::start().await;
        let mut all = defaults(database.url(), &model);
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let (app, address) = serve(assemble(code(), &all, Ids::counting()).await).await;
        Self { app, model, database, address, settings: all, code: Box::new(code) }
    }

    /// Another process on the same database, with the same settings and ids of its own.
    pub async fn replica(&self) -> (App, Client) {
        self.replica_of((self.code)()).await
    }

    /// The same of another release, which defines other things in code.
    pub async fn replica_of(&self, code: Builder) -> (App, Client) {
        self.replica_with(code, &[]).await
    }

    /// The same, with other settings.
    pub async fn replica_with(&self, code: Builder, settings: &[(&str, &str)]) -> (App, Client) {
        let (app, address) = serve(self.assembled(code, settings).await).await;
        let client = Self::client_at(address);
        let token = client.token_of(ADMIN.0, ADMIN.1, None).await;
        (app, Client { token: Some(token), ..client })
    }

    /// Another process on the same database that has begun nothing yet.
    pub async fn assembled(&self, code: Builder, settings: &[(&str, &str)]) -> App {
        let mut all = self.settings.clone();
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        assemble(code, &all, Ids::Random).await
    }

    /// Stops all work beside requests, closes the door, and opens another for the management client
    /// alone: what happens from now on is its doing.
    pub async fn alone(&self) -> Client {
        let admin = self.admin().await;
        self.app.runs.heart().cancel();
        assert_eq!(self.app.tasks.shut_down(Duration::from_secs(5)).await, 0);
        let (address, door) = open_door(&self.app, Tasks::default()).await;
        self.app.tasks.spawn_for_all(door);
        Client { token: admin.token, ..Self::client_at(address) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Nobody in particular.
    pub fn stranger(&self) -> Client {
        Self::client_at(self.address)
    }

    /// Nobody in particular, who is sent somewhere and does not go.
    pub fn browser(&self) -> Client {
        self.stranger().not_following()
    }

    /// The management client, who holds every scope.
    pub async fn admin(&self) -> Client {
        let stranger = self.stranger();
        let token = stranger.token_of(ADMIN.0, ADMIN.1, None).await;
        Client { token: Some(token), ..stranger }
    }

    /// A new client that holds `scope`.
    pub async fn client(&self, scope: &str) -> Client {
        let body =
            json!({"client_name": "Test", "grant_types": ["client_credentials"], "scope": scope});
        let made = self.admin().await.post("/oauth/register", body).await.json();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        self.client_of(&text("client_id"), &text("client_secret")).await
    }

    /// The same, with a token for what speaks MCP.
    pub async fn mcp_client(&self, scope: &str) -> Client {
        let body =
            json!({"client_name": "Test", "grant_types": ["client_credentials"], "scope": scope});
        let made = self.admin().await.post("/oauth/register", body).await.json();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        let stranger = self.stranger();
        let token = stranger.mcp_token(&text("client_id"), &text("client_secret"), None).await;
        Client { token: Some(token), ..stranger }
    }

    /// The client with this id and secret.
    pub async fn client_of(&self, id: &str, secret: &str) -> Client {
        let stranger = self.stranger();
        let token = stranger.token_of(id, secret, None).await;
        Client { token: Some(token), ..stranger }
    }

    /// Creates an agent that speaks with the fake model.
    pub async fn agent(&self, name: &str) -> Value {
        let agent = json!({
            "name": name, "display_name": name, "instructions": "Be brief.",
            "model": "openai/fake", "tools": ["current_time"],
        });
        let reply = self.admin().await.post("/agents/definitions", agent).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        reply.json()
    }

    fn client_at(address: SocketAddr) -> Client {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Client { http, base: format!("http://{address}"), token: None }
    }
}

impl Client {
    /// The same connections, without a token.
    pub fn without_token(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    /// The same, who is sent somewhere and does not go.
    pub fn not_following(&self) -> Self {
        let http =
            reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { http: http.build().unwrap(), ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request("GET", path)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(self.request("DELETE", path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(self.request("POST", path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(self.request("PUT", path).json(&body)).await
    }

    /// A request to which a test adds what it needs; [`Client::send`] sends it.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        Reply::of(request.send().await.unwrap()).await
    }

    /// The frames of an event stream, until it ends.
    pub async fn frames(&self, request: reqwest::RequestBuilder) -> Vec<Frame> {
        let response = request.header("accept", "text/event-stream").send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        stream::frames(&response.text().await.unwrap())
    }

    /// The events of the run at `path`, as soon as `count` of them are of this type. What the model has
    /// been asked or a tool has done may be stored a moment later.
    pub async fn stored(&self, path: &str, name: &str, count: usize) -> Vec<Value> {
        let read = async {
            loop {
                let events = self.get(&format!("{path}/events?limit=200")).await.json();
                let events = events["data"].as_array().unwrap();
                if events.iter().filter(|event| event["type"] == name).count() >= count {
                    return events.clone();
                }
            }
        };
        timeout(Duration::from_mins(1), read)
            .await
            .unwrap_or_else(|_| panic!("no {count} `{name}` at {path}"))
    }

    /// This caller with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The token that he shows.
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap()
    }

    /// A token for what speaks MCP.
    pub async fn mcp_token(&self, id: &str, secret: &str, scope: Option<&str>) -> String {
        self.token_for(id, secret, &[("resource", "http://server.test/mcp")], scope).await
    }

    async fn token_of(&self, id: &str, secret: &str, scope: Option<&str>) -> String {
        self.token_for(id, secret, &[], scope).await
    }

    async fn token_for(
        &self,
        id: &str,
        secret: &str,
        more: &[(&str, &str)],
        scope: Option<&str>,
    ) -> String {
        let mut form = [&[("grant_type", "client_credentials")], more].concat();
        form.extend(scope.map(|scope| ("scope", scope)));
        let request = self.request("POST", "/oauth/token").basic_auth(id, Some(secret)).form(&form);
        let reply = self.send(request).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()["access_token"].as_str().unwrap().to_owned()
    }
}

async fn database(dialect: Dialect) -> TestDatabase {
    let kind = match dialect {
        Dialect::Sqlite => DatabaseKind::Sqlite,
        Dialect::Postgres => DatabaseKind::Postgres,
    };
    let mut fingerprint = DefaultHasher::new();
    for migration in Source::Embedded.load(dialect).unwrap() {
        migration.up.checksum.hash(&mut fingerprint);
    }
    let fingerprint = format!("{:016x}", fingerprint.finish());
    TestDatabase::migrated(kind, &fingerprint, migrate).await
}

async fn migrate(url: String) {
    let settings = DatabaseSettings { url: url.into(), pool: 2, sync: Sync::Normal };
    let migrator = Migrator::new(settings, Source::Embedded, Clock::System).unwrap();
    migrator.up(None, &mut |_| {}).await.unwrap();
}

async fn assemble(code: Builder, settings: &HashMap<String, String>, ids: Ids) -> App {
    let config = Config::load(|name| settings.get(name).cloned()).unwrap();
    let db = Db::open(&config.database).await.unwrap();
    let clock = Clock::frozen("2026-11-25T10:00:00Z".parse().unwrap());
    let code = code.worker_program(env!("CARGO_BIN_EXE_agent-server"));
    code.assemble(config, db, clock, ids).unwrap()
}

async fn serve(app: App) -> (App, SocketAddr) {
    workers::start(&app).await.unwrap();
    let (address, door) = open_door(&app, app.tasks.clone()).await;
    app.tasks.spawn_for_all(door);
    (app, address)
}

/// Listens, and serves until `tasks` stop.
async fn open_door(app: &App, tasks: Tasks) -> (SocketAddr, impl Future<Output = ()> + use<>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = router::router(app).unwrap();
    (address, async move { listen::listen(listener, routes, &tasks).await })
}

fn defaults(database: &str, model: &FakeModel) -> HashMap<String, String> {
    let openai = model.openai_url();
    let pairs = [
        ("DATABASE_URL", database),
        ("DATABASE_SYNC", "normal"),
        ("DATABASE_POOL", "4"),
        ("TOKEN_SERVICE_URL", "http://server.test"),
        ("TOKEN_SERVICE_PRIVATE_KEY", PRIVATE_KEY),
        ("MANAGEMENT_CLIENT_ID", ADMIN.0),
        ("MANAGEMENT_CLIENT_SECRET", ADMIN.1),
        ("AGENT_SERVER_ENCRYPTION_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        ("OPENAI_BASE_URL", &openai),
        ("OPENAI_API_KEY", "sk-a-key-that-must-not-leak"),
        ("ANTHROPIC_BASE_URL", &model.url()),
        ("ANTHROPIC_API_KEY", "another-key-that-must-not-leak"),
        ("GOOGLE_BASE_URL", &model.url()),
        ("OLLAMA_BASE_URL", &model.url()),
        ("COHERE_BASE_URL", &model.url()),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// The key pair of RFC 8037, appendix A.1.
const PRIVATE_KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

//! An authorization server of others, that does what a test tells it to, and people who go there and come back.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;

use auth::pkce::Challenge;
use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::get;
use axum::routing::post;
use serde_json::Value;
use serde_json::json;
use testkit::mcp::Answer;
use testkit::mcp::Era;
use testkit::mcp::McpServer;

use crate::harness::ADMIN;
use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::TestServer;
use crate::oauth::people::Browser;
use crate::oauth::people::PASSWORD;
use crate::oauth::people::parameter;
use crate::oauth::people::user;

pub struct Asker {
    pub issuer: String,
    pub site: Arc<Site>,
}

#[derive(Default)]
pub struct Site {
    pub metadata: Mutex<Value>,
    /// What the token endpoint answers, one after the other; the last one again and again.
    pub answers: Mutex<VecDeque<(u16, Value)>>,
    pub registered: Mutex<Vec<Value>>,
    pub asked: Mutex<Vec<HashMap<String, String>>>,
    pub revoked: Mutex<Vec<HashMap<String, String>>>,
    pub credentials: Mutex<Vec<String>>,
}

impl Asker {
    pub async fn start(server: &TestServer) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let site = Arc::new(Site::default());
        let routes = Router::new()
            .route("/.well-known/oauth-authorization-server", get(discover))
            .route("/register", post(register))
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .with_state(Arc::clone(&site));
        server.app.tasks.spawn_for_all(async move { axum::serve(listener, routes).await.unwrap() });
        let at = |path: &str| format!("{issuer}{path}");
        *site.metadata.lock().unwrap() = json!({
            "issuer": issuer, "authorization_endpoint": at("/authorize?tenant=7"), "token_endpoint": at("/token"),
            "registration_endpoint": at("/register"), "revocation_endpoint": at("/revoke"),
            "code_challenge_methods_supported": ["S256"], "scopes_supported": ["tools", "offline_access"],
            "authorization_response_iss_parameter_supported": true,
        });
        Self { issuer, site }
    }

    pub fn answer(&self, status: u16, body: Value) {
        self.site.answers.lock().unwrap().push_back((status, body));
    }

    /// The next tokens that it gives.
    pub fn tokens(&self, access: &str, refresh: Option<&str>, expires_in: u64) {
        let refresh = refresh.map(Value::from);
        self.answer(
            200,
            json!({"access_token": access, "token_type": "bearer", "expires_in": expires_in,
                "refresh_token": refresh, "scope": "tools"}),
        );
    }

    pub fn asked(&self) -> Vec<HashMap<String, String>> {
        self.site.asked.lock().unwrap().clone()
    }

    pub fn change(&self, change: &Value) {
        let mut metadata = self.site.metadata.lock().unwrap();
        metadata.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    }
}

async fn discover(State(site): State<Arc<Site>>) -> Json<Value> {
    Json(site.metadata.lock().unwrap().clone())
}

async fn register(State(site): State<Arc<Site>>, Json(body): Json<Value>) -> Response {
    site.registered.lock().unwrap().push(body);
    let made = json!({"client_id": "agents", "client_secret": SECRET, "client_secret_expires_at": 0,
        "token_endpoint_auth_method": "client_secret_basic"});
    (StatusCode::CREATED, Json(made)).into_response()
}

pub const SECRET: &str = "planted-secret-of-a-registration";

async fn token(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    site.asked.lock().unwrap().push(form);
    let credential = headers.get("authorization").and_then(|it| it.to_str().ok());
    site.credentials.lock().unwrap().push(credential.unwrap_or_default().to_owned());
    let mut answers = site.answers.lock().unwrap();
    let (status, body) = answers.front().cloned().unwrap();
    if answers.len() > 1 {
        answers.pop_front();
    }
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

async fn revoke(State(site): State<Arc<Site>>, body: Bytes) {
    let form = url::form_urlencoded::parse(&body).into_owned().collect();
    site.revoked.lock().unwrap().push(form);
}

/// A server whose upstream `far` is used in the name of people.
pub struct World {
    pub server: TestServer,
    pub far: McpServer,
    pub asker: Asker,
    pub admin: Client,
}

impl World {
    pub async fn of(server: &TestServer) -> Self {
        let world = Self::empty(server).await;
        world.asker.tokens("at-admin", None, 3600);
        world.far.only_with("at-admin");
        let auth = json!({"type": "consent", "issuer": world.asker.issuer});
        let body = json!({"name": "far", "display_name": "Far away", "url": world.far.url(), "auth": auth});
        let made = world.admin.post("/mcp/upstreams", body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let mut browser = Browser::new(&world.server);
        assert_eq!(browser.sign_in(ADMIN.0, ADMIN.1).await.status, 303);
        let back = world.consent(&mut browser).await;
        assert_eq!(back.status, 303, "{}", back.text);
        world.site().answers.lock().unwrap().clear();
        world.site().asked.lock().unwrap().clear();
        world
    }

    /// Without the upstream.
    pub async fn empty(server: &TestServer) -> Self {
        let far = McpServer::start(Era::Modern).await;
        let asker = Asker::start(server).await;
        let text = json!({"content": [{"type": "text", "text": "Hello!"}]});
        far.tools([
            json!({"name": "greet", "description": "Greets.", "inputSchema": {"type": "object"}}),
        ]);
        far.on("greet", Answer::Result(text));
        let allow = format!("{},{}", far.origin(), asker.issuer);
        let settings = [("AGENT_SERVER_EGRESS_ALLOW", allow.as_str())];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        let admin = server.admin().await;
        Self { server, far, asker, admin }
    }

    pub fn site(&self) -> &Site {
        &self.asker.site
    }

    /// A person who is signed in, and his id.
    pub async fn person(&self, name: &str) -> (Browser, String) {
        let id = user(&self.server, name, "operator").await;
        let mut browser = Browser::new(&self.server);
        assert_eq!(browser.sign_in(name, PASSWORD).await.status, 303);
        (browser, id)
    }

    /// Sends somebody to be asked; gives the address that his browser goes on to.
    pub async fn leave(&self, browser: &mut Browser) -> String {
        let page = browser.submit("/mcp/consent/far", &[("decision", "allow")]).await;
        assert_eq!(page.status, 200, "{}", page.text);
        page.header("refresh").unwrap().strip_prefix("0;url=").unwrap().to_owned()
    }

    /// Comes back from `url` with what is to be different.
    pub async fn come_back(
        &self,
        browser: &mut Browser,
        url: &str,
        change: &[(&str, &str)],
    ) -> Reply {
        let state = parameter(url, "state").unwrap();
        let mut all = vec![("code", "a-code"), ("state", &state), ("iss", &self.asker.issuer)];
        all.retain(|(name, _)| change.iter().all(|(other, _)| other != name));
        all.extend(change.iter().filter(|(_, value)| !value.is_empty()));
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish();
        browser.get(&format!("/mcp/consent/far/callback?{query}")).await
    }

    pub async fn consent(&self, browser: &mut Browser) -> Reply {
        let url = self.leave(browser).await;
        self.come_back(browser, &url, &[]).await
    }

    /// A run of the tool for whoever is signed in there, in the background.
    pub async fn call(&self, browser: &mut Browser) -> String {
        let run = browser
            .request("POST", "/tools/far__greet/execute")
            .header("sec-fetch-site", "same-origin")
            .json(&json!({"input": {}, "background": true}));
        let reply = browser.send(run).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    /// The run, as soon as it rests.
    pub async fn rested(&self, id: &str) -> Value {
        let reply = self.admin.get(&format!("/runs/{id}/wait?timeout_ms=30000")).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()
    }

    /// The run, as soon as it is over: one that goes on rests for a moment still.
    pub async fn over(&self, id: &str) -> Value {
        loop {
            let run = self.rested(id).await;
            if run["status"] != "suspended" {
                return run;
            }
        }
    }
}

/// Whether the verifier of a token request belongs to the challenge in `url`.
pub fn fits(url: &str, form: &HashMap<String, String>) -> bool {
    let challenge = Challenge::parse(&parameter(url, "code_challenge").unwrap());
    challenge.unwrap().matches(&form["code_verifier"])
}

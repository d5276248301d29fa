//! Clients that describe themselves at the URL that is their id.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use agent_server::App;
use agent_server::db::Dialect;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Value;
use serde_json::json;

use super::assertions::JWT;
use super::assertions::Signer;
use super::get_with;
use super::people::Browser;
use super::people::NATIVE;
use super::people::PASSWORD;
use super::people::SITE;
use super::people::Tokens;
use super::people::VERIFIER;
use super::people::Wanted;
use super::people::claims;
use super::people::is_refused;
use super::people::parameter;
use super::people::redeem;
use super::people::refresh;
use super::people::user;
use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::number;

on_both! {
    async fn a_client_describes_itself_and_acts_for_who_allows_it(server: TestServer) {
        let (server, publisher) = with_publisher(&server).await;
        let stranger = server.stranger();
        let metadata = stranger.get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(metadata["client_id_metadata_document_supported"], true);
        let maria = user(&server, "maria", "operator").await;
        let mut browser = Browser::new(&server);
        let id = publisher.id();
        let wanted = Wanted::of(&id, NATIVE);
        let door = browser.get(&wanted.path()).await.header("location").unwrap().to_owned();
        assert!(browser.get(&door).await.text.contains("to go on to <b class=\"strong\">Code editor</b>"));
        browser.sign_in("maria", PASSWORD).await;

        let page = browser.get(&wanted.path()).await;
        let said = format!("It says of itself at <b class=\"strong mono\">{}</b> what it is; nobody here has looked at it.", publisher.host());
        for part in ["Let Code editor act for you?", &said, "agent.execute"] {
            assert!(page.text.contains(part), "{part}: {}", page.text);
        }
        assert!(!page.text.contains("Any program on this computer"), "it has a site, too");
        assert_eq!(number(&server, "SELECT COUNT(*) FROM client_registrations").await, 0, "nobody has allowed it anything");
        let url = browser.decide(&wanted, "allow").await;
        let tokens = Tokens::of(&redeem(&stranger, &id, &parameter(&url, "code").unwrap()).await);

        let told = claims(&tokens.access);
        assert_eq!((&told["client_id"], &told["scope"]), (&json!(id), &json!("agent.read agent.execute")));
        assert_eq!(get_with(&stranger, "/agents", &tokens.access).await.status, 200);
        assert_eq!(publisher.asked(), 1, "the document was kept");
        publisher.say(500, &[], "");
        let (_replica, elsewhere) = server.replica().await;
        let elsewhere = elsewhere.without_token();
        assert_eq!(get_with(&elsewhere, "/agents", &tokens.access).await.status, 200);
        Tokens::of(&refresh(&elsewhere, &id, &tokens.refresh).await);
        assert_eq!(publisher.asked(), 1, "tokens need no document");
        let admin = server.admin().await;
        let listed = admin.get("/oauth/clients").await.json()["data"][0].clone();
        assert_eq!((&listed["client_id"], &listed["registered_by"]), (&json!(id), &json!("policy:document")));
        let entry = admin.get("/audit?action=client.create").await.json()["data"][0].clone();
        assert_eq!((&entry["target"], &entry["actor"]), (&json!(id), &json!(format!("user:{maria}"))));
    }

    async fn what_only_runs_on_ones_own_machine_is_warned_of(server: TestServer) {
        let (server, publisher) = with_publisher(&server).await;
        let mut document = publisher.document();
        document["redirect_uris"] = json!([NATIVE, "http://localhost:33418/", "com.example.editor:/cb"]);
        publisher.say_json(&document);
        user(&server, "maria", "operator").await;
        let mut browser = Browser::new(&server);
        browser.sign_in("maria", PASSWORD).await;

        let page = browser.get(&Wanted::of(&publisher.id(), NATIVE).path()).await;

        assert!(page.text.contains("Any program on this computer can say that it is this one"), "{}", page.text);
    }

    async fn only_documents_that_the_settings_name_are_fetched(server: TestServer) {
        let dialect = server.app.db.dialect();
        let publisher = Publisher::start(&server).await;
        let allowed = ("AGENT_SERVER_EGRESS_ALLOW", publisher.origin.as_str());
        for settings in [&[][..], &[allowed], &[allowed, ("CLIENT_ID_DOCUMENTS", "editor.example, *.editor.example")], &[("CLIENT_ID_DOCUMENTS", "*")]] {
            let server = TestServer::start_with(dialect, settings).await;
            let metadata = server.stranger().get("/.well-known/oauth-authorization-server").await.json();
            assert_eq!(metadata["client_id_metadata_document_supported"], settings.iter().any(|(name, _)| *name == "CLIENT_ID_DOCUMENTS"));

            let refused = Browser::new(&server).get(&Wanted::of(&publisher.id(), NATIVE).path()).await;

            assert_eq!((refused.status, refused.header("location")), (400, None), "{settings:?}");
        }
        assert_eq!(publisher.asked(), 0);
    }

    async fn a_document_that_does_not_fit_is_refused_and_not_kept(server: TestServer) {
        let (server, publisher) = with_publisher(&server).await;
        let mut browser = Browser::new(&server);
        let good = publisher.document();
        let with = |name: &str, value: Value| {
            let mut document = good.clone();
            document[name] = value;
            document.to_string()
        };
        let json = ("content-type", "application/json");
        let elsewhere = format!("{}/other.json", publisher.origin);
        let mut asked = 0;
        for (status, headers, body) in [
            (302, &[("location", elsewhere.as_str())][..], good.to_string()),
            (404, &[json], good.to_string()),
            (201, &[json], good.to_string()),
            (200, &[("content-type", "text/html")], good.to_string()),
            (200, &[json], "not JSON".to_owned()),
            (200, &[json], with("client_id", json!(elsewhere))),
            (200, &[json], with("client_id", json!("https://editor.example/client.json"))),
            (200, &[json], with("client_secret", json!("x"))),
            (200, &[json], with("token_endpoint_auth_method", json!("client_secret_basic"))),
            (200, &[json], with("grant_types", json!(["client_credentials"]))),
            (200, &[json], with("redirect_uris", json!([]))),
            (200, &[json], with("client_uri", json!("x".repeat(5 * 1024)))),
        ] {
            publisher.say(status, headers, &body);
            let refused = browser.get(&Wanted::of(&publisher.id(), NATIVE).path()).await;
            asked += 1;
            assert_eq!((refused.status, refused.header("location"), publisher.asked()), (400, None, asked), "{status} {body}");
        }

        publisher.say_json(&good);
        assert_eq!(browser.get(&Wanted::of(&publisher.id(), NATIVE).path()).await.status, 303, "it was mended");
        assert_eq!(browser.get(&Wanted::of(&publisher.id(), "http://127.0.0.1:8999/other").path()).await.status, 400);
        assert_eq!(number(&server, "SELECT COUNT(*) FROM client_registrations").await, 0);
    }

    async fn a_url_that_is_spelt_otherwise_is_never_asked(server: TestServer) {
        let (server, publisher) = with_publisher(&server).await;
        let (origin, port) = (&publisher.origin, publisher.origin.rsplit(':').next().unwrap());
        let mut browser = Browser::new(&server);
        for id in [
            origin.clone(), format!("{origin}/"), format!("{origin}/client.json#f"), format!("{origin}/client.json?x"),
            format!("{origin}/../client.json"), format!("{origin}/a/../client.json"), format!("{origin}/./client.json"),
            format!("{origin}/a/%2e%2E/client.json"), format!("{origin}\\client.json"), format!("{origin}/client.json\t"),
            format!("{origin}/cli\nent.json"), format!(" {origin}/client.json"), format!("{origin}/{}", "a".repeat(300)),
            format!("http://a@127.0.0.1:{port}/client.json"), format!("http://127.1:{port}/client.json"),
            format!("http://2130706433:{port}/client.json"), format!("http://0x7f.1:{port}/client.json"),
            format!("HTTP://127.0.0.1:{port}/client.json"), format!("http://localhost:{port}/client.json"),
            format!("https://127.0.0.1:{port}/client.json"), format!("https://[::1]:{port}/client.json"),
            format!("https://[::ffff:127.0.0.1]:{port}/client.json"), "https://169.254.169.254/latest/meta-data".to_owned(),
            "https://10.0.0.1/client.json".to_owned(), "https://Editor.example/client.json".to_owned(),
            "https://editor.example:443/client.json".to_owned(), "file:///etc/passwd".to_owned(),
        ] {
            let refused = browser.get(&Wanted::of(&id, NATIVE).path()).await;
            assert_eq!((refused.status, refused.header("location")), (400, None), "{id}");
        }
        assert_eq!(publisher.asked(), 0);
    }

    async fn who_names_many_useless_documents_has_to_wait(server: TestServer) {
        let (server, publisher) = with_publisher(&server).await;
        let mut browser = Browser::new(&server);
        publisher.say(404, &[], "");
        for _ in 0..20 {
            assert_eq!(browser.get(&Wanted::of(&publisher.id(), NATIVE).path()).await.status, 400);
        }

        let refused = browser.get(&Wanted::of(&publisher.id(), NATIVE).path()).await;

        assert_eq!((refused.status, refused.header("retry-after").is_some()), (429, true));
        assert_eq!(publisher.asked(), 20);
    }

    async fn an_administrator_cuts_it_down_and_switches_it_off(server: TestServer) {
        let (server, publisher) = with_publisher(&server).await;
        let (id, stranger, admin) = (publisher.id(), server.stranger(), server.admin().await);
        let (mut browser, tokens) = allowed(&server, &id).await;
        let change = async |body: Value| {
            let list = admin.get("/oauth/clients").await.json();
            assert_eq!(list["data"][0]["client_id"], id);
            let path: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
            admin.send(admin.request("PATCH", &format!("/oauth/clients/{path}")).json(&body)).await
        };

        assert_eq!(change(json!({"scope": "agent.read"})).await.status, 200);
        let url = browser.allow(&Wanted::of(&id, NATIVE)).await;
        let next = redeem(&stranger, &id, &parameter(&url, "code").unwrap()).await;
        assert_eq!(claims(&Tokens::of(&next).access)["scope"], "agent.read", "what the administrator says stays");
        assert_eq!(change(json!({"is_active": false})).await.status, 200);
        assert_eq!(get_with(&stranger, "/agents", &tokens.access).await.status, 401);
        assert_eq!(browser.get(&Wanted::of(&id, NATIVE).path()).await.status, 400);
        assert_eq!(change(json!({"is_active": true})).await.status, 200);
        assert_eq!(get_with(&stranger, "/agents", &tokens.access).await.status, 200);

        let (_replica, elsewhere) = server.replica_with(App::builder(), &[("CLIENT_ID_DOCUMENTS", "editor.example")]).await;
        let gone = get_with(&elsewhere.without_token(), "/agents", &tokens.access).await;
        assert_eq!(gone.status, 401, "the settings do not name its host any more");
    }

    async fn a_document_that_changes_changes_its_client(server: TestServer) {
        let (server, publisher) = with_publisher(&server).await;
        let id = publisher.id();
        allowed(&server, &id).await;
        let mut document = publisher.document();
        document["client_name"] = json!("Another editor");
        document["redirect_uris"] = json!([SITE]);
        publisher.say_json(&document);

        // Another process has kept nothing of it.
        let (_replica, elsewhere) = server.replica().await;
        let mut browser = Browser::at(&elsewhere);
        browser.sign_in("maria", PASSWORD).await;
        assert_eq!(browser.get(&Wanted::of(&id, NATIVE).path()).await.status, 400, "it is not registered any more");
        browser.allow(&Wanted::of(&id, SITE)).await;

        let admin = server.admin().await;
        let listed = admin.get("/oauth/clients").await.json()["data"][0].clone();
        assert_eq!((&listed["client_name"], &listed["redirect_uris"]), (&json!("Another editor"), &json!([SITE])));
        let entry = admin.get("/audit?action=client.update").await.json()["data"][0].clone();
        assert_eq!((&entry["before"]["client_name"], &entry["after"]["client_name"]), (&json!("Code editor"), &json!("Another editor")));
    }

    async fn one_that_signs_is_proved_by_the_keys_of_its_document(server: TestServer) {
        let (server, publisher) = with_publisher(&server).await;
        let (id, stranger, signer, next) = (publisher.id(), server.stranger(), Signer::new(), Signer::new());
        let signs = |signer: &Signer| {
            let mut document = publisher.document();
            document["token_endpoint_auth_method"] = json!("private_key_jwt");
            document["jwks"] = signer.jwks();
            publisher.say_json(&document);
        };
        signs(&signer);
        user(&server, "maria", "operator").await;
        let mut browser = Browser::new(&server);
        browser.sign_in("maria", PASSWORD).await;
        let url = browser.allow(&Wanted::of(&id, NATIVE)).await;
        let code = parameter(&url, "code").unwrap();
        let redeem = async |client: &Client, signer: &Signer| {
            let assertion = signer.assertion(&id, json!({}));
            let form = [
                ("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", VERIFIER),
                ("client_assertion_type", JWT), ("client_assertion", assertion.as_str()),
            ];
            client.send(client.request("POST", "/oauth/token").form(&form)).await
        };

        assert_eq!(crate::oauth::people::redeem(&stranger, &id, &code).await.status, 401, "it has to prove itself");
        assert_eq!(redeem(&stranger, &next).await.status, 401);
        signs(&next);
        let (_replica, elsewhere) = server.replica().await;
        let elsewhere = elsewhere.without_token();
        assert_eq!(redeem(&elsewhere, &signer).await.status, 401, "its key is another by now");
        assert_eq!(redeem(&elsewhere, &next).await.status, 200);
        is_refused(&redeem(&elsewhere, &next).await, "invalid_grant");
    }
}

/// A server that believes what is published, and who publishes.
async fn with_publisher(server: &TestServer) -> (TestServer, Publisher) {
    let publisher = Publisher::start(server).await;
    let settings =
        [("AGENT_SERVER_EGRESS_ALLOW", publisher.origin.as_str()), ("CLIENT_ID_DOCUMENTS", "*")];
    let dialect: Dialect = server.app.db.dialect();
    (TestServer::start_with(dialect, &settings).await, publisher)
}

/// What somebody allows a client.
async fn allowed(server: &TestServer, id: &str) -> (Browser, Tokens) {
    user(server, "maria", "operator").await;
    let mut browser = Browser::new(server);
    browser.sign_in("maria", PASSWORD).await;
    let url = browser.allow(&Wanted::of(id, NATIVE)).await;
    let code = parameter(&url, "code").unwrap();
    let tokens = Tokens::of(&redeem(&server.stranger(), id, &code).await);
    (browser, tokens)
}

/// Whoever publishes a document.
struct Publisher {
    origin: String,
    site: Arc<Site>,
}

/// Status, headers and body.
type Said = (u16, Vec<(String, String)>, String);

#[derive(Default)]
struct Site {
    says: Mutex<Said>,
    asked: AtomicUsize,
}

impl Publisher {
    /// One that publishes a client.
    async fn start(server: &TestServer) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let site = Arc::<Site>::default();
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&site));
        server.app.tasks.spawn_for_all(async move { axum::serve(listener, routes).await.unwrap() });
        let publisher = Self { origin, site };
        publisher.say_json(&publisher.document());
        publisher
    }

    fn id(&self) -> String {
        format!("{}/client.json", self.origin)
    }

    fn host(&self) -> &str {
        self.origin.strip_prefix("http://").unwrap()
    }

    fn document(&self) -> Value {
        json!({
            "client_id": self.id(), "client_name": "Code editor", "client_uri": "https://editor.example",
            "redirect_uris": [NATIVE, SITE, "editor://cb"], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        })
    }

    fn say_json(&self, document: &Value) {
        self.say(200, &[("content-type", "application/json")], &document.to_string());
    }

    fn say(&self, status: u16, headers: &[(&str, &str)], body: &str) {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        *self.site.says.lock().unwrap() = (status, headers.collect(), body.to_owned());
    }

    /// How often somebody asked.
    fn asked(&self) -> usize {
        self.site.asked.load(Ordering::SeqCst)
    }
}

async fn answer(State(site): State<Arc<Site>>) -> Response {
    site.asked.fetch_add(1, Ordering::SeqCst);
    let (status, headers, body) = site.says.lock().unwrap().clone();
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

//! Signing in by the server of others.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use auth::pkce::Challenge;
use aws_lc_rs::signature::Ed25519KeyPair;
use aws_lc_rs::signature::KeyPair;
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
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use serde_json::json;

use super::people::Browser;
use super::people::NATIVE;
use super::people::PASSWORD;
use super::people::Wanted;
use super::people::parameter;
use super::people::public_client;
use super::people::user;
use crate::harness::Reply;
use crate::harness::TestServer;
use crate::harness::number;

/// What the clock of every test says.
const NOW: u64 = 1_795_600_800;
const USERS: &str = "SELECT COUNT(*) FROM users";
const ROLES: (&str, &str) = ("OIDC_ROLES", "platform=admin, staff=viewer");
const CREATE: (&str, &str) = ("OIDC_CREATE_USERS", "yes");

on_both! {
    async fn somebody_signs_in_by_the_server_of_others_and_goes_on(server: TestServer) {
        let (server, provider) = with_provider(&server, &[ROLES, CREATE]).await;
        let client = public_client(&server, "agent.read").await;
        let mut browser = Browser::new(&server);
        let wanted = Wanted::of(&client, NATIVE);
        let door = browser.get(&wanted.path()).await.header("location").unwrap().to_owned();
        let page = browser.get(&door).await.text;
        let link = page.split("href=\"").find(|it| it.starts_with("/sign-in/external")).unwrap().split('"').next().unwrap().to_owned();
        assert!(page.contains("Sign in with Fjord ID"), "{page}");

        let away = browser.get(&link).await;

        let url = away.header("location").unwrap().to_owned();
        assert_eq!((away.status, url.starts_with(&format!("{}/authorize?", provider.issuer))), (303, true), "{url}");
        let asked = |name: &str| parameter(&url, name).unwrap();
        assert_eq!(asked("redirect_uri"), "http://server.test/sign-in/external/callback");
        assert_eq!((asked("response_type"), asked("scope"), asked("code_challenge_method")), ("code".into(), "openid profile email".into(), "S256".into()));
        let ticket = away.header("set-cookie").unwrap();
        assert!(ticket.starts_with("agent-server-ticket=") && ticket.ends_with("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"), "{ticket}");
        let back = provider.come_back(&mut browser, &url, &json!({})).await;
        let then = back.header("location").unwrap().to_owned();
        assert_eq!((back.status, then.starts_with("/oauth/authorize?")), (303, true), "{then}");
        assert!(browser.get(&then).await.text.contains("Let Code editor act for you?"));
        let made = server.admin().await.get("/users").await.json()["data"][0].clone();
        assert_eq!((&made["username"], &made["display_name"], &made["role"]), (&json!("maria@fjord.example"), &json!("Maria Koski"), &json!("viewer")));
        assert_eq!((&made["has_password"], &made["created_by"]), (&json!(false), &json!("system:oidc")));
        let admin = server.admin().await;
        for action in ["user.create", "user.link"] {
            let entry = admin.get(&format!("/audit?action={action}")).await.json()["data"][0].clone();
            assert_eq!((&entry["actor"], &entry["target"]), (&json!("system:oidc"), &made["id"]), "{action}");
        }

        let again = provider.sign_in(&mut Browser::new(&server), &json!({})).await;
        assert_eq!((again.header("location"), number(&server, USERS).await), (Some("/sign-in"), 1), "he is the same");
    }

    async fn whoever_is_not_known_stays_outside_unless_the_settings_say_otherwise(server: TestServer) {
        let (server, provider) = with_provider(&server, &[]).await;
        user(&server, "maria@fjord.example", "operator").await;
        let mut browser = Browser::new(&server);

        let refused = provider.sign_in(&mut browser, &json!({})).await;

        assert_eq!((refused.status, number(&server, "SELECT COUNT(*) FROM sessions").await), (403, 0));
        assert!(refused.text.contains("Nobody here is known by that account."), "{}", refused.text);
        server.app.refusals.write(&server.app.db, &server.app.clock).await.unwrap();
        let entry = server.admin().await.get("/audit?action=sign_in.refused").await.json()["data"][0].clone();
        assert_eq!((&entry["target"], &entry["after"]), (&json!("/sign-in/external"), &json!({"count": 1})));
    }

    async fn an_address_that_was_checked_makes_somebody_a_user_once(server: TestServer) {
        let (server, provider) = with_provider(&server, &[("OIDC_LINK_BY_EMAIL", "yes")]).await;
        let id = user(&server, "maria@fjord.example", "operator").await;
        let enter = async |change: Value| provider.sign_in(&mut Browser::new(&server), &change).await.status;

        assert_eq!(enter(json!({"email_verified": false})).await, 403);
        assert_eq!(enter(json!({"email_verified": "true"})).await, 403);
        assert_eq!(enter(json!({"email": "jonas@fjord.example"})).await, 403);
        assert_eq!(enter(json!({"email": "Maria@Fjord.example"})).await, 303);
        assert_eq!(enter(json!({"sub": "another"})).await, 403, "his address is somebody else's there by now");
        assert_eq!(enter(json!({"email": "new@fjord.example", "email_verified": false})).await, 303, "he is who he was");

        let found = server.admin().await.get(&format!("/users/{id}")).await.json();
        assert_eq!((&found["role"], number(&server, USERS).await), (&json!("operator"), 1), "without roles in the settings he keeps his own");
    }

    async fn groups_give_the_highest_role_each_time_or_none(server: TestServer) {
        let (server, provider) = with_provider(&server, &[ROLES, CREATE, ("OIDC_GROUPS_CLAIM", "roles")]).await;
        let admin = server.admin().await;
        let enter = async |roles: Value| {
            let reply = provider.sign_in(&mut Browser::new(&server), &json!({"roles": roles})).await;
            let user = admin.get("/users").await.json()["data"][0].clone();
            (reply.status, user["role"].as_str().map(str::to_owned))
        };
        let role = |name: &str| Some(name.to_owned());

        assert_eq!(enter(json!([])).await, (403, None));
        assert_eq!(enter(json!(["Staff", "plat", "*"])).await, (403, None));
        assert_eq!(enter(json!("staff")).await, (303, role("viewer")));
        assert_eq!(enter(json!(["staff", "platform", 7])).await, (303, role("admin")));
        let entry = admin.get("/audit?action=user.update").await.json()["data"][0].clone();
        assert_eq!((&entry["before"]["role"], &entry["after"]["role"]), (&json!("viewer"), &json!("admin")));
        assert_eq!(enter(json!({"staff": true})).await, (403, role("admin")), "he is not let in");
        assert_eq!(enter(json!(["staff"])).await, (303, role("viewer")));
    }

    async fn who_is_inactive_or_whose_name_is_taken_is_not_let_in(server: TestServer) {
        let (server, provider) = with_provider(&server, &[ROLES, CREATE]).await;
        let admin = server.admin().await;
        let enter = async |change: Value| provider.sign_in(&mut Browser::new(&server), &change).await;
        assert_eq!(enter(json!({})).await.status, 303);
        let id = admin.get("/users").await.json()["data"][0]["id"].as_str().unwrap().to_owned();

        let taken = enter(json!({"sub": "another"})).await;
        assert!(taken.status == 403 && taken.text.contains("Somebody else here is called so already."), "{}", taken.text);
        assert_eq!(admin.put(&format!("/users/{id}"), json!({"is_active": false})).await.status, 200);
        assert_eq!(enter(json!({})).await.status, 403);
        assert_eq!(admin.delete(&format!("/users/{id}")).await.status, 204);
        assert_eq!(enter(json!({})).await.status, 303, "he is somebody new");
    }

    async fn no_token_that_is_not_for_this_sign_in_lets_anybody_in(server: TestServer) {
        let (server, provider) = with_provider(&server, &[ROLES, CREATE]).await;
        let mut statuses = Vec::new();
        for change in [
            json!({"iss": "https://evil.example"}), json!({"iss": format!("{}/", provider.issuer)}),
            json!({"aud": "other"}), json!({"aud": ["agents", "other"]}), json!({"azp": "other"}),
            json!({"nonce": "another"}), json!({"nonce": null}), json!({"exp": NOW - 120}), json!({"iat": NOW + 120}),
            json!({"iat": NOW - 3600}), json!({"sub": ""}), json!({"sub": null}),
        ] {
            statuses.push((provider.sign_in(&mut Browser::new(&server), &change).await.status, change));
        }
        for header in [
            json!({"alg": "none"}), json!({"alg": "HS256", "kid": "1"}), json!({"alg": "EdDSA", "kid": "2"}),
            json!({"alg": "EdDSA", "kid": "1", "typ": "at+jwt"}), json!({"alg": "EdDSA", "kid": "1", "crit": ["b64"], "b64": false}),
        ] {
            *provider.site.header.lock().unwrap() = header.clone();
            statuses.push((provider.sign_in(&mut Browser::new(&server), &json!({})).await.status, header));
        }
        for (status, what) in statuses {
            assert_eq!(status, 502, "{what}");
        }
        assert_eq!((number(&server, USERS).await, number(&server, "SELECT COUNT(*) FROM sessions").await), (0, 0));
    }

    async fn who_comes_back_otherwise_than_he_went_is_nobody(server: TestServer) {
        let (server, provider) = with_provider(&server, &[ROLES, CREATE]).await;
        let begin = async |browser: &mut Browser| browser.get("/sign-in/external").await.header("location").unwrap().to_owned();
        let mut browser = Browser::new(&server);
        let url = begin(&mut browser).await;
        let ticket = browser.cookie.clone();

        let elsewhere = provider.come_back(&mut Browser::new(&server), &url, &json!({})).await;
        assert_eq!(elsewhere.status, 400, "another browser");
        assert!(elsewhere.text.contains("It was begun elsewhere, or too long ago. Begin anew."), "{}", elsewhere.text);
        let (state, issuer) = (parameter(&url, "state").unwrap(), &provider.issuer);
        for path in [
            "/sign-in/external/callback".to_owned(), "/sign-in/external/callback?code=x".to_owned(),
            format!("/sign-in/external/callback?code=x&state={state}x"), "/sign-in/external/callback?code=x&state=".to_owned(),
            format!("/sign-in/external/callback?code=x&state={state}&state={state}"),
        ] {
            browser.cookie.clone_from(&ticket);
            assert_eq!(browser.get(&path).await.status, 400, "{path}");
        }
        browser.cookie.clone_from(&ticket);
        assert_eq!(browser.get(&format!("/sign-in/external/callback?code=x&state={state}")).await.status, 502, "it says of itself that it names itself");
        browser.cookie.clone_from(&ticket);
        let denied = browser.get(&format!("/sign-in/external/callback?error=access_denied%3Cscript%3E&state={state}&iss={issuer}")).await;
        assert!(denied.status == 403 && denied.text.contains("The other side says: access_deniedscript."), "{}", denied.text);
        browser.cookie.clone_from(&ticket);
        let mixed = browser.get(&format!("/sign-in/external/callback?code=x&state={state}&iss=https%3A%2F%2Fevil.example")).await;
        assert_eq!(mixed.status, 502, "another server answered");
        browser.cookie.clone_from(&ticket);
        server.app.clock.advance(Duration::from_secs(601));
        assert_eq!(provider.come_back(&mut browser, &url, &json!({})).await.status, 400, "too late");
        assert_eq!(number(&server, "SELECT COUNT(*) FROM sessions").await, 0);
    }

    async fn a_provider_that_answers_badly_lets_nobody_in(server: TestServer) {
        let (server, provider) = with_provider(&server, &[ROLES, CREATE]).await;
        let mut browser = Browser::new(&server);
        for (status, body) in [
            (302, json!({})), (400, json!({"error": "invalid_grant"})), (200, json!({"access_token": "x"})), (200, json!([])),
        ] {
            *provider.site.token_answer.lock().unwrap() = Some((status, body));
            assert_eq!(provider.sign_in(&mut browser, &json!({})).await.status, 502, "{status}");
        }
        assert_eq!(provider.site.elsewhere.load(Ordering::SeqCst), 0, "a code is sent nowhere else");

        let metadata = |change: Value| {
            let mut metadata = provider.metadata();
            metadata.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            *provider.site.metadata.lock().unwrap() = metadata;
        };
        for change in [
            json!({"issuer": "https://evil.example"}), json!({"authorization_endpoint": "javascript:alert(1)"}),
            json!({"authorization_endpoint": "http://127.0.0.1:9/authorize"}), json!({"issuer": null}),
        ] {
            metadata(change.clone());
            let (_replica, elsewhere) = server.replica().await;
            assert_eq!(Browser::at(&elsewhere).get("/sign-in/external").await.status, 502, "{change}");
        }
    }

    async fn a_provider_inside_is_not_asked_unless_that_is_permitted(server: TestServer) {
        let dialect = server.app.db.dialect();
        let provider = Provider::start(&server).await;
        let settings = [("OIDC_ISSUER", provider.issuer.as_str()), ("OIDC_CLIENT_ID", "agents")];
        let server = TestServer::start_with(dialect, &settings).await;

        let refused = Browser::new(&server).get("/sign-in/external").await;

        assert_eq!((refused.status, provider.site.asked.load(Ordering::SeqCst)), (502, 0));
        assert!(refused.text.contains("The other side does not answer as it should."));
        assert_eq!(Browser::new(&server).sign_in("maria", PASSWORD).await.status, 401, "the other door is open");
    }

    async fn without_a_provider_there_is_no_such_door(server: TestServer) {
        let mut browser = Browser::new(&server);
        assert!(!browser.get("/sign-in").await.text.contains("/sign-in/external"));
        for path in ["/sign-in/external", "/sign-in/external/callback?code=x&state=y"] {
            assert_eq!(browser.get(path).await.status, 404);
        }
    }
}

/// A server by which people may sign in, too, and that other server.
async fn with_provider(server: &TestServer, settings: &[(&str, &str)]) -> (TestServer, Provider) {
    let provider = Provider::start(server).await;
    let own = [
        ("AGENT_SERVER_EGRESS_ALLOW", provider.issuer.as_str()),
        ("OIDC_ISSUER", provider.issuer.as_str()),
        ("OIDC_CLIENT_ID", "agents"),
        ("OIDC_CLIENT_SECRET", SECRET),
        ("OIDC_NAME", "Fjord ID"),
    ];
    let settings = [&own, settings].concat();
    (TestServer::start_with(server.app.db.dialect(), &settings).await, provider)
}

const SECRET: &str = "a secret: 100 %";

/// An `OpenID` provider.
struct Provider {
    issuer: String,
    site: Arc<Site>,
}

struct Site {
    metadata: Mutex<Value>,
    /// Of its tokens.
    header: Mutex<Value>,
    /// What its token endpoint answers to whoever asks; `None`: what is right.
    token_answer: Mutex<Option<(u16, Value)>>,
    /// What each code stands for: the claims, and the challenge.
    codes: Mutex<HashMap<String, (Value, String)>>,
    asked: AtomicUsize,
    /// Who followed a redirect.
    elsewhere: AtomicUsize,
}

impl Provider {
    async fn start(server: &TestServer) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let site = Arc::new(Site {
            metadata: Mutex::default(),
            header: Mutex::new(json!({"alg": "EdDSA", "kid": "1", "typ": "JWT"})),
            token_answer: Mutex::default(),
            codes: Mutex::default(),
            asked: AtomicUsize::default(),
            elsewhere: AtomicUsize::default(),
        });
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(discover))
            .route("/jwks", get(jwks))
            .route("/token", post(redeem))
            .route("/elsewhere", get(elsewhere).post(elsewhere))
            .with_state(Arc::clone(&site));
        server.app.tasks.spawn_for_all(async move { axum::serve(listener, routes).await.unwrap() });
        let provider = Self { issuer, site };
        *provider.site.metadata.lock().unwrap() = provider.metadata();
        provider
    }

    fn metadata(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        json!({
            "issuer": self.issuer, "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
            "jwks_uri": at("/jwks"), "response_types_supported": ["code"],
            "authorization_response_iss_parameter_supported": true,
        })
    }

    /// Begins a sign-in, and comes back.
    async fn sign_in(&self, browser: &mut Browser, change: &Value) -> Reply {
        let url = browser.get("/sign-in/external").await.header("location").unwrap().to_owned();
        self.come_back(browser, &url, change).await
    }

    /// What becomes of somebody who signs in here after he was sent to `url`, with other claims than usual.
    async fn come_back(&self, browser: &mut Browser, url: &str, change: &Value) -> Reply {
        let asked = |name: &str| parameter(url, name).unwrap();
        let mut claims = json!({
            "iss": self.issuer, "sub": "248289761001", "aud": "agents", "nonce": asked("nonce"), "iat": NOW, "exp": NOW + 300,
            "email": "maria@fjord.example", "email_verified": true, "name": "Maria Koski", "groups": ["staff"],
        });
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let code = encode(auth::random::bytes().unwrap().as_slice());
        let kept = (claims, asked("code_challenge"));
        self.site.codes.lock().unwrap().insert(code.clone(), kept);
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let state = asked("state");
        let query = query.extend_pairs([("code", &code), ("state", &state), ("iss", &self.issuer)]);
        browser.get(&format!("/sign-in/external/callback?{}", query.finish())).await
    }
}

async fn discover(State(site): State<Arc<Site>>) -> Json<Value> {
    site.asked.fetch_add(1, Ordering::SeqCst);
    Json(site.metadata.lock().unwrap().clone())
}

async fn jwks() -> Json<Value> {
    let x = encode(pair().public_key());
    Json(
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "1", "use": "sig", "alg": "EdDSA"}]}),
    )
}

/// Redeems a code for who proves himself and knows the verifier.
async fn redeem(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some((status, body)) = site.token_answer.lock().unwrap().clone() {
        let location = [("location", "/elsewhere")];
        return (StatusCode::from_u16(status).unwrap(), location, Json(body)).into_response();
    }
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let secret: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let basic = format!("Basic {}", STANDARD.encode(format!("agents:{secret}")));
    let Some((claims, challenge)) = site.codes.lock().unwrap().remove(&form["code"]) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let is_right = headers["authorization"] == basic
        && Challenge::parse(&challenge).unwrap().matches(&form["code_verifier"])
        && form["redirect_uri"] == "http://server.test/sign-in/external/callback"
        && form["grant_type"] == "authorization_code";
    if !is_right {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let header = site.header.lock().unwrap().clone();
    let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let id_token = format!("{message}.{}", encode(pair().sign(message.as_bytes())));
    Json(json!({"access_token": "x", "token_type": "Bearer", "id_token": id_token})).into_response()
}

async fn elsewhere(State(site): State<Arc<Site>>) {
    site.elsewhere.fetch_add(1, Ordering::SeqCst);
}

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

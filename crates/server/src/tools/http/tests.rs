//! Calls against servers that listen.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use auth::seal::Sealer;
use auth::secret::MasterKey;
use serde_json::json;
use testkit::database::DatabaseKind;
use testkit::database::TestDatabase;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::app::Clock;
use crate::app::Ids;
use crate::audit::Actor;
use crate::audit::Origin;
use crate::config;
use crate::db::DatabaseSettings;
use crate::db::Db;
use crate::db::Id;
use crate::db::Sync;
use crate::db::TenantId;
use crate::db::migrate::Migrator;
use crate::db::migrate::Source;
use crate::egress::Allow;
use crate::egress::canary::Canary;
use crate::egress::canary::ok;
use crate::oauth::Keys;
use crate::secrets::NewSecret;

const VALUE: &str = "hunter2-hunter2";

/// The kind with one secret, `key`, for 127.0.0.1.
async fn kind(permits: &[&Canary]) -> (TestDatabase, Http) {
    let database = TestDatabase::empty(DatabaseKind::Sqlite).await;
    let url = database.url().to_owned().into();
    let settings = DatabaseSettings { url, pool: 2, sync: Sync::Normal };
    let migrator = Migrator::new(settings.clone(), Source::Embedded, Clock::System).unwrap();
    migrator.up(None, &mut |_| {}).await.unwrap();
    let db = Db::open(&settings).await.unwrap();
    let key = MasterKey::generate().unwrap();
    let sealer = Arc::new(Sealer::new(&key, &[]).unwrap());
    let (own, mac) = (Arc::clone(&sealer), key.mac("secrets"));
    let vault = Vault::new(db.clone(), Clock::System, Ids::Random, own, mac);
    let new = NewSecret {
        name: "key".to_owned(),
        value: VALUE.into(),
        description: String::new(),
        hosts: vec!["127.0.0.1".parse().unwrap()],
    };
    let by = Actor {
        tenant: &TenantId::default(),
        subject: "client:test",
        client_id: None,
        origin: &Origin::default(),
    };
    vault.create(by, new).await.unwrap();
    let allow = Allow::new(permits.iter().map(|it| it.origin().parse().unwrap()).collect());
    let config = config::Config::load(|name| {
        let value = match name {
            "NODE_ENV" => "development",
            "MANAGEMENT_CLIENT_ID" | "MANAGEMENT_CLIENT_SECRET" => {
                "management-client-of-a-test-2f8e7d"
            }
            "AGENT_SERVER_ENCRYPTION_KEY" => "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            _ => return None,
        };
        Some(value.to_owned())
    })
    .unwrap();
    let keys = Keys::new(&config, db, Clock::System, sealer).unwrap();
    let onward = Onward::new(Arc::new(keys), Clock::System, Ids::Random);
    (database, Http::new(Egress::new(allow).unwrap(), vault, onward))
}

fn terms(effect: Effect, retries: u32) -> Terms {
    let (timeout, backoff) = (Duration::from_secs(10), Duration::from_millis(1));
    Terms { effect, timeout, retries, backoff }
}

fn tool(kind: &Http, config: &Value, terms: Terms) -> HttpTool {
    let found = references(config);
    let config = serde_json::from_value(config.clone()).unwrap();
    kind.plan(config, &found, &json!({}), terms).unwrap()
}

async fn call(tool: &HttpTool, input: Value) -> Result<Value, ToolFailure> {
    let context = ToolContext {
        tenant: TenantId::default(),
        subject: "client:test".to_owned(),
        client_id: "test".to_owned(),
        run_id: Id::new(uuid::Uuid::nil()),
        call_id: "call_1".to_owned(),
        effect_id: "e5fec7".to_owned(),
        now: "2026-11-25T10:00:00Z".parse().unwrap(),
        scopes: auth::scope::Scopes::default(),
        abandoned: CancellationToken::new(),
        reports: Arc::default(),
    };
    tool.send(&context, &input).await
}

fn status(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn a_call_sends_its_arguments_and_secrets_and_gets_neither_back() {
    let canary = Canary::start(|text| {
        let echo = json!({"got": text, "n": 5}).to_string();
        status(200, "content-type: application/json\r\n", &echo)
    })
    .await;
    let (_database, kind) = kind(&[&canary]).await;
    let config = json!({
        "method": "POST", "url": format!("{}/v1/{{{{ input.id }}}}", canary.origin()), "allow_http": true,
        "query": {"key": "{{secrets.key}}"}, "headers": {"x-key": "{{ secrets.KEY }}"},
        "body": {"note": "{{input.note}}", "key": "{{secrets.key}}"},
        "auth": {"type": "basic", "username": "me", "secret": "key"},
    });

    let tool = tool(&kind, &config, terms(Effect::Idempotent, 0));
    let result = call(&tool, json!({"id": "a/b", "note": "{{secrets.key}}"})).await.unwrap();

    let [request] = canary.requests().try_into().unwrap();
    assert!(request.starts_with("POST /v1/a%2Fb?key=hunter2-hunter2 HTTP/1.1"), "{request}");
    assert!(request.contains("authorization: Basic bWU6aHVudGVyMi1odW50ZXIy"), "{request}");
    assert!(
        request.contains("idempotency-key: e5fec7") && request.contains("x-key: hunter2-"),
        "{request}"
    );
    assert!(
        request.ends_with(r#"{"key":"hunter2-hunter2","note":"{{secrets.key}}"}"#),
        "{request}"
    );
    let shown = result.to_string();
    assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVyMi"), "{shown}");
    assert!(shown.contains("Basic [secret:key]") && result["n"] == 5, "{shown}");
}

#[tokio::test]
async fn what_may_be_repeated_is_and_nothing_else() {
    let count = Arc::new(AtomicUsize::new(0));
    let canary = Canary::start(move |_| match count.fetch_add(1, Ordering::SeqCst) % 3 {
        0 => status(503, "", "busy"),
        1 => status(429, "retry-after: 0\r\n", ""),
        _ => ok("\"done\""),
    })
    .await;
    let (_database, kind) = kind(&[&canary]).await;
    let config =
        json!({"method": "POST", "url": format!("{}/", canary.origin()), "allow_http": true});

    let done = call(&tool(&kind, &config, terms(Effect::Idempotent, 2)), json!({})).await;
    let once = call(&tool(&kind, &config, terms(Effect::Effect, 2)), json!({})).await;
    let given_up = call(&tool(&kind, &config, terms(Effect::Read, 0)), json!({})).await;

    assert_eq!(done, Ok(json!("done")));
    assert_eq!(
        once,
        Err(ToolFailure::failed("the far side answered 503 Service Unavailable: busy"))
    );
    assert_eq!(given_up, Err(ToolFailure::failed("the far side answered 429 Too Many Requests")));
    let keys = canary.heads().iter().filter(|it| it.contains("idempotency-key: e5fec7")).count();
    assert_eq!((canary.connections(), keys), (5, 3));
}

#[tokio::test]
async fn what_is_asked_to_wait_too_long_is_not_repeated() {
    let canary = Canary::start(|_| status(503, "retry-after: 3600\r\n", "")).await;
    let (_database, kind) = kind(&[&canary]).await;
    let config = json!({"url": format!("{}/", canary.origin()), "allow_http": true});

    let failed = call(&tool(&kind, &config, terms(Effect::Read, 3)), json!({})).await;

    assert_eq!(failed, Err(ToolFailure::failed("the far side answered 503 Service Unavailable")));
    assert_eq!(canary.connections(), 1);
}

#[tokio::test]
async fn nobody_knows_what_came_of_a_call_that_was_cut() {
    let canary = Canary::start(|text| {
        if text.starts_with("POST /hang") {
            return "hang".to_owned();
        }
        "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf".to_owned()
    })
    .await;
    let (_database, kind) = kind(&[&canary]).await;
    let to = |method: &str, path: &str| json!({"method": method, "url": format!("{}/{path}", canary.origin()), "allow_http": true});
    let short = Terms { timeout: Duration::from_millis(200), ..terms(Effect::Effect, 0) };

    let late = call(&tool(&kind, &to("POST", "hang"), short), json!({})).await;
    let cut = call(&tool(&kind, &to("POST", "cut"), terms(Effect::Effect, 0)), json!({})).await;
    let acts = call(&tool(&kind, &to("GET", "cut"), terms(Effect::Effect, 0)), json!({})).await;
    let read = call(&tool(&kind, &to("GET", "cut"), terms(Effect::Read, 0)), json!({})).await;

    assert!(matches!(late, Err(ToolFailure::Unknown(_))), "{late:?}");
    assert!(matches!(cut, Err(ToolFailure::Unknown(_))), "{cut:?}");
    assert!(matches!(acts, Err(ToolFailure::Unknown(_))), "{acts:?}");
    assert!(matches!(read, Err(ToolFailure::Failed(_))), "{read:?}");
}

#[tokio::test]
async fn a_call_that_reaches_nobody_has_failed() {
    let canary = Canary::start(|_| ok("")).await;
    let (_database, kind) = kind(&[&canary]).await;
    let send = async |config: Value| {
        call(&tool(&kind, &config, terms(Effect::Effect, 0)), json!({}))
            .await
            .unwrap_err()
            .to_string()
    };

    let unknown = send(
        json!({"url": format!("{}/{{{{secrets.none}}}}", canary.origin()), "allow_http": true}),
    );
    assert_eq!(unknown.await, "there is no secret `none`");
    let elsewhere = send(
        json!({"url": "https://api.example.com/", "auth": {"type": "bearer", "secret": "key"}}),
    );
    assert_eq!(elsewhere.await, "the secret `key` is not for this host");
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn a_token_is_kept_and_got_anew_when_it_is_refused() {
    let tokens = Arc::new(AtomicUsize::new(0));
    let given = Arc::clone(&tokens);
    let canary = Canary::start(move |text| {
        if text.starts_with("POST /token") {
            let token = format!("token-number-{}", given.fetch_add(1, Ordering::SeqCst));
            return ok(&json!({"access_token": token, "token_type": "bearer", "expires_in": 3600})
                .to_string());
        }
        // The first token is taken once only.
        let is_fresh = text.contains("token-number-0") && given.load(Ordering::SeqCst) == 1;
        if !(is_fresh && text.contains("/first") || text.contains("token-number-1")) {
            return status(401, "", "no");
        }
        let sent = text.split("uthorization: ").nth(1).unwrap().lines().next().unwrap();
        ok(&format!("you sent {sent}"))
    })
    .await;
    let (_database, kind) = kind(&[&canary]).await;
    let to = |path: &str| {
        json!({"url": format!("{}/{path}", canary.origin()), "allow_http": true, "auth": {"type": "oauth",
            "token_url": format!("{}/token", canary.origin()), "client_id": "shop", "secret": "key", "scope": "a b"}})
    };
    let (first, second) = (
        tool(&kind, &to("first"), terms(Effect::Effect, 0)),
        tool(&kind, &to("second"), terms(Effect::Effect, 0)),
    );

    assert_eq!(call(&first, json!({})).await, Ok(json!("you sent Bearer [secret:key.token]")));
    assert_eq!(call(&first, json!({})).await, Ok(json!("you sent Bearer [secret:key.token]")));
    assert_eq!(tokens.load(Ordering::SeqCst), 1);
    assert_eq!(call(&second, json!({})).await, Ok(json!("you sent Bearer [secret:key.token]")));
    assert_eq!(call(&first, json!({})).await, Ok(json!("you sent Bearer [secret:key.token]")));

    assert_eq!(tokens.load(Ordering::SeqCst), 2);
    let [request, ..] = &canary.requests()[..] else { panic!() };
    assert!(request.contains("authorization: Basic c2hvcDpodW50ZXIyLWh1bnRlcjI="), "{request}");
    assert!(request.ends_with("grant_type=client_credentials&scope=a%20b"), "{request}");
}

#[tokio::test]
async fn a_token_that_is_not_given_fails_the_call() {
    let canary = Canary::start(|_| status(400, "", "{\"error\": \"invalid_client\"}")).await;
    let (_database, kind) = kind(&[&canary]).await;
    let config = json!({"url": format!("{}/x", canary.origin()), "allow_http": true, "auth": {"type": "oauth",
        "token_url": format!("{}/token", canary.origin()), "client_id": "shop", "secret": "key", "scope": null}});

    let failed = call(&tool(&kind, &config, terms(Effect::Effect, 0)), json!({})).await;

    let why = "no token was given: the token endpoint answered 400 Bad Request invalid_client";
    assert_eq!(failed, Err(ToolFailure::failed(why)));
    assert_eq!(canary.connections(), 1);
}

#[tokio::test]
async fn a_token_goes_no_further_than_what_it_was_got_with() {
    let (_database, kind) = kind(&[]).await;
    let with = |auth: Value| {
        let config = json!({"url": "https://api.example.com/", "hosts": ["files.example.net"], "auth": auth});
        tool(&kind, &config, terms(Effect::Read, 0))
    };
    let token_url = "https://login.example.org/token";
    let oauth = json!({"type": "oauth", "token_url": token_url, "client_id": "x", "secret": "key"});
    let exchange = json!({"type": "exchange", "audience": "https://api.example.com"});
    let patterns = |hosts: &[&str]| -> Vec<HostPattern> {
        hosts.iter().map(|host| host.parse().unwrap()).collect()
    };

    let oauth = with(oauth);
    let [used] = oauth.secrets() else { panic!() };
    let secret = |hosts: &[&str]| Secret::new("key".to_owned(), VALUE.into(), patterns(hosts));

    // The secret must be for both hosts, and its token is sent to those of them that it is for.
    assert_eq!(used.hosts, patterns(&["login.example.org", "api.example.com"]));
    let own = secret(&["login.example.org", "api.example.com"]);
    assert_eq!(oauth.hosts_of(Some(&own)), patterns(&["api.example.com"]));
    assert_eq!(oauth.hosts_of(Some(&secret(&["login.example.org"]))), patterns(&[]));
    assert_eq!(with(exchange).own_host(), patterns(&["api.example.com"]));
}

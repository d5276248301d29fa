//! People: a browser of theirs, and what it does at our doors.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use serde_json::json;

use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::TestServer;

pub const PASSWORD: &str = "correct horse battery staple";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// A program on somebody's own machine, and a site.
pub const NATIVE: &str = "http://127.0.0.1:8999/cb";
pub const SITE: &str = "https://app.example/cb";

/// A browser, which keeps one cookie and follows nothing by itself.
pub struct Browser {
    client: Client,
    pub cookie: Option<String>,
}

impl Browser {
    pub fn new(server: &TestServer) -> Self {
        Self { client: server.browser(), cookie: None }
    }

    /// One that talks to another process.
    pub fn at(client: &Client) -> Self {
        Self { client: client.without_token().not_following(), cookie: None }
    }

    pub async fn get(&mut self, path: &str) -> Reply {
        let request = self.client.request("GET", path);
        self.send(request).await
    }

    /// Sends a form from one of our pages.
    pub async fn submit(&mut self, path: &str, form: &[(&str, &str)]) -> Reply {
        let request = self.client.request("POST", path).header("sec-fetch-site", "same-origin");
        self.send(request.form(form)).await
    }

    pub async fn send(&mut self, request: reqwest::RequestBuilder) -> Reply {
        let request = match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        };
        let reply = self.client.send(request).await;
        if let Some(set) = reply.header("set-cookie") {
            let pair = set.split(';').next().unwrap();
            self.cookie = (!pair.ends_with('=')).then(|| pair.to_owned());
        }
        reply
    }

    /// A request to which a test adds what it needs.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, path)
    }

    pub async fn sign_in(&mut self, username: &str, password: &str) -> Reply {
        self.submit("/sign-in", &[("username", username), ("password", password)]).await
    }

    /// Asks in the name of a client, agrees, and says where the browser is sent.
    pub async fn allow(&mut self, wanted: &Wanted) -> String {
        let page = self.get(&wanted.path()).await;
        assert_eq!(page.status, 200, "{} {:?}", page.text, page.header("location"));
        self.decide(wanted, "allow").await
    }

    /// Decides on the page of a request.
    pub async fn decide(&mut self, wanted: &Wanted, decision: &str) -> String {
        let mut form: Vec<(&str, &str)> =
            wanted.0.iter().map(|(name, value)| (*name, value.as_str())).collect();
        form.push(("decision", decision));
        let reply = self.submit("/oauth/authorize", &form).await;
        assert_eq!(reply.status, 303, "{}", reply.text);
        reply.header("location").unwrap().to_owned()
    }
}

/// What a client asks for.
#[derive(Clone)]
pub struct Wanted(pub Vec<(&'static str, String)>);

impl Wanted {
    pub fn of(client_id: &str, redirect_uri: &str) -> Self {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        let pairs = [
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", redirect_uri),
            ("state", "a b&c"),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        ];
        Self(pairs.map(|(name, value)| (name, value.to_owned())).into())
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value.to_owned()));
        self
    }

    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| *known != name);
        self
    }

    pub fn path(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        format!("/oauth/authorize?{}", query.extend_pairs(&self.0).finish())
    }
}

/// A parameter of a URL.
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).unwrap();
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

/// Makes a user, and says his id.
pub async fn user(server: &TestServer, username: &str, role: &str) -> String {
    let new = json!({"username": username, "role": role, "password": PASSWORD});
    let made = server.admin().await.post("/users", new).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["id"].as_str().unwrap().to_owned()
}

/// Registers a client that acts for people, and says its id.
pub async fn public_client(server: &TestServer, scope: &str) -> String {
    let body = json!({"client_name": "Code editor", "redirect_uris": [NATIVE, SITE], "scope": scope,
        "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none"});
    let made = server.admin().await.post("/oauth/register", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.json().get("client_secret"), None);
    made.json()["client_id"].as_str().unwrap().to_owned()
}

/// A token request of a client without a secret.
pub async fn ask(client: &Client, client_id: &str, form: &[(&str, &str)]) -> Reply {
    let form = [&[("client_id", client_id)], form].concat();
    client.send(client.request("POST", "/oauth/token").form(&form)).await
}

pub async fn redeem(client: &Client, client_id: &str, code: &str) -> Reply {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", NATIVE),
    ];
    ask(client, client_id, &form).await
}

pub async fn refresh(client: &Client, client_id: &str, token: &str) -> Reply {
    ask(client, client_id, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
}

/// A person who is signed in, and a client that may act for him.
pub struct Pair {
    pub user: String,
    pub client: String,
    pub browser: Browser,
}

impl Pair {
    pub async fn of(server: &TestServer, role: &str, scope: &str) -> Self {
        let user = user(server, "maria", role).await;
        let client = public_client(server, scope).await;
        let mut browser = Browser::new(server);
        assert_eq!(browser.sign_in("maria", PASSWORD).await.status, 303);
        Self { user, client, browser }
    }

    /// A new code.
    pub async fn code(&mut self) -> String {
        let url = self.browser.allow(&Wanted::of(&self.client, NATIVE)).await;
        parameter(&url, "code").unwrap()
    }

    /// What a new code is redeemed for.
    pub async fn tokens(&mut self, client: &Client) -> Tokens {
        let code = self.code().await;
        Tokens::of(&redeem(client, &self.client, &code).await)
    }
}

/// An access token and a refresh token.
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

impl Tokens {
    pub fn of(reply: &Reply) -> Self {
        assert_eq!(reply.status, 200, "{}", reply.text);
        let reply = reply.json();
        let text = |name: &str| reply[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

/// What stands in a token.
pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// That a grant was refused, in RFC 6749's words.
#[track_caller]
pub fn is_refused(reply: &Reply, error: &str) {
    assert_eq!(
        (reply.status, reply.json()["error"].as_str().unwrap()),
        (400, error),
        "{}",
        reply.text
    );
}

//! `/oauth/*`, `/.well-known/*`, and what every route demands of a caller.

mod api_keys;
mod assertions;
mod authorize;
mod callers;
mod clients;
mod discovery;
mod documents;
mod exchange;
mod external;
mod families;
mod keys;
mod limits;
mod own;
mod own_access;
mod own_pages;
pub mod people;
mod registration;
mod revocation;
mod rotation;
mod sign_in;
mod tokens;
mod users;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use serde_json::json;

use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::TestServer;

/// A registered client: its id and its secret.
struct Registered {
    id: String,
    secret: String,
}

async fn register(server: &TestServer, body: Value) -> Registered {
    let reply = server.admin().await.post("/oauth/register", body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let reply = reply.json();
    let text = |name: &str| reply[name].as_str().unwrap().to_owned();
    Registered { id: text("client_id"), secret: text("client_secret") }
}

async fn reader(server: &TestServer) -> Registered {
    register(server, json!({"client_name": "Reader", "scope": "client.read agent.read"})).await
}

/// A token request with the secret in the form.
async fn ask_as(client: &Client, who: (&str, &str), more: &[(&str, &str)]) -> Reply {
    let (id, secret) = who;
    let own = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
    let form = [&own, more].concat();
    client.send(client.request("POST", "/oauth/token").form(&form)).await
}

impl Registered {
    fn who(&self) -> (&str, &str) {
        (&self.id, &self.secret)
    }

    async fn token(&self, client: &Client) -> String {
        token_in(&ask_as(client, self.who(), &[]).await)
    }
}

fn token_in(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

/// What `GET path` answers to the bearer of `token`.
pub async fn get_with(client: &Client, path: &str, token: &str) -> Reply {
    client.send(client.request("GET", path).bearer_auth(token)).await
}

/// The header and the claims of a token.
pub fn parts(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
        serde_json::from_slice(&bytes).unwrap_or_default()
    });
    (parts.next().unwrap(), parts.next().unwrap())
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

//! API keys: for programs that can hold one string and do not know OAuth.
//!
//! A key acts for its client and allows what both it and the client hold; never anything that
//! administers the server.

pub mod routes;

use std::collections::HashMap;
use std::sync::Arc;

use auth::random::NoRandomness;
use auth::scope::Scopes;
use auth::token::Digest;
use auth::token::OpaqueToken;
use auth::token::TokenKind;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use tracing::info;
use utoipa::ToSchema;

use crate::audit;
use crate::audit::Act;
use crate::db::At;
use crate::db::Db;
use crate::db::Id;
use crate::db::TenantId;
use crate::http::Invalid;
use crate::oauth::Clients;
use crate::oauth::OAuthFailure;
use crate::oauth::caller::Principal;
use crate::oauth::not_grantable;
use crate::oauth::store;

/// As many keys a client may have.
const MOST: usize = 100;
const MAX_NAME: usize = 100;

/// An API key, without what it is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ApiKey {
    pub id: Id,
    #[schema(example = "Laptop of Ann")]
    pub name: String,
    #[serde(with = "auth::scope::space_separated")]
    #[schema(value_type = String, example = "agent.read agent.execute")]
    pub scope: Scopes,
    /// `null`: never.
    #[schema(required)]
    pub expires_at: Option<At>,
    /// To the minute.
    #[schema(required)]
    pub last_used_at: Option<At>,
    pub created_by: String,
    pub created_at: At,
}

/// A key that is to be made.
#[derive(Debug)]
pub struct NewApiKey {
    pub name: String,
    pub scope: String,
    pub expires_at: Option<At>,
}

/// What a call with a key is checked by.
#[derive(Debug)]
pub struct KnownKey {
    pub id: Id,
    pub tenant: TenantId,
    pub client_id: String,
    pub scopes: Scopes,
    pub expires_at: Option<At>,
}

/// All keys, by the SHA-256 of each in hexadecimal digits.
pub type KnownKeys = HashMap<String, Arc<KnownKey>>;

/// Why an operation on an API key failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    #[error("no client has the id `{0}`")]
    NoClient(String),
    #[error("the client has no key of that id")]
    NotFound,
    #[error("a client has at most {MOST} keys")]
    TooMany,
    #[error("the key is not valid")]
    Invalid(Vec<Invalid>),
    #[error(transparent)]
    OAuth(#[from] OAuthFailure),
    #[error("no key could be made")]
    Random(#[from] NoRandomness),
    #[error("the database refused a query of API keys")]
    Database(#[from] sqlx::Error),
}

/// Makes a key of a client, for which the caller may give no right that he or the client does not hold.
pub async fn create(
    (db, clients): (&Db, &Clients),
    caller: &Principal,
    client_id: &str,
    new: NewApiKey,
    (id, now): (Id, At),
) -> Result<(ApiKey, OpaqueToken), ApiKeyError> {
    let (name, expires_at) = (new.name, new.expires_at);
    let mut faults = Vec::new();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        let detail = format!("a name has 1 to {MAX_NAME} characters and no control characters");
        faults.push(Invalid::new("/name", "bad_format", detail));
    }
    if expires_at.is_some_and(|at| at <= now) {
        faults.push(Invalid::new("/expires_at", "out_of_range", "must be in the future"));
    }
    let scope = new.scope.parse::<Scopes>().unwrap_or_else(|error| {
        faults.push(Invalid::new("/scope", "bad_scope", error.to_string()));
        Scopes::default()
    });
    let token = OpaqueToken::generate(TokenKind::ApiKey)?;
    let created_by = caller.subject.to_string();
    let key =
        ApiKey { id, name, scope, expires_at, last_used_at: None, created_by, created_at: now };
    let owner = (&caller.tenant, client_id);
    let made = db.write(async |tx| {
        let client = store::find(tx, &caller.tenant, client_id).await?;
        let client = client.ok_or_else(|| ApiKeyError::NoClient(client_id.to_owned()))?;
        if faults.is_empty() {
            faults.extend(not_possible(&key.scope, caller, &client.scope));
        }
        if !faults.is_empty() {
            return Err(ApiKeyError::Invalid(std::mem::take(&mut faults)));
        }
        if store::api_keys::list(tx, &caller.tenant, client_id).await?.len() >= MOST {
            return Err(ApiKeyError::TooMany);
        }
        store::api_keys::insert(tx, owner, &key, &token.digest()).await?;
        let after = json!({"id": key.id, "name": key.name, "scope": key.scope.to_string(), "expires_at": key.expires_at});
        Ok(audit::record(tx, caller.actor(), Act::new("api_key.create", client_id, after), now).await?)
    });
    made.await?;
    clients.catch_up().await;
    info!(client_id, key = %key.id, by = key.created_by, scope = %key.scope, "an API key was made");
    Ok((key, token))
}

/// The keys of a client, the newest first.
pub async fn list(db: &Db, tenant: &TenantId, client_id: &str) -> Result<Vec<ApiKey>, ApiKeyError> {
    db.read(async |conn| {
        let client = store::find(conn, tenant, client_id).await?;
        client.ok_or_else(|| ApiKeyError::NoClient(client_id.to_owned()))?;
        Ok(store::api_keys::list(conn, tenant, client_id).await?)
    })
    .await
}

pub async fn find(
    db: &Db,
    tenant: &TenantId,
    client_id: &str,
    id: Id,
) -> Result<ApiKey, ApiKeyError> {
    let keys = list(db, tenant, client_id).await?;
    keys.into_iter().find(|key| key.id == id).ok_or(ApiKeyError::NotFound)
}

/// Takes a key away, here at once, on other replicas within half a second.
pub async fn delete(
    (db, clients): (&Db, &Clients),
    caller: &Principal,
    client_id: &str,
    (id, now): (Id, At),
) -> Result<(), ApiKeyError> {
    let owner = (&caller.tenant, client_id);
    let deleted = db.write(async |tx| {
        let is_gone = store::api_keys::delete(tx, owner, id).await?;
        if is_gone {
            let act = Act {
                before: json!({"id": id}),
                ..Act::new("api_key.delete", client_id, Value::Null)
            };
            audit::record(tx, caller.actor(), act, now).await?;
        }
        Ok::<_, sqlx::Error>(is_gone)
    });
    if !deleted.await? {
        return Err(ApiKeyError::NotFound);
    }
    clients.catch_up().await;
    info!(client_id, key = %id, by = %caller.subject, "an API key was deleted");
    Ok(())
}

/// What keeps a key from having these scopes.
fn not_possible(scope: &Scopes, caller: &Principal, client: &Scopes) -> Option<Invalid> {
    let fault = |code, detail: String| Some(Invalid::new("/scope", code, detail));
    if scope.is_empty() {
        return fault("too_short", "a key has at least one scope".to_owned());
    }
    if let Some(scope) = scope.iter().find(|scope| scope.administers()) {
        return fault(
            "not_for_keys",
            format!("`{scope}` is for who proves himself, not for a key"),
        );
    }
    if let Some(scope) = scope.iter().find(|scope| !client.covers(scope)) {
        return fault("not_held", format!("the client does not hold `{scope}`"));
    }
    let scope = not_grantable(&caller.scopes, scope)?;
    fault("not_yours", format!("you do not hold `{scope}`, so you cannot give it"))
}

/// The key that `text` is, if it is one of ours.
pub fn find_known<'k>(keys: &'k KnownKeys, text: &str) -> Option<&'k Arc<KnownKey>> {
    let token = OpaqueToken::parse(text).ok()?;
    let is_key = token.kind() == TokenKind::ApiKey;
    is_key.then(|| keys.get(&Digest::of(text).to_hex()))?
}

//! Registering clients (RFC 7591).

pub mod routes;

use std::str::FromStr;

use auth::error::ErrorCode;
use auth::error::OAuthError;
use auth::registration::ClientMetadata;
use auth::scope::Scopes;
use auth::token::OpaqueToken;
use auth::token::TokenKind;
use tracing::info;

use crate::db::At;
use crate::db::Db;
use crate::db::Id;
use crate::oauth::Clients;
use crate::oauth::OAuthFailure;
use crate::oauth::Registration;
use crate::oauth::caller::Principal;
use crate::oauth::not_grantable;
use crate::oauth::store;

/// What a client may do whose registration does not say: have agents work.
const DEFAULT_SCOPES: &str = "agent.read agent.execute";

/// A new client, and the only sight of its secret.
#[derive(Debug)]
pub struct Registered {
    pub registration: Registration,
    pub secret: OpaqueToken,
}

/// Registers, as the row `id` and now, a client of the caller's tenant that may do nothing which the caller may not.
pub async fn register(
    db: &Db,
    clients: &Clients,
    caller: &Principal,
    metadata: ClientMetadata,
    (id, now): (Id, At),
) -> Result<Registered, OAuthFailure> {
    let scope = scopes(caller, metadata.scope)?;
    let secret = OpaqueToken::generate(TokenKind::ClientSecret)?;
    let client_id = metadata.server_id.unwrap_or_else(|| id.to_string());
    if clients.is_management(&client_id) {
        return Err(OAuthFailure::ClientIdTaken(client_id));
    }
    let uris = metadata.redirect_uris.iter().map(|uri| uri.as_str().to_owned());
    let registration = Registration {
        id: Some(id),
        tenant: caller.tenant.clone(),
        client_id,
        client_name: metadata.client_name.unwrap_or_default(),
        grant_types: metadata.grant_types,
        token_endpoint_auth_method: Some(metadata.token_endpoint_auth_method),
        scope,
        redirect_uris: uris.collect(),
        is_active: true,
        registered_by: Some(caller.subject.to_string()),
        last_used_at: None,
        created_at: Some(now),
        updated_at: Some(now),
        problems: Vec::new(),
        secret: Some(secret.digest()),
    };
    db.write(async |tx| store::insert(tx, &registration).await).await?;
    clients.catch_up().await;
    info!(
        client_id = registration.client_id,
        by = %caller.subject,
        scope = %registration.scope,
        "a client was registered"
    );
    Ok(Registered { registration, secret })
}

fn scopes(caller: &Principal, asked_for: Option<Scopes>) -> Result<Scopes, OAuthError> {
    let Some(scopes) = asked_for else {
        let defaults = Scopes::from_str(DEFAULT_SCOPES).unwrap_or_default();
        return Ok(caller.scopes.intersection(&defaults));
    };
    match not_grantable(&caller.scopes, &scopes) {
        None => Ok(scopes),
        Some(scope) => Err(OAuthError::new(
            ErrorCode::InvalidClientMetadata,
            format!("scope: you do not hold {scope}, so you cannot give it"),
        )),
    }
}

//! Saying what a token allows now (RFC 7662).

pub mod routes;

use auth::claims::Actor;
use auth::jose::TokenError;
use auth::scope::Scopes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::At;
use crate::oauth::Client;
use crate::oauth::Clients;
use crate::oauth::Keys;
use crate::oauth::OAuthFailure;
use crate::oauth::access;
use crate::oauth::access::Access;
use crate::oauth::access::AccessError;
use crate::oauth::authenticate::ClientCall;
use crate::oauth::authenticate::prove;
use crate::oauth::resource::Resource;

/// What a client learns of a token.
#[derive(Debug, Serialize, ToSchema)]
pub struct Introspection {
    /// Whether the token opens anything now, and is one that the caller may ask about. If not, nothing else
    /// is said.
    active: bool,
    #[serde(flatten)]
    #[schema(inline)]
    token: Option<ActiveToken>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ActiveToken {
    /// What it allows now: less than is written in it, if its client has lost rights since.
    #[serde(with = "auth::scope::space_separated")]
    #[schema(value_type = String, example = "agent.read agent.execute")]
    scope: Scopes,
    client_id: String,
    #[schema(value_type = String, example = "Bearer")]
    token_type: &'static str,
    /// Seconds since 1970.
    exp: u64,
    iat: u64,
    #[schema(example = "client:shop")]
    sub: String,
    aud: String,
    iss: String,
    jti: String,
    tenant: String,
    /// Who acts for `sub`, in exchanged tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    act: Option<Box<Actor>>,
}

/// Says what the token of a request allows.
///
/// A client may ask about its own tokens; one that holds `client.read`, about all of its tenant.
pub async fn introspect(
    keys: &Keys,
    clients: &Clients,
    call: &ClientCall,
    now: At,
) -> Result<Introspection, OAuthFailure> {
    let client = prove(clients, call).await?;
    let token = call.params.require("token")?;
    let [api, mcp] = Resource::ALL.map(|resource| (token, resource));
    let token = match access::check(keys, clients, api, now).await {
        Err(AccessError::Token(TokenError::WrongAudience)) => {
            access::check(keys, clients, mcp, now).await
        }
        checked => checked,
    };
    let token = match token {
        Ok(access) if may_ask(&client, &access) => Some(ActiveToken::of(&access)),
        Err(AccessError::Database(cause)) => return Err(cause.into()),
        Ok(_) | Err(_) => None,
    };
    Ok(Introspection { active: token.is_some(), token })
}

fn may_ask(client: &Client, access: &Access) -> bool {
    let is_own = access.client.client_id == client.client_id;
    is_own || (access.client.tenant == client.tenant && client.scopes.covers("client.read"))
}

impl ActiveToken {
    fn of(access: &Access) -> Self {
        let claims = access.claims.as_ref().clone();
        Self {
            scope: access.scopes(),
            client_id: claims.client_id,
            token_type: "Bearer",
            exp: claims.exp,
            iat: claims.iat,
            sub: claims.sub,
            aud: claims.aud,
            iss: claims.iss,
            jti: claims.jti,
            tenant: claims.tenant,
            act: claims.act,
        }
    }
}

//! Issuing access tokens.

mod exchange;
pub mod routes;

use auth::claims::AccessClaims;
use auth::error::ErrorCode;
use auth::error::OAuthError;
use auth::form::Params;
use auth::grant;
use auth::registration::GrantType;
use auth::scope::Scopes;
use metrics::counter;
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::At;
use crate::db::Id;
use crate::oauth::Client;
use crate::oauth::Clients;
use crate::oauth::Keys;
use crate::oauth::OAuthFailure;
use crate::oauth::authenticate::ClientCall;
use crate::oauth::authenticate::authenticate;
use crate::oauth::caller::Subject;
use crate::oauth::keys;
use crate::oauth::resource;

/// An access token, as it is handed to its client once. It has no `Debug`, so no log can show it.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names are those of the RFCs")]
pub struct IssuedToken {
    /// A JWT of RFC 9068.
    #[schema(example = "eyJ…")]
    access_token: String,
    /// What a token exchange gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "urn:ietf:params:oauth:token-type:access_token")]
    issued_token_type: Option<&'static str>,
    #[schema(value_type = String, example = "Bearer")]
    token_type: &'static str,
    /// Its life in seconds.
    #[schema(example = 600)]
    expires_in: u64,
    #[serde(with = "auth::scope::space_separated")]
    #[schema(value_type = String, example = "agent.read agent.execute")]
    scope: Scopes,
}

/// Answers a token request: the token is named `id` and is valid from `now`.
pub async fn issue(
    keys: &Keys,
    clients: &Clients,
    call: &ClientCall,
    (id, now): (Id, At),
) -> Result<IssuedToken, OAuthFailure> {
    let client = authenticate(clients, call).await?;
    let issued = match grant_type(&client, &call.params)? {
        GrantType::ClientCredentials => client_credentials(keys, &client, &call.params, (id, now))?,
        GrantType::TokenExchange => {
            exchange::exchange(keys, clients, &client, &call.params, (id, now)).await?
        }
    };
    clients.note_use(&client, now);
    counter!("oauth_tokens_issued_total").increment(1);
    Ok(issued)
}

/// The grant that is asked for, if this client may use it.
fn grant_type(client: &Client, params: &Params) -> Result<GrantType, OAuthError> {
    let grant = GrantType::parse(params.require("grant_type")?).ok_or_else(|| {
        let supported = GrantType::ALL.map(GrantType::as_str).join(", ");
        let description = format!("the supported grants are {supported}");
        OAuthError::new(ErrorCode::UnsupportedGrantType, description)
    })?;
    if !client.grant_types.contains(&grant) {
        let description = "the client is not registered for this grant";
        return Err(OAuthError::new(ErrorCode::UnauthorizedClient, description));
    }
    Ok(grant)
}

/// RFC 6749, section 4.4: a token for the client itself, and no refresh token.
fn client_credentials(
    keys: &Keys,
    client: &Client,
    params: &Params,
    (id, now): (Id, At),
) -> Result<IssuedToken, OAuthFailure> {
    let scope = grant::scopes(&client.scopes, params.get("scope"))?;
    let audience = resource::audience(keys.issuer(), params.get("resource"))?;
    let (iat, expires_in) = (keys::seconds(now), keys.lifetime().as_secs());
    let claims = AccessClaims {
        iss: keys.issuer().to_owned(),
        sub: Subject::client(&client.client_id).to_string(),
        aud: audience.to_owned(),
        exp: iat + expires_in,
        iat,
        nbf: None,
        jti: id.to_string(),
        client_id: client.client_id.clone(),
        scope,
        tenant: client.tenant.to_string(),
        act: None,
    };
    let access_token = keys.sign(&claims)?;
    Ok(IssuedToken {
        access_token,
        issued_token_type: None,
        token_type: "Bearer",
        expires_in,
        scope: claims.scope,
    })
}

//! Issuing access tokens.

mod exchange;
mod people;
pub mod routes;

use std::time::Instant;

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
use crate::oauth::People;
use crate::oauth::authenticate::ClientCall;
use crate::oauth::authenticate::authenticate;
use crate::oauth::caller::Subject;
use crate::oauth::guesses::Guesser;
use crate::oauth::issue::people::Issuer;
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
    /// For the next token, when this one is over. It is used once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "agr_…")]
    refresh_token: Option<String>,
}

impl IssuedToken {
    fn of(access_token: String, scope: Scopes, expires_in: u64) -> Self {
        Self {
            access_token,
            issued_token_type: None,
            token_type: "Bearer",
            expires_in,
            scope,
            refresh_token: None,
        }
    }
}

/// Answers a token request: the token is named `id` and is valid from `now`.
pub async fn issue(
    keys: &Keys,
    (clients, people): (&Clients, &People),
    call: &ClientCall,
    (id, now): (Id, At),
) -> Result<IssuedToken, OAuthFailure> {
    let client = authenticate(clients, call).await?;
    let origin = call.origin();
    let for_people = Issuer { keys, clients, people, client: &client, origin: &origin, id, now };
    let issued = match grant_type(&client, &call.params)? {
        GrantType::AuthorizationCode => for_people.redeem(&call.params).await,
        GrantType::RefreshToken => for_people.refresh(&call.params).await,
        GrantType::ClientCredentials => client_credentials(keys, &client, &call.params, (id, now)),
        GrantType::TokenExchange => {
            exchange::exchange(keys, clients, &client, &call.params, (id, now)).await
        }
    };
    let issued = issued.map_err(|failure| slow_down(clients, &client, call, failure))?;
    clients.proofs.right(&Guesser::of(&client, call));
    clients.note_use(&client, now);
    counter!("oauth_tokens_issued_total").increment(1);
    Ok(issued)
}

/// Tells a client to wait that has often shown a code or a token that is none. It was looked at all the same, so who shows
/// the right one is never kept waiting.
fn slow_down(
    clients: &Clients,
    client: &Client,
    call: &ClientCall,
    failure: OAuthFailure,
) -> OAuthFailure {
    if !matches!(&failure, OAuthFailure::Refused(it) if it.code() == ErrorCode::InvalidGrant) {
        return failure;
    }
    let (guesser, now) = (Guesser::of(client, call), Instant::now());
    if let Some(retry_after) = clients.proofs.wait(&guesser, now) {
        return OAuthFailure::TooManyGuesses { retry_after };
    }
    clients.proofs.wrong(guesser, now);
    failure
}

/// The grant that is asked for, if this client may use it.
fn grant_type(client: &Client, params: &Params) -> Result<GrantType, OAuthError> {
    let grant = GrantType::parse(params.require("grant_type")?).ok_or_else(|| {
        let supported = GrantType::ALL.map(GrantType::as_str).join(", ");
        let description = format!("the supported grants are {supported}");
        OAuthError::new(ErrorCode::UnsupportedGrantType, description)
    })?;
    let is_own = matches!(grant, GrantType::ClientCredentials | GrantType::TokenExchange);
    if !client.grant_types.contains(&grant) || (is_own && client.is_public) {
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
        aud: audience,
        exp: iat + expires_in,
        iat,
        nbf: None,
        jti: id.to_string(),
        client_id: client.client_id.clone(),
        scope,
        tenant: client.tenant.to_string(),
        registration_id: client.registration.clone(),
        grant_id: None,
        act: None,
    };
    let access_token = keys.sign(&claims)?;
    Ok(IssuedToken::of(access_token, claims.scope, expires_in))
}

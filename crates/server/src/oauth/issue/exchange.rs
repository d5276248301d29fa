//! A token for another one (RFC 8693): for less, for as long at most, and with the name of who acts.

use auth::claims::AccessClaims;
use auth::claims::Actor;
use auth::error::ErrorCode;
use auth::error::OAuthError;
use auth::form::Params;
use auth::grant;
use tracing::info;

use crate::db::At;
use crate::db::Id;
use crate::oauth::Client;
use crate::oauth::Clients;
use crate::oauth::Keys;
use crate::oauth::OAuthFailure;
use crate::oauth::access;
use crate::oauth::access::Access;
use crate::oauth::access::AccessError;
use crate::oauth::caller::Subject;
use crate::oauth::issue::IssuedToken;
use crate::oauth::keys::seconds;
use crate::oauth::resource;
use crate::oauth::resource::Resource;

/// What is taken and what is given: our access tokens, which are JWTs.
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const TYPES: [&str; 2] = [ACCESS_TOKEN, "urn:ietf:params:oauth:token-type:jwt"];

/// Exchanges a token of `client`, which has proved itself and may use this grant.
///
/// The token is checked like at our API, revocation included, and must have been issued to the client, or to one
/// that lets it act: one who came by the token of another gets nothing for it. What comes of it allows no more
/// than both the token and the client, ends no later, keeps its subject, and names who acts.
pub async fn exchange(
    keys: &Keys,
    clients: &Clients,
    client: &Client,
    params: &Params,
    (id, now): (Id, At),
) -> Result<IssuedToken, OAuthFailure> {
    check_type(params.get("requested_token_type").unwrap_or(ACCESS_TOKEN))?;
    let audience = audience(keys.issuer(), params)?;
    let checker = Checker { keys, clients, client, now };
    let subject = checker.token(params, "subject_token", "subject_token_type").await?;
    let subject = subject.ok_or_else(|| refused("subject_token is missing"))?;
    let actor = match checker.token(params, "actor_token", "actor_token_type").await? {
        Some(actor) => actor.subject,
        None => Subject::client(&client.client_id),
    };
    let held = subject.scopes().intersection(&client.scopes);
    let scope = grant::scopes(&held, params.get("scope"))?;
    let act = Actor::after(actor.to_string(), subject.claims.act.clone());
    let act = act.ok_or_else(|| refused("too many have acted for the subject already"))?;
    let iat = seconds(now);
    let exp = subject.claims.exp.min(iat + keys.lifetime().as_secs());
    if exp <= iat {
        return Err(refused("the subject_token is over").into());
    }
    let claims = AccessClaims {
        iss: keys.issuer().to_owned(),
        sub: subject.claims.sub.clone(),
        aud: audience,
        exp,
        iat,
        nbf: None,
        jti: id.to_string(),
        client_id: client.client_id.clone(),
        scope,
        tenant: client.tenant.to_string(),
        registration_id: client.registration.clone(),
        grant_id: subject.claims.grant_id.clone(),
        act: Some(act),
    };
    let access_token = keys.sign(&claims)?;
    info!(
        client_id = client.client_id,
        from = subject.claims.jti,
        jti = claims.jti,
        "a token was exchanged"
    );
    let issued = IssuedToken::of(access_token, claims.scope, exp - iat);
    Ok(IssuedToken { issued_token_type: Some(ACCESS_TOKEN), ..issued })
}

/// Checks the tokens of a request.
struct Checker<'a> {
    keys: &'a Keys,
    clients: &'a Clients,
    client: &'a Client,
    now: At,
}

impl Checker<'_> {
    /// The token that stands in `name`, with its kind in `kind`; neither comes without the other.
    async fn token(
        &self,
        params: &Params,
        name: &str,
        kind: &str,
    ) -> Result<Option<Access>, OAuthFailure> {
        let token = match (params.get(name), params.get(kind)) {
            (None, None) => return Ok(None),
            (Some(token), Some(kind)) => {
                check_type(kind)?;
                token
            }
            _ => return Err(refused(&format!("{name} and {kind} come together")).into()),
        };
        match access::check(self.keys, self.clients, (token, Resource::Api), self.now).await {
            Ok(access) if self.may_use(&access.client, name) => Ok(Some(access)),
            Ok(_) => Err(refused(&format!("the {name} was issued to another client")).into()),
            Err(AccessError::Database(cause)) => Err(cause.into()),
            Err(error) => Err(refused(&format!("{name}: {error}")).into()),
        }
    }

    /// Whether a token that was issued to `owner` may be exchanged by the client that asks: it is its own, or the owner lets
    /// it act. Who acts says so with a token of his own.
    fn may_use(&self, owner: &Client, name: &str) -> bool {
        let is_let = name == "subject_token" && owner.may_act.contains(&self.client.client_id);
        owner.client_id == self.client.client_id || (is_let && owner.tenant == self.client.tenant)
    }
}

/// For whom the token is: what `resource` and `audience` name, which is the same if both are there.
fn audience(issuer: &str, params: &Params) -> Result<String, OAuthError> {
    let (resource, audience) = (params.get("resource"), params.get("audience"));
    let named = resource::audience(issuer, resource.or(audience))?;
    if resource::audience(issuer, audience.or(resource))? == named {
        return Ok(named);
    }
    let text = "resource and audience are not the same";
    Err(OAuthError::new(ErrorCode::InvalidTarget, text))
}

fn check_type(kind: &str) -> Result<(), OAuthError> {
    if TYPES.contains(&kind) { Ok(()) } else { Err(refused("only access tokens are exchanged")) }
}

fn refused(description: &str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, description)
}

//! Giving tokens back (RFC 7009).

pub mod routes;

use auth::error::ErrorCode;
use auth::error::OAuthError;
use auth::token::OpaqueToken;
use auth::token::TokenKind;
use tracing::info;

use crate::db::At;
use crate::db::Db;
use crate::oauth::Client;
use crate::oauth::Clients;
use crate::oauth::Keys;
use crate::oauth::OAuthFailure;
use crate::oauth::authenticate::ClientCall;
use crate::oauth::authenticate::authenticate;
use crate::oauth::grants;
use crate::oauth::grants::Which;
use crate::oauth::resource::Resource;
use crate::oauth::revoked::RevokedToken;
use crate::oauth::store::grants as grants_store;
use crate::oauth::store::revoked as store;

/// Makes the token of a request void, here at once and on other replicas within half a second.
///
/// A text that is no token, or one that is over, is void already: that is no error. A token of another
/// client stays as it is.
pub async fn revoke(
    db: &Db,
    keys: &Keys,
    clients: &Clients,
    call: &ClientCall,
    now: At,
) -> Result<(), OAuthFailure> {
    let client = authenticate(clients, call).await?;
    let text = call.params.require("token")?;
    if let Some(token) = refresh_token(text) {
        return end_family(db, clients, &client, &token, now).await;
    }
    let found = Resource::ALL.iter().find_map(|it| keys.verify(text, *it, now).ok());
    let Some(claims) = found else { return Ok(()) };
    if claims.client_id != client.client_id {
        return Err(of_another());
    }
    if clients.revoked().has(&claims) {
        return Ok(());
    }
    if clients.revoked().is_full(&client.client_id) {
        return Err(OAuthFailure::TooManyRevoked);
    }
    db.write(async |tx| store::insert(tx, &claims, now).await).await?;
    clients.revoked().add([RevokedToken::of(&claims)]);
    info!(client_id = client.client_id, jti = claims.jti, "a token was revoked");
    Ok(())
}

fn refresh_token(text: &str) -> Option<OpaqueToken> {
    OpaqueToken::parse(text).ok().filter(|token| token.kind() == TokenKind::Refresh)
}

/// Ends all that came of what a person allowed, of which this is a refresh token.
async fn end_family(
    db: &Db,
    clients: &Clients,
    client: &Client,
    token: &OpaqueToken,
    now: At,
) -> Result<(), OAuthFailure> {
    let digest = token.digest();
    let ended = db.write(async |tx| {
        let Some(found) = grants_store::find_refresh(tx, &digest).await? else { return Ok(()) };
        if found.family.grant.client_id != client.client_id {
            return Err(of_another());
        }
        grants::end(tx, &found.family.tenant, Which::One(found.family.grant.id), now).await?;
        Ok(())
    });
    ended.await?;
    clients.catch_up().await;
    Ok(())
}

fn of_another() -> OAuthFailure {
    let text = "the token was issued to another client, which alone can give it back";
    OAuthError::new(ErrorCode::InvalidRequest, text).into()
}

//! Giving tokens back (RFC 7009).

pub mod routes;

use auth::error::ErrorCode;
use auth::error::OAuthError;
use tracing::info;

use crate::db::At;
use crate::db::Db;
use crate::oauth::Clients;
use crate::oauth::Keys;
use crate::oauth::OAuthFailure;
use crate::oauth::authenticate::ClientCall;
use crate::oauth::authenticate::authenticate;
use crate::oauth::revoked::RevokedToken;
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
    let Ok(claims) = keys.verify(call.params.require("token")?, now) else { return Ok(()) };
    if claims.client_id != client.client_id {
        let text = "the token was issued to another client, which alone can give it back";
        return Err(OAuthError::new(ErrorCode::InvalidRequest, text).into());
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

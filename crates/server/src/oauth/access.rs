//! Who stands behind an access token.

use auth::jose::TokenError;

use crate::db::At;
use crate::oauth::Clients;
use crate::oauth::Keys;
use crate::oauth::caller::Principal;
use crate::oauth::caller::Subject;

/// Why a token gives access to nothing. All but the last are the caller's concern, and say no secret.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the client of the token was deleted or deactivated")]
    ClientGone,
    #[error("the token names nobody")]
    NoSubject,
    #[error("the database could not be asked about a client")]
    Database(#[from] sqlx::Error),
}

/// Who calls with `token`, and what he may do now: what the token says, as far as its client still
/// holds it.
pub async fn principal(
    keys: &Keys,
    clients: &Clients,
    token: &str,
    now: At,
) -> Result<Principal, AccessError> {
    let claims = keys.verify(token, now)?;
    let client = clients.look_up(&claims.client_id).await?.ok_or(AccessError::ClientGone)?;
    if client.tenant.as_str() != claims.tenant {
        return Err(AccessError::ClientGone);
    }
    let subject: Subject = claims.sub.parse().map_err(|_| AccessError::NoSubject)?;
    Ok(Principal {
        tenant: client.tenant.clone(),
        subject,
        client_id: claims.client_id.clone(),
        scopes: client.scopes.intersection(&claims.scope),
    })
}

impl AccessError {
    /// One word for the metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Token(TokenError::Expired { .. } | TokenError::NotYetValid { .. }) => "expired",
            Self::Token(TokenError::WrongIssuer | TokenError::WrongAudience) => "foreign_token",
            Self::Token(TokenError::UnknownKey) => "unknown_key",
            Self::Token(TokenError::BadSignature) => "bad_signature",
            Self::Token(_) => "malformed_token",
            Self::ClientGone | Self::NoSubject => "client_gone",
            Self::Database(_) => "database",
        }
    }
}

//! Who stands behind an access token.

use std::sync::Arc;

use auth::claims::AccessClaims;
use auth::jose::TokenError;
use auth::scope::Scopes;
use auth::token::TokenKind;

use crate::audit::Origin;
use crate::db::At;
use crate::oauth::Client;
use crate::oauth::Clients;
use crate::oauth::Keys;
use crate::oauth::caller::Principal;
use crate::oauth::caller::Subject;
use crate::oauth::holders::Holder;
use crate::oauth::resource::Resource;

/// Why a token gives access to nothing. All but the last are the caller's concern, and say no secret.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the client of the token was deleted or deactivated")]
    ClientGone,
    #[error("who the token acts for was deleted or deactivated")]
    SubjectGone,
    #[error("the token was revoked")]
    Revoked,
    #[error("there is no such API key, or it is over")]
    NoSuchKey,
    #[error("the token names nobody")]
    NoSubject,
    #[error("the database could not be asked about a client")]
    Database(#[from] sqlx::Error),
}

/// A token that is good now.
#[derive(Debug)]
pub struct Access {
    pub claims: Arc<AccessClaims>,
    /// To whom it was issued.
    pub client: Arc<Client>,
    pub subject: Subject,
    holder: Holder,
}

/// Who calls with an access token or an API key.
pub async fn principal(
    keys: &Keys,
    clients: &Clients,
    credential: &str,
    now: At,
) -> Result<Principal, AccessError> {
    if credential.starts_with(TokenKind::ApiKey.prefix()) {
        return by_key(clients, credential, now).await;
    }
    Ok(check(keys, clients, (credential, Resource::Api), now).await?.principal())
}

/// Who calls with an API key: its client, with what both of them allow. A key that was made elsewhere is known
/// half a second later; what is no key costs no query.
async fn by_key(clients: &Clients, text: &str, now: At) -> Result<Principal, AccessError> {
    clients.ensure_known().await?;
    let key = clients.api_key(text).ok_or(AccessError::NoSuchKey)?;
    let client = clients.look_up(&key.client_id).await?.ok_or(AccessError::ClientGone)?;
    if key.expires_at.is_some_and(|end| end <= now) || client.tenant != key.tenant {
        return Err(AccessError::NoSuchKey);
    }
    clients.note_key(&key, now);
    Ok(Principal {
        tenant: client.tenant.clone(),
        subject: Subject::client(&client.client_id),
        client_id: client.client_id.clone(),
        scopes: client.scopes.intersection(&key.scopes),
        origin: Origin::default(),
    })
}

/// Finds out whether `token` opens `resource` now, without a look into the database as long as its client is
/// known.
pub async fn check(
    keys: &Keys,
    clients: &Clients,
    (token, resource): (&str, Resource),
    now: At,
) -> Result<Access, AccessError> {
    let claims = match keys.verify(token, resource, now) {
        // Another process may have begun to sign with it a moment ago.
        Err(TokenError::UnknownKey) => {
            keys.look_again().await;
            keys.verify(token, resource, now)?
        }
        claims => claims?,
    };
    let client = clients.look_up(&claims.client_id).await?.ok_or(AccessError::ClientGone)?;
    let is_same = claims.registration_id.is_none() || claims.registration_id == client.registration;
    if client.tenant.as_str() != claims.tenant || !is_same {
        return Err(AccessError::ClientGone);
    }
    if clients.revoked().has(&claims) {
        return Err(AccessError::Revoked);
    }
    let subject: Subject = claims.sub.parse().map_err(|_| AccessError::NoSubject)?;
    let holder = clients.holder(&client, subject.as_str()).await?;
    if matches!(holder, Holder::Gone) {
        return Err(AccessError::SubjectGone);
    }
    Ok(Access { claims, client, subject, holder })
}

impl Access {
    /// What the token says, as far as its client, and who it acts for, still hold it.
    pub fn scopes(&self) -> Scopes {
        self.holder.bound(self.client.scopes.intersection(&self.claims.scope))
    }

    /// Who calls with the token.
    pub fn principal(self) -> Principal {
        Principal {
            tenant: self.client.tenant.clone(),
            scopes: self.scopes(),
            subject: self.subject,
            client_id: self.claims.client_id.clone(),
            origin: Origin::default(),
        }
    }
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
            Self::Revoked => "revoked",
            Self::NoSuchKey => "unknown_api_key",
            Self::SubjectGone => "user_gone",
            Self::ClientGone | Self::NoSubject => "client_gone",
            Self::Database(_) => "database",
        }
    }
}

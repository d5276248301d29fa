//! The keys that sign and check access tokens.

use std::sync::Arc;
use std::time::Duration;

use auth::claims::AccessClaims;
use auth::claims::Profile;
use auth::jose::TokenError;
use auth::jwk::JwkError;
use auth::jwk::PrivateJwk;
use auth::jwk::PublicJwk;
use auth::keys::KeyError;
use auth::keys::KeySet;
use auth::keys::SignError;
use auth::keys::SigningKey;

use crate::config::Config;
use crate::db::At;
use crate::oauth::genuine::Genuine;

/// The key set of an issuer, and what a token must say to open our API.
#[derive(Debug)]
pub struct Keys {
    set: KeySet,
    /// Tokens of this set.
    genuine: Genuine,
    api: Profile,
    issuer: String,
    lifetime: Duration,
}

/// Why the keys of the settings cannot be used. No text holds a part of a key.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("TOKEN_SERVICE_PRIVATE_KEY: {0}; `agent-server setup-auth` makes one")]
    Private(JwkError),
    #[error("TOKEN_SERVICE_PUBLIC_KEY: {0}; leave it out, it follows from the private key")]
    Public(JwkError),
    #[error("TOKEN_SERVICE_PRIVATE_KEY: {0}")]
    Unusable(#[from] KeyError),
}

impl Keys {
    /// The keys of the settings.
    pub fn from_config(config: &Config) -> Result<Self, KeysError> {
        let private =
            PrivateJwk::parse(&config.identity.private_key).map_err(KeysError::Private)?;
        if let Some(public) = &config.identity.public_key {
            PublicJwk::parse(public)
                .and_then(|public| private.check(&public))
                .map_err(KeysError::Public)?;
        }
        Ok(Self {
            set: KeySet::new(SigningKey::new(&private)?, [])?,
            genuine: Genuine::default(),
            api: Profile::access_token(&config.issuer, &config.issuer),
            issuer: config.issuer.clone(),
            lifetime: config.identity.access_token_ttl,
        })
    }

    /// Who signs: the public URL of this server, and also the audience of tokens for its API.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// How long a token lives.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    pub fn sign(&self, claims: &AccessClaims) -> Result<String, SignError> {
        self.set.active().sign(claims)
    }

    /// The claims of a token that opens our API at `now`. Says nothing about its client.
    pub fn verify(&self, token: &str, now: At) -> Result<Arc<AccessClaims>, TokenError> {
        let now = seconds(now);
        let claims = self.genuine.claims(token, || self.set.verify(token, &self.api, now))?;
        // It may have been remembered for long.
        self.api.check(&claims, now)?;
        Ok(claims)
    }

    /// The public halves, as the JSON of RFC 7517.
    pub fn jwks(&self) -> Result<String, serde_json::Error> {
        self.set.jwks()
    }
}

/// Seconds since 1970, as tokens count time.
pub fn seconds(at: At) -> u64 {
    u64::try_from(at.time().timestamp()).unwrap_or_default()
}

//! Tokens for callers at servers of others, which our tools ask for them.

use std::sync::Arc;
use std::time::Duration;

use auth::claims::AccessClaims;
use auth::claims::Actor;
use auth::keys::SignError;
use auth::scope::Scopes;
use secrecy::SecretString;

use crate::app::Clock;
use crate::app::Ids;
use crate::db::TenantId;
use crate::oauth::Keys;
use crate::oauth::keys::seconds;

/// The life of such a token: one call is made with it.
const LIFETIME: Duration = Duration::from_mins(2);

/// Makes them. Clones share the keys.
#[derive(Debug, Clone)]
pub struct Onward {
    keys: Arc<Keys>,
    clock: Clock,
    ids: Ids,
}

/// For whom a token is.
#[derive(Debug, Clone, Copy)]
pub struct Behalf<'a> {
    pub tenant: &'a TenantId,
    pub subject: &'a str,
    pub client_id: &'a str,
}

impl Onward {
    pub fn new(keys: Arc<Keys>, clock: Clock, ids: Ids) -> Self {
        Self { keys, clock, ids }
    }

    /// The address of this server.
    pub fn issuer(&self) -> &str {
        self.keys.issuer()
    }

    /// Whether `audience` is this server, for which there are no such tokens: whoever wrote a tool would
    /// administer with the rights of whoever calls it.
    pub fn is_own(&self, audience: &str) -> bool {
        let rest = audience.strip_prefix(self.keys.issuer());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// An access token (RFC 9068) whose `act` says that it is we who act for the subject (RFC 8693, section 4.1).
    pub fn token(
        &self,
        whose: Behalf<'_>,
        audience: &str,
        scope: Scopes,
    ) -> Result<SecretString, SignError> {
        let iat = seconds(self.clock.now());
        let claims = AccessClaims {
            iss: self.keys.issuer().to_owned(),
            sub: whose.subject.to_owned(),
            aud: audience.to_owned(),
            exp: iat + LIFETIME.as_secs(),
            iat,
            nbf: None,
            jti: self.ids.next().to_string(),
            client_id: whose.client_id.to_owned(),
            scope,
            tenant: whose.tenant.to_string(),
            registration_id: None,
            grant_id: None,
            act: Actor::after(self.keys.issuer().to_owned(), None),
        };
        self.keys.sign(&claims).map(SecretString::from)
    }
}

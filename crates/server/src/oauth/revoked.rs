//! Access tokens that are void before their end, in memory.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::RwLockReadGuard;
use std::sync::RwLockWriteGuard;

use auth::claims::AccessClaims;

/// As many tokens of one client may be revoked and not yet over.
pub const MOST: usize = 10_000;
/// A token is remembered for so many seconds after its end: longer than any clock of ours is forgiven.
pub const AFTER_END: u64 = 60;

/// The revoked tokens of each client, with the second in which they end.
#[derive(Debug, Default)]
pub struct Revoked(RwLock<HashMap<String, HashMap<String, u64>>>);

/// A token that its client gave back, or all tokens of a grant: then `jti` is the id of the grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedToken {
    pub client_id: String,
    pub jti: String,
    /// Seconds since 1970.
    pub exp: u64,
}

impl RevokedToken {
    pub fn of(claims: &AccessClaims) -> Self {
        let AccessClaims { client_id, jti, exp, .. } = claims;
        Self { client_id: client_id.clone(), jti: jti.clone(), exp: *exp }
    }
}

impl Revoked {
    pub fn add(&self, tokens: impl IntoIterator<Item = RevokedToken>) {
        let mut clients = self.write();
        for RevokedToken { client_id, jti, exp } in tokens {
            clients.entry(client_id).or_default().insert(jti, exp);
        }
    }

    pub fn has(&self, claims: &AccessClaims) -> bool {
        let names = [Some(&claims.jti), claims.grant_id.as_ref()];
        self.read()
            .get(&claims.client_id)
            .is_some_and(|tokens| names.into_iter().flatten().any(|name| tokens.contains_key(name)))
    }

    /// Whether a client has given back as many tokens as it may.
    pub fn is_full(&self, client_id: &str) -> bool {
        self.read().get(client_id).is_some_and(|tokens| tokens.len() >= MOST)
    }

    /// Forgets what is over by `now` anyway, in seconds since 1970.
    pub fn forget_ended(&self, now: u64) {
        let mut clients = self.write();
        for tokens in clients.values_mut() {
            tokens.retain(|_, exp| exp.saturating_add(AFTER_END) > now);
        }
        clients.retain(|_, tokens| !tokens.is_empty());
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, HashMap<String, u64>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, HashMap<String, u64>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(client_id: &str, jti: &str) -> AccessClaims {
        serde_json::from_value(json!({
            "iss": "", "sub": "", "aud": "", "exp": 0, "iat": 0, "jti": jti, "client_id": client_id,
            "scope": "", "tenant": "",
        }))
        .unwrap()
    }

    fn token(client_id: &str, jti: &str, exp: u64) -> RevokedToken {
        RevokedToken { client_id: client_id.to_owned(), jti: jti.to_owned(), exp }
    }

    #[test]
    fn a_revoked_token_is_remembered_a_minute_longer_than_it_could_be_used() {
        let revoked = Revoked::default();
        revoked.add([token("shop", "a", 600), token("shop", "b", 900)]);

        revoked.forget_ended(659);
        assert!(revoked.has(&claims("shop", "a")) && !revoked.has(&claims("desk", "a")));
        revoked.forget_ended(660);
        assert!(!revoked.has(&claims("shop", "a")) && revoked.has(&claims("shop", "b")));
        revoked.forget_ended(u64::MAX);
        assert!(revoked.read().is_empty());
    }

    #[test]
    fn a_client_fills_its_own_list_only() {
        let revoked = Revoked::default();
        revoked.add((0..MOST).map(|number| token("shop", &number.to_string(), 600)));

        assert!(revoked.is_full("shop") && !revoked.is_full("desk"));
    }
}

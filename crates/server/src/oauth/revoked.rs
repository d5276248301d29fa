//! Access tokens that are void before their end, in memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::RwLockReadGuard;
use std::sync::RwLockWriteGuard;

use auth::claims::AccessClaims;

/// As many tokens of one client may be revoked and not yet over.
pub const MOST: usize = 10_000;
/// A token is remembered for so many seconds after its end: longer than any clock of ours is forgiven.
pub const AFTER_END: u64 = 60;

/// What is revoked, by name, and how much of it each client has given back.
#[derive(Debug, Default)]
pub struct Revoked(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Of whose it is, and the second in which it ends.
    by_name: HashMap<String, (Arc<str>, u64)>,
    counts: HashMap<Arc<str>, usize>,
}

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
        let mut known = self.write();
        for RevokedToken { client_id, jti, exp } in tokens {
            let whose =
                known.counts.get_key_value(client_id.as_str()).map(|(whose, _)| Arc::clone(whose));
            let whose = whose.unwrap_or_else(|| client_id.into());
            if known.by_name.insert(jti, (Arc::clone(&whose), exp)).is_none() {
                *known.counts.entry(whose).or_default() += 1;
            }
        }
    }

    /// Whether a token is void: by its own name, or with the grant it came of, whoever holds it now.
    pub fn has(&self, claims: &AccessClaims) -> bool {
        let known = self.read();
        let mut names = [Some(&claims.jti), claims.grant_id.as_ref()].into_iter().flatten();
        names.any(|name| known.by_name.contains_key(name))
    }

    /// Whether a client has given back as many tokens as it may.
    pub fn is_full(&self, client_id: &str) -> bool {
        self.read().counts.get(client_id).is_some_and(|count| *count >= MOST)
    }

    /// Forgets what is over by `now` anyway, in seconds since 1970.
    pub fn forget_ended(&self, now: u64) {
        let mut known = self.write();
        let Known { by_name, counts } = &mut *known;
        by_name.retain(|_, (_, exp)| exp.saturating_add(AFTER_END) > now);
        counts.clear();
        for (whose, _) in by_name.values() {
            *counts.entry(Arc::clone(whose)).or_default() += 1;
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
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
        assert!(revoked.has(&claims("shop", "a")) && !revoked.has(&claims("shop", "c")));
        revoked.forget_ended(660);
        assert!(!revoked.has(&claims("shop", "a")) && revoked.has(&claims("shop", "b")));
        revoked.forget_ended(u64::MAX);
        assert!(revoked.read().by_name.is_empty() && revoked.read().counts.is_empty());
    }

    #[test]
    fn a_client_fills_its_own_list_only() {
        let revoked = Revoked::default();
        revoked.add((0..MOST).map(|number| token("shop", &number.to_string(), 600)));

        assert!(revoked.is_full("shop") && !revoked.is_full("desk"));
    }
}

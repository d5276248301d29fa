//! Access tokens whose signature has been checked.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use auth::claims::AccessClaims;
use aws_lc_rs::digest::SHA256;
use aws_lc_rs::digest::digest;

/// Tokens that are remembered. One more, and all are forgotten and checked again when they come.
const MOST: usize = 4096;
/// The longest token that is remembered, in bytes, so that all of them take a few megabytes.
const LONGEST: usize = 2048;

/// What genuine tokens say, by the SHA-256 of the whole token.
///
/// Programs show the same token many times, and to check its signature costs more than all else that
/// is done before a run begins. Only what cannot change is remembered: that a key of one key set has
/// signed exactly this text. Whether it is over by now, and what its client may still do, is for
/// whoever asks to check each time. Other keys need another memory.
#[derive(Default)]
pub struct Genuine(Mutex<HashMap<Fingerprint, Arc<AccessClaims>>>);

type Fingerprint = [u8; 32];

impl Genuine {
    /// The claims of `token`: remembered, or else those that `verify` finds.
    pub fn claims<E>(
        &self,
        token: &str,
        verify: impl FnOnce() -> Result<AccessClaims, E>,
    ) -> Result<Arc<AccessClaims>, E> {
        let Some(fingerprint) = fingerprint(token) else { return verify().map(Arc::new) };
        if let Some(claims) = self.lock().get(&fingerprint) {
            return Ok(Arc::clone(claims));
        }
        let claims = Arc::new(verify()?);
        let mut remembered = self.lock();
        if remembered.len() >= MOST {
            remembered.clear();
        }
        remembered.insert(fingerprint, Arc::clone(&claims));
        Ok(claims)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Fingerprint, Arc<AccessClaims>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Genuine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Genuine({})", self.lock().len())
    }
}

/// What a token is remembered by, if it is.
fn fingerprint(token: &str) -> Option<Fingerprint> {
    let is_short = token.len() <= LONGEST;
    is_short.then(|| digest(&SHA256, token.as_bytes()))?.as_ref().try_into().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(client_id: &str) -> AccessClaims {
        serde_json::from_value(json!({
            "iss": "", "sub": "", "aud": "", "exp": 0, "iat": 0, "jti": "", "client_id": client_id,
            "scope": "", "tenant": "",
        }))
        .unwrap()
    }

    /// Whether `token` is verified once more. It says what `client_id` is.
    fn is_checked(genuine: &Genuine, token: &str) -> bool {
        let mut checked = false;
        let found = genuine.claims(token, || {
            checked = true;
            Ok::<_, ()>(claims(token))
        });
        assert_eq!(found.unwrap().client_id, token);
        checked
    }

    #[test]
    fn a_token_is_checked_once_and_each_for_itself() {
        let genuine = Genuine::default();

        assert!(is_checked(&genuine, "a.b.c"));
        assert!(!is_checked(&genuine, "a.b.c"));
        for other in ["a.b.d", "a.b.", "a.b", "b.b.c", "a.b.c ", ""] {
            assert!(is_checked(&genuine, other), "{other}");
        }
    }

    #[test]
    fn a_token_that_is_refused_is_not_remembered() {
        let genuine = Genuine::default();

        assert!(genuine.claims("a.b.c", || Err(())).is_err());
        assert!(is_checked(&genuine, "a.b.c"));
    }

    #[test]
    fn what_is_remembered_has_bounds() {
        let (genuine, long) = (Genuine::default(), "a".repeat(LONGEST + 1));
        assert!(is_checked(&genuine, &long));
        assert!(is_checked(&genuine, &long));

        for number in 0..=MOST {
            assert!(is_checked(&genuine, &number.to_string()));
        }
        assert_eq!(genuine.lock().len(), 1);
    }
}

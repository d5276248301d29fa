//! Client assertions: a JWT that a client signs to prove who it is (RFC 7523, `private_key_jwt`).

use std::fmt;

use serde::Deserialize;

use crate::client_keys::ClientKeys;
use crate::foreign::Audience;
use crate::foreign::Foreign;

/// The `client_assertion_type` that says that it is one.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What its header may say it is.
const TYPES: [&str; 2] = ["jwt", "client-authentication+jwt"];

/// An assertion may end so many seconds ahead at most: so long its id must be remembered.
pub const LONGEST: u64 = 300;
/// So many seconds of difference are forgiven between the client's clock and ours.
pub const LEEWAY: u64 = 30;
/// The longest id that is remembered, in bytes.
const MAX_JTI: usize = 256;

/// An assertion cut into its parts, whose signature nobody has checked yet.
#[derive(Clone)]
pub struct Assertion(Foreign<Claims>);

/// What must be done once: a second assertion of that id is a copy of the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    pub jti: String,
    /// Seconds since 1970, after which the id needs no remembering.
    pub until: u64,
}

/// Why an assertion proves nothing. The text repeats nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    #[error("the assertion is not a signed JWT with iss, sub, aud, exp and jti")]
    Malformed,
    #[error("iss and sub of the assertion must both be the client")]
    WrongClient,
    #[error("the issuer must be the only audience of the assertion")]
    WrongAudience,
    #[error("the assertion is over, not begun, or good for more than {LONGEST} s")]
    WrongTime,
    #[error("no key of the client has signed the assertion")]
    BadSignature,
}

#[derive(Clone, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: u64,
    nbf: Option<u64>,
    iat: Option<u64>,
    jti: String,
}

impl Assertion {
    pub fn parse(text: &str) -> Result<Self, AssertionError> {
        let parsed = Foreign::<Claims>::parse(text, &TYPES).ok_or(AssertionError::Malformed)?;
        if !(1..=MAX_JTI).contains(&parsed.claims.jti.len()) {
            return Err(AssertionError::Malformed);
        }
        Ok(Self(parsed))
    }

    /// The client that is said to have signed.
    pub fn client_id(&self) -> &str {
        &self.0.claims.sub
    }

    /// Checks all of it but whether it comes a second time: for `issuer`, at `now` in seconds since 1970.
    pub fn verify(
        &self,
        keys: &ClientKeys,
        issuer: &str,
        now: u64,
    ) -> Result<Proof, AssertionError> {
        let Claims { iss, sub, aud, exp, nbf, iat, jti } = &self.0.claims;
        if iss != sub {
            return Err(AssertionError::WrongClient);
        }
        if !aud.is_only(issuer) {
            return Err(AssertionError::WrongAudience);
        }
        let begin = nbf.unwrap_or_default().max(iat.unwrap_or_default());
        let has_begun = begin <= now.saturating_add(LEEWAY);
        let is_over = exp.saturating_add(LEEWAY) <= now;
        if !has_begun || is_over || *exp > now.saturating_add(LONGEST + LEEWAY) {
            return Err(AssertionError::WrongTime);
        }
        if !self.0.is_signed_by(keys) {
            return Err(AssertionError::BadSignature);
        }
        Ok(Proof { jti: jti.clone(), until: exp.saturating_add(LEEWAY) })
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Assertion({})", self.client_id())
    }
}

#[cfg(test)]
mod tests;

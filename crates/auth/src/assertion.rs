//! Client assertions: a JWT that a client signs to prove who it is (RFC 7523, `private_key_jwt`).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::client_keys::Algorithm;
use crate::client_keys::ClientKeys;
use crate::jose::MAX_TOKEN;
use crate::json;
use crate::jwk::MAX_KID;

/// The `client_assertion_type` that says that it is one.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An assertion may end so many seconds ahead at most: so long its id must be remembered.
pub const LONGEST: u64 = 300;
/// So many seconds of difference are forgiven between the client's clock and ours.
pub const LEEWAY: u64 = 30;
/// The longest id that is remembered, in bytes.
const MAX_JTI: usize = 256;

/// An assertion cut into its parts, whose signature nobody has checked yet.
#[derive(Clone)]
pub struct Assertion {
    header: Header,
    claims: Claims,
    /// What the signature is of.
    message: String,
    signature: Vec<u8>,
}

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

/// Members that would bring a key of their own are not read; `crit` is refused, for we know no extension.
#[derive(Clone, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<IgnoredAny>,
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

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Assertion {
    pub fn parse(text: &str) -> Result<Self, AssertionError> {
        if text.len() > MAX_TOKEN {
            return Err(AssertionError::Malformed);
        }
        let malformed = || AssertionError::Malformed;
        let decode = |part| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed());
        let (message, signature) = text.rsplit_once('.').ok_or_else(malformed)?;
        let (header, claims) = message.split_once('.').ok_or_else(malformed)?;
        let header: Header = json::object(&decode(header)?).map_err(|_| malformed())?;
        let claims: Claims = json::object(&decode(claims)?).map_err(|_| malformed())?;
        let typ = header.typ.as_deref().map(str::to_ascii_lowercase);
        let is_ours = matches!(typ.as_deref(), None | Some("jwt" | "client-authentication+jwt"));
        let kid_fits = header.kid.as_ref().is_none_or(|kid| kid.len() <= MAX_KID);
        let jti_fits = (1..=MAX_JTI).contains(&claims.jti.len());
        if !is_ours || !kid_fits || !jti_fits || header.crit.is_some() {
            return Err(malformed());
        }
        let (message, signature) = (message.to_owned(), decode(signature)?);
        Ok(Self { header, claims, message, signature })
    }

    /// The client that is said to have signed.
    pub fn client_id(&self) -> &str {
        &self.claims.sub
    }

    /// Checks all of it but whether it comes a second time: for `issuer`, at `now` in seconds since 1970.
    pub fn verify(
        &self,
        keys: &ClientKeys,
        issuer: &str,
        now: u64,
    ) -> Result<Proof, AssertionError> {
        let Claims { iss, sub, aud, exp, nbf, iat, jti } = &self.claims;
        if iss != sub {
            return Err(AssertionError::WrongClient);
        }
        let is_for_us = match aud {
            Audience::One(one) => one == issuer,
            Audience::Many(many) => matches!(&many[..], [one] if one == issuer),
        };
        if !is_for_us {
            return Err(AssertionError::WrongAudience);
        }
        let begin = nbf.unwrap_or_default().max(iat.unwrap_or_default());
        let has_begun = begin <= now.saturating_add(LEEWAY);
        let is_over = exp.saturating_add(LEEWAY) <= now;
        if !has_begun || is_over || *exp > now.saturating_add(LONGEST + LEEWAY) {
            return Err(AssertionError::WrongTime);
        }
        let algorithm = Algorithm::parse(&self.header.alg).ok_or(AssertionError::BadSignature)?;
        let kid = self.header.kid.as_deref();
        if !keys.verify(kid, algorithm, self.message.as_bytes(), &self.signature) {
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

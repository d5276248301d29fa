//! The keys that sign and verify access tokens.

use std::collections::HashMap;
use std::fmt;

use aws_lc_rs::signature::ED25519;
use aws_lc_rs::signature::Ed25519KeyPair;
use aws_lc_rs::signature::ParsedPublicKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::claims::ACCESS_TOKEN;
use crate::claims::AccessClaims;
use crate::claims::Profile;
use crate::jose::MAX_TOKEN;
use crate::jose::TokenError;
use crate::jose::Unverified;
use crate::jwk::ALG;
use crate::jwk::PrivateJwk;
use crate::jwk::PublicJwk;

/// A private key, ready to sign: the pair is parsed and the header of its tokens written once.
pub struct SigningKey {
    public: PublicJwk,
    pair: Ed25519KeyPair,
    header: String,
}

/// The key that signs and all that verify, as of one moment.
///
/// A key that will sign soon or has signed before is in it too: published, but not active.
pub struct KeySet {
    active: SigningKey,
    published: Vec<PublicJwk>,
    verify: HashMap<String, ParsedPublicKey>,
}

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the key `{0}` is not a usable Ed25519 key")]
    Rejected(String),
    #[error("two different keys are named `{0}`")]
    KidTaken(String),
}

/// Why a token could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("the claims could not be written")]
    Claims(#[from] serde_json::Error),
    #[error("the token would be longer than {MAX_TOKEN} bytes")]
    TooLong,
    #[error("the cryptographic library refused to sign")]
    Refused,
}

/// Our JWKS.
#[derive(Serialize)]
struct Jwks<'a> {
    keys: &'a [PublicJwk],
}

impl SigningKey {
    pub fn new(key: &PrivateJwk) -> Result<Self, KeyError> {
        let public = key.public().clone();
        let pair = Ed25519KeyPair::from_seed_and_public_key(key.seed(), public.bytes())
            .map_err(|_| KeyError::Rejected(public.kid().to_owned()))?;
        let kid = public.kid();
        let header = format!(r#"{{"alg":"{ALG}","typ":"{ACCESS_TOKEN}","kid":"{kid}"}}"#);
        Ok(Self { pair, header: URL_SAFE_NO_PAD.encode(header), public })
    }

    pub fn kid(&self) -> &str {
        self.public.kid()
    }

    /// Signs an access token.
    pub fn sign(&self, claims: &AccessClaims) -> Result<String, SignError> {
        let claims = serde_json::to_vec(claims)?;
        let mut token = String::with_capacity(self.header.len() + claims.len() * 4 / 3 + 96);
        token.push_str(&self.header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.pair.try_sign(token.as_bytes()).map_err(|_| SignError::Refused)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        if token.len() > MAX_TOKEN { Err(SignError::TooLong) } else { Ok(token) }
    }
}

impl KeySet {
    /// Signs with `active`, verifies with it and with `others`.
    pub fn new(
        active: SigningKey,
        others: impl IntoIterator<Item = PublicJwk>,
    ) -> Result<Self, KeyError> {
        let mut set = Self { published: Vec::new(), verify: HashMap::new(), active };
        set.publish(set.active.public.clone())?;
        others.into_iter().try_for_each(|key| set.publish(key))?;
        Ok(set)
    }

    fn publish(&mut self, key: PublicJwk) -> Result<(), KeyError> {
        if self.published.contains(&key) {
            return Ok(());
        }
        let kid = key.kid().to_owned();
        let parsed = ParsedPublicKey::new(&ED25519, key.bytes())
            .map_err(|_| KeyError::Rejected(kid.clone()))?;
        if self.verify.contains_key(&kid) {
            return Err(KeyError::KidTaken(kid));
        }
        self.verify.insert(kid, parsed);
        self.published.push(key);
        Ok(())
    }

    pub fn active(&self) -> &SigningKey {
        &self.active
    }

    /// The body of `/.well-known/jwks.json`: the active key first.
    pub fn jwks(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Jwks { keys: &self.published })
    }

    /// The claims of `token`, if it is one of ours and all that `profile` demands is true at
    /// `now`, in seconds since 1970.
    ///
    /// It says nothing about revocation, nor about whether the client still exists.
    pub fn verify(
        &self,
        token: &str,
        profile: &Profile,
        now: u64,
    ) -> Result<AccessClaims, TokenError> {
        let unverified = Unverified::parse(token)?;
        if unverified.header.typ != profile.typ() {
            return Err(TokenError::WrongType);
        }
        let key = self.verify.get(&unverified.header.kid).ok_or(TokenError::UnknownKey)?;
        key.verify_sig(unverified.message, &unverified.signature)
            .map_err(|_| TokenError::BadSignature)?;
        let claims = unverified.claims()?;
        profile.check(&claims, now)?;
        Ok(claims)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid())
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let published: Vec<_> = self.published.iter().map(PublicJwk::kid).collect();
        f.debug_struct("KeySet")
            .field("active", &self.active.kid())
            .field("published", &published)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

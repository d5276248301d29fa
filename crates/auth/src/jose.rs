//! Compact JWS (RFC 7515), as far as our own access tokens go.
//!
//! There is one algorithm, and it belongs to the key, not to the token. Nothing symmetric can be
//! written with these types, and no member of a header makes us look elsewhere for a key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::json;
use crate::jwk::ALG;
use crate::jwk::MAX_KID;

/// The longest token that we read or issue, in bytes.
pub const MAX_TOKEN: usize = 16 * 1024;

/// Why a token is not believed.
///
/// The text is for the caller and the log; it repeats nothing of the token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the token is longer than {MAX_TOKEN} bytes")]
    TooLong,
    #[error("the token is not a compact JWS")]
    Malformed,
    #[error("the header of the token is not one of ours")]
    BadHeader(#[source] serde_json::Error),
    #[error("the token is not signed with {ALG}")]
    WrongAlgorithm,
    #[error("the token is not an access token")]
    WrongType,
    #[error("the token is signed with a key that is not in our key set")]
    UnknownKey,
    #[error("the signature of the token is wrong")]
    BadSignature,
    #[error("a claim of the token is missing or malformed")]
    BadClaims(#[source] serde_json::Error),
    #[error("the token is of another issuer")]
    WrongIssuer,
    #[error("the token is for another audience")]
    WrongAudience,
    #[error("the token expired {ago} s ago")]
    Expired { ago: u64 },
    #[error("the token is not yet valid, for another {ahead} s")]
    NotYetValid { ahead: u64 },
}

/// A token cut into its parts, whose signature nobody has checked yet.
pub(crate) struct Unverified<'a> {
    pub header: Header,
    /// What the signature is of.
    pub message: &'a [u8],
    pub signature: Vec<u8>,
    payload: &'a str,
}

/// All that the header of a token of ours has.
///
/// Any other member is refused: `crit`, `b64`, and all that would bring a key of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    alg: String,
    pub typ: String,
    pub kid: String,
}

impl<'a> Unverified<'a> {
    /// Reads the parts, the cheap checks first.
    pub(crate) fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
        let header: Header = json::object(&decode(header)?).map_err(TokenError::BadHeader)?;
        if header.alg != ALG {
            return Err(TokenError::WrongAlgorithm);
        }
        if header.kid.len() > MAX_KID {
            return Err(TokenError::UnknownKey);
        }
        Ok(Self { header, message: message.as_bytes(), signature: decode(signature)?, payload })
    }

    /// The claims, once the signature is known to be right.
    pub(crate) fn claims<C: serde::de::DeserializeOwned>(&self) -> Result<C, TokenError> {
        json::object(&decode(self.payload)?).map_err(TokenError::BadClaims)
    }
}

/// Base64url in its one canonical spelling: no padding, no spare bits, no dots.
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
impl PartialEq for TokenError {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

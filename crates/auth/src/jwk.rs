//! Ed25519 keys as JSON Web Keys (RFC 7517, RFC 8037).

use std::fmt;

use aws_lc_rs::signature::Ed25519KeyPair;
use aws_lc_rs::signature::KeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use serde::Deserialize;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::json;
use crate::random;
use crate::random::NoRandomness;
use crate::token::Digest;

/// The longest key id that we take or look up.
pub const MAX_KID: usize = 128;

/// The name of our signature algorithm in tokens and keys.
///
/// RFC 9864 prefers `Ed25519`, but several libraries that check our tokens know only this name.
pub const ALG: &str = "EdDSA";

/// A public key, as it stands in our JWKS.
///
/// Invariant: `kid` has 1 to [`MAX_KID`] printable ASCII characters and needs no escaping in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicJwk {
    kid: String,
    x: [u8; 32],
}

/// A key pair.
///
/// Invariant: the public half belongs to the private one. Wiped when dropped, never printed.
pub struct PrivateJwk {
    public: PublicJwk,
    seed: Zeroizing<[u8; 32]>,
}

/// Why a text is no key that we can use.
#[derive(Debug, thiserror::Error)]
pub enum JwkError {
    #[error("it is not a JSON Web Key")]
    NotAKey(#[source] serde_json::Error),
    #[error("it is not an Ed25519 key: `kty` must be OKP, `crv` Ed25519, and `alg` EdDSA if given")]
    NotEd25519,
    #[error("its `use` must be sig")]
    NotForSignatures,
    #[error("its `{0}` must be 32 bytes in base64url without padding")]
    BadMember(&'static str),
    #[error(
        "its `kid` must have 1 to {MAX_KID} printable characters other than quote and backslash"
    )]
    BadKid,
    #[error("it is a private key, where a public one belongs")]
    Private,
    #[error("it is a public key, where a private one belongs")]
    Public,
    #[error("the public key does not belong to the private key")]
    Mismatch,
}

/// The members of a key that we read; RFC 7517 wants others ignored.
#[derive(Deserialize)]
struct Members {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    d: Option<SecretString>,
    kid: Option<String>,
    r#use: Option<String>,
    alg: Option<String>,
}

/// The members of a key that we write.
#[derive(Serialize)]
struct Written<'a> {
    kty: &'static str,
    crv: &'static str,
    x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<&'a str>,
    kid: &'a str,
    r#use: &'static str,
    alg: &'static str,
}

impl PublicJwk {
    pub fn parse(text: &str) -> Result<Self, JwkError> {
        let members: Members = json::object(text.as_bytes()).map_err(JwkError::NotAKey)?;
        if members.d.is_some() {
            return Err(JwkError::Private);
        }
        members.public()
    }

    fn new(kid: Option<String>, x: [u8; 32]) -> Result<Self, JwkError> {
        let kid = kid.unwrap_or_else(|| thumbprint(&x));
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if kid.is_empty() || kid.len() > MAX_KID || !kid.bytes().all(plain) {
            return Err(JwkError::BadKid);
        }
        Ok(Self { kid, x })
    }

    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The 32 bytes of the key.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.x
    }

    fn written(&self) -> Written<'_> {
        Written {
            kty: "OKP",
            crv: "Ed25519",
            x: URL_SAFE_NO_PAD.encode(self.x),
            d: None,
            kid: &self.kid,
            r#use: "sig",
            alg: ALG,
        }
    }
}

impl PrivateJwk {
    /// A new key, named by its thumbprint.
    pub fn generate() -> Result<Self, NoRandomness> {
        let seed = random::bytes()?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice());
        let x = pair.ok().and_then(|pair| pair.public_key().as_ref().try_into().ok());
        let x: [u8; 32] = x.ok_or(NoRandomness)?;
        Ok(Self { public: PublicJwk { kid: thumbprint(&x), x }, seed })
    }

    /// Reads a private key; its `x` must be there and belong to its `d`.
    pub fn parse(text: &SecretString) -> Result<Self, JwkError> {
        let members: Members =
            json::object(text.expose_secret().as_bytes()).map_err(JwkError::NotAKey)?;
        let d = members.d.clone().ok_or(JwkError::Public)?;
        let public = members.public()?;
        let seed = Zeroizing::new(decode("d", Some(d.expose_secret()))?);
        Ed25519KeyPair::from_seed_and_public_key(seed.as_slice(), &public.x)
            .map_err(|_| JwkError::Mismatch)?;
        Ok(Self { public, seed })
    }

    pub fn public(&self) -> &PublicJwk {
        &self.public
    }

    /// Refuses a public key that does not belong to this one.
    pub fn check(&self, public: &PublicJwk) -> Result<(), JwkError> {
        if self.public.x == public.x { Ok(()) } else { Err(JwkError::Mismatch) }
    }

    /// The text that [`PrivateJwk::parse`] reads, for the one place that stores or shows it.
    pub fn to_json(&self) -> Result<SecretString, serde_json::Error> {
        let d = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.seed.as_slice()));
        let written = Written { d: Some(&d), ..self.public.written() };
        serde_json::to_string(&written).map(SecretString::from)
    }

    pub(crate) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }
}

impl Members {
    fn public(self) -> Result<PublicJwk, JwkError> {
        let curve = self.kty == "OKP" && self.crv.as_deref() == Some("Ed25519");
        if !curve || !matches!(self.alg.as_deref(), None | Some(ALG | "Ed25519")) {
            return Err(JwkError::NotEd25519);
        }
        if !matches!(self.r#use.as_deref(), None | Some("sig")) {
            return Err(JwkError::NotForSignatures);
        }
        PublicJwk::new(self.kid, decode("x", self.x.as_deref())?)
    }
}

fn decode(name: &'static str, text: Option<&str>) -> Result<[u8; 32], JwkError> {
    text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .map(Zeroizing::new)
        .and_then(|bytes| bytes.as_slice().try_into().ok())
        .ok_or(JwkError::BadMember(name))
}

/// RFC 7638: SHA-256 of the required members in the order of their names.
fn thumbprint(x: &[u8; 32]) -> String {
    let x = URL_SAFE_NO_PAD.encode(x);
    let digest = Digest::of(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
    URL_SAFE_NO_PAD.encode(digest.as_bytes())
}

impl Serialize for PublicJwk {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.written().serialize(serializer)
    }
}

impl fmt::Debug for PrivateJwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateJwk({})", self.public.kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The key of RFC 8037, appendix A.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    const THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

    fn public(members: &str) -> Result<PublicJwk, JwkError> {
        PublicJwk::parse(&format!(r#"{{"kty":"OKP","crv":"Ed25519",{members}}}"#))
    }

    fn private(members: &str) -> Result<PrivateJwk, JwkError> {
        PrivateJwk::parse(&format!(r#"{{"kty":"OKP","crv":"Ed25519",{members}}}"#).into())
    }

    #[test]
    fn the_key_of_rfc_8037_has_the_thumbprint_of_rfc_8037() {
        let key = private(&format!(r#""d":"{D}","x":"{X}""#)).unwrap();

        assert_eq!(key.public().kid(), THUMBPRINT);
        assert_eq!(
            serde_json::to_string(key.public()).unwrap(),
            format!(
                r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}","kid":"{THUMBPRINT}","use":"sig","alg":"EdDSA"}}"#
            )
        );
    }

    #[test]
    fn a_generated_key_survives_the_settings() {
        let key = PrivateJwk::generate().unwrap();

        let read = PrivateJwk::parse(&key.to_json().unwrap()).unwrap();

        assert_eq!(read.public(), key.public());
        assert_eq!(read.seed(), key.seed());
        assert_eq!(format!("{key:?}"), format!("PrivateJwk({})", key.public().kid()));
    }

    #[test]
    fn a_given_kid_is_kept_and_unknown_members_are_ignored() {
        let key = public(&format!(
            r#""x":"{X}","kid":"main","alg":"Ed25519","use":"sig","key_ops":["verify"],"n":{{}}"#
        ));

        assert_eq!(key.unwrap().kid(), "main");
    }

    #[test]
    fn a_public_key_of_another_pair_is_refused() {
        let other = PrivateJwk::generate().unwrap();
        let key = private(&format!(r#""d":"{D}","x":"{X}""#)).unwrap();

        assert!(key.check(key.public()).is_ok());
        assert!(matches!(key.check(other.public()), Err(JwkError::Mismatch)));
        let x = URL_SAFE_NO_PAD.encode(other.public().bytes());
        let mixed = private(&format!(r#""d":"{D}","x":"{x}""#));
        assert!(matches!(mixed, Err(JwkError::Mismatch)));
    }

    #[test]
    fn private_and_public_keys_are_not_mixed_up() {
        assert!(matches!(public(&format!(r#""x":"{X}","d":"{D}""#)), Err(JwkError::Private)));
        assert!(matches!(private(&format!(r#""x":"{X}""#)), Err(JwkError::Public)));
    }

    #[test]
    fn what_is_no_ed25519_key_is_refused_with_its_reason() {
        for text in ["", "{}", "[]", "null", r#"["OKP","Ed25519"]"#, "-----BEGIN PRIVATE KEY-----"]
        {
            assert!(matches!(PublicJwk::parse(text), Err(JwkError::NotAKey(_))), "{text}");
        }
        for text in [
            r#"{"kty":"oct","k":"c2VjcmV0"}"#,
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#,
            &format!(r#"{{"kty":"OKP","crv":"X25519","x":"{X}"}}"#),
            &format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}","alg":"HS256"}}"#),
        ] {
            assert!(matches!(PublicJwk::parse(text), Err(JwkError::NotEd25519)), "{text}");
        }
        for x in ["", "AA", &format!("{X}="), &X.replace('_', "/"), &format!("{X}AA"), &X[..42]] {
            let key = public(&format!(r#""x":"{x}""#));
            assert!(matches!(key, Err(JwkError::BadMember("x"))), "{x}");
        }
        for kid in ["", "a b", "é", "\\u0000", r#"a\"b"#, r"a\\b", &"k".repeat(129)] {
            let key = public(&format!(r#""x":"{X}","kid":"{kid}""#));
            assert!(matches!(key, Err(JwkError::BadKid)), "{kid}");
        }
        let encryption = public(&format!(r#""x":"{X}","use":"enc""#));
        assert!(matches!(encryption, Err(JwkError::NotForSignatures)));
        assert!(matches!(public(&format!(r#""x":"{X}","x":"{X}""#)), Err(JwkError::NotAKey(_))));
    }
}

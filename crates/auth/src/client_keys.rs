//! The public keys of a client that signs its assertions (RFC 7517).

use std::fmt;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED;
use aws_lc_rs::signature::ED25519;
use aws_lc_rs::signature::ParsedPublicKey;
use aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use crate::json;
use crate::jwk::MAX_KID;

/// The longest key set that is read, in bytes.
pub const MAX_KEY_SET: usize = 64 * 1024;
/// The most keys that a client may have.
const MAX_KEYS: usize = 20;
/// What only private and symmetric keys have.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// How a client signs. An algorithm belongs to a key; what a token says must fit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Algorithm {
    EdDSA,
    ES256,
    RS256,
}

/// The keys of a client that can be used; there is at least one.
pub struct ClientKeys(Vec<ClientKey>);

struct ClientKey {
    kid: Option<String>,
    algorithm: Algorithm,
    public: ParsedPublicKey,
}

/// Why a text is no key set of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientKeysError {
    #[error("it is not a JSON Web Key Set: an object with a list of objects, keys")]
    NotAKeySet,
    #[error("it is longer than {MAX_KEY_SET} bytes or has more than {MAX_KEYS} keys")]
    TooLarge,
    #[error("it has a private or symmetric key, which nobody but the client may know")]
    Private,
    #[error(
        "it has no key that can be used: Ed25519, P-256, or RSA of 2048 to 8192 bits, for signatures"
    )]
    NoneUsable,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Map<String, Value>>,
}

impl Algorithm {
    pub const ALL: [Self; 3] = [Self::EdDSA, Self::ES256, Self::RS256];

    /// Reads its name; `Ed25519` is the newer one of `EdDSA` (RFC 9864).
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "EdDSA" | "Ed25519" => Some(Self::EdDSA),
            "ES256" => Some(Self::ES256),
            "RS256" => Some(Self::RS256),
            _ => None,
        }
    }
}

impl ClientKeys {
    /// Reads a key set. Keys of kinds that we do not know are left out, as RFC 7517 wants.
    pub fn parse(text: &[u8]) -> Result<Self, ClientKeysError> {
        if text.len() > MAX_KEY_SET {
            return Err(ClientKeysError::TooLarge);
        }
        let KeySet { keys } = json::object(text).map_err(|_| ClientKeysError::NotAKeySet)?;
        if keys.len() > MAX_KEYS {
            return Err(ClientKeysError::TooLarge);
        }
        if keys.iter().any(|key| PRIVATE.iter().any(|name| key.contains_key(*name))) {
            return Err(ClientKeysError::Private);
        }
        let usable: Vec<_> = keys.iter().filter_map(ClientKey::read).collect();
        if usable.is_empty() { Err(ClientKeysError::NoneUsable) } else { Ok(Self(usable)) }
    }

    /// Whether one of the keys that may have signed it did. A name that is given must be that of the key.
    pub fn verify(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let fits = |key: &&ClientKey| {
            key.algorithm == algorithm && kid.is_none_or(|kid| key.kid.as_deref() == Some(kid))
        };
        self.0.iter().filter(fits).any(|key| key.public.verify_sig(message, signature).is_ok())
    }
}

impl ClientKey {
    /// `None`: a key that cannot be used here.
    fn read(key: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let bytes = |name: &str| text(name).and_then(|it| URL_SAFE_NO_PAD.decode(it).ok());
        if key.get("use").is_some_and(|it| it != "sig") {
            return None;
        }
        let (algorithm, public) = match (text("kty")?, text("crv")) {
            ("OKP", Some("Ed25519")) => {
                let x = bytes("x").filter(|x| x.len() == 32)?;
                (Algorithm::EdDSA, ParsedPublicKey::new(&ED25519, x))
            }
            ("EC", Some("P-256")) => {
                let coordinate = |name| bytes(name).filter(|it| it.len() == 32);
                let point = [vec![4], coordinate("x")?, coordinate("y")?].concat();
                (Algorithm::ES256, ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point))
            }
            ("RSA", _) => {
                // How long it must be is checked with the signature; what is far off is no key.
                let n = bytes("n").filter(|n| (256..=1024).contains(&n.len()))?;
                let components = PublicKeyComponents { n, e: bytes("e")? };
                let parsed = components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256);
                (Algorithm::RS256, parsed)
            }
            _ => return None,
        };
        if key
            .get("alg")
            .is_some_and(|it| it.as_str().and_then(Algorithm::parse) != Some(algorithm))
        {
            return None;
        }
        let kid = match key.get("kid") {
            None => None,
            Some(kid) => Some(kid.as_str().filter(|kid| kid.len() <= MAX_KID)?.to_owned()),
        };
        Some(Self { kid, algorithm, public: public.ok()? })
    }
}

impl fmt::Debug for ClientKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.0.iter().map(|key| (key.algorithm, key.kid.as_deref()));
        f.debug_list().entries(keys).finish()
    }
}

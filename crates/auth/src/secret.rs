//! The key that protects what is at rest, and keys derived from it.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT;
use base64::engine::general_purpose::URL_SAFE_PAD_INDIFFERENT;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::random;
use crate::random::NoRandomness;
use crate::token::Digest;

/// 32 random bytes from the settings (`AGENT_SERVER_ENCRYPTION_KEY`).
///
/// It encrypts nothing itself: each use has a key of its own, from [`MasterKey::derive`]. Wiped
/// when dropped, never printed.
pub struct MasterKey {
    bytes: Zeroizing<[u8; 32]>,
    id: String,
}

/// A key with which this server recognises what it wrote itself, such as a page cursor.
///
/// HMAC-SHA-256. Never for tokens: those are signed so that others can check them.
pub struct MacKey(hmac::Key);

/// Why a text is no master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    #[error("it is not base64")]
    NotBase64,
    #[error("it has {0} bytes instead of 32; make one with `agent-server setup-auth`")]
    WrongLength(usize),
    #[error("all its bytes are the same; make one with `agent-server setup-auth`")]
    NotRandom,
}

impl MasterKey {
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self::from_bytes(random::bytes()?))
    }

    /// Reads base64 of either alphabet, with or without padding.
    pub fn parse(text: &SecretString) -> Result<Self, MasterKeyError> {
        let text = text.expose_secret().trim();
        let decoded = STANDARD_PAD_INDIFFERENT
            .decode(text)
            .or_else(|_| URL_SAFE_PAD_INDIFFERENT.decode(text))
            .map(Zeroizing::new)
            .map_err(|_| MasterKeyError::NotBase64)?;
        let mut bytes = Zeroizing::new([0; 32]);
        if decoded.len() != bytes.len() {
            return Err(MasterKeyError::WrongLength(decoded.len()));
        }
        if decoded.iter().all(|byte| *byte == decoded[0]) {
            return Err(MasterKeyError::NotRandom);
        }
        bytes.copy_from_slice(&decoded);
        Ok(Self::from_bytes(bytes))
    }

    fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        let id = Digest::from_bytes(*expand(&bytes, "key id")).to_hex();
        Self { bytes, id: id.chars().take(8).collect() }
    }

    /// The text that [`MasterKey::parse`] reads, for the one place that shows it.
    pub fn to_base64(&self) -> SecretString {
        STANDARD.encode(self.bytes.as_slice()).into()
    }

    /// Eight hexadecimal digits that name this key and tell nothing about it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A key for one purpose; those of different purposes are independent (HKDF-Expand, RFC 5869).
    ///
    /// A purpose is a constant of the code. Changing one makes unreadable what it protected.
    pub fn derive(&self, purpose: &'static str) -> Zeroizing<[u8; 32]> {
        expand(&self.bytes, purpose)
    }

    /// A key for recognising our own values of one purpose.
    pub fn mac(&self, purpose: &'static str) -> MacKey {
        MacKey(hmac::Key::new(hmac::HMAC_SHA256, self.derive(purpose).as_slice()))
    }
}

/// The first block of HKDF-Expand. The extract step only evens out keys that are not random.
fn expand(key: &[u8; 32], purpose: &str) -> Zeroizing<[u8; 32]> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut context = hmac::Context::with_key(&key);
    context.update(b"agent-server ");
    context.update(purpose.as_bytes());
    context.update(&[1]);
    let mut bytes = Zeroizing::new([0; 32]);
    bytes.copy_from_slice(context.sign().as_ref());
    bytes
}

impl MacKey {
    pub fn sign(&self, message: &[u8]) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hmac::sign(&self.0, message).as_ref());
        bytes
    }

    /// Whether `tag` is what [`MacKey::sign`] gave for `message`, in constant time.
    pub fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, message, tag).is_ok()
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hkdf;

    use super::*;

    fn key(text: &str) -> Result<MasterKey, MasterKeyError> {
        MasterKey::parse(&text.into())
    }

    #[test]
    fn a_key_is_read_in_every_spelling_of_base64() {
        let padded = "AP8A/wD/AP8A/wD/AP8A/wD/AP8A/wD/AP8A/wD/AP8=";
        let id = key(padded).unwrap().id().to_owned();

        for text in
            [padded.trim_end_matches('='), &padded.replace('/', "_"), &format!("{padded}\n")]
        {
            assert_eq!(key(text).unwrap().id(), id);
        }
        assert_eq!(key(padded).unwrap().to_base64().expose_secret(), padded);
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_reason() {
        assert_eq!(key("").unwrap_err(), MasterKeyError::WrongLength(0));
        assert_eq!(key("c2hvcnQ=").unwrap_err(), MasterKeyError::WrongLength(5));
        assert_eq!(key("change-me!").unwrap_err(), MasterKeyError::NotBase64);
        assert_eq!(key(&"A".repeat(43)).unwrap_err(), MasterKeyError::NotRandom);
    }

    #[test]
    fn a_generated_key_survives_the_settings() {
        let key = MasterKey::generate().unwrap();
        let read = MasterKey::parse(&key.to_base64()).unwrap();

        assert_eq!(read.derive("cursors"), key.derive("cursors"));
        assert_eq!(format!("{read:?}"), format!("MasterKey({})", key.id()));
    }

    #[test]
    fn each_purpose_has_a_key_of_its_own_as_hkdf_makes_it() {
        let key = MasterKey::generate().unwrap();
        let prk = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, key.bytes.as_slice());
        let mut expected = [0; 32];
        prk.expand(&[b"agent-server cursors"], hkdf::HKDF_SHA256)
            .unwrap()
            .fill(&mut expected)
            .unwrap();

        assert_eq!(*key.derive("cursors"), expected);
        assert_ne!(*key.derive("cursor"), expected);
    }

    #[test]
    fn a_tag_fits_its_message_and_purpose_only() {
        let key = MasterKey::generate().unwrap();
        let tag = key.mac("cursors").sign(b"page 2");

        assert!(key.mac("cursors").verify(b"page 2", &tag));
        assert!(!key.mac("cursors").verify(b"page 3", &tag));
        assert!(!key.mac("cursors").verify(b"page 2", &tag[..31]));
        assert!(!key.mac("states").verify(b"page 2", &tag));
    }
}

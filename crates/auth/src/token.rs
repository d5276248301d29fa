//! Opaque credentials: typed strings that can be checked without a database.
//!
//! `ags_` + 43 characters + 6 characters: what it is, 32 random bytes, and a CRC-32 of all before
//! it, both in base 62. The prefix lets secret scanners find a leak and stops one kind from being
//! taken for another; the checksum tells a typo or garbage from a token that was revoked. Only
//! letters, digits and one `_`, so no client ever has to escape one.

use std::fmt;

use aws_lc_rs::constant_time;
use aws_lc_rs::digest;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::random;
use crate::random::NoRandomness;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters of 32 bytes in base 62, and of a CRC-32.
const RANDOM_DIGITS: usize = 43;
const CHECKSUM_DIGITS: usize = 6;

/// What an opaque token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// `ags_`: the secret of a client.
    ClientSecret,
    /// `agr_`: a refresh token.
    Refresh,
    /// `agc_`: an authorization code.
    Code,
    /// `agk_`: an API key.
    ApiKey,
    /// `agg_`: manages the registration of one client.
    Registration,
    /// `agb_`: what the browser of a person who signed in holds.
    Session,
}

/// A credential of ours in its only readable form: it is shown once and stored as a [`Digest`].
///
/// Invariant: the text has the prefix of its kind and a right checksum. It is neither printed by
/// `Debug` nor serialised, and wiped when dropped.
#[derive(Debug, Clone)]
pub struct OpaqueToken {
    kind: TokenKind,
    text: SecretString,
}

/// The SHA-256 of a credential, which is what we store.
///
/// Enough for our own tokens, which are random; not for passwords that people choose. It has no
/// `==`: [`Digest::matches`] takes the same time whatever it finds.
#[derive(Clone)]
pub struct Digest([u8; 32]);

/// Why a text is no token of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAToken {
    #[error("it does not begin as our tokens do")]
    Prefix,
    #[error("it is not as long as our tokens are, or has characters that they do not have")]
    Shape,
    #[error("its checksum is wrong: it was cut off or mistyped")]
    Checksum,
}

impl TokenKind {
    pub const ALL: [Self; 6] = [
        Self::ClientSecret,
        Self::Refresh,
        Self::Code,
        Self::ApiKey,
        Self::Registration,
        Self::Session,
    ];

    pub fn prefix(self) -> &'static str {
        match self {
            Self::ClientSecret => "ags_",
            Self::Refresh => "agr_",
            Self::Code => "agc_",
            Self::ApiKey => "agk_",
            Self::Registration => "agg_",
            Self::Session => "agb_",
        }
    }
}

impl OpaqueToken {
    /// A new token that nobody can guess.
    pub fn generate(kind: TokenKind) -> Result<Self, NoRandomness> {
        Ok(Self::from_bytes(kind, &*random::bytes()?))
    }

    /// The token of these bytes, which must be random.
    pub fn from_bytes(kind: TokenKind, bytes: &[u8; 32]) -> Self {
        let mut text = String::with_capacity(kind.prefix().len() + RANDOM_DIGITS + CHECKSUM_DIGITS);
        text.push_str(kind.prefix());
        push_base62(&mut text, bytes, RANDOM_DIGITS);
        push_checksum(&mut text);
        Self { kind, text: text.into() }
    }

    /// Reads a token that somebody presents. Says nothing about whether we ever issued it.
    pub fn parse(text: &str) -> Result<Self, NotAToken> {
        let kind = TokenKind::ALL
            .into_iter()
            .find(|kind| text.starts_with(kind.prefix()))
            .ok_or(NotAToken::Prefix)?;
        let digits = text.get(kind.prefix().len()..).unwrap_or_default();
        let shaped = digits.len() == RANDOM_DIGITS + CHECKSUM_DIGITS
            && digits.bytes().all(|digit| digit.is_ascii_alphanumeric());
        if !shaped {
            return Err(NotAToken::Shape);
        }
        let (random, _) = digits.split_at(RANDOM_DIGITS);
        let mut expected = Zeroizing::new(format!("{}{random}", kind.prefix()));
        push_checksum(&mut expected);
        if *expected != text {
            return Err(NotAToken::Checksum);
        }
        Ok(Self { kind, text: text.into() })
    }

    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    /// The text, for the one answer that shows it.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    pub fn digest(&self) -> Digest {
        Digest::of(self.expose())
    }
}

impl Digest {
    pub fn of(credential: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, credential.as_bytes()).as_ref());
        Self(bytes)
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether this is the digest of `credential`, in constant time.
    pub fn matches(&self, credential: &str) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &Self::of(credential).0).is_ok()
    }

    /// 64 lower-case hexadecimal digits, for a column.
    pub fn to_hex(&self) -> String {
        self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit).collect()
    }

    /// Reads what [`Digest::to_hex`] wrote.
    pub fn from_hex(text: &str) -> Option<Self> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        let bytes: Option<Vec<u8>> = pairs
            .iter()
            .map(|[high, low]| Some((hex_value(*high)? << 4) | hex_value(*low)?))
            .collect();
        bytes?.try_into().ok().map(Self)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

fn hex_digit(value: u8) -> char {
    char::from(if value < 10 { b'0' + value } else { b'a' + value - 10 })
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Appends `bytes`, a big-endian number, as `digits` digits in base 62.
fn push_base62<const N: usize>(text: &mut String, bytes: &[u8; N], digits: usize) {
    let mut number = Zeroizing::new(*bytes);
    let mut reversed = Zeroizing::new(Vec::with_capacity(digits));
    for _ in 0..digits {
        let mut remainder = 0;
        for byte in number.iter_mut() {
            let value = remainder * 256 + u16::from(*byte);
            // Below 256, as the remainder is below 62.
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            remainder = value % 62;
        }
        reversed.push(ALPHABET[usize::from(remainder)]);
    }
    text.extend(reversed.iter().rev().map(|digit| char::from(*digit)));
}

fn push_checksum(text: &mut String) {
    let checksum = crc32fast::hash(text.as_bytes());
    push_base62(text, &checksum.to_be_bytes(), CHECKSUM_DIGITS);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_is_its_prefix_its_bytes_and_a_checksum() {
        let zero = OpaqueToken::from_bytes(TokenKind::ClientSecret, &[0; 32]);
        let most = OpaqueToken::from_bytes(TokenKind::ApiKey, &[255; 32]);

        // Computed elsewhere.
        let zeros = format!("ags_{}xW6Od", "0".repeat(44));
        assert_eq!(zero.expose(), zeros);
        assert_eq!(most.expose(), "agk_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13Q6MTu");
    }

    #[test]
    fn two_generated_tokens_differ_and_are_not_printed() {
        let one = OpaqueToken::generate(TokenKind::Code).unwrap();
        let other = OpaqueToken::generate(TokenKind::Code).unwrap();

        assert_ne!(one.expose(), other.expose());
        assert!(!format!("{one:?}{:?}", one.digest()).contains(one.expose()));
        assert!(!format!("{:?}", one.digest()).contains(&one.digest().to_hex()));
    }

    #[test]
    fn garbage_is_refused_with_its_reason() {
        let token = OpaqueToken::from_bytes(TokenKind::Refresh, &[7; 32]);
        let text = token.expose();

        assert_eq!(OpaqueToken::parse("").unwrap_err(), NotAToken::Prefix);
        assert_eq!(OpaqueToken::parse("eyJhbGciOiJFZERTQSJ9").unwrap_err(), NotAToken::Prefix);
        assert_eq!(OpaqueToken::parse(&text[..52]).unwrap_err(), NotAToken::Shape);
        assert_eq!(OpaqueToken::parse(&format!("{text}0")).unwrap_err(), NotAToken::Shape);
        assert_eq!(OpaqueToken::parse(&format!("{}é", &text[..51])).unwrap_err(), NotAToken::Shape);
        let other_kind = text.replacen("agr_", "agk_", 1);
        assert_eq!(OpaqueToken::parse(&other_kind).unwrap_err(), NotAToken::Checksum);
    }

    #[test]
    fn a_digest_matches_only_its_credential_and_survives_a_column() {
        let digest = Digest::of("abc");

        assert_eq!(
            digest.to_hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let stored = Digest::from_hex(&digest.to_hex()).unwrap();
        assert!(stored.matches("abc"));
        assert!(!stored.matches("abd"));
        for broken in ["", "ba", "zz", &digest.to_hex()[1..], &digest.to_hex().to_uppercase()] {
            assert!(Digest::from_hex(broken).is_none(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn every_token_can_be_read(bytes: [u8; 32], kind in prop::sample::select(&TokenKind::ALL)) {
            let token = OpaqueToken::from_bytes(kind, &bytes);
            let read = OpaqueToken::parse(token.expose()).unwrap();

            prop_assert_eq!(read.kind(), kind);
            prop_assert_eq!(read.expose(), token.expose());
            prop_assert!(token.digest().matches(read.expose()));
        }

        #[test]
        fn one_wrong_character_is_found(
            bytes: [u8; 32], at in 4_usize..53, replacement in prop::sample::select(&ALPHABET[..])
        ) {
            let token = OpaqueToken::from_bytes(TokenKind::ApiKey, &bytes);
            let mut text = token.expose().as_bytes().to_vec();
            prop_assume!(text[at] != replacement);
            text[at] = replacement;

            let refused = OpaqueToken::parse(std::str::from_utf8(&text).unwrap());

            prop_assert_eq!(refused.unwrap_err(), NotAToken::Checksum);
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "(ag[srckgb]_)?.{0,60}") {
            if let Ok(token) = OpaqueToken::parse(&text) {
                prop_assert_eq!(token.expose(), text);
            }
        }

        #[test]
        fn hexadecimal_digits_survive(bytes: [u8; 32]) {
            prop_assert_eq!(Digest::from_hex(&Digest(bytes).to_hex()).unwrap().0, bytes);
        }
    }
}

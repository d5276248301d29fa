//! Proof that who redeems a code is who asked for it (RFC 7636), with S256 only.

use aws_lc_rs::constant_time;
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The SHA-256 of a secret that only the client knows, in base64url.
///
/// Invariant: 43 characters that stand for 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge(String);

/// Characters that a verifier may have.
const VERIFIER: std::ops::RangeInclusive<usize> = 43..=128;

impl Challenge {
    /// That of a secret of ours.
    pub fn of(verifier: &str) -> Self {
        Self(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes())))
    }

    /// Reads a `code_challenge` whose method is S256.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == digest::SHA256_OUTPUT_LEN).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it was made of this `code_verifier`, in constant time.
    pub fn matches(&self, verifier: &str) -> bool {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let shaped = VERIFIER.contains(&verifier.len()) && verifier.bytes().all(unreserved);
        let own = Self::of(verifier);
        constant_time::verify_slices_are_equal(self.0.as_bytes(), own.0.as_bytes()).is_ok()
            && shaped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appendix B of RFC 7636.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_verifier_of_the_rfc_matches_its_challenge_and_no_other_does() {
        let challenge = Challenge::parse(CHALLENGE).unwrap();

        assert!(challenge.matches(VERIFIER));
        for other in ["", CHALLENGE, &VERIFIER[1..], &format!("{VERIFIER}x"), &"a".repeat(43)] {
            assert!(!challenge.matches(other), "{other}");
        }
    }

    #[test]
    fn a_verifier_must_be_long_and_plain() {
        for verifier in
            ["short".to_owned(), "a".repeat(42), "a".repeat(129), format!("{}é", "a".repeat(43))]
        {
            let digest = digest::digest(&digest::SHA256, verifier.as_bytes());
            let challenge = Challenge::parse(&URL_SAFE_NO_PAD.encode(digest)).unwrap();
            assert!(!challenge.matches(&verifier), "{verifier}");
        }
    }

    #[test]
    fn what_is_no_sha_256_is_no_challenge() {
        for text in [
            "",
            VERIFIER.get(..42).unwrap(),
            &format!("{CHALLENGE}="),
            &"a".repeat(44),
            "+/9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c",
        ] {
            assert_eq!(Challenge::parse(text), None, "{text}");
        }
    }
}

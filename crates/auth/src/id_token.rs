//! ID tokens: who somebody is, as another server says (`OpenID` Connect Core 1.0, section 3.1.3.7).

use std::fmt;

use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;

use crate::client_keys::ClientKeys;
use crate::foreign::Audience;
use crate::foreign::Foreign;

/// What its header may say it is; never what access tokens or others of that server say.
const TYPES: [&str; 1] = ["jwt"];
/// So many seconds of difference are forgiven between that server's clock and ours.
const LEEWAY: u64 = 60;
/// A token was made for this sign-in so many seconds ago at most.
const OLDEST: u64 = 600;
/// The longest subject, by the specification.
const MAX_SUBJECT: usize = 255;
/// Groups that are read at most.
const MAX_GROUPS: usize = 1_000;

/// What one sign-in demands of its token.
#[derive(Debug, Clone, Copy)]
pub struct Profile<'a> {
    pub issuer: &'a str,
    /// Who we are there.
    pub client_id: &'a str,
    /// What was sent along, and no other sign-in has.
    pub nonce: &'a str,
}

/// An ID token whose signature nobody has checked yet.
pub struct IdToken(Foreign<Claims>);

/// Somebody, as the other server knows him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// It names him there, and nobody else, ever.
    pub subject: String,
    /// An address that the other server has checked.
    pub email: Option<String>,
    pub name: Option<String>,
    /// A name that he may have chosen himself.
    pub username: Option<String>,
    more: Map<String, Value>,
}

/// Why a token says nothing. The text repeats nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    #[error("the ID token is not a signed JWT with iss, sub, aud, exp and iat")]
    Malformed,
    #[error("the ID token is of another issuer")]
    WrongIssuer,
    #[error("the ID token is for another client")]
    WrongAudience,
    #[error("the ID token is of another sign-in")]
    WrongNonce,
    #[error("the ID token is over, not begun, or was made long ago")]
    WrongTime,
    #[error("no key of the issuer has signed the ID token")]
    BadSignature,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: u64,
    iat: u64,
    nbf: Option<u64>,
    nonce: Option<String>,
    azp: Option<String>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl IdToken {
    pub fn parse(text: &str) -> Result<Self, IdTokenError> {
        let parsed = Foreign::<Claims>::parse(text, &TYPES).ok_or(IdTokenError::Malformed)?;
        let fits = |sub: &str| {
            (1..=MAX_SUBJECT).contains(&sub.chars().count()) && !sub.chars().any(char::is_control)
        };
        if fits(&parsed.claims.sub) { Ok(Self(parsed)) } else { Err(IdTokenError::Malformed) }
    }

    /// Who signed in, if all that `profile` demands is true at `now`, in seconds since 1970.
    pub fn verify(
        self,
        keys: &ClientKeys,
        profile: Profile<'_>,
        now: u64,
    ) -> Result<Identity, IdTokenError> {
        let Claims { iss, aud, exp, iat, nbf, nonce, azp, .. } = &self.0.claims;
        if iss != profile.issuer {
            return Err(IdTokenError::WrongIssuer);
        }
        // Where others are meant, too, it must say that it was made for us.
        let is_ours = match azp {
            Some(azp) => azp == profile.client_id && aud.has(profile.client_id),
            None => aud.is_only(profile.client_id),
        };
        if !is_ours {
            return Err(IdTokenError::WrongAudience);
        }
        if nonce.as_deref() != Some(profile.nonce) {
            return Err(IdTokenError::WrongNonce);
        }
        let has_begun = (*iat).max(nbf.unwrap_or_default()) <= now.saturating_add(LEEWAY);
        let is_over = exp.saturating_add(LEEWAY) <= now;
        let is_old = iat.saturating_add(OLDEST) < now;
        if !has_begun || is_over || is_old {
            return Err(IdTokenError::WrongTime);
        }
        if !self.0.is_signed_by(keys) {
            return Err(IdTokenError::BadSignature);
        }
        Ok(Identity::of(self.0.claims))
    }
}

impl Identity {
    fn of(claims: Claims) -> Self {
        let text = |name: &str| {
            let text = claims.more.get(name).and_then(Value::as_str)?.trim();
            let fits = !text.is_empty() && !text.chars().any(char::is_control);
            fits.then(|| text.to_owned())
        };
        let is_checked = claims.more.get("email_verified") == Some(&Value::Bool(true));
        Self {
            email: text("email").filter(|_| is_checked),
            name: text("name"),
            username: text("preferred_username"),
            subject: claims.sub,
            more: claims.more,
        }
    }

    /// The groups that stand in a claim: a list of texts, or one text.
    pub fn groups(&self, claim: &str) -> Vec<&str> {
        match self.more.get(claim) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => {
                many.iter().filter_map(Value::as_str).take(MAX_GROUPS).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl fmt::Debug for IdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdToken({})", self.0.claims.iss)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::Ed25519KeyPair;
    use aws_lc_rs::signature::KeyPair;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_795_600_000;
    const PROFILE: Profile<'static> =
        Profile { issuer: "https://id.example/", client_id: "agents", nonce: "n-1" };

    fn pair(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    fn keys() -> ClientKeys {
        let x = encode(pair(7).public_key());
        let set =
            json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "1", "alg": "EdDSA"}]});
        ClientKeys::parse(set.to_string().as_bytes()).unwrap()
    }

    fn encode(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn signed(header: &Value, claims: &Value, by: &Ed25519KeyPair) -> String {
        let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        format!("{message}.{}", encode(by.sign(message.as_bytes())))
    }

    fn header() -> Value {
        json!({"alg": "EdDSA", "kid": "1", "typ": "JWT"})
    }

    fn claims(change: &Value) -> Value {
        let mut claims = json!({
            "iss": PROFILE.issuer, "sub": "248289761001", "aud": "agents", "nonce": "n-1", "iat": NOW, "exp": NOW + 300,
            "email": "maria@fjord.example", "email_verified": true, "name": "Maria Koski", "groups": ["staff", 7, "agents"],
        });
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        claims
    }

    fn verify(text: &str) -> Result<Identity, IdTokenError> {
        IdToken::parse(text)?.verify(&keys(), PROFILE, NOW)
    }

    fn changed(change: Value) -> Result<Identity, IdTokenError> {
        verify(&signed(&header(), &claims(&change), &pair(7)))
    }

    #[test]
    fn a_good_token_says_who_somebody_is() {
        let identity = changed(json!({})).unwrap();

        assert_eq!(
            (identity.subject.as_str(), identity.email.as_deref()),
            ("248289761001", Some("maria@fjord.example"))
        );
        assert_eq!(
            (identity.groups("groups"), identity.groups("name")),
            (vec!["staff", "agents"], vec!["Maria Koski"])
        );
        assert!(identity.groups("roles").is_empty());
    }

    #[test]
    fn an_address_that_nobody_checked_is_none() {
        for checked in [json!(false), json!("true"), json!(1), json!(null)] {
            assert_eq!(
                changed(json!({"email_verified": checked})).unwrap().email,
                None,
                "{checked}"
            );
        }
    }

    #[test]
    fn a_token_is_of_its_issuer_for_us_and_for_this_sign_in() {
        use IdTokenError as E;
        for (change, expected) in [
            (json!({"iss": "https://id.example"}), E::WrongIssuer),
            (json!({"iss": "https://id.example/x"}), E::WrongIssuer),
            (json!({"iss": [PROFILE.issuer]}), E::Malformed),
            (json!({"aud": "other"}), E::WrongAudience),
            (json!({"aud": []}), E::WrongAudience),
            (json!({"aud": ["agents", "other"]}), E::WrongAudience),
            (json!({"aud": "other", "azp": "agents"}), E::WrongAudience),
            (json!({"azp": "other"}), E::WrongAudience),
            (json!({"aud": 7}), E::Malformed),
            (json!({"nonce": "n-2"}), E::WrongNonce),
            (json!({"nonce": null}), E::WrongNonce),
            (json!({"exp": NOW - 60}), E::WrongTime),
            (json!({"iat": NOW + 61}), E::WrongTime),
            (json!({"nbf": NOW + 61}), E::WrongTime),
            (json!({"iat": NOW - 601}), E::WrongTime),
            (json!({"exp": "never"}), E::Malformed),
            (json!({"sub": ""}), E::Malformed),
            (json!({"sub": "a\nb"}), E::Malformed),
            (json!({"sub": "x".repeat(256)}), E::Malformed),
            (json!({"sub": 7}), E::Malformed),
        ] {
            assert_eq!(changed(change.clone()), Err(expected), "{change}");
        }
        for good in [
            json!({"aud": ["agents"]}),
            json!({"aud": ["agents", "other"], "azp": "agents"}),
            json!({"exp": NOW - 59}),
        ] {
            assert!(changed(good.clone()).is_ok(), "{good}");
        }
    }

    #[test]
    fn no_other_key_algorithm_or_kind_of_token_does() {
        let claims = claims(&json!({}));
        let other = signed(&header(), &claims, &pair(8));
        assert_eq!(verify(&other), Err(IdTokenError::BadSignature));
        for header in [
            json!({"alg": "none"}),
            json!({"alg": "HS256", "kid": "1"}),
            json!({"alg": "ES256", "kid": "1"}),
            json!({"alg": "EdDSA", "kid": "2"}),
            json!({"alg": "EdDSA", "kid": "1", "typ": "at+jwt"}),
            json!({"alg": "EdDSA", "kid": "1", "typ": "logout+jwt"}),
            json!({"alg": "EdDSA", "kid": "1", "crit": ["x"]}),
            json!({"alg": "EdDSA", "kid": {"x": 1}}),
            json!([]),
        ] {
            assert!(verify(&signed(&header, &claims, &pair(7))).is_err(), "{header}");
        }
        let good = signed(&header(), &claims, &pair(7));
        let (message, _) = good.rsplit_once('.').unwrap();
        for text in [
            "",
            ".",
            "..",
            "a.b",
            "a.b.c",
            &format!("{message}."),
            &format!("{good}."),
            &format!("{good}="),
        ] {
            assert!(verify(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_token_never_says_anything(at in any::<prop::sample::Index>(), by in 1u8..) {
            let mut bytes = signed(&header(), &claims(&json!({})), &pair(7)).into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = bytes[at].wrapping_add(by);
            if let Ok(text) = String::from_utf8(bytes) {
                prop_assert!(verify(&text).is_err());
            }
        }
    }
}

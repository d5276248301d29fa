//! What proves a client, and all that does not.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::Ed25519KeyPair;
use aws_lc_rs::signature::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::client_keys::ClientKeysError;

const ISSUER: &str = "https://agents.example";
const NOW: u64 = 1_795_600_000;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

struct Signer {
    jwk: Value,
    sign: Sign,
}

fn ed25519() -> Signer {
    let pair = Ed25519KeyPair::generate().unwrap();
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": b64(pair.public_key())});
    Signer { jwk, sign: Box::new(move |message| pair.sign(message).as_ref().to_vec()) }
}

fn es256() -> Signer {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    let (x, y) = (b64(&point[1..33]), b64(&point[33..]));
    let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "a", "x": x, "y": y, "alg": "ES256", "use": "sig"});
    let sign =
        move |message: &[u8]| pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
    Signer { jwk, sign: Box::new(sign) }
}

fn rs256() -> Signer {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = pair.public_key();
    let n = b64(public.modulus().big_endian_without_leading_zero());
    let e = b64(public.exponent().big_endian_without_leading_zero());
    let jwk = json!({"kty": "RSA", "kid": "a", "n": n, "e": e});
    let sign = move |message: &[u8]| {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    };
    Signer { jwk, sign: Box::new(sign) }
}

impl Signer {
    fn keys(&self) -> ClientKeys {
        key_set(json!([self.jwk])).unwrap()
    }

    fn assert(&self, header: Value, claims: Value) -> String {
        let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        format!("{message}.{}", b64((self.sign)(message.as_bytes())))
    }
}

fn key_set(keys: Value) -> Result<ClientKeys, ClientKeysError> {
    ClientKeys::parse(json!({"keys": keys}).to_string().as_bytes())
}

fn claims() -> Value {
    json!({"iss": "shop", "sub": "shop", "aud": ISSUER, "iat": NOW, "exp": NOW + 60, "jti": "1"})
}

fn with(mut object: Value, member: &str, value: Value) -> Value {
    object[member] = value;
    object
}

fn verify(text: &str, keys: &ClientKeys) -> Result<Proof, AssertionError> {
    Assertion::parse(text)?.verify(keys, ISSUER, NOW)
}

#[test]
fn each_kind_of_key_proves_its_client() {
    for (alg, signer) in
        [("EdDSA", ed25519()), ("Ed25519", ed25519()), ("ES256", es256()), ("RS256", rs256())]
    {
        for header in [
            json!({"alg": alg}),
            json!({"alg": alg, "kid": "a", "typ": "JWT"}),
            json!({"alg": alg, "kid": "a", "typ": "client-authentication+jwt"}),
        ] {
            let text = signer.assert(header, claims());
            let proof = Proof { jti: "1".to_owned(), until: NOW + 60 + LEEWAY };
            assert_eq!(verify(&text, &signer.keys()), Ok(proof), "{alg}");
            assert_eq!(Assertion::parse(&text).unwrap().client_id(), "shop");
        }
    }
}

#[test]
fn no_other_key_or_algorithm_does() {
    let (signer, other) = (es256(), es256());
    let keys = signer.keys();
    let bad = Err(AssertionError::BadSignature);
    for header in [
        json!({"alg": "ES256", "kid": "b"}),
        json!({"alg": "EdDSA", "kid": "a"}),
        json!({"alg": "none"}),
        json!({"alg": "HS256", "kid": "a"}),
        json!({"alg": "es256"}),
    ] {
        assert_eq!(verify(&signer.assert(header.clone(), claims()), &keys), bad, "{header}");
    }
    for header in [json!({"alg": "ES256", "kid": "a"}), json!({"alg": "ES256", "jwk": other.jwk})] {
        assert_eq!(verify(&other.assert(header, claims()), &keys), bad);
    }
    let good = signer.assert(json!({"alg": "ES256"}), claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    assert_eq!(verify(&format!("{message}."), &keys), bad);
    let changed = signer.assert(json!({"alg": "ES256"}), with(claims(), "jti", json!("2")));
    let (message, _) = changed.rsplit_once('.').unwrap();
    assert_eq!(verify(&format!("{message}.{signature}"), &keys), bad);
}

#[test]
fn the_issuer_is_the_only_audience() {
    let signer = ed25519();
    let of = |aud: Value| {
        verify(&signer.assert(json!({"alg": "EdDSA"}), with(claims(), "aud", aud)), &signer.keys())
    };

    assert!(of(json!([ISSUER])).is_ok());
    for aud in [
        json!("https://agents.example/oauth/token"),
        json!("https://agents.example/"),
        json!("https://agents.example.evil.example"),
        json!([ISSUER, "https://evil.example"]),
        json!([ISSUER, ISSUER]),
        json!([]),
        json!(""),
    ] {
        assert_eq!(of(aud.clone()), Err(AssertionError::WrongAudience), "{aud}");
    }
}

#[test]
fn an_assertion_is_short_lived_and_of_now() {
    let signer = ed25519();
    let of = |member: &str, value: u64| {
        let claims = with(claims(), member, json!(value));
        verify(&signer.assert(json!({"alg": "EdDSA"}), claims), &signer.keys()).is_ok()
    };

    assert!(of("exp", NOW - LEEWAY + 1) && !of("exp", NOW - LEEWAY));
    assert!(of("exp", NOW + LONGEST + LEEWAY) && !of("exp", NOW + LONGEST + LEEWAY + 1));
    assert!(of("nbf", NOW + LEEWAY) && !of("nbf", NOW + LEEWAY + 1));
    assert!(of("iat", NOW + LEEWAY) && !of("iat", NOW + LEEWAY + 1));
    assert!(!of("exp", u64::MAX) && !of("iat", u64::MAX));
}

#[test]
fn what_is_no_assertion_is_refused() {
    let signer = ed25519();
    let header = json!({"alg": "EdDSA"});
    let texts = ["", "x", "a.b.c", "....", "{}"].map(str::to_owned);
    let mut all: Vec<String> = texts.into();
    for member in ["iss", "sub", "aud", "exp", "jti"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(member);
        all.push(signer.assert(header.clone(), claims));
    }
    for (member, value) in [
        ("exp", json!("9999999999")),
        ("exp", json!(-1)),
        ("aud", json!(5)),
        ("iss", json!(["shop"])),
        ("jti", json!("")),
        ("jti", json!("j".repeat(257))),
        ("jti", json!(1)),
    ] {
        all.push(signer.assert(header.clone(), with(claims(), member, value)));
    }
    for header in [
        json!({"alg": "EdDSA", "typ": "at+jwt"}),
        json!({"alg": "EdDSA", "crit": ["x"]}),
        json!({"alg": "EdDSA", "kid": 5}),
        json!({"alg": ["EdDSA"]}),
        json!({}),
        json!([]),
    ] {
        all.push(signer.assert(header, claims()));
    }
    all.push(format!("{}=", signer.assert(header.clone(), claims())));
    for text in all {
        assert_eq!(verify(&text, &signer.keys()), Err(AssertionError::Malformed), "{text}");
    }
    let other = signer.assert(header, with(claims(), "iss", json!("desk")));
    assert_eq!(verify(&other, &signer.keys()), Err(AssertionError::WrongClient));
}

#[test]
fn a_key_set_has_public_keys_that_can_be_used() {
    let (ed, ec, rsa) = (ed25519().jwk, es256().jwk, rs256().jwk);
    let refusal = |keys: Value| key_set(keys).unwrap_err();

    let all =
        key_set(json!([ed, ec, rsa, {"kty": "future"}, {"kty": "EC", "crv": "P-521"}])).unwrap();
    assert_eq!(
        format!("{all:?}"),
        r#"[(EdDSA, Some("a")), (ES256, Some("a")), (RS256, Some("a"))]"#
    );
    for private in ["d", "k", "p"] {
        let both = json!([ec, with(ed.clone(), private, json!("AA"))]);
        assert_eq!(refusal(both), ClientKeysError::Private, "{private}");
    }
    for unusable in [
        with(ed.clone(), "x", json!("AA")),
        with(ec.clone(), "y", ec["x"].clone()),
        with(ec.clone(), "alg", json!("ES384")),
        with(ec.clone(), "use", json!("enc")),
        with(ec.clone(), "kid", json!(5)),
        with(rsa.clone(), "n", json!("AQAB")),
        with(rsa, "alg", json!("PS256")),
        json!({}),
    ] {
        assert_eq!(refusal(json!([unusable])), ClientKeysError::NoneUsable, "{unusable}");
    }
    assert_eq!(refusal(json!([])), ClientKeysError::NoneUsable);
    assert_eq!(refusal(json!(vec![ed; 21])), ClientKeysError::TooLarge);
    for text in [
        "",
        "[]",
        "null",
        "{}",
        r#"{"keys": {}}"#,
        r#"{"keys": [1]}"#,
        r#"{"keys": [], "keys": []}"#,
    ] {
        assert_eq!(
            ClientKeys::parse(text.as_bytes()).unwrap_err(),
            ClientKeysError::NotAKeySet,
            "{text}"
        );
    }
    let long = vec![b' '; crate::client_keys::MAX_KEY_SET + 1];
    assert_eq!(ClientKeys::parse(&long).unwrap_err(), ClientKeysError::TooLarge);
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in ".{0,80}", bytes: Vec<u8>) {
        let signer = ed25519();
        prop_assert!(verify(&text, &signer.keys()).is_err());
        let wrapped = format!("{}.{}.{}", b64(&bytes), b64(&bytes), b64(&bytes));
        prop_assert!(verify(&wrapped, &signer.keys()).is_err());
        prop_assert!(ClientKeys::parse(&bytes).is_err());
    }
}

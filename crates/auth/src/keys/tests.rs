//! Tokens as attackers make them, and as only we could.

use aws_lc_rs::hmac;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::claims::Actor;
use crate::claims::tests::ISSUER;
use crate::claims::tests::NOW;
use crate::claims::tests::claims;
use crate::claims::tests::profile;

/// The server's key pair, and an attacker's.
struct Fixture {
    key: PrivateJwk,
    keys: KeySet,
    evil: PrivateJwk,
}

fn fixture() -> Fixture {
    let key = PrivateJwk::generate().unwrap();
    let keys = KeySet::new(SigningKey::new(&key).unwrap(), []).unwrap();
    Fixture { key, keys, evil: PrivateJwk::generate().unwrap() }
}

fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A JWS of anything, signed with the private half of `key`.
fn jws(key: &PrivateJwk, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    let pair = Ed25519KeyPair::from_seed_and_public_key(key.seed(), key.public().bytes()).unwrap();
    let message = format!("{}.{}", encode(header), encode(payload));
    format!("{message}.{}", encode(pair.sign(message.as_bytes())))
}

impl Fixture {
    fn token(&self) -> String {
        self.keys.active().sign(&claims()).unwrap()
    }

    fn header(&self) -> Value {
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": self.key.public().kid()})
    }

    fn refusal(&self, token: &str) -> TokenError {
        self.keys.verify(token, &profile(), NOW).unwrap_err()
    }

    /// Why a token with this header is refused, though the real key signed it.
    fn refused_header(&self, header: &Value) -> TokenError {
        let payload = serde_json::to_vec(&claims()).unwrap();
        self.refusal(&jws(&self.key, header.to_string(), payload))
    }

    /// Why a token with one claim changed, or taken out, is refused, though the real key signed it.
    fn refused_claim(&self, name: &str, value: Option<Value>) -> TokenError {
        let mut payload = serde_json::to_value(claims()).unwrap();
        let members = payload.as_object_mut().unwrap();
        members.remove(name);
        members.extend(value.map(|value| (name.to_owned(), value)));
        self.refusal(&jws(&self.key, self.header().to_string(), payload.to_string()))
    }
}

#[test]
fn a_token_says_what_was_signed_into_it() {
    let fixture = fixture();
    let actor = Actor { sub: "client:desk".to_owned(), act: None };
    let claims = AccessClaims { act: Some(Box::new(actor)), ..claims() };

    let token = fixture.keys.active().sign(&claims).unwrap();

    assert_eq!(fixture.keys.verify(&token, &profile(), NOW).unwrap(), claims);
}

#[test]
fn a_token_is_written_as_rfc_9068_wants_it() {
    let fixture = fixture();
    let token = fixture.token();
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());

    let header: Value = serde_json::from_slice(&parts.next().unwrap()).unwrap();
    let payload = String::from_utf8(parts.next().unwrap()).unwrap();

    assert_eq!(header, fixture.header());
    assert_eq!(
        payload,
        r#"{"iss":"https://agents.example","sub":"client:shop","aud":"https://agents.example","exp":1795600600,"iat":1795600000,"jti":"0199aa","client_id":"shop","scope":"agent.read agent.execute","tenant":"default"}"#
    );
}

#[test]
fn a_token_that_another_library_would_write_is_accepted() {
    let fixture = fixture();
    let header = serde_json::to_string_pretty(&fixture.header()).unwrap();
    let payload = serde_json::to_string_pretty(&claims()).unwrap();

    let token =
        jws(&fixture.key, header, payload.replacen('{', r#"{"nbf": 1, "custom": [{}], "#, 1));

    let verified = fixture.keys.verify(&token, &profile(), NOW).unwrap();
    assert_eq!(verified, AccessClaims { nbf: Some(1), ..claims() });
}

#[test]
fn a_published_key_verifies_and_does_not_sign() {
    let (old, new) = (PrivateJwk::generate().unwrap(), PrivateJwk::generate().unwrap());
    let before = KeySet::new(SigningKey::new(&old).unwrap(), []).unwrap();
    let after = KeySet::new(SigningKey::new(&new).unwrap(), [old.public().clone()]).unwrap();
    let only_new = KeySet::new(SigningKey::new(&new).unwrap(), []).unwrap();

    let token = before.active().sign(&claims()).unwrap();

    assert!(after.verify(&token, &profile(), NOW).is_ok());
    assert_eq!(only_new.verify(&token, &profile(), NOW), Err(TokenError::UnknownKey));
    let jwks: Value = serde_json::from_str(&after.jwks().unwrap()).unwrap();
    let kids: Vec<_> = jwks["keys"].as_array().unwrap().iter().map(|key| &key["kid"]).collect();
    assert_eq!(kids, [new.public().kid(), old.public().kid()]);
    assert_eq!(jwks["keys"][0].get("d"), None);
}

#[test]
fn one_name_is_for_one_key() {
    let named = |key: &PrivateJwk| {
        let x = encode(key.public().bytes());
        PublicJwk::parse(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","kid":"main"}}"#))
            .unwrap()
    };
    let (one, other) = (PrivateJwk::generate().unwrap(), PrivateJwk::generate().unwrap());
    let set = |others: Vec<PublicJwk>| KeySet::new(SigningKey::new(&one).unwrap(), others);

    assert!(set(vec![one.public().clone(), named(&one), named(&one)]).is_ok());
    let taken = set(vec![named(&one), named(&other)]).unwrap_err();
    assert_eq!(taken, KeyError::KidTaken("main".to_owned()));
}

#[test]
fn no_token_is_issued_that_we_would_not_read() {
    let claims = AccessClaims { sub: "x".repeat(MAX_TOKEN), ..claims() };

    assert!(matches!(fixture().keys.active().sign(&claims), Err(SignError::TooLong)));
}

#[test]
fn the_most_scopes_fit_into_a_token() {
    let scope = (0..100).map(|i| format!("a.{i:0>98}")).collect::<Vec<_>>().join(" ");
    let claims = AccessClaims { scope: scope.parse().unwrap(), ..claims() };
    let fixture = fixture();

    let token = fixture.keys.active().sign(&claims).unwrap();

    assert_eq!(fixture.keys.verify(&token, &profile(), NOW).unwrap(), claims);
}

#[test]
fn garbage_is_no_token() {
    let fixture = fixture();
    for token in ["", "x", ".", "..", "....", "null", "Bearer", "\u{1}", "é", "eyJhbGciOiJub25lIn0"]
    {
        let error = fixture.refusal(token);
        assert!(matches!(error, TokenError::Malformed | TokenError::BadHeader(_)), "{token}");
    }
    assert_eq!(fixture.refusal(&format!("a.{}.c", "b".repeat(MAX_TOKEN))), TokenError::TooLong);
}

#[test]
fn no_other_algorithm_is_known_whoever_signs() {
    let fixture = fixture();
    let mut header = fixture.header();
    for alg in ["none", "None", "NONE", "nOnE", "", "HS256", "RS256", "ES256", "Ed25519", "eddsa"] {
        header["alg"] = json!(alg);
        assert_eq!(fixture.refused_header(&header), TokenError::WrongAlgorithm, "{alg}");
    }
    header["alg"] = Value::Null;
    assert!(matches!(fixture.refused_header(&header), TokenError::BadHeader(_)));
}

#[test]
fn our_public_key_is_no_shared_secret() {
    let fixture = fixture();
    let public = fixture.key.public();
    let secrets = [
        public.bytes().to_vec(),
        encode(public.bytes()).into_bytes(),
        serde_json::to_vec(public).unwrap(),
        fixture.keys.jwks().unwrap().into_bytes(),
        Vec::new(),
    ];
    for (secret, alg) in secrets.iter().flat_map(|secret| [(secret, "HS256"), (secret, "EdDSA")]) {
        let mut header = fixture.header();
        header["alg"] = json!(alg);
        let message = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(serde_json::to_vec(&claims()).unwrap())
        );
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());

        let error = fixture.refusal(&format!("{message}.{}", encode(tag)));

        assert!(matches!(error, TokenError::WrongAlgorithm | TokenError::BadSignature), "{alg}");
    }
}

#[test]
fn a_token_without_a_signature_or_with_a_made_up_one_is_refused() {
    let fixture = fixture();
    let token = fixture.token();
    let (message, signature) = token.rsplit_once('.').unwrap();

    assert!(matches!(fixture.refusal(message), TokenError::Malformed | TokenError::BadHeader(_)));
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    for signature in [&[][..], &[0; 64], &[255; 64], &bytes[..63], &[&bytes[..], &[0]].concat()] {
        let forged = format!("{message}.{}", encode(signature));
        assert_eq!(fixture.refusal(&forged), TokenError::BadSignature);
    }
}

#[test]
fn a_strangers_key_is_not_believed_however_it_is_offered() {
    let fixture = fixture();
    let payload = serde_json::to_vec(&claims()).unwrap();
    let forged =
        |header: &Value| fixture.refusal(&jws(&fixture.evil, header.to_string(), &payload));

    assert_eq!(forged(&fixture.header()), TokenError::BadSignature);
    let mut own = fixture.header();
    own["kid"] = json!(fixture.evil.public().kid());
    assert_eq!(forged(&own), TokenError::UnknownKey);
    for (name, value) in [
        ("jwk", json!(fixture.evil.public())),
        ("x5c", json!(["eA=="])),
        ("jku", json!("http://127.0.0.1:9/jwks.json")),
        ("x5u", json!("http://127.0.0.1:9/c.pem")),
    ] {
        let mut header = fixture.header();
        header[name] = value;
        assert!(matches!(forged(&header), TokenError::BadHeader(_)), "{name}");
    }
}

#[test]
fn a_kid_is_a_name_in_our_set_and_nothing_else() {
    let fixture = fixture();
    let mut header = fixture.header();
    for kid in [
        "",
        "../../../../dev/null",
        "/dev/null",
        "' OR '1'='1",
        "\0",
        "https://evil.example/k",
        &"k".repeat(5000),
    ] {
        header["kid"] = json!(kid);
        assert_eq!(fixture.refused_header(&header), TokenError::UnknownKey, "{kid:.20}");
    }
    for kid in [json!(5), Value::Null, json!(["a"]), json!({"a": 1}), json!(true)] {
        header["kid"] = kid;
        assert!(matches!(fixture.refused_header(&header), TokenError::BadHeader(_)));
    }
    header.as_object_mut().unwrap().remove("kid");
    assert!(matches!(fixture.refused_header(&header), TokenError::BadHeader(_)));
}

#[test]
fn only_access_tokens_are_access_tokens() {
    let fixture = fixture();
    let mut header = fixture.header();
    for typ in ["JWT", "logout+jwt", "AT+JWT", "application/at+jwt", ""] {
        header["typ"] = json!(typ);
        assert_eq!(fixture.refused_header(&header), TokenError::WrongType, "{typ}");
    }
    header.as_object_mut().unwrap().remove("typ");
    assert!(matches!(fixture.refused_header(&header), TokenError::BadHeader(_)));
}

#[test]
fn no_extension_of_the_header_is_understood() {
    let fixture = fixture();
    for (name, value) in [
        ("crit", json!(["x-nope"])),
        ("crit", json!([])),
        ("crit", Value::Null),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
    ] {
        let mut header = fixture.header();
        header[name] = value;
        assert!(matches!(fixture.refused_header(&header), TokenError::BadHeader(_)), "{name}");
    }
    let list = json!(["EdDSA", "at+jwt", fixture.key.public().kid()]);
    assert!(matches!(fixture.refused_header(&list), TokenError::BadHeader(_)));
}

#[test]
fn duplicate_members_are_refused() {
    let fixture = fixture();
    let header = fixture.header().to_string();
    let payload = serde_json::to_string(&claims()).unwrap();

    let twice = header.replacen('{', r#"{"alg":"none","#, 1);
    assert!(matches!(
        fixture.refusal(&jws(&fixture.key, twice, &payload)),
        TokenError::BadHeader(_)
    ));
    let twice = payload.replacen('{', r#"{"sub":"client:root","#, 1);
    assert!(matches!(fixture.refusal(&jws(&fixture.key, header, twice)), TokenError::BadClaims(_)));
}

#[test]
fn there_is_one_spelling_of_a_token() {
    let fixture = fixture();
    let token = fixture.token();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();

    for variant in [
        format!("{token}=="),
        format!("{token}AA"),
        format!("{token}.x"),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{header}=.{payload}.{signature}"),
        format!("{message}.{}", base64::engine::general_purpose::STANDARD.encode(&bytes)),
        json!({"payload": payload, "protected": header, "signature": signature}).to_string(),
    ] {
        assert!(fixture.keys.verify(&variant, &profile(), NOW).is_err(), "{variant}");
    }
    // 64 bytes leave four spare bits in the last character.
    let last = token.chars().last().unwrap();
    let spare = ('A'..='Z').chain('a'..='z').chain('0'..='9').filter(|c| *c != last);
    for other in spare {
        let variant = format!("{}{other}", &token[..token.len() - 1]);
        assert!(fixture.keys.verify(&variant, &profile(), NOW).is_err(), "{variant}");
    }
}

#[test]
fn every_claim_is_there_and_of_its_type() {
    let fixture = fixture();
    for name in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "tenant"] {
        for value in [None, Some(Value::Null), Some(json!({})), Some(json!(true))] {
            let error = fixture.refused_claim(name, value);
            assert!(matches!(error, TokenError::BadClaims(_)), "{name}: {error}");
        }
    }
    for (name, value) in [
        ("exp", json!("9999999999")),
        ("exp", json!(-1)),
        ("exp", json!(9_999_999_999.5)),
        ("nbf", json!("1")),
        ("iss", json!([ISSUER])),
        ("aud", json!([ISSUER])),
        ("aud", json!(123)),
        ("scope", json!(["admin.read"])),
        ("scope", json!("admin.everything")),
        ("act", json!("client:root")),
    ] {
        let error = fixture.refused_claim(name, Some(value));
        assert!(matches!(error, TokenError::BadClaims(_)), "{name}: {error}");
    }
    let list = jws(&fixture.key, fixture.header().to_string(), r#"["https://agents.example"]"#);
    assert!(matches!(fixture.refusal(&list), TokenError::BadClaims(_)));
}

#[test]
fn the_real_key_does_not_excuse_a_wrong_claim() {
    let fixture = fixture();
    for (name, value, reason) in [
        ("exp", json!(NOW - 300), TokenError::Expired { ago: 300 }),
        ("nbf", json!(NOW + 3600), TokenError::NotYetValid { ahead: 3600 }),
        ("iat", json!(NOW + 3600), TokenError::NotYetValid { ahead: 3600 }),
        ("iss", json!("https://evil.example"), TokenError::WrongIssuer),
        ("iss", json!(format!("{ISSUER}/x")), TokenError::WrongIssuer),
        ("aud", json!(format!("{ISSUER}.evil.example")), TokenError::WrongAudience),
        ("aud", json!(format!("{ISSUER}/mcp")), TokenError::WrongAudience),
    ] {
        assert_eq!(fixture.refused_claim(name, Some(value)), reason, "{name}");
    }
}

#[test]
fn a_refusal_repeats_nothing_of_the_token() {
    let error = fixture().refused_claim("exp", Some(json!("hunter2")));

    assert!(!error.to_string().contains("hunter2"));
}

/// Mutants are made of one token; making a key for each would only be slow.
fn shared() -> &'static (KeySet, String) {
    static SHARED: std::sync::OnceLock<(KeySet, String)> = std::sync::OnceLock::new();
    SHARED.get_or_init(|| {
        let Fixture { keys, .. } = fixture();
        let token = keys.active().sign(&claims()).unwrap();
        (keys, token)
    })
}

/// The same with its keys.
fn mutants() -> &'static Fixture {
    static MUTANTS: std::sync::OnceLock<Fixture> = std::sync::OnceLock::new();
    MUTANTS.get_or_init(fixture)
}

fn claim_name() -> impl Strategy<Value = String> {
    "iss|sub|aud|exp|iat|nbf|jti|client_id|scope|tenant|grant_id|registration_id|act|cnf"
}

fn header_name() -> impl Strategy<Value = String> {
    "alg|typ|kid|crit|b64|jwk|jku|x5c|x5u|cty|enc"
}

/// A JSON value of any kind, often one that comes near to what is right.
fn anything() -> impl Strategy<Value = Value> {
    let near = [
        json!(ISSUER),
        json!([ISSUER]),
        json!("https://agents.example/"),
        json!(NOW),
        json!(NOW + 600),
        json!(NOW - 600),
        json!(-1),
        json!(1e300),
        json!("EdDSA"),
        json!("none"),
        json!("at+jwt"),
        json!("jwt"),
        json!("agent.read"),
        json!(" agent.read  run.read "),
        json!(" "),
        json!(null),
        json!(true),
        json!({"sub": "client:x"}),
        json!({}),
        json!([]),
        json!("\u{0}"),
    ];
    prop_oneof![
        prop::sample::select(near.to_vec()),
        ".{0,20}".prop_map(Value::from),
        any::<u64>().prop_map(Value::from)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_changed_token_never_verifies(
        changes in prop::collection::vec((any::<prop::sample::Index>(), "[A-Za-z0-9_.=-]"), 1..4)
    ) {
        let (keys, token) = shared();
        let mut mutant = token.clone();
        for (at, with) in changes {
            let at = at.index(mutant.len());
            mutant.replace_range(at..=at, &with);
        }
        prop_assume!(mutant != *token);

        prop_assert!(keys.verify(&mutant, &profile(), NOW).is_err());
    }

    #[test]
    fn a_cut_or_prolonged_token_never_verifies(at: prop::sample::Index, more in ".{0,5}") {
        let (keys, token) = shared();
        let mutant = format!("{}{more}", &token[..at.index(token.len())]);
        prop_assume!(mutant != *token);

        prop_assert!(keys.verify(&mutant, &profile(), NOW).is_err());
    }

    #[test]
    fn any_text_is_read_without_a_panic(token in "([^.]{0,20}\\.){0,4}.{0,20}") {
        prop_assert!(shared().0.verify(&token, &profile(), NOW).is_err());
    }

    /// Also with the real key: what is believed is what the profile demands, whatever else is written.
    #[test]
    fn whatever_is_signed_only_what_is_for_us_and_of_now_is_believed(
        changes in prop::collection::vec((claim_name(), anything()), 0..4),
        header in prop::collection::vec((header_name(), anything()), 0..2),
    ) {
        let (fixture, mut payload) = (mutants(), serde_json::to_value(claims()).unwrap());
        payload.as_object_mut().unwrap().extend(changes);
        let mut head = fixture.header();
        head.as_object_mut().unwrap().extend(header);
        let token = jws(&fixture.key, head.to_string(), payload.to_string());

        if let Ok(believed) = fixture.keys.verify(&token, &profile(), NOW) {
            prop_assert_eq!(head, fixture.header());
            prop_assert_eq!((believed.iss.as_str(), believed.aud.as_str()), (ISSUER, ISSUER));
            prop_assert!(believed.exp + 5 > NOW && believed.iat <= NOW + 5);
            // Spaces beside scopes name none.
            let signed: Vec<_> = payload["scope"].as_str().unwrap().split_whitespace().collect();
            prop_assert_eq!(signed.join(" "), believed.scope.to_string());
        }
    }

    /// Parts of different tokens make no token together.
    #[test]
    fn parts_of_several_tokens_make_none(which in prop::array::uniform3(0_usize..3)) {
        let (fixture, now) = (mutants(), claims());
        let others = [now.clone(), AccessClaims { sub: "user:1".to_owned(), ..now.clone() }];
        let mut tokens: Vec<String> = others.iter().map(|it| fixture.keys.active().sign(it).unwrap()).collect();
        tokens.push(jws(&fixture.evil, fixture.header().to_string(), serde_json::to_vec(&now).unwrap()));
        let part = |index: usize| tokens[which[index]].split('.').nth(index).unwrap();
        let mixed = [part(0), part(1), part(2)].join(".");

        let is_whole = tokens[..2].contains(&mixed);
        prop_assert_eq!(fixture.keys.verify(&mixed, &profile(), NOW).is_ok(), is_whole);
    }

    #[test]
    fn whatever_we_sign_we_can_read(sub in ".*", jti in ".*", tenant in ".*", age in 0_u64..600) {
        let claims = AccessClaims { sub, jti, tenant, ..claims() };
        let (keys, _) = shared();

        let token = keys.active().sign(&claims).unwrap();

        prop_assert_eq!(keys.verify(&token, &profile(), NOW + age).unwrap(), claims);
    }
}

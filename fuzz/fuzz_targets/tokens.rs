//! What strangers show as a token: nothing but what was signed here is believed, and nothing breaks the verifier.
#![no_main]

use std::sync::LazyLock;

use auth::assertion::Assertion;
use auth::claims::AccessClaims;
use auth::claims::Profile;
use auth::client_keys::ClientKeys;
use auth::id_token::IdToken;
use auth::jwk::PrivateJwk;
use auth::keys::KeySet;
use auth::keys::SigningKey;
use libfuzzer_sys::fuzz_target;

const NOW: u64 = 1_795_600_000;

struct Signed {
    keys: KeySet,
    profile: Profile,
    token: String,
}

static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let key = SigningKey::new(&PrivateJwk::generate().unwrap()).unwrap();
    let claims = AccessClaims {
        iss: "https://a.example".to_owned(),
        sub: "client:shop".to_owned(),
        aud: "https://a.example".to_owned(),
        exp: NOW + 600,
        iat: NOW,
        nbf: None,
        jti: "7".to_owned(),
        client_id: "shop".to_owned(),
        scope: "agent.read".parse().unwrap(),
        tenant: "default".to_owned(),
        registration_id: None,
        grant_id: None,
        act: None,
    };
    let token = key.sign(&claims).unwrap();
    let keys = KeySet::new(key, []).unwrap();
    let profile = Profile::access_token("https://a.example", "https://a.example");
    assert!(keys.verify(&token, &profile, NOW).is_ok());
    Signed { keys, profile, token }
});

fuzz_target!(|data: &[u8]| {
    let Signed { keys, profile, token } = &*SIGNED;
    if let Ok(text) = str::from_utf8(data) {
        assert!(keys.verify(text, profile, NOW).is_err());
        let _ = Assertion::parse(text);
        let _ = IdToken::parse(text);
    }
    let _ = ClientKeys::parse(data);
    // The token that is good, with some of its bytes changed: three bytes of input say where and to what.
    let mut changed = token.clone().into_bytes();
    for change in data.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % changed.len();
        changed[at] = change[2];
    }
    if let Ok(changed) = str::from_utf8(&changed) {
        assert_eq!(keys.verify(changed, profile, NOW).is_ok(), changed == token);
    }
});

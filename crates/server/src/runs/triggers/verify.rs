//! Whether what another server sends is from whom it says, and how old it is: from its headers and the bytes that came.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use secrecy::ExposeSecret;

use crate::db::At;
use crate::workflows::triggers::FiringError;
use crate::workflows::triggers::Signature;
use crate::workflows::triggers::keys::Keys;

/// How far the clock of a sender may be from ours, in seconds, to either side.
const WINDOW: i64 = 5 * 60;
/// So many signatures are looked at.
const SIGNATURES: usize = 16;
/// The longest id of a delivery.
const ID: usize = 255;

/// What is known of a delivery that is from whom it says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// What its sender calls it, if that is signed or the sender has no other way to say so.
    pub id: Option<String>,
    /// Which of the keys has signed it; `None`: it needs none.
    pub key: Option<usize>,
}

/// Refuses what has not all headers that a signature needs, whatever they say.
pub fn ensure_signed(signature: Signature, headers: &HeaderMap) -> Result<(), FiringError> {
    let needed: &[&'static str] = match signature {
        Signature::Standard => &["webhook-id", "webhook-timestamp", "webhook-signature"],
        Signature::Github => &["x-github-delivery", "x-hub-signature-256"],
        Signature::None => &[],
    };
    needed.iter().try_for_each(|name| header(headers, name).map(drop))
}

/// Looks whether one of `keys` has signed `body`.
pub fn verify(
    keys: &Keys,
    headers: &HeaderMap,
    body: &[u8],
    now: At,
) -> Result<Proof, FiringError> {
    match keys {
        Keys::Standard(keys) => {
            let keys =
                keys.iter().map(|key| hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret()));
            standard(&keys.collect::<Vec<_>>(), headers, body, now)
        }
        Keys::Github(keys) => {
            let bytes = keys.iter().map(|key| key.expose_secret().as_bytes());
            let keys = bytes.map(|key| hmac::Key::new(hmac::HMAC_SHA256, key));
            github(&keys.collect::<Vec<_>>(), headers, body)
        }
        Keys::Open => Ok(Proof::default()),
    }
}

/// Standard Webhooks: `v1,` and the signature of `id.timestamp.body` in base64, of each key one.
fn standard(
    keys: &[hmac::Key],
    headers: &HeaderMap,
    body: &[u8],
    now: At,
) -> Result<Proof, FiringError> {
    let id = header(headers, "webhook-id")?;
    let timestamp = header(headers, "webhook-timestamp")?;
    let given = header(headers, "webhook-signature")?;
    let is_id = (1..=ID).contains(&id.len()) && !id.contains('.');
    if !is_id {
        return Err(refused("`webhook-id` is not 1 to 255 characters without a dot"));
    }
    let is_number = !timestamp.is_empty() && timestamp.bytes().all(|it| it.is_ascii_digit());
    let sent: Option<i64> = timestamp.parse().ok().filter(|_| is_number);
    let sent = sent.ok_or_else(|| refused("`webhook-timestamp` is no number of seconds"))?;
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    let given = given.split_ascii_whitespace().filter_map(|it| it.strip_prefix("v1,"));
    let given = given.take(SIGNATURES).filter_map(|it| STANDARD.decode(it).ok());
    let key = signed_by(keys, &signed, given).ok_or_else(|| {
        refused("no signature of `webhook-signature` is one of the bytes that came")
    })?;
    // Said only of what is signed: a stranger could claim any time.
    if now.time().timestamp().abs_diff(sent) > WINDOW.unsigned_abs() {
        return Err(FiringError::new("too_old", "`webhook-timestamp` is more than 5 minutes away"));
    }
    Ok(Proof { id: Some(id.to_owned()), key: Some(key) })
}

/// GitHub: `sha256=` and the signature of the body in hexadecimal digits. Neither the id nor the time is signed.
fn github(keys: &[hmac::Key], headers: &HeaderMap, body: &[u8]) -> Result<Proof, FiringError> {
    let id = header(headers, "x-github-delivery")?;
    let given = header(headers, "x-hub-signature-256")?;
    if !(1..=ID).contains(&id.len()) {
        return Err(refused("`X-GitHub-Delivery` is not 1 to 255 characters"));
    }
    let given = given.strip_prefix("sha256=").and_then(hexadecimal);
    let key = signed_by(keys, body, given.into_iter())
        .ok_or_else(|| refused("`X-Hub-Signature-256` is no signature of the bytes that came"))?;
    Ok(Proof { id: Some(id.to_owned()), key: Some(key) })
}

/// Which of `keys` one of `given` is a signature by; each is compared in the same time wherever it differs.
fn signed_by(
    keys: &[hmac::Key],
    signed: &[u8],
    given: impl Iterator<Item = Vec<u8>>,
) -> Option<usize> {
    let mut given = given.filter(|it| it.len() == 32);
    given.find_map(|tag| keys.iter().position(|key| hmac::verify(key, signed, &tag).is_ok()))
}

/// The one header of this name, as text.
fn header<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h str, FiringError> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(one), None) => {
            one.to_str().map_err(|_| refused(&format!("the header `{name}` is no ASCII text")))
        }
        (None, _) => Err(refused(&format!("the header `{name}` is missing"))),
        (Some(_), Some(_)) => Err(refused(&format!("the header `{name}` is there twice"))),
    }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let is_digit = |it: &u8| it.is_ascii_hexdigit();
        let pair = str::from_utf8(pair)
            .ok()
            .filter(|it| it.len() == 2 && it.bytes().all(|b| is_digit(&b)))?;
        u8::from_str_radix(pair, 16).ok()
    };
    digits.map(byte).collect()
}

fn refused(why: &str) -> FiringError {
    FiringError::new("bad_signature", why)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;
    use secrecy::SecretSlice;
    use secrecy::SecretString;

    use super::*;

    /// The example of the specification of Standard Webhooks.
    const KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SENT: i64 = 1_614_265_330;

    fn key(text: &str) -> SecretSlice<u8> {
        SecretSlice::from(STANDARD.decode(text).unwrap())
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn signed(signature: &str) -> HeaderMap {
        let sent = SENT.to_string();
        headers(&[
            ("webhook-id", ID),
            ("webhook-timestamp", &sent),
            ("webhook-signature", signature),
        ])
    }

    fn at(seconds: i64) -> At {
        At::new(chrono::DateTime::from_timestamp(seconds, 0).unwrap())
    }

    #[track_caller]
    fn check(
        keys: &Keys,
        headers: &HeaderMap,
        body: &[u8],
        now: i64,
        expected: Result<&str, &str>,
    ) {
        let found = verify(keys, headers, body, at(now));
        let found =
            found.as_ref().map(|it| it.id.as_deref().unwrap()).map_err(|it| it.code.as_str());
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_signed_as_the_specification_says_is_taken() {
        let keys = Keys::Standard(vec![key(KEY)]);
        check(&keys, &signed(SIGNATURE), BODY, SENT, Ok(ID));
        let several = format!("v1a,{KEY} v1,AAAA {SIGNATURE}");
        check(&keys, &signed(&several), BODY, SENT, Ok(ID));
        let other = key(&STANDARD.encode([7; 24]));
        check(
            &Keys::Standard(vec![other.clone(), key(KEY)]),
            &signed(SIGNATURE),
            BODY,
            SENT,
            Ok(ID),
        );
        check(&Keys::Standard(vec![other]), &signed(SIGNATURE), BODY, SENT, Err("bad_signature"));
        let both = Keys::Standard(vec![key(&STANDARD.encode([7; 24])), key(KEY)]);
        assert_eq!(verify(&both, &signed(SIGNATURE), BODY, at(SENT)).unwrap().key, Some(1));
        check(&Keys::Standard(Vec::new()), &signed(SIGNATURE), BODY, SENT, Err("bad_signature"));
    }

    #[test]
    fn the_clock_of_the_sender_may_be_five_minutes_away() {
        let keys = Keys::Standard(vec![key(KEY)]);
        for (now, expected) in [
            (SENT + 300, Ok(ID)),
            (SENT - 300, Ok(ID)),
            (SENT + 301, Err("too_old")),
            (SENT - 301, Err("too_old")),
        ] {
            check(&keys, &signed(SIGNATURE), BODY, now, expected);
        }
    }

    #[test]
    fn whatever_is_missing_or_changed_is_refused() {
        let keys = Keys::Standard(vec![key(KEY)]);
        let compact = br#"{"test":2432232314}"#;
        check(&keys, &signed(SIGNATURE), compact, SENT, Err("bad_signature"));
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            let mut less = signed(SIGNATURE);
            less.remove(name);
            check(&keys, &less, BODY, SENT, Err("bad_signature"));
            assert!(ensure_signed(Signature::Standard, &less).is_err(), "{name}");
            let mut more = signed(SIGNATURE);
            more.append(name, HeaderValue::from_static("x"));
            check(&keys, &more, BODY, SENT, Err("bad_signature"));
            let mut other = signed(SIGNATURE);
            other.insert(name, HeaderValue::from_static("-1"));
            check(&keys, &other, BODY, SENT, Err("bad_signature"));
        }
        check(&keys, &signed(&SIGNATURE.replace("v1,", "v2,")), BODY, SENT, Err("bad_signature"));
    }

    #[test]
    fn what_github_signs_is_taken_and_nothing_else() {
        // From its documentation.
        let keys = Keys::Github(vec![SecretString::from("It's a Secret to Everybody")]);
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let headers = |signature: &str| {
            headers(&[("x-github-delivery", "72d3162e"), ("x-hub-signature-256", signature)])
        };
        check(&keys, &headers(signature), b"Hello, World!", 0, Ok("72d3162e"));
        check(&keys, &headers(signature), b"Hello, World", 0, Err("bad_signature"));
        for bad in ["", "sha256=", "sha1=7571", &signature[..70], &signature.replace('7', "+")] {
            check(&keys, &headers(bad), b"Hello, World!", 0, Err("bad_signature"));
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(id in "[ -~]{0,20}", time in "[0-9+ -]{0,25}", signature in "[ -~]{0,90}") {
            let pairs = headers(&[
                ("webhook-id", &id), ("webhook-timestamp", &time), ("webhook-signature", &signature),
                ("x-github-delivery", &id), ("x-hub-signature-256", &signature),
            ]);
            let standard = verify(&Keys::Standard(vec![key(KEY)]), &pairs, BODY, at(SENT));
            let github = verify(&Keys::Github(vec![SecretString::from("x")]), &pairs, BODY, at(SENT));
            prop_assert!(standard.is_err() && github.is_err());
        }
    }
}

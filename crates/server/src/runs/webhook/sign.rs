//! The signature of a webhook.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use secrecy::SecretSlice;

use crate::db::Id;

/// The value of `webhook-signature`, with a signature of each key: who knows one of `keys` knows that
/// `body` is ours and how old it is.
///
/// `timestamp` counts the seconds since 1970.
pub fn signatures(keys: &[SecretSlice<u8>], id: Id, timestamp: i64, body: &[u8]) -> String {
    let signatures = keys.iter().map(|key| signature(key, id, timestamp, body));
    signatures.collect::<Vec<_>>().join(" ")
}

fn signature(key: &SecretSlice<u8>, id: Id, timestamp: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret());
    let mut signed = hmac::Context::with_key(&key);
    signed.update(format!("{id}.{timestamp}.").as_bytes());
    signed.update(body);
    format!("v1,{}", STANDARD.encode(signed.sign()))
}

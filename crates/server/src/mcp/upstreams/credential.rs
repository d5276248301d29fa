//! How a token is put into requests to an upstream.

use http::HeaderName;
use http::header;
use secrecy::SecretString;
use url::Url;

use super::wire::Wire;
use crate::egress::HostPattern;
use crate::egress::Secret;
use crate::egress::SecretHeader;
use crate::egress::Text;

/// Puts a token into requests, as a secret that is for the host of the upstream only.
pub fn sign(wire: &mut Wire, name: &str, token: SecretString) {
    let own = Url::parse(&wire.url).ok().as_ref().and_then(HostPattern::of);
    let hosts = own.into_iter().collect();
    wire.secrets = wire.secrets.with(Secret::new(name.to_owned(), token, hosts));
    wire.credential = Some(bearer(name));
}

pub fn bearer(secret: &str) -> (HeaderName, SecretHeader) {
    let mut text = Text::from("Bearer ");
    text.push_secret(secret);
    (header::AUTHORIZATION, SecretHeader::Value(text))
}

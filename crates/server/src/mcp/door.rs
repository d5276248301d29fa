//! Which hosts and origins a request may name.
//!
//! A page that somebody has open can make his browser send requests to a server on his own machine or in his network,
//! under a name of the page's (DNS rebinding). Browsers then name that host, or the page's origin; programs name the
//! host that they were given, and no origin.

use http::HeaderMap;
use http::StatusCode;
use http::Uri;
use http::header;
use http::uri::Authority;

use crate::config::Config;
use crate::http::Problem;

/// Refuses a request that names another host than ours, or comes from a page of another origin than those that the
/// settings name.
pub fn check(headers: &HeaderMap, uri: &Uri, config: &Config) -> Result<(), Problem> {
    let own: Option<Uri> = config.issuer.parse().ok();
    let own = own.as_ref().and_then(Uri::authority).map(Authority::host).unwrap_or_default();
    let named = headers.get(header::HOST).map_or_else(
        || uri.authority().cloned(),
        |host| host.to_str().ok().and_then(|host| host.parse().ok()),
    );
    let is_ours = |host: &str| {
        let mut known = [own].into_iter().chain(config.mcp.hosts.iter().map(String::as_str));
        known.any(|known| known.eq_ignore_ascii_case(host)) || is_loopback(host)
    };
    if !named.is_some_and(|it| is_ours(it.host())) {
        return Err(forbidden("the header `Host` names a host that is not this server's"));
    }
    let is_known = |origin: &[u8]| {
        let mut known = config.cors_origins.iter().map(String::as_str).chain([origin_of(config)]);
        known.any(|known| known.as_bytes() == origin)
    };
    if headers.get_all(header::ORIGIN).iter().all(|origin| is_known(origin.as_bytes())) {
        return Ok(());
    }
    Err(forbidden("pages of this origin may not speak to this server"))
}

/// Names of one's own machine, which no name server gives to another.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    address.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |it| it.is_loopback())
}

fn origin_of(config: &Config) -> &str {
    let issuer = &config.issuer;
    let authority = issuer.find("://").map_or(0, |at| at + "://".len());
    issuer[authority..].find('/').map_or(issuer, |slash| &issuer[..authority + slash])
}

fn forbidden(detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "foreign-origin", detail)
}

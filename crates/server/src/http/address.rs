//! Where a request comes from.

use std::convert::Infallible;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::extract::FromRequestParts;
use http::HeaderName;
use http::request::Parts;
use ipnet::IpNet;

use crate::app::App;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of the caller: that of the connection, unless a proxy made it that `proxies` trust.
///
/// Each proxy adds the address that it saw at the right of `X-Forwarded-For`, so it is read from there,
/// and believed as long as trusted proxies wrote it. What callers write themselves stands further
/// left. `Forwarded` (RFC 7239) is not read.
pub fn caller(request: &Parts, proxies: &[IpNet]) -> IpAddr {
    let peer = request.extensions.get::<ConnectInfo<SocketAddr>>();
    let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let mut caller = peer.map_or(unknown, |ConnectInfo(peer)| peer.ip().to_canonical());
    let headers = request.headers.get_all(FORWARDED_FOR).iter();
    let hops = headers.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    for hop in hops.collect::<Vec<_>>().into_iter().rev() {
        let is_trusted = proxies.iter().any(|range| range.contains(&caller));
        let Some(address) = parse(hop.trim()).filter(|_| is_trusted) else { break };
        caller = address;
    }
    caller
}

/// [`caller`], as an argument of a handler.
#[derive(Debug, Clone, Copy)]
pub struct Asker(pub IpAddr);

impl FromRequestParts<App> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(Self(caller(parts, &app.config.trusted_proxies)))
    }
}

/// An address, as proxies write it: some add a port, some put IPv6 into brackets.
fn parse(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse().ok().or_else(|| Some(hop.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn only_trusted_proxies_say_who_the_caller_is() {
        let (proxy, inner, stranger) = ("10.0.0.1:4711", "[::ffff:10.0.0.2]:1", "192.0.2.9:4711");

        for (peer, headers, expected) in [
            (stranger, &["203.0.113.7"][..], "192.0.2.9"),
            (proxy, &[], "10.0.0.1"),
            (proxy, &["203.0.113.7"], "203.0.113.7"),
            (inner, &["203.0.113.7, 10.0.0.1"], "203.0.113.7"),
            // What the caller wrote himself stands further left.
            (proxy, &["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
            (proxy, &["198.51.100.1", "203.0.113.7,10.9.9.9"], "203.0.113.7"),
            (proxy, &["10.0.0.3"], "10.0.0.3"),
            (proxy, &["203.0.113.7:5123"], "203.0.113.7"),
            (proxy, &["[2001:db8::7]:5123"], "2001:db8::7"),
            (proxy, &["[2001:db8::7]"], "2001:db8::7"),
            (proxy, &["203.0.113.7, unknown"], "10.0.0.1"),
            (proxy, &["203.0.113.7,"], "10.0.0.1"),
        ] {
            let caller = of(peer, headers);
            assert_eq!(caller, expected.parse::<IpAddr>().unwrap(), "{peer} {headers:?}");
        }
    }

    fn of(peer: &str, headers: &[&str]) -> IpAddr {
        let mut request =
            Request::builder().extension(ConnectInfo::<SocketAddr>(peer.parse().unwrap()));
        for header in headers {
            request = request.header(FORWARDED_FOR, *header);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        caller(&parts, &["10.0.0.0/8".parse().unwrap()])
    }
}

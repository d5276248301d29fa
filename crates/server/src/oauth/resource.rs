//! For whom a token is: the `resource` of RFC 8707 and the `aud` it becomes.

use auth::error::ErrorCode;
use auth::error::OAuthError;

/// The audience of a token that is asked for with `resource`: our API, which is the issuer.
///
/// One slash at the end, the default port and the case of the host make no difference; any other
/// does. Texts are compared, not parsed URLs, for parsers forgive more than that.
pub fn audience<'i>(issuer: &'i str, resource: Option<&str>) -> Result<&'i str, OAuthError> {
    match resource {
        None => Ok(issuer),
        Some(resource) if plain(resource) == plain(issuer) => Ok(issuer),
        Some(_) => Err(OAuthError::new(
            ErrorCode::InvalidTarget,
            format!("the resource is not one of this server, which is {issuer}"),
        )),
    }
}

/// The URL in the one spelling that is compared. A text that is no URL of the web stays as it is.
fn plain(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let authority = authority.to_ascii_lowercase();
    let port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return url.to_owned(),
    };
    let authority = authority.strip_suffix(port).unwrap_or(&authority);
    format!("{scheme}://{authority}{}", path.strip_suffix('/').unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://agents.example/base";

    #[test]
    fn no_resource_is_the_api() {
        assert_eq!(audience(ISSUER, None), Ok(ISSUER));
    }

    #[test]
    fn harmless_differences_are_forgiven() {
        for same in [
            "https://agents.example/base",
            "https://agents.example/base/",
            "https://agents.example:443/base",
            "https://Agents.EXAMPLE/base",
        ] {
            assert_eq!(audience(ISSUER, Some(same)), Ok(ISSUER), "{same}");
        }
        for same in ["http://localhost", "http://localhost/", "http://localhost:80/"] {
            assert_eq!(audience("http://localhost", Some(same)), Ok("http://localhost"), "{same}");
        }
    }

    #[test]
    fn every_other_url_is_another_resource() {
        for other in [
            "https://agents.example",
            "https://agents.example/Base",
            "https://agents.example/base//",
            "https://agents.example/base/../base",
            "https://agents.example/base/mcp",
            "https://agents.example/base?x",
            "https://agents.example/base#f",
            "https://agents.example:8443/base",
            "https://agents.example:80/base",
            "https://evil@agents.example/base",
            "https://agents.example.evil.example/base",
            "https://agents.example\t/base",
            "http://agents.example/base",
            "HTTPS://agents.example/base",
            "//agents.example/base",
            "/base",
            "javascript:x",
        ] {
            let refused = audience(ISSUER, Some(other)).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::InvalidTarget, "{other}");
        }
    }
}

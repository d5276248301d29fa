//! For whom a token is: the `resource` of RFC 8707 and the `aud` it becomes.

use auth::error::ErrorCode;
use auth::error::OAuthError;

/// What tokens of this server open, each of them one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// The API, whose URL is the issuer.
    Api,
    /// What speaks MCP, below it.
    Mcp,
}

impl Resource {
    pub const ALL: [Self; 2] = [Self::Api, Self::Mcp];

    /// Its URL without a slash at the end: the `aud` of its tokens.
    pub fn url(self, issuer: &str) -> String {
        match self {
            Self::Api => issuer.to_owned(),
            Self::Mcp => format!("{issuer}/mcp"),
        }
    }
}

/// The audience of a token that is asked for with `resource`: our API, unless it names another of ours.
///
/// One slash at the end, the default port and the case of the host make no difference; any other
/// does. Texts are compared, not parsed URLs, for parsers forgive more than that.
pub fn audience(issuer: &str, resource: Option<&str>) -> Result<String, OAuthError> {
    let [api, mcp] = Resource::ALL.map(|resource| resource.url(issuer));
    match resource {
        None => Ok(api),
        Some(resource) if plain(resource) == plain(&api) => Ok(api),
        Some(resource) if plain(resource) == plain(&mcp) => Ok(mcp),
        Some(_) => Err(OAuthError::new(
            ErrorCode::InvalidTarget,
            format!("the resource is not one of this server, which are {api} and {mcp}"),
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
        assert_eq!(audience(ISSUER, None).as_deref(), Ok(ISSUER));
    }

    #[test]
    fn harmless_differences_are_forgiven() {
        for same in [
            "https://agents.example/base",
            "https://agents.example/base/",
            "https://agents.example:443/base",
            "https://Agents.EXAMPLE/base",
        ] {
            assert_eq!(audience(ISSUER, Some(same)).as_deref(), Ok(ISSUER), "{same}");
        }
        for same in ["http://localhost", "http://localhost/", "http://localhost:80/"] {
            let found = audience("http://localhost", Some(same));
            assert_eq!(found.as_deref(), Ok("http://localhost"), "{same}");
        }
        for same in ["https://agents.example/base/mcp", "https://AGENTS.example:443/base/mcp/"] {
            let found = audience(ISSUER, Some(same));
            assert_eq!(found.as_deref(), Ok("https://agents.example/base/mcp"), "{same}");
        }
    }

    #[test]
    fn every_other_url_is_another_resource() {
        for other in [
            "https://agents.example",
            "https://agents.example/Base",
            "https://agents.example/base//",
            "https://agents.example/base/../base",
            "https://agents.example/mcp",
            "https://agents.example/base/Mcp",
            "https://agents.example/base/mcp/sse",
            "https://agents.example/base/mcp?x",
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

//! What URLs in settings must be. The texts that come back never show the URL: it may hold a password.

use url::Position;
use url::Url;

/// The public URL of the server: an origin, with a path perhaps, without a slash at its end.
pub fn issuer(text: &str) -> Result<String, String> {
    let url = web(text)?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err("it must have no user, no query and no fragment".into());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// An `http` or `https` URL.
pub fn web(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err("it must be a URL that begins with `https://` or `http://`".into()),
    }
}

/// An origin as browsers send it: `https://app.example.com`.
pub fn origin(text: &str) -> Result<String, String> {
    let url = web(text)?;
    if url[Position::BeforePath..] != *"/" || text.ends_with('/') || !url.username().is_empty() {
        return Err(
            "each must be an origin such as `https://app.example.com`, without a path".into()
        );
    }
    Ok(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_has_no_slash_at_its_end() {
        assert_eq!(issuer("https://a.example/").as_deref(), Ok("https://a.example"));
        assert_eq!(issuer("https://a.example/base").as_deref(), Ok("https://a.example/base"));
        for wrong in ["a.example", "ftp://a.example", "https://a.example?x", "https://u@a.example"]
        {
            assert!(issuer(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_origin_has_no_path() {
        assert_eq!(origin("https://App.example:443").as_deref(), Ok("https://app.example"));
        for wrong in ["https://a.example/", "https://a.example/x", "*", "a.example", "https://a?b"]
        {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }
}

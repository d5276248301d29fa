//! What a grant gives.

use crate::error::ErrorCode;
use crate::error::OAuthError;
use crate::scope::Scopes;

/// The scopes of a token for a client that holds `held` and asks for `requested`.
///
/// Without a request it is all that the client holds; else what of the request it holds, never
/// more. A request of which nothing is left is refused, as is one that is not well-formed.
pub fn scopes(held: &Scopes, requested: Option<&str>) -> Result<Scopes, OAuthError> {
    let Some(requested) = requested else {
        return Ok(held.clone());
    };
    let requested: Scopes = requested.parse().map_err(|error| {
        OAuthError::new(ErrorCode::InvalidScope, format!("scope is not valid: {error}"))
    })?;
    let granted = held.intersection(&requested);
    if granted.is_empty() {
        return Err(OAuthError::new(
            ErrorCode::InvalidScope,
            "the client holds none of the scopes that it asks for",
        ));
    }
    Ok(granted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(held: &str, requested: Option<&str>) -> Result<String, OAuthError> {
        scopes(&held.parse().unwrap(), requested).map(|scopes| scopes.to_string())
    }

    #[test]
    fn without_a_request_it_is_all_that_the_client_holds() {
        assert_eq!(granted("agent.* tool.read", None).unwrap(), "agent.* tool.read");
    }

    #[test]
    fn a_request_is_cut_to_what_the_client_holds() {
        assert_eq!(granted("agent.*", Some("agent.read secret.read")).unwrap(), "agent.read");
        assert_eq!(granted("agent.read", Some("agent.*")).unwrap(), "agent.read");
    }

    #[test]
    fn a_request_of_which_nothing_is_left_is_refused() {
        for requested in ["secret.read", "nosuch", "a\"b", "a\nb", "a\0b", "é", "a\\b", "\t", " "]
        {
            let error = granted("agent.read", Some(requested)).unwrap_err();

            assert_eq!(error.code(), ErrorCode::InvalidScope, "{requested:?}");
            assert_eq!(error.status(), 400);
        }
    }
}

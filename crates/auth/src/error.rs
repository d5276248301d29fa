//! Errors as the OAuth endpoints answer them.

use std::fmt;

use serde::Serialize;

/// A refusal in the words of RFC 6749, 7591 or 6750; its JSON is the body of the answer.
///
/// Invariant: the description is printable ASCII without `"` and `\`, as RFC 6749 demands, and
/// never repeats a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OAuthError {
    #[serde(rename = "error")]
    code: ErrorCode,
    #[serde(rename = "error_description")]
    description: String,
    #[serde(skip)]
    status: u16,
}

/// The `error` of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    UnsupportedResponseType,
    /// The person refused, or may not.
    AccessDenied,
    /// Somebody would have to sign in, or to agree, and must not be asked (`OpenID` Connect).
    LoginRequired,
    ConsentRequired,
    RequestNotSupported,
    RequestUriNotSupported,
    InvalidScope,
    /// The `resource` is not ours (RFC 8707).
    InvalidTarget,
    InvalidRedirectUri,
    InvalidClientMetadata,
    /// The bearer token is not believed (RFC 6750).
    InvalidToken,
    InsufficientScope,
    ServerError,
    TemporarilyUnavailable,
}

impl OAuthError {
    pub fn new(code: ErrorCode, description: impl AsRef<str>) -> Self {
        let description = description.as_ref().chars().map(printable).collect();
        Self { code, description, status: code.status() }
    }

    /// The one answer to an unknown client and to a wrong secret, so that they look alike.
    pub fn invalid_client() -> Self {
        Self::new(ErrorCode::InvalidClient, "client authentication failed")
    }

    pub(crate) fn invalid_request(description: &str) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    /// Another status than the usual one of the code, such as 413 or 429.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub fn code(&self) -> ErrorCode {
        self.code
    }

    pub fn description(&self) -> &str {
        &self.description
    }

    pub fn status(&self) -> u16 {
        self.status
    }

    /// The `WWW-Authenticate` of a client that did not authenticate.
    ///
    /// Challenges for bearer tokens are [`crate::challenge::Bearer`]'s.
    pub fn www_authenticate(&self) -> Option<&'static str> {
        (self.code == ErrorCode::InvalidClient).then_some(r#"Basic realm="oauth", charset="UTF-8""#)
    }
}

impl ErrorCode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }

    fn status(self) -> u16 {
        match self {
            Self::InvalidClient | Self::InvalidToken => 401,
            Self::InsufficientScope => 403,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
            _ => 400,
        }
    }
}

/// What may stand in an `error_description` (RFC 6749, section 5.2) in place of `c`.
pub(crate) fn printable(c: char) -> char {
    match c {
        '"' => '\'',
        '\\' => '/',
        ' '..='~' => c,
        _ => '?',
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.description)
    }
}

impl std::error::Error for OAuthError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_the_json_of_rfc_6749() {
        let error = OAuthError::new(ErrorCode::InvalidScope, "no \"é\\\n\"");

        assert_eq!(
            serde_json::to_string(&error).unwrap(),
            r#"{"error":"invalid_scope","error_description":"no '?/?'"}"#
        );
        assert_eq!(error.status(), 400);
    }

    #[test]
    fn only_a_client_that_did_not_authenticate_is_challenged_for_basic() {
        let client = OAuthError::invalid_client();
        assert_eq!(client.status(), 401);
        assert_eq!(client.www_authenticate(), Some(r#"Basic realm="oauth", charset="UTF-8""#));

        let grant = OAuthError::new(ErrorCode::UnauthorizedClient, "no").with_status(429);
        assert_eq!(grant.www_authenticate(), None);
        assert_eq!(grant.status(), 429);
    }

    #[test]
    fn codes_are_spelt_alike_in_json_and_text() {
        for code in [ErrorCode::InvalidTarget, ErrorCode::UnsupportedGrantType] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}

//! `WWW-Authenticate` of what is opened by a bearer token (RFC 6750, RFC 9728).

use std::fmt;

use crate::error::printable;

/// A challenge; its `Display` is the value of the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer<'a> {
    refusal: Refusal<'a>,
    resource_metadata: Option<&'a str>,
    scope: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal<'a> {
    NoToken,
    InvalidToken { description: &'a str },
    InsufficientScope { wanted: &'a str },
}

impl<'a> Bearer<'a> {
    /// Nobody tried to authenticate: RFC 6750 wants no error code then.
    pub fn no_token() -> Self {
        Self { refusal: Refusal::NoToken, resource_metadata: None, scope: None }
    }

    pub fn invalid_token(description: &'a str) -> Self {
        Self {
            refusal: Refusal::InvalidToken { description },
            resource_metadata: None,
            scope: None,
        }
    }

    /// `wanted`: the scopes that the caller lacks, with spaces between.
    pub fn insufficient_scope(wanted: &'a str) -> Self {
        Self {
            refusal: Refusal::InsufficientScope { wanted },
            resource_metadata: None,
            scope: None,
        }
    }

    /// Which scopes to ask for, for one who has no token that opens this.
    #[must_use]
    pub fn with_scope(self, scope: &'a str) -> Self {
        Self { scope: Some(scope), ..self }
    }

    /// Where a client finds out how to get a token (RFC 9728), as MCP clients want it.
    #[must_use]
    pub fn with_resource_metadata(self, url: &'a str) -> Self {
        Self { resource_metadata: Some(url), ..self }
    }
}

impl fmt::Display for Bearer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"Bearer realm="agent-server""#)?;
        match self.refusal {
            Refusal::NoToken => {}
            Refusal::InvalidToken { description } => {
                parameter(f, "error", "invalid_token")?;
                parameter(f, "error_description", description)?;
            }
            Refusal::InsufficientScope { wanted } => {
                parameter(f, "error", "insufficient_scope")?;
                parameter(f, "scope", wanted)?;
            }
        }
        self.scope.map_or(Ok(()), |scope| parameter(f, "scope", scope))?;
        self.resource_metadata.map_or(Ok(()), |url| parameter(f, "resource_metadata", url))
    }
}

fn parameter(f: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    let value: String = value.chars().map(printable).collect();
    write!(f, r#", {name}="{value}""#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_token_there_is_no_error_code() {
        assert_eq!(Bearer::no_token().to_string(), r#"Bearer realm="agent-server""#);
        let told = Bearer::no_token().with_scope("mcp.access").to_string();
        assert_eq!(told, r#"Bearer realm="agent-server", scope="mcp.access""#);
    }

    #[test]
    fn a_bad_token_is_told_why_and_cannot_break_out_of_the_header() {
        let challenge = Bearer::invalid_token("expired\r\nX: \"1\"");

        assert_eq!(
            challenge.to_string(),
            r#"Bearer realm="agent-server", error="invalid_token", error_description="expired??X: '1'""#
        );
    }

    #[test]
    fn a_missing_scope_is_named_and_the_metadata_too() {
        let challenge = Bearer::insufficient_scope("agent.read agent.write")
            .with_resource_metadata("https://a.example/.well-known/oauth-protected-resource");

        assert_eq!(
            challenge.to_string(),
            r#"Bearer realm="agent-server", error="insufficient_scope", scope="agent.read agent.write", resource_metadata="https://a.example/.well-known/oauth-protected-resource""#
        );
    }
}

//! What strangers may read about this server, so that their programs find their way by themselves.
//!
//! All URLs come from the configured issuer, never from the request. Only what is there is named.

pub mod routes;

use auth::client_keys::Algorithm;
use auth::registration::AuthMethod;
use auth::registration::GrantType;
use auth::scope::Scope;
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::Registration;
use crate::oauth::resource::Resource;

/// The authorization server (RFC 8414).
#[derive(Debug, Serialize, ToSchema)]
pub struct ServerMetadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    registration_endpoint: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    jwks_uri: String,
    #[schema(value_type = Vec<String>)]
    scopes_supported: Vec<Scope>,
    #[schema(value_type = Vec<String>)]
    response_types_supported: [&'static str; 1],
    #[schema(value_type = Vec<String>)]
    response_modes_supported: [&'static str; 1],
    #[schema(value_type = Vec<String>)]
    grant_types_supported: [GrantType; 4],
    #[schema(value_type = Vec<String>)]
    code_challenge_methods_supported: [&'static str; 1],
    #[schema(value_type = Vec<String>)]
    prompt_values_supported: [&'static str; 3],
    /// RFC 9207.
    authorization_response_iss_parameter_supported: bool,
    /// Whether a client may describe itself at the URL that is its id (`CLIENT_ID_DOCUMENTS`).
    client_id_metadata_document_supported: bool,
    #[schema(value_type = Vec<String>)]
    token_endpoint_auth_methods_supported: [AuthMethod; 4],
    /// RFC 8414 takes `client_secret_basic` alone for granted.
    #[schema(value_type = Vec<String>)]
    introspection_endpoint_auth_methods_supported: [AuthMethod; 3],
    #[schema(value_type = Vec<String>)]
    revocation_endpoint_auth_methods_supported: [AuthMethod; 4],
    #[schema(value_type = Vec<String>)]
    token_endpoint_auth_signing_alg_values_supported: [Algorithm; 3],
    #[schema(value_type = Vec<String>)]
    introspection_endpoint_auth_signing_alg_values_supported: [Algorithm; 3],
    #[schema(value_type = Vec<String>)]
    revocation_endpoint_auth_signing_alg_values_supported: [Algorithm; 3],
}

/// What a client that speaks MCP has a use for, whatever it does: the scopes of the kinds of things that it
/// may find there.
pub const MCP_SCOPES: &str = "mcp.access tool.execute agent.execute rag.search";

/// One of ours as something that tokens open (RFC 9728).
#[derive(Debug, Serialize, ToSchema)]
pub struct ResourceMetadata {
    resource: String,
    authorization_servers: [String; 1],
    #[schema(value_type = Vec<String>)]
    scopes_supported: Vec<Scope>,
    #[schema(value_type = Vec<String>)]
    bearer_methods_supported: [&'static str; 1],
    #[schema(value_type = String)]
    resource_name: &'static str,
}

impl ServerMetadata {
    pub fn of(issuer: &str, registration: &Registration) -> Self {
        Self {
            issuer: issuer.to_owned(),
            authorization_endpoint: format!("{issuer}/oauth/authorize"),
            token_endpoint: format!("{issuer}/oauth/token"),
            registration_endpoint: format!("{issuer}/oauth/register"),
            introspection_endpoint: format!("{issuer}/oauth/introspect"),
            revocation_endpoint: format!("{issuer}/oauth/revoke"),
            jwks_uri: format!("{issuer}/.well-known/jwks.json"),
            scopes_supported: Scope::known().collect(),
            response_types_supported: ["code"],
            response_modes_supported: ["query"],
            grant_types_supported: GrantType::ALL,
            code_challenge_methods_supported: ["S256"],
            prompt_values_supported: ["none", "login", "consent"],
            authorization_response_iss_parameter_supported: true,
            client_id_metadata_document_supported: !registration.documents.is_empty(),
            token_endpoint_auth_methods_supported: AuthMethod::ALL,
            introspection_endpoint_auth_methods_supported: AuthMethod::PROVING,
            revocation_endpoint_auth_methods_supported: AuthMethod::ALL,
            token_endpoint_auth_signing_alg_values_supported: Algorithm::ALL,
            introspection_endpoint_auth_signing_alg_values_supported: Algorithm::ALL,
            revocation_endpoint_auth_signing_alg_values_supported: Algorithm::ALL,
        }
    }
}

impl ResourceMetadata {
    pub fn of(issuer: &str, resource: Resource) -> Self {
        let (scopes_supported, resource_name) = match resource {
            Resource::Api => (Scope::known().collect(), "Agent Server"),
            Resource::Mcp => {
                let scopes = MCP_SCOPES.split(' ').filter_map(|scope| scope.parse().ok());
                (scopes.collect(), "Agent Server by MCP")
            }
        };
        Self {
            resource: resource.url(issuer),
            authorization_servers: [issuer.to_owned()],
            scopes_supported,
            bearer_methods_supported: ["header"],
            resource_name,
        }
    }
}

/// Where the [`ResourceMetadata`] of what is at `url` is: its path goes behind the well-known one.
pub fn resource_metadata(url: &str) -> String {
    let (origin, path) = url.split_at(url.len() - path_of(url).len());
    format!("{origin}/.well-known/oauth-protected-resource{path}")
}

/// The path of a URL of ours: empty, or with a slash before and none behind.
pub fn path_of(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + "://".len());
    url[authority..].find('/').map_or("", |slash| &url[authority + slash..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_issuer_goes_behind_the_well_known_one() {
        assert_eq!(
            resource_metadata("https://a.example"),
            "https://a.example/.well-known/oauth-protected-resource"
        );
        assert_eq!(
            resource_metadata("https://a.example:8443/x/y"),
            "https://a.example:8443/.well-known/oauth-protected-resource/x/y"
        );
    }
}

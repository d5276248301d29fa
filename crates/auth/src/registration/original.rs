//! Registrations as the original server took them.

use crate::error::OAuthError;
use crate::registration::AuthMethod;
use crate::registration::ClientMetadata;
use crate::registration::Fields;
use crate::registration::GrantType;
use crate::registration::document::is_document_url;
use crate::registration::invalid;
use crate::scope::Scope;
use crate::scope::Scopes;

impl Fields {
    /// `{"serverId", "name", "scopes"}`.
    pub(super) fn original(&mut self) -> Result<ClientMetadata, OAuthError> {
        let missing = || invalid("serverId and name must be there");
        let server_id = self.text("serverId")?.ok_or_else(missing)?;
        let client_name = self.text("name")?.ok_or_else(missing)?;
        if is_document_url(&server_id) {
            return Err(invalid("serverId: such an id is the URL of a document of its client"));
        }
        let scopes = self.texts("scopes")?;
        let scopes = scopes.map(|scopes| {
            let scopes = scopes.into_iter().map(Scope::try_from).collect::<Result<Vec<_>, _>>();
            scopes.and_then(Scopes::try_from).map_err(|error| invalid(format!("scopes: {error}")))
        });
        Ok(ClientMetadata {
            client_name: Some(client_name),
            grant_types: vec![GrantType::ClientCredentials],
            token_endpoint_auth_method: AuthMethod::ClientSecretPost,
            scope: scopes.transpose()?,
            redirect_uris: Vec::new(),
            keys: None,
            server_id: Some(server_id),
        })
    }
}

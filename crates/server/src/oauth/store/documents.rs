//! SQL of clients that describe themselves.

use auth::registration::AuthMethod;

use crate::db::Conn;
use crate::db::Json;
use crate::oauth::OAuthFailure;
use crate::oauth::Registration;
use crate::oauth::store::columns;
use crate::on;

/// Writes what the document of a client says. Of a row that is there already, what only administrators say stays.
pub async fn upsert(conn: &mut Conn<'_>, client: &Registration) -> Result<(), OAuthFailure> {
    let (scopes, grants) = (Json::of(&client.scope)?, Json::of(&client.grant_types)?);
    let uris = Json::of(&client.redirect_uris)?;
    let (jwks, jwks_uri) = columns(client.keys.as_ref())?;
    on!(conn, c => sqlx::query(
            "INSERT INTO client_registrations (
                 id, tenant_id, client_id, name, scopes, grant_types, token_endpoint_auth_method,
                 redirect_uris, registered_by, created_at, updated_at, jwks, jwks_uri)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
             ON CONFLICT (client_id) DO UPDATE
             SET name = excluded.name, grant_types = excluded.grant_types,
                 token_endpoint_auth_method = excluded.token_endpoint_auth_method,
                 redirect_uris = excluded.redirect_uris, updated_at = excluded.updated_at,
                 jwks = excluded.jwks, jwks_uri = excluded.jwks_uri
             WHERE client_registrations.registered_by = excluded.registered_by",
        )
        .bind(client.id)
        .bind(&client.tenant)
        .bind(&client.client_id)
        .bind(&client.client_name)
        .bind(&scopes)
        .bind(&grants)
        .bind(client.token_endpoint_auth_method.map(AuthMethod::as_str))
        .bind(&uris)
        .bind(&client.registered_by)
        .bind(client.created_at)
        .bind(client.updated_at)
        .bind(&jwks)
        .bind(jwks_uri)
        .execute(c)
        .await)?;
    Ok(())
}

//! SQL of clients.

pub mod api_keys;
pub mod codes;
pub mod documents;
pub mod grants;
pub mod identities;
pub mod replay;
pub mod revoked;
mod row;
pub mod sessions;
pub mod users;

use auth::registration::AuthMethod;
use auth::registration::KeySource;
use auth::token::Digest;
use serde::Deserialize;
use serde::Serialize;
use tracing::warn;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::Json;
use crate::db::OnUnique;
use crate::db::TenantId;
use crate::db::Unique;
use crate::http::Invalid;
use crate::oauth::Change;
use crate::oauth::OAuthFailure;
use crate::oauth::Registration;
use crate::on;
use row::Row;

const CLIENT_ID: Unique = Unique {
    name: "client_registrations_client_id",
    table: "client_registrations",
    columns: &["client_id"],
};

/// `SELECT` of all that makes a [`Registration`].
macro_rules! select_registrations {
    ($which:literal) => {
        concat!(
            "SELECT id, tenant_id, client_id, name, secret_sha256, previous_secret_sha256,
                    previous_expires_at, jwks, jwks_uri, scopes, grant_types,
                    token_endpoint_auth_method, redirect_uris, may_act, is_active,
                    registered_by, last_used_at, created_at, updated_at
             FROM client_registrations ",
            $which
        )
    };
}

/// Numbers that grow with every change to what tokens are checked by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Revisions {
    pub clients: i64,
    pub api_keys: i64,
    pub users: i64,
    pub revoked: i64,
}

pub async fn revisions(conn: &mut Conn<'_>) -> Result<Revisions, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, (String, i64)>(
            "SELECT name, revision FROM revisions
             WHERE name IN ('client_registrations', 'api_keys', 'users', 'revoked_tokens')",
        )
        .fetch_all(c)
        .await)?;
    let mut found = Revisions::default();
    for (name, revision) in rows {
        match name.as_str() {
            "client_registrations" => found.clients = revision,
            "api_keys" => found.api_keys = revision,
            "users" => found.users = revision,
            _ => found.revoked = revision,
        }
    }
    Ok(found)
}

/// The active clients of all tenants. Of what is not understood in their rows the log tells.
pub async fn list_active(conn: &mut Conn<'_>) -> Result<Vec<Registration>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(
            select_registrations!("WHERE is_active = TRUE"),
        )
        .fetch_all(c)
        .await)?;
    let registrations = rows.into_iter().map(Registration::from);
    Ok(registrations.inspect(tell_problems).collect())
}

/// Where a client stands in the list of its tenant.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Position {
    at: Option<(At, Id)>,
    /// Of one whose row does not tell; the database knows.
    of: Option<String>,
}

impl Position {
    pub fn of(client: &Registration) -> Self {
        match client.created_at.zip(client.id) {
            Some(at) => Self { at: Some(at), of: None },
            None => Self { at: None, of: Some(client.client_id.clone()) },
        }
    }
}

/// The clients of a tenant, the newest first, at most `limit` of those after `after`.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    after: &Position,
    limit: i64,
) -> Result<Vec<Registration>, sqlx::Error> {
    let (created_at, id) = after.at.unzip();
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(select_registrations!(
            "WHERE tenant_id = $1
                 AND ($2 IS NULL OR (created_at, id) < ($2, $3))
                 AND ($4 IS NULL OR (created_at, id) < (
                     SELECT created_at, id FROM client_registrations
                     WHERE tenant_id = $1 AND client_id = $4))
             ORDER BY created_at DESC, id DESC
             LIMIT $5"
        ))
        .bind(tenant)
        .bind(created_at)
        .bind(id)
        .bind(&after.of)
        .bind(limit)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(Registration::from).collect())
}

/// Whose the client of that id is: no two tenants have one of the same.
pub async fn find_tenant(
    conn: &mut Conn<'_>,
    client_id: &str,
) -> Result<Option<TenantId>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, TenantId>(
            "SELECT tenant_id FROM client_registrations WHERE client_id = $1",
        )
        .bind(client_id)
        .fetch_optional(c)
        .await)
}

pub async fn find(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    client_id: &str,
) -> Result<Option<Registration>, sqlx::Error> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(select_registrations!(
            "WHERE tenant_id = $1 AND client_id = $2"
        ))
        .bind(tenant)
        .bind(client_id)
        .fetch_optional(c)
        .await)?;
    Ok(row.map(Registration::from))
}

/// The active client of that id, if this token came with its registration. Its tenant follows from it.
pub async fn find_own(
    conn: &mut Conn<'_>,
    client_id: &str,
    token: &Digest,
) -> Result<Option<Registration>, sqlx::Error> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(select_registrations!(
            "WHERE client_id = $1 AND registration_token_sha256 = $2 AND is_active = TRUE"
        ))
        .bind(client_id)
        .bind(token.to_hex())
        .fetch_optional(c)
        .await)?;
    Ok(row.map(Registration::from))
}

/// Inserts a client, or says that its id is taken.
pub async fn insert(conn: &mut Conn<'_>, registration: &Registration) -> Result<(), OAuthFailure> {
    let Registration { scope, grant_types, redirect_uris, .. } = registration;
    let auth_method = registration.token_endpoint_auth_method.map(AuthMethod::as_str);
    let (scopes, grants) = (Json::of(scope)?, Json::of(grant_types)?);
    let uris = Json::of(redirect_uris)?;
    let (jwks, jwks_uri) = columns(registration.keys.as_ref())?;
    on!(conn, c => sqlx::query(
            "INSERT INTO client_registrations (
                id, tenant_id, client_id, name, secret_sha256, scopes, grant_types,
                token_endpoint_auth_method, redirect_uris, is_active, registered_by,
                created_at, updated_at, jwks, jwks_uri, registration_token_sha256)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        )
        .bind(registration.id)
        .bind(&registration.tenant)
        .bind(&registration.client_id)
        .bind(&registration.client_name)
        .bind(registration.secret.as_ref().map(Digest::to_hex))
        .bind(&scopes)
        .bind(&grants)
        .bind(auth_method)
        .bind(&uris)
        .bind(registration.is_active)
        .bind(&registration.registered_by)
        .bind(registration.created_at)
        .bind(registration.updated_at)
        .bind(&jwks)
        .bind(jwks_uri)
        .bind(registration.token.as_ref().map(Digest::to_hex))
        .execute(c)
        .await)
    .on_unique(CLIENT_ID, || OAuthFailure::ClientIdTaken(registration.client_id.clone()))?;
    Ok(())
}

/// Makes a change to a client, and says whether it was there. What is not to change is not written,
/// so that of several changes at once none is lost.
pub async fn update(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    client_id: &str,
    change: &Change,
    updated_at: At,
) -> Result<bool, OAuthFailure> {
    let scopes = change.scope.as_ref().map(Json::of).transpose()?;
    let may_act = change.may_act.as_ref().map(Json::of::<Vec<String>>).transpose()?;
    let (jwks, jwks_uri) = columns(change.keys.as_ref())?;
    let done = on!(conn, c => sqlx::query(
            "UPDATE client_registrations
             SET name = COALESCE($3, name), scopes = COALESCE($4, scopes),
                 is_active = COALESCE($5, is_active), updated_at = $6,
                 may_act = COALESCE($10, may_act),
                 jwks = CASE WHEN $7 THEN $8 ELSE jwks END,
                 jwks_uri = CASE WHEN $7 THEN $9 ELSE jwks_uri END
             WHERE tenant_id = $1 AND client_id = $2",
        )
        .bind(tenant)
        .bind(client_id)
        .bind(&change.client_name)
        .bind(&scopes)
        .bind(change.is_active)
        .bind(updated_at)
        .bind(change.keys.is_some())
        .bind(&jwks)
        .bind(jwks_uri)
        .bind(&may_act)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Writes what a client says of itself, unless it was changed after `seen`, and says whether it did.
pub async fn replace(
    conn: &mut Conn<'_>,
    registration: &Registration,
    seen: Option<At>,
) -> Result<bool, OAuthFailure> {
    let Registration { scope, grant_types, redirect_uris, .. } = registration;
    let (scopes, grants) = (Json::of(scope)?, Json::of(grant_types)?);
    let uris = Json::of(redirect_uris)?;
    let (jwks, jwks_uri) = columns(registration.keys.as_ref())?;
    let done = on!(conn, c => sqlx::query(
            "UPDATE client_registrations
             SET name = $3, scopes = $4, grant_types = $5, redirect_uris = $6, jwks = $7, jwks_uri = $8,
                 updated_at = $9
             WHERE tenant_id = $1 AND client_id = $2 AND updated_at = $10",
        )
        .bind(&registration.tenant)
        .bind(&registration.client_id)
        .bind(&registration.client_name)
        .bind(&scopes)
        .bind(&grants)
        .bind(&uris)
        .bind(&jwks)
        .bind(jwks_uri)
        .bind(registration.updated_at)
        .bind(seen)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Gives a client another secret. Until `previous_until` the one before is good, too; without it, no more.
pub async fn update_secret(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    client_id: &str,
    secret: &Digest,
    (previous_until, updated_at): (Option<At>, At),
) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "UPDATE client_registrations
             SET previous_secret_sha256 = CASE WHEN $4 IS NULL THEN NULL ELSE secret_sha256 END,
                 previous_expires_at = $4, secret_sha256 = $3, updated_at = $5
             WHERE tenant_id = $1 AND client_id = $2",
        )
        .bind(tenant)
        .bind(client_id)
        .bind(secret.to_hex())
        .bind(previous_until)
        .bind(updated_at)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Writes down that a client got a token at `at`, unless a later time stands there.
pub async fn update_last_used(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    client_id: &str,
    at: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE client_registrations SET last_used_at = $3
             WHERE tenant_id = $1 AND client_id = $2
                 AND (last_used_at IS NULL OR last_used_at < $3)",
        )
        .bind(tenant)
        .bind(client_id)
        .bind(at)
        .execute(c)
        .await)?;
    Ok(())
}

/// Deletes a client, and says whether it was there.
pub async fn delete(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    client_id: &str,
) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM client_registrations WHERE tenant_id = $1 AND client_id = $2",
        )
        .bind(tenant)
        .bind(client_id)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Says once, when clients are read anew, what an administrator sees in `problems`.
fn tell_problems(registration: &Registration) {
    for Invalid { pointer, detail, .. } in &registration.problems {
        let client_id = &registration.client_id;
        warn!(client_id, pointer, detail, "a part of a client's row is not understood");
    }
}

/// The two columns of the keys of a client.
fn columns(keys: Option<&KeySource>) -> Result<(Option<Json>, Option<&str>), serde_json::Error> {
    Ok(match keys {
        None => (None, None),
        Some(KeySource::Inline(text)) => (Some(Json::try_from(text.clone())?), None),
        Some(KeySource::Uri(uri)) => (None, Some(uri)),
    })
}

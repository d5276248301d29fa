//! SQL of clients.

use auth::registration::AuthMethod;
use auth::registration::GrantType;
use auth::scope::Scope;
use auth::scope::Scopes;
use auth::token::Digest;
use sqlx::FromRow;
use tracing::warn;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::Json;
use crate::db::OnUnique;
use crate::db::TenantId;
use crate::db::Unique;
use crate::oauth::Change;
use crate::oauth::OAuthFailure;
use crate::oauth::Registration;
use crate::on;

const CLIENT_ID: Unique = Unique {
    name: "client_registrations_client_id",
    table: "client_registrations",
    columns: &["client_id"],
};

/// `SELECT` of all that makes a [`Registration`].
macro_rules! select_registrations {
    ($which:literal) => {
        concat!(
            "SELECT id, tenant_id, client_id, name, secret_sha256, scopes, grant_types,
                    token_endpoint_auth_method, redirect_uris, is_active, registered_by,
                    last_used_at, created_at, updated_at
             FROM client_registrations ",
            $which
        )
    };
}

/// A number that grows with every change to a client.
pub async fn revision(conn: &mut Conn<'_>) -> Result<i64, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, i64>(
            "SELECT revision FROM revisions WHERE name = 'client_registrations'",
        )
        .fetch_one(c)
        .await)
}

/// The active clients of all tenants, but for those of which not even id and times can be read.
pub async fn list_active(conn: &mut Conn<'_>) -> Result<Vec<Registration>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query(select_registrations!("WHERE is_active = TRUE"))
        .fetch_all(c)
        .await
        .map(|rows| rows.iter().map(Row::from_row).collect::<Vec<_>>()))?;
    Ok(rows.into_iter().filter_map(readable).collect())
}

/// The clients of a tenant, the newest first, at most `limit` of those after `after`.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    after: Option<(At, Id)>,
    limit: i64,
) -> Result<Vec<Registration>, sqlx::Error> {
    let (created_at, id) = after.unzip();
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(select_registrations!(
            "WHERE tenant_id = $1 AND ($2 IS NULL OR (created_at, id) < ($2, $3))
             ORDER BY created_at DESC, id DESC
             LIMIT $4"
        ))
        .bind(tenant)
        .bind(created_at)
        .bind(id)
        .bind(limit)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(Registration::from).collect())
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

/// Inserts a client, or says that its id is taken.
pub async fn insert(conn: &mut Conn<'_>, registration: &Registration) -> Result<(), OAuthFailure> {
    let Registration { scope, grant_types, redirect_uris, .. } = registration;
    let auth_method = registration.token_endpoint_auth_method.map(AuthMethod::as_str);
    let (scopes, grants) = (Json::of(scope)?, Json::of(grant_types)?);
    let uris = Json::of(redirect_uris)?;
    on!(conn, c => sqlx::query(
            "INSERT INTO client_registrations (
                id, tenant_id, client_id, name, secret_sha256, scopes, grant_types,
                token_endpoint_auth_method, redirect_uris, is_active, registered_by,
                created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
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
    let done = on!(conn, c => sqlx::query(
            "UPDATE client_registrations
             SET name = COALESCE($3, name), scopes = COALESCE($4, scopes),
                 is_active = COALESCE($5, is_active), updated_at = $6
             WHERE tenant_id = $1 AND client_id = $2",
        )
        .bind(tenant)
        .bind(client_id)
        .bind(&change.client_name)
        .bind(&scopes)
        .bind(change.is_active)
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

/// A row that could be read; of others the log tells.
fn readable(row: Result<Row, sqlx::Error>) -> Option<Registration> {
    match row {
        Ok(row) => Some(row.into()),
        Err(error) => {
            warn!(%error, "a row of client_registrations is left out: it cannot be read");
            None
        }
    }
}

#[derive(FromRow)]
struct Row {
    id: Id,
    tenant_id: TenantId,
    client_id: String,
    name: String,
    secret_sha256: Option<String>,
    scopes: Json,
    grant_types: Json,
    token_endpoint_auth_method: String,
    redirect_uris: Json,
    is_active: bool,
    registered_by: Option<String>,
    last_used_at: Option<At>,
    created_at: At,
    updated_at: At,
}

impl From<Row> for Registration {
    /// Reads a row, which may have been written by hand or by a later version: what is not
    /// understood gives no right.
    fn from(row: Row) -> Self {
        let scope: Vec<Scope> = understood(&row, &row.scopes, |text| text.parse().ok());
        let grant_types = understood(&row, &row.grant_types, GrantType::parse);
        let redirect_uris = understood(&row, &row.redirect_uris, |text| Some(text.to_owned()));
        Self {
            id: row.id,
            tenant: row.tenant_id,
            client_id: row.client_id,
            client_name: row.name,
            grant_types,
            token_endpoint_auth_method: AuthMethod::parse(&row.token_endpoint_auth_method),
            scope: Scopes::from_iter(scope),
            redirect_uris,
            is_active: row.is_active,
            registered_by: row.registered_by,
            last_used_at: row.last_used_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
            secret: row.secret_sha256.as_deref().and_then(Digest::from_hex),
        }
    }
}

/// The items of a list of texts that `parse` understands.
fn understood<T>(row: &Row, list: &Json, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
    let texts: Vec<String> = list.read().unwrap_or_default();
    let parsed: Vec<T> = texts.iter().filter_map(|text| parse(text)).collect();
    if parsed.len() < texts.len() || (texts.is_empty() && list.as_str().trim() != "[]") {
        warn!(client_id = %row.client_id, list = %list, "a part of a client's row is not understood");
    }
    parsed
}

//! SQL of API keys.

use auth::scope::Scope;
use auth::scope::Scopes;
use auth::token::Digest;
use sqlx::FromRow;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::Json;
use crate::db::TenantId;
use crate::oauth::OAuthFailure;
use crate::oauth::api_keys::ApiKey;
use crate::oauth::api_keys::KnownKey;
use crate::on;

/// The keys of all tenants, each with its SHA-256.
pub async fn list_known(conn: &mut Conn<'_>) -> Result<Vec<(String, KnownKey)>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, (Id, TenantId, String, String, Json, Option<At>)>(
            "SELECT id, tenant_id, client_id, key_sha256, scopes, expires_at FROM api_keys",
        )
        .fetch_all(c)
        .await)?;
    let known =
        |(id, tenant, client_id, key_sha256, scopes, expires_at): (Id, _, _, _, Json, _)| {
            // Whatever stands in its row.
            let scopes =
                understood(&scopes).iter().filter(|it| !it.administers()).cloned().collect();
            (key_sha256, KnownKey { id, tenant, client_id, scopes, expires_at })
        };
    Ok(rows.into_iter().map(known).collect())
}

/// The keys of a client, the newest first.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    client_id: &str,
) -> Result<Vec<ApiKey>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(
            "SELECT id, name, scopes, expires_at, last_used_at, created_by, created_at FROM api_keys
             WHERE tenant_id = $1 AND client_id = $2 ORDER BY created_at DESC, id DESC",
        )
        .bind(tenant)
        .bind(client_id)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(ApiKey::from).collect())
}

pub async fn insert(
    conn: &mut Conn<'_>,
    (tenant, client_id): (&TenantId, &str),
    key: &ApiKey,
    digest: &Digest,
) -> Result<(), OAuthFailure> {
    let scopes = Json::of(&key.scope)?;
    on!(conn, c => sqlx::query(
            "INSERT INTO api_keys
                 (id, tenant_id, client_id, name, key_sha256, scopes, expires_at, created_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(key.id)
        .bind(tenant)
        .bind(client_id)
        .bind(&key.name)
        .bind(digest.to_hex())
        .bind(&scopes)
        .bind(key.expires_at)
        .bind(&key.created_by)
        .bind(key.created_at)
        .execute(c)
        .await)?;
    Ok(())
}

/// Deletes a key, and says whether it was there.
pub async fn delete(
    conn: &mut Conn<'_>,
    (tenant, client_id): (&TenantId, &str),
    id: Id,
) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM api_keys WHERE tenant_id = $1 AND client_id = $2 AND id = $3",
        )
        .bind(tenant)
        .bind(client_id)
        .bind(id)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Writes down that a key was used at `at`, unless a later time stands there.
pub async fn update_last_used(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    at: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE api_keys SET last_used_at = $3
             WHERE tenant_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $3)",
        )
        .bind(tenant)
        .bind(id)
        .bind(at)
        .execute(c)
        .await)?;
    Ok(())
}

#[derive(FromRow)]
struct Row {
    id: Id,
    name: String,
    scopes: Json,
    expires_at: Option<At>,
    last_used_at: Option<At>,
    created_by: String,
    created_at: At,
}

impl From<Row> for ApiKey {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            scope: understood(&row.scopes),
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            created_by: row.created_by,
            created_at: row.created_at,
        }
    }
}

/// What is not understood gives no right.
pub fn understood(scopes: &Json) -> Scopes {
    let texts: Vec<String> = scopes.read().unwrap_or_default();
    texts.into_iter().filter_map(|text| Scope::try_from(text).ok()).collect()
}

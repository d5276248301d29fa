//! SQL of what people have allowed clients, and of the refresh tokens of that.

use auth::scope::Scopes;
use auth::token::Digest;
use serde::Deserialize;
use serde::Serialize;
use sqlx::FromRow;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::Json;
use crate::db::TenantId;
use crate::oauth::OAuthFailure;
use crate::oauth::grants::Family;
use crate::oauth::grants::Grant;
use crate::oauth::grants::Which;
use crate::oauth::sessions::Who;
use crate::oauth::store::api_keys::understood;
use crate::on;

/// Where a grant stands in the list of its tenant.
#[derive(Debug, Deserialize, Serialize)]
pub struct Position(pub At, pub Id);

/// A refresh token as it is kept, and of what it is.
#[derive(Debug)]
pub struct Refresh {
    /// When another one was given for it.
    pub used_at: Option<At>,
    pub family: Family,
}

/// The grants of a tenant that are not over, the newest first, at most `limit` of those after `after`.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    now: At,
    after: Option<Position>,
    limit: i64,
) -> Result<Vec<Grant>, sqlx::Error> {
    let (created_at, id) = after.map(|Position(at, id)| (at, id)).unzip();
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(
            "SELECT id, tenant_id, client_id, subject, user_id, credential, scopes, audience, created_at,
                    last_used_at, expires_at
             FROM oauth_grants
             WHERE tenant_id = $1 AND expires_at > $2 AND ($3 IS NULL OR (created_at, id) < ($3, $4))
             ORDER BY created_at DESC, id DESC LIMIT $5",
        )
        .bind(tenant)
        .bind(now)
        .bind(created_at)
        .bind(id)
        .bind(limit)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(|row| Family::from(row).grant).collect())
}

/// What somebody has allowed that is not over, the newest first, at most `limit` of it.
pub async fn list_own(
    conn: &mut Conn<'_>,
    who: &Who,
    now: At,
    limit: i64,
) -> Result<Vec<Grant>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(
            "SELECT id, tenant_id, client_id, subject, user_id, credential, scopes, audience, created_at,
                    last_used_at, expires_at
             FROM oauth_grants
             WHERE tenant_id = $1 AND subject = $2 AND expires_at > $3
             ORDER BY created_at DESC, id DESC LIMIT $4",
        )
        .bind(&who.tenant)
        .bind(who.subject.as_str())
        .bind(now)
        .bind(limit)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(|row| Family::from(row).grant).collect())
}

/// What the same person has allowed the same client before the newest `most`; a hundred of it at most.
pub async fn list_older(
    conn: &mut Conn<'_>,
    newest: &Family,
    most: i64,
) -> Result<Vec<Id>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, Id>(
            "SELECT id FROM oauth_grants WHERE tenant_id = $1 AND subject = $2 AND client_id = $3
             ORDER BY created_at DESC, id DESC LIMIT 100 OFFSET $4",
        )
        .bind(&newest.tenant)
        .bind(&newest.grant.subject)
        .bind(&newest.grant.client_id)
        .bind(most)
        .fetch_all(c)
        .await)
}

pub async fn insert(conn: &mut Conn<'_>, family: &Family) -> Result<(), OAuthFailure> {
    let scopes = Json::of::<Scopes>(&family.grant.scope)?;
    let grant = &family.grant;
    on!(conn, c => sqlx::query(
            "INSERT INTO oauth_grants (id, tenant_id, client_id, subject, user_id, credential, scopes,
                                       audience, created_at, last_used_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(grant.id)
        .bind(&family.tenant)
        .bind(&grant.client_id)
        .bind(&grant.subject)
        .bind(family.user)
        .bind(&family.credential)
        .bind(&scopes)
        .bind(&family.audience)
        .bind(grant.created_at)
        .bind(grant.last_used_at)
        .bind(grant.expires_at)
        .execute(c)
        .await)?;
    Ok(())
}

pub async fn update_used(conn: &mut Conn<'_>, id: Id, now: At) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("UPDATE oauth_grants SET last_used_at = $2 WHERE id = $1")
        .bind(id)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// Counts a revocation. Revisions come in the order of commits: the row that counts them stays locked.
pub async fn count_revocation(conn: &mut Conn<'_>) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE revisions SET revision = revision + 1 WHERE name = 'revoked_tokens'",
        )
        .execute(c)
        .await)?;
    Ok(())
}

/// Makes void, with the revision that was counted, all access tokens of grants.
pub async fn revoke(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    which: Which<'_>,
    (now, until): (At, At),
) -> Result<(), sqlx::Error> {
    let (id, subject) = columns(which);
    on!(conn, c => sqlx::query(
            "INSERT INTO revoked_tokens (jti, tenant_id, client_id, revision, expires_at, revoked_at)
             SELECT CAST(id AS TEXT), tenant_id, client_id,
                    (SELECT revision FROM revisions WHERE name = 'revoked_tokens'), $4, $5
             FROM oauth_grants
             WHERE tenant_id = $1 AND ($2 IS NULL OR id = $2) AND ($3 IS NULL OR subject = $3)
             ON CONFLICT (jti) DO NOTHING",
        )
        .bind(tenant)
        .bind(id)
        .bind(subject)
        .bind(until)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// Deletes grants with their refresh tokens, and says how many.
pub async fn delete(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    which: Which<'_>,
) -> Result<u64, sqlx::Error> {
    let (id, subject) = columns(which);
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM oauth_grants
             WHERE tenant_id = $1 AND ($2 IS NULL OR id = $2) AND ($3 IS NULL OR subject = $3)",
        )
        .bind(tenant)
        .bind(id)
        .bind(subject)
        .execute(c)
        .await)?;
    Ok(done.rows_affected())
}

/// Forgets grants that were over before `before`; at most `most` of them.
pub async fn delete_ended(conn: &mut Conn<'_>, before: At, most: i64) -> Result<u64, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM oauth_grants WHERE id IN
                 (SELECT id FROM oauth_grants WHERE expires_at < $1 LIMIT $2)",
        )
        .bind(before)
        .bind(most)
        .execute(c)
        .await)?;
    Ok(done.rows_affected())
}

/// A refresh token with its grant, which says whose it is.
pub async fn find_refresh(
    conn: &mut Conn<'_>,
    token: &Digest,
) -> Result<Option<Refresh>, sqlx::Error> {
    let used = on!(conn, c => sqlx::query_as::<_, (Id, Option<At>)>(
            "SELECT grant_id, used_at FROM refresh_tokens WHERE token_sha256 = $1",
        )
        .bind(token.to_hex())
        .fetch_optional(c)
        .await)?;
    let Some((grant_id, used_at)) = used else { return Ok(None) };
    let row = on!(conn, c => sqlx::query_as::<_, Row>(
            "SELECT id, tenant_id, client_id, subject, user_id, credential, scopes, audience, created_at,
                    last_used_at, expires_at
             FROM oauth_grants WHERE id = $1",
        )
        .bind(grant_id)
        .fetch_optional(c)
        .await)?;
    Ok(row.map(|row| Refresh { used_at, family: row.into() }))
}

/// Keeps a refresh token, unless it is there already.
pub async fn insert_refresh(
    conn: &mut Conn<'_>,
    token: &Digest,
    grant: Id,
    now: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO refresh_tokens (token_sha256, grant_id, created_at) VALUES ($1, $2, $3)
             ON CONFLICT (token_sha256) DO NOTHING",
        )
        .bind(token.to_hex())
        .bind(grant)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// Uses a refresh token, and says whether nobody had before. Of several at once one is the first.
pub async fn use_refresh(
    conn: &mut Conn<'_>,
    token: &Digest,
    now: At,
) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "UPDATE refresh_tokens SET used_at = $2 WHERE token_sha256 = $1 AND used_at IS NULL",
        )
        .bind(token.to_hex())
        .bind(now)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// The columns by which grants are found.
fn columns(which: Which<'_>) -> (Option<Id>, Option<&str>) {
    match which {
        Which::One(id) => (Some(id), None),
        Which::Own(id, subject) => (Some(id), Some(subject)),
        Which::Of(subject) => (None, Some(subject)),
    }
}

#[derive(FromRow)]
struct Row {
    id: Id,
    tenant_id: TenantId,
    client_id: String,
    subject: String,
    user_id: Option<Id>,
    credential: Option<String>,
    scopes: Json,
    audience: String,
    created_at: At,
    last_used_at: At,
    expires_at: At,
}

impl From<Row> for Family {
    fn from(row: Row) -> Self {
        Self {
            tenant: row.tenant_id,
            user: row.user_id,
            credential: row.credential,
            audience: row.audience,
            grant: Grant {
                id: row.id,
                client_id: row.client_id,
                subject: row.subject,
                scope: understood(&row.scopes),
                created_at: row.created_at,
                last_used_at: row.last_used_at,
                expires_at: row.expires_at,
            },
        }
    }
}

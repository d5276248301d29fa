//! SQL of authorization codes and of consents.

use auth::scope::Scopes;
use auth::token::Digest;
use sqlx::FromRow;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::Json;
use crate::db::TenantId;
use crate::oauth::OAuthFailure;
use crate::oauth::authorize::Code;
use crate::oauth::grants::Family;
use crate::oauth::grants::Grant;
use crate::oauth::sessions::Who;
use crate::oauth::store::api_keys::understood;
use crate::on;

pub async fn insert(conn: &mut Conn<'_>, digest: &Digest, code: &Code) -> Result<(), OAuthFailure> {
    let Family { tenant, user, credential, audience, grant } = &code.family;
    let scopes = Json::of::<Scopes>(&grant.scope)?;
    on!(conn, c => sqlx::query(
            "INSERT INTO authorization_codes (code_sha256, grant_id, tenant_id, client_id, subject,
                 user_id, credential, scopes, audience, redirect_uri, code_challenge, grant_ends_at,
                 created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(digest.to_hex())
        .bind(grant.id)
        .bind(tenant)
        .bind(&grant.client_id)
        .bind(&grant.subject)
        .bind(user)
        .bind(credential)
        .bind(&scopes)
        .bind(audience)
        .bind(&code.redirect_uri)
        .bind(&code.challenge)
        .bind(grant.expires_at)
        .bind(grant.created_at)
        .bind(code.expires_at)
        .execute(c)
        .await)?;
    Ok(())
}

/// Takes a code of a client, which is used up by it. `None`: there is none that nobody has taken. Of several
/// at once one gets it.
pub async fn take(
    conn: &mut Conn<'_>,
    digest: &Digest,
    client_id: &str,
    now: At,
) -> Result<Option<Code>, sqlx::Error> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(
            "UPDATE authorization_codes SET used_at = $3
             WHERE code_sha256 = $1 AND client_id = $2 AND used_at IS NULL
             RETURNING grant_id, tenant_id, client_id, subject, user_id, credential, scopes, audience,
                       redirect_uri, code_challenge, grant_ends_at, created_at, expires_at",
        )
        .bind(digest.to_hex())
        .bind(client_id)
        .bind(now)
        .fetch_optional(c)
        .await)?;
    Ok(row.map(Code::from))
}

/// Of a code of this client that was taken: whose the grant is that came of it.
pub async fn find_taken(
    conn: &mut Conn<'_>,
    digest: &Digest,
    client_id: &str,
) -> Result<Option<(TenantId, Id)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, (TenantId, Id)>(
            "SELECT tenant_id, grant_id FROM authorization_codes
             WHERE code_sha256 = $1 AND client_id = $2 AND used_at IS NOT NULL",
        )
        .bind(digest.to_hex())
        .bind(client_id)
        .fetch_optional(c)
        .await)
}

/// Forgets codes that were over before `before`; at most `most` of them.
pub async fn delete_ended(conn: &mut Conn<'_>, before: At, most: i64) -> Result<u64, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM authorization_codes WHERE code_sha256 IN
                 (SELECT code_sha256 FROM authorization_codes WHERE expires_at < $1 LIMIT $2)",
        )
        .bind(before)
        .bind(most)
        .execute(c)
        .await)?;
    Ok(done.rows_affected())
}

/// What somebody has agreed to before, of this client.
pub async fn find_consent(
    conn: &mut Conn<'_>,
    who: &Who,
    client_id: &str,
) -> Result<Scopes, sqlx::Error> {
    let scopes = on!(conn, c => sqlx::query_scalar::<_, Json>(
            "SELECT scopes FROM consents WHERE tenant_id = $1 AND subject = $2 AND client_id = $3",
        )
        .bind(&who.tenant)
        .bind(who.subject.as_str())
        .bind(client_id)
        .fetch_optional(c)
        .await)?;
    Ok(scopes.map(|scopes| understood(&scopes)).unwrap_or_default())
}

/// Writes down what somebody agrees to.
pub async fn upsert_consent(
    conn: &mut Conn<'_>,
    who: &Who,
    client_id: &str,
    scopes: &Scopes,
    now: At,
) -> Result<(), OAuthFailure> {
    let scopes = Json::of(scopes)?;
    on!(conn, c => sqlx::query(
            "INSERT INTO consents (tenant_id, subject, client_id, user_id, scopes, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant_id, subject, client_id)
             DO UPDATE SET scopes = excluded.scopes, created_at = excluded.created_at",
        )
        .bind(&who.tenant)
        .bind(who.subject.as_str())
        .bind(client_id)
        .bind(who.user)
        .bind(&scopes)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// Forgets what people agreed to of a client, which is another one now.
pub async fn delete_consents(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    client_id: &str,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("DELETE FROM consents WHERE tenant_id = $1 AND client_id = $2")
        .bind(tenant)
        .bind(client_id)
        .execute(c)
        .await)?;
    Ok(())
}

#[derive(FromRow)]
struct Row {
    grant_id: Id,
    tenant_id: TenantId,
    client_id: String,
    subject: String,
    user_id: Option<Id>,
    credential: Option<String>,
    scopes: Json,
    audience: String,
    redirect_uri: String,
    code_challenge: String,
    grant_ends_at: At,
    created_at: At,
    expires_at: At,
}

impl From<Row> for Code {
    fn from(row: Row) -> Self {
        Self {
            family: Family {
                tenant: row.tenant_id,
                user: row.user_id,
                credential: row.credential,
                audience: row.audience,
                grant: Grant {
                    id: row.grant_id,
                    client_id: row.client_id,
                    subject: row.subject,
                    scope: understood(&row.scopes),
                    created_at: row.created_at,
                    last_used_at: row.created_at,
                    expires_at: row.grant_ends_at,
                },
            },
            redirect_uri: row.redirect_uri,
            challenge: row.code_challenge,
            expires_at: row.expires_at,
        }
    }
}

//! SQL of what people have consented to at servers of others.

use sqlx::FromRow;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;

/// Whose consent, and to what.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    pub tenant: &'a TenantId,
    pub subject: &'a str,
    pub upstream: Id,
}

/// Tokens that a person has allowed us.
#[derive(Debug, FromRow)]
pub struct Row {
    pub basis: String,
    /// Sealed.
    pub tokens: String,
    pub expires_at: Option<At>,
    pub generation: i64,
}

/// The next tokens of a consent.
#[derive(Debug)]
pub struct Next<'a> {
    pub tokens: &'a str,
    pub scope: Option<&'a str>,
    pub expires_at: Option<At>,
}

/// A consent, as he who gave it sees it.
#[derive(Debug, FromRow)]
pub struct Own {
    pub upstream: String,
    pub display_name: String,
    pub scope: Option<String>,
    pub created_at: At,
    pub updated_at: At,
}

pub async fn find(conn: &mut Conn<'_>, key: Key<'_>) -> Result<Option<Row>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(
            "SELECT basis, tokens, expires_at, generation FROM mcp_consents
             WHERE tenant_id = $1 AND subject = $2 AND upstream_id = $3",
        )
        .bind(key.tenant)
        .bind(key.subject)
        .bind(key.upstream)
        .fetch_optional(c)
        .await)
}

/// Keeps a consent; one that was there before is replaced.
pub async fn upsert(
    conn: &mut Conn<'_>,
    key: Key<'_>,
    user: Option<Id>,
    basis: &str,
    next: &Next<'_>,
    now: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO mcp_consents (tenant_id, subject, upstream_id, user_id, basis, tokens, scope, expires_at,
             created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
             ON CONFLICT (tenant_id, subject, upstream_id) DO UPDATE
             SET basis = $5, tokens = $6, scope = $7, expires_at = $8, generation = mcp_consents.generation + 1,
                 renewed_by_until = NULL, created_at = $9, updated_at = $9",
        )
        .bind(key.tenant)
        .bind(key.subject)
        .bind(key.upstream)
        .bind(user)
        .bind(basis)
        .bind(next.tokens)
        .bind(next.scope)
        .bind(next.expires_at)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// Takes it upon this process to renew the tokens, `until` then. `false`: another one does, or has.
pub async fn claim(
    conn: &mut Conn<'_>,
    key: Key<'_>,
    generation: i64,
    (now, until): (At, At),
) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "UPDATE mcp_consents SET renewed_by_until = $5
             WHERE tenant_id = $1 AND subject = $2 AND upstream_id = $3 AND generation = $4
             AND (renewed_by_until IS NULL OR renewed_by_until < $6)",
        )
        .bind(key.tenant)
        .bind(key.subject)
        .bind(key.upstream)
        .bind(generation)
        .bind(until)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() == 1)
}

/// Keeps the next tokens of a consent, if nobody has changed it since.
pub async fn renew(
    conn: &mut Conn<'_>,
    key: Key<'_>,
    generation: i64,
    next: &Next<'_>,
    now: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE mcp_consents SET tokens = $5, scope = $6, expires_at = $7, updated_at = $8,
             generation = generation + 1, renewed_by_until = NULL
             WHERE tenant_id = $1 AND subject = $2 AND upstream_id = $3 AND generation = $4",
        )
        .bind(key.tenant)
        .bind(key.subject)
        .bind(key.upstream)
        .bind(generation)
        .bind(next.tokens)
        .bind(next.scope)
        .bind(next.expires_at)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// Lets others renew the tokens.
pub async fn release(
    conn: &mut Conn<'_>,
    key: Key<'_>,
    generation: i64,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE mcp_consents SET renewed_by_until = NULL
             WHERE tenant_id = $1 AND subject = $2 AND upstream_id = $3 AND generation = $4",
        )
        .bind(key.tenant)
        .bind(key.subject)
        .bind(key.upstream)
        .bind(generation)
        .execute(c)
        .await)?;
    Ok(())
}

/// Forgets a consent that is of no use any more, if it is still this one.
pub async fn delete_generation(
    conn: &mut Conn<'_>,
    key: Key<'_>,
    generation: i64,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "DELETE FROM mcp_consents
             WHERE tenant_id = $1 AND subject = $2 AND upstream_id = $3 AND generation = $4",
        )
        .bind(key.tenant)
        .bind(key.subject)
        .bind(key.upstream)
        .bind(generation)
        .execute(c)
        .await)?;
    Ok(())
}

/// Takes a consent back; gives its tokens, if there was one.
pub async fn delete(conn: &mut Conn<'_>, key: Key<'_>) -> Result<Option<String>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar(
            "DELETE FROM mcp_consents WHERE tenant_id = $1 AND subject = $2 AND upstream_id = $3 RETURNING tokens",
        )
        .bind(key.tenant)
        .bind(key.subject)
        .bind(key.upstream)
        .fetch_optional(c)
        .await)
}

/// Scopes that the upstream wanted of somebody beside those that it says, with spaces between.
pub async fn wanted(conn: &mut Conn<'_>, key: Key<'_>) -> Result<Option<String>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar(
            "SELECT scope FROM mcp_consent_scopes WHERE tenant_id = $1 AND subject = $2 AND upstream_id = $3",
        )
        .bind(key.tenant)
        .bind(key.subject)
        .bind(key.upstream)
        .fetch_optional(c)
        .await)
}

/// Remembers what an upstream wants of somebody who has consented.
pub async fn upsert_wanted(
    conn: &mut Conn<'_>,
    key: Key<'_>,
    scope: &str,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO mcp_consent_scopes (tenant_id, subject, upstream_id, user_id, scope)
             SELECT tenant_id, subject, upstream_id, user_id, $4 FROM mcp_consents
             WHERE tenant_id = $1 AND subject = $2 AND upstream_id = $3
             ON CONFLICT (tenant_id, subject, upstream_id) DO UPDATE SET scope = $4",
        )
        .bind(key.tenant)
        .bind(key.subject)
        .bind(key.upstream)
        .bind(scope)
        .execute(c)
        .await)?;
    Ok(())
}

/// Forgets that; says whether there was anything.
pub async fn delete_wanted(conn: &mut Conn<'_>, key: Key<'_>) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM mcp_consent_scopes WHERE tenant_id = $1 AND subject = $2 AND upstream_id = $3",
        )
        .bind(key.tenant)
        .bind(key.subject)
        .bind(key.upstream)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() == 1)
}

/// What somebody has consented to, in the order of the names.
pub async fn list_own(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    subject: &str,
) -> Result<Vec<Own>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(
            "SELECT u.name AS upstream, u.display_name, m.scope, m.created_at, m.updated_at
             FROM mcp_consents m JOIN mcp_upstreams u ON u.tenant_id = m.tenant_id AND u.id = m.upstream_id
             WHERE m.tenant_id = $1 AND m.subject = $2 ORDER BY u.name LIMIT 200",
        )
        .bind(tenant)
        .bind(subject)
        .fetch_all(c)
        .await)
}

/// Remembers that somebody is away to be asked, until `expires_at`; the last time counts.
pub async fn upsert_request(
    conn: &mut Conn<'_>,
    key: Key<'_>,
    (state, data): (&str, &str),
    expires_at: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO mcp_consent_requests (tenant_id, subject, upstream_id, state, data, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant_id, subject, upstream_id) DO UPDATE SET state = $4, data = $5, expires_at = $6",
        )
        .bind(key.tenant)
        .bind(key.subject)
        .bind(key.upstream)
        .bind(state)
        .bind(data)
        .bind(expires_at)
        .execute(c)
        .await)?;
    Ok(())
}

/// Takes what was remembered of him who comes back with this state: nobody comes back twice.
pub async fn take_request(
    conn: &mut Conn<'_>,
    key: Key<'_>,
    state: &str,
    now: At,
) -> Result<Option<String>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar(
            "DELETE FROM mcp_consent_requests
             WHERE tenant_id = $1 AND subject = $2 AND upstream_id = $3 AND state = $4 AND expires_at > $5
             RETURNING data",
        )
        .bind(key.tenant)
        .bind(key.subject)
        .bind(key.upstream)
        .bind(state)
        .bind(now)
        .fetch_optional(c)
        .await)
}

/// Forgets those who did not come back.
pub async fn delete_old_requests(conn: &mut Conn<'_>, now: At) -> Result<(), sqlx::Error> {
    let query = "DELETE FROM mcp_consent_requests WHERE expires_at <= $1";
    on!(conn, c => sqlx::query(query).bind(now).execute(c).await)?;
    Ok(())
}

/// As whom we are registered at `issuer` for an upstream, sealed.
pub async fn find_registration(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    upstream: Id,
    (issuer, redirect_uri): (&str, &str),
) -> Result<Option<String>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar(
            "SELECT client FROM mcp_registrations
             WHERE tenant_id = $1 AND upstream_id = $2 AND issuer = $3 AND redirect_uri = $4",
        )
        .bind(tenant)
        .bind(upstream)
        .bind(issuer)
        .bind(redirect_uri)
        .fetch_optional(c)
        .await)
}

pub async fn upsert_registration(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    upstream: Id,
    (issuer, redirect_uri, client): (&str, &str, &str),
    now: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO mcp_registrations (tenant_id, upstream_id, issuer, redirect_uri, client, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant_id, upstream_id) DO UPDATE
             SET issuer = $3, redirect_uri = $4, client = $5, created_at = $6",
        )
        .bind(tenant)
        .bind(upstream)
        .bind(issuer)
        .bind(redirect_uri)
        .bind(client)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// Forgets who we are there: nobody knows us any more.
pub async fn delete_registration(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    upstream: Id,
) -> Result<(), sqlx::Error> {
    let query = "DELETE FROM mcp_registrations WHERE tenant_id = $1 AND upstream_id = $2";
    on!(conn, c => sqlx::query(query).bind(tenant).bind(upstream).execute(c).await)?;
    Ok(())
}

/// Subjects for whose consent runs wait although it is there, with the upstream, of all tenants.
pub async fn list_met(conn: &mut Conn<'_>) -> Result<Vec<(TenantId, String, String)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(
            "SELECT DISTINCT a.tenant_id, a.requested_by, a.consent_upstream
             FROM approvals a JOIN mcp_upstreams u ON u.tenant_id = a.tenant_id AND u.name = a.consent_upstream
             JOIN mcp_consents m ON m.tenant_id = a.tenant_id AND m.subject = a.requested_by AND m.upstream_id = u.id
             WHERE a.kind = 'consent' AND a.status = 'pending' LIMIT 20",
        )
        .fetch_all(c)
        .await)
}

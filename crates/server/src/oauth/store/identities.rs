//! SQL of who users are elsewhere.

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::oauth::users::User;
use crate::on;

/// Who is known by this name at that issuer. His tenant follows from it.
pub async fn find(
    conn: &mut Conn<'_>,
    issuer: &str,
    subject: &str,
) -> Result<Option<(TenantId, Id)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, (TenantId, Id)>(
            "SELECT tenant_id, user_id FROM user_identities WHERE issuer = $1 AND subject = $2",
        )
        .bind(issuer)
        .bind(subject)
        .fetch_optional(c)
        .await)
}

/// Whether a user is somebody at that issuer already.
pub async fn has_identity(
    conn: &mut Conn<'_>,
    issuer: &str,
    user: Id,
) -> Result<bool, sqlx::Error> {
    let found = on!(conn, c => sqlx::query_scalar::<_, String>(
            "SELECT subject FROM user_identities WHERE user_id = $1 AND issuer = $2",
        )
        .bind(user)
        .bind(issuer)
        .fetch_optional(c)
        .await)?;
    Ok(found.is_some())
}

pub async fn insert(
    conn: &mut Conn<'_>,
    (issuer, subject): (&str, &str),
    user: &User,
    now: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO user_identities (issuer, subject, tenant_id, user_id, created_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(issuer)
        .bind(subject)
        .bind(&user.tenant)
        .bind(user.id)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

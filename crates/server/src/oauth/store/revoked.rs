//! SQL of revoked tokens.

use auth::claims::AccessClaims;
use chrono::DateTime;

use crate::db::At;
use crate::db::Conn;
use crate::oauth::keys::seconds;
use crate::oauth::revoked::RevokedToken;
use crate::on;

/// Makes a token void. Revisions come in the order of commits: the row that counts them stays locked.
pub async fn insert(
    conn: &mut Conn<'_>,
    claims: &AccessClaims,
    now: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE revisions SET revision = revision + 1 WHERE name = 'revoked_tokens'",
        )
        .execute(c)
        .await)?;
    on!(conn, c => sqlx::query(
            "INSERT INTO revoked_tokens (jti, tenant_id, client_id, revision, expires_at, revoked_at)
             VALUES ($1, $2, $3, (SELECT revision FROM revisions WHERE name = 'revoked_tokens'), $4, $5)
             ON CONFLICT (jti) DO NOTHING",
        )
        .bind(&claims.jti)
        .bind(&claims.tenant)
        .bind(&claims.client_id)
        .bind(end_of(claims.exp))
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// The tokens that were revoked after `revision`.
pub async fn list_after(
    conn: &mut Conn<'_>,
    revision: i64,
) -> Result<Vec<RevokedToken>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, (String, String, At)>(
            "SELECT client_id, jti, expires_at FROM revoked_tokens WHERE revision > $1",
        )
        .bind(revision)
        .fetch_all(c)
        .await)?;
    let token = |(client_id, jti, end)| RevokedToken { client_id, jti, exp: seconds(end) };
    Ok(rows.into_iter().map(token).collect())
}

/// Forgets tokens that were over before `before`; at most `most` of them.
pub async fn delete_ended(conn: &mut Conn<'_>, before: At, most: i64) -> Result<u64, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM revoked_tokens WHERE jti IN
                 (SELECT jti FROM revoked_tokens WHERE expires_at < $1 LIMIT $2)",
        )
        .bind(before)
        .bind(most)
        .execute(c)
        .await)?;
    Ok(done.rows_affected())
}

/// The instant of these seconds since 1970, which are those of a token of ours.
fn end_of(exp: u64) -> At {
    let time = i64::try_from(exp).ok().and_then(|exp| DateTime::from_timestamp(exp, 0));
    time.map_or(At::NEVER, At::new)
}

//! SQL of all that is kept of an end user.

use sqlx::QueryBuilder;

use super::BATCH;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;
use crate::runs::budgets::end_user_id;

/// An end user: the name that a subject has for him.
#[derive(Debug)]
pub struct EndUser {
    pub tenant: TenantId,
    pub subject: String,
    pub user: String,
}

/// Some of the threads of an end user.
pub async fn threads_of(conn: &mut Conn<'_>, of: &EndUser) -> Result<Vec<Id>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar(
            "SELECT id FROM threads WHERE tenant_id = $1 AND subject = $2 AND end_user = $3
             AND end_user IS NOT NULL ORDER BY id LIMIT $4",
        )
        .bind(of.tenant.as_str())
        .bind(&of.subject)
        .bind(&of.user)
        .bind(BATCH)
        .fetch_all(c)
        .await)
}

/// Some of the runs of an end user after the run `after`: `(id, whether it is over)`.
pub async fn runs_of(
    conn: &mut Conn<'_>,
    of: &EndUser,
    after: Option<Id>,
) -> Result<Vec<(Id, bool)>, sqlx::Error> {
    on!(conn, c => {
        let mut query = QueryBuilder::new(
            "SELECT id, finished_at IS NOT NULL FROM runs
             WHERE end_user IS NOT NULL AND tenant_id = ",
        );
        query.push_bind(of.tenant.as_str());
        query.push(" AND subject = ").push_bind(&of.subject);
        query.push(" AND end_user = ").push_bind(&of.user);
        if let Some(after) = after {
            query.push(" AND id > ").push_bind(after);
        }
        query.push(" ORDER BY id LIMIT ").push_bind(BATCH);
        query.build_query_as().fetch_all(c).await
    })
}

/// Forgets what the end user has used of budgets before `day`.
pub async fn delete_usage(conn: &mut Conn<'_>, of: &EndUser, day: &str) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "DELETE FROM budget_usage
             WHERE tenant_id = $1 AND owner_kind = 'user' AND owner_id = $2 AND day < $3",
        )
        .bind(of.tenant.as_str())
        .bind(end_user_id(&of.subject, &of.user))
        .bind(day)
        .execute(c)
        .await)?;
    Ok(())
}

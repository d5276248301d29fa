//! SQL of many runs at once.

use sqlx::QueryBuilder;

use super::StoredEvent;
use super::row::SummaryRow;
use super::row::summary_columns;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;
use crate::runs::RunSummary;
use crate::runs::RunsError;

/// An event, and the run that it is of.
#[derive(Debug, sqlx::FromRow)]
pub struct EventOf {
    pub run_id: Id,
    #[sqlx(flatten)]
    pub event: StoredEvent,
}

/// Those of the runs that the tenant has, the oldest first.
pub async fn summaries(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    ids: &[Id],
) -> Result<Vec<RunSummary>, RunsError> {
    let rows: Vec<SummaryRow> = on!(conn, c => {
        let mut query = QueryBuilder::new(
            concat!("SELECT ", summary_columns!(), " FROM runs WHERE tenant_id = "),
        );
        query.push_bind(tenant.as_str()).push(" AND id IN (");
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        query.push(") ORDER BY id");
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(SummaryRow::read).collect()
}

/// Of those of the runs that the tenant has, what they execute and in which version: of a row that cannot be read, too.
pub async fn pinned(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    ids: &[Id],
) -> Result<Vec<(Id, Id, i64)>, sqlx::Error> {
    on!(conn, c => {
        let mut query = QueryBuilder::new(
            "SELECT id, definition_id, definition_version FROM runs WHERE tenant_id = ",
        );
        query.push_bind(tenant.as_str()).push(" AND id IN (");
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })
}

/// The runs that `run_id` began and that are not over.
pub async fn open_below(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    run_id: Id,
) -> Result<Vec<Id>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar(
            "SELECT id FROM runs WHERE tenant_id = $1 AND parent_run_id = $2 AND finished_at IS NULL ORDER BY id",
        )
        .bind(tenant.as_str())
        .bind(run_id)
        .fetch_all(c)
        .await)
}

/// At most `limit` events of the runs after that place, each run's in their order: those that tell of turns,
/// calls and children.
pub async fn events(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    runs: &[Id],
    after: (Id, i64),
    limit: i64,
) -> Result<Vec<EventOf>, sqlx::Error> {
    on!(conn, c => {
        let mut query = QueryBuilder::new(
            "SELECT run_id, seq, type, at, data FROM run_events WHERE tenant_id = ",
        );
        query.push_bind(tenant.as_str()).push(" AND run_id IN (");
        let mut list = query.separated(", ");
        for run in runs {
            list.push_bind(*run);
        }
        query.push(") AND (run_id, seq) > (").push_bind(after.0).push(", ").push_bind(after.1);
        query.push(
            ") AND (type IN ('run.resumed', 'run.finished', 'step.started', 'step.finished', 'retrieval.finished',
             'model.started', 'model.finished', 'model.failed', 'tool.started', 'tool.finished',
             'child.started')
             OR type = 'memory.read' AND data LIKE '%\"recalled\":{%') ORDER BY run_id, seq LIMIT ",
        );
        query.push_bind(limit);
        query.build_query_as().fetch_all(c).await
    })
}

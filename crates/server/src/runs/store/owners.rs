//! SQL of who executes what: processes, and the runs that belong to them or to nobody.

use sqlx::FromRow;
use sqlx::QueryBuilder;

use super::row::RunRow;
use super::row::run_columns;
use super::row::summary_columns;
use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::OnUnique;
use crate::db::TenantId;
use crate::db::Unique;
use crate::on;
use crate::runs::Record;
use crate::runs::RunsError;
use crate::runs::permits::Saturated;

/// One run of a thread is at work.
pub const THREAD: Unique =
    Unique { name: "runs_thread_at_work", table: "runs", columns: &["tenant_id", "thread_id"] };

/// Looks among the runs that are not over, which every process does all the time.
///
/// SQLite takes the index of open runs only if its condition stands in the query word for word;
/// without it each look would read all runs there ever were. What follows names one status: there may be many
/// runs that sleep.
macro_rules! from_open_runs {
    () => {
        " FROM runs WHERE status IN ('queued', 'running', 'waiting', 'suspended') AND "
    };
}

const ORPHANS: &str = concat!(
    "SELECT tenant_id, id, worker_id",
    from_open_runs!(),
    "status = 'running' AND engine <= $1
     AND (worker_id IS NULL OR worker_id NOT IN (SELECT id FROM workers))
     ORDER BY run_after LIMIT 200"
);

/// The first runs of one status that wait for a time that has come.
macro_rules! first_due {
    ($status:literal) => {
        concat!(
            "SELECT * FROM (SELECT tenant_id, id, run_after",
            from_open_runs!(),
            "status = '",
            $status,
            "' AND run_after <= $1 AND engine <= $2 ORDER BY run_after LIMIT 200) AS ",
            $status
        )
    };
}

/// Runs that wait for a time that has come: `(tenant, run)`.
const DUE: &str = concat!(
    "SELECT tenant_id, id FROM (",
    first_due!("waiting"),
    " UNION ALL ",
    first_due!("suspended"),
    ") AS due ORDER BY run_after LIMIT 200"
);

const OWNED: &str =
    concat!("SELECT tenant_id, id", from_open_runs!(), "status = 'running' AND worker_id = $1");

/// The queue, in which each run has the number of its turn among those of its client. No time is asked
/// for: a clock that was set back would make them wait for it. Of a thread only the first, and only while
/// no other is at work: those behind keep nobody waiting.
const QUEUED: &str = concat!(
    "SELECT tenant_id, id, client_id, definition_id, run_after,
     row_number() OVER (PARTITION BY client_id ORDER BY priority DESC, run_after, id) AS turn",
    from_open_runs!(),
    "status = 'queued' AND NOT EXISTS (SELECT 1 FROM runs AS busy
     WHERE busy.tenant_id = runs.tenant_id AND busy.thread_id = runs.thread_id
     AND busy.thread_id IS NOT NULL AND busy.status IN ('running', 'waiting', 'suspended'))
     AND NOT EXISTS (SELECT 1 FROM runs AS earlier
     WHERE earlier.tenant_id = runs.tenant_id AND earlier.thread_id = runs.thread_id
     AND earlier.id < runs.id AND earlier.thread_id IS NOT NULL AND earlier.status = 'queued')"
);

const COUNT_QUEUED: &str = concat!(
    "SELECT count(*), count(CASE WHEN client_id = $2 THEN 1 END) FROM (SELECT client_id",
    from_open_runs!(),
    "status = 'queued' LIMIT $1) AS queued"
);

/// Enters a process, or lets its heart beat.
pub async fn beat(conn: &mut Conn<'_>, worker: Id, now: At) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO workers (id, beat, started_at) VALUES ($1, 1, $2)
             ON CONFLICT (id) DO UPDATE SET beat = workers.beat + 1",
        )
        .bind(worker)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// The heartbeat of every process.
pub async fn beats(conn: &mut Conn<'_>) -> Result<Vec<(Id, i64)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as("SELECT id, beat FROM workers").fetch_all(c).await)
}

/// Takes a process out; its runs must have been let go.
pub async fn delete_worker(conn: &mut Conn<'_>, worker: Id) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("DELETE FROM workers WHERE id = $1").bind(worker).execute(c).await)?;
    Ok(())
}

/// Runs that were begun and whose owner is gone: `(tenant, run, owner)`.
pub async fn orphans(conn: &mut Conn<'_>) -> Result<Vec<(String, Id, Option<Id>)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(ORPHANS).bind(engine::ENGINE).fetch_all(c).await)
}

/// Runs that were begun and belong to `worker`: `(tenant, run)`.
pub async fn owned(conn: &mut Conn<'_>, worker: Id) -> Result<Vec<(String, Id)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(OWNED).bind(worker).fetch_all(c).await)
}

/// A run of the queue.
#[derive(Debug, FromRow)]
pub struct Queued {
    pub tenant_id: String,
    pub id: Id,
    pub client_id: String,
    pub definition_id: Id,
    /// Its place among those of its client, from 1.
    pub turn: i64,
}

/// The first runs of the queue of each client, at most `most`, the oldest first; who is `saturated` is passed over.
pub async fn queued(
    conn: &mut Conn<'_>,
    saturated: &Saturated,
    most: u32,
) -> Result<Vec<Queued>, sqlx::Error> {
    on!(conn, c => {
        let mut query =
            QueryBuilder::new("SELECT tenant_id, id, client_id, definition_id, turn FROM (");
        query.push(QUEUED);
        query.push(" AND engine <= ").push_bind(engine::ENGINE);
        for client in &saturated.clients {
            query.push(" AND client_id <> ").push_bind(client);
        }
        for agent in &saturated.agents {
            query.push(" AND definition_id <> ").push_bind(*agent);
        }
        query.push(") AS queued WHERE turn <= ").push_bind(i64::from(most));
        query.push(" ORDER BY turn, run_after, id LIMIT 1000");
        query.build_query_as().fetch_all(c).await
    })
}

/// How many runs wait in the queue, of all and of one client; more than `most` are not counted.
pub async fn count_queued(
    conn: &mut Conn<'_>,
    most: u32,
    client: &str,
) -> Result<(i64, i64), sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, (i64, i64)>(COUNT_QUEUED)
        .bind(i64::from(most))
        .bind(client)
        .fetch_one(c)
        .await)
}

/// Runs that wait for a time that has come: `(tenant, run)`.
pub async fn due(conn: &mut Conn<'_>, now: At) -> Result<Vec<(String, Id)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(DUE).bind(now).bind(engine::ENGINE).fetch_all(c).await)
}

/// Makes `worker` the owner of a run that still belongs to `from`, and says whether it did. It
/// fails with [`RunsError::ThreadBusy`] while another run of its thread is at work.
pub async fn claim(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    run_id: Id,
    from: Option<Id>,
    worker: Id,
    now: At,
) -> Result<Option<Record>, RunsError> {
    let row: Option<RunRow> = on!(conn, c => sqlx::query_as(concat!(
            "UPDATE runs SET worker_id = $1, status = 'running', waiting_for = '[]',
             attempt = attempt + 1, started_at = coalesce(started_at, $5)
             WHERE tenant_id = $2 AND id = $3
             AND status IN ('queued', 'running', 'waiting', 'suspended')
             AND worker_id IS NOT DISTINCT FROM $4 AND engine <= $6 RETURNING ", run_columns!(),
        ))
        .bind(worker)
        .bind(tenant.as_str())
        .bind(run_id)
        .bind(from)
        .bind(now)
        .bind(engine::ENGINE)
        .fetch_optional(c)
        .await)
    .on_unique(THREAD, || RunsError::ThreadBusy)?;
    row.map(RunRow::read).transpose()
}

/// Lets go of a run, so that any process may go on with it.
pub async fn release(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    run_id: Id,
    worker: Id,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE runs SET worker_id = NULL
             WHERE tenant_id = $1 AND id = $2 AND worker_id = $3 AND status = 'running'",
        )
        .bind(tenant.as_str())
        .bind(run_id)
        .bind(worker)
        .execute(c)
        .await)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use sqlx::AssertSqlSafe;
    use sqlx::Connection;
    use sqlx::SqliteConnection;

    use super::*;
    use crate::db::Dialect;
    use crate::db::migrate::Migration;

    const TABLES: [&str; 3] = [
        include_str!("../../../../../migrations/sqlite/20261125000000_first_tables.sql"),
        include_str!("../../../../../migrations/sqlite/20261129000100_threads.sql"),
        include_str!("../../../../../migrations/sqlite/20261201008300_open_runs.sql"),
    ];

    #[tokio::test]
    async fn looking_for_work_reads_open_runs_of_one_status_only() {
        let mut database = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        for tables in TABLES {
            let migration = Migration::parse("tables", tables, Dialect::Sqlite).unwrap();
            for statement in migration.up.statements {
                let statement = AssertSqlSafe(statement.text);
                sqlx::raw_sql(statement).execute(&mut database).await.unwrap();
            }
        }

        for query in [ORPHANS, OWNED, QUEUED, COUNT_QUEUED, DUE] {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}"));
            let plan: Vec<(i64, i64, i64, String)> =
                sqlx::query_as(explain).fetch_all(&mut database).await.unwrap();
            let is_narrow = |it: &(_, _, _, String)| it.3.contains("runs_open (status=?");
            assert!(plan.iter().any(is_narrow), "{plan:?}: {query}");
            for (.., step) in plan.iter().filter(|(.., step)| step.contains(" runs")) {
                let narrow = ["runs_open", "runs_thread_at_work", "runs_thread_queue", "workers"];
                let is_narrow = narrow.iter().any(|index| step.contains(index));
                assert!(is_narrow, "{plan:?}: {query}");
            }
        }
    }
}

//! The statements of the journal writer: as few as there can be for what many runs record at once.
//!
//! Rows go in by chunks whose sizes are powers of two, so that there are few statement texts and each
//! stays prepared.

use sqlx::QueryBuilder;

use super::approvals;
use super::budgets;
use super::deliveries;
use super::row;
use super::signals;
use super::waits;
use crate::db::Conn;
use crate::db::Dialect;
use crate::db::Done;
use crate::db::OnUnique;
use crate::db::Unique;
use crate::on;
use crate::runs::Record;
use crate::runs::journal::Change;
use crate::runs::journal::Entry;
use crate::runs::journal::EventRow;
use crate::runs::journal::JournalError;
use crate::runs::journal::NewRun;
use crate::runs::store::owners::THREAD;
use crate::runs::threads;
use crate::workflows::store::firings;

const EVENT: Unique = Unique {
    name: "run_events_pkey",
    table: "run_events",
    columns: &["tenant_id", "run_id", "seq"],
};
const KEY: Unique = Unique {
    name: "idempotency_keys_pkey",
    table: "idempotency_keys",
    columns: &["tenant_id", "client_id", "key"],
};
const RETRY: Unique =
    Unique { name: "runs_retry", table: "runs", columns: &["tenant_id", "retry_of"] };

/// Stores all of `entries`, or says why not.
pub async fn append(conn: &mut Conn<'_>, entries: &[&Entry]) -> Result<(), JournalError> {
    let mut begun: Vec<&NewRun> = entries.iter().flat_map(|it| &it.begin).collect();
    // Two processes that want the same threads wait for each other in one order.
    begun.sort_by_key(|it| it.record.run.summary.thread_id);
    // Those that want a thread for themselves go one by one: each must see those before it.
    for together in begun.chunk_by(|a, b| !a.wants_free_thread() && !b.wants_free_thread()) {
        for run in together.iter().filter(|run| run.wants_free_thread()) {
            ensure_free_thread(conn, &run.record).await?;
        }
        for chunk in chunks(together) {
            insert_runs(conn, chunk).await?;
        }
    }
    for run in begun.iter().filter(|run| run.key.is_some()) {
        insert_key(conn, run).await?;
    }
    let awaited: Vec<_> = entries.iter().filter_map(|it| it.waits.as_deref()).collect();
    waits::ensure_owned(conn, &awaited).await?;
    for firing in begun.iter().filter_map(|run| run.firing.as_deref()) {
        if !firings::insert(conn, firing).await? {
            return Err(JournalError::Delivered);
        }
    }
    let events: Vec<&EventRow> = entries.iter().flat_map(|it| &it.events).collect();
    for chunk in chunks(&events) {
        insert_events(conn, chunk).await?;
    }
    for entry in entries.iter().filter(|it| !it.values.is_empty()) {
        insert_values(conn, entry).await?;
    }
    let changes: Vec<&Change> = entries.iter().filter_map(|it| it.change.as_deref()).collect();
    for chunk in chunks(&changes) {
        update_runs(conn, chunk).await?;
    }
    for entry in entries {
        append_dealings(conn, entry).await?;
    }
    waits::change(conn, &awaited).await?;
    // Last, because other processes wait for these rows.
    budgets::settle(conn, entries.iter().flat_map(|it| &it.settled)).await?;
    Ok(())
}

/// Whether the first of what `entry` adds is there, as this entry has it: then all of it is.
pub async fn is_stored(conn: &mut Conn<'_>, entry: &Entry) -> Result<bool, sqlx::Error> {
    let Some(event) = entry.events.first() else {
        let Some(new) = entry.begin.first() else { return Ok(false) };
        let run = &new.record.run.summary;
        return on!(conn, c => sqlx::query_scalar::<_, bool>(
                "SELECT count(*) > 0 FROM runs WHERE tenant_id = $1 AND id = $2",
            )
            .bind(new.record.tenant.as_str())
            .bind(run.id)
            .fetch_one(c)
            .await);
    };
    on!(conn, c => sqlx::query_scalar::<_, bool>(
            "SELECT count(*) > 0 FROM run_events
             WHERE tenant_id = $1 AND run_id = $2 AND seq = $3 AND at = $4 AND data = $5",
        )
        .bind(event.tenant.as_str())
        .bind(event.run_id)
        .bind(event.seq.cast_signed())
        .bind(event.at)
        .bind(&event.data)
        .fetch_one(c)
        .await)
}

/// What an entry has to do with threads, people, other runs and other servers; most have nothing.
async fn append_dealings(conn: &mut Conn<'_>, entry: &Entry) -> Result<(), JournalError> {
    if let Some(said) = &entry.said {
        // A thread that was deleted meanwhile stays so.
        threads::store::append(conn, said).await?;
    }
    for (tenant, approval) in &entry.asked {
        approvals::insert(conn, tenant, approval).await?;
    }
    for (tenant, approval) in &entry.withdrawn {
        approvals::withdraw(conn, tenant, *approval).await?;
    }
    if let Some((tenant, run_id)) = &entry.closed {
        approvals::close(conn, tenant, *run_id).await?;
    }
    for taken in &entry.taken {
        signals::delete(conn, taken).await?;
    }
    for signal in &entry.left {
        signals::insert(conn, signal).await?;
    }
    if let Some(delivery) = &entry.delivery {
        deliveries::insert(conn, delivery).await?;
    }
    Ok(())
}

/// Cuts `rows` into pieces of 32, 16, 8, 4, 3, 2 and 1. Three is what a run begins with.
pub fn chunks<T>(mut rows: &[T]) -> Vec<&[T]> {
    let mut chunks = Vec::new();
    while !rows.is_empty() {
        let size = if rows.len() == 3 { 3 } else { (1 << rows.len().ilog2()).min(32) };
        let (chunk, rest) = rows.split_at(size);
        chunks.push(chunk);
        rows = rest;
    }
    chunks
}

/// A run's row, in the order of the columns of `insert_runs`, with its texts made.
struct Texts {
    request: String,
    usage: String,
    limits: String,
    metadata: String,
}

impl Texts {
    fn of(new: &NewRun) -> Result<Self, JournalError> {
        let run = &new.record.run.summary;
        Ok(Self {
            request: serde_json::to_string(&new.record.asked)?,
            usage: serde_json::to_string(&run.usage)?,
            limits: serde_json::to_string(&run.limits)?,
            metadata: serde_json::to_string(&run.metadata)?,
        })
    }
}

async fn insert_runs(conn: &mut Conn<'_>, runs: &[&NewRun]) -> Result<(), JournalError> {
    let texts: Result<Vec<_>, _> = runs.iter().map(|it| Texts::of(it)).collect();
    let rows = runs.iter().zip(texts?);
    let inserted = on!(conn, c => {
        let mut query = QueryBuilder::new(
            "INSERT INTO runs (tenant_id, id, kind, definition_id, definition_name,
             definition_version, thread_id, parent_run_id, forked_from, retry_of, status, waiting_for, request, scopes, usage, limits, steps, attempt,
             last_seq, subject, client_id, end_user, trigger, metadata, engine, worker_id, run_after,
             created_at, started_at) ",
        );
        query.push_values(rows, |mut row, (new, texts)| {
            let run = &new.record.run.summary;
            row.push_bind(new.record.tenant.as_str())
                .push_bind(run.id)
                .push_bind(row::kind(run.kind))
                .push_bind(new.record.definition)
                .push_bind(&run.definition.name)
                .push_bind(run.definition.version)
                .push_bind(run.thread_id)
                .push_bind(run.parent_run_id)
                .push_bind(run.forked_from)
                .push_bind(new.retry_of)
                .push_bind(run.status.as_str())
                .push_bind("[]")
                .push_bind(texts.request)
                .push_bind(new.record.scopes.to_string())
                .push_bind(texts.usage)
                .push_bind(texts.limits)
                .push_bind(i64::from(run.steps))
                .push_bind(i64::from(run.attempt))
                .push_bind(run.last_seq.cast_signed())
                .push_bind(&run.subject)
                .push_bind(&run.client_id)
                .push_bind(&run.user)
                .push_bind(run.trigger.as_str())
                .push_bind(texts.metadata)
                .push_bind(new.record.engine)
                .push_bind(new.worker)
                .push_bind(run.created_at)
                .push_bind(run.created_at)
                .push_bind(run.started_at);
        });
        query.build().execute(c).await
    })
    .map(drop);
    match inserted.on_unique(THREAD, || JournalError::ThreadBusy) {
        Err(JournalError::Database(error)) => Err(error).on_unique(RETRY, || JournalError::Retried),
        inserted => inserted,
    }
}

/// Refuses if a run is at work on the thread of `record`, or waits for it. Until the commit nobody else who
/// asks for this gets an answer.
async fn ensure_free_thread(conn: &mut Conn<'_>, record: &Record) -> Result<(), JournalError> {
    let Some(thread) = record.run.summary.thread_id else { return Ok(()) };
    if threads::store::lock_is_free(conn, &record.tenant, thread).await? {
        return Ok(());
    }
    Err(JournalError::ThreadBusy)
}

async fn insert_key(conn: &mut Conn<'_>, new: &NewRun) -> Result<(), JournalError> {
    let Some(key) = &new.key else { return Ok(()) };
    let run = &new.record.run.summary;
    on!(conn, c => sqlx::query(
            "INSERT INTO idempotency_keys
             (tenant_id, client_id, key, path, body_sha256, run_id, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(new.record.tenant.as_str())
        .bind(&run.client_id)
        .bind(&key.key)
        .bind(&key.path)
        .bind(&key.body_sha256)
        .bind(run.id)
        .bind(run.created_at)
        .execute(c)
        .await)
    .on_unique(KEY, || JournalError::KeyTaken)?;
    Ok(())
}

/// Only a run that is there gets events: one that was deleted has no key that would fence its old owner.
/// On PostgreSQL whoever deletes it meanwhile waits for this transaction, or this one for him.
async fn insert_events(conn: &mut Conn<'_>, events: &[&EventRow]) -> Result<(), JournalError> {
    let lock = match conn.dialect() {
        Dialect::Sqlite => ")",
        Dialect::Postgres => " FOR KEY SHARE)",
    };
    let done = on!(conn, c => {
        let mut query = QueryBuilder::new(
            "INSERT INTO run_events (tenant_id, run_id, seq, type, at, data)
             SELECT column1, column2, column3, column4, column5, column6 FROM (",
        );
        query.push_values(events, |mut row, event| {
            row.push_bind(event.tenant.as_str())
                .push_bind(event.run_id)
                .push_bind(event.seq.cast_signed())
                .push_bind(event.name)
                .push_bind(event.at)
                .push_bind(&event.data);
        });
        query.push(
            ") AS new WHERE EXISTS (SELECT 1 FROM runs
             WHERE runs.tenant_id = new.column1 AND runs.id = new.column2",
        );
        query.push(lock);
        query.build().execute(c).await
    })
    .on_unique(EVENT, || JournalError::Fenced)?;
    all_or_fenced(done, events.len())
}

/// Somebody deleted the run of a row that is missing: nobody is its owner any more.
fn all_or_fenced(done: Done, rows: usize) -> Result<(), JournalError> {
    let all = usize::try_from(done.rows_affected()) == Ok(rows);
    all.then_some(()).ok_or(JournalError::Fenced)
}

async fn insert_values(conn: &mut Conn<'_>, entry: &Entry) -> Result<(), JournalError> {
    let Some(event) = entry.events.first() else { return Ok(()) };
    for value in &entry.values {
        on!(conn, c => sqlx::query(
                "INSERT INTO run_values (tenant_id, run_id, sha256, value) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (tenant_id, run_id, sha256) DO NOTHING",
            )
            .bind(event.tenant.as_str())
            .bind(event.run_id)
            .bind(&value.sha256)
            .bind(&value.text)
            .execute(c)
            .await)?;
    }
    Ok(())
}

async fn update_runs(conn: &mut Conn<'_>, changes: &[&Change]) -> Result<(), JournalError> {
    let texts: Result<Vec<_>, serde_json::Error> = changes
        .iter()
        .map(|change| {
            let run = &change.run;
            let output = run.output.as_ref().map(serde_json::to_string).transpose()?;
            let error = run.summary.error.as_ref().map(serde_json::to_string).transpose()?;
            let waiting_for = serde_json::to_string(&run.summary.waiting_for)?;
            Ok((output, error, serde_json::to_string(&run.summary.usage)?, waiting_for))
        })
        .collect();
    let rows = changes.iter().zip(texts?);
    let done = on!(conn, c => {
        let mut query = QueryBuilder::new(
            "UPDATE runs SET status = new.column3, output = new.column4, error = new.column5,
             usage = new.column6, steps = new.column7, attempt = new.column8,
             last_seq = new.column9, started_at = new.column10, finished_at = new.column11,
             waiting_for = new.column12, run_after = coalesce(new.column13, runs.run_after),
             worker_id = CASE WHEN new.column13 IS NULL THEN runs.worker_id END FROM (",
        );
        query.push_values(rows, |mut row, (change, (output, error, usage, waiting_for))| {
            let run = &change.run.summary;
            row.push_bind(change.tenant.as_str())
                .push_bind(run.id)
                .push_bind(run.status.as_str())
                .push_bind(output)
                .push_bind(error)
                .push_bind(usage)
                .push_bind(i64::from(run.steps))
                .push_bind(i64::from(run.attempt))
                .push_bind(run.last_seq.cast_signed())
                .push_bind(run.started_at)
                .push_bind(run.finished_at)
                .push_bind(waiting_for)
                .push_bind(change.wake_at);
        });
        query.push(") AS new WHERE runs.tenant_id = new.column1 AND runs.id = new.column2");
        query.build().execute(c).await
    })?;
    all_or_fenced(done, changes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_rows_makes_few_kinds_of_statements() {
        let sizes = |count| chunks(&vec![(); count]).iter().map(|it| it.len()).collect::<Vec<_>>();

        assert_eq!(sizes(0), [0; 0]);
        assert_eq!(sizes(3), [3]);
        assert_eq!(sizes(7), [4, 3]);
        assert_eq!(sizes(77), [32, 32, 8, 4, 1]);
    }
}

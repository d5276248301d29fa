//! The statements of the journal writer: as few as there can be for what many runs record at once.
//!
//! Rows go in by chunks of a few sizes, so that there are few statement texts and each stays prepared.

use std::sync::Arc;
use std::sync::OnceLock;

use sqlx::QueryBuilder;

use super::approvals;
use super::budgets;
use super::deliveries;
use super::rows;
use super::rows::NewRow;
use super::signals;
use super::waits;
use crate::db::Conn;
use crate::db::Dialect;
use crate::db::Id;
use crate::db::OnUnique;
use crate::db::Unique;
use crate::on;
use crate::runs::Record;
use crate::runs::journal::Change;
use crate::runs::journal::Entry;
use crate::runs::journal::EventRow;
use crate::runs::journal::JournalError;
use crate::runs::journal::NewRun;
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

/// Stores all of `entries`, or says why not.
pub async fn append(conn: &mut Conn<'_>, entries: &[&Entry]) -> Result<(), JournalError> {
    let mut begun: Vec<NewRow<'_>> = entries.iter().flat_map(|it| NewRow::of(it)).collect();
    // Two processes that want the same threads wait for each other in one order.
    begun.sort_by_key(|it| it.new.record.run.summary.thread_id);
    // Those that want a thread for themselves go one by one: each must see those before it.
    let wants = |row: &NewRow<'_>| row.new.wants_free_thread();
    for together in begun.chunk_by(|a, b| !wants(a) && !wants(b)) {
        for row in together.iter().filter(|row| wants(row)) {
            ensure_free_thread(conn, &row.new.record).await?;
        }
        for chunk in chunks(together) {
            rows::insert(conn, chunk).await?;
        }
    }
    for row in begun.iter().filter(|row| row.new.key.is_some()) {
        insert_key(conn, row.new).await?;
    }
    // Runs whose rows are not written above must be there, and still be the writer's.
    let known: Vec<&Entry> = entries.iter().copied().filter(|it| !begins_itself(it)).collect();
    let waiting: Vec<_> = known.iter().filter_map(|it| it.waits.as_deref()).collect();
    waits::ensure_owned(conn, &waiting).await?;
    for firing in begun.iter().filter_map(|row| row.new.firing.as_deref()) {
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
    let changes: Vec<&Change> = known.iter().filter_map(|it| it.change.as_deref()).collect();
    for chunk in chunks(&changes) {
        rows::update(conn, chunk).await?;
    }
    let unchanged = known.iter().filter(|it| it.change.is_none());
    let told: Vec<&EventRow> = unchanged.filter_map(|it| it.events.first()).collect();
    for chunk in chunks(&told) {
        ensure_there(conn, chunk).await?;
    }
    for entry in entries {
        append_dealings(conn, entry).await?;
    }
    let awaited: Vec<_> = entries.iter().filter_map(|it| it.waits.as_deref()).collect();
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
        .bind(&*event.data)
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

/// The most rows of a chunk.
const MOST: usize = 64;

/// Cuts `rows` into pieces of up to 8, or of a multiple of that.
pub fn chunks<T>(mut rows: &[T]) -> Vec<&[T]> {
    let mut chunks = Vec::new();
    while !rows.is_empty() {
        let size = if rows.len() < 8 { rows.len() } else { (rows.len() / 8 * 8).min(MOST) };
        let (chunk, rest) = rows.split_at(size);
        chunks.push(chunk);
        rows = rest;
    }
    chunks
}

/// Whether the run of an entry has its row from it.
fn begins_itself(entry: &Entry) -> bool {
    let changed = entry.change.as_deref().map(|it| it.run.summary.id);
    let own = changed.or_else(|| entry.events.first().map(|it| it.run_id));
    entry.begin.iter().any(|it| Some(it.record.run.summary.id) == own)
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

/// The text of the statement that adds so many events. SQLite's driver would look for parameters with numbers one by
/// one among all.
fn insertion(dialect: Dialect, events: usize) -> &'static str {
    type Texts = [OnceLock<String>; MOST + 1];
    static POSTGRES: Texts = [const { OnceLock::new() }; MOST + 1];
    static SQLITE: Texts = [const { OnceLock::new() }; MOST + 1];
    let text = |row: &dyn Fn(usize) -> String| {
        let rows = (0..events).map(row).collect::<Vec<_>>().join(", ");
        format!("INSERT INTO run_events (tenant_id, run_id, seq, type, at, data) VALUES {rows}")
    };
    match dialect {
        Dialect::Sqlite => {
            SQLITE[events].get_or_init(|| text(&|_| "(?, ?, ?, ?, ?, ?)".to_owned()))
        }
        Dialect::Postgres => POSTGRES[events].get_or_init(|| {
            text(&|row| {
                let columns = (1..=6).map(|column| format!("${}", row * 6 + column));
                format!("({})", columns.collect::<Vec<_>>().join(", "))
            })
        }),
    }
}

async fn insert_events(conn: &mut Conn<'_>, events: &[&EventRow]) -> Result<(), JournalError> {
    let text = insertion(conn.dialect(), events.len());
    on!(conn, c => {
        let mut query = sqlx::query(text);
        for event in events {
            query = query
                .bind(event.tenant.as_str())
                .bind(event.run_id)
                .bind(event.seq.cast_signed())
                .bind(event.name)
                .bind(event.at)
                .bind(Arc::clone(&event.data));
        }
        query.execute(c).await
    })
    .map(drop)
    .on_unique(EVENT, || JournalError::Fenced)
}

/// Only a run that is there gets events: one that was deleted has no key that would fence its old owner.
/// On PostgreSQL whoever deletes it meanwhile waits for this transaction, or this one for him.
async fn ensure_there(conn: &mut Conn<'_>, told: &[&EventRow]) -> Result<(), JournalError> {
    let lock = match conn.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => " FOR KEY SHARE OF runs",
    };
    let there: Vec<Id> = on!(conn, c => {
        let mut query = QueryBuilder::new("SELECT runs.id FROM (");
        query.push_values(told, |mut row, event| {
            row.push_bind(event.tenant.as_str()).push_bind(event.run_id);
        });
        query.push(
            ") AS new JOIN runs ON runs.tenant_id = new.column1 AND runs.id = new.column2",
        );
        query.push(lock);
        query.build_query_scalar().fetch_all(c).await
    })?;
    all_or_fenced(there.len(), told.len())
}

/// Somebody deleted the run of a row that is missing: nobody is its owner any more.
pub fn all_or_fenced(found: usize, rows: usize) -> Result<(), JournalError> {
    (found == rows).then_some(()).ok_or(JournalError::Fenced)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_rows_makes_few_kinds_of_statements() {
        let sizes = |count| chunks(&vec![(); count]).iter().map(|it| it.len()).collect::<Vec<_>>();

        assert_eq!(sizes(0), [0; 0]);
        assert_eq!(sizes(3), [3]);
        assert_eq!(sizes(42), [40, 2]);
        assert_eq!(sizes(77), [64, 8, 5]);
    }
}

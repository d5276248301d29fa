//! The rows of runs, as they begin and change.

use sqlx::QueryBuilder;

use super::append::all_or_fenced;
use super::owners::THREAD;
use super::row;
use crate::db::At;
use crate::db::Conn;
use crate::db::OnUnique;
use crate::db::Unique;
use crate::on;
use crate::runs::Run;
use crate::runs::journal::Change;
use crate::runs::journal::Entry;
use crate::runs::journal::JournalError;
use crate::runs::journal::NewRun;

const RETRY: Unique =
    Unique { name: "runs_retry", table: "runs", columns: &["tenant_id", "retry_of"] };

/// A run that begins, as its row is after its entry: one that is over by then is written once.
pub struct NewRow<'e> {
    pub new: &'e NewRun,
    run: &'e Run,
    wake_at: Option<At>,
}

impl<'e> NewRow<'e> {
    /// Those of an entry.
    pub fn of(entry: &'e Entry) -> impl Iterator<Item = Self> {
        entry.begin.iter().map(|new| {
            let id = new.record.run.summary.id;
            match entry.change.as_deref().filter(|it| it.run.summary.id == id) {
                Some(Change { run, wake_at, .. }) => Self { new, run, wake_at: *wake_at },
                None => Self { new, run: &new.record.run, wake_at: None },
            }
        })
    }
}

/// The texts that tell what a run is.
struct Texts {
    usage: String,
    waiting_for: String,
    output: Option<String>,
    error: Option<String>,
}

impl Texts {
    fn of(Run { summary, output, .. }: &Run) -> serde_json::Result<Self> {
        Ok(Self {
            usage: serde_json::to_string(&summary.usage)?,
            waiting_for: serde_json::to_string(&summary.waiting_for)?,
            output: output.as_ref().map(serde_json::to_string).transpose()?,
            error: summary.error.as_ref().map(serde_json::to_string).transpose()?,
        })
    }
}

/// A row with its texts, also those that never change: the request, the limits and the metadata.
fn with_texts<'r, 'e>(
    row: &'r NewRow<'e>,
) -> serde_json::Result<(&'r NewRow<'e>, Texts, [String; 3])> {
    let request = serde_json::to_string(&row.new.record.asked)?;
    let limits = serde_json::to_string(&row.run.summary.limits)?;
    let metadata = serde_json::to_string(&row.run.summary.metadata)?;
    Ok((row, Texts::of(row.run)?, [request, limits, metadata]))
}

pub async fn insert(conn: &mut Conn<'_>, rows: &[NewRow<'_>]) -> Result<(), JournalError> {
    let rows = rows.iter().map(with_texts).collect::<serde_json::Result<Vec<_>>>()?;
    let inserted = on!(conn, c => {
        let mut query = QueryBuilder::new(
            "INSERT INTO runs (tenant_id, id, kind, definition_id, definition_name,
             definition_version, thread_id, parent_run_id, forked_from, retry_of, status, waiting_for, request, output, error, scopes, usage, limits, steps, attempt,
             last_seq, subject, client_id, end_user, trigger, metadata, engine, worker_id, run_after,
             created_at, started_at, finished_at) ",
        );
        query.push_values(rows, |mut row, (NewRow { new, run, wake_at }, texts, [request, limits, metadata])| {
            let run = &run.summary;
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
                .push_bind(texts.waiting_for)
                .push_bind(request)
                .push_bind(texts.output)
                .push_bind(texts.error)
                .push_bind(new.record.scopes.to_string())
                .push_bind(texts.usage)
                .push_bind(limits)
                .push_bind(i64::from(run.steps))
                .push_bind(i64::from(run.attempt))
                .push_bind(run.last_seq.cast_signed())
                .push_bind(&run.subject)
                .push_bind(&run.client_id)
                .push_bind(&run.user)
                .push_bind(run.trigger.as_str())
                .push_bind(metadata)
                .push_bind(new.record.engine)
                .push_bind(if wake_at.is_none() { new.worker } else { None })
                .push_bind(wake_at.unwrap_or(run.created_at))
                .push_bind(run.created_at)
                .push_bind(run.started_at)
                .push_bind(run.finished_at);
        });
        query.build().execute(c).await
    })
    .map(drop);
    match inserted.on_unique(THREAD, || JournalError::ThreadBusy) {
        Err(JournalError::Database(error)) => Err(error).on_unique(RETRY, || JournalError::Retried),
        inserted => inserted,
    }
}

pub async fn update(conn: &mut Conn<'_>, changes: &[&Change]) -> Result<(), JournalError> {
    let texts: serde_json::Result<Vec<_>> = changes.iter().map(|it| Texts::of(&it.run)).collect();
    let rows = changes.iter().zip(texts?);
    let done = on!(conn, c => {
        let mut query = QueryBuilder::new(
            "UPDATE runs SET status = new.column3, output = new.column4, error = new.column5,
             usage = new.column6, steps = new.column7, attempt = new.column8,
             last_seq = new.column9, started_at = new.column10, finished_at = new.column11,
             waiting_for = new.column12, run_after = coalesce(new.column13, runs.run_after),
             worker_id = CASE WHEN new.column13 IS NULL THEN runs.worker_id END FROM (",
        );
        query.push_values(rows, |mut row, (change, texts)| {
            let run = &change.run.summary;
            row.push_bind(change.tenant.as_str())
                .push_bind(run.id)
                .push_bind(run.status.as_str())
                .push_bind(texts.output)
                .push_bind(texts.error)
                .push_bind(texts.usage)
                .push_bind(i64::from(run.steps))
                .push_bind(i64::from(run.attempt))
                .push_bind(run.last_seq.cast_signed())
                .push_bind(run.started_at)
                .push_bind(run.finished_at)
                .push_bind(texts.waiting_for)
                .push_bind(change.wake_at);
        });
        query.push(") AS new WHERE runs.tenant_id = new.column1 AND runs.id = new.column2");
        query.build().execute(c).await
    })?;
    all_or_fenced(usize::try_from(done.rows_affected()).unwrap_or(0), changes.len())
}

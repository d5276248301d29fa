//! Looks at a run for whoever may see it, and waits for it.

use std::sync::Arc;
use std::time::Duration;

use engine::RunKind;
use tokio::time::Instant;

use super::Record;
use super::Run;
use super::RunSummary;
use super::RunsError;
use super::Status;
use super::live::End;
use super::live::Live;
use super::mirror;
use super::service::Runs;
use super::store;
use super::store::signals;
use crate::db::Id;
use crate::db::TenantId;
use crate::oauth::caller::Principal;

/// How often the database is asked for the end of a run that another process executes.
const POLL: Duration = Duration::from_millis(500);

/// What a caller wants of a run; others' runs need more for it than his own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Reading,
    /// Also sending its webhooks again.
    Cancelling,
}

impl Purpose {
    /// Whether `caller` may do it to `run`.
    fn is_allowed(self, caller: &Principal, run: &RunSummary) -> bool {
        let (own, all) = match self {
            Self::Reading => ("run.read", "admin.read"),
            Self::Cancelling => ("run.write", "admin.write"),
        };
        let begins = match run.kind {
            RunKind::Agent => "agent.execute",
            RunKind::Workflow => "workflow.execute",
            RunKind::Tool => "tool.execute",
        };
        let is_own = run.subject == caller.subject.as_str();
        caller.holds(all) || is_own && (caller.holds(own) || caller.holds(begins))
    }
}

/// A run that was waited for.
#[derive(Debug)]
pub struct Waited {
    pub run: Run,
    /// Whether it does nothing any more, or nothing before somebody has done something.
    pub rests: bool,
}

/// The run, if this caller may see it.
pub async fn find(runs: &Runs, caller: &Principal, id: &str) -> Result<Record, RunsError> {
    find_for(runs, caller, id, Purpose::Reading).await
}

/// The run, if this caller may do that to it.
pub async fn find_for(
    runs: &Runs,
    caller: &Principal,
    id: &str,
    purpose: Purpose,
) -> Result<Record, RunsError> {
    let not_found = || RunsError::NotFound(id.to_owned());
    let run_id: Id = id.parse().map_err(|_| not_found())?;
    let tenant = &caller.tenant;
    let found = runs.db.read(async |conn| {
        let Some(mut record) = store::find(conn, tenant, run_id).await? else { return Ok(None) };
        let summary = &mut record.run.summary;
        if !summary.status.is_final() {
            // The row changes at the end only.
            let (last_seq, steps) = store::progress(conn, tenant, run_id).await?;
            summary.last_seq = last_seq.cast_unsigned();
            summary.steps = steps.try_into().unwrap_or(u32::MAX);
        }
        Ok::<_, RunsError>(Some(record))
    });
    let allowed = |record: &Record| purpose.is_allowed(caller, &record.run.summary);
    found.await?.filter(allowed).ok_or_else(not_found)
}

/// How far a run of the tenant is, in a word that changes with it.
pub async fn place(runs: &Runs, tenant: &TenantId, id: &str) -> Result<Option<String>, RunsError> {
    let Ok(run_id) = id.parse::<Id>() else { return Ok(None) };
    let found = runs.db.read(async |conn| {
        let Some(status) = store::status(conn, tenant, run_id).await? else { return Ok(None) };
        let (last_seq, _) = store::progress(conn, tenant, run_id).await?;
        Ok::<_, RunsError>(Some(format!("{} {last_seq}", status.as_str())))
    });
    found.await
}

/// Waits until the run has ended or needs somebody, at most for `patience`, and returns it as it is then.
pub async fn wait(
    runs: &Runs,
    caller: &Principal,
    mut run: Run,
    mut live: Option<Arc<Live>>,
    patience: Duration,
) -> Result<Waited, RunsError> {
    let id = run.summary.id;
    let (deadline, mut is_over) = (Instant::now() + patience, false);
    let stopping = runs.tasks.stopping().clone();
    loop {
        let rests = rests(runs, &caller.tenant, &run).await?;
        if rests || is_over {
            return Ok(Waited { run, rests });
        }
        if let Some(live) = live.take().or_else(|| runs.live(id)) {
            // What is executed here is waited for also while the process stops.
            match tokio::time::timeout_at(deadline, live.ended()).await {
                Ok(End::Finished(run)) => return Ok(Waited { run: (*run).clone(), rests: true }),
                Ok(End::Suspended(_) | End::LetGo) => {}
                Err(_) => is_over = true,
            }
        } else if Instant::now() >= deadline || stopping.is_cancelled() {
            is_over = true;
        } else {
            let mirror = mirror::follow(runs, &caller.tenant, id, run.summary.last_seq);
            let poll = deadline.min(Instant::now() + POLL);
            let _ = tokio::time::timeout_at(poll, mirror.live().rested(run.summary.last_seq)).await;
        }
        run = find(runs, caller, &id.to_string()).await?.run;
    }
}

/// Whether the run does nothing before somebody has done something. Who has decided has done it, though nobody may
/// have taken the run up yet.
async fn rests(runs: &Runs, tenant: &TenantId, run: &Run) -> Result<bool, RunsError> {
    let Run { summary, .. } = run;
    if summary.status != Status::Suspended {
        return Ok(summary.status.is_final());
    }
    let left = runs.db.read(async |conn| signals::for_run(conn, tenant, summary.id).await);
    Ok(left.await?.is_empty())
}

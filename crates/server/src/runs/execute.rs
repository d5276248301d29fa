//! Begins runs.

use std::sync::Arc;

use engine::Agent as Execution;
use engine::DefinitionRef;
use engine::Limits;
use engine::RunKind;
use engine::RunStarted;
use engine::Usage;

use super::Record;
use super::Run;
use super::RunSummary;
use super::RunsError;
use super::Status;
use super::Trigger;
use super::asked::Asked;
use super::asked::Execute;
use super::driver::Driver;
use super::journal::Entry;
use super::journal::JournalError;
use super::journal::NewKey;
use super::journal::NewRun;
use super::live::Live;
use super::log::Log;
use super::prepare;
use super::service::Runs;
use super::store;
use super::store::owners;
use crate::agents::Agent;
use crate::db::Id;
use crate::http::Invalid;
use crate::oauth::caller::Principal;

/// A run that was begun, or was begun before with the same idempotency key.
#[derive(Debug)]
pub struct Begun {
    pub run: Run,
    /// Set while this process executes it.
    pub live: Option<Arc<Live>>,
    pub replayed: bool,
}

/// Why no run was begun.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    #[error("the request is not valid")]
    Invalid(Vec<Invalid>),
    #[error("this idempotency key was used for another request")]
    KeyReused,
    #[error("{0} runs wait in the queue, and no more may")]
    QueueFull(u32),
    #[error("the run could not be stored")]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Runs(#[from] RunsError),
}

/// Begins a run of `agent` for `caller`; [`replay`] has found none with the same `key`.
///
/// When this returns, the run is stored: nothing can lose it any more, and no connection's end ends
/// it. It is executed at once if there is room, else it is in the queue.
pub async fn execute(
    runs: &Runs,
    caller: &Principal,
    agent: &Agent,
    body: Execute,
    key: Option<NewKey>,
) -> Result<Begun, ExecuteError> {
    let content = &agent.content;
    let metadata = body.metadata.clone();
    let (asked, limits) =
        body.read(&content.limits, &content.model_options).map_err(ExecuteError::Invalid)?;
    let mut record = record(runs, caller, agent, asked, limits);
    record.run.summary.metadata = metadata;
    let created_at = record.run.summary.created_at;
    let Record { tenant, asked, scopes, .. } = &record;
    let spec = prepare::spec(runs, tenant, agent, asked, limits, scopes, created_at)
        .map_err(ExecuteError::Invalid)?;
    let execution = Execution::new(record.run.summary.id.to_string(), Arc::new(spec));
    match begin(runs, record, execution, key.clone()).await {
        // Somebody with the same key was faster.
        Err(ExecuteError::Journal(JournalError::KeyTaken)) => match key {
            Some(key) => Ok(replay(runs, caller, &key).await?.ok_or(JournalError::KeyTaken)?),
            None => Err(JournalError::KeyTaken.into()),
        },
        begun => begun,
    }
}

async fn begin(
    runs: &Runs,
    mut record: Record,
    execution: Execution,
    key: Option<NewKey>,
) -> Result<Begun, ExecuteError> {
    let Some(permit) = runs.permit_for_new() else {
        ensure_room(runs).await?;
        let run = record.run.clone();
        let begin = NewRun { record, worker: None, key };
        let entry = Entry { begin: Some(Box::new(begin)), ..Entry::default() };
        runs.journal().commit(entry).await?;
        runs.note_backlog(1);
        return Ok(Begun { run, live: None, replayed: false });
    };
    let summary = &mut record.run.summary;
    summary.status = Status::Running;
    summary.attempt = 1;
    summary.started_at = Some(summary.created_at);
    let live = runs.enter(summary.id, 0);
    let log = Log::new(record.tenant.clone(), Arc::clone(&live), runs.journal().clone(), 0);
    let run = record.run.clone();
    let first = started(&record);
    let new = NewRun { record: record.clone(), worker: Some(runs.worker()), key };
    let mut driver = Driver::new(runs.clone(), record, execution, log, Arc::clone(&live));
    let failure = driver.begin_new(new, first.into());
    // From here on the run goes its way, whether somebody waits for it or not.
    runs.spawn(driver, Some(permit));
    if live.stored(1).await.is_err() {
        return Err(failure.await.unwrap_or(JournalError::Stopping).into());
    }
    Ok(Begun { run, live: Some(live), replayed: false })
}

/// Refuses when the queue is full. Runs that are begun at one moment do not see each other, so that it
/// may grow longer by as many as are begun at once.
async fn ensure_room(runs: &Runs) -> Result<(), ExecuteError> {
    let limit = runs.queue_limit();
    let waiting = runs.db.read(async |conn| owners::count_queued(conn, limit).await);
    if waiting.await.map_err(RunsError::from)? >= i64::from(limit) {
        return Err(ExecuteError::QueueFull(limit));
    }
    Ok(())
}

/// The first event of a run.
pub fn started(record: &Record) -> RunStarted {
    let summary = &record.run.summary;
    RunStarted {
        kind: summary.kind,
        definition: summary.definition.clone(),
        input: record.run.input.clone(),
        thread_id: summary.thread_id.map(|id| id.to_string()),
        parent_run_id: summary.parent_run_id.map(|id| id.to_string()),
        limits: summary.limits,
    }
}

/// The run that `key` began, if it was used before.
pub async fn replay(
    runs: &Runs,
    caller: &Principal,
    key: &NewKey,
) -> Result<Option<Begun>, ExecuteError> {
    let (tenant, client_id) = (&caller.tenant, caller.client_id.as_str());
    let used = runs.db.read(async |conn| {
        let used = store::keyed_run(conn, tenant, client_id, &key.key).await?;
        let Some((path, body_sha256, run_id)) = used else { return Ok(None) };
        let run = match run_id {
            Some(run_id) => store::find(conn, tenant, run_id).await?,
            None => None,
        };
        Ok::<_, RunsError>(Some((path, body_sha256, run)))
    });
    match used.await? {
        None => Ok(None),
        Some((path, body, Some(record))) if path == key.path && body == key.body_sha256 => {
            let live = runs.live(record.run.summary.id);
            Ok(Some(Begun { run: record.run, live, replayed: true }))
        }
        Some(_) => Err(ExecuteError::KeyReused),
    }
}

fn record(runs: &Runs, caller: &Principal, agent: &Agent, asked: Asked, limits: Limits) -> Record {
    let id: Id = runs.ids.next();
    let summary = RunSummary {
        id,
        kind: RunKind::Agent,
        definition: DefinitionRef {
            id: agent.id.to_string(),
            name: agent.content.name.clone(),
            version: agent.version,
        },
        thread_id: None,
        parent_run_id: None,
        forked_from: None,
        status: Status::Queued,
        waiting_for: Vec::new(),
        error: None,
        usage: Usage::default(),
        limits,
        steps: 0,
        attempt: 0,
        last_seq: 0,
        subject: caller.subject.to_string(),
        client_id: caller.client_id.clone(),
        user: asked.user.clone(),
        trigger: Trigger::Api,
        metadata: serde_json::Map::new(),
        created_at: runs.clock.now(),
        started_at: None,
        finished_at: None,
    };
    Record {
        tenant: caller.tenant.clone(),
        definition: agent.id,
        run: Run { summary, input: asked.input.clone(), output: None },
        asked,
        scopes: caller.scopes.clone(),
    }
}

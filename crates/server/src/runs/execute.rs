//! Begins runs.

use std::sync::Arc;
use std::time::Duration;

use auth::scope::Scopes;
use engine::DefinitionRef;
use engine::LimitReached;
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
use super::affordable;
use super::asked::Asked;
use super::asked::Execute;
use super::asked::OnBusy;
use super::driver::Driver;
use super::execution::Spec;
use super::journal::Entry;
use super::journal::JournalError;
use super::journal::NewKey;
use super::journal::NewRun;
use super::live::Live;
use super::log::Log;
use super::pins;
use super::pins::Pinned;
use super::prepare;
use super::service::Runs;
use super::signal::Signal;
use super::store;
use super::store::owners;
use super::threads;
use crate::agents::Agent;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::http::Invalid;
use crate::oauth::caller::Principal;
use crate::workflows::Workflow;
use crate::workflows::triggers::NewFiring;

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
    #[error("what the run would cost cannot be known")]
    UnknownPrice(Vec<Invalid>),
    #[error("the {} has not enough left of its {} for today", .reached.owner.as_str(), .reached.limit)]
    Budget {
        reached: Box<LimitReached>,
        /// When the day is over.
        resets_at: At,
        wait: Duration,
    },
    #[error("{0} runs wait in the queue, and no more may")]
    QueueFull(u32),
    #[error("the run `{0}` is at work on this thread, or comes next")]
    ThreadBusy(Id),
    #[error("the run has not failed: it is `{}`", .0.as_str())]
    NotFailed(Status),
    #[error("the run `{0}` retries this one: if it fails, retry that")]
    Retried(Id),
    #[error("{0} runs of this client wait in the queue, and no more may")]
    ShareFull(i64),
    #[error("the run could not be stored")]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Runs(#[from] RunsError),
}

/// A run that is not stored yet.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub record: Record,
    pub spec: Spec,
    pub key: Option<NewKey>,
    pub on_busy: OnBusy,
    /// What the trigger that begins it notes of that.
    pub firing: Option<Box<NewFiring>>,
}

/// Begins a run of `agent` for `caller`; [`replay`] has found none with the same `key`.
///
/// When this returns, the run is stored: nothing can lose it any more, and no connection's end ends
/// it. It is executed at once if there is room, else it is in the queue.
pub async fn execute(
    runs: &Runs,
    caller: &Principal,
    agent: &Agent,
    mut body: Execute,
    key: Option<NewKey>,
) -> Result<Begun, ExecuteError> {
    let content = &agent.content;
    let webhook = runs.webhooks.accept(caller, body.webhook.take()).await;
    let webhook = webhook.map_err(RunsError::from)?;
    let (metadata, thread_id, on_busy) =
        (body.metadata.clone(), body.thread_id.clone(), body.on_busy);
    let (mut asked, limits) = body.read(content, webhook).map_err(ExecuteError::Invalid)?;
    let thread = match thread_id {
        Some(id) => Some(threads::begin::find_own(runs, caller, &id, asked.user.as_deref()).await?),
        None => None,
    };
    if let Some(thread) = &thread {
        asked.user.clone_from(&thread.user);
    }
    let Pinned { tools, engine } = pins::pin(runs, &caller.tenant, agent).await?;
    asked.tools = Some(tools);
    let executed = Executed { engine, ..agent.into() };
    let mut record = record(runs, caller, executed, asked, limits);
    record.run.summary.metadata = metadata;
    record.run.summary.thread_id = thread.as_ref().map(|it| it.id);
    let created_at = record.run.summary.created_at;
    let Record { tenant, asked, scopes, .. } = &record;
    let spec = prepare::spec(runs, tenant, agent, asked, limits, scopes, created_at)
        .await?
        .map_err(ExecuteError::Invalid)?;
    affordable::ensure(runs, agent, &spec, &record).await?;
    let spec = Spec::Agent(Arc::new(spec));
    let run = Prepared { record, spec, key: key.clone(), on_busy, firing: None };
    let begun = match thread {
        None => begin(runs, run).await,
        Some(thread) => Box::pin(threads::begin::begin(runs, caller, thread, run)).await,
    };
    or_replay(runs, caller, key, begun).await
}

/// What has begun; the run of somebody with the same key, if he was faster.
pub async fn or_replay(
    runs: &Runs,
    caller: &Principal,
    key: Option<NewKey>,
    begun: Result<Begun, ExecuteError>,
) -> Result<Begun, ExecuteError> {
    match (begun, key) {
        (Err(ExecuteError::Journal(JournalError::KeyTaken)), Some(key)) => {
            Ok(replay(runs, caller, &key).await?.ok_or(JournalError::KeyTaken)?)
        }
        (begun, _) => begun,
    }
}

/// Stores a run that begins later, unless too many do, and leaves `signals` with it.
pub async fn enqueue(
    runs: &Runs,
    run: Prepared,
    signals: Vec<Signal>,
) -> Result<Begun, ExecuteError> {
    let Prepared { record, key, on_busy, firing, .. } = run;
    ensure_room(runs, &record.run.summary.client_id).await?;
    let run = record.run.clone();
    let begin = vec![NewRun { key, on_busy, firing, ..queued(record) }];
    let entry = Entry { begin, left: signals, ..Entry::default() };
    runs.journal().commit(entry).await?;
    Ok(Begun { run, live: None, replayed: false })
}

/// Begins a run, if there is room, else stores it for later.
pub async fn begin(runs: &Runs, run: Prepared) -> Result<Begun, ExecuteError> {
    let permit = runs.permit_for_new();
    let is_full = permit.is_none();
    let Some((permit, share)) = permit.zip(runs.permits().share(&run.record)) else {
        let begun = enqueue(runs, run, Vec::new()).await?;
        if is_full {
            runs.note_backlog(1);
        }
        return Ok(begun);
    };
    let Prepared { mut record, spec, key, on_busy, firing } = run;
    let execution = spec.begin(record.run.summary.id);
    let summary = &mut record.run.summary;
    summary.status = Status::Running;
    summary.attempt = 1;
    summary.started_at = Some(summary.created_at);
    let live = runs.enter(summary.id, 0);
    let log = Log::new(record.tenant.clone(), Arc::clone(&live), runs.journal().clone(), 0);
    let run = record.run.clone();
    let first = started(&record);
    let record = Arc::new(record);
    let worker = Some(runs.worker());
    let new = NewRun { record: Arc::clone(&record), worker, key, on_busy, firing, retry_of: None };
    let mut driver = Driver::new(runs.clone(), record, execution, log, Arc::clone(&live));
    let failure = driver.begin_new(new, first.into());
    // From here on the run goes its way, whether somebody waits for it or not.
    runs.spawn(driver, Some(permit), share);
    if live.stored(1).await.is_err() {
        return Err(failure.await.unwrap_or(JournalError::Stopping).into());
    }
    Ok(Begun { run, live: Some(live), replayed: false })
}

/// Refuses when the queue is full. Runs that are begun at one moment do not see each other, so that it
/// may grow longer by as many as are begun at once.
pub async fn ensure_room(runs: &Runs, client: &str) -> Result<(), ExecuteError> {
    let limit = runs.queue_limit();
    let waiting = runs.db.read(async |conn| owners::count_queued(conn, limit, client).await);
    let (all, own) = waiting.await.map_err(RunsError::from)?;
    if all >= i64::from(limit) {
        return Err(ExecuteError::QueueFull(limit));
    }
    // The last tenth is for those who do not have half of it already.
    if all >= i64::from(limit - limit / 10) && own * 2 >= i64::from(limit) {
        return Err(ExecuteError::ShareFull(own));
    }
    Ok(())
}

/// A run that waits in the queue.
pub fn queued(record: Record) -> NewRun {
    NewRun {
        record: Arc::new(record),
        worker: None,
        key: None,
        on_busy: OnBusy::Enqueue,
        firing: None,
        retry_of: None,
    }
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
        forked_from: summary.forked_from.map(|id| id.to_string()),
        is_retry: record.asked.is_retry,
        foreign: 0,
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

/// What a run executes, in the version that it is pinned to.
#[derive(Debug, Clone)]
pub struct Executed {
    pub kind: RunKind,
    pub id: Id,
    pub name: String,
    /// 0 for a tool of the program.
    pub version: i64,
    /// The engine that it needs.
    pub engine: i32,
}

impl From<&Agent> for Executed {
    fn from(agent: &Agent) -> Self {
        let (name, version) = (agent.content.name.clone(), agent.version);
        let engine = engine::engine_of(RunKind::Agent);
        Self { kind: RunKind::Agent, id: agent.id, name, version, engine }
    }
}

impl From<&Workflow> for Executed {
    fn from(workflow: &Workflow) -> Self {
        let (name, version) = (workflow.content.name.clone(), workflow.version);
        let engine = engine::engine_of(RunKind::Workflow);
        Self { kind: RunKind::Workflow, id: workflow.id, name, version, engine }
    }
}

/// A run of `executed` that `caller` asks for, with his rights.
pub fn record(
    runs: &Runs,
    caller: &Principal,
    executed: Executed,
    asked: Asked,
    limits: Limits,
) -> Record {
    let (tenant, scopes) = (caller.tenant.clone(), caller.scopes.clone());
    let mut record = new_record(runs, executed, asked, limits, tenant, scopes);
    record.run.summary.subject = caller.subject.to_string();
    record.run.summary.client_id.clone_from(&caller.client_id);
    record
}

/// A run that nobody has asked for yet.
pub fn new_record(
    runs: &Runs,
    Executed { kind, id: definition, name, version, engine }: Executed,
    asked: Asked,
    limits: Limits,
    tenant: TenantId,
    scopes: Scopes,
) -> Record {
    let id: Id = runs.ids.next();
    let summary = RunSummary {
        id,
        kind,
        definition: DefinitionRef { id: definition.to_string(), name, version },
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
        subject: String::new(),
        client_id: String::new(),
        user: asked.user.clone(),
        trigger: Trigger::Api,
        metadata: serde_json::Map::new(),
        created_at: runs.clock.now(),
        started_at: None,
        finished_at: None,
    };
    Record {
        tenant,
        definition,
        run: Run { summary, input: asked.input.clone(), output: None },
        asked,
        scopes,
        engine,
    }
}

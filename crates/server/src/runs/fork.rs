//! Begins a run where another has been, with what that one recorded.

mod asked;
mod taken;

use std::iter;
use std::sync::Arc;

use engine::Event;
use engine::Input;
use engine::ResumeReason;
use engine::RunStarted;
use engine::TakenOver;

pub use self::asked::Fork;
use super::Record;
use super::RunsError;
use super::Status;
use super::affordable;
use super::execute;
use super::execute::Begun;
use super::execute::ExecuteError;
use super::journal::Entry;
use super::journal::EventRow;
use super::journal::JournalError;
use super::journal::NewKey;
use super::journal::NewRun;
use super::pins;
use super::pins::Pinned;
use super::prepare;
use super::service::Runs;
use super::store;
use super::take_up;
use super::take_up::Found;
use super::take_up::Permit;
use super::values;
use crate::agents::Agent;
use crate::oauth::caller::Principal;
use crate::workflows::Workflow;

/// What a fork executes.
#[derive(Debug)]
pub enum Target {
    Agent(Arc<Agent>),
    Workflow(Arc<Workflow>),
}

/// What a new run has of another.
#[derive(Debug)]
struct Beginning {
    /// Another input.
    input: Option<Input>,
    taken_over: TakenOver,
    is_retry: bool,
}

impl Target {
    /// Whether a run that fails makes up for what it has done.
    fn makes_up(&self) -> bool {
        match self {
            Self::Agent(_) => false,
            Self::Workflow(it) => it.ready.workflow.as_ref().is_some_and(|it| it.makes_up()),
        }
    }
}

/// Begins a run of `target` for `caller` that takes over what `from` recorded before some place.
pub async fn fork(
    runs: &Runs,
    caller: &Principal,
    from: &Record,
    target: &Target,
    body: Fork,
    key: Option<NewKey>,
) -> Result<Begun, ExecuteError> {
    let (wish, input) = body.read(&from.run.summary, target).map_err(ExecuteError::Invalid)?;
    let events = events(runs, from).await?;
    let taken_over = taken::fork(target, &events, &wish).map_err(ExecuteError::Invalid)?;
    asked::ensure_new(input.as_ref(), &taken_over.events).map_err(ExecuteError::Invalid)?;
    let beginning = Beginning { input, taken_over, is_retry: false };
    let begun = begin(runs, caller, from, target, beginning, key.clone()).await;
    execute::or_replay(runs, caller, key, begun).await
}

/// The same with all results that a run recorded before it failed.
pub async fn retry(
    runs: &Runs,
    caller: &Principal,
    from: &Record,
    target: &Target,
    key: Option<NewKey>,
) -> Result<Begun, ExecuteError> {
    let status = from.run.summary.status;
    if !matches!(status, Status::Failed | Status::TimedOut) {
        return Err(ExecuteError::NotFailed(status));
    }
    let events = events(runs, from).await?;
    let taken_over = taken::retry(target, &events).map_err(ExecuteError::Invalid)?;
    let beginning = Beginning { input: None, taken_over, is_retry: true };
    let begun = begin(runs, caller, from, target, beginning, key.clone()).await;
    if matches!(begun, Err(ExecuteError::Journal(JournalError::Retried))) {
        return retried(runs, caller, from, key).await;
    }
    execute::or_replay(runs, caller, key, begun).await
}

/// What whoever retries a run is told that is retried already: that run if it is his own by its key, else where it is.
async fn retried(
    runs: &Runs,
    caller: &Principal,
    from: &Record,
    key: Option<NewKey>,
) -> Result<Begun, ExecuteError> {
    if let Some(key) = key
        && let Some(begun) = execute::replay(runs, caller, &key).await?
    {
        return Ok(begun);
    }
    let (tenant, id) = (&from.tenant, from.run.summary.id);
    let other = runs.db.read(async |conn| store::retry_of(conn, tenant, id).await).await;
    // It may have been canceled meanwhile: then the next try succeeds.
    let other = other.map_err(RunsError::from)?.ok_or(JournalError::Retried)?;
    Err(ExecuteError::Retried(other))
}

async fn events(runs: &Runs, from: &Record) -> Result<Vec<Event>, ExecuteError> {
    let past = take_up::read_log(runs, &from.tenant, from.run.summary.id).await?;
    Ok(past.events.into_iter().map(|(_, event)| event).collect())
}

/// Stores the new run and all that it takes over in one transaction. It waits in the queue, unless there is
/// room for it now.
async fn begin(
    runs: &Runs,
    caller: &Principal,
    from: &Record,
    target: &Target,
    beginning: Beginning,
    key: Option<NewKey>,
) -> Result<Begun, ExecuteError> {
    let Beginning { input, taken_over, is_retry } = beginning;
    let mut record = record(runs, caller, from, target, input);
    // What was mended since then is what it is about.
    let Pinned { tools, engine } = match target {
        Target::Agent(agent) => pins::pin(runs, &record.tenant, agent).await?,
        Target::Workflow(workflow) => pins::pin_workflow(runs, &record.tenant, workflow).await?,
    };
    record.asked.tools = Some(tools);
    record.asked.is_retry = is_retry && matches!(target, Target::Workflow(_));
    let retry_of = (is_retry && target.makes_up()).then_some(from.run.summary.id);
    record.engine = engine.max(from.engine);
    if let Target::Agent(agent) = target {
        ensure_agent(runs, &record, agent).await?;
    }
    let entry = entry(&mut record, taken_over)?;
    let client = &record.run.summary.client_id;
    let has_place = runs.permits().has_place(client, record.definition);
    let permit = runs.permit_for_new().filter(|_| has_place);
    if permit.is_none() {
        execute::ensure_room(runs, client).await?;
    }
    let run = record.run.clone();
    let (tenant, run_id) = (record.tenant.clone(), run.summary.id);
    let new = NewRun { key, retry_of, ..execute::queued(record) };
    runs.journal().commit(Entry { begin: vec![new], ..entry }).await?;
    match permit {
        Some(permit) => {
            let found = Found { tenant, run_id, owner: None, reason: ResumeReason::Fork };
            take_up::soon_with(runs, found, Permit::Held(permit));
        }
        None if has_place => runs.note_backlog(1),
        None => {}
    }
    Ok(Begun { run, live: None, replayed: false })
}

/// Refuses a run of an agent that cannot be executed or paid for.
async fn ensure_agent(runs: &Runs, record: &Record, agent: &Agent) -> Result<(), ExecuteError> {
    let Record { tenant, asked, scopes, run, .. } = record;
    let (limits, began) = (run.summary.limits, run.summary.created_at);
    let spec = prepare::spec(runs, tenant, agent, asked, limits, scopes, began)
        .await?
        .map_err(ExecuteError::Invalid)?;
    affordable::ensure(runs, agent, &spec, record).await
}

/// The new run. It stands for itself: on no thread, below no other run, and nobody is told of its end.
fn record(
    runs: &Runs,
    caller: &Principal,
    from: &Record,
    target: &Target,
    input: Option<Input>,
) -> Record {
    let mut asked = from.asked.clone();
    asked.ancestors.clear();
    asked.top_run = None;
    asked.webhook = None;
    asked.is_retry = false;
    if let Some(input) = input {
        asked.input = input;
    }
    let above = &from.run.summary;
    let (executed, version, mut limits) = match target {
        Target::Agent(agent) => (agent.as_ref().into(), agent.version, agent.content.limits),
        Target::Workflow(it) => (it.as_ref().into(), it.version, it.content.limits.into()),
    };
    if version == above.definition.version {
        limits = above.limits;
    } else if let Target::Agent(agent) = target {
        asked.model_options = agent.content.model_options.clone();
    }
    let mut record = execute::record(runs, caller, executed, asked, limits);
    let summary = &mut record.run.summary;
    summary.forked_from = Some(above.id);
    summary.metadata.clone_from(&above.metadata);
    record
}

/// The beginning of the log of `record`, whose row then knows how far it goes. Everything in it is the
/// new run's own, its large values too.
fn entry(record: &mut Record, taken_over: TakenOver) -> Result<Entry, JournalError> {
    let TakenOver { events: taken_over, foreign } = taken_over;
    let (tenant, run_id) = (record.tenant.clone(), record.run.summary.id);
    let at = record.run.summary.created_at;
    let mut entry = Entry::default();
    let foreign = if record.asked.is_retry { foreign } else { 0 };
    let first = Event::from(RunStarted { foreign, ..execute::started(record) });
    for (seq, event) in (1..).zip(iter::once(first).chain(taken_over)) {
        let (data, large) = values::take_apart(run_id, event.data()?)?;
        let (tenant, name) = (tenant.clone(), event.name());
        entry.values.extend(large);
        entry.events.push(EventRow { tenant, run_id, seq, name, at, data: data.into() });
        record.run.summary.last_seq = seq;
        record.run.summary.steps += u32::from(matches!(event, Event::StepStarted(_)));
    }
    Ok(entry)
}

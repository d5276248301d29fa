//! What triggers of workflows do: they begin runs, as whoever saved the version that is at work.
//!
//! A run that a trigger begins is stored in the transaction that decides that it does: a schedule is moved on, a delivery
//! is noted, an event is taken. So there is one run for each, however many processes there are and wherever one dies.

pub mod cron;
pub mod event;
pub mod hook;
mod plan;
pub mod strangers;
mod verify;

use std::sync::Arc;

use metrics::counter;
use serde_json::Map;
use serde_json::Value;

use super::Record;
use super::RunsError;
use super::Trigger as By;
use super::executable;
use super::executable::NotExecutable;
use super::execute;
use super::execute::Begun;
use super::execute::ExecuteError;
use super::journal::Entry;
use super::journal::NewKey;
use super::journal::NewRun;
use super::perform;
use super::perform::ExecuteWorkflow;
use super::service::Runs;
use crate::definitions::DefinitionError;
use crate::http::Invalid;
use crate::oauth::caller::Principal;
use crate::workflows::Workflow;
use crate::workflows::store::triggers;
use crate::workflows::triggers::Armed;
use crate::workflows::triggers::FiringError;
use crate::workflows::triggers::FiringStatus;
use crate::workflows::triggers::NewFiring;
use crate::workflows::triggers::Trigger;
use crate::workflows::triggers::arm;

/// Why nothing came of a trigger, that is not its own fault.
#[derive(Debug, thiserror::Error)]
pub enum TriggerError {
    #[error("what triggers there are could not be read")]
    Definitions(#[from] DefinitionError),
    #[error("a run could not be begun")]
    Execute(#[from] ExecuteError),
    #[error("the database refused a query of triggers")]
    Database(#[from] sqlx::Error),
    /// Whoever fires it looks again what there is.
    #[error("a trigger has changed at this moment")]
    Changed,
}

/// Who and what a trigger would execute now.
#[derive(Debug)]
struct Ready {
    who: Principal,
    workflow: Arc<Workflow>,
}

/// Sees to it that all triggers are those of the definitions as they are now.
pub async fn catch_up(runs: &Runs) -> Result<(), TriggerError> {
    Ok(arm::catch_up(&runs.db, &runs.workflows, &runs.clock).await?)
}

/// The same, if something has changed since somebody did.
pub async fn current(runs: &Runs) -> Result<(), TriggerError> {
    let now = runs.clock.now();
    let work = runs.db.read(async |conn| triggers::work(conn, now, now).await).await?;
    if work.has_changes { catch_up(runs).await } else { Ok(()) }
}

/// Begins a run that `caller` asks for, who has what the workflow demands: as `armed` would begin it.
pub async fn by_caller(
    runs: &Runs,
    caller: &Principal,
    (workflow, armed): (&Workflow, &Armed),
    input: Value,
    key: Option<NewKey>,
) -> Result<Begun, ExecuteError> {
    let mut firing = armed.firing(runs.ids.next(), runs.clock.now(), FiringStatus::Started);
    firing.firing.by = Some(caller.subject.to_string());
    let body = ExecuteWorkflow::with(input, context(&armed.trigger, Map::new()));
    perform::perform_by(runs, caller, workflow, body, key, Some(Box::new(firing))).await
}

/// What `armed` would execute, or why it would not. That is the version that `armed` is of and no other: whoever wrote
/// another answers for that.
async fn ready(runs: &Runs, armed: &Armed) -> Result<Result<Ready, FiringError>, TriggerError> {
    let (tenant, id) = (&armed.tenant, armed.workflow_id);
    let mut workflow = runs.workflows.find(tenant, &id.to_string()).await?;
    let is_old =
        |it: &Arc<Workflow>| it.version != armed.version || it.is_active != armed.is_active;
    if workflow.as_ref().is_none_or(is_old) {
        // It has changed half a second ago.
        workflow = runs.workflows.snapshot(tenant).await?.find_by_id(id).cloned();
    }
    let Some(workflow) = workflow else {
        return Ok(Err(FiringError::new("workflow_gone", "the workflow is not there any more")));
    };
    if is_old(&workflow) {
        return Err(TriggerError::Changed);
    }
    let who = match armed.who.to_execute(&workflow, tenant, &runs.clients).await? {
        Ok(who) => who,
        Err(refusal) => return Ok(Err(refusal)),
    };
    match executable::workflow(runs, &who, &id.to_string(), None).await {
        Ok(workflow) if is_old(&workflow) => Err(TriggerError::Changed),
        Ok(workflow) => Ok(Ok(Ready { who, workflow })),
        Err(NotExecutable::Definitions(cause)) => Err(cause.into()),
        Err(NotExecutable::Broken { problems, .. }) => {
            Ok(Err(FiringError::new("workflow_invalid", in_words(&problems))))
        }
        Err(cause) => Ok(Err(FiringError::new("not_executable", cause.to_string()))),
    }
}

/// A run that `armed` begins with this `input`, or why its input is none; `told` is what entries read of the occasion.
async fn record(
    runs: &Runs,
    armed: &Armed,
    Ready { who, workflow }: &Ready,
    input: Value,
    told: Map<String, Value>,
) -> Result<Result<Record, Vec<Invalid>>, TriggerError> {
    let body = ExecuteWorkflow::with(input, context(&armed.trigger, told));
    match perform::record(runs, who, workflow, body).await {
        Ok(mut record) => {
            record.run.summary.trigger = by(&armed.trigger);
            Ok(Ok(record))
        }
        Err(ExecuteError::Invalid(wrong)) => Ok(Err(wrong)),
        Err(cause) => Err(cause.into()),
    }
}

/// What entries read of the occasion: what `trigger` is, and what is `told`.
fn context(trigger: &Trigger, told: Map<String, Value>) -> Map<String, Value> {
    let own = [("id", trigger.id()), ("type", trigger.kind())];
    let mut occasion = Map::from_iter(own.map(|(name, it)| (name.to_owned(), Value::from(it))));
    occasion.extend(told);
    Map::from_iter([("trigger".to_owned(), Value::Object(occasion))])
}

/// The entry of the journal that begins `record` and notes it as `firing`.
fn entry(record: Record, mut firing: NewFiring) -> Entry {
    firing.firing.run_id = Some(record.run.summary.id);
    let new = NewRun { firing: Some(Box::new(firing)), ..execute::queued(record) };
    Entry { begin: vec![new], ..Entry::default() }
}

/// What is said of an input that the workflow does not take.
fn not_taken(wrong: &[Invalid]) -> FiringError {
    FiringError::new("invalid_input", in_words(wrong))
}

fn in_words(problems: &[Invalid]) -> String {
    let words = problems.iter().take(5).map(|it| format!("{}: {}", it.pointer, it.detail));
    words.collect::<Vec<_>>().join("; ")
}

fn by(trigger: &Trigger) -> By {
    match trigger {
        Trigger::Api { .. } => By::Api,
        Trigger::Webhook { .. } => By::Webhook,
        Trigger::Cron { .. } => By::Cron,
        Trigger::Event { .. } => By::Event,
    }
}

fn count(trigger: &Trigger, status: &'static str, number: usize) {
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    counter!("trigger_firings_total", "type" => trigger.kind(), "status" => status)
        .increment(number);
}

impl From<RunsError> for TriggerError {
    fn from(error: RunsError) -> Self {
        Self::Execute(error.into())
    }
}

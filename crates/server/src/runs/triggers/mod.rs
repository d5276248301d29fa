//! What triggers of workflows do: they begin runs, as whoever saved the version that is at work.
//!
//! A run that a trigger begins is stored in the transaction that decides that it does: a schedule is moved on, a delivery
//! is noted, an event is taken. So there is one run for each, however many processes there are and wherever one dies.

pub mod cron;
pub mod event;
pub mod hook;
mod verify;

use std::sync::Arc;

use metrics::counter;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Record;
use super::RunsError;
use super::Trigger as By;
use super::executable;
use super::executable::NotExecutable;
use super::execute;
use super::execute::ExecuteError;
use super::journal::Entry;
use super::journal::NewRun;
use super::perform;
use super::perform::ExecuteWorkflow;
use super::service::Runs;
use crate::definitions::DefinitionError;
use crate::http::Invalid;
use crate::oauth::caller::Principal;
use crate::workflows::Workflow;
use crate::workflows::triggers::Armed;
use crate::workflows::triggers::FiringError;
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

/// What `armed` would execute, or why it would not.
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
    let who = match armed.who.to_execute(&workflow, tenant, &runs.clients).await? {
        Ok(who) => who,
        Err(refusal) => return Ok(Err(refusal)),
    };
    match executable::workflow(runs, &who, &id.to_string(), None).await {
        Ok(_) => Ok(Ok(Ready { who, workflow })),
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
    let mut occasion = Map::from_iter([
        ("id".to_owned(), json!(armed.trigger.id())),
        ("type".to_owned(), json!(armed.trigger.kind())),
    ]);
    occasion.extend(told);
    let context = Map::from_iter([("trigger".to_owned(), Value::Object(occasion))]);
    let body = ExecuteWorkflow::with(input, context);
    match perform::record(runs, who, workflow, body).await {
        Ok(mut record) => {
            record.run.summary.trigger = by(&armed.trigger);
            Ok(Ok(record))
        }
        Err(ExecuteError::Invalid(wrong)) => Ok(Err(wrong)),
        Err(cause) => Err(cause.into()),
    }
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

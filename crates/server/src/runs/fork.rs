//! Begins a run where another has been, with what that one recorded.

use std::iter;

use engine::Event;
use engine::Input;
use engine::OpenEffect;
use engine::ResumeReason;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use super::Record;
use super::RunSummary;
use super::Status;
use super::affordable;
use super::asked;
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
use super::take_up;
use super::take_up::Found;
use super::take_up::Permit;
use super::values;
use crate::agents::Agent;
use crate::http::Invalid;
use crate::oauth::caller::Principal;

/// A request to fork a run.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"from_seq": 9}))]
pub struct Fork {
    /// The first event that is not taken over: 1 takes over nothing, one more than there are takes over all.
    #[schema(minimum = 1)]
    from_seq: u64,
    /// The version of the agent to go on with; without it that of the run, with its limits and options.
    #[schema(minimum = 1)]
    pub version: Option<i64>,
    /// What to ask instead; only with `from_seq` 1.
    input: Option<Value>,
    /// Outputs of steps of a workflow; of an agent there is nothing to override.
    #[serde(default)]
    #[schema(value_type = Object)]
    overrides: Map<String, Value>,
}

/// Begins a run of `agent` for `caller` that takes over what `from` recorded before an event.
pub async fn fork(
    runs: &Runs,
    caller: &Principal,
    from: &Record,
    agent: &Agent,
    body: Fork,
    key: Option<NewKey>,
) -> Result<Begun, ExecuteError> {
    let from_seq = body.from_seq;
    let input = body.read(&from.run.summary).map_err(ExecuteError::Invalid)?;
    let events = events(runs, from).await?;
    let taken_over = engine::fork(&events, from_seq).map_err(|open| {
        ExecuteError::Invalid(vec![Invalid::new("/from_seq", "open_effect", nearest(open))])
    })?;
    let begun = begin(runs, caller, from, agent, input, taken_over, key.clone()).await;
    execute::or_replay(runs, caller, key, begun).await
}

/// The same with all results that a run recorded before it failed.
pub async fn retry(
    runs: &Runs,
    caller: &Principal,
    from: &Record,
    agent: &Agent,
    key: Option<NewKey>,
) -> Result<Begun, ExecuteError> {
    let status = from.run.summary.status;
    if !matches!(status, Status::Failed | Status::TimedOut) {
        return Err(ExecuteError::NotFailed(status));
    }
    let taken_over = engine::retry(&events(runs, from).await?);
    let begun = begin(runs, caller, from, agent, None, taken_over, key.clone()).await;
    execute::or_replay(runs, caller, key, begun).await
}

impl Fork {
    /// Checks what the body's schema cannot say, and returns another input if there is one.
    fn read(self, from: &RunSummary) -> Result<Option<Input>, Vec<Invalid>> {
        let mut wrong = Vec::new();
        if self.from_seq > from.last_seq + 1 {
            let detail = format!("the run has {} events", from.last_seq);
            wrong.push(Invalid::new("/from_seq", "out_of_range", detail));
        }
        if !self.overrides.is_empty() {
            let detail = "there are outputs of steps in a workflow only";
            wrong.push(Invalid::new("/overrides", "not_supported", detail));
        }
        if self.input.is_some() && self.from_seq > 1 {
            let detail = "another input leads to other results: only with `from_seq` 1";
            wrong.push(Invalid::new("/input", "conflict", detail));
        }
        let input = self.input.and_then(|input| asked::read_input(input, &mut wrong));
        if wrong.is_empty() { Ok(input) } else { Err(wrong) }
    }
}

fn nearest(open: OpenEffect) -> String {
    let before = format!("{} makes the call anew", open.before);
    match open.after {
        Some(after) => format!("{open}: {before}, {after} takes over what came of it"),
        None => format!("{open}: {before}"),
    }
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
    agent: &Agent,
    input: Option<Input>,
    taken_over: Vec<Event>,
    key: Option<NewKey>,
) -> Result<Begun, ExecuteError> {
    let mut record = record(runs, caller, from, agent, input);
    // What was mended since then is what it is about.
    let Pinned { tools, engine } = pins::pin(runs, &record.tenant, agent).await?;
    record.asked.tools = Some(tools);
    record.engine = engine.max(from.engine);
    let Record { tenant, asked, scopes, run, .. } = &record;
    let (limits, began) = (run.summary.limits, run.summary.created_at);
    let spec = prepare::spec(runs, tenant, agent, asked, limits, scopes, began)
        .await?
        .map_err(ExecuteError::Invalid)?;
    affordable::ensure(runs, agent, &spec, &record).await?;
    let entry = entry(&mut record, taken_over)?;
    let client = &record.run.summary.client_id;
    let has_place = runs.permits().has_place(client, record.definition);
    let permit = runs.permit_for_new().filter(|_| has_place);
    if permit.is_none() {
        execute::ensure_room(runs, client).await?;
    }
    let run = record.run.clone();
    let (tenant, run_id) = (record.tenant.clone(), run.summary.id);
    let new = NewRun { key, ..execute::queued(record) };
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

/// The new run. It stands for itself: on no thread, below no other run, and nobody is told of its end.
fn record(
    runs: &Runs,
    caller: &Principal,
    from: &Record,
    agent: &Agent,
    input: Option<Input>,
) -> Record {
    let mut asked = from.asked.clone();
    asked.ancestors.clear();
    asked.top_run = None;
    asked.webhook = None;
    if let Some(input) = input {
        asked.input = input;
    }
    let above = &from.run.summary;
    let mut limits = above.limits;
    if agent.version != above.definition.version {
        limits = agent.content.limits;
        asked.model_options = agent.content.model_options.clone();
    }
    let mut record = execute::record(runs, caller, agent.into(), asked, limits);
    let summary = &mut record.run.summary;
    summary.forked_from = Some(above.id);
    summary.metadata.clone_from(&above.metadata);
    record
}

/// The beginning of the log of `record`, whose row then knows how far it goes. Everything in it is the
/// new run's own, its large values too.
fn entry(record: &mut Record, taken_over: Vec<Event>) -> Result<Entry, JournalError> {
    let (tenant, run_id) = (record.tenant.clone(), record.run.summary.id);
    let at = record.run.summary.created_at;
    let mut entry = Entry::default();
    let first = Event::from(execute::started(record));
    for (seq, event) in (1..).zip(iter::once(first).chain(taken_over)) {
        let (data, large) = values::take_apart(run_id, event.data()?)?;
        let (tenant, name) = (tenant.clone(), event.name());
        entry.values.extend(large);
        entry.events.push(EventRow { tenant, run_id, seq, name, at, data });
        record.run.summary.last_seq = seq;
        record.run.summary.steps += u32::from(matches!(event, Event::StepStarted(_)));
    }
    Ok(entry)
}

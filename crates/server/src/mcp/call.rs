//! Calls by MCP: each is a run, begun as the API begins it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use engine::Approval;
use engine::Consent;
use engine::RunKind;
use serde_json::Map;
use serde_json::Value;
use tokio::time::Instant;
use tracing::error;

use crate::app::App;
use crate::db::Id;
use crate::http::Invalid;
use crate::http::schema::Schema;
use crate::mcp::offers;
use crate::mcp::offers::Offer;
use crate::oauth::caller::Principal;
use crate::runs::Run;
use crate::runs::RunsError;
use crate::runs::Status;
use crate::runs::approvals;
use crate::runs::asked::Execute;
use crate::runs::call;
use crate::runs::call::ExecuteTool;
use crate::runs::cancel;
use crate::runs::cursor::Cursor;
use crate::runs::executable;
use crate::runs::executable::NotExecutable;
use crate::runs::execute;
use crate::runs::execute::Begun;
use crate::runs::execute::ExecuteError;
use crate::runs::look;
use crate::runs::look::Purpose;
use crate::runs::perform;
use crate::runs::perform::ExecuteWorkflow;
use crate::runs::signal::Cancel;
use crate::runs::watch::Deltas;
use crate::runs::watch::Until;
use crate::runs::watch::Watcher;
use crate::workflows::given_by;

/// How long a call is waited for before it is answered with the run as it is.
const PATIENCE: Duration = Duration::from_mins(10);

/// How often it is looked whether somebody is wanted for a run that waits.
const LOOK: Duration = Duration::from_millis(500);

/// Why a call began no run, or its run was lost sight of.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The caller, or the model that he calls for, may do better.
    #[error("{0}")]
    Refused(String),
    /// It is our fault.
    #[error("a call could not be answered")]
    Fault(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a run says while it goes on.
#[derive(Debug, PartialEq)]
pub enum Heard {
    Progress { done: f64, total: Option<f64>, message: Option<String> },
    Line { level: Level, source: String, message: String },
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

/// Begins the run that a call of `offer` is.
pub async fn begin(
    app: &App,
    caller: &Principal,
    offer: &Offer,
    arguments: Map<String, Value>,
) -> Result<Begun, CallError> {
    let runs = &app.runs;
    match offer {
        Offer::Tool(tool) => {
            let tool = executable::tool(runs, caller, &tool.id.to_string(), None).await?;
            Ok(call::call(runs, caller, &tool, ExecuteTool::of(arguments), None).await?)
        }
        // Its definition was looked up a moment ago, and its rights with it.
        Offer::Search(tool) => {
            Ok(call::call(runs, caller, tool, ExecuteTool::of(arguments), None).await?)
        }
        Offer::Workflow(workflow) => {
            let workflow = workflow.id.to_string();
            let workflow = executable::workflow(runs, caller, &workflow, None).await?;
            let asked = ExecuteWorkflow::of(given_by(&workflow, Value::Object(arguments)));
            Ok(perform::perform(runs, caller, &workflow, asked, None).await?)
        }
        Offer::Agent(agent) => {
            let agent = executable::agent(runs, caller, &agent.id.to_string(), None).await?;
            let arguments = Value::Object(arguments);
            let schema = Schema::compile(Value::Object(offers::asked_by(&agent)));
            let faults = schema.map_or_else(|fault| vec![fault], |it| it.check(&arguments));
            if !faults.is_empty() {
                return Err(ExecuteError::Invalid(faults).into());
            }
            let asked = serde_json::from_value::<Execute>(arguments);
            let asked = asked.map_err(|cause| CallError::Refused(cause.to_string()))?;
            Ok(execute::execute(runs, caller, &agent, asked, None).await?)
        }
    }
}

/// Waits until the run has ended or needs somebody, at most `until` then, and gives it as it is.
pub async fn wait(
    app: &App,
    caller: &Principal,
    begun: Begun,
    until: Instant,
) -> Result<Run, CallError> {
    let patience = until.saturating_duration_since(Instant::now());
    Ok(look::wait(&app.runs, caller, begun.run, begun.live, patience).await?.run)
}

/// The run with this id, if it is one of `caller`.
pub async fn find(app: &App, caller: &Principal, id: Id) -> Result<Run, CallError> {
    Ok(look::find(&app.runs, caller, &id.to_string()).await?.run)
}

/// A run that was heard to rest again after somebody had stirred it; at the latest `until` then.
pub async fn wait_again(
    app: &App,
    caller: &Principal,
    mut run: Run,
    until: Instant,
) -> Result<Run, CallError> {
    // What is known of it is old: it is looked at.
    run.summary.status = Status::Running;
    let patience = until.saturating_duration_since(Instant::now());
    Ok(look::wait(&app.runs, caller, run, None, patience).await?.run)
}

/// Waits until `caller` can do something about what a run, or one below it, waits for, and is to be asked: it is
/// `is_wanted`. The run as it is then; never, if there is no such thing.
pub async fn wanted(
    app: &App,
    caller: &Principal,
    id: Id,
    is_wanted: impl Fn(&Approval) -> bool,
) -> Result<Run, CallError> {
    loop {
        tokio::time::sleep(LOOK).await;
        // One that is at work here waits for nobody.
        if app.runs.live(id).is_some() {
            continue;
        }
        if approvals::open(&app.runs, caller, id).await?.iter().any(&is_wanted) {
            return find(app, caller, id).await;
        }
    }
}

/// What `caller` has to consent to before a run that is not over goes on.
pub async fn pages(app: &App, caller: &Principal, run: &Run) -> Result<Vec<Consent>, CallError> {
    if run.summary.status.is_final() {
        return Ok(Vec::new());
    }
    let open = approvals::open(&app.runs, caller, run.summary.id).await?;
    Ok(open.into_iter().filter_map(|it| it.consent.map(|it| *it)).collect())
}

/// How long a call that begins now is waited for.
pub fn patience() -> Instant {
    Instant::now() + PATIENCE
}

/// What a run says, from its first event on, until it has ended or needs somebody, or it is too late.
pub struct Said {
    watcher: Watcher,
    ear: Ear,
    latest: Instant,
}

impl Said {
    /// From what is known of the run on.
    pub fn new(app: &App, caller: &Principal, run: &Run, latest: Instant) -> Self {
        let ear = Ear { kind: run.summary.kind, done: None };
        Self { watcher: watcher(app, caller, run), ear, latest }
    }

    /// The same of a run that goes on.
    #[must_use]
    pub fn again(self, app: &App, caller: &Principal, run: &Run) -> Self {
        Self { watcher: watcher(app, caller, run), ..self }
    }

    /// What is said next; `None`: nothing more, or not in time.
    pub async fn next(&mut self) -> Result<Option<Vec<Heard>>, CallError> {
        match tokio::time::timeout_at(self.latest, self.watcher.next()).await {
            Ok(frames) => Ok(frames?.map(|frames| self.ear.hear(&frames))),
            Err(_) => Ok(None),
        }
    }
}

fn watcher(app: &App, caller: &Principal, run: &Run) -> Watcher {
    let (runs, tenant, id) = (app.runs.clone(), caller.tenant.clone(), run.summary.id);
    let (from, until) = (Cursor::after(run.summary.last_seq), Until::Suspension);
    Watcher::new(runs, tenant, id, from, Deltas::Shown, until)
}

/// Has the run canceled for `caller`, who does not want it any more, beside everything else. A server that stops
/// hangs up by itself, which says nothing about him.
pub fn give_up(app: &App, caller: &Principal, run: &Run) {
    if app.tasks.stopping().is_cancelled() {
        return;
    }
    let (app, caller, id) = (app.clone(), caller.clone(), run.summary.id);
    app.tasks.clone().spawn(async move {
        let order = Cancel {
            by: caller.subject.to_string(),
            reason: Some("the call was canceled by MCP".to_owned()),
        };
        let canceled = async {
            let found =
                look::find_for(&app.runs, &caller, &id.to_string(), Purpose::Cancelling).await?;
            cancel::cancel(&app.runs, found, order).await
        };
        if let Err(cause) = canceled.await {
            error!(run.id = %id, error = &cause as &dyn std::error::Error, "a run cannot be canceled now");
        }
    });
}

/// Understands the frames of a run.
struct Ear {
    kind: RunKind,
    /// What was said last: a caller is never told less than before.
    done: Option<f64>,
}

impl Ear {
    fn hear(&mut self, frames: &Bytes) -> Vec<Heard> {
        let text = String::from_utf8_lossy(frames);
        text.split("\n\n").filter_map(|frame| self.hear_one(frame)).collect()
    }

    fn hear_one(&mut self, frame: &str) -> Option<Heard> {
        let fields: BTreeMap<&str, &str> =
            frame.lines().filter_map(|line| line.split_once(": ")).collect();
        let name = *fields.get("event")?;
        if !matches!(name, "tool.progress" | "text.delta" | "tool.started" | "log") {
            return None;
        }
        let event: Value = serde_json::from_str(fields.get("data")?).ok()?;
        let data = &event["data"];
        let text = |member: &str| data[member].as_str().map(str::to_owned);
        match (name, self.kind) {
            ("log", _) => {
                let level = match data["level"].as_str()? {
                    "debug" => Level::Debug,
                    "info" => Level::Info,
                    "warn" => Level::Warn,
                    _ => Level::Error,
                };
                Some(Heard::Line { level, source: text("source")?, message: text("message")? })
            }
            ("tool.progress", RunKind::Tool) => {
                let is_more = |done: &f64| self.done.is_none_or(|before| *done > before);
                let done = data["progress"].as_f64().filter(is_more)?;
                self.done = Some(done);
                let (total, message) = (data["total"].as_f64(), text("message"));
                Some(Heard::Progress { done, total, message })
            }
            (_, RunKind::Tool) => None,
            // What an agent or a workflow does is counted: nobody knows how much of it there will be.
            ("tool.started", _) => {
                let tool = text("tool")?;
                Some(self.one_more(format!("calls `{tool}`")))
            }
            ("text.delta", _) => Some(self.one_more(text("text")?)),
            _ => Some(self.one_more(text("message")?)),
        }
    }

    fn one_more(&mut self, message: String) -> Heard {
        let done = self.done.unwrap_or_default() + 1.0;
        self.done = Some(done);
        Heard::Progress { done, total: None, message: Some(message) }
    }
}

impl CallError {
    fn fault(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Fault(Box::new(cause))
    }
}

impl From<NotExecutable> for CallError {
    fn from(error: NotExecutable) -> Self {
        match error {
            NotExecutable::Definitions(cause) => Self::fault(cause),
            NotExecutable::Broken { ref problems, .. } => {
                Self::Refused(format!("{error}: {}", in_words(problems)))
            }
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<ExecuteError> for CallError {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Invalid(faults) | ExecuteError::UnknownPrice(faults) => {
                Self::Refused(in_words(&faults))
            }
            ExecuteError::Runs(error) => error.into(),
            ExecuteError::Journal(cause) => Self::fault(cause),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<RunsError> for CallError {
    fn from(error: RunsError) -> Self {
        match error {
            RunsError::NotFound(_) | RunsError::ThreadNotFound(_) | RunsError::ThreadBusy => {
                Self::Refused(error.to_string())
            }
            cause => Self::fault(cause),
        }
    }
}

/// All of `faults` for somebody who reads.
fn in_words(faults: &[Invalid]) -> String {
    let one = |Invalid { pointer, detail, .. }: &Invalid| match pointer.trim_start_matches("/input")
    {
        "" => detail.clone(),
        place => format!("{place}: {detail}"),
    };
    faults.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(kind: RunKind, frames: &str) -> Vec<Heard> {
        Ear { kind, done: None }.hear(&Bytes::from(frames.to_owned()))
    }

    fn progress(done: f64, message: &str) -> Heard {
        Heard::Progress { done, total: None, message: Some(message.to_owned()) }
    }

    #[test]
    fn a_call_is_never_said_to_have_come_less_far_than_before() {
        let frames: String = [0.0, 1.0, 3.0, 2.0, 3.0, 4.0]
            .map(|done| {
                format!(
                    "id: 2\nevent: tool.progress\ndata: {{\"data\":{{\"progress\":{done}}}}}\n\n"
                )
            })
            .concat();

        let heard = hear(RunKind::Tool, &frames);

        let told = |done| Heard::Progress { done, total: None, message: None };
        assert_eq!(heard, [0.0, 1.0, 3.0, 4.0].map(told));
    }

    #[test]
    fn an_agent_is_heard_speaking_and_calling() {
        let heard = hear(
            RunKind::Agent,
            "id: 1\nevent: run.started\ndata: {}\n\n\
             id: 3.2\nevent: text.delta\ndata: {\"data\":{\"text\":\"It\\n\"}}\n\n\
             id: 5\nevent: tool.started\ndata: {\"data\":{\"tool\":\"refund\"}}\n\n",
        );

        assert_eq!(heard, [progress(1.0, "It\n"), progress(2.0, "calls `refund`")]);
    }
}

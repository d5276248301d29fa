//! Folds the events of one run into spans.

use std::collections::HashMap;

use engine::Usage;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::Span;
use super::SpanKind;
use crate::db::At;
use crate::db::Id;
use crate::runs::RunSummary;
use crate::runs::RunsError;
use crate::runs::store::StoredEvent;

/// The status of what broke off without an end of its own.
const INTERRUPTED: &str = "interrupted";

/// The spans of one run.
#[derive(Debug)]
pub struct Shape {
    run_id: Id,
    /// The first is the run itself.
    spans: Vec<Span>,
    /// What the run itself has used, as far as its log says.
    usage: Usage,
    /// Set while the events are those that it took over.
    is_taking_over: bool,
    /// Where the present turn and the open model call are among the spans.
    step: usize,
    model: Option<usize>,
    /// Where the entries of a workflow are, each by its name.
    steps: HashMap<String, usize>,
    /// Calls by their ids: the name of the tool, and the span while it is open.
    calls: HashMap<String, (String, Option<usize>)>,
    /// The runs that it began, and the spans of their calls.
    children: Vec<(Id, String)>,
}

/// What is needed of an event. A large value may have been taken out of it, so that only what is small is
/// looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    call_id: String,
    step: String,
    model: String,
    tool: String,
    run_id: Option<Id>,
    status: String,
    duration_ms: u64,
    usage: Option<Usage>,
    message: Value,
    databases: Vec<String>,
    recalled: Option<Recalled>,
}

/// What a run recalled of its thread.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Recalled {
    duration_ms: u64,
    found: Vec<IgnoredAny>,
    warning: Option<IgnoredAny>,
}

impl Shape {
    /// A run of whose log nothing is known yet.
    pub fn new(summary: &RunSummary, parent_id: Option<String>) -> Self {
        let ended = summary.finished_at.zip(summary.started_at);
        let run = Span {
            id: summary.id.to_string(),
            parent_id,
            kind: SpanKind::Run,
            name: summary.definition.name.clone(),
            status: summary.status.as_str().to_owned(),
            started_at: summary.started_at,
            duration_ms: ended.map(|(end, start)| between(start, end)),
            usage: None,
            seq: 1,
        };
        Self {
            run_id: summary.id,
            spans: vec![run],
            usage: Usage::default(),
            is_taking_over: summary.forked_from.is_some(),
            step: 0,
            model: None,
            steps: HashMap::new(),
            calls: HashMap::new(),
            children: Vec::new(),
        }
    }

    /// How many spans there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// The run, what it used, its spans, and the runs that it began with the spans of their calls.
    pub fn finish(mut self) -> (Id, Usage, Vec<Span>, Vec<(Id, String)>) {
        self.spans[0].usage = Some(self.usage);
        (self.run_id, self.usage, self.spans, self.children)
    }

    pub fn apply(&mut self, event: &StoredEvent) -> Result<(), RunsError> {
        let told: Told = serde_json::from_str(&event.data)?;
        match event.name.as_str() {
            "run.resumed" => {
                self.is_taking_over = false;
                // The process that had asked it is gone.
                if let Some(model) = self.model.take() {
                    self.close(model, event.at, INTERRUPTED);
                }
            }
            "run.finished" => self.interrupt(event.at),
            "step.started" => {
                let around = around(&told.step).and_then(|it| self.steps.get(it));
                let around = around.copied().unwrap_or_default();
                self.step = self.begin(around, SpanKind::Step, told.step.clone(), event);
                self.spans[self.step].usage = Some(Usage::default());
                self.steps.insert(told.step, self.step);
            }
            "step.finished" => self.end(self.step_of(&told.step), event.at, &told.status, &told),
            "model.started" => {
                self.model = Some(self.begin(self.step, SpanKind::Model, told.model, event));
            }
            "model.finished" => {
                self.note_calls(&told.message);
                self.end_model(event.at, "done", &told);
            }
            "model.failed" => {
                self.end_model(event.at, "failed", &told);
            }
            "tool.started" => {
                let step = self.step_of(&told.step);
                let span = self.begin(step, SpanKind::Tool, told.tool.clone(), event);
                let before = self.calls.insert(told.call_id, (told.tool, Some(span)));
                if let Some((_, Some(lost))) = before {
                    self.close(lost, event.at, INTERRUPTED);
                }
            }
            "retrieval.finished" => self.retrieved(event, &told),
            "memory.read" => self.recalled(event, told.recalled),
            "tool.finished" => self.end_tool(event, &told),
            "child.started" => {
                let span = self.calls.get(&told.call_id).and_then(|(_, span)| *span);
                let span = span.unwrap_or_else(|| self.step_of(&told.call_id));
                let span = self.spans[span].id.clone();
                self.children.extend(told.run_id.map(|child| (child, span)));
            }
            _ => {}
        }
        Ok(())
    }

    /// The span of the turn or the entry that an event names, or whose call it does; the present one, if it names none.
    fn step_of(&self, name: &str) -> usize {
        let name = name.split('#').next().unwrap_or(name);
        self.steps.get(name).copied().unwrap_or(self.step)
    }

    fn begin(&mut self, parent: usize, kind: SpanKind, name: String, event: &StoredEvent) -> usize {
        self.spans.push(Span {
            id: format!("{}/{}", self.run_id, event.seq),
            parent_id: Some(self.spans[parent].id.clone()),
            kind,
            name,
            status: "running".to_owned(),
            started_at: Some(event.at),
            duration_ms: None,
            usage: None,
            seq: event.seq.cast_unsigned(),
        });
        self.spans.len() - 1
    }

    fn end(&mut self, span: usize, at: At, status: &str, told: &Told) {
        self.close(span, at, status);
        // What was measured tells more than two times do; of what was taken over it tells everything.
        let measured = &mut self.spans[span].duration_ms;
        *measured = measured.map(|between| between.max(told.duration_ms));
    }

    fn close(&mut self, span: usize, at: At, status: &str) {
        // A turn that was never begun has no span; the run's own knows its end from the row.
        if span == 0 {
            return;
        }
        let span = &mut self.spans[span];
        status.clone_into(&mut span.status);
        span.duration_ms = span.started_at.map(|start| between(start, at));
    }

    fn end_model(&mut self, at: At, status: &str, told: &Told) {
        let Some(span) = self.model.take() else { return };
        self.end(span, at, status, told);
        let Some(usage) = told.usage else { return };
        self.spans[span].usage = Some(usage);
        if let Some(step) = &mut self.spans[self.step].usage {
            *step += usage;
        }
        if !self.is_taking_over {
            self.usage += usage;
        }
    }

    fn end_tool(&mut self, event: &StoredEvent, told: &Told) {
        let known =
            self.calls.get_mut(&told.call_id).map(|(tool, span)| (tool.clone(), span.take()));
        let (tool, open) = known.unwrap_or_else(|| (told.call_id.clone(), None));
        // A call that was refused was never begun.
        let span = open.unwrap_or_else(|| self.begin(self.step, SpanKind::Tool, tool, event));
        self.end(span, event.at, &told.status, told);
    }

    /// A search is told of when it is over.
    fn retrieved(&mut self, event: &StoredEvent, told: &Told) {
        let call = self.calls.get(&told.call_id).and_then(|(_, span)| *span);
        let name = told.databases.join(", ");
        let span = self.begin(call.unwrap_or(self.step), SpanKind::Retrieval, name, event);
        self.end(span, event.at, "done", told);
    }

    /// So is what was looked for in the thread.
    fn recalled(&mut self, event: &StoredEvent, recalled: Option<Recalled>) {
        let Some(Recalled { duration_ms, found, warning }) = recalled else { return };
        let status = if found.is_empty() && warning.is_some() { "failed" } else { "done" };
        let span = self.begin(0, SpanKind::Retrieval, "memory".to_owned(), event);
        self.end(span, event.at, status, &Told { duration_ms, ..Told::default() });
    }

    /// What is open at the end of the run has no end of its own.
    fn interrupt(&mut self, at: At) {
        for span in 1..self.spans.len() {
            if self.spans[span].duration_ms.is_none() {
                self.close(span, at, INTERRUPTED);
            }
        }
    }

    /// Remembers what the calls of an answer are of.
    fn note_calls(&mut self, message: &Value) {
        for part in message["content"].as_array().into_iter().flatten() {
            if let (Some(call_id), Some(tool)) = (part["call_id"].as_str(), part["tool"].as_str()) {
                self.calls.insert(call_id.to_owned(), (tool.to_owned(), None));
            }
        }
    }
}

/// The loop in whose turn an entry is: of `each[3].send` it is `each`.
fn around(step: &str) -> Option<&str> {
    let (turn, _) = step.rsplit_once('.')?;
    Some(turn.rsplit_once('[')?.0)
}

/// Whole milliseconds from `start` to `end`.
fn between(start: At, end: At) -> u64 {
    (end.time() - start.time()).num_milliseconds().try_into().unwrap_or(0)
}

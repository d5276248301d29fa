//! The trace of a run: a view of its events, in the words of OpenTelemetry's conventions for
//! generative AI.
//!
//! The ids of spans follow from those of the run and its calls, so that a run that was taken up by
//! another process stays one trace. Never is there a prompt, an argument or an answer in it.

use std::collections::HashMap;
use std::time::SystemTime;

use aws_lc_rs::digest;
use chrono::DateTime;
use chrono::Utc;
use engine::Event;
use engine::ModelFinished;
use engine::RunFinished;
use engine::Usage;
use opentelemetry::Array;
use opentelemetry::KeyValue;
use opentelemetry::Value;
use opentelemetry::trace::SpanId;
use opentelemetry::trace::SpanKind;
use opentelemetry::trace::TraceId;
use serde::Serialize;

use super::Record;
use crate::db::Id;
use crate::telemetry::Span;
use crate::telemetry::Telemetry;

/// The open spans of a run.
#[derive(Debug)]
pub struct Trace {
    telemetry: Telemetry,
    id: TraceId,
    run_id: Id,
    parent: SpanId,
    name: String,
    attributes: Vec<KeyValue>,
    began: Option<SystemTime>,
    open: HashMap<String, Open>,
}

/// A call that has begun.
#[derive(Debug)]
struct Open {
    id: SpanId,
    name: String,
    kind: SpanKind,
    began: SystemTime,
    attributes: Vec<KeyValue>,
}

impl Trace {
    /// The trace of a run that has no event yet; none if nobody wants it.
    pub fn of(telemetry: Option<&Telemetry>, record: &Record) -> Option<Self> {
        let summary = &record.run.summary;
        let top = record.asked.top_run.unwrap_or(summary.id);
        let trace_id = TraceId::from_bytes(top.uuid().into_bytes());
        let telemetry = telemetry.filter(|it| it.samples(trace_id))?.clone();
        let definition = &summary.definition;
        let mut attributes = vec![
            KeyValue::new("gen_ai.operation.name", "invoke_agent"),
            KeyValue::new("gen_ai.agent.id", definition.id.clone()),
            KeyValue::new("gen_ai.agent.name", definition.name.clone()),
            KeyValue::new("agent_server.agent.version", definition.version),
            KeyValue::new("agent_server.run.id", summary.id.to_string()),
            KeyValue::new("agent_server.tenant", record.tenant.as_str().to_owned()),
        ];
        let thread = summary.thread_id.map(|id| id.to_string());
        attributes.extend(thread.map(|id| KeyValue::new("gen_ai.conversation.id", id)));
        Some(Self {
            telemetry,
            id: trace_id,
            run_id: summary.id,
            parent: summary.parent_run_id.map_or(SpanId::INVALID, |id| span_of(id, "")),
            name: format!("invoke_agent {}", definition.name),
            attributes,
            began: None,
            open: HashMap::new(),
        })
    }

    /// Follows an event that was told of before.
    pub fn recall(&mut self, event: &Event, at: DateTime<Utc>) {
        self.follow(event, at);
    }

    /// Follows an event, and sends the span that it ends.
    pub fn observe(&mut self, event: &Event, at: DateTime<Utc>) {
        if let Some(span) = self.follow(event, at) {
            self.telemetry.send(span);
        }
    }

    fn follow(&mut self, event: &Event, at: DateTime<Utc>) -> Option<Span> {
        let at = SystemTime::from(at);
        match event {
            Event::RunStarted(_) => self.began = Some(at),
            Event::RunFinished(end) => return self.end_run(end, at),
            Event::ModelStarted(call) => {
                let (provider, model) = call.model.split_once('/').unwrap_or(("", &call.model));
                let attributes = vec![
                    KeyValue::new("gen_ai.operation.name", "chat"),
                    KeyValue::new("gen_ai.provider.name", provider.to_owned()),
                    KeyValue::new("gen_ai.request.model", model.to_owned()),
                ];
                let name = format!("chat {model}");
                self.begin(&call.call_id, 1, name, SpanKind::Client, at, attributes);
            }
            Event::ModelFinished(end) => return self.end(&end.call_id, at, answer(end), None),
            Event::ModelFailed(end) => {
                return self.end(&end.call_id, at, Vec::new(), Some(word(end.error.kind)));
            }
            Event::ToolStarted(call) => {
                let attributes = vec![
                    KeyValue::new("gen_ai.operation.name", "execute_tool"),
                    KeyValue::new("gen_ai.tool.name", call.tool.clone()),
                    KeyValue::new("gen_ai.tool.call.id", call.call_id.clone()),
                    KeyValue::new("gen_ai.tool.type", "function"),
                ];
                let name = format!("execute_tool {}", call.tool);
                let (kind, attempt) = (SpanKind::Internal, call.attempt);
                self.begin(&call.call_id, attempt, name, kind, at, attributes);
            }
            Event::ToolFinished(end) => {
                let failed = end.error.as_ref().map(|error| word(error.kind));
                return self.end(&end.call_id, at, Vec::new(), failed);
            }
            _ => {}
        }
        None
    }

    fn begin(
        &mut self,
        call_id: &str,
        attempt: u32,
        name: String,
        kind: SpanKind,
        began: SystemTime,
        attributes: Vec<KeyValue>,
    ) {
        let id = span_of(self.run_id, &format!("{call_id}/{attempt}"));
        self.open.insert(call_id.to_owned(), Open { id, name, kind, began, attributes });
    }

    fn end(
        &mut self,
        call_id: &str,
        ended: SystemTime,
        more: Vec<KeyValue>,
        failed: Option<String>,
    ) -> Option<Span> {
        let Open { id, name, kind, began, mut attributes } = self.open.remove(call_id)?;
        attributes.extend(more);
        attributes.extend(failed.clone().map(|kind| KeyValue::new("error.type", kind)));
        let (trace_id, parent) = (self.id, span_of(self.run_id, ""));
        Some(Span { trace_id, id, parent, name, kind, began, ended, attributes, failed })
    }

    fn end_run(&self, end: &RunFinished, ended: SystemTime) -> Option<Span> {
        let mut attributes = self.attributes.clone();
        attributes.extend(tokens(end.usage));
        let failed = end.error.as_ref().map(|error| word(error.kind));
        attributes.extend(failed.clone().map(|kind| KeyValue::new("error.type", kind)));
        Some(Span {
            trace_id: self.id,
            id: span_of(self.run_id, ""),
            parent: self.parent,
            name: self.name.clone(),
            kind: SpanKind::Internal,
            began: self.began?,
            ended,
            attributes,
            failed,
        })
    }
}

fn answer(end: &ModelFinished) -> Vec<KeyValue> {
    let reasons = Array::String(vec![word(end.finish_reason).into()]);
    let reasons = KeyValue::new("gen_ai.response.finish_reasons", Value::Array(reasons));
    [reasons].into_iter().chain(tokens(end.usage)).collect()
}

fn tokens(usage: Usage) -> [KeyValue; 2] {
    let number = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
    [
        KeyValue::new("gen_ai.usage.input_tokens", number(usage.tokens.input_tokens)),
        KeyValue::new("gen_ai.usage.output_tokens", number(usage.tokens.output_tokens)),
    ]
}

/// One of our words, as JSON has it.
fn word(word: impl Serialize) -> String {
    match serde_json::to_value(word) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "_OTHER".to_owned(),
    }
}

/// The id of the span of a run, or of `part` of it.
fn span_of(run_id: Id, part: &str) -> SpanId {
    let mut name = run_id.to_string();
    name.push('/');
    name.push_str(part);
    let hash = digest::digest(&digest::SHA256, name.as_bytes());
    SpanId::from_bytes(hash.as_ref().first_chunk().copied().unwrap_or_default())
}

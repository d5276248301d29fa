//! The events of chat completions, made into our answer.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::value::to_raw_value;

use super::EXTRA_CONTENT;
use super::calls::Fragments;
use super::chunk::Choice;
use super::chunk::Chunk;
use super::chunk::Delta;
use super::usage;
use crate::Answer;
use crate::DeltaKind;
use crate::FinishReason;
use crate::Message;
use crate::Part;
use crate::Usage;
use crate::calls::Calls;
use crate::clean::tolerant;
use crate::draft::Draft;
use crate::private::Origin;
use crate::reader;
use crate::reader::Fault;
use crate::reader::Progress;
use crate::refusal::Refusal;
use crate::sse::Event;

/// An answer in the making.
#[derive(Debug)]
pub(super) struct Assembler {
    calls: Calls,
    origin: Origin,
    draft: Draft,
    fragments: Fragments,
    kept: Kept,
    finish_reason: Option<String>,
    /// The generation that `finish_reason` ended, as JSON.
    finished_id: Option<String>,
    usage: Usage,
}

/// What the server wants back with the message.
#[derive(Debug, Default)]
struct Kept {
    /// Reasoning, by the name that this server has for it.
    reasoning: BTreeMap<&'static str, String>,
    /// JSON.
    details: Vec<Box<RawValue>>,
    /// JSON by the id of a call.
    calls: BTreeMap<String, String>,
}

impl Kept {
    /// Keeps it with the last reasoning of `message`, or in a part of its own.
    fn put_into(self, message: &mut Message, origin: &Origin) {
        let Some(data) = self.into_json() else { return };
        let kept = origin.keep(data);
        let last = message.content.iter_mut().rev().find_map(|part| match part {
            Part::Reasoning { private, .. } => Some(private),
            _ => None,
        });
        match last {
            Some(private) => *private = Some(kept),
            None => {
                message.content.push(Part::Reasoning { text: String::new(), private: Some(kept) });
            }
        }
    }

    /// Members for the message when it goes back; see `request::private`.
    fn into_json(self) -> Option<String> {
        let mut members = BTreeMap::new();
        for (name, text) in self.reasoning {
            members.insert(name, to_raw_value(&text).ok()?);
        }
        if !self.details.is_empty() {
            members.insert("reasoning_details", to_raw_value(&self.details).ok()?);
        }
        let calls = self.calls.into_iter();
        let calls: BTreeMap<_, _> =
            calls.filter_map(|(id, json)| Some((id, RawValue::from_string(json).ok()?))).collect();
        if !calls.is_empty() {
            members.insert(EXTRA_CONTENT, to_raw_value(&calls).ok()?);
        }
        if members.is_empty() { None } else { serde_json::to_string(&members).ok() }
    }
}

impl Assembler {
    pub fn new(calls: Calls, origin: Origin) -> Self {
        Self {
            calls,
            origin,
            draft: Draft::default(),
            fragments: Fragments::default(),
            kept: Kept::default(),
            finish_reason: None,
            finished_id: None,
            usage: Usage::default(),
        }
    }

    fn take_chunk(&mut self, chunk: Chunk<'_>) -> Result<Progress, Fault> {
        if let Some(error) = chunk.error {
            let error = serde_json::from_str(error.get()).map_err(|_| Fault::Protocol)?;
            return Err(Fault::Refused(Refusal::of_error(&error)));
        }
        self.take_usage(chunk.usage);
        for choice in chunk.choices.into_iter().flatten() {
            if choice.index.unwrap_or_default() == 0 && !self.is_of_next_generation(chunk.id) {
                self.take_choice(choice, chunk.id)?;
            }
        }
        Ok(if self.finish_reason.is_some() { Progress::Whole } else { Progress::Growing })
    }

    /// Some servers send a second answer in the same body; only the first one counts.
    fn is_of_next_generation(&self, id: Option<&RawValue>) -> bool {
        match (&self.finished_id, id) {
            (Some(finished), Some(id)) => finished != id.get(),
            _ => false,
        }
    }

    fn take_choice(&mut self, choice: Choice<'_>, id: Option<&RawValue>) -> Result<(), Fault> {
        self.take_usage(choice.usage);
        if let Some(delta) = choice.delta {
            self.take_delta(delta);
        }
        match choice.finish_reason {
            Some(reason) if reason == "error" => Err(Fault::Refused(Refusal::default())),
            Some(reason) if !reason.is_empty() => {
                self.finished_id = id.map(|id| id.get().to_owned());
                self.finish_reason = Some(reason);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn take_delta(&mut self, delta: Delta<'_>) {
        let Delta { content, refusal, reasoning_content, reasoning, .. } = delta;
        // Servers that send both names send the same text twice.
        let (name, thought) = match reasoning_content.text {
            text if text.is_empty() => ("reasoning", reasoning.text),
            text => ("reasoning_content", text),
        };
        if !thought.is_empty() {
            self.kept.reasoning.entry(name).or_default().push_str(&thought);
        }
        for details in delta.reasoning_details.into_iter().flatten() {
            self.kept.details.push(details.to_owned());
        }
        self.draft.say(DeltaKind::Reasoning, thought);
        self.draft.say(DeltaKind::Reasoning, content.thinking);
        self.draft.say(DeltaKind::Text, content.text);
        self.draft.say(DeltaKind::Text, refusal.text);
        for fragment in delta.tool_calls.into_iter().flatten() {
            self.fragments.take(fragment);
        }
    }

    fn take_usage(&mut self, json: Option<&RawValue>) {
        if let Some(usage) = json.and_then(|json| usage::parse(json.get())) {
            self.usage = usage;
        }
    }

    /// The end marker. It ends an answer without a reason too, but an empty body is no answer.
    fn end(&self) -> Progress {
        let has_said =
            self.finish_reason.is_some() || !self.draft.is_empty() || !self.fragments.is_empty();
        if has_said { Progress::Ended } else { Progress::Alive }
    }
}

impl reader::Assembler for Assembler {
    fn take(&mut self, event: Event<'_>) -> Result<Progress, Fault> {
        if event.data.trim() == "[DONE]" {
            return Ok(self.end());
        }
        if event.name == "error" || !event.data.starts_with('{') {
            return Err(Refusal::of_text(event.data).map_or(Fault::Protocol, Fault::Refused));
        }
        let taken = tolerant(event.data, |data| Ok(self.take_chunk(serde_json::from_str(data)?)));
        taken.unwrap_or(Err(Fault::Protocol))
    }

    fn deltas(&mut self) -> Vec<crate::Delta> {
        self.draft.deltas()
    }

    fn partial(&self) -> Message {
        self.draft.partial()
    }

    fn finish(&mut self) -> Answer {
        let said = finish_reason(self.finish_reason.as_deref());
        let cut = matches!(said, FinishReason::Length | FinishReason::ContentFilter);
        for call in std::mem::take(&mut self.fragments).into_calls() {
            self.draft.begin_call(call);
        }
        let mut message = self.draft.finish(&mut self.calls, cut);
        self.kept.calls = self.calls.take_extra();
        std::mem::take(&mut self.kept).put_into(&mut message, &self.origin);
        let has_calls = message.content.iter().any(|part| matches!(part, Part::ToolCall { .. }));
        let finish_reason = if has_calls { FinishReason::ToolCalls } else { said };
        Answer { message, finish_reason, usage: self.usage }
    }
}

fn finish_reason(reason: Option<&str>) -> FinishReason {
    match reason {
        Some("stop" | "end_turn" | "eos" | "eos_token" | "stop_sequence") => FinishReason::Stop,
        Some("length" | "max_tokens") => FinishReason::Length,
        Some("content_filter") => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}

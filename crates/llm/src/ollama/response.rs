//! Ollama's lines, made into our answer.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::wire::Chunk;
use super::wire::Kept;
use super::wire::SaidCall;
use crate::Answer;
use crate::DeltaKind;
use crate::FinishReason;
use crate::Message;
use crate::Part;
use crate::Usage;
use crate::calls::Calls;
use crate::calls::RawCall;
use crate::clean::tolerant;
use crate::draft::Draft;
use crate::private::Origin;
use crate::reader;
use crate::reader::Fault;
use crate::reader::Framing;
use crate::reader::Progress;
use crate::refusal::Refusal;
use crate::sse::Event;

/// An answer in the making.
#[derive(Debug)]
pub(super) struct Assembler {
    calls: Calls,
    origin: Origin,
    draft: Draft,
    done_reason: Option<String>,
    usage: Usage,
}

impl Assembler {
    pub fn new(calls: Calls, origin: Origin) -> Self {
        let (draft, done_reason) = (Draft::default(), None);
        Self { calls, origin, draft, done_reason, usage: Usage::default() }
    }

    fn take_chunk(&mut self, chunk: Chunk<'_>) -> Result<Progress, Fault> {
        if let Some(error) = chunk.error {
            return Err(Fault::Refused(Refusal::of_error(&error)));
        }
        if let Some(said) = chunk.message {
            self.draft.say(DeltaKind::Reasoning, said.thinking.unwrap_or_default());
            self.draft.say(DeltaKind::Text, said.content.unwrap_or_default());
            for call in said.tool_calls.into_iter().flatten() {
                self.take_call(call);
            }
        }
        if !chunk.done {
            return Ok(if self.draft.is_empty() { Progress::Alive } else { Progress::Growing });
        }
        self.done_reason = chunk.done_reason;
        // Input that was read from the cache was not counted by some releases.
        self.usage.input_tokens = chunk.prompt_eval_count.unwrap_or_default();
        self.usage.output_tokens = chunk.eval_count.unwrap_or_default();
        Ok(Progress::Ended)
    }

    /// A call comes whole.
    fn take_call(&mut self, call: SaidCall<'_>) {
        let json = call.function.arguments.map_or("", RawValue::get);
        let arguments = if json.starts_with('"') {
            serde_json::from_str(json).unwrap_or_default()
        } else {
            json.to_owned()
        };
        self.draft.begin_call(RawCall {
            id: call.id.unwrap_or_default(),
            name: call.function.name,
            arguments,
            extra: None,
        });
    }
}

impl reader::Assembler for Assembler {
    const FRAMING: Framing = Framing::Lines;

    fn take(&mut self, event: Event<'_>) -> Result<Progress, Fault> {
        if !event.data.starts_with('{') {
            return Err(Fault::Protocol);
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
        let said = match self.done_reason.as_deref() {
            None | Some("" | "stop") => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            Some(_) => FinishReason::Other,
        };
        let cut = said == FinishReason::Length;
        let mut message = self.draft.finish(&mut self.calls, cut);
        for part in &mut message.content {
            if let Part::Reasoning { text, private } = part {
                let kept = Kept { thinking: Cow::Borrowed(text) };
                *private = serde_json::to_string(&kept).ok().map(|it| self.origin.keep(it));
            }
        }
        let has_calls = message.content.iter().any(|part| matches!(part, Part::ToolCall { .. }));
        let finish_reason = if has_calls { FinishReason::ToolCalls } else { said };
        Answer { message, finish_reason, usage: self.usage }
    }
}

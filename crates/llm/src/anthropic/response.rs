//! The events of the messages API, made into our answer.

use serde::Serialize;
use serde_json::value::RawValue;

use super::wire;
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
use crate::reader::Progress;
use crate::refusal::Refusal;
use crate::sse::Event;

/// An answer in the making.
#[derive(Debug)]
pub(super) struct Assembler {
    calls: Calls,
    origin: Origin,
    draft: Draft,
    blocks: Vec<Block>,
    begun: bool,
    stop_reason: Option<String>,
    usage: wire::Usage,
}

/// A block of the provider's message.
#[derive(Debug)]
struct Block {
    index: u64,
    kind: BlockKind,
}

#[derive(Debug)]
enum BlockKind {
    /// With its part, once it has text.
    Text(Option<usize>),
    Thinking {
        part: usize,
        signature: String,
    },
    Call {
        part: usize,
        input: String,
    },
    /// Nothing that we know.
    Other,
}

impl Assembler {
    pub fn new(calls: Calls, origin: Origin) -> Self {
        Self {
            calls,
            origin,
            draft: Draft::default(),
            blocks: Vec::new(),
            begun: false,
            stop_reason: None,
            usage: wire::Usage::default(),
        }
    }

    fn take_event(&mut self, name: &str, event: wire::Event<'_>) -> Result<Progress, Fault> {
        let kind = if event.r#type.is_empty() { name } else { &*event.r#type };
        match kind {
            // Two answers in one body are none.
            "message_start" if self.begun => return Err(Fault::Protocol),
            "message_start" => {
                self.begun = true;
                self.take_usage(event.message.and_then(|message| message.usage));
            }
            "content_block_start" => self.begin_block(event.index, event.content_block)?,
            "content_block_delta" => self.grow_block(event.index, event.delta)?,
            "message_delta" => {
                self.take_usage(event.usage);
                let reason = event.delta.and_then(|delta| delta.stop_reason);
                self.stop_reason = reason.or_else(|| self.stop_reason.take());
            }
            "message_stop" => return Ok(Progress::Ended),
            "error" => return Err(Fault::Refused(refusal(event.error)?)),
            // `ping`, `content_block_stop`, and what may be added to the protocol one day.
            _ if self.begun => return Ok(Progress::Growing),
            _ => return Ok(Progress::Alive),
        }
        Ok(Progress::Growing)
    }

    fn begin_block(&mut self, index: u64, json: Option<&RawValue>) -> Result<(), Fault> {
        let json = json.ok_or(Fault::Protocol)?;
        let block: wire::BlockStart<'_> =
            serde_json::from_str(json.get()).map_err(|_| Fault::Protocol)?;
        let kind = match &*block.r#type {
            "text" => BlockKind::Text(None),
            "thinking" => BlockKind::Thinking {
                part: self.draft.begin(DeltaKind::Reasoning),
                signature: block.signature.unwrap_or_default(),
            },
            "redacted_thinking" => {
                let part = self.draft.begin(DeltaKind::Reasoning);
                self.keep(part, json.get().to_owned());
                BlockKind::Other
            }
            "tool_use" => {
                let call = RawCall {
                    id: block.id.unwrap_or_default(),
                    name: block.name.unwrap_or_default(),
                    ..RawCall::default()
                };
                let input = block.input.map_or("", RawValue::get).to_owned();
                BlockKind::Call { part: self.draft.begin_call(call), input }
            }
            _ => BlockKind::Other,
        };
        self.blocks.push(Block { index, kind });
        self.say(index, block.text, block.thinking);
        Ok(())
    }

    fn grow_block(&mut self, index: u64, delta: Option<wire::Delta<'_>>) -> Result<(), Fault> {
        let delta = delta.ok_or(Fault::Protocol)?;
        self.say(index, delta.text, delta.thinking);
        let block = self.blocks.iter_mut().rfind(|block| block.index == index);
        match block.map(|block| &mut block.kind) {
            Some(BlockKind::Thinking { signature, .. }) => {
                signature.push_str(&delta.signature.unwrap_or_default());
            }
            Some(BlockKind::Call { part, .. }) => {
                if let Some(call) = self.draft.call(*part) {
                    call.arguments.push_str(&delta.partial_json.unwrap_or_default());
                }
            }
            Some(BlockKind::Text(Some(part))) => {
                let citation =
                    delta.citation.and_then(|json| serde_json::from_str(json.get()).ok());
                if let (Some(Part::Text { citations, .. }), Some(citation)) =
                    (self.draft.said(*part), citation)
                {
                    citations.push(citation);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Adds text to the block `index`. Text without the start of its block is a block of its own.
    fn say(&mut self, index: u64, text: Option<String>, thinking: Option<String>) {
        if let Some(thinking) = thinking {
            self.draft.say(DeltaKind::Reasoning, thinking);
        }
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        let block = self.blocks.iter_mut().rfind(|block| block.index == index);
        if let Some(Block { kind: BlockKind::Text(part @ None), .. }) = block {
            *part = Some(self.draft.begin(DeltaKind::Text));
        }
        self.draft.say(DeltaKind::Text, text);
    }

    fn keep(&mut self, part: usize, json: String) {
        if let Some(Part::Reasoning { private, .. }) = self.draft.said(part) {
            *private = Some(self.origin.keep(json));
        }
    }

    /// Completes what is only known at the end of a block.
    fn end_blocks(&mut self) {
        for block in std::mem::take(&mut self.blocks) {
            match block.kind {
                BlockKind::Thinking { part, signature } if !signature.is_empty() => {
                    self.sign(part, &signature);
                }
                BlockKind::Call { part, input } => {
                    if let Some(call) = self.draft.call(part)
                        && call.arguments.is_empty()
                    {
                        call.arguments = input;
                    }
                }
                _ => {}
            }
        }
    }

    /// Keeps the thinking of `part` in the form in which it must come back.
    fn sign(&mut self, part: usize, signature: &str) {
        let Some(Part::Reasoning { text, .. }) = self.draft.said(part) else { return };
        let block = SignedThinking { r#type: "thinking", thinking: text, signature };
        if let Ok(json) = serde_json::to_string(&block) {
            self.keep(part, json);
        }
    }

    /// Counts only grow: some servers give the input late, others give it again as 0.
    fn take_usage(&mut self, json: Option<&RawValue>) {
        let Some(usage) =
            json.and_then(|json| serde_json::from_str::<wire::Usage>(json.get()).ok())
        else {
            return;
        };
        let ours = &mut self.usage;
        ours.input = ours.input.max(usage.input);
        ours.cache_read = ours.cache_read.max(usage.cache_read);
        ours.cache_write = ours.cache_write.max(usage.cache_write);
        ours.output = ours.output.max(usage.output);
    }

    /// This API counts cached input beside the rest; we count it inside.
    fn usage(&self) -> Usage {
        let cached_tokens = self.usage.cache_read.unwrap_or_default();
        let cache_write_tokens = self.usage.cache_write.unwrap_or_default();
        Usage {
            input_tokens: self.usage.input.unwrap_or_default() + cached_tokens + cache_write_tokens,
            cached_tokens,
            cache_write_tokens,
            output_tokens: self.usage.output.unwrap_or_default(),
            reasoning_tokens: 0,
        }
    }
}

/// A block of thinking as this API wants it back.
#[derive(Serialize)]
struct SignedThinking<'a> {
    r#type: &'static str,
    thinking: &'a str,
    signature: &'a str,
}

impl reader::Assembler for Assembler {
    fn take(&mut self, event: Event<'_>) -> Result<Progress, Fault> {
        if !event.data.starts_with('{') {
            return Err(Fault::Protocol);
        }
        let taken = tolerant(event.data, |data| {
            Ok(self.take_event(event.name, serde_json::from_str(data)?))
        });
        taken.unwrap_or(Err(Fault::Protocol))
    }

    fn deltas(&mut self) -> Vec<crate::Delta> {
        self.draft.deltas()
    }

    fn partial(&self) -> Message {
        self.draft.partial()
    }

    fn finish(&mut self) -> Answer {
        self.end_blocks();
        let said = finish_reason(self.stop_reason.as_deref());
        let cut = matches!(said, FinishReason::Length | FinishReason::ContentFilter);
        let message = self.draft.finish(&mut self.calls, cut);
        let has_calls = message.content.iter().any(|part| matches!(part, Part::ToolCall { .. }));
        let finish_reason = if has_calls { FinishReason::ToolCalls } else { said };
        Answer { message, finish_reason, usage: self.usage() }
    }
}

fn refusal(error: Option<&RawValue>) -> Result<Refusal, Fault> {
    let error = serde_json::from_str(error.ok_or(Fault::Protocol)?.get());
    Ok(Refusal::of_error(&error.map_err(|_| Fault::Protocol)?))
}

fn finish_reason(reason: Option<&str>) -> FinishReason {
    match reason {
        Some("end_turn" | "stop_sequence") => FinishReason::Stop,
        Some("max_tokens" | "model_context_window_exceeded") => FinishReason::Length,
        Some("refusal") => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}

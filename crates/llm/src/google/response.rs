//! Gemini's pieces of an answer, made into ours.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::wire;
use super::wire::Candidate;
use super::wire::Chunk;
use super::wire::Kept;
use super::wire::KeptCall;
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
use crate::reader::Progress;
use crate::refusal::Refusal;
use crate::sse::Event;

/// An answer in the making.
#[derive(Debug)]
pub(super) struct Assembler {
    calls: Calls,
    origin: Origin,
    draft: Draft,
    /// What is signed, by the part of the draft that keeps it.
    signed: BTreeMap<usize, Vec<Box<RawValue>>>,
    finish_reason: Option<String>,
    usage: wire::Usage,
}

impl Assembler {
    pub fn new(calls: Calls, origin: Origin) -> Self {
        Self {
            calls,
            origin,
            draft: Draft::default(),
            signed: BTreeMap::new(),
            finish_reason: None,
            usage: wire::Usage::default(),
        }
    }

    fn take_chunk(&mut self, chunk: Chunk<'_>) -> Result<Progress, Fault> {
        if let Some(error) = chunk.error {
            return Err(Fault::Refused(Refusal::of_error(&error)));
        }
        self.take_usage(chunk.usage_metadata);
        if let Some(reason) = chunk.prompt_feedback.and_then(|it| it.block_reason) {
            self.finish_reason = Some(reason);
        }
        for candidate in chunk.candidates.into_iter().flatten() {
            if candidate.index.unwrap_or_default() == 0 {
                self.take_candidate(candidate)?;
            }
        }
        Ok(match &self.finish_reason {
            Some(_) => Progress::Whole,
            None if self.draft.is_empty() => Progress::Alive,
            None => Progress::Growing,
        })
    }

    fn take_candidate(&mut self, candidate: Candidate<'_>) -> Result<(), Fault> {
        let parts = candidate.content.and_then(|content| content.parts);
        for json in parts.into_iter().flatten() {
            self.take_part(json)?;
        }
        match candidate.finish_reason.as_deref() {
            None | Some("" | "FINISH_REASON_UNSPECIFIED") => {}
            // The model meant to call a tool and failed at it, which another try mends.
            Some(reason @ ("MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL")) => {
                let message = candidate.finish_message.unwrap_or_default();
                let error = serde_json::json!({"message": message, "status": reason});
                return Err(Fault::Refused(Refusal::of_error(&error)));
            }
            Some(reason) => self.finish_reason = Some(reason.to_owned()),
        }
        Ok(())
    }

    fn take_part(&mut self, json: &RawValue) -> Result<(), Fault> {
        let part: wire::SaidPart<'_> =
            serde_json::from_str(json.get()).map_err(|_| Fault::Protocol)?;
        let is_signed = part.thought_signature.is_some_and(|it| it.get().len() > 2);
        match (part.function_call, part.text) {
            (Some(call), _) => {
                self.take_call(call, part.thought_signature.filter(|_| is_signed))?;
            }
            (None, Some(text)) if part.thought == Some(true) => {
                self.draft.say(DeltaKind::Reasoning, text);
                if is_signed {
                    self.keep(json);
                }
            }
            (None, Some(text)) => {
                self.draft.say(DeltaKind::Text, text);
                if is_signed {
                    self.keep(json);
                }
            }
            // What we have no form for goes back as it is: code that ran, and what came of it.
            (None, None) => self.keep(json),
        }
        Ok(())
    }

    fn take_call(&mut self, call: SaidCall<'_>, signature: Option<&RawValue>) -> Result<(), Fault> {
        let id = call.id.filter(|id| !id.is_empty());
        let thought_signature = signature.map(ToOwned::to_owned);
        let kept = KeptCall { id: id.clone(), thought_signature };
        let is_kept = kept.id.is_some() || kept.thought_signature.is_some();
        let extra = is_kept.then(|| serde_json::to_string(&kept)).transpose();
        self.draft.begin_call(RawCall {
            id: id.unwrap_or_default(),
            name: call.name.unwrap_or_default(),
            arguments: call.args.map_or("", RawValue::get).to_owned(),
            extra: extra.map_err(|_| Fault::Protocol)?,
        });
        Ok(())
    }

    /// Keeps a part with the thought that is last, or that begins here.
    fn keep(&mut self, json: &RawValue) {
        let part = self.draft.last_reasoning();
        let part = part.unwrap_or_else(|| self.draft.begin(DeltaKind::Reasoning));
        self.signed.entry(part).or_default().push(json.to_owned());
    }

    /// Each count is of the answer so far.
    fn take_usage(&mut self, usage: Option<wire::Usage>) {
        let Some(theirs) = usage else { return };
        let ours = &mut self.usage;
        for (ours, theirs) in [
            (&mut ours.prompt, theirs.prompt),
            (&mut ours.tool_use_prompt, theirs.tool_use_prompt),
            (&mut ours.cached_content, theirs.cached_content),
            (&mut ours.candidates, theirs.candidates),
            (&mut ours.thoughts, theirs.thoughts),
            (&mut ours.total, theirs.total),
        ] {
            *ours = theirs.or(*ours);
        }
    }

    /// This API counts thoughts beside the answer; we count them inside, as we do where its own
    /// total says that it does.
    fn usage(&self) -> Usage {
        let usage = &self.usage;
        let input = usage.prompt.unwrap_or_default() + usage.tool_use_prompt.unwrap_or_default();
        let said = usage.candidates.unwrap_or_default();
        let reasoning = usage.thoughts.unwrap_or_default();
        let is_inside = usage.total == Some(input + said) && reasoning <= said;
        Usage {
            input_tokens: input,
            cached_tokens: usage.cached_content.unwrap_or_default().min(input),
            cache_write_tokens: 0,
            output_tokens: if is_inside { said } else { said + reasoning },
            reasoning_tokens: reasoning,
        }
    }

    /// Puts what was signed into the thoughts that keep it.
    fn put_signed(&mut self) {
        for (part, parts) in std::mem::take(&mut self.signed) {
            let kept = Kept { parts, calls: BTreeMap::new() };
            if let Some(Part::Reasoning { private, .. }) = self.draft.said(part) {
                *private = serde_json::to_string(&kept).ok().map(|it| self.origin.keep(it));
            }
        }
    }

    /// Puts what goes back with the calls into a thought of its own.
    fn put_calls(&mut self, message: &mut Message) {
        let calls = self.calls.take_extra().into_iter();
        let calls: BTreeMap<_, _> =
            calls.filter_map(|(id, json)| Some((id, serde_json::from_str(&json).ok()?))).collect();
        if calls.is_empty() {
            return;
        }
        let kept = Kept { parts: Vec::new(), calls };
        let private = serde_json::to_string(&kept).ok().map(|it| self.origin.keep(it));
        message.content.push(Part::Reasoning { text: String::new(), private });
    }
}

impl reader::Assembler for Assembler {
    fn take(&mut self, event: Event<'_>) -> Result<Progress, Fault> {
        if !event.data.starts_with('{') {
            let refusal = Refusal::of_text(event.data);
            let is_end = event.data.trim() == "[DONE]";
            return match refusal {
                Some(refusal) => Err(Fault::Refused(refusal)),
                None if is_end => Ok(Progress::Alive),
                None => Err(Fault::Protocol),
            };
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
        self.put_signed();
        let mut message = self.draft.finish(&mut self.calls, cut);
        self.put_calls(&mut message);
        let has_calls = message.content.iter().any(|part| matches!(part, Part::ToolCall { .. }));
        let finish_reason = if has_calls { FinishReason::ToolCalls } else { said };
        Answer { message, finish_reason, usage: self.usage() }
    }
}

fn finish_reason(reason: Option<&str>) -> FinishReason {
    match reason {
        Some("STOP") => FinishReason::Stop,
        Some("MAX_TOKENS") => FinishReason::Length,
        Some(
            "SAFETY"
            | "RECITATION"
            | "LANGUAGE"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION"
            | "MODEL_ARMOR",
        ) => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}

//! The events of the responses API, made into our answer.

use serde_json::Value;
use serde_json::value::RawValue;

use super::wire;
use super::wire::Output;
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
    items: Vec<Item>,
    begun: bool,
    /// Why the answer is not whole; `None`: it is.
    incomplete: Option<String>,
    usage: Usage,
}

/// An item of the provider's answer.
#[derive(Debug)]
struct Item {
    index: Option<u64>,
    kind: Kind,
    /// Where in the draft it is, once it is there.
    part: Option<usize>,
    /// Which piece of its content or summary came last.
    piece: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Message,
    Reasoning,
    Call,
    /// Nothing that we know: a search, a picture.
    Other,
}

impl Assembler {
    pub fn new(calls: Calls, origin: Origin) -> Self {
        Self {
            calls,
            origin,
            draft: Draft::default(),
            items: Vec::new(),
            begun: false,
            incomplete: None,
            usage: Usage::default(),
        }
    }

    fn take_event(
        &mut self,
        name: &str,
        event: wire::Event<'_>,
        data: &str,
    ) -> Result<Progress, Fault> {
        let kind = if event.r#type.is_empty() { name } else { &*event.r#type };
        match kind {
            // Two answers in one body are none.
            "response.created" if self.begun => return Err(Fault::Protocol),
            "response.created" => self.begun = true,
            "response.output_item.added" => drop(self.begin(event.output_index, event.item)?),
            "response.output_item.done" => self.end(event.output_index, event.item)?,
            "response.output_text.delta" | "response.refusal.delta" => {
                self.say(DeltaKind::Text, event.output_index, event.content_index, event.delta);
            }
            "response.reasoning_summary_text.delta" => {
                let piece = event.summary_index;
                self.say(DeltaKind::Reasoning, event.output_index, piece, event.delta);
            }
            "response.reasoning_text.delta" => {
                let piece = event.content_index;
                self.say(DeltaKind::Reasoning, event.output_index, piece, event.delta);
            }
            "response.output_text.annotation.added" => self.cite(&event),
            "response.function_call_arguments.delta" => {
                if let Some(Value::String(piece)) = &event.delta
                    && let Some(call) = self.call(event.output_index)
                {
                    call.arguments.push_str(piece);
                }
            }
            "response.function_call_arguments.done" => {
                if let Some(whole) = event.arguments.filter(|whole| !whole.is_empty())
                    && let Some(call) = self.call(event.output_index)
                {
                    call.arguments = whole;
                }
            }
            "response.completed" | "response.incomplete" => {
                self.complete(event.response)?;
                return Ok(Progress::Ended);
            }
            "response.failed" | "response.cancelled" => {
                let error = event.response.and_then(|response| response.error);
                return Err(Fault::Refused(
                    error.map_or_else(Refusal::default, |error| Refusal::of_error(&error)),
                ));
            }
            "error" => return Err(refusal(event.error, data)),
            // Signs of life, what repeats the deltas, and what may be added one day.
            _ => {}
        }
        Ok(if self.items.is_empty() && self.draft.is_empty() {
            Progress::Alive
        } else {
            Progress::Growing
        })
    }

    fn begin(&mut self, index: Option<u64>, json: Option<&RawValue>) -> Result<usize, Fault> {
        let output = output(json)?;
        let kind = match output.r#type.as_str() {
            "message" => Kind::Message,
            "reasoning" => Kind::Reasoning,
            "function_call" => Kind::Call,
            _ => Kind::Other,
        };
        let part = (kind == Kind::Call).then(|| self.draft.begin_call(RawCall::default()));
        self.items.push(Item { index, kind, part, piece: 0 });
        let at = self.items.len() - 1;
        if kind == Kind::Call {
            self.fill(at, output);
        }
        Ok(at)
    }

    /// Takes in an item as a whole: what its pieces left out counts.
    fn end(&mut self, index: Option<u64>, json: Option<&RawValue>) -> Result<(), Fault> {
        let known = self.items.iter().rposition(|item| item.index == index && index.is_some());
        let at = known.map_or_else(|| self.begin(index, json), Ok)?;
        let output = output(json)?;
        let Item { kind, part, .. } = self.items[at];
        match (kind, part) {
            (Kind::Message, None) => self.say_whole(DeltaKind::Text, at, output.text()),
            (Kind::Message, Some(_)) => {}
            (Kind::Call, _) => self.fill(at, output),
            (Kind::Reasoning, _) => {
                let is_encrypted =
                    output.encrypted_content.as_ref().is_some_and(|it| !it.is_empty());
                // What is not stored and not encrypted cannot go back, but for thoughts in the clear.
                let goes_back =
                    is_encrypted || output.content.as_ref().is_some_and(|it| !it.is_empty());
                if part.is_none() {
                    self.say_whole(DeltaKind::Reasoning, at, output.text());
                }
                if goes_back {
                    self.keep(at, json);
                }
            }
            (Kind::Other, _) => self.keep(at, json),
        }
        Ok(())
    }

    fn fill(&mut self, at: usize, output: Output) {
        let Some(call) = self.items[at].part.and_then(|part| self.draft.call(part)) else { return };
        let id = output.call_id.or(output.id).filter(|id| !id.is_empty());
        for (ours, theirs) in [
            (&mut call.id, id),
            (&mut call.name, output.name),
            (&mut call.arguments, output.arguments),
        ] {
            if let Some(theirs) = theirs.filter(|text| !text.is_empty()) {
                *ours = theirs;
            }
        }
    }

    fn keep(&mut self, at: usize, json: Option<&RawValue>) {
        let Some(json) = json else { return };
        let part = self.items[at].part.unwrap_or_else(|| self.draft.begin(DeltaKind::Reasoning));
        self.items[at].part = Some(part);
        if let Some(Part::Reasoning { private, .. }) = self.draft.said(part) {
            *private = Some(self.origin.keep(json.get().to_owned()));
        }
    }

    fn say_whole(&mut self, kind: DeltaKind, at: usize, text: String) {
        if !text.is_empty() {
            self.items[at].part = Some(self.draft.begin(kind));
            self.draft.say(kind, text);
        }
    }

    /// Adds text to an item. Each piece of a message is a part of its own; those of a thought are
    /// paragraphs of one.
    fn say(
        &mut self,
        kind: DeltaKind,
        index: Option<u64>,
        piece: Option<u64>,
        delta: Option<Value>,
    ) {
        let Some(Value::String(text)) = delta else { return };
        if text.is_empty() {
            return;
        }
        let piece = piece.unwrap_or_default();
        if let Some(item) = find(&mut self.items, index) {
            let is_next = item.part.is_some() && item.piece != piece;
            item.piece = piece;
            match kind {
                DeltaKind::Reasoning if is_next => self.draft.say(kind, "\n\n".to_owned()),
                _ if item.part.is_none() || is_next => item.part = Some(self.draft.begin(kind)),
                _ => {}
            }
        }
        self.draft.say(kind, text);
    }

    fn cite(&mut self, event: &wire::Event<'_>) {
        let part = find(&mut self.items, event.output_index).and_then(|item| item.part);
        if let (Some(part), Some(annotation)) = (part, &event.annotation)
            && let Some(Part::Text { citations, .. }) = self.draft.said(part)
        {
            citations.push(crate::clean::clean_value(annotation.clone()));
        }
    }

    fn call(&mut self, index: Option<u64>) -> Option<&mut RawCall> {
        let part = find(&mut self.items, index)?.part?;
        self.draft.call(part)
    }

    fn complete(&mut self, response: Option<wire::Response<'_>>) -> Result<(), Fault> {
        let response = response.ok_or(Fault::Protocol)?;
        self.usage = response.usage.as_ref().map(usage).unwrap_or_default();
        self.incomplete = response.incomplete_details.map(|it| it.reason.unwrap_or_default());
        // Some send the whole without its pieces.
        if self.items.is_empty() && self.draft.is_empty() {
            for item in response.output.into_iter().flatten() {
                self.end(None, Some(item))?;
            }
        }
        Ok(())
    }
}

/// The item with this index, or the last one.
fn find(items: &mut [Item], index: Option<u64>) -> Option<&mut Item> {
    match index {
        Some(_) => items.iter_mut().rfind(|item| item.index == index),
        None => items.last_mut(),
    }
}

fn output(json: Option<&RawValue>) -> Result<Output, Fault> {
    serde_json::from_str(json.ok_or(Fault::Protocol)?.get()).map_err(|_| Fault::Protocol)
}

/// An error as a member of its event, or as the event itself.
fn refusal(error: Option<Value>, data: &str) -> Fault {
    let error = error.filter(|error| !error.is_null()).map(Ok);
    let error = error.unwrap_or_else(|| serde_json::from_str(data));
    match error {
        Ok(Value::Object(mut error)) => {
            error
                .remove("type")
                .filter(|kind| kind != "error")
                .map(|kind| error.insert("type".to_owned(), kind));
            Fault::Refused(Refusal::of_error(&Value::Object(error)))
        }
        Ok(error) => Fault::Refused(Refusal::of_error(&error)),
        Err(_) => Fault::Protocol,
    }
}

fn usage(usage: &Value) -> Usage {
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    Usage {
        input_tokens: count("/input_tokens"),
        cached_tokens: count("/input_tokens_details/cached_tokens"),
        cache_write_tokens: count("/input_tokens_details/cache_write_tokens"),
        output_tokens: count("/output_tokens"),
        reasoning_tokens: count("/output_tokens_details/reasoning_tokens"),
    }
}

impl reader::Assembler for Assembler {
    fn take(&mut self, event: Event<'_>) -> Result<Progress, Fault> {
        if !event.data.starts_with('{') {
            // `[DONE]`, which some put behind everything.
            let is_end = event.data.trim() == "[DONE]";
            return if is_end { Ok(Progress::Alive) } else { Err(Fault::Protocol) };
        }
        let taken = tolerant(event.data, |data| {
            Ok(self.take_event(event.name, serde_json::from_str(data)?, data))
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
        let said = finish_reason(self.incomplete.as_deref());
        let cut = said != FinishReason::Stop;
        let message = self.draft.finish(&mut self.calls, cut);
        let has_calls = message.content.iter().any(|part| matches!(part, Part::ToolCall { .. }));
        let finish_reason = if has_calls { FinishReason::ToolCalls } else { said };
        Answer { message, finish_reason, usage: self.usage }
    }
}

fn finish_reason(incomplete: Option<&str>) -> FinishReason {
    match incomplete {
        None => FinishReason::Stop,
        Some("max_output_tokens" | "max_tokens") => FinishReason::Length,
        Some("content_filter") => FinishReason::ContentFilter,
        Some(_) => FinishReason::Other,
    }
}

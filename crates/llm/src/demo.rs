//! A model that needs no network: the first run, demos and tests talk to it.

use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use futures::stream::BoxStream;
use serde_json::Value;

use crate::Answer;
use crate::ChatModel;
use crate::Chunk;
use crate::Delta;
use crate::DeltaKind;
use crate::FinishReason;
use crate::Message;
use crate::ModelError;
use crate::Part;
use crate::Request;
use crate::Role;
use crate::Usage;
use crate::calls::Calls;
use crate::calls::RawCall;
use crate::names::ToolNames;

/// As in `demo/scripted`.
pub const PROVIDER: &str = "demo";

/// The most words that [`Scripted`] says at once.
const MAX_WORDS: usize = 100_000;

/// The scripted model. It answers at once and always the same, from the last message alone:
///
/// | last message | answer |
/// |---|---|
/// | `use tool NAME with {json}`, also several times; without `with` it is `{}` | those calls |
/// | the same, where NAME is no tool of the request | says so |
/// | `say N words`, `say N words every M ms` | `word1 word2 …` |
/// | results of tools | one sentence for each, with the result as JSON |
/// | anything else | `You said: …` |
///
/// It streams word by word, never repeats its instructions, and counts words as tokens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scripted;

impl ChatModel for Scripted {
    fn stream(&self, request: Request) -> BoxStream<'static, Result<Chunk, ModelError>> {
        let script = Script::for_request(&request);
        let pause = script.pause;
        let deltas = words(&script.text).map(|text| {
            Chunk::Delta(Delta { part: 0, kind: DeltaKind::Text, text: text.to_owned() })
        });
        let mut chunks: Vec<Chunk> = deltas.collect();
        chunks.push(Chunk::Finished(Box::new(script.into_answer(&request))));
        let chunks = stream::iter(chunks);
        if pause.is_zero() {
            return chunks.map(Ok).boxed();
        }
        let paced = chunks.then(move |chunk| async move {
            tokio::time::sleep(pause).await;
            Ok(chunk)
        });
        paced.boxed()
    }
}

/// What to say and to call.
#[derive(Debug, Default)]
struct Script {
    text: String,
    calls: Vec<RawCall>,
    /// Before every word.
    pause: Duration,
}

impl Script {
    fn for_request(request: &Request) -> Self {
        let Some(last) = request.messages.last() else {
            return Self::saying("You said nothing.".to_owned());
        };
        if last.role == Role::Tool {
            return Self::saying(report(&last.content));
        }
        let said = last.text();
        let orders = orders(&said);
        if orders.is_empty() {
            return Self::words_asked_for(&said)
                .unwrap_or_else(|| Self::saying(format!("You said: {said}")));
        }
        let unknown =
            orders.iter().find(|order| request.tools.iter().all(|tool| tool.name != order.name));
        match unknown {
            Some(order) => Self::saying(format!("I have no tool named `{}`.", order.name)),
            None => Self { calls: orders, ..Self::default() },
        }
    }

    fn saying(text: String) -> Self {
        Self { text, ..Self::default() }
    }

    /// `say N words`, `say N words every M ms`.
    fn words_asked_for(said: &str) -> Option<Self> {
        let (_, order) = said.split_once("say ")?;
        let mut order = order.split_whitespace();
        let count: usize = order.next()?.parse().ok()?;
        if !order.next()?.starts_with("word") {
            return None;
        }
        let pause = match (order.next(), order.next()) {
            (Some("every"), Some(pause)) => {
                pause.trim_end_matches("ms").parse().unwrap_or_default()
            }
            _ => 0,
        };
        let words: Vec<String> =
            (1..=count.min(MAX_WORDS)).map(|number| format!("word{number}")).collect();
        Some(Self { text: words.join(" "), calls: Vec::new(), pause: Duration::from_millis(pause) })
    }

    fn into_answer(self, request: &Request) -> Answer {
        let mut content = Vec::new();
        let mut output = count(&self.text);
        if !self.text.is_empty() {
            content.push(Part::text(self.text));
        }
        let finish_reason =
            if self.calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
        let mut calls = Calls::new(ToolNames::default(), &request.messages);
        for call in self.calls {
            output += count(&call.name) + count(&call.arguments);
            content.push(calls.part(call));
        }
        let usage = Usage {
            input_tokens: tokens(input_words(request)),
            output_tokens: tokens(output),
            ..Usage::default()
        };
        Answer { message: Message { role: Role::Assistant, content }, finish_reason, usage }
    }
}

/// One sentence for each result.
fn report(results: &[Part]) -> String {
    let sentences = results.iter().filter_map(|part| match part {
        Part::ToolResult { tool, result, .. } => {
            Some(format!("The tool `{tool}` answered {result}."))
        }
        _ => None,
    });
    sentences.collect::<Vec<_>>().join(" ")
}

/// Every `use tool NAME` and `use tool NAME with {json}` in `said`.
fn orders(said: &str) -> Vec<RawCall> {
    let orders = said.split("use tool ").skip(1).filter_map(|order| {
        let name = order.split_whitespace().next()?;
        let rest = order.split_once(name)?.1.trim_start();
        let arguments = rest.strip_prefix("with ").map(str::trim_start).unwrap_or_default();
        let name = name
            .trim_matches(|char: char| matches!(char, '`' | '"' | '\'' | '.' | ',' | '!' | '?'));
        Some(RawCall {
            name: name.to_owned(),
            arguments: first_json(arguments),
            ..RawCall::default()
        })
    });
    orders.collect()
}

/// The JSON value at the start of `text`; the whole text when there is none.
fn first_json(text: &str) -> String {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    match values.next() {
        Some(Ok(_)) => text[..values.byte_offset()].to_owned(),
        _ => text.trim_end().to_owned(),
    }
}

/// The words of `text`, each with the spaces before it.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(|char: char| !char.is_whitespace()).unwrap_or(rest.len());
        let length = rest[start..].find(char::is_whitespace).unwrap_or(rest.len() - start);
        let (word, after) = rest.split_at(start + length);
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

fn count(text: &str) -> usize {
    text.split_whitespace().count()
}

fn input_words(request: &Request) -> usize {
    let instructions = count(request.instructions.as_deref().unwrap_or_default());
    let parts = request.messages.iter().flat_map(|message| &message.content);
    let said = parts.map(|part| match part {
        Part::Text { text, .. } | Part::Reasoning { text, .. } => count(text),
        Part::ToolCall { arguments: value, .. } | Part::ToolResult { result: value, .. } => {
            count(&value.to_string())
        }
        Part::Image { .. } | Part::File { .. } => 1,
    });
    instructions + said.sum::<usize>()
}

fn tokens(words: usize) -> u64 {
    u64::try_from(words).unwrap_or(u64::MAX)
}

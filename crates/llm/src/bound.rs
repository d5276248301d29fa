//! What a call can use at most, before it is made.

use serde::Serialize;

use crate::Message;
use crate::Part;
use crate::Request;
use crate::anthropic;
use crate::google;

/// What the form of a conversation takes beside its texts: of each message, and of a request.
const PER_MESSAGE: u64 = 8;
const PER_REQUEST: u64 = 16;
/// What providers tell a model of tools in general.
const OF_TOOLS: u64 = 350;
/// What a model is told of a schema of its answer.
const OF_OUTPUT: u64 = 200;
/// What an image or a file is taken for. Nobody can know before the provider has looked at it.
const OF_MEDIA: u64 = 5_000;

/// The most tokens that the instructions and tools of `request` are.
pub fn most_frame_tokens(request: &Request) -> u64 {
    let tools: u64 = request.tools.iter().map(|tool| json_bytes(tool) + PER_MESSAGE).sum();
    let about_tools = if request.tools.is_empty() { 0 } else { OF_TOOLS };
    let instructions = request.instructions.as_ref().map_or(0, |text| bytes(text));
    let output = request.output_schema.as_ref().map_or(0, |schema| json_bytes(schema) + OF_OUTPUT);
    PER_REQUEST + instructions + tools + about_tools + output
}

/// The most tokens that `messages` are: no tokenizer makes more than one of a byte. Images and files are the
/// exception: what they are is a guess.
pub fn most_tokens(messages: &[Message]) -> u64 {
    let of_message =
        |message: &Message| PER_MESSAGE + message.content.iter().map(of_part).sum::<u64>();
    messages.iter().map(of_message).sum()
}

fn of_part(part: &Part) -> u64 {
    match part {
        Part::Text { text, .. } => bytes(text),
        Part::Image { .. } => OF_MEDIA,
        Part::File { url, .. } => OF_MEDIA.max(bytes(url)),
        other => json_bytes(other),
    }
}

/// The most tokens that `model` (`provider/name`) answers at once, if it is told no other number: what it can, or
/// less where that is more than an answer needs.
pub fn usual_output_tokens(model: &str) -> u32 {
    const OPENAI: [(&str, u32); 9] = [
        ("gpt-3", 4_096),
        ("gpt-4o", 16_384),
        ("gpt-4.1", 32_768),
        ("gpt-4", 4_096),
        ("chatgpt-", 16_384),
        ("gpt-", 32_768),
        ("o1", 32_768),
        ("o3", 32_768),
        ("o4", 32_768),
    ];
    match model.split_once('/').map_or(model, |(_, name)| name) {
        name if name.starts_with("claude-") => anthropic::usual_output_tokens(name),
        name if name.starts_with("gemini-") => google::usual_output_tokens(name),
        name => {
            let known = OPENAI.into_iter().find(|(prefix, _)| name.starts_with(prefix));
            known.map_or(4_096, |(_, most)| most)
        }
    }
}

fn bytes(text: &str) -> u64 {
    text.len() as u64
}

fn json_bytes(value: &impl Serialize) -> u64 {
    serde_json::to_vec(value).map_or(0, |json| json.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_at_most_as_many_tokens_as_it_has_bytes() {
        let message = Message::user("7 4 1 \u{1F600}");

        assert_eq!(most_tokens(&[message.clone(), message]), 2 * (8 + 10));
    }

    #[test]
    fn a_model_says_no_more_than_it_can() {
        assert_eq!(usual_output_tokens("openai/gpt-4o-mini"), 16_384);
        assert_eq!(usual_output_tokens("openai/gpt-4-turbo"), 4_096);
        assert_eq!(usual_output_tokens("anthropic/claude-3-haiku-20240307"), 4_096);
        assert_eq!(usual_output_tokens("openai/qwen3"), 4_096);
        assert_eq!(usual_output_tokens("work/gemini-2.0-flash"), 8_192);
        assert_eq!(usual_output_tokens("google/gemini-3-pro"), 65_536);
    }
}

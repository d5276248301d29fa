//! The wire format: OpenAI's chat completions, whole and streamed.

use std::fmt::Write;

use bytes::Bytes;
use serde_json::Value;
use serde_json::json;

use crate::model::Pace;
use crate::model::answer::Answer;
use crate::model::answer::Request;
use crate::model::timed::Timed;

/// What the model claims to have read.
const INPUT_TOKENS: u64 = 12;
/// What it claims to have written when it called a tool.
const CALL_TOKENS: u64 = 8;

const ID: &str = "chatcmpl-bench";

/// The whole answer.
pub fn whole(request: &Request<'_>, pace: Pace) -> Value {
    let (message, finish_reason, output) = match request.answer() {
        Answer::Text { prefix } => {
            let tokens: String = (0..pace.tokens).map(|it| token(it, pace.tokens)).collect();
            (json!({"role": "assistant", "content": prefix + &tokens}), "stop", pace.tokens)
        }
        Answer::Call { tool, arguments } => {
            let function = json!({"name": tool, "arguments": arguments});
            let call = json!({"id": "call_1", "type": "function", "function": function});
            let message = json!({"role": "assistant", "content": null, "tool_calls": [call]});
            (message, "tool_calls", CALL_TOKENS)
        }
    };
    json!({
        "id": ID, "object": "chat.completion", "created": 1, "model": model(request),
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": usage(output),
    })
}

/// The answer as an event stream: a token a frame.
pub fn streamed(request: &Request<'_>, pace: Pace) -> Timed {
    let stream = Stream { model: model(request).to_string(), usage: request.wants_usage() };
    match request.answer() {
        Answer::Text { prefix } => {
            let total = pace.tokens;
            Timed::new(total, pace.interval, move |frame| stream.text(frame, total, &prefix))
        }
        Answer::Call { tool, arguments } => {
            Timed::new(1, pace.interval, move |_| stream.call(&tool, &arguments))
        }
    }
}

/// Token `i` of `total`: `tk0 `, `tk1 ` … `tkEND`.
fn token(i: u64, total: u64) -> String {
    if i + 1 == total { String::from("tkEND") } else { format!("tk{i} ") }
}

fn model(request: &Request<'_>) -> Value {
    request.model.as_deref().unwrap_or("fake").into()
}

fn usage(output: u64) -> Value {
    let total = INPUT_TOKENS + output;
    json!({"prompt_tokens": INPUT_TOKENS, "completion_tokens": output, "total_tokens": total})
}

/// What all chunks of a stream share.
struct Stream {
    /// As JSON.
    model: String,
    usage: bool,
}

impl Stream {
    fn text(&self, frame: u64, total: u64, prefix: &str) -> Bytes {
        let mut out = String::with_capacity(512);
        if frame == 0 {
            self.chunk(&mut out, &json!({"role": "assistant", "content": prefix}), "null");
        }
        self.chunk(&mut out, &json!({"content": token(frame, total)}), "null");
        if frame + 1 == total {
            self.end(&mut out, "\"stop\"", total);
        }
        out.into()
    }

    fn call(&self, tool: &str, arguments: &str) -> Bytes {
        let mut out = String::with_capacity(1024);
        let function = json!({"name": tool, "arguments": arguments});
        let call = json!({"index": 0, "id": "call_1", "type": "function", "function": function});
        self.chunk(&mut out, &json!({"tool_calls": [call]}), "null");
        self.end(&mut out, "\"tool_calls\"", CALL_TOKENS);
        out.into()
    }

    fn end(&self, out: &mut String, finish_reason: &str, output: u64) {
        self.chunk(out, &json!({}), finish_reason);
        if self.usage {
            self.event(out, "[]", &format!(",\"usage\":{}", usage(output)));
        }
        out.push_str("data: [DONE]\n\n");
    }

    fn chunk(&self, out: &mut String, delta: &Value, finish_reason: &str) {
        let choice =
            format!("[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish_reason}}}]");
        self.event(out, &choice, "");
    }

    fn event(&self, out: &mut String, choices: &str, rest: &str) {
        // Writing to a `String` does not fail.
        let _ = write!(
            out,
            "data: {{\"id\":\"{ID}\",\"object\":\"chat.completion.chunk\",\"created\":1,\
             \"model\":{},\"choices\":{choices}{rest}}}\n\n",
            self.model,
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt;

    use super::*;

    const PACE: Pace = Pace { tokens: 3, interval: Duration::ZERO };

    fn request(said: &str) -> String {
        let tools = json!([{"type": "function", "function": {"name": "add"}}]);
        let messages = json!([{"role": "user", "content": said}]);
        let options = json!({"include_usage": true});
        json!({"messages": messages, "tools": tools, "stream_options": options}).to_string()
    }

    async fn chunks(said: &str) -> Vec<Value> {
        let text = request(said);
        let stream = streamed(&serde_json::from_str(&text).unwrap(), PACE);
        let bytes = stream.collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&bytes).unwrap();
        let data = text.strip_suffix("data: [DONE]\n\n").unwrap().trim_end().split("\n\n");
        data.map(|it| serde_json::from_str(it.strip_prefix("data: ").unwrap()).unwrap()).collect()
    }

    #[tokio::test]
    async fn the_stream_says_what_the_whole_answer_says() {
        let chunks = chunks("hello").await;
        let text: String =
            chunks.iter().filter_map(|it| it["choices"][0]["delta"]["content"].as_str()).collect();
        let said = request("hello");
        let whole = whole(&serde_json::from_str(&said).unwrap(), PACE);

        assert_eq!(text, "tk0 tk1 tkEND");
        assert_eq!(whole["choices"][0]["message"]["content"], text);
        assert_eq!(chunks.last().unwrap()["usage"], whole["usage"]);
        assert_eq!(chunks[chunks.len() - 2]["choices"][0]["finish_reason"], "stop");
    }

    #[tokio::test]
    async fn a_call_is_streamed_with_its_arguments() {
        let chunks = chunks(r#"use tool add with {"a": 1}"#).await;
        let function = &chunks[0]["choices"][0]["delta"]["tool_calls"][0]["function"];

        assert_eq!(*function, json!({"name": "add", "arguments": "{\"a\":1}"}));
        assert_eq!(chunks[1]["choices"][0]["finish_reason"], "tool_calls");
    }
}

//! The shape of a request in chat completions.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde::Serializer;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::schema::Named;

#[derive(Serialize)]
pub(super) struct Body<'a> {
    pub model: &'a str,
    pub messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat<'a>>,
    pub stream: bool,
    pub stream_options: StreamOptions,
}

/// That the answer is a JSON value, and which.
#[derive(Serialize)]
pub(super) struct ResponseFormat<'a> {
    pub r#type: &'static str,
    pub json_schema: Named<'a>,
}

#[derive(Serialize)]
pub(super) struct StreamOptions {
    pub include_usage: bool,
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub(super) enum Message<'a> {
    System {
        content: Cow<'a, str>,
    },
    User {
        content: Content<'a>,
    },
    Assistant {
        /// `null` beside calls.
        content: Option<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<Call<'a>>,
        /// Members that the server itself put there, like `reasoning_content`.
        #[serde(flatten)]
        private: BTreeMap<String, Box<RawValue>>,
    },
    Tool {
        tool_call_id: Cow<'a, str>,
        content: String,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Content<'a> {
    /// The one form that every server takes.
    Text(String),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part<'a> {
    Text { text: Cow<'a, str> },
    ImageUrl { image_url: Url<'a> },
    InputAudio { input_audio: Audio<'a> },
    File { file: File<'a> },
}

#[derive(Serialize)]
pub(super) struct Url<'a> {
    pub url: &'a str,
}

#[derive(Serialize)]
pub(super) struct Audio<'a> {
    pub data: &'a str,
    pub format: &'static str,
}

#[derive(Serialize)]
pub(super) struct File<'a> {
    pub filename: &'a str,
    pub file_data: &'a str,
}

#[derive(Serialize)]
pub(super) struct Call<'a> {
    pub id: Cow<'a, str>,
    pub r#type: &'static str,
    pub function: Function<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_content: Option<Box<RawValue>>,
}

#[derive(Serialize)]
pub(super) struct Function<'a> {
    pub name: &'a str,
    #[serde(serialize_with = "as_text")]
    pub arguments: &'a Value,
}

#[derive(Serialize)]
pub(super) struct Tool<'a> {
    pub r#type: &'static str,
    pub function: ToolFunction<'a>,
}

#[derive(Serialize)]
pub(super) struct ToolFunction<'a> {
    pub name: &'a str,
    pub description: &'a str,
    pub parameters: &'a Value,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ToolChoice<'a> {
    Word(&'static str),
    Function { r#type: &'static str, function: Name<'a> },
}

#[derive(Serialize)]
pub(super) struct Name<'a> {
    pub name: &'a str,
}

/// JSON within a JSON string, as this protocol has arguments.
fn as_text<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

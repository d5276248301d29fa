//! The shapes of `/api/chat`, in both directions.

use std::borrow::Cow;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Serialize)]
pub(super) struct Body<'a> {
    pub model: &'a str,
    pub messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think: Option<Think>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Value>,
    #[serde(skip_serializing_if = "Options::is_empty")]
    pub options: Options,
    pub stream: bool,
}

#[derive(Serialize, Default)]
pub(super) struct Message<'a> {
    pub role: &'static str,
    pub content: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// In base64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Call<'a> {
    pub id: &'a str,
    pub function: Function<'a>,
}

#[derive(Serialize)]
pub(super) struct Function<'a> {
    pub name: &'a str,
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
pub(super) enum Think {
    Whether(bool),
    Level(&'static str),
}

#[derive(Serialize, Default, PartialEq)]
pub(super) struct Options {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_predict: Option<u32>,
}

impl Options {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A piece of the answer.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(default, borrow)]
    pub message: Option<Said<'a>>,
    #[serde(default)]
    pub done: bool,
    #[serde(default)]
    pub done_reason: Option<String>,
    #[serde(default)]
    pub prompt_eval_count: Option<u64>,
    #[serde(default)]
    pub eval_count: Option<u64>,
    #[serde(default)]
    pub error: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Said<'a> {
    #[serde(default)]
    pub content: Option<String>,
    #[serde(default)]
    pub thinking: Option<String>,
    #[serde(default, borrow)]
    pub tool_calls: Option<Vec<SaidCall<'a>>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SaidCall<'a> {
    #[serde(default)]
    pub id: Option<String>,
    #[serde(borrow)]
    pub function: SaidFunction<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SaidFunction<'a> {
    #[serde(default)]
    pub name: String,
    /// An object; from some imitations its text.
    #[serde(default, borrow)]
    pub arguments: Option<&'a RawValue>,
}

/// What we keep for the model, in the private part of a thought.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept<'a> {
    pub thinking: Cow<'a, str>,
}

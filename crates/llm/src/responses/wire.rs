//! The shapes of the responses API, in both directions.

use std::borrow::Cow;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::schema::Named;

#[derive(Serialize)]
pub(super) struct Body<'a> {
    pub model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<Cow<'a, str>>,
    pub input: Vec<Item<'a>>,
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
    pub max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Reasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<&'static str>,
    pub store: bool,
    pub stream: bool,
}

/// That the answer is a JSON value, and which.
#[derive(Serialize)]
pub(super) struct Text<'a> {
    pub format: Format<'a>,
}

#[derive(Serialize)]
pub(super) struct Format<'a> {
    pub r#type: &'static str,
    #[serde(flatten)]
    pub schema: Named<'a>,
}

#[derive(Serialize)]
pub(super) struct Reasoning {
    pub effort: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Item<'a> {
    Ours(OurItem<'a>),
    /// As it came, byte for byte.
    Theirs(Box<RawValue>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OurItem<'a> {
    Message { role: &'static str, content: Content<'a> },
    FunctionCall { call_id: Cow<'a, str>, name: &'a str, arguments: String },
    FunctionCallOutput { call_id: Cow<'a, str>, output: String },
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Content<'a> {
    Text(&'a str),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type")]
pub(super) enum Part<'a> {
    #[serde(rename = "input_text")]
    Text { text: Cow<'a, str> },
    #[serde(rename = "input_image")]
    Image { image_url: &'a str },
    #[serde(rename = "input_file")]
    File {
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_data: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_url: Option<&'a str>,
    },
}

#[derive(Serialize)]
pub(super) struct Tool<'a> {
    pub r#type: &'static str,
    pub name: &'a str,
    pub description: &'a str,
    pub parameters: &'a Value,
    pub strict: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ToolChoice<'a> {
    Word(&'static str),
    Function { r#type: &'static str, name: &'a str },
}

/// An event of the stream; which members it has depends on its type.
#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    #[serde(default, borrow)]
    pub r#type: Cow<'a, str>,
    #[serde(default)]
    pub output_index: Option<u64>,
    #[serde(default)]
    pub content_index: Option<u64>,
    #[serde(default)]
    pub summary_index: Option<u64>,
    #[serde(default)]
    pub delta: Option<Value>,
    #[serde(default)]
    pub arguments: Option<String>,
    #[serde(default)]
    pub annotation: Option<Value>,
    #[serde(default, borrow)]
    pub item: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub response: Option<Response<'a>>,
    #[serde(default)]
    pub error: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Response<'a> {
    #[serde(default)]
    pub incomplete_details: Option<Incomplete>,
    #[serde(default)]
    pub error: Option<Value>,
    #[serde(default)]
    pub usage: Option<Value>,
    #[serde(default, borrow)]
    pub output: Option<Vec<&'a RawValue>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Incomplete {
    #[serde(default)]
    pub reason: Option<String>,
}

/// A piece of the answer: a message, a call, a thought.
#[derive(Debug, Deserialize)]
pub(super) struct Output {
    #[serde(default)]
    pub r#type: String,
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub call_id: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub arguments: Option<String>,
    #[serde(default)]
    pub encrypted_content: Option<String>,
    #[serde(default)]
    pub summary: Option<Vec<Said>>,
    #[serde(default)]
    pub content: Option<Vec<Said>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Said {
    #[serde(default)]
    pub text: Option<String>,
    #[serde(default)]
    pub refusal: Option<String>,
}

impl Output {
    /// What a message says, or what a thought is about.
    pub fn text(self) -> String {
        let said = self.summary.into_iter().chain(self.content).flatten();
        let texts = said.filter_map(|said| said.text.or(said.refusal));
        texts.collect::<Vec<_>>().join(if self.r#type == "message" { "" } else { "\n\n" })
    }
}

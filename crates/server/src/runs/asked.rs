//! What a caller asks for: the body of every `/execute`, and what of it a run keeps.

use engine::Input;
use engine::Limits;
use llm::Message;
use llm::ModelOptions;
use llm::Part;
use llm::Role;
use llm::Usd;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use super::pins::Pins;
use super::webhook::Webhook;
use super::webhook::WebhookAsked;
use crate::agents::AgentContent;
use crate::agents::Memory;
use crate::db::Id;
use crate::http::Invalid;
use crate::http::json;
use crate::http::schema::Schema;

/// The longest `user`, in characters.
const USER_LENGTH: usize = 128;

/// A request to execute an agent. Exactly one of `input` and `messages` is given.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"input": "Where is my order?"}))]
pub struct Execute {
    /// A text, or a list of content parts.
    #[schema(value_type = Option<InputContent>)]
    input: Option<Value>,
    /// A conversation whose last message, one of the user, is to be answered.
    #[schema(max_items = 1000)]
    messages: Option<Vec<InputMessage>>,
    /// The thread that is gone on with. Without it the run stands alone.
    pub thread_id: Option<String>,
    /// The caller's own name for its end user. It divides things inside the caller's own.
    #[schema(min_length = 1, max_length = 128)]
    user: Option<String>,
    /// What the agent's `context_schema` asks for.
    #[serde(default)]
    #[schema(value_type = Object)]
    context: Map<String, Value>,
    /// Answer with the events as they happen.
    #[serde(default)]
    pub stream: bool,
    /// Answer at once, with 202.
    #[serde(default)]
    pub background: bool,
    /// The version to execute; without it the current one.
    #[schema(minimum = 1, maximum = 9_223_372_036_854_775_807_i64)]
    pub version: Option<i64>,
    /// Members of the agent's `model_options` that this run has otherwise.
    #[serde(default)]
    #[schema(value_type = Object)]
    model_options: Map<String, Value>,
    /// JSON Schema of the answer, instead of the agent's own.
    #[schema(value_type = Option<Object>)]
    output_schema: Option<Value>,
    /// Limits of the agent that this run has smaller.
    #[serde(default)]
    limits: SmallerLimits,
    /// What happens when the thread has a run already; without effect without a thread.
    #[serde(default)]
    pub on_busy: OnBusy,
    /// Where to tell of the run's end, whatever it is.
    pub webhook: Option<WebhookAsked>,
    /// Kept with the run and shown again.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
}

/// A turn of the conversation that a caller brings.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InputMessage {
    role: InputRole,
    /// A text, or a list of content parts.
    #[schema(value_type = InputContent)]
    content: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum InputRole {
    User,
    Assistant,
}

/// What is said: a text, or a list of content parts.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum InputContent {
    Text(String),
    Parts(Vec<InputPart>),
}

/// A piece of a message that a caller may write.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum InputPart {
    Text { text: String },
    Image { url: String },
    File { url: String, media_type: String, filename: Option<String> },
}

/// Limits, each of which may only lower the agent's own.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SmallerLimits {
    #[schema(minimum = 1)]
    pub max_steps: Option<u64>,
    #[schema(minimum = 1)]
    pub max_tokens: Option<u64>,
    #[schema(value_type = Option<f64>, minimum = 0)]
    pub max_cost_usd: Option<Usd>,
    #[schema(minimum = 1)]
    pub max_parallel_tool_calls: Option<u64>,
    #[schema(minimum = 1)]
    pub timeout_ms: Option<u64>,
}

/// Whose limits are lowered, and what it calls the calls that it makes at once.
#[derive(Debug, Clone, Copy)]
pub struct Whose {
    pub kind: &'static str,
    pub calls: &'static str,
}

/// What happens when the thread has a run already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnBusy {
    /// The new run begins after those that are there.
    #[default]
    Enqueue,
    /// No run is made: 409.
    Reject,
    /// As `enqueue`, and the run at work is canceled.
    Interrupt,
}

/// What a run keeps of what was asked; with the pinned version it says how to go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    pub input: Input,
    pub user: Option<String>,
    pub context: Map<String, Value>,
    pub model_options: ModelOptions,
    /// The ids of the agents whose runs this one is below, from the top.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ancestors: Vec<String>,
    /// The run at the top, of one that is below another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_run: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// How much of its thread the run is shown.
    #[serde(default)]
    pub memory: Memory,
    /// What the answer must be, if the agent does not say that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// It does again what another run has failed to do, and what that has done is its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_retry: bool,
    /// The versions of its tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Pins>,
}

impl Execute {
    /// Checks what the body's schema cannot say, against what the agent has of its own. `webhook` is what
    /// became of the one that is asked for.
    pub fn read(
        self,
        agent: &AgentContent,
        webhook: Result<Option<Webhook>, Invalid>,
    ) -> Result<(Asked, Limits), Vec<Invalid>> {
        let mut wrong = Vec::new();
        if let Some(Err(fault)) = self.output_schema.clone().map(Schema::compile) {
            wrong.push(fault.under("/output_schema"));
        }
        if self.stream && self.background {
            let detail = "`stream` and `background` exclude each other";
            wrong.push(Invalid::new("/stream", "conflict", detail));
        }
        wrong.extend(check_user(self.user.as_deref()));
        let whose = Whose { kind: "agent", calls: "max_parallel_tool_calls" };
        let limits = self.limits.lower(&agent.limits, whose, &mut wrong);
        let options = override_options(&agent.model_options, self.model_options, &mut wrong);
        let webhook = webhook.map_err(|fault| wrong.push(fault)).unwrap_or_default();
        let input = match (self.input, self.messages) {
            (Some(input), None) => read_input(input, &mut wrong),
            (None, Some(messages)) => read_messages(messages, &mut wrong),
            (None, None) => {
                let detail = "exactly one of `input` and `messages` is needed";
                wrong.push(Invalid::new("/input", "missing_member", detail));
                None
            }
            (Some(_), Some(_)) => {
                let detail = "`input` and `messages` exclude each other";
                wrong.push(Invalid::new("/input", "conflict", detail));
                None
            }
        };
        match (input, options, wrong.is_empty()) {
            (Some(input), Some(model_options), true) => {
                let asked = Asked {
                    input,
                    user: self.user,
                    context: self.context,
                    model_options,
                    ancestors: Vec::new(),
                    top_run: None,
                    webhook,
                    memory: agent.memory.clone(),
                    output_schema: self.output_schema,
                    is_retry: false,
                    tools: None,
                };
                Ok((asked, limits))
            }
            _ => Err(wrong),
        }
    }
}

impl SmallerLimits {
    /// The limits of the definition, lowered.
    pub fn lower(self, limits: &Limits, whose: Whose, wrong: &mut Vec<Invalid>) -> Limits {
        let mut check = |name: &str, too_large: bool, most: String| {
            if too_large {
                let detail = format!("the {} allows at most {most}", whose.kind);
                wrong.push(Invalid::new(format!("/limits/{name}"), "out_of_range", detail));
            }
        };
        let mut count = |name: &str, asked: Option<u64>, most: u32| {
            let count = asked.map_or(Ok(most), u32::try_from).ok().filter(|count| *count <= most);
            check(name, count.is_none(), most.to_string());
            count.unwrap_or(most)
        };
        let steps = count("max_steps", self.max_steps, limits.max_steps);
        let calls = self.max_parallel_tool_calls;
        let calls = count(whose.calls, calls, limits.max_parallel_tool_calls);
        let timeout = self.timeout_ms.unwrap_or(limits.timeout_ms);
        check("timeout_ms", timeout > limits.timeout_ms, limits.timeout_ms.to_string());
        if let Some((asked, most)) = self.max_tokens.zip(limits.max_tokens) {
            check("max_tokens", asked > most, most.to_string());
        }
        if let Some((asked, most)) = self.max_cost_usd.zip(limits.max_cost_usd) {
            check("max_cost_usd", asked > most, most.to_string());
        }
        Limits {
            max_steps: steps,
            max_tokens: self.max_tokens.or(limits.max_tokens),
            max_cost_usd: self.max_cost_usd.or(limits.max_cost_usd),
            max_parallel_tool_calls: calls,
            timeout_ms: timeout,
        }
    }
}

fn override_options(
    options: &ModelOptions,
    given: Map<String, Value>,
    wrong: &mut Vec<Invalid>,
) -> Option<ModelOptions> {
    if given.is_empty() {
        return Some(options.clone());
    }
    let mut members = match serde_json::to_value(options) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    members.extend(given);
    match json::read(Value::Object(members)) {
        Ok(options) => Some(options),
        Err(errors) => {
            wrong.extend(errors.into_iter().map(|it| it.under("/model_options")));
            None
        }
    }
}

/// What is wrong with the `user` of a request.
pub fn check_user(user: Option<&str>) -> Option<Invalid> {
    let is_long = user.is_some_and(|user| user.chars().count() > USER_LENGTH);
    is_long.then(|| Invalid::new("/user", "too_long", "at most 128 characters"))
}

/// Checks the `input` of a request.
pub fn read_input(input: Value, wrong: &mut Vec<Invalid>) -> Option<Input> {
    match input {
        Value::String(text) if !text.is_empty() => Some(Input::Text(text)),
        content => read_content("/input", content, wrong).map(Input::Parts),
    }
}

fn read_messages(messages: Vec<InputMessage>, wrong: &mut Vec<Invalid>) -> Option<Input> {
    if messages.is_empty() {
        wrong.push(Invalid::new("/messages", "too_few", "must not be empty"));
    } else if messages.last().is_none_or(|last| last.role != InputRole::User) {
        let detail = "the last message must be one of the user";
        wrong.push(Invalid::new("/messages", "not_one_of", detail));
    }
    let read = messages.into_iter().enumerate();
    let read = read.map(|(index, message)| message.read(&format!("/messages/{index}"), wrong));
    let read: Vec<_> = read.collect();
    Some(Input::Messages { messages: read.into_iter().collect::<Option<_>>()? })
}

impl InputMessage {
    /// Checks what the schema cannot say of a message that stands at `pointer`.
    pub fn read(self, pointer: &str, wrong: &mut Vec<Invalid>) -> Option<Message> {
        let content = read_content(&format!("{pointer}/content"), self.content, wrong)?;
        let role = match self.role {
            InputRole::User => Role::User,
            InputRole::Assistant => Role::Assistant,
        };
        Some(Message { role, content })
    }
}

/// A text stands for one part.
fn read_content(pointer: &str, content: Value, wrong: &mut Vec<Invalid>) -> Option<Vec<Part>> {
    let refuse = |wrong: &mut Vec<Invalid>, code, detail: &str| {
        wrong.push(Invalid::new(pointer, code, detail));
        None
    };
    match content {
        Value::String(text) if text.is_empty() => refuse(wrong, "too_short", "it is empty"),
        Value::String(text) => Some(vec![Part::text(text)]),
        Value::Array(parts) if parts.is_empty() => refuse(wrong, "too_short", "it is empty"),
        Value::Array(parts) => {
            let parts: Vec<_> = (parts.into_iter().enumerate())
                .map(|(index, part)| read_part(&format!("{pointer}/{index}"), part, wrong))
                .collect();
            parts.into_iter().collect()
        }
        _ => refuse(wrong, "wrong_type", "expected a text or a list of content parts"),
    }
}

fn read_part(pointer: &str, part: Value, wrong: &mut Vec<Invalid>) -> Option<Part> {
    match json::read(part) {
        Ok(InputPart::Text { text }) => Some(Part::text(text)),
        Ok(InputPart::Image { url }) => {
            check_url(pointer, &url, wrong)?;
            Some(Part::Image { url })
        }
        Ok(InputPart::File { url, media_type, filename }) => {
            check_url(pointer, &url, wrong)?;
            Some(Part::File { url, media_type, filename })
        }
        Err(errors) => {
            wrong.extend(errors.into_iter().map(|it| it.under(pointer)));
            None
        }
    }
}

fn check_url(pointer: &str, url: &str, wrong: &mut Vec<Invalid>) -> Option<()> {
    if url.starts_with("https://") || url.starts_with("data:") {
        return Some(());
    }
    let detail = "expected an `https:` or `data:` URL";
    wrong.push(Invalid::new(format!("{pointer}/url"), "bad_format", detail));
    None
}

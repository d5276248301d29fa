//! Our request in Ollama's words.

use std::borrow::Cow;

use serde_json::Value;

use super::wire;
use super::wire::Kept;
use super::wire::Message;
use crate::Account;
use crate::ErrorKind;
use crate::ModelError;
use crate::Part;
use crate::ReasoningEffort;
use crate::Request;
use crate::ToolChoice;
use crate::body::body_with;
use crate::media;
use crate::media::Data;
use crate::names::ToolNames;
use crate::private::Origin;
use crate::schema;
use crate::turns::CallResult;
use crate::turns::Turn;
use crate::turns::turns;

/// The body of the request.
///
/// There is no choice of tools there: with `none` they are not offered, and a demand for one is a wish
/// that cannot be said.
///
/// # Errors
/// A part of a message that Ollama has no form for.
pub(super) fn body(
    request: &Request,
    names: &ToolNames,
    account: &Account,
) -> Result<Vec<u8>, ModelError> {
    let options = &request.options;
    let body = wire::Body {
        model: &request.model,
        messages: messages(request, names, account)?,
        tools: tools(request, names),
        format: format(request, !request.tools.is_empty()).and_then(Result::ok),
        think: options.reasoning_effort.map(|effort| think(&request.model, effort)),
        options: wire::Options {
            temperature: options.temperature,
            top_p: options.top_p,
            num_predict: options.max_output_tokens,
        },
        stream: true,
    };
    body_with(&body, &options.provider, &["options"])
}

/// What the model is bound to by the output schema, if there is one, or why it is not, in a request that
/// `has_tools` or none. It is told the schema in any case: what binds it tells it nothing.
///
/// Source: <https://docs.ollama.com/capabilities/structured-outputs>
pub(super) fn format(request: &Request, has_tools: bool) -> Option<Result<Value, String>> {
    let schema = request.output_schema.as_ref()?;
    if has_tools && request.options.tool_choice != ToolChoice::None {
        return Some(Err("a model that is bound to a schema cannot call its tools".to_owned()));
    }
    Some(schema::reduced(schema, schema::Dialect::Ollama))
}

/// Only `gpt-oss` knows degrees, and it cannot do without.
fn think(model: &str, effort: ReasoningEffort) -> wire::Think {
    if !model.contains("gpt-oss") {
        return wire::Think::Whether(effort != ReasoningEffort::None);
    }
    wire::Think::Level(match effort {
        ReasoningEffort::None | ReasoningEffort::Low => "low",
        ReasoningEffort::Medium => "medium",
        ReasoningEffort::High => "high",
    })
}

fn messages<'a>(
    request: &'a Request,
    names: &'a ToolNames,
    account: &Account,
) -> Result<Vec<Message<'a>>, ModelError> {
    let origin = Origin::new(account, &request.model);
    let instructions = schema::instructions_with_output(request);
    let system =
        instructions.map(|content| Message { role: "system", content, ..Message::default() });
    let mut messages: Vec<_> = system.into_iter().collect();
    for turn in turns(&request.messages) {
        match turn {
            Turn::User(parts) => messages.push(user(&parts, account)?),
            Turn::Assistant { content, results } => {
                messages.push(assistant(content, names, &origin));
                messages.extend(results.iter().map(|result| tool(result, names)));
            }
        }
    }
    Ok(messages)
}

fn user<'a>(parts: &[&'a Part], account: &Account) -> Result<Message<'a>, ModelError> {
    let mut texts: Vec<Cow<'a, str>> = Vec::new();
    let mut images = Vec::new();
    for part in parts {
        match part {
            Part::Text { text, .. } => texts.push(Cow::Borrowed(text)),
            Part::Image { url } => images.push(image(url, account)?),
            Part::File { url, media_type, .. } if media_type.starts_with("image/") => {
                images.push(image(url, account)?);
            }
            Part::File { url, media_type, filename } => {
                let read = Data::parse(url).filter(|_| media::is_text(media_type));
                let read = read.and_then(|data| data.text());
                let read = read.ok_or_else(|| account.takes_no_file(media_type, "in this form"))?;
                texts.push(Cow::Owned(media::read_out(filename.as_deref(), &read)));
            }
            Part::Reasoning { .. } | Part::ToolCall { .. } | Part::ToolResult { .. } => {}
        }
    }
    let content = match texts.len() {
        1 => texts.remove(0),
        _ => Cow::Owned(texts.join("\n\n")),
    };
    Ok(Message { role: "user", content, images, ..Message::default() })
}

/// The content of an image: Ollama fetches none.
fn image<'a>(url: &'a str, account: &Account) -> Result<&'a str, ModelError> {
    Data::parse(url).map(|data| data.base64).ok_or_else(|| {
        let message =
            format!("`{}` takes images only as base64 `data:` URLs, not by address", account.name);
        ModelError::lasting(ErrorKind::Refused, message)
    })
}

fn assistant<'a>(content: &'a [Part], names: &'a ToolNames, origin: &Origin) -> Message<'a> {
    let mut said = Message { role: "assistant", ..Message::default() };
    let mut thinking = String::new();
    for part in content {
        match part {
            Part::Text { text, .. } => said.content.to_mut().push_str(text),
            Part::Reasoning { .. } => {
                let kept = origin.own(part).and_then(|data| serde_json::from_str(data).ok());
                thinking.push_str(kept.as_ref().map_or("", |kept: &Kept<'_>| &kept.thinking));
            }
            Part::ToolCall { call_id, tool, arguments, .. } => said.tool_calls.push(wire::Call {
                id: call_id,
                function: wire::Function { name: names.foreign(tool), arguments },
            }),
            _ => {}
        }
    }
    said.thinking = (!thinking.is_empty()).then_some(thinking);
    said
}

fn tool<'a>(result: &CallResult<'a>, names: &'a ToolNames) -> Message<'a> {
    Message {
        role: "tool",
        content: Cow::Owned(result.text()),
        tool_name: Some(names.foreign(result.tool)),
        tool_call_id: Some(result.call_id),
        ..Message::default()
    }
}

fn tools<'a>(request: &'a Request, names: &'a ToolNames) -> Vec<wire::Tool<'a>> {
    if request.options.tool_choice == ToolChoice::None {
        return Vec::new();
    }
    let tools = request.tools.iter().map(|tool| wire::Tool {
        r#type: "function",
        function: wire::ToolFunction {
            name: names.foreign(&tool.name),
            description: &tool.description,
            parameters: &tool.input_schema,
        },
    });
    tools.collect()
}

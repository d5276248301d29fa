//! Our request in the words of chat completions.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::Dialect;
use super::wire;
use crate::Account;
use crate::ModelError;
use crate::Part;
use crate::ReasoningEffort;
use crate::Request;
use crate::ToolChoice;
use crate::body::body_with;
use crate::media;
use crate::media::Data;
use crate::names::ToolNames;
use crate::names::foreign_id;
use crate::private::Origin;
use crate::schema;
use crate::turns::Turn;
use crate::turns::turns;

/// The longest id of a call that `OpenAI` takes back.
const MAX_ID: usize = 40;

/// The body of the request.
///
/// # Errors
/// A part of a message that chat completions have no form for.
pub(super) fn body(
    request: &Request,
    names: &ToolNames,
    account: &Account,
    dialect: Dialect,
) -> Result<Vec<u8>, ModelError> {
    let options = &request.options;
    let (max_tokens, max_completion_tokens) = match dialect {
        Dialect::Compatible => (options.max_output_tokens, None),
        Dialect::OpenAi | Dialect::Azure => (None, options.max_output_tokens),
    };
    let has_tools = !request.tools.is_empty();
    let response_format = response_format(request, dialect).and_then(Result::ok);
    let instructions = match response_format {
        Some(_) => request.instructions.as_deref().map(Cow::Borrowed),
        None => schema::instructions_with_output(request),
    };
    let body = wire::Body {
        model: &request.model,
        messages: messages(instructions, request, names, account, dialect)?,
        tools: tools(request, names),
        tool_choice: tool_choice(&options.tool_choice, names).filter(|_| has_tools),
        parallel_tool_calls: (has_tools && !options.parallel_tool_calls).then_some(false),
        temperature: options.temperature,
        top_p: options.top_p,
        max_tokens,
        max_completion_tokens,
        reasoning_effort: options.reasoning_effort.map(effort),
        response_format,
        stream: true,
        stream_options: wire::StreamOptions { include_usage: true },
    };
    body_with(&body, &options.provider, &[])
}

/// How the provider is bound to the output schema, if there is one, or why it is not.
pub(super) fn response_format(
    request: &Request,
    dialect: Dialect,
) -> Option<Result<wire::ResponseFormat<'_>, String>> {
    let json_schema = dialect.bound(request.output_schema.as_ref()?);
    let format = |json_schema| wire::ResponseFormat { r#type: "json_schema", json_schema };
    Some(json_schema.map(format))
}

fn messages<'a>(
    instructions: Option<Cow<'a, str>>,
    request: &'a Request,
    names: &'a ToolNames,
    account: &Account,
    dialect: Dialect,
) -> Result<Vec<wire::Message<'a>>, ModelError> {
    let origin = Origin::new(account, &request.model);
    let instructions = instructions.filter(|text| !text.is_empty());
    let mut messages: Vec<_> =
        instructions.map(|content| wire::Message::System { content }).into_iter().collect();
    for turn in turns(&request.messages) {
        match turn {
            Turn::User(parts) => {
                messages.push(wire::Message::User { content: user(&parts, account)? });
            }
            Turn::Assistant { content, results } => {
                messages.push(assistant(content, names, &origin, dialect));
                messages.extend(results.into_iter().map(|result| wire::Message::Tool {
                    tool_call_id: wire_id(result.call_id, dialect),
                    content: result.text(),
                }));
            }
        }
    }
    Ok(messages)
}

fn user<'a>(parts: &[&'a Part], account: &Account) -> Result<wire::Content<'a>, ModelError> {
    if let [Part::Text { text, .. }] = parts {
        return Ok(wire::Content::Text(text.clone()));
    }
    let parts = parts.iter().filter_map(|part| user_part(part, account).transpose());
    Ok(wire::Content::Parts(parts.collect::<Result<_, _>>()?))
}

/// The part on the wire; `None` for what is never a user's.
fn user_part<'a>(part: &'a Part, account: &Account) -> Result<Option<wire::Part<'a>>, ModelError> {
    Ok(Some(match part {
        Part::Text { text, .. } => wire::Part::Text { text: Cow::Borrowed(text) },
        Part::Image { url } => wire::Part::ImageUrl { image_url: wire::Url { url } },
        Part::File { url, media_type, filename } => {
            file(url, media_type, filename.as_deref(), account)?
        }
        Part::Reasoning { .. } | Part::ToolCall { .. } | Part::ToolResult { .. } => {
            return Ok(None);
        }
    }))
}

fn file<'a>(
    url: &'a str,
    media_type: &str,
    filename: Option<&'a str>,
    account: &Account,
) -> Result<wire::Part<'a>, ModelError> {
    if media_type.starts_with("image/") {
        return Ok(wire::Part::ImageUrl { image_url: wire::Url { url } });
    }
    let refused = |why: &str| account.takes_no_file(media_type, why);
    let data =
        Data::parse(url).ok_or_else(|| refused("by address, only as a base64 `data:` URL"))?;
    let audio =
        |format| wire::Part::InputAudio { input_audio: wire::Audio { data: data.base64, format } };
    Ok(match media_type {
        "audio/wav" | "audio/x-wav" | "audio/wave" => audio("wav"),
        "audio/mpeg" | "audio/mp3" => audio("mp3"),
        _ if media::is_text(media_type) => {
            let text = data.text().ok_or_else(|| refused("that is not UTF-8"))?;
            wire::Part::Text { text: Cow::Owned(media::read_out(filename, &text)) }
        }
        _ => {
            let filename = filename.unwrap_or("file");
            wire::Part::File { file: wire::File { filename, file_data: url } }
        }
    })
}

fn assistant<'a>(
    content: &'a [Part],
    names: &'a ToolNames,
    origin: &Origin,
    dialect: Dialect,
) -> wire::Message<'a> {
    let mut private = private(content, origin, dialect);
    let mut extra: BTreeMap<String, Box<RawValue>> = private
        .remove(super::EXTRA_CONTENT)
        .and_then(|extra| serde_json::from_str(extra.get()).ok())
        .unwrap_or_default();
    let calls = content.iter().filter_map(|part| match part {
        Part::ToolCall { call_id, tool, arguments, .. } => Some(wire::Call {
            id: wire_id(call_id, dialect),
            r#type: "function",
            function: wire::Function { name: names.foreign(tool), arguments },
            extra_content: extra.remove(call_id),
        }),
        _ => None,
    });
    let tool_calls: Vec<_> = calls.collect();
    let text: String = content.iter().filter_map(text).collect();
    let content = (!text.is_empty() || tool_calls.is_empty()).then_some(text);
    wire::Message::Assistant { content, tool_calls, private }
}

fn text(part: &Part) -> Option<&str> {
    match part {
        Part::Text { text, .. } => Some(text),
        _ => None,
    }
}

/// What the server gave us for itself with this message. `OpenAI` itself gives nothing of the
/// kind, so there it can only be another server's.
fn private(content: &[Part], origin: &Origin, dialect: Dialect) -> BTreeMap<String, Box<RawValue>> {
    let private = content.iter().filter_map(|part| origin.own(part));
    match dialect {
        Dialect::OpenAi | Dialect::Azure => BTreeMap::new(),
        Dialect::Compatible => private
            .filter_map(|data| serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(data).ok())
            .flatten()
            .collect(),
    }
}

fn wire_id(call_id: &str, dialect: Dialect) -> Cow<'_, str> {
    match dialect {
        Dialect::OpenAi | Dialect::Azure => foreign_id(call_id, MAX_ID),
        Dialect::Compatible => Cow::Borrowed(call_id),
    }
}

fn tools<'a>(request: &'a Request, names: &'a ToolNames) -> Vec<wire::Tool<'a>> {
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

fn tool_choice<'a>(choice: &'a ToolChoice, names: &'a ToolNames) -> Option<wire::ToolChoice<'a>> {
    Some(match choice {
        ToolChoice::Auto => return None,
        ToolChoice::Required => wire::ToolChoice::Word("required"),
        ToolChoice::None => wire::ToolChoice::Word("none"),
        ToolChoice::Named { name } => wire::ToolChoice::Function {
            r#type: "function",
            function: wire::Name { name: names.foreign(name) },
        },
    })
}

pub(crate) fn effort(effort: ReasoningEffort) -> &'static str {
    match effort {
        ReasoningEffort::None => "none",
        ReasoningEffort::Low => "low",
        ReasoningEffort::Medium => "medium",
        ReasoningEffort::High => "high",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn openai_is_bound_to_a_schema_as_strictly_as_the_schema_allows() {
        let strict = json!({"type": "object", "properties": {}, "additionalProperties": false});
        for (dialect, schema, expected) in [
            (Dialect::OpenAi, strict.clone(), Some(true)),
            (Dialect::Azure, json!({"type": "object"}), Some(false)),
            // Only objects are taken, and other servers may know no schemas at all.
            (Dialect::OpenAi, json!({"type": "array"}), None),
            (Dialect::Compatible, strict, None),
        ] {
            let request = Request {
                model: "m".to_owned(),
                instructions: None,
                messages: Vec::new(),
                tools: Vec::new(),
                options: crate::ModelOptions::default(),
                output_schema: Some(schema.clone()),
            };
            let format = response_format(&request, dialect).unwrap();
            let format = format.ok().map(|it| it.json_schema.strict);
            assert_eq!(format, expected, "{schema}");
        }
    }
}

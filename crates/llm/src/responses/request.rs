//! Our request in the words of the responses API.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::wire;
use super::wire::Item;
use super::wire::OurItem;
use crate::Account;
use crate::ModelError;
use crate::Part;
use crate::Request;
use crate::ToolChoice;
use crate::body::body_with;
use crate::media;
use crate::media::Data;
use crate::names::ToolNames;
use crate::names::foreign_id;
use crate::openai::Dialect;
use crate::openai::effort;
use crate::private::Origin;
use crate::schema;
use crate::turns::CallResult;
use crate::turns::Turn;
use crate::turns::turns;

/// The longest id of a call.
const MAX_ID: usize = 64;

/// What must be asked for, so that what a model thought comes with its encrypted form.
const ENCRYPTED: &str = "reasoning.encrypted_content";

/// The body of the request.
///
/// # Errors
/// A part of a message that the responses API has no form for.
pub(super) fn body(
    request: &Request,
    names: &ToolNames,
    account: &Account,
    dialect: Dialect,
) -> Result<Vec<u8>, ModelError> {
    let options = &request.options;
    let text = text(request, dialect).and_then(Result::ok);
    let instructions = match text {
        Some(_) => request.instructions.as_deref().map(Cow::Borrowed),
        None => schema::instructions_with_output(request),
    };
    let has_tools = !request.tools.is_empty();
    let reasoning = options.reasoning_effort.map(|it| wire::Reasoning { effort: effort(it) });
    let body = wire::Body {
        model: &request.model,
        instructions,
        input: input(request, names, account)?,
        tools: tools(request, names),
        tool_choice: tool_choice(&options.tool_choice, names).filter(|_| has_tools),
        parallel_tool_calls: (has_tools && !options.parallel_tool_calls).then_some(false),
        temperature: options.temperature,
        top_p: options.top_p,
        max_output_tokens: options.max_output_tokens,
        reasoning,
        text,
        include: if reasons(&request.model) { vec![ENCRYPTED] } else { Vec::new() },
        store: false,
        stream: true,
    };
    body_with(&body, &options.provider, &["reasoning", "text"])
}

/// How the provider is bound to the output schema, if there is one, or why it is not.
pub(super) fn text(request: &Request, dialect: Dialect) -> Option<Result<wire::Text<'_>, String>> {
    let schema = dialect.bound(request.output_schema.as_ref()?);
    let format = |schema| wire::Format { r#type: "json_schema", schema };
    Some(schema.map(|schema| wire::Text { format: format(schema) }))
}

/// Whether `model` may think before it answers: those that cannot refuse to be asked for it.
fn reasons(model: &str) -> bool {
    let name = model.strip_prefix("ft:").unwrap_or(model);
    let is_old = ["gpt-3", "gpt-4", "chatgpt-"].iter().any(|family| name.starts_with(family));
    !is_old && !name.contains("-chat")
}

fn input<'a>(
    request: &'a Request,
    names: &'a ToolNames,
    account: &Account,
) -> Result<Vec<Item<'a>>, ModelError> {
    let origin = Origin::new(account, &request.model);
    let mut items = Vec::new();
    for turn in turns(&request.messages) {
        match turn {
            Turn::User(parts) => {
                let parts = parts.iter().filter_map(|part| user_part(part, account).transpose());
                let content = wire::Content::Parts(parts.collect::<Result<_, _>>()?);
                items.push(Item::Ours(OurItem::Message { role: "user", content }));
            }
            Turn::Assistant { content, results } => {
                items.extend(content.iter().filter_map(|it| assistant_item(it, names, &origin)));
                items.extend(results.iter().map(result_item));
            }
        }
    }
    Ok(items)
}

/// The part on the wire; `None` for what is never a user's.
fn user_part<'a>(part: &'a Part, account: &Account) -> Result<Option<wire::Part<'a>>, ModelError> {
    Ok(Some(match part {
        Part::Text { text, .. } => wire::Part::Text { text: Cow::Borrowed(text) },
        Part::Image { url } => wire::Part::Image { image_url: url },
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
    let data = Data::parse(url);
    Ok(match media_type {
        _ if media_type.starts_with("image/") => wire::Part::Image { image_url: url },
        _ if media::is_text(media_type) && data.is_some() => {
            let text = data.and_then(|data| data.text());
            let text =
                text.ok_or_else(|| account.takes_no_file(media_type, "that is not UTF-8"))?;
            wire::Part::Text { text: Cow::Owned(media::read_out(filename, &text)) }
        }
        "application/pdf" if data.is_none() => {
            wire::Part::File { filename: None, file_data: None, file_url: Some(url) }
        }
        _ if data.is_some() && !media_type.starts_with("audio/") => wire::Part::File {
            filename: Some(filename.unwrap_or("file")),
            file_data: Some(url),
            file_url: None,
        },
        _ => return Err(account.takes_no_file(media_type, "in this form")),
    })
}

/// The item on the wire; `None` for another provider's reasoning, and for empty text.
fn assistant_item<'a>(part: &'a Part, names: &'a ToolNames, origin: &Origin) -> Option<Item<'a>> {
    Some(match part {
        Part::Text { text, .. } if text.is_empty() => return None,
        Part::Text { text, .. } => {
            let content = wire::Content::Text(text);
            Item::Ours(OurItem::Message { role: "assistant", content })
        }
        Part::Reasoning { .. } => {
            Item::Theirs(RawValue::from_string(origin.own(part)?.to_owned()).ok()?)
        }
        Part::ToolCall { call_id, tool, arguments, .. } => Item::Ours(OurItem::FunctionCall {
            call_id: foreign_id(call_id, MAX_ID),
            name: names.foreign(tool),
            arguments: arguments.to_string(),
        }),
        _ => return None,
    })
}

fn result_item<'a>(result: &CallResult<'a>) -> Item<'a> {
    let call_id = foreign_id(result.call_id, MAX_ID);
    Item::Ours(OurItem::FunctionCallOutput { call_id, output: result.text() })
}

fn tools<'a>(request: &'a Request, names: &'a ToolNames) -> Vec<wire::Tool<'a>> {
    let tools = request.tools.iter().map(|tool| wire::Tool {
        r#type: "function",
        name: names.foreign(&tool.name),
        description: &tool.description,
        parameters: &tool.input_schema,
        // Strict schemas are a dialect of their own, which not every schema can be written in.
        strict: false,
    });
    tools.collect()
}

fn tool_choice<'a>(choice: &'a ToolChoice, names: &'a ToolNames) -> Option<wire::ToolChoice<'a>> {
    Some(match choice {
        ToolChoice::Auto => return None,
        ToolChoice::Required => wire::ToolChoice::Word("required"),
        ToolChoice::None => wire::ToolChoice::Word("none"),
        ToolChoice::Named { name } => {
            wire::ToolChoice::Function { r#type: "function", name: names.foreign(name) }
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::reasons;
    use super::text;
    use crate::ModelOptions;
    use crate::Request;
    use crate::openai::Dialect;

    #[test]
    fn openai_is_bound_to_a_schema_in_this_protocol_too() {
        let strict = json!({"type": "object", "properties": {}, "additionalProperties": false});
        let bound = |strict: bool, schema| {
            Ok(
                json!({"format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": strict}}),
            )
        };
        let lax = json!({"type": "object"});
        for (dialect, schema, expected) in [
            (Dialect::OpenAi, strict.clone(), bound(true, &strict)),
            (Dialect::Azure, lax.clone(), bound(false, &lax)),
            (Dialect::OpenAi, json!({"type": "array"}), Err("the schema is not that of an object")),
            (Dialect::Compatible, strict.clone(), Err("its server may know no schemas of answers")),
        ] {
            let request = Request {
                model: "m".to_owned(),
                instructions: None,
                messages: Vec::new(),
                tools: Vec::new(),
                options: ModelOptions::default(),
                output_schema: Some(schema),
            };
            let text = text(&request, dialect).unwrap();
            let text = text.map(|it| serde_json::to_value(it).unwrap());
            assert_eq!(text, expected.map_err(str::to_owned));
        }
    }

    #[test]
    fn only_models_that_can_think_are_asked_for_what_they_thought() {
        for model in ["gpt-5", "gpt-5.1-mini", "o3", "codex-mini-latest", "house-model"] {
            assert!(reasons(model), "{model}");
        }
        for model in ["gpt-4o", "gpt-4.1-mini", "ft:gpt-4o:x", "gpt-5-chat-latest", "gpt-3.5-turbo"]
        {
            assert!(!reasons(model), "{model}");
        }
    }
}

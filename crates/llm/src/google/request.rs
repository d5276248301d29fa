//! Our request in Gemini's words.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::json;
use serde_json::value::RawValue;
use serde_json::value::to_raw_value;

use super::wire;
use super::wire::AnyPart;
use super::wire::Content;
use super::wire::Kept;
use super::wire::KeptCall;
use super::wire::Part as WirePart;
use crate::Account;
use crate::ModelError;
use crate::ModelOptions;
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

/// What Google takes as the signature of a call that it never made: models from 3 on insist on one.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// Types of files that the models read, but for text.
const FILES: [&str; 4] = ["image/", "audio/", "video/", "application/pdf"];

/// The body of the request.
///
/// # Errors
/// A part of a message that Gemini has no form for.
pub(super) fn body(
    request: &Request,
    names: &ToolNames,
    account: &Account,
) -> Result<Vec<u8>, ModelError> {
    let options = &request.options;
    let has_tools = !request.tools.is_empty();
    let response_schema = response_schema(request, has_tools).and_then(Result::ok);
    let instructions = match response_schema {
        Some(_) => request.instructions.as_deref().map(Cow::Borrowed),
        None => schema::instructions_with_output(request),
    };
    let instructions = instructions
        .filter(|said| !said.is_empty())
        .map(|said| WirePart { text: Some(said), ..WirePart::default() });
    let body = wire::Body {
        contents: contents(request, names, account)?,
        system_instruction: instructions.map(|it| wire::Instruction { parts: [it] }),
        tools: tools(request, names),
        tool_config: tool_config(options, names).filter(|_| has_tools),
        generation_config: wire::GenerationConfig {
            temperature: options.temperature,
            top_p: options.top_p,
            max_output_tokens: options.max_output_tokens,
            thinking_config: options.reasoning_effort.and_then(|it| thinking(&request.model, it)),
            response_mime_type: response_schema.as_ref().map(|_| "application/json"),
            response_schema,
        },
    };
    body_with(&body, &options.provider, &["generationConfig"])
}

/// What the provider is bound to by the output schema, if there is one, or why it is not, in a request that
/// `has_tools` or none.
///
/// Source: <https://ai.google.dev/gemini-api/docs/structured-output>
pub(super) fn response_schema(request: &Request, has_tools: bool) -> Option<Result<Value, String>> {
    let schema = request.output_schema.as_ref()?;
    let refused = |why: &str| Some(Err(why.to_owned()));
    match version(&request.model) {
        None => refused("this model may know no schemas of answers"),
        Some(version) if version < 3.0 && has_tools => {
            refused("models before Gemini 3 take no schema beside tools")
        }
        Some(_) => Some(schema::reduced(schema, schema::Dialect::Google)),
    }
}

/// The most that the models answer when nobody set a limit.
pub(crate) fn usual_output_tokens(model: &str) -> u32 {
    if version(model).is_some_and(|version| version < 2.5) { 8_192 } else { 65_536 }
}

/// `2.5` of `gemini-2.5-flash`, `3` of `gemini-3-pro`; `None` for other names.
fn version(model: &str) -> Option<f64> {
    let (_, behind) = model.split_once("gemini-")?;
    let end = behind.find(|char: char| !char.is_ascii_digit() && char != '.');
    behind[..end.unwrap_or(behind.len())].parse().ok()
}

/// Thinking by effort. Models of 2.5 take a budget of tokens, later ones a level, earlier ones
/// nothing.
fn thinking(model: &str, effort: ReasoningEffort) -> Option<wire::Thinking> {
    let include_thoughts = effort != ReasoningEffort::None;
    let version = version(model)?;
    if version < 2.5 {
        return None;
    }
    if version < 3.0 {
        let budget = match effort {
            // This one cannot do without.
            ReasoningEffort::None if model.contains("pro") => 128,
            ReasoningEffort::None => 0,
            ReasoningEffort::Low => 1024,
            ReasoningEffort::Medium => 8192,
            ReasoningEffort::High => 24_576,
        };
        return Some(wire::Thinking { budget: Some(budget), level: None, include_thoughts });
    }
    let level = match effort {
        ReasoningEffort::None if model.contains("flash") => "minimal",
        ReasoningEffort::None | ReasoningEffort::Low => "low",
        ReasoningEffort::Medium => "medium",
        ReasoningEffort::High => "high",
    };
    Some(wire::Thinking { budget: None, level: Some(level), include_thoughts })
}

fn text(text: &str) -> WirePart<'_> {
    WirePart { text: Some(Cow::Borrowed(text)), ..WirePart::default() }
}

fn ours(part: WirePart<'_>) -> AnyPart<'_> {
    AnyPart::Ours(Box::new(part))
}

fn contents<'a>(
    request: &'a Request,
    names: &'a ToolNames,
    account: &Account,
) -> Result<Vec<Content<'a>>, ModelError> {
    let origin = Origin::new(account, &request.model);
    let needs_signatures = version(&request.model).is_some_and(|version| version >= 3.0);
    let mut contents = Vec::new();
    let mut push = |role, parts: Vec<_>| {
        if !parts.is_empty() {
            contents.push(Content { role, parts });
        }
    };
    for turn in turns(&request.messages) {
        match turn {
            Turn::User(parts) => {
                let parts = parts.iter().filter_map(|part| user_part(part, account).transpose());
                push("user", parts.collect::<Result<_, _>>()?);
            }
            Turn::Assistant { content, results } => {
                let kept = kept(content, &origin);
                let calls: BTreeMap<_, _> = kept.into_iter().flat_map(|it| it.calls).collect();
                push("model", model_parts(content, names, &origin, &calls, needs_signatures));
                let results = results.into_iter().map(|result| response(result, names, &calls));
                push("user", results.collect());
            }
        }
    }
    Ok(contents)
}

/// The part on the wire; `None` for what is never a user's, and for empty text.
fn user_part<'a>(part: &'a Part, account: &Account) -> Result<Option<AnyPart<'a>>, ModelError> {
    Ok(Some(ours(match part {
        Part::Text { text, .. } if text.is_empty() => return Ok(None),
        Part::Text { text: said, .. } => text(said),
        Part::Image { url } => media_part(url, None),
        Part::File { url, media_type, filename } => {
            file(url, media_type, filename.as_deref(), account)?
        }
        Part::Reasoning { .. } | Part::ToolCall { .. } | Part::ToolResult { .. } => {
            return Ok(None);
        }
    })))
}

fn media_part<'a>(url: &'a str, media_type: Option<&'a str>) -> WirePart<'a> {
    if let Some(data) = Data::parse(url) {
        let blob = wire::Blob { mime_type: data.media_type, data: data.base64 };
        return WirePart { inline_data: Some(blob), ..WirePart::default() };
    }
    let file_data = wire::FileData { mime_type: media_type, file_uri: url };
    WirePart { file_data: Some(file_data), ..WirePart::default() }
}

fn file<'a>(
    url: &'a str,
    media_type: &'a str,
    filename: Option<&str>,
    account: &Account,
) -> Result<WirePart<'a>, ModelError> {
    if FILES.iter().any(|known| media_type.starts_with(known)) {
        return Ok(media_part(url, Some(media_type)));
    }
    let read = Data::parse(url).filter(|_| media::is_text(media_type)).and_then(|it| it.text());
    let read = read.ok_or_else(|| account.takes_no_file(media_type, "in this form"))?;
    let said = Some(Cow::Owned(media::read_out(filename, &read)));
    Ok(WirePart { text: said, ..WirePart::default() })
}

/// What the server gave us for itself with a message.
fn kept(content: &[Part], origin: &Origin) -> Vec<Kept> {
    let own = content.iter().filter_map(|part| origin.own(part));
    own.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

fn model_parts<'a>(
    content: &'a [Part],
    names: &'a ToolNames,
    origin: &Origin,
    calls: &BTreeMap<String, KeptCall>,
    needs_signatures: bool,
) -> Vec<AnyPart<'a>> {
    let is_signed = calls.values().any(|call| call.thought_signature.is_some());
    let mut replacement = (needs_signatures && !is_signed).then_some(NO_SIGNATURE);
    let mut parts = Vec::new();
    for part in content {
        match part {
            Part::Text { text: said, .. } if !said.is_empty() => parts.push(ours(text(said))),
            Part::Reasoning { .. } => {
                for kept in kept(std::slice::from_ref(part), origin) {
                    kept.parts.into_iter().for_each(|it| push_signed(&mut parts, it));
                }
            }
            Part::ToolCall { call_id, tool, arguments, .. } => {
                let kept = calls.get(call_id).cloned().unwrap_or_default();
                let name = names.foreign(tool);
                let call = wire::FunctionCall { id: kept.id, name, args: arguments };
                let signature = kept.thought_signature;
                let signature = signature.or_else(|| to_raw_value(replacement.take()?).ok());
                let function_call = Some(call);
                let thought_signature = signature;
                parts.push(ours(WirePart {
                    function_call,
                    thought_signature,
                    ..WirePart::default()
                }));
            }
            _ => {}
        }
    }
    parts
}

/// Adds a part as it came. A text that is no thought stands at the end of the text before it already,
/// and takes its place there; if it does not, somebody changed the text and the signature is void.
fn push_signed(parts: &mut Vec<AnyPart<'_>>, signed: Box<RawValue>) {
    let Ok(said) = serde_json::from_str::<wire::SaidPart<'_>>(signed.get()) else { return };
    let text = said.text.filter(|text| !text.is_empty() && said.thought != Some(true));
    if let Some(text) = text {
        let Some(AnyPart::Ours(last)) = parts.last_mut() else { return };
        let before = last.text.as_deref().and_then(|last| last.strip_suffix(text.as_str()));
        let Some(before) = before.map(str::to_owned) else { return };
        if before.is_empty() {
            parts.pop();
        } else {
            last.text = Some(Cow::Owned(before));
        }
    }
    parts.push(AnyPart::Theirs(signed));
}

fn response<'a>(
    result: CallResult<'a>,
    names: &'a ToolNames,
    calls: &BTreeMap<String, KeptCall>,
) -> AnyPart<'a> {
    let id = calls.get(result.call_id).and_then(|call| call.id.clone());
    let value = result.value.into_owned();
    let response = if result.failed { value } else { json!({"output": value}) };
    let response = wire::FunctionResponse { id, name: names.foreign(result.tool), response };
    ours(WirePart { function_response: Some(response), ..WirePart::default() })
}

fn tools<'a>(request: &'a Request, names: &'a ToolNames) -> Vec<wire::Tools<'a>> {
    let tools = request.tools.iter().map(|tool| wire::FunctionDeclaration {
        name: names.foreign(&tool.name),
        description: &tool.description,
        parameters: Some(&tool.input_schema).filter(|schema| has_properties(schema)),
    });
    let function_declarations: Vec<_> = tools.collect();
    if function_declarations.is_empty() {
        return Vec::new();
    }
    vec![wire::Tools { function_declarations }]
}

fn has_properties(schema: &Value) -> bool {
    schema.get("properties").is_some()
}

fn tool_config<'a>(
    options: &'a ModelOptions,
    names: &'a ToolNames,
) -> Option<wire::ToolConfig<'a>> {
    let (mode, allowed_function_names) = match &options.tool_choice {
        ToolChoice::Auto => return None,
        ToolChoice::Required => ("ANY", None),
        ToolChoice::None => ("NONE", None),
        ToolChoice::Named { name } => ("ANY", Some([names.foreign(name)])),
    };
    let function_calling_config = wire::FunctionCalling { mode, allowed_function_names };
    Some(wire::ToolConfig { function_calling_config })
}

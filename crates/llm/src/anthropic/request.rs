//! Our request in the words of the messages API.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::wire;
use super::wire::Block;
use super::wire::CacheControl;
use super::wire::OurBlock;
use super::wire::Source;
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
use crate::names::foreign_id;
use crate::private::Origin;
use crate::schema;
use crate::turns::CallResult;
use crate::turns::Turn;
use crate::turns::turns;

/// Who says for himself what is kept, with this member, gets no marks of ours.
const CACHE_CONTROL: &str = "cache_control";

/// The longest id of a call.
const MAX_ID: usize = 64;

/// The smallest number of tokens to think with.
const MIN_BUDGET: u32 = 1024;

/// The body of the request.
///
/// # Errors
/// A part of a message that the messages API has no form for.
pub(super) fn body(
    request: &Request,
    names: &ToolNames,
    account: &Account,
) -> Result<Vec<u8>, ModelError> {
    let options = &request.options;
    let max_tokens =
        options.max_output_tokens.unwrap_or_else(|| usual_output_tokens(&request.model));
    let has_tools = !request.tools.is_empty();
    let tool_choice = tool_choice(options, names).filter(|_| has_tools);
    // This API refuses thoughts before a call that it is told to make, and draws without rules beside thoughts.
    let is_forced = tool_choice.as_ref().is_some_and(wire::ToolChoice::is_forced);
    let effort = options.reasoning_effort.filter(|_| !is_forced);
    let (thinking, output_config) = thinking(&request.model, effort, max_tokens);
    let draws =
        !matches!(thinking, Some(wire::Thinking::Enabled { .. } | wire::Thinking::Adaptive { .. }));
    let instructions = schema::instructions_with_output(request);
    let system = |text| wire::System { r#type: "text", text, cache_control: None };
    let mut body = wire::Body {
        model: &request.model,
        max_tokens,
        system: instructions.map(|text| [system(text)]),
        messages: messages(request, names, account)?,
        tools: tools(request, names),
        tool_choice,
        temperature: options.temperature.filter(|_| draws),
        top_p: options.top_p.filter(|_| draws),
        thinking,
        output_config,
        stream: true,
    };
    if !options.provider.contains_key(CACHE_CONTROL) {
        mark(&mut body);
    }
    body_with(&body, &options.provider, &[])
}

/// Marks what the next request will begin with too: the tools, the instructions, and the conversation if it goes
/// on, which one with tools does. A mark costs a quarter of what it keeps.
fn mark(body: &mut wire::Body<'_>) {
    let goes_on = !body.tools.is_empty() || body.messages.len() > 1;
    if let Some(tool) = body.tools.last_mut() {
        tool.cache_control = Some(CacheControl::USUAL);
    }
    if let Some([system]) = &mut body.system {
        system.cache_control = Some(CacheControl::USUAL);
    }
    let last = body.messages.last_mut().filter(|_| goes_on);
    if let Some(Block::Ours { cache_control, .. }) = last.and_then(|it| it.content.last_mut()) {
        *cache_control = Some(CacheControl::USUAL);
    }
}

/// The limit of output when nobody set one: this API insists on one, and a model's own is the
/// highest it takes.
pub(crate) fn usual_output_tokens(model: &str) -> u32 {
    let is = |names: &[&str]| names.iter().any(|name| model.contains(name));
    match model {
        _ if is(&["claude-3-opus", "claude-3-sonnet", "claude-3-haiku"]) => 4096,
        _ if is(&["claude-3-5"]) => 8192,
        _ => 32_000,
    }
}

/// Thinking by effort. Models up to 4.5 take a budget of tokens, later ones only an effort.
fn thinking(
    model: &str,
    effort: Option<ReasoningEffort>,
    max_tokens: u32,
) -> (Option<wire::Thinking>, Option<wire::OutputConfig>) {
    let (effort, budget) = match effort {
        None => return (None, None),
        Some(ReasoningEffort::None) => return (Some(wire::Thinking::Disabled), None),
        Some(ReasoningEffort::Low) => ("low", 4096),
        Some(ReasoningEffort::Medium) => ("medium", 10_000),
        Some(ReasoningEffort::High) => ("high", 24_000),
    };
    if !thinks_by_budget(model) {
        let adaptive = wire::Thinking::Adaptive { display: "summarized" };
        return (Some(adaptive), Some(wire::OutputConfig { effort }));
    }
    // The budget is part of the limit and something must be left for the answer.
    let budget_tokens = budget.min(max_tokens / 2).max(MIN_BUDGET);
    let fits = budget_tokens < max_tokens;
    (fits.then_some(wire::Thinking::Enabled { budget_tokens }), None)
}

/// Whether `model` is of a family up to 4.5: `claude-3-7-sonnet-…`, `claude-opus-4-20250514`,
/// `claude-sonnet-4-5`.
fn thinks_by_budget(model: &str) -> bool {
    let families = ["opus-4", "sonnet-4", "haiku-4"];
    let version = families.iter().find_map(|family| Some(model.split_once(family)?.1));
    let Some(version) = version else { return model.contains("claude-3") };
    let minor = version.trim_start_matches(['-', '.', '@']);
    let minor: String = minor.chars().take_while(char::is_ascii_digit).collect();
    // More digits are a date, which only names without a minor version have.
    minor.len() != 1 || minor.as_str() <= "5"
}

fn messages<'a>(
    request: &'a Request,
    names: &'a ToolNames,
    account: &Account,
) -> Result<Vec<wire::Message<'a>>, ModelError> {
    let origin = Origin::new(account, &request.model);
    let mut messages = Vec::new();
    for turn in turns(&request.messages) {
        match turn {
            Turn::User(parts) => {
                let blocks = parts.iter().filter_map(|part| user_block(part, account).transpose());
                push(&mut messages, "user", blocks.collect::<Result<_, _>>()?);
            }
            Turn::Assistant { content, results } => {
                let blocks =
                    content.iter().filter_map(|part| assistant_block(part, names, &origin));
                push(&mut messages, "assistant", blocks.collect());
                push(&mut messages, "user", results.into_iter().map(result_block).collect());
            }
        }
    }
    Ok(messages)
}

/// Adds what `role` says, to the last message if that is the same role's. Results of calls come
/// first this way, in one message with what the user says next.
fn push<'a>(messages: &mut Vec<wire::Message<'a>>, role: &'static str, content: Vec<Block<'a>>) {
    match messages.last_mut() {
        _ if content.is_empty() => {}
        Some(last) if last.role == role => last.content.extend(content),
        _ => messages.push(wire::Message { role, content }),
    }
}

/// The block on the wire; `None` for what is never a user's, and for empty text, which is refused.
fn user_block<'a>(part: &'a Part, account: &Account) -> Result<Option<Block<'a>>, ModelError> {
    Ok(Some(Block::from(match part {
        Part::Text { text, .. } if text.trim().is_empty() => return Ok(None),
        Part::Text { text, .. } => OurBlock::Text { text: Cow::Borrowed(text) },
        Part::Image { url } => OurBlock::Image { source: source(url) },
        Part::File { url, media_type, filename } => {
            file(url, media_type, filename.as_deref(), account)?
        }
        Part::Reasoning { .. } | Part::ToolCall { .. } | Part::ToolResult { .. } => {
            return Ok(None);
        }
    })))
}

fn file<'a>(
    url: &'a str,
    media_type: &'a str,
    title: Option<&'a str>,
    account: &Account,
) -> Result<OurBlock<'a>, ModelError> {
    let refused = || account.takes_no_file(media_type, "in this form");
    Ok(match media_type {
        _ if media_type.starts_with("image/") => OurBlock::Image { source: source(url) },
        "application/pdf" => OurBlock::Document { source: source(url), title },
        _ if media::is_text(media_type) => {
            let data = Data::parse(url).and_then(|data| data.text()).ok_or_else(refused)?;
            OurBlock::Document { source: Source::Text { media_type: "text/plain", data }, title }
        }
        _ => return Err(refused()),
    })
}

fn source(url: &str) -> Source<'_> {
    match Data::parse(url) {
        Some(Data { media_type, base64 }) => Source::Base64 { media_type, data: base64 },
        None => Source::Url { url },
    }
}

/// The block on the wire; `None` for another provider's reasoning, and for empty text.
fn assistant_block<'a>(part: &'a Part, names: &'a ToolNames, origin: &Origin) -> Option<Block<'a>> {
    match part {
        Part::Text { text, .. } if text.trim().is_empty() => None,
        Part::Text { text, .. } => Some(OurBlock::Text { text: Cow::Borrowed(text) }.into()),
        Part::Reasoning { .. } => {
            RawValue::from_string(origin.own(part)?.to_owned()).ok().map(Block::Theirs)
        }
        Part::ToolCall { call_id, tool, arguments, .. } => Some(Block::from(OurBlock::ToolUse {
            id: foreign_id(call_id, MAX_ID),
            name: names.foreign(tool),
            input: arguments,
        })),
        _ => None,
    }
}

fn result_block(result: CallResult<'_>) -> Block<'_> {
    Block::from(OurBlock::ToolResult {
        tool_use_id: foreign_id(result.call_id, MAX_ID),
        content: result.text(),
        is_error: result.failed,
    })
}

fn tools<'a>(request: &'a Request, names: &'a ToolNames) -> Vec<wire::Tool<'a>> {
    let tools = request.tools.iter().map(|tool| wire::Tool {
        name: names.foreign(&tool.name),
        description: &tool.description,
        input_schema: &tool.input_schema,
        cache_control: None,
    });
    tools.collect()
}

fn tool_choice<'a>(
    options: &'a ModelOptions,
    names: &'a ToolNames,
) -> Option<wire::ToolChoice<'a>> {
    let disable_parallel_tool_use = !options.parallel_tool_calls;
    Some(match &options.tool_choice {
        ToolChoice::Auto if !disable_parallel_tool_use => return None,
        ToolChoice::Auto => wire::ToolChoice::Auto { disable_parallel_tool_use },
        ToolChoice::Required => wire::ToolChoice::Any { disable_parallel_tool_use },
        ToolChoice::Named { name } => {
            wire::ToolChoice::Tool { name: names.foreign(name), disable_parallel_tool_use }
        }
        ToolChoice::None => wire::ToolChoice::None,
    })
}

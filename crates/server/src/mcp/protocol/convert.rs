//! Our words in those of the protocol.

use std::sync::Arc;

use engine::Answer;
use engine::Consent;
use engine::Effect;
use engine::Output;
use rmcp::RoleServer;
use rmcp::model::CallToolResult;
use rmcp::model::ContentBlock;
#[expect(deprecated, reason = "clients of former revisions hear lines")]
use rmcp::model::LoggingLevel;
#[expect(deprecated, reason = "clients of former revisions hear lines")]
use rmcp::model::LoggingMessageNotificationParam;
use rmcp::model::MetaObject;
use rmcp::model::ProtocolVersion;
use rmcp::model::RequestMetaObject;
use rmcp::model::ResourceContents;
use rmcp::model::Tool;
use rmcp::model::ToolAnnotations;
use rmcp::service::Peer;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::mcp::call::Level;
use crate::mcp::offers::Offer;
use crate::mcp::offers::Shown;
use crate::runs::Run;
use crate::runs::Status;

/// For so long a client may take a list for what there is, in milliseconds.
pub const FRESH: u64 = 10_000;
/// Where a run is read, before its id.
pub const RUN_URI: &str = "run://";
/// Where in `_meta` the id of the run stands that a call was.
const RUN: &str = "agent-server/run_id";

/// From which level on the client of a request wants to hear lines.
pub fn level_of(meta: &RequestMetaObject) -> Option<Level> {
    meta.log_level().map(level)
}

/// The finer levels of the protocol count as the next of ours above them.
#[expect(deprecated, reason = "clients still name them")]
pub fn level(level: LoggingLevel) -> Level {
    match level {
        LoggingLevel::Debug => Level::Debug,
        LoggingLevel::Info => Level::Info,
        LoggingLevel::Notice | LoggingLevel::Warning => Level::Warn,
        _ => Level::Error,
    }
}

/// Lets the client hear a line of the tool `source`. One that is gone hears nothing, which is no fault.
#[expect(deprecated, reason = "clients still hear them")]
pub async fn say(peer: &Peer<RoleServer>, level: Level, source: String, message: String) {
    let level = match level {
        Level::Debug => LoggingLevel::Debug,
        Level::Info => LoggingLevel::Info,
        Level::Warn => LoggingLevel::Warning,
        Level::Error => LoggingLevel::Error,
    };
    let line = LoggingMessageNotificationParam::new(level, Value::String(message));
    let _ = peer.notify_logging_message(line.with_logger(source)).await;
}

/// Whether the revision is one without sessions.
pub fn is_modern(version: Option<&ProtocolVersion>) -> bool {
    version.is_some_and(|it| it.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}

/// An offer as lists show it. Clients before 2026-07-28 understand results that are objects only, and refuse a whole
/// list for any other schema in it.
pub fn tool(shown: Shown, is_modern: bool) -> Tool {
    let reads = shown.effect == Effect::Read;
    let hints = ToolAnnotations::with_title(shown.title.clone())
        .read_only(reads)
        .destructive(!reads)
        .idempotent(shown.effect != Effect::Effect)
        .open_world(shown.is_open);
    let mut tool = Tool::new(shown.name, shown.description, Arc::new(shown.input_schema))
        .with_title(shown.title)
        .with_annotations(hints);
    let is_fit = |schema: &Map<String, Value>| is_modern || schema["type"] == "object";
    tool.output_schema = shown.output_schema.filter(is_fit).map(Arc::new);
    tool
}

/// What came of a call. `pages`: what the person has to consent to before it goes on.
pub fn result(offer: &Offer, run: Run, pages: &[Consent]) -> CallToolResult {
    let id = run.summary.id.to_string();
    let mut result = match (run.summary.status, run.output) {
        (Status::Succeeded, Some(output)) => success(offer, output),
        (Status::Succeeded, None) => CallToolResult::success(Vec::new()),
        (status, _) if status.is_final() => {
            let error = run.summary.error.map(|error| error.message);
            let why = error.unwrap_or_else(|| format!("the run is {}", status.as_str()));
            CallToolResult::error(vec![ContentBlock::text(why)])
        }
        (status, _) => {
            let asked = pages.iter().map(|page| format!("{page}; then it goes on"));
            let going_on =
                format!("the run is {}; {RUN_URI}{id} says what becomes of it", status.as_str());
            let texts = std::iter::once(going_on).chain(asked);
            CallToolResult::success(texts.map(ContentBlock::text).collect())
        }
    };
    let mut meta = MetaObject::default();
    meta.insert(RUN.to_owned(), json!(id));
    result.meta = Some(meta);
    result
}

fn success(offer: &Offer, output: Output) -> CallToolResult {
    let (text, value) = match (offer, output) {
        (Offer::Agent(_), Output::Answer(Answer { text, object, .. })) => (text, object),
        (_, output) => {
            // A result that looks like an answer is read as one.
            let value = serde_json::to_value(&output).unwrap_or_default();
            (text_of(&value), Some(value))
        }
    };
    let blocks = value.as_ref().and_then(|value| blocks(offer, value));
    if let Some(blocks) = blocks {
        return CallToolResult::success(blocks);
    }
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = value.filter(|value| value.is_object() || offer.has_schema());
    result
}

/// What a tool gave, as what can be said: its own blocks, or a text.
pub fn contents(offer: &Offer, value: Value) -> Vec<ContentBlock> {
    blocks(offer, &value).unwrap_or_else(|| vec![ContentBlock::text(text_of(&value))])
}

/// What a tool gave, as what is at `uri`: a text, or bytes if it is `{"blob": "<base64>"}`.
pub fn content_at(uri: &str, mime_type: Option<String>, value: Value) -> ResourceContents {
    let contents = match value["blob"].as_str() {
        Some(blob) => ResourceContents::blob(blob, uri),
        None => ResourceContents::text(text_of(&value), uri),
    };
    match mime_type {
        Some(mime_type) => contents.with_mime_type(mime_type),
        None => contents,
    }
}

/// The blocks that a tool gives itself, if it says that it does and they are such.
fn blocks(offer: &Offer, value: &Value) -> Option<Vec<ContentBlock>> {
    let said = offer.face().has_content.then(|| value.get("content"))??;
    serde_json::from_value(said.clone()).ok()
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

//! Tools of servers of others. Who calls them comes later, and is their maker.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use super::config;
use crate::definitions::DefinitionError;
use crate::definitions::members_of;
use crate::http::Invalid;
use crate::http::pointer_to;
use crate::tools::ToolContent;
use crate::tools::ToolDefinition;
use crate::tools::ToolKind;

/// What may be said of such a tool by others than its server.
const FREE: [&str; 5] = ["approval", "effect", "scopes", "is_active", "timeout_ms"];

/// The tool of a server that a tool of the kind `mcp` is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = McpToolConfig)]
pub struct OfServer {
    /// The name of the upstream.
    pub server: String,
    /// What it calls the tool.
    pub tool: String,
}

impl OfServer {
    /// Of which server `content` is, or what is wrong with what it says of that.
    pub fn of(content: &ToolContent) -> Result<Self, Vec<Invalid>> {
        if content.kind != ToolKind::Mcp {
            return Err(Vec::new());
        }
        config(content)
    }
}

/// Refuses a body by which somebody writes a tool, which is `current` before, if it says what the server of one says.
pub fn misplaced(
    current: Option<&Arc<ToolDefinition>>,
    body: &Map<String, Value>,
) -> Result<(), DefinitionError> {
    let faults = misplaced_in(current.map(|it| &it.content), body);
    if faults.is_empty() { Ok(()) } else { Err(DefinitionError::Invalid(faults)) }
}

fn misplaced_in(current: Option<&ToolContent>, body: &Map<String, Value>) -> Vec<Invalid> {
    let is_of_server = |kind: Option<&Value>| kind.is_some_and(|it| it == ToolKind::Mcp.as_str());
    let Some(current) = current.filter(|it| it.kind == ToolKind::Mcp) else {
        let detail = "such tools come with the server that they are of";
        let fault = Invalid::new("/kind", "not_one_of", detail);
        return is_of_server(body.get("kind")).then_some(fault).into_iter().collect();
    };
    let known = members_of(current);
    let differs = |member: &&String| {
        !FREE.contains(&member.as_str())
            && known.get(*member).is_some_and(|it| Some(it) != body.get(*member))
    };
    let detail = "is what the server of the tool says; leave it out, or send it as it is";
    let fault = |member: &String| Invalid::new(pointer_to("", member), "read_only", detail);
    body.keys().filter(differs).map(fault).collect()
}

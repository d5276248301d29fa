//! The kinds of tools that need nothing but their definition.

mod agent;
mod fixed;
mod mcp;
mod template;
mod workflow;

pub use agent::AskAgent;
pub use fixed::Static;
pub use mcp::OfServer;
pub use mcp::misplaced;
pub use template::Template;
pub use workflow::RunWorkflow;
pub use workflow::run_name;
pub use workflow::workflow_of;

use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::http::Invalid;
use crate::http::json;
use crate::tools::ToolContent;

/// The `config` of a tool as a `T`, or all that is wrong with it.
pub fn config<T: DeserializeOwned + ToSchema + 'static>(
    content: &ToolContent,
) -> Result<T, Vec<Invalid>> {
    json::read(content.config.clone().into())
        .map_err(|faults| faults.into_iter().map(|fault| fault.under("/config")).collect())
}

//! Tools that run a workflow.

use serde::Deserialize;
use utoipa::ToSchema;

use super::config;
use crate::http::Invalid;
use crate::tools::Does;
use crate::tools::Maker;
use crate::tools::ToolContent;
use crate::tools::ToolKind;

/// What the names of tools that run one workflow begin with, before its name.
const PREFIX: &str = "run_";

/// The kind `workflow`.
#[derive(Debug)]
pub struct RunWorkflow;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The name of the workflow.
    workflow: String,
}

impl Maker for RunWorkflow {
    fn kind(&self) -> ToolKind {
        ToolKind::Workflow
    }

    fn make(&self, content: &ToolContent) -> Result<Does, Vec<Invalid>> {
        let Config { workflow } = config(content)?;
        Ok(Does::Run(workflow))
    }
}

/// What the tool is called that runs the workflow `name`.
pub fn run_name(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// The workflow that a tool of this name runs.
pub fn workflow_of(tool: &str) -> Option<&str> {
    tool.strip_prefix(PREFIX)
}

//! Tools that ask an agent.

use serde::Deserialize;
use utoipa::ToSchema;

use super::config;
use crate::http::Invalid;
use crate::tools::Does;
use crate::tools::Maker;
use crate::tools::ToolContent;
use crate::tools::ToolKind;

/// The kind `agent`.
#[derive(Debug)]
pub struct AskAgent;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The name of the agent.
    agent: String,
}

impl Maker for AskAgent {
    fn kind(&self) -> ToolKind {
        ToolKind::Agent
    }

    fn make(&self, content: &ToolContent) -> Result<Does, Vec<Invalid>> {
        let Config { agent } = config(content)?;
        Ok(Does::Ask(agent))
    }
}

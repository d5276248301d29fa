//! The kinds of tools that definitions may be of, and what a call of each does.

use std::fmt;
use std::sync::Arc;

use engine::ToolSpec;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::future::join_all;
use futures::future::ready;
use serde_json::Map;
use serde_json::Value;

use crate::db::TenantId;
use crate::http::Invalid;
use crate::http::schema::Schema;
use crate::tools::Node;
use crate::tools::Tool;
use crate::tools::ToolContent;
use crate::tools::ToolKind;
use crate::tools::kinds::AskAgent;
use crate::tools::kinds::RunWorkflow;
use crate::tools::kinds::Static;
use crate::tools::kinds::Template;

/// A kind of tools: what `config` means, and what a call does.
///
/// A value of it holds what calls need beside the definition, such as a client for outgoing requests.
pub trait Maker: fmt::Debug + Send + Sync {
    fn kind(&self) -> ToolKind;

    /// What calls of a tool with this content do, or all that is wrong with it, with pointers into the
    /// definition. The same content always gives the same; nothing is looked for elsewhere.
    fn make(&self, content: &ToolContent) -> Result<Does, Vec<Invalid>>;

    /// What is wrong with those of the members in `given` that take a while to be looked at.
    fn examine<'a>(
        &'a self,
        tenant: &'a TenantId,
        given: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Vec<Invalid>> {
        let _ = (tenant, given);
        ready(Vec::new()).boxed()
    }
}

/// What a call does.
#[derive(Clone)]
pub enum Does {
    Call(Arc<dyn Tool>),
    /// It asks the agent of this name, in a run of its own.
    Ask(String),
    /// It runs the workflow of this name.
    Run(String),
}

/// A tool made ready for its calls.
#[derive(Debug)]
pub struct Ready {
    /// None: its schema is none, so it is never offered.
    pub spec: Option<ToolSpec>,
    /// None: it cannot be executed, as its problems say.
    pub does: Option<Does>,
    /// What results must be.
    pub output: Option<Schema>,
}

/// The kinds that this server can execute. Clones share them.
#[derive(Debug, Clone)]
pub struct Makers(Arc<Vec<Box<dyn Maker>>>);

impl Makers {
    /// Those that need nothing, and `more`.
    pub fn with(more: impl IntoIterator<Item = Box<dyn Maker>>) -> Self {
        let own: [Box<dyn Maker>; 4] =
            [Box::new(Static), Box::new(Template), Box::new(AskAgent), Box::new(RunWorkflow)];
        Self(Arc::new(own.into_iter().chain(more).collect()))
    }

    /// What is wrong with the members in `given` that takes a while to find.
    pub async fn examine(&self, tenant: &TenantId, given: &Map<String, Value>) -> Vec<Invalid> {
        let found = self.0.iter().map(|maker| maker.examine(tenant, given));
        join_all(found).await.concat()
    }

    /// What calls do, or all that is wrong with `content`. None: nobody here knows its kind.
    pub fn make(&self, content: &ToolContent) -> Option<Result<Does, Vec<Invalid>>> {
        Some(self.0.iter().find(|maker| maker.kind() == content.kind)?.make(content))
    }
}

impl Ready {
    /// The agent or the workflow of which a call begins a run.
    pub fn begins(&self) -> Option<Node> {
        match &self.does {
            Some(Does::Ask(agent)) => Some(Node::agent(agent)),
            Some(Does::Run(workflow)) => Some(Node::workflow(workflow)),
            Some(Does::Call(_)) | None => None,
        }
    }

    /// A tool at `version`, which one of the code does not have, whose calls do this.
    pub fn new(content: &ToolContent, version: Option<i64>, does: Option<Does>) -> Self {
        let tool = llm::Tool {
            name: content.name.clone(),
            description: content.description.clone(),
            input_schema: content.input_schema.clone(),
        };
        let output = content.output_schema.clone();
        Self {
            spec: ToolSpec::new(tool, version, content.effect).ok(),
            does,
            output: output.and_then(|schema| Schema::compile(schema).ok()),
        }
    }
}

impl fmt::Debug for Does {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(_) => f.write_str("Call"),
            Self::Ask(agent) => f.debug_tuple("Ask").field(agent).finish(),
            Self::Run(workflow) => f.debug_tuple("Run").field(workflow).finish(),
        }
    }
}

//! Tools: what a model may call, and what we do when it does.
//!
//! A tool is a row of `tool_definitions`, written by the API or in SQL, or is built in or defined in code. The
//! row is the truth; [`Tools`] holds what it was understood to say. Offering, checking and recording calls is
//! not done here.

mod approval;
mod circles;
mod content;
mod current_time;
pub mod http;
pub mod javascript;
mod kinds;
mod makers;
pub mod normalise;
pub mod openapi;
mod progress;
mod rag;
pub mod routes;
mod rows;
mod store;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use auth::scope::Scopes;
use engine::Consent;
use engine::Effect;
use futures::future::BoxFuture;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Definition;
use crate::definitions::DefinitionError;
use crate::definitions::Definitions;
use crate::definitions::Dependent;
use crate::definitions::Document;
use crate::definitions::InCode;
use crate::definitions::Kind;
use crate::definitions::OfCode;
use crate::definitions::Snapshot;
use crate::definitions::code_id;
use crate::egress::HostPattern;
use crate::http::Invalid;

pub use approval::Approval;
pub use circles::Known;
pub use circles::KnownOthers;
pub use circles::Node;
pub use content::Retry;
pub use content::ToolContent;
pub use content::ToolKind;
pub use current_time::current_time;
pub use kinds::OfServer;
pub use kinds::run_name;
pub use kinds::workflow_of;
pub use makers::Does;
pub use makers::Maker;
pub use makers::Makers;
pub use makers::Ready;
pub use progress::Progress;
pub use progress::Reports;
pub use progress::Told;
pub use rag::Search;
pub use rag::database_of;
pub use rag::search_name;
pub use rag::search_of;
pub use rows::Around;
pub use rows::DatabaseScopes;
pub use rows::KnownServer;
pub use rows::KnownServers;
pub use rows::ToolRows;
pub use store::list_workflows_with;

/// How long a call may take if its tool says nothing else.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// The definition of a tool, at one of its versions.
pub type ToolDefinition = Definition<ToolRows>;

/// The tools of all tenants.
pub type Tools = Definitions<ToolRows>;

/// The tools of a tenant at one moment.
pub type ToolSnapshot = Arc<Snapshot<ToolRows>>;

/// Something that can be called.
pub trait Tool: Send + Sync {
    /// The secrets that a call sends.
    fn secrets(&self) -> &[SecretUse] {
        &[]
    }

    /// The databases that a call searches.
    fn databases(&self) -> &[String] {
        &[]
    }

    /// Whether it makes a call that may be repeated anew by itself, so that nobody else should.
    fn repeats_itself(&self) -> bool {
        false
    }

    /// Whether it ends within the time of its tool by itself. It is given a little more, to say how.
    fn keeps_time(&self) -> bool {
        false
    }

    /// Makes one call, with arguments that the schema accepts. It may panic: that ends the call.
    fn call<'a>(
        &'a self,
        context: &'a ToolContext,
        arguments: Value,
    ) -> BoxFuture<'a, Result<Value, ToolFailure>>;
}

/// A secret that a definition names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUse {
    /// Where, in the definition.
    pub pointer: String,
    pub name: String,
    /// The hosts that it, or what is got with it, is sent to, where the definition tells.
    pub hosts: Vec<HostPattern>,
}

/// Why a call gave no result, in words for the model.
///
/// There is no conversion from other errors: only who made the call knows which of the two it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolFailure {
    /// The far side has answered, or was never reached: what was done is known.
    #[error("{0}")]
    Failed(String),
    /// The call was sent and its answer was lost, so that nobody knows whether it was done.
    #[error("{0}")]
    Unknown(String),
    /// Nothing was sent: the person for whom the run works must consent to something first. The run waits for
    /// that, and makes the call again.
    #[error("{0}")]
    Consent(Box<Consent>),
}

impl ToolFailure {
    /// Nothing was done, because of `why`.
    pub fn failed(why: impl fmt::Display) -> Self {
        Self::Failed(why.to_string())
    }

    /// Nobody knows whether it was done, because of `why`.
    pub fn unknown(why: impl fmt::Display) -> Self {
        Self::Unknown(why.to_string())
    }
}

/// On whose behalf and when a tool is called.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ToolContext {
    pub tenant: TenantId,
    /// Who began the run: `client:<client_id>` or `user:<id>`.
    pub subject: String,
    /// The client by which he did.
    pub client_id: String,
    pub run_id: Id,
    pub call_id: String,
    /// The same for every attempt of this call, and of no other: an `Idempotency-Key`.
    pub effect_id: String,
    pub now: At,
    /// What the caller may do, as far as his client holds it still.
    pub(crate) scopes: Scopes,
    /// Fires when nobody waits for the result any more: the run was canceled, or the time is up. The
    /// call itself is dropped then; this is for what it has started beside itself.
    pub abandoned: CancellationToken,
    pub(crate) reports: Arc<Reports>,
}

impl ToolContext {
    /// Lets those who watch the run know how far the call is: it becomes an event `tool.progress`. Of
    /// what is said within half a second the last word counts, and of one call a thousand.
    pub fn report(&self, progress: Progress) {
        self.reports.put(&self.call_id, progress);
    }
}

/// A tool of the program.
pub struct CodeTool {
    pub content: ToolContent,
    pub tool: Arc<dyn Tool>,
}

/// The tools of the program: no row can change them, but one of the same name goes before.
#[derive(Debug, Default)]
pub struct CodeTools {
    /// Of every tenant.
    built_in: OfCode<ToolRows>,
    /// These, and those of the tenant `default`.
    all: OfCode<ToolRows>,
}

impl CodeTools {
    /// Those that every server has.
    pub fn built_in() -> Self {
        let mut tools = Self::default();
        let tool = Arc::new(current_time().into_definition());
        tools.built_in.insert(tool.key(), Arc::clone(&tool));
        tools.all.insert(tool.key(), tool);
        tools
    }

    /// Adds a tool that is defined in code, or says what is wrong with its name.
    pub fn add(&mut self, tool: CodeTool) -> Result<(), Invalid> {
        let tool = tool.into_definition();
        if self.knows(&tool.content.name) {
            return Err(Invalid::new("/name", "not_unique", "there is a tool of this name"));
        }
        self.all.insert(tool.key(), Arc::new(tool));
        Ok(())
    }

    pub fn knows(&self, name: &str) -> bool {
        self.all.contains_key(&name.to_ascii_lowercase())
    }
}

impl From<CodeTools> for InCode<ToolRows> {
    fn from(CodeTools { built_in, all }: CodeTools) -> Self {
        Self::Unversioned { all: Arc::new(built_in), default: Arc::new(all) }
    }
}

impl CodeTool {
    pub fn into_definition(self) -> ToolDefinition {
        let Self { content, tool } = self;
        let ready = Ready::new(&content, None, Some(Does::Call(tool)));
        let id = code_id(ToolRows::NAME, &content.name);
        let document = Document::new(Map::from_iter([
            ("name".to_owned(), json!(content.name)),
            ("description".to_owned(), json!(content.description)),
            ("input_schema".to_owned(), content.input_schema.clone()),
            ("scopes".to_owned(), json!(content.scopes)),
            ("effect".to_owned(), json!(content.effect)),
            ("timeout_ms".to_owned(), json!(content.timeout_ms)),
        ]));
        ToolDefinition::unversioned(id, content, ready, &document)
    }
}

impl Tools {
    /// A script that is no tool, as one that only computes; none where no scripts are run.
    pub fn script(&self, code: String) -> Option<ToolDefinition> {
        let content = ToolContent {
            name: "script".to_owned(),
            kind: ToolKind::Javascript,
            effect: Effect::Read,
            execute_code: Some(code),
            timeout_ms: TIMEOUT.as_millis().try_into().unwrap_or(u64::MAX),
            ..ToolContent::default()
        };
        match self.kind().makers.make(&content)? {
            Ok(Does::Call(tool)) => Some(CodeTool { content, tool }.into_definition()),
            _ => None,
        }
    }

    /// The tools whose calls begin runs of `begun`.
    pub async fn that_begin(
        &self,
        conn: &mut Conn<'_>,
        tenant: &TenantId,
        begun: &Node,
    ) -> Result<Vec<Dependent>, DefinitionError> {
        let tools = self.seen_by(conn, tenant).await?;
        let begins_it = |tool: &&Arc<ToolDefinition>| tool.ready.begins().as_ref() == Some(begun);
        let names = tools.newest_first(None).filter(begins_it).map(|it| it.content.name.clone());
        Ok(names.map(|name| Dependent { kind: ToolRows::NAME, name }).collect())
    }
}

impl fmt::Debug for CodeTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeTool").field("name", &self.content.name).finish_non_exhaustive()
    }
}

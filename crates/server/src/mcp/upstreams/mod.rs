//! Servers of others, whose tools our agents call by MCP.
//!
//! An upstream is a definition. Its tools are taken in as definitions of the kind `mcp`, called `<upstream>__<tool>`, when
//! somebody who administers looks at it; what it says of one later is shown to nobody before that is accepted. [`client`]
//! asks it, [`wire`] says it in both eras of the protocol.

mod away;
mod begin;
mod challenge;
mod changes;
mod client;
mod consent;
mod content;
mod credential;
mod headers;
mod lines;
mod listen;
mod message;
mod normalise;
mod process;
mod programs;
mod rows;
mod sync;
mod tool;
mod watch;
mod wire;

use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use utoipa::ToSchema;

use crate::db::At;
use crate::definitions::Definition;
use crate::definitions::DefinitionError;
use crate::definitions::Definitions;
use crate::definitions::Document;
use crate::definitions::Source;

pub use client::Upstreams;
pub use client::Whose;
pub use consent::Away;
pub use consent::ConsentError;
pub use consent::Consents;
pub use consent::watch as watch_consents;
pub use content::UpstreamAuth;
pub use content::UpstreamContent;
pub use listen::listen;
pub use normalise::NewUpstream;
pub use normalise::UpstreamChange;
pub use rows::UpstreamRows;
pub use sync::accept;
pub use sync::delete;
pub use sync::refresh;
pub use sync::take_up;
pub use tool::RemoteTools;
pub use watch::heed;
pub use watch::watch;

/// The definition of an upstream, at one of its versions.
pub type Upstream = Definition<UpstreamRows>;

/// The upstreams of all tenants.
pub type UpstreamDefinitions = Definitions<UpstreamRows>;

/// Where the definition of an upstream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Row,
    /// Of a program.
    File,
}

impl Place {
    pub fn of(upstream: &Upstream) -> Self {
        match upstream.source {
            Source::Database => Self::Row,
            Source::Code => Self::File,
        }
    }
}

/// What was last seen of an upstream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// The revision of the protocol that it was spoken with in.
    pub protocol: Option<String>,
    /// Why it could not be asked.
    pub last_error: Option<String>,
    pub tools: Vec<SeenTool>,
    pub checked_at: Option<At>,
}

/// A tool of an upstream, as it was last seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = McpUpstreamTool)]
pub struct SeenTool {
    /// What the upstream calls it.
    #[schema(example = "create_issue")]
    pub name: String,
    /// What our agents call it; `null` if it cannot be taken in.
    #[schema(required, example = "github__create_issue")]
    pub tool: Option<String>,
    /// Whether it was taken in. It is called by what it said of itself then.
    pub pinned: bool,
    /// Whether it says something else now, or is gone. It is not used before that is accepted.
    pub changed: bool,
    /// Why it is not used.
    #[schema(required)]
    pub problem: Option<String>,
    /// What it says of itself now, if that is not what was taken in.
    #[schema(required)]
    pub offered: Option<Offered>,
}

/// What a tool of an upstream says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = McpUpstreamOffer)]
pub struct Offered {
    pub description: String,
    #[schema(value_type = Object)]
    pub input_schema: Value,
    #[schema(value_type = Option<Object>, required)]
    pub output_schema: Option<Value>,
}

/// How an upstream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = McpUpstreamState)]
pub enum State {
    /// Nobody has looked at it yet.
    Unknown,
    Connected,
    /// It cannot be asked, as `last_error` says.
    Failing,
    /// Whoever looked at it has to consent at `consent_url` first.
    NeedsConsent,
    /// It was asked, and says something else than what was accepted of some of its tools.
    Changed,
}

/// Why an upstream could not be looked at, or what was seen not be kept.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// It is another than what was looked at.
    #[error("what is offered now is not what was looked at")]
    OfferChanged(Box<Seen>),
    #[error("what was seen of an upstream cannot be written")]
    Json(#[from] serde_json::Error),
    #[error("the database refused a query of upstreams")]
    Database(#[from] sqlx::Error),
}

impl Seen {
    pub fn state(&self) -> State {
        if self.checked_at.is_none() {
            return State::Unknown;
        }
        if self.last_error.is_some() {
            return State::Failing;
        }
        if self.tools.iter().any(|it| it.changed) { State::Changed } else { State::Connected }
    }

    /// Of all that has changed and could be accepted, if anything has.
    pub fn offered_hash(&self) -> Option<String> {
        let changed = self.tools.iter().filter(|it| it.changed);
        let offers: Map<_, _> = changed.map(|it| (it.name.clone(), json!([it.offered]))).collect();
        (!offers.is_empty()).then(|| Document::new(offers).hash())
    }
}

/// An upstream that may be asked, or why not.
fn usable(upstream: Option<Arc<Upstream>>, name: &str) -> Result<Arc<Upstream>, String> {
    let Some(upstream) = upstream else {
        return Err(format!("there is no server `{name}` any more"));
    };
    if !upstream.is_active {
        return Err(format!("the server `{name}` is switched off"));
    }
    if upstream.content.is_program() && Place::of(&upstream) == Place::Row {
        return Err(format!("the server `{name}` is a program that only a file may name"));
    }
    match upstream.problems.first() {
        Some(problem) => Err(format!("the server `{name}` cannot be used: {}", problem.detail)),
        None => Ok(upstream),
    }
}

//! Tools that search databases of documents.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use engine::Effect;
use engine::RetrievalFinished;
use futures::FutureExt;
use futures::future::BoxFuture;
use retrieval::Filter;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use utoipa::ToSchema;

use super::kinds::config;
use crate::http::Invalid;
use crate::rag::Answer;
use crate::rag::Database;
use crate::rag::Found;
use crate::rag::Mode;
use crate::rag::Query;
use crate::rag::Rag;
use crate::rag::RagError;
use crate::rag::Rerank;
use crate::rag::SearchDefaults;
use crate::tools::CodeTool;
use crate::tools::Does;
use crate::tools::Maker;
use crate::tools::Tool;
use crate::tools::ToolContent;
use crate::tools::ToolContext;
use crate::tools::ToolDefinition;
use crate::tools::ToolFailure;
use crate::tools::ToolKind;

/// What the names of tools that search one database begin with, before its name.
const PREFIX: &str = "search_";

/// The kind `rag`.
#[derive(Debug)]
pub struct Search(pub Rag);

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The databases that are searched.
    #[schema(min_items = 1, max_items = 20)]
    databases: Vec<String>,
    #[serde(default)]
    #[schema(required = false)]
    mode: Mode,
    /// Passages in a result, of all databases together.
    #[serde(default = "usual_top_k")]
    #[schema(required = false, minimum = 1, maximum = 50)]
    top_k: u32,
    /// Which documents, by their metadata.
    #[schema(value_type = Option<Object>, required = false)]
    filter: Option<Value>,
    #[schema(required = false)]
    rerank: Option<Rerank>,
}

fn usual_top_k() -> u32 {
    5
}

impl Maker for Search {
    fn kind(&self) -> ToolKind {
        ToolKind::Rag
    }

    fn make(&self, content: &ToolContent) -> Result<Does, Vec<Invalid>> {
        let Config { databases, mode, top_k, filter, rerank } = config(content)?;
        let filter = filter.as_ref().map_or_else(|| Ok(Filter::all()), Filter::parse);
        let filter = filter.map_err(|error| {
            let place = format!("/config/filter{}", error.pointer);
            vec![Invalid::new(place, "bad_filter", error.reason)]
        })?;
        let asks = content.input_schema.pointer("/properties/query").is_some();
        if !asks {
            let detail = "a tool of kind `rag` takes a `query`, a string";
            return Err(vec![Invalid::new("/input_schema", "missing_member", detail)]);
        }
        let check = |rerank| self.0.embedders().check_reranker("/config/rerank/model", rerank);
        if let Some(fault) = rerank.as_ref().and_then(check) {
            return Err(vec![fault]);
        }
        let (rag, top_k) = (self.0.clone(), top_k as usize);
        let query = Query { mode, top_k, rerank, ..Query::of(String::new(), filter) };
        Ok(Does::Call(Arc::new(Searcher { rag, databases, query, show: whole })))
    }
}

/// The tool `search_<database>` by which models search `database` as it says itself. Whoever calls it holds what the
/// database demands.
pub fn search_of(rag: &Rag, database: &Database) -> ToolDefinition {
    let content = &database.content;
    let description = match content.description.as_str() {
        "" => format!("Searches the documents of {}.", content.display_name),
        about => format!("Searches the documents of {}: {about}", content.display_name),
    };
    let input_schema = json!({
        "type": "object",
        "properties": {"query": {
            "type": "string",
            "minLength": 1,
            "maxLength": 2000,
            "description": "What to look for, in words that the documents may use.",
        }},
        "required": ["query"],
        "additionalProperties": false,
    });
    let SearchDefaults { mode, top_k, min_score, rerank } = content.search.clone();
    let (top_k, usual) = (top_k as usize, Query::of(String::new(), Filter::all()));
    let query = Query { mode, top_k, min_score, rerank, ..usual };
    let (rag, databases) = (rag.clone(), vec![content.name.clone()]);
    let tool = CodeTool {
        content: ToolContent {
            name: search_name(&content.name),
            display_name: content.display_name.clone(),
            description,
            kind: ToolKind::Rag,
            input_schema,
            effect: Effect::Read,
            scopes: content.scopes.clone(),
            ..ToolContent::default()
        },
        tool: Arc::new(Searcher { rag, databases, query, show: brief }),
    };
    tool.into_definition()
}

/// What the tool is called that searches the database `name`.
pub fn search_name(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// The database that a tool of this name searches.
pub fn database_of(tool: &str) -> Option<&str> {
    tool.strip_prefix(PREFIX)
}

struct Searcher {
    rag: Rag,
    databases: Vec<String>,
    /// What is looked for, but for its text.
    query: Query,
    /// What a result tells of a passage.
    show: fn(&Found) -> Value,
}

/// For programs.
fn whole(found: &Found) -> Value {
    json!({"text": found.text, "citation": found.citation})
}

/// For models, which pay for each word: programs find the rest in the citations of the run.
fn brief(Found { text, citation, .. }: &Found) -> Value {
    let (filename, page) = (&citation.filename, citation.page);
    json!({"filename": filename, "page": page, "heading_path": citation.heading_path, "text": text})
}

impl Tool for Searcher {
    fn databases(&self) -> &[String] {
        &self.databases
    }

    fn call<'a>(
        &'a self,
        context: &'a ToolContext,
        arguments: Value,
    ) -> BoxFuture<'a, Result<Value, ToolFailure>> {
        async move {
            let Some(text) = arguments.get("query").and_then(Value::as_str) else {
                return Err(ToolFailure::failed("the argument `query` must be a string"));
            };
            let query = Query { text: text.to_owned(), ..self.query.clone() };
            let holds = |scope: &str| context.scopes.covers(scope);
            let began = Instant::now();
            let found = self.rag.search_all(&context.tenant, &self.databases, &query, holds).await;
            let Answer { found, warnings, .. } = found.map_err(failed)?;
            context.reports.note(RetrievalFinished {
                call_id: context.call_id.clone(),
                databases: self.databases.clone(),
                query: query.text,
                citations: found.iter().map(|it| json!(it.citation)).collect(),
                duration_ms: began.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
            });
            let mut result = json!({ "passages": found.iter().map(self.show).collect::<Vec<_>>() });
            if !warnings.is_empty() {
                result["warnings"] = json!(warnings);
            }
            Ok(result)
        }
        .boxed()
    }
}

/// What the model is told. A fault of ours is not described to it.
fn failed(error: RagError) -> ToolFailure {
    match error {
        RagError::Definition(_) | RagError::DatabaseInvalid { .. } | RagError::Embed(_) => {
            ToolFailure::failed(error)
        }
        other => {
            tracing::error!(error = &other as &dyn std::error::Error, "a tool could not search");
            ToolFailure::failed("the search is not possible now")
        }
    }
}

impl fmt::Debug for Searcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Searcher").field("databases", &self.databases).finish_non_exhaustive()
    }
}

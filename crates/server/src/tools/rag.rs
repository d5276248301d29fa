//! Tools that search databases of documents.

use std::fmt;
use std::sync::Arc;

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
use crate::rag::Mode;
use crate::rag::Query;
use crate::rag::Rag;
use crate::rag::RagError;
use crate::tools::Does;
use crate::tools::Maker;
use crate::tools::Tool;
use crate::tools::ToolContent;
use crate::tools::ToolContext;
use crate::tools::ToolFailure;
use crate::tools::ToolKind;

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
}

fn usual_top_k() -> u32 {
    5
}

impl Maker for Search {
    fn kind(&self) -> ToolKind {
        ToolKind::Rag
    }

    fn make(&self, content: &ToolContent) -> Result<Does, Vec<Invalid>> {
        let Config { databases, mode, top_k, filter } = config(content)?;
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
        let (rag, top_k) = (self.0.clone(), top_k as usize);
        Ok(Does::Call(Arc::new(Searcher { rag, databases, mode, top_k, filter })))
    }
}

struct Searcher {
    rag: Rag,
    databases: Vec<String>,
    mode: Mode,
    top_k: usize,
    filter: Filter,
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
            let query = Query {
                text: text.to_owned(),
                mode: self.mode,
                top_k: self.top_k,
                min_score: None,
                filter: self.filter.clone(),
                diversity: None,
            };
            let holds = |scope: &str| context.scopes.covers(scope);
            let found = self.rag.search_all(&context.tenant, &self.databases, &query, holds).await;
            let Answer { found, warnings, .. } = found.map_err(failed)?;
            let show = |it: &crate::rag::Found| json!({"text": it.text, "citation": it.citation});
            let mut result = json!({ "passages": found.iter().map(show).collect::<Vec<_>>() });
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

//! `/rag/databases/{id}/search`.

use std::time::Instant;

use axum::Json;
use axum::extract::State;
use retrieval::Filter;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::holds_all;
use crate::app::App;
use crate::definitions::DefinitionError;
use crate::http::Body;
use crate::http::Invalid;
use crate::http::Path;
use crate::http::Problem;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::RagSearch;
use crate::rag::Answer;
use crate::rag::DatabaseRows;
use crate::rag::databases::Mode;
use crate::rag::databases::Rerank;
use crate::rag::databases::SearchDefaults;
use crate::rag::search::Found;
use crate::rag::search::Query;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(search_rag_database)).routes(routes!(search_rag_databases))
}

/// What is looked for. What it does not say, the database's `search` does.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RagQuery {
    /// Taken for what it is, in any language: there are no operators.
    #[schema(min_length = 1, max_length = 10_000, example = "parental leave")]
    query: String,
    #[schema(required = false)]
    mode: Option<Mode>,
    #[schema(required = false, minimum = 1, maximum = 100)]
    top_k: Option<u32>,
    /// Passages with a lower `score` are left out.
    #[schema(required = false)]
    min_score: Option<f32>,
    /// Which documents, by their metadata: `{"team": "hr", "year": {"$gte": 2024}}`.
    #[schema(value_type = Option<Object>, required = false)]
    filter: Option<Value>,
    /// Who looks again at what is found, and for how long he is waited for.
    #[schema(required = false)]
    rerank: Option<Rerank>,
    /// 0 to 1: how much results should differ from each other.
    #[schema(required = false, minimum = 0, maximum = 1)]
    diversity: Option<f32>,
}

/// What is looked for in several databases.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RagQueries {
    /// By their ids or names.
    #[schema(min_items = 1, max_items = 20, example = json!(["handbook", "contracts"]))]
    databases: Vec<String>,
    /// Taken for what it is, in any language: there are no operators.
    #[schema(min_length = 1, max_length = 10_000, example = "parental leave")]
    query: String,
    /// `hybrid` if absent.
    #[schema(required = false)]
    mode: Option<Mode>,
    /// 5 if absent.
    #[schema(required = false, minimum = 1, maximum = 100)]
    top_k: Option<u32>,
    /// Passages with a lower `score` are left out.
    #[schema(required = false)]
    min_score: Option<f32>,
    /// Which documents, by their metadata: `{"team": "hr", "year": {"$gte": 2024}}`.
    #[schema(value_type = Option<Object>, required = false)]
    filter: Option<Value>,
    /// Who looks again at what is found, and for how long he is waited for.
    #[schema(required = false)]
    rerank: Option<Rerank>,
    /// 0 to 1: how much results should differ from each other.
    #[schema(required = false, minimum = 0, maximum = 1)]
    diversity: Option<f32>,
}

/// The passages that were found, the best first.
#[derive(Debug, Serialize, ToSchema)]
struct RagAnswer {
    data: Vec<Found>,
    mode: Mode,
    /// Of the vectors that were searched; `null` for several databases.
    #[schema(required)]
    generation: Option<i64>,
    took_ms: u64,
    warnings: Vec<String>,
}

/// Search a database
///
/// Finds passages of the documents that the caller may find, as they are now.
#[utoipa::path(post, path = "/rag/databases/{id}/search", tag = "rag",
    params(("id" = String, Path, description = "Id or name of the database")), request_body = RagQuery,
    responses((status = 200, body = RagAnswer), Problem),
    security(("oauth2" = ["rag.search"])))]
async fn search_rag_database(
    State(app): State<App>,
    caller: Caller<RagSearch>,
    Path(id_or_name): Path<String>,
    Body(body): Body<RagQuery>,
) -> Result<Json<RagAnswer>, Problem> {
    let began = Instant::now();
    let found = app.rag.databases().find(&caller.tenant, &id_or_name).await?;
    let visible = found.filter(|it| holds_all(&caller, &it.content.scopes));
    let database =
        visible.ok_or_else(|| DefinitionError::not_found::<DatabaseRows>(&id_or_name))?;
    let query = understand(&app, body, database.content.search.clone())?;
    let mode = query.mode;
    let holds = |scope: &str| caller.holds(scope);
    let answer = app.rag.search(&caller.tenant, &database, query, holds).await?;
    Ok(Json(RagAnswer::new(answer, mode, began)))
}

/// Search several databases
///
/// As if they were one: words are as rare as they are in all of them, and vectors of one model are compared with each
/// other. A database that cannot be searched is left out, and `warnings[]` says why.
#[utoipa::path(post, path = "/rag/search", tag = "rag", request_body = RagQueries,
    responses((status = 200, body = RagAnswer), Problem),
    security(("oauth2" = ["rag.search"])))]
async fn search_rag_databases(
    State(app): State<App>,
    caller: Caller<RagSearch>,
    Body(body): Body<RagQueries>,
) -> Result<Json<RagAnswer>, Problem> {
    let began = Instant::now();
    let RagQueries { databases, query, mode, top_k, min_score, filter, rerank, diversity } = body;
    let one = RagQuery { query, mode, top_k, min_score, filter, rerank, diversity };
    let query = understand(&app, one, SearchDefaults::default())?;
    let holds = |scope: &str| caller.holds(scope);
    let answer = app.rag.search_all(&caller.tenant, &databases, &query, holds).await?;
    Ok(Json(RagAnswer::new(answer, query.mode, began)))
}

impl RagAnswer {
    fn new(answer: Answer, mode: Mode, began: Instant) -> Self {
        let Answer { found, generations, warnings } = answer;
        let generation = match generations.as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Self { data: found, mode, generation, took_ms, warnings }
    }
}

fn understand(app: &App, body: RagQuery, usual: SearchDefaults) -> Result<Query, Problem> {
    let mut faults = Vec::new();
    if let Some(rerank) = &body.rerank {
        faults.extend(app.rag.embedders().check_reranker("/rerank/model", rerank));
    }
    let filter = body.filter.as_ref().map_or_else(|| Ok(Filter::all()), Filter::parse);
    let filter = filter.map_err(|error| {
        faults.push(Invalid::new(format!("/filter{}", error.pointer), "bad_filter", error.reason));
    });
    match filter {
        Ok(filter) if faults.is_empty() => Ok(Query {
            text: body.query,
            mode: body.mode.unwrap_or(usual.mode),
            top_k: body.top_k.unwrap_or(usual.top_k) as usize,
            min_score: body.min_score.or(usual.min_score),
            filter,
            diversity: body.diversity,
            rerank: body.rerank.or(usual.rerank),
        }),
        _ => Err(Problem::invalid(faults)),
    }
}

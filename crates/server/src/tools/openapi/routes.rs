//! `/tools/import/openapi`: a document goes in, tools come out.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::Method;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Import;
use super::Skipped;
use super::Wanted;
use super::import;
use super::read;
use crate::app::App;
use crate::db::Id;
use crate::definitions::Author;
use crate::definitions::DefinitionError;
use crate::egress;
use crate::egress::Limits;
use crate::egress::Request;
use crate::http::Invalid;
use crate::http::Keyed;
use crate::http::Problem;
use crate::http::once::Answers;
use crate::http::once::once;
use crate::oauth::caller::Caller;
use crate::oauth::caller::Principal;
use crate::oauth::scopes::ToolWrite;
use crate::tools::ToolContent;

/// The longest document that is fetched, in bytes, and how long that may take.
const LONGEST: usize = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(20);
/// As many tools are made by one request.
const MOST: usize = 200;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(import_openapi))
}

/// What is imported. There is a `document` or a `url`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ImportOpenapi {
    /// OpenAPI 3.0 or 3.1: as JSON, or a text in JSON or YAML.
    #[schema(value_type = Option<Value>)]
    document: Option<Value>,
    /// Where it is: public `https`, or what the operator permits.
    #[schema(max_length = 2048)]
    url: Option<String>,
    /// By `operationId`, or such as `GET /orders/{id}`; all if absent.
    #[schema(max_items = 5000)]
    operations: Option<Vec<String>>,
    /// The URL that paths stand behind, in the place of what the document says.
    #[schema(max_length = 2048, example = "https://api.example.com/v1")]
    server: Option<String>,
    /// `auth` of all tools, in the place of what the document says.
    #[schema(value_type = Option<Object>)]
    auth: Option<Value>,
    /// Whether tools are only shown, and none is made.
    #[serde(default = "yes")]
    #[schema(default = true)]
    dry_run: bool,
}

/// What came of an import.
#[derive(Debug, Serialize, ToSchema)]
struct Imported {
    /// The tools that would be made, or were.
    data: Vec<ImportedTool>,
    /// The operations that are no tools, with the reasons.
    skipped: Vec<Skipped>,
}

/// A tool of an operation.
#[derive(Debug, Serialize, ToSchema)]
struct ImportedTool {
    /// `null`, if it is not made.
    #[schema(required)]
    id: Option<Id>,
    #[serde(flatten)]
    content: ToolContent,
}

fn yes() -> bool {
    true
}

/// Import tools
///
/// Makes tools of kind `http` of the operations of an OpenAPI document. An operation that cannot be one, or whose
/// tool is refused, is skipped with the reason. `dry_run` is the default.
#[utoipa::path(post, path = "/tools/import/openapi", tag = "tools",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same again is done once")),
    request_body = ImportOpenapi,
    responses((status = 200, body = Imported), Problem),
    security(("oauth2" = ["tool.write"])))]
async fn import_openapi(
    State(app): State<App>,
    caller: Caller<ToolWrite>,
    Keyed { body, key }: Keyed<ImportOpenapi>,
) -> Response {
    let import = Box::pin(async { import_all(&app, &caller, body).await.map(Json) });
    once(&app, caller.owner(), key, Answers::Kept, import).await
}

async fn import_all(
    app: &App,
    caller: &Principal,
    asked: ImportOpenapi,
) -> Result<Imported, Problem> {
    let source = source(app, &asked).await?;
    let is_given = asked.document.is_some();
    let ImportOpenapi { url, operations, server, auth, dry_run, .. } = asked;
    let made = tokio::task::spawn_blocking(move || {
        let wanted = Wanted {
            auth: auth.as_ref(),
            operations: operations.as_deref(),
            server: server.as_deref(),
            url: url.as_deref(),
        };
        let document = match source {
            Source::Document(document) => document,
            Source::Text(text) => {
                read(&text).map_err(|why| vec![Invalid::new("", "bad_document", why)])?
            }
        };
        import(&document, &wanted)
    });
    let made = made.await.map_err(|error| Problem::internal(&error))?;
    let in_body = |fault: Invalid| match is_given {
        _ if fault.pointer.starts_with("/operations") => fault,
        true => fault.under("/document"),
        false => Invalid { pointer: "/url".to_owned(), ..fault },
    };
    let Import { tools, skipped } =
        made.map_err(|faults| Problem::invalid(faults.into_iter().map(in_body).collect()))?;
    if !dry_run && tools.len() > MOST {
        let detail = format!(
            "the document has {} of them, and {MOST} are made at once; say which",
            tools.len()
        );
        return Err(Problem::invalid(vec![Invalid::new("/operations", "too_many", detail)]));
    }
    let wish = if dry_run { Wish::Dry } else { Wish::Real };
    make(app, caller.author(), wish, tools, skipped).await
}

/// Whether tools are made, or only looked at.
#[derive(Clone, Copy)]
enum Wish {
    Dry,
    Real,
}

/// Makes the tools, one after the other, and says of those that are refused why; or says what would come of it.
async fn make(
    app: &App,
    author: Author<'_>,
    wish: Wish,
    tools: Vec<Map<String, Value>>,
    mut skipped: Vec<Skipped>,
) -> Result<Imported, Problem> {
    let mut data = Vec::new();
    for tool in tools {
        let operation = tool.get("metadata").and_then(|it| it.pointer("/openapi/operation"));
        let operation = operation.and_then(Value::as_str).unwrap_or_default().to_owned();
        let made = match wish {
            Wish::Dry => app.tools.consider(author, tool).await.map(|it| (None, it.content)),
            Wish::Real => {
                let made = app.tools.create(author, tool).await;
                made.map(|it| (Some(it.id), it.content.clone()))
            }
        };
        match made {
            Ok((id, content)) => data.push(ImportedTool { id, content }),
            Err(DefinitionError::Database(cause)) => {
                return Err(DefinitionError::Database(cause).into());
            }
            Err(refused) => skipped.push(Skipped { operation, reason: reason(&refused) }),
        }
    }
    Ok(Imported { data, skipped })
}

fn reason(refused: &DefinitionError) -> String {
    match refused {
        DefinitionError::Invalid(faults) => {
            let faults = faults.iter().map(|it| format!("{} (at `{}`)", it.detail, it.pointer));
            faults.collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

/// What is imported, which may take a while to read.
enum Source {
    Document(Value),
    Text(String),
}

/// The document that is given, or that is where the URL says.
async fn source(app: &App, asked: &ImportOpenapi) -> Result<Source, Problem> {
    let fault =
        |at: &str, code, detail: &str| Problem::invalid(vec![Invalid::new(at, code, detail)]);
    match (&asked.document, &asked.url) {
        (Some(Value::String(text)), None) => Ok(Source::Text(text.clone())),
        (Some(document), None) => Ok(Source::Document(document.clone())),
        (None, Some(url)) => {
            let text = fetch(app, url).await;
            text.map(Source::Text).map_err(|why| fault("/url", "bad_document", &why))
        }
        _ => Err(fault("/document", "missing_member", "there must be a `document` or a `url`")),
    }
}

async fn fetch(app: &App, url: &str) -> Result<String, String> {
    let limits = Limits { time: PATIENCE, response: egress::Wanted::Body(LONGEST), hosts: None };
    let answer = app.egress.send(Request::new(Method::GET, url, limits)).await;
    let answer = answer.map_err(|error| error.to_string())?;
    if !answer.status.is_success() {
        return Err(format!("the far side answered {}", answer.status));
    }
    String::from_utf8(answer.body.to_vec()).map_err(|_| "it is no text in UTF-8".to_owned())
}

//! `/rag`: databases, their documents, and search.

mod databases;
mod documents;
mod search;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::definitions::DefinitionError;
use crate::http::Problem;
use crate::oauth::caller::Principal;
use crate::rag::Database;
use crate::rag::DatabaseRows;
use crate::rag::Document;
use crate::rag::RagError;

pub use documents::uploads;

/// After how long an upload that was lost may be sent again.
const AGAIN: Duration = Duration::from_secs(1);

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(databases::router())
        .merge(documents::router())
        .merge(search::router())
}

/// The database that `id_or_name` names, if `caller` may know that it is there.
async fn find(app: &App, caller: &Principal, id_or_name: &str) -> Result<Arc<Database>, RagError> {
    let found = app.rag.databases().find(&caller.tenant, id_or_name).await?;
    let visible = found.filter(|database| is_visible(database, caller));
    Ok(visible.ok_or_else(|| DefinitionError::not_found::<DatabaseRows>(id_or_name))?)
}

/// Who may change databases or administers sees all of them, others those that they may search.
fn is_visible(database: &Database, caller: &Principal) -> bool {
    manages(caller) || holds_all(caller, &database.content.scopes)
}

/// The same for a document.
fn may_read(document: &Document, caller: &Principal) -> bool {
    manages(caller) || holds_all(caller, &document.scopes)
}

fn manages(caller: &Principal) -> bool {
    caller.holds("rag.write") || caller.holds("admin.read")
}

fn holds_all(caller: &Principal, scopes: &[String]) -> bool {
    scopes.iter().all(|scope| caller.holds(scope))
}

impl From<RagError> for Problem {
    fn from(error: RagError) -> Self {
        match error {
            RagError::DocumentNotFound(_) => Problem::not_found("rag-document-not-found", error),
            RagError::DatabaseInvalid { ref problems, .. } => {
                let problems = problems.clone();
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Problem::new(status, "rag-database-invalid", error).errors(problems)
            }
            RagError::Duplicate(id) => {
                Problem::conflict("rag-document-duplicate", error).with("document", id)
            }
            RagError::FileTooLarge(limit) => {
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", error)
                    .with("limit", limit)
            }
            RagError::UploadLost => Problem::unavailable(AGAIN),
            RagError::IndexTooLarge { .. } => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "rag-database-too-large", error)
            }
            RagError::FilterUnsupported { .. } => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "filter-unsupported", error)
            }
            RagError::Store(_) => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "vector-store-unavailable", error)
            }
            RagError::Invalid(faults) => Problem::invalid(faults),
            RagError::Definition(error) => error.into(),
            RagError::Embed(_) => {
                Problem::new(StatusCode::BAD_GATEWAY, "rag-embedding-failed", error)
            }
            RagError::Json(_) | RagError::Broken(_) | RagError::Feed(_) | RagError::Database(_) => {
                Problem::internal(&error)
            }
        }
    }
}

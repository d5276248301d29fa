//! `GET /threads/{id}/export`.

use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use http::HeaderValue;
use http::header;
use serde::Serialize;
use utoipa::ToSchema;

use super::find;
use crate::app::App;
use crate::db::Id;
use crate::db::TenantId;
use crate::http::Path;
use crate::http::Problem;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::ThreadRead;
use crate::runs::RunsError;
use crate::runs::threads::Thread;
use crate::runs::threads::ThreadMessage;
use crate::runs::threads::store;

/// Messages that an export reads at once.
const PAGE: i64 = 200;

/// A thread with all that was said in it.
#[derive(Debug, Serialize, ToSchema)]
struct ThreadExport {
    thread: Thread,
    messages: Vec<ThreadMessage>,
}

/// Export a thread
///
/// With all of its messages, as one file.
#[utoipa::path(get, path = "/threads/{id}/export", tag = "threads",
    params(("id" = String, Path, description = "Id of the thread")),
    responses((status = 200, body = ThreadExport), Problem),
    security(("oauth2" = ["thread.read"])))]
pub async fn export_thread(
    State(app): State<App>,
    caller: Caller<ThreadRead>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let thread = find(&app, &caller, &id, "admin.read").await?;
    let name = HeaderValue::try_from(format!("attachment; filename=\"thread-{}.json\"", thread.id));
    let name = name.map_err(|error| Problem::internal(&error))?;
    let start = serde_json::to_string(&thread).map_err(RunsError::from)?;
    let start = Bytes::from(format!(r#"{{"thread":{start},"messages":["#));
    // A thread may be longer than our memory: it is read as it is sent.
    let (id, all) = (thread.id, thread.message_count);
    let export = Export { app, tenant: caller.tenant.clone(), id, all, sent: 0 };
    let rest = stream::try_unfold(Some(export), async |export| match export {
        Some(export) => export.next().await.map(Some),
        None => Ok(None),
    });
    let whole = stream::once(async { Ok::<_, RunsError>(start) }).chain(rest);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from_stream(whole)).into_response())
}

/// An export that is under way.
struct Export {
    app: App,
    tenant: TenantId,
    id: Id,
    /// How many messages the thread had at the beginning, and how many of them are sent.
    all: u64,
    sent: u64,
}

impl Export {
    /// The next piece, and what is left to do after it.
    async fn next(mut self) -> Result<(Bytes, Option<Self>), RunsError> {
        let (tenant, id, sent) = (&self.tenant, self.id, self.sent.cast_signed());
        let messages =
            self.app.db.read(async |conn| store::messages(conn, tenant, id, sent, PAGE).await);
        let mut text = String::new();
        for message in messages.await?.into_iter().take_while(|it| it.seq <= self.all) {
            if self.sent > 0 {
                text.push(',');
            }
            text += &serde_json::to_string(&message)?;
            self.sent = message.seq;
        }
        if !text.is_empty() && self.sent < self.all {
            return Ok((text.into(), Some(self)));
        }
        text += "]}";
        Ok((text.into(), None))
    }
}

//! `/threads`: who may see, write and delete which.

mod export;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Change;
use super::NewMessage;
use super::NewMessages;
use super::Thread;
use super::ThreadChange;
use super::ThreadMessage;
use super::delete;
use super::delete::Erased;
use super::store;
use super::store::Filter;
use super::store::end_user::EndUser;
use crate::app::App;
use crate::db::Id;
use crate::definitions::metadata;
use crate::http::Body;
use crate::http::Created;
use crate::http::Keyed;
use crate::http::Located;
use crate::http::NoContent;
use crate::http::OnlyPaging;
use crate::http::Page;
use crate::http::Paging;
use crate::http::Path;
use crate::http::Problem;
use crate::http::Query;
use crate::http::once::Answers;
use crate::http::once::once;
use crate::oauth::caller::Caller;
use crate::oauth::caller::Principal;
use crate::oauth::caller::insufficient;
use crate::oauth::scopes::ThreadRead;
use crate::oauth::scopes::ThreadWrite;
use crate::runs::RunsError;
use crate::runs::asked::InputMessage;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_threads, create_thread, delete_end_user))
        .routes(routes!(read_thread, change_thread, delete_thread))
        .routes(routes!(list_messages, add_message))
        .routes(routes!(export::export_thread))
}

/// What a new thread has.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct NewThread {
    #[schema(max_length = 200, example = "My order")]
    title: Option<String>,
    /// The caller's own name for its end user, to whom the thread belongs from then on.
    #[schema(min_length = 1, max_length = 128, example = "u-123")]
    user: Option<String>,
    /// Yours; at most 16 kB and 8 levels deep.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ThreadFilter {
    /// The caller's own name for an end user.
    user: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichUser {
    /// The end user.
    #[param(min_length = 1, max_length = 128)]
    user: String,
    /// Who calls him so; the caller, if not said. Somebody else takes `admin.write`.
    #[param(example = "client:shop")]
    subject: Option<String>,
}

/// List threads
///
/// The newest first; one's own, or all with `admin.read`.
#[utoipa::path(get, path = "/threads", tag = "threads", params(ThreadFilter, Paging),
    responses((status = 200, body = Page<Thread>), Problem),
    security(("oauth2" = ["thread.read"])))]
async fn list_threads(
    State(app): State<App>,
    caller: Caller<ThreadRead>,
    paging: Paging,
    Query(filter): Query<ThreadFilter>,
) -> Result<Page<Thread>, Problem> {
    let filter = Filter {
        subject: (!caller.holds("admin.read")).then(|| caller.subject.to_string()),
        user: filter.user,
        before: paging.after()?,
    };
    let (tenant, rows) = (&caller.tenant, paging.rows());
    let threads = app.db.read(async |conn| store::list(conn, tenant, &filter, rows).await).await?;
    Ok(paging.page(threads, |it: &Thread| it.id))
}

/// Create a thread
#[utoipa::path(post, path = "/threads", tag = "threads", request_body = NewThread,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same again is done once")),
    responses((status = 201, body = Thread, headers(("Location" = String))), Problem),
    security(("oauth2" = ["thread.write"])))]
async fn create_thread(
    State(app): State<App>,
    caller: Caller<ThreadWrite>,
    Keyed { body, key }: Keyed<NewThread>,
) -> Response {
    let create = async {
        check(&body.metadata)?;
        let now = app.clock.now();
        let thread = Thread {
            id: app.ids.next(),
            title: body.title,
            user: body.user,
            subject: caller.subject.to_string(),
            message_count: 0,
            active_run_id: None,
            next_run_id: None,
            metadata: body.metadata,
            created_at: now,
            updated_at: now,
        };
        let tenant = &caller.tenant;
        app.db.write(async |tx| store::insert(tx, tenant, &thread).await).await?;
        Ok::<_, Problem>(Created(thread))
    };
    once(&app, caller.owner(), key, Answers::Kept, create).await
}

/// Read a thread
#[utoipa::path(get, path = "/threads/{id}", tag = "threads",
    params(("id" = String, Path, description = "Id of the thread")),
    responses((status = 200, body = Thread), Problem),
    security(("oauth2" = ["thread.read"])))]
async fn read_thread(
    State(app): State<App>,
    caller: Caller<ThreadRead>,
    Path(id): Path<String>,
) -> Result<Json<Thread>, Problem> {
    Ok(Json(find(&app, &caller, &id, "admin.read").await?))
}

/// Change a thread
///
/// Its title and its metadata. Members that are not in the body stay as they are.
#[utoipa::path(put, path = "/threads/{id}", tag = "threads",
    params(("id" = String, Path, description = "Id of the thread")), request_body = ThreadChange,
    responses((status = 200, body = Thread), Problem),
    security(("oauth2" = ["thread.write"])))]
async fn change_thread(
    State(app): State<App>,
    caller: Caller<ThreadWrite>,
    Path(id): Path<String>,
    Body(change): Body<ThreadChange>,
) -> Result<Json<Thread>, Problem> {
    let thread_id = find(&app, &caller, &id, "admin.write").await?.id;
    if let Change::To(Some(metadata)) = &change.metadata {
        check(metadata)?;
    }
    let (tenant, now) = (&caller.tenant, app.clock.now());
    let changed = app.db.write(async |tx| {
        store::update(tx, tenant, thread_id, &change, now).await?;
        store::find(tx, tenant, thread_id).await
    });
    Ok(Json(changed.await?.ok_or(RunsError::ThreadNotFound(id))?))
}

/// Delete a thread
///
/// With its messages. Its runs stay; one that is at work on it goes on, and leaves nothing there.
#[utoipa::path(delete, path = "/threads/{id}", tag = "threads",
    params(("id" = String, Path, description = "Id of the thread")),
    responses((status = 204), Problem),
    security(("oauth2" = ["thread.write"])))]
async fn delete_thread(
    State(app): State<App>,
    caller: Caller<ThreadWrite>,
    Path(id): Path<String>,
) -> Result<NoContent, Problem> {
    let thread_id = find(&app, &caller, &id, "admin.write").await?.id;
    if delete::thread(&app.runs, &caller.tenant, thread_id).await? {
        return Ok(NoContent);
    }
    Err(RunsError::ThreadNotFound(id).into())
}

/// Delete all that is kept of an end user
///
/// His threads and his runs, with messages, inputs, outputs and events. Runs that have not ended are
/// canceled. 204 says that nothing is left, also if there was nothing.
#[utoipa::path(delete, path = "/threads", tag = "threads", params(WhichUser),
    responses((status = 204), Problem),
    security(("oauth2" = ["thread.write"])))]
async fn delete_end_user(
    State(app): State<App>,
    caller: Caller<ThreadWrite>,
    Query(WhichUser { user, subject }): Query<WhichUser>,
) -> Result<NoContent, Problem> {
    let by = caller.subject.to_string();
    let subject = subject.unwrap_or_else(|| by.clone());
    if subject != by && !caller.holds("admin.write") {
        return Err(insufficient(&["admin.write"]));
    }
    let of = EndUser { tenant: caller.tenant.clone(), subject, user };
    match delete::all_of(&app.runs, &of, &by).await? {
        Erased::All => Ok(NoContent),
        Erased::NotYet => {
            let detail = "runs of this user were canceled and have not ended; repeat the request";
            Err(Problem::conflict("user-at-work", detail))
        }
    }
}

/// List the messages of a thread
///
/// Oldest first. The results of calls stand on the page of the calls: a page may be one message longer
/// than `limit`.
#[utoipa::path(get, path = "/threads/{id}/messages", tag = "threads",
    params(("id" = String, Path, description = "Id of the thread"), Paging),
    responses((status = 200, body = Page<ThreadMessage>), Problem),
    security(("oauth2" = ["thread.read"])))]
async fn list_messages(
    State(app): State<App>,
    caller: Caller<ThreadRead>,
    Path(id): Path<String>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<ThreadMessage>, Problem> {
    let thread_id = find(&app, &caller, &id, "admin.read").await?.id;
    let (tenant, after, rows) = (&caller.tenant, paging.after()?.unwrap_or(0), paging.rows() + 1);
    let messages = app
        .db
        .read(async |conn| store::messages(conn, tenant, thread_id, after, rows).await)
        .await?;
    Ok(paging.page_with(messages, |it| it.role == llm::Role::Tool, |it| it.seq))
}

/// Add a message to a thread
///
/// Without a run: something that was said elsewhere.
#[utoipa::path(post, path = "/threads/{id}/messages", tag = "threads", request_body = InputMessage,
    params(("id" = String, Path, description = "Id of the thread"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same again is done once")),
    responses((status = 201, body = ThreadMessage, headers(("Location" = String))), Problem),
    security(("oauth2" = ["thread.write"])))]
async fn add_message(
    State(app): State<App>,
    caller: Caller<ThreadWrite>,
    Path(id): Path<String>,
    Keyed { body, key }: Keyed<InputMessage>,
) -> Response {
    let add = async {
        let thread_id = find(&app, &caller, &id, "admin.write").await?.id;
        let mut wrong = Vec::new();
        let message = body.read("", &mut wrong);
        let Some(message) = message.filter(|_| wrong.is_empty()) else {
            return Err(Problem::invalid(wrong));
        };
        let (tenant, at) = (caller.tenant.clone(), app.clock.now());
        let new = NewMessage::of(app.ids.next(), &message).map_err(RunsError::from)?;
        let message_id = new.id;
        let new = NewMessages { tenant, thread_id, run_id: None, at, messages: vec![new] };
        let added = app.db.write(async |tx| store::append(tx, &new).await).await;
        let added = added.map_err(RunsError::from)?;
        let seq = added.ok_or(RunsError::ThreadNotFound(id))?.cast_unsigned();
        let llm::Message { role, content } = message;
        let created_at = at;
        Ok(Created(ThreadMessage {
            id: message_id,
            thread_id,
            seq,
            role,
            content,
            run_id: None,
            created_at,
        }))
    };
    once(&app, caller.owner(), key, Answers::Kept, add).await
}

/// The thread, if it is the caller's own, or if he holds `all`.
async fn find(app: &App, caller: &Principal, id: &str, all: &str) -> Result<Thread, RunsError> {
    let not_found = || RunsError::ThreadNotFound(id.to_owned());
    let thread_id: Id = id.parse().map_err(|_| not_found())?;
    let tenant = &caller.tenant;
    let found = app.db.read(async |conn| store::find(conn, tenant, thread_id).await).await?;
    let may = |it: &Thread| it.subject == caller.subject.as_str() || caller.holds(all);
    found.filter(may).ok_or_else(not_found)
}

fn check(metadata: &Map<String, Value>) -> Result<(), Problem> {
    let wrong = metadata::check(metadata);
    if wrong.is_empty() { Ok(()) } else { Err(Problem::invalid(wrong)) }
}

impl Located for Thread {
    fn location(&self) -> String {
        format!("/threads/{}", self.id)
    }
}

impl Located for ThreadMessage {
    fn location(&self) -> String {
        format!("/threads/{}/messages", self.thread_id)
    }
}

//! `GET /runs/{id}/events`.

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use http::HeaderMap;
use http::StatusCode;
use http::header;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::IntoParams;

use crate::app::App;
use crate::db::Id;
use crate::http::Invalid;
use crate::http::Page;
use crate::http::Path;
use crate::http::Problem;
use crate::http::Query;
use crate::oauth::caller::Caller;
use crate::oauth::caller::Principal;
use crate::oauth::scopes::RunRead;
use crate::runs::RunSummary;
use crate::runs::RunsError;
use crate::runs::cursor::Cursor;
use crate::runs::frame::EventView;
use crate::runs::log;
use crate::runs::log::Texts;
use crate::runs::look::find;
use crate::runs::store;
use crate::runs::stream;
use crate::runs::watch::Deltas;
use crate::runs::watch::Until;
use crate::runs::watch::Watcher;

/// List the events of a run
///
/// Oldest first, as JSON, or with `Accept: text/event-stream` as they happen. Any event id is a
/// cursor: `Last-Event-ID` or `after` gives the remainder.
#[utoipa::path(get, path = "/runs/{id}/events", tag = "runs",
    params(("id" = String, Path, description = "Id of the run"), EventsAsked,
        ("Last-Event-ID" = Option<String>, Header, description = "As `after`, sent by EventSource")),
    responses((status = 200, body = Page<Object>, description = "Events, or a stream of them"),
        (status = 204, description = "The run has ended, and nothing comes after the cursor"),
        Problem),
    security(("oauth2" = ["run.read"]), ("oauth2" = ["agent.execute"]),
        ("oauth2" = ["workflow.execute"]), ("oauth2" = ["tool.execute"])))]
pub async fn list_events(
    State(app): State<App>,
    caller: Caller<RunRead>,
    Path(id): Path<String>,
    Query(asked): Query<EventsAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let run = find(&app.runs, &caller, &id).await?.run.summary;
    let cursor = cursor(&app, &caller, &asked, &headers, &run).await?;
    if !wanted(&headers) {
        return events_as_json(&app, &caller, &run, cursor, asked.limit.unwrap_or(50)).await;
    }
    if run.status.is_final() && cursor.seq >= run.last_seq {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let deltas = if asked.deltas == Some(false) { Deltas::LeftOut } else { Deltas::Shown };
    Ok(stream::response(watcher(&app, &caller, run.id, cursor, deltas, Until::End)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsAsked {
    /// The id of the last event that is known already.
    after: Option<String>,
    /// The same, as lists call it.
    cursor: Option<String>,
    /// `false` leaves the growing text out of a stream.
    deltas: Option<bool>,
    /// Of a list, not of a stream; 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

async fn events_as_json(
    app: &App,
    caller: &Principal,
    run: &RunSummary,
    cursor: Cursor,
    limit: u32,
) -> Result<Response, Problem> {
    let (tenant, run_id) = (&caller.tenant, run.id);
    let events = app
        .db
        .read(async |conn| store::events(conn, tenant, run_id, cursor.seq, limit).await)
        .await
        .map_err(RunsError::from)?;
    let mut data: Vec<EventView<'_, &RawValue>> = Vec::with_capacity(events.len());
    for event in &events {
        let view = EventView {
            seq: event.seq.cast_unsigned(),
            name: &event.name,
            run_id,
            at: event.at,
            data: serde_json::from_str(&event.data).map_err(RunsError::from)?,
        };
        data.push(view);
    }
    let last = data.last().map(|event| event.seq).filter(|seq| *seq < run.last_seq);
    let next_cursor = last.map(|seq| Cursor::after(seq).to_string());
    Ok(Page { data, next_cursor }.into_response())
}

/// Get a large value of a run
///
/// One that an event only notes, by its hash.
#[utoipa::path(get, path = "/runs/{id}/values/{sha256}", tag = "runs",
    params(("id" = String, Path, description = "Id of the run"),
        ("sha256" = String, Path, description = "As the event says")),
    responses((status = 200, body = Object), Problem),
    security(("oauth2" = ["run.read"]), ("oauth2" = ["agent.execute"]),
        ("oauth2" = ["workflow.execute"]), ("oauth2" = ["tool.execute"])))]
pub async fn get_value(
    State(app): State<App>,
    caller: Caller<RunRead>,
    Path((id, sha256)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let record = find(&app.runs, &caller, &id).await?;
    let (tenant, run_id) = (&caller.tenant, record.run.summary.id);
    let value = app.db.read(async |conn| store::value(conn, tenant, run_id, &sha256).await);
    let value = value.await.map_err(RunsError::from)?.ok_or(RunsError::NotFound(id))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], value).into_response())
}

/// A reader of the run for this caller, who may see it.
pub fn watcher(
    app: &App,
    caller: &Principal,
    run_id: Id,
    cursor: Cursor,
    deltas: Deltas,
    until: Until,
) -> Watcher {
    Watcher::new(app.runs.clone(), caller.tenant.clone(), run_id, cursor, deltas, until)
}

/// The place that the request names; `Last-Event-ID` wins, since `EventSource` repeats the URL.
async fn cursor(
    app: &App,
    caller: &Principal,
    asked: &EventsAsked,
    headers: &HeaderMap,
    run: &RunSummary,
) -> Result<Cursor, Problem> {
    let header = headers.get("last-event-id").map(|it| it.to_str().unwrap_or("not ASCII"));
    let asked = [
        ("Last-Event-ID", header.filter(|it| !it.is_empty())),
        ("?after", asked.after.as_deref()),
        ("?cursor", asked.cursor.as_deref()),
    ];
    let given = asked.into_iter().find_map(|(pointer, text)| Some((pointer, text?)));
    let Some((pointer, text)) = given else { return Ok(Cursor::default()) };
    let refuse = |detail: &str| {
        let fault = Invalid::new(pointer, "bad_cursor", detail);
        Problem::malformed(format!("the cursor {detail}"), vec![fault])
    };
    let cursor: Cursor = text.parse().map_err(|_| refuse("is not the id of an event"))?;
    if cursor.seq > run.last_seq {
        return Err(refuse("is beyond the last event of this run"));
    }
    // Of a call that was made again, or is not stored yet, nobody knows how far its text had come.
    if cursor.points > 0 {
        let next = log::page(&app.runs, &caller.tenant, run.id, cursor.seq, Texts::One).await?;
        let text = next.first().and_then(|next| next.text.as_ref());
        if text.is_some_and(|text| text.points() < cursor.points) {
            return Err(refuse("is beyond the text after that event"));
        }
    }
    Ok(cursor)
}

/// Whether the request asks for a stream.
pub fn wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|it| it.to_str().ok());
    accepted.flat_map(|it| it.split(',')).any(|it| {
        it.split(';').next().is_some_and(|it| it.trim().eq_ignore_ascii_case("text/event-stream"))
    })
}

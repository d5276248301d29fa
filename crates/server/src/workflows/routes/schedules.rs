//! `/workflows/schedules/preview`: when something that is scheduled would happen.

use axum::Json;
use axum::extract::State;
use engine::Schedule;
use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::db::At;
use crate::http::Body;
use crate::http::Invalid;
use crate::http::Problem;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::WorkflowRead;

/// A schedule to look at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleQuestion {
    /// Five fields, or one of @hourly, @daily, @weekly, @monthly, @yearly.
    #[schema(max_length = 200, example = "0 9 * * 1-5")]
    cron: String,
    /// A time zone of the IANA database.
    #[schema(max_length = 100, example = "Europe/Berlin")]
    #[serde(default = "utc")]
    timezone: String,
    /// After which time; now if absent.
    #[schema(required = false)]
    after: Option<At>,
    /// How many occurrences.
    #[schema(minimum = 1, maximum = 100, example = 5)]
    #[serde(default = "five")]
    count: usize,
}

/// When it happens.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Occurrences {
    data: Vec<At>,
}

/// Preview a schedule
///
/// The next occurrences, in order. A time that clocks skip happens once, right after the gap, and one that comes twice
/// at the first of the two; what is scheduled for every hour happens in each hour that there is.
#[utoipa::path(post, path = "/workflows/schedules/preview", tag = "workflows",
    request_body = ScheduleQuestion, responses((status = 200, body = Occurrences), Problem),
    security(("oauth2" = ["workflow.read"]), ("oauth2" = ["workflow.execute"])))]
pub(super) async fn preview_schedule(
    State(app): State<App>,
    _: Caller<WorkflowRead>,
    Body(question): Body<ScheduleQuestion>,
) -> Result<Json<Occurrences>, Problem> {
    let schedule = Schedule::parse(&question.cron, &question.timezone).map_err(|faults| {
        let faults = faults.into_iter().map(|it| Invalid::new(it.pointer, it.code, it.detail));
        Problem::invalid(faults.collect())
    })?;
    let after = question.after.unwrap_or_else(|| app.clock.now());
    let times = schedule.after(after.into()).map(At::from).take_while(|it| *it <= At::NEVER);
    let data = times.take(question.count).collect();
    Ok(Json(Occurrences { data }))
}

fn utc() -> String {
    "UTC".to_owned()
}

fn five() -> usize {
    5
}

//! `GET /stats`.

use std::cmp::Reverse;

use axum::Json;
use axum::extract::State;
use chrono::TimeDelta;
use llm::Usd;
use serde::Deserialize;
use serde::Serialize;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Figures;
use super::KEPT;
use super::MINUTE;
use super::Share;
use super::Shares;
use super::minute_of;
use super::read;
use super::read::Window;
use crate::app::App;
use crate::db::At;
use crate::http::Invalid;
use crate::http::Problem;
use crate::http::Query;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::AdminRead;
use crate::runs::RunsError;
use crate::runs::store::stats as store;

/// What is shown if nothing is asked for.
const USUAL: TimeDelta = TimeDelta::hours(1);
/// Into how many steps a time is divided, unless their length is given; and at most.
const USUAL_STEPS: i64 = 60;
const MOST_STEPS: i64 = 500;
/// How many definitions and clients are shown.
const MOST_SHOWN: usize = 20;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read_stats))
}

/// Of which time, in which steps.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// An hour before `to`, if absent. It counts from the beginning of its minute, and may be 35 days ago.
    from: Option<At>,
    /// The end of this minute, if absent. It counts to the end of its minute.
    to: Option<At>,
    /// How long a step is, in whole minutes of 60,000 ms; there are at most 500. If absent, there are about 60.
    #[param(minimum = 60_000, multiple_of = 60_000)]
    step_ms: Option<i64>,
}

/// What ended in a time, and where everything stands now.
#[derive(Debug, Serialize, ToSchema)]
struct Stats {
    from: At,
    to: At,
    step_ms: i64,
    /// Whether all runs that ended are counted. If not, those of the time before the upgrade still are.
    is_complete: bool,
    /// One for each step, also where nothing ended, in the order of time.
    points: Vec<Point>,
    /// All of it together.
    total: Shown,
    /// What went wrong, the most frequent first.
    failures: Vec<FailureCount>,
    /// What of it was of which agents and tools that ran by themselves or in other runs: at most 20, those that cost
    /// most first. What ended before the upgrade that tells them apart is not among it.
    definitions: Vec<DefinitionShare>,
    /// What of it was of which clients, likewise.
    clients: Vec<ClientShare>,
    now: Now,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatsPoint)]
struct Point {
    /// The beginning of the step.
    at: At,
    #[serde(flatten)]
    figures: Shown,
}

/// The counts and times are of runs that no other run began; tokens and money are of all.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatsFigures)]
struct Shown {
    /// Runs that ended, however they did.
    runs: u64,
    succeeded: u64,
    failed: u64,
    canceled: u64,
    timed_out: u64,
    /// Half of those that succeeded took no longer, from being asked to the end. Times are told to within an eighth.
    p50_ms: Option<u64>,
    p95_ms: Option<u64>,
    p99_ms: Option<u64>,
    input_tokens: u64,
    output_tokens: u64,
    #[schema(value_type = f64)]
    cost_usd: Usd,
    /// Runs that used tokens of which nobody knows the price; they are not in `cost_usd`.
    unpriced_runs: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct FailureCount {
    /// As in `error.kind` of a run.
    #[schema(example = "provider")]
    kind: String,
    runs: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatsDefinition)]
struct DefinitionShare {
    #[schema(example = "agent")]
    kind: String,
    /// Empty: of many more that were not told apart.
    #[schema(example = "support")]
    name: String,
    #[serde(flatten)]
    share: ShownShare,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatsClient)]
struct ClientShare {
    /// Empty: of many more that were not told apart.
    client_id: String,
    #[serde(flatten)]
    share: ShownShare,
}

/// All of it is of all runs, also of those that other runs began.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatsShare)]
struct ShownShare {
    /// Runs that ended, however they did.
    runs: u64,
    /// Those that failed or took too long.
    failed: u64,
    input_tokens: u64,
    output_tokens: u64,
    #[schema(value_type = f64)]
    cost_usd: Usd,
    /// Runs that used tokens of which nobody knows the price; they are not in `cost_usd`.
    unpriced_runs: u64,
}

/// What is there at this moment.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = StatsNow)]
struct Now {
    queued: i64,
    running: i64,
    waiting: i64,
    suspended: i64,
    approvals_pending: i64,
    /// Documents that are read, or will be.
    documents_ingesting: i64,
}

/// Read figures of runs over time
///
/// How many ended and how, how long they took, what they used; and what is under way now. What has just ended is
/// in them as soon as it is stored.
#[utoipa::path(get, path = "/stats", tag = "runs", params(Asked),
    responses((status = 200, body = Stats), Problem),
    security(("oauth2" = ["admin.read"])))]
async fn read_stats(
    State(app): State<App>,
    caller: Caller<AdminRead>,
    Query(asked): Query<Asked>,
) -> Result<Json<Stats>, Problem> {
    let now = app.clock.now();
    let window = asked.window(now).map_err(|fault| Problem::invalid(vec![fault]))?;
    let read = read::read(&app.db, &caller.tenant, window, now).await?;
    let mut total = Figures::default();
    read.steps.iter().for_each(|(_, figures)| total += figures);
    let failures = total.failures.iter();
    let mut failures: Vec<_> =
        failures.map(|(kind, runs)| FailureCount { kind: kind.clone(), runs: *runs }).collect();
    failures.sort_by_key(|it| Reverse(it.runs));
    Ok(Json(Stats {
        from: window.from,
        to: window.to,
        step_ms: window.step.num_milliseconds(),
        is_complete: read.is_complete,
        total: Shown::of(&total),
        failures,
        definitions: most_costly(&total.definitions)
            .map(|(id, share)| {
                let (kind, name) = id.split_once('/').unwrap_or_default();
                DefinitionShare { kind: kind.to_owned(), name: name.to_owned(), share }
            })
            .collect(),
        clients: most_costly(&total.clients)
            .map(|(id, share)| ClientShare { client_id: id.to_owned(), share })
            .collect(),
        points: read
            .steps
            .iter()
            .map(|(at, figures)| Point { at: *at, figures: Shown::of(figures) })
            .collect(),
        now: Now::look(&app, &caller).await?,
    }))
}

impl Asked {
    /// The time that is asked for, in whole minutes, or what is wrong with it.
    fn window(&self, now: At) -> Result<Window, Invalid> {
        let soonest = At::new(minute_of(now).time() + MINUTE);
        let to = self.to.unwrap_or(soonest);
        let from = self.from.unwrap_or_else(|| At::new(to.time() - USUAL));
        if from >= to {
            return Err(Invalid::new("?from", "out_of_range", "must be before `to`"));
        }
        let oldest = minute_of(At::new(now.time() - KEPT));
        if from < oldest {
            return Err(Invalid::new("?from", "out_of_range", "may be 35 days ago at most"));
        }
        if to > soonest {
            return Err(Invalid::new("?to", "out_of_range", "may not be to come"));
        }
        let from = minute_of(from);
        let end = minute_of(to);
        let to = if end < to { At::new(end.time() + MINUTE) } else { end };
        let minutes = (to.time() - from.time()).num_minutes();
        let step = match self.step_ms {
            Some(ms) => TimeDelta::milliseconds(ms),
            None => TimeDelta::minutes((minutes - 1) / USUAL_STEPS + 1),
        };
        if minutes > step.num_minutes() * MOST_STEPS {
            let detail = format!("makes more than {MOST_STEPS} steps");
            return Err(Invalid::new("?step_ms", "out_of_range", detail));
        }
        Ok(Window { from, to, step })
    }
}

impl Shown {
    fn of(figures: &Figures) -> Self {
        Self {
            runs: figures.runs(),
            succeeded: figures.succeeded,
            failed: figures.failed,
            canceled: figures.canceled,
            timed_out: figures.timed_out,
            p50_ms: figures.percentile(500),
            p95_ms: figures.percentile(950),
            p99_ms: figures.percentile(990),
            input_tokens: figures.input_tokens,
            output_tokens: figures.output_tokens,
            cost_usd: Usd::of_trillionths(figures.cost),
            unpriced_runs: figures.unpriced,
        }
    }
}

/// Those that are shown, in their order.
fn most_costly(shares: &Shares) -> impl Iterator<Item = (&str, ShownShare)> {
    let mut all: Vec<_> = shares.iter().collect();
    all.sort_by_key(|(_, it)| Reverse((it.cost, it.input_tokens + it.output_tokens, it.runs)));
    all.into_iter().take(MOST_SHOWN).map(|(id, share)| (id.as_str(), ShownShare::of(*share)))
}

impl ShownShare {
    fn of(share: Share) -> Self {
        let Share { runs, failed, input_tokens, output_tokens, cost, unpriced } = share;
        let cost_usd = Usd::of_trillionths(cost);
        Self { runs, failed, input_tokens, output_tokens, cost_usd, unpriced_runs: unpriced }
    }
}

impl Now {
    async fn look(app: &App, caller: &Caller<AdminRead>) -> Result<Self, Problem> {
        let tenant = &caller.tenant;
        let look = app.db.read(async |conn| {
            let open = store::open_runs(conn, tenant).await?;
            Ok::<_, RunsError>((open, store::pending_approvals(conn, tenant).await?))
        });
        let (open, approvals_pending) = look.await?;
        let documents_ingesting = app.rag.ingesting(tenant).await.map_err(RunsError::from)?;
        let mut now = Self { approvals_pending, documents_ingesting, ..Self::default() };
        for (status, runs) in open {
            match status.as_str() {
                "queued" => now.queued = runs,
                "running" => now.running = runs,
                "waiting" => now.waiting = runs,
                _ => now.suspended = runs,
            }
        }
        Ok(now)
    }
}

//! Whether the server lives, whether it can work, and how it fares.

use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use http::StatusCode;
use http::header;
use metrics::counter;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio::sync::Mutex;
use tracing::warn;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::db::At;
use crate::db::Db;
use crate::db::migrate::HeadError;
use crate::db::migrate::check_head;
use crate::http::observe;

/// A database that needs longer than this for a word is as good as away.
const PATIENCE: Duration = Duration::from_secs(2);

/// Probes are public, and what they ask the database must not be a burden.
const FRESHNESS: Duration = Duration::from_secs(1);

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The routes for probes, and the beginning of the time that they call `uptime`.
pub fn router() -> OpenApiRouter<App> {
    LazyLock::force(&STARTED);
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(ready)).routes(routes!(api_health))
}

/// The measurements, to be served beside the API or on an address of their own.
pub fn metrics_router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(metrics))
}

#[derive(Debug, Serialize, ToSchema)]
struct Health {
    #[schema(example = "ok")]
    status: &'static str,
    #[schema(example = "0.1.0")]
    version: &'static str,
}

/// Check that the process lives
#[utoipa::path(get, path = "/health", tag = "operations", responses((status = 200, body = Health)))]
async fn health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

#[derive(Debug, Serialize, ToSchema)]
struct Readiness {
    /// `ok`, or `unavailable` if one of the checks fails.
    status: &'static str,
    checks: Checks,
}

/// Each is `ok`, or says in a word what is wrong. A database that is `unwritable` can only be read: its
/// disk is full, for instance.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
struct Checks {
    database: &'static str,
    migrations: &'static str,
    keys: &'static str,
}

/// Check whether the server may be given work
#[utoipa::path(get, path = "/ready", tag = "operations",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
async fn ready(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let checks = app.probe.checks(&app.db).await;
    let is_stopping = app.tasks.stopping().is_cancelled();
    if [checks.database, checks.migrations] == ["ok"; 2] && !is_stopping {
        return (StatusCode::OK, Json(Readiness { status: "ok", checks }));
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(Readiness { status: "unavailable", checks }))
}

/// What was found out last. Whoever asks, and however often, the database is asked once a second.
#[derive(Debug, Default)]
pub struct Probe(Mutex<Option<(Instant, Checks)>>);

impl Probe {
    async fn checks(&self, db: &Db) -> Checks {
        let mut last = self.0.lock().await;
        if let Some((at, checks)) = &*last
            && at.elapsed() < FRESHNESS
        {
            return *checks;
        }
        let (database, migrations) = tokio::join!(database(db), migrations(db));
        // The keys are read at the start: without them there is no server to ask.
        let checks = Checks { database, migrations, keys: "ok" };
        *last = Some((Instant::now(), checks));
        checks
    }
}

async fn database(db: &Db) -> &'static str {
    let asked = async {
        if db.ping().await.is_err() {
            return "unreachable";
        }
        match db.check_writable().await {
            Ok(()) => "ok",
            Err(cause) => {
                warn!(error = &cause as &dyn std::error::Error, "the database cannot be written");
                "unwritable"
            }
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or("slow")
}

async fn migrations(db: &Db) -> &'static str {
    match tokio::time::timeout(PATIENCE, check_head(db)).await {
        Ok(Ok(())) => "ok",
        Ok(Err(HeadError::Pending(_))) => "pending",
        Ok(Err(HeadError::Partial(_))) => "unfinished",
        Ok(Err(HeadError::Fault(_))) => "edited",
        Ok(Err(HeadError::TooNew(_))) => "newer",
        Ok(Err(HeadError::Unreadable(_))) | Err(_) => "unknown",
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ApiHealth {
    /// `healthy` or `unhealthy`.
    status: &'static str,
    timestamp: At,
    /// Seconds since the start.
    uptime: f64,
    checks: ApiChecks,
    /// Milliseconds that the checks took.
    response_time: u64,
}

/// Each is `healthy` or `unhealthy`.
#[derive(Debug, Serialize, ToSchema)]
struct ApiChecks {
    api: &'static str,
    database: &'static str,
}

/// Check how the server is, as the original's clients do
#[utoipa::path(get, path = "/api/health", tag = "operations",
    responses((status = 200, body = ApiHealth), (status = 503, body = ApiHealth)))]
async fn api_health(State(app): State<App>) -> (StatusCode, Json<ApiHealth>) {
    let began = Instant::now();
    let (code, status) = match app.probe.checks(&app.db).await.database {
        "ok" => (StatusCode::OK, "healthy"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "unhealthy"),
    };
    let health = ApiHealth {
        status,
        timestamp: app.clock.now(),
        uptime: STARTED.elapsed().as_secs_f64(),
        checks: ApiChecks { api: "healthy", database: status },
        response_time: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    (code, Json(health))
}

/// Read what the process has measured, for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, body = String, content_type = "text/plain")))]
async fn metrics(State(app): State<App>) -> Response {
    let stats = app.db.stats();
    counter!("database_commits_total").absolute(stats.commits.load(Ordering::Relaxed));
    counter!("database_statements_total").absolute(stats.statements.load(Ordering::Relaxed));
    let text = observe::recorder().map(PrometheusHandle::render).unwrap_or_default();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

//! A log line and a measurement for every request.

use std::sync::OnceLock;
use std::time::Duration;
use std::time::Instant;

use axum::extract::MatchedPath;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::Method;
use metrics::histogram;
use metrics_exporter_prometheus::Matcher;
use metrics_exporter_prometheus::PrometheusBuilder;
use metrics_exporter_prometheus::PrometheusHandle;
use tracing::error;
use tracing::info;

const DURATION: &str = "http_server_request_duration_seconds";
const BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600.0,
];

/// Asked every few seconds by machines: not worth a line as long as all is well.
const PROBES: [&str; 4] = ["/health", "/ready", "/api/health", "/metrics"];

/// Logs and measures the request until its answer begins; the length of a stream is not its duration.
///
/// The route is written, never the path: paths hold ids, and queries hold more.
pub async fn observe(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = method_name(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    report(method, route, response.status().as_u16(), began.elapsed());
    response
}

fn report(method: &'static str, route: &str, status: u16, took: Duration) {
    let labels = [
        ("method", method.to_owned()),
        ("route", route.to_owned()),
        ("status", status.to_string()),
    ];
    histogram!(DURATION, &labels).record(took);
    if PROBES.contains(&route) && status == 200 {
        return;
    }
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    info!(
        http.method = method,
        http.route = route,
        http.status = status,
        duration_ms = took_ms,
        "{method} {route} answered {status}"
    );
}

/// Methods that anybody may invent must not become labels.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// The measurements of this process. The first call begins to collect them.
pub fn recorder() -> Option<&'static PrometheusHandle> {
    RECORDER
        .get_or_init(|| {
            let built = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Full(DURATION.into()), BUCKETS)
                .and_then(PrometheusBuilder::install_recorder);
            built.map_err(|cause| error!(error = %cause, "metrics are not collected")).ok()
        })
        .as_ref()
}

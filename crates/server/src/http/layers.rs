//! What every request passes through, in order.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::OriginalUri;
use axum::middleware::from_fn;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use http::Method;
use http::StatusCode;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::NotForContentType;
use tower_http::compression::predicate::Predicate;
use tower_http::compression::predicate::SizeAbove;
use utoipa::openapi::OpenApi;

use crate::app::Ids;
use crate::app::Tasks;
use crate::http::Problem;
use crate::http::bare;
use crate::http::bare::Bare;
use crate::http::cors;
use crate::http::guard;
use crate::http::headers;
use crate::http::observe;
use crate::http::once;
use crate::http::request_id;

/// Answers are compressed from this size.
const COMPRESSED_FROM: u64 = 1024;

/// Bounds the time that the answers of `routes` may take to begin.
pub fn limit_time<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    limit: Duration,
) -> Router<S> {
    routes.layer(from_fn_with_state(limit, guard::limit_time))
}

/// Lets requests with an idempotency key go their way to the end, whoever hangs up.
pub fn carry_through<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    tasks: Tasks,
) -> Router<S> {
    routes.layer(from_fn_with_state(tasks, once::carry_through))
}

/// Refuses parameters that no operation of `document` has, on those that have none at all.
pub fn refuse_queries<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    document: &OpenApi,
) -> Router<S> {
    routes.layer(from_fn_with_state(Arc::new(Bare::of(document)), bare::mark))
}

/// Bounds how many requests `routes` work on at once.
pub fn limit_count<S: Clone + Send + Sync + 'static>(routes: Router<S>, most: usize) -> Router<S> {
    routes.layer(from_fn_with_state(Arc::new(Semaphore::new(most)), guard::shed))
}

/// Wraps `routes` in all that holds for every one of them. A request passes from the last to the first.
pub fn wrap<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    ids: Ids,
    cors_origins: &[String],
) -> Router<S> {
    routes
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(CatchPanicLayer::custom(guard::recover))
        .layer(CompressionLayer::new().compress_when(is_worth_it()))
        .layer(from_fn_with_state(Arc::from(cors_origins), cors::cors))
        .layer(from_fn(headers::harden))
        .layer(from_fn(observe::observe))
        .layer(from_fn_with_state(ids, request_id::name))
}

/// Event streams are sent event by event: nothing may wait for more. Fonts are compressed already.
fn is_worth_it() -> impl Predicate {
    SizeAbove::new(COMPRESSED_FROM)
        .and(NotForContentType::const_new("text/event-stream"))
        .and(NotForContentType::const_new("font/"))
}

async fn no_route(method: Method, OriginalUri(uri): OriginalUri) -> impl IntoResponse {
    let path: String = uri.path().chars().take(200).collect();
    Problem::not_found("route-not-found", format!("nothing is at {method} {path}; see /docs"))
}

async fn no_method(method: Method) -> impl IntoResponse {
    let detail = format!("{method} is not possible here; the header `Allow` lists what is");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::body::to_bytes;
    use axum::extract::Request;
    use axum::response::Response;
    use axum::routing::get;
    use http::header;
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;

    const ORIGIN: &str = "https://app.example";

    #[tokio::test]
    async fn every_answer_carries_the_careful_headers() {
        let response = call(get_request("/text")).await;

        let headers = response.headers();
        assert_eq!(response.status(), 200);
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(
            headers["content-security-policy"],
            "default-src 'none'; frame-ancestors 'none'"
        );
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["x-request-id"], "01900000-0000-7000-8000-000000000001");
    }

    #[tokio::test]
    async fn a_handler_may_say_otherwise() {
        assert_eq!(call(get_request("/cached")).await.headers()["cache-control"], "max-age=60");
    }

    #[tokio::test]
    async fn a_harmless_request_id_is_kept_and_any_other_replaced() {
        let long = "x".repeat(129);
        for (given, kept) in [("trace-1_2.3:4", true), ("a b", false), ("", false), (&*long, false)]
        {
            let mut request = get_request("/text");
            request.headers_mut().insert("x-request-id", given.parse().unwrap());
            let response = call(request).await;
            assert_eq!(response.headers()["x-request-id"] == given, kept, "{given}");
        }
    }

    #[tokio::test]
    async fn unknown_places_and_methods_are_problems() {
        let missing = problem(call(get_request("/nothing?token=x")).await).await;
        assert_eq!(missing["type"], "/problems/route-not-found");
        assert_eq!(missing["detail"], "nothing is at GET /nothing; see /docs");

        let mut request = get_request("/text");
        *request.method_mut() = Method::DELETE;
        let response = call(request).await;
        assert_eq!(response.headers()[header::ALLOW], "GET,HEAD");
        assert_eq!(problem(response).await["status"], 405);
    }

    #[tokio::test]
    async fn head_is_get_without_its_body() {
        let mut request = get_request("/text");
        *request.method_mut() = Method::HEAD;

        let response = call(request).await;

        assert_eq!(
            (response.status(), &response.headers()[header::CONTENT_LENGTH]),
            (StatusCode::OK, &"2000".parse().unwrap())
        );
        assert!(to_bytes(response.into_body(), usize::MAX).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error_that_tells_nothing() {
        let problem = problem(call(get_request("/panic")).await).await;

        assert_eq!(problem["type"], "/problems/internal-error");
        assert!(!problem.to_string().contains("secret"));
    }

    #[tokio::test]
    async fn answers_are_compressed_but_event_streams_are_not() {
        for (path, encoding) in [("/text", Some("br")), ("/short", None), ("/events", None)] {
            let mut request = get_request(path);
            request.headers_mut().insert(header::ACCEPT_ENCODING, "gzip, br".parse().unwrap());
            let response = call(request).await;
            let found = response.headers().get(header::CONTENT_ENCODING);
            assert_eq!(found.map(|value| value.to_str().unwrap()), encoding, "{path}");
        }
    }

    #[tokio::test]
    async fn only_known_origins_may_read_but_discovery_is_open() {
        for (path, origin, may) in [
            ("/text", ORIGIN, true),
            ("/text", "https://evil.example", false),
            ("/text", "null", false),
            ("/.well-known/x", "https://evil.example", true),
        ] {
            let mut request = get_request(path);
            request.headers_mut().insert(header::ORIGIN, origin.parse().unwrap());
            let response = call(request).await;
            let allowed = response.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
            assert_eq!(allowed.is_some_and(|allowed| allowed == origin), may, "{path} {origin}");
            assert!(response.headers().get(header::ACCESS_CONTROL_ALLOW_CREDENTIALS).is_none());
        }
    }

    #[tokio::test]
    async fn a_preflight_is_answered_and_a_bare_options_is_not() {
        let mut request = get_request("/text");
        *request.method_mut() = Method::OPTIONS;
        assert_eq!(call(request).await.status(), 405);

        let mut request = get_request("/text");
        *request.method_mut() = Method::OPTIONS;
        request.headers_mut().insert(header::ORIGIN, ORIGIN.parse().unwrap());
        request.headers_mut().insert(header::ACCESS_CONTROL_REQUEST_METHOD, "GET".parse().unwrap());
        let response = call(request).await;
        assert_eq!(response.status(), 204);
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], ORIGIN);
        assert_eq!(response.headers()[header::ACCESS_CONTROL_MAX_AGE], "3600");
    }

    #[tokio::test]
    async fn a_late_answer_and_a_full_server_are_unavailable() {
        let late = get(std::future::pending::<()>);
        let late = limit_time(Router::new().route("/late", late), Duration::from_millis(10));
        let full = limit_count(Router::new().route("/full", get(|| async {})), 0);
        let routes = wrap(late.merge(full), Ids::counting(), &[]);

        for path in ["/late", "/full"] {
            let response = routes.clone().oneshot(get_request(path)).await.unwrap();
            assert_eq!(response.headers()[header::RETRY_AFTER], "1");
            assert_eq!(problem(response).await["type"], "/problems/unavailable");
        }
    }

    #[tokio::test]
    async fn a_request_holds_its_place_until_its_answer_is_read() {
        let routes = limit_count(Router::new().route("/", get(|| async { "body" })), 1);
        let ask = || routes.clone().oneshot(get_request("/"));

        let first = ask().await.unwrap();
        assert_eq!(first.headers()[header::CONTENT_LENGTH], "4");
        assert_eq!(ask().await.unwrap().status(), 503);

        to_bytes(first.into_body(), usize::MAX).await.unwrap();
        assert_eq!(ask().await.unwrap().status(), 200);
    }

    async fn call(request: Request) -> Response {
        let events = || async { ([(header::CONTENT_TYPE, "text/event-stream")], "x".repeat(2000)) };
        let cached = || async { ([(header::CACHE_CONTROL, "max-age=60")], "x") };
        let routes = Router::new()
            .route("/text", get(|| async { "x".repeat(2000) }))
            .route("/short", get(|| async { "x" }))
            .route("/events", get(events))
            .route("/cached", get(cached))
            .route("/.well-known/x", get(|| async { "x" }))
            .route("/panic", get(|| async { panic!("a secret") as () }));
        let routes = wrap(routes, Ids::counting(), &[ORIGIN.to_owned()]);
        routes.oneshot(request).await.unwrap()
    }

    fn get_request(uri: &str) -> Request {
        Request::get(uri).body(Body::empty()).unwrap()
    }

    async fn problem(response: Response) -> Value {
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        serde_json::from_slice(&to_bytes(response.into_body(), usize::MAX).await.unwrap()).unwrap()
    }
}

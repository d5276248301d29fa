//! `/docs`, `/openapi.json` and `/problems/…`: what the server says of itself to people and programs.
//!
//! Everything comes out of the binary; the pages run no script but one that copies a command.

mod markdown;
mod types;
mod view;

use axum::Router;
use axum::response::Html;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use http::StatusCode;
use http::header;
use include_dir::Dir;
use include_dir::include_dir;
use minijinja::AutoEscape;
use minijinja::Environment;
use minijinja::context;
use minijinja::value::Serde;
use utoipa::openapi::OpenApi;

use crate::http::Path;
use crate::http::Problem;

/// A page per kind of problem, as the repository has them.
static PROBLEMS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../docs/problems");

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("copy.js");
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// The routes that show `document`. Their pages are made once; `base` is the URL that examples call.
pub fn routes<S: Clone + Send + Sync + 'static>(
    document: &OpenApi,
    base: &str,
) -> Result<Router<S>, DocsError> {
    let json = serde_json::to_value(document)?;
    let docs = Bytes::from(render(context! { api => Serde(view::page(document, &json, base)) })?);
    let json = Bytes::from(serde_json::to_vec(document)?);
    Ok(Router::new()
        .route(
            "/openapi.json",
            get(async move || ([(header::CONTENT_TYPE, "application/json")], json.clone())),
        )
        .route("/docs", get(async move || page(docs.clone())))
        .route("/docs/style.css", get(async move || asset("text/css", STYLE)))
        .route("/docs/copy.js", get(async move || asset("text/javascript", SCRIPT)))
        .route("/problems/{slug}", get(problem)))
}

/// Why the pages cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DocsError {
    #[error("the OpenAPI document is not JSON")]
    Json(#[from] serde_json::Error),
    #[error("a page's template is wrong")]
    Template(#[from] minijinja::Error),
}

async fn problem(Path(slug): Path<String>) -> Result<Response, Problem> {
    let Some(file) = PROBLEMS.get_file(format!("{slug}.md")) else {
        let detail = "there is no such kind of problem; /docs shows the API";
        return Err(Problem::not_found("route-not-found", detail));
    };
    let text = markdown::html(file.contents_utf8().unwrap_or_default());
    let html = render(context! { slug, problem_html => text });
    html.map(page).map_err(|error| Problem::internal(&error))
}

fn page(html: impl Into<Bytes>) -> Response {
    let headers = [(header::CONTENT_SECURITY_POLICY, POLICY), (header::CACHE_CONTROL, "no-cache")];
    (headers, Html(html.into())).into_response()
}

fn asset(media_type: &'static str, text: &'static str) -> Response {
    let headers = [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "max-age=3600")];
    (StatusCode::OK, headers, text).into_response()
}

fn render(context: minijinja::Value) -> Result<String, minijinja::Error> {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    templates.add_template("page", PAGE)?;
    templates.get_template("page")?.render(context)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::body::to_bytes;
    use axum::extract::Request;
    use tower::ServiceExt;
    use utoipa::OpenApi as _;

    use super::*;
    use crate::http::openapi;

    /// Shows `<markup>` as text.
    #[utoipa::path(
        post,
        path = "/things/{id}",
        tag = "things",
        params(("id" = String, Path, description = "Which `thing`")),
        request_body = crate::http::Invalid,
        responses((status = 200, body = crate::http::Invalid), Problem),
        security(("oauth2" = ["thing.write"])),
    )]
    #[expect(dead_code, reason = "only its description is used")]
    fn change_thing() {}

    /// Count things
    #[utoipa::path(get, path = "/things", tag = "things", responses((status = 200)), security(()))]
    #[expect(dead_code, reason = "only its description is used")]
    fn count_things() {}

    #[derive(utoipa::OpenApi)]
    #[openapi(paths(change_thing, count_things))]
    struct Things;

    #[tokio::test]
    async fn the_page_shows_each_operation_with_a_command_to_copy() {
        let (status, html) = ask("/docs").await;

        assert_eq!(status, 200);
        for part in [
            "Shows <code>&lt;markup&gt;</code> as text",
            "Which <code>thing</code>",
            "Scope: <code>thing.write</code>",
            "curl -X POST &#x27;https:&#x2f;&#x2f;agents.example&#x2f;things&#x2f;{id}&#x27;",
            "Authorization: Bearer $TOKEN",
            "no tool is named",
            r##"<a href="#schema-Invalid">Invalid</a>"##,
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }

    #[tokio::test]
    async fn what_needs_no_token_is_shown_without_one() {
        let (_, html) = ask("/docs").await;

        let (_, open) = html.split_once("<article id=\"count_things\">").unwrap();
        let (open, _) = open.split_once("</article>").unwrap();
        assert!(open.contains("No access token needed."), "{open}");
        assert!(!open.contains("Authorization"), "{open}");
    }

    #[tokio::test]
    async fn pages_run_no_script_but_their_own() {
        let response =
            routes().oneshot(Request::get("/docs").body(Body::empty()).unwrap()).await.unwrap();

        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
        let html = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let html = String::from_utf8(html.to_vec()).unwrap();
        assert_eq!(html.matches("<script").count(), 1);
        assert!(!html.contains(" style=") && !html.contains("://cdn"));
    }

    #[tokio::test]
    async fn every_kind_of_problem_has_a_page() {
        let (status, html) = ask("/problems/invalid-request").await;
        assert_eq!(status, 200);
        assert!(html.contains("<h1>The request breaks a rule</h1>"));

        for unknown in ["/problems/nothing", "/problems/..%2FCONFIGURATION"] {
            assert_eq!(ask(unknown).await.0, 404, "{unknown}");
        }
        for unreadable in ["/problems/%00", "/problems/%FF"] {
            assert_eq!(ask(unreadable).await.0, 400, "{unreadable}");
        }
    }

    #[tokio::test]
    async fn the_document_is_openapi_3_1() {
        let (status, json) = ask("/openapi.json").await;

        assert_eq!(status, 200);
        assert!(json.starts_with(r#"{"openapi":"3.1.0","info":{"title":"Agent Server""#), "{json}");
    }

    async fn ask(uri: &str) -> (u16, String) {
        let request = Request::get(uri).body(Body::empty()).unwrap();
        let response = routes().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    fn routes() -> Router {
        let mut document = openapi::base();
        document.merge(Things::openapi());
        super::routes(&document, "https://agents.example").unwrap()
    }
}

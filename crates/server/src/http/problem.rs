//! The one way our API says no: `application/problem+json`, RFC 9457.
//!
//! Which error becomes which problem is said in each feature's `routes.rs`, not here.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;
use std::time::Duration;

use axum::response::IntoResponse;
use axum::response::Response;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use serde::Serialize;
use serde::Serializer;
use serde::ser::SerializeMap;
use serde_json::Value;
use tracing::error;
use utoipa::IntoResponses;
use utoipa::ToSchema;
use utoipa::openapi::ContentBuilder;
use utoipa::openapi::Ref;
use utoipa::openapi::RefOr;
use utoipa::openapi::ResponseBuilder;
use utoipa::openapi::response::Response as ResponseSchema;

use crate::db;
use crate::http::Invalid;

/// At most this many faults are listed; the detail counts them all.
const FAULTS_SHOWN: usize = 50;

/// A refusal or a failure, ready to be answered.
///
/// Its type is a page that the server shows at `/problems/<slug>`; a test sees to it that each has one.
#[derive(Debug)]
pub struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: StatusCode,
    slug: &'static str,
    detail: String,
    errors: Vec<Invalid>,
    members: Vec<(&'static str, Value)>,
    headers: HeaderMap,
}

impl Problem {
    pub fn new(status: StatusCode, slug: &'static str, detail: impl Display) -> Self {
        Self(Box::new(Parts {
            status,
            slug,
            detail: detail.to_string(),
            errors: Vec::new(),
            members: Vec::new(),
            headers: HeaderMap::new(),
        }))
    }

    /// 400: what came cannot be read at all.
    pub fn malformed(detail: impl Display, errors: Vec<Invalid>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed-request", detail).errors(errors)
    }

    /// 400: a header cannot be read.
    pub fn bad_header(name: &str, why: &str) -> Self {
        let fault = Invalid::new(name, "bad_header", why);
        Self::malformed(format!("the header `{name}` {why}"), vec![fault])
    }

    /// 422: it can be read, and these parts of it break a rule.
    pub fn invalid(errors: Vec<Invalid>) -> Self {
        let detail = match errors.len() {
            1 => String::from("1 member is not valid"),
            many => format!("{many} members are not valid"),
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request", detail).errors(errors)
    }

    /// 404: it is not there, or this caller may not see that it is.
    pub fn not_found(slug: &'static str, detail: impl Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, slug, detail)
    }

    /// 409: it cannot be done to the thing as it is now.
    pub fn conflict(slug: &'static str, detail: impl Display) -> Self {
        Self::new(StatusCode::CONFLICT, slug, detail)
    }

    /// 500: our fault. The cause and its causes are logged here, once; the caller never sees them.
    ///
    /// 503, if it is that the database is away.
    pub fn internal(cause: &(dyn Error + 'static)) -> Self {
        error!(error = %chain(cause), "a request failed");
        if is_away(cause) {
            return Self::unavailable(Duration::from_secs(1));
        }
        Self::fault()
    }

    /// 500 for a fault that is already in the log.
    pub fn fault() -> Self {
        let detail = "the server failed; its log has the cause under this answer's `X-Request-Id`";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal-error", detail)
    }

    /// 503: not now. It is worth trying again after `retry_after`.
    pub fn unavailable(retry_after: Duration) -> Self {
        let seconds = retry_after.as_secs().max(1);
        let detail = format!("the server cannot answer now; try again in {seconds} s");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
            .header(header::RETRY_AFTER, seconds)
    }

    /// Adds an extra member, one that the problem's page names.
    #[must_use]
    pub fn with(mut self, member: &'static str, value: impl Serialize) -> Self {
        match serde_json::to_value(value) {
            Ok(value) => self.0.members.push((member, value)),
            Err(cause) => error!(member, error = %cause, "a problem's member was left out"),
        }
        self
    }

    /// Adds a header. A value that no header can hold is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Display) -> Self {
        if let Ok(value) = HeaderValue::try_from(value.to_string()) {
            self.0.headers.append(name, value);
        } else {
            error!(header = %name, "a problem's header was left out");
        }
        self
    }

    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Lists faults: on 400 and 422 only.
    #[must_use]
    pub fn errors(mut self, errors: Vec<Invalid>) -> Self {
        self.0.errors = errors;
        self
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Parts { status, slug, detail, errors, members, headers: _ } = &*self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("/problems/{slug}"))?;
        map.serialize_entry("status", &status.as_u16())?;
        map.serialize_entry("detail", detail)?;
        if !errors.is_empty() {
            map.serialize_entry("errors", &errors[..errors.len().min(FAULTS_SHOWN)])?;
        }
        for (name, value) in members {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let content_type = [(header::CONTENT_TYPE, "application/problem+json")];
        (self.0.status, content_type, self.0.headers, body).into_response()
    }
}

/// Why a call was refused or failed (RFC 9457). Further members are named by the page of its type.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct ProblemSchema {
    /// Path of the page that explains this kind of problem.
    #[schema(example = "/problems/invalid-request")]
    r#type: String,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// What is wrong this time.
    #[schema(example = "1 member is not valid")]
    detail: String,
    /// The faults of the request, on 400 and 422 only.
    #[schema(required = false)]
    errors: Vec<Invalid>,
}

impl IntoResponses for Problem {
    fn responses() -> BTreeMap<String, RefOr<ResponseSchema>> {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new()
            .description("The call was refused or failed")
            .content("application/problem+json", content)
            .build();
        BTreeMap::from([(String::from("default"), RefOr::T(response))])
    }
}

/// Whether the database cannot be reached, or has no connection to spare.
fn is_away(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(db::is_away) || error.source().is_some_and(is_away)
}

/// An error and what caused it, outermost first.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use axum::body::to_bytes;
    use expect_test::Expect;
    use expect_test::expect;

    use super::*;

    #[tokio::test]
    async fn members_come_in_the_documented_order() {
        let faults = vec![
            Invalid::new("/tools/0", "unknown_tool", "no tool is named `tool1`"),
            Invalid::new("?limit", "out_of_range", "must be at most 200"),
        ];

        check(
            Problem::invalid(faults).with("limit", 200),
            expect![[r#"
                422 application/problem+json
                {"type":"/problems/invalid-request","status":422,"detail":"2 members are not valid","errors":[{"pointer":"/tools/0","code":"unknown_tool","detail":"no tool is named `tool1`"},{"pointer":"?limit","code":"out_of_range","detail":"must be at most 200"}],"limit":200}"#]],
        )
        .await;
    }

    #[tokio::test]
    async fn one_fault_is_counted_in_the_singular() {
        let fault = Invalid::new("/name", "missing_member", "is required");

        assert_eq!(Problem::invalid(vec![fault]).detail(), "1 member is not valid");
    }

    #[tokio::test]
    async fn a_failure_of_ours_shows_no_cause() {
        let cause = io::Error::other("password=hunter2");

        check(
            Problem::internal(&cause),
            expect![[r#"
                500 application/problem+json
                {"type":"/problems/internal-error","status":500,"detail":"the server failed; its log has the cause under this answer's `X-Request-Id`"}"#]],
        )
        .await;
    }

    #[tokio::test]
    async fn a_busy_server_says_when_to_come_back() {
        let response = Problem::unavailable(Duration::from_secs(5)).into_response();

        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "5");
    }

    #[tokio::test]
    async fn endless_faults_are_counted_but_not_all_shown() {
        let faults = vec![Invalid::new("/x", "unknown_member", "there is no such member"); 1000];

        let shown = serde_json::to_value(Problem::invalid(faults)).unwrap();

        assert_eq!(shown["detail"], "1000 members are not valid");
        assert_eq!(shown["errors"].as_array().unwrap().len(), FAULTS_SHOWN);
    }

    async fn check(problem: Problem, expected: Expect) {
        let response = problem.into_response();
        let status = response.status().as_u16();
        let media_type = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        expected.assert_eq(&format!("{status} {media_type}\n{body}"));
    }
}

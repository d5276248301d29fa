//! From what a row or a body says to an upstream: one function for both.

use http::HeaderName;
use utoipa::PartialSchema;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema as OpenApiSchema;

use super::UpstreamAuth;
use super::UpstreamContent;
use super::UpstreamRows;
use super::programs::SCHEME;
use crate::definitions::Document;
use crate::definitions::Normalised;
use crate::definitions::Reader;
use crate::definitions::change_body;
use crate::definitions::check_name;
use crate::definitions::check_scopes;
use crate::definitions::metadata;
use crate::definitions::new_body;
use crate::egress::is_of_the_connection;
use crate::http::Invalid;

/// What every upstream says of itself; `null` is no value of it.
const REQUIRED: [&str; 2] = ["name", "url"];
/// The longest pattern of names of tools.
const PATTERN: usize = 129;

/// A new upstream, as a body describes it. Only its schema is used.
#[derive(Debug)]
pub enum NewUpstream {}

/// What of an upstream is to change, as a body says it. Only its schema is used.
#[derive(Debug)]
pub enum UpstreamChange {}

impl PartialSchema for NewUpstream {
    fn schema() -> RefOr<OpenApiSchema> {
        new_body::<UpstreamContent>(&REQUIRED, "A new upstream. `null` stands for the default.")
    }
}

impl PartialSchema for UpstreamChange {
    fn schema() -> RefOr<OpenApiSchema> {
        let description = "The members that change. `null` stands for the default.";
        change_body::<UpstreamContent>(&REQUIRED, description)
    }
}

impl ToSchema for NewUpstream {
    fn schemas(schemas: &mut Vec<(String, RefOr<OpenApiSchema>)>) {
        UpstreamContent::schemas(schemas);
    }
}

impl ToSchema for UpstreamChange {
    fn schemas(schemas: &mut Vec<(String, RefOr<OpenApiSchema>)>) {
        UpstreamContent::schemas(schemas);
    }
}

/// Understands `given`, of which `unreadable` is already known to be no JSON.
pub fn normalise(
    kind: &UpstreamRows,
    given: Document,
    unreadable: Vec<Invalid>,
) -> Normalised<UpstreamRows> {
    let mut reader = Reader::new::<NewUpstream>(given, unreadable);
    let name: String = reader.take("name");
    let given_name: Option<String> = reader.take("display_name");
    let default = UpstreamContent { display_name: name.clone(), ..UpstreamContent::default() };
    let content = UpstreamContent {
        display_name: given_name.filter(|it| !it.is_empty()).unwrap_or_else(|| name.clone()),
        name,
        description: reader.take("description"),
        url: reader.take("url"),
        auth: reader.take("auth"),
        allow: reader.take::<Option<_>>("allow").unwrap_or_else(|| default.allow.clone()),
        timeout_ms: reader.take::<Option<_>>("timeout_ms").unwrap_or(default.timeout_ms),
        max_result_bytes: reader
            .take::<Option<_>>("max_result_bytes")
            .unwrap_or(default.max_result_bytes),
        scopes: reader.take("scopes"),
        metadata: reader.take("metadata"),
    };
    let is_active = reader.take::<Option<bool>>("is_active").unwrap_or(true);
    for faults in broken_rules(kind, &content) {
        reader.report(faults);
    }
    let (document, problems) = reader.finish(&content, &default, &REQUIRED);
    Normalised { content, document, is_active, problems }
}

/// What the rules that no schema knows find wrong with each member.
fn broken_rules(kind: &UpstreamRows, content: &UpstreamContent) -> [Vec<Invalid>; 6] {
    let refused = |place: &str, url: &str| match url.strip_prefix(SCHEME) {
        Some(program)
            if place == "/url" && program == content.name && kind.has_program(program) =>
        {
            None
        }
        Some(_) => {
            let detail = "programs are named by the file `MCP_SERVERS_FILE` alone, which only who runs the server writes";
            Some(Invalid::new(place, "url_not_allowed", detail))
        }
        None => {
            let refusal = kind.egress.check(url).err();
            refusal.map(|why| Invalid::new(place, "url_not_allowed", why))
        }
    };
    [
        check_name(&content.name).err().into_iter().collect(),
        refused("/url", &content.url).into_iter().collect(),
        auth(kind, content, refused),
        patterns(&content.allow),
        check_scopes(&content.scopes),
        metadata::check(&content.metadata),
    ]
}

fn auth(
    kind: &UpstreamRows,
    content: &UpstreamContent,
    refused: impl Fn(&str, &str) -> Option<Invalid>,
) -> Vec<Invalid> {
    let fault = match &content.auth {
        UpstreamAuth::Oauth { token_url, .. } => refused("/auth/token_url", token_url),
        UpstreamAuth::Consent { client_id: None, secret: Some(_), .. } => {
            let detail = "belongs to a `client_id`";
            Some(Invalid::new("/auth/secret", "conflict", detail))
        }
        UpstreamAuth::Consent { issuer: Some(issuer), .. } => refused("/auth/issuer", issuer),
        UpstreamAuth::Exchange { .. } if kind.onward.is_own(&content.url) => {
            let detail = "there are no such tokens for this server itself";
            Some(Invalid::new("/auth", "not_allowed", detail))
        }
        UpstreamAuth::Header { name, .. } => {
            let is_ours = |it: &HeaderName| {
                is_of_the_connection(it) || it.as_str().starts_with("mcp-") || it == "content-type"
            };
            let is_free = name.parse().is_ok_and(|it| !is_ours(&it));
            let detail = "must be a header that is not written by the protocol";
            (!is_free).then(|| Invalid::new("/auth/name", "not_allowed", detail))
        }
        _ => None,
    };
    fault.into_iter().collect()
}

fn patterns(allow: &[String]) -> Vec<Invalid> {
    let is_pattern = |text: &str| {
        let name = text.strip_suffix('*').unwrap_or(text);
        !text.is_empty() && text.len() <= PATTERN && !name.contains('*')
    };
    let wrong = allow.iter().enumerate().filter(|(_, it)| !is_pattern(it));
    let detail = "a name of at most 128 bytes, or the beginning of one with `*` behind";
    wrong.map(|(index, _)| Invalid::new(format!("/allow/{index}"), "bad_format", detail)).collect()
}

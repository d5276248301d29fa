//! What the OpenAPI document says beside its routes.

use auth::scope::Scope;
use http::StatusCode;
use utoipa::PartialSchema;
use utoipa::ToSchema;
use utoipa::openapi::Components;
use utoipa::openapi::ComponentsBuilder;
use utoipa::openapi::Info;
use utoipa::openapi::InfoBuilder;
use utoipa::openapi::License;
use utoipa::openapi::OpenApi;
use utoipa::openapi::OpenApiBuilder;
use utoipa::openapi::RefOr;
use utoipa::openapi::Server;
use utoipa::openapi::path::Operation;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::security::AuthorizationCode;
use utoipa::openapi::security::ClientCredentials;
use utoipa::openapi::security::Flow;
use utoipa::openapi::security::Http;
use utoipa::openapi::security::HttpAuthScheme;
use utoipa::openapi::security::OAuth2;
use utoipa::openapi::security::Scopes;
use utoipa::openapi::security::SecurityScheme;
use utoipa::openapi::tag::Tag;
use utoipa::openapi::tag::TagBuilder;

use crate::http::Invalid;
use crate::http::ProblemSchema;

const ABOUT: &str = "\
Agents, workflows and tools as durable runs, behind an OAuth 2.1 server.

Every call needs `Authorization: Bearer <access token>` unless it says otherwise; `POST /oauth/token` gives one. JSON \
is UTF-8 and `snake_case`; a response has every member, always. What goes wrong is answered as `application/problem+json` \
(RFC 9457), and each `type` is a page on this server.";

/// Groups of the docs page, in its order. A tag that is missing here comes after these.
const TAGS: [(&str, &str); 11] = [
    ("agents", "Definitions of agents, their versions, and what a caller may execute."),
    ("tools", "What agents may use."),
    ("workflows", "Definitions of workflows, and when what is scheduled happens."),
    (
        "runs",
        "Executions: begun, watched, waited for and canceled. A run outlives the connection that began it.",
    ),
    ("threads", "Conversations that runs go on with: what was said, exported or deleted."),
    ("mcp", "What clients of the Model Context Protocol find at `/mcp`, and how."),
    ("secrets", "Values that tools send to their hosts, and that nobody reads again."),
    ("oauth", "Tokens, keys and clients."),
    ("users", "People who may sign in, and what they may do."),
    ("models", "What the configured providers offer."),
    ("operations", "Whether the server lives, and how it fares."),
];

/// The document without any route.
pub fn base() -> OpenApi {
    OpenApiBuilder::new()
        .info(info())
        .servers(Some([Server::new("/")]))
        .components(Some(components()))
        .tags(Some(TAGS.map(tag)))
        .build()
}

/// Says of each answer what its status means, where its handler does not: OpenAPI demands it.
pub fn complete(mut document: OpenApi) -> OpenApi {
    let operations = document.paths.paths.values_mut().flat_map(operations);
    for (status, answer) in operations.flat_map(|operation| &mut operation.responses.responses) {
        if let RefOr::T(answer) = answer
            && answer.description.is_empty()
        {
            let status = status.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
            let reason = status.and_then(|status| status.canonical_reason());
            reason.unwrap_or("An answer").clone_into(&mut answer.description);
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, post, put, patch, delete, .. } = item;
    [get, post, put, patch, delete].into_iter().flatten()
}

fn info() -> Info {
    InfoBuilder::new()
        .title("Agent Server")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(License::new("MIT")))
        .build()
}

fn tag((name, about): (&str, &str)) -> Tag {
    TagBuilder::new().name(name).description(Some(about)).build()
}

fn components() -> Components {
    let scopes = Scope::known().map(|scope| (scope.to_string(), String::new()));
    let scopes = scopes.collect::<Scopes>();
    let people = AuthorizationCode::new("/oauth/authorize", "/oauth/token", scopes.clone());
    let own = ClientCredentials::new("/oauth/token", scopes);
    let oauth2 = OAuth2::new([Flow::ClientCredentials(own), Flow::AuthorizationCode(people)]);
    ComponentsBuilder::new()
        .schema(ProblemSchema::name(), ProblemSchema::schema())
        .schema(Invalid::name(), Invalid::schema())
        .security_scheme("oauth2", SecurityScheme::OAuth2(oauth2))
        .security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)))
        .build()
}

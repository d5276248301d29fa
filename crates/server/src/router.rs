//! Every route of the server, on one page.

use axum::Router;
use axum::middleware::from_fn;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::agents;
use crate::app::App;
use crate::http::docs;
use crate::http::docs::DocsError;
use crate::http::health;
use crate::http::layers;
use crate::http::openapi;
use crate::mcp;
use crate::oauth;
use crate::rag;
use crate::runs;
use crate::secrets;
use crate::settings;
use crate::tools;
use crate::ui;
use crate::workflows;

/// The whole server as one service.
pub fn router(app: &App) -> Result<Router, DocsError> {
    let limits = &app.config.limits;
    let (routes, _) = api().split_for_parts();
    let routes = layers::carry_through(routes, app.tasks.clone());
    let routes = layers::limit_time(routes, limits.request_time);
    let (patient, _) = patient().split_for_parts();
    let document = document();
    let routes = layers::refuse_queries(routes.merge(patient), &document);
    let routes = routes.merge(docs::routes(&document, &app.config.issuer)?);
    let routes = routes.merge(ui::routes(&app.config));
    let routes = layers::limit_count(routes, limits.concurrency);
    // Probes are answered however much there is to do.
    let probes = if app.config.metrics_address.is_none() { probes() } else { health::router() };
    let routes = routes.merge(Router::from(probes));
    let routes = layers::wrap(routes, app.ids.apart(), &app.config.cors_origins);
    let routes = routes.layer(from_fn(oauth::routes::speak_oauth));
    Ok(routes.layer(from_fn(mcp::routes::speak_json_rpc)).with_state(app.clone()))
}

/// Only `/metrics`, for an address of its own.
pub fn metrics(app: &App) -> Router {
    let (routes, _) = health::metrics_router().split_for_parts();
    layers::wrap(routes, app.ids.apart(), &[]).with_state(app.clone())
}

/// What the server says of its routes.
pub fn document() -> OpenApi {
    let all = OpenApiRouter::<App>::with_openapi(openapi::base())
        .merge(api())
        .merge(patient())
        .merge(probes());
    openapi::complete(all.into_openapi())
}

/// Calls that are answered soon or not at all.
fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(oauth::routes::router())
        .merge(secrets::routes::router())
        .merge(rag::routes::router())
        .merge(tools::routes::router())
        .merge(tools::openapi::routes::router())
        .merge(agents::routes::router())
        .merge(workflows::routes::router())
        .merge(runs::threads::routes::router())
        .merge(mcp::routes::settings())
        .merge(settings::routes::router())
}

/// Calls that are answered when a run has come so far, or a file has.
fn patient() -> OpenApiRouter<App> {
    runs::routes::router().merge(rag::routes::uploads()).merge(mcp::routes::router())
}

fn probes() -> OpenApiRouter<App> {
    health::router().merge(health::metrics_router())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use expect_test::expect_file;

    use super::*;

    #[test]
    fn generated_openapi_document_is_that_of_the_routes() {
        let text = document().to_pretty_json().unwrap() + "\n";

        expect_file!["../../../openapi.json"].assert_eq(&text);
    }

    #[test]
    fn every_operation_says_what_it_does_and_where_it_belongs() {
        let document = serde_json::to_value(document()).unwrap();
        let mut ids = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id.to_owned()), "{id} is there twice");
                assert!(operation["summary"].is_string(), "{method} {path} has no summary");
                assert!(operation["tags"][0].is_string(), "{method} {path} has no tag");
            }
        }
        assert!(ids.contains("health"));
    }

    #[test]
    fn every_schema_that_is_named_is_there() {
        let document = serde_json::to_value(document()).unwrap();
        let text = document.to_string();
        for name in text.split("\"#/components/schemas/").skip(1) {
            let name = name.split('"').next().unwrap();
            assert!(!document["components"]["schemas"][name].is_null(), "{name} is missing");
        }
    }
}

//! What the docs page shows of an OpenAPI document.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::openapi::OpenApi;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema as OpenApiSchema;

use crate::http::docs::markdown;
use crate::http::docs::types;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The page, ready for its template. What ends in `_html` is HTML, all else is text.
#[derive(Debug, Serialize)]
pub struct Page {
    pub title: String,
    pub version: String,
    pub about_html: String,
    pub groups: Vec<Group>,
    pub schemas: Vec<Schema>,
}

#[derive(Debug, Serialize)]
pub struct Group {
    pub name: String,
    pub about_html: String,
    pub operations: Vec<Operation>,
}

#[derive(Debug, Serialize)]
pub struct Operation {
    pub id: String,
    pub method: String,
    pub path: String,
    pub summary_html: String,
    pub about_html: String,
    pub scopes: Vec<String>,
    pub needs_token: bool,
    pub parameters: Vec<Member>,
    pub bodies: Vec<Content>,
    pub answers: Vec<Answer>,
    pub curl: String,
}

#[derive(Debug, Serialize)]
pub struct Member {
    pub name: String,
    pub place: String,
    pub type_html: String,
    pub is_required: bool,
    pub about_html: String,
}

#[derive(Debug, Serialize)]
pub struct Content {
    pub media_type: String,
    pub type_html: String,
}

#[derive(Debug, Serialize)]
pub struct Answer {
    pub status: String,
    pub about_html: String,
    pub contents: Vec<Content>,
}

#[derive(Debug, Serialize)]
pub struct Schema {
    pub name: String,
    pub about_html: String,
    pub type_html: String,
    pub members: Vec<Member>,
}

/// Reads the document; `base` is the URL that its examples call.
///
/// JSON forgets the order of members, so that it comes from `api`, all else from its JSON.
pub fn page(api: &OpenApi, document: &Value, base: &str) -> Page {
    let empty = Map::new();
    let schemas = document["components"]["schemas"].as_object().unwrap_or(&empty);
    let tags = document["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut groups: Vec<Group> = tags
        .iter()
        .map(|tag| Group {
            name: text(&tag["name"]),
            about_html: markdown::html(&text(&tag["description"])),
            operations: Vec::new(),
        })
        .collect();
    for path in api.paths.paths.keys() {
        for method in METHODS {
            let operation = &document["paths"][path][method];
            if operation.is_null() {
                continue;
            }
            let tag = text(&operation["tags"][0]);
            let operation = operation_of(method, path, operation, schemas, base);
            match groups.iter_mut().find(|group| group.name == tag) {
                Some(group) => group.operations.push(operation),
                None => groups.push(Group {
                    name: tag,
                    about_html: String::new(),
                    operations: vec![operation],
                }),
            }
        }
    }
    groups.retain(|group| !group.operations.is_empty());
    Page {
        title: text(&document["info"]["title"]),
        version: text(&document["info"]["version"]),
        about_html: markdown::html(&text(&document["info"]["description"])),
        groups,
        schemas: schemas
            .iter()
            .map(|(name, schema)| schema_of(name, schema, &order(api, name)))
            .collect(),
    }
}

fn operation_of(
    method: &str,
    path: &str,
    operation: &Value,
    schemas: &Map<String, Value>,
    base: &str,
) -> Operation {
    let security = operation["security"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut scopes: Vec<String> = security
        .iter()
        .flat_map(members)
        .flat_map(|(_, scopes)| scopes.as_array().into_iter().flatten().map(text))
        .collect();
    scopes.sort();
    scopes.dedup();
    // An empty choice among others means that it goes without.
    let is_open = |choice: &Value| members(choice).next().is_none();
    let needs_token = !security.is_empty() && !security.iter().any(is_open);
    let bodies = &operation["requestBody"]["content"];
    let example = bodies.get("application/json").map(|body| match body.get("example") {
        Some(example) => example.clone(),
        None => types::example(&body["schema"], schemas),
    });
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    Operation {
        id: text(&operation["operationId"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary_html: markdown::inline(text(&operation["summary"]).trim_end_matches('.')),
        about_html: markdown::html(&text(&operation["description"])),
        needs_token,
        curl: curl(method, &format!("{base}{path}"), needs_token, example.as_ref()),
        scopes,
        parameters: parameters.iter().map(parameter_of).collect(),
        bodies: contents(bodies),
        answers: members(&operation["responses"])
            .map(|(status, answer)| Answer {
                status: status.clone(),
                about_html: markdown::inline(&text(&answer["description"])),
                contents: contents(&answer["content"]),
            })
            .collect(),
    }
}

fn parameter_of(parameter: &Value) -> Member {
    Member {
        name: text(&parameter["name"]),
        place: text(&parameter["in"]),
        type_html: types::words(&parameter["schema"]),
        is_required: parameter["required"] == true,
        about_html: markdown::inline(&text(&parameter["description"])),
    }
}

fn contents(content: &Value) -> Vec<Content> {
    members(content)
        .map(|(media_type, content)| Content {
            media_type: media_type.clone(),
            type_html: types::words(&content["schema"]),
        })
        .collect()
}

fn schema_of(name: &str, schema: &Value, order: &[&str]) -> Schema {
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let members =
        order.iter().map(|name| (name, &schema["properties"][name])).map(|(name, member)| Member {
            name: (*name).to_owned(),
            place: String::new(),
            type_html: types::words(member),
            is_required: required.iter().any(|known| known == name),
            about_html: markdown::inline(&text(&member["description"])),
        });
    Schema {
        name: name.to_owned(),
        about_html: markdown::html(&text(&schema["description"])),
        type_html: types::words(schema),
        members: members.collect(),
    }
}

/// The members of a schema in the order of its type.
fn order<'a>(api: &'a OpenApi, name: &str) -> Vec<&'a str> {
    let schemas = api.components.as_ref().map(|components| &components.schemas);
    match schemas.and_then(|schemas| schemas.get(name)) {
        Some(RefOr::T(OpenApiSchema::Object(object))) => {
            object.properties.keys().map(String::as_str).collect()
        }
        _ => Vec::new(),
    }
}

/// The call as a line for a shell.
fn curl(method: &str, url: &str, needs_token: bool, body: Option<&Value>) -> String {
    let mut line = String::from("curl");
    if method != "get" {
        let _ = write!(line, " -X {}", method.to_uppercase());
    }
    let _ = write!(line, " '{url}'");
    if needs_token {
        line.push_str(" \\\n  -H \"Authorization: Bearer $TOKEN\"");
    }
    if let Some(body) = body {
        let body = serde_json::to_string_pretty(body).unwrap_or_default().replace('\'', "'\\''");
        let _ = write!(line, " \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'");
    }
    line
}

/// The members of an object, none of anything else.
fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

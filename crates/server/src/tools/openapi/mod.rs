//! From an OpenAPI document to definitions of tools that send its requests.
//!
//! All of this is pure: a document goes in, bodies for `POST /tools/definitions` come out, and for each
//! operation that cannot be one the reason. Nothing is fetched; a `$ref` to elsewhere is such a reason.

mod document;
mod operation;
pub mod routes;
mod schema;
mod security;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use crate::definitions::check_name;
use crate::http::Invalid;

pub use document::read;

use document::Document;

/// The longest name that a definition may have.
const NAME: usize = 56;
/// The methods that an operation may have; OpenAPI's `trace` is sent by nobody.
const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

/// What an import makes of a document.
#[derive(Debug, Default)]
pub struct Import {
    /// Members of definitions.
    pub tools: Vec<Map<String, Value>>,
    pub skipped: Vec<Skipped>,
}

/// An operation that is no tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SkippedOperation)]
pub struct Skipped {
    /// Its `operationId`, or its method and path.
    #[schema(example = "getOrder")]
    pub operation: String,
    #[schema(example = "its body is multipart/form-data")]
    pub reason: String,
}

/// Which operations are wanted, and where they are.
#[derive(Debug, Default)]
pub struct Wanted<'w> {
    /// By their `operationId`, or `GET /orders/{id}`; `None`: all.
    pub operations: Option<&'w [String]>,
    /// In the place of what `servers` say.
    pub server: Option<&'w str>,
    /// How all requests prove whose they are, in the place of what the document says.
    pub auth: Option<&'w Value>,
    /// Where the document comes from, which relative servers start at.
    pub url: Option<&'w str>,
}

/// Makes tools of the operations of a document. Fails if it is none, or lacks an operation that is
/// wanted by name; pointers of faults lead into the document and into the list `operations`.
pub fn import(document: &Value, wanted: &Wanted<'_>) -> Result<Import, Vec<Invalid>> {
    let document = Document::new(document)?;
    let (mut import, mut names, mut found) = (Import::default(), BTreeSet::new(), BTreeSet::new());
    for (path, item) in document.paths() {
        let item = match document.resolve(item) {
            Ok(Value::Object(item)) => item,
            Ok(_) => continue,
            Err(reason) => {
                import.skipped.push(Skipped { operation: path.clone(), reason });
                continue;
            }
        };
        for method in METHODS {
            let Some(Value::Object(operation)) = item.get(method) else { continue };
            let place = format!("{} {path}", method.to_ascii_uppercase());
            let id = operation.get("operationId").and_then(Value::as_str).unwrap_or(&place);
            let is_it = |name: &&String| *name == id || **name == place;
            if let Some(operations) = wanted.operations {
                let Some(name) = operations.iter().find(is_it) else { continue };
                found.insert(name);
            }
            let parts = operation::Parts { document: &document, path, item, method, operation, id };
            match parts.tool(wanted) {
                Ok(mut tool) => {
                    let name = unique(&name_of(method, path, operation), &mut names);
                    tool.insert("name".to_owned(), name.into());
                    import.tools.push(tool);
                }
                Err(reason) => import.skipped.push(Skipped { operation: id.to_owned(), reason }),
            }
        }
    }
    let unknown = wanted.operations.into_iter().flatten().enumerate();
    let unknown = unknown.filter(|(_, name)| !found.contains(name)).map(|(index, name)| {
        let name: String = name.chars().take(100).collect();
        let detail = format!("the document has no operation `{name}`");
        Invalid::new(format!("/operations/{index}"), "unknown_operation", detail)
    });
    let unknown: Vec<_> = unknown.collect();
    if unknown.is_empty() { Ok(import) } else { Err(unknown) }
}

/// A name for the tool: the id of the operation, or its method and path, in letters that names have.
fn name_of(method: &str, path: &str, operation: &Map<String, Value>) -> String {
    let id = operation.get("operationId").and_then(Value::as_str);
    let text = id.map_or_else(|| format!("{method}_{path}"), str::to_owned);
    let name = word(&text, NAME);
    if check_name(&name).is_ok() { name } else { word(&format!("op_{name}"), NAME) }
}

/// `text` in letters, digits, `_` and `-`, no longer than this.
fn word(text: &str, longest: usize) -> String {
    let mut word = String::new();
    for char in text.chars() {
        match char {
            _ if char.is_ascii_alphanumeric() || char == '-' => word.push(char),
            _ if word.is_empty() || word.ends_with('_') => {}
            _ => word.push('_'),
        }
    }
    word.truncate(longest);
    word.trim_end_matches('_').to_owned()
}

/// `name`, or with a number behind it if it was given before, whatever its case.
fn unique(name: &str, given: &mut BTreeSet<String>) -> String {
    let mut all = std::iter::once(name.to_owned()).chain((2..).map(|number: u32| {
        let end = format!("_{number}");
        let kept: String = name.chars().take(NAME - end.len()).collect();
        kept + &end
    }));
    let free = all.find(|it| given.insert(it.to_ascii_lowercase()));
    free.unwrap_or_default()
}

//! The document: what it is, and where its references lead.

use std::cell::Cell;

use serde_json::Map;
use serde_json::Value;

use crate::http::Invalid;

/// A reference that leads to a reference, so many times at most.
const CHAIN: usize = 16;
/// As many values schemas may have, all tools together: a document of thousands of operations, of which
/// each repeats the same large schema, is larger than it looks.
const VALUES: usize = 200_000;

/// A document of OpenAPI 3.
#[derive(Debug)]
pub struct Document<'d> {
    root: &'d Value,
    /// Whether it speaks the JSON Schema of 3.0, which is one of its own.
    pub is_3_0: bool,
    left: Cell<usize>,
}

/// Reads a document in JSON or YAML.
pub fn read(text: &str) -> Result<Value, String> {
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    // Keys may be written as numbers there, such as those of responses.
    serde_saphyr::from_str(text).map_err(|error| {
        let first: String =
            error.to_string().lines().next().unwrap_or_default().chars().take(200).collect();
        format!("it is neither JSON nor YAML: {first}")
    })
}

impl<'d> Document<'d> {
    pub fn new(root: &'d Value) -> Result<Self, Vec<Invalid>> {
        let fault = |at: &str, detail: &str| Err(vec![Invalid::new(at, "bad_document", detail)]);
        if root.get("swagger").is_some() {
            return fault("/swagger", "this is Swagger 2; OpenAPI 3.0 and 3.1 are understood");
        }
        let version = root.get("openapi").and_then(Value::as_str).unwrap_or_default();
        let is_3_0 = version.starts_with("3.0");
        if !is_3_0 && !version.starts_with("3.1") {
            return fault("/openapi", "it must be OpenAPI 3.0 or 3.1");
        }
        if !root.get("paths").is_some_and(Value::is_object) {
            return fault("/paths", "it has no paths");
        }
        Ok(Self { root, is_3_0, left: Cell::new(VALUES) })
    }

    pub fn paths(&self) -> impl Iterator<Item = (&'d String, &'d Value)> {
        let paths = self.root.get("paths").and_then(Value::as_object).into_iter();
        paths.flat_map(Map::iter).filter(|(path, _)| path.starts_with('/'))
    }

    pub fn member(&self, name: &str) -> Option<&'d Value> {
        self.root.get(name)
    }

    /// What `value` is, or refers to.
    pub fn resolve(&self, mut value: &'d Value) -> Result<&'d Value, String> {
        for _ in 0..CHAIN {
            let Some(Value::String(reference)) = value.get("$ref") else { return Ok(value) };
            value = self.target(reference)?;
        }
        Err("a `$ref` of it leads to itself".to_owned())
    }

    /// What a reference leads to.
    pub fn target(&self, reference: &str) -> Result<&'d Value, String> {
        let shown: String = reference.chars().take(100).collect();
        let Some(pointer) = reference.strip_prefix('#') else {
            return Err(format!(
                "its `$ref` to `{shown}` is outside of the document, and nothing is fetched"
            ));
        };
        let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8_lossy();
        let target = self.root.pointer(&pointer);
        target.ok_or_else(|| format!("its `$ref` to `{shown}` leads to nothing"))
    }

    /// Takes one of the values that schemas may have.
    pub fn take_value(&self) -> Result<(), String> {
        let left = self.left.get().checked_sub(1);
        self.left.set(
            left.ok_or(
                "the schemas of the document are too large; import fewer operations at once",
            )?,
        );
        Ok(())
    }
}

//! What callers may keep of their own with a thing of ours.

use serde_json::Map;
use serde_json::Value;

use crate::http::Invalid;

/// The most that metadata may have as JSON, in bytes, and the most levels.
const BYTES: usize = 16 * 1024;
const DEPTH: usize = 8;

/// What is wrong with the member `metadata` of a body.
pub fn check(metadata: &Map<String, Value>) -> Vec<Invalid> {
    let depth = 1 + metadata.values().map(depth).max().unwrap_or_default();
    let bytes = serde_json::to_string(metadata).map_or(0, |text| text.len());
    let fault = |code, detail| vec![Invalid::new("/metadata", code, detail)];
    if bytes > BYTES {
        return fault("too_long", "must have at most 16384 bytes as JSON");
    }
    if depth > DEPTH {
        return fault("too_deep", "must have at most 8 levels");
    }
    Vec::new()
}

/// How many objects and lists stand in each other.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

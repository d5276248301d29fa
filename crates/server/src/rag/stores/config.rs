//! The settings of stores: which there are, and what each has to be.

use serde_json::Map;
use serde_json::Value;
use url::Url;

use crate::http::Invalid;
use crate::http::pointer_to;
use crate::rag::databases::StoreType;

/// Where they are in a definition.
const PLACE: &str = "/vector_store_config";
/// The longest beginning of the names of collections.
const LONGEST: usize = 100;

/// A setting that is given, and is a text.
pub fn text<'a>(config: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    config.get(name).and_then(Value::as_str).filter(|it| !it.is_empty())
}

/// The secret that a store is told, with the host that it is told to.
pub fn secret_use(config: &Map<String, Value>) -> Option<(&str, Option<Url>)> {
    let url = text(config, "url").and_then(|it| Url::parse(it).ok());
    text(config, "secret").map(|secret| (secret, url))
}

/// What is wrong with the settings of a store.
pub fn check(store: StoreType, config: &Map<String, Value>) -> Vec<Invalid> {
    let (word, known): (_, &[&str]) = match store {
        StoreType::Embedded => ("embedded", &[]),
        StoreType::Pgvector => ("pgvector", &[]),
        StoreType::Chroma => ("chroma", &["url", "secret", "tenant", "database", "collection"]),
        StoreType::Qdrant => ("qdrant", &["url", "secret", "collection"]),
    };
    let mut faults = Vec::new();
    for (name, value) in config {
        let place = pointer_to(PLACE, name);
        if !known.contains(&name.as_str()) {
            let detail = format!("the store `{word}` has no such setting");
            faults.push(Invalid::new(place, "unknown_member", detail));
        } else if !value.is_string() && !value.is_null() {
            faults.push(Invalid::new(place, "wrong_type", "must be a string or null"));
        }
    }
    if known.contains(&"url") {
        faults.extend(url_fault(text(config, "url")));
    }
    faults.extend(text(config, "collection").and_then(collection_fault));
    faults
}

fn url_fault(url: Option<&str>) -> Option<Invalid> {
    let place = format!("{PLACE}/url");
    let Some(url) = url else { return Some(Invalid::new(place, "missing_member", "is required")) };
    let is_plain = |url: &Url| {
        let is_http = ["http", "https"].contains(&url.scheme()) && url.has_host();
        let has_more = url.query().is_some() || url.fragment().is_some();
        is_http && !has_more && url.username().is_empty() && url.password().is_none()
    };
    let detail = "must be a URL of `http` or `https` without user, query and fragment";
    let is_right = Url::parse(url).is_ok_and(|url| is_plain(&url));
    (!is_right).then(|| Invalid::new(place, "bad_format", detail))
}

fn collection_fault(name: &str) -> Option<Invalid> {
    let is_right = name.len() <= LONGEST
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"._-".contains(&it));
    let detail = format!(
        "is a letter or digit, then at most {} letters, digits, `.`, `_` and `-`",
        LONGEST - 1
    );
    (!is_right).then(|| Invalid::new(format!("{PLACE}/collection"), "bad_format", detail))
}

//! What an operation demands of its callers, as `auth` of a tool that names a secret.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::document::Document;
use super::word;

/// The longest name of a secret.
const NAME: usize = 56;

/// Adds to `config` what the first requirement that can be met wants. The secret is named for its scheme; whoever
/// imports gives it a value.
pub fn add(
    document: &Document<'_>,
    security: Option<&Value>,
    config: &mut Map<String, Value>,
) -> Result<(), String> {
    let Some(Value::Array(requirements)) = security else { return Ok(()) };
    if requirements.is_empty() {
        return Ok(());
    }
    let mut reason = None;
    let mut is_optional = false;
    for requirement in requirements.iter().filter_map(Value::as_object) {
        if requirement.is_empty() {
            is_optional = true;
            continue;
        }
        let mut changed = config.clone();
        match requirement
            .iter()
            .try_for_each(|(name, scopes)| add_scheme(document, name, scopes, &mut changed))
        {
            Ok(()) => {
                *config = changed;
                return Ok(());
            }
            Err(why) => reason = reason.or(Some(why)),
        }
    }
    match reason {
        Some(reason) if !is_optional => Err(reason),
        _ => Ok(()),
    }
}

fn add_scheme(
    document: &Document<'_>,
    name: &str,
    scopes: &Value,
    config: &mut Map<String, Value>,
) -> Result<(), String> {
    let schemes = document.member("components").and_then(|it| it.get("securitySchemes"));
    let scheme = schemes
        .and_then(|it| it.get(name))
        .ok_or_else(|| format!("its security scheme `{name}` is not described"))?;
    let scheme = document.resolve(scheme)?;
    let text = |member: &str| scheme.get(member).and_then(Value::as_str).unwrap_or_default();
    let secret = secret_name(name);
    let auth = match (text("type"), text("scheme").to_ascii_lowercase().as_str(), text("in")) {
        ("http", "bearer", _) | ("openIdConnect", ..) => {
            json!({"type": "bearer", "secret": secret})
        }
        ("http", "basic", _) => json!({"type": "basic", "username": "", "secret": secret}),
        ("oauth2", ..) => oauth(scheme, scopes, &secret),
        ("apiKey", _, "header") => {
            json!({"type": "header", "name": text("name"), "secret": secret})
        }
        ("apiKey", _, place @ ("query" | "cookie")) => {
            let value = format!("{{{{secrets.{secret}}}}}");
            let (place, header, value) = match place {
                "query" => ("query", text("name"), value),
                _ => ("headers", "cookie", format!("{}={value}", text("name"))),
            };
            let members = config.entry(place).or_insert_with(|| json!({}));
            if let Value::Object(members) = members {
                members.insert(header.to_owned(), value.into());
            }
            return Ok(());
        }
        _ => {
            return Err(format!(
                "its security scheme `{name}` is of a kind that is not known here"
            ));
        }
    };
    if config.contains_key("auth") {
        return Err("it wants two proofs at once".to_owned());
    }
    config.insert("auth".to_owned(), auth);
    Ok(())
}

/// Client credentials if there are any, else a token that somebody brings.
fn oauth(scheme: &Value, scopes: &Value, secret: &str) -> Value {
    let flow = scheme.pointer("/flows/clientCredentials");
    let Some(token_url) = flow.and_then(|it| it.get("tokenUrl")).and_then(Value::as_str) else {
        return json!({"type": "bearer", "secret": secret});
    };
    let scopes = scopes.as_array().into_iter().flatten().filter_map(Value::as_str);
    let scope = scopes.collect::<Vec<_>>().join(" ");
    let scope = if scope.is_empty() { Value::Null } else { scope.into() };
    json!({"type": "oauth", "token_url": token_url, "client_id": "", "secret": secret, "scope": scope})
}

fn secret_name(scheme: &str) -> String {
    let name = word(scheme, NAME);
    let is_name = name.starts_with(|it: char| it.is_ascii_alphabetic());
    if is_name { name } else { word(&format!("key_{name}"), NAME) }
}

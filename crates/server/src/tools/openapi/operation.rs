//! One operation as a tool.

use std::collections::BTreeSet;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use url::Url;

use super::Wanted;
use super::document::Document;
use super::schema::Copier;
use super::schema::without_patterns;
use super::security;
use super::word;
use crate::http::schema::Schema;
use crate::tools::http::is_json;

/// The longest name of an argument that all providers take.
const ARGUMENT: usize = 64;
/// The longest description of a tool, in characters.
const DESCRIPTION: usize = 1_000;
const FORM: &str = "application/x-www-form-urlencoded";

/// An operation, and what stands around it.
pub struct Parts<'p, 'd> {
    pub document: &'p Document<'d>,
    pub path: &'d str,
    pub item: &'d Map<String, Value>,
    pub method: &'static str,
    pub operation: &'d Map<String, Value>,
    pub id: &'p str,
}

/// A tool in the making.
#[derive(Default)]
struct Draft {
    properties: Map<String, Value>,
    required: Vec<String>,
    names: BTreeSet<String>,
    /// With arguments in it.
    path: String,
    config: Map<String, Value>,
}

impl<'d> Parts<'_, 'd> {
    /// The members of its definition but for the name, or why it is no tool.
    pub fn tool(&self, wanted: &Wanted<'_>) -> Result<Map<String, Value>, String> {
        let base = self.server(wanted)?;
        let mut copier = Copier::new(self.document);
        let mut draft = Draft { path: self.path.to_owned(), ..Draft::default() };
        draft.config.insert("method".to_owned(), self.method.to_ascii_uppercase().into());
        for parameter in self.parameters()? {
            Self::add_parameter(&mut draft, &mut copier, parameter)?;
        }
        if draft.path.replace("{{ input.", "").contains('{') {
            return Err("its path has a parameter that is not described".to_owned());
        }
        self.add_body(&mut draft, &mut copier)?;
        if let Some(auth) = wanted.auth {
            draft.config.insert("auth".to_owned(), auth.clone());
        } else {
            let own = self.operation.get("security");
            let security = own.or_else(|| self.document.member("security"));
            security::add(self.document, security, &mut draft.config)?;
        }
        draft.config.insert("url".to_owned(), format!("{base}{}", draft.path).into());
        if base.starts_with("http://") {
            draft.config.insert("allow_http".to_owned(), true.into());
        }
        let input_schema = draft.input_schema()?;
        Ok(Map::from_iter([
            ("display_name".to_owned(), self.display_name().into()),
            ("description".to_owned(), self.description().into()),
            ("kind".to_owned(), "http".into()),
            ("input_schema".to_owned(), input_schema),
            ("config".to_owned(), draft.config.into()),
            ("metadata".to_owned(), json!({"openapi": {"operation": self.id}})),
        ]))
    }

    /// The URL that paths stand behind, without a slash at its end.
    fn server(&self, wanted: &Wanted<'_>) -> Result<String, String> {
        let of = |place: Option<&'d Value>| place?.as_array()?.first();
        let server = of(self.operation.get("servers"))
            .or_else(|| of(self.item.get("servers")))
            .or_else(|| of(self.document.member("servers")));
        let text = match (wanted.server, server) {
            (Some(server), _) => server.to_owned(),
            (None, Some(server)) => with_defaults(server),
            (None, None) => "/".to_owned(),
        };
        let base = wanted.url.and_then(|url| Url::parse(url).ok());
        let url = match base {
            Some(base) => base.join(&text),
            None => Url::parse(&text),
        };
        let url =
            url.map_err(|_| "its server is no absolute URL; say which in `server`".to_owned())?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err("the URL of its server has a `?` or a `#`".to_owned());
        }
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }

    /// Those of the path and of the operation, which go before.
    fn parameters(&self) -> Result<Vec<&'d Map<String, Value>>, String> {
        let lists = [self.item.get("parameters"), self.operation.get("parameters")];
        let mut found: Vec<&Map<String, Value>> = Vec::new();
        for parameter in lists.into_iter().flatten().filter_map(Value::as_array).flatten() {
            let Value::Object(parameter) = self.document.resolve(parameter)? else { continue };
            let is_it = |other: &&Map<String, Value>| {
                ["name", "in"].iter().all(|it| other.get(*it) == parameter.get(*it))
            };
            found.retain(|other| !is_it(other));
            found.push(parameter);
        }
        Ok(found)
    }

    fn add_parameter(
        draft: &mut Draft,
        copier: &mut Copier<'_, 'd>,
        parameter: &'d Map<String, Value>,
    ) -> Result<(), String> {
        let text = |name: &str| parameter.get(name).and_then(Value::as_str).unwrap_or_default();
        let (name, place) = (text("name"), text("in"));
        let is_required = parameter.get("required") == Some(&Value::Bool(true)) || place == "path";
        let ignored = ["accept", "content-type", "authorization"];
        if place == "header" && ignored.iter().any(|it| name.eq_ignore_ascii_case(it)) {
            return Ok(());
        }
        let mut schema = match (parameter.get("schema"), parameter.get("content")) {
            (Some(schema), _) => copier.copy(schema, 0)?,
            (None, _) => json!({}),
        };
        let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_odd = kind == "object" || !matches!(place, "path" | "query" | "header");
        if is_odd && !is_required {
            return Ok(()); // It can be done without.
        }
        if is_odd {
            return Err(format!(
                "its parameter `{name}` is {}",
                if kind == "object" { "an object" } else { "a cookie" }
            ));
        }
        let is_joined = kind == "array"
            && (place != "query" || parameter.get("explode") == Some(&Value::Bool(false)));
        if is_joined {
            schema = json!({"type": "string", "description": "Several values have commas between them."});
        }
        if let Some(value) = fixed(&schema, place, is_required) {
            let members = if place == "query" { "query" } else { "headers" };
            draft.set(members, name, literal(&value).into());
            return Ok(());
        }
        describe(&mut schema, text("description"));
        let argument = draft.argument(name, schema, is_required);
        match place {
            "path" => {
                let slot = format!("{{{name}}}");
                draft.path = draft.path.replace(&slot, &format!("{{{{ input.{argument} }}}}"));
            }
            "query" => draft.set("query", name, json!({"$": format!("/input/{argument}")})),
            _ => draft.set("headers", name, format!("{{{{ input.{argument} }}}}").into()),
        }
        Ok(())
    }

    fn add_body(&self, draft: &mut Draft, copier: &mut Copier<'_, 'd>) -> Result<(), String> {
        let Some(body) = self.operation.get("requestBody") else { return Ok(()) };
        if matches!(self.method, "get" | "head") {
            return Ok(()); // OpenAPI gives it no meaning.
        }
        let body = self.document.resolve(body)?;
        let is_required = body.get("required") == Some(&Value::Bool(true));
        let Some(contents) = body.get("content").and_then(Value::as_object) else { return Ok(()) };
        let kinds = contents.iter().map(|(kind, content)| (essence(kind), kind, content));
        let best = kinds.clone().find(|(kind, ..)| is_json(kind) || kind == "*/*");
        let best = best
            .or_else(|| kinds.clone().find(|(kind, ..)| kind == FORM || kind.starts_with("text/")));
        let Some((kind, written, content)) = best else {
            if !is_required {
                return Ok(());
            }
            let kinds: Vec<_> = contents.keys().map(String::as_str).collect();
            return Err(format!("its body is {}", kinds.join(" or ")));
        };
        let mut schema = match content.get("schema") {
            Some(schema) => copier.copy(schema, 0)?,
            None => json!({}),
        };
        describe(&mut schema, body.get("description").and_then(Value::as_str).unwrap_or_default());
        let members = schema.get("properties").and_then(Value::as_object).cloned();
        let argument = draft.argument("body", schema, is_required);
        let whole = json!({"$": format!("/input/{argument}")});
        let sent = match members {
            _ if is_json(&kind) || kind == "*/*" => whole,
            Some(members) if kind == FORM => {
                let pointer = |name: &str| name.replace('~', "~0").replace('/', "~1");
                let member = |name: &String| {
                    (name.clone(), json!({"$": format!("/input/{argument}/{}", pointer(name))}))
                };
                Value::Object(members.keys().map(member).collect())
            }
            None if kind == FORM => {
                return Err("the members of its form are not described".to_owned());
            }
            _ => format!("{{{{ input.{argument} }}}}").into(),
        };
        if written.contains("{{") {
            return Err("its body is of no type that there is".to_owned());
        }
        if kind != "application/json" && kind != "*/*" {
            draft.set("headers", "content-type", written.as_str().into());
        }
        draft.config.insert("body".to_owned(), sent);
        Ok(())
    }

    fn display_name(&self) -> String {
        let summary = self.operation.get("summary").and_then(Value::as_str).unwrap_or(self.id);
        one_line(summary, 200)
    }

    fn description(&self) -> String {
        let text = |name: &str| self.operation.get(name).and_then(Value::as_str).map(str::trim);
        let parts = [text("summary"), text("description")].into_iter().flatten();
        let mut parts: Vec<&str> = parts.filter(|it| !it.is_empty()).collect();
        parts.dedup();
        let whole = parts.join("\n\n");
        if whole.is_empty() {
            return format!("{} {}", self.method.to_ascii_uppercase(), self.path);
        }
        whole.chars().take(DESCRIPTION).collect()
    }
}

impl Draft {
    /// Adds an argument; its name.
    fn argument(&mut self, name: &str, schema: Value, is_required: bool) -> String {
        let mut word = word(name, ARGUMENT - 4);
        if word.is_empty() {
            "argument".clone_into(&mut word);
        }
        let mut all =
            std::iter::once(word.clone()).chain((2..1000).map(|it| format!("{word}_{it}")));
        let name = all.find(|it| self.names.insert(it.clone())).unwrap_or_default();
        if is_required {
            self.required.push(name.clone());
        }
        self.properties.insert(name.clone(), schema);
        name
    }

    fn set(&mut self, place: &str, name: &str, value: Value) {
        let members = self.config.entry(place).or_insert_with(|| json!({}));
        if let Value::Object(members) = members {
            members.insert(name.to_owned(), value);
        }
    }

    /// The schema of all arguments, which must be one.
    fn input_schema(&mut self) -> Result<Value, String> {
        let mut schema = json!({
            "type": "object",
            "properties": std::mem::take(&mut self.properties),
            "required": std::mem::take(&mut self.required),
            "additionalProperties": false,
        });
        if Schema::compile(schema.clone()).is_ok() {
            return Ok(schema);
        }
        without_patterns(&mut schema);
        match Schema::compile(schema.clone()) {
            Ok(_) => Ok(schema),
            Err(fault) => {
                Err(format!("its schema is none, at `{}`: {}", fault.pointer, fault.detail))
            }
        }
    }
}

/// The value of a parameter that must be there and can only have one; of a header also the usual one, such as a
/// version.
fn fixed(schema: &Value, place: &str, is_required: bool) -> Option<String> {
    let one = schema.get("enum").and_then(Value::as_array).filter(|it| it.len() == 1);
    let only = schema.get("const").or_else(|| one?.first());
    let only = only.filter(|_| is_required && place != "path");
    let value = only.or_else(|| schema.get("default").filter(|_| place == "header"))?;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// A template that stands for these letters.
fn literal(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

/// Says what an argument means, unless its schema does.
fn describe(schema: &mut Value, description: &str) {
    let Value::Object(members) = schema else { return };
    if !description.trim().is_empty() && !members.contains_key("description") {
        members.insert("description".to_owned(), one_line(description, 500).into());
    }
}

fn one_line(text: &str, longest: usize) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(longest).collect()
}

/// The media type without its parameters.
fn essence(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The URL of a server, with the defaults of its variables.
fn with_defaults(server: &Value) -> String {
    let mut url = server.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
    let variables = server.get("variables").and_then(Value::as_object).into_iter().flatten();
    for (name, variable) in variables {
        let default = variable.get("default").and_then(Value::as_str).unwrap_or_default();
        url = url.replace(&format!("{{{name}}}"), default);
    }
    url
}

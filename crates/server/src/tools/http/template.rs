//! Texts with the arguments of a call and the names of secrets in them.
//!
//! `{{ input.order.id }}` is an argument, `{{ secrets.NAME }}` a secret, and `{{ "…" }}` what stands between the
//! quotes. There is nothing else: no filters, no conditions. What an argument says is never read as a
//! template, nor as the name of a secret.

use std::fmt::Display;

use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use crate::definitions::template::may_have;
use crate::egress::Escape;
use crate::egress::Text;
use crate::egress::UNRESERVED;
use crate::http::Invalid;

/// A text of a definition, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Plain(String),
    Input(Path),
    Secret(String),
}

/// The way to an argument: members of objects, and numbers of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<String>);

/// An argument that is not there. It can be left out where nothing stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the argument `{0}` is not given")]
pub struct Missing(String);

impl Template {
    /// Understands `text`, which stands at `place`, of a tool with this schema of its arguments.
    pub fn parse(text: &str, schema: &Value, place: &str) -> Result<Self, Invalid> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            push_plain(&mut parts, before);
            let bad = |why: &dyn Display| Invalid::new(place, "bad_template", why);
            let after = after.trim_start();
            if after.starts_with('"') {
                let mut literals = serde_json::Deserializer::from_str(after).into_iter::<String>();
                let literal = literals.next().and_then(Result::ok);
                let literal = literal.ok_or_else(|| bad(&"a `\"` is not closed"))?;
                let behind = after[literals.byte_offset()..].trim_start();
                rest =
                    behind.strip_prefix("}}").ok_or_else(|| bad(&"`}}` is missing after `\"`"))?;
                push_plain(&mut parts, &literal);
                continue;
            }
            let (inner, behind) =
                after.split_once("}}").ok_or_else(|| bad(&"a `{{` is not closed by `}}`"))?;
            parts.push(expression(inner.trim(), schema, place)?);
            rest = behind;
        }
        push_plain(&mut parts, rest);
        Ok(Self(parts))
    }

    /// The text with the arguments in `input`. What the definition says itself is written by the rules of
    /// `own`, arguments by those of `values`.
    pub fn render(&self, input: &Value, own: Escape, values: Escape) -> Result<Text, Missing> {
        let mut text = Text::default();
        for part in &self.0 {
            match part {
                Part::Plain(plain) => push(&mut text, plain, own),
                Part::Input(path) => push(&mut text, &as_text(path.find(input)?), values),
                Part::Secret(name) => text.push_secret(name),
            }
        }
        Ok(text)
    }

    /// The argument that is all of it.
    pub fn sole(&self) -> Option<&Path> {
        match &self.0[..] {
            [Part::Input(path)] => Some(path),
            _ => None,
        }
    }

    /// What stands before the first argument or secret.
    pub fn beginning(&self) -> &str {
        match self.0.first() {
            Some(Part::Plain(text)) => text,
            _ => "",
        }
    }

    /// The text with `x` for each argument and secret.
    pub fn sample(&self) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Plain(text) => text.as_str(),
            Part::Input(_) | Part::Secret(_) => "x",
        });
        parts.collect()
    }

    pub fn has_secrets(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Secret(_)))
    }
}

impl Path {
    /// Understands a pointer such as `/input/lines/0`.
    pub fn of_pointer(pointer: &str, schema: &Value, place: &str) -> Result<Self, Invalid> {
        let mut steps = pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~"));
        if steps.next().as_deref() != Some("") || steps.next().as_deref() != Some("input") {
            let detail = "a pointer begins with `/input`";
            return Err(Invalid::new(place, "bad_pointer", detail));
        }
        Self(steps.collect()).checked(schema, place)
    }

    pub fn find<'i>(&self, input: &'i Value) -> Result<&'i Value, Missing> {
        let found = self.0.iter().try_fold(input, |value, step| match value {
            Value::Object(members) => members.get(step),
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        });
        found.ok_or_else(|| Missing(self.shown()))
    }

    /// The same, unless `schema` says that there is nothing at its end.
    fn checked(self, schema: &Value, place: &str) -> Result<Self, Invalid> {
        let mut known = Some(schema);
        for step in &self.0 {
            let Some(schema) = known else { break };
            let is_object = schema.get("type").is_some_and(|it| it == "object");
            if is_object && !may_have(schema, step) {
                let detail = format!("`{}` is no argument of this tool", self.shown());
                return Err(Invalid::new(place, "unknown_variable", detail));
            }
            known = schema.get("properties").and_then(|it| it.get(step));
        }
        Ok(self)
    }

    fn shown(&self) -> String {
        self.0.iter().fold("input".to_owned(), |shown, step| format!("{shown}.{step}"))
    }
}

/// An argument as a text: a text as it is, lists and objects as JSON.
pub fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Adds plain text to `text`, written by the rules of `escape`.
pub fn push(text: &mut Text, plain: &str, escape: Escape) {
    match escape {
        Escape::None => text.push(plain),
        Escape::Percent => utf8_percent_encode(plain, UNRESERVED).for_each(|it| text.push(it)),
        Escape::Json => {
            let json = Value::from(plain).to_string();
            text.push(json.get(1..json.len() - 1).unwrap_or_default());
        }
    }
}

fn expression(text: &str, schema: &Value, place: &str) -> Result<Part, Invalid> {
    let mut steps = text.split('.');
    match (steps.next(), text.strip_prefix("secrets.")) {
        (Some("input"), _) => {
            let steps: Vec<String> = steps.map(str::to_owned).collect();
            if steps.iter().any(String::is_empty) {
                return Err(Invalid::new(place, "bad_template", "a name is missing after `.`"));
            }
            Path(steps).checked(schema, place).map(Part::Input)
        }
        (_, Some(name)) if Text::scan(&format!("{{{{secrets.{name}}}}}")).secrets().eq([name]) => {
            Ok(Part::Secret(name.to_owned()))
        }
        _ => {
            let detail = "between `{{` and `}}` stands `input`, `input.` and the name of an argument, `secrets.` and the \
                          name of a secret, or a text in `\"`";
            Err(Invalid::new(place, "bad_template", detail))
        }
    }
}

fn push_plain(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Plain(last)) => last.push_str(text),
        _ => parts.push(Part::Plain(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({"type": "object", "properties": {
            "id": {"type": "integer"},
            "order": {"type": "object", "properties": {"note": {"type": "string"}}},
            "lines": {"type": "array"},
            "open": {"type": "object", "additionalProperties": true},
        }})
    }

    fn render(text: &str, values: Escape) -> Result<String, Missing> {
        let input = json!({"id": 7, "order": {"note": "a/b {{secrets.key}}\"\n"}, "lines": [1, {"a": null}]});
        let template = Template::parse(text, &schema(), "/url").unwrap();
        template.render(&input, Escape::None, values).map(|it| it.to_string())
    }

    #[test]
    fn arguments_are_written_as_their_place_wants_it() {
        assert_eq!(
            render("/{{input.id}}?{{ input.lines.1 }}", Escape::None).unwrap(),
            "/7?{\"a\":null}"
        );
        let note = "<{{ input.order.note }}>";
        let percent = "<a%2Fb%20%7B%7Bsecrets.key%7D%7D%22%0A>";
        assert_eq!(render(note, Escape::Percent).unwrap(), percent);
        assert_eq!(render(note, Escape::Json).unwrap(), "<a/b {{secrets.key}}\\\"\\n>");
        assert_eq!(render("{{ \"{{x}} \\\"\" }}!", Escape::None).unwrap(), "{{x}} \"!");
        assert_eq!(
            render("{{ input.lines.9 }}", Escape::None),
            Err(Missing("input.lines.9".into()))
        );
    }

    #[test]
    fn an_argument_that_looks_like_a_secret_is_none() {
        let template = Template::parse("{{input.id}} {{ secrets.key }}", &schema(), "").unwrap();

        let text = template.render(&json!({"id": "{{secrets.other}}"}), Escape::None, Escape::None);

        assert_eq!(text.unwrap().secrets().collect::<Vec<_>>(), ["key"]);
    }

    #[test]
    fn what_nothing_gives_a_value_is_refused() {
        let fault = |text: &str| {
            let fault = Template::parse(text, &schema(), "/url").unwrap_err();
            format!("{} {}", fault.code, fault.detail)
        };

        assert_eq!(
            fault("{{input.ids}}"),
            "unknown_variable `input.ids` is no argument of this tool"
        );
        assert_eq!(
            fault("{{input.order.x}}"),
            "unknown_variable `input.order.x` is no argument of this tool"
        );
        assert!(Template::parse("{{input.open.x.y}} {{input.lines.0.z}}", &schema(), "").is_ok());
        assert!(Template::parse("{{input.any}}", &json!({"type": "object"}), "").is_err());
        assert!(Template::parse("{{input.any}}", &json!({}), "").is_ok());
        for text in [
            "{{",
            "{{}}",
            "{{id}}",
            "{{input.}}",
            "{{input.a|upper}}x{{y",
            "{{secrets.a b}}",
            "{{\"a}}",
        ] {
            assert!(fault(text).starts_with("bad_template ") || text.contains('|'), "{text}");
        }
    }

    #[test]
    fn a_pointer_leads_to_an_argument() {
        let find = |pointer: &str| {
            let path = Path::of_pointer(pointer, &schema(), "/body")?;
            Ok::<_, Invalid>(path.find(&json!({"lines": [{"a/b": 5}]})).cloned().ok())
        };

        assert_eq!(find("/input/lines/0/a~1b").unwrap(), Some(json!(5)));
        assert_eq!(find("/input/id").unwrap(), None);
        assert_eq!(find("/input/none").unwrap_err().code, "unknown_variable");
        assert_eq!(find("/secrets/key").unwrap_err().code, "bad_pointer");
        assert_eq!(find("input").unwrap_err().code, "bad_pointer");
    }
}

//! Tools as the loop knows them: a name, a schema and what a repetition would do.

use std::fmt::Write;
use std::sync::Arc;

use aws_lc_rs::digest;
use llm::ToolStatus;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use utoipa::ToSchema;

use crate::event::ToolErrorKind;
use crate::event::ToolFinished;

/// What repeating a call would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing: it may be repeated freely.
    Read,
    /// Nothing, if its `Idempotency-Key` comes with it.
    Idempotent,
    /// The effect again: we never repeat it.
    Effect,
}

/// A tool that is offered to a model.
#[derive(Debug, Clone)]
pub struct ToolSpec {
    pub tool: llm::Tool,
    /// `None` for a tool that is built in.
    pub version: Option<i64>,
    pub effect: Effect,
    validator: Arc<jsonschema::Validator>,
}

impl ToolSpec {
    /// Compiles the schema of the arguments; says why if it is none.
    pub fn new(tool: llm::Tool, version: Option<i64>, effect: Effect) -> Result<Self, String> {
        let validator = compile(&tool.input_schema).map_err(|error| error.to_string())?;
        Ok(Self { tool, version, effect, validator: Arc::new(validator) })
    }

    /// What the model calls it.
    pub fn name(&self) -> &str {
        &self.tool.name
    }

    /// Says in words for the model what is wrong with `arguments`; at most five things.
    pub fn check(&self, arguments: &Value) -> Result<(), String> {
        faults(&self.validator, arguments)
    }
}

/// Compiles a JSON Schema. It is read as one of draft 2020-12, whatever it says of itself.
pub(crate) fn compile(
    schema: &Value,
) -> Result<jsonschema::Validator, jsonschema::ValidationError<'static>> {
    jsonschema::options().with_draft(jsonschema::Draft::Draft202012).build(schema)
}

/// Says in words for the model what is wrong with `value`; at most five things.
pub(crate) fn faults(validator: &jsonschema::Validator, value: &Value) -> Result<(), String> {
    // Most are valid, which is cheaper to see than to list what is wrong.
    if validator.is_valid(value) {
        return Ok(());
    }
    let mut wrong = String::new();
    for error in validator.iter_errors(value).take(5) {
        let separator = if wrong.is_empty() { "" } else { "; " };
        let _ = write!(wrong, "{separator}{error} (at `{}`)", error.instance_path());
    }
    Err(wrong)
}

impl ToolFinished {
    /// Whether the call was sent and nobody knows yet what came of it.
    pub(crate) fn is_lost(&self) -> bool {
        let kind = self.error.as_ref().map(|error| error.kind);
        self.status == ToolStatus::Unknown && kind == Some(ToolErrorKind::Lost)
    }

    /// What the model is told of it.
    pub(crate) fn told(&self) -> Value {
        match &self.error {
            Some(error) => json!({ "error": error.message }),
            None => self.result.clone(),
        }
    }
}

/// What identifies an effect to the far side, the same for all attempts: a hash of run and call.
pub fn effect_id(run_id: &str, call_id: &str) -> String {
    let mut text = String::with_capacity(run_id.len() + call_id.len() + 1);
    text.push_str(run_id);
    text.push('/');
    text.push_str(call_id);
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

/// `sha256:…` of the canonical form of `arguments`: members in order of their names, no spaces.
pub fn arguments_hash(arguments: &Value) -> String {
    let mut text = String::new();
    canonical(arguments, &mut text);
    format!("sha256:{}", hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()))
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (index, (name, member)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                let _ = write!(out, "{}:", Value::from(name.as_str()));
                canonical(member, out);
            }
            out.push('}');
        }
        scalar => {
            let _ = write!(out, "{scalar}");
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |it: u8| char::from(b"0123456789abcdef"[usize::from(it)]);
    let mut out = String::with_capacity(bytes.len() * 2);
    out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_hash_of_arguments_does_not_depend_on_the_order_of_members() {
        let one: Value = serde_json::from_str(r#"{"a": 1, "b": {"c": [1, 2], "d": "x"}}"#).unwrap();
        let other: Value =
            serde_json::from_str(r#"{"b": {"d": "x", "c": [1, 2]}, "a": 1}"#).unwrap();

        assert_eq!(arguments_hash(&one), arguments_hash(&other));
        assert_ne!(arguments_hash(&one), arguments_hash(&json!({"a": 1})));
    }

    #[test]
    fn the_hash_of_arguments_is_that_of_their_canonical_text() {
        let mut text = String::new();
        canonical(
            &json!({"b": [1, null, "\u{e9}\n"], "a": 2_512_292_042_121_000_001_u64}),
            &mut text,
        );

        assert_eq!(text, r#"{"a":2512292042121000001,"b":[1,null,"é\n"]}"#);
    }

    #[test]
    fn an_effect_keeps_its_id_and_shares_it_with_no_other() {
        assert_eq!(effect_id("r", "c"), effect_id("r", "c"));
        assert_ne!(effect_id("r", "c"), effect_id("r", "d"));
        assert_ne!(effect_id("r", "c"), effect_id("s", "c"));
    }
}

//! Answers that are values: a schema, and what a model's text says under it.

use std::sync::Arc;

use serde_json::Value;

use crate::tool::compile;
use crate::tool::faults;

/// How often a model is told what is wrong with its answer. After that the run fails.
pub(crate) const REPAIRS: usize = 2;

/// What an answer must be.
#[derive(Debug, Clone)]
pub struct OutputSpec {
    schema: Value,
    validator: Arc<jsonschema::Validator>,
}

impl OutputSpec {
    /// Compiles `schema`; says why if it is none.
    pub fn new(schema: Value) -> Result<Self, String> {
        let validator = compile(&schema).map_err(|error| error.to_string())?;
        Ok(Self { schema, validator: Arc::new(validator) })
    }

    /// The JSON Schema.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// The value that `text` is, or in words for the model why it is none.
    pub(crate) fn read(&self, text: &str) -> Result<Value, String> {
        let value = serde_json::from_str(without_fence(text))
            .map_err(|error| format!("it is no JSON: {error}"))?;
        faults(&self.validator, &value).map(|()| value)
    }

    /// What a model is told after an answer that is wrong, because of `why`.
    pub(crate) fn repair(&self, why: &str) -> String {
        let schema = &self.schema;
        format!(
            "Your answer cannot be used: {why}. Give it once more, as one JSON value that this JSON \
             Schema accepts and with nothing beside it.\n{schema}"
        )
    }
}

/// The inside of a code fence, if `text` is one and nothing else.
fn without_fence(text: &str) -> &str {
    let text = text.trim();
    let inside = || {
        let inside = text.strip_prefix("```")?.strip_suffix("```")?;
        Some(inside.strip_prefix("json").unwrap_or(inside).trim())
    };
    inside().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_read_with_and_without_a_fence_and_nothing_else_is_left_out() {
        let spec = OutputSpec::new(json!({"type": "object", "required": ["a"]})).unwrap();
        let value = Ok(json!({"a": 1}));

        for text in [r#"{"a": 1}"#, "\n```json\n{\"a\": 1}\n```\n", "```{\"a\": 1}```"] {
            assert_eq!(spec.read(text), value, "{text}");
        }
        for text in ["", "Here: {\"a\": 1}", "{\"a\": 1} {}", "```json\n{\"a\": 1}"] {
            assert!(spec.read(text).unwrap_err().starts_with("it is no JSON: "), "{text}");
        }
        assert_eq!(spec.read("{}").unwrap_err(), "\"a\" is a required property (at ``)");
    }
}
